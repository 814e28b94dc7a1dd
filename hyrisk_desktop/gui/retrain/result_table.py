"""Tables and texts of a finished run's results."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPen, QPixmap
from PySide6.QtWidgets import (
    QGridLayout,
    QLabel,
    QScrollArea,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.gui.plain_table import ItemTable
from hyrisk_desktop.gui.retrain.plots import look_of, synthetic_title

_ROW = 20
_LINE = QSize(30, 14)


class ResultTable(ItemTable):
    """Rows of texts, as high as its rows.

    Args:
        name: objectName. headers: of the columns; the first one's also says where the data are synthetic.
        wide: the column that takes the room that is left.
    """

    def __init__(self, name: str, headers: tuple[str, ...], wide: int = 0) -> None:
        super().__init__(name, headers[0], headers, wide=wide)
        self._name = headers[0]
        self.verticalHeader().setDefaultSectionSize(_ROW)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setIconSize(_LINE)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.show_rows((), False)

    def show_rows(
        self, rows: tuple[tuple[str, ...], ...], synthetic: bool, *, curves: tuple[str, ...] = (), name: str = ""
    ) -> None:
        """Replace the rows; the first column's title says where the data are synthetic.

        Args:
            rows: texts. synthetic: say so. curves: key of the curve that each row is about, whose line it then shows.
            name: a new title of the first column.
        """
        self._name = name or self._name
        title = synthetic_title(self._name, synthetic)
        if (item := self.horizontalHeaderItem(0)) is not None:
            item.setText(title)
        self.setAccessibleName(title)
        self.setRowCount(len(rows))
        for i, row in enumerate(rows):
            for column, text in enumerate(row):
                item = QTableWidgetItem(f"{text} " if column else text)
                item.setToolTip(text)
                if curves and not column:
                    item.setIcon(_line(curves[i]))
                self.setItem(i, column, item)
        self.setFixedHeight(_ROW * len(rows) + self.horizontalHeader().sizeHint().height() + 4)


def _line(key: str) -> QIcon:
    """A piece of the curve ``key``, as its plot draws it."""
    picture = QPixmap(_LINE)
    picture.fill(Qt.GlobalColor.transparent)
    look = look_of(key)
    painter = QPainter(picture)
    painter.setPen(QPen(look.colour, look.width, look.style))
    painter.drawLine(0, _LINE.height() // 2, _LINE.width(), _LINE.height() // 2)
    painter.end()
    return QIcon(picture)


def scrolled(name: str, head: QLabel, badge: QLabel, widgets: Iterable[QWidget]) -> QScrollArea:
    """What a run's results say, in a column that scrolls.

    Args:
        name: objectName. head, badge: what it is about, and whether it is synthetic. widgets: below them.
    """
    inside = QWidget()
    column = QVBoxLayout(inside)
    column.setContentsMargins(0, 0, 6, 0)
    top = QGridLayout()
    top.addWidget(head, 0, 0)
    top.addWidget(badge, 0, 1, Qt.AlignmentFlag.AlignRight)
    top.setColumnStretch(0, 1)
    column.addLayout(top)
    for widget in widgets:
        column.addWidget(widget)
    column.addStretch(1)
    scroll = QScrollArea()
    scroll.setObjectName(name)
    scroll.setWidgetResizable(True)
    scroll.setFrameShape(QScrollArea.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setWidget(inside)
    return scroll


def text_label(name: str, accessible: str) -> QLabel:
    """A text that wraps and can be copied."""
    label = QLabel()
    label.setObjectName(name)
    label.setAccessibleName(accessible)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
