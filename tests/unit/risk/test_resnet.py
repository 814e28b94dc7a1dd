"""Our ResNets are torchvision's: its published weights fit, and a seed means the same network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hyrisk_desktop.risk.network import DEPTHS
from hyrisk_desktop.risk.resnet import ResNet


def theirs(depth: int) -> nn.Module:
    # Not while the tests are collected: it brings torch's compiler along, 3 s in each of pytest's processes.
    from torchvision import models

    return models.get_model(f"resnet{depth}", weights=None)


def layers(network: nn.Module) -> dict[str, str]:
    """Each layer that computes, with its sizes, strides and paddings."""
    return {name: repr(m) for name, m in network.named_modules() if not list(m.children()) and name != "fc"}


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_layers_and_the_names_of_the_weights_are_the_same(depth: int) -> None:
    with torch.device("meta"):
        one, other = ResNet(depth), theirs(depth)
    assert layers(one) == layers(other)
    assert list(one.state_dict()) == [name for name in other.state_dict() if not name.startswith("fc.")]


@pytest.mark.parametrize("depth", [18, 50])
def test_a_seed_draws_the_same_weights_and_they_answer_the_same(depth: int) -> None:
    """One depth of each kind of block; what is drawn afterwards, the heads, is the same as well."""
    drawn: list[tuple[nn.Module, Tensor]] = []
    for make in (ResNet, theirs):
        torch.manual_seed(11)
        drawn.append((make(depth), torch.rand(3)))
    (one, after_one), (other, after_other) = drawn
    expected = {name: value for name, value in other.state_dict().items() if not name.startswith("fc.")}
    for name, value in one.state_dict().items():
        assert torch.equal(value, expected[name]), name
    assert torch.equal(after_one, after_other)
    other.fc = nn.Identity()
    images = torch.randn(2, 3, 64, 64)
    for mode in (True, False):
        assert torch.equal(one.train(mode)(images), other.train(mode)(images))
