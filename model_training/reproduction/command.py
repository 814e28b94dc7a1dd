"""``hyrisk reproduce`` and ``python -m model_training reproduction-page``: arguments, and one run from start to end."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hyrisk_desktop.i18n import tr
from model_training.cluster_options import add_cluster_options
from model_training.options import not_negative, seed


def add_commands(commands: Any) -> None:
    """Add both to the subparsers ``commands``."""
    parser = commands.add_parser("reproduce", help=tr("the paper's Table 1, Fig. 2 and Fig. 3 on a cohort; resumes"))
    parser.add_argument(
        "cohort", type=Path, metavar="COHORT", help=tr("CSV or Parquet table, or a folder with cohort.csv")
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help=tr("needed but for --estimate"))
    parser.add_argument("--name", default="", help=tr("of the models; don't name a patient"))
    parser.add_argument("--networks", default="18,34,50,101,152", help=tr("depths, by commas"))
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--epochs", type=float, default=20.0, help=tr("of each stage"))
    parser.add_argument("--size", type=int, default=224, help=tr("input size in pixels"))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=seed, default=20180617)
    parser.add_argument(
        "--patience", type=not_negative, default=0, help=tr("epochs without a better inner loss before a fit stops")
    )
    parser.add_argument("--strategies", default="scratch,finetune,frozen", help=tr("of the paper's three, by commas"))
    parser.add_argument(
        "--imagenet", default="imagenet", metavar="FILE", help=tr("ImageNet weights; default: download")
    )
    parser.add_argument("--device", choices=("cpu", "cuda"))
    parser.add_argument("--precision", choices=("fp32", "bf16"), help=tr("default: bf16 where the device has it"))
    parser.add_argument("--workers", type=int, default=1, help=tr("processes on this machine that share the device"))
    parser.add_argument(
        "--threads", type=not_negative, default=0, help=tr("CPU threads of each process; 0: its share of all")
    )
    parser.add_argument("--cache", type=Path, help=tr("where patches are kept; default: the user's cache"))
    parser.add_argument(
        "--no-bundles", action="store_true", help=tr("leave out the fits on everybody and their bundles")
    )
    parser.add_argument("--estimate", action="store_true", help=tr("say how long it would take, and stop"))
    parser.add_argument("--json", action="store_true", help=tr("the estimate as JSON"))
    add_cluster_options(parser)
    parser.add_argument("--events", action="store_true", help=tr("print events as JSON lines"))
    parser.set_defaults(run=_reproduce)

    page = commands.add_parser("reproduction-page", help=tr("table, figures and a page of a finished reproduction"))
    page.add_argument("folder", type=Path, metavar="DIR")
    page.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    page.set_defaults(run=_page)


def _reproduce(arguments: argparse.Namespace) -> None:
    # `hyrisk --help` must not wait for torch.
    from model_training.reproduction.run import estimate, reproduce

    if arguments.estimate:
        estimate(arguments)
    else:
        reproduce(arguments)


def _page(arguments: argparse.Namespace) -> None:
    from model_training.reproduction.page import write_page

    print(write_page(arguments.folder, arguments.out))
