"""The trunk of a ResNet as ONNX models, written by hand: their bytes are forty lines, the `onnx` package is 31 MB.

An ONNX model is a message of Protocol Buffers, which are nested (number, value) pairs; the numbers below are those of
``onnx.proto``. The weights stay outside of it: ONNX Runtime takes numpy's arrays beside the model.

The trunk comes in parts that are run one after the other, because ONNX Runtime copies weights while it makes a session of
them: a process that reads with a ResNet-34 held 380 MB at most with one session, and 240 with five (measured).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.risk.depths import BLOCKS, stage_width

Arrays = dict[str, NDArray[np.generic]]

INPUT, OUTPUT = "images", "maps"
_IR_VERSION, _OPSET = 8, 17
_FLOAT, _INTEGERS, _EXTERNAL = 1, 7, 1
_LARGEST_PART = 12 << 20
"""Bytes of weights from which on the next block begins another part."""
_EPSILON = 1e-5
"""Of torch's batch norm, which all of these networks keep."""


class Part:
    """Some of the trunk's blocks in a row: a model from ``images`` [N, C, H, W] to ``maps`` [N, D, h, w].

    Args:
        arrays: the network's numbers by torch's names; what is used is taken out, so that nothing is held twice.
        channels: that come in.

    Attributes:
        weights: what goes beside the model, float32, by name; batch norms are folded into their convolutions.
    """

    def __init__(self, arrays: Arrays, channels: int) -> None:
        self.weights: dict[str, NDArray[np.float32]] = {}
        self._arrays, self._channels, self._nodes = arrays, channels, b""
        self._last, self._after = INPUT, channels

    @property
    def size(self) -> int:
        """Bytes of its weights."""
        return sum(values.nbytes for values in self.weights.values())

    def model(self) -> bytes:
        """The model's file, without weights."""
        nodes = self._nodes + _node("Identity", [self._last], OUTPUT)
        beside = b"".join(_message(5, _tensor(name, values.shape)) for name, values in self.weights.items())
        ends = _message(11, _value(INPUT, self._channels)) + _message(12, _value(OUTPUT, self._after))
        graph = nodes + _message(2, b"trunk") + beside + ends
        return _number(1, _IR_VERSION) + _message(7, graph) + _message(8, _message(1, b"") + _number(2, _OPSET))

    def stem(self) -> None:
        """Add what comes before the first block."""
        self._after = stage_width(0)
        self._relu(self._convolution(INPUT, "conv1", "bn1", (3, self._after, 7), 2))
        self._add("MaxPool", [self._last], "pooled", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])

    def block(self, name: str, width: int, stride: int, *, bottleneck: bool) -> None:
        """Add a block of torch's `resnet._Block` or `_Bottleneck`, by the same names.

        Args:
            name: of the block. width: channels of its convolutions. stride: of the block. bottleneck: through a narrow place.
        """
        before, after = self._after, width * (4 if bottleneck else 1)
        x = past = self._last
        if stride != 1 or before != after:
            past = self._convolution(x, f"{name}.downsample.0", f"{name}.downsample.1", (before, after, 1), stride)
        steps = (
            [((before, width, 1), 1), ((width, width, 3), stride), ((width, after, 1), 1)]
            if bottleneck
            else [((before, width, 3), stride), ((width, width, 3), 1)]
        )
        for number, (shape, by) in enumerate(steps, 1):
            x = self._convolution(x, f"{name}.conv{number}", f"{name}.bn{number}", shape, by)
            if number < len(steps):
                x = self._relu(x)
        self._relu(self._add("Add", [x, past], f"{name}.sum"))
        self._after = after

    def _convolution(self, x: str, name: str, norm: str, shape: tuple[int, int, int], stride: int) -> str:
        """A convolution with its batch norm folded in.

        Args:
            x: what comes in. name, norm: of the two layers. shape: channels before and after, side of the kernel.
            stride: of the convolution.
        """
        before, after, side = shape
        kernel = self._take(f"{name}.weight", (after, before, side, side))
        scale, shift, mean, variance = (
            self._take(f"{norm}.{part}", (after,)).astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        self._arrays.pop(f"trunk.{norm}.num_batches_tracked", None)
        scale = scale / np.sqrt(variance + _EPSILON)
        self.weights[f"{name}.kernel"] = kernel.astype(np.float32) * scale.astype(np.float32)[:, None, None, None]
        self.weights[f"{name}.bias"] = (shift - mean * scale).astype(np.float32)
        inputs = [x, f"{name}.kernel", f"{name}.bias"]
        return self._add(
            "Conv", inputs, f"{name}.out", kernel_shape=[side] * 2, strides=[stride] * 2, pads=[side // 2] * 4
        )

    def _relu(self, x: str) -> str:
        return self._add("Relu", [x], f"{x}.relu")

    def _add(self, kind: str, inputs: Sequence[str], output: str, **attributes: Sequence[int]) -> str:
        self._nodes += _node(kind, inputs, output, **attributes)
        self._last = output
        return output

    def _take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.generic]:
        values = self._arrays.pop(f"trunk.{name}")
        if values.shape != shape or values.dtype.kind != "f":
            raise ValueError(f"{name} is of another shape")
        return values


def trunk_parts(depth: int, arrays: Arrays) -> Iterator[Part]:
    """The trunk, part for part; each takes its weights out of ``arrays`` when it is asked for.

    Args:
        depth: of the network, a key of `BLOCKS`. arrays: its numbers by torch's names, in any shape.

    Raises:
        KeyError, ValueError: a weight is missing or of another shape, or there is no such depth.
    """
    bottleneck, channels = depth >= 50, 3
    part = Part(arrays, channels)
    part.stem()
    for stage, count in enumerate(BLOCKS[depth]):
        for number in range(count):
            if part.size > _LARGEST_PART:
                yield part
                part = Part(arrays, channels)
            width, stride = stage_width(stage), 2 if stage and not number else 1
            part.block(f"layer{stage + 1}.{number}", width, stride, bottleneck=bottleneck)
            channels = width * (4 if bottleneck else 1)
    yield part


def _node(kind: str, inputs: Sequence[str], output: str, **attributes: Sequence[int]) -> bytes:
    parts = [*(_text(1, name) for name in inputs), _text(2, output), _text(4, kind)]
    for name, values in attributes.items():
        integers = b"".join(_number(8, value) for value in values)
        parts.append(_message(5, _text(1, name) + integers + _number(20, _INTEGERS)))
    return _message(1, b"".join(parts))


def _tensor(name: str, shape: Sequence[int]) -> bytes:
    """A tensor whose numbers are handed over beside the model; it must name a place for them, which nobody opens."""
    place = _text(1, "location") + _text(2, "beside")
    dims = b"".join(_number(1, length) for length in shape)
    return dims + _number(2, _FLOAT) + _text(8, name) + _message(13, place) + _number(14, _EXTERNAL)


def _value(name: str, channels: int) -> bytes:
    """What comes in or goes out: [N, channels, height, width] of float32."""
    lengths = [_text(2, "n"), _number(1, channels), _text(2, f"{name} height"), _text(2, f"{name} width")]
    shape = b"".join(_message(1, length) for length in lengths)
    return _text(1, name) + _message(2, _message(1, _number(1, _FLOAT) + _message(2, shape)))


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes((*found, value))
