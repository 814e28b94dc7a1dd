"""``reads.csv``: heart centres and grades that readers gave elsewhere, by series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyrisk_desktop.calcium import Region
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import Voxel
from hyrisk_desktop.tables import named, number_in, read_csv

_NEEDED = ("series_uid", "x", "y", "z", "grade")
_MAX_VOXEL = 1_000_000
_MAX_TEXT = 80


@dataclass(frozen=True, slots=True)
class BatchRead:
    """One reader's judgement of a series; without a centre, one is proposed.

    Attributes:
        excluded, box, profile: what the reader took out, drew or chose in the window, so that a row has the window's
            numbers; the profile is "" for the run's own.
    """

    centre: Voxel | None = None
    grade: float | None = None
    reader: str = ""
    excluded: frozenset[Voxel] = frozenset()
    box: Region | None = None
    profile: str = ""

    @property
    def plain(self) -> list[Any]:
        """Plain values, which also tell it from every other read."""
        box = None if self.box is None else [self.box.start, self.box.stop]
        return [self.centre, self.grade, self.reader, sorted(self.excluded), box, self.profile]

    @classmethod
    def from_plain(cls, plain: Sequence[Any]) -> BatchRead:
        """Inverse of `plain`."""
        centre, grade, reader, excluded, box, profile = plain
        region = None if box is None else Region(tuple(box[0]), tuple(box[1]))
        voxels = frozenset((x, y, z) for x, y, z in excluded)
        return cls(tuple(centre) if centre else None, grade, reader, voxels, region, profile)


def read_reads(path: Path) -> Mapping[str, tuple[BatchRead, ...]]:
    """Reads by SeriesInstanceUID, in the file's order, one per reader.

    The columns are ``series_uid,x,y,z,grade`` and, where several readers read one series, ``reader``; others are passed
    over. x, y and z are voxels from 0 and may all be empty (the centre is proposed then), as may the grade (the risk is
    the image's alone then).

    Raises:
        InputError: the file can't be read, or a cell is wrong; the sentence names its row, counted as a spreadsheet
            does, and its column.
    """
    header, rows = read_csv(path, "reads", numbers=("x", "y", "z", "grade"))
    for column in _NEEDED:
        if column not in header:
            raise InputError("reads", tr("{name}, row 1: column {column} is missing.", name=path.name, column=column))
    for column in (*_NEEDED, "reader"):
        if header.count(column) > 1:
            message = tr("{name}, row 1: column {column} is there twice.", name=path.name, column=column)
            raise InputError("reads", message)
    reads: dict[str, dict[str, BatchRead]] = {}
    for number, cells in rows:
        row = _Row(path.name, number, header, cells)
        uid, read = row.read()
        mine = reads.setdefault(uid, {})
        if read.reader in mine:
            column = "reader" if "reader" in header else "series_uid"
            raise row.wrong(column, tr("this reader's read of this series is in an earlier row already"))
        mine[read.reader] = read
    return {uid: tuple(mine.values()) for uid, mine in reads.items()}


class _Row:
    def __init__(self, file: str, number: int, header: Sequence[str], cells: Sequence[str]) -> None:
        self._file, self._row = file, number
        if len(cells) > len(header):
            raise InputError(
                "reads",
                tr("{name}, row {n}, column {column}: there are more cells than columns.",
                   name=file, n=number, column=len(header) + 1),
            )  # fmt: skip
        self._cells = named(header, cells)

    def wrong(self, column: str, what: str) -> InputError:
        """The sentence for one wrong cell."""
        message = tr(
            "{name}, row {n}, column {column}: {what}.", name=self._file, n=self._row, column=column, what=what
        )
        return InputError("reads", message)

    def read(self) -> tuple[str, BatchRead]:
        """Series UID and what was read of it."""
        uid = self._text("series_uid")
        if not uid:
            raise self.wrong("series_uid", tr("the cell is empty"))
        return uid, BatchRead(self._centre(), self._grade(), self._text("reader", _MAX_TEXT))

    def _text(self, column: str, longest: int = 1000) -> str:
        text = self._cells.get(column, "")
        if len(text) > longest or not text.isprintable():
            raise self.wrong(column, tr("the text is too long or holds characters that can't be printed"))
        return text

    def _centre(self) -> Voxel | None:
        empty = [column for column in "xyz" if not self._cells.get(column, "")]
        if len(empty) == 3:
            return None
        if empty:
            raise self.wrong(empty[0], tr("the cell is empty; a heart centre needs x, y and z"))
        return self._voxel("x"), self._voxel("y"), self._voxel("z")

    def _voxel(self, column: str) -> int:
        # Tables with gaps are often written with decimals: 123.0 is a voxel, 123.4 is none.
        value = number_in(self._cells[column])
        if not (0 <= value <= _MAX_VOXEL and value.is_integer()):
            what = tr("“{text}” is no voxel; write a whole number from 0", text=self._cells[column][:20])
            raise self.wrong(column, what)
        return int(value)

    def _grade(self) -> float | None:
        if not self._cells.get("grade", ""):
            return None
        value = number_in(self._cells["grade"])
        if not 0 <= value <= 3:
            what = tr("“{text}” is no grade; write a number from 0 to 3", text=self._cells["grade"][:20])
            raise self.wrong("grade", what)
        return value
