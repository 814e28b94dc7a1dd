"""What a reader must know about this scan, in sentences, beside the numbers they qualify."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QSize, Qt, Slot
from PySide6.QtWidgets import (
    QGroupBox,
    QListWidget,
    QListWidgetItem,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.findings import Severity
from hyrisk_desktop.gui.appearance import colour, scaled
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.i18n import tr

_COLOURS = {Severity.UNFIT: "bad", Severity.WARNING: "warning", Severity.INFO: "quiet"}
_MARGIN_PX = 16
_SIGNS = {Severity.UNFIT: "✖", Severity.WARNING: "▲", Severity.INFO: "•"}


class _WholeSentences(QStyledItemDelegate):
    """Rows as high as their sentences need: Qt measures them a little wider than it paints them, and one that just fits ended in “…”."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        narrower = QStyleOptionViewItem(option)
        narrower.rect.setWidth(option.rect.width() - _MARGIN_PX)
        return super().sizeHint(narrower, index)


class FindingsPanel(QGroupBox):
    """Lists the session's findings, those first that withhold a number, then the worst."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(tr("Findings"), parent)
        self._session = session
        self._list = QListWidget()
        self._list.setObjectName("findingsList")
        self._list.setAccessibleName(tr("Findings"))
        self._list.setWordWrap(True)
        self._list.setItemDelegate(_WholeSentences(self._list))
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.setSelectionMode(QListWidget.SelectionMode.NoSelection)
        self._list.setMinimumHeight(scaled(56))
        layout = QVBoxLayout(self)
        layout.addWidget(self._list)
        for signal in (session.exam_changed, session.scores_changed, session.risk_changed):
            signal.connect(self._show)
        self._show()

    @Slot()
    def _show(self) -> None:
        findings = self._session.shown_findings
        texts = [f"{_SIGNS[f.severity]}  {f.message}" for f in findings]
        if not texts and self._session.can_measure:
            texts = [tr("Nothing to report about this scan.")]
        if texts == [self._list.item(i).text() for i in range(self._list.count())]:
            return
        self._list.clear()
        for i, text in enumerate(texts):
            item = QListWidgetItem(text)
            if i < len(findings):
                item.setForeground(colour(_COLOURS[findings[i].severity]))
            self._list.addItem(item)
