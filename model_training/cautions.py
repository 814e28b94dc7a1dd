"""What results must not be read without: said in the report, the card, the bundle and the window alike."""

from __future__ import annotations

from typing import Any

from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.risk.bundle import ModelBundle
from model_training.dataset import CohortData
from model_training.seen_cases import cases_seen
from model_training.tied import tied


def no_better_than_chance(rows: dict[str, Any]) -> list[str]:
    """A sentence for each head whose interval reaches 0.5; ``rows`` have ``auc`` and ``ci`` by head."""
    said = []
    for head, name in (("hyrisknet", "HyRiskNet"), ("risknet", "RiskNet")):
        found = rows.get(head)
        if found and found["auc"] is not None and found["ci"][0] <= 0.5:
            said.append(
                tr("{name} is not better than chance on this cohort: AUC {auc:.3f}, 95 % interval {low:.3f} to {high:.3f}.",
                   name=name, auc=found["auc"], low=found["ci"][0], high=found["ci"][1])
            )  # fmt: skip
    return said


def cautions(results: dict[str, Any], data: CohortData) -> list[str]:
    """Sentences, the gravest first; none where there is nothing to say.

    Args:
        results: of a run, as `evaluation.evaluate_run` makes them. data: the cohort.
    """
    said = no_better_than_chance(results["pooled"])
    said += tied_headers(data)
    if data.copies:
        said.append(
            trn(
                "{n} exam has the very files of another patient's exam; they were kept in one fold. Check the table.",
                "{n} exams have the very files of another patient's exam; they were kept in one fold. Check the table.",
                data.copies,
            )
        )
    return said


def model_cautions(rows: dict[str, Any], data: CohortData, bundle: ModelBundle) -> list[str]:
    """Sentences on figures of a model that was there before the cohort, the gravest first.

    Args:
        rows: with ``auc`` and ``ci`` by head. data: the cohort. bundle: the model.
    """
    said = []
    if seen := cases_seen(bundle, data):
        said.append(trn("{n} of these {all} exams has trained this model: the results are no validation, and look better than they are.", "{n} of these {all} exams have trained this model: the results are no validation, and look better than they are.", seen, all=len(data)))  # fmt: skip
    said += no_better_than_chance(rows)
    rarer = min(int(data.outcome.sum()), int((1 - data.outcome).sum()))
    if rarer < 100:
        said.append(tr("Only {n} cases of the rarer outcome: validation wants 100 or more (Vergouwe 2005), so mind the intervals.", n=rarer))  # fmt: skip
    said += tied_headers(data)
    if data.copies:
        said.append(
            trn(
                "{n} exam is a copy of another patient's exam; check the table.",
                "{n} exams are copies of another patient's exam; check the table.",
                data.copies,
            )
        )
    if bundle.demonstration and not data.synthetic:
        said.append(tr("The model has only seen synthetic phantoms before."))
    return said


def tied_headers(data: CohortData) -> list[str]:
    """A sentence for each of kernel and voxel size that the outcome goes with: what no table names stands in the images' headers."""
    columns = {
        "kernel": data.kernel,
        "pixel_mm": [f"{value}" for value in data.pixel_mm],
        "increment_mm": [f"{value}" for value in data.increment_mm],
    }
    return [f"{column}: {text}" for column, text in tied(columns, data.outcome)]
