"""View > Explain the risk: the heat is of what is on screen, or it is not there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFrame, QLabel, QSlider

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.gui.dialogs.message import ErrorDialog
from hyrisk_desktop.gui.panels.risk_panel import split_explained, split_text
from hyrisk_desktop.gui.services import explain as explain_service
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.gui.viewer.heat import HeatOverlay, comes_from, heat_colours, heat_table
from hyrisk_desktop.risk.explain import Explanation, Split, explain
from hyrisk_desktop.risk.factors import FactorShare
from tests.gui.conftest import Program
from tests.gui.test_session import MODEL, opened, reading
from tests.helpers.patience import PATIENCE_S
from tests.helpers.pictures import pixels
from tests.helpers.volumes import HEART_CENTRE, block_volume

CX, CY, CZ = HEART_CENTRE


def heat(program: Program) -> HeatOverlay:
    return program.window.desk.views[Plane.AXIAL].heat


def legend(program: Program) -> QFrame:
    return program.window.findChild(QFrame, "heatLegend")


def of(session: Session) -> Explanation:
    """An explanation that fits what is on screen."""
    request = session.risk_request()
    assert request is not None
    plain = np.full((161, 161), np.nan, np.float32)
    plain[24:137, 24:137] = 0.5
    parts = Split(0.42, None if request.grade is None else 0.61, -0.1)
    return Explanation(
        request.series_uid,
        request.centre,
        request.grade,
        request.agatston,
        MODEL[1],
        MODEL[0],
        True,
        "grade",
        plain,
        0.5,
        -0.1,
        parts,
        parts,
    )


@pytest.fixture
def explained(ready: Program) -> Program:
    """Read and explained, by key."""
    ready.show(block_volume())
    ready.session.place_centre(HEART_CENTRE)
    ready.session.set_grade(2)
    QTest.keyClick(ready.window.desk.views[Plane.AXIAL], Qt.Key.Key_G)
    ready.wait(lambda: ready.session.explanation is not None)
    return ready


def test_the_key_shows_heat_legend_and_split(explained: Program) -> None:
    session = explained.session
    assert explained.window.actions_by_key["explain_risk"].isChecked()
    assert heat(explained).shown
    assert legend(explained).isVisible()
    assert explained.text("heatTitle") == "Grad-CAM, Tiny test network, research use only"
    assert "synthetic phantoms" in explained.text("heatDetail")
    assert f"Slices {CZ - 1} to {CZ + 1}" in explained.text("heatDetail")
    parts = session.explanation.calibrated
    assert explained.text("riskSplit") == split_text(session.explanation)
    assert f"grade {parts.score:+.2f}".replace("-", "−") in explained.text("riskSplit")
    assert 1 / (1 + np.exp(-parts.total)) == pytest.approx(session.risk.risk, abs=1e-5)
    QTest.keyClick(explained.window.desk.views[Plane.AXIAL], Qt.Key.Key_G)
    assert not heat(explained).shown
    assert not legend(explained).isVisible()
    assert not explained.window.actions_by_key["explain_risk"].isChecked()
    assert explained.text("riskSplit") == "G: what the risk comes from"


def test_what_is_explained_is_not_explained_again(explained: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    again: list[object] = []
    monkeypatch.setattr(explain_service, "explain", lambda *_, **__: again.append(1))
    explained.wait(lambda: not explained.services.runner.busy)
    explained.session.risk_changed.emit()
    explained.wait(lambda: not explained.services.runner.busy)
    assert again == []


def test_the_legend_says_what_the_image_part_comes_from(ready: Program) -> None:
    session = ready.session
    opened(session, block_volume())
    session.place_centre(HEART_CENTRE)
    known = (FactorShare("epicardial_fat", 0.314, 0.52), FactorShare("calcium_mass", -0.206, 0.47))
    explanation = replace(of(session), explained_by=known, explained=0.68, fat_cm3=61.4)
    assert comes_from(explanation) == [
        "The image part, in log odds beside an average phantom:",
        "+0.31  epicardial fat (R² 0.52)",
        "−0.21  calcium mass (R² 0.47)",
        "measured: 61 cm³ of fat within 50 mm",
        "32 % of the image part is unexplained",
    ]
    # Fat is measured where the network speaks of it, and the smallest factors are left to the files.
    others = tuple(FactorShare(f"f{n}", 0.01, 0.4) for n in range(3))
    lean = replace(explanation, explained_by=(*known[1:], *others, FactorShare("epicardial_fat", 0.001, 0.5)))
    assert len(comes_from(lean)) == 6
    assert "cm³" not in " ".join(comes_from(lean))
    box = ready.window.desk.heat_legend
    box.show_explanation(explanation)
    assert ready.text("heatDetail").endswith("\n".join(comes_from(explanation)))
    assert "along z" not in ready.text("heatDetail")
    box.show_explanation(replace(explanation, levels_mm=(-6.5, 0.0, 4.0)))
    assert "\nLooked at −6.5, 0, +4 mm along z; the map is the mean\n" in ready.text("heatDetail")
    # A model that nobody studied shows none of it.
    assert comes_from(of(session)) == []
    box.show_explanation(of(session))
    assert "image part" not in ready.text("heatDetail")


def test_the_heat_is_on_the_three_slices_of_the_patch_only(explained: Program) -> None:
    for z, expected in ((CZ - 2, False), (CZ - 1, True), (CZ, True), (CZ + 1, True), (CZ + 2, False)):
        explained.session.set_view(position=(CX, CY, z))
        assert heat(explained).shown is expected, z
    explained.session.set_view(position=HEART_CENTRE)
    explained.session.set_view(slab_mm=20.0)
    assert not heat(explained).shown
    explained.session.set_view(slab_mm=0.0)
    assert heat(explained).shown
    explained.window.desk.set_overlay_level(0)
    assert not heat(explained).shown
    explained.window.desk.set_overlay_level(1)
    assert heat(explained).shown
    for plane in (Plane.CORONAL, Plane.SAGITTAL):
        assert not explained.window.desk.views[plane].heat.shown


def colour_around(program: Program, centre: tuple[int, int, int]) -> int:
    """How far from grey the axial image is, in all, within 60 pixels of ``centre``."""
    view = program.window.desk.views[Plane.AXIAL]
    at = view.position_of(centre).toPoint()
    rgb = pixels(view.viewport())[at.y() - 60 : at.y() + 60, at.x() - 60 : at.x() + 60, :3].astype(int)
    return int((rgb.max(axis=-1) - rgb.min(axis=-1)).sum())


def test_the_slider_fades_it(explained: Program) -> None:
    slider = explained.window.findChild(QSlider, "heatOpacity")
    colourful = {}
    for opacity in (60, 10, 0):
        slider.setValue(opacity)
        colourful[opacity] = colour_around(explained, HEART_CENTRE)
    strong, weak = (colourful[opacity] - colourful[0] for opacity in (60, 10))
    assert strong > 2 * weak > 0


def test_a_new_centre_takes_the_old_heat_away_at_once(explained: Program) -> None:
    old = explained.session.explanation
    explained.session.nudge_centre(4, 0, 0)
    assert explained.session.explanation is None
    assert not heat(explained).shown
    assert not legend(explained).isVisible()
    explained.wait(lambda: explained.session.explanation is not None)
    assert explained.session.explanation.centre == (CX + 4, CY, CZ)
    assert explained.session.explanation is not old
    assert heat(explained).shown


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The worker explains only once the gate is open."""
    opened = threading.Event()

    def slow(*question: object, **score: object) -> Explanation:
        assert opened.wait(PATIENCE_S)
        return explain(*question, **score)

    monkeypatch.setattr(explain_service, "explain", slow)
    yield opened
    opened.set()


def test_an_old_centres_heat_never_lies_over_a_new_one(explained: Program, gate: threading.Event) -> None:
    session, seen = explained.session, []
    session.explanation_changed.connect(lambda: seen.append(session.explanation))
    session.nudge_centre(1, 0, 0)
    explained.wait(lambda: explained.services.explain._explaining.running)
    session.nudge_centre(0, 3, 0)
    gate.set()
    explained.wait(lambda: session.explanation is not None)
    assert {e.centre for e in seen if e is not None} == {(CX + 1, CY + 3, CZ)}


def test_patient_as_heat_never_lies_over_patient_b(explained: Program, gate: threading.Event) -> None:
    """B is opened while A's explanation is being made, and read at the same voxel and grade."""
    explained.session.nudge_centre(1, 0, 0)
    explained.wait(lambda: explained.services.explain._explaining.running)
    seen = []
    explained.session.explanation_changed.connect(lambda: seen.append(explained.session.explanation))
    other = block_volume(series_uid="4.5.6", patient="Other^Patient", seed=4)
    explained.show(other)
    assert not heat(explained).shown
    explained.session.place_centre((CX + 1, CY, CZ))
    explained.session.set_grade(2)
    assert not heat(explained).shown
    gate.set()
    explained.wait(lambda: explained.session.explanation is not None)
    assert explained.session.explanation.series_uid == "4.5.6"
    assert all(e is None or e.series_uid == "4.5.6" for e in seen)


def test_another_model_takes_the_heat_away(explained: Program) -> None:
    explained.session.set_model(("Other", "ef" * 32))
    assert explained.session.explanation is None
    assert not heat(explained).shown


def test_a_failure_ends_the_wish_with_one_sentence(ready: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise HyRiskError("no_answer", "There is no explanation today.")

    monkeypatch.setattr(explain_service, "explain", fail)
    ready.show(block_volume())
    ready.session.place_centre(HEART_CENTRE)
    ready.window.commands.run("explain_risk")
    ready.wait(lambda: ready.window.findChild(ErrorDialog) is not None)
    dialog = ready.window.findChild(ErrorDialog)
    assert "no explanation today" in dialog.findChild(QLabel, "errorSentence").text()
    dialog.accept()
    assert not ready.session.explaining
    assert not ready.window.actions_by_key["explain_risk"].isChecked()
    assert ready.session.risk is not None


def test_without_a_centre_the_status_says_what_to_do(ready: Program) -> None:
    ready.window.commands.run("explain_risk")
    assert not ready.session.explaining
    ready.show(block_volume())
    ready.window.commands.run("explain_risk")
    assert "heart centre" in ready.window.findChild(QLabel, "statusMessage").toolTip()
    assert ready.text("riskSplit") == ""
    ready.session.place_centre(HEART_CENTRE)
    ready.wait(lambda: heat(ready).shown)
    assert "grade" not in ready.text("riskSplit")


@pytest.fixture
def session(qtbot: object) -> Session:
    session = Session()
    session.set_model(MODEL)
    opened(session, block_volume())
    session.place_centre(HEART_CENTRE)
    session.set_grade(2)
    request = session.risk_request()
    session.set_explaining(True)
    assert request is not None
    session.apply_risk(request, reading(request))
    return session


def test_an_explanation_that_fits_is_shown(session: Session) -> None:
    assert session.apply_explanation(session.risk_request(), of(session))
    assert session.explanation is not None


@pytest.mark.parametrize(
    "stale",
    [{"series_uid": "9.9"}, {"centre": (1, 2, 3)}, {"grade": 1.0}, {"grade": None}, {"bundle_sha256": "cd" * 32}],
)
def test_an_explanation_of_something_else_is_dropped(session: Session, stale: dict[str, object]) -> None:
    assert not session.apply_explanation(session.risk_request(), replace(of(session), **stale))
    assert session.explanation is None


def test_an_old_question_is_dropped_even_where_its_answer_looks_right(session: Session) -> None:
    request, late = session.risk_request(), of(session)
    opened(session, block_volume(seed=3))
    session.place_centre(HEART_CENTRE)
    session.set_grade(2)
    new = session.risk_request()
    session.apply_risk(new, reading(new))
    assert not session.apply_explanation(request, late)
    session.set_explaining(False)
    assert not session.apply_explanation(new, of(session))


def test_nothing_is_explained_while_the_risk_is_computed_again(session: Session) -> None:
    request, late = session.risk_request(), of(session)
    session.compute_risk_again()
    assert (session.risk_request(), session.risk) == (request, None)
    assert not session.apply_explanation(request, late)


def test_words_of_the_split() -> None:
    parts = Split(0.42, 0.61, -0.1)
    plain = Explanation(
        "1", (0, 0, 0), 2.0, None, "ab", "M", False, "grade", np.zeros((3, 3), np.float32), 1, 0, parts, parts
    )
    assert split_text(plain) == "image +0.42, grade +0.61, constant −0.10 log odds"
    assert "Agatston part +0.61" in split_text(replace(plain, score_input="agatston"))
    assert split_text(replace(plain, calibrated=Split(-0.001, None, 0.0))) == "image +0.00, constant +0.00 log odds"
    assert "71.7 %" in split_explained(plain)
    assert "synthetic" not in split_explained(plain)
    assert "synthetic" in split_explained(replace(plain, demonstration=True))


def test_colours_leave_the_image_readable() -> None:
    heat = np.full((9, 9), np.nan, np.float32)
    heat[2:7, 2:7] = 0.0
    heat[4, 4] = 1.0
    picture = heat_colours(heat, 0.6)
    assert picture[0, 0, 3] == 0
    assert picture[3, 3, 3] == 0
    assert picture[4, 4, 3] == 153
    assert picture[2, 4, 3] == 90
    # Lightness rises all the way, so that no colour vision is needed.
    table = heat_table().astype(float)
    lightness = table @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > -1).all()
    assert lightness[-1] - lightness[0] > 80


def test_the_colours_are_the_library_s_own() -> None:
    import pyqtgraph

    expected = pyqtgraph.colormap.get("viridis").getLookupTable(0.2, 0.85, 256)
    assert np.array_equal(heat_table(), expected)
