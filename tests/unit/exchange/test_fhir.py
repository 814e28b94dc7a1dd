"""The FHIR bundle, judged by the models of fhir.resources (R4B: R4 itself is not among them; what we use is alike)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from hyrisk_desktop.exchange.reports import codes
from hyrisk_desktop.exchange.reports.fhir import fhir_bundle
from hyrisk_desktop.exchange.reports.report import Report
from tests.helpers import dicom_series, readings


def validated(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    """The resources of a bundle that the models accept, each by itself and all together."""
    text = json.dumps(bundle, allow_nan=False)
    get_fhir_model_class("Bundle").model_validate_json(text)
    found = [entry["resource"] for entry in json.loads(text)["entry"]]
    for resource in found:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    return found


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def kinds(resources: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [resource for resource in resources if resource["resourceType"] == kind]


def by_code(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["code"]["coding"][0]["code"]: item for item in items}


def test_valid_and_the_numbers_to_the_last_digit(reading: Report) -> None:
    resources = validated(fhir_bundle(reading))
    m = reading.measurement
    assert m.risk is not None
    observations = by_code(kinds(resources, "Observation"))
    assert observations["450360000"]["valueQuantity"]["value"] == m.scores.agatston
    assert observations["450360000"]["method"]["coding"][0]["code"] == "112055"
    assert observations["450360000"]["bodySite"]["coding"][0]["code"] == "41801008"
    assert observations["122660"]["valueQuantity"]["value"] == m.scores.volume_mm3
    assert observations[codes.SQRT_VOLUME.value]["valueQuantity"]["value"] == m.scores.sqrt_volume
    assert observations[codes.GRADE.value]["valueQuantity"]["value"] == 2
    parts = by_code(observations[codes.RISK_READING.value]["component"])
    for code, value in {
        codes.HYRISKNET: m.risk.hyrisknet,
        codes.RISKNET: m.risk.risknet,
        codes.LOWEST: m.risk.interval[0],
        codes.HIGHEST: m.risk.interval[1],
        codes.PERCENTILE: m.risk.percentile,
        codes.PREVALENCE: m.risk.prevalence,
        **dict(zip(codes.BY_GRADE, m.risk.by_grade, strict=True)),
    }.items():
        assert parts[code.value]["valueQuantity"]["value"] == value
    (assessment,) = kinds(resources, "RiskAssessment")
    assert assessment["prediction"][0]["probabilityDecimal"] == 100 * m.risk.risk
    assert m.risk.sha256 in assessment["method"]["text"]


def test_everything_referred_to_is_there(reading: Report) -> None:
    bundle = fhir_bundle(reading)
    names = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(set(names)) == len(names)
    assert set(references(bundle)) <= set(names)
    (report,) = kinds(validated(bundle), "DiagnosticReport")
    assert len(report["result"]) == 5


def test_research_use_demonstration_and_synthetic_are_said(reading: Report, tmp_path: Path) -> None:
    (report,) = kinds(validated(fhir_bundle(reading)), "DiagnosticReport")
    assert "Research use only" in report["conclusion"]
    assert "DEMONSTRATION MODEL" in report["conclusion"]
    assert report["status"] == "preliminary"
    exam = dicom_series.write(readings.calcified(patient="SYNTHETIC^PHANTOM"), tmp_path / "exam")
    for resource in validated(fhir_bundle(readings.report_of(exam))):
        assert resource["meta"]["tag"][0]["code"] == "HTEST"


@pytest.mark.parametrize("grade", [None, 1.5])
def test_without_grade_model_and_reader(exam: Path, grade: float | None) -> None:
    resources = validated(fhir_bundle(readings.report_of(exam, grade=grade, reader="")))
    assert not kinds(resources, "RiskAssessment")
    assert not kinds(resources, "Practitioner")
    assert (codes.GRADE.value in by_code(kinds(resources, "Observation"))) == (grade is not None)
