"""Header texts that a de-identified image may keep: enumerated words, device and kernel names, numbers.

A text field can hold anything, a patient's name among it. So a text is kept only if every word of it is known here, and
otherwise left out: a lost model name costs little, a kept name everything.
"""

from __future__ import annotations

import math
import re

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_MAX_NUMBER_TEXT = 32
_PLAUSIBLE = 1e5  # scan parameters stay far below, most record numbers don't
_SHAPE = re.compile(r"[A-Za-z0-9 _+/()-]{1,64}")
_NUMBERED = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{0,2}\d+[A-Za-z]{0,2}(?![A-Za-z0-9])")  # such as FC51, B30f, CT660
_MAX_DIGITS = 3

_MAKERS = """
    ACCURAY CANON CERTARA ELSCINT FUJIFILM GE GEMS GMBH HEALTHCARE HEALTHINEERS HITACHI HYRISK IMAGING IMATRON INC
    KONINKLIJKE MARCONI MEDICAL MEDISO NEUROLOGICA NEUSOFT PHILIPS PICKER QRM SAMSUNG SHIMADZU SIEMENS SYSTEMS TOSHIBA UIH
    UNITED CORPORATION COMPANY TECHNOLOGIES DESKTOP MEC
"""
_MODELS = """
    ACCESS ACTIVION ADVANTAGE ALEXION ALPHA APEX AQUILION ASTEION AURA BALANCE BIG BIOGRAPH BORE BRIGHTSPEED BRILLIANCE
    CATALYST CONFIDENCE CORE CXL CXR DEFINITION DISCOVERY DRIVE DUO ECLOS EDGE ELITE EMOTION EVO EXPERT FLASH FORCE FRONTIER
    GEMINI GENESIS GOLDSEAL HISPEED ICT INCISIVE INGENUITY IQON LIGHTNING LIGHTSPEED MAXIMA MCT MULTI NAEOTOM NEUVIZ ONE
    OPEN OPTIMA PEAK PERSPECTIVE PHANTOM PLUS POWER PRECEDENCE PRECISION PRESTO PRIME PRISM PRO PRONTO PROSPEED QXI RADIX
    REVOLUTION RXL SCENARIA SCOPE SECURA SENSATION SERVE SIMULATION SMART SOMATOM SPECTRAL SPIRIT SUPRIA SYNTHETIC TOMOSCAN
    TRUFLIGHT UCT ULTRA UMI VCT VEREOS VIEW VISION VOLUME WIDE XTE ZOOM AS HD LDCT LS QX I RT TX CT
"""
_KERNELS = """
    BODY BONE BONEPLUS CARDIAC CHEST CHST DETAIL EDGE HIGH HRES LUNG PLUS SHARP SMOOTH SOFT STANDARD STND ULTRA VSHARP XCA
    XCB XCC XCD A B C D E F L YA YB YC YD CA CB CC CD UA UB UC SA SB SC BRAIN AIDR ASIR MILD STD STRONG IMR
"""
_BODY_PARTS = (
    "CHEST THORAX LUNG HEART CARDIAC CORONARY ABDOMEN PELVIS NECK HEAD BODY WHOLEBODY LUNGS CHESTABDPELVIS ART AORTA"
)
_IMAGE_TYPES = """
    ORIGINAL DERIVED PRIMARY SECONDARY AXIAL VOLUME NONE MIXED MPR REFORMATTED RESAMPLED AVERAGE CSA HELIX HELICAL SPIRAL
    SEQUENCE SPI SEQ NORM LOCALIZER MONO ENERGY LOW DOSE QUANTITY
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MAKERS, MODELS, KERNELS = _words(_MAKERS), _words(_MODELS), _words(_KERNELS)
BODY_PARTS, IMAGE_TYPES = _words(_BODY_PARTS), _words(_IMAGE_TYPES)
ENUMERATED = {
    "PatientPosition": _words("HFS HFP HFDR HFDL FFS FFP FFDR FFDL LFS LFP RFS RFP AFDR AFDL PFDR PFDL"),
    "RotationDirection": _words("CW CC"),
    "PhotometricInterpretation": _words("MONOCHROME1 MONOCHROME2"),
    "RescaleType": _words("HU US HU_MOD"),
    "BurnedInAnnotation": _words("YES NO"),
    "LossyImageCompression": _words("00 01"),
    "LossyImageCompressionMethod": _words("ISO_10918_1 ISO_14495_1 ISO_15444_1 ISO_15444_15 ISO_13818_2"),
    "PixelPresentation": _words("MONOCHROME"),
    "VolumetricProperties": _words("VOLUME SAMPLED DISTORTED MIXED"),
    "VolumeBasedCalculationTechnique": _words("NONE MPR MAX_IP MIN_IP MEAN VOLUME_RENDER CURVED_MPR MIXED"),
    "ContentQualification": _words("PRODUCT RESEARCH SERVICE"),
    "AcquisitionType": _words("SEQUENCED SPIRAL CONSTANT_ANGLE STATIONARY FREE"),
}


def known(value: str, words: frozenset[str]) -> str:
    """``value`` where all its words are among ``words`` or like ``B30f``, otherwise ""."""
    if not _SHAPE.fullmatch(value) or sum(c.isdigit() for c in value) > _MAX_DIGITS:
        return ""
    # One or two letters beside a number are a kernel's or a model's; by themselves they could be initials.
    rest = _NUMBERED.sub(" ", value)
    return value if all(run.upper() in words for run in re.findall(r"[A-Za-z]+", rest)) else ""


def each_known(value: str, words: frozenset[str]) -> str:
    """The values of a multi-valued text that `known` lets through."""
    return "\\".join(filter(None, (known(part.strip(), words) for part in value.split("\\")[:8])))


def enumerated(keyword: str, value: str) -> str:
    """``value`` where the standard names it for this attribute, otherwise ""."""
    return value if all(part in ENUMERATED[keyword] for part in value.split("\\")) else ""


def numbers(value: str, *, bounded: bool = True) -> str:
    """Decimal texts as they stand, so that they mean the same to the last digit; "" where one isn't a plain number.

    Args:
        bounded: whether numbers of six and more places, such as record numbers, are refused.
    """
    parts = [part.strip() for part in value.split("\\")]
    fine = all(
        len(part) <= _MAX_NUMBER_TEXT
        and _NUMBER.fullmatch(part)
        and math.isfinite(float(part))
        and not (bounded and abs(float(part)) >= _PLAUSIBLE)
        for part in parts
    )
    return "\\".join(parts) if fine else ""
