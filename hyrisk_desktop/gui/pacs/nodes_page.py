"""Describe the PACS and other nodes, and test them."""

from __future__ import annotations

import time

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.exchange.pacs.node import Node, Retrieval
from hyrisk_desktop.gui.appearance import set_tone
from hyrisk_desktop.gui.pacs.fields import file_row, text_field
from hyrisk_desktop.gui.pacs.service import Pacs
from hyrisk_desktop.gui.sentences import sentence_of
from hyrisk_desktop.gui.services.job_runner import Job
from hyrisk_desktop.i18n import tr

_KEPT = "•" * 8


class NodesPage(QWidget):
    """The nodes on the left, the chosen one on the right."""

    def __init__(self, pacs: Pacs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pacs = pacs
        self._shown: str | None = None
        self._test: Job | None = None
        self.list = QListWidget()
        self.list.setObjectName("nodeList")
        self.list.setAccessibleName(tr("Nodes"))
        self.list.setMaximumWidth(220)
        self.list.currentRowChanged.connect(self._choose)
        self._make_fields()
        self._message = QLabel()
        self._message.setObjectName("nodeMessage")
        self._message.setWordWrap(True)
        self._message.setMinimumHeight(52)
        self._message.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._assemble()
        pacs.nodes.changed.connect(self._show_list)
        self._show_list()
        self.list.setCurrentRow(0)
        if not pacs.nodes.all:
            self.add()

    # --- parts

    def _make_fields(self) -> None:
        self.name, self.ae_title, self.host, self.own_ae_title, self.url, self.user, self.secret, self.addresses = (
            text_field(name, title) for name, title in (
                ("nodeName", tr("Name")), ("nodeAeTitle", tr("AE title")), ("nodeHost", tr("Host")),
                ("nodeOwnAeTitle", tr("This program's AE title there")), ("nodeUrl", tr("DICOMweb address")), ("nodeUser", tr("User")),
                ("nodeSecret", tr("Password or token")), ("nodeAddresses", tr("Other addresses it sends from")),
            )
        )  # fmt: skip
        self.secret.setEchoMode(QLineEdit.EchoMode.Password)
        self.secret.setToolTip(tr("Kept in this system's keyring, never in a file."))
        self.url.setPlaceholderText("https://pacs.example/dicom-web")
        self.addresses.setPlaceholderText(tr("Names, addresses or networks such as 10.1.2.0/24, comma separated"))
        self.kind = QComboBox()
        self.kind.setObjectName("nodeKind")
        self.kind.setAccessibleName(tr("Protocol"))
        self.kind.addItems([tr("DICOM (AE title, host, port)"), tr("DICOMweb (address)")])
        self.kind.currentIndexChanged.connect(self._show_kind)
        self.own_ae_title.setPlaceholderText(self._pacs.nodes.own_ae_title)
        self.port = QSpinBox()
        self.port.setObjectName("nodePort")
        self.port.setAccessibleName(tr("Port"))
        self.port.setRange(1, 65535)
        self.retrieval = QComboBox()
        self.retrieval.setObjectName("nodeRetrieval")
        self.retrieval.setAccessibleName(tr("Retrieve by"))
        self.retrieval.addItem(tr("C-GET (over this program's own connection)"), Retrieval.GET)
        self.retrieval.addItem(tr("C-MOVE (the PACS connects to this program)"), Retrieval.MOVE)
        self.tls = QCheckBox(tr("Encrypt (TLS)"))
        self.tls.setObjectName("nodeTls")
        self.tls.toggled.connect(self._show_kind)
        self.commitment = QCheckBox(tr("Ask whether what was sent has been stored for good"))
        self.commitment.setObjectName("nodeCommitment")
        self.ca_file, ca_row = file_row("nodeCaFile", tr("Trusted certificates"), tr("The system's"))
        self.certificate, certificate_row = file_row("nodeCertificate", tr("Own certificate"), tr("None"))
        self.key, key_row = file_row("nodeKey", tr("Its key"), tr("None"))
        self._files = ((self.ca_file, ca_row), (self.certificate, certificate_row), (self.key, key_row))

    def _assemble(self) -> None:
        self._form = form = QFormLayout()
        form.addRow(tr("Name"), self.name)
        form.addRow(tr("Protocol"), self.kind)
        for field in (self.ae_title, self.host):
            form.addRow(field.accessibleName(), field)
        form.addRow(tr("Port"), self.port)
        form.addRow(tr("Retrieve by"), self.retrieval)
        for field in (self.own_ae_title, self.addresses, self.url, self.user, self.secret):
            form.addRow(field.accessibleName(), field)
        form.addRow("", self.tls)
        for field, row in self._files:
            form.addRow(field.accessibleName(), row)
        form.addRow("", self.commitment)
        self.add_button, self.remove_button, self.test_button, self.save_button = (
            QPushButton(text) for text in (tr("Add a node"), tr("Remove"), tr("Test"), tr("Save"))
        )
        for button, name, act in (
            (self.add_button, "addNode", self.add), (self.remove_button, "removeNode", self.remove),
            (self.test_button, "testNode", self.test), (self.save_button, "saveNode", self.save),
        ):  # fmt: skip
            button.setObjectName(name)
            button.setAutoDefault(False)
            button.clicked.connect(act)
        left = QVBoxLayout()
        left.addWidget(self.list, 1)
        left.addWidget(self.add_button)
        left.addWidget(self.remove_button)
        inner = QWidget()
        inner.setLayout(form)
        scroll = QScrollArea()
        scroll.setWidget(inner)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.test_button)
        buttons.addWidget(self.save_button)
        right = QVBoxLayout()
        right.addWidget(scroll, 1)
        right.addWidget(self._message)
        right.addLayout(buttons)
        layout = QHBoxLayout(self)
        layout.addLayout(left)
        layout.addLayout(right, 1)

    # --- the node in the fields

    def node(self) -> Node:
        """What stands in the fields, checked.

        Raises:
            InputError: it can't be right.
        """
        web = self.kind.currentIndex() == 1
        tls = web or self.tls.isChecked()
        text = {
            name: getattr(self, name).text().strip()
            for name in ("name", "ae_title", "host", "own_ae_title", "url", "user")
        }
        files = {n: getattr(self, n).text().strip() if tls else "" for n in ("ca_file", "certificate", "key")}
        used = ("name", "url", "user") if web else ("name", "ae_title", "host", "own_ae_title")
        addresses = tuple(a for a in (part.strip() for part in self.addresses.text().split(",")) if a and not web)
        node = Node(
            **{name: text[name] for name in used}, **files, port=self.port.value(), retrieval=self.retrieval.currentData(),
            tls=self.tls.isChecked() and not web, commitment=self.commitment.isChecked(), addresses=addresses,
        )  # fmt: skip
        if web and not node.url:
            # Without an address it would be taken for a DIMSE node, and the sentence would be about an AE title.
            Node(node.name, url="?").check()
        node.check()
        return node

    def _secret(self) -> str | None:
        """What was typed; None where the field still stands for what is kept."""
        return None if self.secret.text() == _KEPT else self.secret.text()

    def _show_node(self, node: Node) -> None:
        for name in ("name", "ae_title", "host", "own_ae_title", "url", "user", "ca_file", "certificate", "key"):
            getattr(self, name).setText(getattr(node, name))
        self.kind.setCurrentIndex(1 if node.is_web else 0)
        self.port.setValue(node.port)
        self.retrieval.setCurrentIndex(self.retrieval.findData(node.retrieval))
        self.tls.setChecked(node.tls)
        self.commitment.setChecked(node.commitment)
        self.addresses.setText(", ".join(node.addresses))
        self.secret.setText(_KEPT if self._shown and node.is_web else "")
        self._show_kind()

    @Slot()
    def _show_kind(self) -> None:
        web = self.kind.currentIndex() == 1
        for field in (self.url, self.user, self.secret):
            self._form.setRowVisible(field, web)
        others = (self.ae_title, self.host, self.port, self.retrieval, self.own_ae_title, self.addresses, self.tls, self.commitment)  # fmt: skip
        for widget in others:
            self._form.setRowVisible(widget, not web)
        for _, row in self._files:
            self._form.setRowVisible(row, web or self.tls.isChecked())

    # --- acting

    @Slot(int)
    def _choose(self, row: int) -> None:
        item = self.list.item(row)
        node = self._pacs.nodes.named(item.text()) if item else None
        if node is not None:
            self._shown = node.name
            self._show_node(node)
            self._tell("")

    @Slot()
    def add(self) -> None:
        """Empty fields for a new node."""
        self.list.setCurrentRow(-1)
        self._shown = None
        self._show_node(Node("", port=104))
        self._tell(tr("Describe the node, test it, save it."))
        self.name.setFocus()

    @Slot()
    def remove(self) -> None:
        """Forget the chosen node."""
        if self._shown is not None:
            self._pacs.nodes.remove(self._shown, self._fail)
            self._shown = None
            self.list.setCurrentRow(0)
            if not self._pacs.nodes.all:
                self.add()

    @Slot()
    def save(self) -> None:
        """Keep what stands in the fields."""
        try:
            node = self.node()
            if node.name != self._shown and self._pacs.nodes.named(node.name) is not None:
                self._tell(tr("There is a node of this name already."), bad=True)
                return
        except HyRiskError as e:
            self._fail(e)
            return
        secret = self._secret() if node.is_web and (self._secret() or self._shown) else None
        before, self._shown = self._shown, node.name
        self._tell(tr("Saved."))
        self._pacs.nodes.keep(node, before, secret, self._fail)

    @Slot()
    def test(self) -> None:
        """Ask the node, as it stands in the fields, whether it answers."""
        if self._test is not None:
            self._test.cancel()
        try:
            node = self.node()
        except HyRiskError as e:
            self._fail(e)
            return
        self._tell(tr("Asking {node}…", node=node.name))
        began = time.monotonic()

        def done() -> None:
            if self._test is job:
                took = 1000 * (time.monotonic() - began)
                what = tr("DICOMweb search") if node.is_web else tr("C-ECHO")
                self._tell(tr("{node} answers ({what}, {ms:.0f} ms).", node=node.name, what=what, ms=took), good=True)

        def failed(error: Exception) -> None:
            if self._test is job:
                self._fail(error)

        job = self._pacs.nodes.test(node, self._secret(), done, failed)
        self._test = job

    @Slot(object)
    def _fail(self, error: Exception) -> None:
        self._tell(sentence_of(error), bad=True)

    @Slot()
    def _show_list(self) -> None:
        names = [n.name for n in self._pacs.nodes.all]
        self.list.blockSignals(True)
        self.list.clear()
        self.list.addItems(names)
        self.list.setCurrentRow(names.index(self._shown) if self._shown in names else -1)
        self.list.blockSignals(False)
        self.remove_button.setEnabled(bool(names))

    def _tell(self, text: str, *, bad: bool = False, good: bool = False) -> None:
        self._message.setText(text)
        set_tone(self._message, "bad" if bad else "good" if good else "")
