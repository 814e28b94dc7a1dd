"""What a `Predictor` needs of whatever runs its network: torch, or ONNX Runtime on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.risk.preprocessing import Crop, Preprocessing

NON_SURVIVOR = 1
"""Index of the class whose probability is the risk."""


class Engine(Protocol):
    """A network that is ready to run. What its methods hand out is the engine's own kind of array, until `plain` makes it numpy's.

    Attributes:
        name: library and version, e.g. ``"torch 2.15.0"``. device: "cpu" or "cuda".
        lazy: whether the first run of each batch size takes longer than the next ones.
    """

    name: str
    device: str
    lazy: bool

    def prepared(self, patches: NDArray[np.float32], crops: Sequence[Crop], preprocessing: Preprocessing) -> Any:
        """HU patches [N, 3, rows, columns] -> network input [N, 3, size, size], with a crop for each, or one for all."""
        ...

    def maps(self, batch: Any) -> Any:
        """[N, 3, size, size] -> [N, F, h, w]: the trunk's last stage, before it is averaged."""
        ...

    def averaged(self, maps: Any) -> Any:
        """[N, F, h, w] -> [N, F] features."""
        ...

    def joined(self, first: Any, rest: Any) -> Any:
        """[N, F] and [M, F] -> [N + M, F]."""
        ...

    def logits(self, features: Any, score: float | None) -> Any:
        """[N, F] -> [N, 2]: RiskNet's, or with a score input HyRiskNet's."""
        ...

    def plain(self, values: Any) -> NDArray[np.float32]:
        """The same numbers, any shape, as numpy has them."""
        ...

    def head(self, *, fused: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weights [2, F] ([2, F + 1] with the score's last) and biases [2] of RiskNet's or HyRiskNet's last layer."""
        ...
