"""Where a network's first weights come from: chance, ImageNet, a file, or an installed bundle."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, cast
from urllib.error import URLError

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor
from torch.hub import load_state_dict_from_url

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.risk.bundle import DESCRIPTION, ModelBundle, load_bundle, read_description
from hyrisk_desktop.risk.network import HyRiskNet

IMAGENET = "imagenet"
IMAGENET_FILES = {
    18: "resnet18-f37072fd.pth",
    34: "resnet34-b627a593.pth",
    50: "resnet50-0676ba61.pth",
    101: "resnet101-63fe2227.pth",
    152: "resnet152-394f9c45.pth",
}
"""torchvision's IMAGENET1K_V1, by depth; torchvision itself would only look the name up."""


def bundle_of(init: str) -> ModelBundle | None:
    """The description of the bundle that ``init`` names, or None where it names something else."""
    return read_description(Path(init)) if init and (Path(init) / DESCRIPTION).is_file() else None


def check_init(init: str, strategy: str, depth: int) -> None:
    """Refuse starting weights that don't go with the strategy or the network.

    Raises:
        InputError, BundleError: what is wrong.
    """
    if strategy == "scratch":
        if init:
            raise InputError("init", tr("Training from scratch takes no starting weights; leave out --init."))
        return
    bundle = bundle_of(init)
    if bundle is not None and bundle.depth != depth:
        raise InputError(
            "init_depth",
            tr("The starting model is a {network}; choose that network, or other weights.", network=bundle.network),
        )
    if bundle is None and init not in ("", IMAGENET) and not Path(init).is_file():
        raise InputError("init_missing", tr("There are no weights at “{name}”.", name=Path(init).name))


def starting_network(init: str, depth: int, seed: int) -> HyRiskNet:
    """The network with its first weights, on the CPU; what ``init`` doesn't bring follows from ``seed``.

    Args:
        init: "" for random weights, "imagenet", a .safetensors or .pth file of a torchvision ResNet, or a bundle.

    Raises:
        InputError: the weights can't be had or don't fit. BundleError: the bundle is damaged.
    """
    torch.manual_seed(seed)
    if bundle_of(init) is not None:
        _, model = load_bundle(Path(init))
        if model.depth != depth:
            raise InputError("init_depth", tr("The starting model is another network; choose weights that fit."))
        return model.train()
    model = HyRiskNet(depth)
    if not init:
        return model
    state = _imagenet(depth) if init == IMAGENET else _file(Path(init))
    state = {key: value for key, value in state.items() if not key.startswith("fc.")}
    try:
        model.trunk.load_state_dict(state)
    except RuntimeError as e:
        raise InputError(
            "init_unfit", tr("The starting weights are not those of a torchvision ResNet-{depth}.", depth=depth)
        ) from e
    return model


def _imagenet(depth: int) -> dict[str, Tensor]:
    url = f"https://download.pytorch.org/models/{IMAGENET_FILES[depth]}"
    try:
        # The name ends with the hash of the content, which is compared.
        return cast(
            dict[str, Tensor], load_state_dict_from_url(url, progress=False, check_hash=True, weights_only=True)
        )
    except (URLError, OSError, RuntimeError) as e:
        raise InputError(
            "imagenet",
            tr("The ImageNet weights can't be downloaded here. Download {url} elsewhere, and name the file with --init.",
               url=url),
        ) from e  # fmt: skip


def _file(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load(path.read_bytes())
        # weights_only: a pickle of anything else would run its code.
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as e:
        raise _unreadable(path) from e
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise _unreadable(path)
    return state


def _unreadable(path: Path) -> InputError:
    return InputError("init_unreadable", tr("“{name}” holds no weights that can be read.", name=path.name))
