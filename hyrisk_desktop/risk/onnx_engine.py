"""The network as ONNX Runtime runs it on a CPU: torch is neither imported nor held in memory.

Nobody reads with it before it has given the bundle's known answer, see `engine_choice`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Sequence
from typing import Any

# Before it is imported, as it begins at once: as its publishers build it, it reports its use to them over the network,
# and keeps a number of the machine and what it could not send yet in the home folder.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from hyrisk_desktop.risk.depths import feature_width
from hyrisk_desktop.risk.numpy_input import prepared_in_numpy
from hyrisk_desktop.risk.onnx_graph import INPUT, OUTPUT, Part, trunk_parts
from hyrisk_desktop.risk.preprocessing import Crop, Preprocessing

F32 = NDArray[np.float32]

# Older builds for Windows know nothing of the variable and give their events to the system.
onnxruntime.disable_telemetry_events()


class OnnxEngine:
    """An `engine.Engine`.

    Args:
        depth: of the network. arrays: its numbers by torch's names, any shape; emptied on the way.

    Raises:
        KeyError, ValueError: the numbers are not those of such a network.
    """

    device = "cpu"
    # Everything is laid out when the session is made.
    lazy = False

    def __init__(self, depth: int, arrays: dict[str, NDArray[np.generic]]) -> None:
        self.name = f"onnxruntime {onnxruntime.__version__}"
        self._sessions = []
        for part in trunk_parts(depth, arrays):
            self._sessions.append(_session(part))
            part.weights.clear()
            _give_back()
        self._heads = {}
        for head, width in (("image_head", feature_width(depth)), ("fused_head", feature_width(depth) + 1)):
            weight, bias = (arrays.pop(f"{head}.{part}").astype(np.float32) for part in ("weight", "bias"))
            if weight.shape != (2, width) or bias.shape != (2,):
                raise ValueError(f"{head} is of another shape")
            self._heads[head] = weight, bias
        if arrays:
            raise ValueError(f"{len(arrays)} weights belong to no such network")

    def prepared(self, patches: F32, crops: Sequence[Crop], preprocessing: Preprocessing) -> F32:
        """See `engine.Engine.prepared`: [N, 3, rows, columns] -> [N, 3, size, size]."""
        return prepared_in_numpy(patches, crops, preprocessing)

    def maps(self, batch: F32) -> F32:
        """[N, 3, size, size] -> [N, F, h, w]."""
        # One by one: as fast as all at once (measured), and the memory of one.
        return np.concatenate([self._run(view[None]) for view in batch])

    def _run(self, values: F32) -> F32:
        for session in self._sessions:
            (values,) = session.run([OUTPUT], {INPUT: values})
        return values

    def averaged(self, maps: F32) -> F32:
        """[N, F, h, w] -> [N, F]."""
        features: F32 = maps.mean(axis=(2, 3))
        return features

    def joined(self, first: F32, rest: F32) -> F32:
        """[N, F] and [M, F] -> [N + M, F]."""
        return np.concatenate([first, rest])

    def logits(self, features: F32, score: float | None) -> F32:
        """[N, F] -> [N, 2]."""
        weight, bias = self.head(fused=score is not None)
        if score is not None:
            features = np.column_stack([features, np.full(len(features), score, np.float32)])
        return features @ weight.T + bias

    def plain(self, values: F32) -> F32:
        """The same numbers, any shape."""
        return values

    def head(self, *, fused: bool) -> tuple[F32, F32]:
        """Weights [2, F] or [2, F + 1], and biases [2]."""
        return self._heads["fused_head" if fused else "image_head"]


def _session(part: Part) -> Any:
    options = onnxruntime.SessionOptions()
    # Waiting threads sleep: by default they spin, and on two busy cores that costs more than it saves (twice the time, measured).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.intra_op_num_threads = _threads()
    # Errors come as exceptions; what it would print beside them is for nobody.
    options.log_severity_level = 4
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(values) for values in part.weights.values()]
    options.add_external_initializers(list(part.weights), values)
    return onnxruntime.InferenceSession(part.model(), options, providers=["CPUExecutionProvider"])


def _give_back() -> None:
    """Give the system what the making of a session has left free.

    glibc keeps it otherwise: 388 MB after a ResNet-34 that needs 152 (measured).
    """
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def _threads() -> int:
    """As many as torch would take: what OMP_NUM_THREADS says, else a thread for each core that this process may use."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdecimal() and int(said):
        return int(said)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
