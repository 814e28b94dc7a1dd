"""What is stored stays what it is until the reader wants it otherwise: looked at, with another model, by another reader."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QItemSelectionModel, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox, QTableView

from hyrisk_desktop.app import build_window
from hyrisk_desktop.errors import StoreError
from hyrisk_desktop.gui.dialogs.message import ErrorDialog
from hyrisk_desktop.gui.services.risk import RiskService
from hyrisk_desktop.gui.state import Exam, Tool, ViewState
from hyrisk_desktop.paths import store_path
from hyrisk_desktop.settings import Settings
from hyrisk_desktop.worklist.records import Read, Status
from hyrisk_desktop.worklist.store import Store
from tests.gui.conftest import Program
from tests.gui.test_worklist import ALT, Reading, again, exams, reading, restarted  # noqa: F401  fixtures
from tests.helpers.bundles import shelve, write_tiny_bundle

Key = Qt.Key
LEFT = Qt.MouseButton.LeftButton
CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "second"
    write_tiny_bundle(folder, seed=7, name="Second network")
    return folder


def settled(reading: Reading) -> list[Read]:  # noqa: F811
    """The reads once the risk and the hash of the files have been stored too."""
    reading.program.wait(lambda: reading.program.services.store.unsaved == 0)
    reading.program.wait(lambda: not reading.program.services.runner.busy)
    return reading.saved()


def read_two(reading: Reading, exams: Path) -> list[Read]:  # noqa: F811
    """Two exams read, and on screen the second."""
    reading.open_list(exams)
    reading.read_one(2)
    reading.go(Key.Key_Return)
    reading.read_one(1)
    reading.program.wait(lambda: reading.statuses().count(Status.SCORED) == 2)
    return settled(reading)


def clicked(reading: Reading, row: int) -> None:  # noqa: F811
    table = reading.find(QTableView, "worklistView")
    assert isinstance(table, QTableView)
    index = table.model().index(row, 1)
    table.scrollTo(index)
    QTest.mouseClick(table.viewport(), LEFT, pos=table.visualRect(index).center())


def active(program: Program) -> None:
    """Without a window manager nobody gives the window the keyboard back after a dialog."""
    program.window.activateWindow()
    program.wait(program.window.isActiveWindow)


def lit(reading: Reading) -> list[str]:  # noqa: F811
    """Patients of the rows that are lit."""
    table = reading.find(QTableView, "worklistView")
    assert isinstance(table, QTableView)
    rows = {i.row() for i in table.selectionModel().selectedIndexes()}
    return [reading.worklist.model.entry_at(row).patient_id for row in sorted(rows)]


# --- a stored risk


def test_looking_at_reads_before_the_model_has_loaded_erases_no_risk(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
    isolated_home: Path,
    again: list[Program],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = read_two(reading, exams)
    reading.program.window.close()
    monkeypatch.setattr(RiskService, "load_model", lambda *_: None)
    window, services = build_window(Settings(isolated_home / "config" / "settings.json"), None)
    window.show()
    later = Program(window, services, reading.program.qtbot)
    again.append(later)
    looking = Reading(later)
    later.wait(lambda: len(looking.worklist.model.entries) == 6)
    looking.key(Key.Key_Return)
    looking.wait_open()
    later.wait(lambda: looking.session.read.grade == 1.0)
    kept = before[1].results["risk"]
    assert looking.session.risk is not None
    assert looking.session.risk.risk == kept["hyrisknet"]
    assert later.text("riskValue") == f"{100 * kept['hyrisknet']:.0f} %"
    assert "Tiny test network" in later.text("riskNote")
    for key in (Key.Key_P, Key.Key_N, Key.Key_N):
        looking.key(key)
        looking.wait_open()
        later.wait(lambda: not later.services.loader.loading)
    assert settled(looking) == before


def test_looking_again_with_the_model_changes_nothing_either(reading: Reading, exams: Path) -> None:  # noqa: F811
    before = read_two(reading, exams)
    for key in (Key.Key_P, Key.Key_N, Key.Key_P):
        reading.go(key)
        reading.program.wait_for_risk()
    assert settled(reading) == before


def use(reading: Reading, *models: Path) -> None:  # noqa: F811
    """Put the second model into use."""
    program, session = reading.program, reading.session
    shelve(*models, models[0])
    name = next(m.name for m in program.services.models.models() if m.title == "Second network")
    program.services.shelf.activate(name)
    program.wait(lambda: session.model is not None and session.model[0] == "Second network")
    program.wait(lambda: not program.services.runner.busy)


def test_another_model_takes_no_stored_risks_place_unasked(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
    tiny_bundle: Path,
    second: Path,
) -> None:
    before = read_two(reading, exams)
    program, session = reading.program, reading.session
    use(reading, tiny_bundle, second)
    assert session.risk is not None
    assert session.risk.model == "Tiny test network", "what is on screen was stored, and stays"
    assert "NOT the model in use" in program.text("riskNote")
    assert [f.code for f in session.findings if f.code == "other_model"] == ["other_model"]
    reading.go(Key.Key_P)
    program.wait_for_risk()
    assert session.risk.model == "Tiny test network"
    assert settled(reading) == before
    # The list marks both; the column would otherwise mix two models.
    model = reading.worklist.model
    titles = [model.headerData(c, Qt.Orientation.Horizontal) for c in range(model.columnCount())]
    risks = [model.data(model.index(r, titles.index("Risk"))) for r in range(model.rowCount())]
    assert [text.endswith("*") for text in risks if text] == [True, True]
    row = model.row_of(session.stored_id or 0)
    assert row is not None
    assert "“Tiny test network”" in str(model.data(model.index(row, 0), Qt.ItemDataRole.ToolTipRole))
    # By will.
    reading.key(Key.Key_F5)
    program.wait(lambda: session.risk is not None and session.risk.model == "Second network")
    now = settled(reading)
    assert [r.model for r in now] == ["Second network", "Tiny test network"]
    assert now[1] == before[1]
    program.wait(lambda: not str(model.data(model.index(row, titles.index("Risk")))).endswith("*"))


def test_a_change_is_read_by_the_model_in_use_and_undo_brings_the_stored_reading_back(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
    tiny_bundle: Path,
    second: Path,
) -> None:
    before = read_two(reading, exams)
    program, session = reading.program, reading.session
    use(reading, tiny_bundle, second)
    reading.go(Key.Key_P)
    reading.go(Key.Key_N)
    program.wait(lambda: session.read_restored)
    reading.key(Key.Key_3, ALT)
    program.wait(lambda: session.risk is not None and session.risk.model == "Second network")
    assert "Ctrl+Z takes that back" in program.window.status.toolTip()
    reading.key(Key.Key_Z, CTRL)
    assert session.risk is not None
    assert session.risk.model == "Tiny test network"
    assert session.risk.risk == before[1].results["risk"]["hyrisknet"]
    after = settled(reading)[1]
    assert (after.model, after.results["risk"]) == (before[1].model, before[1].results["risk"])


def test_a_stored_risk_of_another_model_is_not_explained_by_the_one_in_use(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
    tiny_bundle: Path,
    second: Path,
) -> None:
    read_two(reading, exams)
    program, session = reading.program, reading.session
    use(reading, tiny_bundle, second)
    reading.key(Key.Key_G)
    assert session.explanation is None
    assert not session.explaining
    assert "F5" in program.window.status.toolTip()


# --- arrows, window, slice


def test_arrows_move_no_centre_of_an_exam_that_was_read(reading: Reading, exams: Path) -> None:  # noqa: F811
    before = read_two(reading, exams)
    for key in (Key.Key_Down, Key.Key_Left, Key.Key_Up, Key.Key_Right):
        reading.key(key)
    reading.key(Key.Key_C)
    reading.key(Key.Key_Down)
    reading.key(Key.Key_Up, CTRL)
    assert "press H" in reading.program.window.status.toolTip()
    reading.go(Key.Key_P)
    reading.program.wait(lambda: reading.session.read.complete)
    reading.key(Key.Key_Down)
    assert settled(reading) == before


def test_nudging_ends_with_the_exam(reading: Reading, exams: Path) -> None:  # noqa: F811
    reading.open_list(exams)
    reading.program.wait(lambda: reading.program.window.desk.tool is Tool.PLACE_CENTRE)
    reading.key(Key.Key_Return)
    assert reading.session.view.centre_selected
    first = reading.session.read.centre
    reading.go(Key.Key_N)
    assert not reading.session.view.centre_selected
    reading.go(Key.Key_P)
    reading.program.wait(lambda: reading.session.read.centre == first)
    assert not reading.session.view.centre_selected
    reading.key(Key.Key_Left)
    assert reading.session.read.centre == first


@pytest.mark.parametrize("ends", ["grade", "tool", "escape"])
def test_nudging_ends_with_the_grade_the_next_tool_and_escape(reading: Reading, exams: Path, ends: str) -> None:  # noqa: F811
    reading.open_list(exams)
    reading.program.wait(lambda: reading.program.window.desk.tool is Tool.PLACE_CENTRE)
    reading.key(Key.Key_Return)
    x, y, z = reading.session.read.centre or (0, 0, 0)
    reading.key(Key.Key_Left)
    assert reading.session.read.centre == (x - 1, y, z)
    match ends:
        case "grade":
            reading.key(Key.Key_1, ALT)
        case "tool":
            reading.key(Key.Key_R)
        case _:
            reading.key(Key.Key_Escape)
    reading.key(Key.Key_Left)
    assert reading.session.read.centre == (x - 1, y, z)


def test_the_next_exam_comes_up_in_its_own_window_and_slice(reading: Reading, exams: Path) -> None:  # noqa: F811
    reading.open_list(exams)
    reading.read_one(1)
    centre = reading.session.read.centre
    reading.key(Key.Key_2)
    reading.key(Key.Key_M)
    reading.key(Key.Key_End)
    reading.go(Key.Key_N)
    fresh = ViewState()
    view = reading.session.view
    assert (view.level, view.width, view.slab_mm) == (fresh.level, fresh.width, fresh.slab_mm)
    reading.go(Key.Key_P)
    reading.program.wait(lambda: reading.session.read.centre == centre)
    assert reading.session.view.position == centre, "coming back shows the centre, not the middle"


# --- the lit row


def test_a_click_on_a_row_opens_it_and_brings_the_keyboard_to_the_image(reading: Reading, exams: Path) -> None:  # noqa: F811
    reading.open_list(exams)
    assert lit(reading) == ["P000"]
    rows = [e.patient_id for e in reading.worklist.model.entries]
    clicked(reading, rows.index("P003"))
    reading.program.wait(lambda: reading.session.can_measure and reading.patient() == "P003")
    assert lit(reading) == ["P003"]
    reading.program.wait(lambda: reading.program.window.focusWidget() is reading.axial)


def test_a_row_that_can_not_be_read_is_never_lit_and_never_graded(reading: Reading, exams: Path) -> None:  # noqa: F811
    reading.open_list(exams)
    bad = next(i for i, e in enumerate(reading.worklist.model.entries) if e.problem)
    clicked(reading, bad)
    assert lit(reading) == ["P000"] == [reading.patient()]
    for dialog in reading.program.window.findChildren(ErrorDialog):
        dialog.close()
    active(reading.program)
    reading.key(Key.Key_2, ALT)
    assert lit(reading) == [reading.patient()]
    assert reading.session.read.grade == 2


def test_keys_in_the_table_move_its_cursor_and_light_nothing(reading: Reading, exams: Path) -> None:  # noqa: F811
    reading.open_list(exams)
    table = reading.find(QTableView, "worklistView")
    assert isinstance(table, QTableView)
    table.setFocus()
    QTest.keyClick(table, Key.Key_Down)
    assert table.currentIndex().row() != 0
    assert lit(reading) == ["P000"]
    table.selectionModel().setCurrentIndex(table.model().index(2, 0), QItemSelectionModel.SelectionFlag.NoUpdate)
    QTest.keyClick(table, Key.Key_Return)
    reading.program.wait(lambda: lit(reading) == [reading.worklist.model.entry_at(2).patient_id] == [reading.patient()])


# --- study data


def test_switching_the_reader_on_an_open_exam_writes_nothing(reading: Reading, exams: Path) -> None:  # noqa: F811
    reading.open_list(exams)
    reading.read_one(2)
    reading.program.wait(lambda: Status.SCORED in reading.statuses())
    before = settled(reading)
    reading.worklist.set_reader("Second Reader")
    reading.program.wait(
        lambda: reading.worklist.reader is not None and reading.worklist.reader.name == "Second Reader"
    )
    reading.program.wait(lambda: reading.session.read.grade is None and not reading.worklist.keeper.asking)
    assert settled(reading) == before
    status = reading.program.window.status
    reading.program.wait(lambda: "Second Reader reads now" in status.toolTip())
    assert "earlier read" not in status.toolTip()
    reading.key(Key.Key_Return)
    reading.key(Key.Key_0, ALT)
    reading.program.wait(lambda: len(settled(reading)) == 2)
    mine = settled(reading)[1]
    assert mine.started_at > before[0].graded_at, "timed from when this reader began"


def test_a_list_read_openly_again_keeps_no_blinded_read_as_an_open_one(reading: Reading, exams: Path) -> None:  # noqa: F811
    reading.open_list(exams)
    worklist, session, program = reading.worklist, reading.session, reading.program
    worklist.read_blinded(True)
    program.wait(lambda: session.blinded and len(worklist.model.entries) == 6)
    reading.key(Key.Key_Return)
    reading.wait_open()
    reading.read_one_blinded(3)
    blinded = settled(reading)
    worklist.read_blinded(False)
    program.wait(lambda: not session.blinded and session.read.grade is None and not worklist.keeper.asking)
    assert settled(reading) == blinded
    program.wait(lambda: "1 blinded read is kept apart" in program.window.status.toolTip())


# --- the lock


def question(reading: Reading) -> QMessageBox:  # noqa: F811
    (box,) = [b for b in reading.program.window.findChildren(QMessageBox) if b.objectName() == "lockQuestion"]
    return box


def press(box: QMessageBox, name: str) -> None:
    (button,) = [b for b in box.buttons() if b.text().replace("&", "") == name]
    QTest.mouseClick(button, LEFT)


def test_an_open_grade_is_locked_by_question_and_unlocked_with_a_row_in_the_audit_trail(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
) -> None:
    reading.open_list(exams)
    reading.read_one(2)
    session, program = reading.session, reading.program
    reading.key(Key.Key_Return, CTRL)
    press(question(reading), "Cancel")
    assert not session.read.locked
    reading.key(Key.Key_Return, CTRL)
    program.wait(lambda: len([b for b in program.window.findChildren(QMessageBox) if b.isVisible()]) == 1)
    press(next(b for b in program.window.findChildren(QMessageBox) if b.isVisible()), "Lock")
    assert session.read.locked
    for key, modifier in ((Key.Key_1, ALT), (Key.Key_Backspace, ALT), (Key.Key_Z, CTRL)):
        program.window.status.say("")
        reading.key(key, modifier)
        assert "locked" in program.window.status.toolTip(), key
        assert session.read.grade == 2
    program.wait(lambda: settled(reading)[0].locked)
    program.window.actions_by_key["unlock_grade"].trigger()
    program.wait(lambda: not session.read.locked)
    active(program)
    reading.key(Key.Key_1, ALT)
    assert session.read.grade == 1
    assert [r.grade for r in settled(reading)] == [1.0]
    trail = [e.action for e in program.services.store.open().audit_trail() if e.action.startswith("read_")]
    assert trail.count("read_locked") == trail.count("read_unlocked") == 1
    assert trail.index("read_locked") < trail.index("read_unlocked")


def test_a_blinded_grade_is_never_unlocked(reading: Reading, exams: Path) -> None:  # noqa: F811
    reading.open_list(exams)
    reading.worklist.read_blinded(True)
    reading.program.wait(lambda: reading.session.blinded and len(reading.worklist.model.entries) == 6)
    reading.key(Key.Key_Return)
    reading.wait_open()
    reading.read_one_blinded(3)
    assert reading.session.read.locked
    reading.program.window.actions_by_key["unlock_grade"].trigger()
    assert reading.session.read.locked
    assert "stays locked" in reading.program.window.status.toolTip()
    assert settled(reading)[0].locked


# --- files that are gone


def test_a_row_whose_files_are_gone_says_so_and_is_tried_again(reading: Reading, exams: Path, tmp_path: Path) -> None:  # noqa: F811
    reading.open_list(exams)
    program = reading.program
    program.wait(lambda: not program.services.runner.busy)
    (exams / "4").rename(tmp_path / "elsewhere")
    entry = next(e for e in reading.worklist.model.entries if e.patient_id == "P004")
    reading.worklist.ahead.clear()
    reading.worklist.open_exam(entry.exam_id)
    program.wait(
        lambda: any(e.patient_id == "P004" and e.status is Status.FAILED for e in reading.worklist.model.entries)
    )
    program.wait(lambda: lit(reading) == ["P000"])
    for dialog in program.window.findChildren(ErrorDialog):
        dialog.close()
    active(program)
    sentence = program.window.status.toolTip()
    reading.go(Key.Key_N)
    assert sentence not in program.window.status.toolTip(), "another exam is on screen by now"
    (tmp_path / "elsewhere").rename(exams / "4")
    reading.worklist.open_exam(entry.exam_id)
    program.wait(lambda: reading.session.can_measure and reading.patient() == "P004")
    program.wait(lambda: any(e.patient_id == "P004" and e.status is Status.NEW for e in reading.worklist.model.entries))


# --- coming back within one sitting, and answers that come late


def test_coming_back_takes_what_another_window_has_stored_since(reading: Reading, exams: Path) -> None:  # noqa: F811
    read_two(reading, exams)
    reader = reading.worklist.reader
    assert reader is not None
    other = Store(store_path())
    first = other.reads()[0]
    newer = other.save_read(replace(first, grade=3.0), reader)
    reading.go(Key.Key_P)
    reading.program.wait(lambda: reading.session.read.grade == 3.0)
    reading.program.wait_for_risk()
    assert reading.session.read_restored
    settled(reading)
    stored = next(r for r in other.reads() if r.exam_id == newer.exam_id)
    assert stored.grade == 3.0
    other.close()


def test_coming_back_after_another_model_shows_the_stored_risk_and_says_so(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
    tiny_bundle: Path,
    second: Path,
) -> None:
    before = read_two(reading, exams)
    use(reading, tiny_bundle, second)
    for key in (Key.Key_P, Key.Key_N, Key.Key_P, Key.Key_N):
        reading.go(key)
        reading.program.wait(lambda: not reading.worklist.keeper.asking and not reading.program.services.runner.busy)
        assert reading.session.risk is not None
        assert reading.session.risk.model == "Tiny test network"
        assert any(f.code == "other_model" for f in reading.session.findings)
    assert settled(reading) == before


@pytest.mark.parametrize("what", ["lock", "box"])
def test_what_asks_the_model_nothing_new_keeps_the_stored_risk(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
    tiny_bundle: Path,
    second: Path,
    what: str,
) -> None:
    before = read_two(reading, exams)[1]
    use(reading, tiny_bundle, second)
    if what == "lock":
        reading.session.lock_grade()
    else:
        reading.key(Key.Key_B)
    after = settled(reading)[1]
    assert (after.locked, after.box is not None) == (what == "lock", what == "box")
    assert (after.model, after.results["risk"]) == (before.model, before.results["risk"])


def test_a_reader_who_comes_while_an_exam_loads_never_gets_the_others_read(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
) -> None:
    reading.open_list(exams)
    reading.read_one(1)
    before = settled(reading)
    session, program = reading.session, reading.program
    exam = session.exam
    assert exam is not None
    # Another exam begins to show, the reader changes, and its loading is cancelled.
    preview = Exam(exam.volume, exam.record, loading=True, stored_id=exam.stored_id)
    session.show_preview(preview, 3)
    reading.worklist.set_reader("Ben")
    program.wait(lambda: reading.worklist.reader is not None and reading.worklist.reader.name == "Ben")
    session.abandon_preview()
    assert session.read.grade is None
    program.wait(lambda: not reading.worklist.keeper.asking and program.window.desk.tool is Tool.PLACE_CENTRE)
    reading.key(Key.Key_Return)
    reading.key(Key.Key_2, ALT)
    program.wait(lambda: len(settled(reading)) == 2)
    mine = [r for r in settled(reading) if r.reader_id != before[0].reader_id]
    assert [r.grade for r in mine] == [2.0]
    assert [r for r in settled(reading) if r.reader_id == before[0].reader_id] == before


def test_a_store_that_does_not_answer_is_no_unread_exam(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = read_two(reading, exams)
    program, store = reading.program, reading.program.services.store.open()
    asked = store.read_of

    def busy(*_: object, **__: object) -> None:
        raise StoreError("busy", "The worklist is busy.")

    reading.worklist.ahead.clear()
    reading.session._reads.clear()
    store._revisions.clear()
    monkeypatch.setattr(store, "read_of", busy)
    reading.go(Key.Key_P)
    program.wait(lambda: "look before you grade" in program.window.status.toolTip())
    monkeypatch.setattr(store, "read_of", asked)
    for dialog in program.window.findChildren(ErrorDialog):
        dialog.close()
    active(program)
    reading.key(Key.Key_Return)
    program.wait(lambda: program.window.findChild(QMessageBox, "conflictQuestion") is not None)
    assert settled(reading) == before
    box = program.window.findChild(QMessageBox, "conflictQuestion")
    QTest.mouseClick(box.defaultButton(), LEFT)
    program.wait(lambda: reading.session.read.grade == before[0].grade)
    assert settled(reading) == before


def test_without_a_model_the_panel_says_so_after_a_stored_risk_too(reading: Reading, exams: Path) -> None:  # noqa: F811
    read_two(reading, exams)
    session = reading.session
    reading.go(Key.Key_P)
    reading.go(Key.Key_N)
    reading.program.wait(lambda: session.risk_kept)
    session.set_model(None, "No risk: the model is damaged.")
    assert session.risk is not None
    reading.key(Key.Key_0, ALT)
    assert session.risk is None
    assert reading.program.text("riskNote") == "No risk: the model is damaged."
