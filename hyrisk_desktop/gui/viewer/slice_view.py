"""One plane of the open exam: the picture, the marks on it, and the mouse.

The view holds no truth. It is told what to show, and says in signals what the reader did.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QTransform,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from hyrisk_desktop.calcium import Region
from hyrisk_desktop.gui.overlay import Overlay
from hyrisk_desktop.gui.state import Tool
from hyrisk_desktop.gui.viewer import interaction
from hyrisk_desktop.gui.viewer.annotations import Annotations, Marks, paint_annotations, paint_marks
from hyrisk_desktop.gui.viewer.display import PlaneGeometry, overlay_colours
from hyrisk_desktop.gui.viewer.heat import HeatOverlay
from hyrisk_desktop.gui.viewer.lettering import Lettering
from hyrisk_desktop.gui.viewer.picture import Picture, paint_ground
from hyrisk_desktop.gui.viewer.plane_area import PlaneArea
from hyrisk_desktop.imaging import CTVolume, Voxel

FOCUS = QColor("#4da3ff")


class SliceView(PlaneArea):
    """Shows one slice (or slab) of a volume in one plane.

    Attributes:
        index, annotations: slice and texts on show.

    Signals carry voxels (x, y, z) as tuples, level and width in HU, and whole slices.
    """

    centre_placed = Signal(object)
    picked = Signal(object)
    menu_wanted = Signal(object, object)
    double_clicked = Signal(object)
    hovered = Signal(object)
    scrolled = Signal(int)
    window_dragged = Signal(float, float)
    box_dragged = Signal(object, bool)
    zoomed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(120, 120)
        self._image, self._calcium, self.heat = Picture(), Picture(), HeatOverlay()
        # Every pixel is painted here: Qt need not fill the ground first.
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self._volume: CTVolume | None = None
        self._geometry: PlaneGeometry | None = None
        self.index, self._slab, self._ruler_index = 0, 1, 0
        self._table: NDArray[np.uint32] = np.zeros(65536, np.uint32)
        self._overlay: Overlay | None = None
        self._marks, self.annotations = Marks(), Annotations()
        self._tool = Tool.WINDOW
        self._drag: interaction.Drag | None = None
        self._wheel_rest, self._just_placed, self._fitted = 0, False, True
        self._ruler: tuple[tuple[float, float], tuple[float, float]] | None = None

    # --- what to show

    @property
    def geometry(self) -> PlaneGeometry | None:  # type: ignore[override]
        """How the plane cuts the volume; None without one."""
        return self._geometry

    @property
    def tool(self) -> Tool:
        """What the left button does."""
        return self._tool

    def set_tool(self, tool: Tool) -> None:
        """Choose what the left button does; the pointer shows it."""
        self._tool = tool
        self.setCursor(Qt.CursorShape.ArrowCursor if tool is Tool.WINDOW else Qt.CursorShape.CrossCursor)

    def set_volume(self, volume: CTVolume | None, geometry: PlaneGeometry | None) -> None:
        """Show another volume, or nothing."""
        refit = geometry is None or self._geometry is None or geometry != self._geometry
        if volume is None or self._volume is None or volume.series_uid != self._volume.series_uid:
            # A press on the exam before is no click on this one.
            self._drag = None
        self._volume, self._geometry = volume, geometry
        self._ruler = None
        if volume is None or geometry is None:
            self._image.clear()
            self._calcium.clear()
            self.viewport().update()
            return
        (columns, rows), (u, v) = geometry.size_uv, geometry.spacing_uv
        self._image.area = QRectF(0, 0, columns * u, rows * v)
        if refit:
            self.fit()

    def show_slice(self, index: int, slab: int, overlay: Overlay | None, table: NDArray[np.uint32]) -> None:
        """Draw slice ``index``, or a projection of ``slab``, under ``overlay``, in the colours [65536] of ``table``."""
        self._table = table
        self.index, self._slab, self._overlay = index, slab, overlay
        self.refresh()

    def refresh(self) -> None:
        """Draw the current slice again (its pixels, window or scores have changed)."""
        if self._volume is None or self._geometry is None:
            return
        picture = self._geometry.cut(self._volume.hu, self.index, self._slab)
        self._image.show_slice(picture, self._table)
        self._show_calcium()
        self.place_heat()

    def place_heat(self) -> None:
        """Paint the explanation where the slice on show crosses its patch."""
        self.heat.place(self._geometry, self.index, self._slab, self.annotations.show_marks)
        self.viewport().update()

    def _show_calcium(self) -> None:
        overlay, geometry, colours = self._overlay, self._geometry, None
        if overlay is not None and geometry is not None and self.annotations.show_marks:
            colours = overlay_colours(overlay, geometry, self.index)
        if colours is not None and overlay is not None and geometry is not None:
            self._calcium.show_colours(colours, QRectF(*geometry.rectangle_mm(overlay.region)))
        else:
            self._calcium.clear()

    def set_marks(self, marks: Marks) -> None:
        """Cursor lines, centre, region, patch and box."""
        self._marks = marks
        self.viewport().update()

    def set_annotations(self, annotations: Annotations) -> None:
        """Corner texts and what of all this is visible."""
        changed = annotations.show_marks != self.annotations.show_marks
        self.annotations = annotations
        if changed:
            self._show_calcium()
            self.place_heat()
        self.viewport().update()

    # --- zoom

    def fit(self) -> None:
        """Show the whole slice."""
        self._fitted = True
        self._ruler = None
        if self._geometry is not None:
            self._show_mm(self._image.area)
            self.zoomed.emit()

    @property
    def zoom(self) -> float:
        """Screen pixels per image pixel along x."""
        return 1.0 if self._geometry is None else self._geometry.spacing_uv[0] / self.mm_per_pixel

    def show_area(self, area: QRectF) -> None:
        """Show this part of the plane, in mm from its upper left corner; the widget has its shape."""
        self._fitted = False
        self._show_mm(area)
        self.zoomed.emit()

    @property
    def zoomed_area(self) -> tuple[float, float, float, float] | None:
        """Left, top, width and height in mm of what is shown; None for the whole slice."""
        area = self.visible_mm
        return None if self._fitted else (area.left(), area.top(), area.width(), area.height())

    def _zoom(self, factor: float, around: QPointF) -> None:
        self._fitted = False
        self._scale_around(self._to_mm(around), 1 / factor)
        self.zoomed.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the whole slice in view unless the reader has zoomed."""
        super().resizeEvent(event)
        if self._fitted:
            self.fit()

    # --- places

    def _to_uv(self, position: QPointF) -> tuple[float, float] | None:
        if self._geometry is None:
            return None
        mm, (su, sv) = self._to_mm(position), self._geometry.spacing_uv
        return mm.x() / su - 0.5, mm.y() / sv - 0.5

    def _to_voxel(self, position: QPointF) -> Voxel | None:
        uv = self._to_uv(position)
        if uv is None or self._geometry is None or self._volume is None:
            return None
        voxel = self._geometry.to_voxel(uv[0], uv[1], self.index)
        return voxel if self._volume.contains(voxel) else None

    def position_of(self, voxel: tuple[float, float, float]) -> QPointF:
        """Widget position of the centre of ``voxel`` (x, y, z), or of a part of one, whatever slice is on show."""
        return QPointF() if self._geometry is None else _placed(self._to_widget(), *self._geometry.place_mm(voxel))

    # --- painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """The slice, the colours on it, and marks and texts in widget pixels so that their lines and letters keep their size.

        Painted by hand: a scene's own way fills the ground twice and costs more than the picture.
        """
        to_widget = self._to_widget()
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        shown = to_widget.mapRect(self._image.area) if self._image.shown else QRectF()
        paint_ground(painter, self.viewport().rect(), shown)
        for picture in (self._image, self.heat.picture, self._calcium):
            # Lesions last: those are measurements.
            picture.paint(painter, to_widget)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        if self.hasFocus():
            painter.setPen(QPen(FOCUS, 2))
            painter.drawRect(QRectF(self.viewport().rect()).adjusted(1, 1, -1, -1))
        if self._geometry is not None:
            self._paint_marks(painter, to_widget, self._geometry)
        painter.end()

    def _paint_marks(self, painter: QPainter, to_widget: QTransform, geometry: PlaneGeometry) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        size = (self.viewport().width(), self.viewport().height())
        ink = Lettering(painter, 13 if min(size) > 380 else 11)
        place = partial(_placed, to_widget)
        if self.annotations.show_marks:
            paint_marks(ink, self._marks, geometry, self.index, place)
        ruler = self._ruler if self._ruler_index == self.index else None
        paint_annotations(ink, self.annotations, size, self.zoom, geometry, ruler, place)

    # --- the mouse and the keyboard

    def focusInEvent(self, event: QFocusEvent) -> None:
        """A frame shows which image has the keyboard."""
        super().focusInEvent(event)
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """The frame goes with the keyboard."""
        super().focusOutEvent(event)
        self.viewport().update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a drag, or place the heart centre."""
        event.accept()
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        position = event.position()
        self._drag = drag = interaction.Drag(event.button(), position, position)
        self._just_placed = False
        if event.button() != Qt.MouseButton.LeftButton:
            return
        uv = self._to_uv(position)
        if self._tool is Tool.RULER:
            mm = self._to_mm(position)
            drag.ruler = True
            self._ruler, self._ruler_index = ((mm.x(), mm.y()), (mm.x(), mm.y())), self.index
        elif self._tool is not Tool.PLACE_CENTRE and self._marks.box is not None and uv and self._geometry:
            rectangle, (su, sv) = self._geometry.rectangle(self._marks.box), self._geometry.spacing_uv
            reach = interaction.HANDLE_TOLERANCE_PX * self.mm_per_pixel
            corner = interaction.hit_corner(rectangle=rectangle, point=uv, tolerance=(reach / su, reach / sv))
            if corner is not None:
                drag.corner = corner
                # The corner keeps its distance from the pointer, so that grabbing it does not move it.
                at = rectangle[2 if corner.high_u else 0], rectangle[3 if corner.high_v else 1]
                drag.grab = at[0] - uv[0], at[1] - uv[1]

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with a drag, or say what lies under the pointer."""
        event.accept()
        position = event.position()
        drag = self._drag
        if drag is None:
            self.hovered.emit(self._to_voxel(position))
            return
        dx, dy = position.x() - drag.last.x(), position.y() - drag.last.y()
        drag.last = position
        if drag.button == Qt.MouseButton.MiddleButton:
            self._fitted = False
            self._show_mm(self._area.translated(-dx * self.mm_per_pixel, -dy * self.mm_per_pixel))
            self.zoomed.emit()
        elif drag.button == Qt.MouseButton.RightButton:
            self._zoom(interaction.zoom_factor(dy_px=-dy), drag.start)
        elif drag.ruler and self._ruler is not None:
            mm = self._to_mm(position)
            self._ruler = (self._ruler[0], (mm.x(), mm.y()))
            self.viewport().update()
        elif drag.corner is not None:
            if not self._is_click(drag):
                self._drag_box(drag, done=False)
        elif self._tool is Tool.WINDOW and not self._is_click(drag):
            self.window_dragged.emit(dx, dy)

    def _is_click(self, drag: interaction.Drag) -> bool:
        return interaction.is_click(dx_px=drag.last.x() - drag.start.x(), dy_px=drag.last.y() - drag.start.y())

    def _drag_box(self, drag: interaction.Drag, *, done: bool) -> None:
        uv = self._to_uv(drag.last)
        if uv is None or drag.corner is None or self._geometry is None or self._marks.box is None:
            return
        point = uv[0] + drag.grab[0], uv[1] + drag.grab[1]
        region: Region = interaction.drag_corner(
            region=self._marks.box, geometry=self._geometry, corner=drag.corner, point=point
        )
        self.box_dragged.emit(region, done)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End a drag; one that did not move was a click."""
        event.accept()
        drag, self._drag = self._drag, None
        if drag is None:
            return
        drag.last = event.position()
        if drag.corner is not None and not self._is_click(drag):
            self._drag_box(drag, done=True)
            return
        if drag.ruler or not self._is_click(drag) or (voxel := self._to_voxel(event.position())) is None:
            return
        if drag.button == Qt.MouseButton.RightButton:
            self.menu_wanted.emit(voxel, event.globalPosition().toPoint())
        elif drag.button == Qt.MouseButton.LeftButton:
            self._just_placed = self._tool is Tool.PLACE_CENTRE
            (self.centre_placed if self._just_placed else self.picked).emit(voxel)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Two quick clicks on a lesion take it out of the totals, or put it back."""
        event.accept()
        voxel = self._to_voxel(event.position())
        # Whoever double-clicks to drop the centre does not mean the lesion under it.
        meant = self._tool is Tool.WINDOW and not self._just_placed
        if event.button() == Qt.MouseButton.LeftButton and voxel is not None and meant:
            self.double_clicked.emit(voxel)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll through the slices; with Ctrl, zoom around the pointer."""
        event.accept()
        steps, self._wheel_rest = interaction.wheel_steps(angle=event.angleDelta().y(), remainder=self._wheel_rest)
        if not steps:
            return
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._zoom(1.15**steps, event.position())
        else:
            self.scrolled.emit(steps)

    def leaveEvent(self, event: object) -> None:
        """The pointer has left: nothing lies under it."""
        self.hovered.emit(None)

    @property
    def ruler_mm(self) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """Both ends of the line measured on the slice on show, mm from the slice's upper left corner."""
        return self._ruler if self._ruler_index == self.index else None

    @property
    def dragging(self) -> bool:
        """Whether a mouse button is down on this view."""
        return self._drag is not None

    def cancel_drag(self) -> None:
        """Forget the drag under way; what it has not finished does not happen."""
        self._drag = None

    def clear_ruler(self) -> None:
        """Take the measured line away."""
        self._ruler = None
        self.viewport().update()


def _placed(to_widget: QTransform, x: float, y: float) -> QPointF:
    """Where a place in mm lies, on whole widget pixels."""
    return QPointF(to_widget.map(QPointF(x, y)).toPoint())
