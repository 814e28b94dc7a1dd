"""What has changed since an earlier exam, worded the same on screen and in every file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hyrisk_desktop.calcium import CORONARIES
from hyrisk_desktop.comparison import Change, Comparison
from hyrisk_desktop.exchange import dicom_values as v
from hyrisk_desktop.i18n import day_text, decimal, said, tr, trn

NOTHING = "–"


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One quantity of a table of change: its key in `Comparison.changes`, its name, and how its numbers are written."""

    key: str
    title: str
    write: Callable[[float], str]


def change_rows() -> tuple[ChangeRow, ...]:
    """The table's rows, from top to bottom."""
    return (
        ChangeRow("heart_agatston", tr("Whole heart"), lambda x: decimal(x, ".1f")),
        ChangeRow("heart_sqrt_volume", tr("Whole heart, √ volume"), lambda x: decimal(x, ".2f")),
        *(
            ChangeRow(
                f"heart_{v.lower()}", tr("{vessel}, Agatston", vessel=vessel_name(v)), lambda x: decimal(x, ".1f")
            )
            for v in CORONARIES
        ),
        ChangeRow("agatston", tr("Region Agatston"), lambda x: decimal(x, ".1f")),
        ChangeRow("volume_mm3", tr("Volume, mm³"), lambda x: decimal(x, ".1f")),
        ChangeRow("sqrt_volume", tr("√ Volume"), lambda x: decimal(x, ".2f")),
        ChangeRow("grade", tr("Grade"), lambda x: decimal(x, "g")),
        ChangeRow("hyrisknet", tr("HyRiskNet"), lambda x: f"{decimal(100 * x, '.1f')} %"),
        ChangeRow("risknet", tr("RiskNet"), lambda x: f"{decimal(100 * x, '.1f')} %"),
    )


def vessel_name(vessel: str) -> str:
    """A vessel of `calcium.VESSELS` as readers write it."""
    return {"LCX": tr("LCx"), "other": tr("other")}.get(vessel, vessel)


def number_text(value: float | None, row: ChangeRow) -> str:
    """A number of ``row``, or a dash where there is none."""
    return NOTHING if value is None else row.write(value)


def difference_text(value: float | None, row: ChangeRow) -> str:
    """A difference with its sign, a real minus for less; risks in percentage points."""
    if value is None:
        return NOTHING
    size = f"{decimal(100 * abs(value), '.1f')} %" if row.key in ("hyrisknet", "risknet") else row.write(abs(value))
    return f"{'−' if value < 0 else '+'}{size}"


def noise_text(value: float | None, row: ChangeRow) -> str:
    """How far a difference goes without any change, for a table."""
    return NOTHING if value is None else difference_text(value, row).lstrip("+")


def known_rows(comparison: Comparison) -> Iterator[tuple[ChangeRow, Change]]:
    """The rows of which both exams have a number."""
    for row in change_rows():
        change = comparison.changes.get(row.key)
        if change is not None and told(row, change):
            yield row, change


def told(row: ChangeRow, change: Change) -> bool:
    """Whether a table shows the row: both exams have a number, and a vessel is not without calcium in both."""
    vessel = row.key.removeprefix("heart_").upper() in CORONARIES
    return change.difference is not None and not (vessel and not change.current and not change.prior)


def change_title(comparison: Comparison, *, dated: bool = True) -> str:
    """The heading of a table of change.

    Args:
        comparison: what it shows. dated: whether the prior's date may be told.
    """
    day = v.date(comparison.prior_attributes.get("StudyDate", "")) if dated else ""
    since = tr("Change since {day}", day=day_text(day)) if day else tr("Change since the prior exam")
    return (
        since
        if comparison.interval_days is None
        else trn("{since}, {n} day", "{since}, {n} days", comparison.interval_days, since=since)
    )


def change_lines(comparison: Comparison) -> tuple[str, ...]:
    """The table as sentences, and what makes the changes mean little; no identity and no date."""
    days = tr("not known") if comparison.interval_days is None else trn("{n} day", "{n} days", comparison.interval_days)
    lines = [
        tr(
            "Interval since the prior exam: {days}; registered, residual {mm:.1f} mm.",
            days=days,
            mm=comparison.registration.residual_mm,
        )
    ]
    for row, change in known_rows(comparison):
        band = (
            ""
            if change.noise is None
            else tr(", other clicks, registration and scan: ±{noise}", noise=noise_text(change.noise, row))
        )
        lines.append(
            tr("{name}: {prior} before, {now} now, change {difference}{band}.",
               name=row.title, prior=number_text(change.prior, row), now=number_text(change.current, row),
               difference=difference_text(change.difference, row), band=band)
        )  # fmt: skip
    return (*lines, *(said(finding.message) for finding in comparison.findings))


def change_document(comparison: Comparison) -> dict[str, Any]:
    """Registration, interval and change as `hyrisk compare --json` prints them; numbers that are none are null."""
    names = ("current", "prior", "difference", "per_year", "noise")
    return {
        "registration": {
            "matrix": [[round(float(x), 6) for x in row] for row in comparison.registration.matrix],
            "residual_mm": _number(comparison.registration.residual_mm),
        },
        "interval_days": comparison.interval_days,
        "change": {
            key: {name: _number(getattr(change, name)) for name in names} for key, change in comparison.changes.items()
        },
    }


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), 6)
