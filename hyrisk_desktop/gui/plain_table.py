"""Read-only tables of plain rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QTableWidget, QWidget

from hyrisk_desktop.gui.appearance import colour, scaled

_Index = QModelIndex | QPersistentModelIndex


class RowsModel(QAbstractTableModel):
    """Rows of any kind, worded by a function.

    Args:
        titles: of the columns.
        texts: the cells of a row.
        colour: of the cell of a row in a column; None for the usual one.
    """

    def __init__(
        self,
        titles: Sequence[str],
        texts: Callable[[Any], Sequence[str]],
        colour: Callable[[Any, int], QColor | None] = lambda *_: None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._titles, self._texts, self._colour = tuple(titles), texts, colour
        self.rows: list[Any] = []
        self._cells: list[Sequence[str]] = []

    def show(self, rows: Sequence[Any]) -> None:
        """Show other rows; where only their contents changed, selection and scrolling stay."""
        rows = list(rows)
        if len(rows) != len(self.rows):
            self.beginResetModel()
            self.rows, self._cells = rows, [self._texts(row) for row in rows]
            self.endResetModel()
            return
        changed = [i for i, row in enumerate(rows) if row != self.rows[i]]
        for i in changed:
            self.rows[i], self._cells[i] = rows[i], self._texts(rows[i])
        if changed:
            self.dataChanged.emit(self.index(changed[0], 0), self.index(changed[-1], len(self._titles) - 1))

    def add(self, row: Any) -> None:
        """One more row."""
        at = len(self.rows)
        self.beginInsertRows(QModelIndex(), at, at)
        self.rows.append(row)
        self._cells.append(self._texts(row))
        self.endInsertRows()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008  Qt's own default
        """Number of rows."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        """Number of columns."""
        return 0 if parent.isValid() else len(self._titles)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Column titles."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return self._titles[section]
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Texts, as tooltips too, since columns are narrow."""
        if not index.isValid():
            return None
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return self._cells[index.row()][index.column()]
        if role == Qt.ItemDataRole.ForegroundRole:
            return self._colour(self.rows[index.row()], index.column())
        return None


class ItemTable(QTableWidget):
    """A few rows of items that nobody edits, without numbers beside them; rows are added by who fills it.

    Args:
        name: objectName. title: for screen readers. headers: of the columns.
        wide: the column that takes what is left, the others being as wide as their texts; None: widths are the caller's.
        selection: of whole rows; none by default.
    """

    def __init__(
        self,
        name: str,
        title: str,
        headers: Sequence[str],
        *,
        wide: int | None = None,
        selection: QAbstractItemView.SelectionMode = QAbstractItemView.SelectionMode.NoSelection,
    ) -> None:
        super().__init__(0, len(headers))
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.setHorizontalHeaderLabels(list(headers))
        self.verticalHeader().hide()
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(selection)
        if wide is not None:
            self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            self.horizontalHeader().setSectionResizeMode(wide, QHeaderView.ResizeMode.Stretch)


def red_if(bad: Callable[[Any], bool]) -> Callable[[Any, int], QColor | None]:
    """Colours rows about something that failed."""
    return lambda row, _: colour("bad") if bad(row) else None


def table_view(model: RowsModel, name: str, title: str, widths: Sequence[int]) -> QTableView:
    """A view of whole rows; the last column takes what is left.

    Args:
        model: the rows. name: objectName. title: for screen readers. widths: of the columns, in pixels.
    """
    view = QTableView()
    view.setObjectName(name)
    view.setAccessibleName(title)
    view.setModel(model)
    view.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
    view.setWordWrap(False)
    view.setTabKeyNavigation(False)
    view.verticalHeader().hide()
    view.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    view.verticalHeader().setDefaultSectionSize(scaled(24))
    for column, width in enumerate(widths):
        # Titles are longer in some languages.
        view.setColumnWidth(column, max(scaled(width), view.horizontalHeader().sectionSizeHint(column)))
    view.horizontalHeader().setStretchLastSection(True)
    view.horizontalHeader().setHighlightSections(False)
    view.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return view


def selected(view: QTableView) -> list[Any]:
    """The rows selected, from the top."""
    model = view.model()
    assert isinstance(model, RowsModel)
    return [model.rows[i] for i in sorted(index.row() for index in view.selectionModel().selectedRows())]
