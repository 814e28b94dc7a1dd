"""What shows two readers' agreement: the matrix of their grades, the plot of their scores, and numbers with intervals."""

from __future__ import annotations

import math

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem

from hyrisk_desktop.gui.appearance import colour, contrast
from hyrisk_desktop.gui.local_axis import local_axes
from hyrisk_desktop.i18n import tr, typeset
from hyrisk_desktop.worklist.agreement import Agreement, Estimate

NOTHING = "–"


def estimate_text(e: Estimate, digits: int = 2) -> str:
    """``0.71 (0.60 to 0.80)``, or a dash where the data can't give it."""
    if math.isnan(e.value):
        return NOTHING
    text = minus(e.value, digits)
    if math.isnan(e.low):
        return text
    return tr("{value} ({low} to {high})", value=text, low=minus(e.low, digits), high=minus(e.high, digits))


def minus(value: float, digits: int) -> str:
    return typeset(value, f".{digits}f")


class GradeMatrix(QTableWidget):
    """Rows: the first reader's grades; columns: the second's."""

    def __init__(self) -> None:
        super().__init__(4, 4)
        self.setObjectName("confusionMatrix")
        self.setAccessibleName(tr("Confusion matrix: rows the first reader's grade, columns the second's"))
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QTableWidget.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        for g in range(4):
            self.setHorizontalHeaderItem(g, QTableWidgetItem(str(g)))
            self.setVerticalHeaderItem(g, QTableWidgetItem(str(g)))
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.setFixedSize(330, 210)

    def show_agreement(self, a: Agreement) -> None:
        """Counts, the more the stronger in colour."""
        most = max(1, int(a.confusion.max()))
        for i in range(4):
            for j in range(4):
                count = int(a.confusion[i, j])
                item = QTableWidgetItem(str(count))
                item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                ground = QColor("#2f6fb3" if i == j else "#a35a28")
                ground.setAlpha(int(30 + 190 * count / most) if count else 0)
                item.setBackground(ground)
                item.setForeground(ink_on(ground))
                self.setItem(i, j, item)


def ink_on(ground: QColor) -> QColor:
    """Black or white, whichever can be read better on a see-through colour over the table's own ground."""
    share, field = ground.alphaF(), colour("field")
    seen = QColor.fromRgbF(
        share * ground.redF() + (1 - share) * field.redF(),
        share * ground.greenF() + (1 - share) * field.greenF(),
        share * ground.blueF() + (1 - share) * field.blueF(),
    )
    return max(QColor("#000000"), QColor("#ffffff"), key=lambda ink: contrast(ink, seen))


class BlandAltmanPlot(pg.PlotWidget):
    """Differences of two readers' region Agatston over their means."""

    def __init__(self) -> None:
        super().__init__(background=colour("field"), axisItems=local_axes())
        self.setObjectName("blandAltmanPlot")
        for side in ("left", "bottom"):
            axis = self.getPlotItem().getAxis(side)
            axis.setPen(pg.mkPen(colour("edge")))
            axis.setTextPen(colour("text"))
        self.setMinimumHeight(230)
        self.setLabel("bottom", tr("mean region Agatston of both readers"))
        self.setLabel("left", tr("second − first"))
        self.setMenuEnabled(False)
        self.setMouseEnabled(False, False)
        self.hideButtons()

    def show_agreement(self, a: Agreement) -> None:
        """Exams as points; bias and limits of agreement as lines."""
        self.clear()
        if len(a.agatston) == 0:
            return
        mean, difference = a.agatston.mean(axis=1), a.agatston[:, 1] - a.agatston[:, 0]
        self.plot(mean, difference, pen=None, symbol="o", symbolSize=7, symbolBrush=colour("link"), symbolPen=None)
        if a.bland_altman is not None:
            ba = a.bland_altman
            for estimate, style, name in (
                (ba.bias, Qt.PenStyle.SolidLine, tr("bias")),
                (ba.lower, Qt.PenStyle.DashLine, tr("−1.96 SD")),
                (ba.upper, Qt.PenStyle.DashLine, tr("+1.96 SD")),
            ):
                label = f"{name} {minus(estimate.value, 1)}"
                options = {"position": 0.9, "color": colour("strong"), "movable": False}
                line = pg.InfiniteLine(
                    estimate.value,
                    angle=0,
                    pen=pg.mkPen(colour("warning"), width=1.5, style=style),
                    label=label,
                    labelOpts=options,
                )
                self.addItem(line)
        low, high = float(np.min(difference)), float(np.max(difference))
        self.setAccessibleDescription(tr("{n} exams, differences {a:.0f} to {b:.0f}", n=len(mean), a=low, b=high))
