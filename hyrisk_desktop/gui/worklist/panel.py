"""The list of exams beside the images: search, status filter, counts, the table, and the scan's progress."""

from __future__ import annotations

from PySide6.QtCore import (
    QByteArray,
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QPoint,
    QSize,
    Qt,
    QTimer,
    Signal,
    Slot,
)
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QSizePolicy,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.gui.worklist.columns import columns
from hyrisk_desktop.gui.worklist.controller import Worklist
from hyrisk_desktop.gui.worklist.table_model import PICTURE_PX
from hyrisk_desktop.i18n import listed, tr, trn
from hyrisk_desktop.worklist.records import Status, status_word

_ROW_PX = 42
_SEARCH_DELAY_MS = 40


class WorklistPanel(QWidget):
    """Shows the worklist and opens its exams; holds nothing but widths and the words being searched.

    Signals:
        entered: the reader has chosen an exam and goes on at the image.
    """

    entered = Signal()

    def __init__(self, worklist: Worklist, state: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("worklistPanel")
        self._worklist = worklist
        self._columns = columns()
        self.search = QLineEdit()
        self.search.setObjectName("worklistSearch")
        self.search.setAccessibleName(tr("Search the worklist"))
        self.search.setPlaceholderText(tr("Search name, ID, date, status… (Ctrl+F)"))
        self.search.setClearButtonEnabled(True)
        self.search.installEventFilter(self)
        self._status = QComboBox()
        self._status.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._status.setMinimumContentsLength(6)
        self._status.setObjectName("worklistStatus")
        self._status.setAccessibleName(tr("Show exams of this status"))
        self._status.addItem(tr("all"), None)
        for status in Status:
            self._status.addItem(status_word(status), status)
        self._title = QLabel()
        self._title.setObjectName("worklistTitle")
        # The list yields to the image: none of its texts keeps it wide.
        self._title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._title.setTextFormat(Qt.TextFormat.PlainText)
        self._title.setWordWrap(True)
        self._counts = QLabel()
        self._counts.setObjectName("worklistCounts")
        self._counts.setAccessibleName(tr("Exams by status"))
        self._counts.setWordWrap(True)
        self._scan = QLabel()
        self._scan.setObjectName("scanProgress")
        self._cancel = QPushButton(tr("Stop"))
        self._cancel.setObjectName("stopScan")
        self._cancel.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.table = self._make_table(state)
        self._delay = QTimer(self, singleShot=True, interval=_SEARCH_DELAY_MS)
        self._lay_out()
        self._connect()
        self._show_list()
        self._show_scan()

    def _make_table(self, state: str) -> QTableView:
        table = QTableView()
        table.setObjectName("worklistView")
        table.setAccessibleName(tr("Worklist"))
        table.setModel(self._worklist.model)
        table.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        # Lit is what is on screen and nothing else: the selection follows the image, never a click or a key.
        table.setSelectionMode(QTableView.SelectionMode.NoSelection)
        table.setSortingEnabled(True)
        table.setTabKeyNavigation(False)
        table.setShowGrid(False)
        table.setWordWrap(False)
        table.setAlternatingRowColors(True)
        table.setIconSize(QSize(PICTURE_PX, PICTURE_PX))
        table.setVerticalScrollMode(QTableView.ScrollMode.ScrollPerPixel)
        table.setHorizontalScrollMode(QTableView.ScrollMode.ScrollPerPixel)
        rows = table.verticalHeader()
        rows.hide()
        # Fixed heights: measuring ten thousand rows would stop the window.
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(_ROW_PX)
        header = table.horizontalHeader()
        header.setSectionsMovable(True)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.setToolTip(tr("Click to sort; right-click to choose columns."))
        for index, column in enumerate(self._columns):
            table.setColumnWidth(index, column.width)
            table.setColumnHidden(index, not column.shown)
        # Widths of another number of columns would be those of other columns.
        count, _, widths = state.rpartition(".")
        fits = count == str(len(self._columns))
        if not fits or not header.restoreState(QByteArray.fromBase64(widths.encode())):
            table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        else:
            self._worklist.model.sort(header.sortIndicatorSection(), header.sortIndicatorOrder())
        table.installEventFilter(self)
        return table

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self.search, 1)
        top.addWidget(self._status)
        below = QHBoxLayout()
        below.addWidget(self._scan, 1)
        below.addWidget(self._cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 4, 6)
        layout.setSpacing(5)
        layout.addWidget(self._title)
        layout.addLayout(top)
        layout.addWidget(self._counts)
        layout.addWidget(self.table, 1)
        layout.addLayout(below)

    def _connect(self) -> None:
        worklist = self._worklist
        worklist.list_changed.connect(self._show_list)
        worklist.rows_changed.connect(self._show_counts)
        worklist.current_changed.connect(self._show_current)
        worklist.session.exam_changed.connect(self._show_current)
        worklist.scanning.progressed.connect(self._show_scan)
        worklist.scanning.ended.connect(self._show_scan)
        self.search.textChanged.connect(self._delay.start)
        self._status.currentIndexChanged.connect(self._delay.start)
        self._delay.timeout.connect(self._search)
        self.table.clicked.connect(self._open)
        self.table.horizontalHeader().customContextMenuRequested.connect(self._choose_columns)
        self._cancel.clicked.connect(worklist.scanning.cancel)

    def layout_state(self) -> str:
        """Widths, order, choice and sorting of the columns, for the settings."""
        widths = bytes(self.table.horizontalHeader().saveState().toBase64().data()).decode()
        return f"{len(self._columns)}.{widths}"

    # --- showing

    @Slot()
    def _show_list(self) -> None:
        reading_list, reader = self._worklist.reading_list, self._worklist.reader
        name = reading_list.name if reading_list else tr("No worklist")
        if reading_list is not None and reading_list.blinded:
            name = tr("{name} – read blinded", name=name)
        who = tr("Reader: {name}", name=reader.name) if reader else ""
        self._title.setText("   ".join(text for text in (name, who) if text))
        self._title.setToolTip(self._title.text())
        self._show_counts()
        self._show_current()

    @Slot()
    def _show_counts(self) -> None:
        counts = self._worklist.model.counts()
        parts = [tr("{n} {status}", n=counts[s], status=status_word(s)) for s in Status if counts[s]]
        total = trn("{n} exam", "{n} exams", sum(counts.values()))
        self._counts.setText(tr("{total}: {parts}", total=total, parts=listed(parts)) if parts else total)

    @Slot()
    def _show_current(self) -> None:
        worklist, model = self._worklist, self._worklist.model
        lit = None if worklist.on_screen is None else model.row_of(worklist.on_screen)
        selection = self.table.selectionModel()
        flags = QItemSelectionModel.SelectionFlag
        if lit is None:
            selection.clearSelection()
        else:
            selection.select(model.index(lit, 0), flags.ClearAndSelect | flags.Rows)
        # The keyboard's place in the table is where Enter would go on.
        row = None if worklist.current is None else model.row_of(worklist.current)
        if row is not None:
            selection.setCurrentIndex(model.index(row, 0), flags.NoUpdate)
            self.table.scrollTo(model.index(row, 0))

    @Slot()
    def _show_scan(self, *_: object) -> None:
        scanning = self._worklist.scanning
        self._cancel.setVisible(scanning.running)
        self._scan.setVisible(scanning.running)
        if scanning.running:
            text = trn(
                "Looking: {files} files, {n} exam",
                "Looking: {files} files, {n} exams",
                scanning.exams,
                files=scanning.files,
            )
            self._scan.setText(text + (tr(", {rate:.0f} files/s", rate=scanning.rate) if scanning.rate else ""))

    # --- acting

    @Slot()
    def _search(self) -> None:
        self._worklist.model.search(self.search.text(), self._status.currentData())
        self._show_current()

    @Slot(QModelIndex)
    def _open(self, index: QModelIndex) -> None:
        if index.isValid():
            self._worklist.open_exam(self._worklist.model.entry_at(index.row()).exam_id)
            self.entered.emit()

    def focus_search(self) -> None:
        """Type to search."""
        self.search.setFocus()
        self.search.selectAll()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Enter opens the exam selected; arrow down leaves the search for the table, Escape clears it."""
        if not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.KeyPress:
            return super().eventFilter(watched, event)
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if watched is self.table and enter:
            self._open(self.table.currentIndex())
            return True
        if watched is self.search:
            if enter or event.key() == Qt.Key.Key_Down:
                self._search()
                if not self.table.currentIndex().isValid() and self._worklist.model.rowCount():
                    first = self._worklist.model.index(0, 0)
                    self.table.selectionModel().setCurrentIndex(first, QItemSelectionModel.SelectionFlag.NoUpdate)
                self.table.setFocus()
                return True
            if event.key() == Qt.Key.Key_Escape:
                self.search.clear()
                self.entered.emit()
                return True
        return super().eventFilter(watched, event)

    @Slot(QPoint)
    def _choose_columns(self, at: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for index, column in enumerate(self._columns):
            action = menu.addAction(column.title)
            action.setCheckable(True)
            action.setChecked(not self.table.isColumnHidden(index))
            action.setEnabled(index > 0)
            action.toggled.connect(lambda shown, i=index: self.table.setColumnHidden(i, not shown))
        menu.popup(self.table.horizontalHeader().mapToGlobal(at))
