"""k folds of every network, the results, and the bundles: what ``hyrisk train`` does.

Units run one after another here, or side by side on a Dask cluster; either way each unit resumes on its own, and
what is finished is not done twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.dask_client import Cluster
from hyrisk_desktop.errors import HyRiskError, InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.jobs import CancelToken
from hyrisk_desktop.training_run import EVENTS, RESULT_BYTES, RESULTS, read_json, write_json
from model_training.bundles import export_networks
from model_training.cautions import cautions
from model_training.compare import compare_models
from model_training.dataset import CohortData, load_cohort
from model_training.deviations import deviations
from model_training.evaluation import Predictions, auc_or_none, evaluate_run
from model_training.folds import Fold, make_folds, patient_overlap
from model_training.report import write_report
from model_training.run_folder import Control, Emit, RunFolder
from model_training.seen_cases import start_warning
from model_training.side_by_side import Pace, Relay, on_cluster
from model_training.starting_weights import bundle_of, check_init
from model_training.units import (
    Settings,
    Unit,
    UnitWatch,
    cached_cohort,
    list_units,
    permuted,
    run_unit,
    run_unit_remotely,
    settings_json,
)

F64 = NDArray[np.float64]


def cross_validate(
    settings: Settings,
    folder: RunFolder,
    *,
    name: str = "",
    compare: Path | None = None,
    cluster: Cluster | None = None,
) -> dict[str, Any]:
    """Train, evaluate and export; returns ``results.json``'s content.

    Args:
        settings: of the run. folder: where it is kept. name: of the model; "" to make one.
        compare: an installed model, measured on the same cases. cluster: where the folds run; None for here.

    Raises:
        Cancelled: asked for through the control file. HyRiskError: what can't be done, in one sentence.
    """
    for depth in settings.depths:
        check_init(settings.init, settings.strategy, depth)
    emit, run = folder.log.emit, folder.path
    data = _load(settings, emit, folder.control)
    folder.set_state("running", synthetic=data.synthetic)
    data.score_values(settings.score)
    folds = make_folds(data.outcome, data.groups, settings.folds, settings.seed)
    _claim(run, settings, data)
    if warning := start_warning(bundle_of(settings.init), data):
        emit("warning", message=warning)
    units = list_units(settings)
    emit(
        "start",
        units=[unit.name for unit in units],
        folds=settings.folds,
        epochs=settings.epochs,
        cases=len(data),
        synthetic=data.synthetic,
        device=settings.device,
    )
    write_json(run / "folds.json", {"seed": settings.seed, "folds": [_members(fold) for fold in folds]})
    pace = Pace(
        {unit.name: 1.0 for unit in units},
        [unit.name for unit in units if (run / "folds" / unit.name / "predictions.json").is_file()],
    )
    runner = _on_cluster(settings, units, folder, pace, cluster) if cluster else _here(settings, units, folder, pace)
    found: dict[Unit, dict[str, Any]] = {}
    for unit, prediction in runner:
        found[unit] = prediction
        if unit.fold and not unit.permuted:
            emit("unit", unit=unit.name, **_fold_auc(data, prediction))
    emit("evaluating")
    return _conclude(settings, folder, data, folds, found, name=name, compare=compare, warning=warning)


def _conclude(
    settings: Settings,
    folder: RunFolder,
    data: CohortData,
    folds: list[Fold],
    found: dict[Unit, dict[str, Any]],
    *,
    name: str,
    compare: Path | None,
    warning: str,
) -> dict[str, Any]:
    """Results, bundles and report of units that have all run."""
    run = folder.path
    predictions = [
        _collect(depth, {u.fold: p for u, p in found.items() if u.depth == depth and u.fold and not u.permuted}, data)
        for depth in settings.depths
    ]
    shuffled = _permutation(settings, data, found)
    results = evaluate_run(
        settings_json(settings), data, folds, predictions, shuffled, patient_overlap(folds, data.groups)
    )
    results["warning"], results["cautions"] = warning, cautions(results, data)
    results["deviations"] = deviations(settings.config(settings.depths[0]))
    results["comparison"] = _compare(compare, settings, data, predictions[0]) if compare else None
    results["bundles"] = export_networks(run, settings, data, folds, predictions, results, name)
    results["bundle"] = {key: results["bundles"][0][key] for key in ("name", "sha256", "bundle_sha256")}
    write_json(run / RESULTS, results)
    write_report(run, results, data, predictions)
    return results


def _load(settings: Settings, emit: Emit, control: Control) -> CohortData:
    """Read the cohort, cutting what isn't cut yet, with events; the units then find it in the cache."""

    def progress(done: int, total: int) -> None:
        emit("cutting", done=done, total=total)
        control.check()

    load_cohort(Path(settings.cohort), Path(settings.cache), progress, CancelToken())
    return cached_cohort(settings.cohort, settings.cache)


def _claim(run: Path, settings: Settings, data: CohortData) -> None:
    """Refuse to go on with a run whose settings or cohort were others."""
    claim = {"settings": settings_json(settings), "cohort_sha256": data.sha256}
    earlier = read_json(run / "claim.json", RESULT_BYTES)
    if earlier and _essential(earlier) != _essential(claim):
        raise InputError(
            "run_differs",
            tr(
                "“{name}” holds another training run, or the cohort has changed since; choose an empty folder.",
                name=run.name,
            ),
        )
    write_json(run / "claim.json", claim)


def _essential(claim: dict[str, Any]) -> dict[str, Any]:
    """What two runs must agree in: where things lie and what computes may change between start and resumption."""
    settings = {
        k: v for k, v in claim["settings"].items() if k not in ("cohort", "cache", "device", "threads", "checkpoint_s")
    }
    return {"settings": settings, "cohort": claim["cohort_sha256"]}


def _here(
    settings: Settings, units: list[Unit], folder: RunFolder, pace: Pace
) -> Iterator[tuple[Unit, dict[str, Any]]]:
    """Run the units one after another in this process."""
    for unit in units:
        watch = UnitWatch(unit.name, folder.log.emit, folder.control, partial(pace.share, unit.name))
        yield unit, run_unit(settings, unit, folder.path, watch)
        pace.share(unit.name, 1.0)


def _on_cluster(
    settings: Settings, units: list[Unit], folder: RunFolder, pace: Pace, cluster: Cluster
) -> Iterator[tuple[Unit, dict[str, Any]]]:
    """Run the units on a Dask cluster."""
    plain, run = settings_json(settings), folder.path
    relay = Relay(folder.log.emit, pace, {unit.name: run / "folds" / unit.name / EVENTS for unit in units})
    calls = {unit.name: (run_unit_remotely, plain, asdict(unit), str(run)) for unit in units}
    by_name = {unit.name: unit for unit in units}
    found = on_cluster(cluster, "training", calls, gpu=settings.device == "cuda", relay=relay, control=folder.control)
    for name, prediction in found:
        pace.share(name, 1.0)
        yield by_name[name], prediction


def _members(fold: Fold) -> dict[str, Any]:
    return {
        "fold": fold.number,
        **{part: getattr(fold, part).tolist() for part in ("training", "inner", "test")},
    }


def _fold_auc(data: CohortData, prediction: dict[str, Any]) -> dict[str, float | None]:
    test = np.array(prediction["test"], np.int64)
    return {
        f"{head}_auc": auc_or_none(np.array(prediction[head]), data.outcome[test]) for head in ("risknet", "hyrisknet")
    }


def _collect(depth: int, by_fold: dict[int, dict[str, Any]], data: CohortData) -> Predictions:
    """Out-of-fold log odds of every case."""
    columns = {head: np.full(len(data), np.nan) for head in ("risknet", "hyrisknet", "stage_one")}
    for prediction in by_fold.values():
        for head, column in columns.items():
            column[np.array(prediction["test"], np.int64)] = prediction[head]
    weights = tuple(by_fold[fold]["score_weight"] for fold in sorted(by_fold))
    return Predictions(depth, columns["risknet"], columns["hyrisknet"], columns["stage_one"], weights)


def _permutation(
    settings: Settings, data: CohortData, found: dict[Unit, dict[str, Any]]
) -> tuple[F64, NDArray[np.int64]]:
    """Predictions of the folds trained on shuffled outcomes, and those outcomes."""
    shuffled = permuted(data, settings.seed).outcome
    parts = [(p["hyrisknet"], p["test"]) for unit, p in found.items() if unit.permuted]
    score = np.array([v for values, _ in parts for v in values], np.float64)
    where = np.array([i for _, indices in parts for i in indices], np.int64)
    return score, shuffled[where]


def _compare(bundle: Path, settings: Settings, data: CohortData, new: Predictions) -> dict[str, Any]:
    """The installed model on the same cases; a model that can't read them is no reason to lose the run."""
    try:
        return compare_models(bundle, data, new, settings.device, bundle_of(settings.init))
    except HyRiskError as e:
        return {"model": bundle.name, "warning": e.message}
