"""Intercept and slope of an installed model, fitted anew on a site's cases: cross-validated, then as a bundle beside the old one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from hyrisk_desktop.i18n import english, tr
from hyrisk_desktop.risk.bundle import CARD, LONGEST_NAME, ModelBundle, load_bundle, write_bundle
from hyrisk_desktop.risk.calibration import PlattCalibration
from model_training.dataset import CohortData
from model_training.evaluation import cross_fitted_risk
from model_training.folds import make_folds
from model_training.seen_cases import MARKS, case_marks
from model_training.validation.results import FEWEST
from model_training.validation.statistics import calibrated_odds, judged, line

F64 = NDArray[np.float64]
FOLDS, SEED = 10, 20180617
_LEAST_SLOPE = 0.05


def recalibrate(
    data: CohortData, risks: dict[str, F64], used: NDArray[np.bool_], before: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """What a new intercept and slope would do, each case judged by a fit that has not seen its patient.

    Args:
        data: the cohort. risks: [n] by head. used: [n], which cases the program does not withhold. before: calibration by head.

    Returns:
        ``refused`` with a sentence where there are too few cases, or where a model ranks no better than chance; else ``heads``
        with ``slope``, ``intercept``, ``before`` and ``after`` of each, and a ``caution`` where nothing is won.
    """
    cases = np.flatnonzero(used)
    outcome = data.outcome[cases]
    groups = np.unique(np.array(data.groups)[cases], return_inverse=True)[1].astype(np.int64)
    rarer = min(len(set(groups[outcome == value].tolist())) for value in (0, 1))
    if rarer < FEWEST:
        text = tr("No recalibration: it needs {n} patients of either outcome whose risk is not withheld.", n=FEWEST)
        return {"refused": text}
    folds = make_folds(outcome, [str(g) for g in groups], min(FOLDS, rarer), SEED)
    found: dict[str, Any] = {"n": len(cases), "non_survivors": int(outcome.sum()), "folds": len(folds), "heads": {}}
    for head, risk in risks.items():
        odds = calibrated_odds(risk[cases])
        slope, intercept = line(odds, outcome)
        if slope < _LEAST_SLOPE:
            text = tr(
                "No recalibration: on these cases the risk does not rise with the outcome, so no slope can mend it."
            )
            return {"refused": text}
        after = cross_fitted_risk(odds, outcome, folds)
        found["heads"][head] = {
            "slope": round(slope, 6),
            "intercept": round(intercept, 6),
            "before": judged(risk[cases], outcome, groups) if len(cases) < len(data) else before[head],
            "after": judged(after, outcome, groups),
        }
    worse = [head for head, row in found["heads"].items() if row["after"]["brier"] >= row["before"]["brier"]]
    return found | {"caution": _no_gain(len(cases)) if worse else ""}


def _no_gain(n: int) -> str:
    return tr("On cases it has not seen the recalibrated risk is no better than the installed one (Brier score): {n} cases are too few "
              "to tell, or there is nothing to mend. Keep the installed model.", n=n)  # fmt: skip


def write_recalibrated(
    directory: Path, source: Path, data: CohortData, found: dict[str, Any], where: str
) -> ModelBundle:
    """The bundle in ``source`` with the slopes and intercepts of ``found``, in ``directory``; its weights are the same.

    Args:
        directory, source: folders of the new bundle and the old. data: the cohort. found: of `recalibrate`.
        where: on whose cases, in words.
    """
    bundle, model = load_bundle(source)
    share = found["non_survivors"] / found["n"]
    calibration, reference = dict(bundle.calibration), dict(bundle.reference)
    for head, row in found["heads"].items():
        old = bundle.calibration.get(head, PlattCalibration())
        calibration[head] = recalibrated(old, row["slope"], row["intercept"], share)
        if head in bundle.reference:
            odds = row["slope"] * calibrated_odds(bundle.reference[head]) + row["intercept"]
            reference[head] = expit(odds)
    record = {
        "date": datetime.now(UTC).date().isoformat(),
        "where": where,
        "synthetic": data.synthetic,
        "cohort_sha256": data.sha256,
        "of": bundle.bundle_sha256,
        **{key: found[key] for key in ("n", "non_survivors", "folds", "heads")},
    }
    earlier = [*bundle.training.get("earlier_cohorts", ()), bundle.training.get("cohort_sha256")]
    new = replace(
        bundle,
        name=_name(bundle.name, where, found["n"]),
        # One phantom among the cases that calibrate a risk makes it a synthetic one.
        demonstration=bundle.demonstration or data.synthetic,
        calibration=calibration,
        reference=reference,
        training=bundle.training
        | {"recalibration": record, MARKS: case_marks(data, bundle)}
        # The risk is now calibrated to the outcome of these cases, and so is the time that it is about.
        | {"horizon": data.horizon, "cohort_sha256": data.sha256, "earlier_cohorts": [sha for sha in earlier if sha]},
    )
    card = (source / CARD).read_text(encoding="utf-8") if (source / CARD).is_file() else f"# {new.name}\n"
    return write_bundle(directory, new, model, card.replace(bundle.sha256, "{sha256}") + _section(record))


def recalibrated(old: PlattCalibration, slope: float, intercept: float, prevalence: float) -> PlattCalibration:
    """``old`` with its risk's log odds times ``slope`` plus ``intercept``, fitted on cases with ``prevalence``."""
    return replace(
        old,
        slope=round(old.slope * slope, 6),
        intercept=round(old.intercept * slope + intercept, 6),
        prevalence=round(prevalence, 6),
    )


def _name(name: str, where: str, n: int) -> str:
    text = english(tr("recalibrated on {where}, n = {n}", where=where, n=n))
    # A model's name has an end; what it was recalibrated on is the part that must not be cut.
    return english(tr("{name}, {text}", name=name[: LONGEST_NAME - len(text) - 2], text=text))


def _section(record: dict[str, Any]) -> str:
    def row(head: str, values: dict[str, Any]) -> str:
        before, after = values["before"], values["after"]
        return (
            f"| {head} | {values['slope']:.3f} | {values['intercept']:+.3f} | {before['brier']:.4f} | {after['brier']:.4f} "
            f"| {before['slope']['value']:.2f} | {after['slope']['value']:.2f} |"
        )

    rows = "\n".join(row(head, values) for head, values in record["heads"].items())
    synthetic = "Synthetic phantoms, no patients. " if record["synthetic"] else ""
    return f"""
## Recalibration
{synthetic}On {record["where"]}, {record["date"]}: {record["n"]} cases, {record["non_survivors"]} non-survivors. Slope and intercept of the
risk's log odds were fitted anew; the network, its weights and its ranking are those of before. "After" is cross-validated in
{record["folds"]} folds, patients kept together.

| head | slope | intercept | Brier before | after | calibration slope before | after |
|---|---|---|---|---|---|---|
{rows}
"""
