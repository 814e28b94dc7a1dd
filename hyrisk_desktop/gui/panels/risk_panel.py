"""The risk with everything it must not be read without: interval, percentile, model, prevalence, research use."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Slot
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QGridLayout, QGroupBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from hyrisk_desktop.exchange.reports.report import percent
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.gui.hints import Place, hint_text, situation
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.risk.explain import Explanation
from hyrisk_desktop.risk.risk_reading import RiskReading

NOTHING = "–"


class Value(QLabel):
    """A number on the panel; screen readers hear it as the description of its name."""

    def __init__(self, name: str, accessible: str) -> None:
        super().__init__(NOTHING)
        self.setObjectName(name)
        self.setAccessibleName(accessible)

    def setText(self, text: str) -> None:
        """Show ``text`` and tell it to screen readers."""
        super().setText(text)
        self.setAccessibleDescription("" if text == NOTHING else text)

    def mark_unfit(self, unfit: bool) -> None:
        """Colour the number like the finding that says it does not hold."""
        if self.property("unfit") != unfit:
            self.setProperty("unfit", unfit)
            self.style().unpolish(self)
            self.style().polish(self)


def unfit(findings: tuple[Finding, ...]) -> bool:
    """Whether a finding says that the numbers do not hold at all."""
    return any(f.severity is Severity.UNFIT for f in findings)


class Note(QLabel):
    """A text that wraps within a fixed number of lines, so that the panel never jumps when it changes."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.setFixedHeight(2 + 16 * lines)

    def setText(self, text: str) -> None:
        """Show ``text``; the tooltip has it whole where it is too long."""
        super().setText(text)
        self.setToolTip(text)

    def hasHeightForWidth(self) -> bool:
        """No: a label that asks for height by width makes the whole panel taller than the window."""
        return False


class ByGradeStrip(QWidget):
    """Four bars: the risk at grades 0 to 3, with the current grade marked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._risks: tuple[float, ...] = ()
        self._grade: float | None = None
        self.setMinimumHeight(54)
        self.setObjectName("byGradeStrip")
        self.setAccessibleName(tr("Risk by grade"))

    def sizeHint(self) -> QSize:
        """Room for four bars and their captions."""
        return QSize(200, 54)

    def show_risks(self, risks: tuple[float, ...], grade: float | None) -> None:
        """Risks at grades 0 to 3 (empty: nothing to show) and the current grade."""
        self._risks, self._grade = risks, grade
        words = ", ".join(tr("grade {g}: {risk}", g=g, risk=percent(r)) for g, r in enumerate(risks))
        self.setAccessibleDescription(words)
        self.setToolTip(words)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Bars from 0 to 100 %, so that two exams can be compared by eye."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = QFont(self.font())
        font.setPixelSize(11)
        painter.setFont(font)
        gap, caption = 6.0, 15.0
        width = (self.width() - 3 * gap) / 4
        track = self.height() - 2 * caption
        for g in range(4):
            x = g * (width + gap)
            current = self._grade == g
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor("#2b3038"))
            painter.drawRoundedRect(QRectF(x, caption, width, track), 2, 2)
            if self._risks:
                height = track * self._risks[g]
                painter.setBrush(QColor("#4da3ff" if current else "#5b6675"))
                painter.drawRoundedRect(QRectF(x, caption + track - height, width, height), 2, 2)
            painter.setPen(QColor("#e8edf2" if current else "#a5afba"))
            text = percent(self._risks[g]) if self._risks else NOTHING
            painter.drawText(QRectF(x, 0, width, caption), Qt.AlignmentFlag.AlignCenter, text)
            label = tr("grade {g}", g=g)
            painter.drawText(
                QRectF(x, caption + track, width, caption),
                Qt.AlignmentFlag.AlignCenter,
                f"▸ {label}" if current else label,
            )
        if self._grade is not None and not self._grade.is_integer():
            # A mean of readers lies between two bars: a pointer on the tracks, at its place.
            x = width / 2 + self._grade * (width + gap)
            painter.setPen(QPen(QColor("#4da3ff"), 2))
            painter.drawLine(QPointF(x, caption - 2), QPointF(x, caption + track + 2))


def _signed(value: float) -> str:
    """Two digits with a real minus, and never -0.00."""
    return f"{round(value, 2) + 0.0:+.2f}".replace("-", "−")


def split_text(explanation: Explanation) -> str:
    """The parts of the calibrated log odds: ``image +0.42, grade +0.61, constant −0.10 log odds``."""
    parts = explanation.calibrated
    what = tr("grade") if explanation.score_input == "grade" else tr("Agatston part")
    score = "" if parts.score is None else tr("{what} {value}, ", what=what, value=_signed(parts.score))
    return tr(
        "image {image}, {score}constant {constant} log odds",
        image=_signed(parts.image),
        score=score,
        constant=_signed(parts.constant),
    )


def split_explained(explanation: Explanation) -> str:
    """The same in a few sentences."""
    total = explanation.calibrated.total
    demonstration = tr(" Demonstration model, trained on synthetic phantoms.") if explanation.demonstration else ""
    return tr(
        "The parts add up to log odds of {total}, a risk of {risk} (calibrated; {model}). Above zero a part raises the "
        "risk. They say what this network added up, not what causes death. Research use only.{demonstration}",
        total=_signed(total),
        risk=percent(1 / (1 + math.exp(-total)), 1),
        model=explanation.model,
        demonstration=demonstration,
    )


class RiskPanel(QGroupBox):
    """Reads the session's risk, or says in one sentence why there is none."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(tr("All-cause mortality risk (HyRiskNet)"), parent)
        self._session = session
        self._value = Value("riskValue", tr("Risk"))
        self._interval = Value("riskInterval", tr("Interval of the risk"))
        self._percentile = Value("riskPercentile", tr("Percentile in the reference cohort"))
        self._image_only = Value("risknetValue", tr("RiskNet, image only"))
        self._note = Note(3)
        self._note.setObjectName("riskNote")
        self._note.setAccessibleName(tr("Which model, and what its risk assumes"))
        self._demonstration = QLabel(tr("demonstration model,\ntrained on synthetic phantoms"))
        self._demonstration.setObjectName("demonstrationBadge")
        self._strip = ByGradeStrip()
        top = QHBoxLayout()
        top.addWidget(self._value)
        top.addWidget(self._demonstration, 1, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        grid = QGridLayout()
        grid.setVerticalSpacing(2)
        for row, (caption, label) in enumerate(
            (
                (tr("Interval (click ±3 px, ±1 slice; crops)"), self._interval),
                (tr("Percentile in reference cohort"), self._percentile),
                (tr("RiskNet, image only"), self._image_only),
            )
        ):
            grid.addWidget(QLabel(caption), row, 0)
            grid.addWidget(label, row, 1, Qt.AlignmentFlag.AlignRight)
        self._split = Value("riskSplit", tr("What the risk comes from"))
        self._split.setFixedHeight(18)
        research = QLabel(tr("Research use only. Not for diagnosis or treatment."))
        research.setObjectName("researchNotice")
        layout = QVBoxLayout(self)
        layout.setSpacing(5)
        for item in (top, grid, self._strip, self._split, self._note, research):
            layout.addLayout(item) if isinstance(item, (QHBoxLayout, QGridLayout)) else layout.addWidget(item)
        session.risk_changed.connect(self._show)
        session.exam_changed.connect(self._show)
        session.explanation_changed.connect(self._show_split)
        self._show()

    @Slot()
    def _show(self) -> None:
        reading = self._session.shown_risk
        title = tr("All-cause mortality risk (HyRiskNet)")
        synthetic = self._session.exam is not None and self._session.exam.synthetic
        self.setTitle(tr("{title}, synthetic exam", title=title) if synthetic else title)
        self._show_split()
        self._demonstration.setVisible(reading is not None and reading.demonstration)
        if reading is None:
            for label in (self._value, self._interval, self._percentile, self._image_only):
                label.setText(NOTHING)
            self._strip.show_risks((), self._session.read.grade)
            self._note.setText(hint_text(Place.RISK, situation(self._session)))
            return
        self._show_reading(reading)

    def _show_reading(self, reading: RiskReading) -> None:
        self._value.setText(percent(reading.risk))
        self._value.mark_unfit(unfit(self._session.shown_findings))
        low, high = reading.interval
        if reading is self._session.risk:
            self._interval.setText(tr("{low} to {high}", low=percent(low), high=percent(high)))
        else:
            self._interval.setText(tr("computing…"))
        of = tr("HyRiskNet") if reading.hyrisknet is not None else tr("RiskNet")
        where = NOTHING if reading.percentile is None else tr("{p:.0f} of 100 ({of})", p=reading.percentile, of=of)
        self._percentile.setText(where)
        self._image_only.setText(percent(reading.risknet))
        self._strip.show_risks(reading.by_grade, reading.grade)
        kind = tr("calibrated") if reading.calibrated else tr("not calibrated")
        head = tr("No grade yet: image-only risk. ") if reading.hyrisknet is None else ""
        if self._session.risk_is_another_models:
            head = tr("NOT the model in use. ") + head
        if reading.score_input == "agatston" and reading.agatston is not None:
            head = tr("Reads the region Agatston ({a:.0f}), not the grade. ", a=reading.agatston)
        text = tr(
            "{model} ({sha}), {kind}, assumes a prevalence of {prevalence:.0f} %.",
            model=reading.model,
            sha=reading.sha256[:8],
            kind=kind,
            prevalence=100 * reading.prevalence,
        )
        self._note.setText(head + text)

    @Slot()
    def _show_split(self) -> None:
        """The parts of the log odds in one line that is always there, so that the panel never jumps."""
        session = self._session
        if session.explanation is not None:
            self._split.setText(split_text(session.explanation))
            self._split.setToolTip(split_explained(session.explanation))
            return
        self._split.setToolTip("")
        if session.risk is None:
            self._split.setText(NOTHING)
        else:
            self._split.setText(tr("Explaining…") if session.explaining else tr("G: what the risk comes from"))
