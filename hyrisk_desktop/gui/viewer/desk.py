"""The three linked views and their keys, driven by the session."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QByteArray, Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from hyrisk_desktop.calcium import CalciumScores, Region
from hyrisk_desktop.gui.hints import Place, hint_text, situation
from hyrisk_desktop.gui.overlay import Overlay, lesion_overlay
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import Exam, Tool
from hyrisk_desktop.gui.viewer import interaction
from hyrisk_desktop.gui.viewer.annotations import Annotations, Marks
from hyrisk_desktop.gui.viewer.display import Plane, PlaneGeometry, rgb32, window_table
from hyrisk_desktop.gui.viewer.heat import HeatLegend
from hyrisk_desktop.gui.viewer.keys import AXES, ImageKeys
from hyrisk_desktop.gui.viewer.lent import LentPart
from hyrisk_desktop.gui.viewer.lesion_hand import nothing_there, toggle_at
from hyrisk_desktop.gui.viewer.overlay_text import Corners, axial_corners, pointer_text, side_corners
from hyrisk_desktop.gui.viewer.slice_view import SliceView
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import Voxel

PATCH_SIZE_XYZ = (161, 161, 3)
_NAMES = {Plane.AXIAL: "axialView", Plane.CORONAL: "coronalView", Plane.SAGITTAL: "sagittalView"}


class Desk(QWidget):
    """Axial view on the left, sagittal and coronal on the right, all showing the session's position.

    Signals:
        tool_changed: the left button does something else now.
        confirmed: Enter was pressed with no tool in hand.
    """

    tool_changed = Signal()
    confirmed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._overlay_level = 2
        self._pointer: Voxel | None = None
        self._table: tuple[tuple[float, float], NDArray[np.uint32]] | None = None
        self._shown: dict[Plane, tuple[object, ...]] = {}
        self._draft_box: Region | None = None
        self._priors_text = ""
        self._lesions: tuple[CalciumScores, Overlay] | None = None
        self.views = {plane: SliceView() for plane in Plane}
        self._linked = QTimer(self)
        self._linked.setSingleShot(True)
        self._linked.timeout.connect(self._show_linked)
        self.keys = ImageKeys(session, self.views, self)
        self.keys.confirmed.connect(self.confirmed)
        self.keys.placed.connect(self._place)
        titles = {
            Plane.AXIAL: tr("Axial image"),
            Plane.CORONAL: tr("Coronal image"),
            Plane.SAGITTAL: tr("Sagittal image"),
        }
        for plane, view in self.views.items():
            view.setObjectName(_NAMES[plane])
            view.setAccessibleName(titles[plane])
            view.scrolled.connect(partial(self.keys.scroll_by, plane))
            view.picked.connect(self._pick)
            view.centre_placed.connect(self._place)
            view.double_clicked.connect(self._double_click)
            view.hovered.connect(self._hover)
            view.window_dragged.connect(self.drag_window)
            view.box_dragged.connect(self._drag_box)
            view.zoomed.connect(self._annotate)
        self.heat_legend = HeatLegend(self.views[Plane.AXIAL])
        self.heat_legend.opacity_changed.connect(self._show_explanation)
        self._lay_out()
        session.explanation_changed.connect(self._show_explanation)
        session.exam_changed.connect(self._show_exam)
        session.image_changed.connect(self._show_grown_image)
        session.read_changed.connect(self._show_marks)
        session.scores_changed.connect(self._show_slices)
        session.heart_changed.connect(self._show_slices)
        session.view_changed.connect(self._show_view)
        session.tool_changed.connect(self._show_tool)
        session.risk_changed.connect(self._annotate)
        self._show_exam()

    def _lay_out(self) -> None:
        splitter = QSplitter(Qt.Orientation.Horizontal, self)
        self._pair = QSplitter(Qt.Orientation.Horizontal, splitter)
        self._column = QSplitter(Qt.Orientation.Vertical, self._pair)
        self._column.addWidget(self.views[Plane.AXIAL])
        side = QSplitter(Qt.Orientation.Vertical, splitter)
        side.addWidget(self.views[Plane.SAGITTAL])
        side.addWidget(self.views[Plane.CORONAL])
        splitter.setStretchFactor(0, 5)
        splitter.setStretchFactor(1, 2)
        splitter.setSizes([700, 300])
        self.side = side
        self.planes = LentPart(splitter, side)
        """The reformatted planes; whoever lays out the window may put them elsewhere while there is no room here."""
        for part in (splitter, side, self._column, self._pair):
            part.setHandleWidth(4)
            part.setChildrenCollapsible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(splitter)

    def add_beside(self, pane: QWidget) -> None:
        """Something to be compared with the images, right of the axial one; hidden until `show_beside`."""
        pane.setVisible(False)
        self._pair.addWidget(pane)

    def show_beside(self, *, beside: bool, grid: bool) -> None:
        """Make room for what `add_beside` was given, or take it away again.

        Args:
            beside: the axial image and it take half of the room each, the reformatted planes none.
            grid: the coronal image goes below the axial one, so that it can be compared as well.
        """
        for index in range(1, self._pair.count()):
            pane = self._pair.widget(index)
            if pane is not None:
                pane.setVisible(beside)
        coronal = self.views[Plane.CORONAL]
        if (coronal.parent() is self._column) != grid:
            (self._column if grid else self.side).addWidget(coronal)
            self._column.setSizes([600, 400])
        self.side.setVisible(not beside)
        self._pair.setSizes([500, 500])

    def layout_state(self) -> str:
        """Splitter positions, for the settings."""
        return "|".join(bytes(s.toBase64().data()).decode() for s in (self.planes.state, self.side.saveState()))

    def restore_layout(self, state: str) -> None:
        """Inverse of `layout_state`; anything else leaves the default."""
        places = (self.planes.restore, self.side.restoreState)
        for restore, part in zip(places, state.split("|"), strict=False):
            restore(QByteArray.fromBase64(part.encode()))

    def set_priors_text(self, text: str) -> None:
        """Which earlier exams of the patient there are, for the axial image's corner."""
        self._priors_text = text
        self._annotate((Plane.AXIAL,))

    def focus_image(self) -> None:
        """Give the axial view the keyboard."""
        self.views[Plane.AXIAL].setFocus()

    # --- showing

    def _geometry(self, plane: Plane) -> PlaneGeometry | None:
        volume = self._session.volume
        return None if volume is None else PlaneGeometry(plane, volume.shape_zyx, volume.spacing_mm)

    @Slot()
    def _show_exam(self) -> None:
        self._shown.clear()
        self._pointer = None
        self._draft_box = None
        for plane, view in self.views.items():
            view.set_volume(self._session.volume, self._geometry(plane))

    @Slot()
    def _show_explanation(self) -> None:
        explanation, axial = self._session.explanation, self.views[Plane.AXIAL]
        axial.heat.set_explanation(explanation, self.heat_legend.opacity)
        axial.place_heat()
        # A projection shows no map, so there is nothing to explain; the hint says so.
        self.heat_legend.show_explanation(explanation if self._session.view.slab_mm == 0 else None)

    @Slot()
    def _show_grown_image(self) -> None:
        for view in self.views.values():
            view.refresh()

    @Slot()
    def _show_view(self) -> None:
        """The image in hand at once, the linked ones when nothing else is waiting: a wheel is not to wait for three images."""
        self._show((self._in_hand,))
        self._linked.start(0)

    @property
    def _in_hand(self) -> Plane:
        return next((plane for plane, view in self.views.items() if view.hasFocus()), Plane.AXIAL)

    @Slot()
    def _show_linked(self) -> None:
        linked = tuple(plane for plane in Plane if plane is not self._in_hand)
        self._show(linked)
        for plane in linked:
            # Now, or the next frame of the image in hand would wait for them.
            self.views[plane].viewport().repaint()

    def _show(self, planes: Iterable[Plane]) -> None:
        self._show_slices(planes)
        self._show_marks(planes)

    def window_table(self) -> tuple[tuple[float, float], NDArray[np.uint32]]:
        """Level and width, and their colours [65536]."""
        window = (self._session.view.level, self._session.view.width)
        if self._table is None or self._table[0] != window:
            self._table = window, rgb32(window_table(*window))
        return self._table

    def _show_slices(self, planes: Iterable[Plane] = tuple(Plane)) -> None:
        """Redraw only the planes whose picture has changed: scrolling one plane leaves the other two."""
        session, (window, table) = self._session, self.window_table()
        if session.volume is None:
            return
        overlay = self._overlay()
        for plane in planes:
            index = session.view.position[AXES[plane]]
            geometry = self._geometry(plane)
            assert geometry is not None
            slab = geometry.slab_slices(session.view.slab_mm)
            key = (session.volume, index, slab, overlay, window)
            if self._shown.get(plane) != key:
                self._shown[plane] = key
                self.views[plane].show_slice(index, slab, overlay, table)

    def _overlay(self) -> Overlay | None:
        """The plaques of the whole heart, or else the region's lesions."""
        session = self._session
        if session.whole_heart is not None and session.heart is not None:
            return session.heart.overlay
        if session.scores is None:
            return None
        if self._lesions is None or self._lesions[0] is not session.scores:
            self._lesions = session.scores, lesion_overlay(session.scores)
        return self._lesions[1]

    def _show_marks(self, planes: Iterable[Plane] = tuple(Plane)) -> None:
        marks = self._marks()
        for plane in planes:
            axial = plane is Plane.AXIAL
            selected, kept = marks.centre_selected and axial, marks.kept if axial else ()
            self.views[plane].set_marks(replace(marks, centre_selected=selected, kept=kept))
        self._annotate(planes)

    def _marks(self) -> Marks:
        session = self._session
        if session.volume is None:
            return Marks()
        centre = session.read.centre
        box = self._draft_box or session.read.box
        patch = None if centre is None else Region.around(centre, PATCH_SIZE_XYZ)
        region = None if centre is None or box is not None else Region.around(centre)
        proposed = session.proposal if centre is None else None
        kept = tuple(
            (mark, mark.text(session.volume)) for mark in session.read.notes.marks if mark.z == session.view.position[2]
        )
        return Marks(session.view.position, centre, session.view.centre_selected, region, patch, box, proposed, kept)

    def _annotate(self, planes: Iterable[Plane] = tuple(Plane)) -> None:
        exam = self._session.exam
        if exam is not None:
            for plane in planes:
                self.views[plane].set_annotations(self._annotations(exam, plane))

    def _annotations(self, exam: Exam, plane: Plane) -> Annotations:
        session, hint, banner = self._session, "", ""
        corners: Corners
        if plane is Plane.AXIAL:
            zoom = self.views[plane].zoom
            corners = axial_corners(exam, session.view, zoom, self._pointer_text(), blinded=session.blinded)
            image = session.read.notes.image_of(session.view.position[2])
            key = "" if image is None else tr("KEY IMAGE {note}", note=image.note).rstrip()
            corners = replace(
                corners, top_left=(*corners.top_left, key), top_right=(*corners.top_right, self._priors_text)
            )
            hint = hint_text(Place.IMAGE, situation(session))
            banner = tr("SYNTHETIC PHANTOM – NOT A PATIENT") if exam.synthetic else ""
        else:
            geometry = self._geometry(plane)
            assert geometry is not None
            corners = side_corners(geometry, session.view)
        return Annotations(
            corners.top_left,
            corners.top_right,
            corners.bottom_left,
            corners.bottom_right,
            banner,
            hint,
            show_marks=self._overlay_level >= 1,
            show_texts=self._overlay_level >= 2,
        )

    def _pointer_text(self) -> str:
        volume = self._session.volume
        return "" if volume is None else pointer_text(volume, self._pointer, self._session.view)

    # --- tools and keys

    @property
    def tool(self) -> Tool:
        """What the left button does."""
        return self._session.view.tool

    def set_tool(self, tool: Tool) -> None:
        """Choose what the left button does in all three views; nudging ends with that."""
        self._session.set_view(tool=tool, centre_selected=False)

    @Slot()
    def _show_tool(self) -> None:
        tool = self.tool
        for view in self.views.values():
            view.set_tool(tool)
            if tool is not Tool.RULER:
                view.clear_ruler()
        self.tool_changed.emit()
        self._annotate()

    def set_overlay_level(self, level: int) -> None:
        """2 marks and texts, 1 marks only, 0 the bare image."""
        self._overlay_level = level
        self._annotate()

    def escape(self) -> None:
        """End what is under way (a drag, a tool, nudging, a ruler); with nothing under way, show whole single slices."""
        busy = self.tool is not Tool.WINDOW or self._session.view.centre_selected
        for view in self.views.values():
            busy = busy or view.dragging or view.ruler_mm is not None
            view.cancel_drag()
        self._draft_box = None
        self.set_tool(Tool.WINDOW)
        if not busy:
            for view in self.views.values():
                view.fit()
            self._session.set_view(slab_mm=0.0)
        self._show_marks()
        self.focus_image()

    # --- what the reader does on the images

    @Slot(object)
    def _pick(self, voxel: Voxel) -> None:
        at_centre = voxel == self._session.read.centre and not self._session.read.complete
        self._session.set_view(position=voxel, centre_selected=at_centre)

    @Slot(object)
    def _place(self, voxel: Voxel) -> None:
        self.set_tool(Tool.WINDOW)
        self._session.place_centre(voxel)

    @Slot(object)
    def _double_click(self, voxel: Voxel) -> None:
        self._session.set_view(position=voxel)
        toggle_at(self._session, voxel)

    def toggle_lesion(self) -> None:
        """Exclude or include the lesion under the pointer; with the pointer off the images, at the linked cursor."""
        if not toggle_at(self._session, self.pointed):
            where = tr("at the cursor") if self._pointer is None else tr("under the pointer")
            self._session.told.emit(nothing_there(self._session, where))

    @property
    def pointed(self) -> Voxel:
        """The voxel under the pointer; with the pointer off the images, that of the linked cursor."""
        return self._session.view.position if self._pointer is None else self._pointer

    @Slot(object)
    def _hover(self, voxel: Voxel | None) -> None:
        if voxel != self._pointer:
            self._pointer = voxel
            self._annotate()

    @Slot(float, float)
    def drag_window(self, dx: float, dy: float) -> None:
        """Window width and level, by a drag of so many widget pixels."""
        view = self._session.view
        level, width = interaction.drag_window(level=view.level, width=view.width, dx_px=dx, dy_px=dy)
        self._session.set_view(level=level, width=width)

    @Slot(object, bool)
    def _drag_box(self, region: Region, done: bool) -> None:
        # Scores follow when the corner is let go; until then only the outline moves, so that a drag is one undo step.
        self._draft_box = None if done else region
        if done:
            self._session.edit(box=region)
        self._show_marks()
