"""Fields of the PACS window's forms, and what its pages word alike."""

from __future__ import annotations

from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

from hyrisk_desktop.i18n import tr


def shown_name(text: str) -> str:
    """A DICOM person name, or a text with one, as a table shows it: all groups and components, without carets."""
    return text.replace("^", ", ", 1).replace("^", " ")


def text_field(name: str, title: str, text: str = "") -> QLineEdit:
    """A line of text."""
    field = QLineEdit(text)
    field.setObjectName(name)
    field.setAccessibleName(title)
    return field


def file_row(name: str, title: str, empty: str, text: str = "") -> tuple[QLineEdit, QWidget]:
    """A field for a PEM file, and the row that holds it and its button; ``empty``: what no file means.

    Args:
        name: objectName. title: for screen readers. text: what the field begins with.
    """
    field = text_field(name, title, text)
    field.setPlaceholderText(empty)
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    browse = QPushButton(tr("Browse…"))
    browse.setAutoDefault(False)

    def choose() -> None:
        kinds = tr("PEM files (*.pem *.crt *.cer *.key);;All files (*)")
        path, _ = QFileDialog.getOpenFileName(row, title, field.text(), kinds)
        if path:
            field.setText(path)
            field.editingFinished.emit()

    browse.clicked.connect(choose)
    layout.addWidget(field, 1)
    layout.addWidget(browse)
    return field, row
