"""RiskNet-x and HyRiskNet-x: a ResNet over a 3-slice heart patch, its features joined with the CAC score.

Yan, Guo, Wang, De Man, Kalra: "Hybrid deep neural networks for all-cause mortality prediction from LDCT
images" (2018). Both networks share one trunk and live in one module: RiskNet is the trunk with
``image_head``; HyRiskNet is the same trunk with ``fused_head`` over its F features and one score.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from hyrisk_desktop.risk.depths import BLOCKS
from hyrisk_desktop.risk.depths import feature_width as feature_width
from hyrisk_desktop.risk.engine import NON_SURVIVOR as NON_SURVIVOR
from hyrisk_desktop.risk.resnet import ResNet

DEPTHS = tuple(BLOCKS)


class HyRiskNet(nn.Module):
    """Trunk, image-only head (RiskNet) and fused head (HyRiskNet).

    Args:
        depth: 18, 34, 50, 101 or 152.

    Raises:
        ValueError: ``depth`` is not one of `DEPTHS`.
    """

    def __init__(self, depth: int = 34) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise ValueError(f"depth must be one of {DEPTHS}, not {depth}")
        self.depth = depth
        self.trunk = ResNet(depth)
        self.image_head = nn.Linear(feature_width(depth), 2)
        self.fused_head = nn.Linear(feature_width(depth) + 1, 2)

    def maps(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] normalised images -> [N, F, h, w]: the trunk's last stage, before it is averaged."""
        return self.trunk.maps(images)

    def averaged(self, maps: Tensor) -> Tensor:
        """[N, F, h, w] maps -> [N, F] features."""
        return self.trunk.averaged(maps)

    def features(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] normalised images -> [N, F] features."""
        return self.averaged(self.maps(images))

    def image_logits(self, features: Tensor) -> Tensor:
        """[N, F] -> [N, 2] logits of RiskNet."""
        return cast(Tensor, self.image_head(features))

    def fused_logits(self, features: Tensor, score: Tensor) -> Tensor:
        """[N, F] features and [N] score inputs in about [-1, 1] -> [N, 2] logits of HyRiskNet."""
        return cast(Tensor, self.fused_head(torch.cat([features, score[:, None].to(features.dtype)], dim=1)))

    def forward(self, images: Tensor, score: Tensor | None = None) -> Tensor:
        """[N, 3, H, W] images -> [N, 2] logits; HyRiskNet's where ``score`` [N] is given, else RiskNet's."""
        features = self.features(images)
        return self.image_logits(features) if score is None else self.fused_logits(features, score)


def log_odds(logits: Tensor) -> Tensor:
    """[N, 2] logits -> [N] log odds of the non-survivor class (softmax's inverse)."""
    return logits[:, NON_SURVIVOR] - logits[:, 1 - NON_SURVIVOR]
