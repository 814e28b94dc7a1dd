"""The plots of the retrain window: in the theme's colours, fixed axes, nothing that jumps."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor

from hyrisk_desktop.gui.appearance import colour, legible
from hyrisk_desktop.gui.local_axis import local_axes
from hyrisk_desktop.gui.retrain.progress import Progress, unit_name
from hyrisk_desktop.gui.retrain.run_results import Curve, RunResults
from hyrisk_desktop.i18n import tr

_FOLD_COLOURS = (
    *("#7db8ff", "#7ddba3", "#ffb454", "#c59bff", "#ff8f8f"),
    *("#5fd4d6", "#e6d36a", "#f08fd0", "#a3c86d", "#b0bac6"),
)
_DASH, _DOT = Qt.PenStyle.DashLine, Qt.PenStyle.DotLine


@dataclass(frozen=True, slots=True)
class _Look:
    hue: str
    style: Qt.PenStyle = Qt.PenStyle.SolidLine
    width: float = 2.0

    @property
    def colour(self) -> QColor:
        """Its hue as it can be told from the theme's ground."""
        return _on_ground(self.hue)


# Told apart by their dashes as well, for those who can't by colour.
LOOKS = {
    "hyrisknet": _Look("#4da3ff", width=2.5),
    "risknet": _Look("#7ddba3", _DASH),
    "grade": _Look("#ffb454", _DOT),
    "agatston": _Look("#c59bff", Qt.PenStyle.DashDotLine),
    "installed": _Look("#ffffff", _DASH, 1.5),
    "category": _Look("#ff8f8f", _DASH, 1.5),
    "volume": _Look("#5fd4d6", Qt.PenStyle.DashDotDotLine, 1.5),
    "sqrt_volume": _Look("#e6d36a", _DOT, 1.5),
}


def _on_ground(hue: str) -> QColor:
    ink = QColor(hue)
    return legible((ink.red(), ink.green(), ink.blue()))


def look_of(key: str) -> _Look:
    """How the curve ``key`` is drawn."""
    return LOOKS.get(key, _Look("#7d8896"))


def synthetic_title(title: str, synthetic: bool | None) -> str:
    """``title``, which says so where the data are synthetic."""
    return tr("{title} – synthetic data", title=title) if synthetic else title


class Plot(pg.PlotWidget):
    """A titled plot with axis labels, without menus or dragging."""

    def __init__(self, name: str, title: str, x: str, y: str) -> None:
        super().__init__(background=colour("field"), axisItems=local_axes())
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.title = title
        self._synthetic: bool | None = None
        self.setMouseEnabled(False, False)
        self.setMenuEnabled(False)
        self.hideButtons()
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        item = self.getPlotItem()
        item.setLabel("bottom", x, color=colour("quiet"), **{"font-size": "9pt"})
        item.setLabel("left", y, color=colour("quiet"), **{"font-size": "9pt"})
        for side in ("left", "bottom"):
            axis = item.getAxis(side)
            axis.setPen(pg.mkPen(colour("edge")))
            axis.setTextPen(colour("quiet"))
            axis.enableAutoSIPrefix(False)
        item.getAxis("left").setWidth(56)
        # Room for the last number of the horizontal axis.
        item.layout.setContentsMargins(4, 2, 14, 4)
        item.showGrid(x=True, y=True, alpha=0.12)
        self.set_synthetic(False)

    def set_synthetic(self, synthetic: bool | None) -> None:
        """Say in the title that the data are synthetic."""
        if synthetic != self._synthetic:
            self._synthetic = synthetic
            text = synthetic_title(self.title, synthetic)
            self.getPlotItem().setTitle(
                html.escape(text), color=colour("warning" if synthetic else "text"), size="9.5pt"
            )
            self.setAccessibleName(text)

    def wheelEvent(self, event: object) -> None:
        """The page scrolls, not the curve."""
        event.ignore()  # type: ignore[attr-defined]


def unit_colour(unit: str, units: tuple[str, ...]) -> QColor:
    """The colour of a fold, in the plots and in the table."""
    return _on_ground(_FOLD_COLOURS[(units.index(unit) if unit in units else 0) % len(_FOLD_COLOURS)])


class LossPlot(Plot):
    """Training loss over the share of the run: thinned points and their smoothed course."""

    def __init__(self) -> None:
        super().__init__("lossPlot", tr("Training loss"), tr("Share of the run (%)"), tr("Loss"))
        self.setXRange(0, 100, padding=0.03)
        self._raw = self.plot(
            pen=None, symbol="o", symbolSize=3, symbolBrush=QColor(125, 136, 150, 110), symbolPen=None
        )
        self._smooth = self.plot(pen=pg.mkPen(look_of("hyrisknet").colour, width=2), connect="finite")

    def show_progress(self, progress: Progress) -> None:
        """Redraw."""
        x, y, smooth = progress.training_losses()
        good = np.isfinite(y)
        self._raw.setData(x[good], y[good])
        self._smooth.setData(x, smooth)
        if good.any():
            self.setYRange(0, _round_up(float(np.quantile(y[good], 0.99)) * 1.15), padding=0)
            self.setAccessibleDescription(tr("now {loss:.3f}", loss=smooth[good][-1]))


class EpochPlot(Plot):
    """One line per fold of what the inner split says after each epoch; the fold in training is bright."""

    def __init__(self, name: str, title: str, what: str, y: str) -> None:
        super().__init__(name, title, tr("Epoch (stage two follows stage one)"), y)
        self._what = what
        self._lines: dict[str, pg.PlotDataItem] = {}
        if what == "auc":
            self.setYRange(0, 1, padding=0.04)
            self.addItem(pg.InfiniteLine(0.5, angle=0, pen=pg.mkPen(colour("quiet"), style=_DOT)))

    def clear_lines(self) -> None:
        """Another run."""
        for line in self._lines.values():
            self.removeItem(line)
        self._lines.clear()

    def show_progress(self, progress: Progress) -> None:
        """Redraw the lines of all units."""
        first, longest, highest = 1, progress.epochs_planned, 0.0
        last = ""
        for unit in progress.epochs:
            x, y = progress.curve(unit, self._what)
            current = unit == progress.unit
            shade = unit_colour(unit, progress.units)
            shade.setAlpha(255 if current else 120)
            line = self._lines.get(unit)
            if line is None:
                line = self._lines[unit] = self.plot(symbol="o", symbolSize=4, symbolPen=None)
            line.setPen(pg.mkPen(shade, width=2.5 if current else 1.2))
            line.setSymbolBrush(shade)
            line.setData(x, y)
            longest = max(longest, int(x.max(initial=0)))
            # Epoch 0: what the weights said that a fine-tuning started from.
            first = min(first, int(x.min(initial=1)))
            finite = y[np.isfinite(y)]
            highest = max(highest, float(finite.max(initial=0)))
            if current and finite.size:
                last = tr("{unit}: {value:.3f}", unit=unit_name(unit), value=finite[-1])
        self.setXRange(first - 0.5, max(2, longest) + 0.5, padding=0)
        if self._what == "loss" and highest > 0:
            self.setYRange(0, _round_up(1.1 * highest), padding=0)
        self.setAccessibleDescription(last)


def _round_up(value: float) -> float:
    """The next 1, 1.5, 2, 3, 5 or 7 times a power of ten: the axis moves seldom."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next((step * power for step in (1, 1.5, 2, 3, 5, 7) if step * power >= value), 10 * power)


class SquarePlot(Plot):
    """Both axes from 0 to 1, with the diagonal.

    Args:
        name, title, x, y: objectName, title and axes. legend: where it lies; None where a table beside the plot is one.
    """

    def __init__(self, name: str, title: str, x: str, y: str, legend: tuple[int, int] | None = (-8, -8)) -> None:
        super().__init__(name, title, x, y)
        self.setXRange(0, 1, padding=0.03)
        self.setYRange(0, 1, padding=0.04)
        self.plot([0, 1], [0, 1], pen=pg.mkPen(colour("quiet"), width=1, style=_DOT))
        self._curves: list[pg.PlotDataItem] = []
        if legend is not None:
            box = self.addLegend(offset=legend, labelTextColor=colour("text"), labelTextSize="8.5pt", verSpacing=-4)
            ground = colour("field")
            ground.setAlpha(215)
            box.setBrush(pg.mkBrush(ground))

    def show_curves(self, curves: tuple[Curve, ...], *, points: bool = False) -> None:
        """Replace the curves."""
        for old in self._curves:
            self.removeItem(old)
        self._curves = []
        for curve in curves:
            look = look_of(curve.key)
            pen = pg.mkPen(look.colour, width=look.width, style=look.style)
            symbol = {"symbol": "o", "symbolSize": 7, "symbolBrush": look.colour, "symbolPen": None} if points else {}
            self._curves.append(self.plot(curve.x, curve.y, pen=pen, name=html.escape(curve.name), **symbol))
        self.setAccessibleDescription(", ".join(curve.name for curve in curves))


def roc_plot() -> SquarePlot:
    """Sensitivity over 1 − specificity."""
    return SquarePlot("rocPlot", tr("ROC, held-out folds pooled"), tr("1 − specificity"), tr("Sensitivity"))


def calibration_plot() -> SquarePlot:
    """Observed share over predicted risk."""
    # Its points lie along the diagonal: above it there is room.
    return SquarePlot("calibrationPlot", tr("Calibration"), tr("Predicted risk"), tr("Observed share"), legend=(8, 8))


def show_results(roc: SquarePlot, calibration: SquarePlot, results: RunResults) -> None:
    """Draw both plots of a finished run."""
    roc.show_curves(results.roc)
    calibration.show_curves(results.calibration, points=True)
    for plot in (roc, calibration):
        plot.set_synthetic(results.synthetic)
