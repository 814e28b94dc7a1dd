"""A whole synthetic exam as a DICOM series, with headers that say what it is."""

from __future__ import annotations

import hashlib
import json
import math
import multiprocessing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from hyrisk_desktop.files import replace_file
from hyrisk_desktop.jobs import Progress, no_progress
from model_training.phantom.fields import Grid
from model_training.phantom.render import Phantom, make_phantom, render
from model_training.phantom.subject import GENERATOR_VERSION
from model_training.phantom.truth import calcium_rows

DEMONSTRATION_SEED = 29974
"""The exam that the program opens to show itself: moderate calcium, grade 2, standard kernel, 2.5 mm slices."""

COLUMNS = ROWS = 512
FEET_MM, HEAD_MM = -150.0, 140.0
"""Extent of an exam along the body, from the heart centre."""
INTERCEPT = -1024
_SLICES_PER_TASK = 6
STUDY_DATE = "20180617"
CENTRE_FILE = "heart_centre.json"


@dataclass(frozen=True, slots=True)
class ExamLayout:
    """Where a phantom lies in its exam: number of slices, and the click's voxel (x, y, z), feet first."""

    slices: int
    click: tuple[int, int, int]


def exam_layout(phantom: Phantom) -> ExamLayout:
    """The body's middle lies in the middle of the picture; slices go from `FEET_MM` to `HEAD_MM`."""
    scanner, thorax = phantom.scanner, phantom.thorax
    x, y, z = (float(value) for value in phantom.heart.click)
    column = COLUMNS // 2 + round((x - thorax.midline) / scanner.pixel_mm)
    row = ROWS // 2 + round((y - thorax.depth - 6.0) / scanner.pixel_mm)
    slices = round((HEAD_MM - FEET_MM) / scanner.increment_mm)
    return ExamLayout(slices, (column, row, round((z - FEET_MM) / scanner.increment_mm)))


def exam_slices(phantom: Phantom, start: int, stop: int) -> NDArray[np.int16]:
    """HU of the exam's slices ``start`` to ``stop`` (feet first), [z, 512, 512], padding outside the scan circle."""
    voxels = render(phantom, exam_grid(phantom, start, stop))
    voxels[:, outside_circle()] = phantom.scanner.padding_hu
    return voxels


def exam_grid(phantom: Phantom, start: int, stop: int) -> Grid:
    """Where the exam's slices ``start`` to ``stop`` (feet first) lie."""
    x, y, z = exam_layout(phantom).click
    return phantom.grid_from((-x, -y, start - z), (COLUMNS, ROWS, stop - start))


@lru_cache(maxsize=1)
def outside_circle() -> NDArray[np.bool_]:
    """Pixels outside the circle that a scanner reconstructs."""
    i = np.arange(COLUMNS) - (COLUMNS - 1) / 2
    outside: NDArray[np.bool_] = i[None, :] ** 2 + i[:, None] ** 2 > (COLUMNS / 2) ** 2
    return outside


def uid(seed: int, purpose: str) -> str:
    """A UID under 2.25 (UUID-derived) that follows from seed, generator version and purpose."""
    digest = hashlib.sha256(f"hyrisk-phantom/{GENERATOR_VERSION}/{seed}/{purpose}".encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def write_exam(directory: Path, seed: int, workers: int = 2, progress: Progress = no_progress) -> None:
    """Write the exam of ``seed`` as one DICOM file per slice, and `CENTRE_FILE` with the true heart centre and what each calcification is.

    Instances are numbered from head to feet, as most scanners do; the centre's z counts from the feet.

    Args:
        directory: where to. workers: processes that render. progress: called as ``progress(slices made, slices in
            all)``.
    """
    directory.mkdir(parents=True, exist_ok=True)
    phantom = make_phantom(seed)
    layout = exam_layout(phantom)
    tasks = [
        (str(directory), seed, start, min(start + _SLICES_PER_TASK, layout.slices))
        for start in range(0, layout.slices, _SLICES_PER_TASK)
    ]
    progress(0, layout.slices)
    done = 0
    if workers <= 1:
        for task in tasks:
            done += _write_slices(task)
            progress(done, layout.slices)
    else:
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            for count in pool.imap_unordered(_write_slices, tasks):
                done += count
                progress(done, layout.slices)
    _write_centre(directory, phantom, layout)


def _write_centre(directory: Path, phantom: Phantom, layout: ExamLayout) -> None:
    subject = phantom.subject
    x, y, z = layout.click
    centre = {
        "synthetic": True,
        "seed": subject.seed,
        "generator_version": GENERATOR_VERSION,
        "x": x,
        "y": y,
        "z": z,
        "grade": subject.grade,
        "expected_risk": round(subject.expected_risk, 4),
        "series_uid": uid(subject.seed, "series"),
        "calcium": calcium_rows(phantom, layout.click),
    }
    replace_file(directory / CENTRE_FILE, (json.dumps(centre, indent=1) + "\n").encode())


@lru_cache(maxsize=2)
def _phantom(seed: int) -> Phantom:
    return make_phantom(seed)


def _write_slices(task: tuple[str, int, int, int]) -> int:
    """Draw and write slices ``start`` to ``stop``; returns how many."""
    directory, seed, start, stop = task
    phantom = _phantom(seed)
    layout = exam_layout(phantom)
    for offset, hu in enumerate(exam_slices(phantom, start, stop)):
        instance = layout.slices - (start + offset)
        dataset = slice_dataset(phantom, layout, start + offset, hu)
        dataset.save_as(Path(directory) / f"CT{instance:04d}.dcm", enforce_file_format=True)
    return stop - start


def slice_dataset(phantom: Phantom, layout: ExamLayout, index: int, hu: NDArray[np.int16]) -> Dataset:
    """The CT Image Storage object of slice ``index`` (feet first) with HU values [512, 512].

    Args:
        phantom, layout: of the exam. hu: of this slice.
    """
    seed, scanner = phantom.subject.seed, phantom.scanner
    instance = layout.slices - index
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = uid(seed, f"instance/{instance}")
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = uid(seed, f"instance/{instance}")
    _add_study(dataset, phantom)
    _add_acquisition(dataset, phantom)
    dataset.InstanceNumber = instance
    first = first_voxel_mm(phantom, layout, index)
    dataset.ImagePositionPatient = [round(mm, 3) for mm in first]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.SliceLocation = round(first[2], 3)
    _add_pixels(dataset, scanner.pixel_mm, scanner.padding_hu, hu)
    return dataset


def first_voxel_mm(phantom: Phantom, layout: ExamLayout, index: int = 0) -> tuple[float, float, float]:
    """LPS position, mm, of the first voxel of slice ``index`` (feet first): x is counted from the body's midline."""
    x, y, z = layout.click
    position = phantom.grid_from((-x, -y, index - z), (1, 1, 1))
    height = float(phantom.heart.click[2]) + (index - z) * phantom.scanner.increment_mm
    return float(position.x[0]) - phantom.thorax.midline, float(position.y[0]), height


def _add_study(dataset: Dataset, phantom: Phantom) -> None:
    """Patient, study and series: made up, and saying so."""
    subject = phantom.subject
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = STUDY_DATE
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = "120000"
    dataset.AccessionNumber = ""
    dataset.Modality = "CT"
    dataset.Manufacturer = "HyRisk Desktop"
    dataset.ManufacturerModelName = "Synthetic LDCT phantom"
    dataset.SoftwareVersions = GENERATOR_VERSION
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "SYNTHETIC low-dose chest CT"
    dataset.SeriesDescription = "SYNTHETIC chest, no patient"
    dataset.PatientName = "SYNTHETIC^PHANTOM"
    dataset.PatientID = f"PHANTOM-{subject.seed}"
    dataset.PatientBirthDate = ""
    dataset.PatientSex = "M" if subject.male else "F"
    dataset.PatientAge = f"{math.floor(subject.age_years):03d}Y"
    dataset.PatientPosition = "HFS"
    dataset.BodyPartExamined = "CHEST"
    dataset.StudyInstanceUID = uid(subject.seed, "study")
    dataset.SeriesInstanceUID = uid(subject.seed, "series")
    dataset.FrameOfReferenceUID = uid(subject.seed, "frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.StudyID = "1"
    dataset.SeriesNumber = 2
    dataset.AcquisitionNumber = 1
    dataset.ImageComments = "Synthetic image, computed; no patient."


def _add_acquisition(dataset: Dataset, phantom: Phantom) -> None:
    """What a low-dose chest protocol would carry."""
    scanner = phantom.scanner
    dataset.ScanOptions = "HELICAL"
    dataset.SliceThickness = scanner.increment_mm
    dataset.SpacingBetweenSlices = scanner.increment_mm
    dataset.KVP = 120
    dataset.DataCollectionDiameter = 500
    dataset.ReconstructionDiameter = round(scanner.pixel_mm * COLUMNS, 2)
    dataset.GantryDetectorTilt = 0
    dataset.RotationDirection = "CW"
    dataset.ExposureTime = 500
    dataset.XRayTubeCurrent = 80
    dataset.Exposure = 40
    dataset.ConvolutionKernel = scanner.kernel.name


def _add_pixels(dataset: Dataset, pixel_mm: float, padding_hu: int, hu: NDArray[np.int16]) -> None:
    """Stored values are HU + 1024, signed 16 bit."""
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = hu.shape
    dataset.PixelSpacing = [pixel_mm, pixel_mm]
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 1
    dataset.PixelPaddingValue = padding_hu - INTERCEPT
    dataset.BurnedInAnnotation = "NO"
    dataset.RescaleIntercept = INTERCEPT
    dataset.RescaleSlope = 1
    dataset.RescaleType = "HU"
    dataset.WindowCenter = 40
    dataset.WindowWidth = 400
    dataset.PixelData = (hu - np.int16(INTERCEPT)).astype("<i2").tobytes()
