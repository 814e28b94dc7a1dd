"""Earlier exams that only a PACS has: asked for once, by an ID that is none of a wildcard, and never in the reader's way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from PySide6.QtCore import QObject, Signal
from pytestqt.qtbot import QtBot

from hyrisk_desktop.errors import PacsError
from hyrisk_desktop.exchange.pacs.node import Node
from hyrisk_desktop.exchange.pacs.query import Query, StudyMatch
from hyrisk_desktop.gui.pacs.transfers import Transfer, TransferState
from hyrisk_desktop.gui.prior import at_pacs
from hyrisk_desktop.gui.prior.at_pacs import REST_S, PacsPriors
from hyrisk_desktop.gui.prior.found import MOST

CURRENT = {
    "PatientID": "P-7", "PatientName": "Test^Ada", "PatientBirthDate": "19500102", "StudyDate": "20260301",
}  # fmt: skip
BEFORE = StudyMatch("1.2.5", "P-7", "Test^Ada", "19500102", study_date="20250227", description="Screening")


@dataclass
class Asked:
    node: str
    query: Query
    done: Callable[[tuple[StudyMatch, ...]], None]
    failed: Callable[[Exception], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeNodes(QObject):
    """Keeps questions until the test answers them."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.all = (Node("North"), Node("South"))
        self.asked: list[Asked] = []

    def named(self, name: str) -> Node | None:
        return next((node for node in self.all if node.name == name), None)

    def search(self, node: Node, query: Query, done: object, failed: object) -> Asked:
        self.asked.append(Asked(node.name, query, done, failed))  # type: ignore[arg-type]
        return self.asked[-1]


class FakeTransfers(QObject):
    """Retrieves nothing by itself."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Transfer] = []

    def add(self, node: Node, study: StudyMatch) -> None:
        self.all.append(Transfer(len(self.all), node, study))
        self.changed.emit()

    def end(self, **changes: object) -> None:
        self.all[-1] = replace(self.all[-1], **changes)  # type: ignore[arg-type]
        self.changed.emit()


@dataclass
class FakePacs:
    nodes: FakeNodes = field(default_factory=FakeNodes)
    transfers: FakeTransfers = field(default_factory=FakeTransfers)
    settings: dict[str, bool] = field(default_factory=lambda: {"pacs_find_priors": True})


@pytest.fixture
def pacs(qapp: object) -> FakePacs:
    return FakePacs()


@pytest.fixture
def priors(pacs: FakePacs) -> PacsPriors:
    return PacsPriors(pacs, pacs.nodes)  # type: ignore[arg-type]


def test_all_nodes_are_asked_once_for_earlier_ct_of_that_id(pacs: FakePacs, priors: PacsPriors) -> None:
    priors.look(CURRENT, "1.2.9")
    priors.look(CURRENT, "1.2.9")
    assert [asked.node for asked in pacs.nodes.asked] == ["North", "South"]
    assert pacs.nodes.asked[0].query.keys() == {
        "PatientID": "P-7", "ModalitiesInStudy": "CT", "StudyDate": "-20260301",
    }  # fmt: skip
    pacs.nodes.asked[0].done(
        (BEFORE, replace(BEFORE, study_uid="1.2.9"), replace(BEFORE, study_uid="1.2.6", study_date="20270101"))
    )
    pacs.nodes.asked[1].done((BEFORE,))
    (found,) = priors.found
    assert (found.node, found.study_uid, found.study_date, found.days, found.doubt, found.description) == (
        "North", "1.2.5", "20250227", 367, "", "Screening",
    )  # fmt: skip


@pytest.mark.parametrize("patient_id", ["", "P*", "?", "A\\B", "x" * 65])
def test_an_id_that_could_mean_many_is_not_asked_for(pacs: FakePacs, priors: PacsPriors, patient_id: str) -> None:
    priors.look(CURRENT | {"PatientID": patient_id}, "1.2.9")
    assert pacs.nodes.asked == []


def test_who_does_not_want_it_is_not_heard_of(pacs: FakePacs, priors: PacsPriors) -> None:
    pacs.settings["pacs_find_priors"] = False
    priors.look(CURRENT, "1.2.9")
    assert pacs.nodes.asked == []


def test_another_name_is_asked_about_and_another_id_is_somebody_else(pacs: FakePacs, priors: PacsPriors) -> None:
    priors.look(CURRENT, "1.2.9")
    pacs.nodes.asked[0].done(
        (
            replace(BEFORE, patient_name="Test^Eve"),
            replace(BEFORE, study_uid="1.2.6", patient_id="P-8", patient_name="B"),
        )
    )
    (found,) = priors.found
    assert found.doubt == "The exams differ in patient name."


@pytest.mark.parametrize(("count", "doubted"), [(MOST, False), (MOST + 1, True)])
def test_very_many_exams_of_one_id_are_doubted(pacs: FakePacs, priors: PacsPriors, count: int, doubted: bool) -> None:
    priors.look(CURRENT, "1.2.9")
    pacs.nodes.asked[0].done(tuple(replace(BEFORE, study_uid=f"1.3.{n}") for n in range(count)))
    assert len(priors.found) == count
    assert bool(priors.found[0].doubt) is doubted


def test_an_answer_for_an_exam_that_has_left_is_thrown_away(pacs: FakePacs, priors: PacsPriors) -> None:
    priors.look(CURRENT, "1.2.9")
    first = pacs.nodes.asked[0]
    priors.look(CURRENT | {"PatientID": "P-8"}, "1.2.10")
    assert first.cancelled
    first.done((BEFORE,))
    assert priors.found == ()
    pacs.nodes.asked[2].done((replace(BEFORE, patient_id="P-8"),))
    assert len(priors.found) == 1
    priors.forget()
    assert priors.found == ()


def test_a_node_that_does_not_answer_is_left_alone_for_a_while(
    pacs: FakePacs, priors: PacsPriors, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(at_pacs.time, "monotonic", lambda: now[0])
    priors.look(CURRENT, "1.2.9")
    pacs.nodes.asked[0].failed(PacsError("no_answer", "North does not answer."))
    for wait, study, expected in ((REST_S - 1, "1.2.10", ["South"]), (1.0, "1.2.11", ["North", "South"])):
        now[0] += wait
        before = len(pacs.nodes.asked)
        priors.look(CURRENT, study)
        assert [asked.node for asked in pacs.nodes.asked[before:]] == expected
    pacs.nodes.asked[-2].failed(PacsError("no_answer", "North does not answer."))
    pacs.nodes.changed.emit()
    before = len(pacs.nodes.asked)
    priors.look(CURRENT, "1.2.12")
    assert len(pacs.nodes.asked) == before + 2, "a node that was set up anew is asked at once"


@pytest.mark.parametrize(
    ("end", "why"),
    [
        ({"state": TransferState.DONE, "total": 3}, ""),
        ({"state": TransferState.DONE, "message": "The study holds no CT images."}, "The study holds no CT images."),
        ({"state": TransferState.FAILED, "message": "North went away."}, "North went away."),
        ({"state": TransferState.CANCELLED}, "cancelled"),
    ],
)
def test_the_end_of_a_retrieval_is_told_once(
    pacs: FakePacs, priors: PacsPriors, qtbot: QtBot, end: dict[str, object], why: str
) -> None:
    priors.look(CURRENT, "1.2.9")
    pacs.nodes.asked[1].done((BEFORE,))
    ends: list[tuple[str, str]] = []
    priors.ended.connect(lambda uid, reason: ends.append((uid, reason)))
    priors.fetch(priors.found[0])
    assert priors.fetching
    assert (pacs.transfers.all[0].node.name, pacs.transfers.all[0].study) == ("South", BEFORE)
    pacs.transfers.end(state=TransferState.RUNNING)
    assert ends == []
    pacs.transfers.end(**end)
    pacs.transfers.changed.emit()
    assert ends == [("1.2.5", why)]
    assert not priors.fetching
