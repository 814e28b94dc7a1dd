"""Weights and optimiser on disk, without pickles, so that a killed fit goes on as if nothing had happened."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from hyrisk_desktop.bounded_json import read_json
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.files import replace_file
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.risk.network import HyRiskNet

_MAX_MARK_BYTES = 1 << 20
_MARK = "checkpoint.json"


def save_weights(path: Path, model: HyRiskNet) -> None:
    """Write the network's state, staged and flushed."""
    save_state(path, model.state_dict())


def save_state(path: Path, state: dict[str, Tensor]) -> None:
    """`save_weights` for the tensors of a network by name, of any shape."""
    replace_file(path, save({key: value.contiguous() for key, value in state.items()}))


def load_weights(path: Path, model: HyRiskNet) -> HyRiskNet:
    """Read what `save_weights` wrote into ``model``."""
    model.load_state_dict(load(path.read_bytes()))
    return model


def save_checkpoint(folder: Path, model: HyRiskNet, optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Tensors first, then the small file that names them: a kill between the two leaves the older pair whole.

    Args:
        folder: where. model, optimiser: whose tensors. state: what else is needed to go on, as JSON.
    """
    tensors = {f"model.{key}": value.contiguous() for key, value in model.state_dict().items()}
    for index, values in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{key}": value.contiguous() for key, value in values.items()}
    content = save(tensors)
    name = f"checkpoint-{state['step']:06d}.safetensors"
    replace_file(folder / name, content)
    mark = {"file": name, "sha256": hashlib.sha256(content).hexdigest(), **state}
    replace_file(folder / _MARK, json.dumps(mark).encode())
    for old in folder.glob("checkpoint-*.safetensors"):
        if old.name != name:
            old.unlink()


def load_checkpoint(folder: Path, model: HyRiskNet, optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """Restore model and optimiser; returns the state that was saved ({} for a fresh fit).

    Raises:
        InputError: the checkpoint is damaged.
    """
    path = folder / _MARK
    if not path.exists():
        return {}
    damaged = InputError(
        "checkpoint_damaged", tr("The checkpoint in “{name}” is damaged; delete the folder.", name=folder.name)
    )
    try:
        mark: dict[str, Any] = read_json(path, _MAX_MARK_BYTES)
        name = mark.pop("file")
        # A name that leads elsewhere is none that this program wrote.
        if not isinstance(name, str) or name in ("", ".", "..") or not set(name).isdisjoint("/\\\0"):
            raise ValueError("not a file's name")
        content = (folder / name).read_bytes()
        digest = mark.pop("sha256")
    except (ValueError, KeyError, AttributeError, TypeError) as e:
        raise damaged from e
    if hashlib.sha256(content).hexdigest() != digest:
        raise damaged
    tensors = load(content)
    model.load_state_dict({key[6:]: value for key, value in tensors.items() if key.startswith("model.")})
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, index, name = key.split(".")
            if value.dim() == 4:
                value = value.contiguous(memory_format=torch.channels_last)
            moments.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
    return mark


def drop_checkpoint(folder: Path) -> None:
    """Delete a finished fit's optimiser state: it is three times the weights."""
    (folder / _MARK).unlink(missing_ok=True)
    for old in folder.glob("checkpoint-*.safetensors"):
        old.unlink()
