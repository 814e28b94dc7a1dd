"""A table that grows, survives a kill at any byte, and ends with rows that all count."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyrisk_desktop.batch.row import BatchRow
from hyrisk_desktop.batch.table import COLUMNS, open_table
from hyrisk_desktop.errors import InputError

IDS = ["e1-aa", "e2-aa", "e3-aa"]


def row(row_id: str, status: str = "scored", **values: object) -> BatchRow:
    known = {
        "patient_id": "P",
        "study_uid": "1",
        "series_uid": "2",
        "source": "/x",
        "fingerprint": "f",
        "bundle_sha256": "b",
    }
    return BatchRow(row_id=row_id, status=status, **(known | values))  # type: ignore[arg-type]


@pytest.fixture(params=["csv", "parquet"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"out.{request.param}"


def ids(path: Path) -> list[str]:
    if path.suffix == ".csv":
        with open(path, encoding="utf-8", newline="") as stream:
            return [r["row_id"] for r in csv.DictReader(stream)]
    import pyarrow.parquet as pq

    return list(pq.read_table(path)["row_id"].to_pylist())


def test_goes_on_where_it_stopped(path: Path) -> None:
    with open_table(path, IDS) as table:
        assert table.done == {}
        table.append(row("e1-aa"))
        table.append(row("e2-aa", "failed", error_code="x"))
    with open_table(path, IDS) as table:
        assert table.done == {"e1-aa": ("f", "b")}
        table.append(row("e2-aa", fingerprint="g"))
    assert ids(path) == ["e1-aa", "e2-aa"]
    assert [p.name for p in path.parent.iterdir() if p.name.startswith(("out", ".out"))] == [path.name]
    with open_table(path, IDS) as table:
        assert table.done["e2-aa"] == ("g", "b")


def test_a_row_made_again_stands_where_it_was_made_last(path: Path) -> None:
    with open_table(path, IDS) as table:
        for row_id in IDS:
            table.append(row(row_id))
        table.append(row("e1-aa", "failed"))
        assert set(table.done) == {"e2-aa", "e3-aa"}, "what failed now is no longer done"
    assert ids(path) == ["e2-aa", "e3-aa", "e1-aa"]
    with open_table(path, [*IDS, "e4-aa"]) as table:
        assert set(table.done) == {"e2-aa", "e3-aa"}
        assert table.done["e2-aa"] == ("f", "b")


def test_nothing_is_rewritten_needlessly(path: Path) -> None:
    with open_table(path, IDS) as table:
        table.append(row("e1-aa"))
    before = path.stat()
    with open_table(path, IDS):
        pass
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_rows_that_no_longer_count_leave_and_others_stay(path: Path) -> None:
    with open_table(path, ["e1-aa", "e9-aa"]) as table:
        table.append(row("e1-aa"))
        table.append(row("e9-aa"))
    with open_table(path, ["e1-bb", "e1-cc"]) as table:
        # The exam's proposed centre gives way to two readers'; e9 is of another folder.
        table.append(row("e1-bb", reader="Ann"))
    assert ids(path) == ["e9-aa", "e1-bb"]


def test_a_kill_at_any_byte_of_a_row(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with open_table(path, IDS) as table:
        table.append(row("e1-aa", patient_id='Zoë "=1"'))
        whole = path.stat().st_size
        table.append(row("e2-aa"))
    data = path.read_bytes()
    for size in [*range(0, len(data), 7), whole - 1, whole + 1, len(data) - 1]:
        path.write_bytes(data[:size])
        with open_table(path, IDS) as table:
            assert set(table.done) == ({"e1-aa"} if whole <= size else set())
            table.append(row("e3-aa"))
        assert ids(path) == [*(["e1-aa"] if whole <= size else []), "e3-aa"]


def test_what_a_kill_left_of_a_row_is_gone_however_long_it_was(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with open_table(path, IDS) as table:
        table.append(row("e1-aa"))
    path.write_bytes(path.read_bytes() + b"e2-aa," + b"x" * 5000)
    with open_table(path, IDS) as table:
        table.append(row("e3-aa"))
    assert ids(path) == ["e1-aa", "e3-aa"]
    assert b"x" * 10 not in path.read_bytes()


def test_a_kill_while_parquet_rows_are_kept_aside(tmp_path: Path) -> None:
    path, journal = tmp_path / "out.parquet", tmp_path / ".out.parquet.rows"
    table = open_table(path, IDS)
    table.append(row("e1-aa", agatston=1.5))
    table.append(row("e2-aa"))
    data = journal.read_bytes()
    table.close()
    path.unlink()
    journal.write_bytes(data[:-3])
    with open_table(path, IDS) as table:
        assert set(table.done) == {"e1-aa"}
    assert ids(path) == ["e1-aa"]
    assert not journal.exists()


def foreign() -> Iterator[bytes]:
    yield b"patient,age\r\nDoe,60\r\n"
    yield b"\x00\xff\x00\r\n"
    yield b"notes without a line end"
    yield (",".join(c.name for c in COLUMNS) + "\r\nonly,three,cells\r\n").encode()


@pytest.mark.parametrize("content", list(foreign()))
def test_another_table_is_never_touched(tmp_path: Path, content: bytes) -> None:
    for name in ("out.csv", "out.parquet"):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError, match="another table"):
            open_table(path, IDS)
        assert path.read_bytes() == content


def test_two_runs_do_not_share_a_table(path: Path) -> None:
    with open_table(path, IDS), pytest.raises(InputError, match="Another run"):
        open_table(path, IDS)
    with open_table(path, IDS):
        pass


def test_a_home_that_can_not_be_written_is_not_taken_for_the_table(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").touch()
    monkeypatch.setenv("HYRISK_HOME", str(tmp_path / "home"))
    with pytest.raises(
        InputError, match=r"^The program's own folder .*batch can't be written, .* HYRISK_HOME"
    ) as caught:
        open_table(path, ["a-1"])
    assert caught.value.code == "unwritable_cache"
    assert not path.exists()


def test_other_endings_and_folders_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.csv or \.parquet"):
        open_table(tmp_path / "out.xlsx", IDS)
    for name in ("out.csv", "out.parquet"):
        with pytest.raises(InputError, match="can't be written"):
            open_table(tmp_path / "gone" / name, IDS)


def test_a_full_disk_leaves_whole_rows(tmp_path: Path) -> None:
    class Full:
        def __init__(self, stream: object) -> None:
            self._stream = stream

        def write(self, data: bytes) -> int:
            self._stream.write(data[:10])  # type: ignore[attr-defined]
            raise OSError(28, "No space left on device")

        def __getattr__(self, name: str) -> object:
            return getattr(self._stream, name)

    path = tmp_path / "out.csv"
    table = open_table(path, IDS)
    table.append(row("e1-aa"))
    stream = table._stream  # type: ignore[attr-defined]
    table._stream = Full(stream)  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="No space left"):
        table.append(row("e2-aa"))
    table._stream = stream  # type: ignore[attr-defined]
    table.close()
    assert ids(path) == ["e1-aa"]


def test_columns_have_units() -> None:
    names = {c.name for c in COLUMNS}
    assert {"volume_mm3", "region_x_mm", "centre_x_voxel", "seconds"} <= names
    assert len(COLUMNS) == len(dataclasses.fields(BatchRow))
