"""How each exam was looked at last: window, zoom, slice and slab come back with it.

Kept in a file of this account by a hash of the series UID, so that it names nobody.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QRectF, QTimer, Slot

from hyrisk_desktop.bounded_json import read_json
from hyrisk_desktop.files import write_private
from hyrisk_desktop.gui.services.job_runner import Job, JobRunner
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.viewer.desk import Desk
from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.private_files import make_private

_log = logging.getLogger(__name__)
MOST = 500
"""Exams remembered; those looked at last."""
_MOST_BYTES = 1 << 20
_REST_MS = 2000


class ViewMemory(QObject):
    """Follows the session and the images of ``desk``.

    Args:
        path: the file. runner: reads and writes it, off the GUI thread.
    """

    def __init__(self, session: Session, desk: Desk, path: Path, runner: JobRunner, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._desk, self._path, self._runner = session, desk, path, runner
        self._views: dict[str, dict[str, Any]] = {}
        self._key = ""
        self._timer = QTimer(self, interval=_REST_MS)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._write_soon)
        session.exam_changed.connect(self._follow_exam)
        session.view_changed.connect(self._note)
        for view in desk.views.values():
            view.zoomed.connect(self._note)

    def load(self) -> None:
        """Read what was kept by the last run; what has been looked at meanwhile is newer."""
        job = Job("reading views", lambda _: _read(self._path), self._take, lambda _: None)
        self._runner.run_io(job)

    def _take(self, stored: dict[str, dict[str, Any]]) -> None:
        self._views = stored | self._views

    # --- following

    @Slot()
    def _follow_exam(self) -> None:
        exam = self._session.exam
        if exam is None or exam.loading:
            self._key = ""
            return
        key = hashlib.sha256(exam.volume.series_uid.encode()).hexdigest()[:24]
        if key == self._key:
            return
        # Nothing of the exam before is noted under the new one's name.
        self._key = ""
        if (known := self._views.get(key)) is not None:
            self._restore(known)
        self._key = key

    @Slot()
    def _note(self) -> None:
        if not self._key:
            return
        view = self._session.view
        areas = {
            plane.value: [round(float(v), 3) for v in area]
            for plane, one in self._desk.views.items()
            if (area := one.zoomed_area) is not None
        }
        self._views.pop(self._key, None)
        self._views[self._key] = {
            "position": list(view.position), "level": view.level, "width": view.width, "slab_mm": view.slab_mm, "areas": areas,
        }  # fmt: skip
        self._timer.start()

    def _restore(self, known: Mapping[str, Any]) -> None:
        try:
            x, y, z = (int(v) for v in known["position"])
            level, width, slab = (float(known[name]) for name in ("level", "width", "slab_mm"))
            areas = {Plane(name): QRectF(*map(float, area)) for name, area in known["areas"].items()}
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
            # Another version's, or somebody's pencil: the exam then shows as it does for the first time.
            return
        if not (width >= 1 and abs(level) <= 10_000 and width <= 10_000 and 0 <= slab <= 100):
            return
        self._session.resume_view((x, y, z), level=level, width=width, slab_mm=slab)
        for plane, view in self._desk.views.items():
            area = areas.get(plane)
            if area is not None and 1.0 <= area.width() <= 5000.0 and 1.0 <= area.height() <= 5000.0:
                view.show_area(area)
            else:
                view.fit()

    # --- the file

    @Slot()
    def _write_soon(self) -> None:
        # How an exam was looked at is not worth a dialog.
        keep, text = self._keep, self._text()
        self._runner.run_io(Job("keeping views", lambda _: keep(text), lambda _: None, lambda _: None))

    def flush(self) -> None:
        """Write now what waits to be written: the program ends, and nobody looks at the window any more."""
        if self._timer.isActive():
            self._timer.stop()
            self._keep(self._text())

    def _text(self) -> bytes:
        self._views = dict(list(self._views.items())[-MOST:])
        return json.dumps(self._views).encode("ascii")

    def _keep(self, text: bytes) -> None:
        try:
            make_private(self._path.parent)
            write_private(self._path, text)
        except OSError:
            _log.info("Views can't be kept.")


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """What the file holds; nothing where it is missing or damaged."""
    try:
        stored = read_json(path, _MOST_BYTES)
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in stored.items() if isinstance(v, dict)} if isinstance(stored, dict) else {}
