"""Every standing sentence: it stands only in its state, and the key it promises does what it says, in the real window."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog, QWidget

from hyrisk_desktop.gui.hints import HINTS, Place, Situation, hint, hint_text, situation
from hyrisk_desktop.gui.state import RiskStatus, Tool
from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.worklist.records import Proposal
from tests.gui.conftest import Program
from tests.gui.test_worklist import ALT, Reading, exams, reading  # noqa: F401  fixtures
from tests.helpers.exams import write_exam
from tests.helpers.volumes import HEART_CENTRE, block_volume, box

Key = Qt.Key
CTRL = Qt.KeyboardModifier.ControlModifier


def situations() -> list[Situation]:
    """All states that differ in what the table looks at, less those that can't be."""
    found = []
    for exam, loading, centre, grade, hidden, in_list, has_next in itertools.product((False, True), repeat=7):
        if (exam and loading) or (not exam and (centre or grade or hidden)) or (has_next and not in_list):
            continue
        for tool in Tool:
            for proposed, pending, moved, nudging in itertools.product((False, True), repeat=4):
                if (nudging and not centre) or (not exam and (proposed or pending)):
                    continue
                found.append(
                    Situation(
                        exam=exam, loading=loading, centre=centre, grade=grade, hidden=hidden, in_list=in_list,
                        has_next=has_next, tool=tool, proposed=proposed, pending=pending, moved=moved, nudging=nudging,
                        status=RiskStatus.NO_CENTRE, listed=2 if in_list else 0,
                    )
                )  # fmt: skip
    return found


def test_the_status_bar_always_says_something_and_never_what_is_not_so() -> None:
    for s in situations():
        text = hint_text(Place.STATUS, s)
        assert text, s
        if s.exam and s.centre:
            assert "no heart centre" not in text
            assert "proposed" not in text, "a centre that is placed needs no proposal"
        if s.exam and s.grade and s.centre:
            assert "Alt+0" not in text
        if "Enter takes" in text:
            assert s.tool is Tool.PLACE_CENTRE
            assert s.proposed
            assert not s.centre
        if "press H" in text:
            assert s.tool is not Tool.PLACE_CENTRE, "with the tool in hand H is not what comes next"
        if "Open an exam" in text:
            assert not s.exam
            assert not s.listed


def test_hidden_numbers_are_never_promised_to_be_on_their_way() -> None:
    for s in situations():
        if s.hidden:
            assert "Blinded" in hint_text(Place.RISK, s)
            assert "Blinded" in hint_text(Place.SCORES, s)


def test_keys_of_hints_have_unique_names() -> None:
    names = [h.key for h in HINTS]
    assert len(names) == len(set(names))


# --- the same, in the window: reach the state, read the sentence, press the key


def axial(program: Program) -> QWidget:
    return program.window.desk.views[Plane.AXIAL]


def press(program: Program, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    QTest.keyClick(axial(program), key, modifier)


def stands(program: Program, key: str, place: Place) -> None:
    """That hint is the one that shows, where it belongs."""
    s = program.window.status.situation() if place is Place.STATUS else situation(program.session)
    found = hint(place, s)
    assert found is not None
    assert found.key == key
    if place is Place.STATUS:
        assert found.text(s) in program.window.status.toolTip()
    else:
        assert axial(program).annotations.hint == found.text(s)  # type: ignore[attr-defined]


def opened(program: Program) -> None:
    program.show(block_volume([(box(HEART_CENTRE, (4, 4, 1)), 350)]))


def proposed(program: Program) -> None:
    opened(program)
    program.session.propose(Proposal(HEART_CENTRE, confident=True))
    program.window.desk.set_tool(Tool.PLACE_CENTRE)


def moved(program: Program) -> None:
    """The tool in hand, and the cursor moved with the arrows."""
    program.window.desk.set_tool(Tool.PLACE_CENTRE)
    press(program, Key.Key_Left)


def placed(program: Program) -> None:
    opened(program)
    program.session.place_centre(HEART_CENTRE)


def graded(program: Program) -> None:
    placed(program)
    program.session.set_grade(2)


def explained(program: Program) -> None:
    graded(program)
    program.wait_for_risk()
    program.session.set_explaining(True)
    program.session.set_view(slab_mm=5.0)


def nothing(_: Program) -> None:
    """Nothing is open."""


def dialog_open(program: Program) -> bool:
    return any(d.isVisible() for d in program.window.findChildren(QDialog))


CASES: dict[str, tuple[Place, Callable[[Program], None], Qt.Key, Qt.KeyboardModifier, Callable[[Program], object]]] = {
    "take": (Place.STATUS, proposed, Key.Key_Return, Qt.KeyboardModifier.NoModifier,
             lambda p: p.session.read.centre == HEART_CENTRE),
    "image_take": (Place.IMAGE, proposed, Key.Key_Return, Qt.KeyboardModifier.NoModifier,
                   lambda p: p.session.read.centre == HEART_CENTRE),
    "place": (Place.STATUS, lambda p: (opened(p), moved(p)), Key.Key_Return,
              Qt.KeyboardModifier.NoModifier, lambda p: p.session.read.centre is not None),
    "image_place": (Place.IMAGE, lambda p: (opened(p), moved(p)), Key.Key_Return,
                    Qt.KeyboardModifier.NoModifier, lambda p: p.session.read.centre is not None),
    "place_again": (Place.STATUS, lambda p: (placed(p), p.window.desk.set_tool(Tool.PLACE_CENTRE)), Key.Key_Escape,
                    Qt.KeyboardModifier.NoModifier,
                    lambda p: p.session.read.centre == HEART_CENTRE and p.window.desk.tool is Tool.WINDOW),
    "no_centre": (Place.STATUS, opened, Key.Key_H, Qt.KeyboardModifier.NoModifier,
                  lambda p: p.window.desk.tool is Tool.PLACE_CENTRE),
    "no_grade": (Place.STATUS, placed, Key.Key_2, ALT, lambda p: p.session.read.grade == 2),
    "done": (Place.STATUS, graded, Key.Key_S, CTRL, dialog_open),
    "image_ruler": (Place.IMAGE, lambda p: (opened(p), p.window.desk.set_tool(Tool.RULER)), Key.Key_Escape,
                    Qt.KeyboardModifier.NoModifier, lambda p: p.window.desk.tool is Tool.WINDOW),
    "image_nudge": (Place.IMAGE, placed, Key.Key_Left, Qt.KeyboardModifier.NoModifier,
                    lambda p: p.session.read.centre == (HEART_CENTRE[0] - 1, *HEART_CENTRE[1:])),
    "image_slab": (Place.IMAGE, explained, Key.Key_M, Qt.KeyboardModifier.NoModifier,
                   lambda p: p.session.view.slab_mm == 10.0),
}  # fmt: skip
IN_A_LIST = {"back", "begin", "lock", "next"}
BY_A_FILE_DIALOG = {"open"}


def test_every_promise_is_tried() -> None:
    assert {h.key for h in HINTS if h.keys} == set(CASES) | IN_A_LIST | BY_A_FILE_DIALOG


@pytest.mark.parametrize("name", list(CASES))
def test_a_promised_key_keeps_its_promise(ready: Program, name: str) -> None:
    place, reach, key, modifier, kept = CASES[name]
    reach(ready)
    stands(ready, name, place)
    press(ready, key, modifier)
    ready.wait(lambda: bool(kept(ready)))
    for dialog in ready.window.findChildren(QDialog):
        dialog.close()


def test_with_nothing_open_an_exam_is_asked_for(ready: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    ready.wait(lambda: not ready.services.worklist.busy)
    stands(ready, "open", Place.STATUS)
    monkeypatch.setattr(
        "hyrisk_desktop.gui.commands.QFileDialog.getExistingDirectory", lambda *a: asked.append("folder") or ""
    )
    press(ready, Key.Key_O, CTRL)
    assert asked == ["folder"]


def test_in_a_list_enter_does_what_the_status_bar_says(reading: Reading, exams: Path) -> None:  # noqa: F811
    program = reading.program
    reading.open_list(exams)
    program.wait(lambda: program.window.desk.tool is Tool.PLACE_CENTRE)
    stands(program, "take", Place.STATUS)
    reading.read_one(1)
    stands(program, "next", Place.STATUS)
    reading.go(Key.Key_Return)
    assert reading.patient() == "P001"
    # Blinded: the list begins with nothing on screen, and Enter opens its first exam.
    program.services.worklist.read_blinded(True)
    program.wait(lambda: program.session.exam is None and program.session.blinded)
    program.wait(lambda: program.window.status.situation().listed == 6)
    assert "1 open read is kept apart" in program.window.status.toolTip()
    program.window.status.say("")
    stands(program, "begin", Place.STATUS)
    reading.key(Key.Key_Return)
    reading.wait_open()
    program.wait(lambda: program.window.desk.tool is Tool.PLACE_CENTRE)
    reading.key(Key.Key_Return)
    reading.key(Key.Key_2, ALT)
    stands(program, "lock", Place.STATUS)
    reading.key(Key.Key_Return)
    assert program.session.read.locked


def test_the_last_exam_says_so_and_a_restored_read_only_while_it_is_unchanged(reading: Reading, exams: Path) -> None:  # noqa: F811
    program = reading.program
    reading.open_list(exams)
    for _ in range(4):
        reading.go(Key.Key_N)
    reading.read_one(3)
    stands(program, "last", Place.STATUS)
    program.wait(lambda: program.services.store.unsaved == 0)
    reading.go(Key.Key_P)
    reading.go(Key.Key_N)
    assert "earlier read" in program.window.status.toolTip()
    reading.key(Key.Key_1, ALT)
    assert "earlier read" not in program.window.status.toolTip()
    assert "Ctrl+Z takes that back" in program.window.status.toolTip()


def test_an_exam_alone_is_opened_with_the_tool_in_hand_and_the_keyboard_on_the_image(
    ready: Program, tmp_path: Path
) -> None:
    """The first thing that a newcomer does: open, Enter, grade."""
    ready.services.worklist.open_path(write_exam(tmp_path / "exam", 3))
    ready.wait(lambda: ready.session.can_measure and ready.session.proposal is not None)
    ready.wait(lambda: ready.window.desk.tool is Tool.PLACE_CENTRE)
    assert ready.window.focusWidget() is axial(ready)
    assert ready.session.proposal is not None
    press(ready, Key.Key_Return)
    assert ready.session.read.centre == ready.session.proposal.voxel
    press(ready, Key.Key_2, ALT)
    ready.wait_for_risk()
    assert ready.session.read.grade == 2


def test_h_with_the_tool_in_hand_does_not_put_it_away(ready: Program) -> None:
    proposed(ready)
    press(ready, Key.Key_H)
    assert ready.window.desk.tool is Tool.PLACE_CENTRE


def test_enter_takes_the_proposal_from_any_slice_but_not_once_the_cursor_was_moved(ready: Program) -> None:
    proposed(ready)
    press(ready, Key.Key_PageUp)
    press(ready, Key.Key_Return)
    assert ready.session.read.centre == HEART_CENTRE
    ready.session.undo()
    ready.window.desk.set_tool(Tool.PLACE_CENTRE)
    press(ready, Key.Key_Left)
    stands(ready, "place", Place.STATUS)
    press(ready, Key.Key_Return)
    x, y, z = HEART_CENTRE
    assert ready.session.read.centre == (x - 1, y, z)


def test_enter_waits_for_a_proposal_that_is_being_worked_out(ready: Program) -> None:
    opened(ready)
    ready.session.propose(None, pending=True)
    ready.window.desk.set_tool(Tool.PLACE_CENTRE)
    stands(ready, "pending", Place.STATUS)
    press(ready, Key.Key_Return)
    assert ready.session.read.centre is None
    assert "still being proposed" in ready.window.status.toolTip()


def test_a_proposal_does_not_pull_a_reader_back_who_looks_around(ready: Program) -> None:
    opened(ready)
    press(ready, Key.Key_PageUp)
    slice_looked_at = ready.session.view.position[2]
    x, y, z = HEART_CENTRE
    ready.session.propose(Proposal((x + 30, y + 20, z), confident=True))
    assert ready.session.view.position == (x + 30, y + 20, slice_looked_at)
    ready.window.desk.set_tool(Tool.PLACE_CENTRE)
    stands(ready, "take", Place.STATUS)
    press(ready, Key.Key_Return)
    assert ready.session.read.centre == (x + 30, y + 20, z), "scrolling is not looking elsewhere"


def test_a_proposal_leaves_a_cursor_alone_that_was_moved(ready: Program) -> None:
    opened(ready)
    moved(ready)
    before = ready.session.view.position
    ready.session.propose(Proposal(HEART_CENTRE, confident=True))
    assert ready.session.view.position == before


def test_enter_without_a_proposal_places_nothing_before_the_cursor_was_moved(ready: Program) -> None:
    opened(ready)
    ready.window.desk.set_tool(Tool.PLACE_CENTRE)
    stands(ready, "click", Place.STATUS)
    press(ready, Key.Key_Return)
    assert ready.session.read.centre is None
    assert "arrows first" in ready.window.status.toolTip()


def test_news_ends_with_the_next_act_and_with_the_exam(ready: Program) -> None:
    graded(ready)
    ready.window.status.say("Told of this exam.")
    assert ready.window.status.toolTip() == "Told of this exam."
    ready.session.set_view(level=50.0)
    assert ready.window.status.toolTip() == "Told of this exam.", "looking is no act"
    ready.session.set_grade(1)
    assert "Told" not in ready.window.status.toolTip()
    ready.window.status.say("Told of this exam.")
    ready.show(block_volume(series_uid="9.9"))
    assert "Told" not in ready.window.status.toolTip()
