"""From features and factors to probes, shares of the log odds, and what interventions move."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.preprocessing import StandardScaler

from hyrisk_desktop.risk.bundle import ModelBundle
from hyrisk_desktop.risk.factors import HEADS, LEAST_R2, Factors
from hyrisk_desktop.risk.network import HyRiskNet
from model_training.spread import odds_of
from model_training.study.factors import FACTORS, SCANNER
from model_training.study.gather import NAMES, Pairs, Seen

F64 = NDArray[np.float64]
_PENALTIES = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
_FOLDS = KFold(5, shuffle=True, random_state=6)


def r_squared(truth: F64, found: F64) -> float:
    """Share of the variance of ``truth`` [n] that ``found`` [n] tells of; below 0 where the mean would tell more, 0 of what never varies."""
    if not np.ptp(truth) > 0:
        return 0.0
    return float(1 - ((truth - found) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())


def image_odds(model: HyRiskNet, head: str, features: F64) -> F64:
    """The image's log odds [...] of ``head`` for ``features`` [..., F]: without a score, which is the same for all."""
    return odds_of(model, head, features, np.zeros(features.shape[:-1]))


def study(model: HyRiskNet, bundle: ModelBundle, seen: Seen, pairs: Pairs) -> tuple[dict[str, Any], Factors | None]:
    """What ``study.json`` says, and the probes for the bundle; None where the features tell of no factor well enough.

    Args:
        model, bundle: of whom. seen: phantoms and factors. pairs: interventions.
    """
    scale = StandardScaler().fit(seen.features)
    x = scale.transform(seen.features)
    mean, spread = seen.factors.mean(axis=0), seen.factors.std(axis=0) + 1e-12
    standard = (seen.factors - mean) / spread
    probe = RidgeCV(_PENALTIES)
    unseen = np.column_stack([cross_val_predict(probe, x, standard[:, i], cv=_FOLDS) for i in range(len(NAMES))])
    r2 = {name: r_squared(standard[:, i], unseen[:, i]) for i, name in enumerate(NAMES)}
    odds = {head: image_odds(model, head, seen.features) for head in HEADS}
    shares = {head: _shares(standard, values) for head, values in odds.items()}
    moved = _moved(model, bundle, pairs)
    rows = {
        name: {
            "factor": name,
            "r2": round(r2[name], 3),
            "share": {head: shares[head]["factors"][name] for head in HEADS},
            "intervention": moved[name]["moved"],
            "truth": moved[name]["truth"],
        }
        for name in NAMES
    }
    told = [name for name in FACTORS if r2[name] >= LEAST_R2]
    found = {
        "factors": [rows[name] for name in FACTORS],
        "shortcuts": [rows[name] for name in SCANNER],
        "together": {head: shares[head]["together"] for head in HEADS},
        "told": told,
    }
    return found, _probes(x, scale, standard, odds, r2, told) if told else None


def _shares(standard: F64, odds: F64) -> dict[str, Any]:
    """Share of the variance of ``odds`` [n] that the known factors [n, K] explain: each alone, each beyond the others, all together."""

    def fitted(columns: list[int]) -> float:
        found = cross_val_predict(LinearRegression(), standard[:, columns], odds, cv=_FOLDS)
        return max(0.0, r_squared(odds, found))

    everything = list(range(len(NAMES)))
    together = fitted(everything)
    factors = {
        name: {
            "alone": round(fitted([i]), 3),
            "unique": round(max(0.0, together - fitted([k for k in everything if k != i])), 3),
        }
        for i, name in enumerate(NAMES)
    }
    return {"together": round(together, 3), "factors": factors}


def _moved(model: HyRiskNet, bundle: ModelBundle, pairs: Pairs) -> dict[str, dict[str, Any]]:
    """By factor: mean and SD of the change of HyRiskNet's calibrated log odds and risk, grade unchanged; and the true change."""
    score = (
        np.array([bundle.score_rule.value(float(g)) for g in pairs.grades])
        if bundle.score_input == "grade"
        else 0 * pairs.grades
    )
    odds = odds_of(model, "hyrisknet", pairs.features, score[:, None, None])
    calibration = bundle.calibration["hyrisknet"]
    risk, shown = calibration.risk(odds), calibration.slope * odds
    found = {}
    for k, name in enumerate(pairs.names):
        change, change_of_risk = shown[:, k, 1] - shown[:, k, 0], risk[:, k, 1] - risk[:, k, 0]
        found[name] = {
            "moved": {
                "log_odds": round(float(change.mean()), 3),
                "sd": round(float(change.std()), 3),
                "risk": round(float(change_of_risk.mean()), 3),
            },
            "truth": round(float(pairs.truths[:, k].mean()), 3),
        }
    return found


def _probes(
    x: F64, scale: StandardScaler, standard: F64, odds: dict[str, F64], r2: dict[str, float], told: list[str]
) -> Factors:
    """Probes of the factors in ``told``, fitted on everybody, and the log odds fitted to the factors themselves.

    Fitted to what the probes say, the log odds would be explained whole: probes are features, and so are the log odds.

    Args:
        x: [n, F] standardised features, by ``scale``. standard: [n, K] factors. odds: by head, [n]. r2: by factor.
        told: names of the factors.
    """
    fits = [RidgeCV(_PENALTIES).fit(x, standard[:, NAMES.index(name)]) for name in told]
    truth = standard[:, [NAMES.index(name) for name in told]]
    lines = {head: LinearRegression().fit(truth, values) for head, values in odds.items()}
    weights = np.array([fit.coef_ / scale.scale_ for fit in fits])
    constants = np.array([fit.intercept_ for fit in fits]) - weights @ scale.mean_
    return Factors(
        tuple(told),
        tuple(r2[name] for name in told),
        weights.astype(np.float32),
        constants.astype(np.float32),
        {head: tuple(float(c) for c in lines[head].coef_) for head in HEADS},
        {head: float(np.clip(r_squared(odds[head], lines[head].predict(truth)), 0, 1)) for head in HEADS},
    )
