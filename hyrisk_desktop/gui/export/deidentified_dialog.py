"""A copy of the exam on screen and its reading that names nobody: where to, under which code, and what it can't take out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QDialogButtonBox,
    QFormLayout,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.exchange.deidentified.folder import DEFAULT_READER, contents
from hyrisk_desktop.exchange.deidentified.pseudonyms import LEAST_BYTES, Pseudonyms, new_secret, secret_of
from hyrisk_desktop.exchange.reports.report import research_use
from hyrisk_desktop.gui.export.copy_result import CopyResult
from hyrisk_desktop.gui.export.deidentified_writer import FOLDER_PREFIX, CopyRequest, Deidentifying
from hyrisk_desktop.gui.export.writer import is_dicom, readiness
from hyrisk_desktop.gui.export.writing_dialog import WritingDialog, clean_stem
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.i18n import tr, trc
from hyrisk_desktop.settings import Settings

if TYPE_CHECKING:
    from hyrisk_desktop.exchange.deidentified.export import DeidentifiedExport

_WIDTH = 820


class SuggestingEdit(QLineEdit):
    """Shows what is suggested until somebody types something else; emptied, it takes suggestions again."""

    def __init__(self) -> None:
        super().__init__()
        self.own = False
        self._suggestion = ""
        self.textChanged.connect(self._look)
        self.editingFinished.connect(self._refill)

    def suggest(self, text: str) -> None:
        """Show ``text`` where nobody typed."""
        self._suggestion = text
        self.setPlaceholderText(text)
        if not self.own and not self.hasFocus():
            self.setText(text)

    @property
    def value(self) -> str:
        """What stands here, or is suggested."""
        return self.text().strip() if self.own else self._suggestion

    @Slot(str)
    def _look(self, text: str) -> None:
        self.own = text.strip() not in ("", self._suggestion)

    @Slot()
    def _refill(self) -> None:
        if not self.own:
            self.setText(self._suggestion)


class DeidentifiedCopyDialog(WritingDialog):
    """Asks, shows how it goes, and stays with what a person should look at before the copy is passed on.

    Signals:
        folder_wanted: the copy's folder shall be shown.
    """

    folder_wanted = Signal()

    def __init__(
        self, session: Session, deidentifying: Deidentifying, settings: Settings, parent: QWidget | None = None
    ) -> None:
        super().__init__(session, deidentifying, "deidentified", parent)
        self.setObjectName("deidentifiedCopyDialog")
        self.setWindowTitle(tr("De-identified copy – research use only"))
        self._deidentifying, self._settings = deidentifying, settings
        # Without a project's secret: one of this dialog's own, so that the code it shows is the one that is written.
        self._own_secret = new_secret()
        self._done = False
        self._pages = QStackedWidget()
        self._pages.addWidget(self._questions())
        self._result = CopyResult()
        self._pages.addWidget(self._result)
        layout = QVBoxLayout(self)
        layout.addWidget(self._pages, 1)
        layout.addWidget(self._progress)
        layout.addWidget(self._message)
        layout.addWidget(self._button_box())
        self._start_button.setDefault(True)
        self.setMinimumWidth(_WIDTH)
        self._follow()

    # --- parts

    def _questions(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._form())
        boxes = QHBoxLayout()
        boxes.addWidget(_contents_box(), 1)
        boxes.addWidget(_limits_box(), 1)
        layout.addLayout(boxes)
        self._notes = QLabel()
        self._notes.setObjectName("deidentifiedNotes")
        self._notes.setAccessibleName(tr("What the copy will lack, and what it warns of"))
        self._notes.setWordWrap(True)
        self._notes.setMinimumHeight(36)
        self._notes.setAlignment(Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self._notes)
        research = QLabel(research_use())
        research.setObjectName("researchNotice")
        layout.addWidget(research)
        return page

    def _form(self) -> QFormLayout:
        parent = self._settings["deidentified_parent"] or self._settings["export_folder"] or str(Path.home())
        row = self._folder_row(tr("Where the new folder shall lie"), parent)
        self._name = self._suggesting("Name", tr("Name of the new folder"))
        self._subject = self._suggesting("Subject", tr("Subject code"))
        self._subject.setMaxLength(40)
        self._about_subject = _caption()
        self._label = self._edit("Label", tr("Reader label"), DEFAULT_READER)
        self._secret = self._edit("Secret", tr("Project secret, optional"))
        self._secret.setEchoMode(QLineEdit.EchoMode.Password)
        hints = Qt.InputMethodHint
        self._secret.setInputMethodHints(
            hints.ImhHiddenText | hints.ImhSensitiveData | hints.ImhNoPredictiveText | hints.ImhNoAutoUppercase
        )
        self._secret.setPlaceholderText(trc("project secret", "none"))
        self._about_secret = _caption()
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow(tr("In the folder"), row)
        form.addRow(tr("New folder"), self._name)
        form.addRow(tr("Subject code"), self._subject)
        form.addRow("", self._about_subject)
        form.addRow(tr("Reader label"), self._label)
        form.addRow(tr("Project secret"), self._secret)
        form.addRow("", self._about_secret)
        return form

    def _suggesting(self, name: str, accessible: str) -> SuggestingEdit:
        edit = SuggestingEdit()
        edit.setObjectName(f"deidentified{name}")
        edit.setAccessibleName(accessible)
        edit.textChanged.connect(self._show)
        return edit

    def _button_box(self) -> QDialogButtonBox:
        buttons, role = QDialogButtonBox(), QDialogButtonBox.ButtonRole

        def button(text: str, name: str, of: QDialogButtonBox.ButtonRole) -> QPushButton:
            made = buttons.addButton(text, of)
            made.setObjectName(name)
            return made

        self._start_button = button(tr("Make the copy"), "startDeidentified", role.ActionRole)
        self._all_the_same = button(tr("Export all the same"), "acceptBurnedIn", role.ActionRole)
        self._all_the_same.setAutoDefault(False)
        self._all_the_same.hide()
        self._show_folder = button(tr("Show in folder"), "deidentifiedShowFolder", role.ActionRole)
        self._show_folder.hide()
        self._close = button(tr("Cancel"), "closeDeidentified", role.RejectRole)
        self._start_button.clicked.connect(lambda: self._begin())
        self._all_the_same.clicked.connect(lambda: self._begin(accept_burned_in=True))
        self._show_folder.clicked.connect(self.folder_wanted)
        buttons.rejected.connect(self.reject)
        return buttons

    # --- showing

    def _typed_secret(self) -> bytes | None:
        """The project's; None for none."""
        return secret_of(self._secret.text()) or None

    def _names(self) -> Pseudonyms:
        typed = self._typed_secret()
        return Pseudonyms(typed if typed is not None and len(typed) >= LEAST_BYTES else self._own_secret)

    @Slot()
    def _show(self, *_: object) -> None:
        if self._exam is None or self._done:
            return
        ready, running = readiness(self._session, naming=False), self._deidentifying.running
        why_not = ready.why_not
        if not is_dicom(self._exam):
            why_not = tr("This exam isn't DICOM; only DICOM exams can be exported de-identified.")
        self._notes.setText(why_not or "\n".join((*ready.warnings, *ready.missing)))
        self._suggest()
        self._start_button.setEnabled(not why_not and not running and self._complete())
        self._all_the_same.setEnabled(self._start_button.isEnabled())
        for widget in (self._folder, self._browse, self._name, self._subject, self._label, self._secret):
            widget.setEnabled(not running)
        self._close.setText(tr("Cancel"))
        self._progress.setVisible(running)

    def _suggest(self) -> None:
        """Code and folder as the secret gives them, and what they mean."""
        typed = self._typed_secret()
        short = typed is not None and len(typed) < LEAST_BYTES
        names = self._names()
        assert self._exam is not None
        self._subject.suggest(names.subject_of(self._exam.volume.attributes))
        self._name.suggest(FOLDER_PREFIX + clean_stem(self._subject.value).replace(" ", "-"))
        if self._subject.own:
            about = tr("Your own code. Only a list that you keep leads back to the patient.")
        elif typed is None or short:
            about = tr("Random: nothing leads back to the patient, and another copy gets another code.")
        else:
            about = tr("Made of the secret and the patient's number: the same in every copy under this secret.")
        self._about_subject.setText(about)
        self._subject.setAccessibleDescription(about)
        if short:
            about = tr("Too short: a project secret has at least {n} characters.", n=LEAST_BYTES)
        elif typed is None:
            about = tr(
                "The same secret gives the same codes and UIDs in several exports. Keep it yourself; it isn't stored."
            )
        else:
            about = tr(
                "Its mark is {mark}: another mark next time means a typing mistake. It isn't stored.", mark=names.mark
            )
        self._about_secret.setText(about)
        self._secret.setAccessibleDescription(about)

    def _complete(self) -> bool:
        typed = self._typed_secret()
        return bool(self._folder.text().strip() and clean_stem(self._name.value)) and (
            typed is None or len(typed) >= LEAST_BYTES
        )

    @Slot(int, int)
    def _show_progress(self, done: int, total: int) -> None:
        self._progress.setRange(0, total)
        self._progress.setValue(done)

    # --- acting

    def _begin(self, *, accept_burned_in: bool = False) -> None:
        snapshot = self._deidentifying.snapshot(reader=self._session.reader)
        if snapshot is None or self._deidentifying.running:
            return
        parent = Path(self._folder.text().strip()).expanduser()
        self._settings["deidentified_parent"] = str(parent)
        typed = self._typed_secret()
        self._stopping = False
        self._all_the_same.hide()
        self._progress.setRange(0, 0)
        self._deidentifying.start(
            CopyRequest(
                snapshot,
                parent / clean_stem(self._name.value),
                self._subject.value,
                self._label.text().strip(),
                self._own_secret if typed is None else typed,
                project=typed is not None,
                accept_burned_in=accept_burned_in,
            )
        )
        self._message.setText(tr("Making the copy; its folder appears once it was searched for names and numbers…"))
        self._show()

    @Slot(object)
    def _end(self, answer: DeidentifiedExport | None) -> None:
        self._show()
        if answer is None:
            self._message.setText(tr("Cancelled: nothing was written."))
            return
        self._done = True
        self._secret.clear()
        self._message.clear()
        self._message.hide()
        self._progress.hide()
        self._result.tell(answer, self._about_subject.text())
        self._pages.setCurrentWidget(self._result)
        self._start_button.hide()
        self._show_folder.show()
        self._close.setText(tr("Close"))
        self._close.setDefault(True)
        self._close.setFocus()

    @Slot(object)
    def _fail(self, error: Exception) -> None:
        super()._fail(error)
        if isinstance(error, HyRiskError) and error.code == "burned_in":
            self._all_the_same.show()
            self._close.setFocus()

    @Slot()
    def _leave(self) -> None:
        # What to look at before the copy is passed on must be read, whatever is on screen by then.
        if not self._done:
            super()._leave()


def _caption() -> QLabel:
    label = QLabel()
    label.setObjectName("caption")
    label.setWordWrap(True)
    return label


def _contents_box() -> QGroupBox:
    box = QGroupBox(tr("In the new folder"))
    grid = QGridLayout(box)
    grid.setHorizontalSpacing(14)
    grid.setVerticalSpacing(3)
    for row, (name, what) in enumerate(contents().items()):
        grid.addWidget(QLabel(name), row, 0)
        about = _caption()
        about.setText(what)
        grid.addWidget(about, row, 1)
    grid.setColumnStretch(1, 1)
    return box


def _limits_box() -> QGroupBox:
    box = QGroupBox(tr("What is removed, and what can't be"))
    layout = QVBoxLayout(box)
    layout.setSpacing(4)
    gone = QLabel(tr("Removed: names, numbers, dates, age, sex, places, remarks, private elements. UIDs are replaced."))
    gone.setWordWrap(True)
    layout.addWidget(gone)
    for name, text in (
        ("limitBurnedIn", tr("Stays: text burned into the pixels. Look at every image before you pass the copy on.")),
        ("limitAnatomy", tr("Stays: the anatomy, by which a person can be recognised, too.")),
    ):
        label = QLabel(text)
        label.setObjectName(name)
        label.setWordWrap(True)
        layout.addWidget(label)
    layout.addStretch(1)
    return box
