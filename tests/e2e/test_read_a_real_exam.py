"""A radiologist reads the real NLST exam, and another exam is opened while a prediction is running."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from hyrisk_desktop.gui.viewer.display import Plane
from tests.gui.conftest import Program

CENTRE = (258, 224, 74)


def place_and_grade(program: Program, centre: tuple[int, int, int]) -> None:
    view = program.window.desk.views[Plane.AXIAL]
    program.session.set_view(position=centre)
    QTest.keyClick(view, Qt.Key.Key_H)
    QTest.mouseClick(
        view.viewport(),
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
        view.position_of(centre).toPoint(),
    )
    assert program.session.read.centre == centre
    QTest.keyClick(view, Qt.Key.Key_2, Qt.KeyboardModifier.AltModifier)


@pytest.mark.real_data
def test_story(program: Program, real_data: Path) -> None:
    session = program.session
    program.wait(lambda: session.model is not None)
    program.services.loader.open_path(real_data / "nlst_101287_T0")
    program.wait(lambda: session.can_measure)
    assert not session.exam.synthetic
    place_and_grade(program, CENTRE)
    program.wait_for_risk()
    assert session.risk.centre == CENTRE
    assert session.scores.agatston > 400
    assert "synthetic" not in program.window.calcium_panel.title()
    assert program.text("agatstonCategory").startswith("4")

    # The large calcification at the aortic root is not coronary: out it goes, and the score drops.
    root = max(range(len(session.scores.lesions)), key=lambda i: session.scores.lesions[i].agatston)
    before = session.scores.agatston
    session.toggle_lesion(root)
    assert session.scores.agatston < before

    # While a new prediction is under way, the contrast exam is opened and read at the same voxel.
    session.nudge_centre(5, 0, 0)
    assert session.risk is None
    program.services.loader.open_path(real_data / "lidc_idri_0001")
    program.wait(lambda: session.can_measure and session.volume.shape_zyx[0] == 133)
    assert session.risk is None
    assert program.text("riskValue") == "–"
    place_and_grade(program, CENTRE)
    program.wait_for_risk()
    assert session.risk.series_uid == session.volume.series_uid
    assert session.findings[0].code == "contrast"
