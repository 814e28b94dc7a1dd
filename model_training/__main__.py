"""``python -m model_training ...``: synthetic cohorts, training, its checks and estimates, evaluation, NLST cohorts."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyrisk_desktop.i18n import tr
from model_training.cluster_options import add_cluster_options, cluster_of
from model_training.options import amount, not_negative, positive, seed, tell_progress
from model_training.phantom.command import add_command as add_phantom
from model_training.reproduction.command import add_commands
from model_training.study.command import add_command as add_study
from model_training.validation.command import add_command as add_validation

if TYPE_CHECKING:
    from model_training.units import Settings

CHECKPOINT_S = 20.0
"""A killed training loses this much at most; written after every short epoch, checkpoints cost more than it."""
EXIT_UNEXPECTED, EXIT_ARGUMENTS, EXIT_FAILED = 1, 2, 3


# --- training


def _train(arguments: argparse.Namespace) -> None:
    from hyrisk_desktop.risk.bundle import check_model_name
    from hyrisk_desktop.training_run import BUNDLE, REPORT, RESULTS
    from model_training.bundles import name_of_network
    from model_training.cross_validate import cross_validate
    from model_training.run_folder import held_run

    settings = _settings(arguments)
    for depth in settings.depths:
        if arguments.name:
            # Hours later the bundle would be refused for it.
            check_model_name(name_of_network(arguments.name, f"hyrisknet-{depth}", len(settings.depths) > 1))
    facts = {"name": arguments.name, "cohort": str(arguments.cohort), "synthetic": False}
    with held_run(arguments.out, arguments.words, facts, events=arguments.events) as folder:
        results = cross_validate(
            settings, folder, name=arguments.name, compare=arguments.compare, cluster=cluster_of(arguments)
        )
        paths = [bundle["path"] for bundle in results["bundles"]]
        folder.finish(
            results=RESULTS, report=REPORT, **({"bundle": BUNDLE} if paths == [BUNDLE] else {"bundles": paths})
        )
    if not arguments.events:
        _print_results(results, arguments.out)


def _print_results(results: dict[str, Any], run: Path) -> None:
    heads = ("hyrisknet", "risknet")
    rows = {h: results["pooled"][h] for h in heads}
    if len(results["networks"]) > 1:
        depths = [(n["network"].partition("-")[2], n) for n in results["networks"]]
        rows = {f"{h}-{depth}": network[h] for depth, network in depths for h in heads}
    for name, row in {**rows, **results["baselines"]}.items():
        print(f"{name:16s} {row['auc']}  95 % CI {row['ci']}{'  synthetic data' if results['synthetic'] else ''}")
    for bundle in results["bundles"]:
        print(f"bundle of {bundle['network']}: {run / bundle['path']}")
    if results["warning"]:
        print(results["warning"])


def _settings(arguments: argparse.Namespace) -> Settings:
    from hyrisk_desktop.paths import cache_dir
    from hyrisk_desktop.risk.predictor import choose_device
    from model_training.cohort_table import find_table
    from model_training.config import parse_network
    from model_training.device import has_native_bfloat16
    from model_training.starting_weights import IMAGENET
    from model_training.units import Settings

    device = choose_device(arguments.device)
    precision = arguments.precision or ("bf16" if has_native_bfloat16(device) else "fp32")
    init = arguments.init or ("" if arguments.strategy == "scratch" else IMAGENET)
    settings = Settings(
        cohort=str(find_table(arguments.cohort).absolute()),
        cache=str((arguments.cache or cache_dir() / "patches").absolute()),
        depths=tuple(dict.fromkeys(parse_network(name) for name in arguments.network.split(","))),
        strategy=arguments.strategy,
        score=arguments.score,
        folds=arguments.folds,
        epochs=arguments.epochs,
        size=arguments.size,
        batch=arguments.batch,
        seed=arguments.seed,
        init=init,
        device=device.type,
        patience=arguments.patience,
        bfloat16=precision == "bf16",
        permutation_folds=arguments.permutation_folds,
        threads=arguments.threads,
        checkpoint_s=arguments.checkpoint_seconds,
    )
    for depth in settings.depths:
        # A number that no training takes is said before the cohort is read.
        settings.config(depth)
    return settings


def _check(arguments: argparse.Namespace) -> None:
    from model_training.cohort_table import read_table
    from model_training.exam_check import look_at_exams

    found = look_at_exams(read_table(arguments.cohort), tell_progress).to_json()
    if arguments.json:
        print(json.dumps(found))
        return
    print(f"{found['usable']} of {found['rows']} rows can be used; {found['outcome']}")
    for problem in found["problems"]:
        where = "table" if problem["row"] is None else f"row {problem['row']}"
        print(f"{problem['severity']}: {where}, column {problem['column']}: {problem['message']}")


def _estimate(arguments: argparse.Namespace) -> None:
    import numpy as np

    from model_training.cohort_table import read_table
    from model_training.estimate import estimate
    from model_training.folds import make_folds
    from model_training.starting_weights import check_init

    table, settings = read_table(arguments.cohort), _settings(arguments)
    table.require_ready()
    # What would stop the training at once is said before it is started.
    for depth in settings.depths:
        check_init(settings.init, settings.strategy, depth)
    table.require_score(settings.score)
    outcome = np.array([case.outcome for case in table.cases], np.int64)
    make_folds(outcome, [case.patient for case in table.cases], settings.folds, settings.seed)
    found = estimate(settings, len(table.cases))
    print(json.dumps(found) if arguments.json else "\n".join(f"{key}: {value}" for key, value in found.items()))


def _evaluate(arguments: argparse.Namespace) -> None:
    from hyrisk_desktop.paths import cache_dir
    from model_training.compare import evaluate_bundle
    from model_training.dataset import load_cohort

    data = load_cohort(arguments.cohort, arguments.cache or cache_dir() / "patches", tell_progress)
    found = evaluate_bundle(arguments.model or _active_model(), data, arguments.device)
    print(json.dumps(found) if arguments.json else json.dumps(found, indent=1))


def _active_model() -> Path:
    from hyrisk_desktop.paths import bundled_model_dir, models_dir
    from hyrisk_desktop.risk.model_store import ModelStore

    return ModelStore(models_dir(), bundled_model_dir()).active_dir()


def _nlst(arguments: argparse.Namespace) -> None:
    from model_training.nlst import build_nlst, parse_stages, write_reading_list, write_table

    cohort = build_nlst(
        arguments.participants, arguments.series, stages=parse_stages(arguments.stages), seed=arguments.seed
    )
    write_reading_list(arguments.out, cohort, arguments.root)
    print(f"{len(cohort.chosen)} exams in {arguments.out}; read them (x, y, z, grade), then train on the table")
    for stage, (survivors, others) in cohort.counts.items():
        print(f"stage {stage}: {survivors} survivors and {others} non-survivors to choose from")
    if arguments.missing:
        write_table(arguments.missing, [("pid", "reason"), *cohort.missing])
    print(
        f"{len(cohort.missing)} participants with lung cancer can't be used{'' if arguments.missing else '; --missing FILE lists them'}"
    )


def _train_demonstration(arguments: argparse.Namespace) -> None:
    from hyrisk_desktop.errors import InputError
    from hyrisk_desktop.risk.predictor import choose_device
    from model_training.config import demonstration_config, parse_phases, steady_config
    from model_training.demonstration import PHASES, STEADY_PHASES, build_demonstration
    from model_training.placement import add_placement
    from model_training.ranges import open_start, parts_of
    from model_training.spread import add_spread

    if arguments.start and arguments.phases:
        raise InputError("phases", tr("--phases are those of the first training, which --start leaves out."))
    phases = parse_phases(arguments.phases) if arguments.phases else PHASES
    steady = parse_phases(arguments.steady_phases) if arguments.steady_phases else STEADY_PHASES
    steady_settings = steady_config(steady)
    earlier = open_start(arguments.start, steady_settings.depth)[0] if arguments.start else None
    bundle = build_demonstration(
        arguments.work,
        arguments.out,
        demonstration_config(phases),
        choose_device(arguments.device),
        steady=steady_settings,
        parts=parts_of(earlier, arguments.steady_phantoms, arguments.steady_seed),
        notes=arguments.notes,
        start=arguments.start,
        progress=tell_progress,
    )
    workers = os.cpu_count() or 1
    add_placement(arguments.out, arguments.work / "clicks", workers=workers, progress=tell_progress)
    add_spread(arguments.out, arguments.work, workers=workers, progress=tell_progress)
    for name, row in bundle.training["results"]["auc"].items():
        print(f"{name:20s} {row['expected_auc']:.4f}  {row['auc']:.4f} {row['ci']}  synthetic data")


# --- the command line


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "cohort", type=Path, metavar="COHORT", help=tr("CSV or Parquet table, or a folder with cohort.csv")
    )
    parser.add_argument(
        "--network", default="hyrisknet-34", help=tr("hyrisknet-18, -34, -50, -101 or -152; several by commas")
    )
    parser.add_argument("--strategy", choices=("scratch", "finetune", "frozen"), default="scratch")
    parser.add_argument(
        "--score", choices=("grade", "agatston"), default="grade", help=tr("where the score input comes from")
    )
    parser.add_argument("--init", default="", help=tr("imagenet, a weights file, or a model bundle (finetune, frozen)"))
    parser.add_argument("--folds", type=positive, default=10)
    parser.add_argument("--epochs", type=float, default=20.0, help=tr("of each stage"))
    parser.add_argument("--size", type=positive, default=224, help=tr("input size in pixels"))
    parser.add_argument("--batch", type=positive, default=16)
    parser.add_argument(
        "--patience", type=not_negative, default=0, help=tr("epochs without a better inner loss before a fit stops")
    )
    parser.add_argument(
        "--permutation-folds",
        type=not_negative,
        default=3,
        help=tr("folds trained on shuffled outcomes, as a self-test"),
    )
    parser.add_argument("--seed", type=seed, default=20180617)
    parser.add_argument("--device", choices=("cpu", "cuda"))
    parser.add_argument("--precision", choices=("fp32", "bf16"), help=tr("default: bf16 where the device has it"))
    parser.add_argument("--threads", type=not_negative, default=0, help=tr("CPU threads; 0: all"))
    parser.add_argument("--cache", type=Path, help=tr("where patches are kept; default: the user's cache"))
    parser.add_argument(
        "--checkpoint-seconds",
        type=amount,
        default=CHECKPOINT_S,
        help=tr("fewest between two checkpoints (default: %(default)g)"),
    )


def _add_training(commands: Any) -> None:
    train = commands.add_parser("train", help=tr("k folds, results, report and bundle; resumes a run that was killed"))
    _add_settings(train)
    train.add_argument("--out", type=Path, required=True, metavar="RUN")
    train.add_argument("--name", default="", help=tr("of the model; don't name a patient"))
    train.add_argument(
        "--compare", type=Path, metavar="BUNDLE", help=tr("an installed model, evaluated on the same cases")
    )
    add_cluster_options(train)
    train.add_argument("--events", action="store_true", help=tr("print events as JSON lines"))
    train.set_defaults(run=_train)

    estimate = commands.add_parser("estimate", help=tr("time, memory and disk that a training would need"))
    _add_settings(estimate)
    estimate.add_argument("--json", action="store_true")
    estimate.set_defaults(run=_estimate)

    check = commands.add_parser("check", help=tr("whether a cohort can be trained on, and what is wrong with it"))
    check.add_argument("cohort", type=Path, metavar="COHORT")
    check.add_argument("--json", action="store_true")
    check.set_defaults(run=_check)

    evaluate = commands.add_parser("evaluate", help=tr("AUC of a model and of the scores on a cohort"))
    evaluate.add_argument("cohort", type=Path, metavar="COHORT")
    evaluate.add_argument("--model", type=Path, metavar="BUNDLE", help=tr("default: the active model"))
    evaluate.add_argument("--device", choices=("cpu", "cuda"))
    evaluate.add_argument("--cache", type=Path)
    evaluate.add_argument("--json", action="store_true")
    evaluate.set_defaults(run=_evaluate)

    _add_demonstration(commands)


def _add_demonstration(commands: Any) -> None:
    demonstration = commands.add_parser(
        "train-demonstration", help=tr("make the bundled demonstration model from nothing")
    )
    demonstration.add_argument("--work", type=Path, required=True, help=tr("cohorts (20 GB) and checkpoints"))
    demonstration.add_argument("--out", type=Path, required=True, metavar="BUNDLE")
    demonstration.add_argument(
        "--start", type=Path, metavar="BUNDLE", help=tr("go on from this model's weights instead of a first training")
    )
    demonstration.add_argument("--phases", default="", help=tr("input size:epochs, in order"))
    demonstration.add_argument("--steady-phases", default="", help=tr("the same, of the second training"))
    demonstration.add_argument(
        "--steady-phantoms", type=not_negative, default=0, help=tr("phantoms of the second training; default: 16000")
    )
    demonstration.add_argument(
        "--steady-seed",
        type=not_negative,
        default=0,
        help=tr("its first seed; default: the next free hundred thousand"),
    )
    demonstration.add_argument("--notes", default="", help=tr("sentences for the card, for example how the run went"))
    demonstration.add_argument("--device", choices=("cpu", "cuda"))
    demonstration.set_defaults(run=_train_demonstration)


def _nlst_help() -> str:
    return tr(
        "The paper's cohort from your own NLST files: matched survivors and non-survivors of lung cancer. The participant table with "
        "survival (death_days, fup_days) needs an approved NCI project (CDAS); public copies hold no survival."
    )


def _add_nlst(commands: Any) -> None:
    nlst = commands.add_parser("nlst", help=tr("a reading list of the paper's NLST cohort"), description=_nlst_help())
    nlst.add_argument(
        "participants", type=Path, help=tr("participant CSV: pid, de_stag, candx_days, scr_days0, death_days, fup_days")
    )
    nlst.add_argument("series", type=Path, help=tr("CSV list of series that came with the images"))
    nlst.add_argument("--stages", default="I=49,II=19,III=22", help=tr("pairs by stage (AJCC 6)"))
    nlst.add_argument("--seed", type=seed, default=20180617)
    nlst.add_argument("--root", type=Path, help=tr("folder that the list's folders start from"))
    nlst.add_argument("--out", type=Path, required=True, metavar="CSV")
    nlst.add_argument("--missing", type=Path, metavar="CSV", help=tr("write who can't be used, and why"))
    nlst.set_defaults(run=_nlst)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hyrisk", description=__doc__)
    parser.set_defaults(one_thread=False, json=False)
    commands = parser.add_subparsers(required=True)
    add_phantom(commands)
    _add_training(commands)
    _add_nlst(commands)
    add_commands(commands)
    add_validation(commands)
    add_study(commands)
    return parser


def main() -> None:
    """Parse the command line and run one command."""
    arguments = _parser().parse_args()
    arguments.words = sys.argv[2:]
    if arguments.one_thread:
        # Two BLAS threads make the small products of the renderer several times slower on a busy machine.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Torch's threads spin by default, which on busy cores costs several times the work itself.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _run(arguments.run, arguments)


def _run(command: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> None:
    """Expected failures become one sentence and an exit code; with --json, an object on stdout as well."""
    from hyrisk_desktop.errors import HyRiskError, InputError

    try:
        _explained(command, arguments)
    except HyRiskError as e:
        if arguments.json:
            print(json.dumps({"error": {"code": e.code, "message": e.message}}))
        print(e.message, file=sys.stderr)
        raise SystemExit(EXIT_ARGUMENTS if isinstance(e, InputError) else EXIT_FAILED) from e
    except ModuleNotFoundError as e:
        if e.name not in ("sklearn", "matplotlib", "threadpoolctl"):
            raise
        print(
            f'Training needs more than reading: pip install "hyrisk-desktop[train]" ({e.name} is missing).',
            file=sys.stderr,
        )
        raise SystemExit(EXIT_ARGUMENTS) from e


def _explained(command: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> None:
    """Run ``command``; raises HyRiskError for what the disk refuses."""
    from hyrisk_desktop.errors import HyRiskError

    try:
        command(arguments)
    except OSError as e:
        name = f"“{Path(e.filename).name}”" if isinstance(e.filename, str) else tr("A file")
        message = tr("{name} can't be read or written: {reason}.", name=name, reason=e.strerror or type(e).__name__)
        raise HyRiskError("disk", message) from e


if __name__ == "__main__":
    main()
