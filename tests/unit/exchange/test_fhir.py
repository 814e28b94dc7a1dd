"""The FHIR bundle, judged by the models of fhir.resources (R4B: R4 itself is not among them; what we use is alike)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from fhir.resources.R4B import get_fhir_model_class

from hyrisk_desktop.exchange.reports import codes, fhir
from hyrisk_desktop.exchange.reports.fhir import fhir_bundle
from hyrisk_desktop.exchange.reports.fhir_transaction import fhir_transaction
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


def same(value: float) -> Any:
    """Equal to the twelve digits that are written."""
    return pytest.approx(value, rel=1e-11, abs=0)


def test_valid_and_the_numbers_to_the_twelfth_digit(reading: Report) -> None:
    resources = validated(fhir_bundle(reading))
    m = reading.measurement
    assert m.risk is not None
    observations = by_code(kinds(resources, "Observation"))
    assert observations["450360000"]["valueQuantity"]["value"] == same(m.scores.agatston)
    assert observations["450360000"]["method"]["coding"][0]["code"] == "112055"
    assert observations["450360000"]["bodySite"]["coding"][0]["code"] == "41801008"
    assert observations["122660"]["valueQuantity"]["value"] == same(m.scores.volume_mm3)
    assert observations[codes.SQRT_VOLUME.value]["valueQuantity"]["value"] == same(m.scores.sqrt_volume)
    assert observations[codes.GRADE.value]["valueQuantity"]["value"] == 2
    parts = by_code(observations[codes.RISK_READING.value]["component"])
    for code, value in {
        codes.HYRISKNET: m.risk.hyrisknet,
        codes.RISKNET: m.risk.risknet,
        codes.LOWEST: m.risk.interval[0],
        codes.HIGHEST: m.risk.interval[1],
        codes.PREVALENCE: m.risk.prevalence,
        **dict(zip(codes.BY_GRADE, m.risk.by_grade, strict=True)),
    }.items():
        assert value is not None
        assert parts[code.value]["valueQuantity"]["value"] == same(100 * value)
        assert parts[code.value]["valueQuantity"]["unit"] == "%"
    assert parts[codes.PERCENTILE.value]["valueQuantity"]["value"] == same(m.risk.percentile or 0)
    assert parts[codes.PERCENTILE.value]["valueQuantity"]["code"] == "%"
    assert observations["450360000"]["valueQuantity"]["code"] == "{score}"
    assert observations["450360000"]["valueQuantity"]["unit"] == "score"
    assert parts[codes.HORIZON.value]["valueString"] == "none: the training data state no time"
    (assessment,) = kinds(resources, "RiskAssessment")
    assert assessment["prediction"][0]["probabilityDecimal"] == same(100 * m.risk.risk)
    assert "time horizon none" in assessment["prediction"][0]["rationale"]
    assert "not calibrated" not in assessment["prediction"][0]["rationale"]
    assert m.risk.sha256 in assessment["method"]["text"]


def test_no_number_has_the_noise_of_binary_fractions(reading: Report) -> None:
    noisy = [0.1 + 0.2, 602.6400000000001, 15.0]
    assert [fhir._rounded(x) for x in noisy] == [0.3, 602.64, 15.0]
    written = json.dumps(fhir_bundle(reading))
    numbers = re.findall(r'"value": ([-0-9.e]+)', written)
    assert len(numbers) > 15
    assert not [n for n in numbers if len(n.replace(".", "").replace("-", "").lstrip("0")) > 12]


def test_every_resource_tells_people_what_it_says(reading: Report) -> None:
    hostile = MappingProxyType({**reading.volume.attributes, "PatientName": "<b>O'Hara</b>^&Co"})
    report = replace(reading, volume=replace(reading.volume, attributes=hostile))
    for resource in validated(fhir_bundle(report)):
        assert resource["text"]["status"] == "generated"
        div = ElementTree.fromstring(resource["text"]["div"])
        assert div.tag == "{http://www.w3.org/1999/xhtml}div"
        assert {child.tag for child in div} == {"{http://www.w3.org/1999/xhtml}p"}, "no mark-up of a header's"
        said = "\n".join(div.itertext())
        match resource["resourceType"]:
            case "Patient":
                assert "<b>O'Hara</b>, &Co, T-1" in said
            case "Observation" if resource["code"]["text"] == codes.AGATSTON_SCORE.meaning:
                assert f"{report.measurement.scores.agatston:g} score" in said
                assert "Research use only" in said
            case "RiskAssessment":
                assert f"{100 * report.measurement.risk.risk:g} %" in said  # type: ignore[union-attr]
            case "DiagnosticReport":
                assert resource["conclusion"].splitlines() == said.splitlines()[1:]


def test_a_transaction_posts_each_resource_unless_it_is_there(reading: Report) -> None:
    numbered = MappingProxyType({**reading.volume.attributes, "PatientID": "A|1,2$ 3"})
    report = replace(reading, volume=replace(reading.volume, attributes=numbered))
    bundle = fhir_transaction(report)
    resources = validated(bundle)
    assert bundle["type"] == "transaction"
    assert "id" not in bundle
    assert [r["resourceType"] for r in resources] == [e["request"]["url"] for e in bundle["entry"]]
    assert set(references(bundle)) <= {entry["fullUrl"] for entry in bundle["entry"]}
    asked = {
        r["resourceType"]: unquote(e["request"]["ifNoneExist"]) for r, e in zip(resources, bundle["entry"], strict=True)
    }
    assert {e["request"]["method"] for e in bundle["entry"]} == {"POST"}
    # Without a system, and so no other hospital's patient of the same number.
    assert asked["Patient"] == r"identifier=|A\|1\,2\$ 3"
    assert asked["ImagingStudy"] == f"identifier=urn:dicom:uid|urn:oid:{report.volume.attributes['StudyInstanceUID']}"
    assert asked["Device"].startswith("identifier=urn:hyrisk-desktop:version|HyRisk Desktop ")
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] in ("Observation", "DiagnosticReport", "RiskAssessment", "Practitioner"):
            assert unquote(entry["request"]["ifNoneExist"]) == f"identifier=urn:ietf:rfc:3986|{entry['fullUrl']}"
    assert " " not in "".join(e["request"]["ifNoneExist"] for e in bundle["entry"])


def test_a_horizon_is_said_where_the_model_has_one(reading: Report) -> None:
    risk = reading.measurement.risk
    assert risk is not None
    report = replace(reading, measurement=replace(reading.measurement, risk=replace(risk, horizon="6 years")))
    resources = validated(fhir_bundle(report))
    parts = by_code(by_code(kinds(resources, "Observation"))[codes.RISK_READING.value]["component"])
    assert parts[codes.HORIZON.value]["valueString"] == "6 years"
    (assessment,) = kinds(resources, "RiskAssessment")
    assert assessment["prediction"][0]["rationale"].endswith("time horizon 6 years")


def test_a_risk_that_nobody_calibrated_says_so_where_it_stands(reading: Report) -> None:
    risk = reading.measurement.risk
    assert risk is not None
    report = replace(reading, measurement=replace(reading.measurement, risk=replace(risk, calibrated=False)))
    (assessment,) = kinds(validated(fhir_bundle(report)), "RiskAssessment")
    assert "% non-survivors, not calibrated; " in assessment["prediction"][0]["rationale"]


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
