"""Who the phantom is: latent traits, the outcome model, and the reader's grade.

All traits are standard normal. With independent standard normal ``e_*``:

    plaque = .25 age + .968 e_plaque          dens, eatq, hidden independent
    eat    = .45 adip + .893 e_eat            para  = .50 adip + .35 e_eat + .792 e_para
    size   = .15 adip + .989 e_size           aocalc = .35 e_plaque + .20 age + .915 e_aocalc
    emph   = .15 age - .10 adip + .984 e_emph muscle = -.25 age + .968 e_muscle

Calcium. The whole-heart Agatston target is ``max(INTERCEPT + SLOPE g, 0)^3`` with ``g = .86 plaque + .51 dens``,
fitted to published manual scores of 396 NLST participants. A subject with a target above zero has
``1 + Poisson(exp(1.15 + .75 plaque - .30 dens))`` lesions; everyone has ``Poisson(exp(-.3 + .8 plaque))`` faint
spots of 180-260 HU, which a reader sees and a 130 HU threshold misses after blurring.
``B`` is the standardised square root of the number of spots, faint ones included.

Outcome. ``eta = w . traits`` with the weights in `RISK_WEIGHTS`, and

    P(non-survivor) = 1 / (1 + exp(-(eta - ETA_MEAN)))                                            (balanced)

So the extent of plaque and what surrounds the heart kill; ``dens`` moves the Agatston score and carries no
risk; ``hidden`` is what nobody can see. ``aocalc`` and ``muscle`` are drawn and carry no risk either: in nine of ten
phantoms they change no pixel of the network's crop. The weights of ``B`` and ``hidden`` are the two that are tuned: grade,
region scores and the networks then reach about the paper's AUCs.

Reader. ``r = .3 B + .7 g``, standardised, plus ``READER_NOISE`` N(0, 1), standardised again, cut at -.75, .25 and 1.0: grades 0-3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GENERATOR_VERSION = "1.4"
"""Changes whenever a seed would give other bytes."""

TRAITS = ("age", "adip", "plaque", "dens", "eat", "para", "size", "aocalc", "emph", "muscle", "eatq", "hidden")

RISK_WEIGHTS = {
    "B": 1.30,
    "eat": 0.70,
    "para": 0.22,
    "size": 0.30,
    "emph": 0.39,
    "eatq": 0.30,
    "hidden": 0.40,
}
CALCIUM_INTERCEPT, CALCIUM_SLOPE = 4.0, 5.4
READER_NOISE = 0.92
READER_CUTS = (-0.75, 0.25, 1.0)

# Means and SDs of sqrt(spots), of the reader's unscaled impression and of eta over 400,000 draws: constants,
# so that a subject's risk depends on its own seed alone.
SPOTS_MEAN, SPOTS_SD = 2.0178, 1.2738
IMPRESSION_SD = 0.9441
ETA_MEAN = 0.0


@dataclass(frozen=True, slots=True)
class Subject:
    """One synthetic person.

    Attributes:
        seed: the only source of randomness.
        male, age_years, bmi: demographics.
        traits: the latents of `TRAITS`, standard normal.
        agatston_target: whole-heart Agatston score the calcium is built for.
        lesions: number of calcified lesions above 130 HU; faint: number of fainter spots.
        burden: ``B``.
        grade: the synthetic reader's grade 0-3.
        expected_risk: P(non-survivor) before the draw; non_survivor: the draw.
    """

    seed: int
    male: bool
    age_years: float
    bmi: float
    traits: dict[str, float]
    agatston_target: float
    lesions: int
    faint: int
    burden: float
    grade: int
    expected_risk: float
    non_survivor: bool


def stream(seed: int, purpose: str) -> np.random.Generator:
    """An independent random stream for one purpose of one seed."""
    return np.random.default_rng([seed, *purpose.encode()])


def _remainder(*loadings: float) -> float:
    """What is left for a trait's own part when its variance is to be one."""
    return math.sqrt(1.0 - sum(loading * loading for loading in loadings))


def draw_traits(rng: np.random.Generator, n: int) -> dict[str, NDArray[np.float64]]:
    """Draw the traits of ``n`` subjects: arrays [n] by name."""
    e = {name: rng.standard_normal(n) for name in TRAITS}
    age, adip = e["age"], e["adip"]
    return {
        "age": age,
        "adip": adip,
        "plaque": 0.25 * age + _remainder(0.25) * e["plaque"],
        "dens": e["dens"],
        "eat": 0.45 * adip + _remainder(0.45) * e["eat"],
        "para": 0.50 * adip + 0.35 * e["eat"] + _remainder(0.50, 0.35) * e["para"],
        "size": 0.15 * adip + _remainder(0.15) * e["size"],
        "aocalc": 0.35 * e["plaque"] + 0.20 * age + _remainder(0.35, 0.20) * e["aocalc"],
        "emph": 0.15 * age - 0.10 * adip + _remainder(0.15, 0.10) * e["emph"],
        "muscle": -0.25 * age + _remainder(0.25) * e["muscle"],
        "eatq": e["eatq"],
        "hidden": e["hidden"],
    }


@dataclass(frozen=True, slots=True)
class Draw:
    """Calcium, grade and risk of ``n`` subjects, arrays [n]."""

    traits: dict[str, NDArray[np.float64]]
    agatston_target: NDArray[np.float64]
    lesions: NDArray[np.int64]
    faint: NDArray[np.int64]
    burden: NDArray[np.float64]
    eta: NDArray[np.float64]
    grade: NDArray[np.int64]
    expected_risk: NDArray[np.float64]


def draw(rng: np.random.Generator, n: int) -> Draw:
    """Draw ``n`` subjects from the model in this module's docstring."""
    traits = draw_traits(rng, n)
    plaque, dens = traits["plaque"], traits["dens"]
    g = 0.86 * plaque + 0.51 * dens
    target = np.maximum(CALCIUM_INTERCEPT + CALCIUM_SLOPE * g, 0.0) ** 3
    lesions = np.where(target > 0, 1 + rng.poisson(np.exp(1.15 + 0.75 * plaque - 0.30 * dens)), 0)
    faint = rng.poisson(np.exp(-0.3 + 0.8 * plaque))
    burden = (np.sqrt(lesions + faint) - SPOTS_MEAN) / SPOTS_SD
    eta = RISK_WEIGHTS["B"] * burden
    for name, weight in RISK_WEIGHTS.items():
        if name != "B":
            eta = eta + weight * traits[name]
    impression = (0.3 * burden + 0.7 * g) / IMPRESSION_SD + READER_NOISE * rng.standard_normal(n)
    impression /= math.hypot(1.0, READER_NOISE)
    grade = np.searchsorted(READER_CUTS, impression)
    risk = 1.0 / (1.0 + np.exp(-(eta - ETA_MEAN)))
    return Draw(traits, target, lesions, faint, burden, eta, grade, risk)


def make_subject(seed: int) -> Subject:
    """The subject of ``seed``."""
    rng = stream(seed, "subject")
    one = draw(rng, 1)
    traits = {name: float(values[0]) for name, values in one.traits.items()}
    return Subject(
        seed=seed,
        male=bool(rng.random() < 0.59),
        age_years=float(np.clip(62.0 + 5.2 * traits["age"], 55.0, 77.0)),
        bmi=float(np.clip(27.8 + 4.2 * traits["adip"], 17.0, 48.0)),
        traits=traits,
        agatston_target=float(one.agatston_target[0]),
        lesions=int(one.lesions[0]),
        faint=int(one.faint[0]),
        burden=float(one.burden[0]),
        grade=int(one.grade[0]),
        expected_risk=float(one.expected_risk[0]),
        non_survivor=bool(rng.random() < one.expected_risk[0]),
    )
