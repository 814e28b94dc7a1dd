"""What was sent, what waits, and why."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from hyrisk_desktop.exchange.pacs.outbox import Item, State
from hyrisk_desktop.gui.pacs.fields import shown_name
from hyrisk_desktop.gui.pacs.service import Pacs
from hyrisk_desktop.gui.plain_table import RowsModel, red_if, selected, table_view
from hyrisk_desktop.gui.sentences import sentence_of
from hyrisk_desktop.i18n import moment_text, tr


class QueuePage(QWidget):
    """One row per object and node."""

    def __init__(self, pacs: Pacs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pacs = pacs
        self._model = RowsModel(
            (tr("Patient"), tr("Object"), tr("Node"), tr("State"), tr("Changed"), tr("What to know")), _texts,
            red_if(lambda item: item.state is State.FAILED), self,
        )  # fmt: skip
        self.table = table_view(self._model, "sendQueue", tr("Objects to send"), (200, 60, 120, 100, 130))
        self.table.selectionModel().selectionChanged.connect(self._show_states)
        self._message = QLabel()
        self._message.setObjectName("queueMessage")
        self._message.setWordWrap(True)
        self.now, self.again, self.forget = (
            QPushButton(t) for t in (tr("Send now"), tr("Try again"), tr("Remove from the queue"))
        )
        buttons = QHBoxLayout()
        for button, name, act in (
            (self.now, "sendNow", self._send), (self.again, "retrySending", self._retry), (self.forget, "removeFromQueue", self._remove),
        ):  # fmt: skip
            button.setObjectName(name)
            button.setAutoDefault(False)
            button.clicked.connect(act)
            buttons.addWidget(button)
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.addWidget(self._message)
        layout.addWidget(self.table, 1)
        layout.addLayout(buttons)
        pacs.sending.changed.connect(self._show)
        pacs.sending.failed.connect(self._fail)
        self._show()

    @Slot()
    def _send(self) -> None:
        if self._pacs.sending.running:
            self._pacs.sending.cancel()
        else:
            self._pacs.sending.send_now()

    @Slot()
    def _retry(self) -> None:
        self._pacs.sending.retry([i.id for i in selected(self.table)])

    @Slot()
    def _remove(self) -> None:
        self._pacs.sending.remove([i.id for i in selected(self.table)])

    @Slot(object)
    def _fail(self, error: Exception) -> None:
        self._message.setText(sentence_of(error))

    @Slot()
    def _show(self) -> None:
        items = self._pacs.sending.items
        self._model.show(items)
        count = {state: sum(i.state is state for i in items) for state in State}
        if items:
            self._message.setText(
                tr("{waiting} waiting, {sent} sent, {confirmed} confirmed, {failed} failed. What waits is tried again every minute.",
                   **{str(state): n for state, n in count.items()})
            )  # fmt: skip
        else:
            self._message.setText(tr("Nothing was sent yet: File > Send this reading to the PACS."))
        self._show_states()

    @Slot()
    def _show_states(self) -> None:
        items, chosen = self._pacs.sending.items, selected(self.table)
        running = self._pacs.sending.running
        self.now.setText(tr("Stop") if running else tr("Send now"))
        self.now.setEnabled(running or any(i.state is State.WAITING for i in items))
        self.again.setEnabled(any(i.state is State.FAILED for i in chosen))
        self.forget.setEnabled(bool(chosen) and not running)


def _texts(item: Item) -> tuple[str, ...]:
    states = {
        State.WAITING: tr("waiting"), State.SENT: tr("sent"), State.CONFIRMED: tr("confirmed"), State.FAILED: tr("failed"),
    }  # fmt: skip
    since = moment_text(item.changed.astimezone())
    return (
        shown_name(item.patient),
        item.kind,
        item.node,
        states[item.state],
        since,
        item.reason,
    )
