"""What the window tells a reader to press is what the reader has chosen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from PySide6.QtWidgets import QLabel

from hyrisk_desktop.gui.actions import action_table
from hyrisk_desktop.gui.hints import HINTS, Place, Situation, hint_text
from hyrisk_desktop.gui.own_keys import native, use_keys, with_own_keys
from tests.gui.conftest import Program


@pytest.fixture(autouse=True)
def the_programs_own() -> Iterator[None]:
    yield
    use_keys((), ())


def chosen(**keys: tuple[str, ...]) -> None:
    table = action_table()
    use_keys(table, [replace(row, shortcuts=keys.get(row.key, row.shortcuts)) for row in table])


def test_a_hint_names_the_chosen_keys() -> None:
    nothing = Situation()
    assert "(Ctrl+O)" in hint_text(Place.STATUS, nothing)
    chosen(open_folder=("Ctrl+Alt+P",))
    assert "(Ctrl+Alt+P)" in hint_text(Place.STATUS, nothing)
    assert "Ctrl+O" not in hint_text(Place.STATUS, nothing)


@pytest.mark.parametrize(
    ("text", "keys", "said"),
    [
        ("Press H, then click.", ("H",), "Press J, then click."),
        ("Press H, then click.", (), "Press H, then click."),
        ("Ctrl+H or Here", ("H",), "Ctrl+H or Here"),
        ("H+1, H", ("H",), "H+1, J"),
    ],
)
def test_only_whole_keys_that_are_promised_are_replaced(text: str, keys: tuple[str, ...], said: str) -> None:
    chosen(place_centre=("J",))
    assert with_own_keys(text, keys) == said


def test_an_action_that_keeps_its_keys_or_has_none_left_is_called_as_before() -> None:
    chosen(place_centre=("J", "H"))
    assert with_own_keys("H", ["H"]) == "H"
    chosen(place_centre=())
    assert with_own_keys("H", ["H"]) == "H"


def test_every_key_that_a_hint_promises_stands_in_its_sentence() -> None:
    """Or the reader's own could not be put in its place."""
    actions = {native(key) for row in action_table() if row.key for key in row.shortcuts}
    promised = {native(key) for row in HINTS for key in row.keys} & actions
    assert {"Ctrl+O", "H", "Ctrl+S"} <= promised


def test_the_window_says_new_keys_as_soon_as_they_are_chosen(ready: Program) -> None:
    line = ready.window.findChild(QLabel, "statusMessage")
    assert line is not None
    assert "(Ctrl+O)" in line.toolTip()
    ready.services.settings["shortcuts"] = {"open_folder": ["Ctrl+Alt+P"]}
    ready.window.commands.preferences.applied.emit(frozenset({"shortcuts"}))
    assert "(Ctrl+Alt+P)" in line.toolTip()
