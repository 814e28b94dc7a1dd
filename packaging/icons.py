"""Draw the program's icon in the sizes and formats that the systems want: python icons.py FOLDER."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

sys.path.insert(0, str(Path(__file__).resolve().parent))
from contents import ICON, ICON_SIZES


def main(folder: Path) -> None:
    application = QGuiApplication([])
    folder.mkdir(parents=True, exist_ok=True)
    renderer = QSvgRenderer(str(ICON))
    for size in (*ICON_SIZES, 1024):
        image = QImage(size, size, QImage.Format.Format_ARGB32)
        image.fill(Qt.GlobalColor.transparent)
        with QPainter(image) as painter:
            renderer.render(painter)
        image.save(str(folder / f"{size}.png"))
    Image.open(folder / "256.png").save(folder / "hyrisk.ico", sizes=[(n, n) for n in (16, 24, 32, 48, 64, 128, 256)])
    Image.open(folder / "1024.png").save(folder / "hyrisk.icns")
    del application


if __name__ == "__main__":
    main(Path(sys.argv[1]))
