"""A small calcified DICOM exam, read and measured: what the reports are made of."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.imaging import find_series, read_volume
from hyrisk_desktop.measurement import measure
from tests.helpers import dicom_series

if TYPE_CHECKING:
    from hyrisk_desktop.risk import Predictor

CENTRE = (50, 46, 6)
SIZE, COUNT = 96, 12
PIXEL = (2.6, 2.3)
"""Coarse, so that the small image holds lungs around a heart: what is none is withheld."""


def calcified(
    *, orientation: Sequence[float] = (1, 0, 0, 0, 1, 0), patient: str = "Test^Persson", enhanced: bool = False
) -> list[Dataset]:
    """Data sets of an exam with three lesions near `CENTRE`, one of them two pixels that touch at a corner only, twice.

    The patient's name is no word of ours, as folders' names should not be: an export without identity that finds one has to make
    all reports of a nobody as well, which takes as long again.
    """
    made = dicom_series.slices(COUNT, SIZE, SIZE, increment=2.5, pixel=PIXEL, orientation=orientation)
    for ds in made:
        ds.PatientName = patient
        ds.StudyID, ds.AccessionNumber = "17", "A-4711"
    for z, y, x, hu in _lesion_voxels():
        pixels = np.frombuffer(made[z].PixelData, np.uint16).reshape(SIZE, SIZE).copy()
        pixels[y, x] = hu + 1024
        made[z].PixelData = pixels.tobytes()
    if not enhanced:
        return made
    one = dicom_series.enhanced(COUNT, SIZE, SIZE)
    one.PixelData = b"".join(ds.PixelData for ds in made[::-1])
    measures = one.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    measures.PixelSpacing = list(PIXEL)
    return [one]


def _lesion_voxels() -> list[tuple[int, int, int, int]]:
    square = [(5, y, x, 320) for y in range(40, 44) for x in range(52, 57)]
    diagonal = [(6, 50 + n, 44 + n, 450 + n) for n in range(6)]
    ring = [(7, y, x, 210) for y in range(60, 65) for x in range(60, 65) if (y, x) != (62, 62)]
    return square + diagonal + ring


def report_of(
    folder: Path,
    predictor: Predictor | None = None,
    *,
    grade: float | None = 2.0,
    excluded: Sequence[tuple[int, int, int]] = (),
    centre: tuple[int, int, int] = CENTRE,
    reader: str = "Ada Müller",
) -> Report:
    """The reading of the exam in ``folder``."""
    record = find_series(folder)[0]
    volume = read_volume(record)
    return Report(record, volume, measure(volume, centre, grade, predictor, excluded=excluded), reader=reader)


def same_risk(back: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    """Whether the risk of a structured report is that of a JSON document: shares are in percent there, which may move their last bit."""
    if back is None or back.keys() != wanted.keys():
        return False

    def flat(value: Any) -> list[Any]:
        return list(value) if isinstance(value, list | tuple) else [value]

    pairs = [(a, b) for key in wanted for a, b in zip(flat(back[key]), flat(wanted[key]), strict=True)]
    return all(math.isclose(a, b, rel_tol=1e-14) if isinstance(b, float) else a == b for a, b in pairs)


def changed(path: Path, out: Path, edit: Callable[[Dataset], None]) -> Path:
    """A copy of a DICOM file that ``edit`` changed."""
    ds = copy.deepcopy(pydicom.dcmread(path))
    edit(ds)
    ds.save_as(out)
    return out
