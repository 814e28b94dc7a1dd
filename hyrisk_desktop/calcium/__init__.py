"""CT volume and heart centre -> Agatston and volume scores with their lesions."""

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

__all__ = [
    "PROFILES",
    "REGION_SIZE_XYZ",
    "STANDARD",
    "CalciumScores",
    "Lesion",
    "Region",
    "ScoringProfile",
    "agatston_category",
    "category_bounds",
    "component_voxels",
    "get_profile",
    "score_box",
    "score_region",
]
