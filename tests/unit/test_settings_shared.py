"""The settings file shared by windows, cut off, damaged or made by somebody else: nothing is lost, and the program starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hyrisk_desktop import settings as module
from hyrisk_desktop.bounded_json import parse_json, read_json
from hyrisk_desktop.exchange.pacs.node import Node, nodes_of, with_node, without_node
from hyrisk_desktop.file_lock import locked
from hyrisk_desktop.i18n import install_language, languages_of, tr
from hyrisk_desktop.settings import TABLE, Settings
from tests.helpers.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.json"


def node(name: str, port: int = 104) -> dict[str, Any]:
    return {"name": name, "ae_title": "A", "host": "h", "port": port}


def names(settings: Settings) -> list[str]:
    return [row["name"] for row in settings["pacs_nodes"]]


def test_two_windows_change_different_keys(path: Path) -> None:
    one, two = Settings(path), Settings(path)
    one["reader"] = "Ada"
    two["overlay_level"] = 1
    one["per_vessel"] = True
    again = Settings(path)
    assert (again["reader"], again["overlay_level"], again["per_vessel"]) == ("Ada", 1, True)


def test_nodes_are_merged_one_by_one(path: Path) -> None:
    first = Settings(path)
    first["pacs_nodes"] = [node("a"), node("b"), node("c")]
    one, two = Settings(path), Settings(path)
    one["pacs_nodes"] = [node("a"), node("b", 105), node("c"), node("d")]
    two["pacs_nodes"] = [node("a"), node("b"), node("e")]
    assert two["pacs_nodes"] == [node("a"), node("b", 105), node("e"), node("d")]
    assert Settings(path)["pacs_nodes"] == two["pacs_nodes"]
    one["pacs_nodes"] = [row for row in one["pacs_nodes"] if row["name"] != "a"]
    assert names(Settings(path)) == ["b", "d", "e"]


def test_rows_that_cannot_be_used_here_outlive_a_change(path: Path) -> None:
    newer = {"name": "newer", "quantum": True}
    nameless = {"host": "x"}
    path.write_text(json.dumps({"pacs_nodes": [newer, node("a"), nameless]}))
    settings = Settings(path)
    settings["pacs_nodes"] = with_node(settings["pacs_nodes"], Node("b", "B", "h"), "a")
    stored = json.loads(path.read_text())["pacs_nodes"]
    assert [stored[0], stored[1]["name"], stored[2]] == [newer, "b", nameless]
    settings["pacs_nodes"] = without_node(settings["pacs_nodes"], "b")
    assert json.loads(path.read_text())["pacs_nodes"] == [newer, nameless]
    assert nodes_of(settings["pacs_nodes"]) == ()


def test_recent_exams_of_both_windows_are_kept_up_to_ten(path: Path) -> None:
    one, two = Settings(path), Settings(path)
    one.add_recent(Path("/one"))
    two.add_recent(Path("/two"))
    assert Settings(path)["recent_exams"] == [str(Path("/two")), str(Path("/one"))]
    for n in range(12):
        one.add_recent(Path(f"/{n}"))
    assert len(Settings(path)["recent_exams"]) == 10
    one["recent_exams"] = []
    assert Settings(path)["recent_exams"] == []


def test_keys_of_a_newer_version_are_kept(path: Path) -> None:
    path.write_text('{"later": [1], "overlay_level": "three"}')
    Settings(path)["reader"] = "Ada"
    assert json.loads(path.read_text()) == {"later": [1], "overlay_level": "three", "reader": "Ada"}


def test_what_could_not_be_stored_is_stored_with_the_next_change(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOCK_WAIT_S", 0.02)
    settings = Settings(path)
    with locked(path.with_name(".settings.json.lock"), 1.0):
        settings["reader"] = "Ada"
    assert not path.exists()
    settings["overlay_level"] = 0
    assert (Settings(path)["reader"], Settings(path)["overlay_level"]) == ("Ada", 0)


def test_many_processes_lose_no_node(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from hyrisk_desktop.settings import Settings\n"
        "for n in range(8):\n"
        "    s = Settings(Path(sys.argv[1]))\n"
        "    s['pacs_nodes'] = [*s['pacs_nodes'], {'name': sys.argv[2] + str(n)}]\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    processes = [subprocess.Popen([*command, letter], cwd=ROOT) for letter in "abcd"]
    assert [p.wait(PATIENCE_S) for p in processes] == [0] * 4
    assert sorted(names(Settings(path))) == sorted(f"{letter}{n}" for letter in "abcd" for n in range(8))
    assert [p.name for p in path.parent.iterdir()] == ["settings.json"]


DAMAGED = {
    "empty": b"",
    "cut off": b'{"reader": "Ada", "pacs_no',
    "deep list": b"[" * 200_000,
    "deep object": b'{"a":' * 200_000,
    "deep and whole": b'{"later": ' + b"[" * 70 + b"]" * 70 + b"}",
    "no object": b"[1]",
    "no text": b'{"reader": "\xff\xfe"}',
    "huge number": b'{"overlay_level": ' + b"9" * 10_000 + b"}",
    "huge": b'{"reader": "' + b"x" * (4 << 20) + b'"}',
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_kept_and_told_and_the_program_starts(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    settings = Settings(path)
    assert (settings["overlay_level"], settings["pacs_nodes"]) == (2, [])
    (kept,) = path.parent.glob("settings.json.damaged-*")
    assert kept.read_bytes() == content
    assert kept.name in settings.problem
    settings["reader"] = "Ada"
    again = Settings(path)
    assert (again.problem, again["reader"]) == ("", "Ada")
    assert kept.read_bytes() == content


def test_a_file_damaged_under_an_open_window_gets_its_settings_back(path: Path) -> None:
    settings = Settings(path)
    settings["pacs_nodes"] = [node("a")]
    told: list[str] = []
    settings.tell = told.append
    path.write_bytes(path.read_bytes()[:-9])
    settings["reader"] = "Ada"
    assert len(told) == 1
    assert (names(Settings(path)), Settings(path)["reader"]) == (["a"], "Ada")
    assert len(list(path.parent.glob("settings.json.damaged-*"))) == 1


WRONG: dict[str, list[Any]] = {
    "recent_exams": ["x", [1], [None], ["a\0b"], ["x"] * 1001, {}],
    "window_geometry": [1, "é", "\ud800", "x" * 70_000],
    "window_state": ["\n", None],
    "overlay_level": [3, -1, True, 1.0, "1", 10**400],
    "prevalence": [-0.1, 1.1, float("nan"), float("inf"), "0"],
    "device": ["a\nb", "x" * 41, 1],
    "reader": ["a\nb", "x" * 81, 1],
    "store": ["a\0b", 1],
    "read_ahead_mb": [-1, 10**7, 1.5],
    "worklist_state": ["é", 1],
    "pacs_nodes": [{}, "x", [1], [[]], [{}] * 1001],
    "pacs_ae_title": ["x" * 17, "a\nb"],
    "pacs_port": [0, 65536, "104"],
    "pacs_address": ["x" * 254, "a\nb"],
    "pacs_send_formats": ["sr", [1]],
    "export_formats": [[["sr"]]],
    "pacs_listen": [1, "true"],
    "language": ["../../tmp", "/tmp/x", "de/../..", "", "e", "en\n", "C:\\x"],
}


@pytest.mark.parametrize(("key", "value"), [(k, v) for k, values in WRONG.items() for v in values])
def test_values_of_the_wrong_kind_mean_defaults_for_that_key_alone(path: Path, key: str, value: Any) -> None:
    path.write_text(json.dumps({key: value, "per_vessel": True}))
    settings = Settings(path)
    (default,) = [row.default for row in TABLE if row.key == key]
    assert (settings[key], settings["per_vessel"], settings.problem) == (default, True, "")


def test_the_defaults_are_what_the_table_takes() -> None:
    assert [row.key for row in TABLE if not row.check(row.default)] == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_for_a_settings_file_does_not_hang(path: Path) -> None:
    os.mkfifo(path)
    assert Settings(path)["overlay_level"] == 2


def test_settings_that_can_not_be_read_are_told(path: Path) -> None:
    path.mkdir()
    settings = Settings(path)
    assert settings["overlay_level"] == 2
    assert settings.problem == f"The settings can't be read, so the program's own are used: {path}."


# --- JSON of others


def test_json_is_bounded_in_size_and_depth(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text('{"a": [1, 2]}')
    assert read_json(file, 13) == {"a": [1, 2]}
    with pytest.raises(ValueError, match="large"):
        read_json(file, 12)
    assert parse_json("[[[]]]", deepest=3) == [[[]]]
    with pytest.raises(ValueError, match="deep"):
        parse_json("[[[]]]", deepest=2)
    with pytest.raises(OSError):
        read_json(tmp_path, 12)


# --- language


def catalogue(folder: Path) -> None:
    """A compiled catalogue that turns a sentence into its opposite."""
    text, opposite = b"Research use only", b"Approved for clinical use"
    header = b""
    pairs = [(header, b"Content-Type: text/plain; charset=UTF-8\n"), (text, opposite)]
    start, table = 28, b""
    strings = b""
    at = start + 16 * len(pairs)
    for side in (0, 1):
        for pair in pairs:
            table += len(pair[side]).to_bytes(4, "little") + (at + len(strings)).to_bytes(4, "little")
            strings += pair[side] + b"\0"
    head = b"".join(n.to_bytes(4, "little") for n in (0x950412DE, 0, len(pairs), start, start + 8 * len(pairs), 0, 0))
    folder.mkdir(parents=True)
    (folder / "hyrisk.mo").write_bytes(head + table + strings)


def test_only_shipped_names_are_languages(tmp_path: Path) -> None:
    shipped, foreign = tmp_path / "app" / "locale", tmp_path / "foreign"
    catalogue(shipped / "de" / "LC_MESSAGES")
    catalogue(foreign / "xx" / "LC_MESSAGES")
    assert languages_of(shipped) == ("de",)
    try:
        for language in (
            str(foreign / "xx"),
            "../../foreign/xx",
            "xx",
            "de_AT",
            "de/",
            "./de",
            "*",
            "",
            "../locale/de",
        ):
            install_language(shipped, language)
            assert tr("Research use only") == "Research use only", language
        install_language(shipped, "de")
        assert tr("Research use only") == "Approved for clinical use"
    finally:
        install_language(shipped, "en")


@pytest.mark.parametrize(
    ("user", "site", "language"),
    [
        ({"language": "de"}, {"language": "zh_CN"}, "de"),
        ({"prevalence": 0.1}, {"language": "zh_CN"}, "zh_CN"),
        (None, None, "en"),
        ("{", {"language": "de"}, "de"),
        ({"language": "../../tmp"}, {"language": "de"}, "de"),
        ([1], "", "en"),
    ],
)
def test_the_language_is_known_before_anything_is_worded(
    user: object, site: object, language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, shared = tmp_path / "home" / "settings.json", tmp_path / "site.json"
    monkeypatch.setattr(module, "config_dir", lambda: home.parent)
    monkeypatch.setattr(module, "site_settings_path", lambda: shared)
    home.parent.mkdir()
    for path, content in ((home, user), (shared, site)):
        if content is not None:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
    before = sorted(tmp_path.rglob("*"))
    assert module.chosen_language() == language
    assert sorted(tmp_path.rglob("*")) == before, "a damaged file is left for whoever tells of it"
