"""One reading as everything that leaves the program takes it, and its sentences, the same in each of them.

The numbers come from `reading_document.score_document`, which is what `hyrisk score --json` prints, and are worded here with
as many digits as on screen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop import __version__
from hyrisk_desktop.calcium import WholeHeartScores, category_bounds
from hyrisk_desktop.calcium.grading import grade_word
from hyrisk_desktop.calcium.scores import region_name
from hyrisk_desktop.comparison import Comparison
from hyrisk_desktop.exchange import dicom_values as v
from hyrisk_desktop.exchange.reports.change import change_document, vessel_name
from hyrisk_desktop.exchange.reports.document import score_document
from hyrisk_desktop.findings import Severity
from hyrisk_desktop.i18n import decimal, listed, said, tr
from hyrisk_desktop.imaging import CTVolume, SeriesRecord
from hyrisk_desktop.measurement import Measurement
from hyrisk_desktop.risk.risk_reading import RiskReading
from hyrisk_desktop.standing import Standing, State
from hyrisk_desktop.worklist.notes import NO_NOTES, Notes

PRODUCT = "HyRisk Desktop"
VERSION = __version__


@dataclass(frozen=True, eq=False)
class Report:
    """One reading, to be written.

    Attributes:
        record: what ``volume`` was read from. measurement: what was measured there.
        reader: who read, "" for unknown. read_at: when the read took this state, not when it is written; with a time zone. dated: whether that is true, and no dummy.
        model_lines: the model card's summary, one plain line each.
        comparison: with an earlier exam; None where there was none on screen. notes: the reader's key images and measures.
        patch_xyz: the model's patch in voxels. looked_at: slices that its network saw; empty without a model.
        levels_mm: heights along z that its reading is the mean of, where there are several. heat: [rows, columns] of the patch as in `risk.explain`, None for none.
    """

    record: SeriesRecord
    volume: CTVolume
    measurement: Measurement
    reader: str = ""
    read_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    dated: bool = True
    model_lines: tuple[str, ...] = ()
    patch_xyz: tuple[int, int, int] = (161, 161, 3)
    looked_at: frozenset[int] = frozenset()
    levels_mm: tuple[float, ...] = ()
    heat: NDArray[np.float32] | None = None
    comparison: Comparison | None = None
    notes: Notes = NO_NOTES

    @cached_property
    def _tracked(self) -> dict[str, str]:
        return {}

    def tracking_uid(self, name: str) -> str:
        """The UID by which every object of this reading calls the thing ``name``."""
        return self._tracked.setdefault(name, v.new_uid())

    @cached_property
    def document(self) -> dict[str, Any]:
        """The JSON object of this reading."""
        m, compared = self.measurement, self.comparison
        made = score_document(self.volume, m.centre, m.scores, m.risk, m.findings, m.whole_heart)
        if compared is not None:
            prior = {
                "study_uid": compared.prior_attributes.get("StudyInstanceUID"),
                "series_uid": compared.prior_series_uid,
            }
            made["comparison"] = {"prior": prior, **change_document(compared)}
        return made


def research_use() -> str:
    """The sentence that no report goes without."""
    return tr("Research use only. Not a medical device; not for diagnosis or treatment.")


def warnings_of(report: Report) -> tuple[str, ...]:
    """What stands beside the numbers of a synthetic exam or a demonstration model; never a footnote."""
    lines = []
    if report.volume.synthetic:
        lines.append(tr("SYNTHETIC EXAM: a phantom, not a patient."))
    if report.measurement.risk is not None and report.measurement.risk.demonstration:
        lines.append(tr("DEMONSTRATION MODEL: trained on synthetic phantoms, it has never seen a patient."))
    return tuple(lines)


def grade_text(grade: float | None) -> str:
    """``2 (moderate)``, ``1.5``, or that there is none."""
    if grade is None:
        return tr("not graded")
    return f"{grade:g} ({grade_word(int(grade))})" if grade == int(grade) else decimal(grade, "g")


def percent(risk: float, digits: int = 0) -> str:
    """A risk in [0, 1] as text; never 0 or 100 %, which no model can know."""
    smallest = 10.0**-digits
    if 100 * risk < smallest / 2:
        return tr("<{p:g} %", p=smallest)
    if 100 * risk > 100 - smallest / 2:
        return tr(">{p:.{digits}f} %", p=100 - smallest, digits=digits)
    return tr("{p:.{digits}f} %", p=100 * risk, digits=digits)


def calcium_rows(report: Report) -> tuple[tuple[str, str], ...]:
    """Names and values of the scores, worded as on screen."""
    scores, standing = report.measurement.scores, report.measurement.scores_standing
    a, b, c = scores.region_mm
    counted = sum(not lesion.excluded for lesion in scores.lesions)
    excluded = len(scores.lesions) - counted
    lesions = tr("{n} counted", n=counted) + (tr(", {n} excluded by the reader", n=excluded) if excluded else "")
    name = tr("Agatston, {region}", region=region_name(drawn=scores.drawn)) if scores.drawn else tr("Region Agatston")
    category = category_words(scores.category)
    numbers = (
        (name, decimal(scores.agatston, ".1f")),
        *_state_row(standing),
        (tr("Category"), category),
        (tr("Volume score"), tr("{v:.1f} mm³", v=scores.volume_mm3)),
        (tr("Square root of volume"), decimal(scores.sqrt_volume, ".2f")),
        (tr("Lesions"), lesions),
    )
    return (
        *(((name, tr("withheld")), *_state_row(standing)) if standing.withheld else numbers),
        *_heart_rows(report),
        (tr("Region"), tr("{a:.0f} × {b:.0f} × {c:.0f} mm, profile {p}", a=a, b=b, c=c, p=scores.profile)),
        (tr("Visual grade"), grade_text(report.measurement.grade)),
    )


def category_words(category: int) -> str:
    """An Agatston category with its bounds, and where it stands: "4 of 0 to 4" reads as four scores out of a range."""
    where = {0: tr("lowest of 0 to 4"), 4: tr("highest of 0 to 4")}.get(category, tr("from 0 to 4"))
    return tr("{c} ({bounds}), {where}", c=category, bounds=category_bounds(category), where=where)


def _heart_rows(report: Report) -> tuple[tuple[str, str], ...]:
    """The whole heart, where it was scored."""
    heart, standing = report.measurement.whole_heart, report.measurement.whole_heart_standing
    if heart is None:
        return ()
    name = tr("Whole-heart score")
    if standing.withheld:
        return ((name, tr("withheld: {why}", why=standing.why)),)
    return (
        (name, decimal(heart.agatston, ".1f")),
        (tr("Its category"), category_words(heart.category)),
        (tr("Of the whole heart"), heart.cac_drs),
        (tr("By vessel"), vessel_text(heart)),
    )


def vessel_text(heart: WholeHeartScores) -> str:
    """Agatston scores by vessel; a question mark where a plaque lies there by its place alone.

    Args:
        heart: the scores.
    """
    rows = [row for row in heart.vessels if row.lesions]
    shown = (f"{vessel_name(row.vessel)}{' ?' if row.suggested else ''} {decimal(row.agatston, '.1f')}" for row in rows)
    return " · ".join(shown) or tr("none")


def risk_rows(report: Report) -> tuple[tuple[str, str], ...]:
    """Names and values of the risk, worded as on screen; empty without one."""
    risk = report.measurement.risk
    if risk is None:
        return ()
    low, high = risk.interval
    head = tr("Risk (RiskNet, image alone)") if risk.hyrisknet is None else tr("Risk (HyRiskNet)")
    standing, model = report.measurement.risk_standing, (tr("Model"), f"{risk.model}, {risk.sha256[:12]}")
    if standing.withheld:
        return (head, tr("withheld")), *_state_row(standing), model
    place = tr("no reference") if risk.percentile is None else tr("{p:.0f} of 100", p=risk.percentile)
    calibrated = tr("calibrated") if risk.calibrated else tr("not calibrated")
    return (
        (head, percent(risk.risk, 1)),
        *_state_row(standing),
        (tr("Interval"), tr("{low} to {high}", low=percent(low, 1), high=percent(high, 1))),
        (tr("It covers"), covers_words(risk)),
        (tr("Percentile in the reference cohort"), place),
        (tr("Assumed prevalence"), tr("{p:.1f} % non-survivors, {how}", p=100 * risk.prevalence, how=calibrated)),
        (tr("Time horizon"), horizon_words(risk)),
        (tr("RiskNet (image alone)"), percent(risk.risknet, 1)),
        model,
    )


def horizon_words(risk: RiskReading) -> str:
    """Within what time the outcome was counted that the model learned; that its training data say none, where they don't."""
    return tr("none: the training data state no time") if risk.horizon is None else v.plain(risk.horizon)


def covers_words(risk: RiskReading) -> str:
    """What the interval of a risk covers, in words."""
    words = {
        "click": tr("clicks ±3 px, ±1 slice"),
        "crop": tr("crops"),
        "z": tr("5 mm in z"),
        "hu": tr("±5 HU"),
        "kernel": tr("kernel"),
        "pixel": tr("pixel size"),
        "model": tr("the model's doubt"),
    }
    return listed(words.get(what, what) for what in risk.interval_covers)


def impression_words(report: Report) -> dict[str, str]:
    """The fields of a site's impression sentence by name, worded as on the page; what is withheld says so and no number."""
    m = report.measurement
    withheld, none = tr("withheld"), tr("not known")
    scores = m.scores
    words = {
        "agatston": decimal(scores.agatston, ".1f"),
        "category": category_words(scores.category),
        "volume": tr("{v:.1f} mm³", v=scores.volume_mm3),
        "lesions": str(sum(not lesion.excluded for lesion in scores.lesions)),
    }
    if m.scores_standing.withheld:
        words = dict.fromkeys(words, withheld)
    words["grade"] = grade_text(m.grade)
    return words | _heart_words(report, withheld, none) | _risk_words(m.risk, m.risk_standing, withheld, none)


def _heart_words(report: Report, withheld: str, none: str) -> dict[str, str]:
    heart = report.measurement.whole_heart
    if heart is None or report.measurement.whole_heart_standing.withheld:
        return dict.fromkeys(("whole_heart", "cac_drs", "vessels"), none if heart is None else withheld)
    return {"whole_heart": decimal(heart.agatston, ".1f"), "cac_drs": heart.cac_drs, "vessels": vessel_text(heart)}


def _risk_words(risk: RiskReading | None, standing: Standing, withheld: str, none: str) -> dict[str, str]:
    if risk is None:
        return dict.fromkeys(("risk", "interval", "percentile", "horizon", "model"), none)
    low, high = risk.interval
    words = {
        "risk": percent(risk.risk, 1),
        "interval": tr("{low} to {high}", low=percent(low, 1), high=percent(high, 1)),
        "percentile": tr("no reference") if risk.percentile is None else tr("{p:.0f} of 100", p=risk.percentile),
    }
    if standing.withheld:
        words = dict.fromkeys(words, withheld)
    return words | {"horizon": horizon_words(risk), "model": risk.model}


def _state_row(standing: Standing) -> tuple[tuple[str, str], ...]:
    """Why a number is withheld or doubtful; nothing for what is shown."""
    if standing.state is State.SHOWN:
        return ()
    return ((tr("Because of"), standing.why) if standing.withheld else (tr("State"), tr("doubtful, see the findings")),)


def finding_lines(report: Report) -> tuple[str, ...]:
    """The findings in their order, as ``Warning: sentence``."""
    words = {Severity.INFO: tr("Note"), Severity.WARNING: tr("Warning"), Severity.UNFIT: tr("UNFIT")}
    return tuple(
        tr("{kind}: {sentence}", kind=words[finding.severity], sentence=said(finding.message))
        for finding in report.measurement.findings
    )
