"""Readers of one list side by side: where two agree or differ, and a consensus; and how well all of them agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.gui.letters import LetteredDialog
from hyrisk_desktop.gui.number_box import NumberBox
from hyrisk_desktop.gui.plain_table import ItemTable
from hyrisk_desktop.gui.worklist.controller import Worklist
from hyrisk_desktop.gui.worklist.dialogs.agreement_all import AllReaders
from hyrisk_desktop.gui.worklist.dialogs.agreement_parts import (
    NOTHING,
    BlandAltmanPlot,
    GradeMatrix,
    estimate_text,
    minus,
)
from hyrisk_desktop.i18n import decimal, tr, trn
from hyrisk_desktop.worklist.agreement import Agreement, adjudicated_read, compare, is_adjudicated, mean_read
from hyrisk_desktop.worklist.agreement_table import CONSENSUS
from hyrisk_desktop.worklist.records import ExamEntry, Read, Reader

if TYPE_CHECKING:
    from hyrisk_desktop.worklist.store import Store


@dataclass(frozen=True, slots=True)
class _Reads:
    """Everything that the store knows of the list."""

    readers: tuple[Reader, ...]
    reads: tuple[Read, ...]
    entries: tuple[ExamEntry, ...]

    def of(self, reader: Reader | None, *, blinded: bool) -> list[Read]:
        return [r for r in self.reads if reader and r.reader_id == reader.reader_id and r.blinded == blinded]


class AgreementDialog(LetteredDialog):
    """Re-reads the store when it is shown; holds the choice of readers only.

    Signals:
        exam_wanted: a row of the differences was double-clicked; carries the exam's number.
        failed: an error.
    """

    exam_wanted = Signal(int)
    failed = Signal(object)

    def __init__(self, worklist: Worklist, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("agreementDialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Readers' agreement – research use only"))
        self.resize(1060, 720)
        self._worklist = worklist
        self._known = _Reads((), (), ())
        self._agreement: Agreement | None = None
        self._first, self._second = self._reader_box("firstReader"), self._reader_box("secondReader")
        self._blinded = QCheckBox(tr("Blinded reads"))
        self._blinded.setObjectName("blindedReads")
        self._blinded.toggled.connect(self._count)
        self._message = QLabel()
        self._message.setObjectName("agreementMessage")
        self._message.setWordWrap(True)
        self._values = {name: QLabel(NOTHING) for name in ("n", "raw", "linear", "quadratic", "icc", "bias", "seconds")}
        for name, label in self._values.items():
            label.setObjectName(f"agreement_{name}")
        self._matrix = GradeMatrix()
        self._differences = self._make_differences()
        self._plot = BlandAltmanPlot()
        self._all = AllReaders()
        self._all.failed.connect(self.failed)
        self._all.told.connect(worklist.told)
        self._grade = NumberBox()
        self._grade.setObjectName("adjudicatedGrade")
        self._grade.setAccessibleName(tr("Adjudicated grade"))
        self._grade.setRange(0, 3)
        self._grade.setDecimals(1)
        self._mean = QPushButton(tr("Make consensus: mean grade"))
        self._mean.setObjectName("meanConsensus")
        self._mean.clicked.connect(self._make_mean)
        self._adjudicate = QPushButton(tr("Set consensus of the selected exam"))
        self._adjudicate.setObjectName("adjudicate")
        self._adjudicate.clicked.connect(self._make_adjudicated)
        self._lay_out()
        self.reload()

    # --- parts

    def _reader_box(self, name: str) -> QComboBox:
        box = QComboBox()
        box.setObjectName(name)
        box.setMinimumWidth(180)
        box.currentIndexChanged.connect(self._compare)
        return box

    def _make_differences(self) -> QTableWidget:
        titles = (tr("Exam"), tr("First"), tr("Second"), tr("Agatston first"), tr("Agatston second"), tr("Consensus"))
        title = tr("Exams with different grades; a double click opens one")
        one = QTableWidget.SelectionMode.SingleSelection
        table = ItemTable("differences", title, titles, wide=0, selection=one)
        table.setMinimumHeight(150)
        table.itemDoubleClicked.connect(lambda item: self.exam_wanted.emit(self._exam_at(item.row())))
        return table

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        for text, box in ((tr("First reader"), self._first), (tr("Second reader"), self._second)):
            top.addWidget(QLabel(text))
            top.addWidget(box)
        top.addWidget(self._blinded)
        top.addStretch(1)
        grid = QGridLayout()
        captions = {
            "n": tr("Exams that both graded"),
            "raw": tr("Equal grades"),
            "linear": tr("Linearly weighted kappa (95 % CI)"),
            "quadratic": tr("Quadratically weighted kappa (95 % CI)"),
            "icc": tr("ICC(2,1) of region Agatston (95 % CI)"),
            "bias": tr("Agatston bias; limits of agreement"),
            "seconds": tr("Median seconds to the grade"),
        }
        for row, (name, caption) in enumerate(captions.items()):
            grid.addWidget(QLabel(caption), row, 0)
            grid.addWidget(self._values[name], row, 1, Qt.AlignmentFlag.AlignRight)
        grid.setRowStretch(len(captions), 1)
        numbers = QVBoxLayout()
        numbers.addWidget(QLabel(tr("Grades: rows first, columns second reader")))
        numbers.addWidget(self._matrix)
        numbers.addLayout(grid)
        right = QVBoxLayout()
        right.addWidget(QLabel(tr("Bland-Altman of the region Agatston")))
        right.addWidget(self._plot, 1)
        middle = QHBoxLayout()
        middle.addLayout(numbers)
        middle.addLayout(right, 1)
        below = QHBoxLayout()
        below.addWidget(self._mean)
        below.addStretch(1)
        below.addWidget(self._grade)
        below.addWidget(self._adjudicate)
        two = QWidget()
        layout = QVBoxLayout(two)
        layout.addLayout(top)
        layout.addWidget(self._message)
        layout.addLayout(middle, 3)
        layout.addWidget(QLabel(tr("Exams with different grades (double-click opens one)")))
        layout.addWidget(self._differences, 2)
        layout.addLayout(below)
        pages = QTabWidget()
        pages.setObjectName("agreementPages")
        pages.addTab(two, tr("Two readers"))
        pages.addTab(self._all, tr("All readers"))
        QVBoxLayout(self).addWidget(pages)

    # --- showing

    def reload(self) -> None:
        """Read the list's reads anew."""
        reading_list = self._worklist.reading_list
        if reading_list is None:
            self._message.setText(tr("Open a worklist first."))
            return

        def work(store: Store) -> _Reads:
            reads = store.reads(list_id=reading_list.list_id)
            return _Reads(tuple(store.readers()), tuple(reads), tuple(store.entries(reading_list, None)))

        self._worklist.store.ask(work, self._show_readers, self.failed.emit)

    def _show_readers(self, known: _Reads) -> None:
        first_time = not self._known.readers
        self._known = known
        self._blinded.blockSignals(True)
        if first_time:
            self._blinded.setChecked(bool(known.reads) and all(r.blinded for r in known.reads))
        self._blinded.setEnabled(any(r.blinded for r in known.reads))
        self._blinded.blockSignals(False)
        self._all.show_reads(known.readers, known.reads, synthetic=any(e.synthetic for e in known.entries))
        self._count()

    @Slot()
    def _count(self) -> None:
        """Name the readers with the number of their grades of this kind, open or blinded, and compare them."""
        graders = [r for r in self._known.readers if self._graded(r, blinded=True) or self._graded(r, blinded=False)]
        blinded = self._blinded.isChecked()
        for place, box in enumerate((self._first, self._second)):
            chosen = box.currentData()
            box.blockSignals(True)
            box.clear()
            for reader in graders:
                n = self._graded(reader, blinded=blinded)
                text = tr("{name} ({n} graded blinded)", name=reader.name, n=n) if blinded else None
                box.addItem(text or tr("{name} ({n} graded)", name=reader.name, n=n), reader)
            wanted = next((i for i, r in enumerate(graders) if chosen and r.reader_id == chosen.reader_id), place)
            box.setCurrentIndex(min(wanted, len(graders) - 1))
            box.blockSignals(False)
        self._compare()

    def _graded(self, reader: Reader | None, *, blinded: bool) -> int:
        return sum(r.grade is not None for r in self._known.of(reader, blinded=blinded))

    def _why_empty(self, one: Reader | None, two: Reader | None) -> str:
        """Why there is nothing to compare; "" where there is."""
        if one is None or two is None or one == two:
            return tr("Two readers who have graded exams of this list are needed.")
        if self._agreement is not None and self._agreement.exam_ids:
            return ""
        blinded = self._blinded.isChecked()
        counts = {"one": one.name, "n": self._graded(one, blinded=blinded),
                  "two": two.name, "m": self._graded(two, blinded=blinded)}  # fmt: skip
        other = self._graded(one, blinded=not blinded) and self._graded(two, blinded=not blinded)
        if blinded:
            why = tr("No exam was graded blinded by both: {one} graded {n} and {two} {m}.", **counts)
            return why + (tr(" Untick “Blinded reads” to compare their open reads.") if other else "")
        why = tr("No exam was graded openly by both: {one} graded {n} and {two} {m}.", **counts)
        return why + (tr(" Tick “Blinded reads” to compare their blinded ones.") if other else "")

    @Slot()
    def _compare(self) -> None:
        blinded = self._blinded.isChecked()
        one, two = (box.currentData() for box in (self._first, self._second))
        agreement = compare(self._known.of(one, blinded=blinded), self._known.of(two, blinded=blinded))
        self._agreement = agreement
        said = [self._why_empty(one, two)]
        if agreement.left_out:
            said.append(
                trn("{n} exam is left out of the Agatston figures: a whole-heart box, different series or profiles, or withheld.", "{n} exams are left out of the Agatston figures: a whole-heart box, different series or profiles, or withheld.", agreement.left_out)
            )  # fmt: skip
        if any(e.synthetic for e in self._known.entries):
            said.append(tr("Some of these exams are synthetic phantoms, not patients."))
        self._message.setText(" ".join(text for text in said if text))
        self._show_numbers(agreement)
        self._matrix.show_agreement(agreement)
        self._plot.show_agreement(agreement)
        self._show_differences(agreement)
        enough = len(agreement.exam_ids) > 0 and one != two
        self._mean.setEnabled(enough)
        self._adjudicate.setEnabled(enough and self._differences.rowCount() > 0)

    def _show_numbers(self, a: Agreement) -> None:
        show = {name: label.setText for name, label in self._values.items()}
        show["n"](str(len(a.exam_ids)))
        show["raw"](NOTHING if math.isnan(a.raw) else tr("{p:.0f} %", p=100 * a.raw))
        show["linear"](estimate_text(a.linear))
        show["quadratic"](estimate_text(a.quadratic))
        show["icc"](estimate_text(a.icc))
        ba = a.bland_altman
        if ba is None:
            show["bias"](NOTHING)
        else:
            low, high = minus(ba.lower.value, 1), minus(ba.upper.value, 1)
            show["bias"](tr("{bias}; {low} to {high}", bias=minus(ba.bias.value, 1), low=low, high=high))
        known = [NOTHING if math.isnan(s) else f"{s:.0f}" for s in a.seconds]
        show["seconds"](tr("{first} and {second}", first=known[0], second=known[1]))

    def _show_differences(self, a: Agreement) -> None:
        names = self._exam_names()
        agatston = dict(zip(a.agatston_ids, a.agatston.tolist(), strict=True))
        grades = dict(zip(a.exam_ids, a.grades.tolist(), strict=True))
        consensus = {r.exam_id: r.grade for r in self._known.of(self._consensus_reader(), blinded=False)}
        self._differences.setRowCount(0)
        for row, exam_id in enumerate(a.differing):
            self._differences.insertRow(row)
            scores = agatston.get(exam_id, (None, None))
            decided = consensus.get(exam_id)
            cells = (
                names.get(exam_id, str(exam_id)),
                *(decimal(g, "g") for g in grades[exam_id]),
                *(NOTHING if s is None else f"{s:.0f}" for s in scores),
                NOTHING if decided is None else decimal(decided, "g"),
            )
            for column, text in enumerate(cells):
                item = QTableWidgetItem(text)
                item.setData(Qt.ItemDataRole.UserRole, exam_id)
                self._differences.setItem(row, column, item)
        if self._differences.rowCount():
            self._differences.selectRow(0)

    def _exam_names(self) -> dict[int, str]:
        """By number: patients are named as the list names them, blinded ones by their place only."""
        model = self._worklist.model
        return {e.exam_id: model.name_of(e.exam_id) for e in self._known.entries}

    def _exam_at(self, row: int) -> int:
        item = self._differences.item(row, 0)
        return int(item.data(Qt.ItemDataRole.UserRole)) if item else 0

    # --- consensus

    def _consensus_reader(self) -> Reader | None:
        return next((r for r in self._known.readers if r.name == CONSENSUS), None)

    def _pairs(self) -> dict[int, list[Read]]:
        blinded = self._blinded.isChecked()
        found: dict[int, list[Read]] = {}
        for box in (self._first, self._second):
            for read in self._known.of(box.currentData(), blinded=blinded):
                found.setdefault(read.exam_id, []).append(read)
        return {i: reads for i, reads in found.items() if len(reads) == 2 and all(r.grade is not None for r in reads)}

    @Slot()
    def _make_mean(self) -> None:
        """The mean of both grades for every exam that nobody has adjudicated."""
        decided = {r.exam_id for r in self._known.of(self._consensus_reader(), blinded=False) if is_adjudicated(r)}
        self._save([(reads, None) for exam_id, reads in self._pairs().items() if exam_id not in decided])

    @Slot()
    def _make_adjudicated(self) -> None:
        reads = self._pairs().get(self._exam_at(self._differences.currentRow()))
        if reads:
            self._save([(reads, self._grade.value())])

    def _save(self, wanted: Sequence[tuple[list[Read], float | None]]) -> None:
        def work(store: Store) -> tuple[int, int]:
            consensus = store.reader(CONSENSUS)
            made = left = 0
            for reads, grade in wanted:
                if grade is None and _is_decided(store, reads[0].exam_id, consensus):
                    continue
                try:
                    if grade is None:
                        read = mean_read(reads, consensus.reader_id)
                    else:
                        read = adjudicated_read(reads, grade, consensus.reader_id)
                except InputError:
                    left += 1
                    continue
                store.save_read(read, consensus)
                made += 1
            return made, left

        def done(counts: tuple[int, int]) -> None:
            text = trn(
                "{n} consensus read is kept under the reader “{name}”.",
                "{n} consensus reads are kept under the reader “{name}”.",
                counts[0],
                name=CONSENSUS,
            )
            if counts[1]:
                text += trn(
                    " {n} exam was read on different series and has none.",
                    " {n} exams were read on different series and have none.",
                    counts[1],
                )
            self.reload()
            self._worklist.told.emit(text)

        self._worklist.store.ask(work, done, self.failed.emit)


def _is_decided(store: Store, exam_id: int, consensus: Reader) -> bool:
    """Whether somebody, perhaps at another desk and since the dialog was opened, has decided this exam's consensus."""
    read = store.newest_read(exam_id, consensus)
    return read is not None and is_adjudicated(read)
