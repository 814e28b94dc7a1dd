"""The exam before, beside the current one: found, linked, compared, and gone with the exam on screen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QLabel, QListWidget, QMessageBox, QPushButton

from hyrisk_desktop.gui.prior.dialog import PriorsDialog
from hyrisk_desktop.gui.prior.service import Layout, Priors
from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.gui.viewer.slice_view import SliceView
from hyrisk_desktop.paths import store_path
from hyrisk_desktop.worklist.keeping import keep_results
from hyrisk_desktop.worklist.records import Read
from hyrisk_desktop.worklist.store import Store
from tests.gui.conftest import Program
from tests.gui.test_stored_reads import use
from tests.gui.test_worklist import Reading
from tests.helpers.bundles import write_tiny_bundle
from tests.helpers.exams import write_exam

NAME, PATIENT = "Test^Ada", "P-7"
EARLY, LATE = 0, 9
"""Numbers of the patient's exams; a number is a day of January 2020."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two exams of one patient, the later one first, and one of somebody else."""
    exams = tmp_path / "exams"
    write_exam(exams / "a", LATE, patient=PATIENT, name=NAME)
    write_exam(exams / "b", EARLY, patient=PATIENT, name=NAME)
    write_exam(exams / "c", 4)
    return exams


@pytest.fixture
def reading(ready: Program, folder: Path) -> Reading:
    """The later exam is on screen, and its prior is known."""
    reading = Reading(ready)
    reading.open_list(folder, 3)
    ready.wait(lambda: len(priors_of(ready).found) == 1)
    return reading


def priors_of(program: Program) -> Priors:
    return program.services.priors


def beside(reading: Reading) -> Priors:
    """With the prior registered and shown."""
    priors = priors_of(reading.program)
    reading.key(Qt.Key.Key_D)
    reading.program.wait(lambda: priors.placing is not None and priors.placing.exact)
    return priors


def on_screen(view: SliceView, voxel: tuple[float, float, float]) -> QPointF:
    """Where a voxel is, from the middle of its view."""
    return view.position_of(voxel) - QPointF(view.viewport().rect().center())


def test_the_earlier_exam_is_named_in_the_image_and_the_later_one_is_not(reading: Reading) -> None:
    program, priors = reading.program, priors_of(reading.program)
    (prior,) = priors.found
    assert (prior.study_date, prior.days, prior.doubt) == ("20200101", 9, "")
    axial = program.window.desk.views[Plane.AXIAL]
    assert axial.annotations.top_right[-1] == "D: prior 2020-01-01"
    reading.go(Qt.Key.Key_N)
    program.wait(lambda: priors.found == ())
    assert axial.annotations.top_right[-1] == ""
    told: list[str] = []
    priors.told.connect(told.append)
    reading.key(Qt.Key.Key_D)
    assert "No earlier exam" in told[0]
    assert priors.layout is Layout.OFF


def test_both_images_show_the_same_place_at_the_same_scale(reading: Reading) -> None:
    program, priors = reading.program, beside(reading)
    leader, prior = program.window.desk.views[Plane.AXIAL], program.window.prior_pane.axial
    program.wait(prior.isVisible)
    assert not program.window.desk.side.isVisible()

    def alike() -> bool:
        assert priors.placing is not None
        position = reading.session.view.position
        off = on_screen(leader, position) - on_screen(prior, priors.placing.to_prior(position))
        same = leader.geometry and prior.geometry and leader.geometry.spacing_uv[0] / leader.zoom
        scale = prior.geometry.spacing_uv[0] / prior.zoom if prior.geometry else 0.0
        nearest = priors.placing.nearest_in_prior(position)
        return bool(
            off.manhattanLength() <= 2 and abs(scale / float(same or 1) - 1) < 0.01 and prior.index == nearest[2]
        )

    program.wait(alike)
    leader._zoom(1.7, QPointF(40, 60))
    program.wait(alike)
    reading.session.set_view(position=(20, 40, 15))
    program.wait(alike)
    before = leader.zoom
    prior._zoom(0.6, QPointF(80, 20))
    program.wait(lambda: leader.zoom < 0.8 * before)
    program.wait(alike)
    reading.key(Qt.Key.Key_D)
    assert priors.layout is Layout.GRID
    program.wait(program.window.prior_pane.coronal.isVisible)
    assert program.window.desk.views[Plane.CORONAL].isVisible()
    program.wait(alike)
    reading.key(Qt.Key.Key_D)
    assert priors.layout is Layout.OFF
    program.wait(program.window.desk.side.isVisible)
    assert not prior.isVisible()


def test_the_wheel_and_a_click_on_the_prior_move_both_until_it_is_unlinked(reading: Reading) -> None:
    program, priors = reading.program, beside(reading)
    prior = program.window.prior_pane.axial
    z = reading.session.view.position[2]
    prior.scrolled.emit(2)
    assert reading.session.view.position[2] == z + 2
    assert priors.placing is not None
    prior.picked.emit(priors.placing.nearest_in_prior((30, 28, 11)))
    assert max(abs(a - b) for a, b in zip(reading.session.view.position, (30, 28, 11), strict=True)) <= 1
    reading.key(Qt.Key.Key_U)
    assert program.window.actions_by_key["prior_unlink"].isChecked()
    program.wait(lambda: "UNLINKED" in prior.annotations.hint)
    z, shown = reading.session.view.position[2], prior.index
    prior.scrolled.emit(3)
    assert reading.session.view.position[2] == z
    program.wait(lambda: prior.index == shown + 3)
    assert priors.placing.shift_mm == (0.0, 0.0, 7.5)
    program.wait(lambda: "moved by 0, 0, 8 mm" in " ".join(prior.annotations.bottom_right))
    program.window.commands.run("prior_unshift")
    assert priors.placing.shift_mm == (0.0, 0.0, 0.0)
    assert priors.linked


def test_the_pointer_and_the_probe_read_the_prior(reading: Reading) -> None:
    program, priors = reading.program, beside(reading)
    prior = program.window.prior_pane.axial
    assert priors.loaded is not None
    volume = priors.loaded.exam.volume
    prior.hovered.emit((31, 17, 12))
    program.wait(lambda: prior.annotations.bottom_left[0] == f"(31, 17, 12)  {volume.hu[12, 17, 31]} HU")
    program.window.commands.run("probe")
    program.wait(lambda: "SD" in prior.annotations.bottom_left[1])
    prior.hovered.emit(None)
    program.wait(lambda: prior.annotations.bottom_left[0] == "")


def test_flipping_shows_the_prior_in_the_place_of_the_image(reading: Reading) -> None:
    program, priors = reading.program, priors_of(reading.program)
    reading.key(Qt.Key.Key_F)
    program.wait(lambda: priors.loaded is not None)
    flipped, axial = program.window.prior_pane.flipped, program.window.desk.views[Plane.AXIAL]
    program.wait(flipped.isVisible)
    assert flipped.size() == axial.size()
    program.wait(lambda: "PRIOR EXAM 2020-01-01 (9 days before)" in flipped.annotations.banner)
    z = reading.session.view.position[2]
    reading.key(Qt.Key.Key_PageUp)
    assert reading.session.view.position[2] == z + 1
    reading.key(Qt.Key.Key_F)
    assert not flipped.isVisible()


def test_the_change_is_of_the_read_on_screen_and_goes_with_it(reading: Reading) -> None:
    program, session = reading.program, reading.session
    reading.read_one(2)
    beside(reading)
    program.wait(lambda: session.comparison is not None)
    found = session.comparison
    assert found is not None
    assert session.scores is not None
    assert session.risk is not None
    assert found.changes["agatston"].current == session.scores.agatston
    assert found.changes["risknet"].current == session.risk.risknet
    assert found.changes["grade"].current == 2
    assert found.interval_days == 9
    assert program.text("change_agatston_2") == f"{session.scores.agatston:.1f}"
    request = program.window.commands.reading_files.exporting.snapshot()
    assert request is not None
    assert request.comparison is found
    session.set_grade(1)
    assert session.comparison is None
    assert program.text("change_agatston_2") == "–"
    program.wait(lambda: session.comparison is not None)
    assert session.comparison.changes["grade"].current == 1
    session.edit(centre=None)
    assert session.comparison is None
    assert "needs the heart centre" in program.text("changeNote")


def test_risks_of_two_models_are_no_change(reading: Reading, tiny_bundle: Path, tmp_path: Path) -> None:
    """A risk that the worklist keeps was read with another model than the one in use now, which would read the prior."""
    program, session = reading.program, reading.session
    write_tiny_bundle(tmp_path / "second", seed=7, name="Second network")
    reading.read_one(2)
    program.wait(lambda: program.services.store.unsaved == 0)
    use(reading, tiny_bundle, tmp_path / "second")
    assert session.risk_is_another_models
    beside(reading)
    program.wait(lambda: session.comparison is not None)
    found = session.comparison
    assert found is not None
    assert session.risk is not None
    for name in ("risknet", "hyrisknet"):
        change = found.changes[name]
        assert change.current == getattr(session.risk, name)
        assert (change.prior, change.difference, change.noise) == (None, None, None)
    assert found.changes["agatston"].difference is not None
    reading.key(Qt.Key.Key_F5)
    program.wait(lambda: session.comparison is not None and session.comparison is not found)
    program.wait(lambda: session.comparison is not None and session.comparison.changes["risknet"].prior is not None)
    assert session.comparison.prior.risk.model == session.risk.model == "Second network"


def test_nothing_of_the_prior_outlives_the_exam_on_screen(reading: Reading) -> None:
    program, session = reading.program, reading.session
    reading.read_one(2)
    priors = beside(reading)
    program.wait(lambda: session.comparison is not None)
    gone: list[tuple[object, ...]] = []
    session.exam_changed.connect(lambda: gone.append((session.comparison, priors.loaded, priors.placing, priors.found)))
    reading.go(Qt.Key.Key_N)
    assert gone[0] == (None, None, None, ())
    assert priors.layout is Layout.OFF
    assert not program.window.prior_pane.isVisible()
    panel = program.window.findChild(QLabel, "changeNote")
    assert panel is not None
    assert not panel.isVisible()


def test_a_prior_that_arrives_late_is_not_shown_beside_another_exam(reading: Reading) -> None:
    program, priors = reading.program, priors_of(reading.program)
    reading.key(Qt.Key.Key_D)
    assert priors.chosen is not None
    reading.go(Qt.Key.Key_N)
    program.wait(lambda: not program.services.runner.busy)
    assert priors.loaded is None
    assert priors.chosen is None


def test_the_prior_read_earlier_gives_grade_and_centre(ready: Program, folder: Path) -> None:
    reading = Reading(ready)
    reading.open_list(folder, 3)
    reading.go(Qt.Key.Key_N)
    assert reading.patient() == PATIENT
    ready.wait(lambda: reading.session.proposal is not None)
    reading.session.place_centre((31, 33, 12))
    reading.session.set_grade(3)
    ready.wait_for_risk()
    reading.go(Qt.Key.Key_P)
    priors = priors_of(ready)
    ready.wait(lambda: len(priors.found) == 1)
    beside(reading)
    proposal = reading.session.proposal
    assert proposal is not None
    assert "placed in the prior exam" in proposal.reason
    assert priors.placing is not None
    assert proposal.voxel == priors.placing.to_current((31, 33, 12))
    reading.read_one(2)
    ready.wait(lambda: reading.session.comparison is not None)
    found = reading.session.comparison
    assert found is not None
    assert (found.changes["grade"].prior, found.changes["grade"].difference) == (3, -1)


def test_a_centre_that_only_the_program_proposed_then_is_no_readers(ready: Program, folder: Path) -> None:
    """A bulk scoring keeps its results as a read that nobody has confirmed."""
    reading = Reading(ready)
    reading.open_list(folder, 3)
    reader = reading.worklist.reader
    early = next(e for e in reading.worklist.model.entries if e.study_date == "20200101")
    assert reader is not None
    made = Read(
        early.exam_id, reader.reader_id, early.series_uid, centre=(20, 20, 12), centre_proposed=True,
        excluded=frozenset({(1, 2, 3)}),
    )  # fmt: skip
    assert keep_results(ready.services.store.open(), made, reader)
    ready.wait(lambda: len(priors_of(ready).found) == 1)
    proposal = reading.session.proposal
    priors = beside(reading)
    assert reading.session.proposal == proposal
    assert priors.loaded is not None
    assert priors.loaded.read is None
    assert priors.loaded.centre != (20, 20, 12)


def test_to_look_at_a_prior_is_not_to_know_what_was_saved_of_it(reading: Reading) -> None:
    """A change of it that waits here is still asked about where another desk has saved more."""
    service, reader = reading.program.services.store, reading.worklist.reader
    early = priors_of(reading.program).found[0].exam_id
    entry = reading.worklist.model.entry_of(early)
    assert reader is not None
    assert entry is not None
    mine = service.open().save_read(Read(early, reader.reader_id, entry.series_uid, centre=(31, 33, 12)), reader)
    other = Store(store_path())
    other.save_read(replace(mine, grade=3.0), reader)
    other.close()
    beside(reading)
    assert service.open().based_on(replace(mine, revision=0), reader) == mine.revision


def test_a_centre_that_was_placed_already_is_not_proposed_again(ready: Program, folder: Path) -> None:
    reading = Reading(ready)
    reading.open_list(folder, 3)
    reading.go(Qt.Key.Key_N)
    reading.session.place_centre((31, 33, 12))
    reading.go(Qt.Key.Key_P)
    ready.wait(lambda: reading.session.proposal is not None)
    proposal = reading.session.proposal
    reading.session.place_centre((30, 30, 10))
    ready.wait(lambda: len(priors_of(ready).found) == 1)
    beside(reading)
    assert reading.session.proposal == proposal
    assert reading.session.read.centre == (30, 30, 10)


def test_priors_of_an_exam_that_has_left_are_not_another_ones(reading: Reading) -> None:
    """The store answers late: what it found was of the exam before."""
    priors, store = priors_of(reading.program), reading.program.services.store
    late: list[object] = []
    real = store.ask

    def ask(work: object, done: object = None, failed: object = None) -> None:
        if "find_priors" in work.__code__.co_names:  # type: ignore[attr-defined]
            late.append(done)
        else:
            real(work, *(f for f in (done, failed) if f is not None))  # type: ignore[arg-type]

    store.ask = ask  # type: ignore[method-assign,assignment]
    priors._look()
    store.ask = real  # type: ignore[method-assign]
    found = priors.found
    reading.go(Qt.Key.Key_N)
    reading.program.wait(lambda: priors.found == ())
    late[0](found)  # type: ignore[operator]
    assert priors.found == ()


def answer(program: Program, same: bool) -> None:
    program.wait(lambda: program.window.findChild(QMessageBox, "samePatientQuestion") is not None)
    box = program.window.findChild(QMessageBox, "samePatientQuestion")
    assert box is not None
    wanted = QMessageBox.ButtonRole.AcceptRole if same else QMessageBox.ButtonRole.RejectRole
    button = next(b for b in box.buttons() if box.buttonRole(b) is wanted)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    program.wait(lambda: program.window.findChild(QMessageBox, "samePatientQuestion") is None)


def somebody_else(reading: Reading) -> None:
    """The next exam comes on screen, as it does when it was asked for just before."""
    other = next(e for e in reading.worklist.model.entries if e.patient_id == "P004")
    reading.worklist.open_exam(other.exam_id)
    reading.program.wait(lambda: reading.session.stored_id == other.exam_id and reading.session.can_measure)


def test_a_choice_among_priors_ends_with_the_exam_that_they_are_of(reading: Reading) -> None:
    """Else one patient's exam would be laid beside another patient's, and not even be asked about."""
    program, priors = reading.program, priors_of(reading.program)
    program.window.commands.run("choose_prior")
    dialog = program.window.findChild(PriorsDialog)
    assert dialog is not None
    assert dialog.isVisible()
    somebody_else(reading)
    program.wait(lambda: program.window.findChild(PriorsDialog) is None)
    assert priors.chosen is None


def test_the_question_about_the_patient_ends_with_the_exam(ready: Program, tmp_path: Path) -> None:
    exams = tmp_path / "exams"
    write_exam(exams / "a", LATE, patient=PATIENT, name=NAME)
    write_exam(exams / "b", EARLY, patient=PATIENT, name="Test^Eve")
    write_exam(exams / "c", 4)
    reading = Reading(ready)
    reading.open_list(exams, 3)
    ready.wait(lambda: len(priors_of(ready).found) == 1)
    reading.key(Qt.Key.Key_D)
    ready.wait(lambda: ready.window.findChild(QMessageBox, "samePatientQuestion") is not None)
    somebody_else(reading)
    ready.wait(lambda: ready.window.findChild(QMessageBox, "samePatientQuestion") is None)
    assert priors_of(ready).chosen is None


@pytest.mark.parametrize("same", [False, True])
def test_where_the_patient_is_not_sure_the_reader_is_asked(ready: Program, tmp_path: Path, same: bool) -> None:
    exams = tmp_path / "exams"
    write_exam(exams / "a", LATE, patient=PATIENT, name=NAME)
    write_exam(exams / "b", EARLY, patient=PATIENT, name="Test^Eve")
    reading = Reading(ready)
    reading.open_list(exams, 2)
    priors = priors_of(ready)
    ready.wait(lambda: len(priors.found) == 1)
    assert priors.found[0].doubt == "The exams differ in patient name."
    reading.key(Qt.Key.Key_D)
    assert priors.chosen is None
    answer(ready, same)
    if same:
        ready.wait(lambda: priors.loaded is not None)
    else:
        assert priors.chosen is None
        assert not ready.services.runner.busy or priors.loaded is None


def test_a_blinded_reader_sees_neither_date_nor_change_before_the_lock(reading: Reading) -> None:
    program, session = reading.program, reading.session
    program.window.commands.run("read_blinded")
    program.wait(lambda: session.blinded)
    while session.volume is None or session.volume.attributes["StudyDate"] != "20200110":
        reading.go(Qt.Key.Key_N)
    priors = priors_of(program)
    program.wait(lambda: len(priors.found) == 1)
    axial = program.window.desk.views[Plane.AXIAL]
    assert axial.annotations.top_right[-1] == "D: prior 9 days before"
    beside(reading)
    prior = program.window.prior_pane.axial
    program.wait(lambda: "9 days before" in prior.annotations.banner)
    said = " ".join((*prior.annotations.top_left, *prior.annotations.top_right, prior.annotations.banner))
    assert not any(word in said for word in ("2020", PATIENT, "Ada"))
    program.wait(lambda: program.window.desk.tool.value == "place_centre" or session.proposal is not None)
    session.place_centre((31, 33, 12))
    session.set_grade(1)
    assert session.comparison is None
    assert "once the grade is locked" in program.text("changeNote")
    session.lock_grade()
    program.wait(lambda: session.comparison is not None)


def test_the_prior_takes_its_memory_from_what_is_read_ahead(reading: Reading) -> None:
    ahead, priors = reading.worklist.ahead, priors_of(reading.program)
    reading.program.wait(lambda: not ahead.busy and ahead.bytes_kept > 0)
    size = next(iter(ahead._kept.values())).volume.hu.nbytes
    ahead.budget_bytes = 2 * size
    beside(reading)
    assert ahead.bytes_kept <= size
    priors.hide()
    assert ahead.bytes_kept <= size
    reading.go(Qt.Key.Key_N)
    reading.go(Qt.Key.Key_N)
    assert ahead._reserved_bytes == 0


@pytest.fixture
def chosen_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "by hand"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    return folder


def open_by_hand(program: Program) -> None:
    QTest.keyClick(program.window, Qt.Key.Key_D, Qt.KeyboardModifier.ShiftModifier)
    program.wait(lambda: program.window.findChild(PriorsDialog) is not None)
    dialog = program.window.findChild(PriorsDialog)
    assert dialog is not None
    button = dialog.findChild(QPushButton, "priorFromFolder")
    assert button is not None
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.mark.parametrize(
    ("number", "name", "why"),
    [(LATE, NAME, "It is the exam on screen."), (20, NAME, "It is later than"), (3, NAME, ""), (3, "Test^Eve", "?")],
)
def test_a_prior_can_be_opened_from_a_folder(
    reading: Reading, chosen_folder: Path, number: int, name: str, why: str
) -> None:
    program, priors = reading.program, priors_of(reading.program)
    write_exam(chosen_folder, number, patient=PATIENT, name=name)
    told: list[str] = []
    priors.told.connect(told.append)
    open_by_hand(program)
    if why == "?":
        answer(program, same=True)
    if why in ("", "?"):
        program.wait(lambda: priors.loaded is not None)
        assert priors.chosen is not None
        assert (priors.chosen.study_date, priors.chosen.days) == ("20200104", 6)
        return
    program.wait(lambda: bool(told))
    assert why in told[0]
    assert priors.chosen is None


def test_the_dialog_lists_what_is_known_and_opens_the_one_chosen(reading: Reading) -> None:
    program, priors = reading.program, priors_of(reading.program)
    QTest.keyClick(program.window, Qt.Key.Key_D, Qt.KeyboardModifier.ShiftModifier)
    dialog = program.window.findChild(PriorsDialog)
    assert dialog is not None
    found = dialog.findChild(QListWidget, "priorList")
    assert found is not None
    assert [found.item(i).text() for i in range(found.count())] == ["2020-01-01 (9 days before) · Thorax low dose"]
    QTest.keyClick(found, Qt.Key.Key_Return)
    program.wait(lambda: priors.loaded is not None)
    assert priors.layout is Layout.BESIDE


def test_a_prior_that_cannot_be_read_is_one_sentence(reading: Reading, folder: Path) -> None:
    priors = priors_of(reading.program)
    for file in (folder / "b").iterdir():
        file.unlink()
    told: list[str] = []
    priors.told.connect(told.append)
    reading.key(Qt.Key.Key_D)
    reading.program.wait(lambda: bool(told))
    assert told[0].startswith("The prior exam can't be shown: ")
    assert (priors.layout, priors.chosen) == (Layout.OFF, None)
