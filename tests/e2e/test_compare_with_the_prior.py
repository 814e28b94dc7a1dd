"""A radiologist opens a follow-up: the exam before stands beside it, the change is told, the heart is scored by vessel, and all of it is exported."""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel

from hyrisk_desktop.demonstration import prepare_demonstration
from hyrisk_desktop.exchange.deidentified.pdf_text import text_of_pdf
from hyrisk_desktop.exchange.reports.pdf import pdf_report
from hyrisk_desktop.gui.prior.service import Layout
from hyrisk_desktop.gui.viewer.display import Plane
from model_training.phantom.exam import DEMONSTRATION_SEED, exam_layout
from model_training.phantom.follow_up import FollowUp, follow_up, later_dataset, lying_hu
from tests.gui.conftest import Program
from tests.helpers.pictures import picture

NONE, ALT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.AltModifier
GROWTH = 2.4


@pytest.fixture
def later() -> FollowUp:
    return follow_up(DEMONSTRATION_SEED, growth=GROWTH)


@pytest.fixture
def folder(program: Program, later: FollowUp, tmp_path: Path) -> Path:
    """The demonstration exam, and the same subject a year later."""
    exams = tmp_path / "follow-up"
    shutil.copytree(prepare_demonstration().folder, exams / "2018")
    (exams / "2019").mkdir()
    layout = exam_layout(later.phantom)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        slices = lying_hu(later, pool.map)
    for index, hu in enumerate(slices):
        later_dataset(later, layout, index, hu).save_as(exams / "2019" / f"{index}.dcm", enforce_file_format=True)
    return exams


def press(program: Program, key: Qt.Key, modifier: Qt.KeyboardModifier = NONE) -> None:
    QTest.keyClick(program.window.desk.views[Plane.AXIAL], key, modifier)


def test_story(program: Program, folder: Path, later: FollowUp) -> None:
    session, window, priors = program.session, program.window, program.services.priors
    program.wait(lambda: session.model is not None)
    program.services.worklist.set_reader("Ada Mueller")
    program.wait(lambda: session.reader == "Ada Mueller")
    program.services.worklist.open_path(folder)
    program.wait(lambda: session.can_measure and not program.services.worklist.scanning.running)
    if session.volume is not None and session.volume.attributes["StudyDate"] < "2019":
        press(program, Qt.Key.Key_N)
    program.wait(lambda: session.can_measure and len(priors.found) == 1)
    program.wait(lambda: session.proposal is not None)

    # Beside it, at first by the heart centres, then exactly.
    press(program, Qt.Key.Key_D)
    assert priors.layout is Layout.BESIDE
    program.wait(lambda: priors.placing is not None and priors.placing.exact)
    assert priors.placing is not None
    click = later.phantom.heart.click - [later.phantom.thorax.midline, 0.0, 0.0]
    there = priors.placing.current.mm_to_place(tuple(later.lying(click)))
    back = priors.placing.prior.voxel_to_mm(priors.placing.to_prior(there))
    assert max(abs(a - b) for a, b in zip(back, click - later.heart_mm, strict=True)) < 2.0

    press(program, Qt.Key.Key_Return)
    press(program, Qt.Key.Key_2, ALT)
    program.wait(lambda: session.risk is not None)
    press(program, Qt.Key.Key_A)
    program.wait(lambda: session.settled_heart is not None)
    program.wait(lambda: session.comparison is not None)
    press(program, Qt.Key.Key_T)
    press(program, Qt.Key.Key_A)
    program.wait(lambda: session.comparison is not None and "heart_agatston" in session.comparison.changes)
    assert session.comparison is not None
    change = session.comparison.changes["heart_agatston"]
    assert change.difference is not None
    assert change.difference > 0
    # Nobody has looked at the prior's plaques, so much of the change may be a kernel's.
    assert change.noise is not None
    assert change.noise > change.difference
    assert not change.beyond_noise
    assert session.comparison.interval_days == 365
    label = window.findChild(QLabel, "change_heart_agatston_3")
    assert label is not None
    assert label.text() == f"+{change.difference:.1f}"
    heart = session.settled_heart
    assert heart is not None
    assert heart.extent == heart.suggested_extent
    picture(window, "prior")

    press(program, Qt.Key.Key_D)
    assert window.prior_pane.coronal.isVisible()
    press(program, Qt.Key.Key_F)
    assert window.prior_pane.flipped.isVisible()
    press(program, Qt.Key.Key_F)
    if (plaque := max(heart.counted, key=lambda p: p.agatston, default=None)) is not None:
        session.set_view(position=plaque.id)
    picture(window, "whole-heart")

    # What the files will say is what is on screen.
    request = window.commands.reading_files.exporting.snapshot("Ada Mueller")
    assert request is not None
    text = " ".join(text_of_pdf(pdf_report(request.report())).split())
    assert f"{heart.agatston:.1f}" in text
    assert "CHANGE SINCE 2018-06-17, 365 DAYS" in text
