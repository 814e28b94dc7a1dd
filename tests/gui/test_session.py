"""The live state: edits, undo, and above all that an answer shows only where it belongs."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from pytestqt.qtbot import QtBot

from hyrisk_desktop.calcium import Region
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.gui.services.risk import RiskService
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import Exam, ReadState, RiskRequest, RiskStatus
from hyrisk_desktop.imaging import CTVolume, Voxel
from hyrisk_desktop.risk import RiskReading
from hyrisk_desktop.worklist.notes import Notes
from tests.gui.conftest import record_of
from tests.helpers.volumes import HEART_CENTRE, block_volume, box

CX, CY, CZ = HEART_CENTRE
MODEL = ("Test model", "ab" * 32)


def reading(request: RiskRequest, **changes: object) -> RiskReading:
    plain = RiskReading(
        series_uid=request.series_uid,
        centre=request.centre,
        grade=request.grade,
        model=MODEL[0],
        sha256="12" * 32,
        bundle_sha256=MODEL[1],
        demonstration=True,
        risknet=0.4,
        hyrisknet=None if request.grade is None else 0.5,
        interval=(0.3, 0.6),
        percentile=50.0,
        by_grade=(0.3, 0.4, 0.5, 0.6),
        calibrated=True,
        prevalence=0.5,
        findings=(),
        device="cpu",
        agatston=request.agatston,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def opened(session: Session, volume: CTVolume) -> Exam:
    exam = Exam(volume, record_of(volume))
    session.complete(exam)
    return exam


@pytest.fixture
def session(qtbot: QtBot) -> Session:
    session = Session()
    session.set_model(MODEL)
    lesions = [(box((CX, CY, CZ), (4, 4, 1)), 350), (box((CX + 15, CY, CZ), (4, 4, 1)), 450)]
    opened(session, block_volume(lesions))
    return session


def test_scores_follow_the_click_at_once(session: Session) -> None:
    assert session.scores is None
    session.place_centre(HEART_CENTRE)
    assert session.scores is not None
    assert session.scores.centre == HEART_CENTRE
    assert session.view.position == HEART_CENTRE
    assert session.view.centre_selected


def test_an_answer_that_fits_is_shown(session: Session) -> None:
    session.place_centre(HEART_CENTRE)
    session.set_grade(2)
    request = session.risk_request()
    assert request is not None
    assert session.apply_risk(request, reading(request))
    assert session.risk is not None
    assert session.risk_status is RiskStatus.READY


@pytest.mark.parametrize(
    "stale",
    [
        {"series_uid": "9.9.9"},
        {"centre": (1, 2, 3)},
        {"grade": 1.0},
        {"agatston": 1.0},
        {"bundle_sha256": "cd" * 32},
    ],
)
def test_an_answer_about_something_else_is_dropped(session: Session, stale: dict[str, object]) -> None:
    session.place_centre(HEART_CENTRE)
    session.set_grade(2)
    request = session.risk_request()
    assert request is not None
    assert not session.apply_risk(request, reading(request, **stale))
    assert session.risk is None


def test_patient_a_never_shows_on_patient_b(session: Session) -> None:
    """The one bug this program must never have: B is open at the same voxel and grade when A's answer comes."""
    session.place_centre(HEART_CENTRE)
    session.set_grade(2)
    request = session.risk_request()
    assert request is not None
    late = reading(request)
    session.apply_risk(request, late)
    opened(session, block_volume(series_uid="4.5.6", patient="Other^Patient"))
    assert session.risk is None
    assert session.scores is None
    assert session.read.centre is None
    assert session.read.grade is None
    session.place_centre(HEART_CENTRE)
    session.set_grade(2)
    assert not session.apply_risk(request, late)
    assert session.risk is None
    # Not even when B carries A's series UID, as a second copy or a mix-up on the disk would.
    opened(session, block_volume(seed=3))
    session.place_centre(HEART_CENTRE)
    session.set_grade(2)
    assert not session.apply_risk(request, late)
    assert session.risk is None


def test_a_first_risk_is_shown_and_never_kept(session: Session) -> None:
    """The number of the reader's own click comes before its interval: it is on screen, and in no read and no report."""
    session.place_centre(HEART_CENTRE)
    session.set_grade(2)
    request = session.risk_request()
    assert request is not None
    session.set_risk_status(RiskStatus.COMPUTING)
    unlike = Finding("unlike_training", Severity.WARNING, "Unlike the training data.")
    first = reading(request, interval=(0.5, 0.5), findings=(unlike,))
    session.apply_first_risk(request, first)
    assert (session.risk, session.shown_risk, session.risk_status) == (None, first, RiskStatus.COMPUTING)
    assert unlike in session.shown_findings
    assert unlike not in session.findings, "what is kept waits for the reading with its interval"
    assert session.measurement.risk is None
    assert unlike not in session.measurement.findings
    session.set_grade(1)
    assert session.shown_risk is None
    for stale in ({"series_uid": "9.9.9"}, {"centre": (1, 2, 3)}, {"grade": 2.0}, {"bundle_sha256": "cd" * 32}):
        session.apply_first_risk(session.risk_request(), reading(session.risk_request(), **stale))
        assert session.shown_risk is None
    session.apply_first_risk(request, first)
    assert session.shown_risk is None
    again = session.risk_request()
    session.apply_first_risk(again, reading(again))
    session.set_risk_status(RiskStatus.FAILED, "why")
    assert session.shown_risk is None
    session.apply_first_risk(again, reading(again))
    assert session.apply_risk(again, whole := reading(again))
    assert (session.risk, session.shown_risk, session.first_risk) == (whole, whole, None)
    session.apply_first_risk(again, reading(again, interval=(0.5, 0.5)))
    assert session.shown_risk is whole
    opened(session, block_volume(series_uid="4.5.6", patient="Other^Patient"))
    assert session.shown_risk is None


def test_a_list_that_becomes_blinded_takes_no_risk_of_the_open_one(session: Session) -> None:
    session.place_centre(HEART_CENTRE)
    session.set_grade(2)
    request = session.risk_request()
    session.set_blinded(True)
    assert session.risk_request() is None
    session.apply_first_risk(request, reading(request))
    assert not session.apply_risk(request, reading(request))
    assert session.shown_risk is None


def test_every_edit_makes_the_risk_invalid_at_once(session: Session) -> None:
    session.place_centre(HEART_CENTRE)
    request = session.risk_request()
    assert request is not None
    session.apply_risk(request, reading(request))
    session.set_grade(1)
    assert session.risk is None


def test_undo_and_redo_take_back_every_kind_of_edit(session: Session) -> None:
    session.place_centre(HEART_CENTRE)
    session.set_grade(2)
    session.toggle_lesion(0)
    session.nudge_centre(1, 0, 0)
    session.edit(box=Region((10, 10, 0), (60, 60, 9)))
    states = [session.read]
    for _ in range(5):
        session.undo()
        states.append(session.read)
    assert not session.can_undo
    assert states[1].box is None
    assert states[2].centre == HEART_CENTRE
    assert states[3].excluded == frozenset()
    assert states[4].grade is None
    assert states[5].centre is None
    for expected in states[-2::-1]:
        session.redo()
        assert session.read == expected
    assert not session.can_redo


def test_excluding_a_lesion_changes_the_totals_live(session: Session) -> None:
    session.place_centre(HEART_CENTRE)
    assert session.scores is not None
    whole = session.scores.agatston
    session.toggle_lesion(0)
    assert session.scores.agatston < whole
    session.nudge_centre(2, 0, 0)
    assert session.scores.lesions[0].excluded
    session.toggle_lesion(0)
    assert session.scores.agatston == pytest.approx(whole)
    assert session.read.excluded == frozenset()


def test_a_lesion_that_is_none_is_not_excluded(session: Session) -> None:
    session.place_centre(HEART_CENTRE)
    assert session.scores is not None
    for index in (-1, len(session.scores.lesions)):
        session.toggle_lesion(index)
    assert session.read.excluded == frozenset()


def test_nudging_stops_at_the_border(session: Session) -> None:
    session.place_centre((0, 0, 0))
    session.nudge_centre(-5, -5, -1)
    assert session.read.centre == (0, 0, 0)


@pytest.mark.parametrize("voxel", [(-1, 0, 0), (0, 0, 99)])
def test_a_centre_outside_is_ignored(session: Session, voxel: Voxel) -> None:
    session.place_centre(voxel)
    assert session.read.centre is None


def test_grades_outside_the_range_are_refused(session: Session) -> None:
    with pytest.raises(InputError):
        session.set_grade(5)


def test_a_preview_can_not_be_measured_and_its_failure_brings_the_exam_back(session: Session) -> None:
    session.place_centre(HEART_CENTRE)
    session.set_grade(3)
    before = (session.exam, session.read)
    volume = block_volume(series_uid="7.7.7")
    session.show_preview(Exam(volume, record_of(volume), loading=True), 12)
    assert not session.can_measure
    assert session.scores is None
    session.place_centre(HEART_CENTRE)
    assert session.read.centre is None
    session.abandon_preview()
    assert (session.exam, session.read) == before
    assert session.scores is not None
    assert session.can_undo


def test_an_exam_that_is_there_at_once_is_not_looked_at_as_another_ones_preview_was(session: Session) -> None:
    """The preview's slice and window are kept for its own exam alone."""
    volume = block_volume(shape=(30, 80, 120))
    other = Exam(volume, record_of(volume))
    for exam, position in ((other, (60, 40, 15)), (replace(other, exam_id=-1), (11, 12, 13))):
        session.show_preview(replace(other, exam_id=-1, loading=True), 12)
        session.set_view(position=(11, 12, 13))
        session.complete(exam)
        assert session.view.position == position


def test_without_a_risk_it_is_said_why_there_is_none(session: Session) -> None:
    assert (session.risk_status, session.risk_message) == (RiskStatus.NO_CENTRE, "")
    session.set_model(None, "No risk: the model is damaged.")
    session.place_centre(HEART_CENTRE)
    assert (session.risk_status, session.risk_message) == (RiskStatus.NO_MODEL, "No risk: the model is damaged.")
    session.set_model(MODEL)
    assert (session.risk_status, session.risk_message) == (RiskStatus.NO_CENTRE, "")


def test_a_risk_that_is_there_stays_while_a_model_loads(session: Session) -> None:
    session.place_centre(HEART_CENTRE)
    request = session.risk_request()
    assert request is not None
    session.apply_risk(request, reading(request))
    never = SimpleNamespace(run_model=lambda _: None)
    RiskService(session, never).load_model(lambda: pytest.fail("not asked yet"), None)  # type: ignore[arg-type]
    assert session.risk_status is RiskStatus.READY


def test_a_click_while_a_model_loads_brings_back_no_older_failure(session: Session) -> None:
    session.set_model(None, "No risk: the model is damaged.")
    session.set_risk_status(RiskStatus.MODEL_LOADING)
    session.place_centre(HEART_CENTRE)
    assert (session.risk_status, session.risk_message) == (RiskStatus.MODEL_LOADING, "")


def test_a_grade_that_contradicts_the_score_is_a_finding(session: Session) -> None:
    session.place_centre(HEART_CENTRE)
    session.set_grade(0)
    assert "grade_disagrees" in [f.code for f in session.findings]
    session.set_grade(2)
    assert "grade_disagrees" not in [f.code for f in session.findings]


@pytest.mark.parametrize("change", ["none", "grade", "notes"])
def test_what_another_desk_has_saved_shows_whole_also_over_a_read_that_came_from_the_store(
    session: Session, change: str
) -> None:
    """What the stored read had when the exam was opened is nothing that the reader here has taken away since."""
    exam = session.exam
    assert exam is not None
    request = RiskRequest(exam.exam_id, exam.volume.series_uid, HEART_CENTRE, 1.0, 0.0)
    stored = ReadState(centre=HEART_CENTRE, grade=1.0)
    session.restore(stored, exam.exam_id, reading(request))
    if change == "grade":
        session.set_grade(3.0)
    newer = ReadState() if change == "notes" else ReadState(centre=(CX + 1, CY, CZ), grade=2.0)
    newer = replace(newer, notes=Notes(key_images=(CZ,)))
    session.take_stored(newer, exam.exam_id, None, None)
    assert session.read == newer
    assert session.read_restored
    assert not session.can_undo
    assert (session.survey is None) == (newer.centre is None), "no number of the read before stays"
    assert session.risk is None


def test_the_same_read_from_another_desk_comes_with_its_own_risk(session: Session) -> None:
    exam = session.exam
    assert exam is not None
    request = RiskRequest(exam.exam_id, exam.volume.series_uid, HEART_CENTRE, 1.0, 0.0)
    stored = ReadState(centre=HEART_CENTRE, grade=1.0)
    session.restore(stored, exam.exam_id, reading(request))
    there = reading(request, risknet=0.1, model="Another model")
    session.take_stored(stored, exam.exam_id, there, None)
    assert session.risk == there
