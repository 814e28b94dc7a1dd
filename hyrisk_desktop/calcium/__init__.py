"""CT volume and heart centre -> Agatston and volume scores with their lesions."""

from hyrisk_desktop.calcium.doubts import Doubt, doubt_words
from hyrisk_desktop.calcium.heart_atlas import CORONARIES, VESSELS
from hyrisk_desktop.calcium.heart_region import HeartRegion, Zone, propose_heart
from hyrisk_desktop.calcium.lesions import Lesion, component_voxels
from hyrisk_desktop.calcium.profiles import PROFILES, STANDARD, ScoringProfile, get_profile
from hyrisk_desktop.calcium.region import REGION_SIZE_XYZ, Region
from hyrisk_desktop.calcium.scores import (
    CalciumScores,
    agatston_category,
    category_bounds,
    score_box,
    score_region,
)
from hyrisk_desktop.calcium.whole_heart import (
    NO_MARKS,
    HeartMarks,
    Plaque,
    VesselScore,
    WholeHeartScores,
    given,
    score_whole_heart,
    toggled,
)

__all__ = [
    "CORONARIES",
    "NO_MARKS",
    "PROFILES",
    "REGION_SIZE_XYZ",
    "STANDARD",
    "VESSELS",
    "CalciumScores",
    "Doubt",
    "HeartMarks",
    "HeartRegion",
    "Lesion",
    "Plaque",
    "Region",
    "ScoringProfile",
    "VesselScore",
    "WholeHeartScores",
    "Zone",
    "agatston_category",
    "category_bounds",
    "component_voxels",
    "doubt_words",
    "get_profile",
    "given",
    "propose_heart",
    "score_box",
    "score_region",
    "score_whole_heart",
    "toggled",
]
