"""Options that several commands have, each with its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hyrisk_desktop.i18n import tr

Model = Annotated[Path | None, typer.Option(help=tr("Model bundle folder; default: the model in use."))]
Device = Annotated[str | None, typer.Option(help=tr("cpu or cuda; default: cuda when there is one."))]
Engine = Annotated[
    str,
    typer.Option(
        help=tr("auto, torch or onnx (ONNX Runtime, CPU only); auto takes it where it gives the model's known answer.")
    ),
]
Profile = Annotated[str, typer.Option(help=tr("standard, four_connected or no_spacing_correction."))]
Prevalence = Annotated[
    float | None, typer.Option(help=tr("Share of non-survivors that the risk assumes, 0 to 1; default: the model's."))
]


def check_network(device: str | None, engine: str) -> None:
    """Raise InputError for what `Device` or `Engine` can't be, before an exam is read for nothing."""
    from hyrisk_desktop.risk.device import check_name
    from hyrisk_desktop.risk.engine_choice import check_engine

    check_name(device)
    check_engine(engine, device)
