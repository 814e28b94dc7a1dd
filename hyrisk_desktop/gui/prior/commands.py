"""What the actions about the prior exam do; see `gui.commands` for the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.gui.about_exam import end_with_exam
from hyrisk_desktop.gui.letters import give_letters
from hyrisk_desktop.gui.prior.dialog import PriorsDialog
from hyrisk_desktop.gui.prior.found import PriorExam
from hyrisk_desktop.gui.prior.service import Layout, Priors
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.i18n import tr

_NEXT = {Layout.OFF: Layout.BESIDE, Layout.BESIDE: Layout.GRID, Layout.GRID: Layout.OFF, Layout.FLIPPED: Layout.BESIDE}


class PriorCommands(QObject):
    """Shows the prior exam and asks where something is not sure.

    Signals:
        message: a line for the status bar. failed: an error to show.
    """

    message = Signal(str)
    failed = Signal(object)

    def __init__(self, priors: Priors, session: Session, search_pacs: Callable[[str], None], window: QWidget) -> None:
        super().__init__(window)
        self._priors, self._session, self._search_pacs, self._window = priors, session, search_pacs, window
        self._wanted = Layout.BESIDE
        priors.told.connect(self.message)
        priors.failed.connect(self.failed)
        priors.asks.connect(self._ask)

    def handler(self, key: str) -> Callable[[], object] | None:
        """The method of an action's key, None where it is not one of the prior's."""
        return {
            "prior_beside": self.prior_beside,
            "prior_flip": self.prior_flip,
            "prior_unlink": self.prior_unlink,
            "prior_unshift": self._priors.unshift,
            "choose_prior": self.choose_prior,
        }.get(key)

    def prior_beside(self) -> None:
        """Side by side, then 2 x 2 with the coronal plane, then the current exam alone."""
        self._show(_NEXT[self._priors.layout])

    def prior_flip(self) -> None:
        """The prior in the place of the current exam's axial image, and back."""
        self._show(Layout.OFF if self._priors.layout is Layout.FLIPPED else Layout.FLIPPED)

    def _show(self, layout: Layout, prior: PriorExam | None = None, *, sure: bool = False) -> None:
        if layout is Layout.OFF:
            self._priors.hide()
            return
        self._wanted = layout
        self._priors.show(layout, prior, sure=sure)

    def prior_unlink(self) -> None:
        """Scroll the prior alone, or both together again."""
        if self._priors.placing is None:
            self.message.emit(tr("No prior exam is shown: D shows it beside this one."))
            return
        self._priors.set_linked(not self._priors.linked)

    def choose_prior(self) -> None:
        """All earlier exams that are known, and the ways to find others."""
        if not self._session.can_measure:
            return
        dialog = PriorsDialog(self._priors.found, blinded=self._session.blinded, parent=self._window)
        dialog.chosen.connect(lambda prior: self._show(Layout.BESIDE, prior))
        dialog.folder_wanted.connect(self._open_folder)
        dialog.pacs_wanted.connect(self._search)
        end_with_exam(dialog, self._session)
        dialog.open()

    @Slot()
    def _open_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self._window, tr("Open an earlier exam of this patient"))
        if name:
            self._show(Layout.BESIDE, PriorExam(0, path=Path(name)))

    @Slot()
    def _search(self) -> None:
        volume = self._session.volume
        if volume is None:
            return
        try:
            self._search_pacs(volume.attributes.get("PatientID", ""))
        except HyRiskError as e:
            self.failed.emit(e)

    @Slot(object)
    def _ask(self, prior: PriorExam) -> None:
        """Whether that exam is of the same patient; without a yes it is not opened."""
        box = QMessageBox(self._window)
        box.setObjectName("samePatientQuestion")
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle(tr("Is it the same patient?"))
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setText(tr("{doubt} Compare them only if you know that both are of one patient.", doubt=prior.doubt))
        same = box.addButton(tr("It is the &same patient"), QMessageBox.ButtonRole.AcceptRole)
        box.setDefaultButton(box.addButton(tr("&Don't compare"), QMessageBox.ButtonRole.RejectRole))
        wanted = self._wanted
        same.clicked.connect(lambda *_: self._show(wanted, prior, sure=True))
        end_with_exam(box, self._session)
        give_letters(box)
        box.open()
