"""The paper's cohort from made-up files with NLST's real column names."""

from __future__ import annotations

import csv
import errno
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from hyrisk_desktop.errors import InputError
from model_training.nlst import STAGES, build_nlst, parse_stages, read_participants, read_series, write_reading_list

PEOPLE = ("pid", "de_stag", "candx_days", "scr_days0", "fup_days", "death_days", "age")
SERIES = (
    "Subject ID",
    "Study Date",
    "Series UID",
    "Modality",
    "Series Description",
    "Number of Images",
    "File Location",
)


def write(path: Path, header: tuple[str, ...], rows: list[tuple[object, ...]]) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def person(pid: int, stage: int | str, *, died: bool, **cells: object) -> tuple[object, ...]:
    row: dict[str, object] = {
        "pid": pid, "de_stag": stage, "candx_days": 400, "scr_days0": 12, "fup_days": 2400, "death_days": 900 if died else ".N",
        "age": 61,
    } | cells  # fmt: skip
    return tuple(row[name] for name in PEOPLE)


def series(
    pid: int, uid: str, kernel: str = "STANDARD", *, date: str = "01-02-1999", images: int = 140, mm: float = 2.5
) -> tuple[object, ...]:
    text = f"0,OPA,GE,LS16,{kernel},340,{mm},120,40,0.1,1.5"
    return (pid, date, uid, "CT", text, images, rf".\NLST\{pid}\{uid}")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    rng = random.Random(0)
    people, listed = [], []
    pid = 100000
    for codes in STAGES.values():
        for i in range(130):
            pid += 1
            people.append(person(pid, codes[i % len(codes)], died=i % 2 == 1))
            rows = [
                series(pid, f"1.2.{pid}.1", "BONE"),
                series(pid, f"1.2.{pid}.2", "STANDARD"),
                series(pid, f"1.2.{pid}.3", "STANDARD", images=2),
                series(pid, f"1.2.{pid}.4", "SOFT", date="01-02-2000"),
            ]
            rng.shuffle(rows)
            listed += rows
    people += [person(900001, 110, died=False, candx_days=".N")]
    return write(tmp_path / "prsn.csv", PEOPLE, people), write(tmp_path / "series.csv", SERIES, listed)


def test_ninety_pairs_matched_by_stage(files: tuple[Path, Path], tmp_path: Path) -> None:
    cohort = build_nlst(*files)
    assert Counter((p.stage, p.outcome) for p, _, _ in cohort.chosen) == {
        ("I", 0): 49, ("I", 1): 49, ("II", 0): 19, ("II", 1): 19, ("III", 0): 22, ("III", 1): 22,
    }  # fmt: skip
    assert len({p.pid for p, _, _ in cohort.chosen}) == 180
    # The softest kernel of the baseline screen, not the localizer, not next year's.
    assert {record.series_uid.rpartition(".")[2] for _, record, _ in cohort.chosen} == {"2"}
    assert not cohort.missing
    write_reading_list(tmp_path / "list.csv", cohort, tmp_path)
    with open(tmp_path / "list.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 180
    first = cohort.chosen[0][0]
    assert Path(rows[0]["exam"]) == tmp_path / "NLST" / first.pid / f"1.2.{first.pid}.2"
    assert (rows[0]["grade"], rows[0]["patient_id"]) == ("", first.pid)


def test_a_list_that_can_not_be_written_leaves_the_one_that_was_there(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "list.csv").write_text("with a reader's grades")
    cohort = build_nlst(*files)
    monkeypatch.setattr("hyrisk_desktop.files._to_disk", full)
    with pytest.raises(InputError, match=r"list\.csv can't be written: No space left on device"):
        write_reading_list(tmp_path / "list.csv", cohort)
    assert (tmp_path / "list.csv").read_text() == "with a reader's grades"


def test_the_draw_follows_the_seed_and_not_the_order_of_the_file(files: tuple[Path, Path]) -> None:
    def pids(seed: int) -> list[str]:
        return [p.pid for p, _, _ in build_nlst(*files, seed=seed).chosen]

    once = pids(1)
    assert pids(1) == once
    assert pids(2) != once
    lines = files[0].read_text().splitlines()
    files[0].write_text("\n".join([lines[0], *reversed(lines[1:])]))
    assert pids(1) == once


def test_who_is_missing_what_is_said(tmp_path: Path, files: tuple[Path, Path]) -> None:
    rows = [
        person(1, 999, died=True),
        person(2, 110, died=True, scr_days0=".N"),
        person(3, 110, died=False, fup_days=".M"),
        person(4, 110, died=True, death_days=-5),
        person(5, 110, died=False, candx_days=".N"),
        person(6, 220, died=True),
    ]
    people, missing = read_participants(write(tmp_path / "few.csv", PEOPLE, rows))
    assert [(p.pid, p.stage, p.outcome) for p in people] == [("6", "II", 1)]
    assert [pid for pid, _ in missing] == ["1", "2", "3", "4"]
    for (_, reason), word in zip(missing, ("stage", "baseline screen", "last contact", "before"), strict=True):
        assert word in reason


@pytest.mark.parametrize("no_number", ["nan", "NaN", "inf"])
def test_nan_is_a_missing_value_and_no_death(tmp_path: Path, files: tuple[Path, Path], no_number: str) -> None:
    """Other programs write so what is not there: nobody has died for it, has cancer for it, or was screened for it."""
    rows = [
        person(1, 110, died=False, death_days=no_number),
        person(2, no_number, died=True),
        person(3, 110, died=True, candx_days=no_number),
        person(4, 110, died=False, death_days=no_number, fup_days=no_number),
    ]
    people, missing = read_participants(write(tmp_path / "few.csv", PEOPLE, rows))
    assert [(p.pid, p.outcome) for p in people] == [("1", 0)]
    assert [pid for pid, _ in missing] == ["2", "4"]
    header = ("pid", "SeriesInstanceUID", "study_yr", "reconthickness", "numimages")
    (record, _), *_ = read_series(write(tmp_path / "list.csv", header, [(7, "1.2.1", 0, no_number, no_number)]))["7"]
    assert record.suitable
    assert record.thickness_mm is None


def test_public_files_without_survival_say_where_it_is(tmp_path: Path, files: tuple[Path, Path]) -> None:
    header = tuple(name for name in PEOPLE if name not in ("death_days", "fup_days"))
    public = write(tmp_path / "public.csv", header, [(1, 110, 400, 12, 61)])
    with pytest.raises(InputError, match=r"no survival.*CDAS"):
        build_nlst(public, files[1])
    with pytest.raises(InputError, match="lacks de_stag"):
        build_nlst(write(tmp_path / "other.csv", ("pid", "candx_days", "scr_days0"), [(1, 2, 3)]), files[1])


def test_too_few_of_a_stage_are_counted(files: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match="stage IV: 70 pairs wanted, 65 survivors and 65 non-survivors"):
        build_nlst(*files, stages={"IV": 70})


@pytest.mark.parametrize("text", ["I", "I=x", "V=3", "I=0", ""])
def test_stages_must_be_written_so(text: str) -> None:
    assert parse_stages("I=49, II=19") == {"I": 49, "II": 19}
    with pytest.raises(InputError, match="Write stages"):
        parse_stages(text)


def test_lists_by_study_year_are_read_too(tmp_path: Path) -> None:
    header = ("pid", "SeriesInstanceUID", "study_yr", "reconfilter", "reconthickness", "numimages")
    rows = [(7, "1.2.1", 0, "B50f", 2.0, 150), (7, "1.2.2", 0, "B30f", 2.0, 150), (7, "1.2.3", 1, "B30f", 2.0, 150)]
    found = read_series(write(tmp_path / "list.csv", header, rows))
    assert [record.series_uid for record, _ in found["7"]] == ["1.2.1", "1.2.2"]
