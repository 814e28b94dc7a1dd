"""A reading as a FHIR R4 bundle: DiagnosticReport, Observations and RiskAssessment, with what they refer to.

`fhir_transaction` has the same resources as requests to a server.

The resources are plain JSON objects of elements that R4 (4.0.1) and R4B (4.3.0) define alike; the tests validate them with
the R4B models of `fhir.resources`, which offers none for R4 itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from pydicom.sr.coding import Code

from hyrisk_desktop.calcium import WholeHeartScores
from hyrisk_desktop.comparison import Comparison
from hyrisk_desktop.exchange import dicom_values as v
from hyrisk_desktop.exchange.reports import codes as c
from hyrisk_desktop.exchange.reports.change import change_lines, known_rows
from hyrisk_desktop.exchange.reports.fhir_narrative import narrative
from hyrisk_desktop.exchange.reports.report import (
    PRODUCT,
    VERSION,
    Report,
    covers_words,
    finding_lines,
    horizon_words,
    research_use,
    warnings_of,
)
from hyrisk_desktop.i18n import said
from hyrisk_desktop.standing import Standing

Resource = dict[str, Any]
_SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "UCUM": "http://unitsofmeasure.org",
    # A URN of our own: nobody has registered a place on the web for the scheme.
    c.SCHEME: f"urn:hyrisk-desktop:{c.SCHEME}",
}
_GENDERS = {"M": "male", "F": "female", "O": "other"}
_HL7 = "http://terminology.hl7.org/CodeSystem"


def fhir_bundle(report: Report, patient_id_system: str = "") -> Resource:
    """The bundle of a reading (type ``collection``), to be written as JSON; numbers have twelve digits.

    Args:
        report: the reading. patient_id_system: the URI of the system that its patient's number belongs to; "" for none.
    """
    entries = _Entries(synthetic=report.volume.synthetic)
    about = _about(report, entries, patient_id_system)
    results = [entries.add(observation) for observation in _observations(report, about)]
    risk = report.measurement.risk
    if risk is not None and not report.measurement.risk_standing.withheld:
        entries.add(_risk_assessment(report, about, results))
    if report.comparison is not None:
        results.append(entries.add(_change(report, report.comparison, about, entries)))
    entries.add(_diagnostic_report(report, about, results))
    return {
        "resourceType": "Bundle",
        "id": str(uuid.uuid4()),
        "type": "collection",
        "timestamp": _moment(report),
        "entry": entries.found,
    }


class _Entries:
    """Entries of a bundle, which refer to each other by UUIDs."""

    def __init__(self, *, synthetic: bool) -> None:
        self.found: list[Resource] = []
        self._tags = [{"system": f"{_HL7}/v3-ActReason", "code": "HTEST", "display": "test health data"}]
        self._synthetic = synthetic

    def add(self, resource: Resource) -> dict[str, str]:
        """Add ``resource`` and return the reference to it."""
        name = f"urn:uuid:{uuid.uuid4()}"
        if "identifier" not in resource:
            resource = {**resource, "identifier": [{"system": "urn:ietf:rfc:3986", "value": name}]}
        if self._synthetic:
            resource = {**resource, "meta": {"tag": self._tags}}
        resource = {**resource, "text": narrative(resource)}
        self.found.append({"fullUrl": name, "resource": resource})
        return {"reference": name}


def _moment(report: Report) -> str:
    return report.read_at.isoformat(timespec="seconds")


def _coding(code: Code) -> Resource:
    return {"system": _SYSTEMS[code.scheme_designator], "code": code.value, "display": code.meaning}


def _concept(code: Code) -> Resource:
    return {"coding": [_coding(code)], "text": code.meaning}


def _rounded(value: float) -> float:
    """Without the noise of binary fractions: 602.64 instead of 602.6400000000001."""
    return float(f"{value:.12g}")


def _quantity(value: float, unit: Code) -> Resource:
    shown = unit.meaning if unit is c.SCORE else unit.value
    return {"value": _rounded(value), "unit": shown, "system": _SYSTEMS["UCUM"], "code": unit.value}


def _percent(share: float) -> Resource:
    return _quantity(100 * share, c.PERCENT)


def _about(report: Report, entries: _Entries, system: str) -> dict[str, Any]:
    """Patient, study, program and reader, and the elements that refer to them."""
    a = report.volume.attributes
    subject = entries.add(_patient(a, system))
    about: dict[str, Any] = {
        "subject": subject,
        "study": entries.add(_imaging_study(a, report.volume.series_uid, subject)),
        "device": entries.add(
            {
                "resourceType": "Device",
                "identifier": [{"system": "urn:hyrisk-desktop:version", "value": f"{PRODUCT} {VERSION}"}],
                "deviceName": [{"name": PRODUCT, "type": "manufacturer-name"}],
                "version": [{"value": VERSION}],
                "note": [{"text": research_use()}],
            }
        ),
        "effective": _day(a.get("StudyDate", "")) or _moment(report),
        "reader": None,
    }
    if name := v.readable_name(report.reader):
        about["reader"] = entries.add({"resourceType": "Practitioner", "name": [{"text": name}]})
    return about


def _day(text: str) -> str:
    day = v.date(text)
    return f"{day[:4]}-{day[4:6]}-{day[6:]}" if day else ""


def _patient(a: Mapping[str, str], system: str) -> Resource:
    patient: Resource = {"resourceType": "Patient"}
    if number := v.long_text(a.get("PatientID", "")):
        patient["identifier"] = [({"system": system} if system else {}) | {"value": number}]
    if name := v.readable_name(a.get("PatientName", "")):
        patient["name"] = [{"text": name}]
    if gender := _GENDERS.get(v.sex(a.get("PatientSex", ""))):
        patient["gender"] = gender
    if born := _day(a.get("PatientBirthDate", "")):
        patient["birthDate"] = born
    return patient


def _imaging_study(a: Mapping[str, str], series_uid: str, subject: Resource) -> Resource:
    study: Resource = {
        "resourceType": "ImagingStudy",
        "status": "available",
        "subject": subject,
        "modality": [_coding(Code("CT", "DCM", "Computed Tomography"))],
    }
    if number := v.uid(a.get("StudyInstanceUID", "")):
        study["identifier"] = [{"system": "urn:dicom:uid", "value": f"urn:oid:{number}"}]
    if started := _day(a.get("StudyDate", "")):
        study["started"] = started
    if series := v.uid(series_uid):
        study["series"] = [{"uid": series, "modality": study["modality"][0]}]
    return study


def _observation(report: Report, about: Mapping[str, Any], code: Code, **more: Any) -> Resource:
    observation: Resource = {
        "resourceType": "Observation",
        "status": "preliminary",
        "category": [{"coding": [{"system": f"{_HL7}/observation-category", "code": "imaging"}]}],
        "code": _concept(code),
        "subject": about["subject"],
        "effectiveDateTime": about["effective"],
        "issued": _moment(report),
        "device": about["device"],
        "derivedFrom": [about["study"]],
        "note": [{"text": text} for text in (*warnings_of(report), research_use())],
        **more,
    }
    if about["reader"]:
        observation["performer"] = [about["reader"]]
    return observation


def _heart(report: Report, heart: WholeHeartScores, about: Mapping[str, Any]) -> Resource:
    """The whole-heart score with its vessels."""
    standing = report.measurement.whole_heart_standing
    parts = _state(standing)
    for row in () if standing.withheld else heart.vessels:
        if row.lesions:
            code = c.VESSELS.get(row.vessel, c.CORONARY_ARTERIES)
            parts.append(_component(code, valueQuantity=_quantity(row.agatston, c.SCORE)))
            if row.suggested:
                parts.append(_component(c.SUGGESTED, valueCodeableConcept=_concept(code)))
    if not standing.withheld:
        parts.append(_component(c.CAC_DRS, valueString=heart.cac_drs))
    site = {"bodySite": _concept(c.CORONARY_ARTERIES), "method": _concept(c.AGATSTON_METHOD)}
    return _observation(
        report, about, c.WHOLE_HEART, **_measured(standing, heart.agatston, c.SCORE), component=parts, **site
    )


def _change(report: Report, compared: Comparison, about: Mapping[str, Any], entries: _Entries) -> Resource:
    """What has changed since an earlier study, which the bundle names."""
    prior = entries.add(_imaging_study(compared.prior_attributes, compared.prior_series_uid, about["subject"]))
    codes = {
        "heart_agatston": c.WHOLE_HEART, "heart_sqrt_volume": c.WHOLE_HEART_SQRT,
        **{f"heart_{vessel.lower()}": code for vessel, code in c.VESSELS.items()},
        "agatston": c.AGATSTON_SCORE, "volume_mm3": c.CALCIUM_VOLUME, "sqrt_volume": c.SQRT_VOLUME, "grade": c.GRADE,
        "hyrisknet": c.HYRISKNET, "risknet": c.RISKNET,
    }  # fmt: skip
    units = {"volume_mm3": c.MM3, "hyrisknet": c.PERCENT, "risknet": c.PERCENT}
    rows = [
        _component(codes[row.key], valueQuantity=_difference(change.difference, units.get(row.key, c.SCORE)))
        for row, change in known_rows(compared)
        if change.difference is not None
    ]
    if compared.interval_days is not None:
        rows.insert(0, _component(c.INTERVAL, valueInteger=compared.interval_days))
    said = (*change_lines(compared), *warnings_of(report), research_use())
    # FHIR knows no empty list.
    known = {"component": rows} if rows else _absent("No number is known of both exams.")
    return _observation(
        report,
        about,
        c.CHANGE,
        **known,
        derivedFrom=[about["study"], prior],
        note=[{"text": v.plain(text)} for text in said],
    )


def _difference(value: float, unit: Code) -> Resource:
    return _percent(value) if unit is c.PERCENT else _quantity(value, unit)


def _measured(standing: Standing, value: float, unit: Code) -> Resource:
    """The element of an observation that holds its number, or says why there is none."""
    if not standing.withheld:
        return {"valueQuantity": _quantity(value, unit)}
    return _absent(v.plain(f"Withheld: {said(standing.reasons[0].message)}"))


def _absent(why: str) -> Resource:
    absent = {"system": f"{_HL7}/data-absent-reason", "code": "unknown", "display": "Unknown"}
    return {"dataAbsentReason": {"coding": [absent], "text": why}}


def _state(standing: Standing) -> list[Resource]:
    state = _component(c.STATE, valueCodeableConcept=_concept(c.STATES[standing.state]))
    return [state, *([_component(c.REASONS, valueString=" ".join(standing.codes))] if standing.codes else ())]


def _component(code: Code, **value: Any) -> Resource:
    return {"code": _concept(code), **value}


def _observations(report: Report, about: Mapping[str, Any]) -> Iterable[Resource]:
    m = report.measurement
    scores, standing = m.scores, m.scores_standing
    site = {"bodySite": _concept(c.CORONARY_ARTERIES)}
    region = [
        _component(c.PROFILE, valueString=scores.profile),
        _component(c.CENTRE, valueString=" ".join(map(str, m.centre))),
        _component(c.REGION_SIZE, valueString=" ".join(map(str, scores.region.size_xyz))),
        _component(c.DRAWN, valueBoolean=scores.drawn),
        *_state(standing),
    ]
    if not standing.withheld:
        region.append(_component(c.CATEGORY, valueCodeableConcept=_concept(c.CATEGORIES[scores.category])))
    yield _observation(
        report,
        about,
        c.AGATSTON_SCORE,
        **_measured(standing, scores.agatston, c.SCORE),
        method=_concept(c.AGATSTON_METHOD),
        component=region,
        **site,
    )
    yield _observation(report, about, c.CALCIUM_VOLUME, **_measured(standing, scores.volume_mm3, c.MM3), **site)
    yield _observation(report, about, c.SQRT_VOLUME, **_measured(standing, scores.sqrt_volume, c.SCORE), **site)
    if m.whole_heart is not None:
        yield _heart(report, m.whole_heart, about)
    if m.grade is not None:
        yield _observation(report, about, c.GRADE, valueQuantity=_quantity(m.grade, c.SCORE), **site)
    if m.risk is not None:
        yield _observation(report, about, c.RISK_READING, component=_risk_components(report))


def _risk_components(report: Report) -> list[Resource]:
    risk = report.measurement.risk
    assert risk is not None
    standing = report.measurement.risk_standing
    ends = c.interval_ends(risk.interval_covers)
    shares: list[tuple[Code, float | None]] = [
        (c.HYRISKNET, risk.hyrisknet),
        (c.RISKNET, risk.risknet),
        (ends[0], risk.interval[0]),
        (ends[1], risk.interval[1]),
        *zip(c.BY_GRADE, risk.by_grade, strict=False),
    ]
    place = risk.percentile
    if standing.withheld:
        shares, place = [], None
    shares.append((c.PREVALENCE, risk.prevalence))
    return [
        *_state(standing),
        *(_component(k, valueQuantity=_percent(x)) for k, x in shares if x is not None),
        *([] if place is None else [_component(c.PERCENTILE, valueQuantity=_quantity(place, c.PERCENT))]),
        _component(c.HORIZON, valueString=c.NO_HORIZON if risk.horizon is None else v.plain(risk.horizon)),
        _component(c.WEIGHTS_HASH, valueString=risk.sha256),
        *([_component(c.BUNDLE_HASH, valueString=risk.bundle_sha256)] if risk.bundle_sha256 else ()),
        _component(c.SCORE_INPUT, valueString=risk.score_input),
        _component(c.COVERED, valueString=" ".join(risk.interval_covers)),
        _component(c.CALIBRATED, valueBoolean=risk.calibrated),
        _component(c.DEMONSTRATION, valueBoolean=risk.demonstration),
    ]


def _risk_assessment(report: Report, about: Mapping[str, Any], results: list[dict[str, str]]) -> Resource:
    risk = report.measurement.risk
    assert risk is not None
    model = f"{v.plain(risk.model)}, SHA-256 {risk.sha256}"
    outcome = {"text": "All-cause mortality"}
    low, high = map(_percent, risk.interval)
    head = "RiskNet (image alone)" if risk.hyrisknet is None else "HyRiskNet (image and score)"
    share = f"assumes {100 * risk.prevalence:.1f} % non-survivors" + ("" if risk.calibrated else ", not calibrated")
    within = f"time horizon {horizon_words(risk)}"
    assessment: Resource = {
        "resourceType": "RiskAssessment",
        "status": "preliminary",
        "method": {"text": model},
        "subject": about["subject"],
        "occurrenceDateTime": _moment(report),
        "performer": about["device"],
        "basis": [about["study"], *results],
        # In R4 a probability is a percentage.
        "prediction": [
            {
                "outcome": outcome,
                "probabilityDecimal": _rounded(100 * risk.risk),
                "rationale": f"{head}; {share}; {within}",
            },
            {
                "outcome": outcome,
                "probabilityRange": {"low": low, "high": high},
                "rationale": f"Interval of the risk; it covers: {covers_words(risk)}",
            },
        ],
        "note": [{"text": text} for text in (*warnings_of(report), research_use())],
    }
    return assessment


def _diagnostic_report(report: Report, about: Mapping[str, Any], results: list[dict[str, str]]) -> Resource:
    said = [*warnings_of(report), research_use(), *map(v.plain, finding_lines(report))]
    made: Resource = {
        "resourceType": "DiagnosticReport",
        "status": "preliminary",
        "category": [{"coding": [{"system": f"{_HL7}/v2-0074", "code": "RAD", "display": "Radiology"}]}],
        "code": _concept(c.CALCIUM_SCORING),
        "subject": about["subject"],
        "effectiveDateTime": about["effective"],
        "issued": _moment(report),
        "performer": [about["reader"]] if about["reader"] else [],
        "result": results,
        "imagingStudy": [about["study"]],
        "conclusion": "\n".join(said),
    }
    if about["reader"]:
        made["resultsInterpreter"] = [about["reader"]]
    else:
        del made["performer"]
    return made
