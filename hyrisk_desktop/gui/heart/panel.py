"""The whole-heart score by vessel, and its plaques as a table; it lies with the grades of the same vessels."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QItemSelectionModel, QObject, QPoint, Qt, Signal, Slot
from PySide6.QtGui import QColor, QKeyEvent
from PySide6.QtWidgets import QGridLayout, QGroupBox, QHBoxLayout, QLabel, QTableView, QVBoxLayout, QWidget

from hyrisk_desktop.calcium import VESSELS, Doubt, Plaque, category_bounds, doubt_words
from hyrisk_desktop.exchange.reports.change import vessel_name
from hyrisk_desktop.gui.appearance import NO_LIMIT, legible, scaled
from hyrisk_desktop.gui.overlay import EXCLUDED_COLOUR, VESSEL_COLOURS
from hyrisk_desktop.gui.panels.caption import Caption, Note
from hyrisk_desktop.gui.panels.risk_panel import NOTHING, ShowAnyway, Value
from hyrisk_desktop.gui.plain_table import RowsModel, selected, table_view
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.i18n import decimal, tr
from hyrisk_desktop.imaging import Voxel

_WIDTHS = (64, 58, 62, 56, 44)
_DIGITS = {getattr(Qt.Key, f"Key_{digit}"): digit for digit in range(6)}


class PlaqueTable(QObject):
    """The plaques, those that count first; digits give the selected ones to a vessel.

    Signals:
        menu_wanted: at a place on the screen.
    """

    menu_wanted = Signal(QPoint)

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._session = session
        titles = (tr("Slices"), tr("Vessel"), tr("Agatston"), tr("mm³"), tr("Max"), tr("Counts"))
        self._model = RowsModel(titles, _texts, _colour, parent)
        self.view: QTableView = table_view(self._model, "plaqueTable", tr("Plaques of the whole heart"), _WIDTHS)
        self.view.installEventFilter(self)
        self.view.selectionModel().currentRowChanged.connect(self._look)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.customContextMenuRequested.connect(self._ask_for_menu)

    @property
    def chosen(self) -> tuple[Voxel, ...]:
        """The plaques that are selected."""
        return tuple(plaque.id for plaque in selected(self.view))

    def show(self, plaques: Sequence[Plaque]) -> None:
        """Show other rows; what was selected stays so."""
        before = set(self.chosen)
        self._model.show(plaques)
        self.choose(before)

    def choose(self, plaques: set[Voxel]) -> None:
        """Select these and no others."""
        model = self.view.selectionModel()
        model.blockSignals(True)
        self.view.clearSelection()
        flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        for row, plaque in enumerate(self._model.rows):
            if plaque.id in plaques:
                model.select(self._model.index(row, 0), flags)
        model.blockSignals(False)
        self.view.viewport().update()

    @Slot()
    def _look(self) -> None:
        row = self.view.currentIndex().row()
        if self.view.hasFocus() and 0 <= row < len(self._model.rows):
            self._session.set_view(position=self._model.rows[row].id, centre_selected=False)

    @Slot(QPoint)
    def _ask_for_menu(self, place: QPoint) -> None:
        if self.chosen:
            self.menu_wanted.emit(self.view.viewport().mapToGlobal(place))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Bare digits mean vessels here, although they choose window presets elsewhere."""
        if not isinstance(event, QKeyEvent) or event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            return False
        digit = _DIGITS.get(Qt.Key(event.key()))
        if digit is None or not self.chosen:
            return False
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        if event.type() == QEvent.Type.KeyPress:
            self._session.mark_plaques(self.chosen, VESSELS[digit - 1] if digit else None)
            return True
        return False


def _texts(plaque: Plaque) -> tuple[str, ...]:
    first, last = plaque.slices
    vessel = vessel_name(plaque.vessel) if plaque.vessel else tr("{vessel} ?", vessel=vessel_name(plaque.suggested))
    return (
        f"{first}" if first == last else f"{first}–{last}",
        vessel,
        decimal(plaque.agatston, ".1f"),
        decimal(plaque.volume_mm3, ".1f"),
        f"{plaque.max_hu:.0f}",
        tr("yes") if plaque.reason is None else doubt_words(plaque.reason),
    )


def _colour(plaque: Plaque, column: int) -> QColor | None:
    if not plaque.counted:
        return legible(EXCLUDED_COLOUR)
    return legible(VESSEL_COLOURS[plaque.vessel or plaque.suggested]) if column == 1 else None


class HeartPanel(QGroupBox):
    """Reads the session's whole-heart score; hidden unless the reader wants it."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(tr("Whole heart"), parent)
        self.setObjectName("heartPanel")
        self._session = session
        self._value = Value("wholeHeartValue", tr("Whole-heart score"))
        self._drs = Value("cacDrs", tr("CAC-DRS of the whole heart"))
        self._category = Value("wholeHeartCategory", tr("Category of the whole-heart score"))
        self._anyway = ShowAnyway(session, "showHeartAnyway")
        top = QHBoxLayout()
        top.setSpacing(10)
        top.addWidget(Caption(tr("Whole-heart score")))
        top.addWidget(self._category, 1)
        top.addWidget(self._anyway)
        top.addWidget(self._value)
        grid = QGridLayout()
        grid.setVerticalSpacing(1)
        right = Qt.AlignmentFlag.AlignRight
        for row, title in enumerate(("", tr("Plaques"), tr("Agatston"), tr("Volume, mm³"))):
            grid.addWidget(QLabel(title), row, 0)
        self._cells: dict[str, list[Value]] = {}
        for column, vessel in enumerate(VESSELS, 1):
            name = QLabel(vessel_name(vessel))
            name.setObjectName("caption")
            grid.addWidget(name, 0, column, right)
            self._cells[vessel] = [Value(f"heart_{vessel}_{row}", vessel_name(vessel)) for row in range(3)]
            for row, cell in enumerate(self._cells[vessel], 1):
                grid.addWidget(cell, row, column, right)
        self.table = PlaqueTable(session, self)
        self._note = Note(2)
        self.set_compact(False)
        self._note.setObjectName("heartNote")
        layout = QVBoxLayout(self)
        layout.setSpacing(3)
        layout.addLayout(top)
        layout.addWidget(self._drs)
        layout.addLayout(grid)
        layout.addWidget(self.table.view, 1)
        layout.addWidget(self._note)
        session.heart_changed.connect(self._show)
        session.risk_changed.connect(self._show)
        self._show()

    def set_compact(self, compact: bool) -> None:
        """Whatever is left for the table, and no note, where the panel stands in a tab."""
        self.table.view.setMinimumHeight(scaled(44 if compact else 120))
        self.table.view.setMaximumHeight(NO_LIMIT if compact else scaled(220))
        self._note.setHidden(compact)

    @Slot()
    def _show(self) -> None:
        session = self._session
        self.setVisible(session.read.whole_heart)
        if not session.read.whole_heart:
            return
        synthetic = session.exam is not None and session.exam.synthetic
        self.setTitle(tr("Whole heart (synthetic exam)") if synthetic else tr("Whole heart"))
        heart, standing = session.whole_heart, session.whole_heart_standing
        hidden = heart is not None and session.hides(standing)
        self._anyway.setVisible(hidden)
        if heart is None or hidden:
            self._value.show_number(NOTHING, standing, hidden=hidden)
            self._drs.setText(NOTHING)
            self._category.setText(standing.why if hidden else "")
            for cells in self._cells.values():
                for cell in cells:
                    cell.setText(NOTHING)
            self.table.show(())
            self._note.setText("" if hidden else self._why_not())
            return
        self._value.show_number(decimal(heart.agatston, ".1f"), standing)
        self._category.setText(category_bounds(heart.category))
        visual = dict(session.read.vessels)
        drs = heart.cac_drs + (tr("; visual V{v}", v=max(visual.values())) if visual else "")
        self._drs.setText(drs)
        for row in heart.vessels:
            count = tr("{n} ?", n=row.lesions) if row.suggested else f"{row.lesions}"
            texts = (
                (count, decimal(row.agatston, ".1f"), decimal(row.volume_mm3, ".1f")) if row.lesions else (NOTHING,) * 3
            )
            for cell, text in zip(self._cells[row.vessel], texts, strict=True):
                cell.setText(text)
        rows = [plaque for plaque in heart.groups if plaque.reason is not Doubt.NOISE]
        self.table.show(sorted(rows, key=lambda plaque: (not plaque.counted, -plaque.agatston)))
        self._note.setText(
            _sentence(len(heart.groups) - len(rows), waiting=any(row.suggested for row in heart.vessels))
        )

    def _why_not(self) -> str:
        if self._session.hides_results:
            return tr("Blinded: the whole heart is scored once the grade is locked.")
        if self._session.read.centre is None:
            return tr("The whole heart needs the heart centre.")
        return tr("Outlining the heart…")


def _sentence(noise: int, *, waiting: bool) -> str:
    spots = tr(" Spots that may be noise: {n}, not listed.", n=noise) if noise else ""
    if waiting:
        return (
            tr("?: suggested by its place. T and 1 to 5 gives a plaque to LM, LAD, LCx, RCA or none; T T takes it.")
            + spots
        )
    return tr("X counts a plaque or leaves it out.") + spots
