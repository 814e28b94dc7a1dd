"""How wide an interval has to be: from phantoms scanned again with one thing changed, and from heads of resampled cases.

    python -m model_training.spread BUNDLE --work WORK

chooses, for each head, how much the spread of the views and a floor count, so that the interval holds at least nine of ten of each kind of
change, and writes both with the resampled heads into the bundle. Goes on where a killed run stopped. SYNTHETIC: no real scan takes part.
"""

from __future__ import annotations

import argparse
import copy
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hyrisk_desktop.i18n import tr
from hyrisk_desktop.jobs import Progress, no_progress
from hyrisk_desktop.risk.bundle import ModelBundle, load_bundle, seal_description
from hyrisk_desktop.risk.network import HyRiskNet, log_odds
from hyrisk_desktop.risk.spread import Spread
from model_training.card import SPREAD_LINE, exchange_line, exchange_section, spread_line, stability_section
from model_training.fuse import fit_linear, forget_image_head
from model_training.looks import AGAIN, LOOK, SEEN, features_of_seeds
from model_training.phantom.subject import make_subject
from model_training.stability import Takes, gather, mean_moves, rescans
from model_training.twins import visible_risk

F64 = NDArray[np.float64]

FIRST_SEED, SUBJECTS = 5_400_000, 120
KINDS = {
    "click": ("click 1", "click 2", "click 3"),
    "z": ("z -5 mm", "z +5 mm"),
    "hu": ("HU -5", "HU +5"),
    "kernel": ("kernel SOFT", "kernel STANDARD", "kernel LUNG"),
    "pixel": ("pixel 0.55 mm", "pixel 0.86 mm"),
}
"""Changes that an interval has to hold, by kind."""
WANTED = 0.95
"""Share of each kind on the phantoms that the widths are chosen on, so that nine of ten are left on fresh ones: of .92 there were .86 to .88
left for z (twice 60 phantoms, measured)."""
RESAMPLED = 12
_VIEWS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)


@dataclass(frozen=True, eq=False, slots=True)
class Cases:
    """What stage two's heads were fitted on: features [n, F], score inputs [n], targets [n], how far the first m cases' features
    moved [m, F] with a second click, the mean squared change of whose log odds counted ``still``, and how far other scans moved them
    in the mean [k, F], which counted ``level``."""

    features: F64
    score: F64
    target: F64
    twice: F64
    still: float
    rescanned: F64
    level: float

    def drawn(self, numbers: NDArray[np.int64]) -> Cases:
        """These cases, some more than once; a case's second click goes with it.

        Args:
            numbers: [n].
        """
        twice = self.twice[numbers[numbers < len(self.twice)]]
        return replace(
            self, features=self.features[numbers], score=self.score[numbers], target=self.target[numbers], twice=twice
        )


@torch.no_grad()
def odds_of(model: HyRiskNet, head: str, features: F64, score: F64) -> F64:
    """Log odds [...] of ``head`` of ``model`` for ``features`` [..., F] and ``score`` inputs that broadcast against [...]."""
    flat = torch.from_numpy(features.reshape(-1, features.shape[-1]).astype(np.float32))
    if head == "risknet":
        odds = log_odds(model.image_logits(flat))
    else:
        scores = np.broadcast_to(score, features.shape[:-1]).reshape(-1)
        odds = log_odds(model.fused_logits(flat, torch.from_numpy(scores.astype(np.float32))))
    found: F64 = odds.double().numpy().reshape(features.shape[:-1])
    return found


def start_of_heads(model: HyRiskNet, stage_two: dict[str, Any]) -> tuple[HyRiskNet, float]:
    """The network whose head resampled ones are pulled to, and the pull.

    Args:
        model: as bundled. stage_two: what its bundle says of that.
    """
    if "image_pull" not in stage_two:
        return model, float(stage_two["pull"])
    # Stage two made RiskNet's head as well: pulled to it, heads would hide how much the drawn cases matter.
    start = copy.deepcopy(model)
    forget_image_head(start)
    return start, float(stage_two["image_pull"])


def resampled_heads(model: HyRiskNet, cases: Cases, pull: float) -> NDArray[np.float32]:
    """Heads [B, F + 2] fitted as stage two fits them to cases drawn with replacement, less their mean.

    Args:
        model: whose heads are pulled to. cases: that the trunk has not seen, with scores of 0 for RiskNet's head. pull: of the fit, see `fuse`.
    """
    rng = np.random.default_rng(12)
    heads = []
    for _ in range(RESAMPLED):
        drawn = cases.drawn(rng.integers(0, len(cases.target), len(cases.target)))
        x, s, y, twice, rescanned = (
            torch.from_numpy(a.astype(np.float32))
            for a in (drawn.features, drawn.score, drawn.target, drawn.twice, drawn.rescanned)
        )
        moves = ((twice, drawn.still), (rescanned, drawn.level))
        line = fit_linear(model, x, s, y, pull, still=[(moved, counts) for moved, counts in moves if len(moved)])
        heads.append(np.concatenate([line.weight.numpy(), [float(line.score_weight), float(line.bias)]]))
    found = np.array(heads)
    centred: NDArray[np.float32] = (found - found.mean(axis=0)).astype(np.float32)
    return centred


def held(takes: Takes, views: F64, changed: F64, half: F64) -> dict[str, float]:
    """Share of each kind of change that lies within ``half`` [n] log odds of the reading.

    Args:
        takes: whose changes these are. views: [n, V] log odds. changed: [n, changes]. half: [n].
    """
    inside = np.abs(changed - views[:, :1]) <= half[:, None]
    return {kind: float(inside[np.isin(takes.names, names)].mean()) for kind, names in KINDS.items()}


def choose(takes: Takes, views: F64, changed: F64, doubt: F64) -> tuple[float, float]:
    """The narrowest ``views`` and ``floor`` of a `Spread` that hold `WANTED` of each kind.

    Args:
        takes, views, changed: as of `held`. doubt: [n] log odds of the model's own, already scaled to nine of ten.
    """
    spread = views.std(axis=1)
    best = (np.inf, 0.0, 0.0)
    for weight in _VIEWS:
        low, high = 0.0, 10.0
        while high - low > 1e-3:
            middle = (low + high) / 2
            half = np.sqrt((weight * spread) ** 2 + middle**2 + doubt**2)
            if min(held(takes, views, changed, half).values()) >= WANTED:
                high = middle
            else:
                low = middle
        width = float(np.sqrt((weight * spread) ** 2 + high**2 + doubt**2).mean())
        best = min(best, (width, weight, high))
    return best[1], best[2]


def half_widths(spread: Spread, takes: Takes, views: F64, score: F64) -> F64:
    """Half of the interval [n] of each subject, log odds.

    Args:
        spread: the width. takes: the subjects. views: [n, V] log odds. score: [n] inputs, 0 without one.
    """
    own = takes.views[:, 0].astype(np.float32)
    return np.array([spread.half_width(v, f, float(s)) for v, f, s in zip(views, own, score, strict=True)])


def fit_spread(
    model: HyRiskNet, bundle: ModelBundle, takes: Takes, cases: Cases
) -> tuple[dict[str, Spread], dict[str, Any]]:
    """The widths of both heads, and what they hold of the phantoms they were chosen on.

    Args:
        model, bundle: of the model. takes: phantoms and their changes. cases: of stage two.
    """
    start, pull = start_of_heads(model, bundle.training["stage_two"])
    spreads, facts = {}, {}
    for head in ("risknet", "hyrisknet"):
        fused = head == "hyrisknet"
        score = np.array([bundle.score_rule.value(g) for g in takes.grades]) if fused else np.zeros(len(takes.grades))
        heads = resampled_heads(start, cases if fused else replace(cases, score=0 * cases.score), pull)
        views = odds_of(model, head, takes.views, score[:, None])
        changed = odds_of(model, head, takes.changed, score[:, None])
        doubt = half_widths(Spread(0.0, 0.0, heads), takes, views, score)
        spreads[head] = Spread(*choose(takes, views, changed, doubt), heads)
        half = half_widths(spreads[head], takes, views, score)
        facts[head] = {
            "held": {kind: round(share, 3) for kind, share in held(takes, views, changed, half).items()},
            "mean_half_width": round(float(half.mean()), 3),
            "mean_doubt": round(float(doubt.mean()), 3),
        }
    return spreads, facts | {"subjects": len(takes.seeds), "seeds": [int(takes.seeds.min()), int(takes.seeds.max())]}


def stability_of(model: HyRiskNet, bundle: ModelBundle, takes: Takes) -> dict[str, dict[str, float]]:
    """Mean and SD of the change of HyRiskNet's risk by change, over the phantoms of ``takes``.

    Args:
        model, bundle: of the model. takes: phantoms and their changes.
    """
    score = np.array([bundle.score_rule.value(g) for g in takes.grades])
    views, changed = (odds_of(model, "hyrisknet", f, score[:, None]) for f in (takes.views, takes.changed))
    calibration = bundle.calibration["hyrisknet"]
    moved = calibration.risk(changed) - calibration.risk(views[:, :1])
    names = list(dict.fromkeys(takes.names.ravel().tolist()))
    return {
        name: {"mean": round(float(these.mean()), 3) + 0.0, "sd": round(float(these.std()), 3), "n": int(these.size)}
        for name in names
        if (these := moved[takes.names == name]).size
    }


def stage_two_cases(
    directory: Path, bundle: ModelBundle, work: Path, workers: int, progress: Progress = no_progress
) -> Cases:
    """The phantoms of the bundle's stage two, seen by single looks and fitted to as they were there.

    Args:
        directory, bundle: whose features. work: folder of the parts by kind. workers, progress: of the rendering.
    """
    first, last = map(int, bundle.training["seeds"]["stage-two"])
    count, told = last - first + 1, bundle.training["stage_two"]
    features = features_of_seeds(directory, work / LOOK, first, count, workers, progress, kind="look")
    twice = np.zeros((0, features.shape[1]))
    if again := int(told.get("clicked_twice", 0)):
        seen = features_of_seeds(directory, work / AGAIN, first, again, workers, progress, kind="second look")
        twice = seen - features[:again]
    rescanned = np.zeros((0, features.shape[1]))
    if again := int(told.get("scanned_again", 0)):
        rescanned = mean_moves(rescans(directory, work, first, again, workers))
    subjects = [make_subject(seed) for seed in range(first, last + 1)]
    score = np.array([bundle.score_rule.value(float(subject.grade)) for subject in subjects])
    steady = "steady_config" in bundle.training
    target = np.array([visible_risk(subject) if steady else subject.expected_risk for subject in subjects])
    still, level = (float(told.get(name, 0.0)) for name in ("still", "level"))
    return Cases(features, score, target, twice, still, rescanned, level)


def add_spread(
    directory: Path,
    work: Path,
    *,
    count: int = SUBJECTS,
    workers: int = 2,
    progress: Progress = no_progress,
) -> ModelBundle:
    """Choose the widths of the bundle in ``directory`` and write them into its description and card.

    Args:
        directory: of the bundle. work: folder of its training, or of what stands for it. count: phantoms to be changed.
        workers, progress: of the rendering.
    """
    bundle, model = load_bundle(directory)
    takes = gather(directory, work / "takes", FIRST_SEED, count, workers, progress)
    # Those that the heads were fitted on, and seen already where the bundle was made: fewer would tell of too large a doubt.
    cases = stage_two_cases(directory, bundle, work / SEEN, workers, progress)
    spreads, facts = fit_spread(model, bundle, takes, cases)
    facts["stability"] = stability_of(model, bundle, takes)
    changes = {
        "spread": {head: spread.to_json() for head, spread in spreads.items()},
        "training": bundle.training | {"spread": facts},
    }
    written = seal_description(directory, changes)
    exchange_line(directory, SPREAD_LINE, spread_line(written))
    exchange_section(directory, stability_section(written))
    return written


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--work", type=Path, required=True, help=tr("features on the way, some MB"))
    a = parser.parse_args()
    workers = os.cpu_count() or 1
    bundle = add_spread(
        a.bundle, a.work, workers=workers, progress=lambda done, of: print(f"{done:.0f} of {of:.0f}", flush=True)
    )
    print(bundle.training["spread"], "SYNTHETIC")


if __name__ == "__main__":
    main()
