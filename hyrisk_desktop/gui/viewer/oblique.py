"""An oblique plane in the place of the coronal image, turned by its line in the axial image and tilted by that in the sagittal one."""

from __future__ import annotations

import math
from collections.abc import Callable

from PySide6.QtCore import QObject, QPoint, QPointF, QRectF, Qt, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
    QRegion,
    QResizeEvent,
    QTransform,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from hyrisk_desktop.gui.services.job_runner import JobRunner, Operation
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.viewer import interaction
from hyrisk_desktop.gui.viewer.annotations import CURSOR, TEXT
from hyrisk_desktop.gui.viewer.cover import Cover
from hyrisk_desktop.gui.viewer.desk import Desk
from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.gui.viewer.lettering import Lettering
from hyrisk_desktop.gui.viewer.picture import Picture, paint_ground
from hyrisk_desktop.gui.viewer.slice_view import SliceView
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import Voxel
from hyrisk_desktop.imaging.oblique import (
    ObliquePlane,
    cut_oblique,
    extent_px,
    line_in_sagittal,
    place_on,
    tilt_of,
    turn_of,
)
from hyrisk_desktop.imaging.volume import HuArray

LINE = QColor(255, 140, 70)
_HANDLE_PX, _ARM = 8, 0.36
"""Radius of a handle, and how far it lies from the cursor as a share of the smaller side of the image."""


class Oblique(QObject):
    """The plane, and the three widgets that show it; off until `toggle`.

    Signals:
        changed: on or off, or another plane.
    """

    changed = Signal()

    def __init__(self, session: Session, desk: Desk, runner: JobRunner) -> None:
        super().__init__(desk)
        self._session, self._desk = session, desk
        self._cutting = Operation(runner.run_io)
        self._asked: tuple[object, ...] = ()
        self.on = False
        self.turn_deg = self.tilt_deg = 0.0
        coronal = desk.views[Plane.CORONAL]
        self.image = ObliqueImage(coronal)
        self.image.picked.connect(self._pick)
        self.image.scrolled.connect(self._scroll)
        self.lines = (
            PlaneLine(desk.views[Plane.AXIAL], self._in_axial, self._turn),
            PlaneLine(desk.views[Plane.SAGITTAL], self._in_sagittal, self._tilt),
        )
        session.exam_changed.connect(self._end)
        session.view_changed.connect(self._follow)
        for view in desk.views.values():
            view.zoomed.connect(self._move_lines)

    @property
    def plane(self) -> ObliquePlane:
        """Through the linked cursor."""
        return ObliquePlane(self._session.view.position, self.turn_deg, self.tilt_deg)

    def toggle(self) -> None:
        """Show the plane, the coronal one at first; or the coronal image again."""
        self.on = not self.on and self._session.can_measure
        self.turn_deg = self.tilt_deg = 0.0
        self._show()

    @Slot()
    def _end(self) -> None:
        if self.on:
            self.on = False
            self._show()

    def _show(self) -> None:
        for widget in (self.image, *self.lines):
            widget.setVisible(self.on)
            widget.raise_()
        if not self.on:
            self._cutting.drop()
            self._asked = ()
            self.image.clear()
        self._follow()
        self.changed.emit()

    # --- following

    @Slot()
    def _follow(self) -> None:
        """Cut anew where the plane is another; another window only colours it anew."""
        volume = self._session.volume
        if not self.on or volume is None:
            return
        self._move_lines()
        plane = self.plane
        self.image.colour(self._desk.window_table()[1])
        if self._asked == (volume, plane):
            return
        self._asked = (volume, plane)
        columns, rows, pixel = extent_px(volume)
        size = QRectF(-columns * pixel / 2, -rows * pixel / 2, columns * pixel, rows * pixel)
        x, y, z = (n * mm for n, mm in zip(volume.shape_zyx[::-1], volume.spacing_mm, strict=True))
        words = tr("turned {turn:.0f}°, tilted {tilt:.0f}°", turn=plane.turn_deg, tilt=plane.tilt_deg)

        def done(hu: HuArray) -> None:
            if self.on and self._asked == (volume, plane):
                self.image.show_cut(hu, self._desk.window_table()[1], size, (max(x, y), z), words)

        self._cutting.start("cutting an oblique plane", lambda _: cut_oblique(volume, plane), done, lambda _: None)

    @Slot()
    def _move_lines(self) -> None:
        if self.on:
            for line in self.lines:
                line.place(self._session.view.position)

    # --- what the reader does

    def _in_axial(self) -> tuple[float, float]:
        right = self.plane.right
        return float(right[0]), float(right[1])

    def _in_sagittal(self) -> tuple[float, float]:
        return line_in_sagittal(self.plane)

    def _turn(self, dx: float, dy: float) -> None:
        self.turn_deg = round(turn_of(dx, dy))
        self._follow()
        self.changed.emit()

    def _tilt(self, dy: float, down: float) -> None:
        self.tilt_deg = round(tilt_of(self.turn_deg, dy, down))
        self._follow()
        self.changed.emit()

    @Slot(QPointF)
    def _pick(self, mm: QPointF) -> None:
        if (volume := self._session.volume) is not None:
            self._session.set_view(position=volume.inside(place_on(volume, self.plane, mm.x(), mm.y())))

    @Slot(int)
    def _scroll(self, steps: int) -> None:
        """Along the plane's normal, a voxel at least."""
        volume, plane = self._session.volume, self.plane
        if volume is None:
            return
        moved = [steps * float(n) * max(volume.spacing_mm[0], 1.0) for n in plane.normal]
        place = tuple(at + by / mm for at, by, mm in zip(plane.through, moved, volume.spacing_mm, strict=True))
        x, y, z = place
        nearest = volume.inside((x, y, z))
        if nearest == plane.through:
            # Less than half a voxel in each direction: the largest of them then.
            axis = max(range(3), key=lambda k: abs(float(plane.normal[k])) / volume.spacing_mm[k])
            step = list(plane.through)
            step[axis] += 1 if moved[axis] > 0 else -1
            nearest = volume.inside((step[0], step[1], step[2]))
        self._session.set_view(position=nearest, centre_selected=False)


class PlaneLine(QWidget):
    """The plane's line through the cursor in another view, with a handle at either end; the mouse reaches the view beside it.

    Args:
        view: what it lies over. direction: of the line, right and down, in mm. drag: called with that of the pointer.
    """

    def __init__(
        self, view: SliceView, direction: Callable[[], tuple[float, float]], drag: Callable[[float, float], None]
    ) -> None:
        super().__init__(view)
        self._view, self._direction, self._drag = view, direction, drag
        self._middle = self._arm = QPointF()
        self.setObjectName(f"{view.objectName()}PlaneLine")
        self.setAccessibleName(tr("Line of the oblique plane; drag a handle to turn it"))
        self.setCursor(Qt.CursorShape.SizeAllCursor)
        self.setVisible(False)
        Cover(self, view)

    def place(self, cursor: Voxel) -> None:
        """Through ``cursor``, as the plane lies."""
        self.setGeometry(self._view.rect())
        self._middle = self._view.position_of(cursor)
        right, down = self._direction()
        length = math.hypot(right, down) or 1.0
        reach = _ARM * min(self.width(), self.height())
        self._arm = QPointF(right, down) * (reach / length)
        mask = QRegion()
        for end in self.ends:
            mask += QRegion(QRectF(-11, -11, 22, 22).translated(end).toRect(), QRegion.RegionType.Ellipse)
        aside = QPointF(-self._arm.y(), self._arm.x()) * (2.0 / (reach or 1.0))
        first, last = self.ends
        mask += QRegion(QPolygonF([first + aside, last + aside, last - aside, first - aside]).toPolygon())
        self.setMask(mask)
        self.update()

    @property
    def ends(self) -> tuple[QPointF, QPointF]:
        """Where the handles are, in widget pixels."""
        return self._middle - self._arm, self._middle + self._arm

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take the line."""
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """The line goes through the pointer."""
        event.accept()
        away = event.position() - self._middle
        if math.hypot(away.x(), away.y()) > _HANDLE_PX:
            self._drag(away.x(), away.y())

    def paintEvent(self, event: QPaintEvent) -> None:
        """The line and its handles."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(LINE, 1.5))
        painter.drawLine(*self.ends)
        painter.setBrush(QColor(0, 0, 0, 120))
        for end in self.ends:
            painter.drawEllipse(end, _HANDLE_PX, _HANDLE_PX)
        painter.end()


class ObliqueImage(QWidget):
    """The plane's picture.

    Signals:
        picked: a place in mm right and down of its middle. scrolled: so many notches.
    """

    picked = Signal(QPointF)
    scrolled = Signal(int)

    def __init__(self, covered: QWidget) -> None:
        super().__init__(covered)
        self.setObjectName("obliqueView")
        self.setAccessibleName(tr("Oblique image"))
        self.setVisible(False)
        self._picture = Picture()
        self._hu: HuArray | None = None
        self._table: object = None
        self._fit = (1.0, 1.0)
        self._words, self._rest = "", 0
        Cover(self, covered)

    @property
    def shown(self) -> bool:
        """Whether there is a picture."""
        return self._picture.shown

    def show_cut(self, hu: HuArray, table: object, area: QRectF, fit_mm: tuple[float, float], words: str) -> None:
        """Show what was cut.

        Args:
            hu: [rows, columns]. table: colours [65536] of HU. area: what ``hu`` covers, in mm around the middle.
            fit_mm: width and height that are in sight. words: how it lies.
        """
        self._hu, self._fit, self._words, self._table = hu, fit_mm, words, None
        self._picture.area = area
        self.colour(table)

    def colour(self, table: object) -> None:
        """Another window."""
        if self._hu is not None and table is not self._table:
            self._table = table
            self._picture.show_slice(self._hu, table)  # type: ignore[arg-type]
            self.update()

    def clear(self) -> None:
        """Nothing any more."""
        self._hu = None
        self._picture.clear()

    def _to_widget(self) -> QTransform:
        scale = min(self.width() / self._fit[0], self.height() / self._fit[1])
        return QTransform.fromTranslate(self.width() / 2, self.height() / 2).scale(scale, scale)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another scale."""
        super().resizeEvent(event)
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click moves the linked cursor."""
        event.accept()
        back, fine = self._to_widget().inverted()
        if event.button() == Qt.MouseButton.LeftButton and fine and self.shown:
            self.picked.emit(back.map(event.position()))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Nothing yet: the coronal image below is not to be clicked."""
        event.accept()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll along the plane's normal."""
        event.accept()
        steps, self._rest = interaction.wheel_steps(angle=event.angleDelta().y(), remainder=self._rest)
        if steps:
            self.scrolled.emit(steps)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The picture, the cursor, and that nothing is measured here."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        to_widget = self._to_widget()
        shown = to_widget.mapRect(self._picture.area) if self.shown else QRectF()
        paint_ground(painter, self.rect(), shown)
        self._picture.paint(painter, to_widget)
        painter.setPen(QPen(CURSOR, 1))
        middle = QPoint(self.width() // 2, self.height() // 2)
        painter.drawLine(middle.x(), 0, middle.x(), self.height())
        painter.drawLine(0, middle.y(), self.width(), middle.y())
        painter.setPen(QPen(LINE, 2))
        painter.drawRect(QRectF(self.rect()).adjusted(1, 1, -1, -1))
        ink = Lettering(painter, 12)
        lines = (tr("Oblique"), self._words if self.shown else tr("One moment…"))
        for number, text in enumerate(lines):
            ink.draw(text, TEXT, 8, 8 + ink.ascent + number * ink.height)
        note = tr("Interpolated, for looking only: scores and risk are of the axial voxels.")
        wrapped = ink.wrapped((note,), self.width() - 16)
        for number, text in enumerate(wrapped):
            ink.draw(text, LINE, 8, self.height() - 8 - ink.height * (len(wrapped) - 1 - number))
        painter.end()
