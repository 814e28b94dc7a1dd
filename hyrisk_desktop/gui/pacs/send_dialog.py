"""File > Send this reading to the PACS: which objects, to which node, in whose name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QGroupBox,
    QLabel,
    QLineEdit,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.exchange.exports import heat_of, make_files, report_of
from hyrisk_desktop.exchange.formats import formats
from hyrisk_desktop.exchange.preload import collections_paused, import_makers
from hyrisk_desktop.exchange.report import research_use
from hyrisk_desktop.gui.exporting import Exporting, ExportRequest, is_dicom, readiness
from hyrisk_desktop.gui.job_runner import Job, JobContext, JobRunner
from hyrisk_desktop.gui.pacs.service import Pacs
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.i18n import tr

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PICTURED = "pdf_dicom"


class SendReadingDialog(QDialog):
    """Makes the objects off the GUI thread and puts them into the queue; what became of them stands under PACS > Sent."""

    def __init__(
        self, session: Session, exporting: Exporting, runner: JobRunner, pacs: Pacs, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("sendReadingDialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Send this reading to the PACS – research use only"))
        self.setMinimumWidth(560)
        self._session, self._exporting, self._runner, self._pacs = session, exporting, runner, pacs
        self._exam = session.exam
        self._job: Job | None = None
        self.node = QComboBox()
        self.node.setObjectName("sendNode")
        self.node.setAccessibleName(tr("Send to"))
        self.node.addItems([n.name for n in pacs.nodes.all])
        self.node.setCurrentText(pacs.settings["pacs_send_to"])
        self.reader = QLineEdit(session.reader)
        self.reader.setObjectName("sendReader")
        self.reader.setAccessibleName(tr("Reader"))
        self._boxes = {f.key: self._box(f.key, f.title, f.note) for f in formats() if f.dicom}
        self._notes, self._message = QLabel(), QLabel()
        for label, name in ((self._notes, "exportNotes"), (self._message, "sendMessage")):
            label.setObjectName(name)
            label.setWordWrap(True)
            label.setMinimumHeight(36)
            label.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._progress = QProgressBar()
        self._progress.setObjectName("sendProgress")
        self._progress.setAccessibleName(tr("Progress"))
        self._progress.setRange(0, 0)
        kept = self._progress.sizePolicy()
        kept.setRetainSizeWhenHidden(True)
        self._progress.setSizePolicy(kept)
        self._assemble()
        for signal in (session.risk_changed, session.read_changed):
            signal.connect(self._show)
        session.exam_changed.connect(self._leave)
        self._show()

    def _box(self, key: str, title: str, note: str) -> QCheckBox:
        box = QCheckBox(f"{title}: {note}")
        box.setObjectName(f"send_{key}")
        box.setChecked(key in self._pacs.settings["pacs_send_formats"])
        box.toggled.connect(self._show)
        return box

    def _assemble(self) -> None:
        form = QFormLayout()
        form.addRow(tr("Send to"), self.node)
        form.addRow(tr("Reader"), self.reader)
        group = QGroupBox(tr("Objects, in the exam's own study"))
        inside = QVBoxLayout(group)
        for box in self._boxes.values():
            inside.addWidget(box)
        buttons = QDialogButtonBox()
        self._send = buttons.addButton(tr("Send"), QDialogButtonBox.ButtonRole.ActionRole)
        self._send.setObjectName("startSending")
        self._send.clicked.connect(self._begin)
        buttons.addButton(tr("Cancel"), QDialogButtonBox.ButtonRole.RejectRole)
        buttons.rejected.connect(self.reject)
        research = QLabel(research_use())
        research.setObjectName("researchNotice")
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        for widget in (group, self._notes, research, self._progress, self._message, buttons):
            layout.addWidget(widget)
        self._send.setDefault(True)

    # --- showing

    def _why_not(self) -> str:
        if not self._pacs.nodes.all:
            return tr("No PACS is set up yet: File > PACS, “Nodes”.")
        if self._exam is None or not is_dicom(self._exam):
            return tr("This exam isn't DICOM, so no DICOM object can refer to its images.")
        if self._exam.synthetic:
            return tr("A synthetic exam has no place in a PACS.")
        return readiness(self._session).why_not

    @Slot()
    def _show(self, *_: object) -> None:
        ready, why_not, busy = readiness(self._session), self._why_not(), self._job is not None
        self._notes.setText(why_not or "\n".join((*ready.warnings, *ready.missing)))
        self._send.setEnabled(not why_not and not busy and any(b.isChecked() for b in self._boxes.values()))
        for widget in (self.node, self.reader, *self._boxes.values()):
            widget.setEnabled(not busy)
        self._progress.setVisible(busy)

    # --- acting

    @Slot()
    def _begin(self) -> None:
        snapshot = self._exporting.snapshot()
        if snapshot is None or self._job is not None:
            return
        keys = [key for key, box in self._boxes.items() if box.isChecked()]
        self._pacs.settings["pacs_send_to"] = self.node.currentText()
        self._pacs.settings["pacs_send_formats"] = keys
        request = replace(snapshot, reader=self.reader.text().strip())
        self._message.setText(tr("Making the objects…"))
        if request.heat is None and request.predictor is not None and _PICTURED in keys:
            self._explain(request, keys)
        else:
            self._make(request, keys)
        self._show()

    def _explain(self, request: ExportRequest, keys: list[str]) -> None:
        """First, on the model's thread, what the page's map needs."""
        predictor = request.predictor
        assert predictor is not None

        def work(_: JobContext) -> NDArray[np.float32] | None:
            return heat_of(request.exam.volume, request.measurement, predictor)

        def done(heat: NDArray[np.float32] | None) -> None:
            self._make(replace(request, heat=heat), keys)

        self._job = Job("explaining for a report", work, done, self._fail, self._cancelled)
        self._runner.run_model(self._job)

    def _make(self, request: ExportRequest, keys: list[str]) -> None:
        token = None if self._job is None else self._job.token

        def work(context: JobContext) -> list[bytes]:
            import_makers()
            report = report_of(
                request.exam.record, request.exam.volume, request.measurement, request.predictor,
                reader=request.reader, heat=request.heat,
            )  # fmt: skip
            with collections_paused():
                made = make_files({key: key for key in keys}, report, check=context.token.raise_if_cancelled)
            return list(made.values())

        job = Job("making objects to send", work, self._queue, self._fail, self._cancelled)
        # A cancel between the two jobs counts.
        self._job = job if token is None else replace(job, token=token)
        self._runner.run_io(self._job)

    def _queue(self, objects: list[bytes]) -> None:
        self._job = None
        self._pacs.sending.queue(self.node.currentText(), objects)
        self.accept()

    @Slot(object)
    def _fail(self, error: Exception) -> None:
        self._cancelled()
        unexpected = tr("Nothing was sent; see the log.")
        self._message.setText(error.message if isinstance(error, HyRiskError) else unexpected)

    def _cancelled(self) -> None:
        self._job = None
        self._message.setText(tr("Cancelled: nothing was sent."))
        self._show()

    @Slot()
    def _leave(self) -> None:
        """Another exam has come on screen: this dialog was about the one before."""
        now = self._session.exam
        if now is None or self._exam is None or now.exam_id != self._exam.exam_id:
            if self._job is not None:
                self._job.cancel()
            super().reject()

    def reject(self) -> None:
        """Cancel what runs; with nothing running, close."""
        if self._job is not None:
            self._message.setText(tr("Stopping…"))
            self._job.cancel()
        else:
            super().reject()
