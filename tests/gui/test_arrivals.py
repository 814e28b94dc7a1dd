"""What was received is listed, whatever ended before it could be: the program, the worklist's server, or the reading of another study."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import CTImageStorage

from hyrisk_desktop.errors import HyRiskError, StoreError
from hyrisk_desktop.exchange.pacs.inbox import Inbox
from hyrisk_desktop.paths import inbox_dir
from hyrisk_desktop.worklist.store import Store
from tests.gui.conftest import Program
from tests.helpers.exams import write_exam


@pytest.fixture
def inbox(ready: Program, tmp_path: Path) -> Inbox:
    """With an exam that was received, and that no worklist shows."""
    assert ready.services.pacs.arrivals._root == inbox_dir()
    inbox = Inbox(inbox_dir())
    inbox.prepare()
    for file in sorted(write_exam(tmp_path / "sent", 3).rglob("*.dcm")):
        uid = str(dcmread(file, stop_before_pixels=True).SOPInstanceUID)
        kept = inbox.keep(file.read_bytes(), sop_class=CTImageStorage, sop_uid=uid, allowed=[CTImageStorage])
    inbox.mark(kept.study)
    return inbox


def listed(program: Program) -> int:
    """How many exams the worklist of what was received holds."""
    arrivals, worklist = program.services.pacs.arrivals, program.services.worklist
    arrivals.open_list()
    program.wait(lambda: worklist.reading_list is not None and not program.services.runner.busy)
    return len(worklist.model.entries)


def test_what_the_last_run_received_and_did_not_list_is_listed_at_the_start(ready: Program, inbox: Inbox) -> None:
    ready.services.pacs.start()
    ready.wait(lambda: inbox.unlisted() == ())
    ready.wait(lambda: listed(ready) == 1)


def test_what_could_not_be_listed_is_tried_again(ready: Program, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    arrivals, errors = ready.services.pacs.arrivals, list[HyRiskError]()
    arrivals.failed.connect(errors.append)
    (folder,) = inbox.unlisted()

    def refuse(*_: object) -> list[int]:
        raise StoreError("store_locked", "The worklist is busy.")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "add_exams", refuse)
        arrivals.take_in([folder], asked_for=False)
        ready.wait(lambda: bool(errors))
    assert inbox.unlisted() == (folder,)
    arrivals.take_up()
    ready.wait(lambda: inbox.unlisted() == ())


def test_a_study_that_can_not_be_read_keeps_no_other_away(ready: Program, inbox: Inbox, tmp_path: Path) -> None:
    arrivals, errors = ready.services.pacs.arrivals, list[HyRiskError]()
    arrivals.failed.connect(errors.append)
    (folder,) = inbox.unlisted()
    arrivals.take_in([tmp_path / "gone", folder], asked_for=False)
    ready.wait(lambda: inbox.unlisted() == ())
    assert [error.code for error in errors] == ["not_found"]
    ready.wait(lambda: listed(ready) == 1)
