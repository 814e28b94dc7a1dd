"""One unit of a cross-validation: both stages on one fold of one network, and its predictions on who was left out.

A unit takes and returns plain values and paths, so that it runs as well in this process as on a Dask worker.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.risk.network import NON_SURVIVOR, HyRiskNet, log_odds
from hyrisk_desktop.risk.predictor import choose_device
from hyrisk_desktop.risk.preprocessing import Preprocessing
from hyrisk_desktop.risk.score_input import ScoreInput
from hyrisk_desktop.training_run import CONTROL, EVENTS, RESULT_BYTES, read_json, write_json
from hyrisk_desktop.unfinished import sweep
from model_training.checkpoint import load_weights
from model_training.config import TRAINED_HEAD_RATE, TrainConfig, paper_config
from model_training.dataset import CohortData, load_cohort, score_inputs, with_statistics
from model_training.folds import Fold, final_fold, make_folds
from model_training.run_folder import Control, Emit, EventLog
from model_training.starting_weights import bundle_of, starting_network
from model_training.train import BEST, Fit, Watch, fit, image_features

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a cross-validation is asked to do; all of it plain values, and part of ``results.json``.

    Attributes:
        cohort, cache: paths. depths: ResNet depths; what is of one network alone is of the first.
        init: starting weights, see `starting_weights`. folds: k. permutation_folds: folds trained once more with
            shuffled outcomes. threads: of torch, 0 for its own choice. checkpoint_s: fewest seconds between
            two checkpoints.
    """

    cohort: str
    cache: str
    depths: tuple[int, ...] = (34,)
    strategy: str = "scratch"
    score: str = "grade"
    folds: int = 10
    epochs: float = 20
    size: int = 224
    batch: int = 16
    seed: int = 20180617
    init: str = ""
    device: str = "cpu"
    patience: int = 0
    bfloat16: bool = False
    permutation_folds: int = 3
    threads: int = 0
    checkpoint_s: float = 0.0

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Settings:
        """Inverse of `asdict`, after JSON has made lists of tuples."""
        return cls(**{**data, "depths": tuple(data["depths"])})

    def config(self, depth: int) -> TrainConfig:
        """The settings of one network's fits; a starting bundle brings its window, and heads that have learned already."""
        changes: dict[str, Any] = {
            "batch": self.batch, "seed": self.seed, "patience": self.patience, "bfloat16": self.bfloat16,
            "checkpoint_s": self.checkpoint_s,
        }  # fmt: skip
        bundle = bundle_of(self.init)
        if bundle is not None:
            # It goes on seeing what it has learned to see.
            changes |= {key: getattr(bundle.preprocessing, key) for key in ("hu_window", "crop_mm", "blood_hu")}
            changes["head_learning_rate"] = TRAINED_HEAD_RATE
        return paper_config(depth, self.strategy, self.epochs, size=self.size, score=self.score, **changes)


@dataclass(frozen=True, slots=True)
class Unit:
    """A network and a fold; fold 0 is the final fit on everybody. ``permuted``: outcomes shuffled, as a self-test."""

    depth: int
    fold: int
    permuted: bool = False

    @property
    def name(self) -> str:
        """E.g. ``hyrisknet-34/fold-03``."""
        kind = "permuted" if self.permuted else "fold"
        return f"hyrisknet-{self.depth}/" + (f"{kind}-{self.fold:02d}" if self.fold else "final")


def list_units(settings: Settings) -> list[Unit]:
    """Every unit in the order it's run: folds, the self-test of the first network, the final fit of each."""
    first = settings.depths[0]
    units = [Unit(depth, fold) for depth in settings.depths for fold in range(1, settings.folds + 1)]
    units += [Unit(first, fold, True) for fold in range(1, min(settings.permutation_folds, settings.folds) + 1)]
    return [*units, *(Unit(depth, 0) for depth in settings.depths)]


def score_rule(settings: Settings, data: CohortData, fold: Fold) -> ScoreInput:
    """How scores are fed: the starting bundle's rule where it has one of that kind, else the cohort's own.

    The Agatston scale ends at the highest score of the fold's training part: who is tested has no say in it.
    """
    bundle = bundle_of(settings.init)
    if bundle is not None and bundle.score_input == settings.score:
        if settings.score == "agatston" and bundle.score_quantity != data.quantity:
            raise InputError(
                "other_score",
                tr("The starting model was trained on other Agatston scores than this table's: begin without it."),
            )
        return bundle.score_rule
    if settings.score == "agatston":
        return ScoreInput("agatston", max(100.0, float(np.ceil(data.agatston[fold.training].max()))))
    return ScoreInput("grade")


@lru_cache(maxsize=1)
def cached_cohort(cohort: str, cache: str) -> CohortData:
    """The cohort, read once per process."""
    return load_cohort(Path(cohort), Path(cache))


def permuted(data: CohortData, seed: int) -> CohortData:
    """The cohort with its outcomes shuffled among the cases."""
    order = np.random.default_rng([seed, 3]).permutation(len(data))
    return replace(data, outcome=data.outcome[order])


def fold_of(settings: Settings, unit: Unit, data: CohortData) -> Fold:
    """The split of ``unit``; the same wherever it is computed."""
    if unit.fold == 0:
        return final_fold(data.outcome, data.groups, settings.seed)
    return make_folds(data.outcome, data.groups, settings.folds, settings.seed)[unit.fold - 1]


class UnitWatch(Watch):
    """Turns a fit's reports into events, with the unit's name, and obeys the control file.

    Args:
        name: of the unit. emit: tells an event. control: what the window asked for.
        share: fields of a step's event from the share of the unit that is done.
    """

    def __init__(self, name: str, emit: Emit, control: Control, share: Callable[[float], dict[str, Any]]) -> None:
        self._unit, self._emit, self._control, self._share = name, emit, control, share

    def part(self, before: float, size: float) -> UnitWatch:
        """Of what makes up ``size`` of the unit, after ``before`` of it."""
        return UnitWatch(self._unit, self._emit, self._control, lambda share: self._share(before + size * share))

    def step(self, stage: int, epoch: int, step: int, steps: int, loss: float) -> None:
        """One event; a pause waits here, a cancel leaves from here.

        Args:
            stage, epoch, step: which, from 1. steps: in this stage. loss: of the batch.
        """
        share = self._share((stage - 1 + step / steps) / 2)
        values = {"stage": stage, "epoch": epoch, "step": step, "steps": steps, "loss": round(loss, 5)}
        self._emit("step", unit=self._unit, **values, **share)
        self._control.check()

    def epoch(self, stage: int, values: dict[str, Any]) -> None:
        """One event."""
        self._emit("epoch", unit=self._unit, stage=stage, **values)


def run_unit(settings: Settings, unit: Unit, run: Path, watch: Watch, keep_stage_one: bool = False) -> dict[str, Any]:
    """Both stages of ``unit`` in ``run/folds/NAME``; resumes, and returns at once what is done already.

    Args:
        settings, unit, run: what is fitted, and where. watch: is told how it goes.
        keep_stage_one: leave a fold's stage one, for a second stage two with another score.

    Returns:
        ``{"test": indices, "risknet": log odds, "hyrisknet": ..., "stage_one": ..., "score_weight": ...}``.

    Raises:
        Cancelled: ``watch`` asked for it. InputError: the cohort can't be used, or another process has the unit.
    """
    folder = run / "folds" / unit.name
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "unit.lock", timeout=5):
            done = read_json(folder / "predictions.json", RESULT_BYTES)
            return done or _run_unit(settings, unit, folder, watch, keep_stage_one)
    except Timeout as e:
        raise InputError("unit_busy", tr("Another process already trains “{name}”.", name=unit.name)) from e


def _run_unit(settings: Settings, unit: Unit, folder: Path, watch: Watch, keep_stage_one: bool) -> dict[str, Any]:
    if settings.threads:
        torch.set_num_threads(settings.threads)
    data = cached_cohort(settings.cohort, settings.cache)
    if unit.permuted:
        data = permuted(data, settings.seed)
    fold = fold_of(settings, unit, data)
    write_json(folder / "members.json", {part: getattr(fold, part).tolist() for part in ("training", "inner", "test")})
    config, rule, device = settings.config(unit.depth), score_rule(settings, data, fold), choose_device(settings.device)
    preprocessing = with_statistics(config.plain_preprocessing, data, fold.training)
    targets = torch.tensor(data.outcome, dtype=torch.float32)
    scores = score_inputs(data, rule)
    first = Fit(data, fold.training, fold.inner, targets, None, preprocessing, config, device)
    model = fit(first, folder / "stage-1", lambda: starting_network(settings.init, unit.depth, config.seed), watch)
    alone = _log_odds(model, data, fold, preprocessing, scores, device)["risknet"]
    second = replace(first, scores=scores)
    model = fit(second, folder / "stage-2", lambda: _with_score(model, settings, second), watch)
    result = {
        "test": fold.test.tolist(),
        "stage_one": alone,
        **_log_odds(model, data, fold, preprocessing, scores, device),
        "score_weight": round(_score_weight(model), 5),
        "preprocessing": preprocessing.to_json(),
    }
    write_json(folder / "predictions.json", result)
    if unit.fold:
        # Only the final fit is shipped; the folds' weights would fill the disk.
        for stage in ("stage-2",) if keep_stage_one else ("stage-1", "stage-2"):
            (folder / stage / BEST).unlink(missing_ok=True)
    return result


def final_network(settings: Settings, run: Path) -> tuple[HyRiskNet, Preprocessing]:
    """The network of the finished final unit, and its preprocessing."""
    unit = Unit(settings.depths[0], 0)
    folder = run / "folds" / unit.name
    model = load_weights(folder / "stage-2" / BEST, HyRiskNet(unit.depth)).eval()
    return model, Preprocessing.from_json(read_json(folder / "predictions.json", RESULT_BYTES)["preprocessing"])


def _with_score(model: HyRiskNet, settings: Settings, job: Fit) -> HyRiskNet:
    """Stage two's start: stage one's RiskNet, and the score with the weight that it has on its own.

    Fitted beside a trunk that remembers these very cases, the score would look useless. A starting bundle's fused
    head stays as it is: it was fitted on cases that its trunk had not seen.
    """
    bundle = bundle_of(settings.init)
    if bundle is not None and bundle.score_input == settings.score:
        return model
    assert job.scores is not None
    x = job.scores[torch.from_numpy(job.training)].numpy()[:, None]
    alone = LogisticRegression(C=1.0).fit(x, job.data.outcome[job.training])
    weight = torch.tensor([-0.5, 0.5] if NON_SURVIVOR == 1 else [0.5, -0.5]) * float(alone.coef_[0, 0])
    with torch.no_grad():
        model.fused_head.weight.copy_(
            torch.cat([model.image_head.weight, weight[:, None].to(model.image_head.weight)], 1)
        )
        model.fused_head.bias.copy_(model.image_head.bias)
    return model


@torch.no_grad()
def _log_odds(
    model: HyRiskNet,
    data: CohortData,
    fold: Fold,
    preprocessing: Preprocessing,
    scores: torch.Tensor,
    device: torch.device,
) -> dict[str, list[float]]:
    """Log odds of both heads on the fold's test part, as the program would compute them."""
    if not len(fold.test):
        return {"risknet": [], "hyrisknet": []}
    features = image_features(model, data, fold.test, preprocessing, device=device).to(device)
    score = scores[torch.from_numpy(fold.test)].to(device)
    heads = {"risknet": model.image_logits(features), "hyrisknet": model.fused_logits(features, score)}
    return {name: [round(float(v), 6) for v in log_odds(logits).cpu()] for name, logits in heads.items()}


def _score_weight(model: HyRiskNet) -> float:
    """Log odds that the score input adds per unit."""
    weight = model.fused_head.weight.detach()[:, -1]
    return float(weight[NON_SURVIVOR] - weight[1 - NON_SURVIVOR])


def watch_elsewhere(name: str, folder: Path, run: Path) -> UnitWatch:
    """Watches where the run's own process does not: events go to a file of the unit's ``folder``, which that one reads."""
    folder.mkdir(parents=True, exist_ok=True)
    log = EventLog(folder / EVENTS)
    return UnitWatch(name, log.emit, Control(run / CONTROL, log.emit), lambda share: {"share": round(share, 4)})


def run_unit_remotely(settings: dict[str, Any], unit: dict[str, Any], run: str) -> dict[str, Any]:
    """`run_unit` on a cluster's worker, which sees the same disk: events go to the unit's own file."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sweep()
    one, path = Unit(**unit), Path(run)
    watch = watch_elsewhere(one.name, path / "folds" / one.name, path)
    return run_unit(Settings.from_json(settings), one, path, watch)


def settings_json(settings: Settings) -> dict[str, Any]:
    """As JSON types."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(settings)))
    return plain
