"""Grad-CAM over the axial view: the picture, and the box that says whose it is and how to fade it."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QSlider, QWidget

from hyrisk_desktop.calcium import Region
from hyrisk_desktop.gui.viewer.display import Plane, PlaneGeometry
from hyrisk_desktop.gui.viewer.picture import Picture
from hyrisk_desktop.i18n import decimal, tr
from hyrisk_desktop.imaging import Voxel
from hyrisk_desktop.imaging.fat import NEAR_MM
from hyrisk_desktop.risk.explain import Explanation
from hyrisk_desktop.risk.factors import factor_words

PATCH_SLICES = 3
_MOST_FACTORS = 4
"""The largest; the box must not hide what it explains. The JSON of a reading has them all."""
_MAP, _COLDEST, _HOTTEST = "viridis", 0.2, 0.85
"""Rises evenly in lightness, so it reads the same with any colour vision and in print. Without its yellow end: yellow to
pink are the lesions' colours, and those are measurements."""
_FRAME = (220, 228, 235, 90)
"""RGBA of the line around what the network saw."""
_FAINT = 0.15
"""Heat below this is not painted at all: most of the anatomy stays untouched."""


def heat_table() -> NDArray[np.uint8]:
    """RGB [256, 3] of the colour map, its dark end left out: dark on an image looks like air."""
    table: NDArray[np.uint8] = pg.colormap.get(_MAP).getLookupTable(_COLDEST, _HOTTEST, 256)[:, :3].astype(np.uint8)
    return table


def heat_colours(heat: NDArray[np.float32], opacity: float) -> NDArray[np.uint8]:
    """RGBA picture of a heat map in 0 to 1 (NaN: nothing there); the hotter, the less transparent.

    Args:
        heat: [rows, columns].
        opacity: 0 to 1, of the hottest place.
    """
    known = np.nan_to_num(heat, nan=0.0)
    colours = np.empty((*heat.shape, 4), np.uint8)
    colours[..., :3] = heat_table()[np.clip(np.rint(known * 255), 0, 255).astype(np.uint8)]
    strength = np.clip((known - _FAINT) / (1 - _FAINT), 0, 1)
    colours[..., 3] = np.rint(255 * opacity * np.sqrt(strength)).astype(np.uint8)
    seen = np.isfinite(heat)
    # A heat that ends at a straight edge would look like anatomy without the frame that explains it.
    colours[seen & ~_shrunk(seen)] = _FRAME
    return colours


def _shrunk(area: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``area`` without its outermost pixels."""
    padded = np.pad(area, 1)
    neighbours = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    inside: NDArray[np.bool_] = np.logical_and.reduce(neighbours)
    return inside


def patch_region(centre: Voxel, heat: NDArray[np.float32]) -> Region:
    """The patch that the heat map [rows, columns] covers: its three slices around ``centre``."""
    rows, columns = heat.shape
    return Region.around(centre, (columns, rows, PATCH_SLICES))


class HeatOverlay:
    """One picture of a view, shown where the slice on screen crosses the patch."""

    def __init__(self) -> None:
        self.picture = Picture()
        self._region: Region | None = None
        self._colours: NDArray[np.uint8] | None = None

    @property
    def shown(self) -> bool:
        """Whether any heat is on screen."""
        return self.picture.shown

    def set_explanation(self, explanation: Explanation | None, opacity: float) -> None:
        """What to paint; `place` paints it."""
        self._region = None if explanation is None else patch_region(explanation.centre, explanation.heat)
        self._colours = None if explanation is None else heat_colours(explanation.heat, opacity)
        if explanation is None:
            self.picture.clear()

    def place(self, geometry: PlaneGeometry | None, index: int, slab: int, visible: bool) -> None:
        """Put it on slice ``index``, or nothing where the patch is not what is shown: other slices, and a projection.

        Args:
            geometry: of the view, None without an exam. index: slice on show. slab: how many slices it is made of.
            visible: whether marks are shown at all.
        """
        region, colours = self._region, self._colours
        fits = geometry is not None and geometry.plane is Plane.AXIAL and slab == 1 and visible
        if not fits or geometry is None or region is None or colours is None or not geometry.crosses(region, index):
            self.picture.clear()
            return
        self.picture.show_colours(colours, QRectF(*geometry.rectangle_mm(region)))


class _ColourBar(QWidget):
    """From little to most."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(10)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The map, faint at its cold end as on the image."""
        painter = QPainter(self)
        area = QRectF(self.rect())
        gradient = QLinearGradient(area.topLeft(), QPointF(area.right(), area.top()))
        table = heat_table()
        for share in np.linspace(0, 1, 12):
            gradient.setColorAt(float(share), QColor(*(int(v) for v in table[round(share * 255)])))
        painter.fillRect(area, gradient)


class HeatLegend(QFrame):
    """Whose heat this is, what it means, and a slider that fades it; sits on the axial view.

    Signals:
        opacity_changed: 0 to 1.
    """

    opacity_changed = Signal(float)
    _MARGIN, _BELOW = 8, 88

    def __init__(self, view: QWidget) -> None:
        super().__init__(view)
        self._view = view
        self.setObjectName("heatLegend")
        self.setAccessibleName(tr("Explanation on the image"))
        self._title, self._detail = QLabel(), QLabel()
        self._title.setObjectName("heatTitle")
        self._detail.setObjectName("heatDetail")
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setObjectName("heatOpacity")
        self._slider.setAccessibleName(tr("Opacity of the explanation"))
        self._slider.setRange(0, 100)
        self._slider.setValue(60)
        self._slider.valueChanged.connect(lambda value: self.opacity_changed.emit(value / 100))
        layout = QGridLayout(self)
        layout.setContentsMargins(8, 5, 8, 5)
        layout.setVerticalSpacing(3)
        layout.addWidget(self._title, 0, 0, 1, 3)
        layout.addWidget(self._detail, 1, 0, 1, 3)
        layout.addWidget(QLabel(tr("little")), 2, 0)
        layout.addWidget(_ColourBar(), 2, 1)
        layout.addWidget(QLabel(tr("raises the risk most")), 2, 2)
        layout.addWidget(QLabel(tr("opacity")), 3, 0)
        layout.addWidget(self._slider, 3, 1, 1, 2)
        layout.setColumnStretch(1, 1)
        view.installEventFilter(self)
        self.hide()

    @property
    def opacity(self) -> float:
        """0 to 1."""
        return self._slider.value() / 100

    def set_opacity(self, opacity: float) -> None:
        """Move the slider."""
        self._slider.setValue(round(100 * opacity))

    def show_explanation(self, explanation: Explanation | None) -> None:
        """Say whose the heat is, or disappear."""
        if explanation is None:
            self.hide()
            return
        self._title.setText(tr("Grad-CAM, {model}, research use only", model=explanation.model))
        z = explanation.centre[2]
        first, last = z - PATCH_SLICES // 2, z + PATCH_SLICES // 2
        lines = [tr("Slices {first} to {last}; the thin frame is what the network saw", first=first, last=last)]
        if not explanation.raising > 0:
            lines = [tr("Nothing in this patch raised the risk.")]
        if explanation.demonstration:
            lines.append(tr("Demonstration model, trained on synthetic phantoms"))
        self._detail.setText("\n".join([*lines, *comes_from(explanation)]))
        self.show()
        self._place()

    def _place(self) -> None:
        view = self._view
        self.adjustSize()
        self.setFixedWidth(min(self.sizeHint().width(), max(200, view.width() - 2 * self._MARGIN)))
        # Under the patient's lines: the lower edge belongs to what the next click does.
        self.move(self._MARGIN, max(0, min(self._BELOW, view.height() - self.height())))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay in the corner when the view changes its size."""
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self._place()
        return False


def comes_from(explanation: Explanation) -> list[str]:
    """What the image's part of the risk comes from, in a few lines; none for a model whose makers did not study it."""
    if not explanation.explained_by or explanation.explained is None:
        return []
    lines = [tr("The image part, in log odds beside an average phantom:")]
    shown = explanation.explained_by[:_MOST_FACTORS]
    for share in shown:
        amount = decimal(share.log_odds, "+.2f").replace("-", "−")
        lines.append(
            tr("{amount}  {factor} (R² {r2:.2f})", amount=amount, factor=factor_words(share.factor), r2=share.r2)
        )
    if any("fat" in share.factor for share in shown):
        lines.append(tr("measured: {cm3:.0f} cm³ of fat within {mm:.0f} mm", mm=NEAR_MM, cm3=explanation.fat_cm3))
    lines.append(tr("{p:.0f} % of the image part is unexplained", p=100 * (1 - explanation.explained)))
    return lines
