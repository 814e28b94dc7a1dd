"""reads.csv: what it may hold, and the one sentence that names row and column of what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyrisk_desktop.batch.reads_file import BatchRead, read_reads
from hyrisk_desktop.errors import InputError


def written(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "reads.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_reads_by_series_and_reader(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "﻿Series_UID,note,x,y,z,grade,reader\r\n1.2,a,10,20.0,3,1.5,Zoë\r\n1.2,,11,20,3,2,Ann\r\n\r\n1.3,,,,,0,\r\n1.4,,1,2,3,,\r\n",
    )
    assert read_reads(path) == {
        "1.2": (BatchRead((10, 20, 3), 1.5, "Zoë"), BatchRead((11, 20, 3), 2.0, "Ann")),
        "1.3": (BatchRead(None, 0.0),),
        "1.4": (BatchRead((1, 2, 3), None),),
    }


def test_semicolons_and_decimal_commas(tmp_path: Path) -> None:
    path = written(tmp_path, "series_uid;x;y;z;grade;reader\n1.2;10;20,0;3;1,5;Zoë, A\n")
    assert read_reads(path) == {"1.2": (BatchRead((10, 20, 3), 1.5, "Zoë, A"),)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "row 1: column series_uid"),
        ("series_uid,x,y,grade\n1,2,3,1\n", "row 1: column z is missing"),
        ("series_uid,x,y,z,grade,x\n1,2,3,4,1,1\n", "row 1: column x is there twice"),
        ("series_uid,x,y,z,grade\n1.2,1,2,3,1\n1.3,1,b,3,1\n", "row 3, column y: “b” is no voxel"),
        ("series_uid,x,y,z,grade\n1.2,1.5,2,3,1\n", "row 2, column x"),
        ("series_uid,x,y,z,grade\n1.2,-1,2,3,1\n", "row 2, column x"),
        ("series_uid,x,y,z,grade\n1.2,1,inf,3,1\n", "row 2, column y"),
        ("series_uid,x,y,z,grade\n1.2,1,2,1e300,1\n", "row 2, column z"),
        ("series_uid,x,y,z,grade\n1.2,1,,3,1\n", "row 2, column y: the cell is empty"),
        ("series_uid,x,y,z,grade\n,1,2,3,1\n", "row 2, column series_uid: the cell is empty"),
        ("series_uid,x,y,z,grade\n1.2,1,2,3,4\n", "row 2, column grade: “4” is no grade"),
        ("series_uid,x,y,z,grade\n1.2,1,2,3,nan\n", "row 2, column grade"),
        ("series_uid,x,y,z,grade\n1.2,1_2,2,3,1\n", "row 2, column x: “1_2” is no voxel"),
        ("series_uid,x,y,z,grade\n1.2,1,2,3,0_1\n", "row 2, column grade: “0_1” is no grade"),
        ("series_uid,x,y,z,grade\n1.2,1,2,3,1,Ann\n", "row 2, column 6: there are more cells"),
        ("series_uid,x,y,z,grade\n1.2,1,2\n", "row 2, column z: the cell is empty"),
        ("series_uid,x,y,z,grade\n1.2,1,2,3,1\n1.2,1,2,3,1\n", "row 3, column series_uid"),
        ("series_uid,x,y,z,grade,reader\n1.2,1,2,3,1,A\n1.2,1,2,3,1,A\n", "row 3, column reader"),
        ("series_uid,x,y,z,grade,reader\n1.2,1,2,3,1,\x07\n", "row 2, column reader"),
        (f"series_uid,x,y,z,grade,reader\n1.2,1,2,3,1,{'n' * 81}\n", "row 2, column reader"),
        ('series_uid,x,y,z,grade\n"1.2,1,2,3,1\n', "no CSV table"),
    ],
)
def test_every_error_names_its_row_and_column(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        read_reads(written(tmp_path, text))
    assert words in error.value.message
    assert error.value.message.startswith("reads.csv")
    assert "\n" not in error.value.message


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no CSV table in UTF-8"):
        read_reads(written(tmp_path, "series_uid,x,y,z,grade,reader\n1.2,1,2,3,1,Zoë\n", "latin-1"))
    with pytest.raises(InputError, match="No such file"):
        read_reads(tmp_path / "gone.csv")
