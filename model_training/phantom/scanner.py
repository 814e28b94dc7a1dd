"""The scanner: sampling, kernel, noise texture, motion. Drawn independently of the outcome.

Only the pixel size follows the body (a larger chest needs a larger field of view), as it does in a clinic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from model_training.phantom.fields import F32, Grid, noise
from model_training.phantom.subject import Subject, stream

TILE = 256
"""Side of the periodic tile of noise, in pixels: a patch is cut from the same tile as the exam around it."""
STREAK_RAD = 0.11
"""How far the lines of the noise stray from their direction (SD): they are about 3 mm long."""
PATCHES_MM = 13.0
"""Scale on which one direction of lines gives way to another."""
LEADS = np.float32(1.6)
"""How much more of one direction than of another there is in such a patch (log of it, per SD)."""
UNEVEN = 0.18
"""By which share the noise is stronger or weaker from place to place."""


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
        streak_angles_rad, streak_gain: where the noise's lines get their two directions from, and how strong they are.
        motion_mm, motion_angle_rad: length and direction of the heart's motion while it is scanned.
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

    Ramp times the kernel's roll-off (filtered back-projection), with more power across two directions: lines that lie
    within 35 degrees of lateral, as most photons are lost along the longest way through the body, and fainter ones.
    """
    f = np.fft.fftfreq(TILE, scanner.pixel_mm).astype(np.float32)
    # Half of the plane: the other half is the same, seen from behind.
    half = TILE // 2 + 1
    fx, fy = f[None, :], f[:half, None]
    radius = np.hypot(fx, fy)
    relative = radius * np.float32(1.0 / scanner.kernel.cut_off_per_mm)
    power = (radius + np.float32(0.02)) * np.exp(np.float32(-2.0) * relative ** np.float32(2.4))
    angle = np.arctan2(fy, fx)
    first, second = scanner.streak_angles_rad
    lateral = 0.5 * math.pi + 0.39 * (first - 0.5 * math.pi)
    # Coarse grain strays more, or its lines would be centimetres long.
    stray = np.float32(STREAK_RAD) + np.float32(0.03) / (radius + np.float32(0.02))
    for streak, gain in ((lateral, 1.5 * scanner.streak_gain), (second, 0.6 * scanner.streak_gain)):
        turn = angle - np.float32(streak)
        turn -= np.float32(math.pi) * np.rint(turn * np.float32(1.0 / math.pi))
        turn /= stray
        turn *= turn
        power *= np.float32(1.0) + np.float32(gain) * np.exp(np.float32(-0.5) * turn)
    power[0, 0] = 0.0
    power = np.concatenate([power, power[half - 2 : 0 : -1][:, -np.arange(TILE)]])
    amplitude: F32 = np.sqrt(power / power.mean())
    return amplitude


def _tiles(seed: int, take: int, first: int, count: int, amplitude: F32) -> F32:
    """Unit noise tiles [count, TILE, TILE] for slices ``first``..; two come from one complex transform.

    Args:
        seed, take: of the noise. first, count: slices, from the click's. amplitude: as `_amplitude` gives it.
    """
    tiles = np.empty((count, TILE, TILE), np.float32)
    for pair in range(first // 2, (first + count - 1) // 2 + 1):
        rng = np.random.default_rng([seed, 77 + take, pair + 100000])
        spectrum = rng.standard_normal((TILE, 2 * TILE), np.float32).view(np.complex64)
        spectrum *= amplitude
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
    weights = _streak_weights(seed + 1000 * scanner.take, grid)
    for index in range(len(grid.z)):
        mixed = np.float32(a) * tiles[index] + np.float32(b) * tiles[index + 1]
        # One tile, its mirror image and its transpose, from places far apart, have lines of three directions.
        there = mixed[rows][:, columns]
        there *= weights[0][index]
        there += weights[1][index] * mixed[(rows + TILE // 3) % TILE][:, -columns]
        there += weights[2][index] * mixed.T[(rows + TILE // 2) % TILE][:, (columns + TILE // 2) % TILE]
        there *= level
        image[index] += there


def _streak_weights(seed: int, grid: Grid) -> tuple[F32, F32, F32]:
    """Weights [z, y, x] of three directions of noise: here one leads, there another; their squares' mean sum is one.

    Args:
        seed: of the noise. grid: where it lies.
    """
    offset = np.random.default_rng([seed, 76]).uniform(0, 64, 3)
    turn = noise(grid.x, grid.y, grid.z, PATCHES_MM, offset)
    other = noise(grid.x, grid.y, grid.z, 1.4 * PATCHES_MM, offset + 23.0)
    level = np.float32(0.99) + np.float32(UNEVEN) * np.tanh(other + turn)
    # Upright lines are the fewest; through the shoulders nearly all are lateral.
    other -= (
        np.float32(0.4)
        + np.clip((grid.z - np.float32(50.0)) * np.float32(0.04), 0, 1.6).astype(np.float32)[:, None, None]
    )
    first, mirrored, upright = np.exp(LEADS * turn), np.exp(-LEADS * turn), np.exp(LEADS * other)
    level /= np.sqrt(first * first + mirrored * mirrored + upright * upright)
    first *= level
    mirrored *= level
    upright *= level
    return first, mirrored, upright


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
