"""The numbers on screen as text: for the clipboard and the offscreen demonstration. No patient data."""

from __future__ import annotations

from hyrisk_desktop.calcium import CalciumScores, category_bounds
from hyrisk_desktop.exchange.reports.change import change_lines
from hyrisk_desktop.exchange.reports.report import percent, vessel_text
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.i18n import listed, tr
from hyrisk_desktop.risk import RiskReading
from hyrisk_desktop.standing import Standing


def agatston_name(scores: CalciumScores) -> str:
    """What the Agatston score is called, by what it covers."""
    return tr("Whole-heart box Agatston") if scores.drawn else tr("Region Agatston")


def results_text(session: Session) -> str:
    """The numbers as lines of text, each with what qualifies it; empty when there are none."""
    if session.scores is None:
        return ""
    grade = session.read.grade
    lines = [
        tr("HyRisk Desktop – research use only"),
        *_score_lines(session.scores, session.scores_standing, hidden=session.hides(session.scores_standing)),
        *_heart_lines(session),
        tr("Not graded") if grade is None else tr("Grade: {grade:g}", grade=grade),
        *(
            ()
            if session.risk is None
            else _risk_lines(session.risk, session.risk_standing, hidden=session.hides(session.risk_standing))
        ),
        *(() if session.comparison is None else change_lines(session.comparison)),
        tr("Exam: synthetic phantom, not a patient") if session.exam and session.exam.synthetic else "",
        *(f.message for f in session.findings),
    ]
    return "\n".join(line for line in lines if line)


def _withheld(what: str, standing: Standing, *, hidden: bool) -> str:
    """What stands before a number that somebody asked to see all the same, or in its place; "" for what is not withheld."""
    if hidden:
        return tr("{what}: withheld, {why}", what=what, why=standing.why)
    return tr("WITHHELD ({why}), shown anyway:", why=standing.why) if standing.withheld else ""


def _score_lines(scores: CalciumScores, standing: Standing, *, hidden: bool) -> tuple[str, ...]:
    w, h, d = scores.region_mm
    excluded = sum(lesion.excluded for lesion in scores.lesions)
    where = tr("Heart centre (x, y, z): {centre}", centre=scores.centre) if scores.centre else ""
    warning = _withheld(agatston_name(scores), standing, hidden=hidden)
    if hidden:
        return where, warning
    return (
        where,
        warning,
        tr(
            "{what}: {a:.1f} ({bounds}), {w:.0f} × {h:.0f} × {d:.0f} mm, profile {profile}",
            what=agatston_name(scores),
            a=scores.agatston,
            bounds=category_bounds(scores.category),
            w=w,
            h=h,
            d=d,
            profile=scores.profile,
        ),
        tr("Volume: {v:.1f} mm³, square root {s:.2f}", v=scores.volume_mm3, s=scores.sqrt_volume),
        tr("Lesions excluded by the reader: {n}", n=excluded) if excluded else "",
    )


def _heart_lines(session: Session) -> tuple[str, ...]:
    heart, standing = session.settled_heart, session.whole_heart_standing
    if heart is None:
        return ()
    hidden = session.hides(standing)
    warning = _withheld(tr("Whole-heart score"), standing, hidden=hidden)
    if hidden:
        return (warning,)
    bounds = category_bounds(heart.category)
    said = tr("Whole-heart score: {a:.1f} ({bounds}), {drs}", a=heart.agatston, bounds=bounds, drs=heart.cac_drs)
    return warning, said, tr("By vessel (?: suggested): {vessels}", vessels=vessel_text(heart))


def _risk_lines(risk: RiskReading, standing: Standing, *, hidden: bool) -> tuple[str, ...]:
    warning = _withheld(tr("Risk"), standing, hidden=hidden)
    if hidden:
        return (warning,)
    note = tr(" (demonstration model, trained on synthetic phantoms)") if risk.demonstration else ""
    what = tr("Risk (image only, no grade)") if risk.hyrisknet is None else tr("Risk")
    low, high = (percent(r, 1) for r in risk.interval)
    place = "" if risk.percentile is None else tr("; percentile {p:.0f} of 100", p=risk.percentile)
    kind = tr("calibrated") if risk.calibrated else tr("not calibrated")
    return (
        warning,
        tr(
            "{what}: {risk}, interval {low} to {high}{place}{note}",
            what=what,
            risk=percent(risk.risk, 1),
            low=low,
            high=high,
            place=place,
            note=note,
        ),
        tr("RiskNet, image only: {risk}", risk=percent(risk.risknet, 1)) + _by_grade(risk),
        tr(
            "Model {model} {sha}, {kind}, assumed prevalence {p:.0f} %",
            model=risk.model,
            sha=risk.sha256[:12],
            kind=kind,
            p=100 * risk.prevalence,
        ),
    )


def _by_grade(risk: RiskReading) -> str:
    if not risk.by_grade:
        return tr("; the model takes the region Agatston, not the grade")
    return tr("; at grades 0 to 3: {risks}", risks=listed(percent(r, 1) for r in risk.by_grade))
