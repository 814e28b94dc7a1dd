"""A reading as a FHIR transaction: the resources of `fhir_bundle`, each to be posted unless the server has it already."""

from __future__ import annotations

import re
from urllib.parse import quote

from hyrisk_desktop.exchange.reports.fhir import Resource, fhir_bundle
from hyrisk_desktop.exchange.reports.report import Report

_OF_A_SEARCH = re.compile(r"([\\,|$])")


def fhir_transaction(report: Report, patient_id_system: str = "") -> Resource:
    """The bundle of a reading (type ``transaction``), to be posted to a server's base address.

    Patient and study are found again by their identifiers and not made twice, nor is anything else when a bundle is sent
    again because its answer was lost. Patient numbers without a system match only numbers without a system: the same
    digits may be somebody else's number elsewhere.

    Args:
        report, patient_id_system: as of `fhir_bundle`.
    """
    bundle = fhir_bundle(report, patient_id_system)
    entries = [entry | {"request": _request(entry["resource"])} for entry in bundle["entry"]]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _request(resource: Resource) -> dict[str, str]:
    identifier = resource["identifier"][0]
    token = "|".join(_OF_A_SEARCH.sub(r"\\\1", identifier.get(part, "")) for part in ("system", "value"))
    return {"method": "POST", "url": resource["resourceType"], "ifNoneExist": f"identifier={quote(token, safe='')}"}
