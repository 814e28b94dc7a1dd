"""Tools > Score all in the real window: rows as they come, pause, stop, go on, and the window's own numbers."""

from __future__ import annotations

import csv
import threading
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QCheckBox, QLabel, QLineEdit, QTableView

from hyrisk_desktop.batch import run as batch_module
from hyrisk_desktop.gui.worklist.dialogs.score_all import ScoreAllDialog
from hyrisk_desktop.jobs import CancelToken, PauseToken
from tests.gui.conftest import Program
from tests.gui.test_worklist import Reading
from tests.helpers.exams import write_exam


@pytest.fixture
def reading(ready: Program, tmp_path: Path) -> Reading:
    """Four exams and a broken one; the first two are read."""
    for n in range(4):
        write_exam(tmp_path / "exams" / f"{n}", n, count=40)
    (tmp_path / "exams" / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    reading = Reading(ready)
    reading.open_list(tmp_path / "exams", count=5)
    for grade in (1, 3):
        reading.read_one(grade)
        reading.go(Qt.Key.Key_Return)
    reading.saved()
    return reading


def opened(reading: Reading, out: Path, *, proposed: bool) -> ScoreAllDialog:
    reading.program.window.actions_by_key["score_all"].trigger()
    dialog = reading.program.window.findChild(ScoreAllDialog)
    assert dialog is not None
    dialog.findChild(QLineEdit, "scoresOut").setText(str(out))
    dialog.findChild(QCheckBox, "scoreProposed").setChecked(proposed)
    return dialog


def click(dialog: ScoreAllDialog, name: str) -> None:
    button = dialog.findChild(QAbstractButton, name)
    assert button.isEnabled(), name
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def message(dialog: ScoreAllDialog) -> str:
    return dialog.findChild(QLabel, "scoringMessage").text()


def test_every_exam_is_a_row_with_the_windows_numbers(reading: Reading, tmp_path: Path) -> None:
    dialog = opened(reading, tmp_path / "out.csv", proposed=True)
    click(dialog, "startScoring")
    reading.program.wait(lambda: "written to out.csv" in message(dialog))
    assert message(dialog).startswith("4 scored, 1 failed")
    table = dialog.findChild(QTableView, "scoredRows").model()
    assert table.rowCount() == 5
    written = rows(tmp_path / "out.csv")
    assert [r["status"] for r in written].count("failed") == 1
    assert sum(r["centre_from"].startswith("proposed") for r in written) == 2
    by_series = {r["series_uid"]: r for r in written}
    for read in reading.saved():
        row = by_series[read.series_uid]
        assert float(row["grade"]) == read.grade
        assert float(row["agatston"]) == read.results["calcium"]["agatston"]
        assert float(row["hyrisknet"]) == read.results["risk"]["hyrisknet"], "the same numbers as on screen"
        assert row["bundle_sha256"] == read.bundle_sha256
    trail = [e.action for e in reading.program.services.store.open().audit_trail()]
    assert trail.count("batch_begun") == trail.count("batch_ended") == 1


def test_only_what_was_read_unless_proposals_are_wanted(reading: Reading, tmp_path: Path) -> None:
    dialog = opened(reading, tmp_path / "out.csv", proposed=False)
    click(dialog, "startScoring")
    reading.program.wait(lambda: "written to out.csv" in message(dialog))
    assert [r["centre_from"] for r in rows(tmp_path / "out.csv")] == ["reads", "reads"]


def test_an_excluded_lesion_and_a_box_count_as_on_screen(reading: Reading, tmp_path: Path) -> None:
    reading.go(Qt.Key.Key_P)
    reading.program.window.actions_by_key["whole_heart_box"].trigger()
    reading.program.wait_for_risk()
    reading.program.wait(lambda: any(r.box and r.results["risk"] for r in reading.saved()))
    (boxed,) = [r for r in reading.saved() if r.box]
    dialog = opened(reading, tmp_path / "out.csv", proposed=False)
    click(dialog, "startScoring")
    reading.program.wait(lambda: "written to out.csv" in message(dialog))
    row = next(r for r in rows(tmp_path / "out.csv") if r["series_uid"] == boxed.series_uid)
    assert float(row["region_z_mm"]) == boxed.results["calcium"]["region_mm_xyz"][2] > 50
    assert float(row["agatston"]) == boxed.results["calcium"]["agatston"]


def test_a_run_is_paused_stopped_and_gone_on_with(
    reading: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    predict = batch_module.predict_row

    def noted(item: object, predictor: object, on_measured: object) -> object:
        row = predict(item, predictor, on_measured)  # type: ignore[arg-type]
        made.append(row.series_uid)
        if len(made) == 1:
            reading.program.services.scoring.pause()
        return row

    waits = threading.Event()
    wait = PauseToken.wait

    def waited(token: PauseToken, cancel: CancelToken | None = None) -> None:
        if token.paused:
            waits.set()
        wait(token, cancel)

    monkeypatch.setattr(batch_module, "predict_row", noted)
    monkeypatch.setattr(PauseToken, "wait", waited)
    dialog = opened(reading, tmp_path / "out.csv", proposed=True)
    click(dialog, "startScoring")
    reading.program.wait(waits.is_set)
    assert len(made) < 4
    dialog._show_states()
    assert dialog.findChild(QAbstractButton, "pauseScoring").text() == "Go on"
    click(dialog, "stopScoring")
    reading.program.wait(lambda: "Stopped" in message(dialog))
    first = set(made)
    click(dialog, "startScoring")
    reading.program.wait(lambda: "written to out.csv" in message(dialog))
    assert len(made) == len(set(made)), "nothing is scored twice"
    assert f"{len(first)} there already" in message(dialog)
    assert len(rows(tmp_path / "out.csv")) == 5


def test_closing_the_window_ends_a_run_cleanly(reading: Reading, tmp_path: Path) -> None:
    dialog = opened(reading, tmp_path / "out.csv", proposed=True)
    click(dialog, "startScoring")
    reading.program.wait(lambda: dialog.findChild(QTableView, "scoredRows").model().rowCount() >= 1)
    reading.program.window.close()
    written = rows(tmp_path / "out.csv")
    assert written
    assert all(r["status"] in ("scored", "failed") for r in written)


def test_what_cant_be_written_is_one_sentence(reading: Reading, tmp_path: Path) -> None:
    dialog = opened(reading, tmp_path / "no such folder" / "out.csv", proposed=True)
    click(dialog, "startScoring")
    reading.program.wait(lambda: message(dialog) not in ("", "Starting…"))
    assert message(dialog).endswith(".")
    assert "see the log" not in message(dialog).lower()
    assert dialog.findChild(QAbstractButton, "startScoring").isEnabled()


def test_results_are_kept_where_a_read_has_none_and_a_readers_own_are_left_alone(
    reading: Reading, tmp_path: Path
) -> None:
    program, worklist, session = reading.program, reading.worklist, reading.session
    before = reading.saved()
    dialog = opened(reading, tmp_path / "out.csv", proposed=True)
    dialog.findChild(QCheckBox, "scoreWholeHeart").setChecked(True)
    dialog.findChild(QCheckBox, "keepResults").setChecked(True)
    click(dialog, "startScoring")
    program.wait(lambda: "written to out.csv" in message(dialog))
    # Whole hearts were missing in all of them.
    assert "4 results are kept in the reads. Left alone, with results of their own: 0." in message(dialog)
    assert all(row["whole_heart_agatston"] for row in rows(tmp_path / "out.csv") if row["status"] == "scored")
    after = {r.exam_id: r for r in reading.saved()}
    for read in before:
        now = after[read.exam_id]
        said = (
            "centre",
            "grade",
            "excluded",
            "box",
            "locked",
            "model",
            "graded_at",
            "seconds_to_grade",
            "centre_proposed",
        )
        assert [getattr(now, name) for name in said] == [getattr(read, name) for name in said]
        assert {k: v for k, v in now.results.items() if k != "whole_heart"} == read.results
        assert now.results["whole_heart"]["vessels"]
    new = [r for r in after.values() if r.exam_id not in {b.exam_id for b in before}]
    assert [(r.unconfirmed, r.grade, bool(r.results["risk"])) for r in new] == [(True, None, True)] * 2
    program.wait(lambda: sum(bool(e.read and e.read.unconfirmed) for e in worklist.model.entries) == 2)
    entry = next(e for e in worklist.model.entries if e.read and e.read.unconfirmed)
    model, row = worklist.model, worklist.model.row_of(entry.exam_id)
    titles = [model.headerData(c, Qt.Orientation.Horizontal) for c in range(model.columnCount())]
    cells = {title: str(model.data(model.index(row, c))) for c, title in enumerate(titles)}
    assert (cells["Status"], cells["Agatston"][-1], cells["Risk"][-1]) == ("new", "?", "?")
    # A second run finds nothing that is missing; to open such an exam shows no number as a reader's.
    (tmp_path / "out.csv").unlink()
    click(dialog, "startScoring")
    program.wait(
        lambda: "0 results are kept in the reads. Left alone, with results of their own: 4." in message(dialog)
    )
    dialog.hide()
    if session.stored_id != entry.exam_id:
        worklist.open_exam(entry.exam_id)
        program.wait(lambda: session.stored_id == entry.exam_id and not worklist.keeper.asking)
    assert (session.read.centre, session.risk, session.scores) == (None, None, None)
    assert worklist.step(-1)
    program.wait(lambda: session.stored_id != entry.exam_id and not worklist.keeper.asking)
    program.wait(lambda: not program.services.runner.busy)
    assert {r.exam_id: r for r in reading.saved()} == after, "to look is not to change"
