"""What does not hold is not printed: a reason stands in its place, and to see the number all the same is recorded."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from PySide6.QtCore import QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QListWidget, QPushButton, QTableView

from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.gui.export.writer import readiness
from hyrisk_desktop.gui.models.comparison import _risk_texts
from hyrisk_desktop.gui.panels.caption import Note
from hyrisk_desktop.gui.panels.risk_panel import ByGradeStrip, RiskPanel
from hyrisk_desktop.gui.results import results_text
from hyrisk_desktop.gui.state import ReadState
from hyrisk_desktop.gui.worklist.columns import columns
from hyrisk_desktop.gui.worklist.read_keeper import state_of
from hyrisk_desktop.gui.worklist.table_model import WorklistModel
from hyrisk_desktop.imaging import CTVolume, check_volume
from hyrisk_desktop.standing import SHOWN_ANYWAY
from hyrisk_desktop.worklist.records import Status
from tests.gui.conftest import Program
from tests.gui.test_worklist import Reading, exams, reading  # noqa: F401  fixtures
from tests.gui.test_worklist_model import entry
from tests.helpers.volumes import HEART_CENTRE, block_volume, box
from tests.unit.test_standing import said, summary

LEFT = Qt.MouseButton.LeftButton
NUMBERS = ("riskInterval", "riskPercentile", "risknetValue")
SCORES = ("volumeValue", "sqrtVolumeValue")
BEYOND = (20, 120, 12)
"""In the lung: there is no heart around it."""


def contrast() -> CTVolume:
    volume = block_volume([(box((120, 118, 12), (4, 3, 1)), 420)])
    return dataclasses.replace(volume, attributes={**volume.attributes, "ContrastBolusAgent": "Omnipaque"})


@pytest.fixture
def withheld(ready: Program) -> Program:
    """A heart with contrast agent, read."""
    volume = contrast()
    exam = dataclasses.replace(ready.show(volume), findings=check_volume(volume))
    ready.session.complete(exam)
    ready.session.place_centre(HEART_CENTRE)
    ready.session.set_grade(2)
    ready.wait_for_risk()
    return ready


def button(program: Program, name: str) -> QPushButton:
    return program.window.findChild(QPushButton, name)


def shown(program: Program, name: str) -> bool:
    return program.window.findChild(QLabel, name).isVisible()


def bars(program: Program) -> str:
    return program.window.findChild(ByGradeStrip).accessibleDescription()


def test_a_reason_stands_in_place_of_every_number(withheld: Program) -> None:
    session = withheld.session
    assert session.risk is not None
    assert session.scores is not None
    assert withheld.text("riskValue") == withheld.text("agatstonValue") == "Withheld"
    assert withheld.text("riskReason") == "because: contrast agent"
    assert withheld.text("agatstonCategory") == "contrast agent"
    assert [withheld.text(name) for name in (*NUMBERS, *SCORES)] == ["–"] * 5
    assert withheld.text("riskNote").startswith("The scan was made with contrast agent")
    assert bars(withheld) == ""
    assert withheld.text("riskSplit") == ""
    table = withheld.window.findChild(QTableView, "lesionTable").model()
    assert [table.index(0, column).data() for column in (5, 6)] == ["–", "–"]
    assert table.index(0, 3).data() == "420", "the lesion itself can still be judged, and left out"
    findings = withheld.window.findChild(QListWidget, "findingsList")
    assert "contrast agent" in findings.item(0).text()
    for name in ("riskValue", "agatstonValue"):
        label = withheld.window.findChild(QLabel, name)
        assert label.property("state") == "hidden"
        assert label.accessibleDescription() == "Withheld"


@pytest.mark.parametrize("text", ["Twenty letters there. " * 30, "请检查心脏中心点" * 40], ids=["words", "signs"])
def test_a_reason_without_room_ends_in_whole_lines_and_is_whole_in_its_tooltip(ready: Program, text: str) -> None:
    note = ready.window.findChild(Note, "riskNote")
    note.setText(text)
    shown = note.shown()
    assert shown.endswith("…")
    assert text.startswith(shown[:-1])
    assert text[len(shown) - 1] in " 请检查心脏中心点", "no word is cut"
    room = note.contentsRect()

    def height(part: str) -> int:
        high = QRect(0, 0, room.width(), 10_000)
        return note.fontMetrics().boundingRect(high, Qt.TextFlag.TextWordWrap, part).height()

    assert height(shown) <= room.height() < height(text[: len(shown) + 24] + "…")
    assert note.text() == note.toolTip() == note.accessibleDescription() == text
    # What is painted is what is shown, to the pixel.
    painted = note.grab().toImage()
    note.setText(shown)
    assert note.shown() == shown
    assert note.grab().toImage() == painted
    note.setText("Short.")
    assert note.shown() == "Short."


def test_nothing_of_it_reaches_the_clipboard(withheld: Program) -> None:
    session = withheld.session
    assert session.risk is not None
    assert session.scores is not None
    text = results_text(session)
    assert "Region Agatston: withheld, contrast agent" in text
    assert "Risk: withheld, contrast agent" in text
    assert "%" not in text.split("The scan was made")[0]
    assert f"{session.scores.agatston:.1f}" not in text


def test_what_a_model_reads_is_told_only_where_it_is_not_withheld(ready: Program) -> None:
    ready.show(block_volume([(box(HEART_CENTRE, (4, 4, 1)), 420)]))
    ready.session.place_centre(HEART_CENTRE)
    ready.wait_for_risk()
    session, panel = ready.session, ready.window.findChild(RiskPanel)
    assert session.risk is not None
    assert session.exam is not None
    answer = dataclasses.replace(session.risk, score_input="agatston", agatston=4321.0)
    panel._show_reading(answer)
    assert any("Reads the region Agatston (4321), not the grade." in note.text() for note in panel.findChildren(Note))
    bone = Finding("bone_counted", Severity.WARNING, "Bone is counted.")
    session.complete(dataclasses.replace(session.exam, findings=(bone,)))
    session.place_centre(HEART_CENTRE)
    ready.wait_for_risk()
    assert ready.text("agatstonValue") == "Withheld"
    panel._show_reading(answer)
    notes = [note.text() for note in panel.findChildren(Note)]
    assert any("Reads the region Agatston, not the grade." in text for text in notes)
    assert not any("4321" in text for text in notes)


def test_a_risk_that_reads_a_withheld_score_is_withheld_in_the_window_too(ready: Program) -> None:
    x, y, z = HEART_CENTRE
    ready.show(block_volume([(box((x - 25, y - 15, z), (42, 25, 1)), 300)], spacing=(1.0, 1.0, 2.5)))
    ready.session.place_centre(HEART_CENTRE)
    ready.wait_for_risk()
    assert ready.session.risk is not None
    answer = dataclasses.replace(ready.session.risk, score_input="agatston", agatston=4321.0)
    codes = [f.code for f in ready.session.findings_with(answer)]
    assert "fed_score_withheld" in codes
    assert "fed_score_withheld" not in [f.code for f in ready.session.findings]


def test_it_is_not_explained_either(withheld: Program) -> None:
    told: list[str] = []
    withheld.session.told.connect(told.append)
    withheld.session.set_explaining(True)
    assert told == ["The risk is withheld, so there is nothing to explain: contrast agent."]
    assert not withheld.session.explaining


@pytest.mark.parametrize("name", ["showRiskAnyway", "showScoresAnyway"])
def test_to_show_it_anyway_is_a_click_and_is_recorded(withheld: Program, name: str) -> None:
    session = withheld.session
    assert button(withheld, name).isVisible()
    QTest.mouseClick(button(withheld, name), LEFT)
    withheld.wait_for_risk()
    assert session.risk is not None
    assert session.scores is not None
    assert withheld.text("riskValue").endswith("%")
    assert withheld.text("agatstonValue") == f"{session.scores.agatston:.1f}"
    assert withheld.text("riskReason").startswith("WITHHELD, shown anyway: contrast agent (demonstration model")
    assert not button(withheld, "showRiskAnyway").isVisible()
    assert not button(withheld, "showScoresAnyway").isVisible()
    assert withheld.window.findChild(QLabel, "riskValue").property("state") == "withheld"
    assert session.findings[-1].code == SHOWN_ANYWAY
    assert results_text(session).count("WITHHELD (contrast agent), shown anyway:") == 2
    measured = session.measurement
    assert measured is not None
    assert measured.risk_standing.withheld, "what leaves the program is still withheld"


def test_it_holds_for_one_place_only_and_can_be_taken_back(withheld: Program) -> None:
    session = withheld.session
    session.show_anyway()
    session.undo()
    assert not session.read.shown_anyway
    session.redo()
    assert session.read.shown_anyway
    session.set_grade(1)
    assert session.read.shown_anyway, "the same place"
    x, y, z = HEART_CENTRE
    session.place_centre((x + 1, y, z))
    assert not session.read.shown_anyway
    assert SHOWN_ANYWAY not in [f.code for f in session.findings]
    withheld.wait_for_risk()
    assert withheld.text("riskValue") == "Withheld"
    other = block_volume(series_uid="1.2.9", patient="Other^Patient")
    withheld.show(other)
    assert not session.read.shown_anyway


def test_a_sound_read_says_nothing_of_it(ready: Program) -> None:
    ready.show(block_volume())
    ready.session.place_centre(HEART_CENTRE)
    ready.session.set_grade(2)
    ready.wait_for_risk()
    assert ready.text("riskValue").endswith("%")
    assert not shown(ready, "riskReason")
    assert shown(ready, "demonstrationBadge")
    assert not button(ready, "showRiskAnyway").isVisible()
    ready.session.show_anyway()
    assert SHOWN_ANYWAY not in [f.code for f in ready.session.findings], "there was nothing to show"


def test_no_heart_at_the_centre_withholds_until_it_is_moved(ready: Program) -> None:
    ready.show(block_volume())
    ready.session.place_centre(BEYOND)
    ready.session.set_grade(0)
    ready.wait_for_risk()
    assert ready.text("riskReason") == "because: no heart at the centre"
    ready.session.place_centre(HEART_CENTRE)
    ready.wait_for_risk()
    assert ready.text("riskValue").endswith("%")


def test_the_panel_keeps_its_size(withheld: Program) -> None:
    panel = withheld.window.findChild(QLabel, "riskValue").parentWidget()
    before = panel.sizeHint().height()
    withheld.session.show_anyway()
    withheld.wait_for_risk()
    assert panel.sizeHint().height() == before
    withheld.show(block_volume(series_uid="1.2.8"))
    assert panel.sizeHint().height() == before


def test_a_comparison_of_models_hides_what_each_withholds(withheld: Program) -> None:
    session = withheld.session
    assert session.risk is not None
    standing = session.risk_standing
    assert _risk_texts(session.risk, standing)[:5] == ("withheld: contrast agent", "–", "–", "–", "–")


# --- the worklist


def cell(model: WorklistModel, key: str, role: Qt.ItemDataRole = Qt.ItemDataRole.DisplayRole) -> object:
    return model.index(0, [c.key for c in columns()].index(key)).data(role)


def test_the_rows_say_withheld_and_why(qapp: object) -> None:
    model = WorklistModel()
    model.show_entries([dataclasses.replace(entry(1), read=summary(codes="not_heart"))], blinded=False)
    assert (cell(model, "status"), cell(model, "risk"), cell(model, "agatston")) == ("withheld",) * 3
    assert str(cell(model, "findings")).startswith("✖ no heart at the centre")
    assert "About not_heart." in str(cell(model, "patient", Qt.ItemDataRole.ToolTipRole))
    green = WorklistModel()
    green.show_entries([dataclasses.replace(entry(1), read=summary())], blinded=False)
    colour = Qt.ItemDataRole.ForegroundRole
    assert cell(model, "status", colour) != cell(green, "status", colour)
    assert cell(model, "risk", colour) == cell(model, "findings", colour) == cell(model, "status", colour)
    assert cell(green, "risk", colour) is None
    assert (cell(green, "risk"), cell(green, "agatston")) == ("30 %", "9")


def test_what_is_withheld_sorts_below_every_number(qapp: object) -> None:
    model = WorklistModel()
    rows = [summary(codes="not_heart", risk=0.9), summary(risk=0.1), summary(risk=0.5)]
    entries = [dataclasses.replace(entry(n), read=row) for n, row in enumerate(rows)]
    # Many words about a number that is shown weigh less than one that withholds it.
    entries[1] = dataclasses.replace(entries[1], findings=(said("noise"), said("sharp_kernel")))
    model.show_entries(entries, blinded=False)
    for key in ("risk", "findings"):
        model.sort([c.key for c in columns()].index(key), Qt.SortOrder.DescendingOrder)
        first = model.entry_at(0).exam_id
        assert first == (2 if key == "risk" else 0), "the marked rows come first by findings"


def test_the_store_keeps_that_somebody_asked(reading: Reading, exams: Path) -> None:  # noqa: F811
    reading.open_list(exams)
    session = reading.program.session
    reading.program.wait(lambda: session.can_measure)
    session.place_centre((2, 2, 3))
    session.set_grade(1)
    reading.program.wait_for_risk()
    reading.program.wait(lambda: Status.WITHHELD in reading.statuses())
    session.show_anyway()
    reading.program.wait_for_risk()
    reading.program.wait(lambda: reading.program.services.store.unsaved == 0)
    (saved,) = reading.saved()
    assert saved.shown_anyway
    assert saved.results["risk"]["hyrisknet"] is not None, "a replay must find it again"
    assert state_of(saved) == session.read == ReadState((2, 2, 3), 1.0, shown_anyway=True)
    store = reading.program.services.store.open()
    changes = [entry.detail for entry in store.audit_trail() if "shown_anyway" in entry.detail]
    assert changes[0]["shown_anyway"] == [False, True]


def test_before_they_are_written_the_files_say_what_they_withhold(withheld: Program) -> None:
    said = readiness(withheld.session).warnings
    assert "The files withhold the risk: contrast agent." in said
    assert "The files withhold the calcium scores: contrast agent." in said
    withheld.show(block_volume(series_uid="1.2.7"))
    withheld.session.place_centre(HEART_CENTRE)
    withheld.wait_for_risk()
    assert not any("withhold" in line for line in readiness(withheld.session).warnings)


def test_a_finding_is_never_cut(ready: Program) -> None:
    """A sentence that just filled its last line ended in "…" on a real exam, before what to do: so try every length."""
    findings = tuple(
        Finding(f"code{n}", Severity.WARNING, "i" * n + " outside lies calcium: check the centre.")
        for n in range(1, 121)
    )
    ready.session.complete(dataclasses.replace(ready.show(block_volume()), findings=findings))
    rows = ready.window.findChild(QListWidget, "findingsList")
    assert rows is not None
    ready.wait(lambda: rows.count() >= len(findings) and rows.verticalScrollBar().isVisible())
    flags = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft
    # A text is painted with 6 px free on either side, as its picture shows.
    painted = QRect(0, 0, rows.viewport().width() - 12, 10_000)
    cut = [
        item.text()
        for item in (rows.item(row) for row in range(rows.count()))
        if rows.visualItemRect(item).height() < rows.fontMetrics().boundingRect(painted, flags, item.text()).height()
    ]
    assert cut == []
