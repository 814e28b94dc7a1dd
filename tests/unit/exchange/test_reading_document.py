"""The JSON object of one reading: complete, valid, and the same findings as the window."""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType

import pytest

from hyrisk_desktop.calcium import Region, score_box, score_region
from hyrisk_desktop.exchange.reports.document import score_document
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.measurement import collect_findings
from tests.helpers.volumes import HEART_CENTRE, block_volume, box

CX, CY, CZ = HEART_CENTRE


def test_excluded_lesions_are_listed_apart() -> None:
    volume = block_volume([(box((CX, CY, CZ), (4, 4, 1)), 350), (box((CX + 15, CY, CZ), (4, 4, 1)), 450)])
    peak = score_region(volume, HEART_CENTRE).lesions[0].peak
    scores = score_region(volume, HEART_CENTRE, excluded={peak})
    calcium = score_document(volume, HEART_CENTRE, scores, None, ())["calcium"]
    assert [lesion["max_hu"] for lesion in calcium["lesions"]] == [450]
    assert [lesion["max_hu"] for lesion in calcium["excluded_lesions"]] == [350]
    assert calcium["agatston"] == pytest.approx(sum(lesion["agatston"] for lesion in calcium["lesions"]))


@pytest.mark.parametrize(("kvp", "said"), [("120", 120.0), ("nan", None), ("", None), ("high", None)])
def test_odd_header_values_stay_valid_json(kvp: str, said: float | None) -> None:
    volume = block_volume()
    volume = replace(volume, attributes=MappingProxyType({**volume.attributes, "KVP": kvp}))
    scores = score_region(volume, HEART_CENTRE)
    text = json.dumps(score_document(volume, HEART_CENTRE, scores, None, ()), allow_nan=False)
    assert json.loads(text)["exam"]["kvp"] == said


def test_findings_are_said_once_and_worst_first() -> None:
    info, warning, unfit = (
        Finding(c, s, c) for c, s in zip("abc", (Severity.INFO, Severity.WARNING, Severity.UNFIT), strict=True)
    )
    assert collect_findings((info, warning), (unfit, info), None, None, None) == (unfit, warning, info)
    no_model = Finding("bundle_missing", Severity.UNFIT, "It withholds nothing, and stands before what is less bad.")
    assert collect_findings((warning, no_model), (), None, None, None) == (no_model, warning)


def test_a_drawn_box_is_called_by_its_name() -> None:
    volume = block_volume([(box((CX, CY, CZ), (40, 4, 1)), 350)])
    region_outside = Finding("region_outside", Severity.WARNING, "The score region reaches outside.")
    scores = score_box(volume, Region((CX - 20, CY - 20, 0), (CX + 20, CY + 20, 20)))
    findings = collect_findings((), (region_outside,), scores, 0, None)
    assert {f.code for f in findings} == {"lesion_cut", "grade_disagrees"}
    assert all("whole-heart box" in f.message for f in findings)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("contrast", {"grade_disagrees": False, "calcium_nearby": False, "heart_doubted": False}),
        # Bone in the score region takes nothing from the whole heart.
        ("bone_counted", {"grade_disagrees": False, "calcium_nearby": False, "heart_doubted": True}),
        ("noise", {"grade_disagrees": True, "calcium_nearby": True, "heart_doubted": True}),
    ],
)
def test_no_sentence_tells_a_score_that_is_withheld(code: str, told: dict[str, bool]) -> None:
    volume = block_volume([(box((CX, CY, CZ), (4, 4, 1)), 350), (box((CX + 40, CY, CZ), (4, 4, 1)), 350)])
    scores = score_region(volume, HEART_CENTRE)
    doubted = Finding("heart_doubted", Severity.WARNING, "Calcium with an Agatston score of 8 lies at the aortic root.")
    severity = Severity.UNFIT if code == "contrast" else Severity.WARNING
    findings = collect_findings((Finding(code, severity, code), doubted), (), scores, 0, None)
    found = {f.code: any(c.isdigit() for c in f.message) for f in findings if f.code != code}
    assert found == told
