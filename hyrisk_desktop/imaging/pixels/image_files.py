"""NIfTI, NRRD and MetaImage files: a grid and values, but no DICOM header.

They are opened by SimpleITK in a child process like compressed DICOM: their readers are native code as well.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.geometry import Grid, Vector
from hyrisk_desktop.imaging.headers.attributes import image_file_attributes
from hyrisk_desktop.imaging.headers.kinds import Kind, nature_findings, nature_of
from hyrisk_desktop.imaging.pixels import decoder_pool
from hyrisk_desktop.imaging.pixels.blank_volume import new_volume, with_padding_noted
from hyrisk_desktop.imaging.pixels.decoder_child import ImageTask, SlabTask
from hyrisk_desktop.imaging.pixels.detached import data_files
from hyrisk_desktop.imaging.pixels.nifti import read_nifti_header
from hyrisk_desktop.imaging.pixels.padding import AIR_HU
from hyrisk_desktop.imaging.records import SeriesRecord
from hyrisk_desktop.imaging.slices import MAX_MATRIX, MAX_VOXELS
from hyrisk_desktop.imaging.volume import CTVolume
from hyrisk_desktop.jobs import CancelToken, Progress
from hyrisk_desktop.regular_files import open_regular

_AIR_BELOW = -300.0
_FEWEST_KINDS = 64
_SECONDS = 300.0
_LEAST_VOXEL_BYTES = 2
_FREE_BYTES, _MAX_RATIO = 256 << 20, 100  # CT packs to a third or a half, and noiseless phantoms to a twentieth


def image_record(path: Path) -> SeriesRecord:
    """The record of one image file, from its header alone.

    Raises:
        ExamError: it can't be read, or holds no three-dimensional scalar image.
    """
    with _opened(path):
        files = (path, *data_files(path))
        sides = _geometry_findings(path)
        facts = decoder_pool.decoders().call(ImageTask(str(path)))
    shape, _, grid = _grid(path, facts)
    with _opened(path):
        _check_inflation(path, files, shape)
    return SeriesRecord(
        series_uid=_content_hash(files),
        study_uid="",
        modality="",
        kind=Kind.IMAGE_FILE,
        description=path.name,
        kernel="",
        slice_count=shape[0],
        files=files,
        increment_mm=grid.spacing_mm[2],
        attributes=image_file_attributes(path),
        findings=nature_findings(nature_of((), (path.name,))) + sides,
    )


def _check_inflation(path: Path, files: tuple[Path, ...], shape: tuple[int, int, int]) -> None:
    """Refuse, before a byte is inflated, a few packed bytes that say they are a large image."""
    unpacked = math.prod(shape) * _LEAST_VOXEL_BYTES
    packed = sum(file.stat().st_size for file in files)
    if unpacked > _FREE_BYTES and unpacked > _MAX_RATIO * packed:
        raise ExamError(
            "too_large",
            tr("{name} would unpack to an implausible size and was not opened.", name=path.name),
        )


def _geometry_findings(path: Path) -> tuple[Finding, ...]:
    """Code ``sides_disagree``; refuses axes that are not at right angles, which the library takes for damage."""
    header = read_nifti_header(path) if path.name.lower().endswith((".nii", ".nii.gz")) else None
    if header is None:
        return ()
    if header.sheared:
        raise ExamError(
            "sheared",
            tr(
                "{name} is sheared: its axes are not at right angles. Resample it, or convert it again.", name=path.name
            ),
        )
    if not header.sides_disagree:
        return ()
    message = tr(
        "The file's two descriptions of its position (sform and qform) disagree about left and right: check the side."
    )
    return (Finding("sides_disagree", Severity.WARNING, message),)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[None]:
    try:
        yield
    except decoder_pool.DecodeError as e:
        raise _unreadable(path, e) from e
    except OSError as e:
        raise ExamError(
            "unreadable", tr("{name} can't be read: {why}.", name=path.name, why=e.strerror or type(e).__name__)
        ) from e


def read_image(
    record: SeriesRecord,
    *,
    progress: Progress,
    cancel: CancelToken | None,
    on_first: Callable[[CTVolume, int], None] | None,
) -> CTVolume:
    """Read an image file.

    Args:
        record, progress, cancel, on_first: as of `imaging.read_volume`, whose errors it raises.
    """
    path = record.files[0]
    with _opened(path):
        if (path, *data_files(path)) != record.files:
            raise ExamError("changing", tr("The exam's files are being changed by another program. Try again later."))
        with decoder_pool.decoders().session(cancel, seconds=_SECONDS) as ask:
            facts, _ = ask(lambda _: ImageTask(str(path), load=True), 1)
            shape, axes, grid = _grid(path, facts)
            whole = facts["whole"] and facts["low"] >= -32768 and facts["high"] <= 32767
            findings = _value_findings(path, facts)
            dtype: Any = np.dtype(np.int16 if whole else np.float32)
            volume = new_volume(record, shape, dtype, findings, grid)
            volume.hu.fill(AIR_HU)
            # The file's own slices may run along any axis of the volume: fill a view that is seen the file's way.
            view = _as_stored(volume.hu, axes, facts["direction"])
            count = len(view)
            for done, index in enumerate(range(count)):
                _, memory = ask(_slab(index, dtype.name), view[0].nbytes)
                view[index] = np.ndarray(view.shape[1:], dtype, buffer=memory)
                del memory
                if index == count - 1 and on_first:
                    on_first(volume, shape[0] // 2)
                progress(done + 1, count)
    return with_padding_noted(volume, facts["padded"])


def _slab(index: int, dtype: str) -> Callable[[str], SlabTask]:
    return lambda segment: SlabTask(index, dtype, segment)


def _grid(path: Path, facts: dict[str, Any]) -> tuple[tuple[int, int, int], tuple[int, int, int], Grid]:
    """Shape [z, y, x], the file axis behind each volume axis, and the grid turned to the usual axial view."""
    size = list(facts["size"])
    dimension = len(size)
    while len(size) > 3 and size[-1] == 1:
        size.pop()
    if len(size) != 3 or facts["components"] != 1 or min(size) < 1 or max(size) > MAX_MATRIX:
        raise ExamError(
            "not_a_volume", tr("{name} holds no single three-dimensional CT image. Open a CT volume.", name=path.name)
        )
    if size[0] * size[1] * size[2] > MAX_VOXELS:
        raise ExamError("too_large", tr("{name} is too large to be opened.", name=path.name))
    matrix: Vector = np.array(facts["direction"], np.float64).reshape(dimension, dimension)[:3, :3]
    spacing = np.array(facts["spacing"][:3], np.float64)
    origin = np.array(facts["origin"][:3], np.float64)
    if (
        not (
            np.isfinite(spacing).all() and (spacing > 0.01).all() and (spacing < 50).all() and np.isfinite(origin).all()
        )
        or not np.isfinite(matrix).all()
        or float(np.abs(matrix.T @ matrix - np.eye(3)).max()) > 1e-3
    ):
        raise ExamError("geometry", tr("{name} gives no usable geometry. Convert it from DICOM again.", name=path.name))
    axes = tuple(int(a) for a in np.abs(matrix).argmax(axis=1))  # the file axis that runs along x, y, z
    if sorted(axes) != [0, 1, 2]:
        raise ExamError("geometry", tr("{name} lies askew. Convert it to an axial volume.", name=path.name))
    signs = np.array([1.0 if matrix[row, axis] > 0 else -1.0 for row, axis in enumerate(axes)])
    corner = sum(
        (matrix[:, axis] * spacing[axis] * (size[axis] - 1) for row, axis in enumerate(axes) if signs[row] < 0),
        start=origin,
    )
    shape = (size[axes[2]], size[axes[1]], size[axes[0]])
    grid = Grid(
        order=tuple(range(shape[0])),
        spacing_mm=(float(spacing[axes[0]]), float(spacing[axes[1]]), float(spacing[axes[2]])),
        origin_mm=(float(corner[0]), float(corner[1]), float(corner[2])),
        direction=np.column_stack([matrix[:, axis] * sign for axis, sign in zip(axes, signs, strict=True)]),
    )
    return shape, (axes[0], axes[1], axes[2]), grid


def _as_stored(hu: Any, axes: tuple[int, int, int], direction: tuple[float, ...]) -> Any:
    """A view of the volume [z, y, x] with the file's own axis order [third, second, first] and senses."""
    dimension = round(len(direction) ** 0.5)
    matrix = np.array(direction, np.float64).reshape(dimension, dimension)[:3, :3]
    flipped = hu[tuple(slice(None, None, 1 if matrix[row, axes[row]] > 0 else -1) for row in (2, 1, 0))]
    # Volume axis x (array axis 2) holds file axis axes[0]; the file's array axis of file axis f is 2 - f.
    order = [0, 0, 0]
    for row, axis in enumerate(axes):
        order[2 - axis] = 2 - row
    return flipped.transpose(order)


def _value_findings(path: Path, facts: dict[str, Any]) -> tuple[Finding, ...]:
    if facts["high"] - facts["low"] < 100 or (facts["kinds"] < _FEWEST_KINDS and facts["low"] > _AIR_BELOW):
        raise ExamError(
            "not_ct", tr("{name} holds a label map or a mask and no CT. Open the CT volume.", name=path.name)
        )
    if facts["low"] > _AIR_BELOW:
        message = tr("The values don't look like Hounsfield units: there is no air. Scores and risk do not hold.")
        return (Finding("not_hu", Severity.UNFIT, message),)
    return ()


def _content_hash(files: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with open_regular(file) as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return "sha256:" + digest.hexdigest()


def _unreadable(path: Path, error: decoder_pool.DecodeError) -> ExamError:
    if error.kind == "memory":
        return ExamError("memory", tr("{name} needs more memory than is allowed.", name=path.name))
    if error.kind == "start":
        return ExamError("decoder_start", tr("The image decoder could not be started. Start the program again."))
    if error.kind == "timeout":
        return ExamError("decode_timeout", tr("Reading {name} took too long and was stopped.", name=path.name))
    return ExamError(
        "undecodable", tr("{name} is damaged or no image file. Convert it from DICOM again.", name=path.name)
    )
