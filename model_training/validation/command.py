"""``hyrisk validate``: arguments, and one validation from start to end."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hyrisk_desktop.i18n import tr


def add_command(commands: Any) -> None:
    """Add it to the subparsers ``commands``."""
    parser = commands.add_parser("validate", help=tr("an installed model, unchanged, on your own cohort; resumes"))
    parser.add_argument(
        "cohort", type=Path, metavar="COHORT", help=tr("CSV or Parquet table, or a folder with cohort.csv")
    )
    parser.add_argument("--model", type=Path, metavar="BUNDLE", help=tr("default: the active model"))
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--name", default="", help=tr("of the cohort, in the recalibrated model's name; no patient's"))
    parser.add_argument(
        "--moved", type=int, default=60, help=tr("cases whose click is also moved on purpose (default: 60)")
    )
    parser.add_argument("--no-recalibration", action="store_true", help=tr("write no recalibrated bundle"))
    parser.add_argument("--device", choices=("cpu", "cuda"))
    parser.add_argument("--cache", type=Path, help=tr("where patches are kept; default: the user's cache"))
    parser.add_argument("--events", action="store_true", help=tr("print events as JSON lines"))
    parser.set_defaults(run=_validate)


def _validate(arguments: argparse.Namespace) -> None:
    # `hyrisk --help` must not wait for torch.
    from model_training.validation.run import validate

    validate(arguments)
