"""What has changed since an earlier exam, in every file of a reading, and in none that is without identity."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hyrisk_desktop.comparison import Change, Comparison
from hyrisk_desktop.exchange.deidentified.export import write_deidentified
from hyrisk_desktop.exchange.deidentified.pdf_text import text_of_pdf
from hyrisk_desktop.exchange.reports import codes as c
from hyrisk_desktop.exchange.reports.change import (
    change_lines,
    change_rows,
    change_title,
    difference_text,
    number_text,
    told,
)
from hyrisk_desktop.exchange.reports.fhir import fhir_bundle
from hyrisk_desktop.exchange.reports.one_row_table import reading_table
from hyrisk_desktop.exchange.reports.pdf import pdf_report
from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.exchange.reports.source_images import source_images
from hyrisk_desktop.exchange.reports.structured_report import structured_report
from hyrisk_desktop.exchange.reports.structured_report_reader import read_report
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.imaging import find_series
from hyrisk_desktop.imaging.registration import Registration
from tests.helpers import dicom_series, readings

PRIOR_STUDY = "1.2.826.0.1.3680043.10.999.77"
KERNELS = Finding("kernels_differ", Severity.WARNING, "The kernels differ (B30f, B50f): a change may be theirs.")
CHANGES = {
    "agatston": Change(312.25, 211.5, 100.75, 99.0, 20.5),
    "volume_mm3": Change(250.0, 260.5, -10.5, -10.25, 30.0),
    "sqrt_volume": Change(15.81, 16.14, -0.33, -0.32, None),
    "grade": Change(2.0, 1.0, 1.0, 0.98, None),
    "hyrisknet": Change(0.51, 0.48, 0.03, 0.0295, 0.2),
    "risknet": Change(None, 0.4, None, None, None),
}


@pytest.fixture
def compared(reading: Report) -> Report:
    """The reading with an exam a year before."""
    m = reading.measurement
    laid = Registration(np.eye(4), 1.25)
    attributes = {"StudyInstanceUID": PRIOR_STUDY, "StudyDate": "20190203", "PatientID": "SECRET-7"}
    return replace(
        reading,
        comparison=Comparison(m, m, laid, 372, CHANGES, (KERNELS,), "1.2.826.0.1.3680043.10.999.78", attributes),
    )


def test_numbers_are_written_alike_everywhere() -> None:
    rows = {row.key: row for row in change_rows()}
    vessels = ["heart_lm", "heart_lad", "heart_lcx", "heart_rca"]
    scores = ["heart_agatston", "heart_sqrt_volume", *vessels, "agatston", "volume_mm3", "sqrt_volume"]
    assert list(rows) == [*scores, "grade", "hyrisknet", "risknet"]
    lad = rows["heart_lad"]
    assert lad.title == "LAD, Agatston"
    assert told(lad, Change(0.0, 12.0, -12.0, None, None))
    assert not told(lad, Change(0.0, 0.0, 0.0, 0.0, None))
    assert not told(lad, Change(None, 12.0, None, None, None))
    assert told(rows["agatston"], Change(0.0, 0.0, 0.0, 0.0, None))
    assert difference_text(-10.5, rows["volume_mm3"]) == "−10.5"
    assert difference_text(0.0, rows["grade"]) == "+0"
    assert difference_text(0.031, rows["hyrisknet"]) == "+3.1 %"
    assert difference_text(None, rows["grade"]) == number_text(None, rows["grade"]) == "–"
    assert number_text(0.5149, rows["risknet"]) == "51.5 %"


def test_the_lines_tell_no_date_and_no_name(compared: Report) -> None:
    assert compared.comparison is not None
    lines = change_lines(compared.comparison)
    assert lines == (
        "Interval since the prior exam: 372 days; registered, residual 1.2 mm.",
        "Region Agatston: 211.5 before, 312.2 now, change +100.8, other clicks, registration and scan: ±20.5.",
        "Volume, mm³: 260.5 before, 250.0 now, change −10.5, other clicks, registration and scan: ±30.0.",
        "√ Volume: 16.14 before, 15.81 now, change −0.33.",
        "Grade: 1 before, 2 now, change +1.",
        "HyRiskNet: 48.0 % before, 51.0 % now, change +3.0 %, other clicks, registration and scan: ±20.0 %.",
        KERNELS.message,
    )
    assert change_title(compared.comparison) == "Change since 2019-02-03, 372 days"
    assert change_title(compared.comparison, dated=False) == "Change since the prior exam, 372 days"


def test_the_document_holds_registration_and_change(compared: Report, reading: Report) -> None:
    assert "comparison" not in reading.document
    found = json.loads(json.dumps(compared.document, allow_nan=False))["comparison"]
    assert found["prior"] == {"study_uid": PRIOR_STUDY, "series_uid": "1.2.826.0.1.3680043.10.999.78"}
    assert found["registration"] == {"matrix": np.eye(4).tolist(), "residual_mm": 1.25}
    assert found["interval_days"] == 372
    assert found["change"]["agatston"] == {
        "current": 312.25, "prior": 211.5, "difference": 100.75, "per_year": 99.0, "noise": 20.5,
    }  # fmt: skip
    assert found["change"]["risknet"]["difference"] is None


def test_the_pdf_shows_the_table(compared: Report) -> None:
    text = " ".join(text_of_pdf(pdf_report(compared)).split())
    for said in (
        "CHANGE SINCE 2019-02-03, 372 DAYS",
        "211.5 312.2 +100.8 +99.0 20.5",
        "48.0 % 51.0 % +3.0 %",
        KERNELS.message,
    ):
        assert said in text
    undated = " ".join(text_of_pdf(pdf_report(replace(compared, dated=False))).split())
    assert "2019-02-03" not in undated


def test_the_structured_report_names_the_prior_study_and_is_read_back(compared: Report, tmp_path: Path) -> None:
    sr = structured_report(compared, source_images(compared.record, compared.volume))
    said = {}
    for item in sr.ContentSequence:
        code = item.ConceptNameCodeSequence[0]
        if item.ValueType == "TEXT":
            said.setdefault(code.CodeValue, []).append(item.TextValue)
    assert said[c.PRIOR_STUDY.value] == [PRIOR_STUDY]
    assert compared.comparison is not None
    assert said[c.CHANGE.value] == [line.replace("³", "³") for line in change_lines(compared.comparison)]
    path = tmp_path / "sr.dcm"
    sr.save_as(path, enforce_file_format=True)
    assert read_report(path).calcium["agatston"] == compared.measurement.scores.agatston


def test_a_prior_under_the_same_study_uid_is_not_taken_for_the_exam(compared: Report, tmp_path: Path) -> None:
    """As in exams whose UIDs somebody has made alike; the report could not be read back at all."""
    made = readings.calcified()
    for ds in made:
        ds.SeriesInstanceUID, ds.SOPInstanceUID = f"{ds.SeriesInstanceUID}.7", f"{ds.SOPInstanceUID}.7"
    record = find_series(dicom_series.write(made, tmp_path / "prior"))[0]
    assert compared.comparison is not None
    attributes = {"StudyInstanceUID": compared.volume.attributes["StudyInstanceUID"]}
    earlier = replace(compared.comparison, prior_record=record, prior_attributes=attributes)
    sr = structured_report(replace(compared, comparison=earlier), source_images(compared.record, compared.volume))
    (study,) = sr.CurrentRequestedProcedureEvidenceSequence
    assert len(study.ReferencedSeriesSequence) == 2
    path = tmp_path / "sr.dcm"
    sr.save_as(path, enforce_file_format=True)
    assert read_report(path).series_uid == compared.volume.series_uid


def test_fhir_has_no_empty_list_where_no_change_is_known(compared: Report) -> None:
    from tests.unit.exchange.test_fhir import by_code, kinds, validated

    assert compared.comparison is not None
    nothing = dict.fromkeys(CHANGES, Change(None, None, None, None, None))
    report = replace(compared, comparison=replace(compared.comparison, changes=nothing, interval_days=None))
    made = fhir_bundle(report)
    assert "[]" not in json.dumps(made)
    change = by_code(kinds(validated(made), "Observation"))[c.CHANGE.value]
    assert change["dataAbsentReason"]["text"] == "No number is known of both exams."


def test_fhir_links_both_studies(compared: Report) -> None:
    from tests.unit.exchange.test_fhir import by_code, kinds, validated

    bundle = fhir_bundle(compared)
    resources = validated(bundle)
    change = by_code(kinds(resources, "Observation"))[c.CHANGE.value]
    parts = by_code(change["component"])
    assert parts[c.INTERVAL.value]["valueInteger"] == 372
    assert parts[c.AGATSTON_SCORE.value]["valueQuantity"]["value"] == 100.75
    assert parts[c.CALCIUM_VOLUME.value]["valueQuantity"]["code"] == "mm3"
    assert c.RISKNET.value not in parts
    names = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}
    studies = [names[ref["reference"]] for ref in change["derivedFrom"]]
    assert studies[1]["identifier"][0]["value"] == f"urn:oid:{PRIOR_STUDY}"
    assert studies[1]["started"] == "2019-02-03"
    (report,) = kinds(resources, "DiagnosticReport")
    assert any(names[ref["reference"]]["code"] == change["code"] for ref in report["result"])


def test_the_table_has_the_columns_with_and_without_a_prior(compared: Report, reading: Report) -> None:
    (one,), (other,) = (list(csv.DictReader(io.StringIO(reading_table(r).decode()))) for r in (compared, reading))
    assert one.keys() == other.keys()
    assert (one["prior_study_uid"], one["interval_days"]) == (PRIOR_STUDY, "372")
    assert (one["agatston_prior"], one["agatston_difference"], one["agatston_noise"]) == ("211.5", "100.75", "20.5")
    assert one["risknet_difference"] == other["agatston_difference"] == other["prior_study_uid"] == ""


def test_a_copy_without_identity_knows_of_no_other_exam(compared: Report, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_deidentified(compared, out)
    for file in out.rglob("*"):
        if file.is_file():
            assert PRIOR_STUDY.encode() not in file.read_bytes()
    assert "comparison" not in json.loads((out / "reading.json").read_text())
