"""Is this scan fit to score? Findings with a stable code, a severity and one plain sentence each.

``contrast`` and ``not_hu`` invalidate calcium and risk (UNFIT); the others qualify them. Everything here looks at
samples of the volume, so that a click is answered within a frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.choice import contrast_agent
from hyrisk_desktop.imaging.headers.kernels import kernel_of
from hyrisk_desktop.imaging.pixels.padding import PADDING_HU
from hyrisk_desktop.imaging.volume import CTVolume, Voxel

MAX_THICKNESS_MM = 3.0
KVP_RANGE = (100.0, 140.0)
MAX_NOISE_HU = 40.0
WHOLE_CHEST_MM = 200.0
_TISSUE_HU = -300
_LUNG_HU = -500
_SOFT = (-50.0, 250.0)
_BONE_HU = 200.0
_CONTRAST_HU = 100.0
_TRUNCATED_SHARE = 0.15
_BALL_MM, _BALL_STEP_MM, _POOL_MM, _RING_MM = 30.0, 4.0, 15.0, (45.0, 95.0)
_LEAST_SOFT, _MOST_BONE, _LEAST_LUNG = 0.5, 0.12, 0.08
_SPINE_DEPTH = 0.6
_TILE_MM = 8.0


def check_volume(volume: CTVolume, *, pixels: bool = True) -> tuple[Finding, ...]:
    """Findings about the whole scan.

    Codes: ``contrast``, ``sharp_kernel``, ``thick_slices``, ``kvp``, ``missing_header``, ``truncated_fov``,
    ``padding``, ``partial_coverage``. Those of the reader are in ``volume.findings`` and not repeated.

    Args:
        volume: the scan.
        pixels: False where only some slices were read: ``truncated_fov`` and ``padding`` are left out.
    """
    sampled = _pixel_findings(volume) if pixels else ()
    return (*_header_findings(volume), *sampled, *_extent_findings(volume))


def _header_findings(volume: CTVolume) -> Iterator[Finding]:
    attributes = volume.attributes
    if not attributes.get("Modality"):
        message = tr("This image file has no DICOM header, so contrast agent, kernel and tube voltage are unknown.")
        yield Finding("missing_header", Severity.WARNING, message)
    if contrast_agent(attributes.get("ContrastBolusAgent", "")) or contrast_agent(
        attributes.get("ContrastBolusRoute", "")
    ):
        message = tr("The scan was made with contrast agent: calcium scores and risk do not hold.")
        yield Finding("contrast", Severity.UNFIT, message)
    kernel = attributes.get("ConvolutionKernel", "")
    if kernel_of(kernel, attributes.get("Manufacturer", "")).sharp:
        message = tr("The kernel {kernel} is sharp: noise may be counted as calcium.", kernel=kernel.split("\\")[0])
        yield Finding("sharp_kernel", Severity.WARNING, message)
    thickness = _number(attributes.get("SliceThickness", "")) or volume.spacing_mm[2]
    if thickness > MAX_THICKNESS_MM + 1e-3:
        message = tr("The slices are {mm:.1f} mm thick: small calcifications may be missed.", mm=thickness)
        yield Finding("thick_slices", Severity.WARNING, message)
    kvp = _number(attributes.get("KVP", ""))
    if kvp and not KVP_RANGE[0] <= kvp <= KVP_RANGE[1]:
        message = tr("The tube voltage is {kvp:g} kVp, where calcium has other HU than the scores assume.", kvp=kvp)
        yield Finding("kvp", Severity.WARNING, message)


def _pixel_findings(volume: CTVolume) -> Iterator[Finding]:
    depth = volume.shape_zyx[0]
    sampled = volume.hu[:: max(1, depth // 24)]
    if _truncated_share(sampled) > _TRUNCATED_SHARE:
        message = tr("The field of view cuts off part of the body.")
        yield Finding("truncated_fov", Severity.INFO, message)
    if bool((sampled[:, ::4, ::4] <= PADDING_HU).any()):
        message = tr("Pixels outside the scanned field hold padding values; they are taken for air and never counted.")
        yield Finding("padding", Severity.INFO, message)


def _extent_findings(volume: CTVolume) -> Iterator[Finding]:
    extent = volume.shape_zyx[0] * volume.spacing_mm[2]
    if extent < WHOLE_CHEST_MM:
        message = tr("The scan covers {mm:.0f} mm, less than a whole chest.", mm=extent)
        yield Finding("partial_coverage", Severity.INFO, message)


def _truncated_share(slices: NDArray[Any]) -> float:
    """Share of the field's outline that lies in the body, over slices [n, y, x]."""
    _, rows, columns = slices.shape
    edges = (slices[:, 0, ::4], slices[:, -1, ::4], slices[:, ::4, 0], slices[:, ::4, -1])
    share = float(np.concatenate([edge.ravel() for edge in edges]).__gt__(_TISSUE_HU).mean())
    size = max(2, min(rows, columns) // 32)
    corners = (slices[:, y, x] for y in (slice(size), slice(-size, None)) for x in (slice(size), slice(-size, None)))
    if all(float(np.mean(corner < _LUNG_HU)) > 0.95 for corner in corners):
        # Empty corners: the field is the inscribed circle, or the body is small; only the first can cut it.
        angles = np.linspace(0, 2 * math.pi, 180, endpoint=False)
        radius = 0.965 * min(rows, columns) / 2
        y = np.rint((rows - 1) / 2 + radius * np.sin(angles)).astype(int)
        x = np.rint((columns - 1) / 2 + radius * np.cos(angles)).astype(int)
        share = max(share, float((slices[:, y, x] > _TISSUE_HU).mean()))
    return share


def check_centre(
    volume: CTVolume, centre: Voxel, *, patch: Voxel = (161, 161, 3), region: Voxel = (65, 65, 5)
) -> tuple[Finding, ...]:
    """Findings about the surroundings of the heart centre.

    Codes: ``centre_outside``, ``patch_outside``, ``region_outside``, ``not_heart``, ``contrast_suspected``, ``noise``.

    Args:
        volume: the scan.
        centre: the clicked voxel (x, y, z).
        patch: width, height and depth in voxels of what the network reads.
        region: the same of what is scored.
    """
    if not volume.contains(centre):
        message = tr("The heart centre lies outside the scan. Place it again.")
        return (Finding("centre_outside", Severity.UNFIT, message),)
    return (*_box_findings(volume, centre, patch, region), *_tissue_findings(volume, centre))


def _box_findings(volume: CTVolume, centre: Voxel, patch: Voxel, region: Voxel) -> Iterator[Finding]:
    if not _inside(volume, centre, patch):
        message = tr("The network's patch reaches beyond the scan; the missing part is filled with dark pixels.")
        yield Finding("patch_outside", Severity.WARNING, message)
    if not _inside(volume, centre, region):
        message = tr("The score region reaches beyond the scan; only the part inside is scored.")
        yield Finding("region_outside", Severity.WARNING, message)


def _inside(volume: CTVolume, centre: Voxel, size: Voxel) -> bool:
    low = [c - n // 2 for c, n in zip(centre, size, strict=True)]
    high = [a + n - 1 for a, n in zip(low, size, strict=True)]
    return volume.contains((low[0], low[1], low[2])) and volume.contains((high[0], high[1], high[2]))


def _tissue_findings(volume: CTVolume, centre: Voxel) -> Iterator[Finding]:
    values, distance = _ball(volume, centre)
    soft = (values > _SOFT[0]) & (values < _SOFT[1])
    pool = values[(distance < _POOL_MM) & (values > _SOFT[0]) & (values < 700)]
    level = float(np.median(pool)) if pool.size else -1000.0
    bright = level > _CONTRAST_HU  # contrast-filled blood, or bone
    bone = 0.0 if bright else float((values > _BONE_HU).mean())
    heart = float((values > _SOFT[0]).mean()) if bright else float(soft.mean())
    behind = bright and _depth_share(volume, centre) > _SPINE_DEPTH
    if heart < _LEAST_SOFT or bone > _MOST_BONE or behind or _lung_share(volume, centre) < _LEAST_LUNG:
        message = tr("There seems to be no heart around the centre. Place it in the middle of the heart.")
        yield Finding("not_heart", Severity.WARNING, message)
    elif bright and not contrast_agent(volume.attributes.get("ContrastBolusAgent", "")):
        message = tr(
            "The blood measures {hu:.0f} HU, as with contrast agent: calcium scores and risk may not hold.", hu=level
        )
        yield Finding("contrast_suspected", Severity.WARNING, message)
    noise = noise_near(volume, centre)
    if noise > MAX_NOISE_HU:
        message = tr("Noise in the blood is {hu:.0f} HU: some of it may be counted as calcium.", hu=noise)
        yield Finding("noise", Severity.WARNING, message)


def _window(volume: CTVolume, centre: Voxel, half_mm: float, half_z_mm: float) -> tuple[NDArray[Any], Voxel]:
    """The box of that half size around the centre, cut at the scan's borders, and its first voxel (x, y, z)."""
    half = [max(0, round(h / s)) for h, s in zip((half_mm, half_mm, half_z_mm), volume.spacing_mm, strict=True)]
    (x, y, z), (a, b, c) = centre, half
    first = (max(0, x - a), max(0, y - b), max(0, z - c))
    return volume.hu[first[2] : z + c + 1, first[1] : y + b + 1, first[0] : x + a + 1], first


def slices_of_ball(z: int, depth: int, spacing_z_mm: float) -> range:
    """The slices that `check_centre` looks at around slice ``z`` of ``depth``."""
    half, step = max(0, round(_BALL_MM / spacing_z_mm)), max(1, round(_BALL_STEP_MM / spacing_z_mm))
    first = max(0, z - half)
    return range(first + (z - first) % step, min(depth, z + half + 1), step)


def _means(box: NDArray[Any], ny: int, nx: int) -> NDArray[np.float32]:
    """Means over blocks of ny x nx pixels: noise must not decide what is tissue."""
    depth, rows, columns = box.shape
    ny, nx = min(ny, rows), min(nx, columns)
    rows, columns = rows - rows % ny, columns - columns % nx
    blocks = box[:, :rows, :columns].reshape(depth, rows // ny, ny, columns // nx, nx)
    means = blocks.mean(axis=(2, 4), dtype=np.float32)
    return np.asarray(means, np.float32)


def _ball(volume: CTVolume, centre: Voxel) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Smoothed HU within 30 mm of the centre, and their distances in mm."""
    sx, sy, sz = volume.spacing_mm
    box, (x0, y0, z0) = _window(volume, centre, _BALL_MM, _BALL_MM)
    looked_at = slices_of_ball(centre[2], volume.shape_zyx[0], sz)
    start, step_z = looked_at.start - z0, looked_at.step
    nx, ny = max(1, round(3.0 / sx)), max(1, round(3.0 / sy))
    means = _means(box[start::step_z], ny, nx)
    z, y, x = np.ogrid[: means.shape[0], : means.shape[1], : means.shape[2]]
    dx = (x0 + x * nx + (nx - 1) / 2 - centre[0]) * sx
    dy = (y0 + y * ny + (ny - 1) / 2 - centre[1]) * sy
    dz = (z0 + start + z * step_z - centre[2]) * sz
    distance = np.sqrt(dx * dx + dy * dy + dz * dz).astype(np.float32)
    near = distance <= _BALL_MM
    return means[near], distance[near]


def _lung_share(volume: CTVolume, centre: Voxel) -> float:
    """Share of lung in a ring around the centre in its slice: none around liver, neck or pelvis."""
    sx, sy, _ = volume.spacing_mm
    box, (x0, y0, _) = _window(volume, centre, _RING_MM[1], 0.0)
    nx, ny = max(1, round(3.0 / sx)), max(1, round(3.0 / sy))
    means = _means(box[:1], ny, nx)[0]
    y, x = np.ogrid[: means.shape[0], : means.shape[1]]
    dx = (x0 + x * nx + (nx - 1) / 2 - centre[0]) * sx
    dy = (y0 + y * ny + (ny - 1) / 2 - centre[1]) * sy
    distance = np.hypot(dx, dy)
    ring = means[(distance > _RING_MM[0]) & (distance < _RING_MM[1])]
    return float(((ring < _LUNG_HU) & (ring > -990)).mean()) if ring.size else 0.0


def _depth_share(volume: CTVolume, centre: Voxel) -> float:
    """How far back in the body the centre lies: 0 at the front, 1 at the back; the spine lies at 0.65 to 0.85."""
    x, y, z = centre
    half = max(1, round(5.0 / volume.spacing_mm[0]))
    body = np.flatnonzero(volume.hu[z, :, max(0, x - half) : x + half + 1].mean(axis=1) > _TISSUE_HU)
    return float((y - body[0]) / max(body[-1] - body[0], 1)) if body.size else 0.0


def noise_near(volume: CTVolume, centre: Voxel) -> float:
    """SD in HU of homogeneous blood near ``centre`` (x, y, z): the lower quartile over small soft-tissue tiles.

    Edges and calcium widen a tile's SD and never narrow it, so the quieter tiles tell the noise.
    """
    sx, sy, _ = volume.spacing_mm
    box, _ = _window(volume, centre, 24.0, 0.0)
    nx, ny = max(4, round(_TILE_MM / sx)), max(4, round(_TILE_MM / sy))
    rows, columns = box.shape[1] // ny * ny, box.shape[2] // nx * nx
    if not rows or not columns:
        return 0.0
    tiles = box[0, :rows, :columns].astype(np.float32).reshape(rows // ny, ny, columns // nx, nx)
    means, deviations = tiles.mean(axis=(1, 3)), tiles.std(axis=(1, 3))
    soft = deviations[(means > _SOFT[0]) & (means < 500)]
    return float(np.quantile(soft, 0.25)) if soft.size else 0.0


def _number(text: str) -> float:
    try:
        return float(text.split("\\")[0])
    except ValueError:
        return 0.0
