from __future__ import annotations

import dataclasses
import json
import os
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hyrisk_desktop import files
from hyrisk_desktop.errors import BundleError
from hyrisk_desktop.risk import bundle as bundle_module
from hyrisk_desktop.risk.bundle import load_bundle, read_description, seal_description
from hyrisk_desktop.risk.preprocessing import Preprocessing
from tests.helpers import bundles
from tests.helpers.bundles import edit_description, make_tiny_bundle

PLATT = {"slope": 1.0, "intercept": 0.0, "prevalence": 0.5}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pristine") / "tiny"
    make_tiny_bundle(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path, pristine: Path) -> Path:
    shutil.copytree(pristine, tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.mark.parametrize(
    ("said", "told"), [("6 years", "6 years"), (6, ""), ("x" * 40, "x" * 40), ("x" * 41, ""), ("6\n7", ""), (None, "")]
)
def test_a_horizon_is_a_short_line_or_none(pristine: Path, said: object, told: str) -> None:
    bundle = read_description(pristine)
    assert bundle.horizon == ""
    assert dataclasses.replace(bundle, training={"horizon": said}).horizon == told


def code_of(load: Callable[[Path], object], folder: Path) -> str:
    with pytest.raises(BundleError) as e:
        load(folder)
    assert str(folder) not in e.value.message
    return e.value.code


def test_round_trip(folder: Path) -> None:
    bundle, model = load_bundle(folder)
    assert bundle.network == "hyrisknet-18"
    assert bundle.sha256 in (folder / "CARD.md").read_text()
    assert bundle.novelty is not None
    assert bundle.novelty.whitening.shape == (8, 512)
    assert not model.training
    assert read_description(folder).name == bundle.name
    assert read_description(folder).bundle_sha256 == bundle.bundle_sha256


def test_the_folder_that_one_stands_in_is_a_bundle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    files.recover_folder(Path(), "model.json")
    assert load_bundle(Path())[0].name == load_bundle(folder)[0].name
    edit_description(folder, schema_version=99)
    with pytest.raises(BundleError, match="“tiny”"):
        read_description(Path())
    (folder / "model.json").write_text("{")
    with pytest.raises(BundleError, match="“tiny”"):
        read_description(Path())


def test_reference_risks_are_sorted_whatever_their_order(folder: Path) -> None:
    edit_description(folder, reference={"risknet": [0.9, 0.1, 0.5], "hyrisknet": [0.2]})
    assert read_description(folder).reference["risknet"].tolist() == [0.1, 0.5, 0.9]


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
        (lambda f: (f / "model.json").write_text("[" * 100_000), "bundle_malformed"),
        (lambda f: (f / "model.json").write_text("[]"), "bundle_schema"),
        (lambda f: edit_description(f, schema_version=99), "bundle_schema"),
        (lambda f: edit_description(f, depth=50, network="hyrisknet-50"), "bundle_malformed"),
        (lambda f: edit_description(f, depth=34), "bundle_malformed"),
        (lambda f: edit_description(f, preprocessing={}), "bundle_malformed"),
        (lambda f: edit_description(f, calibration=3), "bundle_malformed"),
    ],
)
def test_damage_is_one_sentence(folder: Path, damage: Callable[[Path], object], code: str) -> None:
    damage(folder)
    assert code_of(load_bundle, folder) == code


@pytest.mark.parametrize("missing", sorted(Preprocessing().to_json()))
def test_no_default_stands_in_for_a_missing_key(folder: Path, missing: str) -> None:
    values = {key: value for key, value in Preprocessing().to_json().items() if key != missing}
    edit_description(folder, preprocessing=values)
    assert code_of(read_description, folder) == "bundle_malformed"


@pytest.mark.parametrize(
    "changes",
    [
        {"preprocessing": {**Preprocessing().to_json(), "hu_window": ["-200", "500"]}},
        {"preprocessing": {**Preprocessing().to_json(), "std": [0.25, 0.25, float("nan")]}},
        {"calibration": {"hyrisknet": {"slope": 1.0, "intercept": 0.0}}},
        {"calibration": {"hyrisknet": {**PLATT, "prevalence": 1.0}}},
        {"calibration": {"hyrisknet": {**PLATT, "slope": "1.0"}}},
        {"calibration": {"hyrisknet": {**PLATT, "slope": 10**400}}},
        {"calibration": {"hyrisknett": PLATT}},
        {"reference": {"risknet": [0.1, float("nan")]}},
        {"reference": {"risknet": [0.1, 1.2]}},
        {"reference": {"risknet": ["0.1", "0.2"]}},
        {"reference": {"risknet": [[0.1, 0.2]]}},
        {"demonstration": "false"},
        {"depth": 18.0},
        {"name": None},
        {"score_input": "volume"},
        {"network": "hyrisknet-34"},
    ],
)
def test_values_that_would_mislead_are_refused(folder: Path, changes: dict[str, object]) -> None:
    edit_description(folder, **changes)
    assert code_of(read_description, folder) == "bundle_malformed"
    assert code_of(load_bundle, folder) == "bundle_malformed"


@pytest.mark.parametrize(
    "novelty", [{"threshold": float("nan"), "ranges": {}}, {"threshold": 1, "ranges": {"a": [2, 1]}}]
)
def test_a_guard_that_never_warns_is_refused(folder: Path, novelty: dict[str, object]) -> None:
    edit_description(folder, novelty=novelty)
    assert code_of(load_bundle, folder) == "bundle_malformed"


@pytest.mark.parametrize("load", [load_bundle, read_description])
def test_an_edited_description_is_refused(folder: Path, load: Callable[[Path], object]) -> None:
    edit_description(folder, sealed=False, calibration={"hyrisknet": {**PLATT, "prevalence": 0.4}})
    assert code_of(load, folder) == "bundle_hash"


def test_a_description_without_its_hash_is_refused_until_sealed(folder: Path) -> None:
    data = json.loads((folder / "model.json").read_text())
    seal = data.pop("description_sha256")
    (folder / "model.json").write_text(json.dumps(data))
    assert code_of(load_bundle, folder) == code_of(read_description, folder) == "bundle_hash"
    assert seal_description(folder).description_sha256 == seal
    assert load_bundle(folder)[0].description_sha256 == seal
    assert sorted(p.name for p in folder.iterdir()) == ["CARD.md", "model.json", "weights.safetensors"]


def test_sealing_from_the_shell(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    edit_description(folder, sealed=False, name="Renamed")
    monkeypatch.setattr(sys, "argv", ["bundle", str(folder)])
    monkeypatch.delitem(sys.modules, "hyrisk_desktop.risk.bundle")
    runpy.run_module("hyrisk_desktop.risk.bundle", run_name="__main__")
    assert capsys.readouterr().out.strip() == read_description(folder).description_sha256
    assert read_description(folder).name == "Renamed"


def test_a_damaged_bundle_is_not_sealed(folder: Path) -> None:
    before = (folder / "model.json").read_bytes()
    (folder / "weights.safetensors").write_bytes(b"x")
    assert code_of(seal_description, folder) == "bundle_hash"
    edit_description(folder, sealed=False, calibration=3)
    assert code_of(seal_description, folder) == "bundle_malformed"
    assert (folder / "model.json").read_bytes() != before


def test_two_calibrations_of_the_same_weights_differ(folder: Path) -> None:
    first = read_description(folder)
    edit_description(folder, calibration={"hyrisknet": {**PLATT, "prevalence": 0.4}})
    second = read_description(folder)
    assert first.sha256 == second.sha256
    assert first.bundle_sha256 != second.bundle_sha256


def test_replacing_leaves_no_remains(folder: Path) -> None:
    first = load_bundle(folder)[0].sha256
    make_tiny_bundle(folder, seed=1)
    assert load_bundle(folder)[0].sha256 != first
    assert [p.name for p in folder.parent.iterdir() if p.name.startswith("tiny")] == ["tiny"]


@pytest.mark.parametrize("load", [load_bundle, read_description, seal_description])
def test_a_crash_between_the_renames_is_mended(folder: Path, load: Callable[[Path], object]) -> None:
    os.replace(folder, folder.with_name("tiny.previous"))
    load(folder)
    assert (folder / "model.json").is_file()
    assert not folder.with_name("tiny.previous").exists()


def test_writing_after_such_a_crash_keeps_the_old_one_to_the_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.replace(folder, folder.with_name("tiny.previous"))
    monkeypatch.setattr(bundle_module, "replace_folder", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        make_tiny_bundle(folder, seed=1)
    assert load_bundle(folder)[0].name == "Tiny test network"
    assert not folder.with_name("tiny.staging").exists()


def test_an_unusable_new_bundle_does_not_replace_the_last_good_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (folder / "model.json").read_bytes()
    monkeypatch.setitem(bundles.REFERENCE, "hyrisknet", np.array([0.5, 1.5]))
    assert code_of(lambda f: make_tiny_bundle(f, seed=1), folder) == "bundle_malformed"
    assert (folder / "model.json").read_bytes() == before


def test_a_failed_swap_puts_the_old_folder_back(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(OSError):
        files.replace_folder(tmp_path / "staging-that-is-not-there", target)
    assert (target / "old").is_file()


def test_a_reader_that_recovers_in_between_does_not_stop_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, staging = tmp_path / "bundle", tmp_path / "staging"
    for path in (target, staging):
        path.mkdir()
        (path / path.name).touch()
    replace, calls = os.replace, []

    def interrupted(source: Path, destination: Path) -> None:
        calls.append(source)
        if len(calls) == 2:
            files.recover_folder(target, "bundle")
        replace(source, destination)

    monkeypatch.setattr(files.os, "replace", interrupted)
    files.replace_folder(staging, target)
    assert [p.name for p in target.iterdir()] == ["staging"]
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]
