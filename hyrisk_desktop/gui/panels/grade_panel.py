"""Grade buttons 0 to 3 with a reference picture each, and a field for a mean of readers."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt, Signal, Slot
from PySide6.QtGui import QIcon, QKeyEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.calcium.grading import GRADES, grade_word
from hyrisk_desktop.gui.appearance import NO_LIMIT, scaled
from hyrisk_desktop.gui.number_box import NumberBox
from hyrisk_desktop.gui.panels.vessel_sheet import VesselSheet
from hyrisk_desktop.gui.panels.wheel import only_focused_wheel
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.paths import resources_dir

_UNSET = -0.1
_EDITING = (Qt.Key.Key_Backspace, Qt.Key.Key_Delete, Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down)
_DIGITS = {Qt.Key.Key_0: 0, Qt.Key.Key_1: 1, Qt.Key.Key_2: 2, Qt.Key.Key_3: 3}


class GradePanel(QGroupBox):
    """Shows and sets the session's grade. Bare digits 0-3 work while anything in it has the focus."""

    entered = Signal()
    """Enter was pressed in the field: the reader is done there."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        self._title = tr("Coronary artery calcification, grade")
        super().__init__(self._title, parent)
        self._session = session
        self._group = QButtonGroup(self)
        self._group.setExclusive(False)
        layout = QVBoxLayout(self)
        # In its place before it is filled: PySide keeps an object for each item of a layout that comes filled, also when a widget moves to
        # another layout and Qt deletes the item. What is then made at that address ends the program as it is deleted.
        self._row, self._below = row, below = QHBoxLayout(), QHBoxLayout()
        layout.addLayout(row)
        layout.addLayout(below)
        row.setSpacing(6)
        for grade in GRADES:
            button = self._button(grade)
            self._group.addButton(button, grade)
            row.addWidget(button)
        self._group.idClicked.connect(self._click)
        self._value = NumberBox()
        self._value.setObjectName("gradeValue")
        self._value.setAccessibleName(tr("Grade, also fractional"))
        self._value.setRange(_UNSET, 3.0)
        self._value.setDecimals(2)
        self._value.setSingleStep(0.25)
        self._value.setSpecialValueText("–")
        self._value.setKeyboardTracking(False)
        self._value.valueChanged.connect(self._enter)
        self._value.lineEdit().returnPressed.connect(self.entered)
        only_focused_wheel(self._value)
        self._value.setToolTip(tr("Mean of readers"))
        self._caption = QLabel(tr("&Mean of readers"))
        self._caption.setBuddy(self._value)
        self._note = QLabel(tr("Pictures: synthetic phantoms"))
        self._note.setObjectName("caption")
        below.addWidget(self._note, 1)
        below.addWidget(self._caption)
        below.addWidget(self._value)
        self.vessels = VesselSheet(session)
        layout.addWidget(self.vessels)
        for widget in (*self._group.buttons(), self._value):
            widget.installEventFilter(self)
        # What was typed before a key or a button that is none of the field's is this exam's grade, and would be forgotten with the next.
        session.acted.connect(self._value.interpretText)
        session.read_changed.connect(self._show)
        session.exam_changed.connect(self._show)
        self._show()

    def _button(self, grade: int) -> QToolButton:
        button = QToolButton()
        button.setObjectName(f"grade{grade}")
        word = grade_word(grade)
        button.setText(tr("{grade} {word}", grade=grade, word=word))
        button.setAccessibleName(tr("Grade {grade}, {word}", grade=grade, word=word))
        button.setToolTip(
            tr("Grade {grade}, {word} (Alt+{grade}). The picture is a synthetic phantom.", grade=grade, word=word)
        )
        button.setCheckable(True)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        picture = resources_dir() / "grades" / f"grade{grade}.png"
        if picture.is_file():
            button.setIcon(QIcon(str(picture)))
        button.setIconSize(QSize(scaled(58), scaled(58)))
        # The row shares the panel's width evenly, whatever the words' lengths.
        button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        return button

    def set_compact(self, compact: bool) -> None:
        """Words without pictures and all in one row, where room is short."""
        style = Qt.ToolButtonStyle
        for button in self._group.buttons():
            assert isinstance(button, QToolButton)
            button.setToolButtonStyle(style.ToolButtonTextOnly if compact else style.ToolButtonTextUnderIcon)
            # In one row with the field the longest word needs more than an even share.
            self._row.setStretchFactor(button, button.sizeHint().width() if compact else 1)
        for label in (self._note, self._caption):
            label.setHidden(compact)
        self._value.setMaximumWidth(scaled(62) if compact else NO_LIMIT)
        (self._row if compact else self._below).addWidget(self._value)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Bare digits grade here, although they choose window presets elsewhere; other shortcuts keep working."""
        if isinstance(event, QKeyEvent) and watched is self._value and event.type() == QEvent.Type.ShortcutOverride:
            # A field claims every letter and Ctrl+Z for itself, but only numbers can be typed into this one.
            typed = event.key() in _EDITING or event.text() in tuple("0123456789.,")
            if not typed or event.modifiers() & Qt.KeyboardModifier.ControlModifier:
                event.ignore()
                return True
        if isinstance(event, QKeyEvent) and isinstance(watched, QToolButton):
            if event.type() == QEvent.Type.KeyPress and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self.entered.emit()
                return True
            grade = _DIGITS.get(Qt.Key(event.key()))
            modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
            if grade is not None and modifiers == Qt.KeyboardModifier.NoModifier:
                if event.type() == QEvent.Type.ShortcutOverride:
                    event.accept()
                    return True
                if event.type() == QEvent.Type.KeyPress:
                    self._session.set_grade(grade)
                    return True
        return super().eventFilter(watched, event)

    @Slot(int)
    def _click(self, grade: int) -> None:
        self._session.set_grade(grade)
        self._show()

    @Slot(float)
    def _enter(self, value: float) -> None:
        self._session.set_grade(None if value < 0 else value)

    @Slot()
    def _show(self) -> None:
        grade = self._session.read.grade
        locked = self._session.read.locked
        self.setTitle(tr("{title} (locked)", title=self._title) if locked else self._title)
        self.setEnabled(self._session.can_measure)
        for widget in (*self._group.buttons(), self._value):
            widget.setEnabled(not locked)
        for button in self._group.buttons():
            button.setChecked(self._group.id(button) == grade)
        self._value.blockSignals(True)
        self._value.setValue(_UNSET if grade is None else grade)
        self._value.blockSignals(False)
