"""A phantom's voxels: the same code draws a patch, a slab of the heart or a whole exam."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_training.phantom.bright import add_stars, draw_calcium, smear_calcium
from model_training.phantom.calcium import Deposit, coronary_calcium, other_calcium
from model_training.phantom.fields import F32, CoarseGrid, Grid, block, coverage, noise
from model_training.phantom.heart import Heart, HeartFields
from model_training.phantom.scanner import Scanner, add_noise, blur, make_scanner
from model_training.phantom.strokes import strokes
from model_training.phantom.subject import Subject, make_subject, stream
from model_training.phantom.thorax import Thorax, ThoraxFields
from model_training.phantom.vessels import WALL_MM, bronchi, lung_tree

F64 = NDArray[np.float64]
Int16 = NDArray[np.int16]

MARGIN = 6
"""Pixels drawn around a block and cut off after blurring."""
CHUNK = 6
"""Slices drawn at once, so that the arrays stay in the cache."""


@dataclass(frozen=True)
class Phantom:
    """A subject with its anatomy, calcium and acquisition; coronary lesions hold ``growth`` times their volume."""

    subject: Subject
    heart: Heart
    thorax: Thorax
    scanner: Scanner
    growth: float = 1.0

    @cached_property
    def tissue(self) -> dict[str, float]:
        """HU of the tissues, by name."""
        rng = stream(self.subject.seed, "tissue")
        traits = self.subject.traits
        return {
            "blood": 43.0 + rng.normal(0, 3.5),
            "myocardium": 48.0 + rng.normal(0, 2.5),
            "muscle": 48.0 + 9.0 * traits["muscle"] + rng.normal(0, 2),
            "heart fat": -96.0 + 6.0 * traits["eatq"],
            "fat": -104.0 + rng.normal(0, 3.0),
            "lung": -862.0 - 18.0 * traits["emph"] + rng.normal(0, 10),
            "liver": 56.0 - 5.0 * traits["adip"] + rng.normal(0, 4),
            "marrow": 165.0 - 28.0 * traits["age"] + rng.normal(0, 20),
        }

    @cached_property
    def offset(self) -> F64:
        """Where this subject starts in the noise lattice."""
        return stream(self.subject.seed, "texture").uniform(0, 64, 3)

    @cached_property
    def tree(self) -> F64:
        """Lung vessels [n, 8]."""
        return lung_tree(self.subject.seed, self.thorax.midline)

    @cached_property
    def bronchi(self) -> F64:
        """Lumens of the bronchi inside the lungs [n, 8]."""
        return bronchi(self.subject.seed, self.thorax.midline)

    @cached_property
    def deposits(self) -> tuple[Deposit, ...]:
        """All calcifications, the coronary ones first."""
        grown = np.array([1.0, 1.0, 1.0, self.growth ** (1 / 3), 1.0])
        coronary = (replace(d, blobs=d.blobs * grown) for d in coronary_calcium(self.subject, self.heart))
        return (*coronary, *other_calcium(self.subject, self.heart, self.thorax))

    @cached_property
    def blobs(self) -> F64:
        """All calcium [n, 5]."""
        return np.concatenate([np.zeros((0, 5)), *(deposit.blobs for deposit in self.deposits)])

    def grid(self, columns: int, rows: int, slices: int) -> Grid:
        """A block of voxels with the click in its middle voxel."""
        first = (-(columns // 2), -(rows // 2), -(slices // 2))
        return self.grid_from(first, (columns, rows, slices))

    def grid_from(self, first_index: tuple[int, int, int], shape_xyz: tuple[int, int, int]) -> Grid:
        """A block of voxels whose first voxel is ``first_index`` (x, y, z) away from the click."""
        centre = self.heart.click
        return block(centre, first_index, shape_xyz, self.scanner.pixel_mm, self.scanner.increment_mm)


def make_phantom(seed: int) -> Phantom:
    """The phantom of ``seed``."""
    subject = make_subject(seed)
    return Phantom(subject, Heart(subject), Thorax(subject), make_scanner(subject))


@lru_cache(maxsize=1)
def _blas() -> Any:
    """The handle on BLAS's threads, or None where threadpoolctl (part of the training extra) is missing."""
    try:
        from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]
    except ImportError:
        return None
    return ThreadpoolController()


def render(phantom: Phantom, grid: Grid, *, noisy: bool = True) -> Int16:
    """HU values [z, y, x] of ``phantom`` on ``grid``, without the padding outside the scan circle.

    BLAS is held to one thread: its products are small here, and two threads on a busy machine wait for each other.
    """
    blas = _blas()
    with nullcontext() if blas is None else blas.limit(limits=1, user_api="blas"):
        return _render(phantom, grid, noisy)


def _render(phantom: Phantom, grid: Grid, noisy: bool) -> Int16:
    """`render`, whatever the number of threads."""
    wide = grid.padded(MARGIN)
    voxels = np.empty(grid.shape, np.int16)
    for start in range(0, len(grid.z), CHUNK):
        part = wide.slices(start, min(start + CHUNK, len(grid.z)))
        image = _draw(phantom, part)
        if noisy:
            centre = (phantom.thorax.midline, phantom.thorax.depth)
            add_noise(image, phantom.subject.seed, phantom.scanner, part, centre)
        inner = image[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
        np.rint(np.clip(inner, -1024, 3071), out=inner)
        voxels[start : start + len(part.z)] = inner
    return voxels


class _Canvas:
    """An image that tissues are painted on, each over what lies there."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.coarse = CoarseGrid(grid)
        self.image = np.full(grid.shape, -1000.0, np.float32)

    def share(self, distance: F32, width_mm: float) -> F32 | None:
        """Share of each pixel inside a shape given on the coarse lattice; None when it's nowhere near."""
        if distance.min() > width_mm + 2.0:
            return None
        return coverage(self.coarse.raise_to_pixels(distance), width_mm)

    def band(self, distance: F32, half_width_mm: float) -> F32 | None:
        """Share of each pixel within ``half_width_mm`` of a surface: the sheet itself is too thin for the lattice."""
        if distance.min() > half_width_mm + 2.0 or distance.max() < -half_width_mm - 2.0:
            return None
        return coverage(np.abs(self.coarse.raise_to_pixels(distance)) - np.float32(half_width_mm), 1.0)

    def paint(self, distance: F32, hu: F32 | float, width_mm: float = 1.0) -> None:
        """Cover the inside of ``distance`` with ``hu`` (a number, or an array of pixels)."""
        inside = self.share(distance, width_mm)
        if inside is not None:
            self.cover(inside, hu)

    def cover(self, inside: F32, hu: F32 | float) -> None:
        """Blend ``hu`` over the image by the share ``inside``."""
        difference = np.subtract(hu, self.image, dtype=np.float32)
        difference *= inside
        self.image += difference


def _draw(phantom: Phantom, grid: Grid) -> F32:
    """The clean image [z, y, x], blurred as the kernel blurs."""
    canvas = _Canvas(grid)
    _paint_body(phantom, canvas)
    _paint_tubes(phantom, canvas)
    scanner = phantom.scanner
    sigma = scanner.kernel.blur_fwhm_mm / 2.355 / scanner.pixel_mm
    image = canvas.image
    calcium = draw_calcium(phantom.blobs, grid)
    if calcium is not None:
        calcium = smear_calcium(calcium, scanner)
        image += calcium
    image = blur(image, sigma)
    if scanner.kernel.boost:
        image += np.float32(scanner.kernel.boost) * (image - blur(image, 1.2 / scanner.pixel_mm))
    if calcium is not None:
        add_stars(image, grid, phantom.blobs, phantom.subject.seed)
    return image


@dataclass(frozen=True)
class _Texture:
    """Noise that tissues are mottled with [z, y, x]: ``fine`` and ``medium`` grain, ``strands`` in fat, two fats."""

    fine: F32
    medium: F32
    strands: F32
    fat: F32
    inner_fat: F32


def _texture(phantom: Phantom, grid: Grid) -> _Texture:
    fine = noise(grid.x, grid.y, grid.z, 3.2, phantom.offset)
    medium = noise(grid.x, grid.y, grid.z, 7.5, phantom.offset + 11.0)
    # Septa and small vessels in fat: thin sheets where smooth noise crosses zero.
    strands = np.maximum(0.0, 1.0 - np.abs(medium + 0.35 * fine) * np.float32(7.0))
    hu = phantom.tissue
    fat = np.float32(hu["fat"]) + np.float32(5.0) * fine + np.float32(16.0) * strands
    inner_fat = np.float32(hu["heart fat"]) + np.float32(7.0) * fine + np.float32(34.0) * strands
    return _Texture(fine, medium, strands, fat, inner_fat)


def _paint_body(phantom: Phantom, canvas: _Canvas) -> None:
    """Everything large, from the outside in; bones last."""
    hu, points = phantom.tissue, canvas.coarse.points
    heart = phantom.heart.fields(points)
    chest = phantom.thorax.fields(points, heart)
    texture = _texture(phantom, canvas.grid)
    fine, medium = texture.fine, texture.medium
    _paint_chest_wall(phantom, canvas, chest, texture)
    canvas.paint(chest.abdomen, np.float32(-98.0) + np.float32(18.0) * texture.strands)
    canvas.paint(chest.liver, np.float32(hu["liver"]) + np.float32(2.0) * medium)
    canvas.paint(chest.stomach, np.float32(38.0) + np.float32(6.0) * medium)
    canvas.paint(chest.gas, -970.0, 2.0)
    _paint_lung(phantom, canvas, chest.lung, fine, medium)
    _paint_heart(phantom, canvas, heart, texture)
    canvas.paint(chest.aorta, hu["blood"])
    canvas.paint(chest.oesophagus, 36.0 + 10.0 * medium, 1.6)
    canvas.paint(chest.gullet_air, -700.0, 1.4)
    wall = canvas.share(chest.airway - np.float32(1.1), 1.0)
    if wall is not None:
        canvas.cover(wall, 20.0)
        canvas.paint(chest.airway, -985.0, 1.2)
    canvas.paint(chest.disc, 85.0 + 8.0 * medium)
    canvas.paint(chest.cartilage, 95.0 + 18.0 * medium)
    canvas.paint(chest.bone, 430.0 + 60.0 * fine)
    canvas.paint(chest.marrow, np.float32(hu["marrow"]) + np.float32(38.0) * fine, 1.4)


def _paint_chest_wall(phantom: Phantom, canvas: _Canvas, chest: ThoraxFields, texture: _Texture) -> None:
    """Couch, skin, subcutaneous fat, muscles, and the fat inside the rib cage that organs are then laid on."""
    couch = canvas.band(chest.couch, 0.9)
    if couch is not None:
        canvas.cover(couch, 260.0)
    canvas.paint(chest.skin, 20.0)
    canvas.paint(chest.skin + np.float32(1.8), texture.fat, 0.8)
    meat = np.float32(phantom.tissue["muscle"]) + np.float32(5.0) * texture.fine
    # Fat between the fibre bundles: thin sheets, more of them in weaker muscle.
    marbled = np.maximum(0.0, 1.0 - np.abs(texture.fine - np.float32(0.6) * texture.medium) * np.float32(5.0))
    meat -= np.float32(34.0 * math.exp(-0.35 * phantom.subject.traits["muscle"])) * marbled
    canvas.paint(chest.wall, meat - np.float32(70.0) * np.clip(texture.medium * 0.9 - 0.9, 0, 1))
    # Fat between the muscles of the rib cage and those that lie on it.
    between = canvas.band(chest.plane, 0.7)
    if between is not None:
        inside = canvas.share(chest.wall + np.float32(3.5), 1.0)
        if inside is not None:
            broken = np.clip(np.float32(0.6) + np.float32(0.5) * texture.medium, 0, 1)
            canvas.cover(between * inside * broken, texture.fat)
    canvas.paint(chest.cage - np.float32(1.2), texture.inner_fat)


def _paint_heart(phantom: Phantom, canvas: _Canvas, heart: HeartFields, texture: _Texture) -> None:
    """Pericardium, chambers and the vessels at the heart's base."""
    hu, motion = phantom.tissue, phantom.scanner.motion_mm
    rim = canvas.share(np.abs(heart.pericardium) - np.float32(0.55), 1.0)
    if rim is not None:
        # Seen only in stretches, where fat lies on both of its sides.
        canvas.cover(rim * np.clip(np.float32(0.32) + np.float32(0.55) * texture.medium, 0, 0.75), 5.0)
    muscle = np.float32(hu["myocardium"]) + np.float32(2.0) * texture.medium
    # Between two beats the border stands in two places, and each is sharp.
    beat = canvas.share(heart.chambers - np.float32(0.8 * motion), 1.0)
    if beat is not None:
        canvas.cover(beat * np.float32(0.45), muscle)
    canvas.paint(heart.chambers + np.float32(0.4 * motion), muscle, 1.0 + 0.3 * motion)
    canvas.paint(heart.cavities, hu["blood"], 2.0)
    # Fat round the aortic root: wedges where chambers leave room, hardly a line where they lean on it.
    plane = canvas.share(np.abs(heart.root - np.float32(0.4)) - np.float32(0.5), 1.0)
    if plane is not None:
        broken = np.clip(np.float32(0.8) * texture.medium - np.float32(0.25), 0, 0.8)
        canvas.cover(plane * broken, texture.inner_fat)
    canvas.paint(heart.vessels, hu["blood"] + 2.0, 1.2)


def _paint_lung(phantom: Phantom, canvas: _Canvas, distance: F32, fine: F32, medium: F32) -> None:
    """Lung tissue with its texture, low-attenuation clusters and dependent density."""
    inside = canvas.share(distance, 1.4)
    if inside is None:
        return
    emphysema = phantom.subject.traits["emph"]
    share = 1.0 / (1.0 + math.exp(2.8 - 1.45 * emphysema))
    # The cut is the normal quantile of the share, near enough for shares of 0.5-70 %.
    cut = 4.91 * ((1 - share) ** 0.14 - share**0.14)
    gradient = (canvas.grid.y[None, :, None] - np.float32(phantom.thorax.depth)) * np.float32(0.22)
    tissue = np.float32(phantom.tissue["lung"]) + gradient + np.float32(22.0) * fine + np.float32(10.0) * medium
    holes = np.clip((np.float32(0.75) * medium + np.float32(0.66) * fine - np.float32(cut)) * 3.0, 0, 1)
    tissue += holes * (np.float32(-975.0) - tissue) * np.float32(0.85)
    canvas.cover(inside, tissue)
    if inside.any():
        strokes(canvas.image, canvas.grid, phantom.tree, 38.0, inside)
        walls = phantom.bronchi + np.array([0, 0, 0, 0, 0, 0, WALL_MM, WALL_MM])
        strokes(canvas.image, canvas.grid, walls, 10.0, inside)
        strokes(canvas.image, canvas.grid, phantom.bronchi, -1000.0, inside)


def _paint_tubes(phantom: Phantom, canvas: _Canvas) -> None:
    """Coronary arteries and a cardiac vein."""
    grid = canvas.grid
    for name, path in phantom.heart.coronaries.items():
        radii = np.linspace(2.1, 1.0, len(path)) * (0.9 if name == "vein" else 1.0)
        starts = np.arange(0, len(path) - 1, 2)
        ends = np.minimum(starts + 2, len(path) - 1)
        rows = np.column_stack([path[starts], path[ends], radii[starts], radii[ends]])
        strokes(canvas.image, grid, rows, phantom.tissue["blood"])
