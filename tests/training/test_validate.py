"""``hyrisk validate``: an unchanged model on a cohort, and its recalibration there."""

from __future__ import annotations

import argparse
import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit

from hyrisk_desktop.errors import Cancelled, InputError
from hyrisk_desktop.i18n import decimal
from hyrisk_desktop.imaging import find_series, read_volume
from hyrisk_desktop.risk.bundle import ModelBundle, load_bundle, read_description, seal_description, write_bundle
from hyrisk_desktop.risk.calibration import PlattCalibration
from hyrisk_desktop.risk.predictor import Predictor
from hyrisk_desktop.risk.self_test import self_test
from model_training.cohort_table import read_table
from model_training.compare import evaluate_bundle, score_bundle
from model_training.dataset import load_cohort
from model_training.seen_cases import MARKS, case_marks
from model_training.validation import cases as cases_module
from model_training.validation.cases import CaseRead, read_cases
from model_training.validation.page import write_page
from model_training.validation.recalibrate import recalibrate, recalibrated
from model_training.validation.results import _ages, conclude, shown_risks
from model_training.validation.run import validate
from model_training.validation.statistics import in_the_large, judged, line, share
from model_training.validation.tripod import SITE, items
from tests.helpers.bundles import write_tiny_bundle
from tests.helpers.fake_training import validation_document
from tests.helpers.languages import LANGUAGES, speaking
from tests.helpers.training_runs import run_here
from tests.helpers.volumes import block_volume

MOVED = 5


def arguments(cohort: Path, model: Path, out: Path, cache: Path, **changes: object) -> argparse.Namespace:
    values: dict[str, object] = {
        "cohort": cohort, "model": model, "out": out, "cache": cache, "name": "our cohort", "moved": MOVED, "device": "cpu",
        "no_recalibration": False, "events": False, "words": [],
    }  # fmt: skip
    return argparse.Namespace(**(values | changes))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    # Of these random weights both heads happen to rank the tiny cohort the right way.
    bundle = write_tiny_bundle(folder, seed=6)
    seal_description(folder, {"training": bundle.training | {"horizon": "6 years"}})
    return folder


@pytest.fixture(scope="module")
def run(cohort: Path, cache: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("validation")
    with pytest.MonkeyPatch.context() as patch:
        # The cohort is tiny, and a few resamples show that there are intervals.
        patch.setattr("model_training.validation.recalibrate.FEWEST", 5)
        patch.setattr("model_training.validation.statistics.RESAMPLES", 20)
        validate(arguments(cohort, model, out, cache))
    return out


@pytest.fixture(scope="module")
def results(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "validation.json").read_text())
    return found


def risk_at(predictor: Predictor, case: int, cohort: Path) -> tuple[float, float]:
    """RiskNet's and HyRiskNet's risk of one case, as the program reads it."""
    one = read_table(cohort).cases[case]
    reading = predictor.predict(read_volume(find_series(one.exam)[0]), one.centre, one.grade)
    assert reading.hyrisknet is not None
    return reading.risknet, reading.hyrisknet


def test_a_model_of_several_heights_is_evaluated_on_the_exams_themselves(
    cohort: Path, cache: Path, model: Path, tmp_path: Path
) -> None:
    """The cut patches have three slices; what the program reads at other heights is in the exam alone."""
    bundle, network = load_bundle(model)
    seen = replace(bundle, preprocessing=replace(bundle.preprocessing, levels_mm=(-4.0, 0.0)))
    write_bundle(tmp_path / "levels", seen, network, "# {sha256}\n")
    data = load_cohort(cohort, cache)
    scored, single = (score_bundle(folder, data, "cpu") for folder in (tmp_path / "levels", model))
    predictor = Predictor(tmp_path / "levels", "cpu")
    for i, case in enumerate(read_table(cohort).cases):
        volume = read_volume(find_series(case.exam)[0])
        odds = predictor.odds_at(volume, case.centre, [bundle.score_rule.value(float(data.grade[i]))])
        assert [scored.risknet[i], scored.hyrisknet[i]] == pytest.approx(odds, abs=1e-5)
    assert np.abs(scored.risknet - single.risknet).min() > 1e-6


def test_the_figures_are_those_of_the_same_model_on_the_same_cases(
    results: dict[str, Any], cohort: Path, cache: Path, model: Path
) -> None:
    data = load_cohort(cohort, cache)
    known = evaluate_bundle(model, data, "cpu")
    found = results["discrimination"]
    assert found["risknet"]["auc"] == pytest.approx(known["risknet_auc"], abs=1e-9)
    assert found["hyrisknet"]["auc"] == pytest.approx(known["hyrisknet_auc"], abs=1e-9)
    assert {name: found[name]["auc"] for name in known["baselines"]} == known["baselines"]
    assert found["hyrisknet"]["ci"] == known["ci"]["hyrisknet"]
    assert results["cautions"] == known["cautions"] != []
    assert (results["n"], results["non_survivors"]) == (len(data), int(data.outcome.sum()))
    assert results["model"]["bundle_sha256"] == read_description(model).bundle_sha256
    assert [(d["a"], d["b"]) for d in results["differences"]][:2] == [("hyrisknet", "risknet"), ("hyrisknet", "grade")]
    assert results["calibration"]["hyrisknet"]["observed"] == pytest.approx(data.outcome.mean(), abs=1e-4)
    predictor = Predictor(model, "cpu")
    mean = np.mean([risk_at(predictor, i, cohort)[1] for i in range(len(data))])
    assert results["calibration"]["hyrisknet"]["mean_risk"] == pytest.approx(mean, abs=1e-4)


def test_the_window_reads_what_is_written(results: dict[str, Any]) -> None:
    stand_in = validation_document()
    assert set(stand_in) == set(results)
    for part in ("model", "guard", "interval", "recalibration"):
        assert set(stand_in[part]) == set(results[part]), part  # type: ignore[call-overload]
    assert set(stand_in["calibration"]["risknet"]) == set(results["calibration"]["risknet"])  # type: ignore[index]
    assert set(stand_in["subgroups"][0]) == set(results["subgroups"][0])  # type: ignore[index]


def test_synthetic_cases_are_called_so_everywhere(run: Path, results: dict[str, Any]) -> None:
    page = (run / "report.html").read_text(encoding="utf-8")
    assert results["synthetic"] is True
    assert "Synthetic data: every number and figure here comes from phantoms" in page
    assert page.count("(synthetic data)") >= 8
    assert "Synthetic phantoms, no patients." in (run / "bundle" / "CARD.md").read_text(encoding="utf-8")
    assert read_description(run / "bundle").demonstration
    assert json.loads((run / "run.json").read_text())["synthetic"] is True


def test_misplaced_clicks_and_other_readers_are_counted(results: dict[str, Any]) -> None:
    # Slabs of five slices: 20 mm off along z lies outside, the four ways in the slice do not.
    assert results["guard"]["clicks_off"]["caught"]["of"] == 4 * MOVED
    # The tiny model has no guard against them; its novelty limit is beyond everything.
    assert results["guard"]["clicks_off"]["caught"]["n"] <= results["guard"]["clicks_off"]["caught"]["of"]
    assert results["interval"]["holds_other_clicks"]["of"] == cases_module.READERS_CLICKS * MOVED
    assert results["guard"]["withheld"]["of"] == results["n"]
    assert 0 < results["interval"]["mean_width"] < 1


def test_a_recalibrated_bundle_says_what_its_slope_and_intercept_make_of_the_old_risk(
    run: Path, results: dict[str, Any], model: Path, cohort: Path
) -> None:
    found = results["recalibration"]["heads"]
    old, new = load_bundle(model)[0], self_test(run / "bundle", "cpu")
    assert new.name == f"Tiny test network, recalibrated on our cohort, n = {results['recalibration']['n']}"
    assert new.sha256 == old.sha256
    assert new.bundle_sha256 != old.bundle_sha256 == results["model"]["bundle_sha256"]
    installed, mended = Predictor(model, "cpu"), Predictor(run / "bundle", "cpu")
    for case in (0, 7):
        risks = risk_at(installed, case, cohort), risk_at(mended, case, cohort)
        for head, before, after in zip(("risknet", "hyrisknet"), *risks, strict=True):
            expected = expit(found[head]["slope"] * logit(before) + found[head]["intercept"])
            assert after == pytest.approx(expected, abs=1e-5), head
    share_of_deaths = results["recalibration"]["non_survivors"] / results["recalibration"]["n"]
    assert new.calibration["hyrisknet"].prevalence == pytest.approx(share_of_deaths, abs=1e-6)
    # Percentiles stay, as everybody of the reference moves alike.
    assert np.all(np.diff(new.reference["hyrisknet"]) >= 0)
    expected = expit(found["hyrisknet"]["slope"] * logit(0.3) + found["hyrisknet"]["intercept"])
    assert new.reference["hyrisknet"][30] == pytest.approx(expected, abs=1e-5)
    # The old model's cohort said a time; this one, whose outcome the risk is now calibrated to, does not.
    assert (old.horizon, new.horizon) == ("6 years", "")
    assert new.training["recalibration"]["of"] == old.bundle_sha256
    assert set(new.training[MARKS]) == set(case_marks(load_cohort(cohort, run / "again")))


def test_calibration_is_mended_on_cases_that_were_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model whose log odds are twice too large and half too high, on many cases."""
    monkeypatch.setattr("model_training.validation.statistics.RESAMPLES", 20)
    rng = np.random.default_rng(3)
    truth = rng.normal(0, 1, 600)
    outcome = (rng.random(600) < expit(truth)).astype(np.int64)
    risk = expit(2.0 * truth + 0.5)
    groups = np.arange(600)
    before = judged(risk, outcome, groups)
    data = type("Data", (), {"outcome": outcome, "groups": tuple(map(str, groups)), "__len__": lambda _: 600})()
    found = recalibrate(data, {"risknet": risk}, np.ones(600, bool), {"risknet": before})
    row = found["heads"]["risknet"]
    # Halved, and shifted back: what the true log odds would have got.
    slope, intercept = line(truth, outcome)
    assert row["slope"] == pytest.approx(slope / 2, abs=1e-3)
    assert row["intercept"] == pytest.approx(intercept - 0.5 * slope / 2, abs=1e-3)
    assert row["before"] == before
    assert row["after"]["slope"]["value"] == pytest.approx(1.0, abs=0.05)
    assert abs(row["after"]["in_the_large"]["value"]) < 0.01
    assert row["after"]["brier"] < row["before"]["brier"] - 0.01
    assert found["caution"] == ""
    # Where it was right already, nothing is won, and that is said.
    best = expit(slope * truth + intercept)
    right = judged(best, outcome, groups)
    again = recalibrate(data, {"risknet": best}, np.ones(600, bool), {"risknet": right})
    assert "no better than the installed one" in again["caution"]
    # And a risk that falls where the outcome rises is beyond mending.
    turned = recalibrate(data, {"risknet": expit(-truth)}, np.ones(600, bool), {"risknet": right})
    assert "no slope can mend it" in turned["refused"]


def test_nobody_is_judged_by_a_fit_that_has_seen_him(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_training.validation.statistics.RESAMPLES", 20)
    rng = np.random.default_rng(4)
    odds, outcome, groups = rng.normal(0, 1, 60), np.arange(60) % 2, np.arange(60)
    odds += 0.7 * outcome
    data = type("Data", (), {"outcome": outcome, "groups": tuple(map(str, groups)), "__len__": lambda _: 60})()
    before = {"risknet": judged(expit(odds), outcome, groups)}
    row = recalibrate(data, {"risknet": expit(odds)}, np.ones(60, bool), before)["heads"]["risknet"]
    seen = judged(expit(row["slope"] * odds + row["intercept"]), outcome, groups)
    assert row["after"]["brier"] > seen["brier"] + 0.002


def test_wrong_clicks_are_as_far_off_in_every_direction() -> None:
    volume = block_volume(shape=(40, 90, 100), spacing=(0.8, 1.25, 2.5))
    found = list(cases_module._wrong_clicks(volume, (50, 40, 20)))
    assert found == [(75, 40, 20), (25, 40, 20), (50, 56, 20), (50, 24, 20), (50, 40, 28), (50, 40, 12)]
    assert list(cases_module._wrong_clicks(volume, (80, 40, 36))) == [
        (55, 40, 36),
        (80, 56, 36),
        (80, 24, 36),
        (80, 40, 28),
    ]


def test_another_readers_clicks_reach_equally_far_to_every_side() -> None:
    volume = block_volume(shape=(40, 90, 100))
    centre = np.array((50, 40, 20))
    shifts = np.array(
        [click - centre for seed in range(40) for click in cases_module._readers_clicks(volume, (50, 40, 20), seed)]
    )
    assert shifts.shape == (120, 3)
    assert [sorted(set(column)) for column in shifts.T.tolist()] == [[*range(-3, 4)], [*range(-3, 4)], [-1, 0, 1]]


def test_what_is_withheld_does_not_recalibrate(cohort: Path, cache: Path) -> None:
    data = load_cohort(cohort, cache)
    risks = {"risknet": np.linspace(0.2, 0.8, len(data))}
    few = np.zeros(len(data), bool)
    few[:6] = True
    refused = recalibrate(data, risks, few, {})
    assert refused == {
        "refused": "No recalibration: it needs 10 patients of either outcome whose risk is not withheld."
    }


def test_one_phantom_among_the_cases_makes_a_synthetic_model(run: Path) -> None:
    old = PlattCalibration(0.8, 0.1, 0.4, -2.0, 3.0)
    new = recalibrated(old, 0.5, -0.25, 0.3)
    assert (new.slope, new.intercept, new.prevalence) == (0.4, -0.2, 0.3)
    # What was calibrated, and so may be said, is the same log odds as before.
    assert (new.lowest, new.highest) == (-2.0, 3.0)


def test_statistics() -> None:
    assert share(5, 10) == {"n": 5, "of": 10, "share": 0.5, "ci": [0.2366, 0.7634]}
    assert share(0, 20)["ci"] == [0.0, 0.1611]
    assert share(20, 20)["ci"] == [0.8389, 1.0]
    assert share(0, 0)["share"] is None
    odds = np.array([-2.0, -1.0, 0.0, 1.0, 2.0] * 200)
    outcome = (np.arange(1000) % 5 < 2).astype(np.int64)
    shift = in_the_large(odds, outcome)
    assert float(expit(odds + shift).mean()) == pytest.approx(outcome.mean(), abs=1e-5)
    rng = np.random.default_rng(0)
    drawn = (rng.random(1000) < expit(0.5 * odds - 0.3)).astype(np.int64)
    slope, intercept = line(odds, drawn)
    assert slope == pytest.approx(0.5, abs=0.1)
    assert intercept == pytest.approx(-0.3, abs=0.15)
    twice = line(odds, drawn, np.where(np.arange(1000) < 500, 2.0, 0.0))
    assert twice == pytest.approx(line(odds[:500], drawn[:500]), abs=1e-3)


def read(index: int, risk: float, *, state: str = "shown", reasons: tuple[str, ...] = ()) -> CaseRead:
    return CaseRead(index, risk, None, (risk - 0.1, risk + 0.1), state, reasons, None, None)


def test_a_missing_grade_leaves_the_image_alone(cohort: Path, cache: Path, model: Path) -> None:
    data, table = load_cohort(cohort, cache), read_table(cohort)
    reads = [read(i, 0.2 + 0.02 * i) for i in range(len(data))]
    assert set(shown_risks(reads)) == {"risknet"}
    assert set(shown_risks([replace(reads[0], hyrisknet=0.3), *reads[1:]])) == {"risknet"}
    found = conclude(data, table.cases, reads, read_description(model))
    assert set(found["calibration"]) == {"risknet"}
    assert found["guard"]["clicks_off"]["caught"]["share"] is None


def test_no_model_is_promised_that_was_not_written(results: dict[str, Any], tmp_path: Path) -> None:
    for bundle, lies in ((results["bundle"], True), (None, False)):
        write_page(tmp_path, results | {"bundle": bundle})
        page = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert ("The recalibrated model lies in" in page) is lies
        assert ("No recalibrated model was written" in page) is not lies


@pytest.mark.parametrize("expected", [None, 0.7])
def test_each_row_of_a_table_has_the_cells_of_its_head(
    expected: float | None, results: dict[str, Any], tmp_path: Path
) -> None:
    rows = {key: row | {"expected_auc": expected} for key, row in results["discrimination"].items()}
    write_page(tmp_path, results | {"discrimination": rows})
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    tables = re.findall(r"<table.*?</table>", page, re.DOTALL)
    assert len(tables) > 4
    for found in tables:
        assert len({len(re.findall("<t[dh]", row)) for row in re.findall("<tr.*?</tr>", found, re.DOTALL)}) == 1, found
    assert ("Expected AUC" in page) is (expected is not None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_has_one_decimal_mark(language: str, results: dict[str, Any], tmp_path: Path) -> None:
    with speaking(language):
        write_page(tmp_path, results)
        mark = decimal(0.5, ".1f")[1]
    page = re.sub(r"<style>.*?</style>|data:image[^']*", "", (tmp_path / "report.html").read_text(encoding="utf-8"))
    cells = re.findall(r"<td>([^<]*)</td>", page)
    numbers = [n for cell in cells for n in re.findall(r"(?<![\w.])[-+]?\d+([.,])\d{2,4}(?![\w.])", cell)]
    assert numbers
    assert set(numbers) == {mark}


def test_an_age_that_is_no_number_makes_nobody_old(cohort: Path) -> None:
    cases = read_table(cohort).cases
    assert _ages(cases) is not None
    assert _ages([*cases[:-1], replace(cases[-1], extra={**cases[-1].extra, "age": "nan", "age_years": "nan"})]) is None


def test_guard_and_subgroups_count_what_there_is(cohort: Path, cache: Path, model: Path) -> None:
    data, table = load_cohort(cohort, cache), read_table(cohort)
    reads = [read(i, 0.2 + 0.02 * i) for i in range(len(data))]
    reads[3] = read(3, 0.9, state="withheld", reasons=("contrast", "noise"))
    reads[4] = read(4, 0.1, state="withheld", reasons=("unlike_training",))
    reads[5] = read(5, 0.1, state="doubtful", reasons=("noise",))
    found = conclude(data, table.cases, reads, read_description(model))
    guard = found["guard"]
    assert (guard["withheld"]["n"], guard["doubtful"]["n"], guard["unlike_training"]["n"]) == (2, 1, 1)
    assert guard["decisive"] == {"contrast": 1, "unlike_training": 1, "noise": 1}
    assert guard["auc_of_what_is_not_withheld"]["risknet"]["n"] == len(data) - 2
    groups = {(row["by"], row["group"]): row for row in found["subgroups"]}
    assert sum(row["n"] for (by, _), row in groups.items() if by == "kernel") == len(data)
    assert {by for by, _ in groups} == {"kernel", "increment_mm", "grade", "male", "age"}
    soft = groups["kernel", "SOFT"]
    assert soft["n"] == sum(kernel == "SOFT" for kernel in data.kernel)
    for row in groups.values():
        if min(row["non_survivors"], row["n"] - row["non_survivors"]) < 10:
            assert row["risknet"] == {"auc": None, "ci": None}


def test_cases_that_trained_the_model_are_no_validation(cohort: Path, cache: Path, model: Path) -> None:
    data, table = load_cohort(cohort, cache), read_table(cohort)
    bundle = read_description(model)
    reads = [read(i, 0.5) for i in range(len(data))]

    def cautions(of: ModelBundle) -> str:
        return " ".join(conclude(data, table.cases, reads, of)["cautions"])

    knows = replace(bundle, training={MARKS: [data.exams[0][:32], data.exams[5][:32]]})
    assert cautions(knows).startswith(f"2 of these {len(data)} exams have trained this model")
    assert "have trained" not in cautions(bundle)
    assert "RiskNet is not better than chance" in cautions(bundle)
    assert "cases of the rarer outcome" in cautions(bundle)


class Counting(Predictor):
    """Counts its readings, and stops a validation after some."""

    predicted = 0

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        Counting.predicted += 1
        return super().predict(*args, **kwargs)


def test_a_killed_validation_goes_on_and_reads_anew_what_has_changed(
    cohort: Path, cache: Path, model: Path, tmp_path: Path
) -> None:
    table, data = read_table(cohort), load_cohort(cohort, cache)
    predictor = Counting(model, "cpu")

    def work(exams: tuple[str, ...], stop_after: int = 10**6) -> list[CaseRead]:
        Counting.predicted = 0

        def check() -> None:
            if Counting.predicted >= stop_after:
                raise Cancelled

        return read_cases(table, exams, predictor, tmp_path, 0, lambda *_: None, check)

    with pytest.raises(Cancelled):
        work(data.exams, stop_after=9)
    kept = tmp_path / "reads.jsonl"
    kept.write_text(kept.read_text()[:-20])
    found = work(data.exams)
    assert Counting.predicted == len(data) - 8
    assert [one.index for one in found] == list(range(len(data)))
    assert work(data.exams) == found
    assert Counting.predicted == 0
    changed = ("0" * 64, *data.exams[1:])
    work(changed)
    assert Counting.predicted == 1
    assert not any(case.patient in kept.read_text() for case in table.cases)


def test_a_glance_is_the_reading_of_the_readers_own_view(model: Path, cohort: Path) -> None:
    case = read_table(cohort).cases[0]
    volume = read_volume(find_series(case.exam)[0])
    predictor = Predictor(model, "cpu")
    whole, own = (way(volume, case.centre, 2.0) for way in (predictor.predict, predictor.glance))
    assert own.hyrisknet == pytest.approx(whole.hyrisknet, abs=1e-7)
    assert own.interval == pytest.approx((own.hyrisknet, own.hyrisknet))
    with pytest.raises(InputError):
        predictor.glance(volume, (-1, 0, 0), 2.0)


def test_too_few_of_one_outcome_is_one_sentence(cohort: Path, cache: Path, model: Path, tmp_path: Path) -> None:
    with open(cohort / "cohort.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    dead = next(i for i, row in enumerate(rows) if row["outcome"] == "1")
    alive = [i for i, row in enumerate(rows) if row["outcome"] == "0"]
    for row in rows:
        row["exam"] = str(cohort / row["exam"])
    path = tmp_path / "few.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows[i] for i in (dead, *alive))
    with pytest.raises(InputError, match="at least two patients of each outcome"):
        validate(arguments(path, model, tmp_path / "out", cache))
    assert json.loads((tmp_path / "out" / "run.json").read_text())["state"] == "failed"


def test_every_item_of_tripod_says_who_fills_it_in(results: dict[str, Any]) -> None:
    rows = list(items(results))
    numbers = [number for number, *_ in rows]
    assert len(set(numbers)) == len(numbers)
    assert {int("".join(c for c in number.split("-")[0] if c.isdigit())) for number in numbers} == set(range(1, 28))
    assert all(text for *_, text in rows)
    # What the program can't know it does not pretend to.
    site = {number for number, _, who, _ in rows if who == SITE}
    assert {"5a", "8a", "17", "18a", "20a", "25", "26"} <= site
    assert not site & {"10", "12e", "23a", "27a"}


def test_the_command_takes_its_arguments_and_fails_with_one_sentence(cohort: Path, tmp_path: Path) -> None:
    places = ("--model", str(tmp_path / "none"), "--out", str(tmp_path / "out"))
    code, _, err = run_here("validate", str(cohort), *places, "--moved", "3")
    assert code == 3
    assert err.startswith("There is no model in")
    assert err.count("\n") == 1
