"""How far phantoms look like real plain chests, by numbers: where each real exam lies among N phantoms.

Run: ``python -m tests.benchmarks.bench_phantoms [-n N] [--first SEED] [EXAM[@X,Y,Z] ...]``. Without EXAM the plain ones of
HYRISK_TEST_DATA; without a place at the proposed heart centre. All look at the same 84 mm square of three slices around the click
that the network sees, with the exam's own pixels and slices. Printed are the phantoms' 5, 50 and 95 % (SYNTHETIC), and of each exam its
value and the share of phantoms below it, marked where it lies outside of those. One exam is one person and one scanner: a mark says
where to look, not what is wrong. Nothing was tuned on seeds from 9700000.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hyrisk_desktop.imaging import CTVolume, Voxel, find_series, propose_centre, read_volume
from model_training.looks import USUAL, patches_at
from model_training.phantom.render import make_phantom

FIRST_SEED = 9_700_000
SIDE_MM = 84.0
PLAIN: dict[str, Voxel | None] = {"nlst_101287_T0": (270, 235, 72), "lidc_idri_0002": None}
"""Real exams without contrast whose pixels are a chest's, and where their heart is clicked; None: as proposed."""
FAT_HU, LUNG_HU, SOFT_HU, BRIGHT_HU = (-150.0, -40.0), -500.0, (-20.0, 150.0), 130.0
SMOOTH_MM, RESIDUAL_MM, BEHIND_MM = 1.5, 2.0, (3.0, 6.0)
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]


def smooth(image: F64, mm: float, pixel: float) -> F64:
    return np.asarray(ndimage.gaussian_filter(image, mm / pixel), np.float64)


def smooth_within(image: F64, where: Mask, mm: float, pixel: float) -> F64:
    """Smoothed values of ``where``, of what lies in it alone: neither fat nor calcium beside it is unevenness."""
    weight = smooth(where.astype(np.float64), mm, pixel)
    return (smooth(image * where, mm, pixel) / np.maximum(weight, 1e-6))[where]


def largest(mask: Mask) -> Mask:
    labels, count = ndimage.label(mask)
    return mask if not count else np.asarray(labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]))


def inside(mask: Mask, mm: float, pixel: float) -> Mask:
    """What lies deeper in ``mask`` than ``mm``; the patch's border cuts nothing off."""
    return np.asarray(ndimage.distance_transform_edt(np.pad(mask, 1, "edge"))[1:-1, 1:-1] * pixel > mm)


def heart_of(soft: Mask, pixel: float) -> Mask:
    """The largest piece of soft tissue that hangs together by more than 2 mm: the heart with its great vessels."""
    core = largest(inside(soft, 2.0, pixel))
    near = ndimage.distance_transform_edt(~core) * pixel <= 2.5
    return np.asarray(soft & near)


def borders(smoothed: F64, lung: Mask, heart: Mask, pixel: float) -> tuple[float, float]:
    """Length of the lung's border, mm, and of its part behind which the heart lies at once, without fat between."""
    rim = lung & ndimage.binary_dilation(~lung)
    away, (rows, columns) = ndimage.distance_transform_edt(~lung, return_indices=True)
    behind = (away * pixel >= BEHIND_MM[0]) & (away * pixel <= BEHIND_MM[1])
    # Of each piece of the border: how much of what lies behind it is heart, and how much is fat.
    shape = lung.shape
    of_heart, of_all = np.zeros(shape), np.zeros(shape)
    np.add.at(of_all, (rows[behind], columns[behind]), 1.0)
    touching = behind & heart & (smoothed > SOFT_HU[0])
    np.add.at(of_heart, (rows[touching], columns[touching]), 1.0)
    bare = rim & (of_all > 0) & (of_heart > 0.8 * of_all)
    return float(rim.sum() * pixel), float(bare.sum() * pixel)


def tensor(residual: F64, where: Mask, pixel: float) -> tuple[float, float]:
    """How far the noise has one direction: mean coherence (0 to 1) of windows of 4 mm, and that of the whole region."""
    dy, dx = (ndimage.gaussian_filter(residual, 0.8, order=order) for order in ((1, 0), (0, 1)))
    products = dx * dx, dy * dy, dx * dy

    def coherence(xx: F64, yy: F64, xy: F64) -> F64:
        return np.asarray(np.hypot(xx - yy, 2 * xy) / (xx + yy + 1e-9))

    # Windows that look beyond the region would see its edges.
    weight = ndimage.gaussian_filter(where.astype(float), 4.0 / pixel) + 1e-9
    local = coherence(*(ndimage.gaussian_filter(p * where, 4.0 / pixel) / weight for p in products))
    whole = coherence(*(np.asarray(p[where].mean()) for p in products))
    return float(local[where].mean()), float(whole)


def length_mm(residual: F64, where: Mask, axis: int, pixel: float) -> float:
    """Distance at which the noise's autocorrelation along ``axis`` has fallen to a half."""
    values, mask = np.moveaxis(residual, axis, 0), np.moveaxis(where, axis, 0)
    variance, before = float(values[mask].var()), 1.0
    for lag in range(1, 20):
        both = mask[lag:] & mask[:-lag]
        now = float((values[lag:] * values[:-lag])[both].mean()) / variance
        if now < 0.5:
            return (lag - 1 + (before - 0.5) / (before - now)) * pixel
        before = now
    return 20 * pixel


def spots(mask: Mask, pixel: float, least_mm2: float) -> int:
    labels, count = ndimage.label(mask)
    return int((np.bincount(labels.ravel())[1:] * pixel**2 >= least_mm2).sum()) if count else 0


def measures_of_slice(hu: F64, pixel: float) -> dict[str, float]:
    smoothed = smooth(hu, SMOOTH_MM, pixel)
    fat, lung = (smoothed >= FAT_HU[0]) & (smoothed <= FAT_HU[1]), smoothed < LUNG_HU
    soft = (smoothed >= SOFT_HU[0]) & (smoothed <= SOFT_HU[1])
    heart = heart_of(soft, pixel)
    rim, bare = borders(smoothed, lung, heart, pixel)
    # A lung's soft border passes through fat's HU: what counts as fat's inside keeps away from it.
    deep_fat = inside(fat, 1.5, pixel) & (ndimage.distance_transform_edt(~lung) * pixel > 4.0)
    deep_heart, deep_lung = inside(heart, 3.0, pixel), inside(lung, 2.0, pixel)
    # Calcium is no soft tissue, and bones around the chest are none of the heart's.
    within = ndimage.binary_fill_holes(ndimage.distance_transform_edt(~heart) * pixel < 3.0)
    found = {
        "share of fat, %": 100 * float(fat.mean()),
        "share of lung, %": 100 * float(lung.mean()),
        "share of soft tissue, %": 100 * float(soft.mean()),
        "border of the lung, mm": rim,
        "of it bare heart, mm": bare,
        "of it bare heart, %": 100 * bare / rim if rim else np.nan,
        "HU of fat's inside": _mean(smoothed[deep_fat]),
        "unevenness of fat, HU": _sd(smooth_within(hu, deep_fat, SMOOTH_MM, pixel)),
        "HU of the heart": _mean(smoothed[deep_heart]),
        "unevenness of the heart, HU": _sd(smooth_within(hu, deep_heart, 3.0, pixel)),
        "HU of lung": _mean(smoothed[deep_lung]),
        "unevenness of lung, HU": _sd(smooth_within(hu, deep_lung, SMOOTH_MM, pixel)),
        "bright spots of the heart": spots((smooth(hu, 0.6, pixel) > BRIGHT_HU) & within, pixel, 1.0),
        "vessels in the lung": spots((smooth(hu, 0.6, pixel) > -700) & ndimage.binary_fill_holes(lung), pixel, 1.0),
    }  # fmt: skip
    return found | _of_edges(hu, lung, pixel) | _of_noise(hu, deep_heart, pixel)


def _of_edges(hu: F64, lung: Mask, pixel: float) -> dict[str, float]:
    steep = ndimage.gaussian_gradient_magnitude(hu, 0.6 / pixel) / pixel
    near = (ndimage.distance_transform_edt(~lung) + ndimage.distance_transform_edt(lung)) * pixel < 2.0
    # The steepest place of each stretch of border, as its middle lies anywhere within the band.
    crest = ndimage.maximum_filter(steep, round(4.0 / pixel))[near]
    some = len(crest) > 20
    return {
        "steepness of lung's edge, HU/mm": float(np.median(crest)) if some else np.nan,
        "of its steepest tenth, HU/mm": float(np.percentile(crest, 90)) if some else np.nan,
    }


def _of_noise(hu: F64, where: Mask, pixel: float) -> dict[str, float]:
    names = (
        "noise, HU",
        "coherence within 4 mm",
        "coherence of the slice",
        "noise's length x, mm",
        "noise's length y, mm",
    )
    if where.sum() * pixel**2 < 200:
        return dict.fromkeys(names, np.nan)
    # What is fine of the image, in the heart's inside: noise, as far as the tissue there is even.
    residual = hu - smooth(hu, RESIDUAL_MM, pixel)
    residual -= residual[where].mean()
    lengths = (length_mm(residual, where, axis, pixel) for axis in (1, 0))
    return dict(zip(names, (_sd(residual[where]), *tensor(residual, where, pixel), *lengths), strict=True))


def _mean(values: F64) -> float:
    return float(values.mean()) if len(values) > 20 else np.nan


def _sd(values: F64) -> float:
    return float(values.std()) if len(values) > 20 else np.nan


def _mean_known(values: list[float]) -> float:
    """Over the slices that have it; NaN where none does."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else np.nan


def measures(patch: NDArray[np.generic], pixel: float) -> dict[str, float]:
    """Of a patch [3, rows, columns] in HU: the means over its slices, and how alike the noise of neighbours is."""
    n, side = patch.shape[-1], round(SIDE_MM / pixel)
    first = max(0, (n - side) // 2)
    hu = patch[:, first : first + side, first : first + side].astype(np.float64)
    found = [measures_of_slice(one, pixel) for one in hu]
    means = {name: _mean_known([one[name] for one in found]) for name in found[0]}
    middle = smooth(hu[1], SMOOTH_MM, pixel)
    where = inside(heart_of((middle >= SOFT_HU[0]) & (middle <= SOFT_HU[1]), pixel), 3.0, pixel)
    fine = [(one - smooth(one, RESIDUAL_MM, pixel))[where] for one in hu]
    means["noise alike from slice to slice"] = float(np.mean([np.corrcoef(fine[1], fine[k])[0, 1] for k in (0, 2)]))
    return means


def patch_of(volume: CTVolume, centre: Voxel) -> NDArray[np.generic]:
    x, y, z = centre
    reach = round(SIDE_MM / volume.spacing_mm[0] / 2) + 1
    return volume.hu[z - 1 : z + 2, y - reach : y + reach + 1, x - reach : x + reach + 1]


def exams(words: list[str]) -> dict[str, tuple[Path, Voxel | None]]:
    """By name, where each real exam lies and where it is clicked."""
    if not words and (root := os.environ.get("HYRISK_TEST_DATA")):
        return {name: (Path(root) / name, centre) for name, centre in PLAIN.items()}
    found: dict[str, tuple[Path, Voxel | None]] = {}
    for word in words:
        path, _, place = word.partition("@")
        x, y, z = map(int, place.split(",")) if place else (0, 0, 0)
        found[Path(path).name] = Path(path), (x, y, z) if place else None
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("exams", nargs="*", metavar="EXAM[@X,Y,Z]")
    parser.add_argument("-n", type=int, default=120)
    parser.add_argument("--first", type=int, default=FIRST_SEED)
    options = parser.parse_args()
    rows = []
    for seed in range(options.first, options.first + options.n):
        phantom = make_phantom(seed)
        pixel = phantom.scanner.pixel_mm
        rows.append(measures(next(patches_at(phantom, [USUAL], round(SIDE_MM / pixel) | 1)), pixel))
    real: dict[str, dict[str, float]] = {}
    for name, (path, centre) in exams(options.exams).items():
        volume = read_volume(find_series(path)[0])
        if centre is None:
            proposal = propose_centre(volume)
            assert proposal is not None, f"{name}: no heart centre is proposed; name one"
            centre = proposal.voxel
        real[name] = measures(patch_of(volume, centre), volume.spacing_mm[0])
        print(f"{name}: at {centre}, {volume.spacing_mm[0]:.2f} mm pixels, slices every {volume.spacing_mm[2]:.2f} mm")
    tell(rows, real)


def tell(rows: list[dict[str, float]], real: dict[str, dict[str, float]]) -> None:
    """The table: the phantoms' spread, and each real exam's value with the share of phantoms below it."""
    print(
        f"\nSYNTHETIC: 5, 50 and 95 % of {len(rows)} phantoms; of each real exam its value, % of phantoms below it, and * outside; n: phantoms that have it"
    )
    print(f"{'':34s}{'n':>5s}{'5 %':>9s}{'50 %':>9s}{'95 %':>9s}" + "".join(f"{name:>22s}" for name in real))
    outside = dict.fromkeys(real, 0)
    for measure in rows[0]:
        values = np.array([row[measure] for row in rows])
        values = values[np.isfinite(values)]
        low, middle, high = np.percentile(values, [5, 50, 95])
        line = f"{measure:34s}{len(values):5d}{low:9.2f}{middle:9.2f}{high:9.2f}"
        for name, one in real.items():
            value = one[measure]
            # Of equal ones, as counts are, a half.
            below = 100 * float(((values < value).mean() + (values <= value).mean()) / 2)
            off = bool(np.isfinite(value)) and not low <= value <= high
            outside[name] += off
            line += f"{value:13.2f} {below:5.0f} %{' *' if off else '  '}".rjust(22)
        print(line)
    for name, count in outside.items():
        print(
            f"{name}: {count} of {len(rows[0])} lie outside of the phantoms' 5 to 95 % (a phantom: 10 % of them on average)"
        )


if __name__ == "__main__":
    main()
