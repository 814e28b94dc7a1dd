"""The reader's key images: as references in a structured report, as a Key Object Selection, and as pictures of further pages."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from highdicom.sr import ContentItem, ImageContentItem, RelationshipTypeValues
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as standard

from hyrisk_desktop.exchange import dicom_values as v
from hyrisk_desktop.exchange.reports import codes as c
from hyrisk_desktop.exchange.reports.pdf_pictures import Line, Picture
from hyrisk_desktop.exchange.reports.report import PRODUCT, VERSION, Report, research_use, warnings_of
from hyrisk_desktop.exchange.reports.source_images import SourceImages, names_as_they_are
from hyrisk_desktop.exchange.reports.sr_items import text
from hyrisk_desktop.i18n import listed, tr
from hyrisk_desktop.worklist.notes import PROBE_MM, KeptMark, KeyImage

SERIES_NUMBER = 9905
_MEASURE = (0, 190, 230)
_DISC_POINTS = 40


def key_images(report: Report) -> tuple[KeyImage, ...]:
    """Those of the reader that the volume holds."""
    depth = report.volume.shape_zyx[0]
    return tuple(image for image in report.notes.key_images if 0 <= image.z < depth)


def caption_of(report: Report, image: KeyImage) -> str:
    """What stands below a key image: its slice, the note, and what was measured there."""
    measures = listed(mark.text(report.volume) for mark in report.notes.marks if mark.z == image.z)
    parts = (tr("Slice {z}", z=image.z), v.plain(image.note), measures)
    return " · ".join(part for part in parts if part)


def key_image_items(report: Report, source: SourceImages) -> Iterator[ContentItem]:
    """A reference to each key image, and its caption, for the structured report."""
    for image in key_images(report):
        of = source.slices[image.z]
        yield ImageContentItem(
            c.KEY_IMAGE,
            of.sop_class_uid,
            of.sop_instance_uid,
            referenced_frame_numbers=None if of.frame is None else [of.frame],
            relationship_type=RelationshipTypeValues.CONTAINS,
        )
        yield text(c.KEY_IMAGE_NOTE, caption_of(report, image))


def key_object_selection(report: Report, source: SourceImages) -> Dataset:
    """The key images as a Key Object Selection of the title "Of Interest"; the slice of the heart centre where the reader chose none."""
    chosen = key_images(report)
    slices = [image.z for image in chosen] or [report.measurement.centre[2]]
    said = [caption_of(report, image) for image in chosen] or [tr("Slice {z}: heart centre", z=slices[0])]
    # What nobody may miss first: a text has an end, and forty notes reach it.
    words = " ".join([*warnings_of(report), research_use(), *(f"{line}." for line in said)])
    referenced = source.images(slices)
    with names_as_they_are():
        kos = KeyObjectSelectionDocument(
            evidence=referenced,
            content=KeyObjectSelection(standard.DCM.OfInterest, referenced, description=v.plain(words)),
            series_instance_uid=v.new_uid(),
            series_number=SERIES_NUMBER,
            sop_instance_uid=v.new_uid(),
            instance_number=1,
            manufacturer=PRODUCT,
        )
    kos.ManufacturerModelName, kos.SoftwareVersions = PRODUCT, VERSION
    kos.SeriesDescription = v.long_text(_description(report))
    return kos


def _description(report: Report) -> str:
    said = tr("HyRisk key images, research use only")
    return tr("SYNTHETIC {said}", said=said) if report.volume.synthetic else said


def key_picture(report: Report, image: KeyImage) -> Picture:
    """The slice in the reader's window, with the measures that are kept of it."""
    low = image.level - image.width / 2
    scaled = (np.asarray(report.volume.hu[image.z], np.float32) - low) / max(image.width, 1.0)
    pixels = np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8)
    lines = tuple(_line(report, mark) for mark in report.notes.marks if mark.z == image.z)
    return Picture(pixels, (0, 0), report.volume.spacing_mm[:2], lines)


def _line(report: Report, mark: KeptMark) -> Line:
    if not mark.is_probe:
        return Line(np.array([mark.start, mark.end], np.float64), _MEASURE)
    around = np.linspace(0, 2 * np.pi, _DISC_POINTS)
    radius = PROBE_MM / np.asarray(report.volume.spacing_mm[:2])
    return Line(np.stack((np.cos(around), np.sin(around)), axis=1) * radius + np.asarray(mark.start), _MEASURE)
