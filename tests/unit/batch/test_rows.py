"""One row, one exam: what decides it, what it says, and that it says the same as the reader's own measurement."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyrisk_desktop.batch.exam import BatchExam, batch_exams, unused_reads
from hyrisk_desktop.batch.reads_file import BatchRead, read_reads
from hyrisk_desktop.batch.row import BatchRow, BatchSettings, with_numbers
from hyrisk_desktop.batch.run import run_batch
from hyrisk_desktop.calcium import Region, get_profile
from hyrisk_desktop.errors import Cancelled, InputError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.imaging import ScannedExam, find_series, read_volume
from hyrisk_desktop.jobs import CancelToken
from hyrisk_desktop.measurement import collect_findings, measure, survey
from hyrisk_desktop.risk import Predictor
from tests.helpers import dicom_series
from tests.helpers.batch import exams_in, timeless
from tests.helpers.bundles import edit_description, write_tiny_bundle

CENTRE = (36, 30, 12)
LESIONS = {(12, 30, 36): 320, (12, 31, 36): 200, (10, 29, 40): 450, (14, 33, 30): 150, (20, 40, 36): 260, (3, 30, 20): 410, (12, 26, 30): 240,
           (12, 27, 31): 135}  # fmt: skip


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    write_tiny_bundle(folder)
    return Predictor(folder, "cpu")


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exam of 24 slices of 60 x 72 pixels of 3.5 x 4 mm with calcium near and far from `CENTRE`."""
    made = dicom_series.slices(24, 60, 72, pixel=(3.5, 4.0))
    for (z, y, x), hu in LESIONS.items():
        pixels = np.frombuffer(made[z].PixelData, np.uint16).reshape(60, 72).copy()
        pixels[y, x] = hu + 1024
        made[z].PixelData = pixels.tobytes()
    return dicom_series.write(made, tmp_path_factory.mktemp("calcified") / "exam")


def rows_of(exam: Path, predictor: Predictor | None, *reads: BatchRead, **settings: Any) -> list[BatchRow]:
    rows: list[BatchRow] = []
    uid = find_series(exam)[0].series_uid
    run_batch(exams_in(exam, {uid: reads}), BatchSettings(**settings), predictor, on_row=rows.append)
    return rows


READS = {
    "plain": BatchRead(CENTRE, 1.0, "Ann"),
    "excluded": BatchRead(CENTRE, 2.0, "Ann", excluded=frozenset({(36, 31, 12), (30, 33, 14)})),
    "box": BatchRead(CENTRE, 2.0, "Ann", box=Region((15, 20, 2), (50, 45, 22))),
    "excluded from a box": BatchRead(CENTRE, 2.0, "Ann", frozenset({(20, 30, 3)}), Region((15, 20, 2), (50, 45, 22))),
    "profile": BatchRead(CENTRE, 3.0, "Ann", profile="four_connected"),
    "near an end": BatchRead((40, 28, 1), 0.0, "Ann"),
    "beside it": BatchRead((20, 30, 5), None, "Ann"),
}


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("whole", [False, True])
def test_a_row_is_the_readers_own_measurement(exam: Path, predictor: Predictor, name: str, whole: bool) -> None:
    read = READS[name]
    (row,) = rows_of(exam, predictor, read, whole=whole)
    volume = read_volume(find_series(exam)[0])
    profile = get_profile(read.profile or "standard")
    m = measure(
        volume, read.centre or CENTRE, read.grade, predictor, box=read.box, profile=profile, excluded=read.excluded
    )
    assert m.risk is not None
    assert m.scores.agatston > 0
    assert any(lesion.excluded for lesion in m.scores.lesions) is bool(read.excluded)
    assert (row.agatston, row.volume_mm3, row.category) == (m.scores.agatston, m.scores.volume_mm3, m.scores.category)
    assert row.sqrt_volume_mm1_5 == m.scores.sqrt_volume
    size = m.scores.region.size_xyz
    assert (row.region_x_mm, row.region_y_mm, row.region_z_mm) == (size[0] * 4.0, size[1] * 3.5, size[2] * 2.5)
    assert (row.centre_x_voxel, row.centre_y_voxel, row.centre_z_voxel) == read.centre
    assert m.risk_standing.withheld is (name == "beside it")
    risk = (m.risk.risknet, m.risk.hyrisknet, m.risk.percentile, *m.risk.interval)
    expected = (None,) * 5 if m.risk_standing.withheld else risk
    assert (row.risknet, row.hyrisknet, row.percentile, row.interval_low, row.interval_high) == expected
    assert (row.risk_state, row.risk_reasons) == (m.risk_standing.state, " ".join(m.risk_standing.codes))
    assert (row.calcium_state, row.calcium_reasons) == (m.scores_standing.state, " ".join(m.scores_standing.codes))
    assert {"plain": "doubtful", "beside it": "withheld"}.get(name, row.risk_state) == row.risk_state
    assert (row.prevalence, row.calibrated) == (0.4 if read.grade is None else 0.3, True)
    assert (row.profile, row.reader, row.grade) == (m.scores.profile, "Ann", read.grade)
    full = whole or read.box is not None
    assert row.findings_checked == ("whole" if full else "slab")
    assert row.findings.split() == [f.code for f in m.findings if full or f.code not in ("truncated_fov", "padding")]
    assert row.unfit is False


def test_a_profile_of_the_run_and_of_a_read(exam: Path) -> None:
    run, own = (
        rows_of(exam, None, BatchRead(CENTRE, 1.0, "Ann", profile=name), profile="no_spacing_correction")[0]
        for name in ("", "standard")
    )
    assert (run.profile, own.profile) == ("no_spacing_correction", "standard")
    assert run.agatston == pytest.approx((own.agatston or 0) * 3 / 2.5)


def test_an_unfit_exam_says_so_and_its_worst_finding_first(exam: Path) -> None:
    volume = read_volume(find_series(exam)[0])
    contrast = dataclasses.replace(volume, attributes={**volume.attributes, "ContrastBolusAgent": "IV"})
    blank = BatchRow("e-1", "", "", "", "", "failed")
    row = with_numbers(blank, measure(contrast, CENTRE, 1.0, None))
    assert (row.unfit, row.findings.split()[0], row.status) == (True, "contrast", "scored")
    assert with_numbers(blank, measure(volume, CENTRE, 1.0, None)).unfit is False


def test_what_models_are_given_is_the_standard_region_whatever_is_shown(exam: Path) -> None:
    volume = read_volume(find_series(exam)[0])
    excluded = frozenset({(40, 29, 10)})
    plain = survey(volume, CENTRE, 1.0, excluded=excluded)
    assert plain.region_agatston == plain.scores.agatston > 0
    assert survey(volume, CENTRE, 1.0).region_agatston > plain.region_agatston
    box = Region((15, 20, 2), (50, 45, 22))
    others = [
        survey(volume, CENTRE, 1.0, box=box, excluded=excluded),
        survey(volume, CENTRE, 1.0, profile=get_profile("no_spacing_correction"), excluded=excluded),
        survey(volume, CENTRE, 1.0, region=(5, 5, 3), excluded=excluded),
    ]
    for other in others:
        assert other.region_agatston == plain.region_agatston != other.scores.agatston
    outside = survey(volume, (500, 1, 1), 1.0, box=box)
    assert outside.region_agatston == 0


class Asked:
    """Remembers what a predictor was asked."""

    agatston: float | None = None

    def predict(self, volume: Any, centre: Any, grade: Any, *, agatston: float) -> None:
        self.agatston = agatston


def test_a_model_is_asked_with_the_region_and_not_with_the_box(exam: Path) -> None:
    volume, asked = read_volume(find_series(exam)[0]), Asked()
    m = measure(volume, CENTRE, 1.0, asked, box=Region((15, 20, 2), (50, 45, 22)))  # type: ignore[arg-type]
    assert asked.agatston == survey(volume, CENTRE, 1.0).scores.agatston != m.scores.agatston


def test_a_row_of_a_model_that_takes_the_agatston_score(
    exam: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_bundle(tmp_path)
    edit_description(tmp_path, score_input="agatston", agatston_scale=1000.0)
    model, read = Predictor(tmp_path, "cpu"), READS["box"]
    (row,) = rows_of(exam, model, read)
    assert (row.hyrisknet, row.risk_state) == (None, "withheld"), "its region is larger than a heart, if the box is not"
    monkeypatch.setattr("hyrisk_desktop.calcium.scores.MAX_REGION_MM", 1e6)
    (row,) = rows_of(exam, model, read)
    m = measure(read_volume(find_series(exam)[0]), CENTRE, read.grade, model, box=read.box)
    assert m.risk is not None
    assert (row.hyrisknet, row.score_input, row.agatston) == (m.risk.hyrisknet, "agatston", m.scores.agatston)
    assert m.risk.agatston != m.scores.agatston


def test_cancelling_counts_between_two_reads_of_one_exam_as_well(exam: Path) -> None:
    token, rows = CancelToken(), list[BatchRow]()
    reads = [dataclasses.replace(READS["plain"], reader=name) for name in ("Ann", "Ben", "Cem")]
    exams = exams_in(exam, {find_series(exam)[0].series_uid: reads})

    def on_row(row: BatchRow) -> None:
        rows.append(row)
        token.cancel()

    with pytest.raises(Cancelled):
        run_batch(exams, BatchSettings(), None, on_row=on_row, cancel=token)
    assert [row.reader for row in rows] == ["Ann"]


def finding(code: str, severity: Severity, words: str = "x") -> Finding:
    return Finding(code, severity, words)


def test_findings_stand_once_and_the_worst_first(exam: Path) -> None:
    info, warning, unfit = Severity.INFO, Severity.WARNING, Severity.UNFIT
    scan = (finding("padding", info), finding("kvp", warning, "first"), finding("turned", info))
    around = (
        finding("noise", warning),
        finding("kvp", warning, "second"),
        finding("region_outside", warning),
        finding("contrast", unfit),
    )
    found = collect_findings(scan, around, None, 0.0, None)
    assert [f.code for f in found] == ["contrast", "kvp", "noise", "region_outside", "padding", "turned"]
    assert found[1].message == "first"
    volume = read_volume(find_series(exam)[0])
    whole = measure(volume, CENTRE, 0.0, None, box=Region((15, 20, 2), (50, 45, 22))).scores
    codes = [f.code for f in collect_findings((), around, whole, 0.0, None)]
    # Of a box that the reader drew, the region around the centre is not what is scored.
    assert codes == ["contrast", "noise", "kvp", "grade_disagrees"]
    assert "whole-heart box" in collect_findings((), (), whole, 0.0, None)[0].message


def test_the_region_that_is_looked_at_is_the_one_that_is_scored(exam: Path) -> None:
    volume = read_volume(find_series(exam)[0])
    codes = [[f.code for f in measure(volume, (36, 30, 2), 0.0, None, region=(5, 5, d)).findings] for d in (5, 7)]
    assert ["region_outside" in c for c in codes] == [False, True]


# --- what decides a row


def exam_of(exam: Path) -> BatchExam:
    return exams_in(exam)[0]


def test_everything_that_decides_a_row_is_in_its_fingerprint(exam: Path) -> None:
    one, base = exam_of(exam), BatchRead(CENTRE, 1.0, "Ann")
    reads = [base, *(dataclasses.replace(base, **change) for change in (
        {"centre": (36, 30, 13)}, {"centre": None}, {"grade": 1.5}, {"grade": None}, {"reader": "Ben"}, {"profile": "standard"},
        {"excluded": frozenset({(1, 2, 3)})}, {"box": Region((1, 2, 3), (4, 5, 6))}, {"box": Region((1, 2, 3), (4, 5, 7))},
    ))]  # fmt: skip
    settings = [BatchSettings(), *(BatchSettings(**change) for change in (
        {"profile": "four_connected"}, {"prevalence": 0.1}, {"device": "cpu"}, {"whole": True},
        {"engine": "torch"}, {"engine": "onnx"}, {"whole_heart": True},
    ))]  # fmt: skip
    prints = [one.fingerprint(read, settings[0].fingerprint) for read in reads]
    prints += [one.fingerprint(base, s.fingerprint) for s in settings[1:]]
    assert len(set(prints)) == len(reads) + len(settings) - 1
    assert one.fingerprint(base, settings[0].fingerprint) == prints[0]
    for read in reads:
        assert BatchRead.from_plain(read.plain) == read
    file = one.record.files[3]
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert one.fingerprint(base, settings[0].fingerprint) != prints[0]
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    with open(file, "ab") as stream:
        stream.write(b"\0")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert one.fingerprint(base, settings[0].fingerprint) != prints[0]
    os.truncate(file, status.st_size)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert one.fingerprint(base, settings[0].fingerprint) == prints[0]


@pytest.mark.parametrize("workers", [1, 3])
def test_two_exams_for_each_reader_are_ahead(exam: Path, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[int] = []

    class Pool(ThreadPoolExecutor):
        def submit(self, *what: Any) -> Any:  # type: ignore[override]
            handed.append(1)
            return super().submit(*what)

    monkeypatch.setattr("hyrisk_desktop.batch.run.ThreadPoolExecutor", Pool)
    ahead: list[int] = []
    exams = [dataclasses.replace(exam_of(exam), reads=(READS["plain"],))] * 8
    run_batch(exams, BatchSettings(), None, on_row=lambda _: ahead.append(len(handed) - len(ahead)), workers=workers)
    assert (len(ahead), max(ahead)) == (8, 2 * workers)


def test_reads_of_no_exam_are_counted(exam: Path) -> None:
    one = exam_of(exam)
    assert unused_reads([one], {"1.2.3": (), "1.2.4": (), one.series_uid: ()}) == 2
    assert unused_reads([one], {one.series_uid: ()}) == 0


def test_slots_tell_series_and_readers_apart(exam: Path) -> None:
    one = dataclasses.replace(exam_of(exam), reads=(BatchRead(reader="Ann"), BatchRead(reader="Ben")))
    other = dataclasses.replace(one, series_uid="1.2.3")
    ids = [slot for e in (one, other) for slot, _ in e.slots]
    assert len(set(ids)) == 4
    assert {i.partition("-")[0] for i in ids} == {one.token}
    assert [slot for slot, _ in dataclasses.replace(one, reads=()).slots] == [slot for slot, _ in exam_of(exam).slots]
    again = BatchExam.from_plain(one.to_plain())
    assert again == dataclasses.replace(one, patient_id="")
    assert again.record == one.record


def test_a_damaged_copy_does_not_take_the_place_of_a_sound_exam(exam: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = find_series(exam)[0]
    sound = ScannedExam("key", exam, (record,))
    bad = ScannedExam("key", exam, (dataclasses.replace(record, suitable=False, reason="Cut.", problem="truncated"),))
    worse = ScannedExam("key", exam, (), ("damaged", "Damaged."))
    (lone,) = batch_exams(bad, {})
    assert lone.problem == ("unsuitable", "No series of this exam can be read.")
    for order, problem in (
        ([sound, bad], None),
        ([bad, sound], None),
        ([worse, sound, worse], None),
        ([bad, worse], ("damaged", "Damaged.")),
    ):
        monkeypatch.setattr("hyrisk_desktop.batch.exam.scan_exams", lambda *_, order=order, **__: iter(order))
        (found,) = exams_in(exam)
        assert found.problem == problem


@pytest.mark.parametrize(("workers", "refused"), [(1, False), (64, False), (65, True), (-1, True), (0, False)])
def test_how_many_readers(workers: int, refused: bool) -> None:
    if refused:
        with pytest.raises(InputError, match="1 and 64"):
            run_batch([], BatchSettings(), None, on_row=lambda _: None, workers=workers)
    else:
        assert run_batch([], BatchSettings(), None, on_row=lambda _: None, workers=workers).total == 0


@pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.1, float("nan")])
def test_a_prevalence_lies_between_none_and_all(prevalence: float) -> None:
    with pytest.raises(InputError, match="both excluded"):
        BatchSettings(prevalence=prevalence).check()
    BatchSettings(prevalence=0.001, device="cuda").check()


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        ("1,2,3,0", BatchRead((1, 2, 3), 0.0)), ("1,2,3,3.0", BatchRead((1, 2, 3), 3.0)), ("0,0,0,1", BatchRead((0, 0, 0), 1.0)),
        ("1000000,2,3,1", BatchRead((1_000_000, 2, 3), 1.0)), ("1000001,2,3,1", None), ("1,2,3,3.001", None), ("1,2,3,-0.001", None),
        ("1,2,-1,1", None), ("3,2,1,0.5", BatchRead((3, 2, 1), 0.5)),
    ],
)  # fmt: skip
def test_cells_just_inside_and_just_outside(cells: str, read: BatchRead | None, tmp_path: Path) -> None:
    path = tmp_path / "reads.csv"
    path.write_text(f"series_uid,x,y,z,grade,reader\n1.2,{cells},{'n' * 80}\n", encoding="utf-8")
    if read is None:
        with pytest.raises(InputError, match="row 2"):
            read_reads(path)
    else:
        assert read_reads(path) == {"1.2": (dataclasses.replace(read, reader="n" * 80),)}


def test_a_second_run_over_the_same_rows_is_the_same(exam: Path, predictor: Predictor) -> None:
    reads: Sequence[BatchRead] = [dataclasses.replace(r, reader=n) for n, r in READS.items()]
    assert timeless(rows_of(exam, predictor, *reads)) == timeless(rows_of(exam, predictor, *reads))
