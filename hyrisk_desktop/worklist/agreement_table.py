"""The agreement of several readers as rows: for the window, a table on disk, and the command line alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hyrisk_desktop.i18n import tr
from hyrisk_desktop.tables import Column, Kind
from hyrisk_desktop.worklist.agreement import Estimate
from hyrisk_desktop.worklist.agreement_many import REGION, WHOLE_HEART, ManyAgreement, chosen_reads, compare_many
from hyrisk_desktop.worklist.records import Read, Reader

COLUMNS = (
    Column("statistic"), Column("quantity"), Column("reads"), Column("readers"), Column("exams", Kind.INTEGER),
    Column("value", Kind.NUMBER), Column("low_95", Kind.NUMBER), Column("high_95", Kind.NUMBER), Column("note"),
)  # fmt: skip
CONSENSUS = "Consensus"
"""The reader under whose name a consensus is kept."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which reads of a list are compared: whose, and of which kind, see `chosen_reads`."""

    readers: tuple[Reader, ...]
    blinded: bool = False
    mixed: bool = False

    @property
    def kind(self) -> str:
        """Of the reads, as the table names it."""
        return ("blinded" if self.blinded else "open") + ("_or_other" if self.mixed else "")

    def compare(self, reads: Sequence[Read]) -> ManyAgreement:
        """Compare them among ``reads``, those of a list."""
        return compare_many(
            [chosen_reads(reads, r.reader_id, blinded=self.blinded, mixed=self.mixed) for r in self.readers]
        )


def graders(readers: Sequence[Reader], reads: Sequence[Read]) -> tuple[Reader, ...]:
    """The readers who have graded anything, without the consensus: that agrees with whom it was made of."""
    graded = {r.reader_id for r in reads if r.grade is not None}
    return tuple(r for r in readers if r.reader_id in graded and r.name != CONSENSUS)


def agreement_rows(found: ManyAgreement, choice: Choice) -> list[dict[str, Any]]:
    """One row of `COLUMNS` for each statistic; None for what the data can't give."""
    rows = [
        _row("share_equal", "grade", found.complete, Estimate(found.raw, math.nan, math.nan)),
        _row("fleiss_kappa", "grade", found.complete, found.fleiss),
        _row("krippendorff_alpha_ordinal", "grade", found.compared, found.alpha),
    ]
    for name, scores in found.scores.items():
        quantity = f"agatston_{name}"
        rows.append(_row("icc_2_1", quantity, scores.complete, scores.icc))
        rows.append(_row("krippendorff_alpha_interval", quantity, scores.compared, scores.alpha))
    names = "; ".join(reader.name for reader in choice.readers)
    return [row | {"reads": choice.kind, "readers": names, "note": _note(found, row)} for row in rows]


def _row(statistic: str, quantity: str, exams: int, e: Estimate) -> dict[str, Any]:
    value, low, high = (None if math.isnan(number) else number for number in (e.value, e.low, e.high))
    return {
        "statistic": statistic,
        "quantity": quantity,
        "exams": exams,
        "value": value,
        "low_95": low,
        "high_95": high,
    }


def _note(found: ManyAgreement, row: dict[str, Any]) -> str:
    if row["quantity"] == f"agatston_{REGION}" and found.left_out:
        return f"left out, scored from different series or by different profiles, or withheld: {found.left_out}"
    return "" if row["value"] is not None else "too few exams, or no differences"


def statistic_name(row: dict[str, Any]) -> str:
    """What a row's statistic is called."""
    return {
        "share_equal": tr("One grade by all"),
        "fleiss_kappa": tr("Fleiss' kappa"),
        "krippendorff_alpha_ordinal": tr("Krippendorff's alpha, ordinal"),
        "krippendorff_alpha_interval": tr("Krippendorff's alpha, interval"),
        "icc_2_1": tr("ICC(2,1)"),
    }[row["statistic"]]


def quantity_name(row: dict[str, Any]) -> str:
    """What a row's statistic is of."""
    name = str(row["quantity"]).removeprefix("agatston_")
    named = {"grade": tr("Grade"), REGION: tr("Region Agatston"), WHOLE_HEART: tr("Whole-heart Agatston")}
    return named.get(name) or tr("Agatston of {vessel}", vessel=name)
