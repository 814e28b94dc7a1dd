"""The counted calcifications as DICOM SEG, and back.

One segment, and one for each vessel of the whole heart where that was scored. One segment per lesion would number some of them in the tens, which
viewers list as so many coloured rows; each lesion by itself, with its numbers, is an image region of the structured report. The score region has no
segment, as viewers fill it over the anatomy: it is an outline in the structured report. Objects of earlier versions hold it and are read all the same.
The frames lie on the pixels of the source images as they are stored, whatever way the volume was turned for reading.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
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
from hyrisk_desktop.exchange import dicom_values as v
from hyrisk_desktop.exchange.reports import codes as c
from hyrisk_desktop.exchange.reports.digest import content_digest
from hyrisk_desktop.exchange.reports.our_objects import SEG_CLASS
from hyrisk_desktop.exchange.reports.report import PRODUCT, VERSION, Report
from hyrisk_desktop.exchange.reports.safe_reading import foreign_object, read_object
from hyrisk_desktop.exchange.reports.source_images import SourceImages, decimal, names_as_they_are
from hyrisk_desktop.i18n import tr

COUNTED, REGION = "counted", "region"
_LABELS = {"Counted calcifications": COUNTED, "Score region": REGION} | {
    f"{vessel} calcifications": vessel for vessel in VESSELS
}
"""How segments are labelled, in every language, and what `masks` calls them."""
_SUGGESTED = " (vessel suggested)"
_MOST_SEGMENTS = len(_LABELS)
_COLOURS = {
    COUNTED: (255, 140, 26), "LM": (240, 214, 36), "LAD": (230, 90, 84), "LCX": (64, 192, 250), "RCA": (92, 220, 112), "other": (196, 160, 245),
}  # fmt: skip
"""sRGB, as screens have it: a colour of CIELab outside of that is none to a viewer that computes it back."""
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
    every = _down_the_stack(masks(report), source)
    with names_as_they_are():
        made = Segmentation(
            source_images=source.images(slices),
            pixel_array=_stored_masks(every, source, slices),
            segmentation_type="BINARY",
            segment_descriptions=_segments(report, every),
            series_instance_uid=v.new_uid(),
            series_number=SERIES_NUMBER,
            sop_instance_uid=v.new_uid(),
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
            # An empty frame of a segment says nothing; a segment without any is still described. Without a single lesion
            # highdicom keeps all frames, and would tell the terminal that it does.
            omit_empty_frames=any(mask.any() for mask in every.values()),
        )
    return _sealed(made)


def _description(report: Report) -> str:
    said = tr("SYNTHETIC HyRisk calcifications, research use only")
    return said if report.volume.synthetic else tr("HyRisk calcifications, research use only")


def _down_the_stack(every: dict[str, NDArray[np.bool_]], source: SourceImages) -> dict[str, NDArray[np.bool_]]:
    """Masks [z, y, x] so that each reaches at least as far down a viewer's stack of images as those before it.

    OHIF puts segments into common layers where any two overlap, as a vessel's does with what is counted in the region, and drops the slices
    of one that an earlier segment reaches beyond (https://github.com/cornerstonejs/cornerstone3D/issues/2846).
    """
    # Viewers begin where the normal of the stored slices points to.
    normal = np.cross(source.orientation[:3], source.orientation[3:])
    down = float(normal @ source.grid.direction[:, 2]) > 0

    def reach(kind: str) -> int:
        held = np.flatnonzero(every[kind].any(axis=(1, 2)))
        return -len(every[kind]) if not held.size else int(-held[0] if down else held[-1])

    return {kind: every[kind] for kind in sorted(every, key=reach)}


def _stored_masks(every: dict[str, NDArray[np.bool_]], source: SourceImages, slices: range) -> NDArray[np.uint8]:
    """[slice, row, column, segment] on the stored pixels, of masks [z, y, x]."""
    stored = np.zeros((len(slices), source.rows, source.columns, len(every)), np.uint8)
    for n, z in enumerate(slices):
        for segment, mask in enumerate(every.values()):
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


def masks(report: Report) -> dict[str, NDArray[np.bool_]]:
    """What the segments hold on the volume's grid [z, y, x]: `COUNTED`, and the vessels with counted plaques."""
    return {COUNTED: _counted_mask(report)} | {vessel: _vessel_mask(report, vessel) for vessel in _vessels(report)}


def region_mask(report: Report) -> NDArray[np.bool_]:
    """The score region on the volume's grid [z, y, x], which earlier versions gave a segment."""
    region = np.zeros(report.volume.shape_zyx, bool)
    region[report.measurement.scores.region.clipped(report.volume).slices()] = True
    return region


def _counted_mask(report: Report) -> NDArray[np.bool_]:
    scores = report.measurement.scores
    counted = np.zeros(report.volume.shape_zyx, bool)
    kept = np.array([False, *(not lesion.excluded for lesion in scores.lesions)])
    x, y, z = scores.label_start
    depth, rows, columns = scores.labels.shape
    counted[z : z + depth, y : y + rows, x : x + columns] = kept[scores.labels]
    return counted


def _segments(report: Report, kinds: Iterable[str]) -> list[SegmentDescription]:
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name=PRODUCT,
        family=c.AGATSTON_METHOD,
        version=VERSION,
        source=PRODUCT,
        parameters={"profile": report.measurement.scores.profile, "content_sha256": _NO_DIGEST},
    )
    return [
        _counted_segment(report, number, algorithm)
        if kind == COUNTED
        else _vessel_segment(report, number, kind, algorithm)
        for number, kind in enumerate(kinds, 1)
    ]


def _counted_segment(
    report: Report, number: int, algorithm: highdicom.AlgorithmIdentificationSequence
) -> SegmentDescription:
    label = next(label for label, kind in _LABELS.items() if kind == COUNTED)
    return SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=c.MORPHOLOGY,
        segmented_property_type=c.VASCULAR_CALCIFICATION,
        primary_anatomic_structures=[c.CORONARY_ARTERIES],
        tracking_id=label,
        tracking_uid=report.tracking_uid(label),
        display_color=CIELabColor.from_rgb(*_COLOURS[COUNTED]),
        algorithm_type="SEMIAUTOMATIC",
        algorithm_identification=algorithm,
    )


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
    label = f"{vessel} calcifications" + (_SUGGESTED if suggested else "")
    return SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=c.MORPHOLOGY,
        segmented_property_type=c.VASCULAR_CALCIFICATION,
        primary_anatomic_structures=[c.VESSELS.get(vessel, c.CORONARY_ARTERIES)],
        # As the structured report calls the vessel's group.
        tracking_id=f"Vessel {vessel}",
        tracking_uid=report.tracking_uid(f"Vessel {vessel}"),
        display_color=CIELabColor.from_rgb(*_COLOURS[vessel]),
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
        segments: what each is of, see `masks`; also of those without a frame.
        frames: (what it is of, position in mm of the frame's first pixel, mask [row, column]).
    """

    series_uid: str
    study_uid: str
    sop_instance_uid: str
    profile: str
    segments: tuple[str, ...]
    frames: tuple[tuple[str, tuple[float, ...], NDArray[np.bool_]], ...]

    def masks(self, source: SourceImages) -> dict[str, NDArray[np.bool_]]:
        """What the segments hold on the volume [z, y, x] that was read from ``source``.

        Raises:
            ExamError: these are other images, or a frame lies where none of them does.
        """
        foreign = ExamError("other_exam", tr("This segmentation belongs to another exam and was not used."))
        if self.series_uid != source.study.SeriesInstanceUID:
            raise foreign
        places = np.array([s.position_mm for s in source.slices])
        height, width = source.grid.turn(np.empty((source.rows, source.columns), bool)).shape
        found = {segment: np.zeros((len(places), height, width), bool) for segment in self.segments}
        for segment, position, mask in self.frames:
            distance = np.linalg.norm(places - np.asarray(position), axis=1)
            z = int(distance.argmin())
            if distance[z] > _PLACE_MM or mask.shape != (source.rows, source.columns):
                raise foreign
            found[segment][z] |= source.grid.turn(mask)
        return found


def read_segmentation(path: Path) -> SegmentationBack:
    """Read back a SEG that this program wrote.

    Raises:
        ExamError: it is damaged, from another program, or was changed since.
    """
    seg = read_object(path, SEG_CLASS)
    parameters = [str(item.get("AlgorithmParameters", "")) for item in _parameters(seg)]
    held = [_DIGEST.search(text) for text in parameters]
    if seg.get("ManufacturerModelName") != PRODUCT or not 1 <= len(held) <= _MOST_SEGMENTS or not all(held):
        raise foreign_object()
    if {match[1] for match in held if match} != {digest_of(seg)}:
        raise ExamError("changed_object", tr("This segmentation was changed after it was written and was not used."))
    return _parsed(seg, parameters[0])


def _parsed(seg: Dataset, parameters: str) -> SegmentationBack:
    try:
        pixels = np.atleast_3d(_frames(seg))
        kinds = {
            int(s.SegmentNumber): _LABELS[str(s.SegmentLabel).removesuffix(_SUGGESTED)] for s in seg.SegmentSequence
        }
        frames, shared = [], seg.SharedFunctionalGroupsSequence[0]
        for frame, group in zip(pixels, seg.PerFrameFunctionalGroupsSequence, strict=True):
            # What is the same in all frames stands in the shared group.
            named = group.get("SegmentIdentificationSequence") or shared.SegmentIdentificationSequence
            segment = kinds[int(named[0].ReferencedSegmentNumber)]
            position = tuple(float(p) for p in group.PlanePositionSequence[0].ImagePositionPatient)
            frames.append((segment, position, frame.astype(bool)))
        return SegmentationBack(
            series_uid=str(seg.ReferencedSeriesSequence[0].SeriesInstanceUID),
            study_uid=str(seg.StudyInstanceUID),
            sop_instance_uid=str(seg.SOPInstanceUID),
            profile=parameters.split("profile=")[1].split(",")[0],
            segments=tuple(kinds.values()),
            frames=tuple(frames),
        )
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as e:
        raise foreign_object() from e


def _frames(seg: Dataset) -> NDArray[Any]:
    pixels: NDArray[Any] = seg.pixel_array
    return pixels if pixels.ndim == 3 else pixels[None]
