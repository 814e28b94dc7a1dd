"""CT objects without identity: new data sets of an allow-list, then the basic profile's actions, then new pixels.

Two nets. The allow-list (`_PLAIN`, `_GROUPS`) says what may be copied at all and through which check; the PS3.15 table of
`dicomanonymizer` then acts on what was copied, so that an attribute put on the list by mistake does not leave. Pixels are written
from decoded values: comments inside compressed streams, overlays in unused bits and bytes behind the image stay behind.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import config
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.exchange.deidentified import known_words as d
from hyrisk_desktop.exchange.deidentified.pseudonyms import Pseudonyms
from hyrisk_desktop.exchange.reports.report import PRODUCT, VERSION
from hyrisk_desktop.exchange.reports.source_images import SourceImages
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import CTVolume
from hyrisk_desktop.imaging.choice import contrast_agent
from hyrisk_desktop.imaging.headers.attributes import text_of
from hyrisk_desktop.imaging.headers.kinds import nature_of, plain_description, words_of
from hyrisk_desktop.imaging.pixels.padding import AIR_HU

Check = Callable[[str], str]
DUMMY_DAY, DUMMY_TIME = "19000101", "000000"
_TABLE = "dicomfields_2026c"
_exact = partial(d.numbers, bounded=False)


def _of(words: frozenset[str]) -> Check:
    return partial(d.each_known, words=words)


def _enumerated(*keywords: str) -> dict[str, Check]:
    return {keyword: partial(d.enumerated, keyword) for keyword in keywords}


def _as_it_is(value: str) -> str:
    return value


# What scoring, geometry and display need. UIDs pass as they are and are mapped by the rule of the profile's table.
_PLACE: dict[str, Check] = dict.fromkeys(("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"), _exact)
_SCALE: dict[str, Check] = {"RescaleIntercept": _exact, "RescaleSlope": _exact, **_enumerated("RescaleType")}
_SCAN: dict[str, Check] = dict.fromkeys(
    (
        "SliceThickness", "KVP", "DataCollectionDiameter", "ReconstructionDiameter", "DistanceSourceToDetector",
        "DistanceSourceToPatient", "GantryDetectorTilt", "TableHeight", "ExposureTime", "XRayTubeCurrent", "Exposure",
        "GeneratorPower", "FocalSpots", "SpacingBetweenSlices", "RevolutionTime", "SingleCollimationWidth",
        "TotalCollimationWidth", "TableSpeed", "TableFeedPerRotation", "SpiralPitchFactor", "CTDIvol", "SliceLocation",
        "WindowCenter", "WindowWidth", "SeriesNumber", "AcquisitionNumber", "InstanceNumber",
        "LossyImageCompressionRatio",
    ),
    d.numbers,
)  # fmt: skip
_UIDS: dict[str, Check] = dict.fromkeys(
    ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"), _as_it_is
)
_PLAIN: dict[str, Check] = {
    "ImageType": _of(d.IMAGE_TYPES),
    "Manufacturer": _of(d.MAKERS),
    "ManufacturerModelName": _of(d.MODELS | d.MAKERS),
    "ConvolutionKernel": _of(d.KERNELS),
    "BodyPartExamined": _of(d.BODY_PARTS),
    **_enumerated("PatientPosition", "RotationDirection", "PhotometricInterpretation", "BurnedInAnnotation"),
    **_enumerated("LossyImageCompression", "LossyImageCompressionMethod"),
    **_PLACE,
    **_SCALE,
    **_SCAN,
}
_ENHANCED: dict[str, Check] = _enumerated(
    "PixelPresentation", "VolumetricProperties", "VolumeBasedCalculationTechnique", "ContentQualification"
)
_GROUPS: dict[str, dict[str, Check]] = {
    "PlanePositionSequence": _PLACE,
    "PlaneOrientationSequence": _PLACE,
    "PixelMeasuresSequence": _PLACE | _SCAN,
    "PixelValueTransformationSequence": _SCALE,
    "FrameContentSequence": dict.fromkeys(("InStackPositionNumber", "DimensionIndexValues"), d.numbers),
    "CTImageFrameTypeSequence": {"FrameType": _of(d.IMAGE_TYPES), **_ENHANCED},
    "CTAcquisitionTypeSequence": _enumerated("AcquisitionType"),
    "CTReconstructionSequence": {"ConvolutionKernel": _of(d.KERNELS), "ReconstructionDiameter": d.numbers},
    "CTXRayDetailsSequence": _SCAN,
}
_EMPTY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber",
    "ReferringPhysicianName", "Manufacturer", "SeriesNumber", "AcquisitionNumber", "InstanceNumber", "KVP",
    "PositionReferenceIndicator",
)  # fmt: skip
_PIXEL_TYPES: tuple[type[np.integer[Any]], ...] = (np.int16, np.uint16, np.int32)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the objects are about from now on: a subject code, and whether the exam is a phantom of this program."""

    names: Pseudonyms
    subject: str
    synthetic: bool

    @property
    def patient_name(self) -> str:
        """The subject code; a phantom goes on saying in its name that it is one, as everything downstream looks there."""
        return f"SYNTHETIC^PHANTOM^{self.subject}" if self.synthetic else self.subject


def kept_keywords() -> frozenset[str]:
    """What the allow-list takes from a header, other than UIDs: numbers and known words only."""
    return frozenset({*_PLAIN, *_ENHANCED, *(keyword for group in _GROUPS.values() for keyword in group)})


def image_without_identity(header: Dataset, identity: Identity, sop_class: str) -> Dataset:
    """A new data set of one CT object, without pixels.

    Args:
        header: as it was read; it isn't changed.
    """
    ds = _copied(header, _UIDS | _PLAIN)
    ds.SOPClassUID, ds.Modality, ds.SamplesPerPixel = sop_class, "CT", 1
    # Only whether there was any counts; its name is free text, and PS3.15 wants a dummy.
    if any(contrast_agent(text_of(header, Tag(k)) or "") for k in ("ContrastBolusAgent", "ContrastBolusRoute")):
        ds.ContrastBolusAgent = "CONTRAST"
    # Free text that makes the values no plain HU is said again in the standard's words.
    types, energies = words_of(header)
    texts = [text_of(header, Tag(keyword)) or "" for keyword in ("SeriesDescription", "DerivationDescription")]
    if said := plain_description(nature_of(types, texts, energies)):
        ds.SeriesDescription = said
    if "PerFrameFunctionalGroupsSequence" in header:
        _add_frames(ds, header)
    _apply_profile(ds, identity)
    for keyword in _EMPTY:
        if keyword not in ds:
            setattr(ds, keyword, None if dictionary_VR(keyword) in ("DS", "IS") else "")
    ds.PatientID, ds.PatientName = identity.subject, identity.patient_name
    ds.PhotometricInterpretation = ds.get("PhotometricInterpretation") or "MONOCHROME2"
    say_so(ds)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, ds.SOPInstanceUID
    ds.file_meta = meta
    return ds


def say_so(ds: Dataset) -> None:
    """State in a data set that, and how, it was de-identified (PS3.15, E.1.1)."""
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = [f"{PRODUCT} {VERSION}", "allow-list into new objects", "PS3.15 2026c basic profile"]
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "113100", "DCM"
    code.CodeMeaning = "Basic Application Confidentiality Profile"
    # No option besides: dates, devices and the patient's characteristics are not retained, pixels are not cleaned.
    ds.DeidentificationMethodCodeSequence = [code]
    ds.LongitudinalTemporalInformationModified = "REMOVED"


def _copied(source: Dataset, allowed: Mapping[str, Check]) -> Dataset:
    """A new data set of those allowed attributes that have a value which passes its check."""
    made = Dataset()
    for keyword, check in allowed.items():
        if text := check(text_of(source, Tag(keyword)) or ""):
            _put(made, keyword, text)
    return made


def _put(ds: Dataset, keyword: str, text: str) -> None:
    parts = text.split("\\")
    vr = dictionary_VR(keyword)
    value: Any = parts if len(parts) > 1 else text
    if vr in ("FD", "FL"):
        value = [float(part) for part in parts]
    elif vr in ("US", "UL", "US or SS"):
        vr, value = vr[:2], [int(float(part)) for part in parts]
    # Numbers may be longer than DICOM allows, as they are in real exams: cutting them would change the scores.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds.add(DataElement(Tag(keyword), vr, value, validation_mode=config.IGNORE))


def _add_frames(ds: Dataset, header: Dataset) -> None:
    """The functional groups of a multi-frame image."""
    for keyword, text in ((k, text_of(header, Tag(k)) or "") for k in _ENHANCED):
        if text := _ENHANCED[keyword](text):
            _put(ds, keyword, text)
    ds.NumberOfFrames = int(header.NumberOfFrames)
    ds.ContentDate, ds.ContentTime, ds.AcquisitionDateTime = DUMMY_DAY, DUMMY_TIME, DUMMY_DAY + DUMMY_TIME
    for level in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        setattr(ds, level, [_group(item) for item in header[level].value])


def _group(source: Dataset) -> Dataset:
    made = Dataset()
    for keyword, allowed in _GROUPS.items():
        for item in source.get(keyword) or ():
            setattr(made, keyword, [_copied(item, allowed)])
    return made


@cache
def _profile() -> dict[tuple[int, ...], Callable[..., None]]:
    from dicomanonymizer.simpledicomanonymizer import initialize_actions

    return dict(initialize_actions(_TABLE))


def _apply_profile(ds: Dataset, identity: Identity) -> None:
    """The basic profile's action on each attribute; UIDs by our key, as the library's own names are random and kept for good."""
    from dicomanonymizer.simpledicomanonymizer import anonymize_dataset, replace_UID

    def mapped(dataset: Dataset, tag: tuple[int, ...]) -> None:
        if element := dataset.get(tag):
            element.value = identity.names.uid(str(element.value))

    def kept(dataset: Dataset, tag: tuple[int, ...]) -> None:
        """What is a dummy already."""

    rules: dict[tuple[int, ...], Callable[..., None]] = {
        tag: mapped for tag, action in _profile().items() if action is replace_UID
    }
    for keyword in ("ContrastBolusAgent", "SeriesDescription", "ContentDate", "ContentTime", "AcquisitionDateTime"):
        tag = Tag(keyword)
        rules[tag.group, tag.element] = kept
    # A copy: the library puts these rules into what it is given.
    anonymize_dataset(ds, rules, base_rules_gen=lambda: dict(_profile()))


def pixel_type(volume: CTVolume, scale: Sequence[tuple[float, float]]) -> type[np.integer[Any]]:
    """The smallest type that holds the stored values of all slices; ``scale``: slope and intercept of each.

    Raises:
        ExamError: there is none.
    """
    low, high = 0.0, 0.0
    for hu, (slope, intercept) in zip(volume.hu, scale, strict=True):
        ends = [round((float(end) - intercept) / slope) for end in (hu.min(), hu.max())]
        low, high = min(low, *ends), max(high, *ends)
    for candidate in _PIXEL_TYPES:
        limits = np.iinfo(candidate)
        if limits.min <= low and high <= limits.max:
            return candidate
    raise _inexact()


def _inexact() -> ExamError:
    return ExamError(
        "inexact_pixels", tr("The images' values can't be written again exactly, so nothing was exported.")
    )


def set_pixels(
    ds: Dataset, volume: CTVolume, source: SourceImages, slices: Iterable[int],
    scale: Sequence[tuple[float, float]], dtype: type[np.integer[Any]],
) -> None:  # fmt: skip
    """Write these slices of the volume, in this order, as the pixels of ``ds``.

    Args:
        ds, volume, slices: as said. source: the images that the volume was read from.
        scale: (slope, intercept) of each slice. dtype: of the stored values.

    Raises:
        ExamError: stored values would not give back the very HU.
    """
    little = np.dtype(dtype).newbyteorder("<")
    frames = [_stored(source.stored(volume.hu[z]), *scale[z]).astype(little).tobytes() for z in slices]
    limits = np.iinfo(dtype)
    ds.Rows, ds.Columns = source.rows, source.columns
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = limits.bits, limits.bits, limits.bits - 1
    ds.PixelRepresentation = int(limits.min < 0)
    ds.add_new(Tag("PixelData"), "OW", b"".join(frames))


def _stored(hu: NDArray[Any], slope: float, intercept: float) -> NDArray[np.float64]:
    stored: NDArray[np.float64] = np.rint((hu.astype(np.float64) - intercept) / slope)
    # Padding has become air, which the file's own scale need not meet exactly.
    if not (((stored * slope + intercept).astype(hu.dtype) == hu) | (hu == AIR_HU)).all():
        raise _inexact()
    return stored
