"""A reproduction from its arguments to its files."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hyrisk_desktop.errors import HyRiskError, InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.paths import cache_dir
from hyrisk_desktop.risk.bundle import DESCRIPTION, check_model_name, read_description
from hyrisk_desktop.risk.network import DEPTHS
from hyrisk_desktop.risk.predictor import choose_device
from hyrisk_desktop.training_run import (
    BUNDLES,
    REPORT,
    REPRODUCTION,
    RESULT_BYTES,
    read_json,
    write_json,
)
from hyrisk_desktop.training_run import (
    REPRODUCTION_RESULTS as RESULTS,
)
from model_training.bundles import entry, export_one, name_of_network
from model_training.cluster_options import cluster_of
from model_training.cohort_table import find_table, read_table
from model_training.config import STRATEGIES
from model_training.dataset import CohortData, load_cohort
from model_training.device import has_native_bfloat16
from model_training.evaluation import Predictions
from model_training.folds import Fold, make_folds
from model_training.reproduction.figures import write_figures
from model_training.reproduction.page import figure, write_report, write_table
from model_training.reproduction.plan import SCRATCH, Plan, estimate_seconds, part_name
from model_training.reproduction.plan import estimate as needs
from model_training.reproduction.results import Columns, ceiling, collect, conclude, fold_aucs
from model_training.reproduction.work import UNITS, is_done, prediction, run_tasks
from model_training.run_folder import RunFolder, held_run
from model_training.side_by_side import Pace
from model_training.starting_weights import starting_network
from model_training.units import Settings, Unit, cached_cohort, settings_json

CLAIM = "claim.json"
_CHECKPOINT_S = 120.0
_DOWNLOAD_S = 20.0


def reproduce(arguments: argparse.Namespace) -> None:
    """Run or resume ``hyrisk reproduce`` with its parsed arguments.

    Raises:
        HyRiskError: what can't be done, in one sentence. SystemExit: it was cancelled.
    """
    if arguments.out is None:
        raise InputError("out", tr("Name the folder of the reproduction with --out."))
    plan = plan_of(arguments)
    for depth in plan.base.depths:
        if arguments.name:
            # Hours later the bundle would be refused for it.
            check_model_name(name_of_network(arguments.name, f"hyrisknet-{depth}", True))
    facts = {"name": arguments.name, "cohort": str(arguments.cohort), "synthetic": False, "kind": REPRODUCTION}
    with held_run(arguments.out, arguments.words, facts, events=arguments.events) as folder:
        results = _work(arguments, plan, folder)
        folder.finish(results=RESULTS, report=REPORT, bundles=[bundle["path"] for bundle in results.get("bundles", ())])
    if not arguments.events:
        _print(results, arguments.out)


def estimate(arguments: argparse.Namespace) -> None:
    """Print what a reproduction would need; reads the table and no image.

    Raises:
        InputError: what would stop it at once.
    """
    plan, table = plan_of(arguments), read_table(arguments.cohort)
    table.require_ready()
    for score in ("grade", "agatston"):
        table.require_score(score)
    outcome = np.array([case.outcome for case in table.cases], np.int64)
    make_folds(outcome, [case.patient for case in table.cases], plan.base.folds, plan.base.seed)
    found = needs(plan, len(table.cases), arguments.workers)
    print(json.dumps(found) if arguments.json else _about(found["seconds"], found["fits"]))


def _about(seconds: float, fits: int) -> str:
    hours, minutes = divmod(max(1, round(seconds / 60)), 60)
    time = tr("{h} h {m} min", h=hours, m=minutes) if hours else tr("{m} min", m=minutes)
    return tr("About {time} for all {n} fits on this device.", time=time, n=fits)


def plan_of(arguments: argparse.Namespace) -> Plan:
    """The plan that the command line asks for.

    Raises:
        InputError: a number or a name that is none.
    """
    device = choose_device(arguments.device)
    precision = arguments.precision or ("bf16" if has_native_bfloat16(device) else "fp32")
    depths = _depths(arguments.networks)
    strategies = tuple(dict.fromkeys((SCRATCH, *(s.strip() for s in arguments.strategies.split(",")))))
    if unknown := [s for s in strategies if s not in STRATEGIES]:
        raise InputError("strategy", tr("“{name}” is none of scratch, finetune and frozen.", name=unknown[0]))
    if arguments.workers < 1 or arguments.batch < 1 or arguments.folds < 2:
        raise InputError("numbers", tr("--workers and --batch must be 1 or more, --folds 2 or more."))
    share = max(1, (os.cpu_count() or 1) // arguments.workers) if arguments.workers > 1 else 0
    base = Settings(
        cohort=str(find_table(arguments.cohort).absolute()),
        cache=str((arguments.cache or cache_dir() / "patches").absolute()),
        depths=depths, folds=arguments.folds, epochs=arguments.epochs, size=arguments.size, batch=arguments.batch,
        seed=arguments.seed, device=device.type, patience=arguments.patience, bfloat16=precision == "bf16",
        permutation_folds=0, threads=arguments.threads or share, checkpoint_s=_CHECKPOINT_S,
    )  # fmt: skip
    for depth in depths:
        base.config(depth)
    return Plan(base, strategies, arguments.imagenet, not arguments.no_bundles)


def _depths(text: str) -> tuple[int, ...]:
    names = [name.strip().removeprefix("hyrisknet-") for name in text.split(",")]
    if any(not name.isdecimal() or int(name) not in DEPTHS for name in names):
        raise InputError("network", tr("--networks must be among 18, 34, 50, 101 and 152, by commas."))
    return tuple(dict.fromkeys(int(name) for name in names))


def _work(arguments: argparse.Namespace, plan: Plan, folder: RunFolder) -> dict[str, Any]:
    emit, run = folder.log.emit, folder.path

    def progress(done: int, total: int) -> None:
        emit("cutting", done=done, total=total)
        folder.control.check()

    load_cohort(Path(plan.base.cohort), Path(plan.base.cache), progress)
    data = cached_cohort(plan.base.cohort, plan.base.cache)
    for score in ("grade", "agatston"):
        data.score_values(score)
    folds = make_folds(data.outcome, data.groups, plan.base.folds, plan.base.seed)
    folder.set_state("running", synthetic=data.synthetic)
    _claim(run, plan, data)
    plan, unavailable = _available(plan)
    seconds = estimate_seconds(plan, len(data), arguments.workers)
    emit("start", units=[task.name for task in plan.tasks()], folds=plan.base.folds,
         epochs=plan.base.epochs, cases=len(data), synthetic=data.synthetic, device=plan.base.device,
         seconds=round(seconds))  # fmt: skip
    sentences = [_about(seconds, len(plan.tasks())), *dict.fromkeys(unavailable.values())]
    print(*sentences, sep="\n", file=sys.stderr, flush=True)
    pace = Pace({t.name: plan.work(t) for t in plan.tasks()}, [t.name for t in plan.tasks() if is_done(plan, run, t)])
    for task in run_tasks(plan, folder, pace, arguments.workers, cluster_of(arguments)):
        aucs = fold_aucs(prediction(run, task.strategy, "grade", task.unit), data)
        emit("unit", unit=task.name, **pace.share(task.name, 1.0), **aucs)
    emit("evaluating")
    found = collect(plan, run, data)
    results = conclude(plan, found, data, folds, unavailable) | {"true_risk_auc": ceiling(data)}
    write_json(run / RESULTS, results)
    if plan.bundles:
        results["bundles"] = [
            _export(plan, run, data, folds, found[SCRATCH, "grade", depth], depth, arguments.name)
            for depth in plan.base.depths
        ]
        write_json(run / RESULTS, results)
    write_figures(run, results)
    write_table(run, results)
    write_report(run, results)
    return results


def _available(plan: Plan) -> tuple[Plan, dict[str, str]]:
    """The plan without the strategies whose weights can't be had, and a sentence for each of these."""
    missing: dict[str, str] = {}
    if len(plan.strategies) > 1:
        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(_DOWNLOAD_S)
        try:
            starting_network(plan.imagenet, plan.figure_depth, plan.base.seed)
        except HyRiskError as e:
            missing = {s: e.message for s in plan.strategies if s != SCRATCH}
        finally:
            socket.setdefaulttimeout(before)
    return replace(plan, strategies=tuple(s for s in plan.strategies if s not in missing)), missing


def _claim(run: Path, plan: Plan, data: CohortData) -> None:
    """Refuse to go on with other settings or another cohort; networks and strategies may be added."""
    free = ("cohort", "cache", "device", "threads", "checkpoint_s", "depths")
    essential = {k: v for k, v in settings_json(plan.base).items() if k not in free}
    claim = {"settings": essential, "cohort": data.sha256}
    earlier = read_json(run / CLAIM, RESULT_BYTES)
    if earlier and earlier != claim:
        message = tr("“{name}” holds another reproduction, or the cohort has changed since; choose an empty folder.", name=run.name)  # fmt: skip
        raise InputError("run_differs", message)
    write_json(run / CLAIM, claim)


def _export(
    plan: Plan, run: Path, data: CohortData, folds: list[Fold], columns: Columns, depth: int, name: str
) -> dict[str, str]:
    """One network's bundle, ``bundles/hyrisknet-34``, calibrated on its out-of-fold predictions.

    Args:
        plan, run: of the reproduction. data, folds: its cohort. columns: log odds of the network. depth: of it. name: of the run.
    """
    weights = tuple(
        float(prediction(run, SCRATCH, "grade", Unit(depth, f))["score_weight"]) for f in range(1, plan.base.folds + 1)
    )
    main = Predictions(depth, columns["joint_risknet"], columns["hyrisknet"], columns["risknet"], weights)
    path, part = f"{BUNDLES}/{main.network}", run / UNITS / part_name(SCRATCH, "grade")
    called = name_of_network(name, main.network, True)
    if (run / path / DESCRIPTION).is_file():
        return entry(main.network, path, read_description(run / path))
    return entry(main.network, path, export_one(run / path, plan.base, data, folds, main, run=part, name=called))


def _print(results: dict[str, Any], run: Path) -> None:
    mark = tr("  synthetic data") if results["synthetic"] else ""
    for row in results["table1"]:
        for head in ("risknet", "hyrisknet"):
            part = row[head]
            print(
                f"{row['network']:14s} {head:10s} {figure(part['mean'], part['sd'])}  (paper {figure(part['paper_mean'], part['paper_sd'])}){mark}"
            )
    for part in ("fig2", "fig3"):
        for name, value in results[part].items():
            print(f"{part} {name:12s} {figure(value, None)}{mark}")
    for bundle in results.get("bundles", ()):
        print(f"bundle of {bundle['network']}: {run / bundle['path']}")
