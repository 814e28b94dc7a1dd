"""What each action of the table does: one method per key, none of which reads a file or runs a network itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QKeyCombination, QObject, Qt, Signal, Slot
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QApplication, QDialog, QFileDialog, QLabel, QWidget

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.gui.about_exam import end_with_exam
from hyrisk_desktop.gui.actions import presets
from hyrisk_desktop.gui.dialogs.help import HelpCommands
from hyrisk_desktop.gui.dialogs.message import ErrorDialog
from hyrisk_desktop.gui.dialogs.series import SeriesDialog
from hyrisk_desktop.gui.export.commands import ReadingFiles
from hyrisk_desktop.gui.export.deidentified_writer import Deidentifying
from hyrisk_desktop.gui.export.restoring import Restoring
from hyrisk_desktop.gui.export.writer import Exporting
from hyrisk_desktop.gui.heart.commands import HeartCommands
from hyrisk_desktop.gui.leaving import ask_to_leave
from hyrisk_desktop.gui.notes.commands import NoteCommands
from hyrisk_desktop.gui.pacs.commands import PacsCommands
from hyrisk_desktop.gui.pacs.sending_reading import SendingReading
from hyrisk_desktop.gui.preferences.commands import SettingsCommands
from hyrisk_desktop.gui.prior.commands import PriorCommands
from hyrisk_desktop.gui.results import results_text
from hyrisk_desktop.gui.retrain.controller import Retraining, leaving_question
from hyrisk_desktop.gui.sentences import sentence_of
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import Tool
from hyrisk_desktop.gui.viewer.desk import Desk
from hyrisk_desktop.gui.viewer.display import default_box, dicom_window
from hyrisk_desktop.gui.viewer.oblique import Oblique
from hyrisk_desktop.gui.worklist.commands import WorklistCommands
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import SeriesRecord
from hyrisk_desktop.risk.model_store import ActiveModel
from hyrisk_desktop.settings import Settings

if TYPE_CHECKING:
    from hyrisk_desktop.gui.application import Services

_SLABS_MM = (0.0, 5.0, 10.0, 20.0)


class Commands(QObject):
    """Carries out actions.

    Signals:
        message: a line for the status bar.
        states_changed: check marks or enabled states of actions may have changed.
    """

    message = Signal(str)
    states_changed = Signal()

    def __init__(self, services: Services, desk: Desk, window: QWidget) -> None:
        super().__init__(window)
        self._services = services
        self._session: Session = services.session
        self._settings: Settings = services.settings
        self._desk = desk
        self._window = window
        self.retraining = Retraining(services.runner, services.shelf, services.risk, services.settings, window)
        self.retraining.told.connect(self.message)
        self.training_state = self._make_training_state()
        self.worklist = WorklistCommands(
            services.worklist, services.scoring, services.session, services.settings, desk, window
        )
        self.worklist.message.connect(self.message)
        self.reading_files = ReadingFiles(
            services.session,
            Exporting(services.session, services.risk, services.runner, services.store, self),
            Deidentifying(services.session, services.risk, services.runner, services.store, self),
            Restoring(services.session, services.loader, services.runner, services.worklist, self),
            services.settings,
            desk,
            window,
        )
        self.reading_files.message.connect(self.message)
        self.reading_files.failed.connect(self.show_error)
        services.worklist.failed.connect(self.show_error)
        self.pacs = PacsCommands(
            services.pacs,
            services.session,
            SendingReading(services.session, services.risk, services.runner, services.store, services.pacs.sending),
            services.settings,
            window,
        )
        self.pacs.message.connect(self.message)
        self.pacs.failed.connect(self.show_error)
        self._make_reading_parts(services, desk, window)
        self.help = HelpCommands(
            services.runner, services.log, services.risk, services.worklist, services.settings, window
        )
        desk.confirmed.connect(self.worklist.confirm)
        self.worklist.retrain_wanted.connect(self.retraining.show_wizard)
        self.retraining.worklist_wanted.connect(self.worklist.export_cohort)
        services.loader.failed.connect(self._show_opening_error)
        services.risk.failed.connect(self.show_error)
        services.shelf.failed.connect(self.show_error)
        services.shelf.told.connect(self.message)
        services.explain.failed.connect(self._end_explaining)
        services.risk.model_loaded.connect(self._tell_model)

    def _make_training_state(self) -> QLabel:
        state = QLabel()
        state.setObjectName("trainingState")
        state.setTextFormat(Qt.TextFormat.PlainText)
        state.setVisible(False)
        self.retraining.stands.connect(self._show_training)
        return state

    def _make_reading_parts(self, services: Services, desk: Desk, window: QWidget) -> None:
        """The commands about the prior exam, the whole heart and the settings."""
        self.prior = PriorCommands(
            services.priors, services.session, lambda patient: self.pacs.show_pacs().search_patient(patient), window
        )
        self.prior.message.connect(self.message)
        self.prior.failed.connect(self.show_error)
        services.priors.changed.connect(self.states_changed)
        self.heart = HeartCommands(services.session, desk, window)
        for part in (services.heart.told, self.heart.message):
            part.connect(self.message)
        services.heart.failed.connect(self.show_error)
        self.notes = NoteCommands(services.session, desk, window)
        self.notes.message.connect(self.message)
        self.oblique_plane = Oblique(services.session, desk, services.runner)
        self.oblique_plane.changed.connect(self.states_changed)
        self.preferences = SettingsCommands(services, desk, window)
        self.preferences.message.connect(self.message)

    @Slot(str)
    def run(self, key: str) -> None:
        """Carry out the action ``key``; what goes wrong becomes one dialog."""
        self._session.acted.emit()
        try:
            if key.startswith("preset_"):
                self.choose_preset(key.removeprefix("preset_"))
            elif key.startswith("grade_"):
                self._session.set_grade(float(key.removeprefix("grade_")))
            else:
                self.handler(key)()
        except HyRiskError as e:
            self.show_error(e)
        self.states_changed.emit()

    def handler(self, key: str) -> Callable[[], object]:
        """What carries out the action ``key``: a method of that name, here or among the others' commands."""
        theirs = (
            part.handler(key)
            for part in (self.worklist, self.pacs, self.prior, self.heart, self.notes, self.preferences)
        )
        found = next((act for act in theirs if act is not None), None) or getattr(self.reading_files, key, None)
        return found or getattr(self.help, key, None) or getattr(self, key)

    def refuse(self, keys: QKeyCombination, actions: dict[str, QAction]) -> bool:
        """Say why the action on ``keys`` does nothing now; False where no action that is switched off has them."""
        pressed = QKeySequence(keys)
        key = next((k for k, a in actions.items() if pressed in a.shortcuts() and not a.isEnabled()), "")
        if not key:
            return False
        session = self._session
        reasons = {
            "undo": session.locked_sentence() if session.read.locked else tr("There is nothing to undo."),
            "redo": tr("There is nothing to bring back."),
            "cancel_loading": tr("Nothing is being loaded."),
        }
        loading = session.exam is not None and session.exam.loading
        why = tr("The exam is still loading.") if loading else tr("Open an exam first (Ctrl+O).")
        self.message.emit(reasons.get(key, why) if session.can_measure or key == "cancel_loading" else why)
        return True

    # --- files

    def open_folder(self) -> None:
        """Ask for a folder and open the exam in it."""
        name = QFileDialog.getExistingDirectory(self._window, tr("Open exam folder"), self._start_folder())
        if name:
            self._services.loader.open_path(Path(name))

    def open_file(self) -> None:
        """Ask for a file and open the exam it belongs to."""
        kinds = tr(
            "Exams (*.dcm *.ima DICOMDIR *.zip *.nii *.nii.gz *.nrrd *.nhdr *.mha *.mhd);;Reading lists (*.csv);;All files (*)"
        )
        name, _ = QFileDialog.getOpenFileName(self._window, tr("Open exam file"), self._start_folder(), kinds)
        if name:
            self._services.worklist.open_path(Path(name))

    def _start_folder(self) -> str:
        recent = self._settings["recent_exams"]
        return str(Path(recent[0]).parent) if recent else str(Path.home())

    def open_demonstration(self) -> None:
        """Open the synthetic exam, making it first if needed."""
        self._services.loader.open_demonstration()

    def choose_series(self) -> None:
        """Show all series found and let the reader pick another."""
        if (exam := self._session.exam) is not None:
            self._show_series(exam.alternatives or (exam.record,), exam.record.series_uid)

    @Slot()
    def show_found_series(self) -> None:
        """Show what the newest opening found, although it could not open it."""
        self._show_series(self._services.loader.found, "")

    def _show_series(self, records: tuple[SeriesRecord, ...], current: str) -> None:
        dialog = SeriesDialog(records, current, self._window)
        dialog.chosen.connect(self._open_series)
        self._open(end_with_exam(dialog, self._session))

    @Slot(object, object)
    def _open_series(self, record: SeriesRecord, records: tuple[SeriesRecord, ...]) -> None:
        self._services.worklist.open_series(record, records)

    def cancel_loading(self) -> None:
        """Stop opening an exam; the one open before stays."""
        self._services.loader.cancel()

    def copy_results(self) -> None:
        """Put the numbers on the clipboard, with what they must not be read without; no patient data."""
        text = results_text(self._session)
        if text:
            QGuiApplication.clipboard().setText(text)
            self.message.emit(tr("The numbers are on the clipboard (without patient data)."))

    def quit(self) -> None:
        """Close the window, after a question where a training goes on without it."""
        if not self.asks_before_leaving():
            self._window.close()

    def asks_before_leaving(self) -> bool:
        """Whether a training is alive; the reader is then asked, and the window closed by the answer."""
        if not (alive := self.retraining.alive()):
            return False
        ask_to_leave(leaving_question(alive), self._window, self._window.close)
        return True

    # --- the read

    def place_centre(self) -> None:
        """The next click places the heart centre; pressed again where there is one, it does not."""
        if self._session.read.centre is None and self._session.can_measure:
            self._desk.set_tool(Tool.PLACE_CENTRE)
        else:
            self._toggle_tool(Tool.PLACE_CENTRE)
        self._desk.focus_image()

    def go_to_centre(self) -> None:
        """Look at the heart centre."""
        if self._session.read.centre is None:
            self.message.emit(tr("There is no heart centre yet."))
        self._session.look_at_centre()

    def compute_risk_again(self) -> None:
        """Read with the model in use what another one has read."""
        session = self._session
        if session.read.centre is None or session.model is None or session.hides_results:
            self.message.emit(
                tr("There is no risk to compute: it needs a heart centre, a model and, blinded, a locked grade.")
            )
        else:
            session.compute_risk_again()

    def clear_grade(self) -> None:
        """Take the grade away."""
        self._session.set_grade(None)

    def toggle_lesion(self) -> None:
        """Exclude or include the lesion under the pointer."""
        self._desk.toggle_lesion()

    def whole_heart_box(self) -> None:
        """Score a box around the whole heart, whose corners can be dragged; pressed again, the region."""
        session = self._session
        if session.read.box is not None:
            session.edit(box=None)
        elif session.volume is not None:
            session.edit(box=default_box(session.volume, session.read.centre or session.view.position))

    def undo(self) -> None:
        """Take back the last change of the read."""
        self._session.undo()

    def redo(self) -> None:
        """Bring back the change last taken back."""
        self._session.redo()

    # --- the view

    def choose_preset(self, key: str) -> None:
        """Set window width and level."""
        preset = next(p for p in presets(self._settings) if p.key == key)
        if preset.level is not None and preset.width is not None:
            self._session.set_view(level=float(preset.level), width=float(preset.width))
            return
        window = dicom_window(self._session.volume)
        if window is None:
            self.message.emit(tr("This series stores no window."))
        else:
            self._session.set_view(level=window[0], width=window[1])

    def cycle_overlays(self) -> None:
        """All overlays, marks only, none."""
        self._settings["overlay_level"] = level = (self._settings["overlay_level"] - 1) % 3
        self._desk.set_overlay_level(level)

    def cycle_slab(self) -> None:
        """The next slab thickness of the maximum intensity projection."""
        thicker = [mm for mm in _SLABS_MM if mm > self._session.view.slab_mm]
        self._session.set_view(slab_mm=thicker[0] if thicker else 0.0)

    def oblique(self) -> None:
        """An oblique plane in the place of the coronal image, or that again."""
        self.oblique_plane.toggle()
        if self.oblique_plane.on:
            self.message.emit(tr("Drag the orange handles: the axial ones turn the plane, the sagittal ones tilt it."))

    def explain_risk(self) -> None:
        """Show what the risk comes from; pressed again, no longer."""
        if self._session.can_measure:
            self._session.set_explaining(not self._session.explaining)
            if self._session.explaining and self._session.read.centre is None:
                self.message.emit(tr("The explanation follows the heart centre, which is not placed yet."))

    def ruler(self) -> None:
        """Measure on the images."""
        self._toggle_tool(Tool.RULER)

    def probe(self) -> None:
        """Mean and SD of HU around the pointer."""
        self._toggle_tool(Tool.PROBE)

    def _toggle_tool(self, tool: Tool) -> None:
        if self._session.can_measure:
            self._desk.set_tool(Tool.WINDOW if self._desk.tool is tool else tool)

    def escape(self) -> None:
        """Esc: end the tool; with none, show whole slices."""
        self._desk.escape()

    # --- model

    def show_models(self) -> None:
        """The installed models: compare, choose, import, export."""
        from hyrisk_desktop.gui.models.dialog import ModelsDialog

        services = self._services
        self._open(ModelsDialog(services.shelf, self._session, self._settings, self._window))

    def retrain(self) -> None:
        """Trainings: start one, watch it, install its model; reading goes on beside them."""
        self.retraining.show()

    def validate(self) -> None:
        """A site's own proof: the model in use, unchanged, on a cohort."""
        self.retraining.show_validation()

    @Slot(str)
    def _show_training(self, text: str) -> None:
        """A training that runs or waits is said for as long as it does."""
        self.training_state.setText(text)
        self.training_state.setVisible(bool(text))

    @Slot(object)
    def _end_explaining(self, error: Exception) -> None:
        self.show_error(error)
        self.states_changed.emit()

    @Slot(object)
    def _tell_model(self, active: ActiveModel) -> None:
        """A model other than the one chosen never takes over silently."""
        if active.warning:
            self.message.emit(active.warning)
        self.states_changed.emit()

    def _open(self, dialog: QDialog) -> None:
        dialog.open()

    @Slot(object)
    def _show_opening_error(self, error: Exception) -> None:
        dialog = self.show_error(error)
        if self._services.loader.found:
            dialog.offer(tr("Show the series found…"), self.show_found_series)

    @Slot(object)
    def show_error(self, error: Exception) -> ErrorDialog:
        """One sentence, with details to copy."""
        self.message.emit(sentence_of(error))
        # Over the dialog that asked; but no error goes with another that is closed.
        asking = QApplication.activeModalWidget() or QApplication.activeWindow()
        dialog = ErrorDialog(error, self._window if isinstance(asking, ErrorDialog) else asking or self._window)
        self._open(dialog)
        return dialog
