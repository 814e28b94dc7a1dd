"""The engine of bulk scoring: every exam a row, the same numbers as one at a time, and nothing stops it but its owner."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from hyrisk_desktop.batch import run as engine
from hyrisk_desktop.batch.exam import BatchExam, unused_reads
from hyrisk_desktop.batch.pace import BatchProgress, Pace
from hyrisk_desktop.batch.reads_file import BatchRead
from hyrisk_desktop.batch.row import BatchRow, BatchSettings
from hyrisk_desktop.batch.run import run_batch
from hyrisk_desktop.errors import Cancelled, InputError
from hyrisk_desktop.imaging import find_series, propose_centre, read_volume
from hyrisk_desktop.jobs import CancelToken, PauseToken
from hyrisk_desktop.measurement import measure
from hyrisk_desktop.risk import Predictor
from tests.helpers.batch import CENTRE, exams_in, reads_of, series_uid, timeless, write_exams
from tests.helpers.bundles import write_tiny_bundle
from tests.helpers.exams import write_exam
from tests.helpers.patience import PATIENCE_S

WHOLE_ONLY = {"truncated_fov", "padding"}


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    write_tiny_bundle(folder)
    return Predictor(folder, "cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_exams(tmp_path_factory.mktemp("exams"), 5)


def run(exams: Sequence[BatchExam], predictor: Predictor | None, **how: object) -> list[BatchRow]:
    rows: list[BatchRow] = []
    run_batch(exams, BatchSettings(), predictor, on_row=rows.append, **how)  # type: ignore[arg-type]
    return rows


def done_of(rows: Sequence[BatchRow]) -> dict[str, tuple[str, str]]:
    return {row.row_id: (row.fingerprint, row.bundle_sha256) for row in rows}


def test_the_same_numbers_as_one_exam_at_a_time(folder: Path, predictor: Predictor) -> None:
    rows = run(exams_in(folder, reads_of([1, 2, 3])), predictor)
    assert [row.series_uid for row in rows] == [series_uid(n) for n in range(1, 6)]
    for number, row in enumerate(rows, 1):
        volume = read_volume(find_series(folder / f"exam{number:03d}")[0])
        proposal = propose_centre(volume)
        assert proposal is not None
        read = number <= 3
        m = measure(volume, CENTRE if read else proposal.voxel, float(number % 4) if read else None, predictor)
        assert m.risk is not None
        assert row.status == "scored"
        assert (row.agatston, row.volume_mm3, row.category) == (
            m.scores.agatston,
            m.scores.volume_mm3,
            m.scores.category,
        )
        assert (row.region_x_mm, row.region_y_mm, row.region_z_mm) == m.scores.region_mm
        assert (row.risknet, row.hyrisknet) == (m.risk.risknet, m.risk.hyrisknet)
        assert (row.interval_low, row.interval_high) == m.risk.interval
        assert (row.percentile, row.prevalence, row.model) == (m.risk.percentile, m.risk.prevalence, m.risk.model)
        assert (row.model_sha256, row.bundle_sha256) == (m.risk.sha256, m.risk.bundle_sha256)
        assert row.demonstration is True
        codes = [f.code for f in m.findings]
        if read:
            assert (row.centre_from, row.reader, row.findings_checked) == ("reads", "Ann", "slab")
            assert row.findings.split() == [c for c in codes if c not in WHOLE_ONLY]
        else:
            assert row.centre_from == ("proposed centre" if proposal.confident else "proposed centre, unsure")
            assert (row.centre_note, row.findings_checked) == (proposal.reason, "whole")
            assert row.findings.split() == codes
        assert row.patient_id == f"P{number:03d}"
        assert row.program_version


@pytest.mark.real_data
def test_the_same_numbers_on_a_real_exam(real_data: Path, predictor: Predictor) -> None:
    folder, centre = real_data / "nlst_101287_T0", (258, 224, 74)
    volume = read_volume(find_series(folder)[0])
    m = measure(volume, centre, 2.0, predictor)
    (row,) = run(exams_in(folder, {volume.series_uid: (BatchRead(centre, 2.0),)}), predictor)
    assert m.risk is not None
    assert (row.agatston, row.volume_mm3, row.hyrisknet) == (m.scores.agatston, m.scores.volume_mm3, m.risk.hyrisknet)
    assert (row.interval_low, row.interval_high) == m.risk.interval
    assert row.findings.split() == [f.code for f in m.findings if f.code not in WHOLE_ONLY]


def test_a_bad_exam_is_a_row_with_its_reason(tmp_path: Path, predictor: Predictor) -> None:
    for n in range(1, 6):
        write_exam(tmp_path / f"{n}", n)
    (tmp_path / "2" / f"I{10 * 7919 % 10007:05d}.dcm").unlink()
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk" / "x.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\x08\0\x05\0CS\xff\xff")
    (tmp_path / "4.zip").write_bytes(b"PK\3\4 no zip")
    exams = exams_in(tmp_path, reads_of(range(1, 6)))
    # Gone between listing and reading; and a centre outside.
    shutil.rmtree(tmp_path / "3")
    exams += exams_in(tmp_path / "5", {series_uid(5): (BatchRead((500, 1, 1), 1.0, "Far"),)})
    seen: list[BatchProgress] = []
    rows = run(exams, predictor, progress=seen.append)
    by_name = {(Path(row.source).name, row.reader): row for row in rows}
    assert by_name["1", "Ann"].status == by_name["4", "Ann"].status == by_name["5", "Ann"].status == "scored"
    codes = {name: row.error_code for (name, _), row in by_name.items() if row.status == "failed" and name != "5"}
    assert codes == {"2": "missing_slice", "3": "not_found", "junk": "damaged", "4.zip": "zip_damaged"}
    assert by_name["5", "Far"].error_code == "centre_outside"
    for row in rows:
        assert (row.error == "") == (row.status == "scored")
        assert (row.risknet is None) == (row.status == "failed")
    assert seen[-1] == BatchProgress(len(rows), len(rows), 5, 0, seen[-1].per_minute, seen[-1].seconds_left)


def test_two_readers_are_two_rows(folder: Path, predictor: Predictor) -> None:
    reads = {series_uid(1): (BatchRead(CENTRE, 0.0, "Ann"), BatchRead((40, 30, 10), 3.0, "Zoë"))}
    rows = run(exams_in(folder / "exam001", reads), predictor)
    assert [(r.reader, r.grade, r.centre_x_voxel) for r in rows] == [("Ann", 0.0, 36), ("Zoë", 3.0, 40)]
    assert rows[0].row_id != rows[1].row_id
    assert rows[0].hyrisknet != rows[1].hyrisknet


def test_the_series_that_was_read_is_scored_and_not_the_chosen_one(tmp_path: Path, predictor: Predictor) -> None:
    from tests.helpers import dicom_series

    for number, kernel in ((1, "B30f"), (2, "B70f")):
        datasets = dicom_series.slices(24, 64, 64, increment=2.5, pixel=(4.0, 4.0), series=f"{number}")
        for ds in datasets:
            ds.ConvolutionKernel = kernel
        dicom_series.write(datasets, tmp_path / f"{number}")
    (chosen,) = exams_in(tmp_path)
    other = series_uid(2) if chosen.series_uid == series_uid(1) else series_uid(1)
    (exam,) = exams_in(tmp_path, {other: (BatchRead(CENTRE, 1.0),)})
    assert exam.series_uid == other
    assert exam.token == chosen.token
    assert run([exam], predictor)[0].series_uid == other
    assert unused_reads([exam], {other: (), "1.2.3": ()}) == 1


def test_an_exam_in_two_folders_is_one_row(tmp_path: Path, predictor: Predictor) -> None:
    write_exam(tmp_path / "a", 1)
    (tmp_path / "b").mkdir()
    for path in sorted((tmp_path / "a").iterdir())[::2]:
        path.rename(tmp_path / "b" / path.name)
    (row,) = run(exams_in(tmp_path, reads_of([1])), predictor)
    assert row.status == "scored"


def test_what_is_done_is_skipped_unless_something_changed(tmp_path: Path, predictor: Predictor) -> None:
    for n in (1, 2, 3):
        write_exam(tmp_path / f"{n}", n)
    exams = exams_in(tmp_path, reads_of([1, 2, 3]))
    rows = run(exams, predictor)
    done = done_of(rows)
    seen: list[BatchProgress] = []
    assert run(exams, predictor, done=done, progress=seen.append) == []
    assert (seen[-1].done, seen[-1].skipped) == (3, 3)

    touched = next((tmp_path / "2").iterdir())
    os.utime(touched, ns=(1, 1))
    assert [r.series_uid for r in run(exams, predictor, done=done)] == [series_uid(2)]

    regraded = reads_of([1, 2, 3]) | {series_uid(3): (BatchRead(CENTRE, 1.5, "Ann"),)}
    os.utime(touched, ns=(touched.stat().st_atime_ns, 1))
    again = run(exams_in(tmp_path, regraded), predictor, done=done)
    assert [r.series_uid for r in again] == [series_uid(2), series_uid(3)]
    assert [r.row_id for r in again] == [r.row_id for r in rows[1:]]

    other_settings: list[BatchRow] = []
    run_batch(exams, BatchSettings(prevalence=0.1), predictor, on_row=other_settings.append, done=done)
    assert len(other_settings) == 3
    assert len(run(exams, None, done=done)) == 3


def test_another_model_scores_anew(tmp_path: Path, folder: Path, predictor: Predictor) -> None:
    write_tiny_bundle(tmp_path / "other", seed=1)
    exams = exams_in(folder / "exam001", reads_of([1]))
    rows = run(exams, predictor)
    (row,) = run(exams, Predictor(tmp_path / "other", "cpu"), done=done_of(rows))
    assert row.risknet != rows[0].risknet
    assert row.fingerprint == rows[0].fingerprint


def test_without_a_model_calcium_is_scored(folder: Path) -> None:
    (row,) = run(exams_in(folder / "exam001", reads_of([1])), None)
    assert (row.status, row.agatston, row.risknet, row.model) == ("scored", 0.0, None, "")


def test_cancel_ends_it_quickly_with_all_rows_told(folder: Path, predictor: Predictor) -> None:
    token, rows = CancelToken(), list[BatchRow]()

    def on_row(row: BatchRow) -> None:
        rows.append(row)
        if len(rows) == 2:
            token.cancel()

    with pytest.raises(Cancelled):
        run_batch(exams_in(folder), BatchSettings(), predictor, on_row=on_row, cancel=token)
    assert len(rows) == 2
    assert not [t for t in threading.enumerate() if t.name.startswith("hyrisk-batch")]


def test_pause_and_go_on(folder: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, rows = PauseToken(), list[BatchRow]()

    def on_row(row: BatchRow) -> None:
        rows.append(row)
        if len(rows) == 1:
            gate.pause()

    waits = threading.Event()
    wait = PauseToken.wait

    def noted(token: PauseToken, cancel: CancelToken | None = None) -> None:
        if token.paused:
            waits.set()
        wait(token, cancel)

    monkeypatch.setattr(PauseToken, "wait", noted)
    how = {"on_row": on_row, "pause": gate}
    worker = threading.Thread(target=run_batch, args=(exams_in(folder), BatchSettings(), predictor), kwargs=how)
    worker.start()
    assert waits.wait(PATIENCE_S)
    assert len(rows) == 1
    gate.resume()
    worker.join(30)
    assert len(rows) == 5


def test_cancel_while_paused(folder: Path, predictor: Predictor) -> None:
    gate, token = PauseToken(), CancelToken()
    gate.pause()
    threading.Timer(0.1, token.cancel).start()
    with pytest.raises(Cancelled):
        run(exams_in(folder), predictor, pause=gate, cancel=token)


def test_what_the_owner_raises_ends_the_run(folder: Path, predictor: Predictor) -> None:
    def on_row(_: BatchRow) -> None:
        raise InputError("unwritable", "full")

    with pytest.raises(InputError, match="full"):
        run_batch(exams_in(folder), BatchSettings(), predictor, on_row=on_row)


def test_an_unexpected_error_is_a_row_without_its_words(
    folder: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(*_: object, **__: object) -> None:
        raise ValueError("Doe^John")

    monkeypatch.setattr(predictor, "predict", explode)
    row = run(exams_in(folder / "exam001"), predictor)[0]
    assert (row.status, row.error_code) == ("failed", "unexpected")
    assert "Doe" not in row.error + caplog.text
    assert str(folder) not in caplog.text


def test_only_a_few_exams_are_read_ahead(folder: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[object] = []
    load = engine.load_exam
    monkeypatch.setattr(engine, "load_exam", lambda exam, *rest: (begun.append(exam), load(exam, *rest))[1])
    ahead: list[int] = []
    exams = exams_in(folder) * 4
    run_batch(exams, BatchSettings(), predictor, on_row=lambda _: ahead.append(len(begun) - len(ahead)), workers=1)
    assert len(ahead) == len(exams)
    assert max(ahead) <= 3


@pytest.mark.parametrize(
    ("settings", "workers"),
    [
        (BatchSettings(profile="x"), 0),
        (BatchSettings(device="tpu"), 0),
        (BatchSettings(prevalence=1.0), 0),
        (BatchSettings(), -1),
        (BatchSettings(), 1000),
    ],
)
def test_wrong_settings_are_refused_before_the_first_exam(settings: BatchSettings, workers: int) -> None:
    with pytest.raises(InputError):
        run_batch([], settings, None, on_row=lambda _: None, workers=workers)


def test_rate_and_time_left_leave_pauses_out() -> None:
    moments = iter([0.0, 2.0, 4.0, 106.0])
    pace = Pace(10, lambda: next(moments))
    pace.count(skipped=True)
    assert (pace.progress.per_minute, pace.progress.seconds_left) == (None, None)
    pace.count()
    assert pace.progress.per_minute is None, "one row has no rate"
    pace.count(failed=True)
    pace.paused_for(100.0)
    pace.count()
    assert pace.progress == BatchProgress(10, 4, 1, 1, 30.0, 12.0)


def test_rows_do_not_depend_on_the_number_of_readers(folder: Path, predictor: Predictor) -> None:
    exams = exams_in(folder, reads_of([1, 3]))
    assert timeless(run(exams, predictor, workers=1)) == timeless(run(exams, predictor, workers=4))
