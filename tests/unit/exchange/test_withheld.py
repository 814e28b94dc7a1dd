"""What is withheld leaves the program in no file as a number, and every file says why."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from hyrisk_desktop.exchange.exports import Targets, write_exports
from hyrisk_desktop.exchange.reports import codes as c
from hyrisk_desktop.exchange.reports.document import score_document
from hyrisk_desktop.exchange.reports.fhir import fhir_bundle
from hyrisk_desktop.exchange.reports.one_row_table import reading_table
from hyrisk_desktop.exchange.reports.report import Report, calcium_rows, risk_rows
from hyrisk_desktop.exchange.reports.segmentation import segmentation
from hyrisk_desktop.exchange.reports.source_images import source_images
from hyrisk_desktop.exchange.reports.structured_report import structured_report
from hyrisk_desktop.exchange.reports.structured_report_reader import read_report
from hyrisk_desktop.exchange.restoring import restore, risk_notes
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.measurement import collect_findings
from hyrisk_desktop.risk.factors import FactorShare
from tests.unit.exchange.conftest import Judge
from tests.unit.exchange.test_fhir import by_code, kinds, validated
from tests.unit.exchange.test_pdf import text_of

CONTRAST = Finding("contrast", Severity.UNFIT, "The scan was made with contrast agent.")
UNLIKE = Finding("unlike_training", Severity.WARNING, "This patch looks unlike the training data.")
BONE = Finding("bone_counted", Severity.WARNING, "Bone is counted.")
CASES = {"both": (CONTRAST, True, True), "risk": (UNLIKE, True, False), "scores": (BONE, False, True)}


def with_finding(reading: Report, finding: Finding) -> Report:
    m = reading.measurement
    return dataclasses.replace(
        reading,
        measurement=dataclasses.replace(m, findings=collect_findings((finding, *m.findings), (), None, None, None)),
    )


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest, reading: Report) -> tuple[Report, Finding, bool, bool]:
    """A reading, what withholds something of it, and whether that is the risk, and the scores."""
    assert not reading.measurement.risk_standing.withheld, "the fixture is a heart"
    finding, risk, scores = CASES[request.param]
    return with_finding(reading, finding), finding, risk, scores


def the_numbers(report: Report) -> tuple[set[float], set[float]]:
    """Of the risk, and of the scores with their lesions; to ten digits, as files write shares in percent or round."""
    scores, risk = report.measurement.scores, report.measurement.risk
    assert risk is not None
    risks = {risk.risknet, risk.hyrisknet, *risk.interval, *risk.by_grade, risk.percentile}
    counted = {scores.agatston, scores.volume_mm3, scores.sqrt_volume}
    lesions = {x for n in scores.lesions for x in (n.agatston, n.volume_mm3)}
    return {_ten(r) for r in risks if r is not None}, {_ten(x) for x in counted | lesions}


def _ten(number: float) -> float:
    return float(f"{number:.10g}")


def in_sr(dataset: Dataset) -> set[float]:
    """Every number of a structured report but areas (one is another lesion's score), shares as such and in percent."""
    items = [item for e in dataset.iterall() if e.keyword == "ContentSequence" for item in e.value]
    found = [
        float(item.MeasuredValueSequence[0].FloatingPointValue)
        for item in items
        if item.ValueType == "NUM" and item.ConceptNameCodeSequence[0].CodeValue != c.AREA.value
    ]
    return {_ten(x) for number in found for x in (number, number / 100)}


def in_json(value: Any) -> set[float]:
    if isinstance(value, dict):
        return set().union(*(in_json(v) for v in value.values()), set())
    if isinstance(value, list):
        return set().union(*(in_json(v) for v in value), set())
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return {_ten(value), _ten(value / 100)} if number else set()


def test_no_number_in_sr_and_fhir(case: tuple[Report, Finding, bool, bool], reading: Report) -> None:
    report, finding, no_risk, no_scores = case
    risks, scores = the_numbers(report)
    plain = structured_report(reading, source_images(reading.record, reading.volume))
    assert (risks | scores) <= in_sr(plain), "the search finds them where they are"
    source = source_images(report.record, report.volume)
    # With the calcifications' own group, whose volume is one of the scores.
    sr = structured_report(report, source, segmentation(report, source))
    bundle = fhir_bundle(report)
    for numbers, gone in ((risks, no_risk), (scores, no_scores)):
        assert (not numbers & in_sr(sr)) is gone
        assert (numbers <= in_sr(sr)) is not gone
    assert (not risks & in_json(bundle)) is no_risk
    totals = {report.measurement.scores.agatston, report.measurement.scores.volume_mm3}
    assert (not totals & in_json(bundle)) is no_scores
    assert finding.message in json.dumps(bundle)


def test_what_adds_up_to_a_withheld_risk_is_withheld_with_it(case: tuple[Report, Finding, bool, bool]) -> None:
    report, _, no_risk, _ = case
    m = report.measurement
    assert m.risk is not None
    known = (FactorShare("epicardial_fat", 0.31234567, 0.52),)
    risk = dataclasses.replace(m.risk, explained_by=known, explained=0.68)
    found = score_document(report.volume, m.centre, m.scores, risk, m.findings)["risk"]
    said = [{"factor": "epicardial_fat", "log_odds": 0.3123, "r2": 0.52}]
    assert found["explained_by"] == (None if no_risk else said)
    assert found["unexplained"] == 0.32
    if no_risk:
        assert found["withheld"]["explained_by"] == said


def test_fhir_says_why_there_is_no_value(case: tuple[Report, Finding, bool, bool]) -> None:
    report, finding, no_risk, no_scores = case
    resources = validated(fhir_bundle(report))
    observations = by_code(kinds(resources, "Observation"))
    for code in (c.AGATSTON_SCORE, c.CALCIUM_VOLUME, c.SQRT_VOLUME):
        assert ("valueQuantity" in observations[code.value]) is not no_scores
        assert ("dataAbsentReason" in observations[code.value]) is no_scores
    if no_scores:
        absent = observations["450360000"]["dataAbsentReason"]
        assert absent["coding"][0]["code"] == "unknown"
        assert absent["text"] == f"Withheld: {finding.message}"
    for observation, withheld in (("450360000", no_scores), (c.RISK_READING.value, no_risk)):
        parts = by_code(observations[observation]["component"])
        state = parts[c.STATE.value]["valueCodeableConcept"]["coding"][0]["display"]
        assert (state == "Withheld") is withheld
        assert (c.CATEGORY.value in parts) is (observation == "450360000" and not withheld)
        if withheld:
            assert parts[c.REASONS.value]["valueString"].split()[0] == finding.code
    assert (kinds(resources, "RiskAssessment") == []) is no_risk


def test_the_table_has_empty_cells_and_the_state(case: tuple[Report, Finding, bool, bool]) -> None:
    report, finding, no_risk, no_scores = case
    (row,) = csv.DictReader(io.StringIO(reading_table(report).decode()))
    risk = ("risknet", "hyrisknet", "interval_low", "interval_high", "percentile")
    assert all((row[key] == "") is no_risk for key in risk)
    assert (row["risk_state"] == "withheld") is no_risk
    assert (row["calcium_state"] == "withheld") is no_scores
    if no_risk:
        assert row["risk_reasons"].split()[0] == finding.code
    if no_scores:
        assert row["calcium_reasons"].split()[0] == finding.code
    assert row["model_sha256"]


def test_the_pages_rows_say_withheld_and_why(case: tuple[Report, Finding, bool, bool], tmp_path: Path) -> None:
    report, finding, no_risk, no_scores = case
    m = report.measurement
    assert m.risk is not None
    for rows, standing, withheld in (
        (risk_rows(report), m.risk_standing, no_risk),
        (calcium_rows(report), m.scores_standing, no_scores),
    ):
        assert (rows[0][1] == "withheld") is withheld
        assert (rows[1] == ("Because of", standing.why)) is withheld
        assert standing.reasons[:1] == (finding,) or not withheld
    target = Targets(pdf=tmp_path / "r.pdf")
    write_exports(target, report.record, report.volume, m)
    text = text_of((tmp_path / "r.pdf").read_bytes(), tmp_path)
    assert ("Risk by grade" in text) is not no_risk
    assert (f"{m.scores.agatston:.1f}" in text) is not no_scores
    assert finding.message in " ".join(text.split())


def test_what_was_withheld_comes_back_without_a_comparison(
    case: tuple[Report, Finding, bool, bool], tmp_path: Path, judge: Judge
) -> None:
    report, _, no_risk, no_scores = case
    m = report.measurement
    targets = Targets(sr=tmp_path / "r.dcm", seg=tmp_path / "s.dcm")
    write_exports(targets, report.record, report.volume, m)
    assert judge(tmp_path / "r.dcm") == judge(tmp_path / "s.dcm") == []
    back = read_report(tmp_path / "r.dcm")
    assert back.risk is not None
    assert m.risk is not None
    assert back.risk["risknet"] == (None if no_risk else pytest.approx(m.risk.risknet, rel=1e-14))
    assert back.risk["state"] == m.risk_standing.state
    assert back.risk["reasons"] == list(m.risk_standing.codes)
    assert back.calcium["agatston"] == (None if no_scores else m.scores.agatston)
    assert [n.agatston is None for n in back.lesions] == [no_scores] * len(m.scores.lesions)
    restored = restore(tmp_path / "r.dcm", report.record, report.volume)
    assert restored.excluded, "the lesion that the reader left out"
    assert restored.notes == ()
    assert risk_notes(back, m.risk) == []
    moved = dataclasses.replace(m.risk, hyrisknet=0.9)
    assert (risk_notes(back, moved) == []) is no_risk


def test_a_score_that_is_withheld_by_now_is_not_told_beside_the_reports(reading: Report, tmp_path: Path) -> None:
    m = reading.measurement
    scores = dataclasses.replace(m.scores, agatston=m.scores.agatston + 1)
    write_exports(Targets(sr=tmp_path / "r.dcm"), reading.record, reading.volume, dataclasses.replace(m, scores=scores))
    (note,) = restore(tmp_path / "r.dcm", reading.record, reading.volume).notes
    assert note.startswith("The Agatston score is ")
    attributes = {**reading.volume.attributes, "ContrastBolusAgent": "Omnipaque"}
    assert (
        restore(tmp_path / "r.dcm", reading.record, dataclasses.replace(reading.volume, attributes=attributes)).notes
        == ()
    )


def test_a_risk_that_is_withheld_by_now_is_not_told_beside_the_reports(reading: Report, tmp_path: Path) -> None:
    m = reading.measurement
    assert m.risk is not None
    write_exports(Targets(sr=tmp_path / "r.dcm"), reading.record, reading.volume, m)
    moved, back = dataclasses.replace(m.risk, hyrisknet=0.9), read_report(tmp_path / "r.dcm")
    (note,) = risk_notes(back, moved, m.risk_standing)
    assert "90.00 %" in note
    assert risk_notes(back, moved, with_finding(reading, UNLIKE).measurement.risk_standing) == []
