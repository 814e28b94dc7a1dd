"""Two readers compared, their consensus, and the way from reads to a training cohort, in the real window."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QDoubleSpinBox, QLabel, QLineEdit, QTableWidget

from hyrisk_desktop.gui.appearance import THEMES, apply_appearance, colour, contrast
from hyrisk_desktop.gui.worklist.dialogs.agreement import AgreementDialog
from hyrisk_desktop.gui.worklist.dialogs.agreement_parts import GradeMatrix
from hyrisk_desktop.gui.worklist.dialogs.export_cohort import ExportCohortDialog
from hyrisk_desktop.gui.worklist.dialogs.score_all import ScoreAllDialog
from hyrisk_desktop.settings import Settings
from hyrisk_desktop.worklist.records import Read
from tests.gui.conftest import Program
from tests.gui.test_worklist import Reading
from tests.helpers.exams import write_exam

LEFT = Qt.MouseButton.LeftButton
# Grade and Agatston of either reader, exam by exam.
FIRST = ((0, 0.0), (1, 12.0), (2, 150.0), (3, 500.0))
SECOND = ((0, 0.0), (2, 18.0), (2, 140.0), (1, 520.0))


@pytest.fixture
def reading(ready: Program, tmp_path: Path) -> Reading:
    """A list of four exams that two readers have read."""
    for n in range(4):
        write_exam(tmp_path / "exams" / f"{n}", n)
    reading = Reading(ready)
    reading.open_list(tmp_path / "exams", count=4)
    keep_reads(reading, blinded=False)
    return reading


def keep_reads(reading: Reading, *, blinded: bool, locked: bool = False) -> None:
    store = reading.program.services.store.open()
    for name, rows in (("Ada", FIRST), ("Ben", SECOND)):
        reader = store.reader(name)
        for entry, (grade, agatston) in zip(reading.worklist.model.entries, rows, strict=True):
            read = Read(
                entry.exam_id, reader.reader_id, entry.series_uid, blinded=blinded, centre=(30 + grade, 31, 12),
                grade=float(grade), locked=locked, results={"calcium": {"agatston": agatston, "profile": "standard"}},
            )  # fmt: skip
            store.save_read(read, reader)


@pytest.mark.parametrize("theme", THEMES)
def test_counts_can_be_read_on_their_colours(qapp: QApplication, theme: str) -> None:
    settings = Settings(None)
    settings["theme"] = theme
    apply_appearance(qapp, settings)
    try:
        matrix = GradeMatrix()
        matrix.show_agreement(SimpleNamespace(confusion=np.arange(16).reshape(4, 4)))
        for i, j in np.ndindex(4, 4):
            item = matrix.item(i, j)
            seen = QImage(1, 1, QImage.Format.Format_RGB32)
            seen.fill(colour("field"))
            painter = QPainter(seen)
            painter.fillRect(seen.rect(), item.background())
            painter.end()
            assert contrast(item.foreground().color(), seen.pixelColor(0, 0)) >= 4.5, (i, j)
    finally:
        apply_appearance(qapp, Settings(None))


def opened(reading: Reading) -> AgreementDialog:
    reading.program.window.actions_by_key["show_agreement"].trigger()
    dialog = reading.program.window.findChild(AgreementDialog)
    assert dialog is not None
    reading.program.wait(lambda: dialog._second.count() >= 2)
    return dialog


def text(dialog: AgreementDialog, name: str) -> str:
    label = dialog.findChild(QLabel, name)
    assert label is not None
    return label.text()


def click(parent: object, name: str) -> None:
    button = parent.findChild(QAbstractButton, name)  # type: ignore[attr-defined]
    assert button is not None, name
    assert button.isEnabled(), name
    QTest.mouseClick(button, LEFT)


def test_the_window_shows_where_two_readers_differ(reading: Reading) -> None:
    dialog = opened(reading)
    assert text(dialog, "agreement_n") == "4"
    assert text(dialog, "agreement_raw") == "50 %"
    assert text(dialog, "agreement_linear").startswith("0.")
    assert "to" in text(dialog, "agreement_icc")
    matrix = dialog.findChild(QTableWidget, "confusionMatrix")
    assert [[matrix.item(i, j).text() for j in range(4)] for i in range(4)] == [
        ["1", "0", "0", "0"], ["0", "0", "1", "0"], ["0", "0", "1", "0"], ["0", "1", "0", "0"],
    ]  # fmt: skip
    differences = dialog.findChild(QTableWidget, "differences")
    shown = [[differences.item(row, c).text() for c in range(1, 6)] for row in range(differences.rowCount())]
    assert shown == [["3", "1", "500", "520", "–"], ["1", "2", "12", "18", "–"]]
    assert differences.item(0, 0).text() == "Test, Person003"
    dialog._differences.itemDoubleClicked.emit(differences.item(0, 0))
    reading.program.wait(lambda: reading.session.can_measure and reading.patient() == "P003")


def test_a_consensus_is_a_reader_of_its_own_and_an_adjudicated_grade_stays(reading: Reading) -> None:
    dialog = opened(reading)
    dialog.findChild(QDoubleSpinBox, "adjudicatedGrade").setValue(3.0)
    click(dialog, "meanConsensus")
    store = reading.program.services.store.open()
    reading.program.wait(lambda: any(r.name == "Consensus" for r in store.readers()))
    consensus = next(r for r in store.readers() if r.name == "Consensus")

    def grades() -> list[float | None]:
        return [r.grade for r in store.reads() if r.reader_id == consensus.reader_id]

    reading.program.wait(lambda: grades() == [0.0, 1.5, 2.0, 2.0])
    differences = dialog.findChild(QTableWidget, "differences")
    reading.program.wait(lambda: differences.rowCount() == 2 and differences.item(0, 5).text() == "2")
    differences.selectRow(0)
    click(dialog, "adjudicate")
    reading.program.wait(lambda: grades() == [0.0, 1.5, 2.0, 3.0])
    reading.program.wait(lambda: differences.rowCount() == 2 and differences.item(0, 5).text() == "3")
    click(dialog, "meanConsensus")
    reading.program.wait(lambda: "3 consensus reads" in reading.program.text("statusMessage"))
    assert grades() == [0.0, 1.5, 2.0, 3.0]
    # The consensus is what the network reads with once somebody reads as it.
    reading.worklist.set_reader("Consensus")
    reading.program.wait(lambda: reading.session.read.grade == 0.0)
    reading.program.wait_for_risk()
    assert reading.session.risk is not None
    assert reading.session.risk.grade == 0.0


def test_a_blinded_reader_sees_no_others_reads_before_the_end(reading: Reading) -> None:
    reading.worklist.read_blinded(True)
    reading.program.wait(lambda: reading.session.blinded)
    reading.program.window.actions_by_key["show_agreement"].trigger()
    assert reading.program.window.findChild(AgreementDialog) is None
    assert "4 exams left" in reading.program.text("statusMessage")
    keep_reads(reading, blinded=True, locked=True)
    reading.worklist.set_reader("Ada")
    reading.program.wait(lambda: all(e.read and e.read.locked for e in reading.worklist.model.entries))
    dialog = opened(reading)
    assert text(dialog, "agreement_n") == "4"
    differences = dialog.findChild(QTableWidget, "differences")
    assert "Person" not in differences.item(0, 0).text()


def test_what_is_open_goes_with_the_list_that_it_is_of(reading: Reading) -> None:
    """Nobody begins to read blinded beside the others' grades, or beside the numbers of a bulk scoring."""
    window = reading.program.window
    opened(reading)
    window.actions_by_key["score_all"].trigger()
    scores = window.findChild(ScoreAllDialog)
    assert scores is not None
    reading.worklist.set_reader("Ada")
    reading.program.wait(lambda: window.findChild(AgreementDialog) is None)
    assert scores.isVisible(), "an open list hides no numbers"
    opened(reading)
    reading.worklist.read_blinded(True)
    reading.program.wait(lambda: reading.session.blinded)
    reading.program.wait(lambda: window.findChild(AgreementDialog) is None)
    assert not scores.isVisible()
    window.actions_by_key["score_all"].trigger()
    assert not scores.isVisible()
    assert "4 exams left" in reading.program.text("statusMessage")
    reading.worklist.read_blinded(False)
    reading.program.wait(lambda: not reading.session.blinded)
    window.actions_by_key["score_all"].trigger()
    assert scores.isVisible()


def test_a_mean_replaces_no_consensus_that_was_decided_since_the_dialog_was_opened(reading: Reading) -> None:
    dialog = opened(reading)
    store = reading.program.services.store.open()
    consensus = store.reader("Consensus")
    entry = reading.worklist.model.entries[3]
    decided = Read(
        entry.exam_id, consensus.reader_id, entry.series_uid, centre=(30, 31, 12), grade=3.0,
        versions={"consensus": "adjudicated"},
    )  # fmt: skip
    store.save_read(decided, consensus)
    click(dialog, "meanConsensus")
    reading.program.wait(lambda: "3 consensus reads" in reading.program.text("statusMessage"))
    assert [r.grade for r in store.reads() if r.reader_id == consensus.reader_id] == [3.0, 0.0, 1.5, 2.0]


def test_reads_and_outcomes_become_a_cohort_that_retrain_opens(reading: Reading, tmp_path: Path) -> None:
    outcomes = tmp_path / "outcomes.csv"
    outcomes.write_text("patient_id,outcome\nP000,0\nP001,1\nP002,0\n")
    reading.worklist.set_reader("Ada")
    reading.program.wait(lambda: reading.worklist.reader.name == "Ada" and reading.session.read.grade == 0.0)
    reading.program.window.actions_by_key["retrain"].trigger()
    click(reading.program.window.commands.retraining.wizard, "chooseWorklist")
    dialog = reading.program.window.findChild(ExportCohortDialog)
    for name, path in (("outcomesPath", tmp_path / "none.csv"), ("cohortOut", tmp_path / "cohort.csv")):
        dialog.findChild(QLineEdit, name).setText(str(path))
    click(dialog, "exportCohort")
    message = dialog.findChild(QLabel, "exportMessage")
    reading.program.wait(lambda: "can't be read" in message.text())
    dialog.findChild(QLineEdit, "outcomesPath").setText(str(outcomes))
    click(dialog, "exportCohort")
    reading.program.wait(lambda: "3 exams written" in message.text())
    with open(tmp_path / "cohort.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(r["patient_id"], r["grade"], r["outcome"], r["reader"]) for r in rows] == [
        ("P000", "0.0", "0", "Ada"), ("P001", "1.0", "1", "Ada"), ("P002", "2.0", "0", "Ada"),
    ]  # fmt: skip
    click(dialog, "retrainOnIt")
    wizard = reading.program.window.commands.retraining.wizard
    assert wizard is not None
    assert wizard.cohort_page.cohort() == tmp_path / "cohort.csv"


def test_counts_and_the_empty_table_follow_the_tick_box(ready: Program, tmp_path: Path) -> None:
    """Open reads of both readers, and a blinded one of the first only."""
    for n in range(4):
        write_exam(tmp_path / "exams" / f"{n}", n)
    reading = Reading(ready)
    reading.open_list(tmp_path / "exams", count=4)
    keep_reads(reading, blinded=False)
    store = ready.services.store.open()
    entry = reading.worklist.model.entries[0]
    ada = store.reader("Ada")
    store.save_read(Read(entry.exam_id, ada.reader_id, entry.series_uid, blinded=True, grade=1.0), ada)
    dialog = opened(reading)
    assert [dialog._first.itemText(i) for i in range(2)] == ["Ada (4 graded)", "Ben (4 graded)"]
    assert text(dialog, "agreementMessage") == ""
    dialog._blinded.setChecked(True)
    assert [dialog._first.itemText(i) for i in range(2)] == ["Ada (1 graded blinded)", "Ben (0 graded blinded)"]
    said = text(dialog, "agreementMessage")
    assert "Ada graded 1 and Ben 0" in said
    assert "Untick" in said
    assert text(dialog, "agreement_n") == "0"


def test_all_readers_are_compared_at_once_and_saved_as_a_table(reading: Reading, tmp_path: Path) -> None:
    store = reading.program.services.store.open()
    cat = store.reader("Cat")
    for entry, (grade, agatston) in zip(reading.worklist.model.entries, FIRST, strict=True):
        results = {"calcium": {"agatston": agatston + 2.0, "profile": "standard"}}
        read = Read(
            entry.exam_id, cat.reader_id, entry.series_uid, centre=(30, 31, 12), grade=float(grade), results=results
        )
        store.save_read(read, cat)
    dialog = opened(reading)
    page, table = dialog._all, dialog.findChild(QTableWidget, "agreementOfAll")
    reading.program.wait(lambda: table.rowCount() == 15)
    shown = {(table.item(r, 0).text(), table.item(r, 1).text()): table.item(r, 3).text() for r in range(15)}
    assert shown["Grade", "One grade by all"] == "0.500"
    assert shown["Region Agatston", "ICC(2,1)"].startswith("0.9")
    assert shown["Agatston of LAD", "ICC(2,1)"] == "–"
    assert 0.4 < float(shown["Grade", "Fleiss' kappa"]) < float(shown["Grade", "Krippendorff's alpha, ordinal"])
    page.save(tmp_path / "agreement.csv")
    with open(tmp_path / "agreement.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows[1]["statistic"] == "fleiss_kappa"
    assert f"{float(rows[1]['value']):.3f}" == shown["Grade", "Fleiss' kappa"]
    assert (rows[1]["readers"], rows[1]["exams"], rows[1]["reads"]) == ("Ada; Ben; Cat", "4", "open")
    for row in range(2):
        page._readers.item(row).setCheckState(Qt.CheckState.Unchecked)
    assert "choose at least two readers" in text(dialog, "allMessage")
    assert table.rowCount() == 0
    assert not dialog.findChild(QAbstractButton, "saveAgreement").isEnabled()
    page._blinded.setChecked(True)
    for row in range(3):
        page._readers.item(row).setCheckState(Qt.CheckState.Checked)
    assert "no exam has reads of this kind" in text(dialog, "allMessage")
    page._mixed.setChecked(True)
    assert table.rowCount() == 15
