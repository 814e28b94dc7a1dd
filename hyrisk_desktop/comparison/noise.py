"""By how much two exams of one state of the coronaries differ: other clicks, a registration that is a little off, another scan.

The three are independent and add up as squares. On phantoms that did not change (seeds from 8810000 and 8820000, other scanners, 24 pairs) the
change of the square root of the volume lay within this band in 22.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import product

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.calcium import CalciumScores, VesselScore, WholeHeartScores, get_profile, score_region
from hyrisk_desktop.imaging import CTVolume, Voxel
from hyrisk_desktop.imaging.registration import Registration
from hyrisk_desktop.measurement import Measurement

F64 = NDArray[np.float64]
SCAN_SD = 1.25
"""SD of the square root of the volume score (mm3) from scan to scan: 2.5 is Hokanson's limit of 95 % (AJR 2004;182:1327)."""
UNSEEN_SD = 8.4
"""The same of whole hearts that no reader has looked at. Of 28 phantom pairs that did not change (seeds from 8810000 and 8820000) most differ by less
than 2, but a sharp kernel makes up plaques that a reader would not count: 19 of 20 lie within 16.5, which is 1.96 times this."""
_CLICKS = (-3, 0, 3), (-3, 0, 3), (-1, 0, 1)
_OFF_MM = 1.5
"""What registration may be off in the plane; along z a slice."""
_BAND = 1.96


def noise_of(
    current: CTVolume, prior: CTVolume, now: Measurement, then: Measurement, laid: Registration
) -> dict[str, float]:
    """Half width of the band that holds 19 of 20 differences without any change, by quantity.

    Args:
        current, prior: the exams. now, then: measured in either. laid: how they lie.
    """
    clicks = [_moved(now.centre, shift) for shift in product(*_CLICKS)]
    pairs = [(click, prior.mm_to_voxel(laid.to_prior(current.voxel_to_mm(click)))) for click in clicks]
    inside = [(a, b) for a, b in pairs if current.contains(a) and prior.contains(b)]
    common = _scored(current, now.scores, [a for a, _ in inside]) - _scored(prior, then.scores, [b for _, b in inside])
    off = [max(1, round(_OFF_MM / mm)) for mm in prior.spacing_mm[:2]]
    shifts = product((-off[0], 0, off[0]), (-off[1], 0, off[1]), (-1, 0, 1))
    missed = _scored(prior, then.scores, [p for shift in shifts if prior.contains(p := _moved(then.centre, shift))])
    scans = _between_scans(_amounts(now.scores), _amounts(then.scores), SCAN_SD)
    found = {
        name: _BAND * math.hypot(float(np.std(common[:, k])), float(np.std(missed[:, k])), scan)
        for k, (name, scan) in enumerate(scans.items())
    }
    if now.whole_heart is not None and then.whole_heart is not None:
        # Nothing is cut off by a region, so neither clicks nor registration move it.
        seen = now.whole_heart.extent is not None and then.whole_heart.extent is not None
        sd = SCAN_SD if seen else UNSEEN_SD
        between = _between_scans(_amounts(now.whole_heart), _amounts(then.whole_heart), sd)
        found |= {f"heart_{name}": _BAND * scan for name, scan in between.items()}
        for a, b in zip(now.whole_heart.vessels, then.whole_heart.vessels, strict=True):
            found[f"heart_{a.vessel.lower()}"] = _BAND * _between_scans(_amounts(a), _amounts(b), sd)["agatston"]
    if now.risk is not None and then.risk is not None and now.risk.head == then.risk.head:
        # Of the other head there is no interval, nor of two heads a common one.
        found[now.risk.head] = math.hypot(*((high - low) / 2 for low, high in (now.risk.interval, then.risk.interval)))
    return found


def _amounts(scores: CalciumScores | WholeHeartScores | VesselScore) -> tuple[float, float]:
    """Agatston and volume."""
    return scores.agatston, scores.volume_mm3


def _between_scans(now: tuple[float, float], then: tuple[float, float], sd: float) -> dict[str, float]:
    """SD from scan to scan of Agatston, volume and its square root.

    Args:
        now, then: Agatston and volume (mm3). sd: of the square root of the volume, which is the same for little calcium and for much.
    """
    root = (math.sqrt(now[1]) + math.sqrt(then[1])) / 2
    volume = 2 * sd * root + sd**2
    total = now[1] + then[1]
    density = (now[0] + then[0]) / total if total > 0 else 1.0
    return {"agatston": density * volume, "volume_mm3": volume, "sqrt_volume": sd}


def _scored(volume: CTVolume, like: CalciumScores, clicks: Iterable[Voxel]) -> F64:
    """Agatston, volume and its square root [n, 3] at other clicks, over regions of the size of ``like`` and without what it excludes."""
    excluded = [lesion.peak for lesion in like.lesions if lesion.excluded]
    scores = [
        score_region(volume, click, size_xyz=like.region.size_xyz, profile=get_profile(like.profile), excluded=excluded)
        for click in clicks
    ]
    return np.array([(s.agatston, s.volume_mm3, s.sqrt_volume) for s in scores], np.float64).reshape(-1, 3)


def _moved(voxel: Voxel, shift: Voxel) -> Voxel:
    x, y, z = (v + d for v, d in zip(voxel, shift, strict=True))
    return x, y, z
