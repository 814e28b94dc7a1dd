"""Which engine reads: ONNX Runtime on a CPU where it gives the bundle's known answer, else torch, the reference.

The answer was worked out by torch when the bundle was made and is sealed in its description (`self_test`). Comparing with
it needs no torch here, takes one run of the network, and is done at each load: nothing remembered can be out of date.
"""

from __future__ import annotations

import importlib.metadata
import logging
from pathlib import Path

import numpy as np

from hyrisk_desktop.errors import BundleError, InputError
from hyrisk_desktop.i18n import decimal, tr
from hyrisk_desktop.risk.device import card_may_answer, choose_device
from hyrisk_desktop.risk.predictor import Predictor
from hyrisk_desktop.risk.preload import import_torch
from hyrisk_desktop.risk.score_input import ScoreInput
from hyrisk_desktop.risk.self_test import GRADES, known_answer_volume, stored_answer
from hyrisk_desktop.settings import ENGINES

LARGEST_DIFFERENCE = 1e-4
"""Of log odds. The two engines differ by about 1e-6; what differs by more has not computed the same network."""

_OF_THE_ENGINE = ("other_answer", "no_known_answer")
"""Refusals that are no fault of the bundle's, which torch may well read."""

_log = logging.getLogger(__name__)


def open_predictor(
    directory: Path, device: str | None = None, prevalence: float | None = None, engine: str = "auto"
) -> Predictor:
    """The model in ``directory``, run by the engine that suits.

    Args:
        directory, device, prevalence: as of `Predictor`.
        engine: "torch"; "onnx" for ONNX Runtime or an error; "auto" for ONNX Runtime where the CPU reads and it can be
            used, else torch.

    Raises:
        BundleError: see `bundle.load_bundle`.
        InputError: the device or the engine can't be used, or the prevalence is out of range.
    """
    predictor, why_torch = _with_onnx(directory, device, prevalence, engine)
    if predictor is not None:
        return predictor
    if why_torch:
        _log.info("torch reads, as ONNX Runtime can't: %s", why_torch)
    import_torch()
    return Predictor(directory, device, prevalence)


def describe_engine(directory: Path, device: str | None = None, engine: str = "auto") -> str:
    """The engine that `open_predictor` would take, in words; raises as it does."""
    predictor, why_torch = _with_onnx(directory, device, None, engine)
    if predictor is not None:
        return tr("{engine}, gives the model's known answer", engine=predictor.engine)
    name = f"torch {importlib.metadata.version('torch')}"
    return tr("{engine} (ONNX Runtime: {why})", engine=name, why=why_torch) if why_torch else name


def _with_onnx(
    directory: Path, device: str | None, prevalence: float | None, engine: str
) -> tuple[Predictor | None, str]:
    """With ONNX Runtime where it shall and can read, else why it can't, "" where nobody wanted it to."""
    check_engine(engine, device)
    if engine == "torch" or (engine == "auto" and not _cpu_reads(device)):
        return None, ""
    try:
        return _compared(Predictor(directory, "cpu", prevalence, "onnx")), ""
    except InputError:
        raise
    except Exception as e:
        if engine == "onnx":
            if isinstance(e, BundleError) and e.code not in _OF_THE_ENGINE:
                raise
            raise InputError("engine", tr("ONNX Runtime can't be used: {why}.", why=_why(e))) from e
        return None, _why(e)


def check_engine(engine: str, device: str | None) -> None:
    """Raise InputError for an engine that there is not, or that does not know the device."""
    if engine not in ENGINES:
        raise InputError("engine", tr("The engine must be auto, torch or onnx."))
    if engine == "onnx" and device == "cuda":
        raise InputError("engine", tr("ONNX Runtime reads on the CPU only; leave the engine or the device out."))


def _cpu_reads(device: str | None) -> bool:
    if device is not None or not card_may_answer():
        return device in (None, "cpu")
    import_torch()
    return choose_device().type == "cpu"


def _compared(predictor: Predictor) -> Predictor:
    """``predictor``, if it gives its bundle's known answer; raises BundleError otherwise."""
    risknet, by_grade = stored_answer(predictor.bundle)
    volume, centre, _ = known_answer_volume()
    found = predictor.odds_at(volume, centre, [ScoreInput().value(grade) for grade in GRADES])
    difference = float(np.abs(np.subtract(found, [risknet, *by_grade])).max())
    if not difference <= LARGEST_DIFFERENCE:
        message = tr(
            "it does not give the known answer (log odds differ by {difference})", difference=decimal(difference, ".1e")
        )
        raise BundleError("other_answer", message)
    return predictor


def _why(error: Exception) -> str:
    """A reason in words; other libraries' own words may name files, and the log says nothing of these."""
    if isinstance(error, BundleError):
        return error.message
    return tr("it is not installed") if isinstance(error, ModuleNotFoundError) else type(error).__name__
