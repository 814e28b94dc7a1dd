"""Header text for overlays and reports, by pydicom, from the bounded header bytes of one file per series."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hyrisk_desktop.imaging.headers.damage import parsing_errors
from hyrisk_desktop.imaging.headers.header import DEFLATED_LE, Header
from hyrisk_desktop.imaging.headers.kinds import NATURE_KEYWORDS, words_of
from hyrisk_desktop.imaging.headers.tags import MAX_HEADER_BYTES, inflate
from hyrisk_desktop.regular_files import open_regular

# What the phantom generator writes into the header of its slabs.
_SYNTHETIC_NRRD = b"PatientName:=SYNTHETIC^PHANTOM"
_NRRD_HEADER_BYTES = 2048

SHOWN = [
    "SpecificCharacterSet",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "StudyDescription",
    "AccessionNumber",
    "SeriesDescription",
    "SeriesNumber",
    "SeriesDate",
    "SeriesTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "BodyPartExamined",
    "ProtocolName",
    "PatientPosition",
    "InstitutionName",
    "ReferringPhysicianName",
    "Manufacturer",
    "ManufacturerModelName",
    "SoftwareVersions",
    "StationName",
    "ConvolutionKernel",
    "KVP",
    "XRayTubeCurrent",
    "Exposure",
    "ExposureTime",
    "SliceThickness",
    "SpacingBetweenSlices",
    "ReconstructionDiameter",
    "DataCollectionDiameter",
    "GantryDetectorTilt",
    "ContrastBolusAgent",
    "ContrastBolusRoute",
    "WindowCenter",
    "WindowWidth",
    "WindowCenterWidthExplanation",
    "Modality",
    "ImageType",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "SOPClassUID",
    "RescaleType",
    "PixelPaddingValue",
    "PixelSpacing",
    "CTDIvol",
    "LossyImageCompression",
    "TransferSyntaxUID",
]
_MAX_TEXT = 1024


def read_attributes(header: Header) -> Mapping[str, str]:
    """The shown keywords of a file that `read_header` accepted; what can't be decoded is left out."""
    texts: dict[str, str] = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd values are normal here and are checked where they matter
            dataset = parse_header(header, _shown_tags())
            for keyword, tag in zip(SHOWN, _shown_tags(), strict=True):
                if (text := text_of(dataset, tag)) is not None:
                    texts[keyword] = text
    except parsing_errors():
        for keyword in SHOWN:
            if keyword in ("Modality", "SeriesInstanceUID", "StudyInstanceUID", "PatientID"):
                texts.setdefault(keyword, header.text(keyword))
    texts.setdefault("TransferSyntaxUID", header.syntax)
    return MappingProxyType(texts)


def nested_words(header: Header) -> tuple[list[str], list[float]]:
    """Values of ImageType and FrameType, nested ones included, and energies in keV; see `kinds.words_of`."""
    from pydicom.tag import Tag

    try:
        if not _may_be_nested(header):
            return [], []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return words_of(parse_header(header, [Tag(k) for k in ("SpecificCharacterSet", *NATURE_KEYWORDS)]))
    except parsing_errors():
        return [], []


def _may_be_nested(header: Header) -> bool:
    """Whether the bytes of such a sequence's tag occur in the header at all: parsing it takes longer than all else."""
    from pydicom.tag import Tag

    if header.big_endian or header.syntax == DEFLATED_LE or header.pixel_offset < 0:
        return True
    with open_regular(header.path) as stream:
        data = stream.read(header.pixel_offset)
    nested = [Tag(keyword) for keyword in NATURE_KEYWORDS if keyword not in ("ImageType",)]
    return any(tag.group.to_bytes(2, "little") + tag.element.to_bytes(2, "little") in data for tag in nested)


def parse_header(header: Header, tags: list[Any] | None = None) -> Any:
    """A pydicom data set of the header's bytes, pixels excluded; only these ``tags`` where given.

    Raises:
        Exception: one of `damage.parsing_errors`.
    """
    import pydicom
    from pydicom.filereader import read_dataset

    quiet_pydicom()

    end = header.pixel_offset if header.pixel_offset >= 0 else MAX_HEADER_BYTES
    if header.syntax == DEFLATED_LE:
        data = inflate(header, end)
        return read_dataset(io.BytesIO(data), False, True, stop_when=_at_pixels, specific_tags=tags)
    with open_regular(header.path) as stream:
        data = stream.read(end)
    return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, force=True, specific_tags=tags)


def quiet_pydicom() -> None:
    """Keep pydicom from logging: its warnings quote the values they are about, names among them."""
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)


def _at_pixels(tag: Any, _vr: Any, _length: Any) -> bool:
    return int(tag) >= 0x7FE00000


@cache
def _shown_tags() -> list[Any]:
    """The tags of `SHOWN`, looked up once: pydicom would do so twice for every keyword of every series."""
    from pydicom.tag import Tag

    return [Tag(keyword) for keyword in SHOWN]


def text_of(dataset: Any, tag: Any) -> str | None:
    try:
        if tag not in dataset:
            return None
        value = dataset[tag].value
    except parsing_errors():  # one undecodable value must not cost the others
        return None
    if value is None or str(value) == "None":
        return ""
    from pydicom.multival import MultiValue

    # A person's name can be iterated too, but by its letters.
    text = "\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value)
    return "".join(c for c in text[:_MAX_TEXT] if c.isprintable()).strip()


def image_file_attributes(path: Path) -> Mapping[str, str]:
    """What an image file without DICOM header can be shown with: its name, and that it is a phantom of this program."""
    found = {"SeriesDescription": path.name}
    if path.suffix.lower() == ".nrrd":
        with contextlib.suppress(OSError), open_regular(path) as stream:
            if _SYNTHETIC_NRRD in stream.read(_NRRD_HEADER_BYTES):
                found["PatientName"] = "SYNTHETIC^PHANTOM"
    return MappingProxyType(found)
