"""Two models side by side: what they are, what they reached, and what each says about the exam now open."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.exchange.reports.report import percent
from hyrisk_desktop.gui.letters import LetteredDialog
from hyrisk_desktop.gui.models.shelf import Comparison
from hyrisk_desktop.gui.plain_table import ItemTable
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.i18n import decimal, tr
from hyrisk_desktop.risk import RiskReading
from hyrisk_desktop.risk.bundle import ModelBundle
from hyrisk_desktop.risk.model_store import InstalledModel
from hyrisk_desktop.risk.model_summary import auc_of, levels_text, summarise, synthetic
from hyrisk_desktop.risk.preprocessing import Preprocessing
from hyrisk_desktop.standing import SHOWN, Standing, risk_standing

NOTHING = "–"
Row = tuple[str, str, str]


class ComparisonDialog(LetteredDialog):
    """A table of two columns; the exam's rows go as soon as the exam or its read is another."""

    def __init__(self, comparison: Comparison, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("comparisonDialog")
        self.setWindowTitle(tr("Compare two models"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(1020, 740)
        self._comparison, self._session = comparison, session
        titles = ("", *(model.title for model in comparison.models))
        self._table = ItemTable("comparisonTable", tr("Two models side by side"), titles)
        self._table.setShowGrid(False)
        header = self._table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        warning = QLabel(
            tr(
                "Each AUC comes from the model's own test data; two of them compare only where these are the same. "
                "Research use only."
            )
        )
        warning.setObjectName("researchNotice")
        warning.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.close)
        self._close = buttons.button(QDialogButtonBox.StandardButton.Close)
        layout = QVBoxLayout(self)
        layout.addWidget(self._table, 1)
        layout.addWidget(warning)
        layout.addWidget(buttons)
        session.exam_changed.connect(self._show)
        session.read_changed.connect(self._show)
        self._show()

    def showEvent(self, event: QShowEvent) -> None:
        """Rows fit their wrapped texts only once the columns have their widths; no cell needs the focus."""
        super().showEvent(event)
        self._table.resizeRowsToContents()
        self._close.setFocus()

    @Slot()
    def _show(self) -> None:
        rows = [*_description_rows(self._comparison.models), *self._exam_rows()]
        self._table.setRowCount(len(rows))
        for row, texts in enumerate(rows):
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                if texts[1:] == ("", ""):
                    font = item.font()
                    font.setBold(True)
                    item.setFont(font)
                self._table.setItem(row, column, item)
            if texts[1:] == ("", ""):
                self._table.setSpan(row, 0, 1, 3)
        self._table.resizeRowsToContents()

    def _exam_rows(self) -> Iterator[Row]:
        comparison, session = self._comparison, self._session
        first, second = comparison.readings
        if comparison.request is None or first is None or second is None:
            yield tr("No exam with a heart centre is open, so there is no risk to compare."), "", ""
            return
        if comparison.request != session.risk_request():
            yield tr("The exam or its read has changed; compare again."), "", ""
            return
        x, y, z = comparison.request.centre
        grade = tr("no grade") if first.grade is None else tr("grade {grade:g}", grade=first.grade)
        kind = tr("This exam (synthetic)") if session.exam and session.exam.synthetic else tr("This exam")
        yield tr("{kind}: heart centre ({x}, {y}, {z}), {grade}", kind=kind, x=x, y=y, z=z, grade=grade), "", ""
        texts = (_risk_texts(reading, self._standing(reading)) for reading in (first, second))
        yield from zip(_risk_captions(), *texts, strict=True)

    def _standing(self, reading: RiskReading) -> Standing:
        """Of a model's reading of the exam on screen, which the reader may have asked to see anyway."""
        session = self._session
        standing = risk_standing(session.findings_with(reading))
        return standing if session.hides(standing) else SHOWN


def _risk_captions() -> tuple[str, ...]:
    return (
        tr("Risk"),
        tr("Interval"),
        tr("Percentile in reference cohort"),
        tr("RiskNet, image only"),
        tr("At grades 0 / 1 / 2 / 3"),
        tr("Assumed prevalence"),
        tr("Findings"),
    )


def _risk_texts(reading: RiskReading, standing: Standing) -> tuple[str, ...]:
    """What a model says; ``standing`` hides the numbers where it is withheld."""
    findings = " ".join(finding.message for finding in reading.findings) or tr("none")
    if standing.withheld:
        prevalence = percent(reading.prevalence) if reading.calibrated else tr("not calibrated")
        withheld = tr("withheld: {why}", why=standing.why)
        return withheld, NOTHING, NOTHING, NOTHING, NOTHING, prevalence, findings
    low, high = reading.interval
    demonstration = tr(" (demonstration model)") if reading.demonstration else ""
    return (
        percent(reading.risk, 1) + demonstration,
        tr("{low} to {high}", low=percent(low, 1), high=percent(high, 1)),
        NOTHING if reading.percentile is None else tr("{p:.0f} of 100", p=reading.percentile),
        percent(reading.risknet, 1),
        " / ".join(percent(risk) for risk in reading.by_grade) or tr("takes the region Agatston"),
        percent(reading.prevalence) if reading.calibrated else tr("not calibrated"),
        findings,
    )


def _description_rows(models: tuple[InstalledModel, InstalledModel]) -> Iterator[Row]:
    one, other = (_description(model) for model in models)
    for (caption, a), (_, b) in zip(one, other, strict=True):
        yield caption, a, b


def _description(model: InstalledModel) -> list[tuple[str, str]]:
    bundle = model.bundle
    assert bundle is not None
    summary, p = summarise(bundle), bundle.preprocessing
    return [
        (tr("State"), tr("in use") if model.active else tr("installed")),
        (tr("Network"), tr("{network}, score input: {score}", network=summary.network, score=summary.score_input)),
        (tr("Trained on"), summary.trained_on),
        (tr("Date"), summary.date or NOTHING),
        (tr("AUC, HyRiskNet"), _auc(bundle, "hyrisknet")),
        (tr("AUC, RiskNet"), _auc(bundle, "risknet")),
        (tr("AUC, grade alone"), _auc(bundle, "grade")),
        (tr("AUC, Agatston alone"), _auc(bundle, "agatston")),
        (tr("HU window"), tr("{low:g} to {high:g} HU", low=p.hu_window[0], high=p.hu_window[1])),
        (tr("Crop, input"), _crop(p)),
        (tr("Looks at"), _levels(p)),
        (tr("SHA-256"), summary.sha256[:16]),
    ]


def _crop(p: Preprocessing) -> str:
    if p.crop_mm is not None:
        return tr("{side:g} mm, {size} px", side=p.crop_mm, size=p.input_size)
    return tr("{crop:g} of the patch, {size} px", crop=p.inference_crop, size=p.input_size)


def _levels(p: Preprocessing) -> str:
    if p.levels_mm is None:
        return tr("the slice of the click and its neighbours")
    return tr("three slices each at {levels} mm from the click, averaged", levels=levels_text(p.levels_mm))


def _auc(bundle: ModelBundle, head: str) -> str:
    found = auc_of(bundle, head)
    if found is None:
        return NOTHING
    value, interval = found
    width = (
        "" if interval is None else tr(" (95 % interval {low:.3f} to {high:.3f})", low=interval[0], high=interval[1])
    )
    return f"{decimal(value, '.3f')}{width}" + (tr(", synthetic") if synthetic(bundle) else "")
