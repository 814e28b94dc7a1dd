from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hyrisk_desktop.i18n import tr
from hyrisk_desktop.paths import config_dir, resources_dir
from hyrisk_desktop.settings import Settings, allowed


def test_settings_survive(tmp_path: Path) -> None:
    path = tmp_path / "a" / "settings.json"
    settings = Settings(path)
    settings["overlay_level"] = 1
    settings.add_recent(Path("/x"))
    settings.add_recent(Path("/y"))
    settings.add_recent(Path("/x"))
    again = Settings(path)
    assert again["overlay_level"] == 1
    assert again["recent_exams"] == [str(Path("/x")), str(Path("/y"))]
    assert [p.name for p in path.parent.iterdir()] == ["settings.json"]


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"overlay_level": "three", "unknown": 1}'])
def test_damaged_settings_mean_defaults(tmp_path: Path, content: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(content)
    assert Settings(path)["overlay_level"] == 2


def test_settings_check_types() -> None:
    with pytest.raises(TypeError):
        Settings(None)["overlay_level"] = "2"


def test_a_home_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    settings = Settings(blocked / "settings.json")
    settings["overlay_level"] = 0
    assert settings["overlay_level"] == 0


def test_home_variable_moves_everything() -> None:
    assert config_dir() == Path(os.environ["HYRISK_HOME"]) / "config"
    assert (resources_dir() / "style" / "window.qss").is_file()


def test_tr_fills_named_fields() -> None:
    assert tr("{n} of {m}", n=1, m=2) == "1 of 2"
    assert tr("50 % {literal}") == "50 % {literal}"


def site_file(folder: Path, text: str) -> Path:
    path = folder / "site.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_site_says_what_holds_where_the_user_has_said_nothing(tmp_path: Path) -> None:
    site = site_file(tmp_path, '{"read_ahead_mb": 4000, "theme": "light", "reader": "Department"}')
    own = tmp_path / "own.json"
    settings = Settings(own, site)
    assert (settings["read_ahead_mb"], settings["theme"], settings["device"]) == (4000, "light", "")
    settings["theme"] = "dark"
    assert json.loads(own.read_text(encoding="ascii")) == {"theme": "dark"}, "what the site wants is not the user's own"
    site_file(tmp_path, '{"read_ahead_mb": 2000, "theme": "system"}')
    again = Settings(own, site)
    assert (again["read_ahead_mb"], again["theme"], again["reader"]) == (2000, "dark", "")
    assert again.problem == ""


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{", "are damaged and not used"),
        ("[]", "are damaged and not used"),
        ('{"theme": "pink", "text_size": 1000, "device": "cpu"}', "hold what can't be used (text_size, theme)"),
        ('{"no_such_setting": 1, "device": "cpu"}', "hold what can't be used (no_such_setting)"),
    ],
)
def test_what_is_wrong_in_the_sites_file_is_said_and_the_rest_is_used(tmp_path: Path, text: str, part: str) -> None:
    settings = Settings(None, site_file(tmp_path, text))
    assert part in settings.problem
    assert str(tmp_path) in settings.problem
    assert settings["theme"] == "dark"
    assert settings["device"] == ("cpu" if "cpu" in text else "")


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("text_size", [75, 200], [74, 201, 100.0]),
        ("theme", ["dark", "light", "system"], ["", "Dark"]),
        ("presets", [[], [{"name": "A", "level": -10_000, "width": 1}]],
         [[{"name": "", "level": 0, "width": 1}], [{"name": "A", "level": 0, "width": 0.9}], [{"name": "A", "level": 10_001, "width": 1}],
          [{"name": "A", "level": True, "width": 1}], [{"name": "A", "level": 0}], [{"name": "A", "level": float("nan"), "width": 1}],
          [{"name": "A", "level": 0, "width": 1}] * 10]),
        ("shortcuts", [{}, {"ruler": ["R", "Shift+R"]}, {"ruler": []}], [{"ruler": "R"}, {"ruler": ["R"] * 5}, {"ruler": ["x" * 41]}]),
    ],
)  # fmt: skip
def test_what_a_setting_can_be(key: str, good: list[object], bad: list[object]) -> None:
    assert [value for value in good if not allowed(key, value)] == []
    assert [value for value in bad if allowed(key, value)] == []
