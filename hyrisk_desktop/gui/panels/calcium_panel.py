"""Agatston, category with its bounds, volume and its square root, and the lesions behind them."""

from __future__ import annotations

from PySide6.QtCore import QAbstractTableModel, QItemSelection, QModelIndex, QPersistentModelIndex, Qt, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.calcium import PROFILES, Lesion, category_bounds
from hyrisk_desktop.gui.appearance import legible, scaled
from hyrisk_desktop.gui.hints import Place, hint_text, situation
from hyrisk_desktop.gui.overlay import EXCLUDED_COLOUR, WEIGHT_COLOURS
from hyrisk_desktop.gui.panels.caption import Caption, Note
from hyrisk_desktop.gui.panels.risk_panel import NOTHING, ShowAnyway, Value
from hyrisk_desktop.gui.panels.wheel import only_focused_wheel
from hyrisk_desktop.gui.results import agatston_name
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.i18n import decimal, tr
from hyrisk_desktop.standing import SHOWN

_Index = QModelIndex | QPersistentModelIndex


_COLUMN_WIDTHS = (56, 66, 52, 44, 44, 64, 40)


class LesionModel(QAbstractTableModel):
    """The session's lesions; the check box of the first column counts a lesion or leaves it out."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._lesions: tuple[Lesion, ...] = ()
        self._hidden = False
        self._headers = (
            tr("Slice"),
            tr("x, y"),
            tr("mm²"),
            tr("Max"),
            tr("Mean"),
            tr("Agatston"),
            tr("mm³"),
        )

    def show_lesions(self, lesions: tuple[Lesion, ...], *, hidden: bool = False) -> None:
        """Replace the rows; the same lesions with other marks keep the selection. ``hidden``: without their scores."""
        self._hidden = hidden
        if len(lesions) == len(self._lesions) and all(
            a.peak == b.peak for a, b in zip(lesions, self._lesions, strict=True)
        ):
            self._lesions = lesions
            if lesions:
                self.dataChanged.emit(self.index(0, 0), self.index(len(lesions) - 1, len(self._headers) - 1))
            return
        self.beginResetModel()
        self._lesions = lesions
        self.endResetModel()

    def lesion(self, row: int) -> Lesion:
        """The lesion of a row."""
        return self._lesions[row]

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008  Qt's own default
        """Number of lesions."""
        return 0 if parent.isValid() else len(self._lesions)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        """Number of columns."""
        return 0 if parent.isValid() else len(self._headers)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Column titles."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return self._headers[section]
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Texts, check marks and the colour of the Agatston weight."""
        if not index.isValid():
            return None
        lesion = self._lesions[index.row()]
        column = index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(lesion, column)
        if role == Qt.ItemDataRole.CheckStateRole and column == 0:
            return Qt.CheckState.Unchecked if lesion.excluded else Qt.CheckState.Checked
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ForegroundRole:
            if lesion.excluded:
                return legible(EXCLUDED_COLOUR)
            if column == 3:
                return legible(WEIGHT_COLOURS[lesion.weight - 1])
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(lesion)
        return None

    def _text(self, lesion: Lesion, column: int) -> str:
        x, y, _ = lesion.center_xyz
        return (
            f"{lesion.slice}",
            f"{x:.0f}, {y:.0f}",
            decimal(lesion.area_mm2, ".1f") + ("*" if lesion.cut_by_border else ""),
            f"{lesion.max_hu:.0f}",
            f"{lesion.mean_hu:.0f}",
            NOTHING if self._hidden else decimal(lesion.agatston, ".1f"),
            NOTHING if self._hidden else decimal(lesion.volume_mm3, ".1f"),
        )[column]

    @staticmethod
    def _tip(lesion: Lesion) -> str:
        parts = [tr("Agatston weight {weight}.", weight=lesion.weight)]
        if lesion.cut_by_border:
            parts.append(tr("* cut by the region's border."))
        if lesion.excluded:
            parts.append(tr("Excluded; check the box to count it."))
        return " ".join(parts)

    def flags(self, index: _Index) -> Qt.ItemFlag:
        """Rows can be selected; the first column can be checked."""
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        return flags | Qt.ItemFlag.ItemIsUserCheckable if index.column() == 0 else flags

    def setData(self, index: _Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """A click on the check box excludes or includes the lesion."""
        if role != Qt.ItemDataRole.CheckStateRole or not index.isValid():
            return False
        self._session.toggle_lesion(index.row())
        return True


class CalciumPanel(QGroupBox):
    """Reads the session's scores."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(tr("Calcium scores of the region"), parent)
        self._session = session
        self._agatston_caption = Caption()
        self._agatston = Value("agatstonValue", tr("Agatston score"))
        self._category = Value("agatstonCategory", tr("Agatston category"))
        self._volume = Value("volumeValue", tr("Volume score"))
        self._sqrt = Value("sqrtVolumeValue", tr("Square root of the volume score"))
        self._region = Note(2)
        self._region.setObjectName("caption")
        self._profile = QComboBox()
        self._profile.setObjectName("profileChoice")
        self._profile.setAccessibleName(tr("Scoring profile"))
        self._profile.addItems(list(PROFILES))
        self._profile.textActivated.connect(self._choose_profile)
        only_focused_wheel(self._profile)
        grid = QGridLayout()
        grid.setVerticalSpacing(2)
        right = Qt.AlignmentFlag.AlignRight
        for row, (caption, widget) in enumerate(
            (
                (self._agatston_caption, self._agatston),
                (Caption(tr("Category (Rumberger)")), self._category),
                (QLabel(tr("Volume")), self._volume),
                (QLabel(tr("√ Volume")), self._sqrt),
            )
        ):
            grid.addWidget(caption, row, 0)
            grid.addWidget(widget, row, 1, right)
        # In the place of the two numbers that are not there then.
        self._anyway = ShowAnyway(session, "showScoresAnyway")
        grid.addWidget(self._anyway, 2, 1, 2, 1, right | Qt.AlignmentFlag.AlignVCenter)
        self._model = LesionModel(session, self)
        self.table = self._make_table()
        self.details = QWidget()
        """The lesions, with what they were found by; whoever is short of room may lay them elsewhere."""
        layout = QVBoxLayout(self)
        layout.setSpacing(5)
        layout.addLayout(grid)
        layout.addWidget(self._make_details(), 1)
        session.scores_changed.connect(self._show)
        session.risk_changed.connect(self._show)
        self._show()

    def _make_details(self) -> QWidget:
        below = QHBoxLayout()
        below.addWidget(self._region, 1)
        below.addWidget(self._profile)
        layout = QVBoxLayout(self.details)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        layout.addLayout(below)
        layout.addWidget(self.table, 1)
        return self.details

    def _make_table(self) -> QTableView:
        table = QTableView()
        table.setObjectName("lesionTable")
        table.setAccessibleName(tr("Lesions"))
        table.setModel(self._model)
        table.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QTableView.SelectionMode.SingleSelection)
        table.setTabKeyNavigation(False)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(scaled(22))
        # Fixed widths: fitting them to thousands of rows costs a frame, and a table that rearranges itself is hard to read.
        for column, width in enumerate(_COLUMN_WIDTHS):
            table.setColumnWidth(column, scaled(width))
        table.horizontalHeader().setStretchLastSection(True)
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.setMinimumHeight(scaled(66))
        table.setShowGrid(False)
        table.selectionModel().selectionChanged.connect(self._look_at_selected)
        return table

    @Slot()
    def _show(self) -> None:
        scores = self._session.scores
        whole = self._session.read.box is not None
        title = tr("Calcium scores of the whole-heart box") if whole else tr("Calcium scores of the region")
        synthetic = self._session.exam is not None and self._session.exam.synthetic
        self.setTitle(tr("{title} (synthetic exam)", title=title) if synthetic else title)
        self._profile.setCurrentText(self._session.read.profile)
        self._profile.setEnabled(self._session.can_measure)
        standing = self._session.scores_standing if scores is not None else SHOWN
        hidden = self._session.hides(standing)
        self._anyway.setVisible(hidden)
        self._volume.setVisible(not hidden)
        self._sqrt.setVisible(not hidden)
        if scores is None:
            self._agatston.show_number(NOTHING)
            for label in (self._category, self._volume, self._sqrt):
                label.setText(NOTHING)
            self._agatston_caption.setText(tr("Region Agatston"))
            self._region.setText(hint_text(Place.SCORES, situation(self._session)))
            self._model.show_lesions(())
            return
        a, b, c = scores.region_mm
        name = agatston_name(scores)
        self._agatston_caption.setText(tr("{name}\n{a:.0f} × {b:.0f} × {c:.0f} mm", name=name, a=a, b=b, c=c))
        self._agatston.show_number(decimal(scores.agatston, ".1f"), standing, hidden=hidden)
        category = tr("{n}  ({bounds})", n=scores.category, bounds=category_bounds(scores.category))
        self._category.setText(standing.why if hidden else category)
        self._volume.setText(NOTHING if hidden else tr("{v:.1f} mm³", v=scores.volume_mm3))
        self._sqrt.setText(NOTHING if hidden else decimal(scores.sqrt_volume, ".2f"))
        w, h, d = scores.region.size_xyz
        text = tr("{w} × {h} × {d} voxels", w=w, h=h, d=d)
        self._region.setText(text if whole else text + tr("; not a whole-heart score"))
        self._model.show_lesions(scores.lesions, hidden=hidden)

    @Slot(str)
    def _choose_profile(self, name: str) -> None:
        self._session.edit(profile=name)

    @Slot(QItemSelection, QItemSelection)
    def _look_at_selected(self, selected: QItemSelection, _deselected: QItemSelection) -> None:
        rows = selected.indexes()
        if rows:
            self._session.set_view(position=self._model.lesion(rows[0].row()).peak, centre_selected=False)
