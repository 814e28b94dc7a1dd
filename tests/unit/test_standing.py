"""One state for a number: which findings withhold it, which make it doubtful, and what of it leaves the program then."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hyrisk_desktop.calcium import Region, score_box
from hyrisk_desktop.calcium.scores import MAX_LESION_MM2
from hyrisk_desktop.cli.score import _print_readout
from hyrisk_desktop.exchange.reports.document import score_document
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.imaging import CTVolume
from hyrisk_desktop.measurement import Measurement, conclude, measure, survey
from hyrisk_desktop.risk import Predictor
from hyrisk_desktop.standing import State, decisive_first, reason_words, risk_standing, scores_standing
from hyrisk_desktop.worklist.records import ExamEntry, ReadSummary, Status
from tests.helpers.bundles import write_tiny_bundle
from tests.helpers.volumes import HEART_CENTRE, block_volume, box

SHOWN, DOUBTFUL, WITHHELD = State.SHOWN, State.DOUBTFUL, State.WITHHELD
WARNING, INFO, UNFIT = Severity.WARNING, Severity.INFO, Severity.UNFIT


def said(code: str, severity: Severity = WARNING) -> Finding:
    return Finding(code, severity, f"About {code}.")


@pytest.mark.parametrize(
    ("code", "severity", "risk", "scores"),
    [
        ("not_hu", UNFIT, WITHHELD, WITHHELD),
        ("contrast", UNFIT, WITHHELD, WITHHELD),
        ("contrast_suspected", WARNING, WITHHELD, WITHHELD),
        ("not_heart", WARNING, WITHHELD, WITHHELD),
        ("unlike_training", WARNING, WITHHELD, SHOWN),
        ("pixel_outside_training", WARNING, WITHHELD, SHOWN),
        ("increment_outside_training", WARNING, WITHHELD, SHOWN),
        ("fed_score_withheld", WARNING, WITHHELD, SHOWN),
        ("beyond_heart", WARNING, SHOWN, WITHHELD),
        ("bone_counted", WARNING, SHOWN, WITHHELD),
        ("something_new", UNFIT, WITHHELD, WITHHELD),
        ("sharp_kernel", WARNING, DOUBTFUL, DOUBTFUL),
        ("patch_outside", WARNING, DOUBTFUL, SHOWN),
        ("beyond_calibration", WARNING, DOUBTFUL, SHOWN),
        ("region_outside", WARNING, SHOWN, DOUBTFUL),
        ("calcium_nearby", WARNING, SHOWN, DOUBTFUL),
        ("partial_coverage", INFO, SHOWN, SHOWN),
        ("shown_anyway", INFO, SHOWN, SHOWN),
        # Why there is no risk, or a file: nothing against the numbers that there are.
        ("bundle_hash", WARNING, SHOWN, SHOWN),
        ("no_known_answer", WARNING, SHOWN, SHOWN),
        ("other_answer", WARNING, SHOWN, SHOWN),
        ("no_segmentation", WARNING, SHOWN, SHOWN),
    ],
)
def test_what_a_finding_does_to_each_number(code: str, severity: Severity, risk: State, scores: State) -> None:
    findings = (said("noise", INFO), said(code, severity))
    for standing, state in ((risk_standing(findings), risk), (scores_standing(findings), scores)):
        assert standing.state is state
        assert standing.codes == (() if state is SHOWN else (code,))
        assert standing.withheld is (state is WITHHELD)
        assert standing.document == {"state": str(state), "reasons": list(standing.codes)}


def test_the_decisive_finding_stands_first_and_the_others_keep_their_order() -> None:
    findings = [
        said("noise"),
        said("unlike_training"),
        said("kvp", INFO),
        said("bone_counted"),
        said("contrast", UNFIT),
    ]
    assert [f.code for f in decisive_first(findings)] == ["contrast", "unlike_training", "bone_counted", "noise", "kvp"]
    assert risk_standing(findings).codes == ("contrast", "unlike_training", "noise")
    assert scores_standing(findings).codes == ("contrast", "bone_counted", "noise")
    assert risk_standing(findings).why == "contrast agent"
    assert reason_words(said("some_damage", UNFIT)) == "About some_damage."
    assert decisive_first(()) == ()


def test_the_order_in_which_reasons_decide_is_fixed() -> None:
    """What a number is not at all comes before what it is not fit for, however the findings were collected."""
    ground = ["not_hu", "contrast", "contrast_suspected", "not_heart"]
    risk = [*ground, "unlike_training", "pixel_outside_training", "increment_outside_training", "fed_score_withheld"]
    scores = [*ground, "beyond_heart", "bone_counted"]
    for codes in (risk, risk[::-1]):
        assert list(risk_standing([said(code) for code in codes]).codes) == risk
    for codes in (scores, scores[::-1]):
        assert list(scores_standing([said(code) for code in codes]).codes) == scores


def a_box(width_mm: float) -> tuple[CTVolume, Region]:
    volume = block_volume(shape=(9, 100, 100), spacing=(width_mm / 50, 2.0, 2.5))
    return volume, Region((10, 40, 2), (60, 60, 7))


@pytest.mark.parametrize(("width_mm", "beyond"), [(200.0, False), (200.05, True)])
def test_a_region_wider_than_a_heart_withholds_its_scores(width_mm: float, beyond: bool) -> None:
    volume, region = a_box(width_mm)
    scores = score_box(volume, region)
    assert scores.region_mm == pytest.approx((width_mm, 40.0, 12.5))
    assert scores_standing(scores.findings).withheld is beyond
    assert risk_standing(scores.findings).state is SHOWN


@pytest.mark.parametrize(("side_mm", "bone"), [(1.0, False), (1.001, True)])
def test_a_lesion_of_the_size_of_a_vertebra_withholds_the_scores(side_mm: float, bone: bool) -> None:
    """40 x 25 pixels of 1 mm2 are exactly the limit."""
    assert MAX_LESION_MM2 == 1000.0
    spot = (box((20, 30, 4), (40, 25, 1)), 300)
    volume = block_volume([spot, (box((70, 70, 4), (3, 3, 1)), 200)], shape=(9, 100, 100), spacing=(side_mm, 1.0, 2.5))
    region = Region((10, 20, 2), (90, 90, 7))
    scores = score_box(volume, region)
    assert scores.agatston > 0
    assert ("bone_counted" in [f.code for f in scores.findings]) is bone
    left = score_box(volume, region, excluded={(20, 30, 4)})
    assert [lesion.excluded for lesion in left.lesions].count(True) == 1
    assert "bone_counted" not in [f.code for f in left.findings], "what does not count can't be wrong"


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    write_tiny_bundle(folder)
    return Predictor(folder, "cpu")


def measured(predictor: Predictor, *, agent: str = "") -> tuple[CTVolume, Measurement]:
    volume = block_volume([(box((120, 118, 12), (4, 3, 1)), 420)])
    volume = dataclasses.replace(volume, attributes={**volume.attributes, "ContrastBolusAgent": agent})
    return volume, measure(volume, HEART_CENTRE, 2.0, predictor)


def test_a_withheld_risk_keeps_its_numbers_in_one_place_of_the_document_only(predictor: Predictor) -> None:
    volume, plain = measured(predictor)
    _, m = measured(predictor, agent="Omnipaque")
    assert plain.risk is not None
    assert m.risk is not None
    before = score_document(volume, plain.centre, plain.scores, plain.risk, plain.findings)
    document = score_document(volume, m.centre, m.scores, m.risk, m.findings)
    assert before["risk"]["state"] != "withheld"
    assert "withheld" not in before["risk"]
    risk = document["risk"]
    assert (risk["state"], risk["reasons"][0]) == ("withheld", "contrast")
    assert document["findings"][0]["code"] == "contrast"
    numbers = ("risknet", "hyrisknet", "interval", "percentile", "by_grade")
    assert [risk[key] for key in numbers] == [None] * 5
    assert risk["withheld"] == {key: before["risk"][key] for key in numbers}
    assert risk["withheld"]["hyrisknet"] == m.risk.hyrisknet
    assert (risk["model"], risk["prevalence"]) == (m.risk.model, m.risk.prevalence)
    calcium = document["calcium"]
    assert (calcium["state"], calcium["reasons"][0]) == ("withheld", "contrast")
    assert calcium["agatston"] == m.scores.agatston > 0


def test_the_readout_prints_a_reason_in_place_of_what_is_withheld(
    predictor: Predictor, capsys: pytest.CaptureFixture[str]
) -> None:
    for agent in ("", "Omnipaque"):
        volume, m = measured(predictor, agent=agent)
        _print_readout(score_document(volume, m.centre, m.scores, m.risk, m.findings))
        shown = capsys.readouterr().out
        assert m.risk is not None
        assert (f"{m.scores.agatston:.1f}" in shown) is (agent == "")
        assert ("%," in shown.split("[")[0]) is (agent == "")
        assert ("Risk              withheld: The scan was made with contrast agent" in shown) is (agent != "")
        assert ("Calcium scores    withheld: The scan was made with contrast agent" in shown) is (agent != "")


def summary(
    *, risk: float | None = 0.3, agatston: float | None = 9.0, codes: str = "", grade: float | None = 1.0
) -> ReadSummary:
    findings = tuple(said(code) for code in codes.split())
    return ReadSummary(
        1, (1, 2, 3), grade, False, agatston, risk,
        risk_standing=risk_standing(findings), scores_standing=scores_standing(findings),
    )  # fmt: skip


def test_a_read_is_withheld_in_the_list_where_a_number_of_it_is() -> None:
    assert summary(codes="noise").status is Status.SCORED
    assert summary(codes="not_heart").status is Status.WITHHELD
    assert summary(codes="bone_counted").status is Status.WITHHELD
    assert summary(codes="bone_counted", agatston=None).status is Status.SCORED, "there is no such number"
    assert summary(codes="unlike_training", risk=None).status is Status.GRADED
    assert summary(codes="not_heart", grade=None).status is Status.CENTRE
    decisive = summary(codes="bone_counted unlike_training").decisive
    assert decisive is not None
    assert decisive.code == "unlike_training"
    assert summary(codes="noise").decisive is None


def test_a_scan_that_no_centre_can_save_is_marked_before_it_is_read() -> None:
    values = (1, Path("/data/1"), "ID", "Name", "20200102", "Study", False, "1.2", "Chest", "", 1, 100, 2.0, 2.0)
    plain = ExamEntry(*values, findings=(said("noise"),))
    contrast = ExamEntry(*values, findings=(said("noise"), said("contrast", UNFIT)))
    assert plain.decisive is None
    assert contrast.decisive == said("contrast", UNFIT)
    read = dataclasses.replace(contrast, read=summary(codes="not_heart"))
    assert read.decisive == said("not_heart"), "the read's own reason goes first"


def test_a_box_around_the_whole_chest_is_no_heart() -> None:
    """A region of 271 x 271 mm full of bone, as it was once shown in large type."""
    volume = block_volume([(box((40, 30, 3), (60, 60, 3)), 400)], shape=(9, 150, 150), spacing=(2.0, 2.0, 2.5))
    scores = score_box(volume, Region((5, 5, 1), (141, 141, 8)))
    assert scores.agatston > 10_000
    assert scores_standing(scores.findings).codes[:2] == ("beyond_heart", "bone_counted")


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize(("score_input", "fed"), [("agatston", True), ("agatston", False), ("grade", True)])
def test_a_risk_that_reads_a_withheld_score_is_withheld_with_it(
    tmp_path: Path, score_input: str, *, fed: bool, small: bool
) -> None:
    """Bone in the region that the model reads counts, whatever region is on screen; a model of the grade does not look at it."""
    write_tiny_bundle(tmp_path / "tiny")
    x, y, z = HEART_CENTRE
    volume = block_volume([(box((x - 25, y - 15, z), (42, 25, 1)), 300)], spacing=(1.0, 1.0, 2.5))
    risk = Predictor(tmp_path / "tiny", "cpu").predict(volume, HEART_CENTRE, 2)
    risk = dataclasses.replace(risk, score_input=score_input, agatston=9000.0 if fed else None, findings=())
    shown = Region((x + 20, y + 20, z), (x + 24, y + 24, z + 1)) if small else None
    measured = conclude(survey(volume, HEART_CENTRE, 2, box=shown), risk)
    assert measured.scores_standing.withheld is not small
    of_bone = score_input == "agatston" and fed
    assert measured.risk_standing.withheld is of_bone
    assert ("fed_score_withheld" in measured.risk_standing.codes) is of_bone
    left = conclude(survey(volume, HEART_CENTRE, 2, excluded={(x, y, z)}, box=shown), risk)
    assert not left.risk_standing.withheld, "what does not count can't be wrong"
