"""From a finished run to a model bundle: calibration, percentiles, novelty guard, known answer, card."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from hyrisk_desktop.i18n import english, tr
from hyrisk_desktop.risk.bundle import ModelBundle, write_bundle
from hyrisk_desktop.risk.calibration import PlattCalibration
from hyrisk_desktop.risk.network import HyRiskNet
from hyrisk_desktop.risk.novelty import Novelty
from hyrisk_desktop.risk.self_test import KNOWN_ANSWER, known_answer
from model_training.card import run_card
from model_training.dataset import CohortData
from model_training.evaluation import Predictions
from model_training.seen_cases import MARKS, case_marks
from model_training.starting_weights import bundle_of
from model_training.train import image_features
from model_training.units import Settings, Unit, final_network, fold_of, score_rule

F64 = NDArray[np.float64]

NOVELTY_COMPONENTS = 128
NOVELTY_QUANTILE = 0.99
_CASES_PER_COMPONENT = 5
_PLATT_RANGE = (0.05, 5.0)


def _kept_results(data: CohortData, results: dict[str, Any]) -> dict[str, Any]:
    """What of ``results.json`` goes with the bundle."""
    heads = {head: results["pooled"][head] for head in ("risknet", "hyrisknet")}
    return {
        "n": len(data),
        "non_survivors": int(data.outcome.sum()),
        "auc": {name: {"auc": r["auc"], "ci": r["ci"]} for name, r in {**heads, **results["baselines"]}.items()},
        "permutation_auc": results["permutation_auc"],
        "warning": english(results["warning"]),
        "cautions": [english(text) for text in results.get("cautions", ())],
    }


def export_run(
    directory: Path,
    settings: Settings,
    data: CohortData,
    run: Path,
    main: Predictions,
    results: dict[str, Any],
    name: str,
) -> ModelBundle:
    """Write the bundle of a finished cross-validation: the final fit, calibrated on out-of-fold predictions.

    Args:
        directory: of the bundle. settings, data, run: of the training. main: the first network's predictions.
        results: of the run. name: of the model; "" to make one.
    """
    model, preprocessing = final_network(settings, run)
    fold = fold_of(settings, Unit(settings.depths[0], 0), data)
    rule = score_rule(settings, data, fold)
    features = image_features(model, data, np.arange(len(data)), preprocessing)
    calibration = {h: platt_calibration(getattr(main, h), data.outcome) for h in ("risknet", "hyrisknet")}
    start = bundle_of(settings.init)
    earlier = [] if start is None else [*start.training.get("earlier_cohorts", ()), start.training.get("cohort_sha256")]
    training: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "synthetic": data.synthetic,
        "settings": results["settings"] | {"cohort": "", "cache": "", "init": start.name if start else settings.init},
        "cohort_sha256": data.sha256,
        "earlier_cohorts": [sha for sha in earlier if sha],
        MARKS: case_marks(data, start),
        "n": len(data),
        "non_survivors": int(data.outcome.sum()),
        "horizon": data.horizon,
        "protocol": results["protocol"],
        "results": _kept_results(data, results),
    }
    bundle = ModelBundle(
        name=name or english(tr("{network}, {n} cases", network=main.network, n=len(data))),
        depth=model.depth,
        preprocessing=preprocessing,
        # A real cohort on top of a demonstration model makes no demonstration: it was calibrated on real outcomes.
        demonstration=data.synthetic,
        score_input=rule.kind,
        agatston_scale=rule.highest,
        score_quantity=data.quantity if rule.kind == "agatston" else "region",
        calibration=calibration,
        reference={head: np.sort(calibration[head].risk(getattr(main, head))) for head in ("risknet", "hyrisknet")},
        novelty=novelty_statistics(features[fold.training], features[fold.inner], data, floor=1.0),
        training=training,
    )
    return finish(directory, bundle, model, run_card(bundle, results))


def finish(directory: Path, bundle: ModelBundle, model: HyRiskNet, card: str) -> ModelBundle:
    """Store the known answer with the bundle, and write it.

    Args:
        directory: of the bundle. model: the network. card: its text.
    """
    answered = replace(bundle, training=bundle.training | {KNOWN_ANSWER: known_answer(model, bundle)})
    return write_bundle(directory, answered, model, card)


def round_to_half(model: HyRiskNet) -> None:
    """Give the network the precision it's stored in, before anything is measured with it."""
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.half().float())


def platt_calibration(score: F64, outcome: NDArray[np.int64]) -> PlattCalibration:
    """Platt's logistic fit of ``outcome`` on log odds ``score``; a slope outside 0.05 to 5 is taken to its end.

    A network that ranks no better than chance would get a slope of about zero or below, and turn its answers round.

    Args:
        score, outcome: [n].
    """
    fit = LogisticRegression(C=1e6).fit(score[:, None], outcome)
    slope = float(np.clip(fit.coef_[0, 0], *_PLATT_RANGE))
    prevalence = float(outcome.mean())
    intercept = float(fit.intercept_[0])
    if slope != float(fit.coef_[0, 0]):
        # The intercept that keeps the mean risk at the prevalence, for a slope that isn't the fitted one.
        intercept = float(np.log(prevalence / (1 - prevalence)) - slope * score.mean())
    return PlattCalibration(
        slope=round(slope, 6), intercept=round(intercept, 6), prevalence=round(prevalence, 6),
        # Outwards, so that no case of the calibration lies beyond its own range.
        lowest=math.floor(float(score.min()) * 1e5) / 1e5, highest=math.ceil(float(score.max()) * 1e5) / 1e5,
    )  # fmt: skip


def novelty_statistics(reference: Tensor, held_out: Tensor, data: CohortData, floor: float = 0.0) -> Novelty:
    """Principal components of ``reference`` features [n, F], whitened; the limit comes from ``held_out``'s distances.

    It is their `NOVELTY_QUANTILE`, and no lower than that quantile of the reference, nor than ``floor``: a small cohort
    has few held-out cases. The number of components grows with the cases, which in small cohorts have no more to say.

    Args:
        data: the cohort, for its pixel sizes and increments.
    """
    x = reference.double().numpy()
    mean = x.mean(axis=0)
    _, singular, axes = np.linalg.svd(x - mean, full_matrices=False)
    spread = singular / np.sqrt(max(len(x) - 1, 1))
    most = min(NOVELTY_COMPONENTS, max(2, len(x) // _CASES_PER_COMPONENT))
    kept = int(min(most, max(1, (spread > 1e-4 * spread[0]).sum())))
    whitening = (axes[:kept] / np.maximum(spread[:kept, None], 1e-9)).astype(np.float32)
    draft = Novelty(mean.astype(np.float32), whitening, 0.0)
    limits = [
        float(np.quantile([draft.distance(row) for row in part.numpy()], NOVELTY_QUANTILE))
        for part in (held_out, reference)
    ]
    ranges = {key: (float(values.min()), float(values.max())) for key, values in
              (("pixel_mm", data.pixel_mm), ("increment_mm", data.increment_mm))}  # fmt: skip
    return replace(draft, threshold=round(max(*limits, floor), 4), ranges=ranges)
