"""A reader who does everything in any order: whatever shows must belong to what is open."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog

from hyrisk_desktop.gui.viewer.display import Plane
from tests.gui.conftest import Program
from tests.gui.test_opening import image_file
from tests.helpers.volumes import HEART_CENTRE, block_volume, box

NONE, SHIFT, CTRL, ALT = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.AltModifier,
)
KEYS = (
    [
        (getattr(Qt.Key, f"Key_{k}"), NONE)
        for k in ["H", "B", "X", "C", "G", "I", "M", "R", "V", "0", "1", "2", "3", "4", "5"]
    ]
    + [(k, m) for k in (Qt.Key.Key_Left, Qt.Key.Key_Down) for m in (NONE, SHIFT, CTRL)]
    + [(getattr(Qt.Key, f"Key_{k}"), ALT) for k in "0123"]
    + [(Qt.Key.Key_Z, CTRL), (Qt.Key.Key_Y, CTRL), (Qt.Key.Key_Escape, NONE), (Qt.Key.Key_Return, NONE)]
    + [(k, NONE) for k in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown, Qt.Key.Key_Home, Qt.Key.Key_End)]
)
BUTTONS = (Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton)


def check(program: Program) -> None:
    """What must hold after every action."""
    session = program.session
    shown = session.shown_risk
    if shown is not None:
        assert session.exam is not None
        assert session.can_measure
        assert shown.series_uid == session.exam.volume.series_uid
        assert (shown.centre, shown.grade) == (session.read.centre, session.read.grade)
    else:
        assert program.text("riskValue") == "–"
    if (explanation := session.explanation) is not None:
        assert session.risk is not None
        explained = (explanation.series_uid, explanation.centre, explanation.grade, explanation.bundle_sha256)
        risk = session.risk
        assert explained == (risk.series_uid, risk.centre, risk.grade, risk.bundle_sha256)
    else:
        assert not program.window.desk.views[Plane.AXIAL].heat.shown
    if session.scores is not None:
        assert session.scores.series_uid == session.volume.series_uid
        withheld = session.hides(session.scores_standing)
        assert program.text("agatstonValue") == ("Withheld" if withheld else f"{session.scores.agatston:.1f}")
        if not session.scores.drawn:
            assert session.scores.centre == session.read.centre
    else:
        assert program.text("agatstonValue") == "–"
    if session.volume is not None:
        assert session.volume.contains(session.view.position)


@pytest.mark.parametrize("seed", range(3))
def test_everything_in_any_order(ready: Program, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    cx, cy, cz = HEART_CENTRE
    volumes = [
        block_volume(
            [(box((cx + i, cy, cz), (9, 5, 2)), 200 + 100 * i)], series_uid=f"1.2.{i}", patient=f"P^{i}", seed=i
        )
        for i in range(3)
    ]
    files = [image_file(tmp_path, f"{i}.mha", seed=i) for i in range(2)]
    broken = tmp_path / "broken.mha"
    broken.write_bytes(b"ObjectType = Image\n")
    views = list(ready.window.desk.views.values())
    ready.show(volumes[0])
    for _ in range(220):
        view = chance.choice(views)
        size = view.viewport().size()
        a, b = (QPoint(chance.randrange(size.width()), chance.randrange(size.height())) for _ in range(2))
        action = chance.random()
        if action < 0.5:
            QTest.keyClick(view, *chance.choice(KEYS))
        elif action < 0.7:
            QTest.mouseClick(view.viewport(), BUTTONS[0], NONE, a)
        elif action < 0.82:
            button = chance.choice(BUTTONS)
            QTest.mousePress(view.viewport(), button, NONE, a)
            QTest.mouseMove(view.viewport(), b)
            QTest.mouseRelease(view.viewport(), button, NONE, b)
        elif action < 0.86:
            ready.show(chance.choice(volumes))
        elif action < 0.90:
            ready.services.loader.open_path(chance.choice([*files, broken]))
        elif action < 0.92:
            ready.window.commands.run("cancel_loading")
        elif ready.session.scores is not None and ready.session.scores.lesions:
            ready.session.toggle_lesion(chance.randrange(len(ready.session.scores.lesions)))
        check(ready)
        ready.qtbot.wait(chance.choice((0, 0, 0, 5)))
        check(ready)
        for dialog in ready.window.findChildren(QDialog):
            dialog.close()
    ready.wait(lambda: not ready.services.loader.loading)
    check(ready)
    assert not [line for line in ready.services.log.lines if "ERROR" in line]
    # And after all that, a plain reading still works.
    ready.show(block_volume(series_uid="9.9"))
    ready.session.place_centre(HEART_CENTRE)
    ready.session.set_grade(1)
    ready.wait_for_risk()
    check(ready)
    assert ready.window.desk.views[Plane.AXIAL].isVisible()
