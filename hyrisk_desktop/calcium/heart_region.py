"""A proposed outline of the whole heart around a given centre, at full resolution, and the heart's own coordinates."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.calcium.heart_mask import CoarseHeart, Place, coarse_heart
from hyrisk_desktop.calcium.region import Region
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.chest import F32, ChestGrid, Mask, chest_grid, find_lungs
from hyrisk_desktop.imaging.volume import CTVolume, Voxel

F64 = NDArray[np.float64]

_USUAL_WIDTH_MM = 122.0
"""From the right to the left border of a usual heart, in whose coordinates places are told."""
_WIDTH_RANGE = (0.83, 1.18)
"""A heart is taken for a usual one times this at least and at most."""
_USUAL_RADII_MM, _USUAL_MIDDLE_MM = (68.0, 58.0, 50.0), (-4.0, -6.0, -22.0)
"""Where no lungs are seen: an ellipsoid around the usual middle of the heart, seen from the centre (left, back, up)."""
_LEAST_ML, _SMALL_ML = 120.0, 300.0
"""With less it is no heart, or not a whole one: hearts with their fat have 400 to 1,100 ml."""
_MARGIN_MM = 12.0
_SMOOTH = 0.7
"""Standard deviation, in voxels of the coarse grid, with which borders are smoothed."""
_RIM = 0.4
"""Below one half: arteries on the heart's surface belong to it, and a rim of lung has no calcium."""


class Zone(IntEnum):
    """Of a voxel: what it is part of. Only `HEART` is counted by default; `OUTSIDE` never is."""

    OUTSIDE = 0
    HEART = 1
    AORTA = 2
    VESSELS = 3


@dataclass(frozen=True, slots=True, eq=False)
class HeartRegion:
    """The proposed whole heart.

    Attributes:
        series_uid: of the volume that it was proposed on.
        centre: heart centre (x, y, z) that it was proposed around.
        start: voxel (x, y, z) of ``zones[0, 0, 0]``.
        zones: [z, y, x] uint8, a `Zone` for each voxel of the box.
        depth_mm: [z, y, x] uint8, how deep each voxel of the box lies in heart and vessels; 0 outside of both.
        width_mm: of the heart, from the patient's right to the left.
        to_lps_mm: 3 x 3; from a difference of voxels (x, y, z) to mm to the patient's left, back and head.
        findings: why the outline must be checked; none where everything was recognised.
    """

    series_uid: str
    centre: Voxel
    start: Voxel
    zones: NDArray[np.uint8]
    depth_mm: NDArray[np.uint8]
    width_mm: float
    to_lps_mm: F64
    findings: tuple[Finding, ...] = field(default=())

    @property
    def mask(self) -> Mask:
        """Where the heart is, [z, y, x] of the box."""
        return np.asarray(self.zones == Zone.HEART)

    @property
    def box(self) -> Region:
        """The box that ``zones`` covers."""
        (x, y, z), (depth, rows, columns) = self.start, self.zones.shape
        return Region(self.start, (x + columns, y + rows, z + depth))

    def usual_place_mm(self, voxel: tuple[float, float, float]) -> tuple[float, float, float]:
        """Where ``voxel`` (x, y, z) lies in a heart of usual size: mm to the left, to the back and up from the centre."""
        scale = float(np.clip(_USUAL_WIDTH_MM / max(self.width_mm, 1.0), *_WIDTH_RANGE))
        left, back, up = scale * (self.to_lps_mm @ (np.asarray(voxel, np.float64) - np.asarray(self.centre)))
        return float(left), float(back), float(up)

    def depth_at_mm(self, voxel: tuple[float, float, float]) -> float:
        """How deep the voxel nearest to ``voxel`` (x, y, z) lies in heart and vessels; 0 outside of the box."""
        x, y, z = (round(v) - s for v, s in zip(voxel, self.start, strict=True))
        depth, rows, columns = self.depth_mm.shape
        return float(self.depth_mm[z, y, x]) if 0 <= x < columns and 0 <= y < rows and 0 <= z < depth else 0.0


def propose_heart(volume: CTVolume, centre: Voxel) -> HeartRegion:
    """Outline the heart of ``volume`` around ``centre`` (x, y, z).

    Geometry alone: what lies between the lungs, before the spine and the descending aorta, and above the liver.
    Where the lungs are not found, an ellipsoid of usual size; its finding ``heart_guessed`` says so.

    Raises:
        InputError: the centre lies outside the volume.
    """
    if not volume.contains(centre):
        raise InputError("centre_outside", tr("The heart centre lies outside the scan. Place it again."))
    grid = chest_grid(volume)
    place = grid.place(centre)
    lungs = find_lungs(grid)
    found = None if lungs is None else coarse_heart(grid, lungs, place)
    guessed = found is None or found.heart.sum() * grid.voxel_ml < _LEAST_ML or not _around(found.heart, grid, place)
    if guessed or found is None:
        found = _usual_heart(grid, place)
    start, stop = _box(volume, grid, found)
    return HeartRegion(
        series_uid=volume.series_uid,
        centre=centre,
        start=start,
        zones=_zones(grid, found, start, stop),
        depth_mm=_depth(grid, found, start, stop),
        width_mm=_width(found.heart, grid),
        to_lps_mm=np.asarray(volume.direction, np.float64) * np.asarray(volume.spacing_mm),
        findings=_findings(found, float(found.heart.sum()) * grid.voxel_ml, guessed=guessed),
    )


def _around(heart: Mask, grid: ChestGrid, place: Place) -> bool:
    """Whether the centre lies in the mask or just beside it."""
    z, y, x = np.nonzero(heart)
    away = [((a - c) * s) ** 2 for a, c, s in zip((x, y, z), place, grid.step_mm, strict=True)]
    return bool((away[0] + away[1] + away[2]).min(initial=np.inf) <= _MARGIN_MM**2)


def _usual_heart(grid: ChestGrid, place: Place) -> CoarseHeart:
    """An ellipsoid of usual size, without what is air or bone."""
    z, y, x = np.ogrid[tuple(slice(n) for n in grid.hu.shape)]
    parts = [
        (((a - c) * s - m) / r) ** 2
        for a, c, s, m, r in zip((x, y, z), place, grid.step_mm, _USUAL_MIDDLE_MM, _USUAL_RADII_MM, strict=True)
    ]
    heart = np.asarray(parts[0] + parts[1] + parts[2] < 1) & (grid.hu > -300)
    nothing = np.zeros_like(heart)
    return CoarseHeart(heart, nothing, nothing, False, False)


def _box(volume: CTVolume, grid: ChestGrid, found: CoarseHeart) -> tuple[Voxel, Voxel]:
    """First voxel and the one behind the last, (x, y, z), of a box around all that is marked near the heart."""
    marked = found.heart | found.vessels
    if not marked.any():
        marked = np.ones_like(marked)
    marked |= found.aorta & marked.any(axis=(1, 2), keepdims=True)
    ends = []
    for axis in (2, 1, 0):
        there = np.flatnonzero(marked.any(axis=tuple(a for a in range(3) if a != axis)))
        margin = _MARGIN_MM / grid.step_mm[2 - axis]
        ends.append((there[0] - margin, there[-1] + margin))
    corners = [grid.voxel(volume, (ends[0][i], ends[1][i], ends[2][i])) for i in (0, 1)]
    start = tuple(min(a, b) for a, b in zip(*corners, strict=True))
    stop = tuple(max(a, b) + 1 for a, b in zip(*corners, strict=True))
    return (start[0], start[1], start[2]), (stop[0], stop[1], stop[2])


def _zones(grid: ChestGrid, found: CoarseHeart, start: Voxel, stop: Voxel) -> NDArray[np.uint8]:
    """The coarse masks at every voxel of the box [z, y, x], their borders smoothed."""
    zones = np.zeros(tuple(b - a for a, b in zip(start[::-1], stop[::-1], strict=True)), np.uint8)
    body = _raised(grid, found.heart | found.vessels, start, stop, _RIM)
    above = np.zeros_like(found.vessels)
    above[found.vessels.any(axis=(1, 2))] = True
    zones[body] = Zone.HEART
    zones[body & _raised(grid, above, start, stop)] = Zone.VESSELS
    zones[_raised(grid, found.aorta, start, stop)] = Zone.AORTA
    return zones


def _raised(grid: ChestGrid, mask: Mask, start: Voxel, stop: Voxel, level: float = 0.5) -> Mask:
    """``mask`` [z, y, x] of the grid at every voxel of the box, where what it is smoothed to reaches ``level``."""
    if not mask.any():
        return np.zeros(tuple(b - a for a, b in zip(start[::-1], stop[::-1], strict=True)), np.bool_)
    from scipy import ndimage

    # Steps of the coarse grid are rounded off.
    soft: F32 = grid.stored_box(ndimage.gaussian_filter(mask.astype(np.float32), _SMOOTH), start, stop)
    return np.asarray(soft >= level)


def _depth(grid: ChestGrid, found: CoarseHeart, start: Voxel, stop: Voxel) -> NDArray[np.uint8]:
    """Distance in mm from every voxel of the box [z, y, x] to the outside of heart and vessels."""
    from scipy import ndimage

    body = np.pad(found.heart | found.vessels, 1)
    depth = ndimage.distance_transform_edt(body, sampling=grid.step_mm[::-1])[1:-1, 1:-1, 1:-1]
    raised = grid.stored_box(depth.astype(np.float32), start, stop)
    return np.clip(np.rint(raised), 0, 255).astype(np.uint8)


def _width(heart: Mask, grid: ChestGrid) -> float:
    """From the right to the left border of ``heart`` [z, y, x], the outermost hundredths left out, in mm."""
    x = np.nonzero(heart)[2]
    if not x.size:
        return _USUAL_WIDTH_MM
    low, high = np.quantile(x, (0.01, 0.99))
    return float((high - low + 1) * grid.step_mm[0])


def _findings(found: CoarseHeart, volume_ml: float, *, guessed: bool) -> tuple[Finding, ...]:
    """Codes ``heart_guessed``, ``heart_outline``, ``heart_small`` and ``heart_cut``."""
    findings = []
    if guessed:
        message = tr("The heart was not recognised, so its outline is a guess of usual size. Check what is counted.")
        findings.append(Finding("heart_guessed", Severity.WARNING, message))
    elif not (found.spine_seen and found.dome_seen):
        message = tr(
            "Spine or diaphragm were not recognised, so the heart's outline may be off. Check what is counted."
        )
        findings.append(Finding("heart_outline", Severity.INFO, message))
    if not guessed and volume_ml < _SMALL_ML:
        message = tr("The heart's outline holds {ml:.0f} ml, less than a heart. Check what is counted.", ml=volume_ml)
        findings.append(Finding("heart_small", Severity.WARNING, message))
    if found.heart[0].any() or found.heart[-1].any():
        message = tr("The scan ends within the heart; calcium beyond its end can't be counted.")
        findings.append(Finding("heart_cut", Severity.WARNING, message))
    return tuple(findings)
