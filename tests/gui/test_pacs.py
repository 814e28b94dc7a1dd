"""File > PACS in the real window against a real PACS: set up, search, retrieve, receive, send."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QDialog,
    QLabel,
    QLineEdit,
    QListWidget,
    QMessageBox,
    QSpinBox,
    QTableView,
)

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.exchange.pacs import association
from hyrisk_desktop.exchange.pacs.find import DimseArchive
from hyrisk_desktop.exchange.pacs.outbox import State
from hyrisk_desktop.exchange.pacs.query import StudyMatch
from hyrisk_desktop.gui.pacs import sending_reading
from hyrisk_desktop.gui.pacs.service import Pacs
from hyrisk_desktop.gui.pacs.transfers import TransferState
from hyrisk_desktop.gui.pacs.window import PacsWindow
from hyrisk_desktop.gui.viewer.display import Plane
from tests.gui.conftest import Program
from tests.helpers import orthanc
from tests.helpers.exams import write_exam
from tests.helpers.orthanc import Orthanc
from tests.helpers.patience import PATIENCE_S
from tests.helpers.volumes import block_volume


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with orthanc.running(tmp_path_factory.mktemp("orthanc"), orthanc.free_port()) as running:
        yield running


@pytest.fixture
def pacs(server: Orthanc, tmp_path: Path) -> Orthanc:
    """A PACS with the exams of P001 and P002."""
    server.start_again()
    server.clear()
    for number in (1, 2):
        server.put_files(sorted(write_exam(tmp_path / f"exam{number}", number, count=40).rglob("*.dcm")))
    return server


class Desk:
    """The program with its PACS window open."""

    def __init__(self, program: Program) -> None:
        self.program = program
        program.window.actions_by_key["show_pacs"].trigger()
        window = program.window.findChild(PacsWindow)
        assert window is not None
        self.window = window
        self.pacs: Pacs = program.services.pacs
        self.told: list[str] = []
        program.window.commands.message.connect(self.told.append)

    def type(self, name: str, text: str) -> None:
        field = self.window.findChild(QLineEdit, name)
        assert field is not None, name
        field.clear()
        QTest.keyClicks(field, text)

    def click(self, name: str) -> None:
        button = self.window.findChild(QAbstractButton, name)
        assert button is not None, name
        assert button.isEnabled(), name
        # A check box is clicked on its box: the row that it lies in is wider than it.
        QTest.mouseClick(button, Qt.MouseButton.LeftButton, pos=QPoint(9, button.height() // 2))

    def label(self, name: str) -> str:
        label = self.window.findChild(QLabel, name)
        assert label is not None, name
        return label.text()

    def cells(self, name: str) -> list[list[str]]:
        view = self.window.findChild(QTableView, name)
        assert view is not None, name
        model = view.model()
        return [[str(model.index(r, c).data()) for c in range(model.columnCount())] for r in range(model.rowCount())]

    def add_node(self, server: Orthanc) -> None:
        """As a user types it."""
        self.window.show_nodes()
        self.type("nodeName", "Hospital")
        self.type("nodeAeTitle", "ORTHANC")
        self.type("nodeHost", "127.0.0.1")
        port = self.window.findChild(QSpinBox, "nodePort")
        assert port is not None
        port.setValue(server.port)
        self.click("saveNode")
        self.window.tabs.setCurrentWidget(self.window.search)

    def search(self, patient_id: str) -> None:
        self.type("query_patient_id", patient_id)
        self.click("pacsSearch")
        self.program.wait(lambda: "Searching" not in self.label("pacsMessage"))


@pytest.fixture
def desk(ready: Program, pacs: Orthanc) -> Desk:
    ready.services.settings["pacs_port"] = pacs.own_port
    ready.wait(lambda: ready.services.worklist.reader is not None)
    desk = Desk(ready)
    desk.add_node(pacs)
    return desk


def test_a_node_is_tested_kept_and_removed(ready: Program, pacs: Orthanc, isolated_home: Path) -> None:
    desk = Desk(ready)
    assert desk.window.tabs.currentWidget() is desk.window.nodes, "without a node, this is what there is to do"
    desk.click("saveNode")
    assert "name" in desk.label("nodeMessage")
    desk.add_node(pacs)
    desk.window.show_nodes()
    desk.click("testNode")
    ready.wait(lambda: "answers" in desk.label("nodeMessage"))
    desk.type("nodeAeTitle", "WRONG")
    desk.click("testNode")
    ready.wait(lambda: "does not know the AE title" in desk.label("nodeMessage"))
    stored = json.loads((isolated_home / "config" / "settings.json").read_text())["pacs_nodes"]
    assert [n["ae_title"] for n in stored] == ["ORTHANC"], "a test keeps nothing"
    desk.click("addNode")
    desk.type("nodeName", "Hospital")
    desk.type("nodeAeTitle", "X")
    desk.type("nodeHost", "h")
    desk.click("saveNode")
    assert "already" in desk.label("nodeMessage")
    nodes = desk.window.findChild(QListWidget, "nodeList")
    assert nodes is not None
    nodes.setCurrentRow(0)
    desk.click("removeNode")
    assert desk.pacs.nodes.all == ()


def test_a_password_goes_to_the_keyring_and_nowhere_else(
    ready: Program, isolated_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hyrisk_desktop.exchange.pacs import credentials

    kept: dict[str, str] = {}
    monkeypatch.setattr(credentials, "set_password", kept.__setitem__)
    desk = Desk(ready)
    kind = desk.window.findChild(QComboBox, "nodeKind")
    assert kind is not None
    kind.setCurrentIndex(1)
    desk.type("nodeName", "Web")
    desk.type("nodeUrl", "https://pacs.example/dicom-web")
    desk.type("nodeUser", "reader")
    desk.type("nodeSecret", "swordfish")
    desk.click("saveNode")
    ready.wait(lambda: kept == {"Web": "swordfish"})
    for file in isolated_home.rglob("*"):
        assert not file.is_file() or b"swordfish" not in file.read_bytes()
    secret = desk.window.findChild(QLineEdit, "nodeSecret")
    assert secret is not None
    desk.window.nodes.list.setCurrentRow(-1)
    desk.window.nodes.list.setCurrentRow(0)
    assert "swordfish" not in secret.text()
    desk.click("saveNode")
    assert kept == {"Web": "swordfish"}, "saving again does not overwrite it with dots"


def test_searching_and_retrieving_opens_the_exam(desk: Desk) -> None:
    program = desk.program
    desk.search("P00*")
    assert [row[1] for row in desk.cells("pacsStudies")] == ["P002", "P001"], "newest first"
    program.wait(lambda: bool(desk.cells("pacsSeries")))
    assert desk.cells("pacsSeries")[0][1:3] == ["CT", "40"]
    desk.click("pacsRetrieve")
    program.wait(lambda: program.session.can_measure)
    assert program.session.volume is not None
    assert program.session.volume.attributes["PatientID"] == "P002"
    assert desk.cells("pacsTransfers")[0][3:5] == ["complete", "40 of 40"]
    worklist = program.services.worklist
    assert worklist.reading_list is not None
    assert worklist.reading_list.name == "PACS inbox"
    assert len(worklist.model.entries) == 1


def test_a_retrieval_never_changes_what_is_on_screen(desk: Desk) -> None:
    program = desk.program
    shown = program.show(block_volume([])).volume.series_uid
    desk.search("P001")
    desk.click("pacsRetrieve")
    program.wait(lambda: desk.pacs.transfers.all[0].state is TransferState.DONE)
    program.wait(lambda: any("Arrived" in text for text in desk.told))
    assert program.session.volume is not None
    assert program.session.volume.series_uid == shown
    desk.click("pacsOpenList")
    program.wait(lambda: len(program.services.worklist.model.entries) == 1)


@pytest.mark.parametrize("name", ["Test^Ada", "Test^Eve"])
def test_an_exam_before_that_only_the_pacs_has_is_found_fetched_and_shown(
    desk: Desk, pacs: Orthanc, tmp_path: Path, name: str
) -> None:
    program, priors = desk.program, desk.program.services.priors
    pacs.put_files(sorted(write_exam(tmp_path / "before", 10, patient="P-7", name=name).rglob("*.dcm")))
    program.services.worklist.open_path(write_exam(tmp_path / "now", 19, patient="P-7", name="Test^Ada"))
    program.wait(lambda: program.session.can_measure and len(priors.found) == 1)
    assert program.session.volume is not None
    shown = program.session.volume.series_uid
    axial = program.window.desk.views[Plane.AXIAL]
    assert axial.annotations.top_right[-1] == "D: prior 2020-01-11, in the PACS"
    program.window.actions_by_key["prior_beside"].trigger()
    if name != "Test^Ada":
        question = program.window.findChild(QMessageBox, "samePatientQuestion")
        assert question is not None
        assert desk.pacs.transfers.all == []
        next(button for button in question.buttons() if "same patient" in button.text()).click()
    program.wait(lambda: priors.placing is not None)
    assert any("Retrieving the earlier exam from Hospital" in text for text in desk.told)
    assert priors.loaded is not None
    assert priors.loaded.exam.volume.attributes["StudyDate"] == "20200111"
    assert program.session.volume.series_uid == shown
    assert [prior.node for prior in priors.found] == [""]
    assert axial.annotations.top_right[-1] == "D: prior 2020-01-11"


def test_what_came_and_can_not_be_compared_is_said(desk: Desk, pacs: Orthanc, tmp_path: Path) -> None:
    program, priors = desk.program, desk.program.services.priors
    pacs.put_files(sorted(write_exam(tmp_path / "before", 10, patient="P-7", count=2).rglob("*.dcm")))
    program.services.worklist.open_path(write_exam(tmp_path / "now", 19, patient="P-7", name="Test^Person010"))
    program.wait(lambda: program.session.can_measure and len(priors.found) == 1)
    program.window.actions_by_key["prior_beside"].trigger()
    program.wait(lambda: any("holds no CT series that can be compared" in text for text in desk.told))
    assert priors.chosen is None


def test_a_search_for_nothing_says_what_to_do(desk: Desk) -> None:
    desk.click("pacsSearch")
    assert "at least one field" in desk.label("pacsMessage")
    desk.search("NOBODY")
    assert "Nothing fits" in desk.label("pacsMessage")
    assert desk.cells("pacsStudies") == []


def test_the_answer_to_a_stopped_search_is_not_shown(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patient A's studies must not appear under a search for patient B."""
    go_on = threading.Event()

    def slow(*_: Any) -> tuple[StudyMatch, ...]:
        go_on.wait(PATIENCE_S)
        return (StudyMatch("1.2.3", patient_id="LATE"),)

    monkeypatch.setattr(DimseArchive, "find_studies", slow)
    desk.type("query_patient_id", "LATE")
    desk.click("pacsSearch")
    desk.click("pacsSearch")
    assert "stopped" in desk.label("pacsMessage")
    monkeypatch.undo()
    desk.search("P001")
    go_on.set()
    desk.program.wait(lambda: not desk.program.services.runner.busy)
    desk.program.qtbot.wait(1)
    assert [row[1] for row in desk.cells("pacsStudies")] == ["P001"]


@pytest.mark.filterwarnings("ignore:unclosed <:ResourceWarning")
def test_a_broken_retrieval_is_gone_on_with(desk: Desk, pacs: Orthanc) -> None:
    desk.search("P001")
    pacs.kill()
    desk.click("pacsRetrieve")
    desk.program.wait(lambda: desk.pacs.transfers.all[0].state is TransferState.FAILED)
    assert "can't be reached" in desk.cells("pacsTransfers")[0][5]
    pacs.start_again()
    desk.window.search.transfers.selectRow(0)
    desk.click("pacsGoOn")
    desk.program.wait(lambda: desk.pacs.transfers.all[0].state is TransferState.DONE)
    assert len(desk.pacs.transfers.all) == 1
    # The library forgets a socket that was refused: it is found now, and not in the middle of another test.
    gc.collect()


def test_receiving_fills_the_worklist_and_opens_nothing(desk: Desk, pacs: Orthanc) -> None:
    program = desk.program
    desk.window.tabs.setCurrentWidget(desk.window.receive)
    desk.click("receiveImages")
    program.wait(lambda: desk.pacs.receiving.listening)
    assert f"port {pacs.own_port}" in desk.label("receiveState")
    for study in pacs.get("/studies"):
        pacs.ask("POST", "/modalities/us/store", study.encode())
    program.wait(lambda: desk.pacs.receiving.received == 80)
    program.wait(lambda: any("Arrived" in text for text in desk.told))
    assert program.session.exam is None
    desk.pacs.arrivals.open_list()
    program.wait(lambda: len(program.services.worklist.model.entries) == 2)
    desk.click("receiveImages")
    program.wait(lambda: not desk.pacs.receiving.listening and not desk.pacs.receiving.changing)


def test_a_port_in_use_is_said_on_the_page(desk: Desk, pacs: Orthanc) -> None:
    desk.program.services.settings["pacs_port"] = pacs.port
    desk.window.receive.port.setValue(pacs.port)
    desk.pacs.receiving.failed.disconnect(desk.window.parent().commands.pacs.failed)  # the dialog is not the point here
    desk.click("receiveImages")
    desk.program.wait(lambda: "can't listen" in desk.label("receiveError"))
    assert not desk.pacs.receiving.listening


def test_what_is_sent_is_followed_to_its_confirmation(desk: Desk, pacs: Orthanc, tmp_path: Path) -> None:
    objects = [f.read_bytes() for f in sorted(write_exam(tmp_path / "more", 3, count=3).rglob("*.dcm"))]
    desk.pacs.sending.queue("Hospital", objects)
    desk.program.wait(lambda: [r[3] for r in desk.cells("sendQueue")] == ["confirmed"] * 3)
    assert pacs.instances == 83
    assert "3 confirmed" in desk.label("queueMessage")


def test_what_waited_is_sent_after_a_restart(desk: Desk, pacs: Orthanc, tmp_path: Path) -> None:
    objects = [f.read_bytes() for f in sorted(write_exam(tmp_path / "more", 3, count=2).rglob("*.dcm"))]
    sending = desk.pacs.sending
    sending._outbox.add("Hospital", objects)
    again = Pacs.build(desk.program.services.settings, desk.program.services.runner, desk.program.services.worklist)
    again.start()
    desk.program.wait(lambda: [i.state for i in again.sending.items] == [State.CONFIRMED] * 2)
    assert {str(dcmread(f).SOPInstanceUID) for f in (tmp_path / "more").rglob("*.dcm")} <= {
        pacs.get(f"/instances/{i}")["MainDicomTags"]["SOPInstanceUID"] for i in pacs.get("/instances")
    }


def test_without_the_libraries_one_sentence_says_what_to_install(
    ready: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise InputError("no_pacs_libraries", "Run: pip install hyrisk-desktop[pacs]")

    monkeypatch.setattr(association, "require_pacs", missing)
    ready.window.actions_by_key["show_pacs"].trigger()
    dialog = ready.window.findChild(QDialog, "errorDialog")
    assert dialog is not None
    assert "pip install" in dialog.findChild(QLabel, "errorSentence").text()
    dialog.close()


# --- sending the reading on screen


def open_sending(desk: Desk) -> QDialog:
    desk.program.window.actions_by_key["send_reading"].trigger()
    dialog = desk.program.window.findChild(QDialog, "sendReadingDialog")
    assert dialog is not None
    return dialog


def fetch_and_read(desk: Desk, centre: tuple[int, int, int] = (34, 30, 20)) -> None:
    desk.search("P001")
    desk.click("pacsRetrieve")
    program = desk.program
    program.wait(lambda: program.session.can_measure and program.session.stored_id is not None)
    program.session.place_centre(centre)
    program.session.set_grade(1.0)
    program.wait_for_risk()


def sent_kinds(pacs: Orthanc) -> list[str]:
    kinds = [pacs.get(f"/series/{s}")["MainDicomTags"]["Modality"] for s in pacs.get("/series")]
    return sorted(kind for kind in kinds if kind != "CT")


def test_a_reading_is_sent_and_noted(desk: Desk, pacs: Orthanc) -> None:
    fetch_and_read(desk)
    dialog = open_sending(desk)
    box = dialog.findChild(QAbstractButton, "send_pdf_dicom")
    assert box is not None
    box.setChecked(False)
    QTest.mouseClick(dialog.findChild(QAbstractButton, "startSending"), Qt.MouseButton.LeftButton)
    desk.program.wait(lambda: any("of these confirmed: 2" in text for text in desk.told))
    assert sent_kinds(pacs) == ["SEG", "SR"]
    trail: list[str] = []
    desk.program.services.store.ask(lambda store: [row.action for row in store.audit_trail()], trail.extend)
    desk.program.wait(lambda: bool(trail))
    assert "reading_sent" in trail
    assert desk.program.services.settings["pacs_send_formats"] == ["sr", "seg"]


def test_another_exam_on_screen_ends_the_sending_of_the_one_before(
    desk: Desk, pacs: Orthanc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing may go out about an exam that the reader has left, as if it were the one on screen."""
    began, go_on = threading.Event(), threading.Event()

    def slow(*_: Any, check: Any, **__: Any) -> dict[str, bytes]:
        began.set()
        go_on.wait(PATIENCE_S)
        check()
        return {}

    fetch_and_read(desk)
    monkeypatch.setattr(sending_reading, "make_files", slow)
    dialog = open_sending(desk)
    QTest.mouseClick(dialog.findChild(QAbstractButton, "startSending"), Qt.MouseButton.LeftButton)
    desk.program.wait(began.is_set)
    desk.program.show(block_volume([], series_uid="9.9.9"))
    go_on.set()
    desk.program.wait(lambda: desk.program.window.findChild(QDialog, "sendReadingDialog") is None)
    desk.program.wait(lambda: not desk.program.services.runner.busy)
    assert desk.pacs.sending.items == ()
    assert sent_kinds(pacs) == []


def test_what_can_not_be_sent_says_why(desk: Desk) -> None:
    fetch_and_read(desk)
    session = desk.program.session
    session.edit(centre=None)
    dialog = open_sending(desk)
    notes = dialog.findChild(QLabel, "exportNotes")
    send = dialog.findChild(QAbstractButton, "startSending")
    assert notes is not None
    assert send is not None
    assert not send.isEnabled()
    assert "no heart centre" in notes.text()
    desk.pacs.nodes.remove("Hospital", lambda _: None)
    session.set_grade(2.0)
    assert "No PACS" in notes.text()
    dialog.reject()
