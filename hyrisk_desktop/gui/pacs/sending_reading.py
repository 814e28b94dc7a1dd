"""Makes the objects of the reading on screen and puts them into the send queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hyrisk_desktop.exchange.exports import make_files, writable
from hyrisk_desktop.exchange.preload import collections_paused, import_makers
from hyrisk_desktop.gui.export.writer import ExportRequest, ReadingWriter
from hyrisk_desktop.gui.pacs.sending import Sending
from hyrisk_desktop.gui.services.job_runner import JobContext, JobRunner
from hyrisk_desktop.gui.services.risk import RiskService
from hyrisk_desktop.gui.services.store import StoreService
from hyrisk_desktop.gui.session import Session

PICTURED = "pdf_dicom"


@dataclass(frozen=True, slots=True)
class Queued:
    """What came of it: so many objects were made and queued for a node."""

    node: str
    count: int


class SendingReading(ReadingWriter):
    """One reading at a time; ends with a `Queued`. What becomes of the objects then, `Sending` tells."""

    def __init__(
        self, session: Session, risk: RiskService, runner: JobRunner, store: StoreService, sending: Sending
    ) -> None:
        super().__init__(session, risk, runner, store, sending)
        self._sending = sending

    def start(self, request: ExportRequest, node: str, keys: Sequence[str]) -> None:
        """Make the objects of the formats ``keys`` and queue them for ``node``."""

        def make(complete: ExportRequest) -> None:
            self._make(complete, node, keys)

        if PICTURED in keys:
            self._explain(request, make)
        else:
            make(request)

    def _make(self, request: ExportRequest, node: str, keys: Sequence[str]) -> None:
        made: list[bytes] = []

        def work(context: JobContext) -> Queued:
            import_makers()
            report = request.report()
            check = context.token.raise_if_cancelled
            with collections_paused():
                places = writable({key: key for key in keys}, request.exam.volume)
                files = make_files(places, report, progress=context.progress, check=check)
            made.extend(files.values())
            return Queued(node, len(made))

        def queue(answer: Queued) -> None:
            self._sending.queue(node, made)
            self._note(request.exam, "reading_sent", {"node": answer.node, "formats": sorted(keys)})

        self._run("making objects to send", work, queue)
