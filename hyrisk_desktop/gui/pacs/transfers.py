"""Retrievals one after another: each with its state, so that a broken one can be gone on with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from hyrisk_desktop.exchange.pacs.classes import RETRIEVED_MODALITIES
from hyrisk_desktop.exchange.pacs.credentials import secret_of
from hyrisk_desktop.exchange.pacs.inbox import Inbox
from hyrisk_desktop.exchange.pacs.node import Node, Retrieval
from hyrisk_desktop.exchange.pacs.query import SeriesMatch, StudyMatch
from hyrisk_desktop.gui.pacs.nodes import Nodes
from hyrisk_desktop.gui.pacs.receiving import Receiving
from hyrisk_desktop.gui.sentences import sentence_of
from hyrisk_desktop.gui.services.job_runner import Job, JobContext, JobRunner
from hyrisk_desktop.i18n import tr, trn

if TYPE_CHECKING:
    from hyrisk_desktop.exchange.pacs.retrieve import Retrieved


class TransferState(StrEnum):
    """Where a retrieval stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Transfer:
    """One study, or some of its series, to fetch.

    Attributes:
        series: which; empty: those of the study that are images or may be reports of this program.
        done, total: objects. message: one sentence, about a failure or about what is missing.
    """

    number: int
    node: Node
    study: StudyMatch
    series: tuple[SeriesMatch, ...] = ()
    state: TransferState = TransferState.WAITING
    done: int = 0
    total: int = 0
    message: str = ""
    folders: tuple[Path, ...] = field(default=())


class Transfers(QObject):
    """The retrievals of this run of the program, oldest first.

    Signals:
        changed: some have changed.
        arrived: one has ended and brought something; carries the folders of its studies.
    """

    changed = Signal()
    arrived = Signal(object)

    def __init__(self, nodes: Nodes, receiving: Receiving, inbox: Inbox, runner: JobRunner, parent: QObject) -> None:
        super().__init__(parent)
        self._nodes, self._receiving, self._inbox, self._runner = nodes, receiving, inbox, runner
        self.all: list[Transfer] = []
        self._job: tuple[int, Job] | None = None

    @property
    def running(self) -> bool:
        """Whether one is under way."""
        return self._job is not None

    def add(self, node: Node, study: StudyMatch, series: tuple[SeriesMatch, ...] = ()) -> None:
        """Fetch a study; one that is fetched already is gone on with instead."""
        for old in self.all:
            if (old.node.name, old.study.study_uid, old.series) == (node.name, study.study_uid, series):
                self.go_on(old.number)
                return
        self.all.append(Transfer(len(self.all), node, study, series))
        self._next()

    def go_on(self, number: int) -> None:
        """Try one again that failed or was cancelled; what arrived is not fetched again."""
        if self.all[number].state not in (TransferState.WAITING, TransferState.RUNNING):
            node = self._nodes.named(self.all[number].node.name) or self.all[number].node
            self._set(number, state=TransferState.WAITING, message="", node=node)
            self._next()

    def cancel(self, number: int) -> None:
        """Stop one; what arrived is kept."""
        if self._job is not None and self._job[0] == number:
            self._job[1].cancel()
        elif self.all[number].state is TransferState.WAITING:
            self._set(number, state=TransferState.CANCELLED)

    def _set(self, number: int, **changes: object) -> None:
        self.all[number] = replace(self.all[number], **changes)  # type: ignore[arg-type]
        self.changed.emit()

    def _next(self) -> None:
        self.changed.emit()
        waiting = next((t for t in self.all if t.state is TransferState.WAITING), None)
        if self._job is None and waiting is not None:
            self._start(waiting)

    def _start(self, transfer: Transfer) -> None:
        number, own = transfer.number, self._nodes.own_ae_title

        def work(context: JobContext) -> Transfer:
            from hyrisk_desktop.exchange.pacs.archive import open_archive
            from hyrisk_desktop.exchange.pacs.retrieve import retrieve

            node, secret = transfer.node, secret_of(transfer.node)
            series = transfer.series
            if not series:
                with open_archive(node, own, secret, context.token) as archive:
                    known = archive.find_series(transfer.study.study_uid)
                series = tuple(s for s in known if s.modality in RETRIEVED_MODALITIES)
            receiver = self._receiving.receiver_for_moves() if node.retrieval is Retrieval.MOVE else None
            result = retrieve(
                node, own, series, self._inbox, receiver=receiver, password=secret, progress=context.progress, cancel=context.token
            )  # fmt: skip
            return _ended(transfer, result)

        def ended(**changes: object) -> None:
            self._job = None
            self._set(number, **changes)
            self._next()

        def succeeded(result: Transfer) -> None:
            ended(
                state=result.state, done=result.done, total=result.total, message=result.message, folders=result.folders
            )
            if result.folders:
                self.arrived.emit(result.folders)

        def failed(error: Exception) -> None:
            ended(state=TransferState.FAILED, message=sentence_of(error))

        self._set(number, state=TransferState.RUNNING)
        job = Job(
            "retrieving", work, succeeded, failed, lambda: ended(state=TransferState.CANCELLED),
            lambda done, total: self._set(number, done=done, total=total),
        )  # fmt: skip
        self._job = number, job
        self._runner.run_network(job)


def _ended(transfer: Transfer, result: Retrieved) -> Transfer:
    """The transfer after what came of it."""
    total = result.arrived + result.already + result.missing
    state = TransferState.FAILED if result.missing else TransferState.DONE
    message = " ".join(result.reasons)
    if result.missing:
        message = trn(
            "{n} object did not come. {why}", "{n} objects did not come. {why}", result.missing, why=message
        ).strip()
    elif not total:
        message = tr("The study holds no CT images.")
    return replace(
        transfer, state=state, done=total - result.missing, total=total, message=message, folders=result.folders
    )
