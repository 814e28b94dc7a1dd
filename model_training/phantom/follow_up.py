"""The same subject at a later exam: lying elsewhere, in another breath, on another scanner, with plaques that have grown by a known amount.

SYNTHETIC. Two exams of one subject say what a comparison is worth: where a place of the heart went, and how much calcium was added, is known.
"""

from __future__ import annotations

import copy
import math
import multiprocessing
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from hyrisk_desktop.jobs import Progress, no_progress
from model_training.phantom.exam import (
    COLUMNS,
    ROWS,
    STUDY_DATE,
    ExamLayout,
    exam_grid,
    exam_layout,
    first_voxel_mm,
    outside_circle,
    slice_dataset,
    uid,
    write_exam,
)
from model_training.phantom.heart import rotation
from model_training.phantom.render import Phantom, make_phantom, render
from model_training.phantom.scanner import add_noise, make_scanner
from model_training.phantom.subject import stream

F64 = NDArray[np.float64]
TURN_SD_DEG, SHIFT_SD_MM, BREATH_SD_MM, HEART_SD_MM = 2.0, 10.0, 8.0, 2.0
"""How differently a patient lies, breathes in, and how far the heart's phase moves it, from year to year."""
GROWTHS = (1.0, 1.0, 1.3, 1.7, 2.4)
"""Factors by which the volume of the coronary lesions may have grown; as often as not it has not."""
WITH_DIAPHRAGM = 0.5
"""Of the diaphragm's way the heart goes this part."""
BEYOND_MM = 40.0
DAYS_A_YEAR = 365.25
_CHUNK = 6
Run = Callable[..., Iterable[NDArray[np.int16]]]


@dataclass(frozen=True, eq=False)
class FollowUp:
    """A later exam.

    Attributes:
        phantom: the subject as it is then, before it is laid on the couch. years: after the first exam.
        heart_mm: where the heart went in its chest, [3]. turn: rotation matrix [3, 3] of the body; shift_mm: [3].
    """

    phantom: Phantom
    years: float
    heart_mm: F64
    turn: F64
    shift_mm: F64

    def lying(self, mm: F64) -> F64:
        """Where places [..., 3] of the body (LPS mm of an exam of someone who lies straight) are on the couch."""
        pivot = self._pivot
        there: F64 = (mm - pivot) @ self.turn.T + pivot + self.shift_mm
        return there

    def of_heart(self, mm: F64) -> F64:
        """Where places [..., 3] of the heart in the first exam are in this one, LPS mm."""
        return self.lying(mm + self.heart_mm)

    @property
    def _pivot(self) -> F64:
        """The middle of the body: x is counted from the midline."""
        return np.array([0.0, self.phantom.thorax.depth, 0.0])


def follow_up(seed: int, years: float = 1.0, growth: float | None = None) -> FollowUp:
    """A later exam of the subject of ``seed``.

    Args:
        years: after the first one. growth: of the lesions' volume; None to draw it from `GROWTHS`.
    """
    rng = stream(seed, f"follow-up {years:g}")
    first = make_phantom(seed)
    drawn = float(rng.choice(GROWTHS))
    breath = rng.normal(0, BREATH_SD_MM)
    heart = rng.normal(0, HEART_SD_MM, 3) + np.array([0.0, 0.0, WITH_DIAPHRAGM * breath])
    thorax = copy.copy(first.thorax)
    thorax.dome_z += breath
    thorax.half_depth *= math.exp(rng.normal(0, 0.01))
    # Another day's scanner is drawn as that of another subject of this build.
    scanner = replace(make_scanner(replace(first.subject, seed=int(rng.integers(2**31)))), take=1)
    phantom = Phantom(first.subject, first.heart.moved(heart), thorax, scanner, drawn if growth is None else growth)
    turn = rotation(tuple(rng.normal(0, TURN_SD_DEG, 3)))
    return FollowUp(phantom, years, heart, turn, rng.normal(0, SHIFT_SD_MM, 3))


def lying_hu(later: FollowUp, run: Run = map) -> NDArray[np.int16]:
    """HU [z, y, x] of the whole later exam: the clean image is turned, and the scanner's noise comes after that.

    Args:
        later: the exam. run: calls a function for each of many arguments, as `map` does.
    """
    phantom = later.phantom
    slices = exam_layout(phantom).slices
    # More than the scanner sees: what lies beyond its ends comes into view when the body is turned and moved.
    beyond = math.ceil(BEYOND_MM / phantom.scanner.increment_mm)
    clean = np.concatenate(
        list(run(partial(_clean, phantom, slices + beyond), range(-beyond, slices + beyond, _CHUNK)))
    )
    image = _turned(clean, beyond, later)
    grid = exam_grid(phantom, 0, slices)
    add_noise(image, phantom.subject.seed, phantom.scanner, grid, (phantom.thorax.midline, phantom.thorax.depth))
    hu = np.rint(np.clip(image, -1024, 3071)).astype(np.int16)
    hu[:, outside_circle()] = phantom.scanner.padding_hu
    return hu


def _clean(phantom: Phantom, last: int, start: int) -> NDArray[np.int16]:
    return render(phantom, exam_grid(phantom, start, min(start + _CHUNK, last)), noisy=False)


def _turned(clean: NDArray[np.int16], beyond: int, later: FollowUp) -> NDArray[np.float32]:
    """The image [z, y, x] of a body that lies as ``later`` says, by cubic splines; ``clean`` has ``beyond`` slices more at each end."""
    import SimpleITK as sitk

    phantom = later.phantom
    layout, scanner = exam_layout(phantom), phantom.scanner
    spacing = (scanner.pixel_mm, scanner.pixel_mm, scanner.increment_mm)
    image = sitk.GetImageFromArray(clean.astype(np.float32))
    image.SetSpacing(spacing)
    image.SetOrigin(first_voxel_mm(phantom, layout, -beyond))
    seen = sitk.Image([COLUMNS, ROWS, layout.slices], sitk.sitkFloat32)
    seen.SetSpacing(spacing)
    seen.SetOrigin(first_voxel_mm(phantom, layout))
    back = sitk.AffineTransform(3)
    back.SetMatrix(later.turn.T.ravel().tolist())
    back.SetTranslation((-later.turn.T @ later.lying(np.zeros(3))).tolist())
    turned: NDArray[np.float32] = sitk.GetArrayFromImage(sitk.Resample(image, seen, back, sitk.sitkBSpline, -1000.0))
    return turned


# --- as DICOM


def write_pair(
    directory: Path, seed: int, years: float, growth: float | None, workers: int = 2, progress: Progress = no_progress
) -> None:
    """Write ``prior`` and ``current`` below ``directory``: two exams of one subject as DICOM series.

    Args:
        directory, seed: where to, and of whom. years, growth: as of `follow_up`. workers: processes that render.
        progress: called with slices made and slices in all.
    """
    later = follow_up(seed, years, growth)
    layout = exam_layout(later.phantom)
    first = exam_layout(make_phantom(seed)).slices
    total = first + layout.slices
    write_exam(directory / "prior", seed, workers, lambda done, _: progress(done, total))
    with multiprocessing.get_context("spawn").Pool(workers) if workers > 1 else nullcontext() as pool:
        hu = lying_hu(later, map if pool is None else pool.map)
    folder = directory / "current"
    folder.mkdir(parents=True, exist_ok=True)
    for index, picture in enumerate(hu):
        dataset = later_dataset(later, layout, index, picture)
        dataset.save_as(folder / f"CT{layout.slices - index:04d}.dcm", enforce_file_format=True)
    progress(total, total)


def later_dataset(later: FollowUp, layout: ExamLayout, index: int, hu: NDArray[np.int16]) -> Dataset:
    """The CT Image Storage object of slice ``index`` (feet first) of the later exam, with HU values [512, 512].

    Args:
        later, layout: the exam. index, hu: of the slice.
    """
    assert hu.shape == (ROWS, COLUMNS)
    dataset = slice_dataset(later.phantom, layout, index, hu)
    seed, when = later.phantom.subject.seed, f"{later.years:g} years later"
    day = date(int(STUDY_DATE[:4]), int(STUDY_DATE[4:6]), int(STUDY_DATE[6:])) + timedelta(
        days=later.years * DAYS_A_YEAR
    )
    for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(dataset, keyword, day.strftime("%Y%m%d"))
    dataset.PatientAge = f"{math.floor(later.phantom.subject.age_years + later.years):03d}Y"
    dataset.StudyInstanceUID = uid(seed, f"study {when}")
    dataset.SeriesInstanceUID = uid(seed, f"series {when}")
    dataset.FrameOfReferenceUID = uid(seed, f"frame of reference {when}")
    dataset.SOPInstanceUID = uid(seed, f"instance/{dataset.InstanceNumber} {when}")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset
