"""Earlier exams that only the PACS has: asked for by patient ID when an exam is on screen, fetched when the reader wants one."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from PySide6.QtCore import QObject, Signal, Slot

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.exchange.pacs.query import Query, StudyMatch
from hyrisk_desktop.gui.pacs.service import Pacs
from hyrisk_desktop.gui.pacs.transfers import Transfer, TransferState
from hyrisk_desktop.gui.prior.found import MOST, PriorExam, prior_of, probable
from hyrisk_desktop.gui.services.job_runner import Job

_log = logging.getLogger(__name__)
REST_S = 300.0
"""A node that did not answer is left alone for so long: a reader goes through forty exams, and each would wait for it."""


class PacsPriors(QObject):
    """Asks all nodes, one exam at a time; the answer for an exam that has left the screen is thrown away.

    Signals:
        changed: `found` is another.
        ended: the study that is being fetched is there, or will not come; carries its UID, and "" or why it does not come.
    """

    changed = Signal()
    ended = Signal(str, str)

    def __init__(self, pacs: Pacs, parent: QObject) -> None:
        super().__init__(parent)
        self._pacs, self._nodes = pacs, pacs.nodes
        self.found: tuple[PriorExam, ...] = ()
        """In the order of the nodes."""
        self._asked: tuple[str, ...] = ()
        self._jobs: list[Job] = []
        self._rests: dict[str, float] = {}
        self._fetching = ""
        pacs.transfers.changed.connect(self._follow)
        pacs.nodes.changed.connect(self._rests.clear)

    def look(self, attributes: Mapping[str, str], study_uid: str) -> None:
        """Ask for earlier CT of the patient, unless that is known already.

        Args:
            attributes: DICOM keywords to text of the exam on screen. study_uid: of that exam.
        """
        query = _query(attributes)
        asked = () if query is None else (study_uid, query.patient_id)
        if asked == self._asked:
            return
        self.forget()
        self._asked = asked
        if query is None or not self._pacs.settings["pacs_find_priors"]:
            return
        for node in self._nodes.all:
            if self._rests.get(node.name, 0.0) <= time.monotonic():
                self._ask(node.name, query, attributes, study_uid)

    def _ask(self, name: str, query: Query, attributes: Mapping[str, str], study_uid: str) -> None:
        node = self._nodes.named(name)
        assert node is not None
        asked = self._asked

        def done(studies: tuple[StudyMatch, ...]) -> None:
            if asked != self._asked:
                return
            known = {study_uid} | {prior.study_uid for prior in self.found}
            many = len(studies) > MOST
            fresh = (_prior(attributes, s, name, many=many) for s in studies if s.study_uid not in known)
            if new := tuple(prior for prior in fresh if prior is not None):
                self.found += new
                self.changed.emit()

        def failed(error: Exception) -> None:
            # Nobody has asked for it, so nobody is told; where a prior is searched for by hand the node's own words show.
            code = error.code if isinstance(error, HyRiskError) else type(error).__name__
            _log.info("A node was not asked for earlier exams (%s).", code)
            self._rests[name] = time.monotonic() + REST_S

        self._jobs.append(self._nodes.search(node, query, done, failed))

    def forget(self) -> None:
        """Another exam is on screen, or none."""
        for job in self._jobs:
            job.cancel()
        self._jobs.clear()
        self._asked, self._fetching = (), ""
        if self.found:
            self.found = ()
            self.changed.emit()

    # --- fetching

    def fetch(self, prior: PriorExam) -> None:
        """Retrieve one of `found` into the inbox; `ended` says when."""
        node = self._nodes.named(prior.node)
        if node is None or prior.study is None:
            self.ended.emit(prior.study_uid, "")
            return
        self._fetching = prior.study_uid
        self._pacs.transfers.add(node, prior.study)

    @property
    def fetching(self) -> bool:
        """Whether one is on its way."""
        return bool(self._fetching)

    @Slot()
    def _follow(self) -> None:
        mine = [t for t in self._pacs.transfers.all if t.study.study_uid == self._fetching]
        if not mine or mine[-1].state in (TransferState.WAITING, TransferState.RUNNING):
            return
        self._fetching = ""
        self.ended.emit(mine[-1].study.study_uid, _why_not(mine[-1]))


def _why_not(transfer: Transfer) -> str:
    return "" if transfer.state is TransferState.DONE and transfer.total else transfer.message or transfer.state.value


def _query(attributes: Mapping[str, str]) -> Query | None:
    """Earlier CT of the patient; None where the ID is missing, or would be a wildcard."""
    patient_id = attributes.get("PatientID", "").strip()
    day = attributes.get("StudyDate", "").strip()
    try:
        until = date(int(day[:4]), int(day[4:6]), int(day[6:8])) if len(day) == 8 and day.isdecimal() else None
        query = Query(patient_id, date_to=until)
        query.check()
    except (HyRiskError, ValueError, OverflowError):
        return None
    return None if not patient_id or set("*?") & set(patient_id) else query


def _prior(attributes: Mapping[str, str], study: StudyMatch, node: str, *, many: bool) -> PriorExam | None:
    """What a node knows of a study as a prior; None for a later one, and for one of somebody else."""
    theirs = {
        "PatientID": study.patient_id,
        "PatientName": study.patient_name,
        "PatientBirthDate": study.birth_date,
        "StudyDate": study.study_date,
    }
    if not probable(attributes, theirs):
        return None
    prior = prior_of(attributes, theirs, description=study.description, study_uid=study.study_uid, many=many)
    return None if prior is None else replace(prior, node=node, study=study)
