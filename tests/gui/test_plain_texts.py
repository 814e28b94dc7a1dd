"""Texts of others (patients' names, models', nodes', errors') are shown as they are, wherever they show."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QInputDialog, QLabel, QMessageBox, QToolTip, QWidget

import hyrisk_desktop.gui
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.gui.dialogs.message import ErrorDialog
from hyrisk_desktop.gui.plain_texts import is_plain
from tests.gui.conftest import Program

HOSTILE = "<b>DOE</b><img src='file:///etc/passwd'><table><tr><td>0 %"
# Rich on purpose, with nothing but the program's own words in them.
RICH = {"wizardSteps", "cohortHelp"}
_SOURCES = sorted(Path(hyrisk_desktop.gui.__file__).parent.rglob("*.py"))


def shown(widget: QWidget) -> list[QLabel]:
    QApplication.processEvents()
    return [w for w in (widget, *widget.findChildren(QLabel)) if isinstance(w, QLabel)]


def test_every_label_of_the_window_is_plain(program: Program) -> None:
    for label in program.window.findChildren(QLabel):
        label.ensurePolished()
        assert is_plain(label), label.objectName() or label.text()


@pytest.mark.parametrize("make", [QLabel, lambda text: QMessageBox(QMessageBox.Icon.Warning, "x", text)])
def test_labels_and_boxes_show_markup_as_it_is(program: Program, make: type[QWidget]) -> None:
    widget = make(HOSTILE)
    program.qtbot.addWidget(widget)
    if isinstance(widget, QMessageBox):
        widget.setInformativeText(HOSTILE)
    widget.show()
    said = [label for label in shown(widget) if label.text() == HOSTILE]
    assert len(said) == (2 if isinstance(widget, QMessageBox) else 1)
    assert all(map(is_plain, said))


def test_errors_and_questions_show_markup_as_it_is(program: Program) -> None:
    error = ErrorDialog(InputError("x", HOSTILE), program.window)
    question = QInputDialog(program.window)
    question.setLabelText(HOSTILE)
    for dialog in (error, question):
        dialog.show()
        (label,) = [label for label in shown(dialog) if label.text() == HOSTILE]
        assert is_plain(label)
        dialog.close()
    question.deleteLater()


def test_tooltips_show_markup_as_it_is(program: Program) -> None:
    program.window.status.say(HOSTILE)
    label = program.window.findChild(QLabel, "statusMessage")
    assert label is not None
    assert (is_plain(label), label.toolTip()) == (True, HOSTILE)
    QToolTip.showText(program.window.mapToGlobal(QPoint(5, 5)), label.toolTip(), program.window)
    tips = [w for w in QApplication.topLevelWidgets() if isinstance(w, QLabel) and w.text() == HOSTILE]
    assert len(tips) == 1
    assert is_plain(tips[0])
    QToolTip.hideText()


def calls() -> Iterator[tuple[Path, ast.Call, str]]:
    for path in _SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield path, node, node.func.attr


def test_nothing_turns_the_guessing_on_again() -> None:
    """Rich text in two places, Markdown for the model's card and the manual's own pages; nothing else reads markup."""
    rich = [
        (path.name, ast.unparse(node))
        for path, node, name in calls()
        if name == "setTextFormat" and "PlainText" not in ast.unparse(node) and path.name != "plain_texts.py"
    ]
    assert [name for name, _ in rich] == ["cohort_page.py", "wizard.py"]
    for name in ("setHtml", "insertHtml", "appendHtml", "setWhatsThis", "toHtml"):
        assert [path.name for path, _, called in calls() if called == name] == [], name
    assert [path.name for path, _, called in calls() if called == "setMarkdown"] == ["manual_page.py", "message.py"]
    browsers = [path.name for path in _SOURCES if "TextBrowser" in path.read_text(encoding="utf-8")]
    assert browsers == ["manual_page.py"], "which shows what the package brought, never a patient's text"


def test_the_style_is_the_programs_own(program: Program) -> None:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    assert application.property("hyriskPlainTexts") is True
    label = QLabel("<i>x</i>")
    program.qtbot.addWidget(label)
    label.setTextFormat(Qt.TextFormat.RichText)
    label.ensurePolished()
    assert not is_plain(label), "what is rich on purpose stays so"
