"""Tables that leave the program, CSV that no spreadsheet takes for formulas and Parquet; and those that come into it.

Cells hold text that others wrote (patient ids, file names, readers' names). A spreadsheet runs a cell that starts like a
formula, so such text gets an apostrophe in front; numbers stay numbers.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest
from pathlib import Path
from typing import Any

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.files import staged
from hyrisk_desktop.i18n import tr

END = "\r\n"
Cell = str | int | float | bool | None
# What spreadsheets take for the start of a formula, wide forms too; and, as some of them part cells at semicolons
# whatever the quotes say, the same behind a semicolon or a bar.
_FORMULA = re.compile("(^|[;|])([\\s\"']*)(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])")
# Line breaks, tabs and what cannot be seen: a row stays one line. Halves of surrogate pairs are in no UTF-8.
_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f\u2028\u2029]")
_SURROGATE = re.compile("[\\ud800-\\udfff]")
_DECIMAL_COMMA = re.compile("[+-]?[0-9]+,[0-9]+")


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    NUMBER = "number"
    INTEGER = "integer"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Column:
    """A column; the unit is in its name, such as ``volume_mm3``."""

    name: str
    kind: Kind = Kind.TEXT


def safe_text(text: str) -> str:
    """``text`` as a spreadsheet may show it: on one line, and never a formula."""
    return _FORMULA.sub(r"\1'\2", plain_text(text))


def plain_text(text: str) -> str:
    """``text`` on one line and in UTF-8."""
    return _SURROGATE.sub("\ufffd", _CONTROL.sub(" ", text))


def safe_cell(value: Cell) -> str:
    """A value as the text of a CSV cell: empty for None, "true" or "false", numbers in full precision."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        # A spreadsheet knows no NaN.
        return repr(value) if math.isfinite(value) else ""
    return safe_text(value)


def csv_line(cells: Iterable[Cell]) -> str:
    """One CSV record (RFC 4180) with its line end."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator=END).writerow([safe_cell(cell) for cell in cells])
    return stream.getvalue()


def read_csv(
    path: Path, code: str, numbers: Collection[str] = ()
) -> tuple[tuple[str, ...], list[tuple[int, list[str]]]]:
    """A table that somebody wrote, as their spreadsheet saves it: with commas, or with semicolons or tabs as in half of Europe.

    Args:
        path: of the table, in UTF-8. code: of the errors. numbers: columns whose decimal commas become points, where commas part
            no cells.

    Returns:
        The columns in lower case, and the rows that are not empty: number as a spreadsheet counts, and stripped cells; a row may
        have fewer or more of these than there are columns.

    Raises:
        InputError: the file can't be read, or is no CSV in UTF-8.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            head = stream.readline()
            stream.seek(0)
            separator = max(",;\t", key=head.count)
            lines = [[cell.strip() for cell in cells] for cells in csv.reader(stream, delimiter=separator, strict=True)]
    except OSError as e:
        raise InputError(code, tr("{name} can't be read: {why}.", name=path.name, why=e.strerror or "")) from e
    except (UnicodeDecodeError, csv.Error) as e:
        raise InputError(
            code, tr("{name} can't be read: it is no CSV table in UTF-8; save it as one.", name=path.name)
        ) from e
    header = tuple(cell.lower() for cell in lines[0]) if lines else ()
    rows = [(number, cells) for number, cells in enumerate(lines[1:], 2) if any(cells)]
    if separator != ",":
        places = [at for at, name in enumerate(header) if name in numbers]
        for _, cells in rows:
            for at in places:
                if at < len(cells) and _DECIMAL_COMMA.fullmatch(cells[at]):
                    cells[at] = cells[at].replace(",", ".")
    return header, rows


def number_in(text: str) -> float:
    """The number in a cell, NaN where it is none: also for what only Python takes for one (“1_5”, digits of other scripts)."""
    try:
        return float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return math.nan


def read_parquet(path: Path, code: str) -> tuple[tuple[str, ...], list[tuple[int, list[str]]]]:
    """A Parquet table as `read_csv` gives one: its rows are numbered from 2, and what is missing is "".

    Raises:
        InputError: pyarrow is missing, or the file can't be read.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as e:
        raise InputError(
            "no_pyarrow", tr("Parquet tables need pyarrow; install the extra [parquet], or save the table as CSV.")
        ) from e
    try:
        data = pq.read_table(path)
        values = [column.to_pylist() for column in data.columns]
    # Damaged texts, and days that no calendar has, come up only where cells are made of them.
    except (OSError, pa.ArrowException, ValueError, OverflowError) as e:
        raise InputError(code, tr("“{name}” is no readable Parquet table.", name=path.name)) from e
    rows = [[_parquet_cell(value) for value in row] for row in zip(*values, strict=True)]
    return tuple(name.strip().lower() for name in data.column_names), list(enumerate(rows, 2))


def _parquet_cell(value: object) -> str:
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if missing else str(value).strip()


def named(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """A row of `read_csv` by its columns' names; "" for a cell that it lacks, and nothing for what has no name."""
    return {name: cell for name, cell in zip_longest(columns, cells, fillvalue="") if name}


def write_csv(path: Path, columns: Sequence[Column], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a whole CSV (UTF-8), or nothing.

    Raises:
        InputError: the file can't be written.
    """
    with staged(path) as stream:
        stream.write(csv_line(c.name for c in columns).encode())
        for row in rows:
            stream.write(csv_line(row[c.name] for c in columns).encode())


def require_parquet() -> None:
    """Raise InputError where the library for Parquet is missing."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as e:
        message = tr("Parquet needs pyarrow: install the extra [parquet], or write a .csv.")
        raise InputError("no_pyarrow", message) from e


def write_parquet(path: Path, columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a whole Parquet file with typed columns, or nothing. Text is as it is: no spreadsheet reads Parquet.

    Raises:
        InputError: pyarrow is missing, or the file can't be written.
    """
    require_parquet()
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {Kind.TEXT: pa.string(), Kind.NUMBER: pa.float64(), Kind.INTEGER: pa.int64(), Kind.FLAG: pa.bool_()}
    arrays = {
        c.name: pa.array(
            [plain_text(row[c.name]) if isinstance(row[c.name], str) else row[c.name] for row in rows], types[c.kind]
        )
        for c in columns
    }
    with staged(path) as stream:
        pq.write_table(pa.table(arrays), stream)
