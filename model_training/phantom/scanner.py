"""The scanner: sampling, kernel, noise texture, motion. Drawn independently of the outcome.

Only the pixel size follows the body (a larger chest needs a larger field of view), as it does in a clinic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_training.phantom.fields import F32, Grid
from model_training.phantom.subject import Subject, stream

TILE = 256
"""Side of the periodic tile of noise, in pixels: a patch is cut from the same tile as the exam around it."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A reconstruction kernel: its name, noise cut-off (per mm), noise SD (HU), blur (FWHM, mm), edge boost."""

    name: str
    cut_off_per_mm: float
    noise_hu: float
    blur_fwhm_mm: float
    boost: float


KERNELS = (
    Kernel("SOFT", 0.40, 15.0, 1.45, 0.0),
    Kernel("STANDARD", 0.55, 22.0, 1.15, 0.0),
    Kernel("LUNG", 0.75, 32.0, 0.85, 0.35),
)
KERNEL_SHARES = (0.5, 0.3, 0.2)
INCREMENTS_MM = (1.25, 2.0, 2.5, 2.5, 3.2)


@dataclass(frozen=True, slots=True)
class Scanner:
    """One acquisition.

    Attributes:
        kernel: reconstruction kernel.
        pixel_mm, increment_mm: voxel size.
        noise_hu: SD of the noise at the centre of the body.
        slice_correlation: correlation of noise between neighbouring slices (0.2-0.5).
        streak_angles_rad, streak_gain: directions with extra noise power, and how much.
        motion_mm, motion_angle_rad: length and direction of the heart's smear.
        padding_hu: value outside the reconstruction circle.
        take: which of the subject's scans this is; each has noise of its own.
    """

    kernel: Kernel
    pixel_mm: float
    increment_mm: float
    noise_hu: float
    slice_correlation: float
    streak_angles_rad: tuple[float, ...]
    streak_gain: float
    motion_mm: float
    motion_angle_rad: float
    padding_hu: int
    take: int = 0


def make_scanner(subject: Subject) -> Scanner:
    """The acquisition of ``subject``."""
    rng = stream(subject.seed, "scanner")
    adip = subject.traits["adip"]
    kernel = KERNELS[rng.choice(len(KERNELS), p=KERNEL_SHARES)]
    increment = float(rng.choice(INCREMENTS_MM))
    level = kernel.noise_hu * math.exp(0.2 * adip + rng.normal(0, 0.12)) * math.sqrt(2.5 / increment)
    return Scanner(
        kernel=kernel,
        pixel_mm=float(np.round(np.clip(0.70 + 0.02 * adip + rng.normal(0, 0.055), 0.55, 0.86), 4)),
        increment_mm=increment,
        noise_hu=float(np.clip(level, 7.0, 60.0)),
        slice_correlation=float(rng.uniform(0.2, 0.5)),
        streak_angles_rad=tuple(rng.uniform(0, math.pi, 2)),
        streak_gain=float(rng.uniform(0.8, 3.0)),
        motion_mm=float(abs(rng.normal(0, 1.1))),
        motion_angle_rad=float(rng.uniform(0, math.pi)),
        padding_hu=int(rng.choice([-1024, -1024, -2000, -2048])),
    )


def _amplitude(scanner: Scanner) -> F32:
    """Square root of the noise power over the tile's frequencies [TILE, TILE], scaled to unit variance.

    Ramp times the kernel's roll-off (filtered back-projection), with more power across the streak directions.
    """
    f = np.fft.fftfreq(TILE, scanner.pixel_mm)
    fx, fy = f[None, :], f[:, None]
    radius = np.hypot(fx, fy)
    power = (radius + 0.02) * np.exp(-2.0 * (radius / scanner.kernel.cut_off_per_mm) ** 2.4)
    angle = np.arctan2(fy, fx)
    for streak in scanner.streak_angles_rad:
        turn = np.mod(angle - streak + np.pi / 2, np.pi) - np.pi / 2
        power = power * (1.0 + scanner.streak_gain * np.exp(-0.5 * (turn / 0.16) ** 2))
    power[0, 0] = 0.0
    amplitude: F32 = np.sqrt(power / power.mean()).astype(np.float32)
    return amplitude


def _tiles(seed: int, take: int, first: int, count: int, amplitude: F32) -> F32:
    """Unit noise tiles [count, TILE, TILE] for slices ``first``..; two come from one complex transform."""
    tiles = np.empty((count, TILE, TILE), np.float32)
    for pair in range(first // 2, (first + count - 1) // 2 + 1):
        rng = np.random.default_rng([seed, 77 + take, pair + 100000])
        white = rng.standard_normal((2, TILE, TILE), np.float32)
        spectrum = (white[0] + 1j * white[1]).astype(np.complex64) * amplitude
        field = np.fft.ifft2(spectrum).astype(np.complex64) * np.float32(TILE)
        for index, plane in ((2 * pair, field.real), (2 * pair + 1, field.imag)):
            if 0 <= index - first < count:
                tiles[index - first] = plane
    return tiles


def add_noise(image: F32, seed: int, scanner: Scanner, grid: Grid, centre_mm: tuple[float, float]) -> None:
    """Add noise in place to ``image`` [z, y, x]; it is strongest at ``centre_mm``, the middle of the body.

    Args:
        seed: of the noise. scanner: how much and how grained. grid: where the image lies.
    """
    i, j, k = grid.first_index
    tiles = _tiles(seed, scanner.take, k, len(grid.z) + 1, _amplitude(scanner))
    rows = (j + np.arange(len(grid.y))) % TILE
    columns = (i + np.arange(len(grid.x))) % TILE
    share = scanner.slice_correlation
    # Neighbouring slices share a tile: a mix (a, b) of two unit tiles has correlation ab and variance one.
    angle = 0.5 * math.asin(2.0 * min(share, 0.499))
    a, b = math.cos(angle), math.sin(angle)
    r2 = (grid.x[None, :] - centre_mm[0]) ** 2 + (grid.y[:, None] - centre_mm[1]) ** 2
    level = (scanner.noise_hu * (0.45 + 0.55 * np.exp(-r2 / (2 * 85.0**2)))).astype(np.float32)
    for index in range(len(grid.z)):
        mixed = np.float32(a) * tiles[index] + np.float32(b) * tiles[index + 1]
        image[index] += mixed[rows][:, columns] * level


def blur(image: F32, sigma_px: float) -> F32:
    """Gaussian blur of each slice of ``image`` [z, y, x], borders repeated."""
    radius = max(1, math.ceil(2.6 * sigma_px))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma_px) ** 2)
    taps /= taps.sum()
    for axis in (1, 2):
        size = image.shape[axis]
        widths = [(0, 0)] * 3
        widths[axis] = (radius, radius)
        wide = np.pad(image, widths, mode="edge")
        out = np.zeros_like(image)
        for tap, weight in enumerate(taps):
            window = wide[:, tap : tap + size] if axis == 1 else wide[:, :, tap : tap + size]
            out += np.float32(weight) * window
        image = out
    return image


def smear(image: NDArray[np.float32], length_px: float, angle_rad: float) -> F32:
    """Average of ``image`` [z, y, x] shifted along a line of ``length_px``: a lesion seen while it moves.

    Whole-pixel shifts; the blur that follows hides the steps.
    """
    if length_px < 0.8:
        return image
    steps = np.unique(
        np.rint(np.linspace(-0.5, 0.5, 5)[:, None] * length_px * np.array([math.sin(angle_rad), math.cos(angle_rad)])),
        axis=0,
    ).astype(int)
    total = np.zeros_like(image)
    for dy, dx in steps:
        total += np.roll(image, (int(dy), int(dx)), axis=(1, 2))
    return total / np.float32(len(steps))
