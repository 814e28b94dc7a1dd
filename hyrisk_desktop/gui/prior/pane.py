"""Where the prior exam is on screen: beside the current one, 2 x 2 with a second plane, or flipped to in its place."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from hyrisk_desktop.gui.prior.found import when_text
from hyrisk_desktop.gui.prior.image import PriorImage
from hyrisk_desktop.gui.prior.service import Layout, Priors
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.viewer.cover import Cover
from hyrisk_desktop.gui.viewer.desk import Desk
from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.i18n import listed, tr

_MOST_NAMED = 3


class PriorPane(QWidget):
    """The prior's images; hidden until the reader asks for them."""

    def __init__(self, desk: Desk, session: Session, priors: Priors) -> None:
        super().__init__()
        self.setObjectName("priorPane")
        self._desk, self._session, self._priors = desk, session, priors
        self._layout = Layout.OFF
        self.axial = PriorImage(Plane.AXIAL, desk, session, priors)
        self.coronal = PriorImage(Plane.CORONAL, desk, session, priors)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setChildrenCollapsible(False)
        split.setHandleWidth(4)
        split.addWidget(self.axial)
        split.addWidget(self.coronal)
        split.setSizes([600, 400])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(split)
        axial = desk.views[Plane.AXIAL]
        self.flipped = PriorImage(Plane.AXIAL, desk, session, priors, axial)
        self.flipped.setObjectName("priorFlippedView")
        self.flipped.setVisible(False)
        Cover(self.flipped, axial)
        desk.add_beside(self)
        priors.changed.connect(self._show)
        priors.found_changed.connect(self._name_priors)

    @Slot()
    def _show(self) -> None:
        layout = self._priors.layout
        if layout is not self._layout:
            self._layout = layout
            self.coronal.setVisible(layout is Layout.GRID)
            self._desk.show_beside(beside=layout in (Layout.BESIDE, Layout.GRID), grid=layout is Layout.GRID)
            self.flipped.setGeometry(self._desk.views[Plane.AXIAL].rect())
            self.flipped.setVisible(layout is Layout.FLIPPED)
            self.flipped.raise_()
        for image in (self.axial, self.coronal, self.flipped):
            if image.isVisible():
                image.follow()

    @Slot()
    def _name_priors(self) -> None:
        """Which there are, in the corner of the current exam's image."""
        found, blinded = self._priors.found, self._session.blinded
        names = [when_text(prior, blinded=blinded, brief=True) for prior in found[:_MOST_NAMED]]
        more = len(found) - len(names)
        if more > 0:
            names.append(tr("{n} more", n=more))
        self._desk.set_priors_text(tr("D: prior {when}", when=listed(names)) if names else "")
