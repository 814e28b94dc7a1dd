"""The bundles of a run: ``bundle/`` of a single network, ``bundles/hyrisknet-34`` and so on of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hyrisk_desktop.i18n import english, tr
from hyrisk_desktop.risk.bundle import ModelBundle
from hyrisk_desktop.training_run import BUNDLE, BUNDLES
from model_training.cautions import cautions
from model_training.dataset import CohortData
from model_training.deviations import deviations
from model_training.evaluation import Predictions, evaluate_run
from model_training.export import export_run
from model_training.folds import Fold, patient_overlap
from model_training.units import Settings, settings_json


def name_of_network(name: str, network: str, several: bool) -> str:
    """What the model of ``network`` is called in a run called ``name``; "" for a name of its own."""
    return english(tr("{name}, {network}", name=name, network=network)) if name and several else name


def export_networks(
    run: Path,
    settings: Settings,
    data: CohortData,
    folds: Sequence[Fold],
    predictions: Sequence[Predictions],
    results: dict[str, Any],
    name: str,
) -> list[dict[str, str]]:
    """Write the bundle of each network of a finished training; returns what ``results.json`` says of each.

    Args:
        run, settings, data, folds: of the training. predictions: of its networks, out of fold.
        results: of the run, which are the first network's. name: of the model; "" to make one.
    """
    found = []
    for number, one in enumerate(predictions):
        path = f"{BUNDLES}/{one.network}" if len(predictions) > 1 else BUNDLE
        called = name_of_network(name, one.network, len(predictions) > 1)
        if number:
            bundle = export_one(
                run / path, settings, data, folds, one, run=run, name=called, warning=results["warning"]
            )
        else:
            own = results | {"settings": results["settings"] | {"depths": [one.depth]}}
            bundle = export_run(run / path, settings, data, run, one, own, called)
        found.append(entry(one.network, path, bundle))
    return found


def export_one(
    directory: Path,
    settings: Settings,
    data: CohortData,
    folds: Sequence[Fold],
    one: Predictions,
    *,
    run: Path,
    name: str = "",
    warning: str = "",
) -> ModelBundle:
    """Write the bundle of one network of several, with results of its own.

    Args:
        directory: of the bundle. settings, data, folds: of the run. one: the network's predictions.
        run: where its units lie. name: of the model; "" to make one. warning: that its results are not held out, if so.
    """
    alone = replace(settings, depths=(one.depth,))
    # Outcomes are shuffled for the first network of a training alone.
    nobody = (data.expected_risk[:0], data.outcome[:0])
    overlap = patient_overlap(folds, data.groups)
    results = evaluate_run(settings_json(alone), data, folds, [one], nobody, overlap)
    results |= {
        "warning": warning,
        "cautions": cautions(results, data),
        "deviations": deviations(alone.config(one.depth)),
    }
    return export_run(directory, alone, data, run, one, results, name)


def entry(network: str, path: str, bundle: ModelBundle) -> dict[str, str]:
    """What a run's results say of the bundle of ``network`` at ``path`` below the run."""
    return {
        "network": network,
        "path": path,
        "name": bundle.name,
        "sha256": bundle.sha256,
        "bundle_sha256": bundle.bundle_sha256,
    }
