"""``python -m model_training phantom|train|export ...``: synthetic cohorts and the training of the bundled model."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def _progress(done: int, total: int) -> None:
    print(f"progress {done} {total}", file=sys.stderr, flush=True)


def _phantom_cohort(arguments: argparse.Namespace) -> None:
    from model_training.phantom.cohort import write_cohort

    write_cohort(arguments.out, arguments.n, arguments.seed, arguments.workers, _progress)


def _phantom_exam(arguments: argparse.Namespace) -> None:
    from model_training.phantom.exam import DEMONSTRATION_SEED, write_exam

    seed = DEMONSTRATION_SEED if arguments.seed is None else arguments.seed
    write_exam(arguments.out, seed, arguments.workers, _progress)


def _phantom_grades(arguments: argparse.Namespace) -> None:
    from model_training.phantom.grades import write_grades

    write_grades(arguments.out)


def _train(arguments: argparse.Namespace) -> None:
    # Torch's threads spin by default, which on busy cores costs several times the work itself.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from model_training.dataset import load_cohort
    from model_training.train import TrainConfig, parse_phases, train

    kind, _, depth = arguments.network.partition("-")
    if kind != "hyrisknet" or not depth.isdecimal():
        raise SystemExit("--network must be hyrisknet-18, -34, -50, -101 or -152")
    config = TrainConfig(
        depth=int(depth),
        phases=parse_phases(arguments.phases),
        batch=arguments.batch,
        soft_target=arguments.target == "risk",
        validation=arguments.validation,
        seed=arguments.seed,
    )
    train(load_cohort(arguments.cohort), arguments.out, config, _progress)


def _export(arguments: argparse.Namespace) -> None:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from model_training.dataset import load_cohort
    from model_training.export import Cohorts, export

    cohorts = Cohorts(
        load_cohort(arguments.training),
        load_cohort(arguments.stage_two),
        load_cohort(arguments.calibration),
        load_cohort(arguments.test),
    )
    bundle = export(arguments.run_directory, cohorts, arguments.out, arguments.name, arguments.notes)
    for name, row in bundle.training["results"]["auc"].items():
        print(f"{name:12s} {row['expected_auc']:.4f}  {row['auc']:.4f} {row['ci']}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model_training", description=__doc__)
    commands = parser.add_subparsers(required=True)
    phantom = commands.add_parser("phantom", help="synthetic LDCT").add_subparsers(required=True)

    cohort = phantom.add_parser("cohort", help="a cohort of heart patches with grades, scores and outcomes")
    cohort.add_argument("-n", type=int, required=True, help="number of phantoms")
    cohort.add_argument("--seed", type=int, required=True, help="first seed; the others follow it")
    cohort.add_argument("--out", type=Path, required=True)
    cohort.add_argument("--workers", type=int, default=2)
    cohort.set_defaults(run=_phantom_cohort, one_thread=True)

    exam = phantom.add_parser("exam", help="a whole chest as a DICOM series")
    exam.add_argument("--seed", type=int, help="default: the demonstration exam")
    exam.add_argument("--out", type=Path, required=True)
    exam.add_argument("--workers", type=int, default=2)
    exam.set_defaults(run=_phantom_exam, one_thread=True)

    grades = phantom.add_parser("grades", help="the reference pictures of the visual grades")
    grades.add_argument("--out", type=Path, required=True)
    grades.set_defaults(run=_phantom_grades, one_thread=True)

    train = commands.add_parser("train", help="stage one: RiskNet on a cohort; resumes a run that was killed")
    train.add_argument("cohort", type=Path)
    train.add_argument("--network", default="hyrisknet-34")
    train.add_argument("--phases", default="96:6,160:1,224:1", help="input size:epochs, in order")
    train.add_argument("--batch", type=int, default=64)
    train.add_argument("--target", choices=("risk", "outcome"), default="outcome")
    train.add_argument("--validation", type=int, default=500, help="last cases of the cohort kept for the inner split")
    train.add_argument("--seed", type=int, default=20180617)
    train.add_argument("--out", type=Path, required=True)
    train.set_defaults(run=_train, one_thread=False)

    export = commands.add_parser(
        "export", help="stage two, calibration, results and the model bundle of a finished run"
    )
    export.add_argument("run_directory", metavar="RUN", type=Path)
    for part in ("training", "stage-two", "calibration", "test"):
        export.add_argument(f"--{part}", type=Path, required=True, metavar="COHORT")
    export.add_argument("--notes", default="", help="sentences for the card, for example how the run went")
    export.add_argument("--name", default="HyRiskNet-34 demonstration")
    export.add_argument("--out", type=Path, required=True)
    export.set_defaults(run=_export, one_thread=False)
    return parser


def main() -> None:
    """Parse the command line and run one command."""
    arguments = _parser().parse_args()
    if arguments.one_thread:
        # Two BLAS threads make the small products of the renderer several times slower on a busy machine.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from hyrisk_desktop.errors import HyRiskError

    try:
        arguments.run(arguments)
    except HyRiskError as e:
        raise SystemExit(e.message) from e


if __name__ == "__main__":
    main()
