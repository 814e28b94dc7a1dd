"""Another desk at the open list: its reads, exams and places come into the rows, and nothing of this desk's is lost for it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QMessageBox, QTableView

from hyrisk_desktop.errors import StoreError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.paths import store_path
from hyrisk_desktop.worklist import feeds
from hyrisk_desktop.worklist.desks import announce
from hyrisk_desktop.worklist.notes import NO_NOTES, KeyImage
from hyrisk_desktop.worklist.records import Read, Reader
from hyrisk_desktop.worklist.store import Store
from tests.gui.conftest import Program
from tests.gui.test_worklist import ALT, Reading, exams, reading  # noqa: F401  fixtures
from tests.helpers.exams import scanned


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "_POLL_S", 0.05)


@pytest.fixture
def other(ready: Program) -> Iterator[Store]:
    """Another desk at this window's worklist."""
    ready.wait(store_path().is_file)
    store = Store(store_path())
    yield store
    store.close()


def cell(reading: Reading, row: int, title: str) -> str:  # noqa: F811
    model = reading.worklist.model
    titles = [model.headerData(c, Qt.Orientation.Horizontal) for c in range(model.columnCount())]
    return str(model.data(model.index(row, titles.index(title))))


def uid_of(reading: Reading, exam_id: int) -> str:  # noqa: F811
    entry = reading.worklist.model.entry_of(exam_id)
    assert entry is not None
    return entry.series_uid


def settle(program: Program) -> None:
    """Until all that was read here is stored, and nothing is at work."""
    program.wait(lambda: program.services.store.unsaved == 0 and not program.services.runner.busy)


def read_first(reading: Reading, exams: Path) -> None:  # noqa: F811
    """The first exam of a new list, with grade 1, stored."""
    reading.open_list(exams)
    reading.read_one(1)
    settle(reading.program)


def answered(program: Program) -> None:
    """All that was asked of the store so far has been answered here."""
    heard: list[object] = []
    program.services.store.ask(lambda _: None, heard.append)
    program.wait(lambda: heard == [None])


def question(program: Program) -> QMessageBox:
    """The question which read stays, once it is asked."""
    program.wait(lambda: program.window.findChild(QMessageBox, "conflictQuestion") is not None)
    box = program.window.findChild(QMessageBox, "conflictQuestion")
    assert isinstance(box, QMessageBox)
    return box


def test_what_another_desk_does_comes_into_the_rows_and_disturbs_nothing(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
    other: Store,
    tmp_path: Path,
) -> None:
    reading.open_list(exams)
    program, worklist, session = reading.program, reading.worklist, reading.session
    table = reading.find(QTableView, "worklistView")
    assert isinstance(table, QTableView)
    program.window.resize(1500, 420)
    table.verticalScrollBar().setValue(17)
    lit = [i.row() for i in table.selectionModel().selectedIndexes() if i.column() == 0]
    reading.key(Qt.Key.Key_Return)
    here = (session.exam, session.read)
    ids = [e.exam_id for e in worklist.model.entries]
    resets: list[QModelIndex] = []
    worklist.model.modelReset.connect(lambda: resets.append(QModelIndex()))
    bob = other.reader("Bob")
    announce(other.database, bob, ids[3], blinded=False)
    program.wait(lambda: cell(reading, 3, "Other readers") == "being read by Bob")
    other.save_read(Read(ids[3], bob.reader_id, uid_of(reading, ids[3]), grade=2.0, locked=True), bob)
    announce(other.database, bob, ids[4], blinded=False)
    program.wait(lambda: cell(reading, 3, "Other readers") == "read by Bob (locked)")
    assert cell(reading, 4, "Other readers") == "being read by Bob"
    assert cell(reading, 4, "Patient") == "Test, Person003\nbeing read by Bob"
    assert worklist.model.name_of(ids[4]) == "Test, Person003"
    assert cell(reading, 3, "Grade") == "", "who has read it, and not what was read"
    assert worklist.reading_list is not None
    (added,) = other.add_exams(worklist.reading_list.list_id, [scanned(77)])
    program.wait(lambda: worklist.model.entry_of(added) is not None)
    assert [e.exam_id for e in worklist.model.entries] == [*ids, added]
    other.add_exams(None, [scanned(78)])
    announce(other.database, bob, None, blinded=False)
    program.wait(lambda: cell(reading, 4, "Other readers") == "")
    assert len(worklist.model.entries) == 7, "an exam of no list comes into none"
    assert (session.exam, session.read) == here
    assert session.read.centre is not None
    assert table.verticalScrollBar().value() == 17
    assert [i.row() for i in table.selectionModel().selectedIndexes() if i.column() == 0] == lit
    assert resets == []


def test_a_search_finds_what_is_being_read_elsewhere(reading: Reading, exams: Path, other: Store) -> None:  # noqa: F811
    reading.open_list(exams)
    model = reading.worklist.model
    wanted = model.entries[2].exam_id
    announce(other.database, other.reader("Bob"), wanted, blinded=False)
    reading.program.wait(lambda: model._busy != {})
    model.search("being read", None)
    assert [model.entry_at(r).exam_id for r in range(model.rowCount())] == [wanted]


def test_a_blinded_list_names_no_other_reader_and_no_blinded_reader_is_named(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
    other: Store,
) -> None:
    reading.open_list(exams)
    program, worklist = reading.program, reading.worklist
    first, second = (worklist.model.entries[k].exam_id for k in (0, 1))
    bob, cat, dan = (other.reader(name) for name in ("Bob", "Cat", "Dan"))
    other.save_read(Read(first, bob.reader_id, uid_of(reading, first), grade=2.0), bob)
    announce(other.database, cat, second, blinded=True)
    third = Store(store_path())
    announce(third.database, dan, second, blinded=False)
    program.wait(lambda: cell(reading, 1, "Other readers") == "being read by Dan")
    program.wait(lambda: cell(reading, 0, "Other readers") == "read by Bob")
    worklist.read_blinded(True)
    program.wait(lambda: reading.session.blinded and len(worklist.model.entries) == 6)
    program.wait(lambda: len(worklist.other_desks._desks) == 2)
    announce(third.database, dan, first, blinded=False)
    program.wait(lambda: any(d.exam_id == first for d in worklist.other_desks._desks))
    model = worklist.model
    shown = {str(model.data(model.index(r, c))) for r in range(6) for c in range(model.columnCount())}
    assert not [text for text in shown for name in ("Bob", "Cat", "Dan") if name in text]
    third.close()


def on_screen(reading: Reading) -> tuple[Reader, int]:  # noqa: F811
    """Who reads which exam of the list."""
    reader, exam_id = reading.worklist.reader, reading.session.stored_id
    assert reader is not None
    assert exam_id is not None
    return reader, exam_id


def at_another_desk(reading: Reading, other: Store) -> tuple[Reader, Read]:  # noqa: F811
    """This reader's read of the exam on screen, as the other desk opens it."""
    reader, exam_id = on_screen(reading)
    announce(other.database, reader, exam_id, blinded=False)
    read = other.read_of(exam_id, reader)
    assert read is not None
    return reader, read


def test_the_same_reader_at_two_desks_is_warned_and_sees_what_was_saved_there(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
    other: Store,
) -> None:
    read_first(reading, exams)
    program, session = reading.program, reading.session
    label = reading.find(QLabel, "storeShared")
    assert not label.isVisible()
    reader, read = at_another_desk(reading, other)
    program.wait(label.isVisible)
    assert "another desk" in label.toolTip()
    other.save_read(replace(read, grade=3.0), reader)
    program.wait(lambda: session.read.grade == 3.0)
    program.wait(lambda: "This read was changed elsewhere" in program.window.status.toolTip())
    before = other.read_of(read.exam_id, reader)
    # What was only shown is not saved again, and what is done next comes after it: no question.
    reading.key(Qt.Key.Key_2, ALT)
    program.wait(lambda: [r.grade for r in reading.saved()] == [2.0])
    assert program.window.findChild(QMessageBox, "conflictQuestion") is None
    assert before is not None
    announce(other.database, reader, None, blinded=False)
    program.wait(lambda: not label.isVisible())


def test_what_was_saved_at_another_desk_shows_and_stays_where_the_read_here_came_from_the_store(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
    other: Store,
) -> None:
    read_first(reading, exams)
    reading.go(Qt.Key.Key_N)
    reading.go(Qt.Key.Key_P)
    program, session = reading.program, reading.session
    program.wait(lambda: session.read_restored and not reading.worklist.keeper.asking)
    settle(program)
    reader, read = at_another_desk(reading, other)
    newer = other.save_read(replace(read, grade=3.0), reader)
    program.wait(lambda: session.read.grade != 1.0)
    assert (session.read.centre, session.read.grade) == (read.centre, 3.0)
    program.wait_for_risk()
    (stored,) = (r for r in reading.saved() if r.exam_id == newer.exam_id)
    assert (stored.centre, stored.grade) == (read.centre, 3.0)


def through(program: Program) -> None:
    """All that was asked of the store so far is done, and its answers have not arrived here."""
    program.services.store._pool.submit(lambda: None).result()


def hear_nothing(program: Program) -> None:
    """What other desks change is heard only where a test says so."""
    program.services.store.desks.changed.disconnect()


@pytest.fixture
def one_read(reading: Reading, exams: Path) -> Reading:  # noqa: F811
    """An exam that was read and saved, at a desk that hears nothing by itself."""
    read_first(reading, exams)
    hear_nothing(reading.program)
    return reading


def test_a_change_elsewhere_shows_although_more_is_known_of_the_files_than_was_saved_here(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
    other: Store,
) -> None:
    """Without a risk, what the files' hash says is not saved before the reader's next act."""
    reading.open_list(exams)
    program, session = reading.program, reading.session
    session.edit(notes=NO_NOTES.with_image(KeyImage(1)))
    settle(program)
    hear_nothing(program)
    assert session.exam is not None
    changed = Finding("files_changed", Severity.WARNING, "The files are not what they were.")
    session.note_content(session.exam.exam_id, "0" * 64, changed)
    assert reading.worklist.keeper._differs()
    reader, read = at_another_desk(reading, other)
    other.save_read(replace(read, grade=3.0), reader)
    reading.worklist.keeper.follow()
    program.wait(lambda: session.read.grade == 3.0)


def test_a_change_elsewhere_replaces_nothing_that_is_done_while_the_stored_read_is_on_its_way(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
    other: Store,
) -> None:
    reading.open_list(exams)
    settle(reading.program)
    program, session, keeper = reading.program, reading.session, reading.worklist.keeper
    hear_nothing(program)
    reader, exam_id = on_screen(reading)
    assert session.exam is not None
    other.save_read(Read(exam_id, reader.reader_id, uid_of(reading, exam_id), grade=3.0), reader)
    keeper.follow()
    keeper.begin(session.exam, exam_id, None)
    session.set_grade(2.0)
    settle(program)
    answered(program)
    answered(program)
    assert (session.read.grade, [r.grade for r in reading.saved()]) == (2.0, [2.0])


def test_a_change_elsewhere_shows_although_what_was_asked_since_could_not_be_answered(
    one_read: Reading, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, session, keeper = one_read.program, one_read.session, one_read.worklist.keeper
    reader, read = at_another_desk(one_read, other)
    other.save_read(replace(read, grade=3.0), reader)
    store = program.services.store.open()
    newest, number = store.newest_read, itertools.count(1)

    def busy_the_second_time(*of: object, **how: object) -> Read | None:
        if next(number) == 2:
            raise StoreError("busy", "The worklist is busy.")
        return newest(*of, **how)

    monkeypatch.setattr(store, "newest_read", busy_the_second_time)
    keeper.follow()
    keeper.take(read)
    for _ in range(3):
        answered(program)
    assert session.read.grade == 3.0


def test_what_was_changed_elsewhere_is_told_of_once_it_is_shown(one_read: Reading, other: Store) -> None:
    program, session, keeper = one_read.program, one_read.session, one_read.worklist.keeper
    told: list[tuple[str, object]] = []
    keeper.told.connect(lambda sentence: told.append((sentence, session.read.grade)))
    reader, read = at_another_desk(one_read, other)
    other.save_read(replace(read, grade=3.0), reader)
    keeper.follow()
    program.wait(lambda: bool(told))
    assert told == [("This read was changed elsewhere, and is shown as it was saved there.", 3.0)]


def test_a_change_elsewhere_shows_that_is_heard_of_while_the_stored_read_is_on_its_way(
    one_read: Reading, other: Store
) -> None:
    program, session, keeper = one_read.program, one_read.session, one_read.worklist.keeper
    reader, read = at_another_desk(one_read, other)
    assert session.exam is not None
    keeper.begin(session.exam, read.exam_id, None)
    through(program)
    other.save_read(replace(read, grade=3.0), reader)
    keeper.follow()
    program.wait(lambda: session.read.grade == 3.0)


def test_a_change_elsewhere_shows_that_comes_right_after_what_was_saved_here(one_read: Reading, other: Store) -> None:
    program, session, keeper = one_read.program, one_read.session, one_read.worklist.keeper
    session.edit(notes=NO_NOTES.with_image(KeyImage(1)))
    through(program)
    reader, read = at_another_desk(one_read, other)
    assert read.notes.image_of(1) is not None
    other.save_read(replace(read, grade=3.0), reader)
    keeper.follow()
    program.wait(lambda: session.read.grade == 3.0)
    assert program.window.findChild(QMessageBox, "conflictQuestion") is None


def test_what_the_reader_does_before_a_change_elsewhere_is_there_stays_and_is_asked_about(
    one_read: Reading, other: Store
) -> None:
    program, session, keeper = one_read.program, one_read.session, one_read.worklist.keeper
    told: list[str] = []
    keeper.told.connect(told.append)
    reader, read = at_another_desk(one_read, other)
    keeper.take(other.save_read(replace(read, grade=3.0), reader), "Changed.")
    session.set_grade(2.0)
    box = question(program)
    assert (session.read.grade, told) == (2.0, [])
    box.reject()


def test_what_is_here_stays_on_screen_while_it_is_asked_which_read_stays(one_read: Reading, other: Store) -> None:
    program, session, keeper = one_read.program, one_read.session, one_read.worklist.keeper
    told: list[str] = []
    keeper.told.connect(told.append)
    reader, read = at_another_desk(one_read, other)
    other.save_read(replace(read, grade=3.0), reader)
    session.set_grade(2.0)
    box = question(program)
    settle(program)
    keeper.follow()
    answered(program)
    answered(program)
    assert (session.read.grade, told) == (2.0, [])
    box.reject()


def test_an_act_right_after_the_other_read_was_chosen_is_neither_overwritten_nor_dropped(
    one_read: Reading, other: Store
) -> None:
    program, session = one_read.program, one_read.session
    reader, read = at_another_desk(one_read, other)
    other.save_read(replace(read, grade=3.0), reader)
    session.set_grade(2.0)
    question(program).defaultButton().click()
    session.set_grade(1.0)

    def asked() -> list[QMessageBox]:
        boxes = program.window.findChildren(QMessageBox, "conflictQuestion")
        return [box for box in boxes if "Here: grade 1" in box.informativeText()]

    program.wait(lambda: bool(asked()))
    assert session.read.grade == 1.0
    assert [r.grade for r in other.reads()] == [3.0]
    asked()[0].defaultButton().click()
    program.wait(lambda: session.read.grade == 3.0)


@pytest.mark.parametrize(("button", "then"), [(0, "withdraw"), (1, "replace_newer")])
def test_a_save_that_was_on_its_way_while_the_reader_answered_follows_the_answer(
    one_read: Reading, other: Store, monkeypatch: pytest.MonkeyPatch, button: int, then: str
) -> None:
    program, service = one_read.program, one_read.program.services.store
    conflicts: list[tuple[Read, Reader, Read]] = []
    service.conflict.connect(lambda *about: conflicts.append(about))
    reader, read = at_another_desk(one_read, other)
    other.save_read(replace(read, grade=3.0), reader)
    one_read.session.set_grade(2.0)
    box = question(program)
    next(b for b in box.buttons() if (b is box.defaultButton()) == (button == 0)).click()
    settle(program)
    done: list[str] = []
    for name in ("withdraw", "replace_newer"):
        monkeypatch.setattr(service, name, lambda *_, name=name, **__: done.append(name))
    service.conflict.emit(*conflicts[0])
    assert done == [then]


def test_a_grade_that_was_unlocked_here_was_not_changed_elsewhere(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
    other: Store,
) -> None:
    read_first(reading, exams)
    program, session, keeper = reading.program, reading.session, reading.worklist.keeper
    session.lock_grade()
    settle(program)
    keeper.unlock()
    program.wait(lambda: not session.read.locked)
    settle(program)
    told: list[str] = []
    keeper.told.connect(told.append)
    bob, exam_id = other.reader("Bob"), session.stored_id
    assert exam_id is not None
    other.save_read(Read(exam_id, bob.reader_id, uid_of(reading, exam_id), grade=2.0), bob)
    program.wait(lambda: "read by Bob" in [cell(reading, row, "Other readers") for row in range(6)])
    answered(program)
    assert told == []


def test_an_answer_that_comes_while_another_exam_loads_hides_nothing_that_is_newer(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
    other: Store,
) -> None:
    """The exam comes back as it was, for the other one can't be opened: what is saved of it then is asked about."""
    read_first(reading, exams)
    program, session = reading.program, reading.session
    reader, read = at_another_desk(reading, other)
    keeper, exam = reading.worklist.keeper, session.exam
    assert exam is not None
    newer = replace(read, grade=3.0, revision=read.revision + 1)
    keeper.take(newer)
    session.show_preview(replace(exam, loading=True, exam_id=-1, stored_id=None), 0)
    other.save_read(replace(read, grade=3.0), reader)
    program.wait(lambda: not keeper.asking)
    session.abandon_preview()
    assert session.exam is exam
    reading.key(Qt.Key.Key_2, ALT)
    box = question(program)
    assert [r.grade for r in other.reads()] == [3.0]
    box.reject()


def test_a_change_that_waits_replaces_nothing_newer_because_its_exam_was_opened_again(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
    other: Store,
) -> None:
    read_first(reading, exams)
    program, service = reading.program, reading.program.services.store
    reader, read = at_another_desk(reading, other)
    announce(other.database, reader, None, blinded=False)
    # As if the server did not answer: what is changed waits.
    service._saving = True
    reading.key(Qt.Key.Key_2, ALT)
    other.save_read(replace(read, grade=3.0), reader)
    reading.go(Qt.Key.Key_N)
    reading.go(Qt.Key.Key_P)
    program.wait(lambda: not reading.worklist.keeper.asking)
    service._saving = False
    service._save()
    box = question(program)
    assert [r.grade for r in other.reads() if r.exam_id == read.exam_id] == [3.0]
    box.reject()


def test_a_change_that_is_on_its_way_is_not_thrown_away_for_what_another_desk_saves(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
    other: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both states are in the audit trail, the reader chooses, and the choice is noted."""
    read_first(reading, exams)
    program, session, service = reading.program, reading.session, reading.program.services.store
    reader, read = at_another_desk(reading, other)
    # Not saved before the other desk's save has been heard.
    service._saving = True
    reading.key(Qt.Key.Key_2, ALT)
    newer = other.save_read(replace(read, grade=3.0, excluded=frozenset({(1, 2, 3)})), reader)
    heard: list[object] = []
    service.desks.changed.connect(heard.append)
    program.wait(lambda: any(isinstance(ids, frozenset) and read.exam_id in ids for ids in heard))
    answered(program)
    answered(program)
    assert session.read.grade == 2.0
    service._saving = False
    service._save()
    box = question(program)
    assert "grade 3 (severe)" in box.informativeText()
    assert "lesions excluded" in box.informativeText()
    (show,) = [b for b in box.buttons() if "Show" in b.text().replace("&", "")]
    QTest.mouseClick(show, Qt.MouseButton.LeftButton)
    program.wait(lambda: session.read.grade == 3.0)
    answered(program)
    trail = [e for e in other.audit_trail() if e.action.startswith("conflict") or e.action == "read_conflict"]
    assert trail[0].detail["stored"]["grade"] == 3.0
    assert trail[0].detail["stored"]["excluded"] == [[1, 2, 3]]
    assert trail[0].detail["refused"]["grade"] == 2.0
    assert (trail[-1].action, trail[-1].detail) == ("conflict_settled", {"kept": "stored", "revision": newer.revision})
    assert service.unsaved == 0
    assert [r.grade for r in other.reads()] == [3.0]


def test_a_locked_grade_of_another_desk_can_not_be_replaced(reading: Reading, exams: Path, other: Store) -> None:  # noqa: F811
    read_first(reading, exams)
    program, service = reading.program, reading.program.services.store
    reader, read = at_another_desk(reading, other)
    service._saving = True
    reading.key(Qt.Key.Key_2, ALT)
    other.save_read(replace(read, grade=3.0, locked=True), reader)
    service._saving = False
    service._save()
    box = question(program)
    assert len(box.buttons()) == 1
    assert "locked, so it stays" in box.informativeText()
    QTest.mouseClick(box.buttons()[0], Qt.MouseButton.LeftButton)
    program.wait(lambda: reading.session.read.locked)


def test_an_exam_that_another_reader_has_open_says_so_once(reading: Reading, exams: Path, other: Store) -> None:  # noqa: F811
    reading.open_list(exams)
    said: list[str] = []
    reading.worklist.told.connect(said.append)
    assert reading.session.stored_id is not None
    announce(other.database, other.reader("Bob"), reading.session.stored_id, blinded=False)
    reading.program.wait(lambda: said == ["Bob has this exam open now, too."])
    label = reading.find(QLabel, "storeShared")
    assert not label.isVisible()


def test_what_another_desk_has_prepared_is_not_prepared_again(reading: Reading, exams: Path, other: Store) -> None:  # noqa: F811
    reading.open_list(exams)
    preparer, model = reading.worklist.preparer, reading.worklist.model
    reading.program.wait(lambda: not preparer._waiting and not reading.program.services.runner.busy)
    assert reading.worklist.reading_list is not None
    (added,) = other.add_exams(reading.worklist.reading_list.list_id, [scanned(80)])
    other.save_prepared(added, "1.2.80", b"", None, ())
    reading.program.wait(lambda: (entry := model.entry_of(added)) is not None and entry.prepared)
    assert added not in preparer._waiting
