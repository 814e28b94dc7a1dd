"""Receive images that the PACS or a scanner sends."""

from __future__ import annotations

from PySide6.QtCore import QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.exchange.pacs.node import check_ae_title, check_host
from hyrisk_desktop.gui.pacs.fields import file_row
from hyrisk_desktop.gui.pacs.service import Pacs
from hyrisk_desktop.gui.sentences import sentence_of
from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.paths import inbox_dir
from hyrisk_desktop.private_files import make_private

_THIS_MACHINE = "127.0.0.1"


class ReceivePage(QWidget):
    """What this program calls itself, where it listens, who may send, and what was refused."""

    def __init__(self, pacs: Pacs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pacs = pacs
        settings = pacs.settings
        self.title = QLineEdit(settings["pacs_ae_title"])
        self.title.setObjectName("ownAeTitle")
        self.title.setMaxLength(16)
        self.port = QSpinBox()
        self.port.setObjectName("ownPort")
        self.port.setRange(1, 65535)
        self.port.setValue(settings["pacs_port"])
        self.address = QComboBox()
        self.address.setObjectName("ownAddress")
        self.address.setEditable(True)
        self.address.addItems([_THIS_MACHINE, "0.0.0.0"])
        self.address.setCurrentText(settings["pacs_address"])
        self.certificate, self._certificate_row = file_row(
            "ownCertificate", tr("Encrypt with certificate"), tr("None: not encrypted"), settings["pacs_certificate"]
        )
        self.key, self._key_row = file_row("ownKey", tr("Its key"), tr("None"), settings["pacs_key"])
        self.listen = QCheckBox(tr("Receive images, also after the next start"))
        self.listen.setObjectName("receiveImages")
        self.listen.setChecked(settings["pacs_listen"])
        self.listen.clicked.connect(self._switch)
        self._state, self._senders, self._error = map(
            _wrapped_label, ("receiveState", "receiveSenders", "receiveError")
        )
        self._error.setProperty("tone", "bad")
        self._refusals: tuple[str, ...] = ()
        self._refused = QListWidget()
        self._refused.setObjectName("refusals")
        self._refused.setAccessibleName(tr("What was refused"))
        for field, title in ((self.title, tr("AE title")), (self.port, tr("Port")), (self.address, tr("Address"))):
            field.setAccessibleName(title)
        self.title.editingFinished.connect(self._keep)
        self.port.editingFinished.connect(self._keep)
        self.certificate.editingFinished.connect(self._keep)
        self.key.editingFinished.connect(self._keep)
        self.address.textActivated.connect(self._keep)
        edit = self.address.lineEdit()
        assert edit is not None
        edit.editingFinished.connect(self._keep)
        self._assemble()
        pacs.receiving.changed.connect(self._show)
        pacs.receiving.failed.connect(self._fail)
        pacs.nodes.changed.connect(self._show)
        self._show()

    def _assemble(self) -> None:
        form = QFormLayout()
        form.addRow(tr("This program's AE title"), self.title)
        form.addRow(tr("Port"), self.port)
        form.addRow(tr("Listens at"), self.address)
        form.addRow(
            "", _note(tr("127.0.0.1 is reachable from this machine only; 0.0.0.0 is reachable from the whole network."))
        )
        form.addRow(self.certificate.accessibleName(), self._certificate_row)
        form.addRow(self.key.accessibleName(), self._key_row)
        form.addRow(tr("May send"), self._senders)
        form.addRow("", self.listen)
        form.addRow(tr("State"), self._state)
        form.addRow("", self._error)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(QLabel(tr("Refused (CT images from the senders above are taken, and nothing else):")))
        layout.addWidget(self._refused, 1)
        show = QPushButton(tr("Show in folder"))
        show.setObjectName("showInbox")
        show.setAutoDefault(False)
        show.clicked.connect(_show_inbox)
        text = tr("Images received or retrieved lie in {folder}. They are patients' images: delete them there when they are no longer needed.", folder=inbox_dir())  # fmt: skip
        below = QHBoxLayout()
        below.addWidget(_note(text), 1)
        below.addWidget(show)
        layout.addLayout(below)

    @Slot()
    def _keep(self) -> None:
        """Use what stands in the fields, if it can be right."""
        settings = self._pacs.settings
        title, address = self.title.text().strip(), self.address.currentText().strip()
        try:
            check_ae_title(title)
            check_host(address)
        except HyRiskError as e:
            self._fail(e)
            return
        new = {"pacs_ae_title": title, "pacs_port": self.port.value(), "pacs_address": address}
        new |= {"pacs_certificate": self.certificate.text().strip(), "pacs_key": self.key.text().strip()}
        if any(settings[key] != value for key, value in new.items()):
            for key, value in new.items():
                settings[key] = value
            self._error.setText("")
            self._pacs.receiving.renew()
        self._show()

    @Slot(bool)
    def _switch(self, wanted: bool) -> None:
        self._keep()
        self._error.setText("")
        (self._pacs.receiving.start if wanted else self._pacs.receiving.stop)()

    @Slot(object)
    def _fail(self, error: Exception) -> None:
        self._error.setText(sentence_of(error))
        self._show()

    @Slot()
    def _show(self) -> None:
        receiving, settings = self._pacs.receiving, self._pacs.settings
        senders = [f"{n.ae_title} ({n.host})" for n in self._pacs.nodes.all if not n.is_web]
        self._senders.setText(", ".join(senders) or tr("Nobody yet: add the PACS or the scanner under “Nodes”."))
        if receiving.changing:
            state = tr("One moment…")
        elif receiving.listening:
            where = {"address": settings["pacs_address"], "port": settings["pacs_port"]}
            state = trn(
                "Listening at {address}, port {port}; {n} image received.",
                "Listening at {address}, port {port}; {n} images received.",
                receiving.received,
                **where,
            )
        else:
            state = tr("Not receiving.")
        self._state.setText(state)
        self.listen.setEnabled(not receiving.changing)
        self.listen.setChecked(receiving.listening or (receiving.changing and settings["pacs_listen"]))
        # Told of each image too, hundreds a second; the list is made anew only where it changed.
        if (refusals := tuple(receiving.refusals)) != self._refusals:
            self._refusals = refusals
            self._refused.clear()
            self._refused.addItems(refusals)
            self._refused.scrollToBottom()


def _show_inbox() -> None:
    make_private(inbox_dir())
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(inbox_dir())))


def _note(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("caption")
    label.setWordWrap(True)
    return label


def _wrapped_label(name: str) -> QLabel:
    label = QLabel()
    label.setObjectName(name)
    label.setWordWrap(True)
    return label
