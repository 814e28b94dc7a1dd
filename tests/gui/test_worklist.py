"""A folder of exams read one after another in the real window: rhythm, keeping, blinding, trouble."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QDoubleSpinBox, QLabel, QLineEdit, QTableView, QWidget

from hyrisk_desktop.app import build_window
from hyrisk_desktop.errors import StoreError
from hyrisk_desktop.gui.dialogs.message import ErrorDialog
from hyrisk_desktop.gui.state import Tool
from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.gui.worklist.controller import Worklist
from hyrisk_desktop.paths import store_path
from hyrisk_desktop.settings import Settings
from hyrisk_desktop.worklist import store as store_module
from hyrisk_desktop.worklist.database import restore_backup
from hyrisk_desktop.worklist.records import ExamEntry, Read, Status
from tests.gui.conftest import Program
from tests.helpers.exams import write_exam

ALT = Qt.KeyboardModifier.AltModifier


@pytest.fixture
def exams(tmp_path: Path) -> Path:
    """Five exams and one that can't be read, in the middle."""
    folder = tmp_path / "exams"
    for n in range(5):
        write_exam(folder / f"{n}", n)
    (folder / "2broken.zip").write_bytes(b"PK\x03\x04 and no more")
    return folder


class Reading:
    """A reader at the window, with hands on the keyboard."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.worklist: Worklist = program.services.worklist
        self.session = program.session
        program.wait(lambda: self.worklist.reader is not None)

    def drop(self, folder: Path) -> None:
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(folder))])
        copy, none = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
        event = QDropEvent(QPointF(9, 9), copy, data, Qt.MouseButton.LeftButton, none)
        self.program.window.dropEvent(event)

    def open_list(self, folder: Path, count: int = 6) -> None:
        self.drop(folder)
        self.program.wait(lambda: len(self.worklist.model.entries) == count and not self.worklist.scanning.running)
        self.wait_open()

    def wait_open(self, exam_id: int | None = None) -> None:
        wanted = exam_id
        self.program.wait(
            lambda: (
                self.session.can_measure
                and self.session.stored_id is not None
                and (wanted is None or self.session.stored_id == wanted)
            )
        )
        self.program.wait(lambda: self.session.proposal is not None or self.session.read.centre is not None)

    @property
    def axial(self) -> QWidget:
        return self.program.window.desk.views[Plane.AXIAL]

    def key(self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.keyClick(self.axial, key, modifier)

    def read_one(self, grade: int) -> None:
        """Take the proposed centre, grade, and wait for the numbers."""
        self.program.wait(lambda: self.program.window.desk.tool is Tool.PLACE_CENTRE)
        self.key(Qt.Key.Key_Return)
        self.key(Qt.Key(Qt.Key.Key_0 + grade), ALT)
        self.program.wait_for_risk()

    def read_one_blinded(self, grade: int) -> None:
        """Take the proposed centre, grade, lock with Enter, and wait for the numbers."""
        self.program.wait(lambda: self.program.window.desk.tool is Tool.PLACE_CENTRE)
        self.key(Qt.Key.Key_Return)
        self.key(Qt.Key(Qt.Key.Key_0 + grade), ALT)
        self.key(Qt.Key.Key_Return)
        self.program.wait_for_risk()

    def go(self, key: Qt.Key) -> None:
        """To another exam by that key."""
        before = self.session.stored_id
        self.key(key)
        self.program.wait(lambda: self.session.stored_id != before)
        self.wait_open()

    def patient(self) -> str:
        assert self.session.volume is not None
        return str(self.session.volume.attributes["PatientID"])

    def statuses(self) -> list[Status]:
        return [e.status for e in self.worklist.model.entries]

    def saved(self) -> list[Read]:
        """What the store holds once nothing waits."""
        self.program.wait(lambda: self.program.services.store.unsaved == 0)
        return self.program.services.store.open().reads()

    def find(self, kind: type, name: str) -> QWidget:
        found = self.program.window.findChild(kind, name)
        assert found is not None, name
        return found  # type: ignore[no-any-return]


@pytest.fixture
def reading(ready: Program) -> Reading:
    return Reading(ready)


@pytest.fixture
def again(ready: Program) -> Iterator[list[Program]]:
    """Windows of later runs on the same settings and store; closed at the end."""
    later: list[Program] = []
    yield later
    for program in later:
        program.window.close()
        program.window.deleteLater()


def restarted(program: Program, home: Path, again: list[Program]) -> Reading:
    """Close the window and start anew."""
    program.window.close()
    window, services = build_window(Settings(home / "config" / "settings.json"), home / "log")
    window.resize(1500, 940)
    window.show()
    later = Program(window, services, program.qtbot)
    again.append(later)
    later.wait(lambda: later.session.model is not None)
    return Reading(later)


def test_the_whole_loop_is_enter_grade_enter(reading: Reading, exams: Path) -> None:
    reading.open_list(exams)
    assert reading.patient() == "P000", "the first exam opens by itself"
    seen = []
    for grade in (0, 1, 2):
        seen.append(reading.patient())
        reading.read_one(grade)
        reading.go(Qt.Key.Key_Return)
    assert seen == ["P000", "P001", "P002"]
    assert reading.patient() == "P003"
    reading.program.wait(lambda: reading.statuses().count(Status.SCORED) == 3)
    assert reading.statuses().count(Status.FAILED) == 1
    reads = reading.saved()
    assert [(r.grade, r.centre is not None, bool(r.results["risk"])) for r in reads] == [
        (0.0, True, True), (1.0, True, True), (2.0, True, True),
    ]  # fmt: skip
    assert all(r.seconds_to_grade is not None and r.graded_at for r in reads)
    # Hashed on the side, and noted with reads that are through by then.
    reading.program.wait(lambda: all(len(r.content_sha256) == 64 for r in reading.saved()))
    assert "3 scored" in reading.program.text("worklistCounts")


def test_enter_does_not_pass_over_what_is_missing(reading: Reading, exams: Path) -> None:
    reading.open_list(exams)
    reading.key(Qt.Key.Key_Escape)
    reading.key(Qt.Key.Key_Return)
    assert "No heart centre yet" in reading.program.text("statusMessage")
    reading.key(Qt.Key.Key_H)
    reading.key(Qt.Key.Key_Return)
    reading.key(Qt.Key.Key_Return)
    assert "No grade yet" in reading.program.text("statusMessage")
    assert reading.patient() == "P000"


def test_a_mean_of_readers_that_was_typed_is_kept_by_whatever_key_comes_next(reading: Reading, exams: Path) -> None:
    """Letters and Ctrl keys are no part of a number, so nobody waits for Enter before them."""
    reading.open_list(exams)
    reading.key(Qt.Key.Key_Return)
    reading.program.window.activateWindow()
    reading.program.wait(reading.program.window.isActiveWindow)
    field = reading.find(QDoubleSpinBox, "gradeValue")
    assert isinstance(field, QDoubleSpinBox)
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, "2.5")
    first = reading.session.stored_id
    QTest.keyClick(field, Qt.Key.Key_N)
    reading.program.wait(lambda: reading.session.stored_id != first)
    reading.wait_open()
    assert reading.patient() == "P001"
    assert reading.session.read.grade is None
    assert [(r.exam_id, r.grade) for r in reading.saved()] == [(first, 2.5)]


def test_n_and_p_go_past_what_cant_be_read_and_stop_at_the_ends(reading: Reading, exams: Path) -> None:
    reading.open_list(exams)
    reading.key(Qt.Key.Key_P)
    assert "first exam" in reading.program.text("statusMessage")
    for patient in ("P001", "P002", "P003", "P004"):
        reading.go(Qt.Key.Key_N)
        assert reading.patient() == patient
    reading.key(Qt.Key.Key_N)
    assert "last exam" in reading.program.text("statusMessage")
    reading.go(Qt.Key.Key_P)
    assert reading.patient() == "P003"


def test_the_next_exam_is_there_before_it_is_asked_for(reading: Reading, exams: Path) -> None:
    reading.open_list(exams)
    ahead = reading.worklist.ahead
    reading.program.wait(lambda: len(ahead._kept) == 2)
    reading.key(Qt.Key.Key_N)
    # No event loop has run since the key: the exam came from memory.
    assert reading.patient() == "P001"
    assert reading.session.can_measure
    reading.wait_open()
    reading.key(Qt.Key.Key_P)
    assert reading.patient() == "P000", "the exam just left is kept as well"
    assert ahead.bytes_kept <= ahead.budget_bytes


def test_rows_are_read_on_the_windows_own_thread(
    reading: Reading, exams: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another one a list that is opened meanwhile could give an exam the row of another."""
    threads: set[threading.Thread] = set()
    entry_of = reading.worklist.model.entry_of

    def noted(exam_id: int | None) -> ExamEntry | None:
        threads.add(threading.current_thread())
        return entry_of(exam_id)

    monkeypatch.setattr(reading.worklist.model, "entry_of", noted)
    reading.open_list(exams)
    reading.program.wait(lambda: len(reading.worklist.ahead._kept) == 2)
    assert threads == {threading.main_thread()}


def test_without_a_budget_nothing_is_loaded_ahead(reading: Reading, exams: Path) -> None:
    reading.worklist.ahead.budget_bytes = 0
    reading.open_list(exams)
    reading.program.wait(lambda: all(e.prepared for e in reading.worklist.model.entries if not e.problem))
    assert not reading.worklist.ahead._kept
    reading.go(Qt.Key.Key_N)
    assert reading.patient() == "P001"


def test_a_hasty_reader_never_sees_another_patients_numbers(reading: Reading, exams: Path) -> None:
    """Random keys without waiting; after each the scores and risk on screen belong to the exam on screen."""
    reading.open_list(exams)
    rng = random.Random(20261124)
    session = reading.session
    owner: dict[str, str] = {}
    for _ in range(120):
        key, modifier = rng.choice(
            [(Qt.Key.Key_N, None), (Qt.Key.Key_P, None), (Qt.Key.Key_Return, None), (Qt.Key.Key_2, ALT),
             (Qt.Key.Key_0, ALT), (Qt.Key.Key_H, None), (Qt.Key.Key_Escape, None)]
        )  # fmt: skip
        reading.key(key, modifier or Qt.KeyboardModifier.NoModifier)
        for _ in range(rng.randrange(3)):
            reading.program.qtbot.wait(rng.randrange(12))
        if session.volume is not None:
            uid = session.volume.series_uid
            owner[uid] = reading.patient()
            if session.risk is not None:
                assert session.risk.series_uid == uid
            if session.scores is not None:
                assert session.scores.series_uid == uid
    reading.program.wait(lambda: not reading.program.services.loader.loading)
    store = reading.program.services.store.open()
    for read in reading.saved():
        records, _ = store.records(read.exam_id)
        assert records[0].series_uid == read.series_uid
        assert owner[read.series_uid] == records[0].attributes["PatientID"]


def test_after_a_restart_everything_is_back_and_so_is_the_place(
    reading: Reading, exams: Path, isolated_home: Path, again: list[Program]
) -> None:
    reading.open_list(exams)
    reading.read_one(2)
    centre = reading.session.read.centre
    reading.go(Qt.Key.Key_Return)
    later = restarted(reading.program, isolated_home, again)
    later.program.wait(lambda: len(later.worklist.model.entries) == 6)
    assert later.session.exam is None, "nothing is opened unasked"
    assert "Enter opens exam 3 of 6" in later.program.text("statusMessage")
    later.key(Qt.Key.Key_Return)
    later.wait_open()
    assert later.patient() == "P001"
    later.go(Qt.Key.Key_P)
    later.program.wait(lambda: later.session.read.centre == centre)
    assert later.session.read.grade == 2.0
    later.program.wait_for_risk()


def test_an_exam_opened_by_itself_is_kept_too(
    reading: Reading, exams: Path, isolated_home: Path, again: list[Program]
) -> None:
    reading.drop(exams / "3")
    reading.wait_open()
    assert reading.worklist.reading_list is None
    reading.session.place_centre((30, 30, 12))
    reading.session.set_grade(3)
    reading.program.wait_for_risk()
    assert [r.grade for r in reading.saved()] == [3.0]
    later = restarted(reading.program, isolated_home, again)
    later.drop(exams / "3")
    later.program.wait(lambda: later.session.read.grade == 3.0)
    assert later.session.read.centre == (30, 30, 12)
    assert "earlier read" in later.program.text("statusMessage")


def test_another_reader_starts_with_a_clean_sheet(reading: Reading, exams: Path) -> None:
    reading.open_list(exams)
    reading.read_one(2)
    reading.program.wait(lambda: reading.statuses()[1] is Status.SCORED)
    reading.worklist.set_reader("Second Reader")
    reading.program.wait(
        lambda: reading.worklist.reader is not None and reading.worklist.reader.name == "Second Reader"
    )
    reading.program.wait(lambda: reading.statuses()[1] is Status.NEW)
    reading.program.wait(lambda: reading.session.read.grade is None)
    assert reading.session.risk is None


def words_on_screen(program: Program) -> str:
    """Every text that the window shows, the list's and the images' overlays included."""
    window = program.window
    texts = [window.windowTitle(), *(label.text() for label in window.findChildren(QLabel))]
    texts += [label.toolTip() for label in window.findChildren(QLabel)]
    model = program.services.worklist.model
    for row in range(model.rowCount()):
        for column in range(model.columnCount()):
            for role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
                texts.append(str(model.data(model.index(row, column), role)))
    for view in window.desk.views.values():
        a = view.annotations
        texts += [*a.top_left, *a.top_right, *a.bottom_left, *a.bottom_right, a.banner, a.hint]
    return "\n".join(texts)


def test_a_blinded_list_hides_who_it_is_and_what_it_scores(reading: Reading, exams: Path) -> None:
    reading.open_list(exams)
    assert "Person000" in words_on_screen(reading.program)
    reading.read_one(2)
    reading.program.window.actions_by_key["read_blinded"].trigger()
    reading.program.wait(lambda: reading.session.blinded)
    reading.program.wait(lambda: len(reading.worklist.model.entries) == 6)
    assert reading.session.exam is None, "what was on screen had a name"
    assert Status.SCORED not in reading.statuses(), "the open read is another one"
    reading.key(Qt.Key.Key_Return)
    reading.wait_open()
    text = words_on_screen(reading.program)
    for n in range(5):
        for secret in (f"P{n:03d}", f"Person{n:03d}", f"202001{1 + n:02d}", f"2020-01-{1 + n:02d}"):
            assert secret not in text, secret
    reading.program.wait(lambda: reading.program.window.desk.tool is Tool.PLACE_CENTRE)
    reading.key(Qt.Key.Key_Return)
    reading.key(Qt.Key.Key_3, ALT)
    reading.program.wait(lambda: not reading.program.services.runner.busy)
    reading.program.qtbot.wait(1)
    assert reading.session.scores is None
    assert reading.session.risk is None
    assert reading.program.text("agatstonValue") == reading.program.text("riskValue") == "–"
    assert "Blinded" in reading.program.text("riskNote")
    before = reading.session.stored_id
    reading.key(Qt.Key.Key_Return)
    reading.program.wait_for_risk()
    assert reading.session.read.locked
    assert reading.session.stored_id == before, "the first Enter locks, the second goes on"
    reading.key(Qt.Key.Key_0, ALT)
    reading.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert reading.session.read.grade == 3.0
    assert "locked" in reading.program.window.grade_panel.title()
    reading.program.wait(lambda: any(r.locked and r.blinded and r.results["risk"] for r in reading.saved()))
    reading.go(Qt.Key.Key_Return)
    assert reading.session.scores is None


def test_a_blinded_reader_cannot_search_for_a_name(reading: Reading, exams: Path) -> None:
    reading.open_list(exams)
    reading.worklist.read_blinded(True)
    reading.program.wait(lambda: reading.session.blinded)
    search = reading.find(QLineEdit, "worklistSearch")
    assert isinstance(search, QLineEdit)
    search.setText("Person001")
    reading.program.wait(lambda: reading.worklist.model.rowCount() == 0)


def test_search_filter_and_sort(reading: Reading, exams: Path) -> None:
    reading.open_list(exams)
    model = reading.worklist.model
    search = reading.find(QLineEdit, "worklistSearch")
    table = reading.find(QTableView, "worklistView")
    assert isinstance(search, QLineEdit)
    assert isinstance(table, QTableView)
    QTest.keyClicks(search, "person003")
    reading.program.wait(lambda: model.rowCount() == 1)
    assert model.entry_at(0).patient_id == "P003"
    search.clear()
    model.search("", Status.FAILED)
    assert [e.problem != "" for e in (model.entry_at(r) for r in range(model.rowCount()))] == [True]
    model.search("", None)
    table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    shown = [model.entry_at(r).patient_id for r in range(model.rowCount())]
    assert shown[:5] == ["P004", "P003", "P002", "P001", "P000"]
    table.setFocus()
    table.selectRow(2)
    QTest.keyClick(table, Qt.Key.Key_Return)
    reading.program.wait(lambda: reading.session.stored_id == model.entry_at(2).exam_id)
    reading.wait_open()
    reading.go(Qt.Key.Key_N)
    assert reading.patient() == "P001", "N follows the table as it is sorted"


def test_an_exam_that_cant_be_read_says_why_and_the_open_one_stays(reading: Reading, exams: Path) -> None:
    reading.open_list(exams)
    failed = next(e for e in reading.worklist.model.entries if e.problem)
    reading.worklist.open_exam(failed.exam_id)
    reading.program.wait(lambda: reading.program.window.findChild(ErrorDialog) is not None)
    sentence = reading.program.text("errorSentence")
    assert sentence == failed.problem
    reading.program.window.findChild(ErrorDialog).accept()
    assert reading.patient() == "P000"
    assert reading.worklist.current == reading.session.stored_id


def test_an_exam_whose_files_are_gone_leaves_the_list_with_what_is_on_screen(reading: Reading, exams: Path) -> None:
    reading.worklist.ahead.budget_bytes = 0
    reading.open_list(exams)
    reading.program.wait(lambda: all(e.prepared for e in reading.worklist.model.entries if not e.problem))
    shutil.rmtree(exams / "1")
    here = reading.session.stored_id
    reading.key(Qt.Key.Key_N)
    reading.program.wait(lambda: reading.program.window.findChild(ErrorDialog) is not None)
    assert "gone" in reading.program.text("errorSentence")
    reading.program.wait(lambda: reading.worklist.current == here)
    assert reading.session.stored_id == here
    assert reading.patient() == "P000"
    table = reading.find(QTableView, "worklistView")
    assert isinstance(table, QTableView)
    assert reading.worklist.model.entry_at(table.currentIndex().row()).exam_id == here


def test_a_read_that_cant_be_saved_waits_and_says_so(
    reading: Reading, exams: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading.open_list(exams)
    save, full = store_module.Store.save_read, [True]

    def failing(store: store_module.Store, read: Read, reader: object) -> Read:
        if full[0]:
            raise StoreError("store_full", "The disk is full.")
        return save(store, read, reader)  # type: ignore[arg-type]

    monkeypatch.setattr(store_module.Store, "save_read", failing)
    reading.read_one(2)
    trouble = reading.find(QLabel, "storeTrouble")
    reading.program.wait(trouble.isVisible)
    assert "The disk is full." in trouble.toolTip()
    reading.go(Qt.Key.Key_Return)
    reading.read_one(1)
    reading.program.wait(lambda: reading.program.services.store.unsaved == 2)
    full[0] = False
    reading.program.services.store._retry.timeout.emit()
    reading.program.wait(lambda: not trouble.isVisible())
    assert [r.grade for r in reading.saved()] == [2.0, 1.0]


def test_a_damaged_worklist_is_said_once_and_reading_goes_on(
    reading: Reading, exams: Path, isolated_home: Path, again: list[Program]
) -> None:
    reading.open_list(exams)
    reading.program.services.store.open().database.back_up(label="good")
    reading.program.window.close()
    store_path().write_bytes(b"rubbish" * 2000)
    window, services = build_window(Settings(isolated_home / "config" / "settings.json"), isolated_home / "log")
    window.show()
    later = Program(window, services, reading.program.qtbot)
    again.append(later)
    later.wait(lambda: window.findChild(ErrorDialog) is not None)
    assert "hyrisk store restore" in later.text("errorSentence")
    window.findChild(ErrorDialog).accept()
    later.qtbot.wait(10)
    later.wait(lambda: later.session.model is not None)
    services.loader.open_path(exams / "1")
    later.wait(lambda: later.session.can_measure)
    later.session.place_centre((30, 30, 12))
    later.session.set_grade(2)
    later.wait_for_risk()
    assert window.findChild(ErrorDialog) is None, "one dialog is enough"
    trouble = window.findChild(QLabel, "storeTrouble")
    assert trouble.isVisible()
    assert "memory only" in trouble.toolTip()
    assert store_path().read_bytes().startswith(b"rubbish")
    restore_backup(store_path())
    services.worklist.set_reader("Ada")
    later.wait(lambda: not trouble.isVisible())
    later.wait(lambda: [r.grade for r in services.store.open().reads()] == [2.0])


def test_per_vessel_grades_make_the_grade(reading: Reading, exams: Path) -> None:
    reading.open_list(exams)
    reading.program.window.actions_by_key["per_vessel_grades"].trigger()
    for vessel, grade in (("LM", 0), ("LAD", 2), ("LCx", 0), ("RCA", 1)):
        button = reading.find(QAbstractButton, f"vessel{vessel}{grade}")
        assert button.isVisible()
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert reading.session.read.grade == 2.0
    assert reading.program.text("vesselSum") == "Sum 3 of 12   CAC-DRS V2/N2"
    reading.program.wait(lambda: [r.vessels for r in reading.saved()] == [{"LM": 0, "LAD": 2, "LCx": 0, "RCA": 1}])


def test_a_scan_can_be_stopped_and_keeps_what_it_found(reading: Reading, exams: Path) -> None:
    reading.drop(exams)
    reading.program.wait(lambda: len(reading.worklist.model.entries) >= 1)
    reading.worklist.scanning.cancel()
    reading.program.wait(lambda: not reading.worklist.scanning.running)
    # The end is told behind everything that the scan has asked of the store.
    reading.program.wait(lambda: not reading.find(QAbstractButton, "stopScan").isVisible())
    assert 1 <= len(reading.worklist.model.entries) <= 6


def test_files_that_changed_since_they_were_read_are_said_to_have(
    reading: Reading, exams: Path, isolated_home: Path, again: list[Program]
) -> None:
    reading.open_list(exams)
    reading.read_one(1)
    reading.saved()
    reading.program.wait(lambda: reading.session.content_sha256 != "")
    file = next((exams / "0").iterdir())
    content = bytearray(file.read_bytes())
    content[-2] ^= 1
    later = restarted(reading.program, isolated_home, again)
    file.write_bytes(bytes(content))
    later.drop(exams / "0")
    later.program.wait(lambda: any(f.code == "files_changed" for f in later.session.findings))


def test_what_is_read_before_the_reader_is_known_is_kept(reading: Reading, exams: Path) -> None:
    """The store may open late (a server far away); until then a read is nobody's, and then the first reader's."""
    reading.worklist.reader = reading.worklist.keeper.reader = None
    reading.session.reader = ""
    reading.program.services.loader.open_path(exams / "1")
    reading.program.wait(lambda: reading.session.can_measure)
    reading.session.place_centre((30, 30, 12))
    reading.session.set_grade(1)
    reading.worklist.set_reader("Ada")
    reading.program.wait(lambda: [r.grade for r in reading.saved()] == [1.0])
    assert (reading.session.read.centre, reading.session.read.grade) == ((30, 30, 12), 1.0)


def test_a_row_asked_for_in_the_open_list_never_reaches_the_blinded_one(reading: Reading, exams: Path) -> None:
    """The answer to a late question about an open read comes while the list is being changed."""
    reading.open_list(exams)
    reading.read_one(2)
    reading.saved()
    reading.program.wait(lambda: Status.SCORED in reading.statuses())
    worklist, here = reading.worklist, reading.session.stored_id
    assert here is not None
    worklist.read_blinded(True)
    for _ in range(200):
        worklist._renew(here)
        reading.program.qtbot.wait(1)
        if reading.session.blinded:
            break
    reading.program.wait(lambda: not reading.program.services.runner.busy)
    reading.saved()
    reading.program.qtbot.wait(1)
    assert reading.session.blinded
    assert Status.SCORED not in reading.statuses()
    assert all(e.read is None for e in worklist.model.entries)
