"""The worklist's columns: what each shows of an exam, and what rows are sorted by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from hyrisk_desktop.exchange.reports.report import percent
from hyrisk_desktop.findings import Severity
from hyrisk_desktop.gui.viewer.overlay_text import person_name
from hyrisk_desktop.i18n import day_text, decimal, listed, tr, trc
from hyrisk_desktop.standing import SHOWN, Standing, reason_words
from hyrisk_desktop.worklist.records import ExamEntry, Status, status_word

SIGNS = {Severity.UNFIT: "✖", Severity.WARNING: "▲", Severity.INFO: "•"}
OTHER_MODEL = "*"
"""Behind a risk that was read with another model than the one in use."""
UNCONFIRMED = "?"
"""Behind a number that was measured where the program proposes the heart's centre."""
_ORDER = (Severity.UNFIT, Severity.WARNING, Severity.INFO)


@dataclass(frozen=True, slots=True)
class Row:
    """An exam at its place in the reader's order.

    Attributes:
        blinded: its identity must not show. other_model: its risk is not the model's that is in use.
        busy: who reads it at another desk now.
    """

    entry: ExamEntry
    number: int
    blinded: bool
    other_model: bool = False
    busy: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its stored key, title, default width, text of a row, what rows are sorted by, whether it shows at first."""

    key: str
    title: str
    width: int
    text: Callable[[Row], str]
    order: Callable[[Row], object]
    shown: bool = True
    right: bool = False


def columns() -> tuple[Column, ...]:
    """All columns, in order."""
    c = Column
    return (
        c("number", tr("#"), 72, lambda r: str(r.number + 1), lambda r: r.number),
        c("patient", tr("Patient"), 118, _who, lambda r: r.number if r.blinded else _who(r).casefold()),
        c("patient_id", tr("ID"), 84, lambda r: _open(r, r.entry.patient_id), lambda r: _open(r, r.entry.patient_id), shown=False),
        c("status", tr("Status"), 92, lambda r: status_word(r.entry.status), lambda r: list(Status).index(r.entry.status)),
        c("grade", tr("Grade"), 48, _grade, lambda r: _number(r, "grade"), right=True),
        c("agatston", tr("Agatston"), 64, _agatston, _agatston_order, right=True),
        c("risk", tr("Risk"), 58, _risk, lambda r: _shown(r, "risk"), right=True),
        c("desks", tr("Other readers"), 132, others_text, lambda r: others_text(r).casefold()),
        c("findings", tr("Findings"), 128, _finding_signs, _finding_rank),
        c("date", tr("Date"), 80, lambda r: _open(r, day_text(r.entry.study_date)), lambda r: _open(r, r.entry.study_date)),
        c("slices", tr("Slices"), 96, _slices, lambda r: r.entry.slice_count),
        c("series", tr("Series"), 150, _series, lambda r: r.entry.series.casefold(), shown=False),
        c("study", tr("Study"), 150, lambda r: _open(r, r.entry.description), lambda r: _open(r, r.entry.description), shown=False),
        c("why", tr("Why this series, or what is wrong"), 280, _why, _why, shown=False),
    )  # fmt: skip


def worst(entry: ExamEntry) -> Severity | None:
    """The severity of an exam's worst finding."""
    found = {f.severity for f in entry.findings}
    return next((s for s in _ORDER if s in found), None)


def _open(r: Row, text: str) -> str:
    return "" if r.blinded else text


def _who(r: Row) -> str:
    if r.blinded:
        return tr("Exam {n}", n=r.number + 1)
    return person_name(r.entry.patient_name) or r.entry.patient_id or r.entry.source.name


def others_text(r: Row) -> str:
    """Who reads the exam at another desk now, or else who has graded it; "" in a blinded list."""
    if r.blinded:
        return ""
    if r.busy:
        return tr("being read by {names}", names=listed(r.busy))
    names = [tr("{name} (locked)", name=o.reader) if o.locked else o.reader for o in r.entry.others]
    return tr("read by {names}", names=listed(names)) if names else ""


def _why(r: Row) -> str:
    # A problem may name a file, and files are named after patients.
    return _open(r, r.entry.problem) or r.entry.reason


def _series(r: Row) -> str:
    return r.entry.series + (tr(" (1 of {n})", n=r.entry.series_count) if r.entry.series_count > 1 else "")


def _slices(r: Row) -> str:
    e = r.entry
    if not e.slice_count or e.problem:
        return ""
    mm = e.increment_mm or e.thickness_mm
    return tr("{n} × {mm:.3g} mm", n=e.slice_count, mm=mm) if mm else str(e.slice_count)


def _number(r: Row, name: str) -> float:
    value: float | None = getattr(r.entry.read, name, None)
    return -1.0 if value is None else value


def _shown(r: Row, name: str) -> float:
    """A number to sort by; what is withheld stands with what is not there."""
    read = r.entry.read
    return -1.0 if read is None or standing_of(r.entry, name).withheld else _number(r, name)


def standing_of(entry: ExamEntry, column: str) -> Standing:
    """How the number in a column ("risk" or "agatston") is to be trusted."""
    if entry.read is None:
        return SHOWN
    return entry.read.risk_standing if column == "risk" else entry.read.scores_standing


def _grade(r: Row) -> str:
    read = r.entry.read
    if read is None or read.grade is None:
        return ""
    return decimal(read.grade, ".3g") + (tr(" locked") if read.locked else "")


def _agatston(r: Row) -> str:
    read = r.entry.read
    if read is None or read.agatston is None:
        return ""
    if read.scores_standing.withheld:
        return trc("column", "withheld")
    # The title means the region's score; a box around the whole heart is another quantity and says so.
    sign = UNCONFIRMED if read.unconfirmed else ""
    if read.outlined:
        return tr("heart {a:.0f}", a=read.agatston) + sign
    return (tr("box {a:.0f}", a=read.agatston) if read.whole_heart else f"{read.agatston:.0f}") + sign


def _agatston_order(r: Row) -> tuple[int, float]:
    read = r.entry.read
    return (0 if read is None else 2 * read.outlined + read.whole_heart), _shown(r, "agatston")


def _risk(r: Row) -> str:
    read = r.entry.read
    if read is None or read.risk is None:
        return ""
    if read.risk_standing.withheld:
        return trc("column", "withheld")
    return percent(read.risk) + (UNCONFIRMED if read.unconfirmed else "") + (OTHER_MODEL if r.other_model else "")


def _finding_signs(r: Row) -> str:
    counts = Counter(f.severity for f in r.entry.findings)
    signs = " ".join(f"{SIGNS[s]}{counts[s]}" for s in _ORDER if counts[s])
    decisive = r.entry.decisive
    return signs if decisive is None else f"{SIGNS[Severity.UNFIT]} {reason_words(decisive)}  {signs}".rstrip()


def _finding_rank(r: Row) -> tuple[int, ...]:
    counts = Counter(f.severity for f in r.entry.findings)
    return r.entry.decisive is not None, *(counts[s] for s in _ORDER)
