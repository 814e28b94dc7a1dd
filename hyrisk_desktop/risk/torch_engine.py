"""The network as torch runs it, on CUDA or on the CPU, always in fp32: the reference for every other engine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyrisk_desktop.risk.network import HyRiskNet
from hyrisk_desktop.risk.preprocessing import Crop, Preprocessing, prepare


class TorchEngine:
    """An `engine.Engine`.

    Args:
        network: moved to ``device``. device: where it runs.
    """

    # Kernels are chosen and memory is laid out when a batch size comes for the first time.
    lazy = True

    def __init__(self, network: HyRiskNet, device: torch.device) -> None:
        # The same answer on either device: TF32 would move CUDA's by more than the promised 1e-4.
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
        self.name, self.device = f"torch {torch.__version__}", device.type
        self.network: HyRiskNet = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._where = device

    def prepared(self, patches: NDArray[np.float32], crops: Sequence[Crop], preprocessing: Preprocessing) -> Tensor:
        """See `engine.Engine.prepared`: [N, 3, rows, columns] -> [N, 3, size, size]."""
        return prepare(torch.from_numpy(patches).to(self._where), crops, preprocessing)

    @torch.inference_mode()
    def maps(self, batch: Tensor) -> Tensor:
        """[N, 3, size, size] -> [N, F, h, w]."""
        return self.network.maps(batch.contiguous(memory_format=torch.channels_last))

    @torch.inference_mode()
    def averaged(self, maps: Tensor) -> Tensor:
        """[N, F, h, w] -> [N, F]."""
        return self.network.averaged(maps)

    @torch.inference_mode()
    def joined(self, first: Tensor, rest: Tensor) -> Tensor:
        """[N, F] and [M, F] -> [N + M, F]."""
        return torch.cat([first, rest])

    @torch.inference_mode()
    def logits(self, features: Tensor, score: float | None) -> Tensor:
        """[N, F] -> [N, 2]."""
        if score is None:
            return self.network.image_logits(features)
        return self.network.fused_logits(features, torch.full((len(features),), score, device=features.device))

    def plain(self, values: Tensor) -> NDArray[np.float32]:
        """The same numbers, any shape."""
        found: NDArray[np.float32] = values.detach().float().cpu().numpy()
        return found

    def head(self, *, fused: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weights [2, F] or [2, F + 1], and biases [2]."""
        layer = self.network.fused_head if fused else self.network.image_head
        return self.plain(layer.weight), self.plain(layer.bias)
