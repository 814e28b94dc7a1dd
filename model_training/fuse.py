"""Stage two: HyRiskNet's fused head, fitted on cases whose images the trunk has never seen.

Fitted on training cases it would fail: there the trunk half remembers the answer, so the score looks useless
(in a feasibility study the grade got a weight of -8). The trunk stays as stage one left it; only the F + 1 weights
per class and the biases are fitted, pulled towards RiskNet's own head, with the strength of the pull chosen on
an inner split. RiskNet's head itself may be fitted so as well, pulled towards one that tells nothing: what a head learned
beside its trunk lags behind what the features tell in the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hyrisk_desktop.risk.network import NON_SURVIVOR, HyRiskNet
from model_training.optimisers import LBFGS

PULLS = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0)
"""Strengths of the pull towards RiskNet's head that are tried, in units of the mean loss; the last leaves little
but the score's own weight."""


Still = Sequence[tuple[Tensor, float]]
"""Moves [m, F] of the features that are nothing of the patient's (another click, another scan of the same body), and what the mean square of
the log odds that they make counts beside the mean loss."""


@dataclass(frozen=True, slots=True)
class FusedFit:
    """What stage two found: the pull chosen, inner losses by pull, and the score's weight in log odds."""

    pull: float
    losses: dict[float, float]
    score_weight: float


@dataclass(frozen=True, slots=True)
class LinearHead:
    """Log odds = features @ weight + score * score_weight + bias."""

    weight: Tensor
    score_weight: Tensor
    bias: Tensor

    def log_odds(self, features: Tensor, score: Tensor) -> Tensor:
        """[n] of [n, F] features and [n] score inputs."""
        return features @ self.weight + score * self.score_weight + self.bias


def fit_fused_head(
    model: HyRiskNet,
    features: Tensor,
    score: Tensor,
    target: Tensor,
    seed: int = 0,
    *,
    still: Still = (),
) -> FusedFit:
    """Fit ``model.fused_head`` in place.

    Args:
        features: [n, F] trunk features of reserved cases. score: [n] score inputs in [-1, 1].
        target: [n] outcome, or expected risk where the run learns soft targets.
        seed: of the inner split (a third is held out to choose the pull).
        still: moves that the log odds should not follow.
    """
    line, best, losses = _best_line(model, features, score, target, seed, still=still)
    _install(model.fused_head, torch.cat([line.weight, line.score_weight[None]]), line.bias)
    return FusedFit(best, losses, float(line.score_weight))


def fit_image_head(
    model: HyRiskNet,
    features: Tensor,
    target: Tensor,
    seed: int = 0,
    *,
    still: Still = (),
) -> float:
    """Fit ``model.image_head`` in place; returns the pull that was chosen.

    Args:
        model: whose head. features: [n, F] trunk features of reserved cases. target: [n] in 0 to 1.
        seed, still: as of `fit_fused_head`.
    """
    forget_image_head(model)
    none = torch.zeros(len(target))
    line, best, _ = _best_line(model, features, none, target, seed, still=still)
    _install(model.image_head, line.weight, line.bias)
    return best


@torch.no_grad()
def forget_image_head(model: HyRiskNet) -> None:
    """Make RiskNet's head one that tells nothing."""
    model.image_head.weight.zero_()
    model.image_head.bias.zero_()


def _best_line(
    model: HyRiskNet,
    features: Tensor,
    score: Tensor,
    target: Tensor,
    seed: int,
    *,
    still: Still,
) -> tuple[LinearHead, float, dict[float, float]]:
    """The head of all cases, its pull, and by pull the loss on a third of the cases of a head fitted on the others.

    Args:
        model, features, score, target, seed, still: as of `fit_fused_head`.
    """
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(target)))
    held, kept = order[: len(order) // 3], order[len(order) // 3 :]
    losses = {}
    for pull in PULLS:
        line = fit_linear(model, features[kept], score[kept], target[kept], pull, still=still)
        odds = line.log_odds(features[held].double(), score[held].double())
        losses[pull] = float(binary_cross_entropy_with_logits(odds, target[held].double()))
    best = min(losses, key=lambda pull: losses[pull])
    return fit_linear(model, features, score, target, best, still=still), best, losses


def fit_linear(
    model: HyRiskNet,
    features: Tensor,
    score: Tensor,
    target: Tensor,
    pull: float,
    *,
    still: Still = (),
) -> LinearHead:
    """Minimise the cross-entropy plus ``pull`` times the squared, feature-scaled distance from RiskNet's head.

    Args:
        model: whose image head is pulled to. features: [n, F]. score: [n] inputs. target: [n] in 0 to 1.
        pull: as said. still: as of `fit_fused_head`.
    """
    x, s, y = features.double(), score.double(), target.double()
    moves = [(moved.double(), counts) for moved, counts in still]
    head, other = model.image_head.weight.detach().double(), 1 - NON_SURVIVOR
    start = head[NON_SURVIVOR] - head[other]
    offset = model.image_head.bias.detach().double()
    spread = x.std(dim=0) + 1e-6
    change = torch.zeros_like(start, requires_grad=True)
    score_weight = torch.zeros((), dtype=torch.float64, requires_grad=True)
    bias = (offset[NON_SURVIVOR] - offset[other]).clone().requires_grad_()
    optimiser = LBFGS([change, score_weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        weight = start + change / spread
        odds = x @ weight + s * score_weight + bias
        loss = binary_cross_entropy_with_logits(odds, y) + pull * (change**2).sum()
        for moved, counts in moves:
            loss = loss + counts * (moved @ weight).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return LinearHead(start + change.detach() / spread, score_weight.detach(), bias.detach())


@torch.no_grad()
def _install(head: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    """Write log odds as two symmetric logits."""
    half = 0.5 if NON_SURVIVOR == 1 else -0.5
    head.weight.copy_(torch.stack([-weight, weight]).float() * half)
    head.bias.copy_(torch.stack([-bias, bias]).float() * half)
