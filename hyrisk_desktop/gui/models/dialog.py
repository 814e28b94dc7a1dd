"""Tools > Models: what is installed, which model speaks, and everything that can be done with one."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import (
    QDialogButtonBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QMenu,
    QMessageBox,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.gui.appearance import colour
from hyrisk_desktop.gui.dialogs.message import TextDialog
from hyrisk_desktop.gui.letters import LetteredDialog, give_letters
from hyrisk_desktop.gui.models.comparison import ComparisonDialog
from hyrisk_desktop.gui.models.shelf import Comparison, ModelShelf, Shelf
from hyrisk_desktop.gui.plain_table import ItemTable
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.i18n import decimal, tr
from hyrisk_desktop.risk.bundle_files import read_card
from hyrisk_desktop.risk.model_store import InstalledModel
from hyrisk_desktop.risk.model_summary import auc_of, summarise, synthetic
from hyrisk_desktop.settings import Settings


class ModelsDialog(LetteredDialog):
    """The shelf as a table; work is done by the `ModelShelf`, and the dialog shows how it went."""

    def __init__(self, shelf: ModelShelf, session: Session, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("modelsDialog")
        self.setWindowTitle(tr("Models"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(1180, 460)
        self._shelf, self._session, self._settings = shelf, session, settings
        self._state = Shelf()
        self._table = self._make_table()
        self._note = QLabel()
        self._note.setObjectName("modelsNote")
        self._note.setAccessibleName(tr("About the selected model"))
        self._note.setWordWrap(True)
        self._note.setMinimumHeight(38)
        self._note.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._buttons = self._make_buttons()
        close = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        close.rejected.connect(self.close)
        close.button(QDialogButtonBox.StandardButton.Close).setAutoDefault(False)
        layout = QVBoxLayout(self)
        head = QLabel(
            tr(
                "The model in use reads risks from now on, here and on the command line; those read before stay. It is tested when installed."
            )
        )
        head.setWordWrap(True)
        layout.addWidget(head)
        layout.addWidget(self._table, 1)
        layout.addWidget(self._note)
        layout.addLayout(self._button_row())
        layout.addWidget(close)
        shelf.changed.connect(self._show)
        shelf.compared.connect(self._show_comparison)
        shelf.told.connect(self._tell)
        shelf.busy_changed.connect(self._show_busy)
        shelf.doubtful.connect(self._ask_anyway)
        self._show_selection()
        shelf.refresh()

    def _make_table(self) -> QTableWidget:
        headers = (
            tr("State"),
            tr("Model"),
            tr("Network"),
            tr("Score input"),
            tr("Trained on"),
            tr("Date"),
            tr("AUC: RiskNet / HyRiskNet"),
            tr("SHA-256"),
        )
        several = QTableWidget.SelectionMode.ExtendedSelection
        table = ItemTable("modelsTable", tr("Installed models"), headers, wide=1, selection=several)
        table.setTabKeyNavigation(False)
        table.setShowGrid(False)
        header = table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setHighlightSections(False)
        table.itemSelectionChanged.connect(self._show_selection)
        return table

    def _make_buttons(self) -> dict[str, QPushButton]:
        importing = QMenu(self)
        importing.addAction(tr("From a zip…"), self._import_zip)
        importing.addAction(tr("From a model's folder…"), self._import_folder)
        texts = {
            "activate": (tr("&Activate"), self._activate),
            "roll_back": (tr("&Roll back"), self._shelf.roll_back),
            "card": (tr("&Card"), self._show_card),
            "compare": (tr("C&ompare"), self._compare),
            "import": (tr("&Import"), None),
            "export": (tr("&Export…"), self._export),
            "remove": (tr("Re&move…"), self._remove),
        }
        buttons = {}
        for key, (text, act) in texts.items():
            button = QPushButton(text)
            button.setObjectName(f"{key}Model")
            button.setAutoDefault(False)
            if act is not None:
                button.clicked.connect(lambda *_, act=act: act())
            buttons[key] = button
        buttons["import"].setMenu(importing)
        return buttons

    def _button_row(self) -> QGridLayout:
        row = QGridLayout()
        for column, button in enumerate(self._buttons.values()):
            row.addWidget(button, 0, column)
        row.setColumnStretch(len(self._buttons), 1)
        return row

    # --- showing

    @Slot(object)
    def _show(self, shelf: Shelf) -> None:
        kept = {model.name for model in self._selected()}
        self._state = shelf
        self._table.blockSignals(True)
        self._table.setRowCount(len(shelf.models))
        self._table.clearSelection()
        for row, model in enumerate(shelf.models):
            self._fill(row, model)
        for row, model in enumerate(shelf.models):
            if model.name in kept or (not kept and model.active):
                for column in range(self._table.columnCount()):
                    if (item := self._table.item(row, column)) is not None:
                        item.setSelected(True)
        self._table.blockSignals(False)
        self._show_selection()

    def _fill(self, row: int, model: InstalledModel) -> None:
        texts = _row_texts(model)
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            item.setToolTip(model.problem or text)
            if model.bundle is None and column == 0:
                item.setForeground(colour("bad"))
            elif model.active and column == 0:
                item.setForeground(colour("link"))
            self._table.setItem(row, column, item)

    @Slot()
    def _show_selection(self) -> None:
        selected, busy = self._selected(), self._shelf.busy
        one = selected[0] if len(selected) == 1 else None
        good = one is not None and one.bundle is not None
        enabled = {
            "activate": good and one is not None and not one.active,
            "roll_back": self._state.previous is not None,
            "card": one is not None,
            "compare": len(selected) == 2 and all(model.bundle is not None for model in selected),
            "import": True,
            "export": good,
            "remove": one is not None and not one.active and not one.bundled,
        }
        for key, button in self._buttons.items():
            button.setEnabled(enabled[key] and not busy)
        previous = self._state.previous
        self._buttons["roll_back"].setToolTip(
            tr("Back to “{title}”", title=previous.title) if previous else tr("There is no earlier model.")
        )
        self._buttons["compare"].setToolTip(tr("Select two models (Ctrl+click)."))
        if not busy:
            self._note.setText(self._about(selected))

    def _about(self, selected: list[InstalledModel]) -> str:
        problems = [tr("“{name}”: {problem}", name=m.title, problem=m.problem) for m in selected if m.problem]
        if self._state.warning and not problems:
            return self._state.warning
        if problems:
            return "\n".join(problems)
        if len(selected) == 1 and selected[0].bundle is not None:
            text = tr("Folder name for the command line: {name}.", name=selected[0].name)
            if synthetic(selected[0].bundle):
                text += " " + tr("Trained on synthetic phantoms: its figures say nothing about patients.")
            return text
        return tr("Two models are selected: “Compare” shows them side by side.") if len(selected) == 2 else ""

    def _selected(self) -> list[InstalledModel]:
        rows = sorted({index.row() for index in self._table.selectedIndexes()})
        return [self._state.models[row] for row in rows if row < len(self._state.models)]

    @Slot(str)
    def _show_busy(self, what: str) -> None:
        self._show_selection()
        if what:
            self._note.setText(what)

    @Slot(str)
    def _tell(self, sentence: str) -> None:
        self._note.setText(sentence)

    # --- doing

    @property
    def _device(self) -> str | None:
        return self._settings["device"] or None

    def _activate(self) -> None:
        self._shelf.activate(self._selected()[0].name)

    def _show_card(self) -> None:
        model = self._selected()[0]
        TextDialog(tr("Model card: {name}", name=model.title), read_card(model.directory), self, markdown=True).open()

    def _compare(self) -> None:
        one, other = self._selected()
        # At the prevalence that the window's own risks assume, or the model in use would say two things of one exam.
        self._shelf.compare(one, other, self._device, self._settings["prevalence"] or None)

    @Slot(object)
    def _show_comparison(self, comparison: Comparison) -> None:
        ComparisonDialog(comparison, self._session, self).open()

    def _import_zip(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, tr("Import a model"), str(Path.home()), tr("Models (*.zip)"))
        if name:
            self._shelf.import_model(Path(name), self._device)

    def _import_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, tr("Import a model"), str(Path.home()))
        if name:
            self._shelf.import_model(Path(name), self._device)

    @Slot(object, str)
    def _ask_anyway(self, source: Path, doubt: str) -> None:
        text = tr("{doubt} Install and use this model all the same?", doubt=doubt)
        question = QMessageBox(
            QMessageBox.Icon.Warning, tr("Import a model"), text, QMessageBox.StandardButton.Cancel, self
        )
        question.setObjectName("doubtQuestion")
        question.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        install = question.addButton(tr("Install all the same"), QMessageBox.ButtonRole.AcceptRole)
        install.setObjectName("confirmInstall")
        install.clicked.connect(lambda *_: self._shelf.import_model(source, self._device, anyway=True))
        give_letters(question)
        question.open()

    def _export(self) -> None:
        model = self._selected()[0]
        suggestion = str(Path.home() / f"{model.name}.zip")
        name, _ = QFileDialog.getSaveFileName(self, tr("Export the model"), suggestion, tr("Models (*.zip)"))
        if name:
            self._shelf.export_model(model.name, Path(name))

    def _remove(self) -> None:
        model = self._selected()[0]
        question = QMessageBox(
            QMessageBox.Icon.Question,
            tr("Remove the model?"),
            tr(
                "“{title}” will be deleted from this machine. Export it first if it may be needed again.",
                title=model.title,
            ),
            QMessageBox.StandardButton.Cancel,
            self,
        )
        question.setObjectName("removeQuestion")
        question.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        remove = question.addButton(tr("Remove"), QMessageBox.ButtonRole.DestructiveRole)
        remove.setObjectName("confirmRemove")
        remove.clicked.connect(lambda *_: self._shelf.remove(model.name))
        give_letters(question)
        question.open()


def _row_texts(model: InstalledModel) -> tuple[str, ...]:
    if model.bundle is None:
        return (tr("✖ damaged"), model.title, "", "", "", "", "", "")
    summary = summarise(model.bundle)
    values = [auc_of(model.bundle, head) for head in ("risknet", "hyrisknet")]
    aucs = " / ".join("–" if v is None else decimal(v[0], ".2f") for v in values)
    if values == [None, None]:
        aucs = "–"
    elif synthetic(model.bundle):
        aucs = tr("{aucs} (synthetic)", aucs=aucs)
    state = tr("● in use") if model.active else tr("good")
    trained = summary.trained_on
    return (state, summary.name, summary.network, summary.score_input, trained, summary.date, aucs, summary.sha256[:12])
