"""What has changed since the prior exam, each number with what it would vary by anyway."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QGridLayout, QGroupBox, QLabel, QVBoxLayout, QWidget

from hyrisk_desktop.comparison import Change, Comparison
from hyrisk_desktop.exchange.reports.change import (
    NOTHING,
    ChangeRow,
    change_rows,
    change_title,
    difference_text,
    noise_text,
    number_text,
    told,
)
from hyrisk_desktop.gui.panels.caption import Note
from hyrisk_desktop.gui.prior.service import Priors
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.i18n import tr

_COLUMNS = 5


class ChangePanel(QGroupBox):
    """Shown with the prior exam; says why it is empty while it is."""

    def __init__(self, session: Session, priors: Priors, parent: QWidget | None = None) -> None:
        super().__init__(tr("Change since the prior exam"), parent)
        self.setObjectName("changePanel")
        self._session, self._priors = session, priors
        grid = QGridLayout()
        grid.setVerticalSpacing(1)
        grid.setHorizontalSpacing(5)
        grid.setColumnStretch(0, 1)
        headers = ("", tr("Prior"), tr("Now"), tr("Change"), tr("Per year"), tr("Noise ±"))
        right = Qt.AlignmentFlag.AlignRight
        for column, text in enumerate(headers):
            label = QLabel(text)
            label.setObjectName("caption")
            grid.addWidget(label, 0, column, right if column else Qt.AlignmentFlag.AlignLeft)
        self._cells: dict[str, list[QLabel]] = {}
        self._titles: dict[str, QLabel] = {}
        for place, row in enumerate(change_rows(), 1):
            title = QLabel(row.title)
            # A narrow panel cuts a name before it cuts a number.
            title.setMinimumWidth(60)
            self._titles[row.key] = title
            grid.addWidget(title, place, 0)
            self._cells[row.key] = [QLabel(NOTHING) for _ in range(_COLUMNS)]
            for column, cell in enumerate(self._cells[row.key], 1):
                cell.setMinimumWidth(0)
                cell.setObjectName(f"change_{row.key}_{column}")
                grid.addWidget(cell, place, column, right)
        self._note = Note(2)
        self._note.setObjectName("changeNote")
        layout = QVBoxLayout(self)
        layout.setSpacing(3)
        layout.addLayout(grid)
        layout.addWidget(self._note)
        priors.changed.connect(self._show)
        priors.compared.connect(self._show)
        self._show()

    @Slot()
    def _show(self) -> None:
        priors = self._priors
        self.setVisible(priors.chosen is not None)
        comparison = self._session.comparison
        synthetic = self._session.exam is not None and self._session.exam.synthetic
        title = tr("Change since the prior exam")
        if comparison is not None:
            title = change_title(comparison, dated=not self._session.blinded)
        self.setTitle(tr("{title} (synthetic exams)", title=title) if synthetic else title)
        for row in change_rows():
            change = None if comparison is None else comparison.changes.get(row.key)
            for cell, text in zip(self._cells[row.key], _texts(change, row), strict=True):
                cell.setText(text)
            # The whole heart's rows are there with it; the others keep their place.
            shown = not row.key.startswith("heart_") or (change is not None and told(row, change))
            for label in (self._titles[row.key], *self._cells[row.key]):
                label.setVisible(shown)
            beyond = change is not None and change.beyond_noise
            mark = self._cells[row.key][2]
            if bool(mark.property("beyond")) != beyond:
                mark.setProperty("beyond", beyond)
                mark.style().unpolish(mark)
                mark.style().polish(mark)
        self._note.setText(self._sentence(comparison))

    def _sentence(self, comparison: Comparison | None) -> str:
        priors = self._priors
        if comparison is None:
            return priors.comparing.why_not or priors.stands or tr("Comparing…")
        if comparison.findings:
            return " ".join(f.message for f in comparison.findings)
        return tr("Bold: more than other clicks, the registration and another scan would make. Research use only.")


def _texts(change: Change | None, row: ChangeRow) -> tuple[str, ...]:
    if change is None:
        return (NOTHING,) * _COLUMNS
    return (
        number_text(change.prior, row),
        number_text(change.current, row),
        difference_text(change.difference, row),
        difference_text(change.per_year, row),
        noise_text(change.noise, row),
    )
