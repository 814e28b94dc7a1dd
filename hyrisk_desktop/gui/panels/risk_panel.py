"""The risk with everything it must not be read without: interval, percentile, model, prevalence, research use."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Slot
from PySide6.QtGui import QFont, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QBoxLayout, QGroupBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from hyrisk_desktop.exchange.reports.report import covers_words, percent
from hyrisk_desktop.gui.appearance import colour, scaled
from hyrisk_desktop.gui.hints import Place, hint_text, situation
from hyrisk_desktop.gui.panels.caption import Caption, Note
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.i18n import listed, tr, typeset
from hyrisk_desktop.risk.explain import Explanation
from hyrisk_desktop.risk.risk_reading import RiskReading
from hyrisk_desktop.risk.spread import COVERS
from hyrisk_desktop.standing import SHOWN, Standing

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

    def show_number(self, text: str, standing: Standing | None = None, *, hidden: bool = False) -> None:
        """Show ``text``, coloured by how it is to be trusted; or that it is withheld, and smaller."""
        self.setText(tr("Withheld") if hidden else text)
        state = "hidden" if hidden else str(standing.state) if standing else ""
        if self.property("state") != state:
            self.setProperty("state", state)
            self.style().unpolish(self)
            self.style().polish(self)


class ShowAnyway(QPushButton):
    """Shows what is withheld, for who wants to see it all the same."""

    def __init__(self, session: Session, name: str) -> None:
        super().__init__(tr("Show anyway"))
        self.setObjectName(name)
        self.setToolTip(
            tr("Show the withheld number. The read, its audit trail and its reports then say that you asked for it.")
        )
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.clicked.connect(session.show_anyway)


class ByGradeStrip(QWidget):
    """Four bars: the risk at grades 0 to 3, with the current grade marked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._risks: tuple[float, ...] = ()
        self._grade: float | None = None
        self.setMinimumHeight(scaled(54))
        self.setObjectName("byGradeStrip")
        self.setAccessibleName(tr("Risk by grade"))

    def sizeHint(self) -> QSize:
        """Room for four bars and their captions."""
        return QSize(200, scaled(54))

    def show_risks(self, risks: tuple[float, ...], grade: float | None) -> None:
        """Risks at grades 0 to 3 (empty: nothing to show) and the current grade."""
        self._risks, self._grade = risks, grade
        words = listed(tr("grade {g}: {risk}", g=g, risk=percent(r)) for g, r in enumerate(risks))
        self.setAccessibleDescription(words)
        self.setToolTip(words)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Bars from 0 to 100 %, so that two exams can be compared by eye."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = QFont(self.font())
        font.setPixelSize(scaled(11))
        painter.setFont(font)
        gap, caption = 6.0, float(scaled(15))
        width = (self.width() - 3 * gap) / 4
        track = self.height() - 2 * caption
        for g in range(4):
            x = g * (width + gap)
            current = self._grade == g
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour("track"))
            painter.drawRoundedRect(QRectF(x, caption, width, track), 2, 2)
            if self._risks:
                height = track * self._risks[g]
                painter.setBrush(colour("accent" if current else "bar"))
                painter.drawRoundedRect(QRectF(x, caption + track - height, width, height), 2, 2)
            painter.setPen(colour("strong" if current else "quiet"))
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
            painter.setPen(QPen(colour("accent"), 2))
            painter.drawLine(QPointF(x, caption - 2), QPointF(x, caption + track + 2))


def _because(standing: Standing, *, hidden: bool, demonstration: bool) -> str:
    if hidden:
        return tr("because: {why}", why=standing.why)
    if not standing.withheld:
        return ""
    model = tr(" (demonstration model, synthetic phantoms)") if demonstration else ""
    return tr("WITHHELD, shown anyway: {why}{model}", why=standing.why, model=model)


def _signed(value: float) -> str:
    """Two digits with a real minus, and never -0.00."""
    return typeset(round(value, 2) + 0.0, "+.2f")


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
        self._demonstration = Caption(tr("demonstration model,\ntrained on synthetic phantoms"))
        self._demonstration.setObjectName("demonstrationBadge")
        self._strip = ByGradeStrip()
        self._reason = Note(3)
        self._reason.setObjectName("riskReason")
        self._reason.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self._reason.setAccessibleName(tr("Why the risk is withheld"))
        self._anyway = ShowAnyway(session, "showRiskAnyway")
        top = QHBoxLayout()
        top.addWidget(self._value)
        top.addWidget(self._demonstration, 1, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        top.addWidget(self._reason, 1, Qt.AlignmentFlag.AlignVCenter)
        top.addWidget(self._anyway)
        self._covers = Caption(tr("Interval"))
        self._covers.setObjectName("riskIntervalCovers")
        rows = QVBoxLayout()
        rows.setSpacing(2)
        for caption, label in (
            (self._covers, self._interval),
            (Caption(tr("Percentile in reference cohort")), self._percentile),
            (Caption(tr("RiskNet, image only")), self._image_only),
        ):
            row = QHBoxLayout()
            row.addWidget(caption, 1)
            row.addWidget(label)
            rows.addLayout(row)
        self._split = Value("riskSplit", tr("What the risk comes from"))
        self._split.setFixedHeight(scaled(18))
        self._research = Caption(tr("Research use only. Not for diagnosis or treatment."))
        self._research.setObjectName("researchNotice")
        self._column = layout = QVBoxLayout(self)
        for item in (top, rows, self._strip, self._split, self._note, self._research):
            layout.addLayout(item) if isinstance(item, QBoxLayout) else layout.addWidget(item)
        self.set_compact(False)
        session.risk_changed.connect(self._show)
        session.exam_changed.connect(self._show)
        session.explanation_changed.connect(self._show_split)
        self._show()

    def set_compact(self, compact: bool) -> None:
        """A line less of the note, and the notice left to the status bar, where room is short."""
        self._column.setSpacing(3 if compact else 5)
        self._note.set_lines(2 if compact else 3)
        self._research.setVisible(not compact)

    @Slot()
    def _show(self) -> None:
        reading = self._session.shown_risk
        title = tr("All-cause mortality risk (HyRiskNet)")
        synthetic = self._session.exam is not None and self._session.exam.synthetic
        self.setTitle(tr("{title}, synthetic exam", title=title) if synthetic else title)
        self._show_split()
        standing = self._session.risk_standing if reading is not None else SHOWN
        hidden = self._session.hides(standing)
        self._reason.setVisible(standing.withheld)
        demonstration = reading is not None and reading.demonstration
        self._reason.setText(_because(standing, hidden=hidden, demonstration=demonstration))
        self._anyway.setVisible(hidden)
        self._demonstration.setVisible(demonstration and not standing.withheld)
        self._value.show_number(NOTHING if reading is None else percent(reading.risk), standing, hidden=hidden)
        if reading is None or hidden:
            for label in (self._interval, self._percentile, self._image_only):
                label.setText(NOTHING)
            self._strip.show_risks((), self._session.read.grade)
            decisive = standing.reasons[0].message if hidden else ""
            self._note.setText(decisive or hint_text(Place.RISK, situation(self._session)))
            return
        self._show_reading(reading)

    def _show_reading(self, reading: RiskReading) -> None:
        low, high = reading.interval
        covers = covers_words(reading)
        wide = reading.interval_covers == COVERS
        self._covers.setText(
            tr("Interval (click, z, HU, kernel, pixels, model)") if wide else tr("Interval ({covers})", covers=covers)
        )
        self._covers.setToolTip(tr("Made to hold nine of ten of each: {covers}.", covers=covers) if wide else "")
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
            if self._session.hides(self._session.scores_standing):
                head = tr("Reads the region Agatston, not the grade. ")
            else:
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
        if session.risk is None or session.hides(session.risk_standing):
            self._split.setText("")
        else:
            self._split.setText(tr("Explaining…") if session.explaining else tr("G: what the risk comes from"))
