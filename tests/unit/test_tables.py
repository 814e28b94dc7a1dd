"""Cells that no spreadsheet takes for formulas, and files that are there whole or not at all."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.tables import (
    Column,
    Kind,
    csv_line,
    named,
    read_csv,
    require_parquet,
    safe_cell,
    safe_text,
    write_csv,
    write_parquet,
)

COLUMNS = (
    Column("name"),
    Column("volume_mm3", Kind.NUMBER),
    Column("category", Kind.INTEGER),
    Column("unfit", Kind.FLAG),
)
ROWS = [
    {"name": 'Zoë, "Ann" =x', "volume_mm3": -12.5, "category": 3, "unfit": True},
    {"name": '=HYPERLINK("http://x")', "volume_mm3": None, "category": None, "unfit": None},
]


@pytest.mark.parametrize("head", ["=", "+", "-", "@", "\t=", "\r=", "\n=", " =", "＝", "＋", "－", "＠", '"=', "'="])
def test_text_that_starts_like_a_formula(head: str) -> None:
    text = safe_text(head + "1+1")
    assert text.lstrip(' "').startswith("'")


@pytest.mark.parametrize("text", ["1.2.840.113", "P-1", "Müller^Jürgen", "a=b", "/data/x - y/1", "x@y", ""])
def test_other_text_is_left_alone(text: str) -> None:
    assert safe_text(text) == text


def test_behind_a_semicolon_too() -> None:
    """Where a spreadsheet parts cells at semicolons, quotes in the middle of a cell mean nothing."""
    assert safe_text("x;=1+1") == "x;'=1+1"


def test_numbers_stay_numbers() -> None:
    assert [safe_cell(v) for v in (-1.5, 3, True, None, float("nan"), 0.1 + 0.2)] == [
        "-1.5", "3", "true", "", "", "0.30000000000000004",
    ]  # fmt: skip


@given(st.lists(st.text(st.characters(codec=None)), min_size=1, max_size=5))
def test_a_row_is_one_line_and_reads_back(cells: list[str]) -> None:
    line = csv_line(cells)
    assert line.endswith("\r\n")
    assert "\n" not in line[:-2]
    assert "\r" not in line[:-2]
    (back,) = csv.reader([line.encode().decode()], strict=True)
    assert back == [safe_text(c) for c in cells]
    assert not any(b.lstrip(" \"'").startswith(tuple("=+-@")) and not b.lstrip(' "').startswith("'") for b in back)


@pytest.mark.parametrize(("separator", "mark"), [(",", "."), (";", ","), ("\t", ",")])
def test_a_table_is_read_as_a_spreadsheet_of_any_country_saves_it(tmp_path: Path, separator: str, mark: str) -> None:
    cells = [
        ["Exam", " X", "grade", "id"],
        ["a", "", f"1{mark}5", "0012"],
        ["", "", "", ""],
        ['"b\n"', "7", f"-0{mark}25", f"3{mark}5", "more"],
        ["ä"],
    ]
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(separator.join(row) for row in cells).encode())
    columns, rows = read_csv(path, "x", numbers=("x", "grade"))
    assert columns == ("exam", "x", "grade", "id")
    # Rows are counted as a spreadsheet does, and text keeps its commas.
    assert rows == [
        (2, ["a", "", "1.5", "0012"]),
        (4, ["b", "7", "-0.25", f"3{mark}5", "more"]),
        (5, ["ä"]),
    ]
    assert named(columns, rows[1][1]) == {"exam": "b", "x": "7", "grade": "-0.25", "id": f"3{mark}5"}
    assert named(("exam", "", "x"), ["ä", "u"]) == {"exam": "ä", "x": ""}


def test_a_comma_in_a_number_is_left_alone_where_commas_part_cells_or_part_thousands(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('x,y\n"1,5",2\n')
    assert read_csv(path, "x", numbers=("x",))[1] == [(2, ["1,5", "2"])]
    path.write_text("x;y\n1.234,5;1,2,3\n")
    assert read_csv(path, "x", numbers=("x", "y"))[1] == [(2, ["1.234,5", "1,2,3"])]


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "t.csv can't be read: "), ("x\nä\n".encode("cp1252"), "save it as one"), (b'x\n"1\n', "save it as one")],
)
def test_what_is_no_table_is_one_sentence(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_csv(path, "reads")
    assert caught.value.code == "reads"
    assert words in caught.value.message
    path.write_bytes(b"")
    assert read_csv(path, "reads") == ((), [])


def test_csv_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write_csv(path, COLUMNS, ROWS)
    assert (
        path.read_bytes()
        == (
            'name,volume_mm3,category,unfit\r\n"Zoë, ""Ann"" =x",-12.5,3,true\r\n"\'=HYPERLINK(""http://x"")",,,\r\n'
        ).encode()
    )
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(KeyError):
        write_csv(path, COLUMNS, [*ROWS, {}])
    assert path.stat().st_size > 50
    assert list(tmp_path.iterdir()) == [path]


def test_parquet_keeps_types_and_text(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    path = tmp_path / "t.parquet"
    write_parquet(path, COLUMNS, ROWS)
    table = pq.read_table(path)
    assert [str(t) for t in table.schema.types] == ["string", "double", "int64", "bool"]
    assert table.to_pylist() == ROWS


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    for write in (write_csv, write_parquet):
        with pytest.raises(InputError, match=r"t\.x can't be written"):
            write(tmp_path / "gone" / "t.x", COLUMNS, ROWS)


def test_parquet_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(InputError, match=r"\[parquet\]"):
        require_parquet()
