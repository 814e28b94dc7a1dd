"""Results of a cross-validation: everything from out-of-fold predictions, every number also as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from model_training.dataset import CohortData
from model_training.folds import Fold
from model_training.metrics import (
    auc,
    bootstrap_ci,
    calibration_points,
    delong,
    expected_auc,
    net_benefit,
    roc,
    sensitivity_at,
)

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
SCHEMA_VERSION = 1
SPECIFICITIES = (0.8, 0.9, 0.95)
THRESHOLDS = tuple(round(0.05 * i, 2) for i in range(1, 20))
_FEWEST_OF_A_GROUP = 10


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Out-of-fold log odds [n] of one network: both heads of the final trunk, and stage one's RiskNet."""

    depth: int
    risknet: F64
    hyrisknet: F64
    stage_one: F64
    score_weights: tuple[float, ...] = ()

    @property
    def network(self) -> str:
        """E.g. ``hyrisknet-34``."""
        return f"hyrisknet-{self.depth}"


def auc_or_none(score: F64, outcome: I64) -> float | None:
    """`auc` of ``score`` [n] for ``outcome`` [n], or None where there is only one outcome."""
    value = auc(score, outcome)
    return None if math.isnan(value) else round(value, 4)


def evaluate_run(
    settings: dict[str, Any],
    data: CohortData,
    folds: Sequence[Fold],
    predictions: Sequence[Predictions],
    shuffled: tuple[F64, I64],
    overlap: int,
) -> dict[str, Any]:
    """``results.json`` without the comparison and the bundle.

    Args:
        settings: as JSON. data: the cohort. folds: of all cases. predictions: of each network, out of fold.
        shuffled: log odds [m] of folds trained on shuffled outcomes, and those outcomes [m].
        overlap: patients on two sides of a fold.
    """
    main = predictions[0]
    baselines = {**data.scores(), **_combined(data, folds)}
    heads = {"hyrisknet": main.hyrisknet, "risknet": main.risknet}
    risks = {name: cross_fitted_risk(values, data.outcome, folds) for name, values in heads.items()}
    everything = {**heads, **baselines}
    pairs = [("hyrisknet", "risknet"), *((head, name) for head in heads for name in baselines)]
    return {
        "schema_version": SCHEMA_VERSION,
        "synthetic": data.synthetic,
        "n": len(data),
        "non_survivors": int(data.outcome.sum()),
        "patients": len(set(data.patient)),
        "protocol": _protocol(settings, data, folds),
        "settings": settings,
        "networks": [_network(p, data, folds) for p in predictions],
        "folds": [row for p in predictions for row in _fold_rows(p, data, folds, baselines)],
        "pooled": {
            **_pooled(main.hyrisknet, data, folds),
            "risknet": _pooled(main.risknet, data, folds),
            "hyrisknet": _pooled(main.hyrisknet, data, folds),
        },
        "baselines": {name: _pooled(values, data, folds) for name, values in baselines.items()},
        "differences": [difference(a, b, everything, data.outcome) for a, b in pairs],
        "roc": {name: roc(values, data.outcome) for name, values in everything.items()},
        "calibration": {name: calibration(risk, data.outcome) for name, risk in risks.items()},
        "decision_curve": decision_curve(risks, data.outcome),
        "sensitivity_at_specificity": [
            {"specificity": s, **{name: round(sensitivity_at(v, data.outcome, s), 4) for name, v in everything.items()}}
            for s in SPECIFICITIES
        ],
        "subgroups": _subgroups(everything, data),
        "permutation_auc": auc_or_none(*shuffled) if len(shuffled[0]) else None,
        "permutation": _permutation_band(shuffled),
        "patient_overlap": overlap,
    }


def _protocol(settings: dict[str, Any], data: CohortData, folds: Sequence[Fold]) -> dict[str, Any]:
    return {
        "folds": len(folds),
        "seed": settings["seed"],
        "stratified_by": "outcome",
        "grouped_by": "patient",
        "checkpoint_chosen_on": "an inner split of the training part, never on the reported fold",
        "normalisation_from": "the training part only",
        "calibration": "Platt, fitted on the other folds' out-of-fold predictions",
        "pooling": "log odds of all folds together",
        "risknet": "the image head of the shipped trunk; stage_one_auc is RiskNet before the score was added",
        "cases_per_training_part": [len(fold.training) for fold in folds],
        "cohort_sha256": data.sha256,
    }


def _network(p: Predictions, data: CohortData, folds: Sequence[Fold]) -> dict[str, Any]:
    return {
        "network": p.network,
        "risknet": _pooled(p.risknet, data, folds),
        "hyrisknet": _pooled(p.hyrisknet, data, folds),
        "stage_one": _pooled(p.stage_one, data, folds),
        "stage_one_auc": auc_or_none(p.stage_one, data.outcome),
        "score_weights": list(p.score_weights),
        "roc": {"hyrisknet": roc(p.hyrisknet, data.outcome), "risknet": roc(p.risknet, data.outcome)},
    }


def _fold_rows(
    p: Predictions, data: CohortData, folds: Sequence[Fold], baselines: dict[str, F64]
) -> list[dict[str, Any]]:
    rows = []
    for fold in folds:
        test, outcome = fold.test, data.outcome[fold.test]
        rows.append(
            {
                "fold": fold.number,
                "network": p.network,
                "n": len(test),
                "non_survivors": int(outcome.sum()),
                "risknet_auc": auc_or_none(p.risknet[test], outcome),
                "hyrisknet_auc": auc_or_none(p.hyrisknet[test], outcome),
                "stage_one_auc": auc_or_none(p.stage_one[test], outcome),
                "baselines": {name: auc_or_none(values[test], outcome) for name, values in baselines.items()},
            }
        )
    return rows


def _pooled(score: F64, data: CohortData, folds: Sequence[Fold]) -> dict[str, Any]:
    """Pooled AUC with a bootstrap interval over patients, mean and SD over folds; the expected AUC where risks are known."""
    per_fold = [auc(score[fold.test], data.outcome[fold.test]) for fold in folds]
    per_fold = [value for value in per_fold if not math.isnan(value)]
    low, high = bootstrap_ci(score, data.outcome, groups=np.unique(data.groups, return_inverse=True)[1])
    found = {
        "auc": auc_or_none(score, data.outcome),
        "ci": [round(low, 4), round(high, 4)],
        "fold_mean": round(float(np.mean(per_fold)), 4) if per_fold else None,
        "fold_sd": round(float(np.std(per_fold, ddof=1)), 4) if len(per_fold) > 1 else None,
    }
    if data.has_expected_risk:
        found["expected_auc"] = round(expected_auc(score, data.expected_risk), 4)
    return found


def _combined(data: CohortData, folds: Sequence[Fold]) -> dict[str, F64]:
    """Logistic regression of grade and Agatston (as log(1 + A)), fitted on each fold's training part."""
    if not np.isfinite(data.grade).all():
        return {}
    columns = np.column_stack([data.grade, np.log1p(data.region_agatston)])
    score = np.full(len(data), np.nan)
    for fold in folds:
        rest = np.concatenate([fold.training, fold.inner])
        scale = StandardScaler().fit(columns[rest])
        model = LogisticRegression().fit(scale.transform(columns[rest]), data.outcome[rest])
        score[fold.test] = model.decision_function(scale.transform(columns[fold.test]))
    return {"grade_agatston": score}


def cross_fitted_risk(score: F64, outcome: I64, folds: Sequence[Fold]) -> F64:
    """Each fold's risks by Platt's fit on the other folds' predictions: nobody calibrates their own risk.

    Args:
        score, outcome: [n], of all cases. folds: which of them are each fold's.
    """
    risk = np.full(len(score), np.nan)
    for fold in folds:
        others = np.setdiff1d(np.arange(len(score)), fold.test)
        fit = LogisticRegression(C=1e6).fit(score[others, None], outcome[others])
        risk[fold.test] = fit.predict_proba(score[fold.test, None])[:, 1]
    return risk


def difference(a: str, b: str, scores: dict[str, F64], outcome: I64) -> dict[str, Any]:
    """AUC of ``a`` less that of ``b``, by DeLong.

    Args:
        a, b: names in ``scores``, [n] each. outcome: [n].
    """
    d = delong(scores[a], scores[b], outcome)
    p = None if math.isnan(d.p) else float(f"{d.p:.3g}")
    ends = [None if math.isnan(v) else round(v, 4) for v in (d.low, d.high)]
    return {"a": a, "b": b, "difference": round(d.difference, 4), "ci": ends, "p": p}


def calibration(risk: F64, outcome: I64) -> dict[str, Any]:
    """Brier score, that of the prevalence alone, and the curve of ``risk`` [n] for ``outcome`` [n]."""
    points = calibration_points(risk, outcome)
    return {
        "brier": round(float(np.mean((risk - outcome) ** 2)), 4),
        "brier_of_prevalence": round(float(np.mean((outcome.mean() - outcome) ** 2)), 4),
        "curve": [{k: round(v, 4) for k, v in point.items()} for point in points],
    }


def decision_curve(risks: dict[str, F64], outcome: I64) -> list[dict[str, float]]:
    """Net benefit at each of `THRESHOLDS` of ``risks`` [n] by name, and of acting on everybody; ``outcome``: [n]."""
    everyone = np.ones(len(outcome))
    return [
        {
            "threshold": t,
            "treat_all": round(net_benefit(everyone, outcome, t), 4),
            **{name: round(net_benefit(risk, outcome, t), 4) for name, risk in risks.items()},
        }
        for t in THRESHOLDS
    ]


def _subgroups(scores: dict[str, F64], data: CohortData) -> list[dict[str, Any]]:
    """AUC within kernels, slice increments and grades; small groups without an AUC, so that they are not left out."""
    groups: list[tuple[str, str, NDArray[np.bool_]]] = []
    kernels = np.array([k or "?" for k in data.kernel])
    groups += [("kernel", kernel, kernels == kernel) for kernel in sorted(set(kernels))]
    groups += [("increment_mm", f"{value:g}", data.increment_mm == value) for value in np.unique(data.increment_mm)]
    if np.isfinite(data.grade).all():
        whole = np.rint(data.grade).astype(int)
        groups += [("grade", str(g), whole == g) for g in sorted(set(whole.tolist()))]
    rows = []
    for kind, name, members in groups:
        outcome = data.outcome[members]
        enough = min(int(outcome.sum()), int((1 - outcome).sum())) >= _FEWEST_OF_A_GROUP
        rows.append(
            {
                "by": kind,
                "group": name,
                "n": int(members.sum()),
                "non_survivors": int(outcome.sum()),
                **{key: auc_or_none(values[members], outcome) if enough else None for key, values in scores.items()},
            }
        )
    return rows


def _permutation_band(shuffled: tuple[F64, I64]) -> dict[str, Any] | None:
    """How far from 0.5 chance alone would take the self-test's AUC (Hanley, McNeil 1982, at 0.5)."""
    score, outcome = shuffled
    m, n = int(outcome.sum()), int((1 - outcome).sum())
    if not m or not n:
        return None
    sd = math.sqrt((m + n + 1) / (12.0 * m * n))
    value = auc(score, outcome)
    return {"n": m + n, "chance_sd": round(sd, 4), "passed": bool(abs(value - 0.5) <= 3.0 * sd)}
