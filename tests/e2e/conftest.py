"""The user stories run in a real window (under Xvfb in CI), with the model that ships with the program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from hyrisk_desktop.app import build_window, make_application
from hyrisk_desktop.paths import bundled_model_dir
from hyrisk_desktop.settings import Settings
from tests.gui.conftest import Program

PATIENCE_S = 1800
"""Processes that the program starts are nice: beside two that are not, a story's training had a twentieth of a core."""


class Story(Program):
    """The program in a real window, with whoever uses it waiting for the processes that it starts."""

    def wait(self, condition: Callable[[], bool], timeout: int = 900 * PATIENCE_S) -> None:
        super().wait(condition, timeout)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(PATIENCE_S))


@pytest.fixture(scope="session")
def demonstration_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home shared by the stories, so that the demonstration exam is made once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def program(qtbot: QtBot, qapp: object, demonstration_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    monkeypatch.setenv("HYRISK_HOME", str(demonstration_home))
    make_application(["test"])
    assert (bundled_model_dir() / "model.json").is_file()
    window, services = build_window(Settings(None), demonstration_home / "log")
    window.resize(1600, 1000)
    window.show()
    qtbot.waitExposed(window)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    yield Story(window, services, qtbot)
    window.close()
    window.deleteLater()
    qtbot.wait(1)
