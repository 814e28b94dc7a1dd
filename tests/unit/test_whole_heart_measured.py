"""The whole-heart score as the window, the command line and batches get it: one composition, one document, one state."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hyrisk_desktop.calcium import CalciumScores, HeartMarks, Region, propose_heart, score_region, score_whole_heart
from hyrisk_desktop.calcium.profiles import NO_SPACING_CORRECTION
from hyrisk_desktop.exchange.reports.document import score_document
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.imaging.volume import CTVolume
from hyrisk_desktop.measurement import Measurement, measure, measure_heart, survey, whole_heart_numbers
from hyrisk_desktop.standing import State, risk_standing, scores_standing, whole_heart_standing
from tests.helpers.hearts import fatty_volume, heart_of, voxel_at
from tests.helpers.volumes import HEART_CENTRE, block_volume, box

CX, CY, CZ = HEART_CENTRE
FAR = (CX - 45, CY - 10, CZ - 3)
"""In the heart, outside of the score region."""


@pytest.fixture(scope="module")
def volume() -> CTVolume:
    return block_volume([(box(FAR, (5, 4, 2)), 450), (box((CX + 20, CY - 20, CZ), (6, 6, 1)), 350)])


def test_only_when_asked_for(volume: CTVolume) -> None:
    assert measure(volume, HEART_CENTRE, 1.0, None).whole_heart is None
    document = score_document(volume, HEART_CENTRE, score_region(volume, HEART_CENTRE), None, ())
    assert "whole_heart" not in document["calcium"]


def test_it_is_the_score_of_the_proposed_outline(volume: CTVolume) -> None:
    m = measure(volume, HEART_CENTRE, 1.0, None, heart=HeartMarks())
    assert m.whole_heart is not None
    direct = score_whole_heart(volume, propose_heart(volume, HEART_CENTRE))
    assert m.whole_heart.groups == direct.groups
    assert len(direct.groups) >= 2
    assert {f.code for f in direct.findings} <= {f.code for f in m.findings}
    # Everything else stays what it was.
    plain = measure(volume, HEART_CENTRE, 1.0, None)
    assert (m.scores.agatston, m.scores.lesions) == (plain.scores.agatston, plain.scores.lesions)
    assert m.scores_standing == plain.scores_standing
    assert m.risk_standing == plain.risk_standing


def test_marks_exclusions_profile_and_outline_reach_it(volume: CTVolume) -> None:
    outline = propose_heart(volume, HEART_CENTRE)
    for marks, excluded, profile in (
        (HeartMarks(taken=((FAR, "RCA"),)), frozenset(), None),
        (HeartMarks(counted=frozenset({FAR})), frozenset(), None),
        (HeartMarks(excluded=frozenset({FAR})), frozenset(), None),
        (HeartMarks(), frozenset({FAR}), None),
        (HeartMarks(), frozenset(), NO_SPACING_CORRECTION),
    ):
        how = {} if profile is None else {"profile": profile}
        m = measure(volume, HEART_CENTRE, 1.0, None, heart=marks, excluded=excluded, **how)  # type: ignore[arg-type]
        expected = score_whole_heart(
            volume, outline, taken=dict(marks.taken), counted=marks.counted, excluded=marks.excluded | excluded, **how
        )  # type: ignore[arg-type]
        assert m.whole_heart is not None
        assert (m.whole_heart.groups, m.whole_heart.profile) == (expected.groups, expected.profile)
        again = measure_heart(volume, HEART_CENTRE, marks=marks, excluded=excluded, outline=outline, **how)  # type: ignore[arg-type]
        assert again.groups == expected.groups
    (far,) = (g for g in measure_heart(volume, HEART_CENTRE, marks=HeartMarks(), excluded={FAR}).groups if g.id == FAR)
    assert not far.counted


def test_a_box_alone_has_no_whole_heart(volume: CTVolume) -> None:
    drawn = Region((100, 90, 5), (160, 150, 15))
    with pytest.raises(ValueError, match="centre"):
        survey(volume, None, 1.0, box=drawn, heart=HeartMarks())
    assert survey(volume, HEART_CENTRE, 1.0, box=drawn, heart=HeartMarks()).whole_heart is not None


def test_the_document(volume: CTVolume) -> None:
    m = measure(volume, HEART_CENTRE, 1.0, None, heart=HeartMarks(taken=((FAR, "RCA"),)))
    assert m.whole_heart is not None
    document = score_document(volume, m.centre, m.scores, m.risk, m.findings, m.whole_heart)
    heart = json.loads(json.dumps(document, allow_nan=False))["calcium"]["whole_heart"]
    assert set(heart) == {
        "agatston", "category", "volume_mm3", "sqrt_volume", "lesions", "cac_drs", "extent", "suggested_extent", "vessels",
        "plaques", "not_counted", "noise", "state", "reasons",
    }  # fmt: skip
    assert heart["agatston"] == m.whole_heart.agatston
    assert heart["lesions"] == len(heart["plaques"]) == sum(row["lesions"] for row in heart["vessels"])
    assert [row["vessel"] for row in heart["vessels"]] == ["LM", "LAD", "LCX", "RCA", "other"]
    assert heart["state"] == m.whole_heart_standing.state
    assert heart["reasons"] == list(m.whole_heart_standing.codes)


def numbers_of(**how: object) -> dict[str, object]:
    """Of a heart with one plaque in the LAD, one in the right coronary artery, one at the root and one spot of noise."""
    at = [
        voxel_at(place) for place in ((28.0, -20.0, -4.0), (-33.0, -22.0, -8.0), (-11.0, 5.0, 4.0), (12.0, 24.0, 10.0))
    ]
    sizes = ((4, 3, 2), (3, 3, 3), (5, 5, 2), (2, 2, 1))
    hu = (500, 350, 800, 131)
    volume = fatty_volume(*zip(at, sizes, hu, strict=True))
    # Blood at the centre, by which the noise is told.
    volume.hu[10, 20:80, 20:70] = np.random.default_rng(2).normal(45, 20, (60, 50)).round()
    return whole_heart_numbers(score_whole_heart(volume, heart_of(volume), **how))  # type: ignore[arg-type]


def test_rows_are_marked_while_their_vessel_is_only_suggested() -> None:
    lad = voxel_at((28.0, -20.0, -4.0))
    rows = {row["vessel"]: row for row in numbers_of()["vessels"]}  # type: ignore[attr-defined]
    assert {name: row.get("suggested") for name, row in rows.items()} == {
        "LM": None, "LAD": True, "LCX": None, "RCA": True, "other": None,
    }  # fmt: skip
    taken = {row["vessel"]: row for row in numbers_of(taken={lad: "LAD"})["vessels"]}  # type: ignore[attr-defined]
    assert "suggested" not in taken["LAD"]
    assert taken["RCA"]["suggested"] is True
    assert taken["LAD"]["agatston"] == rows["LAD"]["agatston"] > 0


def test_what_is_not_counted_is_listed_with_its_reason_and_noise_is_summed_up() -> None:
    numbers = numbers_of()
    (root,) = numbers["not_counted"]  # type: ignore[misc]
    assert root["reason"] == "aortic_root"
    assert (root["vessel"], root["slices"]) == (None, [12, 13])
    assert root["max_hu"] == 800
    assert numbers["noise"] == {"lesions": 1, "agatston": pytest.approx(4 * 0.48 * 2.5 / 3)}
    by_vessel = {plaque["suggested_vessel"]: plaque for plaque in numbers["plaques"]}  # type: ignore[attr-defined]
    assert set(by_vessel) == {"LAD", "RCA"}
    assert by_vessel["LAD"]["voxel_xyz"] == list(voxel_at((28.0, -20.0, -4.0)))
    assert (numbers["extent"], numbers["suggested_extent"], numbers["cac_drs"]) == (None, 2, "CAC-DRS A1")


@pytest.mark.parametrize(
    ("code", "severity", "state"),
    [
        ("not_hu", Severity.UNFIT, State.WITHHELD),
        ("contrast", Severity.UNFIT, State.WITHHELD),
        ("contrast_suspected", Severity.WARNING, State.WITHHELD),
        ("not_heart", Severity.WARNING, State.WITHHELD),
        ("heart_guessed", Severity.WARNING, State.DOUBTFUL),
        ("heart_cut", Severity.WARNING, State.DOUBTFUL),
        ("heart_small", Severity.WARNING, State.DOUBTFUL),
        ("heart_doubted", Severity.WARNING, State.DOUBTFUL),
        ("sharp_kernel", Severity.WARNING, State.DOUBTFUL),
        ("heart_outline", Severity.INFO, State.SHOWN),
        # Of the score region, or of the risk.
        ("beyond_heart", Severity.WARNING, State.SHOWN),
        ("bone_counted", Severity.WARNING, State.SHOWN),
        ("calcium_nearby", Severity.WARNING, State.SHOWN),
        ("region_outside", Severity.WARNING, State.SHOWN),
        ("unlike_training", Severity.WARNING, State.SHOWN),
        ("patch_outside", Severity.WARNING, State.SHOWN),
        ("bundle_missing", Severity.WARNING, State.SHOWN),
        ("no_segmentation", Severity.WARNING, State.SHOWN),
    ],
)
def test_its_state(code: str, severity: Severity, state: State) -> None:
    findings = (Finding(code, severity, "said"),)
    standing = whole_heart_standing(findings)
    assert standing.state is state
    assert standing.codes == (() if state is State.SHOWN else (code,))
    if code.startswith("heart_"):
        assert risk_standing(findings).state is scores_standing(findings).state is State.SHOWN


def test_the_state_belongs_to_the_measurement(volume: CTVolume) -> None:
    scores: CalciumScores = score_region(volume, HEART_CENTRE)
    m = Measurement(HEART_CENTRE, 1.0, scores, None, (Finding("heart_cut", Severity.WARNING, "said"),))
    assert m.whole_heart_standing.state is State.DOUBTFUL
    assert m.scores_standing.state is State.SHOWN
