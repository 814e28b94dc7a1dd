"""What the words of a header say an image is: slices of HU, a localizer, a picture, or something computed from scans.

One table serves single-frame and enhanced objects. It holds the terms of PS3.3 (C.8.2.1.1.1, C.8.15.3.1.1, C.8.16.2.1),
and those that makers write into ImageType and descriptions. Words are compared whole, never as parts of others: MAT
is no map in "FORMAT", and an average of two tube voltages, which equals an image at 120 kVp, is none either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.headers.header import Header

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED = frozenset(("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"))
REFERENCE_KEV = 70.0
"""At this energy a virtual monoenergetic image shows calcium as a scan at 120 kVp does, which the scores assume."""
_KEV_TOLERANCE = 0.5  # energies are given in whole keV
_KEV_RANGE = (20.0, 300.0)

_LOCALIZER_WORDS = frozenset(("LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW", "REF_SURVIEW", "SCANOGRAM"))
_PAGE_WORDS = frozenset(("DOSE", "DOSE_INFO", "SCREEN SAVE", "SCREENSAVE", "PATIENT_INFO", "RESULTS", "PROTOCOL"))


class Kind(StrEnum):
    """What a series is made of."""

    AXIAL = "axial"
    REFORMAT = "reformat"
    LOCALIZER = "localizer"
    SECONDARY = "secondary"
    DERIVED = "derived"
    ENHANCED = "enhanced"
    IMAGE_FILE = "image_file"


# The standard's word for what was computed (CS values are cut at 16 letters by some writers) -> how the standard and makers say it, in words apart by blanks.
_SAID: dict[str, str] = {
    "MAT_SPECIFIC": """
        mat specific|material specific|iodine map|iodine density|iodine overlay|iodine concentration|iodine image|
        iodine uptake|iodine no water|iodine only|iodine quantification|jod karte|jodkarte|jod bild|jodbild|
        carte iode|carte d iode|mapa de yodo|mappa iodio|calcium map|calcium density|hap map|hap density|
        xenon map|gadolinium map|uric acid|harnsäure|gout map|perfused blood volume|lung pbv|heart pbv|liver pbv|
        material density|material decomposition|basis material|k edge|kedge|bone marrow map|photoelectric|compton scatter
    """,
    "MAT_REMOVED": """
        mat removed|material removed|virtual non contrast|virtual noncontrast|virtual unenhanced|virtual unenhance|
        virtual native|virtuell nativ|virtuell native|virtuelle nativ|virtual non calcium|virtual noncalcium|
        virtual non iodine|virtual non enhanced|virtuel sans contraste|virtual sin contraste|vnc|vnca|vni|vue|
        iodine removed|iodine removal|iodine suppressed|iodine subtracted|calcium removed|calcium removal|
        calcium suppressed|calcium suppression|calcium supp|casupp|ca supp|ca suppressed|calcium subtracted|
        virtual non cont|virtual non calc|virtual noncont|virtual unenhanc|calcium suppres|calcium suppress|
        pure lumen|purelumen|pure calcium|purecalcium|bone removal|bone removed|bone subtraction|bone subtracted|
        bone suppression|bone suppressed|bone free|bonefree|knochen entfernung|knochenentfernung|uric acid removed
    """,
    "MAT_FRACTIONAL": "mat fractional|material fractional|fat map|fat fraction|water fraction|volume fraction|fraction map",
    "MAT_MODIFIED": "mat modified|material modified|contrast enhanced structures|optimum contrast|optimal contrast blend|color overlay|colour overlay|blended map",
    "MAT_VALUE_BASED": "mat value based|material value based|spectral base image|spectral base images|spectral base|sbi",
    "EFF_ATOMIC_NUM": """
        eff atomic num|effective atomic number|effective atomic|eff z|effz|z eff|zeff|effective z|z effective|rho z|
        atomic number|rhoz
    """,
    "ELECTRON_DENSITY": "electron density|electron densit|elektronen dichte|elektronendichte|rho map|rho|ed map|mass density map",
    "PERFUSION": """
        rcbf|rcbv|cbf|cbv|mtt|ttp|tmax|rmtt|blood flow|blood volume|mean transit time|time to peak|permeability|
        perfusion map|perfusion maps|perfusion image map|flow extraction|patlak|ventilation map|parametric map|
        parameter map|color map|colour map|ps map|time to drain
    """,
    "SUBTRACTION": "subtraction|subtracted|subtraktion|subtracted image|dsa|sub dsa",
    "SYNTHETIC": "synthetic ct|pseudo ct|mrcat|sct from mr",
    "PROJECTION": """
        mip|minip|maxip|max ip|min ip|projection image|thin mip|maximum intensity|minimum intensity|vrt|
        volume rendered|volume rendering|volume render|surface render|shaded surface
    """,
}
# Words that mean so only where they are a whole value of ImageType or FrameType, whose terms are defined.
_SAID_ALONE: dict[str, str] = {
    "MAT_SPECIFIC": "iodine|water|calcium|hap|fat|pbv|xenon|overlay",
    "PERFUSION": "perfusion|flow",
    "SUBTRACTION": "division|multiplication|std deviation|masked|quantity",
    "PROJECTION": "projection|maximum|minimum|3 d|ssd",
}
_ALONE_IN_TEXT = frozenset(("IODINE", "PBV"))
_BASIS = r"(?:IODINE|WATER|CALCIUM|HAP|FAT|BLOOD|URIC ACID|GADOLINIUM|HYDROXYAPATITE)"
_PAIR = re.compile(rf" (?:MD )?{_BASIS} (?:NO )?{_BASIS} ")  # a material decomposition: "Iodine(Water)"
_MONO = frozenset(
    "vmi|mono e|monoe|monoenergetic|mono energetic|monoenergy|mono energy|monochromatic|mono chromatic|virtual mono|"
    "mono plus|monoplus|mono kev|gsi mono|monoenergetisch|monoenergetique|monoénergétique|monoenergetico|vmc".upper().split(
        "|"
    )
)
_SPECTRAL = re.compile(r" GSI (?!(?:QC|DATA) )")  # its images are monoenergetic unless they say otherwise
_KEV = re.compile(r"(?<![\d.,])(\d{2,3}(?:[.,]\d+)?)[\s_-]*KEV(?![A-Z])|KEV[\s_:=-]*(\d{2,3}(?:[.,]\d+)?)(?![\d])")
_MONO_KEV = re.compile(
    r"(?:MONO(?:E|ENERGETIC|CHROMATIC|PLUS)?|VMI)(?:[\s_-]*E)?[\s_-]*(?:PLUS)?[\s_-]*(\d{2,3})(?![\d.])"
)
_NOT = re.compile(r" (?:NO|NOT|NON|WITHOUT|W O|WO|OHNE|KEINE?|SANS|SIN|SENZA|BEFORE|PRE) $")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-zß-ÿ])(?=[A-Z])")


def _phrases(said: dict[str, str]) -> dict[str, str]:
    return {
        " ".join(phrase.upper().split()): term
        for term, texts in said.items()
        for phrase in texts.split("|")
        if phrase.strip()
    }


def _pattern(phrases: Iterable[str]) -> re.Pattern[str]:
    """The phrases as whole words of a text of single blanks, the longest first."""
    return re.compile(r"(?<=\s)(?:" + "|".join(sorted(map(re.escape, phrases), key=len, reverse=True)) + r")(?=\s)")


_TERM_OF, _TERM_ALONE = _phrases(_SAID), _phrases(_SAID_ALONE)
_IN_TEXT, _IS_MONO = _pattern(_TERM_OF), _pattern(_MONO)


@dataclass(frozen=True, slots=True)
class Nature:
    """What the words about an image say of its values.

    Attributes:
        computed: the standard's word for what was computed from scans, or "" for plain slices.
        virtual: these are virtual monoenergetic images; ``kev`` is their energy, None where unknown or contradictory.
    """

    computed: str = ""
    virtual: bool = False
    kev: float | None = None


def nature_of(types: Iterable[str], descriptions: Iterable[str], energies_kev: Iterable[float] = ()) -> Nature:
    """Judge the words about an image.

    Args:
        types: values of ImageType and FrameType, one by one.
        descriptions: free texts such as SeriesDescription.
        energies_kev: MonoenergeticEnergyEquivalent (0018,937C) wherever it stands.
    """
    types, descriptions = tuple(types), tuple(descriptions)
    if computed := next(filter(None, (*map(_computed_type, types), *map(_computed_text, descriptions))), ""):
        return Nature(computed)
    given = {float(e) for e in energies_kev}
    named = {kev for text in (*types, *descriptions) for kev in _energies_in(text)}
    virtual = bool(given or named) or any(_is_virtual(text) for text in (*types, *descriptions))
    energies = given or named
    return Nature(virtual=virtual, kev=next(iter(energies)) if len(energies) == 1 else None)


def _readings(text: str) -> Iterator[str]:
    """The text as capital words between single blanks, as it is and with ``IodineMap`` taken apart."""
    for form in dict.fromkeys((text, _CAMEL.sub(" ", text))):
        yield " " + " ".join(_WORD.findall(form.upper())) + " "


def _computed_type(value: str) -> str:
    """The standard's word for what a value of ImageType or FrameType names, or ""."""
    return next((_TERM_ALONE[whole] for r in _readings(value) if (whole := r.strip()) in _TERM_ALONE), "") or _computed(
        value
    )


def _computed_text(text: str) -> str:
    """The same of a free description, where a phrase may be taken back: "no bone removal"."""
    whole = next(_readings(text)).strip()
    return _TERM_ALONE[whole] if whole in _ALONE_IN_TEXT else _computed(text)


def _computed(text: str) -> str:
    for reading in _readings(text):
        for found in _IN_TEXT.finditer(reading):
            if not _NOT.search(reading[: found.start()]):
                return _TERM_OF[found.group()]
        if _PAIR.search(reading):
            return "MAT_SPECIFIC"
    return ""


def _is_virtual(text: str) -> bool:
    return any(_IS_MONO.search(reading) or _SPECTRAL.search(reading) for reading in _readings(text))


def _energies_in(text: str) -> Iterator[float]:
    upper = text.upper()
    found = [a or b for a, b in _KEV.findall(upper)] or _MONO_KEV.findall(upper)
    for number in found:
        if _KEV_RANGE[0] <= (kev := float(number.replace(",", "."))) <= _KEV_RANGE[1]:
            yield kev


def kind_of(header: Header) -> Kind | None:
    """What one file is a piece of; None where it is no CT image."""
    if header.text("Modality") != "CT":
        return None
    values = (*header.words("ImageType"), *header.words("FrameType"))
    if header.text("SOPClassUID") in ENHANCED:
        return Kind.ENHANCED
    if _LOCALIZER_WORDS & set(values):
        return Kind.LOCALIZER
    if (
        header.text("SOPClassUID") != CT_IMAGE
        or _PAGE_WORDS & set(values)
        or (header.number("SamplesPerPixel") or 1) != 1
    ):
        return Kind.SECONDARY
    return Kind.DERIVED if any(map(_computed_type, values)) else Kind.AXIAL


def refusal_of_types(values: Iterable[str]) -> ExamError | None:
    """Why a frame with these values of ImageType and FrameType is no slice of HU; None where it is one."""
    values = [value.strip().upper() for value in values]
    if _LOCALIZER_WORDS & set(values):
        return refusal_of(Kind.LOCALIZER)
    return refusal_of(Kind.DERIVED) if any(map(_computed_type, values)) else None


def refusal_of(kind: Kind) -> ExamError | None:
    """Why a series of this kind can't be read at all; None for those that can."""
    match kind:
        case Kind.LOCALIZER:
            return ExamError("localizer", tr("This is a localizer. Open the axial series of this exam."))
        case Kind.SECONDARY:
            return ExamError(
                "secondary", tr("This is a secondary capture or a dose page and no scan. Open the axial series.")
            )
        case Kind.REFORMAT:
            return ExamError("not_axial", tr("The slices are not axial. Open the axial series of this exam."))
        case Kind.DERIVED:
            return ExamError(
                "derived", tr("These are computed pictures (a projection or a map). Open the original axial series.")
            )
        case _:
            return None


def plain_description(nature: Nature) -> str:
    """A description in the standard's words alone that `nature_of` judges as it did this; "" for plain slices."""
    if nature.computed:
        return {"PERFUSION": "PERFUSION MAP", "PROJECTION": "PROJECTION IMAGE", "SYNTHETIC": "SYNTHETIC CT"}.get(
            nature.computed, nature.computed
        )
    if not nature.virtual:
        return ""
    return "VMI" if nature.kev is None else f"VMI {nature.kev:g} keV"


def nature_findings(nature: Nature, rescale_type: str = "") -> tuple[Finding, ...]:
    """Codes ``computed_map`` (unfit) and ``monoenergetic`` (warning).

    Args:
        rescale_type: RescaleType; HU_MOD are HU that were computed from others (PS3.3 C.11.1.1.2).
    """
    if nature.computed or rescale_type.strip().upper() == "HU_MOD":
        message = tr(
            "The series calls itself computed images ({word}), whose values are no scanned HU: calcium scores and risk do "
            "not hold. Open the original axial series.",
            word=nature.computed or "HU_MOD",
        )
        return (Finding("computed_map", Severity.UNFIT, message),)
    if not nature.virtual or (nature.kev is not None and abs(nature.kev - REFERENCE_KEV) <= _KEV_TOLERANCE):
        return ()
    if nature.kev is None:
        message = tr(
            "These are virtual monoenergetic images of unknown energy; only at 70 keV calcium has the HU that the scores "
            "assume. Open the conventional images."
        )
    else:
        message = tr(
            "These are virtual monoenergetic images at {kev:g} keV; only at 70 keV calcium has the HU that the scores "
            "assume. Open the conventional images.",
            kev=nature.kev,
        )
    return (Finding("monoenergetic", Severity.WARNING, message),)


_ENERGY_PLACES = (
    "MultienergyCTProcessingSequence", "MultienergyCTCharacteristicsSequence", "MultienergyCTAcquisitionSequence",
    "MultienergyCTPathSequence", "MultienergyCTXRayDetectorSequence", "CTXRayDetailsSequence", "CTImageFrameTypeSequence",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip
_TYPE_WORDS = ("ImageType", "FrameType", "VolumeBasedCalculationTechnique")
NATURE_KEYWORDS = (*_TYPE_WORDS, "MonoenergeticEnergyEquivalent", *_ENERGY_PLACES)
"""What `words_of` looks at."""


def words_of(dataset: Any, depth: int = 4) -> tuple[list[str], list[float]]:
    """Values of ImageType and FrameType, and energies in keV, of a pydicom data set and of the groups in it."""
    types: list[str] = []
    energies: list[float] = []
    for keyword in _TYPE_WORDS:
        value = dataset.get(keyword) or ()
        types += [value] if isinstance(value, str) else [str(part) for part in value]
    if (energy := dataset.get("MonoenergeticEnergyEquivalent")) not in (None, ""):
        energies.append(float(energy))
    for keyword in _ENERGY_PLACES if depth else ():
        for item in dataset.get(keyword) or ():
            inner = words_of(item, depth - 1)
            types += inner[0]
            energies += inner[1]
    return types, energies
