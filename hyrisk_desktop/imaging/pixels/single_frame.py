"""Read a DICOM CT series into one checked volume, fast and strictly."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.headers.header import NATIVE_SYNTAXES
from hyrisk_desktop.imaging.pixels import decoder_pool
from hyrisk_desktop.imaging.pixels.blank_volume import (
    OnFirst,
    decode_failure,
    new_volume,
    sparse_array,
    with_padding_noted,
)
from hyrisk_desktop.imaging.pixels.continuity import Contents
from hyrisk_desktop.imaging.pixels.decoder_child import FrameTask
from hyrisk_desktop.imaging.pixels.native import (
    Changed,
    OutOfRange,
    Recipe,
    all_whole,
    padding_of,
    read_native_slices,
    recipe_of,
    rescale_of,
)
from hyrisk_desktop.imaging.pixels.padding import AIR_HU
from hyrisk_desktop.imaging.pixels.sharing import share
from hyrisk_desktop.imaging.records import SeriesRecord, current_headers
from hyrisk_desktop.imaging.slices import Stack, stack_slices
from hyrisk_desktop.imaging.volume import CTVolume
from hyrisk_desktop.jobs import CancelToken, Progress, no_progress


def read_some_slices(
    record: SeriesRecord, choose: Callable[[Stack], Sequence[int]], cancel: CancelToken | None = None
) -> tuple[CTVolume, tuple[int, ...]] | None:
    """Check the whole series by its headers, but read only some of its slices.

    Args:
        record: a series of single-frame files.
        choose: the slices to read, ascending, of the checked stack.
        cancel: polled between slices.

    Returns:
        The volume in full size, its other slices 0 HU and, until somebody touches them, without memory; and which
        slices were read. None where their pixels look as if the series did not belong together: only the whole tells.

    Raises:
        ExamError, Cancelled: as `read_volume`, but for what only the other slices' pixels tell.
    """
    chosen: tuple[int, ...] = ()

    def remember(stack: Stack) -> Sequence[int]:
        nonlocal chosen
        chosen = tuple(choose(stack))
        return chosen

    headers = current_headers(record)
    if headers != record.headers:
        # The files that are not read must still be what they were when they were checked.
        record = dataclasses.replace(record, headers=headers, stack=None)
    try:
        volume = read_series(record, no_progress, cancel, None, remember)
    except _Doubtful:
        return None
    return volume, chosen


def read_series(
    record: SeriesRecord,
    progress: Progress,
    cancel: CancelToken | None,
    on_first: OnFirst | None,
    choose: Callable[[Stack], Sequence[int]] | None = None,
) -> CTVolume:
    """Read a series of single-frame files.

    Args:
        record, progress, cancel, on_first: as of `imaging.read_volume`, whose errors it raises.
        choose: the slices to read of the checked stack; None for all.
    """
    stack = record.stack or stack_slices(current_headers(record))
    dtype: Any = np.int16 if all_whole(stack.headers) else np.float32
    for attempt in range(3):
        try:
            return _Filling(record, stack, dtype, progress, cancel, on_first, choose and choose(stack)).run()
        except OutOfRange:
            dtype = np.float32
        except Changed:
            if attempt == 2:
                break
            stack = stack_slices(current_headers(record))
            dtype = np.int16 if all_whole(stack.headers) else np.float32
    raise ExamError("changing", tr("The exam's files are being changed by another program. Try again later."))


class _Doubtful(Exception):
    """The slices that were read may not belong together."""


class _Filling:
    """One attempt at filling a volume from a checked stack; with ``chosen``, only those slices of it."""

    def __init__(
        self,
        record: SeriesRecord,
        stack: Stack,
        dtype: Any,
        progress: Progress,
        cancel: CancelToken | None,
        on_first: OnFirst | None,
        chosen: Sequence[int] | None = None,
    ) -> None:
        first = stack.headers[0]
        self.rows, self.columns = first.number("Rows") or 0, first.number("Columns") or 0
        inside = (self.columns, self.rows) if stack.grid.transpose else (self.rows, self.columns)
        self.stack, self.progress, self.cancel, self.on_first = stack, progress, cancel, on_first
        findings = stack.findings + _slice_findings(stack)
        self.count, self.chosen = len(stack.headers), chosen
        array = np.empty if chosen is None else sparse_array
        self.volume = new_volume(record, (self.count, *inside), dtype, findings, stack.grid, array)
        self.contents = Contents(self.count, *inside)
        self.recipes: dict[tuple[object, ...], Recipe] = {}
        self.done, self.shown, self.padded = 0, False, False

    def run(self) -> CTVolume:
        """Read all slices, the middle one first, and check that they continue each other."""
        middle = self.count // 2
        order = [middle, *range(middle), *range(middle + 1, self.count)] if self.chosen is None else self.chosen
        native = [z for z in order if self.stack.headers[z].syntax in NATIVE_SYNTAXES]
        packed = [z for z in order if self.stack.headers[z].syntax not in NATIVE_SYNTAXES]
        if packed and self.on_first:
            self.volume.hu.fill(AIR_HU)
        if native:
            self._read_native(native, fill=self.on_first is not None and not packed)
        if packed:
            self._decode(packed)
        if self.chosen is None:
            self.contents.check()
        elif self.chosen and self.contents.doubtful(self.chosen):
            raise _Doubtful
        # Of a few slices nothing is said, as the others may hold padding as well: the finding is one of the whole.
        return with_padding_noted(self.volume, self.padded and self.chosen is None)

    def _read_native(self, order: Sequence[int], *, fill: bool) -> None:
        """The first slice alone, then the others, with a second thread's help.

        With ``fill``, that thread makes air of the slices still unread, unless all are read within a moment: filling
        the whole volume beforehand would cost a third of the reading itself, for a preview of a few milliseconds.
        """
        self._native_slices(order[:1])

        def make_air(batch: Sequence[int]) -> None:
            for run in _runs(batch, lambda _: None):
                self.volume.hu[run].fill(AIR_HU)

        def report(done: int, filled: bool) -> None:
            self.done = 1 + done
            if filled:
                self._show_first(order[0])
            self.progress(self.done, self.count)

        share(order[1:], self._native_slices, report, self.cancel, prepare=make_air if fill else None)

    def _native_slices(self, batch: Sequence[int]) -> None:
        """Read a few slices, those that follow each other and share a recipe in one go."""
        headers = self.stack.headers
        for run in _runs(batch, lambda z: recipe_of(headers[z], self.recipes)):
            self._native_run(run, recipe_of(headers[run.start], self.recipes))

    def _native_run(self, run: slice, recipe: Recipe) -> None:
        headers, hu = self.stack.headers[run], self.volume.hu[run]
        if self.stack.grid.turned:
            stored: NDArray[Any] = np.empty((len(headers), self.rows, self.columns), hu.dtype)
            padded = read_native_slices(headers, stored, recipe)
            for z, frame in enumerate(stored):
                hu[z] = self.stack.grid.turn(frame)
        else:
            padded = read_native_slices(headers, hu, recipe)
        self.padded = self.padded or padded
        self.contents.note(run, hu)

    def _finished(self, z: int) -> None:
        self.done += 1
        # Several children decode at once: the middle slice was asked for first, but need not be back first.
        if z == self.count // 2:
            self._show_first(z)
        self.progress(self.done, self.count)

    def _show_first(self, z: int) -> None:
        """Hand out the preview, once; by now no slice may hold what was in its memory before."""
        if z == self.count // 2 and self.on_first and not self.shown:
            self.shown = True
            self.on_first(self.volume, z)

    def _decode(self, packed: Sequence[int]) -> None:
        """Decode the compressed slices in child processes."""
        hu, headers = self.volume.hu, self.stack.headers

        def task_of(z: int) -> Callable[[str], FrameTask]:
            rule = padding_of(headers[z], *rescale_of(headers[z]))
            return lambda segment: FrameTask(
                str(headers[z].path), self.rows, self.columns, hu.dtype.name, segment, -1, rule
            )

        def note(padded: Any) -> None:
            self.padded = self.padded or bool(padded)

        def receive(index: int, memory: memoryview) -> None:
            z = packed[index]
            hu[z] = self.stack.grid.turn(decoder_pool.frame_from(memory, hu.dtype, self.rows, self.columns))
            self.contents.note(z, hu[z])
            self._finished(z)

        size = self.rows * self.columns * hu.itemsize
        try:
            decoder_pool.decoders().frames(
                map(task_of, packed), size, receive, note, count=len(packed), cancel=self.cancel
            )
        except decoder_pool.DecodeError as e:
            if e.kind == "range" and hu.dtype == np.int16:
                raise OutOfRange from None
            raise decode_failure(e.kind, headers[packed[e.index]].path.name) from e


def _runs(batch: Iterable[int], kind: Callable[[int], object]) -> Iterator[slice]:
    """Stretches of successive slices of one kind."""
    for _, run in itertools.groupby(enumerate(batch), lambda at: (at[1] - at[0], kind(at[1]))):
        slices = [z for _, z in run]
        yield slice(slices[0], slices[-1] + 1)


def _slice_findings(stack: Stack) -> tuple[Finding, ...]:
    findings = []
    if len(stack.headers) == 1:
        message = tr("A single slice: its slice increment is taken from the slice thickness.")
        findings.append(Finding("single_slice", Severity.WARNING, message))
    if stack.grid.turned:
        message = tr("The images were turned to the usual view: patient's right on the left, front at the top.")
        findings.append(Finding("turned", Severity.INFO, message))
    return tuple(findings)
