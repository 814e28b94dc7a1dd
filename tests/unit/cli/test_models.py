"""`hyrisk models` as an IT person uses it, and that what it chooses is what `hyrisk score` reads with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hyrisk_desktop.paths import models_dir
from tests.helpers.bundles import edit_description, write_chance_bundle, write_tiny_bundle
from tests.helpers.languages import speaking
from tests.helpers.volumes import HEART_CENTRE
from tests.unit.cli.test_score import exam, hyrisk  # noqa: F401

Hyrisk = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("made")
    for seed, name in enumerate(("demo", "first", "second")):
        write_tiny_bundle(folder / name, seed=seed, name=f"Tiny {name}")
    return {name: folder / name for name in ("demo", "first", "second")}


@pytest.fixture
def models(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], made: dict[str, Path], tmp_path: Path
) -> Hyrisk:
    """`hyrisk models ...`, with a bundled model that has a known answer."""
    demo = shutil.copytree(made["demo"], tmp_path / "hyrisknet-demo")
    monkeypatch.setattr("hyrisk_desktop.paths.bundled_model_dir", lambda: demo)
    return lambda *arguments: hyrisk(monkeypatch, capsys, "models", *arguments)


def title_in_use(models: Hyrisk) -> str:
    return next(row["title"] for row in json.loads(models("list", "--json")[1])["models"] if row["active"])


def test_a_day_with_models(models: Hyrisk, made: dict[str, Path], tmp_path: Path) -> None:
    assert title_in_use(models) == "Tiny demo"
    assert models("import", made["first"], "--device", "cpu")[0] == 0
    assert models("import", made["second"], "--device", "cpu")[0] == 0
    code, out, err = models("list")
    assert (code, err) == (0, "")
    assert out.count("synthetic phantoms") == 3
    assert [line[0] for line in out.splitlines() if line[1:2] == " " and line[2:3] != " "][:3] == [" ", " ", "*"]
    assert title_in_use(models) == "Tiny second"
    assert "“Tiny first”" in models("roll-back")[1]
    assert models("activate", "Tiny second")[0] == 0
    assert "# Test bundle" in models("card")[1]
    assert "# Test bundle" in models("card", "Tiny first")[1]
    assert models("export", "Tiny first", tmp_path / "first.zip") == (0, "Written.\n", "")
    assert models("remove", "Tiny first")[0] == 0
    assert len(json.loads(models("list", "--json")[1])["models"]) == 2
    assert models("import", tmp_path / "first.zip", "--device", "cpu")[0] == 0
    assert title_in_use(models) == "Tiny first"
    assert "known answer" in models("check", "--device", "cpu")[1]
    assert models("check", made["second"], "--device", "cpu")[0] == 0


def test_what_is_wrong_with_a_model_is_english_in_json(models: Hyrisk, made: dict[str, Path]) -> None:
    assert models("import", made["first"], "--device", "cpu")[0] == 0
    for weights in models_dir().rglob("weights.safetensors"):
        weights.write_bytes(b"damaged")
    found = json.loads(models("list", "--json")[1])
    assert found["warning"]
    assert any(row["problem"] for row in found["models"])
    with speaking("de"):
        assert json.loads(models("list", "--json")[1]) == found


def test_a_model_of_chance_needs_a_word_more(models: Hyrisk, tmp_path: Path) -> None:
    write_chance_bundle(tmp_path / "chance")
    code, out, err = models("import", tmp_path / "chance", "--device", "cpu")
    assert code == 3
    assert "not better than chance where it was trained" in out + err
    assert "--anyway" in out + err
    assert title_in_use(models) == "Tiny demo"
    assert models("import", tmp_path / "chance", "--device", "cpu", "--anyway")[0] == 0
    assert title_in_use(models) == "Chance network"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("activate", "nothing"), 2),
        (("card", "nothing"), 2),
        (("roll-back",), 2),
        (("remove", "hyrisknet-demo"), 2),
        (("import", "/nowhere/model.zip"), 3),
        (("check", "nothing"), 2),
        (("check", "--device", "tpu"), 2),
    ],
)
def test_what_can_not_be_done_is_one_sentence(models: Hyrisk, arguments: tuple[str, ...], code: int) -> None:
    got, out, err = models(*arguments)
    assert (got, out) == (code, "")
    assert err.count("\n") == 1
    assert 15 < len(err) < 200


def test_a_model_without_a_known_answer_is_not_installed(models: Hyrisk, made: dict[str, Path], tmp_path: Path) -> None:
    bad = shutil.copytree(made["first"], tmp_path / "bad")
    edit_description(bad, training={})
    code, out, err = models("import", bad, "--device", "cpu")
    assert (code, out) == (3, "")
    assert "without a known answer" in err
    assert models("check", bad, "--device", "cpu")[0] == 3
    assert title_in_use(models) == "Tiny demo"


def test_score_reads_with_the_model_in_use(
    models: Hyrisk,
    made: dict[str, Path],
    exam: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def score(*more: object) -> dict[str, object]:
        arguments = ("score", exam, "--center", *HEART_CENTRE, "--grade", 1, "--device", "cpu", "--json", *more)
        return json.loads(hyrisk(monkeypatch, capsys, *arguments)[1])

    assert score()["risk"]["model"] == "Tiny demo"
    models("import", made["first"], "--device", "cpu")
    assert score()["risk"] == score("--model", made["first"])["risk"]
    models("import", made["second"], "--device", "cpu")
    folder = next(p for p in models_dir().iterdir() if p.name.startswith("tiny-second"))
    (folder / "weights.safetensors").write_bytes(b"x")
    document = score()
    assert document["risk"]["model"] == "Tiny first"
    fallback = next(f for f in document["findings"] if f["code"] == "model_fallback")
    assert fallback["severity"] == "warning"
    assert "SHA-256" in fallback["message"]
    assert "“Tiny first” is in use" in fallback["message"]
    _, out, err = models("list")
    assert "damaged: " in out
    assert err == fallback["message"] + "\n"
