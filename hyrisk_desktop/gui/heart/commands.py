"""What the actions about the whole heart and its vessels do; see `gui.commands` for the others."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, QPoint, Signal, Slot
from PySide6.QtWidgets import QWidget

from hyrisk_desktop.calcium import VESSELS, Plaque, given, toggled
from hyrisk_desktop.gui.heart.lasso import Lasso
from hyrisk_desktop.gui.heart.menu import plaque_menu
from hyrisk_desktop.gui.heart.panel import PlaqueTable
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.viewer.desk import Desk
from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.gui.viewer.lesion_hand import plaque_at
from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.imaging import Voxel


class HeartCommands(QObject):
    """Scores the whole heart and gives plaques to vessels.

    Signals:
        message: a line for the status bar.
    """

    message = Signal(str)

    def __init__(self, session: Session, desk: Desk, window: QWidget) -> None:
        super().__init__(window)
        self._session, self._desk, self._window = session, desk, window
        self.table: PlaqueTable | None = None
        self.lasso = Lasso(session, desk.views[Plane.AXIAL])
        self.lasso.caught.connect(self._choose)
        for view in desk.views.values():
            view.menu_wanted.connect(self._menu_in_image)

    def set_table(self, table: PlaqueTable) -> None:
        """Where plaques can be selected."""
        self.table = table
        table.menu_wanted.connect(self.show_menu)

    def handler(self, key: str) -> Callable[[], object] | None:
        """The method of an action's key, None where it is not one of the heart's."""
        if key.startswith("vessel_"):
            digit = int(key.removeprefix("vessel_"))
            return partial(self._give, VESSELS[digit - 1] if digit else None)
        return {
            "whole_heart": self.whole_heart,
            "take_suggested": self._take_suggested,
            "take_all_suggested": self._take_all_suggested,
            "lasso": self._toggle_lasso,
        }.get(key)

    def whole_heart(self) -> None:
        """Score the whole heart in its proposed outline; pressed again, the region alone."""
        self._session.edit(whole_heart=not self._session.read.whole_heart)
        if self._session.read.whole_heart and self._session.read.centre is None:
            self.message.emit(tr("The whole heart is scored once the heart centre is placed: press H and click it."))

    def _wanted(self) -> tuple[Plaque, ...]:
        """The plaques that are selected, or else the one under the pointer; the reader is told where there is none."""
        heart = self._session.whole_heart
        if heart is None:
            self.message.emit(tr("Plaques show with the whole heart: press A."))
            return ()
        chosen = set(self.table.chosen) if self.table is not None else set()
        found = tuple(plaque for plaque in heart.groups if plaque.id in chosen)
        if not found and (under := plaque_at(self._session, self._desk.pointed)) is not None:
            found = (under,)
        if not found:
            self.message.emit(
                tr("There is no plaque here: point at one, or select some in the table or by a lasso (L).")
            )
        return found

    def _give(self, vessel: str | None) -> None:
        if found := self._wanted():
            self._session.mark_plaques([plaque.id for plaque in found], vessel)

    def _take_suggested(self) -> None:
        self._take(self._wanted())

    def _take_all_suggested(self) -> None:
        heart = self._session.whole_heart
        self._take(() if heart is None else heart.counted)

    def _take(self, plaques: tuple[Plaque, ...]) -> None:
        """One step of undo, however many there are."""
        marks = self._session.read.heart
        for plaque in plaques:
            if plaque.vessel is None:
                marks = given(marks, [plaque.id], plaque.suggested)
        self._session.edit(heart=marks)

    # --- the menu of a plaque

    @Slot(object, object)
    def _menu_in_image(self, voxel: Voxel, place: QPoint) -> None:
        """Of the plaques that are selected where this is one of them, else of this one."""
        plaque = plaque_at(self._session, voxel)
        if plaque is None or self.table is None:
            return
        if plaque.id not in self.table.chosen:
            self.table.choose({plaque.id})
        self._session.set_view(position=plaque.id, centre_selected=False)
        self.show_menu(place)

    @Slot(QPoint)
    def show_menu(self, place: QPoint) -> None:
        """The menu of the plaques that are selected, at ``place`` on the screen."""
        if plaques := self._wanted():
            hidden = self._session.hides(self._session.whole_heart_standing)
            plaque_menu(plaques, partial(self._count, plaques), self._window, hidden=hidden).popup(place)

    def _count(self, plaques: tuple[Plaque, ...], *_: object) -> None:
        """Leave all out, or count all, as the first one's menu says; one step of undo."""
        marks = self._session.read.heart
        for plaque in plaques:
            if plaque.counted == plaques[0].counted:
                marks = toggled(marks, plaque)
        self._session.edit(heart=marks)

    def _toggle_lasso(self) -> None:
        if self._session.whole_heart is None:
            self.message.emit(tr("Plaques show with the whole heart: press A."))
        else:
            self.lasso.setVisible(not self.lasso.isVisible())

    @Slot(object)
    def _choose(self, plaques: set[Voxel]) -> None:
        if self.table is not None:
            self.table.choose(plaques)
        if plaques:
            self.message.emit(
                trn(
                    "{n} plaque is selected: T and a digit gives it to a vessel.",
                    "{n} plaques are selected: T and a digit gives them to a vessel.",
                    len(plaques),
                )
            )
        else:
            self.message.emit(tr("No plaque of this slice lies within the line."))
