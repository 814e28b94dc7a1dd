"""The known factors of a phantom, and the same phantom with one of them changed. SYNTHETIC."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from model_training.phantom.heart import Heart
from model_training.phantom.render import Phantom
from model_training.phantom.scanner import KERNELS, Scanner
from model_training.phantom.subject import RISK_WEIGHTS, SPOTS_MEAN, SPOTS_SD, Subject
from model_training.phantom.thorax import Thorax

TRAITS = {
    "epicardial_fat": "eat",
    "paracardiac_fat": "para",
    "fat_density": "eatq",
    "heart_size": "size",
    "emphysema": "emph",
    "muscle": "muscle",
    "aortic_calcium": "aocalc",
}
FACTORS = (*TRAITS, "calcium_extent", "calcium_mass")
SCANNER = ("noise", "sharpness", "pixel_size", "increment")
"""What a network should not read; probed as well."""
_FEW, _MANY = 50.0, 800.0
"""Agatston targets of the same lesions: the mass is changed, the extent is not."""


def known(phantom: Phantom) -> dict[str, float]:
    """Every factor of a phantom by name, those of its scanner too."""
    subject, scanner = phantom.subject, phantom.scanner
    return {
        **{name: subject.traits[trait] for name, trait in TRAITS.items()},
        "calcium_extent": subject.burden,
        "calcium_mass": subject.agatston_target ** (1 / 3),
        "noise": math.log(scanner.noise_hu),
        "sharpness": -scanner.kernel.blur_fwhm_mm,
        "pixel_size": scanner.pixel_mm,
        "increment": scanner.increment_mm,
    }


@dataclass(frozen=True, slots=True)
class Intervention:
    """The same phantom twice, one factor changed between; ``truth``: by how much the true log odds change."""

    name: str
    before: Phantom
    after: Phantom
    truth: float


def interventions(phantom: Phantom) -> Iterator[Intervention]:
    """Every factor raised from one standard deviation below to one above the mean, everything else the same."""
    for name, trait in TRAITS.items():
        pair = [_with(phantom, traits=phantom.subject.traits | {trait: value}) for value in (-1.0, 1.0)]
        yield Intervention(name, pair[0], pair[1], 2 * RISK_WEIGHTS.get(trait, 0.0))
    few, many = (_with_spots(phantom, burden) for burden in (-1.0, 1.0))
    extent = RISK_WEIGHTS["B"] * (many.subject.burden - few.subject.burden)
    yield Intervention("calcium_extent", few, many, extent)
    lesions = max(phantom.subject.lesions, 3)
    light, heavy = (_with(phantom, lesions=lesions, agatston_target=mass) for mass in (_FEW, _MANY))
    yield Intervention("calcium_mass", light, heavy, 0.0)
    scanner = phantom.scanner
    soft, _, sharp = KERNELS
    changes: tuple[tuple[str, Callable[[int], Scanner]], ...] = (
        ("noise", lambda up: replace(scanner, noise_hu=scanner.noise_hu * (0.75, 1.5)[up])),
        ("sharpness", lambda up: replace(scanner, kernel=(soft, sharp)[up])),
        ("pixel_size", lambda up: replace(scanner, pixel_mm=(0.6, 0.8)[up])),
        ("increment", lambda up: replace(scanner, increment_mm=(2.0, 3.2)[up])),
    )
    for name, change in changes:
        low, high = (replace(phantom, scanner=change(up)) for up in (0, 1))
        yield Intervention(name, low, high, 0.0)


def _with_spots(phantom: Phantom, burden: float) -> Phantom:
    """The phantom with as many spots as make up ``burden``, and the Agatston score that it has, 100 at least."""
    count = max(1, round((SPOTS_MEAN + burden * SPOTS_SD) ** 2))
    target = max(phantom.subject.agatston_target, 100.0)
    real = (math.sqrt(count) - SPOTS_MEAN) / SPOTS_SD
    return _with(phantom, lesions=count, faint=0, agatston_target=target, burden=real)


def _with(phantom: Phantom, **changes: object) -> Phantom:
    """The phantom of the same seed with another subject: what is drawn from the seed stays what it was."""
    subject: Subject = replace(phantom.subject, **changes)  # type: ignore[arg-type]
    return Phantom(subject, Heart(subject), Thorax(subject), phantom.scanner)
