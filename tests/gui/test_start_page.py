"""What one sees before an exam is open, and what comes back when one goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, QRectF, Qt
from PySide6.QtWidgets import QLabel, QListWidget, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from hyrisk_desktop import app, demonstration, i18n
from hyrisk_desktop.errors import Cancelled
from hyrisk_desktop.gui.one_window import OneWindow, hand_over, socket_name
from hyrisk_desktop.gui.start_page import WAYS, StartPage
from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.gui.viewer.memory import MOST, ViewMemory
from hyrisk_desktop.jobs import CancelToken
from hyrisk_desktop.paths import views_path
from hyrisk_desktop.worklist.overview import ListOverview
from hyrisk_desktop.worklist.records import ReadingList
from tests.gui.conftest import Program
from tests.gui.test_worklist import Reading
from tests.helpers.exams import write_exam
from tests.helpers.patience import PATIENCE_MS, PATIENCE_S
from tests.helpers.volumes import block_volume


def page(program: Program) -> QWidget:
    found = program.window.findChild(QWidget, "startPage")
    assert found is not None
    return found


def listed(program: Program, name: str) -> QListWidget:
    found = program.window.findChild(QListWidget, name)
    assert found is not None
    return found


def test_every_way_to_begin_is_a_button_with_its_key(ready: Program) -> None:
    assert page(ready).isVisible()
    assert page(ready).geometry() == ready.window.desk.rect()
    for key in WAYS:
        button = ready.window.findChild(QPushButton, f"start_{key}")
        assert button is not None
        action = ready.window.actions_by_key[key]
        assert button.text().startswith(action.text().replace("&", ""))
        assert action.shortcut().toString() in button.text()
    ready.wait(lambda: "half a minute" in " ".join(label.text() for label in page(ready).findChildren(QLabel)))
    ready.show(block_volume())
    assert not page(ready).isVisible()
    ready.session.close_exam()
    assert page(ready).isVisible()


def test_lists_and_exams_are_gone_on_with_where_one_stopped(ready: Program, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write_exam(tmp_path / "screening" / f"e{number}", number)
    alone = write_exam(tmp_path / "alone", 9)
    reading = Reading(ready)
    reading.open_list(tmp_path / "screening", 3)
    ready.session.place_centre((30, 30, 10))
    ready.session.set_grade(1)
    reading.go(Qt.Key.Key_N)
    second = ready.session.stored_id
    ready.services.settings.add_recent(alone)
    ready.session.close_exam()
    lists = listed(ready, "startLists")
    ready.wait(lambda: lists.count() == 1 and "1 of 3 graded" in lists.item(0).text())
    assert lists.item(0).text().startswith("screening\n")
    exams = listed(ready, "startExams")
    assert [exams.item(i).text() for i in range(exams.count())] == [f"alone\n{tmp_path}"]
    lists.itemClicked.emit(lists.item(0))
    ready.wait(lambda: ready.session.can_measure and ready.session.stored_id == second)
    ready.session.close_exam()
    exams.itemActivated.emit(exams.item(0))
    ready.wait(lambda: ready.session.can_measure and ready.session.stored_id != second)
    assert ready.session.volume is not None
    assert ready.session.volume.attributes["PatientID"] == "P009"


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fourteen hours before UTC."""
    if not hasattr(time, "tzset"):
        pytest.skip("this platform has no other time zones to try")
    monkeypatch.setenv("TZ", "XXX-14")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_east")
def test_the_day_of_the_last_reading_is_the_readers_own_as_the_language_writes_it(
    ready: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = ready.window.findChild(StartPage)
    assert start is not None
    monkeypatch.setattr(i18n, "day_pattern", lambda: "%d.%m.%Y")
    reading_list = ReadingList(1, "screening", Path("screening"), blinded=False, seed=1)
    start._show_lists([ListOverview(reading_list, 3, 1, "2026-11-30T12:00:00.000Z")])
    assert start.lists.item(0).text() == "screening\n1 of 3 graded, last on 01.12.2026"


def test_buttons_name_the_keys_that_hold_now(ready: Program) -> None:
    button = ready.window.findChild(QPushButton, "start_open_folder")
    assert button is not None
    ready.services.settings["shortcuts"] = {"open_folder": ["Ctrl+Alt+O"]}
    ready.window.commands.preferences.applied.emit(frozenset({"shortcuts"}))
    assert button.text() == "Open exam folder…   Ctrl+Alt+O"


@pytest.mark.parametrize(("width", "beside"), [(420, False), (1000, True)])
def test_no_text_of_the_page_is_cut_where_it_is_narrow(ready: Program, width: int, *, beside: bool) -> None:
    start = ready.window.findChild(StartPage)
    assert start is not None
    start._show_lists([ListOverview(ReadingList(1, "screening", Path("screening"), blinded=False, seed=1), 3, 1, "")])
    start.resize(width, 500)
    ready.qtbot.wait(1)
    buttons = [button for key in WAYS if (button := start.findChild(QPushButton, f"start_{key}")) is not None]
    assert len(buttons) == len(WAYS)
    assert all(button.width() >= button.sizeHint().width() for button in buttons)
    right = buttons[0].mapTo(start, buttons[0].rect().topRight()).x()
    assert (start.lists.mapTo(start, start.lists.rect().topLeft()).x() > right) is beside


def test_the_row_in_hand_stays_while_nothing_changes(ready: Program, tmp_path: Path) -> None:
    for number in (1, 2):
        write_exam(tmp_path / "screening" / f"e{number}", number)
    reading = Reading(ready)
    reading.open_list(tmp_path / "screening", 2)
    ready.session.close_exam()
    lists = listed(ready, "startLists")
    start = ready.window.findChild(StartPage)
    assert start is not None

    def look() -> None:
        """Until the answer is there: the store answers in turn."""
        answered: list[object] = []
        start._look()
        ready.services.worklist.store.ask(lambda _: None, answered.append, answered.append)
        ready.wait(lambda: bool(answered))

    look()
    lists.setCurrentRow(0)
    look()
    assert (lists.count(), lists.currentRow()) == (1, 0)


def test_a_blinded_list_tells_no_folder(ready: Program, tmp_path: Path) -> None:
    write_exam(tmp_path / "screening" / "e1", 1)
    write_exam(tmp_path / "screening" / "e2", 2)
    reading = Reading(ready)
    reading.open_list(tmp_path / "screening", 2)
    ready.services.worklist.read_blinded(True)
    ready.wait(
        lambda: ready.services.worklist.reading_list is not None and ready.services.worklist.reading_list.blinded
    )
    ready.session.close_exam()
    lists = listed(ready, "startLists")
    ready.wait(lambda: lists.count() == 2)
    tips = {("blinded" in lists.item(i).text()): lists.item(i).toolTip() for i in range(2)}
    assert tips == {True: "", False: str(tmp_path / "screening")}


# --- how an exam was looked at


def look(program: Program, **view: object) -> None:
    program.session.set_view(**view)


def test_window_slice_slab_and_zoom_of_each_exam_come_back(ready: Program) -> None:
    first, second = block_volume(series_uid="1.2.1"), block_volume(series_uid="1.2.2")
    axial = ready.window.desk.views[Plane.AXIAL]
    ready.show(first)
    look(ready, position=(31, 17, 4), level=-600.0, width=1500.0, slab_mm=5.0)
    axial.show_area(QRectF(10, 12, 60, 40))
    shown = axial.zoomed_area
    ready.show(second)
    look(ready, position=(20, 21, 2), level=300.0)
    axial.fit()
    ready.show(first)
    view = ready.session.view
    assert (view.position, view.level, view.width, view.slab_mm) == ((31, 17, 4), -600.0, 1500.0, 5.0)
    assert axial.zoomed_area == pytest.approx(shown, abs=0.01)
    assert not ready.session.looked_around, "Enter takes the proposed centre, as nothing has been moved yet"
    ready.show(second)
    assert (ready.session.view.position, ready.session.view.level) == ((20, 21, 2), 300.0)
    assert axial.zoomed_area is None


def test_a_read_exam_shows_its_heart_centre(ready: Program) -> None:
    volume = block_volume(series_uid="1.2.1")
    ready.show(volume)
    ready.session.place_centre((33, 30, 5))
    look(ready, position=(3, 4, 1), level=77.0)
    ready.show(block_volume(series_uid="1.2.2"))
    ready.show(volume)
    assert (ready.session.view.position, ready.session.view.level) == ((33, 30, 5), 77.0)


def test_views_outlive_the_program_and_name_nobody(ready: Program) -> None:
    volume = block_volume(series_uid="1.2.840.77")
    ready.show(volume)
    look(ready, position=(31, 17, 4), level=-600.0)
    ready.window.views.flush()
    text = views_path().read_text(encoding="ascii")
    assert "1.2.840" not in text
    assert len(json.loads(text)) == 1
    owner = QObject()
    again = ViewMemory(ready.session, ready.window.desk, views_path(), ready.services.runner, owner)
    again.load()
    ready.wait(lambda: not ready.services.runner.busy and bool(again._views))
    assert again._views == json.loads(text)


@pytest.mark.parametrize(
    "stored",
    [
        "{", "[]", '{"KEY": 3}', '{"KEY": {"position": [1, 2]}}',
        '{"KEY": {"position": [1, 2, 3], "level": NaN, "width": 400, "slab_mm": 0, "areas": {}}}',
        '{"KEY": {"position": [1, 2, 3], "level": 4, "width": 0.5, "slab_mm": 0, "areas": {}}}',
        '{"KEY": {"position": [1, 2, 3], "level": 4, "width": 400, "slab_mm": 0, "areas": {"oblique": [0, 0, 1, 1]}}}',
        '{"KEY": {"position": [1, 2, 3], "level": 4, "width": 400, "slab_mm": 0, "areas": {"axial": [0, 0, 1]}}}',
    ],
)  # fmt: skip
def test_a_damaged_file_of_views_means_a_new_view(ready: Program, stored: str) -> None:
    volume = block_volume(series_uid="1.2.1")
    ready.show(volume)
    key = ready.window.views._key
    ready.show(block_volume(series_uid="1.2.2"))
    views_path().write_text(stored.replace("KEY", key), encoding="ascii")
    ready.window.views._views.clear()
    ready.window.views.load()
    ready.wait(lambda: not ready.services.runner.busy)
    ready.show(volume)
    depth, rows, columns = volume.shape_zyx
    assert ready.session.view.position == (columns // 2, rows // 2, depth // 2)
    assert (ready.session.view.level, ready.session.view.width) == (40.0, 400.0)


def test_only_the_newest_views_are_kept(ready: Program) -> None:
    memory = ready.window.views
    memory._views = {f"{n}": {} for n in range(MOST + 3)}
    memory._timer.start()
    memory.flush()
    kept = json.loads(views_path().read_text(encoding="ascii"))
    assert len(kept) == MOST
    assert next(iter(kept)) == "3"


# --- one window


def test_a_second_start_hands_its_path_over(qtbot: QtBot, tmp_path: Path) -> None:
    name = str(tmp_path / "window.socket")
    assert not hand_over(tmp_path, name), "nobody is there"
    window = OneWindow(None, name)
    wanted: list[Path | None] = []
    window.wanted.connect(wanted.append)

    def start(path: Path | None) -> None:
        """Another process, which waits while this one hears it."""
        code = (
            "import sys; from pathlib import Path; from hyrisk_desktop.gui.one_window import hand_over\n"
            "sys.exit(0 if hand_over(Path(sys.argv[2]) if sys.argv[2] else None, sys.argv[1]) else 7)"
        )
        with subprocess.Popen([sys.executable, "-c", code, name, str(path or "")]) as other:
            qtbot.waitUntil(lambda: other.poll() is not None, timeout=PATIENCE_MS)
        assert other.returncode == 0

    start(tmp_path / "exam ü")
    start(None)
    assert wanted == [tmp_path / "exam ü", None]
    window.close()
    # What a killed run left is in nobody's way.
    (tmp_path / "window.socket").touch()
    again = OneWindow(None, name)
    again.wanted.connect(wanted.append)
    start(tmp_path)
    assert wanted[2] == tmp_path
    again.close()


def test_other_settings_are_another_window(
    isolated_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = socket_name()
    monkeypatch.setenv("HYRISK_HOME", str(tmp_path / "other"))
    assert socket_name() != mine
    monkeypatch.setenv("HYRISK_HOME", str(tmp_path / ("long" * 40)))
    assert len(socket_name().encode()) < 100
    assert "/" not in socket_name()


def test_a_home_that_can_not_be_written_still_has_a_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HYRISK_HOME", str(tmp_path / "file"))
    OneWindow().close()


@pytest.mark.parametrize(("demonstration", "order"), [(False, ["ask", "listen", "build"]), (True, ["build"])])
def test_a_start_listens_before_it_builds_and_the_demonstration_takes_no_place(
    qapp: object, isolated_home: Path, monkeypatch: pytest.MonkeyPatch, *, demonstration: bool, order: list[str]
) -> None:
    done: list[str] = []

    def build(*_: object) -> None:
        done.append("build")
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "hand_over", lambda _: done.append("ask"))
    monkeypatch.setattr(app, "OneWindow", lambda *_: done.append("listen"))
    monkeypatch.setattr(app, "build_window", build)
    monkeypatch.setattr(app, "qInstallMessageHandler", lambda _: None)
    monkeypatch.setattr(app.sys, "setswitchinterval", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        app.run_gui(None, demonstration=demonstration)
    assert done == order


# --- the demonstration


def test_it_is_made_while_nothing_is_open_and_an_exam_stops_that(
    ready: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[CancelToken] = []
    seen = threading.Event()

    def prepare(_: object, token: CancelToken) -> None:
        asked.append(token)
        seen.wait(PATIENCE_S)

    monkeypatch.setattr("hyrisk_desktop.gui.application.prepare_demonstration", prepare)
    ready.services.make_demonstration()
    ready.wait(lambda: len(asked) == 1)
    assert not asked[0].cancelled
    ready.show(block_volume())
    assert asked[0].cancelled
    seen.set()
    ready.services.make_demonstration()
    assert len(asked) == 1, "an exam is open"


def test_it_is_made_once_however_many_ask(isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []
    cancel = CancelToken()

    def make(target: Path, *_: Callable[..., None]) -> None:
        made.append(target)
        # Somebody else asks meanwhile, waits, and loses patience.
        cancel.cancel()
        with pytest.raises(Cancelled):
            demonstration.prepare_demonstration(cancel=cancel)

    monkeypatch.setattr(demonstration, "_make", make)
    assert not demonstration.demonstration_ready()
    with pytest.raises(Exception, match="could not be made"):
        demonstration.prepare_demonstration()
    assert len(made) == 1
