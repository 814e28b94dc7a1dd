"""k folds of every network, the results, and the bundle: what ``hyrisk train`` does.

Units run one after another here, or side by side on a Dask cluster; either way each unit resumes on its own, and
what is finished is not done twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.dask_client import Cluster, Tasks, WorkerLost
from hyrisk_desktop.errors import HyRiskError, InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.jobs import CancelToken
from hyrisk_desktop.training_run import BUNDLE, EVENTS, RESULT_BYTES, RESULTS, EventTail, read_json, write_json
from model_training.compare import compare_models
from model_training.dataset import CohortData, load_cohort
from model_training.evaluation import Predictions, auc_or_none, evaluate_run
from model_training.export import export_run
from model_training.folds import Fold, make_folds, patient_overlap
from model_training.report import write_report
from model_training.run_folder import Control, Emit, RunFolder
from model_training.seen_cases import start_warning
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
_POLL_S = 0.5
_RETRIES = 3


class _Pace:
    """Share of the whole run done, and seconds left at this process's own speed."""

    def __init__(self, units: int, done: int) -> None:
        self._units, self._first = units, done
        self.done = done
        self._start = time.monotonic()

    def share(self, within: float) -> dict[str, Any]:
        """Fields of a step's event; ``within`` is the current unit's own share."""
        whole = self.done + within
        worked = whole - self._first
        elapsed = time.monotonic() - self._start
        left = elapsed / worked * (self._units - whole) if worked > 0.01 else None
        return {"done": round(whole / self._units, 5), "seconds_left": None if left is None else round(left)}


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
    folds = make_folds(data.outcome, data.patient, settings.folds, settings.seed)
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
    runner = _on_cluster(settings, units, run, folder, cluster) if cluster else _here(settings, units, folder)
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
    """Results, bundle and report of units that have all run."""
    run = folder.path
    predictions = [
        _collect(depth, {u.fold: p for u, p in found.items() if u.depth == depth and u.fold and not u.permuted}, data)
        for depth in settings.depths
    ]
    shuffled = _permutation(settings, data, found)
    results = evaluate_run(
        settings_json(settings), data, folds, predictions, shuffled, patient_overlap(folds, data.patient)
    )
    results["warning"] = warning
    results["comparison"] = _compare(compare, settings, data, predictions[0]) if compare else None
    bundle = export_run(run / BUNDLE, settings, data, run, predictions[0], results, name)
    results["bundle"] = {"name": bundle.name, "sha256": bundle.sha256, "bundle_sha256": bundle.bundle_sha256}
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


def _here(settings: Settings, units: list[Unit], folder: RunFolder) -> Iterator[tuple[Unit, dict[str, Any]]]:
    """Run the units one after another in this process."""
    done = sum((folder.path / "folds" / unit.name / "predictions.json").is_file() for unit in units)
    pace = _Pace(len(units), done)
    for unit in units:
        ready = (folder.path / "folds" / unit.name / "predictions.json").is_file()
        yield unit, run_unit(settings, unit, folder.path, UnitWatch(unit, folder.log.emit, folder.control, pace.share))
        pace.done += not ready


def _on_cluster(
    settings: Settings, units: list[Unit], run: Path, folder: RunFolder, cluster: Cluster
) -> Iterator[tuple[Unit, dict[str, Any]]]:
    """Run the units on a Dask cluster whose workers see the same disk; paths travel, pixels don't.

    A worker that asks for CUDA must offer the resource ``GPU``; a lost worker's unit goes on elsewhere from its
    checkpoint.
    """
    with cluster.connect() as client:
        # Names of a cohort or a folder may say who was scanned: they travel as arguments, not in the task's name.
        tasks = Tasks(client, "training", gpu=settings.device == "cuda", retries=_RETRIES)
        plain = settings_json(settings)
        futures = {tasks.submit(run_unit_remotely, plain, asdict(unit), str(run)): unit for unit in units}
        tails = {unit: EventTail(run / "folds" / unit.name / EVENTS, from_now=True) for unit in units}
        pace = _Pace(len(units), 0)
        waiting = set(futures)
        try:
            while waiting:
                finished = {future for future in waiting if future.done()}
                for future in finished:
                    unit = futures[future]
                    prediction = _answer(tasks, future)
                    _relay(tails[unit], folder.log.emit, pace)
                    waiting.discard(future)
                    pace.done += 1
                    yield unit, prediction
                for future in waiting:
                    _relay(tails[futures[future]], folder.log.emit, pace)
                folder.control.check()
                time.sleep(_POLL_S)
        finally:
            client.cancel(list(waiting))


def _answer(tasks: Tasks, future: Any) -> dict[str, Any]:
    try:
        prediction: dict[str, Any] = tasks.answer(future)
    except WorkerLost as e:
        message = tr("The workers that trained a fold were lost. The same command goes on where it stopped.")
        raise HyRiskError("worker_lost", message) from e
    return prediction


def _relay(tail: EventTail, emit: Emit, pace: _Pace) -> None:
    """Tell a unit's new events as this run's own."""
    more = True
    while more:
        events, more = tail.read()
        for event in events:
            kind = event.pop("event", "")
            event.pop("time", None)
            if kind == "step":
                event |= pace.share(event.pop("share"))
            if kind in ("step", "epoch"):
                emit(kind, **event)


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
