"""Grades of the four vessels, their sum, and the CAC-DRS line that follows from them."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QLabel, QToolButton, QWidget

from hyrisk_desktop.calcium.grading import GRADES, grade_word
from hyrisk_desktop.gui.panels.caption import Caption
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.i18n import listed, tr
from hyrisk_desktop.worklist.cac_drs import cac_drs, vessel_sum
from hyrisk_desktop.worklist.records import VESSELS


class VesselSheet(QWidget):
    """One row of buttons 0 to 3 for each of LM, LAD, LCx and RCA; re-reads the session."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._groups: dict[str, QButtonGroup] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 2, 0, 0)
        grid.setHorizontalSpacing(4)
        grid.setVerticalSpacing(3)
        for row, vessel in enumerate(VESSELS):
            name = _name(vessel)
            grid.addWidget(QLabel(name), row // 2, 5 * (row % 2))
            group = QButtonGroup(self)
            group.setExclusive(False)
            for grade in GRADES:
                button = QToolButton()
                button.setObjectName(f"vessel{vessel}{grade}")
                button.setText(str(grade))
                word = grade_word(grade)
                button.setAccessibleName(tr("{vessel} grade {grade}, {word}", vessel=name, grade=grade, word=word))
                button.setToolTip(button.accessibleName())
                button.setCheckable(True)
                button.setFixedSize(30, 24)
                group.addButton(button, grade)
                grid.addWidget(button, row // 2, 5 * (row % 2) + 1 + grade)
            group.idClicked.connect(lambda grade, v=vessel: self._grade(v, grade))
            self._groups[vessel] = group
        self._sum = Caption()
        self._sum.setObjectName("vesselSum")
        self._sum.setAccessibleName(tr("Sum of the vessels and CAC-DRS"))
        grid.addWidget(self._sum, 2, 0, 1, 10)
        session.read_changed.connect(self._show)
        session.exam_changed.connect(self._show)
        self._show()

    def _grade(self, vessel: str, grade: int) -> None:
        vessels = dict(self._session.read.vessels) | {vessel: grade}
        self._session.set_vessels(tuple((v, vessels[v]) for v in VESSELS if v in vessels))
        self._show()

    @Slot()
    def _show(self) -> None:
        read = self._session.read
        vessels = dict(read.vessels)
        for vessel, group in self._groups.items():
            for button in group.buttons():
                button.setChecked(vessels.get(vessel) == group.id(button))
                button.setEnabled(self._session.can_measure and not read.locked)
        if not vessels:
            self._sum.setText(tr("Grade the four vessels; the exam's grade is the worst of them."))
        elif len(vessels) < len(VESSELS):
            missing = listed(_name(v) for v in VESSELS if v not in vessels)
            self._sum.setText(tr("Still to grade: {vessels}", vessels=missing))
        else:
            self._sum.setText(tr("Sum {n} of 12   {line}", n=vessel_sum(vessels), line=cac_drs(vessels)))


def _name(vessel: str) -> str:
    """A vessel of `VESSELS` as readers write it."""
    return tr("LCx") if vessel == "LCx" else vessel
