"""What the window shows and says: one number for a slice, nothing cut, letters for every button, the image first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QByteArray, QEvent, QPointF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QDialog,
    QLabel,
    QLayout,
    QLayoutItem,
    QMessageBox,
    QPushButton,
    QSplitter,
    QTableView,
    QToolButton,
    QWidget,
)
from pytestqt.qtbot import QtBot
from shiboken6 import Shiboken

from hyrisk_desktop.calcium import Region
from hyrisk_desktop.gui.letters import give_letters, letter_of, plain
from hyrisk_desktop.gui.retrain.check_page import grouped, lines_text
from hyrisk_desktop.gui.retrain.controller import leaving_question
from hyrisk_desktop.gui.retrain.progress import about, time_left
from hyrisk_desktop.gui.retrain.training_process import Run, RunState
from hyrisk_desktop.gui.state import Tool
from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.gui.viewer.lent import LentPart
from hyrisk_desktop.gui.viewer.lettering import wrapped
from hyrisk_desktop.gui.worklist.columns import Row, columns
from hyrisk_desktop.worklist.records import ReadSummary
from tests.gui.conftest import Program
from tests.gui.test_worklist import Reading, exams, reading  # noqa: F401  fixtures
from tests.helpers.volumes import HEART_CENTRE, block_volume, box

Key = Qt.Key
CX, CY, CZ = HEART_CENTRE


def axial(program: Program) -> QWidget:
    return program.window.desk.views[Plane.AXIAL]


def with_lesions(program: Program) -> None:
    """Two lesions, of which the cursor is on neither."""
    lesions = [(box((CX, CY, CZ), (4, 4, 1)), 350), (box((CX + 15, CY + 6, CZ), (4, 4, 1)), 450)]
    program.show(block_volume(lesions))
    program.session.place_centre(HEART_CENTRE)
    program.session.set_view(position=(CX - 20, CY - 20, CZ))


def hover(program: Program, voxel: tuple[int, int, int] | None) -> None:
    view = program.window.desk.views[Plane.AXIAL]
    if voxel is None:
        view.leaveEvent(None)
        return
    at = view.position_of(voxel)
    none = Qt.MouseButton.NoButton
    move = QMouseEvent(QEvent.Type.MouseMove, at, QPointF(at), none, none, Qt.KeyboardModifier.NoModifier)
    view.mouseMoveEvent(move)


def excluded(program: Program) -> list[bool]:
    assert program.session.scores is not None
    return [lesion.excluded for lesion in program.session.scores.lesions]


def test_x_is_about_the_lesion_under_the_pointer(ready: Program) -> None:
    with_lesions(ready)
    hover(ready, (CX + 15, CY + 6, CZ))
    QTest.keyClick(axial(ready), Key.Key_X)
    (marked,) = [le for le in ready.session.scores.lesions if le.excluded]  # type: ignore[union-attr]
    assert marked.max_hu == 450
    QTest.keyClick(axial(ready), Key.Key_X)
    assert not any(excluded(ready))
    hover(ready, (CX - 10, CY - 10, CZ))
    QTest.keyClick(axial(ready), Key.Key_X)
    assert not any(excluded(ready))
    assert "no lesion under the pointer" in ready.window.status.toolTip()


def test_x_with_the_pointer_off_the_images_is_about_the_cursor(ready: Program) -> None:
    with_lesions(ready)
    hover(ready, None)
    QTest.keyClick(axial(ready), Key.Key_X)
    assert "no lesion at the cursor" in ready.window.status.toolTip()
    ready.session.set_view(position=HEART_CENTRE)
    QTest.keyClick(axial(ready), Key.Key_X)
    (marked,) = [le for le in ready.session.scores.lesions if le.excluded]  # type: ignore[union-attr]
    assert marked.max_hu == 350


def test_a_slice_has_one_number(ready: Program) -> None:
    with_lesions(ready)
    table = ready.window.findChild(QTableView, "lesionTable")
    in_table = table.model().data(table.model().index(0, 0))
    table.selectRow(0)
    on_image = ready.window.desk.views[Plane.AXIAL].annotations.bottom_right
    depth = ready.session.volume.shape_zyx[0]  # type: ignore[union-attr]
    assert in_table == str(CZ)
    assert f"Slice {CZ} (0–{depth - 1})" in on_image
    side = ready.window.desk.views[Plane.CORONAL].annotations.top_right
    assert f"y {ready.session.view.position[1]} (0–" in side[0]


@pytest.mark.parametrize("room", [60.0, 119.0, 200.0, 1000.0])
def test_measured_values_are_wrapped_and_never_cut(qapp: QApplication, room: float) -> None:
    metrics = QFontMetricsF(QFont())
    lines = ("(256, 214, 61)  128 HU", "⌀ 10 mm: mean 131, SD 24 HU", "")
    shown = wrapped(lines, metrics, room)
    assert " ".join(" ".join(shown).split()) == " ".join(" ".join(lines).split())
    assert not any("…" in line for line in shown)
    for line in shown:
        assert metrics.horizontalAdvance(line) <= room or " " not in line.strip()
    if room == 1000.0:
        assert shown == lines[:2]


def test_the_grad_cam_legend_leaves_the_hint_alone_and_goes_with_a_slab(ready: Program) -> None:
    with_lesions(ready)
    ready.session.set_grade(2)
    ready.wait_for_risk()
    QTest.keyClick(axial(ready), Key.Key_G)
    ready.wait(lambda: ready.session.explanation is not None)
    legend = ready.window.desk.heat_legend
    assert legend.isVisible()
    assert legend.geometry().bottom() < axial(ready).height() * 0.6, "the hint stands in the lower third"
    ready.session.set_view(slab_mm=5.0)
    ready.session.explanation_changed.emit()
    assert not legend.isVisible()
    ready.session.set_view(slab_mm=0.0)
    ready.session.explanation_changed.emit()
    assert legend.isVisible()


@pytest.mark.parametrize("size", [(1366, 768), (1280, 720), (1500, 940), (1920, 1080)])
def test_with_the_list_open_the_axial_image_keeps_half_of_the_window(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
    size: tuple[int, int],
) -> None:
    window = reading.program.window
    window.resize(*size)
    reading.open_list(exams)
    reading.program.qtbot.wait(1)
    assert window.worklist_panel.isVisible()
    assert axial(reading.program).width() >= size[0] / 2
    assert window.worklist_panel.width() >= 170
    for plane in (Plane.SAGITTAL, Plane.CORONAL):
        view = window.desk.views[plane]
        assert view.isVisible()
        assert min(view.width(), view.height()) >= 120
    reading.key(Key.Key_W)
    assert not window.worklist_panel.isVisible()
    assert window.desk.side.parent() is not None
    assert window.desk.side.x() > axial(reading.program).x(), "the planes are back beside the axial image"


def test_the_planes_keep_their_share_while_the_list_has_them(reading: Reading, exams: Path) -> None:  # noqa: F811
    window = reading.program.window
    desk = window.desk
    window.resize(1280, 720)
    home = desk.side.parent()
    assert isinstance(home, QSplitter)
    home.setSizes([600, 190])
    stored, kept = desk.layout_state(), home.sizes()
    home.setSizes([640, 150])
    before, dragged = desk.layout_state(), home.sizes()
    assert dragged != kept
    reading.open_list(exams)
    reading.program.qtbot.wait(1)
    assert desk.side.parent() is not home, "there is no room beside the axial image"
    assert desk.layout_state().split("|")[0] == before.split("|")[0]
    reading.key(Key.Key_W)
    reading.program.qtbot.wait(1)
    assert desk.side.parent() is home
    assert home.sizes() == dragged
    reading.key(Key.Key_W)
    reading.program.qtbot.wait(1)
    desk.restore_layout(stored)
    reading.key(Key.Key_W)
    reading.program.qtbot.wait(1)
    assert home.sizes() == kept, "what is restored meanwhile holds once they are back"


def test_what_is_no_layout_takes_nothing_from_a_part_that_is_lent(qtbot: QtBot) -> None:
    splitter, other = QSplitter(), QSplitter()
    for widget in (splitter, other):
        qtbot.addWidget(widget)
        widget.resize(1000, 200)
    part = QWidget()
    splitter.addWidget(QWidget())
    splitter.addWidget(part)
    splitter.setSizes([600, 400])
    lent = LentPart(splitter, part)
    before = lent.state
    other.addWidget(lent.lend())
    lent.restore(QByteArray(b"no layout"))
    assert lent.state == before
    lent.put_back()
    assert lent.state == before


def test_the_agatston_column_means_the_region_and_names_a_box(reading: Reading, exams: Path) -> None:  # noqa: F811
    column = next(c for c in columns() if c.key == "agatston")
    entry = reading.worklist.model.entries[0] if reading.worklist.model.entries else None
    assert entry is None
    reading.open_list(exams)
    reading.read_one(1)
    reading.session.edit(box=Region((10, 10, 5), (50, 50, 20)))
    reading.program.wait_for_risk()
    model, here = reading.worklist.model, reading.session.stored_id
    assert here is not None

    def summary() -> ReadSummary | None:
        found = model.entry_of(here)
        return found.read if found else None

    reading.program.wait(lambda: (s := summary()) is not None and s.whole_heart)
    row = Row(model.entry_of(here), 0, False)  # type: ignore[arg-type]
    assert column.text(row).startswith("box ")
    reading.session.undo()
    reading.program.wait(lambda: (s := summary()) is not None and not s.whole_heart)
    assert not column.text(Row(model.entry_of(here), 0, False)).startswith("box")  # type: ignore[arg-type]


# --- letters


def opens(name: str) -> Callable[[Program], object]:
    return lambda program: program.window.commands.run(name)


@pytest.mark.parametrize(
    "name", ["show_models", "show_log", "show_shortcuts", "show_about", "show_model_card", "export_reading",
             "deidentified_copy", "set_prevalence", "set_reader", "retrain", "show_pacs", "show_manual"],
)  # fmt: skip
def test_every_button_of_every_dialog_has_a_letter_of_its_own(ready: Program, name: str) -> None:
    with_lesions(ready)
    ready.session.set_grade(2)
    ready.wait_for_risk()
    before = set(ready.window.findChildren(QDialog))
    opens(name)(ready)
    (dialog, *_) = [d for d in ready.window.findChildren(QDialog) if d not in before and d.isVisible()]
    buttons = [b for b in dialog.findChildren(QAbstractButton) if b.text() and not isinstance(b, QToolButton)]
    texts = [b.text() for b in buttons if b.isVisible()]
    assert texts
    letters = [letter_of(text) for text in texts]
    assert "" not in letters, [text for text in texts if not letter_of(text)]
    labels = [label for label in dialog.findChildren(QLabel) if label.buddy() is not None and label.isVisible()]
    letters += [letter for label in labels if (letter := letter_of(label.text()))]
    assert len(set(letters)) == len(letters)
    dialog.close()


def test_letters_are_given_once_and_prefer_the_beginning_of_a_word(qapp: QApplication) -> None:
    from PySide6.QtWidgets import QHBoxLayout

    window = QWidget()
    layout = QHBoxLayout(window)
    label, choice = QLabel("Same"), QComboBox()
    for widget in (QPushButton("&Start"), QPushButton("Stop it"), QPushButton("A && B"), label, choice):
        layout.addWidget(widget)
    give_letters(window)
    give_letters(window)
    assert [b.text() for b in window.findChildren(QPushButton)] == ["&Start", "Stop &it", "&A && B"]
    assert label.buddy() is choice
    assert label.text() == "Sa&me"


@pytest.mark.parametrize(
    ("text", "lettered"),
    [
        ("打开检查…", "打开检查(&A)…"),
        ("患者：", "患者(&A)："),
        ("CT 检查", "&CT 检查"),
        ("文件(&F)", "文件(&F)"),
        ("Äß", "Äß(&A)"),
        ("…", "…"),
    ],
)
def test_words_without_latin_letters_get_one_behind_them(text: str, lettered: str, qapp: QApplication) -> None:
    window = QWidget()
    button = QPushButton(text, window)
    give_letters(window)
    assert button.text() == lettered
    assert plain(button.text()) == plain(text)


def test_letters_behind_words_are_all_different(qapp: QApplication) -> None:
    window = QWidget()
    buttons = [QPushButton(text, window) for text in ("打开", "关闭(&A)", "保存", "B", "B")]
    give_letters(window)
    assert [letter_of(button.text()) for button in buttons] == ["c", "a", "d", "b", ""]


# --- layouts


def kept_items() -> dict[int, QLayoutItem]:
    """What PySide keeps of items of layouts, by the address of the item that it means."""
    kept = (x for x in Shiboken.getAllValidWrappers() if isinstance(x, QLayoutItem) and not isinstance(x, QLayout))
    return {Shiboken.getCppPointer(item)[0]: item for item in kept}


def items_there(layout: QLayout) -> Iterator[int]:
    for n in range(layout.count()):
        item = layout.itemAt(n)
        yield Shiboken.getCppPointer(item)[0]
        inner = item if isinstance(item, QLayout) else item.layout()
        if inner is not None:
            yield from items_there(inner)


def test_no_item_of_a_layout_outlives_what_qt_deletes(ready: Program) -> None:
    """A widget that moves to another layout leaves none behind: one was the crash of every second run of all tests."""
    window = ready.window
    mine = {address for address, item in kept_items().items() if item.widget() in set(window.findChildren(QWidget))}
    assert mine, "PySide keeps none any more: this test sees nothing"
    for width, height in ((1900, 1040), (1280, 720), (1900, 1040), (1280, 720)):
        window.resize(width, height)
        ready.qtbot.waitUntil(lambda height=height: window.reading_panel.compact == (height < 800))
    layouts = [layout for widget in window.findChildren(QWidget) if (layout := widget.layout()) is not None]
    assert mine <= {address for layout in layouts for address in items_there(layout)}


# --- retraining


def test_equal_problems_are_one_row_with_their_lines() -> None:
    gone = {"column": "exam", "severity": "error", "message": "this file or folder does not exist."}
    found = [{**gone, "row": n} for n in range(2, 62)]
    found.append({"row": 7, "column": "grade", "severity": "warning", "message": "it is empty."})
    groups = grouped(found)
    assert [(p["column"], lines_text(lines)) for p, lines in groups] == [("exam", "2–61"), ("grade", "7")]
    assert lines_text([2, 3, 5, 9, 10, 11]) == "2–3, 5, 9–11"
    assert lines_text([]) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (59.4, "less than a minute left"),
        (61, "about 1 min left"),
        (3599, "about 60 min left"),
        (7300, "about 2 h 2 min left"),
    ],
)
def test_time_left_reads_well(seconds: float, text: str) -> None:
    assert time_left(seconds) == text
    assert about(seconds) + " left" == text


@pytest.mark.parametrize(("state", "words"), [(RunState.PAUSED, "waits, paused"), (RunState.RUNNING, "goes on")])
def test_leaving_says_what_becomes_of_a_training(state: RunState, words: str) -> None:
    assert words in leaving_question([Run(Path("run"), "Ours", state)])


def test_leaving_names_the_training_that_waits_and_not_another_that_runs() -> None:
    runs = [Run(Path("a"), "Runs", RunState.RUNNING), Run(Path("b"), "Waits", RunState.PAUSED)]
    assert "“Waits” waits, paused" in leaving_question(runs)


def test_quitting_during_a_training_asks_and_the_status_bar_tells_of_it(
    ready: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    retraining = ready.window.commands.retraining
    run = Run(Path("run"), "Ours", RunState.PAUSED)
    monkeypatch.setattr("hyrisk_desktop.gui.retrain.controller.find_runs", lambda _: [Path("run")])
    monkeypatch.setattr(retraining.launcher, "read", lambda _: run)
    retraining._look()
    assert "Ours" in ready.text("trainingState")
    assert "paused" in ready.text("trainingState")
    ready.window.commands.run("quit")
    (box,) = [b for b in ready.window.findChildren(QMessageBox) if b.objectName() == "leaveQuestion"]
    assert "waits, paused" in box.text()
    QTest.mouseClick(box.defaultButton(), Qt.MouseButton.LeftButton)
    assert ready.window.isVisible()
    monkeypatch.setattr("hyrisk_desktop.gui.retrain.controller.find_runs", lambda _: [])
    retraining._look()
    assert not ready.window.findChild(QLabel, "trainingState").isVisible()


# --- refused keys


def test_keys_that_do_nothing_say_why(ready: Program) -> None:
    QTest.keyClick(axial(ready), Key.Key_X)
    assert "Open an exam first" in ready.window.status.toolTip()
    with_lesions(ready)
    ready.session.undo()
    QTest.keyClick(axial(ready), Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert "nothing to undo" in ready.window.status.toolTip()
    ready.session.set_grade(2)
    QTest.keyClick(axial(ready), Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    assert "nothing to bring back" in ready.window.status.toolTip()
    assert ready.window.desk.tool is Tool.WINDOW


def test_the_image_with_the_keyboard_has_a_frame(ready: Program) -> None:
    with_lesions(ready)
    view = ready.window.desk.views[Plane.AXIAL]
    view.setFocus()
    assert view.grab().toImage().pixelColor(1, view.height() // 3).name() == "#4da3ff"
    ready.window.findChild(QWidget, "grade0").setFocus()
    assert view.grab().toImage().pixelColor(1, view.height() // 3).name() != "#4da3ff"
