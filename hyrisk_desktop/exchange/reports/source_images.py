"""The images that an export is about: what of their headers may leave, and the way from a voxel to a stored pixel.

Nothing is copied from the files: each data set here is new and gets the attributes of an allow-list, every value of
which went through `plain_values`.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from hyrisk_desktop.comparison import Comparison
from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.exchange import dicom_values as v
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import CTVolume, Kind, SeriesRecord
from hyrisk_desktop.imaging.geometry import Grid, axes_of
from hyrisk_desktop.imaging.pixels.enhanced import frames_of
from hyrisk_desktop.imaging.read import readable
from hyrisk_desktop.imaging.records import current_headers, dicom_series_uid
from hyrisk_desktop.imaging.slices import stack_slices

UTF8 = "ISO_IR 192"
_TYPE_2 = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID")
# What tells a hospital's archive where an object belongs; the rest of the header stays behind.
_ALLOWED = {
    "PatientName": v.person_name,
    "PatientID": v.long_text,
    "PatientBirthDate": v.date,
    "PatientSex": v.sex,
    "PatientAge": v.age,
    "StudyDate": v.date,
    "StudyTime": v.time,
    "StudyID": v.short_text,
    "StudyDescription": v.long_text,
    "AccessionNumber": v.short_text,
    "ReferringPhysicianName": v.person_name,
}


@dataclass(frozen=True, slots=True)
class SourceSlice:
    """One slice of the volume as it is stored: its image, the frame in it (None for single-frame images), its place."""

    sop_class_uid: str
    sop_instance_uid: str
    frame: int | None
    position_mm: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SourceImages:
    """Where a volume came from.

    Attributes:
        slices: in volume order (feet to head).
        grid: how stored slices were turned into the volume. rows, columns: of a stored slice.
        orientation: ImageOrientationPatient; pixel_spacing_mm: (between rows, between columns); both as stored.
        thickness_mm: SliceThickness, else the slice increment.
        study: allow-listed attributes of patient and study, and the UIDs of study, series and frame of reference.
    """

    slices: tuple[SourceSlice, ...]
    grid: Grid
    rows: int
    columns: int
    orientation: tuple[float, ...]
    pixel_spacing_mm: tuple[float, float]
    thickness_mm: float
    study: Dataset

    def stored(self, turned: NDArray[Any]) -> NDArray[Any]:
        """Inverse of `Grid.turn`: a slice of the volume [y, x] as the file has it [row, column]."""
        view = turned[:: -1 if self.grid.flip_y else 1, :: -1 if self.grid.flip_x else 1]
        return view.T if self.grid.transpose else view

    def column_row(self, xy: NDArray[Any]) -> NDArray[np.float64]:
        """Stored (column, row) of volume positions (x, y), [n, 2]; pixel centres are whole numbers in both."""
        width, height = (self.rows, self.columns) if self.grid.transpose else (self.columns, self.rows)
        x, y = np.asarray(xy, np.float64).T
        x = width - 1 - x if self.grid.flip_x else x
        y = height - 1 - y if self.grid.flip_y else y
        return np.column_stack((y, x) if self.grid.transpose else (x, y))

    def image(self, z: int) -> Dataset:
        """The header of the image that holds slice ``z``, without pixels; of all its frames for a multi-frame image."""
        return self._multi_frame() if self.slices[z].frame is not None else self._single_frame(self.slices[z])

    def images(self, slices: Iterable[int]) -> list[Dataset]:
        """Headers of the images that hold these slices, each once."""
        found = {self.slices[z].sop_instance_uid: z for z in slices}
        return [self.image(z) for z in found.values()]

    def _image(self, of: SourceSlice) -> Dataset:
        ds = Dataset()
        ds.update(self.study)
        ds.SOPClassUID, ds.SOPInstanceUID = of.sop_class_uid, of.sop_instance_uid
        ds.Rows, ds.Columns = self.rows, self.columns
        ds.Modality, ds.SamplesPerPixel, ds.PhotometricInterpretation = "CT", 1, "MONOCHROME2"
        return ds

    def _single_frame(self, of: SourceSlice) -> Dataset:
        ds = self._image(of)
        ds.ImageOrientationPatient = [decimal(o) for o in self.orientation]
        ds.ImagePositionPatient = [decimal(p) for p in of.position_mm]
        ds.PixelSpacing = [decimal(s) for s in self.pixel_spacing_mm]
        ds.SliceThickness = decimal(self.thickness_mm)
        return ds

    def _multi_frame(self) -> Dataset:
        ds = self._image(self.slices[0])
        shared, orientation, measures = Dataset(), Dataset(), Dataset()
        orientation.ImageOrientationPatient = [decimal(o) for o in self.orientation]
        measures.PixelSpacing = [decimal(s) for s in self.pixel_spacing_mm]
        measures.SliceThickness = decimal(self.thickness_mm)
        shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
        ds.SharedFunctionalGroupsSequence = [shared]
        frames = []
        for of in sorted(self.slices, key=lambda s: s.frame or 0):
            frame, position = Dataset(), Dataset()
            position.ImagePositionPatient = [decimal(p) for p in of.position_mm]
            frame.PlanePositionSequence = [position]
            frames.append(frame)
        ds.PerFrameFunctionalGroupsSequence = frames
        ds.NumberOfFrames = len(frames)
        return ds


@contextlib.contextmanager
def names_as_they_are() -> Iterator[None]:
    """highdicom warns of names without a caret, quoting them; but a patient's name stays as the archive knows it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The string .* is unlikely to represent", category=UserWarning)
        yield


def decimal(value: float) -> str:
    """DS: the most digits of a number that 16 characters hold."""
    for digits in range(15, 0, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= 16:
            return text
    raise ValueError(value)


def source_images(record: SeriesRecord, volume: CTVolume) -> SourceImages:
    """What ``volume`` was read from.

    Args:
        record: the very record that `read_volume` read ``volume`` from.

    Raises:
        ExamError: the exam isn't DICOM, lacks valid identifiers, or its files have changed since it was read.
    """
    if record.kind is Kind.IMAGE_FILE:
        raise ExamError(
            "not_dicom",
            tr(
                "This exam isn't DICOM, so there is no DICOM object that could refer to its images; choose PDF or FHIR."
            ),
        )
    if record.frames:
        raise ExamError(
            "partial_multiframe",
            tr(
                "This is one of several image sets in a multi-frame file, to which no DICOM object can refer alone; choose PDF "
                "or FHIR."
            ),
        )
    slices, grid, first, thickness = _multi(record) if record.kind is Kind.ENHANCED else _single(record)
    rows, columns = first.number("Rows") or 0, first.number("Columns") or 0
    shape = (len(slices), *((columns, rows) if grid.transpose else (rows, columns)))
    if record.series_uid != volume.series_uid or shape != volume.shape_zyx or grid.origin_mm != volume.origin_mm:
        raise ExamError("changing", tr("The exam's files have changed since they were read. Open the exam again."))
    step_x, step_y, increment = grid.spacing_mm
    return SourceImages(
        slices=slices,
        grid=grid,
        rows=rows,
        columns=columns,
        orientation=_orientation(grid),
        pixel_spacing_mm=(step_x, step_y) if grid.transpose else (step_y, step_x),
        thickness_mm=thickness or increment,
        study=_study(volume.attributes, volume.series_uid),
    )


def image_uids(record: SeriesRecord) -> frozenset[str]:
    """SOP instance UIDs of the images of ``record``; raises ExamError where its files have to be read again and can't be."""
    if record.kind is Kind.IMAGE_FILE:
        return frozenset()
    with readable():
        headers = record.headers or current_headers(record)
    return frozenset(v.uid(header.text("SOPInstanceUID")) for header in headers)


def prior_image(comparison: Comparison) -> Dataset | None:
    """What a reference to the earlier exam's image at the heart centre needs: UIDs of image, series and study, and the frame.

    None where the exam is no DICOM, its files are gone, or its identifiers are no valid ones: the numbers are as good without.
    """
    record = comparison.prior_record
    if record is None or record.kind is Kind.IMAGE_FILE or record.frames:
        return None
    try:
        slices, *_ = _multi(record) if record.kind is Kind.ENHANCED else _single(record)
        ds = Dataset()
        ds.StudyInstanceUID = _reference(comparison.prior_attributes.get("StudyInstanceUID", ""))
        ds.SeriesInstanceUID = _reference(dicom_series_uid(record.series_uid))
    except (ExamError, OSError):
        return None
    place = slices[comparison.prior.centre[2]]
    ds.SOPClassUID, ds.SOPInstanceUID = place.sop_class_uid, place.sop_instance_uid
    if place.frame is not None:
        ds.ReferencedFrameNumber = place.frame
    return ds


def _orientation(grid: Grid) -> tuple[float, ...]:
    """Unit vectors of a stored row and column, back from the volume's axes."""
    x, y, _ = grid.direction.T
    row, column = (-x if grid.flip_x else x), (-y if grid.flip_y else y)
    if grid.transpose:
        row, column = column, row
    axes_of((*row, *column))
    return tuple(float(c) + 0.0 for c in (*row, *column))


def _single(record: SeriesRecord) -> tuple[tuple[SourceSlice, ...], Grid, Any, float | None]:
    stack = record.stack or stack_slices(current_headers(record))
    slices = tuple(
        SourceSlice(
            _reference(h.text("SOPClassUID")),
            _reference(h.text("SOPInstanceUID")),
            None,
            h.floats("ImagePositionPatient"),
        )
        for h in stack.headers
    )
    first = stack.headers[0]
    return slices, stack.grid, first, next(iter(first.floats("SliceThickness")), None)


def _multi(record: SeriesRecord) -> tuple[tuple[SourceSlice, ...], Grid, Any, float | None]:
    frames = frames_of(record)
    header, grid = frames.header, frames.grid
    names = _reference(header.text("SOPClassUID")), _reference(header.text("SOPInstanceUID"))
    corner = np.array([
        (header.number("Rows" if grid.transpose else "Columns") or 1) - 1 if grid.flip_x else 0,
        (header.number("Columns" if grid.transpose else "Rows") or 1) - 1 if grid.flip_y else 0,
    ])  # fmt: skip
    in_plane = grid.direction[:, :2] @ (corner * np.asarray(grid.spacing_mm[:2]))
    slices = []
    for z, number in enumerate(frames.order):
        place = np.asarray(grid.origin_mm) + grid.direction[:, 2] * grid.spacing_mm[2] * z + in_plane
        slices.append(SourceSlice(*names, number + 1, tuple(float(p) for p in place)))
    return tuple(slices), grid, header, frames.thickness_mm


def _reference(text: str) -> str:
    if not (name := v.uid(text)):
        raise ExamError(
            "bad_uid", tr("The exam's own identifiers (UIDs) aren't valid, so no DICOM object can refer to its images.")
        )
    return name


def _study(attributes: Mapping[str, str], series_uid: str) -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = UTF8
    for keyword, neutral in _ALLOWED.items():
        if (text := neutral(attributes.get(keyword, ""))) or keyword in _TYPE_2:
            setattr(ds, keyword, text)
    ds.AccessionNumber = ds.get("AccessionNumber", "")
    ds.ReferringPhysicianName = ds.get("ReferringPhysicianName", "")
    ds.StudyInstanceUID = _reference(attributes.get("StudyInstanceUID", ""))
    ds.SeriesInstanceUID = _reference(dicom_series_uid(series_uid))
    if frame_of_reference := v.uid(attributes.get("FrameOfReferenceUID", "")):
        ds.FrameOfReferenceUID = frame_of_reference
    return ds
