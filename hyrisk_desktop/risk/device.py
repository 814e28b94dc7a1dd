"""Where the network may run: on CUDA when there is one, else on the CPU; and whether it is worth importing torch to find out."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr, trn

if TYPE_CHECKING:
    import torch


def check_name(name: str | None) -> None:
    """Raise InputError for what is no device's name; None is for whichever there is."""
    if name not in (None, "cpu", "cuda"):
        raise InputError("device", tr("The device must be cpu or cuda."))


def choose_device(name: str | None = None) -> torch.device:
    """CUDA when there is one, else the CPU; or the named one.

    Raises:
        InputError: CUDA was asked for and there is none, or the name is neither "cpu" nor "cuda".
    """
    check_name(name)
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("no_cuda", tr("There is no CUDA device here; choose --device cpu, or leave it out."))
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def describe_device(name: str | None = None) -> str:
    """The device that would compute, in words; raises as `choose_device` does."""
    import torch

    if choose_device(name).type == "cuda":
        return f"cuda ({torch.cuda.get_device_name()})"
    if torch.cuda.is_available():
        return trn("cpu ({n} thread), as set", "cpu ({n} threads), as set", torch.get_num_threads())
    return trn("cpu ({n} thread); no CUDA device", "cpu ({n} threads); no CUDA device", torch.get_num_threads())


def card_may_answer() -> bool:
    """Whether a graphics card's driver is installed, so that torch must be asked; without one it can't find a card.

    Importing torch to learn that there is none would cost what reading without torch saves.
    """
    if sys.platform == "darwin":
        return False
    # torch calls AMD's cards CUDA devices too.
    return Path("/dev/kfd").exists() or _loads("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
