"""``hyrisk study``: arguments, and one study from start to end."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hyrisk_desktop.i18n import tr
from model_training.options import not_negative, seed


def add_command(commands: Any) -> None:
    """Add it to the subparsers ``commands``."""
    parser = commands.add_parser("study", help=tr("what a model sees in phantoms whose every factor is known; resumes"))
    parser.add_argument("model", type=Path, metavar="BUNDLE")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("-n", type=int, default=1500, help=tr("phantoms for the probes"))
    parser.add_argument(
        "--pairs", type=int, default=150, help=tr("phantoms of which one factor after another is changed")
    )
    parser.add_argument("--seed", type=seed, default=5_600_000, metavar="FIRST")
    parser.add_argument("--workers", type=not_negative, default=0, help=tr("processes; default: one for each core"))
    parser.add_argument("--in-place", action="store_true", help=tr("put probes and study into the bundle itself"))
    parser.add_argument("--events", action="store_true", help=tr("print events as JSON lines"))
    parser.set_defaults(run=_study)


def _study(arguments: argparse.Namespace) -> None:
    # `hyrisk --help` must not wait for torch.
    from model_training.study.run import run_study

    run_study(arguments)
