"""From a finished run to a model bundle: stage two, calibration, percentiles, novelty guard, results, card.

Four disjoint cohorts take part: training (with its inner split), stage two, calibration, and the held-out test,
whose figures go into ``model.json`` and ``CARD.md`` and decide nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.risk.bundle import ModelBundle, write_bundle
from hyrisk_desktop.risk.calibration import PlattCalibration
from hyrisk_desktop.risk.network import HyRiskNet, log_odds
from hyrisk_desktop.risk.novelty import Novelty
from hyrisk_desktop.risk.preprocessing import Preprocessing
from model_training.card import write_card
from model_training.dataset import CohortData, score_inputs
from model_training.fuse import fit_fused_head
from model_training.metrics import auc, auc_over_draws, bootstrap_ci, expected_auc
from model_training.train import image_features, load_run

F64 = NDArray[np.float64]

NOVELTY_COMPONENTS = 48
NOVELTY_QUANTILE = 0.99
OUTCOME_DRAWS = 60


@dataclass(frozen=True, slots=True)
class Cohorts:
    """The cohorts an export needs, none of which share a seed."""

    training: CohortData
    stage_two: CohortData
    calibration: CohortData
    test: CohortData

    def check(self) -> None:
        """Raise InputError where two cohorts share a seed."""
        named = {name: getattr(self, name).seeds for name in self.__slots__}
        for (a, seeds_a), (b, seeds_b) in combinations(named.items(), 2):
            if np.intersect1d(seeds_a, seeds_b).size:
                raise InputError("cohorts_overlap", tr("The cohorts “{a}” and “{b}” share phantoms.", a=a, b=b))

    def seed_ranges(self) -> dict[str, list[int]]:
        """First and last seed of each cohort."""
        return {name: [int(c.seeds.min()), int(c.seeds.max())] for name in self.__slots__ if (c := getattr(self, name))}


@dataclass(frozen=True, slots=True)
class Scored:
    """A cohort's features [n, F] and the log odds [n] of both heads."""

    features: Tensor
    risknet: F64
    hyrisknet: F64


def export(run: Path, cohorts: Cohorts, bundle_directory: Path, name: str, notes: str = "") -> ModelBundle:
    """Fit stage two, calibrate, measure, and write the bundle; ``notes`` go into the card as they are.

    Raises:
        InputError: the cohorts overlap.
    """
    cohorts.check()
    model, record = load_run(run)
    preprocessing = Preprocessing.from_json(record["preprocessing"])
    soft = bool(record["config"]["soft_target"])
    model = model.to(memory_format=torch.channels_last)

    second = cohorts.stage_two
    features = _features(model, second, preprocessing)
    target = torch.tensor(second.expected_risk if soft else second.outcome, dtype=torch.float32)
    fit = fit_fused_head(model, features, score_inputs(second), target)
    _round_to_half(model)

    calibration = _score(model, cohorts.calibration, preprocessing)
    test = _score(model, cohorts.test, preprocessing)
    platt = {
        "risknet": platt_calibration(calibration.risknet, cohorts.calibration.outcome),
        "hyrisknet": platt_calibration(calibration.hyrisknet, cohorts.calibration.outcome),
    }
    results = evaluate(cohorts.test, test)
    training: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "synthetic": True,
        "config": record["config"],
        "notes": notes,
        "soft_target": soft,
        "cohorts": {key: getattr(cohorts, key).record for key in Cohorts.__slots__},
        "seeds": cohorts.seed_ranges(),
        "sizes": {key: len(getattr(cohorts, key)) for key in Cohorts.__slots__},
        "stage_two": {"pull": fit.pull, "score_weight": round(fit.score_weight, 4)},
        "results": results,
    }
    bundle = ModelBundle(
        name=name,
        depth=model.depth,
        preprocessing=preprocessing,
        demonstration=True,
        calibration=platt,
        reference={
            "risknet": np.sort(platt["risknet"].risk(calibration.risknet)),
            "hyrisknet": np.sort(platt["hyrisknet"].risk(calibration.hyrisknet)),
        },
        novelty=novelty_statistics(features, calibration.features, cohorts.training),
        training=training,
    )
    return write_bundle(bundle_directory, bundle, model, write_card(bundle))


def _features(model: HyRiskNet, data: CohortData, preprocessing: Preprocessing) -> Tensor:
    """Features [n, F] as the program computes them: full size, centred crop, fp32."""
    return image_features(model, data, np.arange(len(data)), preprocessing, preprocessing.input_size, bfloat16=False)


@torch.no_grad()
def _score(model: HyRiskNet, data: CohortData, preprocessing: Preprocessing) -> Scored:
    features = _features(model, data, preprocessing)
    return Scored(
        features=features,
        risknet=log_odds(model.image_logits(features)).double().numpy(),
        hyrisknet=log_odds(model.fused_logits(features, score_inputs(data))).double().numpy(),
    )


def _round_to_half(model: HyRiskNet) -> None:
    """Give the network the precision it's stored in, before anything is measured with it."""
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.half().float())


def platt_calibration(score: F64, outcome: NDArray[np.int64]) -> PlattCalibration:
    """Platt's logistic fit of ``outcome`` on log odds ``score``."""
    fit = LogisticRegression(C=1e6).fit(score[:, None], outcome)
    return PlattCalibration(
        slope=round(float(fit.coef_[0, 0]), 6),
        intercept=round(float(fit.intercept_[0]), 6),
        prevalence=round(float(outcome.mean()), 6),
    )


def novelty_statistics(reference: Tensor, held_out: Tensor, training: CohortData) -> Novelty:
    """Principal components of ``reference`` features [n, F], whitened; the limit is a quantile of ``held_out``'s.

    Neither set trained the trunk: on memorised cases the features would look tighter than they are.
    """
    x = reference.double().numpy()
    mean = x.mean(axis=0)
    _, singular, axes = np.linalg.svd(x - mean, full_matrices=False)
    spread = singular / np.sqrt(len(x) - 1)
    kept = int(min(NOVELTY_COMPONENTS, (spread > 1e-4 * spread[0]).sum()))
    whitening = (axes[:kept] / spread[:kept, None]).astype(np.float32)
    draft = Novelty(mean.astype(np.float32), whitening, 0.0)
    distances = [draft.distance(row) for row in held_out.numpy()]
    ranges = {
        key: (float(training.numbers[key].min()), float(training.numbers[key].max()))
        for key in ("pixel_mm", "increment_mm")
    }
    return replace(draft, threshold=round(float(np.quantile(distances, NOVELTY_QUANTILE)), 4), ranges=ranges)


def evaluate(data: CohortData, scored: Scored) -> dict[str, Any]:
    """AUC of both networks and of every score on one cohort, in several ways, and within kernels."""
    candidates = {"risknet": scored.risknet, "hyrisknet": scored.hyrisknet, **data.scores()}
    table = {}
    for name, values in candidates.items():
        mean, spread = auc_over_draws(values, data.expected_risk, OUTCOME_DRAWS, seed=1)
        low, high = bootstrap_ci(values, data.outcome)
        table[name] = {
            "expected_auc": round(expected_auc(values, data.expected_risk), 4),
            "mean_over_draws": round(mean, 4),
            "sd_over_draws": round(spread, 4),
            "auc": round(auc(values, data.outcome), 4),
            "ci": [round(low, 4), round(high, 4)],
        }
    kernels = np.array(data.texts["kernel"])
    within = {
        kernel: {name: round(expected_auc(v[kernels == kernel], data.expected_risk[kernels == kernel]), 4)
                 for name, v in candidates.items()}
        for kernel in sorted(set(kernels))
    }  # fmt: skip
    return {
        "n": len(data),
        "non_survivors": int(data.outcome.sum()),
        "outcome_draws": OUTCOME_DRAWS,
        "ceiling_true_risk": round(expected_auc(data.expected_risk, data.expected_risk), 4),
        "auc": table,
        "within_kernel": within,
    }
