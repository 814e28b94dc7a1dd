"""Readings brought back in the window from our own reports: offered, asked for, undone; never half, never somebody else's."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QLabel, QPushButton, QWidget

from hyrisk_desktop.calcium import HeartMarks
from hyrisk_desktop.exchange.exports import Targets, write_exports
from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.exchange.restoring import restore
from hyrisk_desktop.gui.dialogs.message import ErrorDialog
from hyrisk_desktop.gui.services import exam_loader
from hyrisk_desktop.gui.state import ReadState
from hyrisk_desktop.imaging import SeriesRecord
from hyrisk_desktop.jobs import CancelToken
from hyrisk_desktop.measurement import measure
from hyrisk_desktop.risk import Predictor
from tests.gui.conftest import Program
from tests.helpers import dicom_series, readings
from tests.helpers.bundles import write_tiny_bundle
from tests.helpers.exams import write_exam

RING = (62, 60, 7)


@pytest.fixture(scope="module")
def predictor(tiny_bundle: Path) -> Predictor:
    return Predictor(tiny_bundle, "cpu", None)


@pytest.fixture
def exam(tmp_path: Path) -> Path:
    return dicom_series.write(readings.calcified(), tmp_path / "study" / "CT")


@pytest.fixture
def report(exam: Path, predictor: Predictor) -> Report:
    """Another desk's reading of the exam: one of the three lesions excluded."""
    return readings.report_of(exam, predictor, grade=1.5, excluded=[RING], reader="Ada Müller")


def put(report: Report, folder: Path, name: str = "r") -> Path:
    """SR and SEG of a reading in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    sr = folder / f"{name}.sr.dcm"
    targets = Targets(sr=sr, seg=folder / f"{name}.seg.dcm")
    write_exports(targets, report.record, report.volume, report.measurement, reader=report.reader)
    return sr


def open_exam(program: Program, path: Path) -> None:
    before = program.session.exam
    program.services.loader.open_path(path)
    program.wait(lambda: program.session.exam is not before and program.session.can_measure)
    program.wait(lambda: program.session.stored_id is not None)
    # The store has answered what it knows of the exam.
    program.wait(lambda: not program.services.worklist.keeper._asked)


def drop(program: Program, path: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    copy, none = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
    program.window.dropEvent(QDropEvent(QPointF(9, 9), copy, data, Qt.MouseButton.LeftButton, none))


def choose(program: Program, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """File > Restore reading, and that file."""
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: (str(path), ""))
    program.window.actions_by_key["restore_reading"].trigger()


def bar(program: Program) -> QWidget:
    found = program.window.findChild(QWidget, "restoreBar")
    assert found is not None
    return found


def sentence(program: Program) -> str:
    """What the one error dialog says; closes it."""
    program.wait(lambda: program.window.findChild(ErrorDialog) is not None)
    dialog = program.window.findChild(ErrorDialog)
    assert dialog is not None
    label = dialog.findChild(QLabel, "errorSentence")
    assert label is not None
    text = label.text()
    dialog.close()
    program.wait(lambda: program.window.findChild(ErrorDialog) is None)
    return text


def status(program: Program) -> str:
    label = program.window.findChild(QLabel, "statusMessage")
    assert label is not None
    return label.toolTip()


def settle(program: Program) -> None:
    """Until no job runs any more."""
    program.wait(lambda: not program.services.runner.busy)
    program.qtbot.wait(30)


def test_a_report_beside_the_exam_is_offered_and_not_forced(ready: Program, report: Report, exam: Path) -> None:
    put(report, exam.parent / "reports")
    open_exam(ready, exam.parent)
    ready.wait(lambda: bar(ready).isVisible())
    text = ready.text("restoreText")
    assert "Ada Müller" in text
    assert "Grade 1.5, region Agatston" in text
    assert f"{report.measurement.scores.agatston:.1f}" in text
    assert "%" not in text, "a risk is the model's in use, or none"
    assert ready.session.read == ReadState()
    button = ready.window.findChild(QPushButton, "restoreOffered")
    assert button is not None
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    ready.wait(lambda: ready.session.read.centre is not None)
    ready.wait_for_risk()
    session, m = ready.session, report.measurement
    assert m.risk is not None
    assert (session.read.centre, session.read.grade) == (readings.CENTRE, 1.5)
    assert session.scores.agatston == m.scores.agatston
    assert [lesion.excluded for lesion in session.scores.lesions] == [False, False, True]
    assert session.risk.risk == pytest.approx(m.risk.risk, abs=1e-6)
    assert not bar(ready).isVisible(), "nothing differs, so nothing is remarked"
    assert "Restored the reading of Ada Müller" in status(ready)


def test_a_report_that_withholds_its_scores_is_offered_without_them(ready: Program, tmp_path: Path) -> None:
    files = readings.calcified()
    for ds in files:
        ds.ContrastBolusAgent = "Omnipaque"
    exam = dicom_series.write(files, tmp_path / "study" / "CT")
    report = readings.report_of(exam, reader="Ada Müller")
    assert report.measurement.scores_standing.withheld
    put(report, exam.parent / "reports")
    open_exam(ready, exam.parent)
    ready.wait(lambda: bar(ready).isVisible())
    text = ready.text("restoreText")
    assert "Grade 2 (moderate); the calcium scores are withheld." in text
    assert "gatston" not in text


def test_one_undo_takes_all_of_it_back(
    ready: Program, report: Report, exam: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sr = put(report, tmp_path / "elsewhere")
    open_exam(ready, exam)
    ready.session.place_centre((40, 40, 5))
    ready.session.set_grade(3)
    mine = ready.session.read
    choose(ready, monkeypatch, sr)
    ready.wait(lambda: ready.session.read.grade == 1.5)
    assert ready.session.read.centre == readings.CENTRE
    ready.window.actions_by_key["undo"].trigger()
    assert ready.session.read == mine
    ready.window.actions_by_key["redo"].trigger()
    assert ready.session.read.grade == 1.5


def test_it_becomes_this_readers_read_and_the_trail_says_so(ready: Program, report: Report, exam: Path) -> None:
    marks = HeartMarks(taken=(((49, 55, 6), "LAD"),), excluded=frozenset({(52, 40, 5)}))
    marked = measure(report.volume, readings.CENTRE, 1.5, None, excluded=[RING], heart=marks)
    sr = put(dataclasses.replace(report, measurement=marked), exam)
    open_exam(ready, exam)
    ready.window.commands.reading_files.restoring.restore(sr)
    ready.wait_for_risk()
    assert (ready.session.read.whole_heart, ready.session.read.heart) == (True, marks)
    ready.services.store.flush()
    store = ready.services.store.open()
    (read,) = store.reads()
    assert (read.centre, read.grade, read.heart) == (readings.CENTRE, 1.5, marks)
    assert [e.action for e in store.audit_trail()].count("reading_restored") == 1
    # Opened again, the exam brings the read back by itself, and there is nothing to offer.
    ready.services.loader.open_path(exam)
    ready.wait(lambda: ready.session.can_measure and ready.session.read.grade == 1.5)
    settle(ready)
    assert not bar(ready).isVisible()


@pytest.mark.parametrize("which", ["sr", "seg"])
def test_dropping_a_report_opens_its_exam_from_beside_it(
    which: str, ready: Program, report: Report, exam: Path
) -> None:
    sr = put(report, exam)
    write_exam(exam.parent / "CT" / "other", 3)
    drop(ready, sr if which == "sr" else sr.with_name("r.seg.dcm"))
    ready.wait(lambda: ready.session.read.grade == 1.5)
    assert ready.session.volume.series_uid == report.volume.series_uid
    assert ready.session.scores.agatston == report.measurement.scores.agatston


def test_a_report_without_its_exam_is_one_sentence(ready: Program, report: Report, tmp_path: Path) -> None:
    sr = put(report, tmp_path / "elsewhere")
    write_exam(tmp_path / "elsewhere" / "other", 3)
    drop(ready, sr)
    assert sentence(ready).startswith("The exam of this report isn't beside it")
    assert ready.session.exam is None
    # Opened later by hand, the exam isn't given what nobody asks for any more.
    open_exam(ready, report.record.files[0].parent)
    settle(ready)
    assert ready.session.read == ReadState()


def _number(ds: Dataset) -> None:
    for group in ds.ContentSequence[-1:]:
        group.TextValue = "0" * 64


def _foreign(ds: Dataset) -> None:
    ds.ManufacturerModelName = "Another program"


@pytest.mark.parametrize(
    "case", ["changed", "foreign", "cut", "no dicom", "other patient", "changed seg", "other exam"]
)
def test_what_can_not_be_trusted_is_refused_whole(
    case: str, ready: Program, report: Report, exam: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "elsewhere"
    sr = put(report, folder)
    expected = {
        "changed": "was changed after it was written",
        "foreign": "was not written by HyRisk Desktop",
        "cut": "damaged or cut short",
        "no dicom": "was not written by HyRisk Desktop",
        "other patient": "names another patient",
        "changed seg": "nothing was restored",
        "other exam": "belongs to another exam",
    }
    if case == "changed":
        readings.changed(sr, sr, _number)
    elif case == "foreign":
        readings.changed(sr, sr, _foreign)
    elif case == "cut":
        sr.write_bytes(sr.read_bytes()[:-500])
    elif case == "no dicom":
        sr.write_text("no DICOM")
    elif case == "other patient":
        readings.changed(sr, sr, lambda ds: setattr(ds, "PatientID", "Somebody else"))
    elif case == "changed seg":
        seg = folder / "r.seg.dcm"
        seg.write_bytes(seg.read_bytes()[:-3000])
    elif case == "other exam":
        exam = write_exam(tmp_path / "third", 7)
    open_exam(ready, exam)
    choose(ready, monkeypatch, sr)
    said = sentence(ready)
    assert expected[case] in said
    assert ready.session.read == ReadState()
    assert not ready.session.can_undo


def test_a_changed_report_beside_the_exam_is_told_and_a_foreign_one_is_not(
    ready: Program, report: Report, exam: Path
) -> None:
    sr = put(report, exam)
    readings.changed(sr, sr, _foreign)
    open_exam(ready, exam)
    settle(ready)
    assert not bar(ready).isVisible()
    readings.changed(sr, sr, lambda ds: setattr(ds, "ManufacturerModelName", "HyRisk Desktop"))
    readings.changed(sr, sr, _number)
    open_exam(ready, exam)
    ready.wait(lambda: bar(ready).isVisible())
    assert "was changed after it was written" in ready.text("restoreText")
    assert not ready.window.findChild(QPushButton, "restoreOffered").isVisible()
    close = ready.window.findChild(QPushButton, "closeRestoreBar")
    QTest.mouseClick(close, Qt.MouseButton.LeftButton)
    assert not bar(ready).isVisible()


def test_another_model_is_said_and_its_old_number_never_shown(
    ready: Program, exam: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_bundle(tmp_path / "other", seed=3, name="An older network")
    older = Predictor(tmp_path / "other", "cpu", None)
    report = readings.report_of(exam, older, grade=2.0)
    sr = put(report, tmp_path / "elsewhere")
    open_exam(ready, exam)
    choose(ready, monkeypatch, sr)
    ready.wait_for_risk()
    ready.wait(lambda: bar(ready).isVisible())
    text = ready.text("restoreText")
    assert "another model, An older network" in text
    assert "Tiny test network" in text
    session, then = ready.session, report.measurement.risk
    assert then is not None
    assert (session.read.centre, session.read.grade) == (readings.CENTRE, 2.0)
    assert session.risk.model == "Tiny test network"
    assert session.risk.risk != then.risk
    # A remark on these numbers goes when they change.
    session.set_grade(1)
    assert not bar(ready).isVisible()


def test_numbers_that_differ_are_said(
    ready: Program, report: Report, exam: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same series, but its pixels are not those that were read."""
    sr = put(report, tmp_path / "elsewhere")
    made = readings.calcified()
    for ds in made:
        pixels = bytearray(ds.PixelData)
        pixels[:] = bytes(pixels).replace((320 + 1024).to_bytes(2, "little"), (250 + 1024).to_bytes(2, "little"))
        ds.PixelData = bytes(pixels)
    shutil.rmtree(exam)
    dicom_series.write(made, exam)
    open_exam(ready, exam)
    choose(ready, monkeypatch, sr)
    ready.wait(lambda: bar(ready).isVisible())
    assert "The Agatston score is" in ready.text("restoreText")


def test_a_locked_grade_stays(
    ready: Program, report: Report, exam: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sr = put(report, tmp_path / "elsewhere")
    open_exam(ready, exam)
    ready.session.place_centre((40, 40, 5))
    ready.session.set_grade(3)
    ready.session.lock_grade()
    mine = ready.session.read
    choose(ready, monkeypatch, sr)
    assert "locked" in sentence(ready)
    assert ready.session.read == mine


def test_a_blinded_reader_sees_no_other_reading(
    ready: Program, report: Report, exam: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sr = put(report, exam)
    write_exam(tmp_path / "study" / "CT2", 4)
    drop(ready, tmp_path / "study")
    worklist = ready.services.worklist
    ready.wait(lambda: len(worklist.model.entries) == 2 and not worklist.scanning.running)
    ready.wait(lambda: ready.session.can_measure)
    ready.window.actions_by_key["read_blinded"].trigger()
    ready.wait(lambda: ready.session.blinded and ready.session.exam is None)
    entry = next(e for e in worklist.model.entries if e.series_uid == report.volume.series_uid)
    worklist.open_exam(entry.exam_id)
    ready.wait(lambda: ready.session.can_measure and ready.session.stored_id == entry.exam_id)
    settle(ready)
    assert not bar(ready).isVisible()
    for ask in (
        lambda: choose(ready, monkeypatch, sr),
        lambda: drop(ready, sr),
        lambda: ready.window.commands.reading_files.restoring.accept(),
    ):
        ask()
        settle(ready)
        assert ready.session.read == ReadState()
        assert not bar(ready).isVisible()
        if ready.window.findChild(ErrorDialog) is not None:
            said = sentence(ready)
            assert "blinded" in said
            assert "Ada" not in said
    ready.session.set_grade(1)
    ready.session.lock_grade()
    choose(ready, monkeypatch, sr)
    assert "blinded" in sentence(ready), "others' readings stay hidden after the lock too"


def test_what_comes_back_for_an_exam_that_left_is_dropped(
    ready: Program, report: Report, exam: Path, tmp_path: Path
) -> None:
    sr = put(report, tmp_path / "elsewhere")
    open_exam(ready, exam)
    ready.window.commands.reading_files.restoring.restore(sr)
    other = write_exam(tmp_path / "third", 7)
    ready.services.loader.open_path(other)
    ready.wait(lambda: ready.session.can_measure and ready.session.volume.series_uid != report.volume.series_uid)
    settle(ready)
    assert ready.session.read == ReadState()
    assert not bar(ready).isVisible()


def test_the_newest_of_several_is_offered(ready: Program, exam: Path, predictor: Predictor) -> None:
    from datetime import UTC, datetime

    from hyrisk_desktop.exchange.exports import write_files

    base = readings.report_of(exam, predictor, grade=1.0)
    for year, grade in ((2024, 1.0), (2026, 3.0), (2025, 2.0)):
        m = dataclasses.replace(base.measurement, grade=grade)
        moment = datetime(year, 1, 2, tzinfo=UTC)
        old = dataclasses.replace(base, measurement=m, read_at=moment, reader=f"Reader {year}")
        write_files({"sr": exam / f"{year}.dcm"}, old)
    open_exam(ready, exam)
    ready.wait(lambda: bar(ready).isVisible())
    assert "Reader 2026" in ready.text("restoreText")
    assert "2 older ones too" in ready.text("restoreText")


def test_a_late_answer_is_never_applied_to_another_exam(
    ready: Program, report: Report, exam: Path, tmp_path: Path
) -> None:
    sr = put(report, tmp_path / "elsewhere")
    open_exam(ready, exam)
    first = ready.session.exam
    assert first is not None
    found = restore(sr, first.record, first.volume)
    open_exam(ready, write_exam(tmp_path / "third", 7))
    ready.window.commands.reading_files.restoring._apply(found, first.exam_id)
    assert ready.session.read == ReadState()
    assert not ready.session.can_undo


def test_another_prevalence_is_said_once_the_risk_is_there(
    ready: Program, report: Report, exam: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sr = put(report, tmp_path / "elsewhere")
    before = ready.services.risk.predictor
    ready.services.settings["prevalence"] = 0.1
    ready.services.load_model()
    ready.wait(lambda: ready.services.risk.predictor is not before)
    open_exam(ready, exam)
    choose(ready, monkeypatch, sr)
    ready.wait(lambda: bar(ready).isVisible())
    assert "assumed a prevalence of 30.0 %, the risk shown assumes 10.0 %" in ready.text("restoreText")


def test_an_earlier_read_that_comes_late_is_not_mixed_with_the_report(
    ready: Program, report: Report, exam: Path, tmp_path: Path
) -> None:
    """The store is slow: the reader's own read arrives after the report has been checked."""
    sr = put(report, tmp_path / "elsewhere")
    open_exam(ready, exam)
    session, keeper = ready.session, ready.services.worklist.keeper
    keeper._asked = True
    ready.window.commands.reading_files.restoring.restore(sr)
    settle(ready)
    assert session.read == ReadState()
    mine = ReadState((40, 40, 5), 3.0, frozenset({(1, 1, 1)}))
    session.restore(mine, session.exam.exam_id)
    keeper._asked = False
    ready.wait(lambda: session.read.grade == 1.5)
    assert (1, 1, 1) not in session.read.excluded
    session.undo()
    assert session.read == mine


def test_a_drop_that_was_overtaken_by_another_exam_is_forgotten(
    ready: Program, report: Report, exam: Path, tmp_path: Path
) -> None:
    restoring = ready.window.commands.reading_files.restoring
    restoring._wanted = put(report, exam), report.volume.series_uid
    open_exam(ready, write_exam(tmp_path / "third", 7))
    settle(ready)
    assert ready.window.findChild(ErrorDialog) is None
    open_exam(ready, exam)
    settle(ready)
    assert ready.session.read == ReadState()


def test_what_was_to_be_restored_is_forgotten_with_a_cancelled_opening(
    ready: Program, report: Report, exam: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_: Path, *, progress: object, cancel: CancelToken) -> tuple[SeriesRecord, ...]:
        while True:
            cancel.raise_if_cancelled()

    sr, loader = put(report, exam), ready.services.loader
    with monkeypatch.context() as patch:
        patch.setattr(exam_loader, "find_series", never)
        ready.window.commands.reading_files.restoring.take(sr)
        ready.wait(lambda: loader.loading)
        loader.cancel()
        ready.wait(lambda: not loader.loading)
    open_exam(ready, exam)
    ready.wait(lambda: bar(ready).isVisible())
    settle(ready)
    assert ready.session.read == ReadState(), "it is offered, as any report beside an exam, and not restored"
