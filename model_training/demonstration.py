"""The bundled demonstration model from nothing: phantoms, RiskNet, HyRiskNet, calibration, results, card. One command.

    hyrisk train-demonstration --work WORK --out resources/models/hyrisknet-34-demo

Disjoint ranges of seeds take part: training and steady (each with its inner split), stage two, calibration, and the held-out test,
whose figures go into ``model.json`` and ``CARD.md`` and decide nothing. The first training is the paper's input on single scans; the
second, "steady", goes on from its weights on phantoms that were scanned twice and is told their known factors. Stage two fits both
heads on phantoms that no trunk has seen, and holds them still by second clicks. Seeds from 5000000 are reserved for tests and for
demonstrations of training. Every part goes on where a killed one stopped.

With ``--start BUNDLE`` there is no first training: the second goes on from that model's weights, on phantoms that it has not seen
(`ranges`), and what it had learned from stays in the description and in the card.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hyrisk_desktop.jobs import Progress, no_progress
from hyrisk_desktop.risk.bundle import ModelBundle, write_bundle
from hyrisk_desktop.risk.network import HyRiskNet, log_odds
from hyrisk_desktop.risk.preprocessing import Preprocessing
from hyrisk_desktop.risk.score_input import ScoreInput
from hyrisk_desktop.training_run import RESULT_BYTES, read_json
from model_training.card import demonstration_card
from model_training.config import Phase, TrainConfig
from model_training.dataset import CohortData, load_cohort, score_inputs, with_statistics
from model_training.export import finish, novelty_statistics, platt_calibration, round_to_half
from model_training.fuse import Still, fit_fused_head, fit_image_head
from model_training.looks import AGAIN, LOOK, RESCANNED, SEEN, Kind, features_of_seeds
from model_training.metrics import auc, auc_over_draws, bootstrap_ci, expected_auc
from model_training.phantom.cohort import write_cohort
from model_training.phantom.subject import make_subject
from model_training.ranges import PARTS, RESERVED, STEADY, Part, check_parts, claim, earlier_facts, open_start, parts_of
from model_training.stability import mean_moves, rescans
from model_training.steady import hold_still
from model_training.train import Fit, Watch, fit
from model_training.twins import visible_risk

F64 = NDArray[np.float64]
PHASES = (Phase(96, 6.0), Phase(160, 1.0), Phase(224, 1.5))
STEADY_PHASES = (Phase(160, 1.0), Phase(224, 0.5))
INNER = 500
"""Last cases of the training part, kept for choosing the weights."""
LEVELS_MM = (-6.0, 0.0, 6.0)
"""Where a reading looks: what a click's height decides by chance is averaged out (measured; see CONTRIBUTING)."""
CLICKED_TWICE, STILL = 1600, 0.3
"""Phantoms of stage two that are clicked once more, and what the mean squared difference of their log odds counts."""
SCANNED_AGAIN, LEVEL = 100, 3.0
"""Phantoms of stage two that are scanned again with another kernel, pixel size or increment, and what the mean square of the log odds counts
that each of these makes in the mean: features that tell scanners apart are left to say little, at no loss of AUC (measured; see CONTRIBUTING)."""
OUTCOME_DRAWS = 60
NAME = "HyRiskNet-34 demonstration"


def build_demonstration(
    work: Path,
    out: Path,
    config: TrainConfig,
    device: torch.device,
    *,
    steady: TrainConfig | None = None,
    parts: tuple[Part, ...] | None = None,
    inner: int = INNER,
    notes: str = "",
    start: Path | None = None,
    progress: Progress = no_progress,
    watch: Watch | None = None,
) -> ModelBundle:
    """All of it; ``notes`` go into the card as they are.

    Args:
        work: folder of everything on the way. out: the bundle's. config, device: of the first training.
        steady: of the second, None to leave it out. parts: cohorts to make, None for the usual ones. inner: last cases of a
            training's part, which choose its weights.
        start: bundle whose weights the second training goes on from, instead of a first one; ``config`` is not used then.
        progress: of the phantoms. watch: told after each step.

    Raises:
        InputError: parts share phantoms, also with what the start has learned from; or the start does not fit.
    """
    if start is not None and steady is None:
        raise ValueError("going on from a bundle is the second training")
    begun = None if start is None or steady is None else open_start(start, steady.depth)
    earlier = None if begun is None else begun[0]
    parts = parts or parts_of(earlier)
    check_parts(parts, earlier)
    claim(work, earlier)
    for part in parts:
        write_cohort(work / part.name, part.count, part.first_seed, os.cpu_count() or 1, progress)
    if begun is None:
        model, preprocessing = train_demonstration(work, config, device, inner=inner, progress=progress, watch=watch)
    else:
        model, preprocessing = begun[1], begun[0].preprocessing
    if steady is not None:
        data, first = load_part(work, STEADY, progress), next(p.first_seed for p in parts if p.name == STEADY)
        model, preprocessing = hold_still(
            work / "hold", data, first, model, steady, device, inner=inner, workers=os.cpu_count() or 1, progress=progress, watch=watch
        )  # fmt: skip
    return export_demonstration(
        work, out, model, preprocessing, config, steady=steady, parts=parts, inner=inner, notes=notes, earlier=earlier
    )


def train_demonstration(
    work: Path,
    config: TrainConfig,
    device: torch.device,
    *,
    inner: int = INNER,
    progress: Progress = no_progress,
    watch: Watch | None = None,
) -> tuple[HyRiskNet, Preprocessing]:
    """Stage one on the training part in ``work``; resumes.

    Args:
        config: of the fit. device: where. inner, progress, watch: as of `build_demonstration`.
    """
    data = load_part(work, "training", progress)
    cases = np.arange(len(data))
    training, held = cases[: len(data) - inner], cases[len(data) - inner :]
    preprocessing = with_statistics(config.plain_preprocessing, data, training)
    targets = torch.tensor(data.expected_risk if config.soft_target else data.outcome, dtype=torch.float32)
    job = Fit(data, training, held, targets, None, preprocessing, config, device)
    return fit(job, work / "run", _new_network(config), watch), preprocessing


def _new_network(config: TrainConfig) -> Callable[[], HyRiskNet]:
    def make() -> HyRiskNet:
        torch.manual_seed(config.seed)
        return HyRiskNet(config.depth)

    return make


def load_part(work: Path, name: str, progress: Progress = no_progress) -> CohortData:
    """The cohort ``name`` of ``work``, its patches cut into ``work/patches``."""
    return load_cohort(work / name, work / "patches", progress)


def _facts(
    work: Path,
    config: TrainConfig,
    steady: TrainConfig | None,
    parts: tuple[Part, ...],
    *,
    inner: int,
    notes: str,
    earlier: ModelBundle | None,
) -> dict[str, Any]:
    """How the model was made, as far as it is known before its results.

    Args:
        work: folder of the parts. config, steady, parts, inner, notes, earlier: as of `export_demonstration`.
    """
    if earlier is None:
        before: dict[str, Any] = {"cohorts": {}, "seeds": {}, "sizes": {}}
        first = asdict(config) | {"validation": inner}
    else:
        before, first = earlier_facts(earlier, parts), earlier.training["config"]
    sizes = before["sizes"] | {part.name: part.count for part in parts}
    cohorts = {part.name: read_json(work / part.name / "cohort.json", RESULT_BYTES) for part in parts}
    return {
        **before,
        "date": datetime.now(UTC).date().isoformat(),
        "synthetic": True,
        "config": first,
        **({} if steady is None else {"steady_config": asdict(steady) | {"validation": inner}}),
        "notes": notes,
        "soft_target": (steady or config).soft_target,
        "n": sum(count for name, count in sizes.items() if name not in RESERVED),
        "cohorts": before["cohorts"] | cohorts,
        "seeds": before["seeds"] | {part.name: [part.seeds[0], part.seeds[-1]] for part in parts},
        "sizes": sizes,
    }


def export_demonstration(
    work: Path,
    out: Path,
    model: HyRiskNet,
    preprocessing: Preprocessing,
    config: TrainConfig,
    *,
    steady: TrainConfig | None = None,
    parts: tuple[Part, ...] = PARTS,
    inner: int = INNER,
    notes: str = "",
    earlier: ModelBundle | None = None,
) -> ModelBundle:
    """Stage two on reserved phantoms, calibration, percentiles, novelty guard, results on the test part; writes the bundle.

    Args:
        work, out: folders. model, preprocessing: of the last training. config, steady, parts, inner, notes: as of
            `build_demonstration`. earlier: the model that the training went on from, instead of from a first training.
    """
    model = model.to("cpu", memory_format=torch.channels_last)  # type: ignore[call-overload]
    # Everything that is stored or reported comes from the rounded weights and the levels, as shipped.
    round_to_half(model)
    preprocessing = replace(preprocessing, levels_mm=LEVELS_MM)
    learned = load_part(work, STEADY if steady is not None else "training")
    second, calibration, test = (load_part(work, name) for name in ("stage-two", "calibration", "test"))
    seen = _features(work, model, preprocessing, parts)
    stage_two, with_agatston = _fit_heads(model, seen, (second, test), config, steady, parts=parts)
    round_to_half(model)
    grade = ScoreInput("grade")
    held = _odds(model, calibration, seen["calibration"], grade)
    final = {**_odds(model, test, seen["test"], grade), "hyrisknet_agatston": with_agatston}
    platt = {head: platt_calibration(held[head], calibration.outcome) for head in ("risknet", "hyrisknet")}
    training: dict[str, Any] = {
        **_facts(work, config, steady, parts, inner=inner, notes=notes, earlier=earlier),
        "cohort_sha256": learned.sha256,
        "stage_two": stage_two,
        "results": evaluate_test(test, final),
    }
    bundle = ModelBundle(
        name=NAME,
        depth=model.depth,
        preprocessing=preprocessing,
        demonstration=True,
        calibration=platt,
        reference={head: np.sort(platt[head].risk(held[head])) for head in platt},
        # Neither set trained the trunk: on memorised cases the features would look tighter than they are.
        novelty=novelty_statistics(seen["stage-two"], seen["calibration"], learned),
        training=training,
    )
    return finish(out, bundle, model, demonstration_card(bundle))


def _features(
    work: Path, model: HyRiskNet, preprocessing: Preprocessing, parts: tuple[Part, ...]
) -> dict[str, torch.Tensor]:
    """Features [n, F] of the reserved parts' phantoms as the program computes them; of stage two's also `LOOK` and `AGAIN`,
    and as `RESCANNED` [k, F] by how much another scan moves them in the mean.

    Args:
        work: folder of the parts. model, preprocessing: of the reading. parts: with the reserved ones.
    """
    trunk = work / "trunk"
    write_bundle(trunk, ModelBundle(NAME, model.depth, preprocessing, demonstration=True), model, "# {sha256}\n")

    def see(name: str, part: Part, count: int, kind: Kind) -> torch.Tensor:
        folder, workers = work / SEEN / name, os.cpu_count() or 1
        features = features_of_seeds(trunk, folder, part.first_seed, count, workers, kind=kind)
        return torch.from_numpy(features.astype(np.float32))

    reserved = {part.name: part for part in parts if part.name in RESERVED}
    seen = {name: see(name, part, part.count, "reading") for name, part in reserved.items()}
    second = reserved["stage-two"]
    seen[LOOK] = see(LOOK, second, second.count, "look")
    seen[AGAIN] = see(AGAIN, second, min(CLICKED_TWICE, second.count), "second look")
    again = min(SCANNED_AGAIN, second.count)
    seen[RESCANNED] = torch.from_numpy(
        mean_moves(rescans(trunk, work / SEEN, second.first_seed, again)).astype(np.float32)
    )
    return seen


def _fit_heads(
    model: HyRiskNet,
    seen: dict[str, torch.Tensor],
    data: tuple[CohortData, CohortData],
    config: TrainConfig,
    steady: TrainConfig | None,
    *,
    parts: tuple[Part, ...],
) -> tuple[dict[str, Any], F64]:
    """Both heads on single looks at stage two's phantoms, in place; what is told of it, and the test part's log odds with Agatston [n].

    Single looks move more with a click than their mean does: heads that are held still on them move less than heads fitted on
    the means, for the same AUC.

    Args:
        model, config, steady, parts: as of `export_demonstration`. seen: as of `_features`. data: of stage two and of the test.
    """
    second, test = data
    features = seen[LOOK]
    target = _stage_two_target(second, next(p for p in parts if p.name == "stage-two"), config, steady)
    twice = seen[AGAIN] - features[: len(seen[AGAIN])]
    still = ((twice, STILL), (seen[RESCANNED], LEVEL))
    image_pull = fit_image_head(model, features, target, still=still)
    with_agatston = _agatston_odds(model, (second, features, target), (test, seen["test"]), still)
    scores = score_inputs(second, ScoreInput("grade"))
    fused = fit_fused_head(model, features, scores, target, still=still)
    told = {
        "pull": fused.pull,
        "image_pull": image_pull,
        "clicked_twice": len(twice),
        "still": STILL,
        "scanned_again": min(SCANNED_AGAIN, len(features)),
        "level": LEVEL,
        "levels_mm": list(LEVELS_MM),
        "score_weight": round(fused.score_weight, 4),
    }
    return told, with_agatston


def _stage_two_target(data: CohortData, part: Part, config: TrainConfig, steady: TrainConfig | None) -> torch.Tensor:
    """What the fused head learns [n]: the target of the last training.

    Args:
        data, part: of stage two. config, steady: of the trainings.
    """
    if not (steady or config).soft_target:
        return torch.tensor(data.outcome, dtype=torch.float32)
    if steady is None:
        return torch.tensor(data.expected_risk, dtype=torch.float32)
    seeds = range(part.first_seed, part.first_seed + part.count)
    return torch.tensor([visible_risk(make_subject(seed)) for seed in seeds], dtype=torch.float32)


@torch.no_grad()
def _odds(model: HyRiskNet, data: CohortData, features: torch.Tensor, rule: ScoreInput) -> dict[str, F64]:
    heads = {
        "risknet": model.image_logits(features),
        "hyrisknet": model.fused_logits(features, score_inputs(data, rule)),
    }
    return {name: log_odds(logits).double().numpy() for name, logits in heads.items()}


def _agatston_odds(
    model: HyRiskNet,
    second: tuple[CohortData, torch.Tensor, torch.Tensor],
    test: tuple[CohortData, torch.Tensor],
    still: Still,
) -> F64:
    """HyRiskNet fed with the region Agatston instead of the grade, for comparison; the head is fitted anew afterwards."""
    rule = ScoreInput("agatston")
    data, features, target = second
    fit_fused_head(model, features, score_inputs(data, rule), target, still=still)
    return _odds(model, test[0], test[1], rule)["hyrisknet"]


def evaluate_test(data: CohortData, networks: dict[str, F64]) -> dict[str, Any]:
    """AUC of the networks and of every score on one cohort, in several ways, and within kernels.

    Args:
        data: the test part. networks: log odds [n] by name.
    """
    candidates = {**networks, **data.scores()}
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
    kernels = np.array(data.kernel)
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
