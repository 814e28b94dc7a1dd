"""Works out what the list shows of an exam before anybody opens it: thumbnail, proposed centre, findings of its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QBuffer, QByteArray, QIODevice
from PySide6.QtGui import QImage, QImageWriter

from hyrisk_desktop.findings import Finding
from hyrisk_desktop.gui.state import Exam
from hyrisk_desktop.imaging import CTVolume, propose_centre
from hyrisk_desktop.worklist.records import Proposal

THUMBNAIL_PX = 96
_LEVEL, _WIDTH = 40.0, 400.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `prepare` found of one exam."""

    stored_id: int
    series_uid: str
    thumbnail: bytes | None
    proposal: Proposal | None
    findings: tuple[Finding, ...]
    content_sha256: str = ""


def prepare(stored_id: int, exam: Exam, content_sha256: str = "") -> Prepared:
    """On a worker thread: thumbnail at the proposed centre (or the middle), the proposal, the findings."""
    proposed = propose_centre(exam.volume)
    proposal = Proposal(proposed.voxel, proposed.confident, proposed.reason) if proposed else None
    z = proposal.voxel[2] if proposal else exam.volume.shape_zyx[0] // 2
    known = {f.code for f in exam.record.findings}
    findings = tuple(f for f in exam.findings if f.code not in known)
    return Prepared(stored_id, exam.volume.series_uid, thumbnail(exam.volume, z), proposal, findings, content_sha256)


def thumbnail(volume: CTVolume, z: int) -> bytes:
    """The axial slice ``z`` as a PNG of at most `THUMBNAIL_PX` a side, soft tissue window, true proportions."""
    frame = volume.hu[z].astype(np.float32)
    step = max(1, min(frame.shape) // THUMBNAIL_PX)
    rows, columns = (n - n % step for n in frame.shape)
    small = frame[:rows, :columns].reshape(rows // step, step, columns // step, step).mean(axis=(1, 3))
    grey = np.clip((small - (_LEVEL - _WIDTH / 2)) / _WIDTH * 255, 0, 255).astype(np.uint8)
    grey = np.ascontiguousarray(grey)
    image = QImage(grey.data, grey.shape[1], grey.shape[0], grey.shape[1], QImage.Format.Format_Grayscale8)
    height = max(1, round(grey.shape[0] * volume.spacing_mm[1] / volume.spacing_mm[0]))
    longest = max(grey.shape[1], height)
    image = image.scaled(max(1, grey.shape[1] * THUMBNAIL_PX // longest), max(1, height * THUMBNAIL_PX // longest))
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    QImageWriter(buffer, QByteArray(b"png")).write(image)
    return bytes(data.data())
