from __future__ import annotations

import os
from pathlib import Path

import pytest

from hyrisk_desktop.i18n import tr
from hyrisk_desktop.paths import config_dir, resources_dir
from hyrisk_desktop.settings import Settings


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
    assert (resources_dir() / "style" / "dark.qss").is_file()


def test_tr_fills_named_fields() -> None:
    assert tr("{n} of {m}", n=1, m=2) == "1 of 2"
    assert tr("50 % {literal}") == "50 % {literal}"
