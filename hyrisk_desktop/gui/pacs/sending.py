"""The outbox behind the window: queued, sent, tried again, off the GUI thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.exchange.pacs.credentials import secret_of
from hyrisk_desktop.exchange.pacs.outbox import Item, Outbox, State
from hyrisk_desktop.gui.pacs.nodes import Nodes
from hyrisk_desktop.gui.pacs.receiving import Receiving
from hyrisk_desktop.gui.services.job_runner import Job, JobContext, JobRunner, Operation
from hyrisk_desktop.i18n import listed, tr

_AGAIN_MS = 60_000


class Sending(QObject):
    """The queue as it stands, and one run through it at a time.

    Signals:
        changed: `items` has changed, or a run has begun or ended.
        told: how a run through the queue has ended; one sentence.
        failed: the queue itself can't be read or written; carries the error. What nodes answer stands in `items`.
    """

    changed = Signal()
    told = Signal(str)
    failed = Signal(object)

    def __init__(self, outbox: Outbox, nodes: Nodes, receiving: Receiving, runner: JobRunner, parent: QObject) -> None:
        super().__init__(parent)
        self._outbox, self._nodes, self._receiving, self._runner = outbox, nodes, receiving, runner
        self.items: tuple[Item, ...] = ()
        self._run = Operation(runner.run_network)
        self._tried: tuple[Item, ...] = ()
        self._again = QTimer(self, interval=_AGAIN_MS)
        self._again.timeout.connect(self.send_now)
        receiving.confirmed.connect(self._confirm)

    @property
    def running(self) -> bool:
        """Whether something is being sent."""
        return self._run.running

    def start(self) -> None:
        """Read what the last run of the program left, and go on with it."""
        self._do(lambda outbox: outbox.tidy(), self.send_now)

    def queue(self, node: str, objects: Sequence[bytes], done: Callable[[], None] = lambda: None) -> None:
        """Queue objects for a node and send them."""

        def queued() -> None:
            done()
            self.send_now()

        self._do(lambda outbox: outbox.add(node, objects), queued)

    def retry(self, ids: Sequence[int]) -> None:
        """Try failed objects again."""
        self._do(lambda outbox: outbox.retry(*ids), self.send_now)

    def remove(self, ids: Sequence[int]) -> None:
        """Forget objects."""
        self._do(lambda outbox: outbox.remove(*ids))

    @Slot(object)
    def _confirm(self, confirmation: Any) -> None:
        self._do(lambda outbox: outbox.report(confirmation))

    @Slot()
    def send_now(self) -> None:
        """Try everything that waits."""
        if self._run.running:
            return
        waiting = [i for i in self.items if i.state is State.WAITING or (i.state is State.SENT and i.asked < 1)]
        nodes = [n for n in self._nodes.all if n.name in {i.node for i in waiting}]
        if not nodes:
            return
        self._tried = tuple(waiting)
        own, outbox = self._nodes.own_ae_title, self._outbox

        def work(context: JobContext) -> tuple[Item, ...]:
            from hyrisk_desktop.exchange.pacs.sending import send

            receiver = self._receiving.receiver_for_moves()
            for node in nodes:
                try:
                    send(
                        outbox, node, own, password=secret_of(node), receiver=receiver, cancel=context.token,
                        progress=lambda *_: context.partial(outbox.items()),
                    )  # fmt: skip
                except HyRiskError as e:
                    # Another node may well be there; why this one is not stands in the queue.
                    for item in outbox.items(State.WAITING, node=node.name):
                        if item.reason != e.message:
                            outbox.waits(item, e.message)
            return outbox.items()

        self._run.start("sending", work, self._ended, self._broke_off, cancelled=self._stopped, partial=self._show)
        self.changed.emit()

    def cancel(self) -> None:
        """Stop sending; what was not sent waits."""
        self._run.cancel()

    def _ended(self, items: tuple[Item, ...]) -> None:
        self._stopped()
        self._show(items)
        ids = {i.id for i in self._tried}
        self.told.emit(_summary([i for i in items if i.id in ids]))

    def _broke_off(self, error: Exception) -> None:
        self._stopped()
        self.failed.emit(error)

    def _stopped(self) -> None:
        self.changed.emit()
        self._do(lambda _: None)

    def _show(self, items: tuple[Item, ...]) -> None:
        self.items = items
        waits = any(i.state is State.WAITING for i in items)
        (self._again.start if waits else self._again.stop)()
        self.changed.emit()

    def _do(self, change: Callable[[Outbox], Any], done: Callable[[], None] = lambda: None) -> None:
        """Change the queue and show it."""

        def work(_: JobContext) -> tuple[Item, ...]:
            change(self._outbox)
            return self._outbox.items()

        def succeeded(items: tuple[Item, ...]) -> None:
            self._show(items)
            done()

        self._runner.run_network(Job("changing the queue", work, succeeded, self.failed.emit))


def _summary(items: Sequence[Item]) -> str:
    """What became of objects, worst news first."""
    failed = [i for i in items if i.state is State.FAILED]
    waiting = [i for i in items if i.state is State.WAITING]
    done = [i for i in items if i.state in (State.SENT, State.CONFIRMED)]
    confirmed = sum(i.state is State.CONFIRMED for i in done)
    if failed:
        return tr("NOT SENT to {node}: {why} See File > PACS, “Sent”.", node=failed[0].node, why=failed[0].reason)
    if waiting:
        return tr("Waiting to be sent to {node}: {why}", node=waiting[0].node, why=waiting[0].reason)
    nodes = listed(dict.fromkeys(i.node for i in done))
    return tr("Sent to {nodes}: {n}, of these confirmed: {confirmed}.", nodes=nodes, n=len(done), confirmed=confirmed)
