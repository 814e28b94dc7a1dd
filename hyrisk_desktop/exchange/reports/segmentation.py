"""The counted calcifications and the score region as DICOM SEG, and back.

Two segments, "Counted calcifications" and "Score region", and one for each vessel of the whole heart where that was scored. One segment per lesion
would number some of them in the tens, which viewers list as so many coloured rows; each lesion by itself, with its numbers, is an image region of
the structured report.
The frames lie on the pixels of the source images as they are stored, whatever way the volume was turned for reading.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from hyrisk_desktop.calcium import VESSELS
from hyrisk_desktop.errors import ExamError, InputError
from hyrisk_desktop.exchange.reports import codes as c
from hyrisk_desktop.exchange.reports.digest import content_digest
from hyrisk_desktop.exchange.reports.our_objects import SEG_CLASS
from hyrisk_desktop.exchange.reports.report import PRODUCT, VERSION, Report
from hyrisk_desktop.exchange.reports.safe_reading import foreign_object, read_object
from hyrisk_desktop.exchange.reports.source_images import SourceImages, decimal, names_as_they_are, new_uid
from hyrisk_desktop.i18n import tr

COUNTED_SEGMENT, REGION_SEGMENT = 1, 2
_MOST_SEGMENTS = REGION_SEGMENT + len(VESSELS)
_COLOURS = {
    "LM": (86.0, 1.0, 85.0), "LAD": (62.0, 60.0, 38.0), "LCX": (75.0, -20.0, -36.0), "RCA": (81.0, -58.0, 45.0), "other": (72.0, 30.0, -40.0),
}  # fmt: skip
"""CIELab, within sRGB."""
SERIES_NUMBER = 9902
DIGESTED = (
    "SOPClassUID",
    "SOPInstanceUID",
    "FrameOfReferenceUID",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SegmentSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "ReferencedSeriesSequence",
    "PixelData",
)
_DIGEST = re.compile(r"content_sha256=([0-9a-f]{64})")
_NO_DIGEST = "0" * 64
_PLACE_MM = 0.01  # positions are decimal text in the files


def segmentation(report: Report, source: SourceImages) -> Dataset:
    """The SEG of a reading, ready to be written.

    Raises:
        InputError: the region lies outside the volume. ExamError: the exam has no frame of reference.
    """
    if "FrameOfReferenceUID" not in source.study:
        raise ExamError(
            "no_frame_of_reference",
            tr("The exam names no frame of reference, which a segmentation needs. Export the series again."),
        )
    scores = report.measurement.scores
    inside = scores.region.clipped(report.volume)
    if min(inside.size_xyz) < 1:
        raise InputError("region_outside", tr("The region lies outside the volume, so there is nothing to segment."))
    drawn = _plaque_slices(report)
    slices = range(min([inside.start[2], *drawn]), max([inside.stop[2] - 1, *drawn]) + 1)
    with names_as_they_are():
        made = Segmentation(
            source_images=source.images(slices),
            pixel_array=_stored_masks(report, source, slices),
            segmentation_type="BINARY",
            segment_descriptions=_segments(report),
            series_instance_uid=new_uid(),
            series_number=SERIES_NUMBER,
            sop_instance_uid=new_uid(),
            instance_number=1,
            manufacturer=PRODUCT,
            manufacturer_model_name=PRODUCT,
            software_versions=VERSION,
            device_serial_number=VERSION,
            content_label="CALCIFICATION",
            content_description=tr("Counted calcifications, research use only"),
            series_description=_description(report),
            pixel_measures=highdicom.PixelMeasuresSequence(
                source.pixel_spacing_mm, float(decimal(source.thickness_mm)), float(decimal(source.grid.spacing_mm[2]))
            ),
            plane_orientation=highdicom.PlaneOrientationSequence("PATIENT", source.orientation),
            plane_positions=[highdicom.PlanePositionSequence("PATIENT", source.slices[z].position_mm) for z in slices],
            # An empty frame of a segment says nothing; a segment without any is still described.
            omit_empty_frames=True,
        )
    return _sealed(made)


def _description(report: Report) -> str:
    said = tr("SYNTHETIC HyRisk calcifications, research use only")
    return said if report.volume.synthetic else tr("HyRisk calcifications, research use only")


def _stored_masks(report: Report, source: SourceImages, slices: range) -> NDArray[np.uint8]:
    """[slice, row, column, segment] on the stored pixels."""
    every = [*masks(report), *(_vessel_mask(report, vessel) for vessel in _vessels(report))]
    stored = np.zeros((len(slices), source.rows, source.columns, len(every)), np.uint8)
    for n, z in enumerate(slices):
        for segment, mask in enumerate(every):
            stored[n, :, :, segment] = source.stored(mask[z])
    return stored


def _vessels(report: Report) -> tuple[str, ...]:
    """The vessels with counted plaques; none where the whole heart was not scored or is withheld."""
    m = report.measurement
    if m.whole_heart is None or m.whole_heart_standing.withheld:
        return ()
    return tuple(row.vessel for row in m.whole_heart.vessels if row.lesions)


def _plaque_slices(report: Report) -> list[int]:
    """Slices of the counted plaques of the whole heart, where there are segments of them."""
    heart = report.measurement.whole_heart
    return [z for plaque in heart.counted for z in plaque.slices] if heart is not None and _vessels(report) else []


def _vessel_mask(report: Report, vessel: str) -> NDArray[np.bool_]:
    """The counted plaques of one vessel on the volume's grid [z, y, x]."""
    heart = report.measurement.whole_heart
    assert heart is not None
    here = np.array([False, *(p.counted and (p.vessel or p.suggested) == vessel for p in heart.groups)])
    mask = np.zeros(report.volume.shape_zyx, bool)
    x, y, z = heart.label_start
    depth, rows, columns = heart.labels.shape
    mask[z : z + depth, y : y + rows, x : x + columns] = here[heart.labels]
    return mask


def masks(report: Report) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Counted calcifications and score region on the volume's grid [z, y, x]."""
    scores = report.measurement.scores
    counted, region = np.zeros((2, *report.volume.shape_zyx), bool)
    region[scores.region.clipped(report.volume).slices()] = True
    kept = np.array([False, *(not lesion.excluded for lesion in scores.lesions)])
    x, y, z = scores.label_start
    depth, rows, columns = scores.labels.shape
    counted[z : z + depth, y : y + rows, x : x + columns] = kept[scores.labels]
    return counted, region


def _segments(report: Report) -> list[SegmentDescription]:
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name=PRODUCT,
        family=c.AGATSTON_METHOD,
        version=VERSION,
        source=PRODUCT,
        parameters={"profile": report.measurement.scores.profile, "content_sha256": _NO_DIGEST},
    )
    return [
        SegmentDescription(
            segment_number=COUNTED_SEGMENT,
            segment_label="Counted calcifications",
            segmented_property_category=c.MORPHOLOGY,
            segmented_property_type=c.VASCULAR_CALCIFICATION,
            primary_anatomic_structures=[c.CORONARY_ARTERIES],
            tracking_id="Counted calcifications",
            tracking_uid=new_uid(),
            display_color=CIELabColor(68.0, 42.0, 70.0),
            algorithm_type="SEMIAUTOMATIC",
            algorithm_identification=algorithm,
        ),
        SegmentDescription(
            segment_number=REGION_SEGMENT,
            segment_label="Score region",
            segmented_property_category=c.ANATOMICAL_STRUCTURE,
            segmented_property_type=c.HEART,
            tracking_id="Score region",
            tracking_uid=new_uid(),
            display_color=CIELabColor(70.0, -30.0, -25.0),
            algorithm_type="SEMIAUTOMATIC",
            algorithm_identification=algorithm,
        ),
        *(
            _vessel_segment(report, number, vessel, algorithm)
            for number, vessel in enumerate(_vessels(report), REGION_SEGMENT + 1)
        ),
    ]


def _vessel_segment(
    report: Report, number: int, vessel: str, algorithm: highdicom.AlgorithmIdentificationSequence
) -> SegmentDescription:
    """The segment of one vessel, which says so where a plaque of it is only suggested to lie there.

    Args:
        report: the reading. number: of the segment. vessel: of `calcium.VESSELS`. algorithm: what made it.
    """
    heart = report.measurement.whole_heart
    assert heart is not None
    suggested = any(row.suggested for row in heart.vessels if row.vessel == vessel)
    label = f"{vessel} calcifications" + (" (vessel suggested)" if suggested else "")
    return SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=c.MORPHOLOGY,
        segmented_property_type=c.VASCULAR_CALCIFICATION,
        primary_anatomic_structures=[c.VESSELS.get(vessel, c.CORONARY_ARTERIES)],
        tracking_id=label,
        tracking_uid=new_uid(),
        display_color=CIELabColor(*_COLOURS[vessel]),
        algorithm_type="SEMIAUTOMATIC",
        algorithm_identification=algorithm,
    )


def _parameters(seg: Dataset) -> list[Dataset]:
    items = (s.get("SegmentationAlgorithmIdentificationSequence") or () for s in seg.get("SegmentSequence") or ())
    return [item for sequence in items for item in sequence]


def _with_digest(seg: Dataset, digest: str) -> None:
    for item in _parameters(seg):
        item.AlgorithmParameters = _DIGEST.sub(f"content_sha256={digest}", str(item.get("AlgorithmParameters", "")))


def digest_of(seg: Dataset) -> str:
    """The digest that ``seg`` should hold."""
    held = [item.get("AlgorithmParameters") for item in _parameters(seg)]
    _with_digest(seg, _NO_DIGEST)
    digest = content_digest(seg, DIGESTED)
    for item, parameters in zip(_parameters(seg), held, strict=True):
        item.AlgorithmParameters = parameters
    return digest


def _sealed(seg: Dataset) -> Dataset:
    """``seg`` with its digest, computed from what a reader of the file will see."""
    stream = io.BytesIO()
    seg.save_as(stream, enforce_file_format=True)
    stream.seek(0)
    written = pydicom.dcmread(stream)
    _with_digest(written, digest_of(written))
    return written


@dataclass(frozen=True, slots=True, eq=False)
class SegmentationBack:
    """What a SEG of ours says.

    Attributes:
        series_uid, study_uid: of the images. sop_instance_uid: of the SEG. profile: scoring profile.
        frames: (segment number, position in mm of the frame's first pixel, mask [row, column]).
    """

    series_uid: str
    study_uid: str
    sop_instance_uid: str
    profile: str
    frames: tuple[tuple[int, tuple[float, ...], NDArray[np.bool_]], ...]

    def masks(self, source: SourceImages) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Counted calcifications and score region [z, y, x] on the volume that was read from ``source``.

        Raises:
            ExamError: these are other images, or a frame lies where none of them does.
        """
        foreign = ExamError("other_exam", tr("This segmentation belongs to another exam and was not used."))
        if self.series_uid != source.study.SeriesInstanceUID:
            raise foreign
        places = np.array([s.position_mm for s in source.slices])
        height, width = source.grid.turn(np.empty((source.rows, source.columns), bool)).shape
        found = np.zeros((2, len(places), height, width), bool)
        for segment, position, mask in self.frames:
            distance = np.linalg.norm(places - np.asarray(position), axis=1)
            z = int(distance.argmin())
            if distance[z] > _PLACE_MM or mask.shape != (source.rows, source.columns):
                raise foreign
            if segment in (COUNTED_SEGMENT, REGION_SEGMENT):
                found[segment - 1, z] |= source.grid.turn(mask)
        return found[COUNTED_SEGMENT - 1], found[REGION_SEGMENT - 1]


def read_segmentation(path: Path) -> SegmentationBack:
    """Read back a SEG that this program wrote.

    Raises:
        ExamError: it is damaged, from another program, or was changed since.
    """
    seg = read_object(path, SEG_CLASS)
    parameters = [str(item.get("AlgorithmParameters", "")) for item in _parameters(seg)]
    held = [_DIGEST.search(text) for text in parameters]
    if (
        seg.get("ManufacturerModelName") != PRODUCT
        or not REGION_SEGMENT <= len(held) <= _MOST_SEGMENTS
        or not all(held)
    ):
        raise foreign_object()
    if {match[1] for match in held if match} != {digest_of(seg)}:
        raise ExamError("changed_object", tr("This segmentation was changed after it was written and was not used."))
    return _parsed(seg, parameters[0])


def _parsed(seg: Dataset, parameters: str) -> SegmentationBack:
    try:
        pixels = np.atleast_3d(_frames(seg))
        frames = []
        for frame, group in zip(pixels, seg.PerFrameFunctionalGroupsSequence, strict=True):
            segment = int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
            if not 1 <= segment <= _MOST_SEGMENTS:
                raise foreign_object()
            position = tuple(float(p) for p in group.PlanePositionSequence[0].ImagePositionPatient)
            frames.append((segment, position, frame.astype(bool)))
        return SegmentationBack(
            series_uid=str(seg.ReferencedSeriesSequence[0].SeriesInstanceUID),
            study_uid=str(seg.StudyInstanceUID),
            sop_instance_uid=str(seg.SOPInstanceUID),
            profile=parameters.split("profile=")[1].split(",")[0],
            frames=tuple(frames),
        )
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as e:
        raise foreign_object() from e


def _frames(seg: Dataset) -> NDArray[Any]:
    pixels: NDArray[Any] = seg.pixel_array
    return pixels if pixels.ndim == 3 else pixels[None]
