"""The manual's pictures, taken by the user stories.

``python -m tests.helpers.pictures`` runs the stories that take some and puts them into ``resources/help/pictures``. Where
the environment variable ``HYRISK_PICTURES`` names no folder, `picture` does nothing. Synthetic exams only: the command
leaves HYRISK_TEST_DATA out, so that no story sees a real one.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PySide6.QtCore import QBuffer, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QLineEdit, QWidget

FOLDER = "HYRISK_PICTURES"
REAL_DATA = "HYRISK_TEST_DATA"
ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 150_000
_WIDEST = 1280
_GREY = 3
"""Largest minus smallest of red, green and blue up to which a pixel is grey."""
_COMMON = 40
_CALL = re.compile(r"picture\([^\"]+\"([\w-]+)\"")


def picture(widget: QWidget, name: str, texts: Mapping[str, str] | None = None) -> None:
    """Save what ``widget`` shows as ``name``.png, at most 1280 pixels wide.

    Args:
        texts: what fields (by objectName) show meanwhile, in place of this machine's paths and names.
    """
    if not (folder := os.environ.get(FOLDER)):
        return
    assert REAL_DATA not in os.environ, "a picture of a real exam must never be taken"
    # What the last act changed has to be laid out and painted first.
    for _ in range(3):
        QApplication.processEvents()
    with _showing(widget, texts or {}):
        grabbed = widget.grab().toImage()
    if grabbed.width() > _WIDEST:
        grabbed = grabbed.scaledToWidth(_WIDEST, Qt.TransformationMode.SmoothTransformation)
    buffer = QBuffer()
    assert grabbed.save(buffer, "PNG")
    _save(Image.open(io.BytesIO(bytes(buffer.data().data()))).convert("RGB"), Path(folder) / f"{name}.png")


def pixels(widget: QWidget) -> NDArray[np.uint8]:
    """What ``widget`` shows now, as [rows, columns, RGBA] in widget pixels."""
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGBA8888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 4 * image.width()].reshape(image.height(), image.width(), 4).copy()


def _save(image: Image.Image, path: Path) -> None:
    """With as many greys as the size allows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for greys in (96, 64, 48, 32, 24, 16, 12):
        _reduced(image, greys).save(path, optimize=True)
        if path.stat().st_size <= MOST_BYTES:
            return
    raise AssertionError(f"{path.name} is larger than {MOST_BYTES} bytes; crop it")


def _reduced(image: Image.Image, greys: int) -> Image.Image:
    """Greys on a ramp, the window's own colours as they are, the rest near: one palette for all would go to the noise."""
    pixels = np.asarray(image).reshape(-1, 3)
    seen, where, counts = np.unique(pixels, axis=0, return_inverse=True, return_counts=True)
    coloured = np.ptp(seen, axis=1) > _GREY
    common = seen[coloured][np.argsort(-counts[coloured])]
    palette = common[:_COMMON].ravel().tolist()
    if len(rare := common[_COMMON:]):
        # Each colour once: how much of the picture it covers says nothing about how much it tells.
        most = 256 - greys - _COMMON
        found = Image.fromarray(rare[None]).quantize(most, method=Image.Quantize.MAXCOVERAGE)
        palette += (found.getpalette() or [])[: 3 * most]
    colours = np.array(palette, int).reshape(-1, 3)
    index = np.rint(seen.mean(axis=1) * (greys - 1) / 255).astype(int)
    for place in np.flatnonzero(coloured):
        index[place] = greys + int(np.argmin(((colours - seen[place]) ** 2).sum(axis=1)))
    reduced = Image.fromarray(index[where].reshape(image.height, image.width).astype(np.uint8)).copy()
    reduced.putpalette([int(v) for v in np.linspace(0, 255, greys) for _ in range(3)] + palette)
    return reduced


@contextmanager
def _showing(widget: QWidget, texts: Mapping[str, str]) -> Iterator[None]:
    fields: list[tuple[QLineEdit, str]] = []
    for name, text in texts.items():
        field = widget.findChild(QLineEdit, name)
        assert field is not None, name
        fields.append((field, field.text()))
        field.blockSignals(True)
        field.setText(text)
    try:
        yield
    finally:
        for field, before in fields:
            field.setText(before)
            field.blockSignals(False)


def taken() -> dict[str, list[str]]:
    """Names of pictures by the story's file that takes them."""
    stories = sorted((ROOT / "tests" / "e2e").glob("test_*.py"))
    found = {story.name: _CALL.findall(story.read_text(encoding="utf-8")) for story in stories}
    return {story: names for story, names in found.items() if names}


def main() -> int:
    """Run the stories that take pictures."""
    environment = {k: v for k, v in os.environ.items() if k not in (REAL_DATA, "QT_QPA_PLATFORM", "WAYLAND_DISPLAY")}
    environment[FOLDER] = str(ROOT / "resources" / "help" / "pictures")
    display = (
        ["xvfb-run", "--auto-servernum", "--server-args=-screen 0 1920x1080x24"] if sys.platform == "linux" else []
    )
    stories = [f"tests/e2e/{story}" for story in taken()]
    return subprocess.call([*display, sys.executable, "-m", "pytest", "-q", *stories], cwd=ROOT, env=environment)


if __name__ == "__main__":
    sys.exit(main())
