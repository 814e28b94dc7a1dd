"""One plane of the prior exam, which follows the same plane of the current one: same place, same scale, same window."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QPointF, QRectF, QTimer, Slot
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QWidget

from hyrisk_desktop.calcium import Region
from hyrisk_desktop.comparison import same_region
from hyrisk_desktop.gui.overlay import lesion_overlay
from hyrisk_desktop.gui.prior.found import when_text
from hyrisk_desktop.gui.prior.service import Priors
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import Exam, Tool
from hyrisk_desktop.gui.viewer.annotations import Annotations, Marks
from hyrisk_desktop.gui.viewer.desk import Desk
from hyrisk_desktop.gui.viewer.display import Plane, PlaneGeometry
from hyrisk_desktop.gui.viewer.keys import AXES
from hyrisk_desktop.gui.viewer.overlay_text import axial_corners, pointer_text
from hyrisk_desktop.gui.viewer.slice_view import SliceView
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import Voxel

FRAME = QColor(190, 140, 255)
"""Around each image of a prior exam, so that nobody takes it for the current one."""


class PriorImage(SliceView):
    """The prior's ``plane``; ``leader`` is the current exam's view of it, which keeps the keyboard."""

    def __init__(
        self, plane: Plane, desk: Desk, session: Session, priors: Priors, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._plane, self._desk, self._session, self._priors = plane, desk, session, priors
        self._leader = desk.views[plane]
        self._following = False
        self._shown: Exam | None = None
        self._pointer: Voxel | None = None
        self.setObjectName(f"prior{plane.value.capitalize()}View")
        self.setAccessibleName(
            tr("Axial image of the prior exam") if plane is Plane.AXIAL else tr("Coronal image of the prior exam")
        )
        self.setFocusProxy(self._leader)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self.follow)
        for signal in (session.view_changed, session.read_changed, priors.changed, priors.compared):
            signal.connect(self._follow_soon)
        session.tool_changed.connect(self._take_tool)
        self._leader.zoomed.connect(self._follow_soon)
        self.zoomed.connect(self._lead)
        self.scrolled.connect(self._scroll)
        self.picked.connect(self._pick)
        self.hovered.connect(self._hover)
        self.window_dragged.connect(desk.drag_window)

    # --- following

    @Slot()
    def _follow_soon(self) -> None:
        """Once the image in hand is painted."""
        if self.isVisible():
            self._later.start(0)

    @Slot()
    def follow(self) -> None:
        """Show the place that the current exam's view shows."""
        self._following = True
        self._follow()
        self._following = False

    def _follow(self) -> None:
        loaded, placing = self._priors.loaded, self._priors.placing
        exam = None if loaded is None else loaded.exam
        if exam is not self._shown:
            self._shown, self._pointer = exam, None
            volume = None if exam is None else exam.volume
            geometry = None if volume is None else PlaneGeometry(self._plane, volume.shape_zyx, volume.spacing_mm)
            self.set_volume(volume, geometry)
        geometry = self._geometry
        if exam is None or placing is None or geometry is None:
            self.set_annotations(Annotations(banner=self._priors.stands))
            return
        position = self._session.view.position
        place = placing.to_prior(position)
        nearest = placing.nearest_in_prior(position)
        comparison = self._session.comparison
        overlay = None if comparison is None else lesion_overlay(comparison.prior.scores)
        slab = geometry.slab_slices(self._session.view.slab_mm)
        self.show_slice(nearest[AXES[self._plane]], slab, overlay, self._desk.window_table()[1])
        self.set_marks(self._marks_at(nearest))
        middle = QPointF(self._leader.viewport().rect().center())
        _lay_at(self, place, self._leader.position_of(position) - middle, _mm_per_pixel(self._leader))
        self.set_annotations(self._texts(exam, nearest))

    @Slot()
    def _lead(self) -> None:
        """The reader has zoomed or moved this picture: the current exam's follows, or only the prior moves where unlinked."""
        placing, leader = self._priors.placing, self._leader
        if self._following or placing is None or not self.isVisible():
            return
        position = self._session.view.position
        at = self.position_of(placing.to_prior(position))
        _lay_at(leader, position, at - QPointF(self.viewport().rect().center()), _mm_per_pixel(self))

    def _marks_at(self, nearest: Voxel) -> Marks:
        placing, centre = self._priors.placing, self._session.read.centre
        comparison = self._session.comparison
        if placing is None or centre is None:
            return Marks(nearest)
        if comparison is None:
            there = placing.nearest_in_prior(centre)
            return Marks(nearest, there, region=Region.around(there, same_region(placing.current, placing.prior)))
        return Marks(nearest, comparison.prior.centre, region=comparison.prior.scores.region)

    def _texts(self, exam: Exam, nearest: Voxel) -> Annotations:
        priors, session, blinded = self._priors, self._session, self._session.blinded
        when = "" if priors.chosen is None else when_text(priors.chosen, blinded=blinded)
        synthetic = tr("SYNTHETIC PHANTOM – NOT A PATIENT") if exam.synthetic else ""
        banner = " · ".join(t for t in (tr("PRIOR EXAM {when}", when=when), synthetic) if t)
        hint = priors.stands if priors.linked else tr("UNLINKED: the wheel moves the prior alone (U)")
        shown = self._leader.annotations
        if self._plane is not Plane.AXIAL:
            return Annotations(
                (tr("Coronal"),),
                banner=tr("PRIOR EXAM"),
                hint=hint,
                show_marks=shown.show_marks,
                show_texts=shown.show_texts,
            )
        pointed = pointer_text(exam.volume, self._pointer, session.view)
        corners = axial_corners(exam, replace(session.view, position=nearest), self.zoom, pointed, blinded=blinded)
        return Annotations(
            corners.top_left, corners.top_right, corners.bottom_left, (*self._lies(), *corners.bottom_right),
            banner, hint, shown.show_marks, shown.show_texts,
        )  # fmt: skip

    def _lies(self) -> tuple[str, ...]:
        """How well the exams lie onto each other, and what the reader has moved."""
        placing = self._priors.placing
        if placing is None or not placing.exact:
            return ()
        residual = tr("Registered, residual {mm:.1f} mm", mm=placing.laid.residual_mm)
        if not any(placing.shift_mm):
            return (residual,)
        x, y, z = placing.shift_mm
        return residual, tr("moved by {x:.0f}, {y:.0f}, {z:.0f} mm", x=x, y=y, z=z)

    # --- what the reader does here

    @Slot(int)
    def _scroll(self, steps: int) -> None:
        placing = self._priors.placing
        if placing is None:
            return
        axis = AXES[self._plane]
        if not self._priors.linked:
            shift = [0.0, 0.0, 0.0]
            shift[axis] = steps * placing.prior.spacing_mm[axis]
            self._priors.shift(*shift)
            return
        # As many millimetres as a slice of this exam is, and at least a slice of the current one.
        own = steps * placing.prior.spacing_mm[axis] / placing.current.spacing_mm[axis]
        self._desk.keys.scroll_by(self._plane, round(own) or (1 if steps > 0 else -1))

    @Slot(object)
    def _pick(self, voxel: Voxel) -> None:
        placing = self._priors.placing
        if placing is not None:
            self._session.set_view(position=placing.to_current(voxel), centre_selected=False)

    @Slot(object)
    def _hover(self, voxel: Voxel | None) -> None:
        if voxel != self._pointer:
            self._pointer = voxel
            self._follow_soon()

    @Slot()
    def _take_tool(self) -> None:
        """What is measured can be measured here too; the heart centre is placed in the current exam only."""
        tool = self._session.view.tool
        self.set_tool(tool if tool is Tool.RULER else Tool.WINDOW)
        self._follow_soon()
        if tool is not Tool.RULER:
            self.clear_ruler()

    # --- painting

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another size shows the same place in its middle; the leader's own size is no affair of this one."""
        self._following = True
        super().resizeEvent(event)
        self._following = False
        self._follow_soon()

    def showEvent(self, event: QShowEvent) -> None:
        """What was missed while hidden."""
        super().showEvent(event)
        self._later.start(0)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The picture, in a frame that says which exam it is."""
        super().paintEvent(event)
        painter = QPainter(self.viewport())
        painter.setPen(QPen(FRAME, 3))
        painter.drawRect(QRectF(self.viewport().rect()).adjusted(1.5, 1.5, -1.5, -1.5))
        painter.end()


def _mm_per_pixel(view: SliceView) -> float:
    """Millimetres that a widget pixel covers."""
    return 1.0 if view.geometry is None else view.geometry.spacing_uv[0] / view.zoom


def _lay_at(view: SliceView, place: tuple[float, float, float], off_middle: QPointF, mm_per_pixel: float) -> None:
    """Show ``place`` (voxels) ``off_middle`` (widget pixels) from the middle of ``view``, at the scale of another view."""
    if view.geometry is None or mm_per_pixel <= 0:
        return
    x, y = view.geometry.place_mm(place)
    width, height = view.viewport().width() * mm_per_pixel, view.viewport().height() * mm_per_pixel
    left, top = x - off_middle.x() * mm_per_pixel - width / 2, y - off_middle.y() * mm_per_pixel - height / 2
    view.show_area(QRectF(left, top, width, height))
