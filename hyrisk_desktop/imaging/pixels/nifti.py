"""What a NIfTI header says of its geometry, read here because the library takes one of its two answers without a word.

Field offsets: nifti1.h and nifti2.h. A header may place its voxels by a matrix (sform) and by a rotation (qform); readers
differ in which they believe, so that left and right may depend on the program.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HEADER_BYTES = 544
_SHEAR = 1e-2


@dataclass(frozen=True, slots=True)
class NiftiHeader:
    """One header.

    Attributes:
        magic: ``n+1``, ``n+2`` (voxels behind the header) or ``ni1``, ``ni2`` (in another file).
        shape: sizes of the used dimensions. bits: of a voxel. offset: of the first voxel.
        sform, qform: 3 x 3, voxel axes in mm, or None where the header gives none.
    """

    magic: bytes
    shape: tuple[int, ...]
    bits: int
    offset: int
    sform: NDArray[np.float64] | None
    qform: NDArray[np.float64] | None

    @property
    def sides_disagree(self) -> bool:
        """Whether the two ways of placing the voxels disagree about which side is left."""
        if self.sform is None or self.qform is None:
            return False
        a, b = self.sform[0], self.qform[0]  # how the patient's left-right runs along each voxel axis
        axis = int(np.abs(a).argmax())
        return bool(a[axis] * b[axis] < 0)

    @property
    def sheared(self) -> bool:
        """Whether the axes that readers believe first are not at right angles."""
        matrix = self.sform if self.sform is not None else self.qform
        if matrix is None:
            return False
        lengths = np.linalg.norm(matrix, axis=0)
        if not np.isfinite(matrix).all() or (lengths == 0).any():
            return False
        unit = matrix / lengths
        return float(np.abs(unit.T @ unit - np.eye(3)).max()) > _SHEAR


def read_nifti_header(path: Path) -> NiftiHeader | None:
    """The header of a NIfTI file; None where it is none. Raises OSError where it can't be read."""
    try:
        with gzip.open(path, "rb") if path.name.lower().endswith(".gz") else open(path, "rb") as stream:
            head = stream.read(HEADER_BYTES)
    except (gzip.BadGzipFile, zlib.error, EOFError):
        return None
    for order in "<>":
        size = struct.unpack_from(order + "i", head)[0] if len(head) >= 348 else 0
        if size == 348:
            return _first(head, order)
        if size == 540 and len(head) >= 540:
            return _second(head, order)
    return None


def _first(head: bytes, order: str) -> NiftiHeader:
    dim = struct.unpack_from(order + "8h", head, 40)
    q_code, s_code = struct.unpack_from(order + "2h", head, 252)
    quaternion = struct.unpack_from(order + "3f", head, 256)
    rows = struct.unpack_from(order + "12f", head, 280)
    sizes = struct.unpack_from(order + "4f", head, 76)
    bits, offset = struct.unpack_from(order + "h", head, 72)[0], struct.unpack_from(order + "f", head, 108)[0]
    return _header(head[344:347], dim, bits, offset, (q_code, quaternion, sizes), (s_code, rows))


def _second(head: bytes, order: str) -> NiftiHeader:
    dim = struct.unpack_from(order + "8q", head, 16)
    q_code, s_code = struct.unpack_from(order + "2i", head, 344)
    quaternion = struct.unpack_from(order + "3d", head, 352)
    rows = struct.unpack_from(order + "12d", head, 400)
    sizes = struct.unpack_from(order + "4d", head, 104)
    bits, offset = struct.unpack_from(order + "h", head, 14)[0], struct.unpack_from(order + "q", head, 168)[0]
    return _header(head[4:7], dim, bits, offset, (q_code, quaternion, sizes), (s_code, rows))


def _header(
    magic: bytes, dim: tuple[int, ...], bits: int, offset: float,
    rotation: tuple[int, tuple[float, ...], tuple[float, ...]], matrix: tuple[int, tuple[float, ...]],
) -> NiftiHeader:  # fmt: skip
    s_code, rows = matrix
    sform = np.array(rows, np.float64).reshape(3, 4)[:, :3] if s_code > 0 else None
    place = int(offset) if np.isfinite(offset) and 0 <= offset < 1 << 40 else 0
    return NiftiHeader(magic, tuple(dim[1 : 1 + max(0, min(dim[0], 7))]), bits, place, sform, _rotation(*rotation))


def _rotation(code: int, quaternion: tuple[float, ...], sizes: tuple[float, ...]) -> NDArray[np.float64] | None:
    """Voxel axes of the qform (nifti1.h, method 2): a unit quaternion and the sense of the third axis."""
    if code <= 0:
        return None
    b, c, d = quaternion
    a = max(0.0, 1.0 - (b * b + c * c + d * d)) ** 0.5
    turned = np.array([
        [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
        [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
        [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ])  # fmt: skip
    scales: NDArray[np.float64] = np.array([sizes[1], sizes[2], sizes[3] * (-1.0 if sizes[0] < 0 else 1.0)])
    return np.asarray(turned * scales, np.float64)
