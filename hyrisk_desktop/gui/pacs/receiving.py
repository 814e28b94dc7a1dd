"""The receiving mode behind the window: started and stopped off the GUI thread, exams told of once they are quiet."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from hyrisk_desktop.exchange.pacs.inbox import Inbox, Kept
from hyrisk_desktop.gui.pacs.nodes import Nodes
from hyrisk_desktop.gui.services.job_runner import Job, JobContext, JobRunner
from hyrisk_desktop.settings import Settings

if TYPE_CHECKING:
    from hyrisk_desktop.exchange.pacs.receiver import Receiver

_QUIET_S = 2.0
_LOOK_MS = 500
_REMEMBERED = 100


class Receiving(QObject):
    """One receiver, made anew when the settings change.

    Signals:
        changed: started, stopped, something came or was refused.
        arrived: nothing more has come to some studies for a while; carries their folders.
        confirmed: a node confirms what it was sent; carries the `Confirmation`.
        failed: the error.
    """

    changed = Signal()
    arrived = Signal(object)
    confirmed = Signal(object)
    failed = Signal(object)
    _kept = Signal(object)
    _refused = Signal(str)

    def __init__(self, nodes: Nodes, settings: Settings, inbox: Inbox, runner: JobRunner, parent: QObject) -> None:
        super().__init__(parent)
        self._nodes, self._settings, self._inbox, self._runner = nodes, settings, inbox, runner
        self._receiver: Receiver | None = None
        self._making = threading.Lock()
        self._listening = False
        self._changing = False
        self._latest: dict[Path, float] = {}
        self.received = 0
        self.refusals: deque[str] = deque(maxlen=_REMEMBERED)
        self._kept.connect(self._note)
        self._refused.connect(self._note_refusal)
        self._timer = QTimer(self, interval=_LOOK_MS)
        self._timer.timeout.connect(self._look)

    @property
    def listening(self) -> bool:
        """Whether images are taken at any time."""
        return self._listening

    @property
    def changing(self) -> bool:
        """Whether it is being started or stopped."""
        return self._changing

    def receiver_for_moves(self) -> Receiver:
        """On a worker thread: who listens for what a C-MOVE or a storage commitment brings."""
        with self._making:
            if self._receiver is None:
                self._receiver = self._make()
            return self._receiver

    def _make(self) -> Receiver:
        from hyrisk_desktop.exchange.pacs.association import server_context
        from hyrisk_desktop.exchange.pacs.receiver import Receiver, senders_of

        settings = self._settings
        return Receiver(
            self._nodes.own_ae_title, settings["pacs_address"], settings["pacs_port"], self._inbox,
            senders_of(self._nodes.all), on_kept=self._kept.emit, on_refused=self._refused.emit,
            on_confirmed=self.confirmed.emit, tls=server_context(settings["pacs_certificate"], settings["pacs_key"]),
        )  # fmt: skip

    def start(self) -> None:
        """Receive from now on, with the settings as they are now."""
        self._settings["pacs_listen"] = True
        self._change(lambda receiver: receiver.start(), listening=True)

    def stop(self) -> None:
        """Receive no more."""
        self._settings["pacs_listen"] = False
        self._change(lambda _: None, listening=False)

    def renew(self) -> None:
        """Nodes or settings have changed."""
        if self._listening:
            self.start()
        elif not self._changing:
            # Made anew when it is needed. One that serves a retrieval just now does so to its end.
            self._receiver = None

    def _change(self, act: Callable[[Receiver], None], *, listening: bool) -> None:
        before, self._receiver = self._receiver, None
        self._changing = True
        self.changed.emit()

        def work(_: JobContext) -> None:
            from hyrisk_desktop.exchange.pacs.association import require_pacs

            require_pacs()
            if before is not None:
                before.stop()
            # Looks up the nodes' names, which may take a while.
            receiver = self._make()
            act(receiver)
            # Here and not in `succeeded`, which is never called when the program ends meanwhile.
            self._receiver = receiver

        def succeeded(_: None) -> None:
            ended(listening)

        def failed(error: Exception) -> None:
            ended(False)
            self.failed.emit(error)

        def ended(now: bool) -> None:
            self._changing, self._listening = False, now
            (self._timer.start if now else self._timer.stop)()
            if not now:
                self._look(at_once=True)
            self.changed.emit()

        self._runner.run_network(
            Job("starting to receive" if listening else "stopping to receive", work, succeeded, failed)
        )

    def close(self) -> None:
        """Stop, at the program's end."""
        self._timer.stop()
        if self._receiver is not None:
            self._receiver.stop()

    # --- what comes

    @Slot(object)
    def _note(self, kept: Kept) -> None:
        self._latest[kept.study] = time.monotonic()
        self.received += 1
        self.changed.emit()

    @Slot(str)
    def _note_refusal(self, reason: str) -> None:
        self.refusals.append(reason)
        self.changed.emit()

    @Slot()
    def _look(self, *, at_once: bool = False) -> None:
        """A study is whole when nothing more has come for a while: no sender says so."""
        now = time.monotonic()
        quiet = tuple(folder for folder, at in self._latest.items() if at_once or now - at >= _QUIET_S)
        for folder in quiet:
            del self._latest[folder]
        if quiet:
            self.arrived.emit(quiet)
