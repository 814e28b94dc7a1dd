"""``reproduction.json``: the paper's table and figures from out-of-fold predictions, its own numbers beside each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.i18n import tr
from model_training.dataset import CohortData
from model_training.evaluation import auc_or_none
from model_training.folds import Fold, patient_overlap
from model_training.metrics import auc, bootstrap_ci, delong, expected_auc, roc
from model_training.paper import PAPER_FIG2, PAPER_FIG3, PAPER_TABLE1, joint_auc
from model_training.reproduction.plan import SCRATCH, Plan
from model_training.reproduction.work import prediction
from model_training.units import Unit, settings_json

F64 = NDArray[np.float64]
SCHEMA_VERSION = 1
Columns = dict[str, F64]
"""Out-of-fold log odds [n]: "risknet" after stage one, "joint_risknet" after stage two, and "hyrisknet"."""
Found = dict[tuple[str, str, int], Columns]
"""By strategy, score and depth."""


def collect(plan: Plan, run: Path, data: CohortData) -> Found:
    """Out-of-fold log odds [n] by (strategy, score, depth).

    Args:
        plan, run: of a finished reproduction. data: its cohort.
    """
    asked = dict.fromkeys((t.strategy, s, t.depth) for t in plan.tasks() if t.fold for s in plan.scores(t))
    found = {}
    for strategy, score, depth in asked:
        columns = {name: np.full(len(data), np.nan) for name in ("risknet", "joint_risknet", "hyrisknet")}
        for fold in range(1, plan.base.folds + 1):
            one = prediction(run, strategy, score, Unit(depth, fold))
            test = np.array(one["test"], np.int64)
            for name, key in (("risknet", "stage_one"), ("joint_risknet", "risknet"), ("hyrisknet", "hyrisknet")):
                columns[name][test] = one[key]
        found[strategy, score, depth] = columns
    return found


def fold_aucs(one: dict[str, Any], data: CohortData) -> dict[str, float | None]:
    """AUC of RiskNet after stage one and of HyRiskNet on the test part of what a unit predicted; {} for a final fit."""
    test = np.array(one["test"], np.int64)
    if not len(test):
        return {}
    keys = {"risknet_auc": "stage_one", "hyrisknet_auc": "hyrisknet"}
    return {name: auc_or_none(np.array(one[key]), data.outcome[test]) for name, key in keys.items()}


def measure(score: F64, data: CohortData, folds: Sequence[Fold]) -> dict[str, Any]:
    """Mean and SD of the AUC over folds, each fold's, and pooled with a 95 % interval over patients.

    Args:
        score: [n], out of fold. data, folds: of the cohort.
    """
    each = [auc_or_none(score[fold.test], data.outcome[fold.test]) for fold in folds]
    known = [value for value in each if value is not None]
    low, high = bootstrap_ci(score, data.outcome, groups=np.unique(data.groups, return_inverse=True)[1])
    found: dict[str, Any] = {
        "mean": round(float(np.mean(known)), 4) if known else None,
        "sd": round(float(np.std(known, ddof=1)), 4) if len(known) > 1 else None,
        "folds": each,
        "pooled": auc_or_none(score, data.outcome),
        "ci": [round(low, 4), round(high, 4)],
    }
    if data.has_expected_risk:
        found["expected"] = round(expected_auc(score, data.expected_risk), 4)
    return found


def mean_curve(score: F64, data: CohortData, folds: Sequence[Fold]) -> dict[str, list[float]]:
    """The folds' ROC curves averaged at equal false positive rates, whose area is the mean of the folds' AUC.

    A curve jumps where several points share a rate: the mean has a point before and one after each fold's jumps.

    Args:
        score: [n], out of fold. data, folds: of the cohort.
    """
    curves = []
    for fold in folds:
        outcome = data.outcome[fold.test]
        if 0 < outcome.sum() < len(outcome):
            one = roc(score[fold.test], outcome)
            curves.append((np.array(one["fpr"]), np.array(one["tpr"])))
    if not curves:
        return {"fpr": [0.0, 1.0], "tpr": [0.0, 1.0]}
    places = np.unique(np.concatenate([fpr for fpr, _ in curves]))
    mean = np.mean([[_at(places, *curve, side="left"), _at(places, *curve, side="right")] for curve in curves], axis=0)
    fpr = np.repeat(places, 2)
    return {"fpr": fpr.round(5).tolist(), "tpr": mean.T.ravel().round(5).tolist()}


def _at(places: F64, fpr: F64, tpr: F64, *, side: Literal["left", "right"]) -> F64:
    """A ROC curve (``fpr``, ``tpr``) [points] at false positive rates ``places`` [m], to the ``side`` of a jump there."""
    rates, first = np.unique(fpr, return_index=True)
    last = np.append(first[1:], len(fpr)) - 1
    found = np.empty(len(places))
    for i, place in enumerate(places):
        right = int(np.searchsorted(rates, place))
        if rates[right] == place:
            found[i] = tpr[first[right] if side == "left" else last[right]]
        else:
            # Between two rates it goes straight from the top of one jump to the foot of the next.
            share = (place - rates[right - 1]) / (rates[right] - rates[right - 1])
            found[i] = (1 - share) * tpr[last[right - 1]] + share * tpr[first[right]]
    return found


def conclude(
    plan: Plan, found: Found, data: CohortData, folds: Sequence[Fold], unavailable: dict[str, str]
) -> dict[str, Any]:
    """The content of ``reproduction.json``.

    Args:
        plan, found: of a finished reproduction. data, folds: its cohort. unavailable: a sentence for each strategy that
            could not be trained.
    """
    depth = plan.figure_depth
    main, other = found[SCRATCH, "grade", depth], found[SCRATCH, "agatston", depth]
    methods = _methods(main, data)
    by_score = {"grade": main["hyrisknet"], "agatston": other["hyrisknet"]}
    fig2 = {name: measure(values, data, folds) for name, values in by_score.items()}
    fig3 = {name: measure(values, data, folds) for name, values in methods.items()}
    return {
        "schema_version": SCHEMA_VERSION,
        "synthetic": data.synthetic,
        "n": len(data),
        "non_survivors": int(data.outcome.sum()),
        "patients": len(set(data.patient)),
        "table1": [_row(d, found[SCRATCH, "grade", d], data, folds) for d in plan.base.depths],
        "fig2": {name: row["mean"] for name, row in fig2.items()},
        "fig3": {name: row["mean"] for name, row in fig3.items()},
        "details": {
            "network": f"hyrisknet-{depth}",
            "fig2": {n: r | {"paper_auc": PAPER_FIG2[n], "curve": mean_curve(by_score[n], data, folds)}
                     for n, r in fig2.items()},
            "fig3": {n: r | {"paper_auc": PAPER_FIG3[n], "curve": mean_curve(methods[n], data, folds)}
                     for n, r in fig3.items()},
            "differences": _differences(main, methods, data),
            "joint": _joint(main, methods),
        },
        "strategies": _strategies(plan, found, data, folds, unavailable),
        "patient_overlap": patient_overlap(folds, data.groups),
        "cohort_sha256": data.sha256,
        "settings": settings_json(plan.base) | {"cohort": "", "cache": "", "init": "", "strategies": list(plan.strategies)},
    }  # fmt: skip


def _methods(main: Columns, data: CohortData) -> Columns:
    """The curves of Fig. 3 in the paper's order; without the grade where some cases have none."""
    scores = data.scores()
    named: Columns = {
        name: scores[name] for name in ("agatston", "category", "volume", "sqrt_volume", "grade") if name in scores
    }
    return {**named, "risknet": main["risknet"], "hyrisknet": main["hyrisknet"]}


def _row(depth: int, columns: Columns, data: CohortData, folds: Sequence[Fold]) -> dict[str, Any]:
    """A row of Table 1: RiskNet is that of stage one, as in the paper."""
    row: dict[str, Any] = {"network": f"hyrisknet-{depth}"}
    for head, paper in PAPER_TABLE1.items():
        mean, sd = paper[depth]
        row[head] = measure(columns[head], data, folds) | {"paper_mean": mean, "paper_sd": sd}
    gain = delong(columns["hyrisknet"], columns["risknet"], data.outcome)
    row["difference"] = _rounded(gain.difference, gain.low, gain.high, gain.p)
    return row


def _differences(main: Columns, methods: Columns, data: CohortData) -> list[dict[str, Any]]:
    """HyRiskNet of the figures against each other method (DeLong, pooled)."""
    rows = []
    for name, values in methods.items():
        if name != "hyrisknet":
            d = delong(main["hyrisknet"], values, data.outcome)
            rows.append({"a": "hyrisknet", "b": name, **_rounded(d.difference, d.low, d.high, d.p)})
    return rows


def _rounded(difference: float, low: float, high: float, p: float) -> dict[str, Any]:
    """As JSON, which knows no NaN.

    Args:
        difference, low, high, p: of `metrics.Difference`.
    """
    ends = [None if math.isnan(v) else round(v, 4) for v in (low, high)]
    return {"difference": round(difference, 4), "ci": ends, "p": None if math.isnan(p) else float(f"{p:.3g}")}


def _joint(main: Columns, methods: Columns) -> dict[str, Any]:
    """What RiskNet and the grade could give together were they independent, in the paper; and how they go together here."""
    found: dict[str, Any] = {"paper": round(joint_auc(PAPER_FIG3["risknet"], PAPER_FIG3["grade"]), 4)}
    if "grade" in methods:
        found["correlation"] = round(float(np.corrcoef(main["risknet"], methods["grade"])[0, 1]), 4)
    return found


def _strategies(
    plan: Plan,
    found: Found,
    data: CohortData,
    folds: Sequence[Fold],
    unavailable: dict[str, str],
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for strategy in plan.strategies:
        columns = found[strategy, "grade", plan.figure_depth]
        heads = {head: measure(columns[head], data, folds) for head in ("risknet", "hyrisknet")}
        rows.append({"strategy": strategy, "network": f"hyrisknet-{plan.figure_depth}", **heads, "note": ""})
    rows += [
        {"strategy": s, "network": f"hyrisknet-{plan.figure_depth}", "risknet": None, "hyrisknet": None, "note": note}
        for s, note in unavailable.items()
    ]
    return rows


def ceiling(data: CohortData) -> float | None:
    """AUC that the true risk itself has on these outcomes; None for a real cohort."""
    return round(auc(data.expected_risk, data.outcome), 4) if data.has_expected_risk else None


def differs(results: dict[str, Any]) -> str:
    """One sentence on whether the score helps in each network, by DeLong's interval."""
    sure = [row["network"] for row in results["table1"] if row["difference"]["ci"][0] not in (None,)
            and row["difference"]["ci"][0] > 0]  # fmt: skip
    if not sure:
        return tr("In no network is HyRiskNet above RiskNet beyond chance (DeLong, 95 %).")
    return tr("HyRiskNet is above RiskNet beyond chance (DeLong, 95 %) in {networks}.", networks=", ".join(sure))
