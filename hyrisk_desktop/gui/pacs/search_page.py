"""Search the PACS, look at what is found, fetch it."""

from __future__ import annotations

from datetime import date, timedelta

from PySide6.QtCore import QDate, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QDateEdit,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.exchange.pacs.query import LIMIT, Query, SeriesMatch, StudyMatch
from hyrisk_desktop.gui.appearance import set_tone
from hyrisk_desktop.gui.pacs.fields import shown_name
from hyrisk_desktop.gui.pacs.service import Pacs
from hyrisk_desktop.gui.pacs.transfers import Transfer, TransferState
from hyrisk_desktop.gui.plain_table import RowsModel, red_if, selected, table_view
from hyrisk_desktop.gui.sentences import sentence_of
from hyrisk_desktop.gui.services.job_runner import Job
from hyrisk_desktop.i18n import day_pattern, day_text, tr

_ANY, _TODAY, _WEEK, _MONTH, _RANGE = range(5)


class SearchPage(QWidget):
    """Fields above, studies and the series of the selected one in the middle, retrievals below.

    Signals:
        nodes_wanted: there is no node yet, and the user wants to add one.
    """

    nodes_wanted = Signal()

    def __init__(self, pacs: Pacs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pacs = pacs
        self._job: Job | None = None
        self._series_job: Job | None = None
        self._found_at = ""
        self._make_fields()
        self._make_tables()
        self._message = QLabel()
        self._message.setObjectName("pacsMessage")
        self._message.setWordWrap(True)
        self._message.setMinimumHeight(36)
        self._message.setAlignment(Qt.AlignmentFlag.AlignVCenter)
        self._assemble()
        pacs.nodes.changed.connect(self._show_nodes)
        pacs.transfers.changed.connect(self._show_transfers)
        self._show_nodes()
        self._show_transfers()

    # --- parts

    def _make_fields(self) -> None:
        self.node = QComboBox()
        self.node.setObjectName("pacsNode")
        self.node.setAccessibleName(tr("Node to search"))
        self._fields = {
            "patient_id": QLineEdit(), "name": QLineEdit(), "accession": QLineEdit(), "description": QLineEdit(),
        }  # fmt: skip
        names = (tr("Patient ID"), tr("Patient name"), tr("Accession number"), tr("Study description"))
        for (key, field), name in zip(self._fields.items(), names, strict=True):
            field.setObjectName(f"query_{key}")
            field.setAccessibleName(name)
            field.setMaxLength(64)
            field.returnPressed.connect(self.search)
        self._fields["name"].setPlaceholderText(tr("Beginning of the family name"))
        self.modality = QComboBox()
        self.modality.setObjectName("query_modality")
        self.modality.setAccessibleName(tr("Modality"))
        for modality, text in (("CT", "CT"), ("", tr("Any"))):
            self.modality.addItem(text, modality)
        self.period = QComboBox()
        self.period.setObjectName("query_period")
        self.period.setAccessibleName(tr("Study date"))
        self.period.addItems([tr("Any date"), tr("Today"), tr("Last 7 days"), tr("Last 30 days"), tr("From – to")])
        self.period.currentIndexChanged.connect(self._show_dates)
        self.first, self.last = QDateEdit(QDate.currentDate().addYears(-1)), QDateEdit(QDate.currentDate())
        for day, name, title in ((self.first, "query_from", tr("From")), (self.last, "query_to", tr("To"))):
            day.setObjectName(name)
            day.setAccessibleName(title)
            day.setCalendarPopup(True)
            day.setDisplayFormat(day_pattern().replace("%Y", "yyyy").replace("%m", "MM").replace("%d", "dd"))
        self.search_button = QPushButton(tr("Search"))
        self.search_button.setObjectName("pacsSearch")
        # Enter in a field searches already; a default button would do it a second time, and stop it.
        self.search_button.setAutoDefault(False)
        self.search_button.clicked.connect(self.search)

    def _make_tables(self) -> None:
        self._studies = RowsModel(
            (tr("Patient"), tr("ID"), tr("Born"), tr("Study date"), tr("Accession"), tr("Modality"), tr("Images"), tr("Description")),
            _study_texts, parent=self,
        )  # fmt: skip
        self.studies = table_view(self._studies, "pacsStudies", tr("Studies found"), (180, 110, 84, 84, 100, 70, 60))
        self.studies.selectionModel().selectionChanged.connect(self._list_series)
        self.studies.activated.connect(self.retrieve)
        self._series = RowsModel(
            (tr("Series"), tr("Modality"), tr("Images"), tr("Description")), _series_texts, parent=self
        )
        self.series = table_view(self._series, "pacsSeries", tr("Series of the study"), (60, 70, 60))
        self.series.selectionModel().selectionChanged.connect(self._show_states)
        self._transfers = RowsModel(
            (tr("Patient"), tr("Study date"), tr("Node"), tr("State"), tr("Objects"), tr("What to know")), _transfer_texts,
            red_if(lambda t: t.state is TransferState.FAILED), self,
        )  # fmt: skip
        self.transfers = table_view(self._transfers, "pacsTransfers", tr("Retrievals"), (180, 84, 110, 90, 110))
        self.transfers.selectionModel().selectionChanged.connect(self._show_states)
        self.retrieve_button = _button(tr("Retrieve"), "pacsRetrieve", self.retrieve)
        self.cancel_button = _button(tr("Cancel"), "pacsCancelTransfer", self._cancel)
        self.again_button = _button(tr("Go on"), "pacsGoOn", self._go_on)
        self.list_button = _button(tr("Open the worklist of what came"), "pacsOpenList", self._pacs.arrivals.open_list)

    def _assemble(self) -> None:
        grid = QGridLayout()
        left, right = QFormLayout(), QFormLayout()
        for form, keys in ((left, ("patient_id", "name")), (right, ("accession", "description"))):
            for key in keys:
                form.addRow(self._fields[key].accessibleName(), self._fields[key])
        dates = QHBoxLayout()
        for widget in (self.period, self.first, self.last):
            dates.addWidget(widget)
        dates.addStretch(1)
        third = QFormLayout()
        third.addRow(tr("Modality"), self.modality)
        third.addRow(tr("Study date"), dates)
        for column, form in enumerate((left, right, third)):
            grid.addLayout(form, 0, column)
            grid.setColumnStretch(column, 3 if column < 2 else 4)
        where = QHBoxLayout()
        where.addWidget(QLabel(tr("Search in")))
        where.addWidget(self.node, 1)
        where.addWidget(self.search_button)
        buttons = QHBoxLayout()
        buttons.addWidget(self.retrieve_button)
        buttons.addStretch(1)
        for button in (self.list_button, self.again_button, self.cancel_button):
            buttons.addWidget(button)
        split = QSplitter(Qt.Orientation.Vertical)
        for table, stretch in ((self.studies, 5), (self.series, 2), (self.transfers, 3)):
            split.addWidget(table)
            split.setStretchFactor(split.count() - 1, stretch)
        split.setChildrenCollapsible(False)
        layout = QVBoxLayout(self)
        layout.addLayout(where)
        layout.addLayout(grid)
        layout.addWidget(self._message)
        layout.addWidget(split, 1)
        layout.addLayout(buttons)
        self._show_dates()

    # --- searching

    def query(self) -> Query:
        """What is asked for."""
        texts = {key: field.text().strip() for key, field in self._fields.items()}
        first, last = self._dates()
        return Query(**texts, modality=self.modality.currentData(), date_from=first, date_to=last)

    def _dates(self) -> tuple[date | None, date | None]:
        today = date.today()
        match self.period.currentIndex():
            case 1:
                return today, today
            case 2:
                return today - timedelta(days=6), today
            case 3:
                return today - timedelta(days=29), today
            case 4:
                return _python_date(self.first.date()), _python_date(self.last.date())
        return None, None

    def search_patient(self, patient_id: str) -> None:
        """Search for one patient's exams of any date, whatever was being searched for."""
        if self._job is not None:
            self.search()
        for key, field in self._fields.items():
            field.setText(patient_id if key == "patient_id" else "")
        self.period.setCurrentIndex(0)
        self.search()

    @Slot()
    def search(self) -> None:
        """Search, or stop searching."""
        if self._job is not None:
            self._job.cancel()
            self._end(tr("The search was stopped."))
            return
        node = self._pacs.nodes.named(self.node.currentText())
        if node is None:
            self.nodes_wanted.emit()
            return
        query = self.query()
        try:
            query.check()
        except HyRiskError as e:
            self._tell(e.message, bad=True)
            return
        self._studies.show(())
        self._series.show(())
        self._found_at = node.name
        self._tell(tr("Searching in {node}…", node=node.name))
        self.search_button.setText(tr("Stop"))

        def done(found: tuple[StudyMatch, ...]) -> None:
            # A search that was stopped, and answered all the same, is not what is asked now.
            if self._job is job:
                self._studies.show(found)
                self._end(_found_text(len(found)))
                if found:
                    self.studies.selectRow(0)
                    self.studies.setFocus()

        def failed(error: Exception) -> None:
            if self._job is job:
                self._end(sentence_of(error), bad=True)

        job = self._pacs.nodes.search(node, query, done, failed)
        self._job = job

    def _end(self, text: str, *, bad: bool = False) -> None:
        self._job = None
        self.search_button.setText(tr("Search"))
        self._tell(text, bad=bad)
        self._show_states()

    @Slot()
    def _list_series(self) -> None:
        """The series of the one study that is selected."""
        if self._series_job is not None:
            self._series_job.cancel()
            self._series_job = None
        self._series.show(())
        self._show_states()
        studies = selected(self.studies)
        node = self._pacs.nodes.named(self._found_at)
        if len(studies) != 1 or node is None:
            return

        def done(found: tuple[SeriesMatch, ...]) -> None:
            if self._series_job is job:
                self._series.show(found)

        def failed(error: Exception) -> None:
            if self._series_job is job:
                self._tell(sentence_of(error), bad=True)

        job = self._pacs.nodes.series(node, studies[0].study_uid, done, failed)
        self._series_job = job

    # --- fetching

    @Slot()
    def retrieve(self, *_: object) -> None:
        """Fetch the selected series, or the selected studies."""
        node, studies = self._pacs.nodes.named(self._found_at), selected(self.studies)
        if node is None:
            return
        series = tuple(selected(self.series)) if len(studies) == 1 else ()
        for study in studies:
            self._pacs.transfers.add(node, study, series)
        self.transfers.scrollToBottom()

    @Slot()
    def _cancel(self) -> None:
        for transfer in selected(self.transfers):
            self._pacs.transfers.cancel(transfer.number)

    @Slot()
    def _go_on(self) -> None:
        for transfer in selected(self.transfers):
            self._pacs.transfers.go_on(transfer.number)

    # --- showing

    @Slot()
    def _show_nodes(self) -> None:
        chosen = self.node.currentText()
        self.node.clear()
        self.node.addItems([n.name for n in self._pacs.nodes.all])
        self.node.setCurrentText(chosen)
        if not self._pacs.nodes.all:
            self._tell(tr("No PACS is set up yet: describe yours under “Nodes”."))
        elif self._message.text().startswith(tr("No PACS")):
            self._tell("")
        self._show_states()

    @Slot()
    def _show_transfers(self) -> None:
        self._transfers.show(self._pacs.transfers.all)
        self._show_states()

    @Slot()
    def _show_states(self) -> None:
        states = {t.state for t in selected(self.transfers)}
        self.retrieve_button.setEnabled(bool(self.studies.selectionModel().hasSelection()))
        what = tr("Retrieve the series") if self.series.selectionModel().hasSelection() else tr("Retrieve")
        self.retrieve_button.setText(what)
        self.cancel_button.setEnabled(bool(states & {TransferState.WAITING, TransferState.RUNNING}))
        self.again_button.setEnabled(bool(states & {TransferState.FAILED, TransferState.CANCELLED}))

    @Slot()
    def _show_dates(self) -> None:
        for field in (self.first, self.last):
            field.setVisible(self.period.currentIndex() == _RANGE)

    def _tell(self, text: str, *, bad: bool = False) -> None:
        self._message.setText(text)
        set_tone(self._message, "bad" if bad else "")


def _button(text: str, name: str, act: object) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setAutoDefault(False)
    button.clicked.connect(act)
    return button


def _python_date(day: QDate) -> date:
    return date(day.year(), day.month(), day.day())


def _found_text(count: int) -> str:
    if not count:
        return tr("Nothing fits. Search with fewer letters or a longer period.")
    if count >= LIMIT:
        return tr("The first {n} studies that fit; search more narrowly to see the others.", n=count)
    if count == 1:
        return tr("One study. Enter or a double click retrieves it into the worklist.")
    return tr("{n} studies. Enter or a double click retrieves one into the worklist.", n=count)


def _study_texts(study: StudyMatch) -> tuple[str, ...]:
    images = "" if study.instances is None else str(study.instances)
    return (
        shown_name(study.patient_name), study.patient_id, day_text(study.birth_date), day_text(study.study_date),
        study.accession, ", ".join(study.modalities), images, study.description,
    )  # fmt: skip


def _series_texts(series: SeriesMatch) -> tuple[str, ...]:
    return series.number, series.modality, "" if series.instances is None else str(series.instances), series.description


def _transfer_texts(transfer: Transfer) -> tuple[str, ...]:
    states = {
        TransferState.WAITING: tr("waiting"), TransferState.RUNNING: tr("retrieving"), TransferState.DONE: tr("complete"),
        TransferState.FAILED: tr("failed"), TransferState.CANCELLED: tr("cancelled"),
    }  # fmt: skip
    objects = tr("{done} of {total}", done=transfer.done, total=transfer.total) if transfer.total else ""
    name = _study_texts(transfer.study)[0] or transfer.study.patient_id
    return (
        name,
        day_text(transfer.study.study_date),
        transfer.node.name,
        states[transfer.state],
        objects,
        transfer.message,
    )
