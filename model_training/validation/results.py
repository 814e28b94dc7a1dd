"""``validation.json``: what an unchanged model is worth on a site's cohort; every number with its interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.risk.bundle import ModelBundle
from model_training.cautions import model_cautions
from model_training.cohort_table import Case
from model_training.dataset import CohortData
from model_training.evaluation import auc_or_none, decision_curve, difference
from model_training.metrics import bootstrap_ci, expected_auc, roc
from model_training.validation.cases import OFF_MM, CaseRead
from model_training.validation.statistics import judged, share

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
SCHEMA_VERSION = 1
FEWEST = 10
"""Of either outcome: below that no AUC of a subgroup and no recalibration."""
_COLUMNS = {"sex": "sex", "male": "male", "manufacturer": "manufacturer", "site": "site", "race": "race"}
"""Columns of the table that make subgroups, where it has them; age makes three."""


def conclude(data: CohortData, cases: Sequence[Case], reads: Sequence[CaseRead], bundle: ModelBundle) -> dict[str, Any]:
    """Everything but the recalibration.

    Args:
        data, cases: the cohort. reads: of every case. bundle: the model.
    """
    risks = shown_risks(reads)
    groups = np.unique(data.groups, return_inverse=True)[1].astype(np.int64)
    columns = {**risks, **data.scores()}
    found: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "synthetic": data.synthetic,
        "n": len(data),
        "patients": len(set(data.patient)),
        "non_survivors": int(data.outcome.sum()),
        "missing_grades": int((~np.isfinite(data.grade)).sum()),
        "cohort_sha256": data.sha256,
        "model": {
            "name": bundle.name,
            "network": bundle.network,
            "sha256": bundle.sha256,
            "bundle_sha256": bundle.bundle_sha256,
            "demonstration": bundle.demonstration,
            "score_input": bundle.score_input,
            "calibrated": sorted(bundle.calibration),
        },
        "discrimination": {name: _auc(values, data, groups) for name, values in columns.items()},
        "differences": [difference(a, b, columns, data.outcome) for a, b in combinations(columns, 2) if a in risks],
        "roc": {name: roc(values, data.outcome) for name, values in columns.items()},
        "calibration": {name: judged(risk, data.outcome, groups) for name, risk in risks.items()},
        "decision_curve": decision_curve(risks, data.outcome),
        "subgroups": _subgroups(data, cases, risks, groups),
        "guard": _guard(reads, data, risks, groups),
        "interval": _interval(reads),
    }
    return found | {"cautions": model_cautions(found["discrimination"], data, bundle)}


def shown_risks(reads: Sequence[CaseRead]) -> dict[str, F64]:
    """Risks [n] by head; HyRiskNet's only where every case has a score."""
    risks = {"risknet": np.array([read.risknet for read in reads])}
    if all(read.hyrisknet is not None for read in reads):
        risks = {"hyrisknet": np.array([read.hyrisknet for read in reads], np.float64), **risks}
    return risks


def _auc(values: F64, data: CohortData, groups: I64, members: NDArray[np.bool_] | None = None) -> dict[str, Any]:
    """AUC of ``values`` [n] with its interval, in all or in those ``members`` [n].

    Args:
        values, groups, members: [n]. data: the cohort.
    """
    kept = np.ones(len(data), np.bool_) if members is None else members
    outcome = data.outcome[kept]
    deaths, others = int(outcome.sum()), int((1 - outcome).sum())
    row: dict[str, Any] = {"n": int(kept.sum()), "non_survivors": deaths, "auc": None, "ci": None}
    if min(deaths, others) >= (2 if members is None else FEWEST):
        low, high = bootstrap_ci(values[kept], outcome, groups=np.unique(groups[kept], return_inverse=True)[1])
        row |= {"auc": auc_or_none(values[kept], outcome), "ci": [round(low, 4), round(high, 4)]}
        if data.has_expected_risk:
            row["expected_auc"] = round(expected_auc(values[kept], data.expected_risk[kept]), 4)
    return row


def _subgroups(data: CohortData, cases: Sequence[Case], risks: dict[str, F64], groups: I64) -> list[dict[str, Any]]:
    """Of kernels, increments, grades, and of what else the table tells of the patients; small ones stay, without an AUC."""
    labels: dict[str, NDArray[np.str_]] = {
        "kernel": np.array([kernel or "?" for kernel in data.kernel]),
        "increment_mm": np.array([f"{value:g}" for value in data.increment_mm]),
    }
    if np.isfinite(data.grade).all():
        labels["grade"] = np.array([f"{round(value)}" for value in data.grade])
    for column, name in _COLUMNS.items():
        texts = [case.extra.get(column, "") for case in cases]
        if any(texts):
            labels[name] = np.array([text or "?" for text in texts])
    if (ages := _ages(cases)) is not None:
        labels["age"] = np.where(ages < 60, "< 60", np.where(ages < 70, "60-69", ">= 70"))
    rows = []
    for kind, values in labels.items():
        for group in sorted(set(values.tolist())):
            members = values == group
            heads = {name: _auc(risk, data, groups, members) for name, risk in risks.items()}
            first = next(iter(risks.values()))
            rows.append(
                {
                    "by": kind,
                    "group": group,
                    "n": int(members.sum()),
                    "non_survivors": int(data.outcome[members].sum()),
                    "mean_risk": round(float(first[members].mean()), 4),
                    "observed": round(float(data.outcome[members].mean()), 4),
                    **{name: {"auc": row["auc"], "ci": row["ci"]} for name, row in heads.items()},
                }
            )
    return rows


def _ages(cases: Sequence[Case]) -> F64 | None:
    """Ages [n] in years, where the table has them for everybody."""
    for column in ("age", "age_years"):
        try:
            ages = np.array([float(case.extra[column]) for case in cases])
        except (KeyError, ValueError):
            continue
        # Nobody is older than 70 for want of an age.
        if np.isfinite(ages).all():
            return ages
    return None


def _guard(reads: Sequence[CaseRead], data: CohortData, risks: dict[str, F64], groups: I64) -> dict[str, Any]:
    """What is withheld of the site's cases, why, and how much of misplaced clicks."""
    withheld = np.array([read.withheld for read in reads])
    off = [read.off for read in reads if read.off is not None]
    reasons = Counter(reason for read in reads if read.state != "shown" for reason in read.reasons[:1])
    return {
        "withheld": share(int(withheld.sum()), len(reads)),
        "doubtful": share(sum(read.state == "doubtful" for read in reads), len(reads)),
        "decisive": dict(reasons.most_common()),
        "unlike_training": share(sum("unlike_training" in read.reasons for read in reads), len(reads)),
        "clicks_off": {"mm": OFF_MM, "caught": share(sum(n for n, _ in off), sum(of for _, of in off))},
        "auc_of_what_is_not_withheld": {name: _auc(risk, data, groups, ~withheld) for name, risk in risks.items()},
    }


def _interval(reads: Sequence[CaseRead]) -> dict[str, Any]:
    """How wide the intervals are, and how many of another reader's clicks they hold."""
    clicks = [read.clicks for read in reads if read.clicks is not None]
    widths = np.array([read.interval[1] - read.interval[0] for read in reads])
    return {
        "mean_width": round(float(widths.mean()), 4),
        "holds_other_clicks": share(sum(n for n, _ in clicks), sum(of for _, of in clicks)),
    }
