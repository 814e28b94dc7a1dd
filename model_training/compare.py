"""An existing bundle on a cohort: for ``hyrisk evaluate``, and beside a new network on the same cases."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import read_volume, shutdown_decoders
from hyrisk_desktop.risk.bundle import ModelBundle, load_bundle
from hyrisk_desktop.risk.look import look_at
from hyrisk_desktop.risk.network import HyRiskNet, log_odds
from hyrisk_desktop.risk.predictor import choose_device
from hyrisk_desktop.risk.preprocessing import Preprocessing, prepare
from model_training.cautions import model_cautions
from model_training.dataset import CohortData, score_inputs
from model_training.evaluation import Predictions, auc_or_none
from model_training.metrics import bootstrap_ci, delong, expected_auc, roc
from model_training.patches import series_of
from model_training.seen_cases import cases_seen
from model_training.train import image_features

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """A bundle's log odds [n] of both heads, and its features [n, F]."""

    bundle: ModelBundle
    features: torch.Tensor
    risknet: F64
    hyrisknet: F64


@torch.no_grad()
def score_bundle(directory: Path, data: CohortData, device: str | None = None) -> Scored:
    """Run a bundle over a cohort as the program would: its own preprocessing, fp32, centred crop.

    Raises:
        BundleError: the bundle can't be used. InputError: it needs grades and some are missing.
    """
    bundle, model = load_bundle(directory)
    where = choose_device(device)
    model = model.to(where, memory_format=torch.channels_last)  # type: ignore[call-overload]
    p = bundle.preprocessing
    if p.levels_mm is None:
        features = image_features(model, data, np.arange(len(data)), p, device=where)
    else:
        features = _features_at_levels(model, data, p, where)
    scores = score_inputs(data, bundle.score_rule, bundle.score_quantity).to(where)
    at = features.to(where)
    heads = [
        log_odds(logits).double().cpu().numpy() for logits in (model.image_logits(at), model.fused_logits(at, scores))
    ]
    return Scored(bundle, features, *heads)


def _features_at_levels(
    model: HyRiskNet, data: CohortData, preprocessing: Preprocessing, where: torch.device
) -> torch.Tensor:
    """Features [n, F] of a network that looks at more slices than the cut patches have: from the exams themselves."""
    model.eval()
    found = []
    try:
        for case in data.cases:
            look = look_at(read_volume(series_of(case)), case.centre, preprocessing)
            patches = torch.from_numpy(look.patches(look.own)).to(where)
            batch = prepare(patches, [view.crop for view in look.own], preprocessing)
            found.append(model.features(batch.contiguous(memory_format=torch.channels_last)).mean(0).float().cpu())
    finally:
        shutdown_decoders()
    return torch.stack(found)


def evaluate_bundle(directory: Path, data: CohortData, device: str | None = None) -> dict[str, Any]:
    """What ``hyrisk evaluate`` prints: AUCs of a bundle and of the plain scores on a cohort, and what they must not be read without."""
    scored = score_bundle(directory, data, device)
    columns = {"risknet": scored.risknet, "hyrisknet": scored.hyrisknet, **data.scores()}
    groups = np.unique(data.groups, return_inverse=True)[1]
    intervals = {}
    for name, values in columns.items():
        low, high = bootstrap_ci(values, data.outcome, groups=groups)
        intervals[name] = [round(low, 4), round(high, 4)]
    expected = (
        {"expected_auc": {name: round(expected_auc(v, data.expected_risk), 4) for name, v in columns.items()}}
        if data.has_expected_risk
        else {}
    )
    heads = {
        name: {"auc": auc_or_none(columns[name], data.outcome), "ci": intervals[name]}
        for name in ("hyrisknet", "risknet")
    }
    return {
        "n": len(data),
        "non_survivors": int(data.outcome.sum()),
        "synthetic": data.synthetic,
        "cautions": model_cautions(heads, data, scored.bundle),
        "model": scored.bundle.name,
        "sha256": scored.bundle.sha256,
        "risknet_auc": heads["risknet"]["auc"],
        "hyrisknet_auc": heads["hyrisknet"]["auc"],
        "baselines": {name: auc_or_none(values, data.outcome) for name, values in data.scores().items()},
        "ci": intervals,
        **expected,
    }


def compare_models(
    directory: Path, data: CohortData, new: Predictions, device: str, start: ModelBundle | None = None
) -> dict[str, Any]:
    """The installed model and the new network's out-of-fold predictions on the same cases; ``start`` is what it began as.

    Args:
        directory: the installed model's. data: the cohort. device: "cpu", "cuda" or "" to choose.
    """
    old = score_bundle(directory, data, device)
    d = delong(new.hyrisknet, old.hyrisknet, data.outcome)
    return {
        "model": old.bundle.name,
        "sha256": old.bundle.sha256,
        "n": len(data),
        "synthetic_model": old.bundle.demonstration,
        "installed": {
            "risknet_auc": auc_or_none(old.risknet, data.outcome),
            "hyrisknet_auc": auc_or_none(old.hyrisknet, data.outcome),
        },
        "new": {
            "risknet_auc": auc_or_none(new.risknet, data.outcome),
            "hyrisknet_auc": auc_or_none(new.hyrisknet, data.outcome),
        },
        "difference": round(d.difference, 4),
        "ci": [None if np.isnan(v) else round(v, 4) for v in (d.low, d.high)],
        "p": None if np.isnan(d.p) else float(f"{d.p:.3g}"),
        "roc": {"installed": roc(old.hyrisknet, data.outcome)},
        "warning": _warning(old.bundle, data, start),
    }


def _warning(bundle: ModelBundle, data: CohortData, start: ModelBundle | None) -> str:
    seen, n = cases_seen(bundle, data), len(data)
    if seen and cases_seen(start, data):
        return tr("The installed model was trained on these very cases ({seen} of {n}), and the new one began as a model "
                  "that was: neither figure is held out.", seen=seen, n=n)  # fmt: skip
    if seen:
        return tr("The installed model was trained on these very cases ({seen} of {n}), which flatters it; the new one "
                  "was not.", seen=seen, n=n)  # fmt: skip
    if bundle.demonstration and not data.synthetic:
        return tr("The installed model has only seen synthetic phantoms.")
    return ""
