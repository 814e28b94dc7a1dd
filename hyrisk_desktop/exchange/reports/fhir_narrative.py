"""What a FHIR resource says, for people: its ``text``, made from the resource itself so that the two can't differ."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any

_XHTML = "http://www.w3.org/1999/xhtml"


def narrative(resource: Mapping[str, Any]) -> dict[str, str]:
    """The ``text`` element of ``resource``: one paragraph a line, without mark-up of its own."""
    lines = _LINES[resource["resourceType"]](resource)
    paragraphs = "".join(f"<p>{html.escape(line)}</p>" for line in lines if line)
    return {"status": "generated", "div": f'<div xmlns="{_XHTML}">{paragraphs}</div>'}


def _patient(r: Mapping[str, Any]) -> Iterable[str]:
    words = ("gender", "birthDate")
    yield ", ".join(["Patient", *_names(r), *_numbers(r), *(r[word] for word in words if word in r)])


def _study(r: Mapping[str, Any]) -> Iterable[str]:
    yield ", ".join(["Imaging study", *_numbers(r), *([r["started"]] if "started" in r else ())])
    yield from (f"Series {series['uid']}" for series in r.get("series", ()))


def _device(r: Mapping[str, Any]) -> Iterable[str]:
    yield " ".join([r["deviceName"][0]["name"], r["version"][0]["value"]])
    yield from _notes(r)


def _practitioner(r: Mapping[str, Any]) -> Iterable[str]:
    yield ", ".join(["Reader", *_names(r)])


def _observation(r: Mapping[str, Any]) -> Iterable[str]:
    yield f"{r['code']['text']}{_value(r)}, {r['effectiveDateTime']}, {r['status']}"
    yield from (f"{part['code']['text']}{_value(part)}" for part in r.get("component", ()))
    yield from _notes(r)


def _assessment(r: Mapping[str, Any]) -> Iterable[str]:
    for row in r["prediction"]:
        if "probabilityDecimal" in row:
            size = f"{row['probabilityDecimal']:g} %"
        else:
            ends = row["probabilityRange"]
            size = f"{ends['low']['value']:g} % to {ends['high']['value']:g} %"
        yield f"{row['outcome']['text']}: {size}. {row['rationale']}"
    yield from _notes(r)


def _report(r: Mapping[str, Any]) -> Iterable[str]:
    yield f"{r['code']['text']}, {r['effectiveDateTime']}, {r['status']}"
    yield from r["conclusion"].split("\n")


_LINES = {
    "Patient": _patient,
    "ImagingStudy": _study,
    "Device": _device,
    "Practitioner": _practitioner,
    "Observation": _observation,
    "RiskAssessment": _assessment,
    "DiagnosticReport": _report,
}


def _names(r: Mapping[str, Any]) -> list[str]:
    return [name["text"] for name in r.get("name", ())]


def _numbers(r: Mapping[str, Any]) -> list[str]:
    return [number["value"] for number in r.get("identifier", ()) if not number["value"].startswith("urn:uuid:")]


def _notes(r: Mapping[str, Any]) -> list[str]:
    return [note["text"] for note in r.get("note", ())]


def _value(part: Mapping[str, Any]) -> str:
    if "valueQuantity" in part:
        quantity = part["valueQuantity"]
        return f": {quantity['value']:.6g} {quantity['unit']}"
    if "valueCodeableConcept" in part:
        return f": {part['valueCodeableConcept']['text']}"
    if "dataAbsentReason" in part:
        return f": {part['dataAbsentReason']['text']}"
    found = next((part[key] for key in ("valueString", "valueBoolean", "valueInteger") if key in part), None)
    said = {True: "yes", False: "no"}.get(found, found) if isinstance(found, bool) else found
    return "" if said is None else f": {said}"
