"""Tools > Settings: each setting with what it does, refused at once where it can't be, and followed at once where it can."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QDialogButtonBox, QDoubleSpinBox, QLabel, QLineEdit, QTableWidget
from pytestqt.qtbot import QtBot

from hyrisk_desktop.gui.actions import ActionSpec, action_table, clashes, presets
from hyrisk_desktop.gui.appearance import apply_appearance, colour, contrast
from hyrisk_desktop.gui.preferences.dialog import SettingsDialog
from hyrisk_desktop.gui.preferences.rows import HIDDEN, OWN_PAGE, page_titles, setting_rows
from hyrisk_desktop.settings import TABLE, Settings
from tests.gui.conftest import Program
from tests.helpers.volumes import HEART_CENTRE, block_volume


@pytest.fixture
def settings() -> Settings:
    return Settings(None)


@pytest.fixture
def dialog(qtbot: QtBot, settings: Settings) -> SettingsDialog:
    dialog = SettingsDialog(settings)
    qtbot.addWidget(dialog)
    return dialog


def ok(dialog: SettingsDialog) -> Any:
    box = dialog.findChild(QDialogButtonBox)
    assert box is not None
    return box.button(QDialogButtonBox.StandardButton.Ok)


def sentence(dialog: SettingsDialog) -> str:
    label = dialog.findChild(QLabel, "settingProblem")
    assert label is not None
    return label.text()


def field(dialog: SettingsDialog, key: str) -> Any:
    return dialog.editors[key].field


def test_every_setting_stands_in_the_dialog_or_is_kept_by_its_window() -> None:
    rows = [row.key for row in setting_rows()]
    assert len(rows) == len(set(rows))
    assert set(rows) | HIDDEN | OWN_PAGE == {row.key for row in TABLE}
    assert not set(rows) & (HIDDEN | OWN_PAGE)
    for row in setting_rows():
        assert row.page in page_titles()
        assert row.help.endswith(".") or row.key == "store"


def test_nothing_changes_before_ok_and_only_what_was_changed_after(dialog: SettingsDialog, settings: Settings) -> None:
    told: list[frozenset[str]] = []
    dialog.applied.connect(told.append)
    field(dialog, "reader").setText("  Dr Ada  ")
    field(dialog, "prevalence").setValue(12.5)
    field(dialog, "read_ahead_mb").setValue(800)
    field(dialog, "per_vessel").setChecked(True)
    combo: QComboBox = field(dialog, "theme")
    combo.setCurrentIndex(combo.findData("light"))
    assert settings["reader"] == ""
    ok(dialog).click()
    changed = {key: settings[key] for key in told[0]}
    assert changed == {
        "reader": "Dr Ada",
        "prevalence": 0.125,
        "read_ahead_mb": 800,
        "per_vessel": True,
        "theme": "light",
    }


def test_ok_alone_changes_nothing(qtbot: QtBot, settings: Settings) -> None:
    # Finer than the field shows, and no choice of its own.
    settings["prevalence"], settings["device"] = 0.01234, "cuda:1"
    dialog = SettingsDialog(settings)
    qtbot.addWidget(dialog)
    told: list[frozenset[str]] = []
    dialog.applied.connect(told.append)
    ok(dialog).click()
    assert told == [frozenset()]
    assert (settings["prevalence"], settings["device"]) == (0.01234, "cuda:1")
    field(dialog, "prevalence").setValue(12.5)
    field(dialog, "device").setCurrentIndex(1)
    assert (dialog.editors["prevalence"].value, dialog.editors["device"].value) == (0.125, "cpu")


@pytest.mark.parametrize(
    ("key", "text", "part"),
    [
        ("store", "mysql://somewhere", "begins with postgresql://"),
        ("store", "/nowhere/at/all/list.sqlite", "folder of that file does not exist"),
        ("export_folder", "/nowhere/at/all", "no such folder"),
        ("reader", "x" * 81, "can't be used"),
    ],
)
def test_what_can_not_be_is_said_at_once_and_not_kept(dialog: SettingsDialog, key: str, text: str, part: str) -> None:
    field(dialog, key).setText(text)
    assert part in sentence(dialog)
    assert not ok(dialog).isEnabled()
    field(dialog, key).setText("")
    assert sentence(dialog) == ""
    assert ok(dialog).isEnabled()


def test_defaults_are_the_sites(qtbot: QtBot, tmp_path: Path) -> None:
    site = tmp_path / "site.json"
    site.write_text('{"read_ahead_mb": 4000, "theme": "light"}', encoding="utf-8")
    settings = Settings(tmp_path / "own.json", site)
    settings["read_ahead_mb"] = 100
    dialog = SettingsDialog(settings)
    qtbot.addWidget(dialog)
    assert field(dialog, "theme").currentData() == "light"
    box = dialog.findChild(QDialogButtonBox)
    assert box is not None
    box.button(QDialogButtonBox.StandardButton.RestoreDefaults).click()
    assert field(dialog, "read_ahead_mb").value() == 4000
    assert settings["read_ahead_mb"] == 100
    ok(dialog).click()
    assert settings["read_ahead_mb"] == 4000


def choose(dialog: SettingsDialog, key: str) -> None:
    rows = [row.key for row in action_table() if row.key]
    dialog.keys.list.setCurrentCell(rows.index(key), 0)


def press(dialog: SettingsDialog, keys: str, number: int = 0) -> None:
    edit = dialog.keys.fields[number]
    edit.setKeySequence(QKeySequence(keys))
    edit.editingFinished.emit()


def test_keys_are_changed_and_a_clash_is_said(dialog: SettingsDialog, settings: Settings) -> None:
    choose(dialog, "ruler")
    press(dialog, "H")
    assert (
        sentence(dialog)
        == "H would start both “Place heart centre (next click)” and “Ruler”: give one of them other keys."
    )
    assert not ok(dialog).isEnabled()
    press(dialog, "T")
    assert "T" in sentence(dialog), "T begins the keys of the vessels"
    press(dialog, "Ctrl+Alt+R")
    assert sentence(dialog) == ""
    ok(dialog).click()
    assert settings["shortcuts"] == {"ruler": ["Ctrl+Alt+R"]}


def test_the_programs_own_keys_are_not_kept_as_the_users(dialog: SettingsDialog) -> None:
    choose(dialog, "redo")
    assert [f.keySequence().toString() for f in dialog.keys.fields] == ["Ctrl+Shift+Z", "Ctrl+Y"]
    press(dialog, "", 1)
    assert dialog.keys.value == {"redo": ["Ctrl+Shift+Z"]}
    press(dialog, "Ctrl+Y", 1)
    assert dialog.keys.value == {}


def test_the_programs_own_keys_do_not_clash() -> None:
    assert clashes(action_table()) == []
    row = next(row for row in action_table() if row.key == "ruler")
    other = ActionSpec("other", "Other", "Menu", ("R, 1",))
    assert [keys for _, _, keys in clashes([row, other])] == ["R"]
    assert clashes([row, replace(other, shortcuts=("Shift+R",))]) == []


def test_presets_of_ones_own(dialog: SettingsDialog, settings: Settings) -> None:
    table: QTableWidget = dialog.presets.table
    assert dialog.presets.value == []
    table.item(0, 1).setText("−50")
    assert dialog.presets.value[0] == {"name": "Soft tissue", "level": -50, "width": 400}
    table.item(0, 2).setText("0")
    assert sentence(dialog).startswith("Preset 1:")
    table.item(0, 2).setText("wide")
    assert sentence(dialog).startswith("Preset 1:")
    table.item(0, 2).setText("350,5")
    ok(dialog).click()
    assert settings["presets"][0] == {"name": "Soft tissue", "level": -50, "width": 350.5}
    shown = presets(settings)
    assert (shown[0].key, shown[1].name, shown[1].level, shown[1].width) == ("0", "Soft tissue", -50, 350.5)
    rows = {row.key: row.text for row in action_table(settings)}
    assert rows["preset_1"] == "Soft tissue (350.5 / -50)"


def test_the_window_follows_at_once(ready: Program, qapp: QApplication) -> None:
    window, settings = ready.window, ready.services.settings
    # Wanted a moment ago, from the next start on.
    settings["text_size"], scale = 150, qapp.property("textScale")
    window.commands.run("show_settings")
    dialog = window.findChild(SettingsDialog)
    assert dialog is not None
    combo: QComboBox = field(dialog, "theme")
    combo.setCurrentIndex(combo.findData("light"))
    field(dialog, "per_vessel").setChecked(True)
    field(dialog, "reader").setText("Dr Grace")
    choose(dialog, "ruler")
    press(dialog, "Ctrl+Alt+R")
    dialog.presets.set_value([{"name": "Bone only", "level": 500, "width": 1500}])
    told: list[str] = []
    window.commands.message.connect(told.append)
    ok(dialog).click()
    try:
        assert qapp.property("theme") == "light"
        assert f"font-size: {round(13 * scale)}px" in qapp.styleSheet()
        assert qapp.property("textScale") == scale, "windows made for small texts keep them; the next start is larger"
        assert window.grade_panel.vessels.isVisible()
        assert [k.toString() for k in window.actions_by_key["ruler"].shortcuts()] == ["Ctrl+Alt+R"]
        assert window.actions_by_key["preset_1"].text() == "Bone only (1500 / 500)"
        assert not window.actions_by_key["preset_2"].isVisible()
        assert window.actions_by_key["preset_2"].shortcuts() == []
        ready.wait(
            lambda: ready.services.worklist.reader is not None and ready.services.worklist.reader.name == "Dr Grace"
        )
        assert any("settings are kept" in text for text in told)
        settings["presets"] = []
        window.commands.preferences.applied.emit(frozenset({"presets"}))
        action: QAction = window.actions_by_key["preset_2"]
        assert action.isVisible()
        assert [k.toString() for k in action.shortcuts()] == ["2"]
    finally:
        apply_appearance(qapp, Settings(None))


def test_the_prevalence_has_its_own_way_in(ready: Program) -> None:
    ready.window.commands.run("set_prevalence")
    dialog = ready.window.findChild(SettingsDialog)
    assert dialog is not None
    spin = field(dialog, "prevalence")
    assert isinstance(spin, QDoubleSpinBox)
    assert spin.isVisible()
    assert spin.text() == "the model's own"
    loaded: list[object] = []
    ready.services.risk.model_loaded.connect(loaded.append)
    spin.setValue(20.0)
    ok(dialog).click()
    ready.wait(lambda: bool(loaded))
    assert ready.services.settings["prevalence"] == 0.2


def test_the_engine_that_is_chosen_reads(ready: Program) -> None:
    pytest.importorskip("onnxruntime")
    session = ready.session

    def settled(engine: str) -> bool:
        risk = session.risk
        return risk is not None and risk.interval[0] < risk.interval[1] and risk.engine.startswith(engine)

    ready.show(block_volume())
    session.edit(centre=HEART_CENTRE, grade=2.0)
    ready.wait(lambda: settled("torch "))
    assert session.risk is not None
    before = session.risk
    ready.window.commands.run("show_settings")
    dialog = ready.window.findChild(SettingsDialog)
    assert dialog is not None
    box = field(dialog, "engine")
    assert isinstance(box, QComboBox)
    assert box.currentText() == "Choose by itself"
    box.setCurrentIndex(box.findText("ONNX Runtime"))
    ok(dialog).click()
    ready.wait(lambda: settled("onnxruntime "))
    assert session.risk.risk == pytest.approx(before.risk, abs=1e-6)
    assert session.risk.interval == pytest.approx(before.interval, abs=1e-6)
    assert ready.services.settings["engine"] == "onnx"


def test_enter_while_keys_are_typed_keeps_nothing(ready: Program) -> None:
    ready.window.commands.run("show_settings")
    dialog = ready.window.findChild(SettingsDialog)
    assert dialog is not None
    dialog.pages.setCurrentRow(2)
    search = dialog.findChild(QLineEdit, "searchActions")
    assert search is not None
    QTest.keyClicks(search, "oblique")
    shown = [r for r in range(dialog.keys.list.rowCount()) if not dialog.keys.list.isRowHidden(r)]
    assert len(shown) == 1
    QTest.keyClick(search, Qt.Key.Key_Return)
    assert dialog.isVisible()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_page_in_hand_can_be_read(
    qtbot: QtBot, qapp: QApplication, settings: Settings, dialog: SettingsDialog, theme: str
) -> None:
    settings["theme"] = theme
    apply_appearance(qapp, settings)
    try:
        dialog.show()
        dialog.activateWindow()
        dialog.pages.setFocus()
        qtbot.waitUntil(dialog.pages.hasFocus)
        shown = dialog.pages.viewport().grab().toImage()
        row = dialog.pages.visualItemRect(dialog.pages.item(0))
        ground = shown.pixelColor(row.right() - 8, row.center().y())
        assert contrast(ground, colour("on_selection")) >= 4.5
    finally:
        apply_appearance(qapp, Settings(None))


def test_a_dialog_is_no_larger_than_the_screen(qtbot: QtBot, dialog: SettingsDialog) -> None:
    room = dialog.screen().availableSize()
    dialog.resize(room.width() + 300, room.height() + 300)
    dialog.show()
    qtbot.waitExposed(dialog)
    assert dialog.width() == room.width()
    assert dialog.height() == room.height() - 40, "the title bar needs room as well"


def test_a_report_template_with_a_mistake_is_not_taken(tmp_path: Path) -> None:
    row = next(row for row in setting_rows() if row.key == "report_template")
    path = tmp_path / "site.toml"
    path.write_text("colour = 1")
    assert row.problem("") == ""
    assert row.problem(str(path)).startswith(
        "Report template: The report template “site.toml”, line 1: there is no “colour”"
    )
    path.write_text('department = "Radiology"')
    assert row.problem(str(path)) == ""
