"""The key images of the one-page report: grey pixels, and what is drawn over them as lines in voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.calcium import Region
from hyrisk_desktop.exchange.reports.outline import outlines
from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import CTVolume
from hyrisk_desktop.risk.model_summary import levels_text

WINDOW_HU = (-160.0, 240.0)
"""Soft tissue: lungs black, muscle grey, calcium white."""
COUNTED, EXCLUDED, REGION, PATCH, CENTRE = (255, 170, 0), (150, 150, 150), (0, 190, 230), (225, 225, 225), (255, 60, 60)
# Anchors of the viridis colour map from 0.2 to 0.85, as on screen: even in lightness, and without its yellow end.
_HEAT = np.array([(65, 68, 135), (42, 120, 142), (34, 168, 132), (94, 201, 98), (144, 215, 67)], float)
_FAINT, _STRONGEST = 0.15, 0.6
_MARGIN = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line over a picture: [n, 2] positions (x, y) in voxels, pixel centres being whole numbers; colour in RGB."""

    points: NDArray[np.float64]
    colour: tuple[int, int, int]
    dashed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A key image.

    Attributes:
        pixels: [rows, columns] grey or [rows, columns, 3] RGB, uint8. start: voxel (x, y) of the first pixel.
        pixel_mm: (x, y). lines: what is drawn over it.
    """

    pixels: NDArray[np.uint8]
    start: tuple[int, int]
    pixel_mm: tuple[float, float]
    lines: tuple[Line, ...]


def whole_slice(report: Report) -> Picture:
    """The axial slice of the heart centre with centre, region and patch."""
    volume, m = report.volume, report.measurement
    patch = Region.around(m.centre, report.patch_xyz)
    lines = [Line(_box(patch), PATCH, dashed=True), *_marks(report, m.centre[2])]
    return Picture(_grey(volume.hu[m.centre[2]]), (0, 0), volume.spacing_mm[:2], tuple(lines))


def close_up(report: Report) -> Picture:
    """The slice with the largest Agatston score near the heart centre, enlarged around the score region."""
    volume, m = report.volume, report.measurement
    z = most_calcified(report)
    (x0, y0, _), (x1, y1, _) = m.scores.region.start, m.scores.region.stop
    extra = max(4, round(_MARGIN * max(x1 - x0, y1 - y0)))
    box = ((x0 - extra, y0 - extra), (x1 + extra, y1 + extra))
    return Picture(_cut(volume, z, *box), box[0], volume.spacing_mm[:2], tuple(_marks(report, z)))


def most_calcified(report: Report) -> int:
    """Slice with the largest sum of counted lesions; the heart centre's where nothing was counted."""
    sums: dict[int, float] = {}
    for lesion in report.measurement.scores.lesions:
        if not lesion.excluded:
            sums[lesion.slice] = sums.get(lesion.slice, 0.0) + lesion.agatston
    centre = report.measurement.centre[2]
    return max(sums, key=lambda z: (sums[z], -abs(z - centre)), default=centre)


def heat_map(report: Report) -> Picture | None:
    """The patch at the heart centre with the explanation over it; None where there is none."""
    if report.heat is None:
        return None
    m = report.measurement
    patch = Region.around(m.centre, report.patch_xyz)
    (x0, y0, _), (x1, y1, _) = patch.start, patch.stop
    grey = _cut(report.volume, m.centre[2], (x0, y0), (x1, y1))
    if report.heat.shape != grey.shape:
        return None
    seen = np.isfinite(report.heat)
    rows, columns = np.nonzero(seen)
    frame = Region(
        (x0 + int(columns.min()), y0 + int(rows.min()), 0), (x0 + int(columns.max()) + 1, y0 + int(rows.max()) + 1, 1)
    )
    lines = (Line(_box(frame), PATCH), *_cross(m.centre))
    return Picture(_heated(grey, np.nan_to_num(report.heat)), (x0, y0), report.volume.spacing_mm[:2], lines)


def heat_caption(report: Report) -> str:
    """What is below `heat_map`; that it is the mean of several heights, too, where one slice lies below it."""
    if not report.levels_mm:
        return tr("What raised the risk for this network (Grad-CAM), within the frame; not a cause")
    return tr(
        "What raised the risk for this network (Grad-CAM, mean at {levels} mm along z), within the frame; not a cause",
        levels=levels_text(report.levels_mm),
    )


def _grey(hu: NDArray[np.float64]) -> NDArray[np.uint8]:
    low, high = WINDOW_HU
    scaled = (np.asarray(hu, np.float32) - low) / (high - low)
    grey: NDArray[np.uint8] = np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8)
    return grey


def _cut(volume: CTVolume, z: int, start: tuple[int, int], stop: tuple[int, int]) -> NDArray[np.uint8]:
    """Grey values of a rectangle that may reach outside the slice, where it is black."""
    (x0, y0), (x1, y1) = start, stop
    out = np.zeros((y1 - y0, x1 - x0), np.uint8)
    _, rows, columns = volume.shape_zyx
    ax, ay, bx, by = max(x0, 0), max(y0, 0), min(x1, columns), min(y1, rows)
    if ax < bx and ay < by:
        out[ay - y0 : by - y0, ax - x0 : bx - x0] = _grey(volume.hu[z, ay:by, ax:bx])
    return out


def _heated(grey: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Blended here, so that the PDF needs no transparency."""
    at = np.linspace(0, 1, len(_HEAT))
    colour = np.stack([np.interp(heat, at, channel) for channel in _HEAT.T], axis=-1)
    share = _STRONGEST * np.sqrt(np.clip((heat - _FAINT) / (1 - _FAINT), 0, 1))[..., None]
    blended: NDArray[np.uint8] = np.rint(grey[..., None] * (1 - share) + colour * share).astype(np.uint8)
    return blended


def _box(region: Region) -> NDArray[np.float64]:
    (x0, y0, _), (x1, y1, _) = region.start, region.stop
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], np.float64) - 0.5


def _cross(centre: tuple[int, int, int]) -> list[Line]:
    x, y, _ = centre
    near, far = 2.0, 6.0
    arms = [
        ((x + sx * near, y + sy * near), (x + sx * far, y + sy * far)) for sx, sy in ((1, 0), (-1, 0), (0, 1), (0, -1))
    ]
    return [Line(np.array(arm, np.float64), CENTRE) for arm in arms]


def _marks(report: Report, z: int) -> list[Line]:
    """Region and lesions of one slice, and the heart centre."""
    m = report.measurement
    scores = m.scores
    lines = [Line(_box(scores.region), REGION)]
    x0, y0, z0 = scores.label_start
    for number, lesion in enumerate(scores.lesions):
        if lesion.slice == z:
            colour = EXCLUDED if lesion.excluded else COUNTED
            edges = outlines(scores.labels[z - z0] == number + 1)
            lines += [Line(points + np.array((x0, y0)), colour, dashed=lesion.excluded) for points in edges]
    return [*lines, *(_cross(m.centre) if z == m.centre[2] else [])]
