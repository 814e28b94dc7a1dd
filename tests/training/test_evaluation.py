"""What a cross-validation's results are made of, against values worked out apart; no exam is rendered, no network trained."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.risk.bundle import ModelBundle
from hyrisk_desktop.risk.preprocessing import Preprocessing
from model_training.cross_validate import _claim, _collect, _permutation
from model_training.dataset import CohortData, score_inputs, with_statistics
from model_training.evaluation import (
    Predictions,
    _permutation_band,
    _pooled,
    _subgroups,
    auc_or_none,
    cross_fitted_risk,
    evaluate_run,
)
from model_training.folds import Fold, make_folds
from model_training.metrics import auc
from model_training.seen_cases import MARKS, case_marks, cases_seen
from model_training.units import Settings, Unit, fold_of, list_units, permuted, score_rule

N = 60


def cohort(n: int = N, *, seed: int = 3, repeats: int = 1, side: int = 1) -> CohortData:
    """``n`` cases, a third of them non-survivors, of ``n / repeats`` patients."""
    rng = np.random.default_rng(seed)
    patient = tuple(f"p{i // repeats}" for i in range(n))
    outcome = np.array([int(rng.random() < 1 / 3) for _ in range(n // repeats)]).repeat(repeats)
    agatston = rng.gamma(0.5, 200, n) * (1 + outcome)
    return CohortData(
        patches=rng.integers(-300, 600, (n, 3, side, side)).astype(np.int16), grade=np.clip(np.rint(rng.normal(1 + outcome, 1)), 0, 3),
        outcome=outcome, agatston=agatston + 1, region_agatston=agatston, category=np.searchsorted([0, 10, 100, 400], agatston).astype(float),
        volume_mm3=agatston * 0.8, kernel=tuple("B30f" if i % 3 else "FC51" for i in range(n)), pixel_mm=np.full(n, 0.7),
        increment_mm=np.where(np.arange(n) % 2, 1.25, 2.5), patient=patient, expected_risk=np.full(n, np.nan), synthetic=False,
        name="test", key="k", exams=tuple(hashlib.sha256(b"%d" % i).hexdigest() for i in range(n)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def data() -> CohortData:
    return cohort()


@pytest.fixture(scope="module")
def folds(data: CohortData) -> list[Fold]:
    return make_folds(data.outcome, data.patient, 4, 0)


@pytest.fixture(scope="module")
def predictions(data: CohortData) -> Predictions:
    rng = np.random.default_rng(5)
    odds = [rng.normal(data.outcome * shift, 1.0) for shift in (0.6, 1.5, 0.3)]
    return Predictions(18, *odds, score_weights=(0.1, 0.2))


@pytest.fixture(scope="module")
def results(data: CohortData, folds: list[Fold], predictions: Predictions) -> dict[str, Any]:
    shuffled = permuted(data, 1).outcome
    return evaluate_run({"seed": 1}, data, folds, [predictions], (predictions.hyrisknet, shuffled), 0)


def pairs(score: np.ndarray, outcome: np.ndarray) -> float:
    """AUC, pair by pair."""
    won = [(a > b) + 0.5 * (a == b) for a in score[outcome == 1] for b in score[outcome == 0]]
    return float(np.mean(won))


def test_pooled_and_by_fold(
    results: dict[str, Any], data: CohortData, folds: list[Fold], predictions: Predictions
) -> None:
    for head, values in (("risknet", predictions.risknet), ("hyrisknet", predictions.hyrisknet)):
        found = results["pooled"][head]
        assert found["auc"] == round(pairs(values, data.outcome), 4)
        by_fold = [pairs(values[f.test], data.outcome[f.test]) for f in folds]
        assert found["fold_mean"] == round(float(np.mean(by_fold)), 4)
        assert found["fold_sd"] == round(math.sqrt(np.sum((by_fold - np.mean(by_fold)) ** 2) / 3), 4)
        rows = [row[f"{head}_auc"] for row in results["folds"]]
        assert rows == [round(value, 4) for value in by_fold]
    assert results["pooled"]["auc"] == results["pooled"]["hyrisknet"]["auc"] != results["pooled"]["risknet"]["auc"]
    assert results["networks"][0]["stage_one_auc"] == round(pairs(predictions.stage_one, data.outcome), 4)
    assert results["baselines"]["agatston"]["auc"] == round(pairs(data.region_agatston, data.outcome), 4)
    assert [row["n"] for row in results["folds"]] == [len(f.test) for f in folds]
    assert (results["n"], results["non_survivors"], results["patients"]) == (N, int(data.outcome.sum()), N)


def test_the_pooled_interval_draws_patients_and_not_their_exams(predictions: Predictions, folds: list[Fold]) -> None:
    one, many = cohort(), cohort(repeats=4, seed=4)
    rng = np.random.default_rng(0)
    own = rng.normal(size=N // 4).repeat(4) + many.outcome  # four exams of a patient are alike
    same = replace(predictions, hyrisknet=own)

    def width(data: CohortData) -> float:
        low, high = _pooled(same.hyrisknet, data, folds)["ci"]
        return float(high - low)

    alone = replace(many, patient=one.patient)
    assert width(many) > 1.5 * width(alone)


def test_nobody_calibrates_their_own_risk(data: CohortData, folds: list[Fold], predictions: Predictions) -> None:
    score = predictions.hyrisknet
    risk = cross_fitted_risk(score, data.outcome, folds)
    for fold in folds:
        others = [i for i in range(N) if i not in fold.test]
        fit = LogisticRegression(C=1e6).fit(score[others, None], data.outcome[others])
        wanted = 1 / (1 + np.exp(-(fit.coef_[0, 0] * score[fold.test] + fit.intercept_[0])))
        np.testing.assert_allclose(risk[fold.test], wanted, atol=1e-9)
        # Turned outcomes of the fold change nothing in it.
        turned = data.outcome.copy()
        turned[fold.test] = 1 - turned[fold.test]
        np.testing.assert_array_equal(cross_fitted_risk(score, turned, folds)[fold.test], risk[fold.test])


def test_grade_and_agatston_together_are_fitted_on_the_others(
    results: dict[str, Any], data: CohortData, folds: list[Fold], predictions: Predictions
) -> None:
    score = np.zeros(N)
    for fold in folds:
        rest = np.concatenate([fold.training, fold.inner])
        columns = np.column_stack([data.grade, np.log(1 + data.region_agatston)])
        z = (columns - columns[rest].mean(0)) / columns[rest].std(0)
        fit = LogisticRegression().fit(z[rest], data.outcome[rest])
        score[fold.test] = (z @ fit.coef_[0] + fit.intercept_[0])[fold.test]
    assert results["baselines"]["grade_agatston"]["auc"] == round(pairs(score, data.outcome), 4)
    ungraded = replace(data, grade=np.where(np.arange(N) == 7, np.nan, data.grade))
    again = evaluate_run({"seed": 1}, ungraded, folds, [predictions], (np.zeros(0), np.zeros(0, np.int64)), 0)
    assert {"grade", "grade_agatston"} & set(again["baselines"]) == set()
    assert again["permutation_auc"] is again["permutation"] is None


def test_calibration_decision_curve_and_subgroups(
    results: dict[str, Any], data: CohortData, folds: list[Fold], predictions: Predictions
) -> None:
    risk = cross_fitted_risk(predictions.hyrisknet, data.outcome, folds)
    prevalence = data.outcome.mean()
    found = results["calibration"]["hyrisknet"]
    assert found["brier"] == round(float(((risk - data.outcome) ** 2).mean()), 4)
    assert found["brier_of_prevalence"] == round(prevalence * (1 - prevalence), 4)
    (row,) = [row for row in results["decision_curve"] if row["threshold"] == 0.3]
    assert row["treat_all"] == round(prevalence - (1 - prevalence) * 0.3 / 0.7, 4)
    groups = {(row["by"], row["group"]): row for row in results["subgroups"]}
    sharp = np.array(data.kernel) == "FC51"
    assert (groups["kernel", "FC51"]["n"], groups["kernel", "FC51"]["non_survivors"]) == (
        sharp.sum(),
        data.outcome[sharp].sum(),
    )
    for (kind, name), row in groups.items():
        small = min(row["non_survivors"], row["n"] - row["non_survivors"]) < 10
        assert (row["hyrisknet"] is None) is small, (kind, name)
    thin = data.increment_mm == 1.25
    assert min(data.outcome[thin].sum(), (1 - data.outcome[thin]).sum()) >= 10 > data.outcome[sharp].sum()
    assert groups["increment_mm", "1.25"]["hyrisknet"] == round(
        pairs(predictions.hyrisknet[thin], data.outcome[thin]), 4
    )


@pytest.mark.parametrize(("dead", "alive", "shown"), [(10, 10, True), (9, 11, False), (11, 9, False)])
def test_ten_of_each_outcome_are_enough_for_a_group(
    dead: int, alive: int, shown: bool, data: CohortData, predictions: Predictions
) -> None:
    members = [*np.flatnonzero(data.outcome == 1)[:dead], *np.flatnonzero(data.outcome == 0)[:alive]]
    increment = np.full(N, 2.5)
    increment[members] = 1.0
    (row,) = [
        r
        for r in _subgroups({"x": predictions.hyrisknet}, replace(data, increment_mm=increment))
        if (r["by"], r["group"]) == ("increment_mm", "1")
    ]
    assert (row["n"], row["non_survivors"], row["x"] is not None) == (dead + alive, dead, shown)


@pytest.mark.parametrize(("won", "passed"), [(94, False), (95, True), (210, True), (325, True), (326, False)])
def test_the_self_test_passes_within_three_chance_deviations(won: int, passed: bool) -> None:
    """20 non-survivors and 21 survivors make 420 pairs; 0.5 less three deviations of 0.0913 is 94.9 of them."""
    outcome = np.array([1] * 20 + [0] * 21)
    score = np.concatenate([np.zeros(20), np.arange(21) + 0.5])
    for n in range(20):
        score[n] = min(21, max(0, won - 21 * n))  # outranks as many survivors
    assert pairs(score, outcome) * 420 == pytest.approx(won)
    deviation = math.sqrt((20 + 21 + 1) / (12 * 20 * 21))
    assert (0.5 - 3 * deviation) * 420 == pytest.approx(94.97, abs=0.01)
    assert _permutation_band((score, outcome)) == {"n": 41, "chance_sd": round(deviation, 4), "passed": passed}


def test_one_outcome_has_no_auc() -> None:
    assert auc_or_none(np.arange(3.0), np.ones(3, np.int64)) is None


# --- leakage, and the parts that a run is put together from


def test_predictions_are_put_where_they_belong(data: CohortData, folds: list[Fold]) -> None:
    odds = np.arange(N) * 1.0
    parts = {
        f.number: {"test": f.test.tolist(), "risknet": (odds[f.test] + 0.25).tolist(), "hyrisknet": odds[f.test].tolist(),
                   "stage_one": (-odds[f.test]).tolist(), "score_weight": float(f.number)}
        for f in reversed(folds)
    }  # fmt: skip
    found = _collect(34, parts, data)
    np.testing.assert_array_equal(found.hyrisknet, odds)
    np.testing.assert_array_equal(found.risknet, odds + 0.25)
    np.testing.assert_array_equal(found.stage_one, -odds)
    assert (found.score_weights, found.network) == ((1.0, 2.0, 3.0, 4.0), "hyrisknet-34")


def test_the_self_test_is_judged_by_the_shuffled_outcomes(data: CohortData, folds: list[Fold]) -> None:
    settings = Settings("c", "p", seed=11)
    shuffled = permuted(data, 11)
    assert sorted(shuffled.outcome) == sorted(data.outcome)
    assert (shuffled.outcome != data.outcome).any()
    assert shuffled.patient == data.patient
    np.testing.assert_array_equal(permuted(data, 11).outcome, shuffled.outcome)
    found = {
        Unit(34, f.number, permuted=kind): {
            "test": f.test.tolist(),
            "hyrisknet": (f.test * (1.0 if kind else -1.0)).tolist(),
        }
        for f in folds[:2]
        for kind in (True, False)
    }
    score, outcome = _permutation(settings, data, found)
    where = np.concatenate([folds[0].test, folds[1].test])
    np.testing.assert_array_equal(score, where)
    np.testing.assert_array_equal(outcome, shuffled.outcome[where])


def test_units_and_their_folds(data: CohortData) -> None:
    settings = Settings("c", "p", depths=(18, 34), folds=3, permutation_folds=2, seed=5)
    assert [u.name for u in list_units(settings)] == [
        "hyrisknet-18/fold-01", "hyrisknet-18/fold-02", "hyrisknet-18/fold-03", "hyrisknet-34/fold-01", "hyrisknet-34/fold-02",
        "hyrisknet-34/fold-03", "hyrisknet-18/permuted-01", "hyrisknet-18/permuted-02", "hyrisknet-18/final",
        "hyrisknet-34/final",
    ]  # fmt: skip
    assert len(list_units(replace(settings, permutation_folds=9))) == 11
    made = make_folds(data.outcome, data.patient, 3, 5)
    for number in (1, 3):
        np.testing.assert_array_equal(fold_of(settings, Unit(34, number), data).test, made[number - 1].test)
    assert len(fold_of(settings, Unit(34, 0), data).test) == 0


def test_the_agatston_scale_ends_at_the_training_parts_highest_score(data: CohortData) -> None:
    settings = Settings("c", "p", score="agatston")
    fold = fold_of(settings, Unit(34, 0), data)
    assert score_rule(settings, data, fold).highest == math.ceil(data.agatston[fold.training].max())
    assert score_rule(settings, replace(data, agatston=np.full(N, 3.2)), fold).highest == 100
    assert score_rule(Settings("c", "p"), data, fold).kind == "grade"
    np.testing.assert_allclose(
        score_inputs(data, score_rule(Settings("c", "p"), data, fold)), data.grade * 2 / 3 - 1, atol=1e-6
    )


def test_a_channels_mean_and_spread_are_of_the_training_part_and_the_crop() -> None:
    data = cohort(6, side=9)
    data.patches[:, 2] += 150
    training = np.array([4, 1])
    found = with_statistics(Preprocessing(patch_xyz=(9, 9, 3), inference_crop=0.6), data, training)
    values = (data.patches[training][:, :, 2:7, 2:7].clip(-200, 500) + 200) / 700  # a side of 5.4, so 5
    np.testing.assert_allclose(found.mean, values.mean(axis=(0, 2, 3)), atol=1e-5)
    np.testing.assert_allclose(found.std, values.std(axis=(0, 2, 3)), atol=1e-5)


@pytest.mark.parametrize(("change", "same"), [({"device": "cuda"}, True), ({"cache": "x"}, True), ({"threads": 3}, True), ({"seed": 6}, False), ({"epochs": 4}, False)])  # fmt: skip
def test_a_run_goes_on_with_what_it_began_with(
    change: dict[str, Any], same: bool, data: CohortData, tmp_path: Path
) -> None:
    settings = Settings("c", "p", seed=5)
    _claim(tmp_path, settings, data)
    again = Settings(**{**asdict(settings), **change})
    if same:
        _claim(tmp_path, again, data)
    else:
        with pytest.raises(InputError, match="holds another training run"):
            _claim(tmp_path, again, data)
    with pytest.raises(InputError, match="holds another training run"):
        _claim(tmp_path, settings, replace(data, outcome=1 - data.outcome))


@pytest.mark.parametrize("column", ["grade", "outcome", "agatston", "patient", "key", "expected_risk"])
def test_every_column_that_decides_the_weights_is_in_the_cohorts_hash(column: str, data: CohortData) -> None:
    values = getattr(data, column)
    other = {"patient": ("q", *data.patient[1:]), "key": "l", "expected_risk": np.zeros(N)}.get(column, values * 1)
    if column in ("grade", "outcome", "agatston"):
        other[3] += 1
    assert replace(data, **{column: other}).sha256 != data.sha256


def test_a_model_knows_each_exam_again_by_half_its_hash(data: CohortData) -> None:
    def bundle(**training: Any) -> ModelBundle:
        return ModelBundle("A model", 18, Preprocessing(), demonstration=True, training=training)

    marks = case_marks(data)
    assert marks == sorted(exam[:32] for exam in data.exams)
    strangers = replace(data, exams=tuple("zz" + exam[2:] for exam in data.exams), grade=3 - data.grade)
    half = replace(data, exams=(*data.exams[:7], *strangers.exams[7:]), grade=3 - data.grade)
    earlier = bundle(**{MARKS: marks, "cohort_sha256": data.sha256})
    assert [cases_seen(earlier, d) for d in (data, half, strangers)] == [N, 7, 0]
    assert cases_seen(bundle(**{MARKS: case_marks(strangers, earlier)}), half) == N
    assert cases_seen(bundle(**{MARKS: [3, None, *marks[:2]]}), half) <= 2


def test_the_auc_of_scores_that_are_all_alike_is_a_half() -> None:
    assert auc(np.zeros(5), np.array([0, 1, 0, 1, 1])) == 0.5
