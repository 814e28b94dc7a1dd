"""``hyrisk phantom``: synthetic cohorts, exams, pairs of exams, and the pictures of the grades."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from hyrisk_desktop.i18n import tr
from model_training.options import amount, positive, seed, tell_progress, years


def add_command(commands: Any) -> None:
    """Add it to the subparsers ``commands``."""
    phantom = commands.add_parser("phantom", help=tr("synthetic LDCT")).add_subparsers(required=True)
    cohort = phantom.add_parser("cohort", help=tr("a cohort of heart slabs with grades, scores and outcomes"))
    cohort.add_argument("-n", type=positive, required=True, help=tr("number of phantoms"))
    cohort.add_argument("--seed", type=seed, required=True, help=tr("first seed; the others follow it"))
    cohort.add_argument("--balanced", action="store_true", help=tr("as many survivors as non-survivors"))
    cohort.add_argument("--out", type=Path, required=True)
    cohort.add_argument("--workers", type=positive, default=os.cpu_count() or 1)
    cohort.set_defaults(run=_phantom_cohort, one_thread=True)

    exam = phantom.add_parser("exam", help=tr("a whole chest as a DICOM series"))
    exam.add_argument("--seed", type=seed, help=tr("default: the demonstration exam"))
    exam.add_argument("--out", type=Path, required=True)
    exam.add_argument("--workers", type=positive, default=2)
    exam.set_defaults(run=_phantom_exam, one_thread=True)

    pair = phantom.add_parser("pair", help=tr("two exams of one subject as DICOM series: prior and current"))
    pair.add_argument("--seed", type=seed, help=tr("default: the demonstration exam"))
    pair.add_argument("--years", type=years, default=1.0, help=tr("from the prior to the current exam"))
    pair.add_argument("--growth", type=amount, help=tr("of the volume of the coronary lesions; default: drawn"))
    pair.add_argument("--out", type=Path, required=True)
    pair.add_argument("--workers", type=positive, default=2)
    pair.set_defaults(run=_phantom_pair, one_thread=True)

    grades = phantom.add_parser("grades", help=tr("the reference pictures of the visual grades"))
    grades.add_argument("--out", type=Path, required=True)
    grades.set_defaults(run=_phantom_grades, one_thread=True)


def _phantom_cohort(arguments: argparse.Namespace) -> None:
    from model_training.phantom.cohort import write_cohort

    write_cohort(
        arguments.out, arguments.n, arguments.seed, arguments.workers, tell_progress, balanced=arguments.balanced
    )


def _phantom_exam(arguments: argparse.Namespace) -> None:
    from model_training.phantom.exam import DEMONSTRATION_SEED, write_exam

    seed = DEMONSTRATION_SEED if arguments.seed is None else arguments.seed
    write_exam(arguments.out, seed, arguments.workers, tell_progress)


def _phantom_pair(arguments: argparse.Namespace) -> None:
    from model_training.phantom.exam import DEMONSTRATION_SEED
    from model_training.phantom.follow_up import write_pair

    seed = DEMONSTRATION_SEED if arguments.seed is None else arguments.seed
    write_pair(arguments.out, seed, arguments.years, arguments.growth, arguments.workers, tell_progress)


def _phantom_grades(arguments: argparse.Namespace) -> None:
    from model_training.phantom.grades import write_grades

    write_grades(arguments.out)
