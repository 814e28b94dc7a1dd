"""The shelf of models: what is installed is whole, what is in use is good, and a crash changes neither."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hyrisk_desktop.errors import BundleError, InputError
from hyrisk_desktop.risk import bundle_files, model_store
from hyrisk_desktop.risk.bundle import read_description, verify_bundle
from hyrisk_desktop.risk.model_store import DOUBTFUL, ModelStore, folder_name
from hyrisk_desktop.risk.model_summary import doubt_of
from hyrisk_desktop.risk.self_test import KNOWN_ANSWER
from tests.helpers.bundles import edit_description, write_chance_bundle, write_tiny_bundle

FILES = ["CARD.md", "model.json", "weights.safetensors"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A bundled model, and three others, two of one name."""
    folder = tmp_path_factory.mktemp("made")
    for seed, (key, name) in enumerate({"demo": "Demonstration", "a": "Tiny", "b": "Tiny", "c": "Other"}.items()):
        write_tiny_bundle(folder / key, seed=seed, name=name)
    return {key: folder / key for key in ("demo", "a", "b", "c")}


@pytest.fixture
def store(tmp_path: Path, made: dict[str, Path]) -> ModelStore:
    return ModelStore(tmp_path / "models", shutil.copytree(made["demo"], tmp_path / "demo"))


def shelf(store: ModelStore) -> list[str]:
    """Everything that lies in the store's folder."""
    return sorted(p.name for p in store._directory.iterdir()) if store._directory.is_dir() else []


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def code_of(act: Callable[[], object], kind: type[BundleError | InputError] = BundleError) -> str:
    with pytest.raises(kind) as e:
        act()
    assert len(e.value.message) > 15
    assert "/" not in e.value.message
    return e.value.code


def test_an_empty_shelf_has_the_bundled_model(store: ModelStore) -> None:
    (model,) = store.models()
    assert model.active
    assert model.bundled
    assert model.title == "Demonstration"
    assert store.active_dir() == model.directory
    assert store.active().warning == ""
    assert store.previous() is None
    assert code_of(store.roll_back, InputError) == "no_earlier_model"
    assert shelf(store) == []


def test_what_is_installed_is_in_use(store: ModelStore, made: dict[str, Path]) -> None:
    model = store.install(made["a"], "cpu")
    assert model.active
    assert store.active_dir() == model.directory
    assert sorted(p.name for p in model.directory.iterdir()) == FILES
    assert [m.active for m in store.models()] == [False, True]
    assert shelf(store) == sorted([model.name, "active.json"])


def test_two_models_of_one_name_live_side_by_side(store: ModelStore, made: dict[str, Path]) -> None:
    a, b = store.install(made["a"], "cpu"), store.install(made["b"], "cpu")
    assert a.title == b.title
    assert a.name != b.name
    assert store.active_dir() == b.directory
    assert len(store.models()) == 3
    assert code_of(lambda: store.find("Tiny"), InputError) == "model_name"
    assert store.find(a.name).directory == a.directory
    assert store.find(a.bundle.sha256[:10]).directory == a.directory
    assert store.find("").bundled


def test_installing_again_changes_nothing_and_mends_damage(store: ModelStore, made: dict[str, Path]) -> None:
    a = store.install(made["a"], "cpu")
    assert store.install(made["a"], "cpu").directory == a.directory
    flip(a.directory / "weights.safetensors")
    assert store.active().warning
    store.install(made["a"], "cpu")
    assert store.active().warning == ""
    assert shelf(store) == sorted([a.name, "active.json"])


def test_rolling_back_goes_step_by_step(store: ModelStore, made: dict[str, Path]) -> None:
    a, b = store.install(made["a"], "cpu"), store.install(made["b"], "cpu")
    store.activate("")
    assert store.active_dir() == store._bundled
    assert store.previous().name == b.name
    assert store.roll_back().name == b.name
    assert store.roll_back().name == a.name
    assert store.roll_back().bundled
    assert code_of(store.roll_back, InputError) == "no_earlier_model"


@pytest.mark.parametrize("file", FILES[1:])
def test_a_damaged_model_in_use_gives_way_aloud(store: ModelStore, made: dict[str, Path], file: str) -> None:
    a, b = store.install(made["a"], "cpu"), store.install(made["c"], "cpu")
    flip(b.directory / file)
    active = store.active()
    assert active.directory == a.directory
    assert "SHA-256" in active.warning or "malformed" in active.warning
    assert "“Tiny” is in use" in active.warning
    assert [f.code for f in active.findings] == ["model_fallback"]
    damaged = store.find(b.name)
    assert damaged.bundle is None
    assert damaged.problem
    assert code_of(lambda: store.activate(b.name)) == "bundle_damaged"
    shutil.rmtree(a.directory)
    assert store.active().directory == store._bundled
    assert "“Demonstration”" in store.active().warning
    flip(store._bundled / "weights.safetensors")
    assert store.active().directory == store._bundled
    assert "in use" not in store.active().warning


def test_rolling_back_skips_the_damaged(store: ModelStore, made: dict[str, Path]) -> None:
    a, b, c = (store.install(made[key], "cpu") for key in "abc")
    flip(b.directory / "weights.safetensors")
    assert store.previous().name == a.name
    assert store.roll_back().name == a.name
    assert c.name not in json.loads((store._directory / "active.json").read_text())["history"]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"history": 3}', '{"history": [3]}', '{"history": ["../../x"]}', '{"history": ["."]}']
)
def test_an_unreadable_history_is_said(store: ModelStore, made: dict[str, Path], content: str) -> None:
    a = store.install(made["a"], "cpu")
    (store._directory / "active.json").write_text(content)
    active = store.active()
    assert active.directory == store._bundled
    assert "can't be read" in active.warning
    store.activate(a.name)
    assert store.active() == model_store.ActiveModel(a.directory)


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda f: flip(f / "weights.safetensors"), "bundle_hash"),
        (lambda f: edit_description(f, calibration=3), "bundle_malformed"),
        (lambda f: edit_description(f, training={}), "no_known_answer"),
        (
            lambda f: edit_description(
                f, training={KNOWN_ANSWER: {"exam": 1, "risknet": 5.0, "by_grade": [0.0, 0.0, 0.0, 9.0]}}
            ),
            "bundle_known_answer",
        ),
        (lambda f: edit_description(f, score_input="agatston"), "bundle_malformed"),
        (lambda f: (f / "CARD.md").unlink(), "bundle_incomplete"),
        (lambda f: (f / "weights.safetensors").unlink(), "bundle_incomplete"),
        (shutil.rmtree, "bundle_incomplete"),
    ],
)
def test_what_fails_its_test_is_not_installed(
    store: ModelStore, made: dict[str, Path], tmp_path: Path, damage: Callable[[Path], object], code: str
) -> None:
    a = store.install(made["a"], "cpu")
    before = shelf(store)
    bad = shutil.copytree(made["c"], tmp_path / "bad")
    damage(bad)
    assert code_of(lambda: store.install(bad, "cpu")) == code
    assert shelf(store) == before
    assert store.active_dir() == a.directory


def test_removing(store: ModelStore, made: dict[str, Path]) -> None:
    a, b = store.install(made["a"], "cpu"), store.install(made["b"], "cpu")
    assert code_of(lambda: store.remove(b.name), InputError) == "model_active"
    assert code_of(lambda: store.remove(""), InputError) == "model_bundled"
    assert code_of(lambda: store.remove("unknown"), InputError) == "model_name"
    store.remove(a.name)
    assert shelf(store) == sorted([b.name, "active.json"])
    assert store.roll_back().bundled
    flip(b.directory / "model.json")
    store.remove(b.name)
    assert shelf(store) == ["active.json"]


def test_a_hostile_name_stays_on_the_shelf(store: ModelStore, tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "evil", name='../../..\\evil\0 CON:"*?<>| ' + "x" * 300)
    model = store.install(tmp_path / "evil", "cpu")
    assert model.directory.parent == store._directory
    assert model.name.startswith("evil-con-x")
    assert len(model.name) <= 53
    write_tiny_bundle(tmp_path / "nameless", name="日本")
    assert folder_name(read_description(tmp_path / "nameless")).startswith("hyrisknet-18-")


# --- crashes


@pytest.fixture(scope="module")
def light(made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same with weights of a kilobyte, for what only looks at hashes: the real ones take 22 MB each time."""
    folder = tmp_path_factory.mktemp("light")
    for key, bundle in made.items():
        weights = key.encode() * 1024
        (shutil.copytree(bundle, folder / key) / "weights.safetensors").write_bytes(weights)
        edit_description(folder / key, sha256=hashlib.sha256(weights).hexdigest())
    return {key: folder / key for key in made}


@pytest.mark.parametrize("step", range(1, 20))
def test_a_crash_at_any_step_leaves_the_old_or_the_new(
    light: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Killed for good (os._exit) before the n-th operation that changes the disk, in a process of its own."""
    # The test itself has its own tests.
    monkeypatch.setattr("hyrisk_desktop.risk.self_test.self_test", lambda folder, _: verify_bundle(folder))
    store = ModelStore(tmp_path / "models", shutil.copytree(light["demo"], tmp_path / "demo"))
    a = store.install(light["a"], "cpu")
    code = """
import os, shutil, sys
from pathlib import Path
sys.path.insert(0, sys.argv[5])
from hyrisk_desktop.risk import model_store, self_test
left = int(sys.argv[4])
def counted(real):
    def call(*a, **k):
        global left
        left -= 1
        if left == 0:
            os._exit(9)
        return real(*a, **k)
    return call
os.replace, os.fsync, os.mkdir, shutil.rmtree = map(counted, (os.replace, os.fsync, os.mkdir, shutil.rmtree))
# As in the test, and without the import of torch.
self_test.self_test = lambda folder, device: self_test.load_bundle.__globals__["verify_bundle"](folder)
model_store.ModelStore(Path(sys.argv[1]), Path(sys.argv[2])).install(Path(sys.argv[3]))
"""
    root = str(Path(__file__).parents[3])
    arguments = [str(store._directory), str(store._bundled), str(light["c"]), str(step), root]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode in (0, 9), done.stderr
    if step == 1:
        assert done.returncode == 9
    if step == 19:
        assert done.returncode == 0, "more steps than are tested"
    active = store.active()
    assert active.warning == ""
    assert active.directory.name == a.name or done.returncode == 0 or step > 8
    assert read_description(active.directory).name in ("Tiny", "Other")
    assert all(model.bundle is not None for model in store.models())
    c = store.install(light["c"], "cpu")
    assert store.active_dir() == c.directory
    assert [m.title for m in store.models() if not m.bundled].count("Other") == 1


def test_a_full_disk_is_one_sentence(
    store: ModelStore, made: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    a = store.install(made["a"], "cpu")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert code_of(lambda: store.install(made["b"], "cpu")) == "store_unwritable"
    assert code_of(lambda: store.activate("")) == "store_unwritable"
    assert code_of(lambda: store.export_model(a.name, tmp_path / "x.zip")) == "export_unwritable"
    monkeypatch.undo()
    assert shelf(store) == sorted([a.name, "active.json"])
    assert not (tmp_path / "x.zip").exists()
    assert store.active_dir() == a.directory


def test_yesterdays_leftovers_are_swept(store: ModelStore, made: dict[str, Path]) -> None:
    store.install(made["a"], "cpu")
    for name, age in ((".staging-old", 200_000), (".removed-old", 200_000), (".staging-new", 0)):
        (store._directory / name).mkdir()
        when = (store._directory / name).stat().st_mtime - age
        os.utime(store._directory / name, (when, when))
    store.install(made["b"], "cpu")
    assert [name for name in shelf(store) if name.startswith(".")] == [".staging-new"]


# --- zips


def test_export_and_import_are_a_round_trip(store: ModelStore, made: dict[str, Path], tmp_path: Path) -> None:
    a = store.install(made["a"], "cpu")
    path = tmp_path / "out" / "model.zip"
    assert code_of(lambda: store.export_model(a.name, path)) == "export_unwritable"
    path.parent.mkdir()
    store.export_model(a.name, path)
    first = path.read_bytes()
    store.export_model(a.name, path)
    assert path.read_bytes() == first
    assert [p.name for p in path.parent.iterdir()] == ["model.zip"]
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == FILES
    other = ModelStore(tmp_path / "elsewhere", store._bundled)
    model = other.import_model(path, "cpu")
    assert model.name == a.name
    for name in FILES:
        assert (model.directory / name).read_bytes() == (a.directory / name).read_bytes()
    assert other.import_model(made["c"], "cpu").title == "Other"


def test_a_damaged_model_is_not_exported(store: ModelStore, made: dict[str, Path], tmp_path: Path) -> None:
    a = store.install(made["a"], "cpu")
    flip(a.directory / "weights.safetensors")
    assert code_of(lambda: store.export_model(a.name, tmp_path / "x.zip")) == "bundle_damaged"


def test_a_zip_packed_by_hand_around_the_folder_is_taken(
    store: ModelStore, made: dict[str, Path], tmp_path: Path
) -> None:
    path = Path(shutil.make_archive(str(tmp_path / "hand"), "zip", made["a"].parent, "a"))
    assert store.import_model(path, "cpu").title == "Tiny"


def hostile(made: Path, path: Path, kind: str) -> None:
    """A zip that must not be unpacked."""
    files = {name: (made / name).read_bytes() for name in FILES}
    entries: list[tuple[str | zipfile.ZipInfo, bytes]] = list(files.items())
    compression = zipfile.ZIP_STORED
    if kind in (
        "../model.json",
        "/model.json",
        "..\\model.json",
        "C:model.json",
        "a/../../model.json",
        "a/b/model.json",
    ):
        entries[1] = (kind, files["model.json"])
    elif kind == "more":
        entries.append(("run.py", b"print()"))
    elif kind == "twice":
        entries.append(("a/model.json", files["model.json"]))
    elif kind == "two folders":
        entries[0] = ("a/CARD.md", files["CARD.md"])
    elif kind == "link":
        link = zipfile.ZipInfo("CARD.md")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        entries[0] = (link, b"/etc/passwd")
    elif kind == "large":
        entries[0] = ("CARD.md", bytes((1 << 20) + 1))
        compression = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries:
            # Of one file only: to pack the weights like that would take half a minute.
            exotic = kind == "exotic" and name == "CARD.md"
            archive.writestr(name, content, zipfile.ZIP_LZMA if exotic else None)


@pytest.mark.parametrize(
    "kind",
    [
        "../model.json",
        "/model.json",
        "..\\model.json",
        "C:model.json",
        "a/../../model.json",
        "a/b/model.json",
        "more",
        "twice",
        "two folders",
        "link",
        "large",
        "exotic",
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile_zips_are_refused(store: ModelStore, made: dict[str, Path], tmp_path: Path, kind: str) -> None:
    path = tmp_path / "hostile.zip"
    hostile(made["a"], path, kind)
    before = {p for p in tmp_path.rglob("*") if "models" not in p.parts}
    assert code_of(lambda: store.import_model(path, "cpu")) == "zip_refused"
    assert {p for p in tmp_path.rglob("*") if "models" not in p.parts} == before
    assert shelf(store) == []


def test_a_zip_that_lies_about_a_size_is_refused(
    store: ModelStore, made: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lie.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in FILES:
            archive.writestr(name, bytes(1 << 20) if name == "CARD.md" else (made["a"] / name).read_bytes())
    content = path.read_bytes()
    lie = content.replace((1 << 20).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    assert lie != content
    path.write_bytes(lie)
    assert code_of(lambda: store.import_model(path, "cpu")) in ("zip_damaged", "zip_refused")
    # And where the zip library itself would believe it, the bytes are counted.
    monkeypatch.setitem(bundle_files.LARGEST, "CARD.md", 1000)
    assert code_of(lambda: store.import_model(made["demo"].parent / "gone.zip", "cpu")) == "zip_unreadable"
    big = shutil.copytree(made["a"], tmp_path / "big")
    (big / "CARD.md").write_bytes(bytes(1001))
    assert code_of(lambda: store.import_model(big, "cpu")) == "zip_refused"
    assert shelf(store) == []


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 but no more", b"x" * 5000])
def test_what_is_no_zip_is_one_sentence(store: ModelStore, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.zip"
    path.write_bytes(content)
    assert code_of(lambda: store.import_model(path, "cpu")) == "zip_damaged"


def test_every_cut_and_flip_of_a_zip_is_refused_or_harmless(
    store: ModelStore, made: dict[str, Path], tmp_path: Path
) -> None:
    a = store.install(made["a"], "cpu")
    whole = tmp_path / "model.zip"
    store.export_model(a.name, whole)
    data = whole.read_bytes()
    other = ModelStore(tmp_path / "elsewhere", store._bundled)
    for place in (10, 40, len(data) // 3, len(data) // 2, len(data) - 300, len(data) - 30):
        flipped = bytearray(data)
        flipped[place] ^= 1
        for variant in (data[:place], bytes(flipped)):
            whole.write_bytes(variant)
            # Either it is refused, or what is installed is what was exported.
            with contextlib.suppress(BundleError):
                assert other.import_model(whole, "cpu").name == a.name
    assert all(model.bundle is not None for model in other.models())


def test_the_store_needs_no_torch() -> None:
    code = "import sys, hyrisk_desktop.risk.model_store, hyrisk_desktop.risk.self_test; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_model_of_chance_is_a_question_and_nothing_has_changed_meanwhile(store: ModelStore, tmp_path: Path) -> None:
    write_chance_bundle(tmp_path / "chance")
    sentence = "HyRiskNet was not better than chance where it was trained: AUC 0.531, 95 % interval 0.440 to 0.620."
    assert doubt_of(read_description(tmp_path / "chance")) == sentence
    with pytest.raises(BundleError) as e:
        store.import_model(tmp_path / "chance", "cpu", anyway=False)
    assert (e.value.code, e.value.message) == (DOUBTFUL, sentence)
    assert shelf(store) == []
    installed = store.import_model(tmp_path / "chance", "cpu", anyway=True)
    store.export_model(installed.name, tmp_path / "chance.zip")
    store.activate("")
    store.remove(installed.name)
    # In a zip as well; and of a damaged bundle nothing it says is believed.
    assert code_of(lambda: store.import_model(tmp_path / "chance.zip", "cpu", anyway=False)) == DOUBTFUL
    flip(tmp_path / "chance" / "weights.safetensors")
    assert code_of(lambda: store.import_model(tmp_path / "chance", "cpu", anyway=False)) == "bundle_hash"


@pytest.mark.parametrize(
    ("aucs", "asked"),
    [
        ({"hyrisknet": {"auc": 0.6, "ci": [0.5, 0.7]}}, True),
        ({"hyrisknet": {"auc": 0.6, "ci": [0.501, 0.7]}}, False),
        ({"risknet": {"auc": 0.4, "ci": [0.3, 0.49]}}, True),
        ({"hyrisknet": {"auc": 0.4}}, False),
        ({"hyrisknet": {"auc": "low", "ci": [0.1, 0.2]}}, False),
        ([], False),
    ],
)
def test_only_an_interval_that_reaches_a_half_is_asked_about(made: dict[str, Path], aucs: object, asked: bool) -> None:
    bundle = replace(read_description(made["a"]), training={"results": {"auc": aucs}})
    assert bool(doubt_of(bundle)) is asked
