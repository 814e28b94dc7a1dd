"""The decoding child process: it alone runs native decoders, under a memory limit.

A damaged frame may abort or hang this process; nothing else is lost then. It imports SimpleITK and numpy, and scipy where padding asks for it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

from hyrisk_desktop.imaging.pixels.padding import Padding, make_air, padding_in_hu
from hyrisk_desktop.imaging.temporary import FRAME_PREFIX

MEMORY_LIMIT = 6 << 30
_READERS = {
    ".nii": "NiftiImageIO", ".nii.gz": "NiftiImageIO", ".nrrd": "NrrdImageIO", ".nhdr": "NrrdImageIO",
    ".mha": "MetaImageIO", ".mhd": "MetaImageIO",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FrameTask:
    """Decode one file's image into shared memory.

    Attributes:
        path: a DICOM file; ``frame`` is its frame, or -1 for a single-frame file.
        rows, columns: what its header promises; another size is refused.
        dtype: "int16" or "float32" for HU, "int32" for stored values of one frame of several.
        segment: name of the shared memory to write to.
        padding: what of the HU becomes air; None for stored values.
    """

    path: str
    rows: int
    columns: int
    dtype: str
    segment: str
    frame: int = -1
    padding: Padding | None = None


@dataclass(frozen=True, slots=True)
class ImageTask:
    """Describe an image file (``load`` False), or load it and keep it for `SlabTask`."""

    path: str
    load: bool = False


@dataclass(frozen=True, slots=True)
class SlabTask:
    """Copy slice ``index`` of the loaded image into shared memory as ``dtype``."""

    index: int
    dtype: str
    segment: str


@dataclass(frozen=True, slots=True)
class FaultTask:
    """For tests: die ("crash"), sleep for ever ("hang") or eat memory ("memory") like a bad decoder."""

    kind: str


Task = FrameTask | ImageTask | SlabTask | FaultTask


def serve(connection: Connection) -> None:
    """Answer tasks until the parent closes the connection: ``("ok", value)`` or ``("error", kind)``."""
    # Ctrl+C is for the parent, which then ends its children in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit_memory()
    _mute()
    import SimpleITK  # noqa: F401 - before the sign of life, so that a warm child is a ready one

    worker = _Worker()
    connection.send(("ready", None))
    while True:
        try:
            task: Task | None = connection.recv()
        except (EOFError, OSError):
            return
        if task is None:
            return
        try:
            answer: tuple[str, Any] = ("ok", worker.run(task))
        except MemoryError:
            answer = ("error", "memory")
        except OverflowError:
            answer = ("error", "range")
        except Exception:  # noqa: BLE001 - SimpleITK raises RuntimeError of every kind; the parent words it
            answer = ("error", "undecodable")
        try:
            connection.send(answer)
        except OSError:
            return


def _limit_memory() -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    except (ImportError, ValueError, OSError):
        pass  # Windows has no such limit, and macOS may refuse it


def _mute() -> None:
    """Drop what native decoders print: it may quote the file's values, and it reaches the user's terminal."""
    with contextlib.suppress(OSError):
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 2)
        os.close(silence)


class _Worker:
    """One child's state: attached segments and the image file at hand."""

    def __init__(self) -> None:
        self._segments: dict[str, SharedMemory] = {}
        self._image: Any = None

    def run(self, task: Task) -> Any:
        match task:
            case FrameTask():
                return self._frame(task)
            case ImageTask():
                return self._open_image(task)
            case SlabTask():
                return self._slab(task)
            case FaultTask():
                return _misbehave(task.kind)

    def _write(self, segment: str, values: Any, dtype: str) -> None:
        import numpy as np

        if segment not in self._segments:
            for old in self._segments.values():
                old.close()
            self._segments = {segment: SharedMemory(segment)}
        target = np.ndarray(values.shape, dtype, buffer=self._segments[segment].buf)
        if dtype == "int16" and (values.min() < -32768 or values.max() > 32767):
            raise OverflowError
        np.copyto(target, values, casting="unsafe")

    def _frame(self, task: FrameTask) -> bool:
        """Write one frame; returns whether it held padding."""
        import SimpleITK as sitk

        if task.frame >= 0:
            values = _decode_frame(task)
        else:
            # The file as a whole: GDCM applies slope and intercept as every SimpleITK user knows them.
            image = sitk.ReadImage(task.path, imageIO="GDCMImageIO")
            if image.GetNumberOfComponentsPerPixel() != 1:
                raise ValueError
            values = sitk.GetArrayViewFromImage(image)
        values = values.reshape(values.shape[-2:]) if values.size == task.rows * task.columns else values
        if values.shape != (task.rows, task.columns):
            raise ValueError
        padded = False
        if task.padding is not None:
            values = values.copy()  # a view of the decoder's own memory may not be written to
            padded = make_air(values, task.padding)
        self._write(task.segment, values, task.dtype)
        return padded

    def _open_image(self, task: ImageTask) -> dict[str, Any]:
        import numpy as np
        import SimpleITK as sitk

        reader = sitk.ImageFileReader()
        # By name, not by trying: another format's reader would open what this one's header was not checked for.
        ending = task.path.lower()
        reader.SetImageIO(next(reading for end, reading in _READERS.items() if ending.endswith(end)))
        reader.SetFileName(task.path)
        reader.ReadImageInformation()
        facts: dict[str, Any] = {
            "size": tuple(reader.GetSize()),
            "spacing": tuple(reader.GetSpacing()),
            "origin": tuple(reader.GetOrigin()),
            "direction": tuple(reader.GetDirection()),
            "components": reader.GetNumberOfComponents(),
        }
        if not task.load:
            return facts
        self._image = None
        values = sitk.GetArrayFromImage(reader.Execute())
        while values.ndim > 3 and values.shape[0] == 1:
            values = values[0]
        padded = _restore_missing(task.path, values)
        if values.dtype.kind == "u" or values.dtype.itemsize == 1:
            values = values.astype(np.int32)  # these can't hold air
        rule = padding_in_hu((), 1.0, 0.0)
        for part in values:
            padded |= make_air(part, rule)
        low, high = float(values.min()), float(values.max())
        whole = values.dtype.kind in "iu" or all(bool((np.rint(part) == part).all()) for part in values)
        facts |= {
            "low": low,
            "high": high,
            "whole": whole,
            "padded": padded,
            "kinds": len(np.unique(values.ravel()[:: max(1, values.size // 200_000)])),
        }
        self._image = values
        return facts

    def _slab(self, task: SlabTask) -> None:
        self._write(task.segment, self._image[task.index], task.dtype)
        if task.index == len(self._image) - 1:
            self._image = None


def _restore_missing(path: str, values: Any) -> bool:
    """Put back as NaN what the NIfTI library silently reads as 0: voxels that are no numbers. Returns whether there were any."""
    import gzip

    import numpy as np

    if values.dtype.kind != "f" or not path.lower().endswith((".nii", ".nii.gz")):
        return False
    opened = gzip.open if path.lower().endswith(".gz") else open
    found = False
    with opened(path, "rb") as stream:
        head = stream.read(544)
        order = next(o for o in "<>" if int(np.frombuffer(head[:4], o + "i4")[0]) in (348, 540))
        second = int(np.frombuffer(head[:4], order + "i4")[0]) == 540
        kind = int(np.frombuffer(head[12:14] if second else head[70:72], order + "i2")[0])
        offset = int(
            np.frombuffer(head[168:176], order + "i8")[0] if second else np.frombuffer(head[108:112], order + "f4")[0]
        )
        if kind not in (16, 64):
            return False
        dtype = np.dtype(order + ("f4" if kind == 16 else "f8"))
        stream.seek(max(offset, 0))
        for part in values.reshape(-1, *values.shape[-2:]):
            stored = np.frombuffer(stream.read(part.size * dtype.itemsize), dtype)
            missing = ~np.isfinite(stored.reshape(part.shape))
            if missing.any():
                part[missing] = np.nan
                found = True
    return found


def _decode_frame(task: FrameTask) -> Any:
    """Stored values of one compressed frame of several, by way of a single-frame file of that frame alone."""
    import pydicom
    import SimpleITK as sitk
    from pydicom.encaps import encapsulate, generate_frames
    from pydicom.uid import ImplicitVRLittleEndian

    source = pydicom.dcmread(task.path)
    frames = generate_frames(source.PixelData, number_of_frames=int(source.NumberOfFrames))
    data = next(frame for number, frame in enumerate(frames) if number == task.frame)
    single = pydicom.Dataset()
    for keyword in [
        "Rows",
        "Columns",
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
    ]:
        setattr(single, keyword, source.get(keyword))
    single.SOPClassUID, single.SOPInstanceUID, single.Modality = "1.2.840.10008.5.1.4.1.1.2", "2.25.1", "CT"
    single.PixelData = encapsulate([data])
    single["PixelData"].is_undefined_length = True
    single.file_meta = pydicom.dataset.FileMetaDataset()
    single.file_meta.TransferSyntaxUID = source.file_meta.TransferSyntaxUID
    assert single.file_meta.TransferSyntaxUID != ImplicitVRLittleEndian
    with tempfile.TemporaryDirectory(prefix=FRAME_PREFIX) as folder:
        path = str(Path(folder, "frame.dcm"))
        pydicom.dcmwrite(path, single, enforce_file_format=True)
        return sitk.GetArrayFromImage(sitk.ReadImage(path, imageIO="GDCMImageIO"))


def _misbehave(kind: str) -> Any:
    import time

    if kind == "crash":
        os.abort()
    if kind == "memory":
        return len(bytearray(MEMORY_LIMIT))
    while True:
        time.sleep(1)
