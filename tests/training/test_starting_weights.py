"""Starting weights: files, bundles, and sentences where they can't be had."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file

from hyrisk_desktop.errors import BundleError, InputError
from hyrisk_desktop.risk.network import HyRiskNet
from model_training import starting_weights
from model_training.starting_weights import check_init, starting_network
from model_training.units import Settings
from tests.helpers.bundles import write_tiny_bundle


def same(a: HyRiskNet, b: HyRiskNet, part: str = "") -> bool:
    other = b.state_dict()
    return all(torch.equal(v, other[k]) for k, v in a.state_dict().items() if k.startswith(part))


def test_chance_follows_the_seed() -> None:
    assert same(starting_network("", 18, 1), starting_network("", 18, 1))
    assert not same(starting_network("", 18, 1), starting_network("", 18, 2))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_of_a_torchvision_resnet_fills_the_trunk(tmp_path: Path, suffix: str) -> None:
    source = HyRiskNet(18)
    state = dict(source.trunk.state_dict()) | {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    path = tmp_path / f"resnet18{suffix}"
    if suffix == ".pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    check_init(str(path), "finetune", 18)
    found = starting_network(str(path), 18, 0)
    assert same(source, found, "trunk.")
    with pytest.raises(InputError, match="not those of a torchvision ResNet-34"):
        starting_network(str(path), 34, 0)


def test_a_bundle_brings_everything(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "bundle")
    found = starting_network(str(tmp_path / "bundle"), 18, 5)
    assert float(found.fused_head.weight[1, -1].detach()) == 1.0
    assert found.training
    with pytest.raises(InputError, match="hyrisknet-18"):
        check_init(str(tmp_path / "bundle"), "finetune", 34)


@pytest.mark.parametrize("strategy", ["finetune", "frozen"])
def test_heads_that_have_learned_go_on_slowly(tmp_path: Path, strategy: str) -> None:
    write_tiny_bundle(tmp_path / "bundle")
    new = Settings("c", "p", strategy=strategy, init="imagenet").config(18)
    trained = Settings("c", "p", strategy=strategy, init=str(tmp_path / "bundle")).config(18)
    assert (new.head_learning_rate, trained.head_learning_rate) == (1e-3, 1e-4)
    assert new.learning_rate == trained.learning_rate == 1e-5


def test_a_damaged_bundle_is_refused(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "bundle")
    weights = tmp_path / "bundle" / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(BundleError, match="damaged"):
        starting_network(str(tmp_path / "bundle"), 18, 0)


class Harmful:
    """What a hostile .pth could hold: unpickled, it would call something."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("never"),)


def test_what_is_no_weights_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    torch.save({"layer": Harmful()}, path)
    with pytest.raises(InputError, match="no weights that can be read"):
        starting_network(str(path), 18, 0)
    assert not Path("never").exists(), "what a pickle wants to call is not called"
    for name in ("a.pth", "b.safetensors"):
        (tmp_path / name).write_bytes(b"nonsense")
        with pytest.raises(InputError, match="no weights that can be read"):
            starting_network(str(tmp_path / name), 18, 0)


def test_options_that_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leave out --init"):
        check_init("imagenet", "scratch", 18)
    with pytest.raises(InputError, match="no weights at"):
        check_init(str(tmp_path / "nothing.pth"), "frozen", 18)
    check_init("imagenet", "frozen", 18)


def test_imagenet_weights_are_torchvisions_own_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import models

    asked: list[tuple[str, dict[str, object]]] = []

    def load(url: str, **how: object) -> dict[str, torch.Tensor]:
        asked.append((url, how))
        raise URLError("no network")

    monkeypatch.setattr(starting_weights, "load_state_dict_from_url", load)
    for depth in (18, 34, 50, 101, 152):
        url = models.get_model_weights(f"resnet{depth}").IMAGENET1K_V1.url
        with pytest.raises(InputError, match="can't be downloaded here") as e:
            starting_weights._imagenet(depth)
        assert url in e.value.message
        assert asked.pop() == (url, {"progress": False, "check_hash": True, "weights_only": True})
