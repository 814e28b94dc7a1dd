"""Second page of the wizard: what the cohort holds and what is wrong with it, found out by the training program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QProgressBar,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.gui.appearance import colour
from hyrisk_desktop.gui.plain_table import ItemTable
from hyrisk_desktop.gui.retrain.plan import ask_process
from hyrisk_desktop.gui.retrain.training_process import Command
from hyrisk_desktop.gui.sentences import sentence_of
from hyrisk_desktop.gui.services.job_runner import JobContext, JobRunner, Operation
from hyrisk_desktop.i18n import listed, tr

_SHOWN = 1000
_COLOURS = {"error": "bad", "warning": "warning"}


def facts(answer: dict[str, Any]) -> dict[str, str]:
    """The answer of ``check`` in words, by the key of its label."""
    outcome, grades = _counts(answer.get("outcome")), _counts(answer.get("grades"))
    missing = {k: v for k, v in _counts(answer.get("missing")).items() if v}
    survivors, others = outcome.get("survivors", 0), outcome.get("non_survivors", 0)
    total = survivors + others
    share = tr(" ({p:.0f} % non-survivors)", p=100 * others / total) if total else ""
    both = answer.get("patients_in_both") or 0
    return {
        "rows": tr("{n} ({usable} usable)", n=answer.get("rows", 0), usable=answer.get("usable", 0)),
        "outcome": tr("{a} survivors, {b} non-survivors", a=survivors, b=others) + share,
        "grades": listed(tr("grade {g}: {n}", g=g, n=n) for g, n in grades.items()) or tr("none"),
        "missing": listed(f"{column}: {n}" for column, n in missing.items()) or tr("none"),
        "patients": tr("{n} ({both} with both outcomes)", n=answer.get("patients", 0), both=both),
        "duplicates": str(answer.get("duplicates", 0)),
    }


def _counts(value: object) -> dict[str, int]:
    return value if isinstance(value, dict) else {}


def problems(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The problems, errors first and then in the table's order."""
    found = answer.get("problems")
    rows = [p for p in found if isinstance(p, dict)] if isinstance(found, list) else []
    return sorted(rows, key=lambda p: p.get("severity") != "error")


def grouped(found: list[dict[str, Any]]) -> list[tuple[dict[str, Any], list[int]]]:
    """Equal problems as one, with the lines that have them, in the order in which each is met first."""
    groups: dict[tuple[str, ...], tuple[dict[str, Any], list[int]]] = {}
    for problem in found:
        key = tuple(str(problem.get(name) or "") for name in ("severity", "column", "message"))
        lines = groups.setdefault(key, (problem, []))[1]
        if isinstance(line := problem.get("row"), int):
            lines.append(line)
    return list(groups.values())


def lines_text(lines: list[int]) -> str:
    """``2–61``, ``2, 5–7``: lines of the table, those that follow each other joined."""
    runs: list[list[int]] = []
    for line in sorted(set(lines)):
        if runs and line == runs[-1][1] + 1:
            runs[-1][1] = line
        else:
            runs.append([line, line])
    return listed(str(a) if a == b else f"{a}–{b}" for a, b in runs)


class CheckPage(QWidget):
    """Runs ``check`` as a process and shows its answer; errors block the way, warnings do not."""

    changed = Signal()

    def __init__(self, runner: JobRunner, command: Command, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._command = command
        self._check = Operation(runner.run_io)
        self._cohort: Path | None = None
        self.answer: dict[str, Any] | None = None
        """What ``check`` said of the cohort, or None while it has not."""
        self._verdict = QLabel(" ")
        self._verdict.setObjectName("checkVerdict")
        self._verdict.setAccessibleName(tr("Result of the check"))
        self._verdict.setWordWrap(True)
        self._busy = QProgressBar()
        self._busy.setRange(0, 0)
        self._busy.setTextVisible(False)
        self._busy.setFixedWidth(120)
        keep = self._busy.sizePolicy()
        keep.setRetainSizeWhenHidden(True)
        self._busy.setSizePolicy(keep)
        again = QPushButton(tr("Check &again"))
        again.setObjectName("checkAgain")
        again.clicked.connect(self._again)
        top = QHBoxLayout()
        top.addWidget(self._verdict, 1)
        top.addWidget(self._busy)
        top.addWidget(again)
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addWidget(self._make_facts())
        self.table = self._make_table()
        layout.addWidget(QLabel(tr("Problems (line 1 is the header)")))
        layout.addWidget(self.table, 1)

    def _make_facts(self) -> QGroupBox:
        box = QGroupBox(tr("The cohort"))
        self._box = box
        grid = QGridLayout(box)
        grid.setColumnStretch(1, 1)
        self._facts: dict[str, QLabel] = {}
        captions = (
            ("rows", tr("Rows")),
            ("outcome", tr("Outcome")),
            ("grades", tr("Grades")),
            ("patients", tr("Patients")),
            ("duplicates", tr("Duplicates")),
            ("missing", tr("Missing values")),
        )
        for row, (key, caption) in enumerate(captions):
            value = QLabel("–")
            value.setObjectName(f"check_{key}")
            value.setAccessibleName(caption)
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._facts[key] = value
            grid.addWidget(QLabel(caption), row, 0)
            grid.addWidget(value, row, 1)
        grid.setHorizontalSpacing(18)
        return box

    @staticmethod
    def _make_table() -> QTableWidget:
        headers = (tr("Line"), tr("Column"), tr("Kind"), tr("What is wrong"))
        several = QTableWidget.SelectionMode.ExtendedSelection
        table = ItemTable("checkProblems", tr("Problems of the cohort"), headers, selection=several)
        for column, width in enumerate((64, 110, 80)):
            table.setColumnWidth(column, width)
        table.horizontalHeader().setSectionResizeMode(3, QHeaderView.ResizeMode.Stretch)
        table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        return table

    @property
    def ready(self) -> bool:
        """The cohort can be trained on."""
        answer = self.answer
        return (
            answer is not None
            and answer.get("ready") is True
            and not any(p.get("severity") == "error" for p in problems(answer))
        )

    @property
    def usable(self) -> int:
        """How many exams can be trained on; 0 while that is not known."""
        count = (self.answer or {}).get("usable")
        return count if isinstance(count, int) else 0

    def check(self, cohort: Path) -> None:
        """Check ``cohort``, which may have changed since the last time."""
        self._cohort = cohort
        self._show(None, tr("Checking the cohort…"), busy=True)
        line = self._command("check", str(cohort), "--json")

        def work(context: JobContext) -> dict[str, Any]:
            return ask_process(line, context.token)

        self._check.start("checking a cohort", work, self._succeeded, self._failed)

    def cancel(self) -> None:
        """Stop a check that runs; its end is not waited for."""
        self._check.drop()

    @Slot()
    def _again(self) -> None:
        if self._cohort is not None:
            self.check(self._cohort)

    def _succeeded(self, answer: dict[str, Any]) -> None:
        found = problems(answer)
        errors = sum(p.get("severity") == "error" for p in found)
        self._show(answer, "", busy=False)
        if self.ready and not found:
            text = tr("The cohort is ready: no problems found.")
        elif self.ready:
            text = tr("The cohort is ready; read the warnings below ({n}).", n=len(found))
        elif errors:
            text = tr("The cohort can’t be trained on yet: correct the errors below ({n}), then check again.", n=errors)
        else:
            text = tr("The cohort can’t be trained on yet.")
        self._verdict.setText(text)

    def _failed(self, error: Exception) -> None:
        sentence = sentence_of(error, tr("The check failed; the log has the details."))
        self._show(None, sentence, busy=False)

    def _show(self, answer: dict[str, Any] | None, verdict: str, *, busy: bool) -> None:
        self.answer = answer
        self._busy.setVisible(busy)
        self._verdict.setText(verdict)
        synthetic = answer is not None and answer.get("synthetic") is True
        self._box.setTitle(tr("The cohort: synthetic data") if synthetic else tr("The cohort"))
        words = facts(answer) if answer is not None else {}
        for key, label in self._facts.items():
            label.setText(words.get(key, "–"))
            label.setToolTip(words.get(key, ""))
        self._fill(problems(answer) if answer is not None else [])
        self.changed.emit()

    def _fill(self, found: list[dict[str, Any]]) -> None:
        groups = grouped(found)
        more = len(groups) - _SHOWN
        rows = groups[:_SHOWN]
        if more > 0:
            rows = [*rows, ({"severity": "", "message": tr("and {n} more", n=more)}, [])]
        self.table.setRowCount(len(rows))
        kinds = {"error": tr("Error"), "warning": tr("Warning")}
        for i, (problem, lines) in enumerate(rows):
            severity = str(problem.get("severity", ""))
            texts = (
                tr("table") if not lines and severity else lines_text(lines),
                str(problem.get("column") or ""),
                kinds.get(severity, severity),
                str(problem.get("message") or ""),
            )
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                if column == 2 and severity in _COLOURS:
                    item.setForeground(colour(_COLOURS[severity]))
                self.table.setItem(i, column, item)
