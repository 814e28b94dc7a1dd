"""Named scoring profiles: every choice that changes an Agatston score, in one frozen record."""

from __future__ import annotations

from dataclasses import dataclass

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import listed, tr


@dataclass(frozen=True, slots=True)
class ScoringProfile:
    """How calcified voxels become lesions and lesions become scores.

    Attributes:
        name: shown beside every score.
        threshold_hu: voxels at or above it are calcified (Agatston 1990: 130 HU).
        weights: (lowest HU, weight) by a lesion's maximum in its slice, ascending.
        connectivity: 8 or 4 neighbours within the axial slice.
        min_area_mm2: smaller lesions are noise and do not count.
        reference_increment_mm: the slice increment the score was defined for; the sum is multiplied by
            increment / reference so that overlapping or thicker slices agree with Agatston's 3 mm. None: no correction.
    """

    name: str
    threshold_hu: float = 130.0
    weights: tuple[tuple[float, int], ...] = ((130.0, 1), (200.0, 2), (300.0, 3), (400.0, 4))
    connectivity: int = 8
    min_area_mm2: float = 1.0
    reference_increment_mm: float | None = 3.0


STANDARD = ScoringProfile("standard")
FOUR_CONNECTED = ScoringProfile("four_connected", connectivity=4)
NO_SPACING_CORRECTION = ScoringProfile("no_spacing_correction", reference_increment_mm=None)

PROFILES = {profile.name: profile for profile in (STANDARD, FOUR_CONNECTED, NO_SPACING_CORRECTION)}


def get_profile(name: str) -> ScoringProfile:
    """The profile called ``name``; raises InputError, naming those there are."""
    try:
        return PROFILES[name]
    except KeyError:
        raise InputError(
            "unknown_profile",
            tr("There is no scoring profile “{name}”; choose one of {names}.", name=name, names=listed(PROFILES)),
        ) from None
