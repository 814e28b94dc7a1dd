"""Grad-CAM over the axial view: the picture, and the box that says whose it is and how to fade it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QSlider, QWidget

from hyrisk_desktop.calcium import Region
from hyrisk_desktop.gui.viewer.display import Plane, PlaneGeometry
from hyrisk_desktop.gui.viewer.picture import Picture
from hyrisk_desktop.i18n import tr, typeset
from hyrisk_desktop.imaging import Voxel
from hyrisk_desktop.imaging.fat import NEAR_MM
from hyrisk_desktop.risk.explain import Explanation
from hyrisk_desktop.risk.factors import factor_words
from hyrisk_desktop.risk.model_summary import levels_text

PATCH_SLICES = 3
_MOST_FACTORS = 4
"""The largest; the box must not hide what it explains. The JSON of a reading has them all."""
_COLOURS = bytes.fromhex(
    "4144874044874045884045883f46883f47883f47883e48893e49893e49893e4b893d4c8a3d4c8a3d4d8a3c4e8a3c4e8a3c4f8a3b508b3b508b"
    "3b518b3b528b3a528b3a538b3a538b39548c39558c39558c38578c38588c38588c37598c375a8c375a8c365b8d365c8d365c8d355d8d355e8d"
    "355e8d345f8d34608d34608d33618d33618d33628d32638d32638d32648e31658e31658e31668e31678e31678e30688e30698e30698e2f6a8e"
    "2f6b8e2f6b8e2e6c8e2e6d8e2e6d8e2e6e8e2e6e8e2d6f8e2d708e2d708e2c718e2c718e2c718e2c728e2b738e2b738e2b748e2a758e2a758e"
    "2a768e2a778e2a778e29788e29798e29798e297a8e297a8e287b8e287c8e287c8e277d8e277e8e277e8e277f8e26808e26808e26818e26828e"
    "26828e25828e25838e25838e25848e25858e24858e24868e24868e23878e23888e23888e23898d228a8d228a8d228b8d228c8d228c8d218d8d"
    "218e8d218e8d218f8d21908c21908c20918c20928c20928c20928c20928c1f938c1f948b1f948b1f958b1f968b1f968b1f978b1f988a1f988a"
    "1f998a1e9a8a1e9a8a1e9b891e9c891e9c891e9d891f9e891f9e881f9f881f9f881fa0881fa1871fa1871fa1871fa2861fa28620a38620a485"
    "20a48521a58521a68521a68522a78422a88322a88323a98324aa8324aa8225ab8225ab8225ac8126ad8126ad8127ad8028ae7f28ae7f29af7f"
    "2ab07e2bb07e2cb17d2db27c2db27c2eb37c2fb47b30b47b31b57a31b57a33b67934b67934b67936b77837b87737b87739b9763aba753aba75"
    "3cbb743dbc733ebc733fbc7240bd7141bd7142be7044bf6f45bf6f46c06e47c06e49c16d4ac16c4bc16c4dc26b4ec36a4fc36a51c46952c568"
    "53c56855c56756c66657c66558c7645ac8635bc8635cc8625ec9615fc96061ca5f63cb5f64cb5e65cb5d66cb5c68cc5b69cd5a6bcd5a6dcd58"
    "6ece576fce5771cf5673d05574d05475d05377d15279d1517ad1507cd24f7ed24e7fd34d81d34d82d34b84d44a85d44987d54889d5478ad546"
    "8cd6458ed6448fd64391d74293d74094d74096d83f98d83d9ad83c"
)
"""RGB of the colour map viridis (matplotlib's, CC0) from 0.2 to 0.85, in 256 steps. It rises evenly in lightness, so it reads
the same with any colour vision and in print. Without its dark end, which looks like air on an image, and its yellow one: yellow
to pink are the lesions' colours, and those are measurements."""
_FRAME = (220, 228, 235, 90)
"""RGBA of the line around what the network saw."""
_FAINT = 0.15
"""Heat below this is not painted at all: most of the anatomy stays untouched."""


def heat_table() -> NDArray[np.uint8]:
    """RGB [256, 3] of the colour map."""
    return np.frombuffer(_COLOURS, np.uint8).reshape(256, 3)


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
        if explanation.levels_mm:
            levels = levels_text(explanation.levels_mm)
            lines.append(tr("Looked at {levels} mm along z; the map is the mean", levels=levels))
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
        amount = typeset(share.log_odds, "+.2f")
        lines.append(
            tr("{amount}  {factor} (R² {r2:.2f})", amount=amount, factor=factor_words(share.factor), r2=share.r2)
        )
    if any("fat" in share.factor for share in shown):
        lines.append(tr("measured: {cm3:.0f} cm³ of fat within {mm:.0f} mm", mm=NEAR_MM, cm3=explanation.fat_cm3))
    lines.append(tr("{p:.0f} % of the image part is unexplained", p=100 * (1 - explanation.explained)))
    return lines
