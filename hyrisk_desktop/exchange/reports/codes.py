"""The codes of our reports: standard ones, all of them in pydicom's dictionaries, and our own scheme ``99HYRISK``.

`OWN_CONCEPTS` is the published list of that scheme; `resources/help/coding_scheme.md` shows it to people. A meaning
never changes: what means something else gets a new code.
"""

from __future__ import annotations

from pydicom.sr.coding import Code

from hyrisk_desktop.risk.spread import OF_VIEWS
from hyrisk_desktop.standing import State

SCHEME = "99HYRISK"
SCHEME_NAME = "HyRisk Desktop concepts"

# Standard codes (PS3.16; SNOMED CT as DICOM uses it; UCUM).
AGATSTON_SCORE = Code("450360000", "SCT", "Coronary artery calcium score")
AGATSTON_METHOD = Code("112055", "DCM", "Agatston scoring method")
CALCIUM_VOLUME = Code("122660", "DCM", "Calcium Volume")
CORONARY_ARTERIES = Code("41801008", "SCT", "Coronary artery")
VASCULAR_CALCIFICATION = Code("237897009", "SCT", "Vascular Calcification")
CALCIUM_SCORING = Code("122603", "DCM", "Calcium Scoring Analysis")
REPORT_TITLE = Code("126000", "DCM", "Imaging Measurement Report")
PERCENTILE = Code("121415", "DCM", "Percentile Ranking of measurement")
AREA = Code("42798000", "SCT", "Area")
MAXIMUM_HU = Code("112180", "DCM", "Maximum Attenuation Coefficient")
MEAN_HU = Code("112181", "DCM", "Mean Attenuation Coefficient")
LEFT_MAIN = Code("3227004", "SCT", "Left Main Coronary Artery")
LEFT_ANTERIOR_DESCENDING = Code("59438005", "SCT", "Left Anterior Descending Coronary Artery")
CIRCUMFLEX = Code("57396003", "SCT", "Circumflex Coronary Artery")
RIGHT_CORONARY = Code("13647002", "SCT", "Right Coronary Artery")
VESSELS = {"LM": LEFT_MAIN, "LAD": LEFT_ANTERIOR_DESCENDING, "LCX": CIRCUMFLEX, "RCA": RIGHT_CORONARY}
"""The vessels of `calcium.CORONARIES`; what belongs to none of them has the site of all."""
ANATOMICAL_STRUCTURE = Code("91723000", "SCT", "Anatomical Structure")
HEART = Code("80891009", "SCT", "Heart")
MORPHOLOGY = Code("49755003", "SCT", "Morphologically Abnormal Structure")
ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")

PERCENT = Code("%", "UCUM", "Percent")
MM2 = Code("mm2", "UCUM", "square millimeter")
MM3 = Code("mm3", "UCUM", "cubic millimeter")
HU_UNIT = Code("[hnsf'U]", "UCUM", "Hounsfield unit")

NO_UNITS = Code("1", "UCUM", "no units")

STANDARD_CODES = tuple(code for code in list(globals().values()) if isinstance(code, Code))

SCORE = Code("{score}", "UCUM", "score")
"""An annotation of UCUM's own making, a unit of 1: viewers print a unit's code behind the number, and "602.64 1" reads as another one."""

OWN_CONCEPTS = {
    "HR001": "Score region",
    "HR002": "Risk reading",
    "HR003": "Visual grade of coronary artery calcification (0 to 3)",
    "HR004": "Square root of calcium volume",
    "HR005": "Agatston category",
    "HR006": "A = 0",
    "HR007": "0 < A <= 10",
    "HR008": "10 < A <= 100",
    "HR009": "100 < A <= 400",
    "HR010": "A > 400",
    "HR011": "Scoring profile",
    "HR012": "Heart centre (column row slice of the volume)",
    "HR013": "First voxel of the score region (column row slice)",
    "HR014": "Size of the score region in voxels",
    "HR015": "Box drawn by the reader",
    "HR016": "Excluded by the reader",
    "HR017": "Goes on outside the score region",
    "HR018": "Agatston weight",
    "HR019": "Voxel of highest HU (column row slice)",
    "HR020": "All-cause mortality risk by HyRiskNet (image and score)",
    "HR021": "All-cause mortality risk by RiskNet (image alone)",
    "HR022": "Lowest risk over nearby clicks and crops",
    "HR023": "Highest risk over nearby clicks and crops",
    "HR024": "Share of non-survivors that the risk assumes",
    "HR025": "Risk at grade 0",
    "HR026": "Risk at grade 1",
    "HR027": "Risk at grade 2",
    "HR028": "Risk at grade 3",
    "HR029": "SHA-256 of the model's weights",
    "HR030": "SHA-256 of weights and description of the model",
    "HR031": "Score that the model takes",
    "HR032": "Calibrated",
    "HR033": "Computing device",
    "HR034": "Demonstration model",
    "HR035": "Synthetic exam",
    "HR036": "Finding about the scan or the reading",
    "HR037": "Intended use",
    "HR038": "Time of the reading",
    "HR039": "SHA-256 of this report's content",
    "HR040": "Yes",
    "HR041": "No",
    "HR042": "Slice of the volume",
    "HR043": "Calcium counted in the score region",
    "HR044": "State of the numbers",
    "HR045": "Shown",
    "HR046": "Doubtful",
    "HR047": "Withheld",
    "HR048": "Findings that decided the state, the decisive one first",
    "HR049": "Lower end of the interval of the risk",
    "HR050": "Upper end of the interval of the risk",
    "HR051": "What the interval of the risk covers",
    "HR052": "Change since an earlier exam",
    "HR053": "Study Instance UID of the earlier exam",
    "HR054": "Days since the earlier exam",
    "HR055": "Agatston score of the whole heart",
    "HR056": "Square root of the calcium volume of the whole heart",
    "HR057": "CAC-DRS of the whole heart",
    "HR058": "Vessel by its place alone, not taken by a reader",
    "HR059": "Calcium volume of the whole heart",
    "HR060": "Further numbers of the risk reading",
    "HR061": "Time horizon of the risk",
    "HR062": "Image of the earlier exam at the heart centre",
    "HR063": "Number of marks on plaques by the reader",
    "HR064": "Plaques given to a vessel by the reader (voxel vessel; ...)",
    "HR065": "Plaques counted by the reader although doubted (voxel; ...)",
    "HR066": "Plaques left out by the reader (voxel; ...)",
    "HR067": "Key image of the reader",
    "HR068": "Slice, note and measures of a key image",
}
"""Code value -> meaning; a meaning has at most 64 characters (LO)."""


def own(code: str) -> Code:
    """A concept of our own scheme; KeyError for one that isn't published."""
    return Code(code, SCHEME, OWN_CONCEPTS[code])


SCORE_REGION = own("HR001")
RISK_READING = own("HR002")
GRADE = own("HR003")
SQRT_VOLUME = own("HR004")
CATEGORY = own("HR005")
PROFILE = own("HR011")
CENTRE = own("HR012")
REGION_START = own("HR013")
REGION_SIZE = own("HR014")
DRAWN = own("HR015")
EXCLUDED = own("HR016")
CUT = own("HR017")
WEIGHT = own("HR018")
PEAK = own("HR019")
HYRISKNET = own("HR020")
RISKNET = own("HR021")
LOWEST = own("HR022")
HIGHEST = own("HR023")
LOWER, UPPER, COVERED = own("HR049"), own("HR050"), own("HR051")
CHANGE, PRIOR_STUDY, INTERVAL = own("HR052"), own("HR053"), own("HR054")
WHOLE_HEART, WHOLE_HEART_SQRT, WHOLE_HEART_VOLUME = own("HR055"), own("HR056"), own("HR059")
CAC_DRS, SUGGESTED = own("HR057"), own("HR058")
FURTHER, HORIZON, PRIOR_IMAGE = own("HR060"), own("HR061"), own("HR062")
MARKS, TAKEN, KEPT, LEFT_OUT = own("HR063"), own("HR064"), own("HR065"), own("HR066")
KEY_IMAGE, KEY_IMAGE_NOTE = own("HR067"), own("HR068")
NO_HORIZON = "none: the training data state no time"
"""In place of a horizon, in every language."""
PREVALENCE = own("HR024")
WEIGHTS_HASH = own("HR029")
BUNDLE_HASH = own("HR030")
SCORE_INPUT = own("HR031")
CALIBRATED = own("HR032")
DEVICE = own("HR033")
DEMONSTRATION = own("HR034")
SYNTHETIC = own("HR035")
FINDING = own("HR036")
INTENDED_USE = own("HR037")
TIME = own("HR038")
DIGEST = own("HR039")
YES = own("HR040")
NO = own("HR041")
SLICE = own("HR042")
COUNTED = own("HR043")
STATE = own("HR044")
REASONS = own("HR048")
STATES = {State.SHOWN: own("HR045"), State.DOUBTFUL: own("HR046"), State.WITHHELD: own("HR047")}


def interval_ends(covers: tuple[str, ...]) -> tuple[Code, Code]:
    """The codes of an interval's two numbers, by what it covers."""
    return (LOWEST, HIGHEST) if covers == OF_VIEWS else (LOWER, UPPER)


CATEGORIES = tuple(own(f"HR{number:03d}") for number in range(6, 11))
BY_GRADE = tuple(own(f"HR{number:03d}") for number in range(25, 29))
