from __future__ import annotations

import json
from pathlib import Path

import pytest

from hyrisk_desktop.errors import BundleError
from hyrisk_desktop.risk.bundle import load_bundle, read_description
from tests.helpers.bundles import write_tiny_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tiny_bundle(tmp_path / "tiny")
    return tmp_path / "tiny"


def test_round_trip(folder: Path) -> None:
    bundle, model = load_bundle(folder)
    assert bundle.network == "hyrisknet-18"
    assert bundle.sha256 in (folder / "CARD.md").read_text()
    assert bundle.novelty is not None
    assert bundle.novelty.whitening.shape == (8, 512)
    assert not model.training
    assert read_description(folder).name == bundle.name


def test_one_flipped_bit_is_refused(folder: Path) -> None:
    weights = folder / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    with pytest.raises(BundleError, match="SHA-256"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda f: (f / "model.json").unlink(), "bundle_missing"),
        (lambda f: (f / "weights.safetensors").unlink(), "bundle_unreadable"),
        (lambda f: (f / "model.json").write_text("{"), "bundle_malformed"),
        (lambda f: (f / "model.json").write_text("[]"), "bundle_schema"),
        (lambda f: edit(f, schema_version=99), "bundle_schema"),
        (lambda f: edit(f, depth=50), "bundle_malformed"),
        (lambda f: edit(f, preprocessing={}), None),
        (lambda f: edit(f, calibration=3), "bundle_malformed"),
    ],
)
def test_damage_is_one_sentence(folder: Path, damage: object, code: str | None) -> None:
    damage(folder)  # type: ignore[operator]
    if code is None:
        # Defaults stand in for what a description leaves out.
        assert load_bundle(folder)[0].preprocessing.input_size == 224
        return
    with pytest.raises(BundleError) as e:
        load_bundle(folder)
    assert e.value.code == code
    assert str(folder) not in e.value.message


def edit(folder: Path, **changes: object) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_replacing_leaves_no_remains(folder: Path) -> None:
    first = load_bundle(folder)[0].sha256
    write_tiny_bundle(folder, seed=1)
    assert load_bundle(folder)[0].sha256 != first
    assert [p.name for p in folder.parent.iterdir() if p.name.startswith("tiny")] == ["tiny"]
