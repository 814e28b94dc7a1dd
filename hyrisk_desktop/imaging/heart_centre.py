"""A proposed heart centre, from the geometry of lungs and mediastinum alone: thresholds, distances, no network.

On a grid of about 4 mm the lungs are found, and with them what lies between them in each axial slice. The largest
circle that fits in there grows from the diaphragm to the middle of the ventricles and shrinks again where the heart
goes over into its great vessels. Readers click near the proximal coronary arteries, which leave the aorta where that
shrinking begins: the level is the slice in which the circle is down to `_SHOULDER` of its greatest radius.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.chest import F32, ChestGrid, Lungs, Mask, between_lungs, chest_grid, find_lungs
from hyrisk_desktop.imaging.volume import CTVolume, Voxel

# Where the circle is looked for, from the lungs' midline to the left, and as a share of their depth from the front.
_SEARCH_X_MM, _SEARCH_DEPTH = (-15.0, 60.0), 0.62
# Voxels deeper than the first share of the radius make the circle's middle; slices with less than the second share of
# the largest lung area may show the liver as widely as the heart.
_CORE, _LUNG_SHARE = 0.3, 0.6
_SMOOTH_MM, _LEAST_RADIUS_MM = 6.0, 10.0

# The level, and the click in it. Measured on phantoms (tests/benchmarks/bench_heart_centre.py) and moved by a few mm
# towards three real chests, in which the level lay higher and the heart's middle nearer the circle's.
_SHOULDER, _LEVEL_HALF_MM = 0.9, 6.0
_CLICK_OFFSET_MM = (6.5, -4.0)
# Without a shoulder: the middle of a slab, or a usual way up from the widest slice.
_SLAB_MM, _ABOVE_WIDEST_MM = 40.0, 15.0

# What a whole chest has, with room to spare: see `_doubt`.
_LEAST_SIDE_ML, _LEAST_SIDE_SHARE, _WIDTH_MM = 350.0, 0.25, (185.0, 215.0, 345.0)
# Lungs that fill the field of view go on outside it, so more of them must be seen (the second width).
_CUT_SHARE = 0.9
_SHOWN_SHARE, _ABOVE_MM, _BELOW_MM, _NECK = 0.1, 70.0, 30.0, 0.78
_RADIUS_MM = (28.0, 75.0)
# Left of the lungs' midline: the click, and the circle in its widest slice. A mirrored chest fails here.
_LEFT_MM, _WIDEST_LEFT_MM = (8.0, 48.0), (6.5, 40.0)
_SOFT_HU, _LEAST_SOFT = (-60.0, 700.0), 0.8
_BONE_HU, _LEAST_SPINE_ML, _BONE_DEPTH = 180.0, 3.0, (0.15, 0.75)
_AIRWAY_HU, _AIRWAY_MM2, _AIRWAY_OFF_MM, _AIRWAY_ABOVE_MM = (-600.0, -750.0, -850.0), (50.0, 800.0), 32.0, 60.0
_LEAST_AIRWAY_MM, _AIRWAY_SHARE = 22.0, 0.3


@dataclass(frozen=True, slots=True)
class ProposedCentre:
    """Where a reader would probably click.

    Attributes:
        voxel: (x, y, z), zero-based.
        confident: whether everything looked as in a whole chest; False: the reader must look.
        reason: one translated sentence when not confident, else "".
    """

    voxel: Voxel
    confident: bool
    reason: str


def propose_centre(volume: CTVolume) -> ProposedCentre | None:
    """Propose the heart centre of ``volume``; None where there is no chest at all.

    The proposal is about the level of the proximal coronary arteries. Axial, coronal and sagittal stacks are read
    alike: the volume's direction says where left, back and head are.
    """
    if not volume.hu.size:
        return None
    grid = chest_grid(volume)
    lungs = find_lungs(grid)
    if lungs is None:
        return None
    profile = _measure(grid, lungs)
    if not profile.usable.any():
        return None
    level = _level(profile, grid.step_mm[2])
    middle = _middle(profile, level, grid.step_mm[2])
    if middle is None:
        return None
    x, y = (value + mm / step for value, mm, step in zip(middle, _CLICK_OFFSET_MM, grid.step_mm, strict=False))
    reason = _doubt(grid, lungs, profile, (x, y, level))
    return ProposedCentre(grid.voxel(volume, (x, y, level)), not reason, reason)


@dataclass(frozen=True, slots=True, eq=False)
class _Profile:
    """What fits between the lungs, slice by slice.

    Attributes:
        radius_mm: of the largest circle between the lungs.
        x, y: the middle of the deepest part, in columns and rows; 0 where there is none.
        usable: slices with enough lung to tell the heart from the liver.
    """

    radius_mm: F32
    x: F32
    y: F32
    usable: Mask


def _measure(grid: ChestGrid, lungs: Lungs) -> _Profile:
    """Fit the largest circle into what has lung on its left and on its right, in every slice."""
    from scipy import ndimage

    mask = lungs.mask
    between = between_lungs(mask)
    step_x, step_y, step_z = grid.step_mm
    last = int(lungs.front + _SEARCH_DEPTH * (lungs.back - lungs.front)) + 1
    low, high = (max(0, round(lungs.midline + mm / step_x)) for mm in _SEARCH_X_MM)
    radius, middle_x, middle_y = np.zeros((3, len(mask)), np.float32)
    rows, columns = np.arange(last)[:, None], np.arange(low, high + 1)
    for z in np.flatnonzero(between.any(axis=(1, 2))):
        distance = ndimage.distance_transform_edt(np.pad(between[z], 1), sampling=(step_y, step_x))
        window = distance[1 : last + 1, low + 1 : high + 2]
        peak = float(window.max(initial=0.0))
        if peak <= 0:
            continue
        # The deepest voxel jumps about in a long ridge; the middle of all deep ones does not.
        core = np.maximum(window - _CORE * peak, 0)
        weight = core.sum()
        radius[z] = peak
        middle_x[z] = (core * columns[: window.shape[1]]).sum() / weight
        middle_y[z] = (core * rows[: window.shape[0]]).sum() / weight
    smooth = ndimage.gaussian_filter1d(radius, min(_SMOOTH_MM / step_z, len(mask)), mode="nearest")
    usable = (lungs.area_mm2 >= _LUNG_SHARE * lungs.area_mm2.max()) & (radius > _LEAST_RADIUS_MM)
    return _Profile(smooth, middle_x, middle_y, usable)


def _level(profile: _Profile, step_mm: float) -> float:
    """Height (in slices) at which the circle, going up, is down to `_SHOULDER` of its greatest radius."""
    radius = profile.radius_mm
    if len(radius) * step_mm < _SLAB_MM:
        return (len(radius) - 1) / 2
    top = _widest(profile)
    wanted = _SHOULDER * radius[top]
    narrower = np.flatnonzero(radius[top:] < wanted)
    if not len(narrower):
        return float(min(len(radius) - 1, top + _ABOVE_WIDEST_MM / step_mm))
    after = top + int(narrower[0])
    if after > np.flatnonzero(profile.usable)[-1]:
        # Not the heart narrows there, the lungs end.
        return float(np.flatnonzero(profile.usable & (radius >= wanted)).mean())
    return float(after - (wanted - radius[after]) / max(radius[after - 1] - radius[after], 1e-6))


def _widest(profile: _Profile) -> int:
    """The slice with the largest circle, above the diaphragm."""
    return int(np.where(profile.usable, profile.radius_mm, 0).argmax())


def _middle(profile: _Profile, level: float, step_mm: float) -> tuple[float, float] | None:
    """Column and row of the circle's middle about ``level``; None where there is no circle."""
    distance = np.abs(np.arange(len(profile.x)) - level) * step_mm
    near = (distance <= max(_LEVEL_HALF_MM, float(distance.min()))) & (profile.x > 0)
    if not near.any():
        return None
    return float(profile.x[near].mean()), float(profile.y[near].mean())


def _doubt(grid: ChestGrid, lungs: Lungs, profile: _Profile, place: tuple[float, float, float]) -> str:
    """Why a reader must look at the proposal at ``place`` (x, y, z); "" when everything is as in a whole chest."""
    if not _looks_like_lungs(grid, lungs):
        return tr("The lungs were not recognised, so the heart centre is a guess. Check it.")
    if not _whole(grid, lungs, profile, place[2]):
        return tr("The scan does not show the whole chest, so the heart centre is a guess. Check it.")
    if not (_looks_like_heart(grid, lungs, profile, place) and _has_windpipe(grid, lungs, place[2])):
        return tr("The chest looks unusual, so the heart centre is a guess. Check it.")
    return ""


def _looks_like_lungs(grid: ChestGrid, lungs: Lungs) -> bool:
    """Whether there is enough lung on both sides."""
    middle = round(lungs.midline)
    sides = [float(part.sum()) * grid.voxel_ml for part in (lungs.mask[:, :, :middle], lungs.mask[:, :, middle:])]
    return min(sides) > _LEAST_SIDE_ML and min(sides) > _LEAST_SIDE_SHARE * sum(sides)


def _whole(grid: ChestGrid, lungs: Lungs, profile: _Profile, level: float) -> bool:
    """Whether lung goes on far enough above and below the level, and the heart narrows to its vessels."""
    step = grid.step_mm[2]
    least_mm = _WIDTH_MM[lungs.width_mm > _CUT_SHARE * lungs.mask.shape[2] * grid.step_mm[0]]
    if lungs.cut or not least_mm < lungs.width_mm < _WIDTH_MM[2]:
        return False
    shown = np.flatnonzero(lungs.area_mm2 > _SHOWN_SHARE * lungs.area_mm2.max())
    above, below = (shown[-1] - level) * step, (level - shown[0]) * step
    top = _widest(profile)
    beyond = profile.radius_mm[top : round(level + _ABOVE_MM / step) + 1]
    narrows = bool(len(beyond)) and float(beyond.min()) < _NECK * float(profile.radius_mm[top])
    return bool(above >= _ABOVE_MM and below >= _BELOW_MM and narrows)


def _looks_like_heart(grid: ChestGrid, lungs: Lungs, profile: _Profile, place: tuple[float, float, float]) -> bool:
    """Whether the circle has a heart's size and place, soft tissue in it, and the spine behind it."""
    x, y, z = place
    step_x = grid.step_mm[0]
    top = _widest(profile)
    left_mm = (x - lungs.midline) * step_x
    widest_left_mm = float(profile.x[top] - lungs.midline) * step_x
    if not (_LEFT_MM[0] < left_mm < _LEFT_MM[1] and _WIDEST_LEFT_MM[0] < widest_left_mm < _WIDEST_LEFT_MM[1]):
        return False
    if not _RADIUS_MM[0] < float(profile.radius_mm[top]) < _RADIUS_MM[1]:
        return False
    half_x, half_y, half_z = (max(1, round(mm / step)) for mm, step in zip((15, 15, 8), grid.step_mm, strict=True))
    i, j, k = round(x), round(y), round(z)
    slices = slice(max(0, k - half_z), k + half_z + 1)
    tissue = grid.hu[slices, max(0, j - half_y) : j + half_y + 1, max(0, i - half_x) : i + half_x + 1]
    soft = (tissue > _SOFT_HU[0]) & (tissue < _SOFT_HU[1])
    # Not the depths of the heart: contrast agent is as bright as bone.
    middle, depth = round(lungs.midline), lungs.back - lungs.front
    column = grid.hu[slices, :, max(0, middle - half_x) : middle + half_x + 1]
    before, behind = (max(0, round(lungs.front + share * depth)) for share in _BONE_DEPTH)
    bone = [float((part > _BONE_HU).sum()) * grid.voxel_ml for part in (column[:, behind:], column[:, :before])]
    return float(soft.mean()) > _LEAST_SOFT and bone[0] > max(_LEAST_SPINE_ML, bone[1])


def _has_windpipe(grid: ChestGrid, lungs: Lungs, level: float) -> bool:
    """Whether a hole of the windpipe's size goes up between the lungs, well above the heart."""
    from scipy import ndimage

    step_x, step_y, step_z = grid.step_mm
    shown = np.flatnonzero(lungs.area_mm2 > _SHOWN_SHARE * lungs.area_mm2.max())
    slices = slice(max(0, round(level + _AIRWAY_ABOVE_MM / step_z)), int(shown[-1]) + 1)
    low, high = (max(0, round(lungs.midline + mm / step_x)) for mm in (-_AIRWAY_OFF_MM, _AIRWAY_OFF_MM))
    block = np.where(grid.unknown[slices, :, low : high + 1], 0, grid.hu[slices, :, low : high + 1])
    flat = np.zeros((3, 3, 3), np.bool_)
    flat[1] = ndimage.generate_binary_structure(2, 1)
    found = set()
    # On this grid a thin wall to the lung is nearly air; a lower threshold may close it, and lose a narrow windpipe.
    for threshold in _AIRWAY_HU:
        for box in ndimage.find_objects(ndimage.label(block < threshold, structure=flat)[0]):
            z, y, x = ((part.start, part.stop) for part in box)
            area = (y[1] - y[0]) * (x[1] - x[0]) * step_x * step_y
            inside = x[0] > 0 and x[1] < block.shape[2] and lungs.front < y[0] and y[1] <= lungs.back
            if inside and _AIRWAY_MM2[0] < area < _AIRWAY_MM2[1]:
                found.add(z[0])
    return len(found) * step_z >= _LEAST_AIRWAY_MM and len(found) >= _AIRWAY_SHARE * len(block)
