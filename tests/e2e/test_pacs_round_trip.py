"""A radiologist fetches an exam from the PACS, reads it and sends the result back; a colleague fetches both and goes on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QDialog, QLabel, QLineEdit, QPushButton, QSpinBox, QTableView, QWidget
from pytestqt.qtbot import QtBot

from hyrisk_desktop.gui.pacs.window import PacsWindow
from hyrisk_desktop.gui.viewer.display import Plane
from tests.e2e.test_export_and_restore import ALT, CTRL, LEFT, NONE, SHOWN, click, desks, sit_down, type_into, view
from tests.gui.conftest import Program
from tests.helpers import dicom_series, orthanc, readings
from tests.helpers.orthanc import Orthanc
from tests.helpers.pictures import picture

__all__ = ["desks"]
SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[Orthanc]:
    with orthanc.running(tmp_path / "pacs", orthanc.free_port()) as server:
        exam = dicom_series.write(readings.calcified(), tmp_path / "scanner")
        server.put_files(sorted(exam.rglob("*.dcm")))
        yield server


def set_up(program: Program, pacs: Orthanc) -> PacsWindow:
    """Ctrl+P opens the nodes, as there is none yet; type one, test it, save it."""
    program.services.settings["pacs_port"] = pacs.own_port
    QTest.keyClick(view(program), Qt.Key.Key_P, CTRL)
    program.wait(lambda: program.window.findChild(PacsWindow) is not None)
    window = program.window.findChild(PacsWindow)
    program.qtbot.waitExposed(window)
    for name, text in (("nodeName", "Hospital"), ("nodeAeTitle", "ORTHANC"), ("nodeHost", "127.0.0.1")):
        type_into(window, name, text)
    port = window.findChild(QSpinBox, "nodePort")
    port.selectAll()
    QTest.keyClicks(port, str(pacs.port))
    click(window, "testNode")
    program.wait(lambda: "answers" in window.findChild(QLabel, "nodeMessage").text())
    click(window, "saveNode")
    return window


def fetch(program: Program, window: PacsWindow) -> None:
    """Type the patient's id, Enter searches, Enter on the study retrieves it; the exam comes on screen."""
    QTest.mouseClick(window.tabs.tabBar(), LEFT, NONE, window.tabs.tabBar().tabRect(0).center())
    type_into(window, "query_patient_id", readings.calcified()[0].PatientID)
    QTest.keyClick(window.findChild(QLineEdit, "query_patient_id"), Qt.Key.Key_Return)
    studies = window.findChild(QTableView, "pacsStudies")
    program.wait(lambda: studies.model().rowCount() == 1 and studies.hasFocus())
    picture(window, "pacs")
    QTest.keyClick(studies, Qt.Key.Key_Return)
    program.wait(lambda: program.session.can_measure and program.session.stored_id is not None)
    window.close()
    program.window.activateWindow()
    program.wait(program.window.isActiveWindow)


def read(program: Program) -> None:
    """Click the heart, grade 2."""
    axial = program.window.desk.views[Plane.AXIAL]
    while program.session.view.position[2] != readings.CENTRE[2]:
        up = program.session.view.position[2] < readings.CENTRE[2]
        QTest.keyClick(view(program), Qt.Key.Key_PageUp if up else Qt.Key.Key_PageDown)
    if program.window.desk.tool.name != "PLACE_CENTRE":
        QTest.keyClick(view(program), Qt.Key.Key_H)
    QTest.mouseClick(axial.viewport(), LEFT, NONE, axial.position_of(readings.CENTRE).toPoint())
    QTest.keyClick(view(program), Qt.Key.Key_2, ALT)
    program.wait_for_risk()


def send(program: Program) -> None:
    """Ctrl+Shift+S, everything ticked, Enter; wait for the PACS's confirmation."""
    QTest.keyClick(view(program), Qt.Key.Key_S, CTRL | SHIFT)
    program.wait(lambda: program.window.findChild(QDialog, "sendReadingDialog") is not None)
    dialog = program.window.findChild(QDialog, "sendReadingDialog")
    program.qtbot.waitExposed(dialog)
    for key in ("sr", "seg", "pdf_dicom"):
        box = dialog.findChild(QCheckBox, f"send_{key}")
        if not box.isChecked():
            QTest.mouseClick(box, LEFT, NONE, QPoint(8, box.height() // 2))
    type_into(dialog, "sendReader", "Ada Mueller")
    QTest.keyClick(dialog, Qt.Key.Key_Return)
    status = program.window.findChild(QLabel, "statusMessage")
    program.wait(lambda: "of these confirmed: 3" in status.toolTip())


def test_story(
    desks: list[Program], pacs: Orthanc, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = sit_down(desks, tmp_path / "home 1", qtbot, monkeypatch)
    fetch(program, set_up(program, pacs))
    read(program)
    shown = {name: program.text(name) for name in SHOWN}
    send(program)
    program.window.close()

    (study,) = pacs.get("/studies")
    kinds = sorted(
        pacs.get(f"/series/{s}")["MainDicomTags"]["Modality"] for s in pacs.get(f"/studies/{study}")["Series"]
    )
    assert kinds == ["CT", "DOC", "SEG", "SR"], "all in the exam's own study"
    for instance in pacs.get("/instances"):
        tags = pacs.get(f"/instances/{instance}/simplified-tags")
        if tags["Modality"] in ("SR", "SEG", "DOC"):
            file = tmp_path / f"{tags['Modality']}.dcm"
            file.write_bytes(pacs.ask("GET", f"/instances/{instance}/file"))
            verdict = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True).stderr
            assert not [line for line in verdict.splitlines() if line.startswith("Error")], verdict

    # A colleague at another desk fetches the study, and the reading with it.
    program = sit_down(desks, tmp_path / "home 2", qtbot, monkeypatch)
    fetch(program, set_up(program, pacs))
    bar = program.window.findChild(QWidget, "restoreBar")
    program.wait(bar.isVisible)
    assert "Ada Mueller" in program.text("restoreText")
    QTest.mouseClick(program.window.findChild(QPushButton, "restoreOffered"), LEFT)
    program.wait(lambda: program.session.read.centre == readings.CENTRE)
    program.wait_for_risk()
    assert {name: program.text(name) for name in SHOWN} == shown
