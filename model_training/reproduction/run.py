"""A reproduction from its arguments to its files."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from hyrisk_desktop.errors import Cancelled, HyRiskError, InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.paths import cache_dir
from hyrisk_desktop.risk.bundle import DESCRIPTION
from hyrisk_desktop.risk.network import DEPTHS
from hyrisk_desktop.risk.predictor import choose_device
from hyrisk_desktop.training_run import RESULT_BYTES, read_json, write_json
from model_training.cluster_options import cluster_of
from model_training.cohort_table import find_table
from model_training.config import STRATEGIES
from model_training.dataset import CohortData, load_cohort
from model_training.device import has_native_bfloat16
from model_training.evaluation import Predictions, evaluate_run
from model_training.export import export_run
from model_training.folds import Fold, make_folds
from model_training.reproduction.figures import write_figures
from model_training.reproduction.page import RESULTS, TABLE, write_table
from model_training.reproduction.plan import SCRATCH, Plan, estimate_seconds, part_name
from model_training.reproduction.results import Columns, ceiling, collect, conclude
from model_training.reproduction.work import UNITS, prediction, run_here, run_on_cluster
from model_training.run_folder import RunFolder, open_echo
from model_training.starting_weights import starting_network
from model_training.units import Settings, Unit, cached_cohort, settings_json

CLAIM = "claim.json"
_CHECKPOINT_S = 120.0
_DOWNLOAD_S = 20.0
EXIT_CANCELLED = 130


def reproduce(arguments: argparse.Namespace) -> None:
    """Run or resume ``hyrisk reproduce`` with its parsed arguments.

    Raises:
        HyRiskError: what can't be done, in one sentence. SystemExit: it was cancelled.
    """
    plan = plan_of(arguments)
    folder = RunFolder(
        arguments.out, arguments.words, {"cohort": str(arguments.cohort), "synthetic": False, "kind": "reproduction"},
        open_echo(arguments.events),
    )  # fmt: skip
    try:
        results = _work(arguments, plan, folder)
        if results:
            folder.log.emit("finished", results=RESULTS, report=TABLE)
            folder.set_state("finished")
    except (Cancelled, KeyboardInterrupt):
        folder.log.emit("cancelled")
        folder.set_state("cancelled")
        raise SystemExit(EXIT_CANCELLED) from None
    except HyRiskError as e:
        folder.fail(e.code, e.message)
        raise
    except OSError as e:
        reason = os.strerror(e.errno) if e.errno else type(e).__name__
        message = tr(
            "The reproduction stopped, as the disk refuses: {reason}. It goes on where it stopped.", reason=reason
        )
        folder.fail("disk", message)
        raise HyRiskError("disk", message) from e
    finally:
        folder.close()


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
    data.score_values("grade")
    folds = make_folds(data.outcome, data.patient, plan.base.folds, plan.base.seed)
    folder.set_state("running", synthetic=data.synthetic)
    _claim(run, plan, data)
    plan, unavailable = _available(plan)
    seconds = estimate_seconds(plan, len(data), arguments.workers)
    emit("start", units=[_name(t.strategy, t.depth, t.fold) for t in plan.tasks()], folds=plan.base.folds,
         epochs=plan.base.epochs, cases=len(data), synthetic=data.synthetic, device=plan.base.device,
         seconds=round(seconds))  # fmt: skip
    sentence = tr("About {minutes:.0f} minutes for all {n} fits on this device.", minutes=max(1.0, seconds / 60),
                  n=len(plan.tasks()))  # fmt: skip
    print(sentence, *unavailable.values(), sep="\n", file=sys.stderr, flush=True)
    if arguments.estimate:
        folder.set_state("paused")
        return {}
    cluster = cluster_of(arguments)
    if cluster is not None:
        run_on_cluster(plan, folder, cluster)
    else:
        run_here(plan, folder, arguments.workers)
    emit("evaluating")
    found = collect(plan, run, data)
    results = conclude(plan, found, data, folds, unavailable) | {"true_risk_auc": ceiling(data)}
    write_json(run / RESULTS, results)
    write_figures(run, results)
    write_table(run, results)
    if plan.bundles:
        results["bundles"] = [
            _export(plan, run, data, folds, found[SCRATCH, "grade", depth], depth) for depth in plan.base.depths
        ]
        write_json(run / RESULTS, results)
    if not arguments.events:
        _print(results)
    return results


def _name(strategy: str, depth: int, fold: int) -> str:
    return f"{strategy}/{Unit(depth, fold).name}"


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


def _export(plan: Plan, run: Path, data: CohortData, folds: list[Fold], columns: Columns, depth: int) -> dict[str, str]:
    """One network's bundle, ``bundles/hyrisknet-34``, calibrated on its out-of-fold predictions.

    Args:
        plan, run: of the reproduction. data, folds: its cohort. columns: log odds of the network. depth: of it.
    """
    settings = replace(plan.base, depths=(depth,))
    weights = tuple(
        float(prediction(run, SCRATCH, "grade", Unit(depth, f))["score_weight"]) for f in range(1, settings.folds + 1)
    )
    main = Predictions(depth, columns["joint_risknet"], columns["hyrisknet"], columns["risknet"], weights)
    nobody = (data.expected_risk[:0], data.outcome[:0])
    results = evaluate_run(settings_json(settings), data, folds, [main], nobody, 0) | {"warning": ""}
    where = run / "bundles" / main.network
    part = run / UNITS / part_name(SCRATCH, "grade")
    if (where / DESCRIPTION).is_file():
        return {"network": main.network, "path": f"bundles/{main.network}"}
    bundle = export_run(where, settings, data, part, main, results, "")
    return {"network": main.network, "path": f"bundles/{main.network}", "sha256": bundle.sha256}


def _print(results: dict[str, Any]) -> None:
    mark = tr("  synthetic data") if results["synthetic"] else ""
    for row in results["table1"]:
        for head in ("risknet", "hyrisknet"):
            part = row[head]
            print(
                f"{row['network']:14s} {head:10s} {part['mean']} ± {part['sd']}  (paper {part['paper_mean']} ± {part['paper_sd']}){mark}"
            )
    for figure in ("fig2", "fig3"):
        for name, value in results[figure].items():
            print(f"{figure} {name:12s} {value}{mark}")
