"""All that has to do with the PACS, built once; nothing of it starts before there is a node."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject

from hyrisk_desktop.exchange.pacs.inbox import Inbox
from hyrisk_desktop.exchange.pacs.outbox import Outbox
from hyrisk_desktop.gui.pacs.arrivals import Arrivals
from hyrisk_desktop.gui.pacs.nodes import Nodes
from hyrisk_desktop.gui.pacs.receiving import Receiving
from hyrisk_desktop.gui.pacs.sending import Sending
from hyrisk_desktop.gui.pacs.transfers import Transfers
from hyrisk_desktop.gui.services.job_runner import JobRunner
from hyrisk_desktop.gui.worklist.controller import Worklist
from hyrisk_desktop.paths import inbox_dir, outbox_dir
from hyrisk_desktop.settings import Settings


@dataclass(frozen=True, slots=True, eq=False)
class Pacs:
    """The parts, wired to each other and to the worklist."""

    settings: Settings
    nodes: Nodes
    receiving: Receiving
    transfers: Transfers
    sending: Sending
    arrivals: Arrivals

    @classmethod
    def build(cls, settings: Settings, runner: JobRunner, worklist: Worklist) -> Pacs:
        """Make and wire all parts; nothing runs yet."""
        owner: QObject = worklist
        inbox = Inbox(inbox_dir())
        nodes = Nodes(settings, runner, owner)
        receiving = Receiving(nodes, settings, inbox, runner, owner)
        transfers = Transfers(nodes, receiving, inbox, runner, owner)
        sending = Sending(Outbox(outbox_dir()), nodes, receiving, runner, owner)
        arrivals = Arrivals(inbox, runner, worklist, owner)
        transfers.arrived.connect(lambda folders: arrivals.take_in(folders, asked_for=True))
        receiving.arrived.connect(lambda folders: arrivals.take_in(folders, asked_for=False))
        nodes.changed.connect(receiving.renew)
        nodes.changed.connect(sending.send_now)
        return cls(settings, nodes, receiving, transfers, sending, arrivals)

    def start(self) -> None:
        """Go on with what the last run of the program left, where there is a PACS at all."""
        self.arrivals.take_up()
        if self.nodes.all:
            self.sending.start()
            if self.settings["pacs_listen"]:
                self.receiving.start()

    def close(self) -> None:
        """Stop; what was not sent waits for the next start."""
        self.receiving.close()
