"""Which exams of the store may be of the same patient."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyrisk_desktop.gui.prior.found import MOST, find_priors
from hyrisk_desktop.worklist.earlier import exams_of_patient
from hyrisk_desktop.worklist.store import Store
from tests.helpers.exams import scanned

WHO = {"PatientID": "P1", "PatientName": "Name^Ada", "PatientBirthDate": "19500102", "StudyDate": "20210304"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "worklist.sqlite")


def keep(store: Store, number: int, **attributes: str) -> int:
    kept = {"study_uid": attributes.pop("study", f"1.1.{number}"), "suitable": attributes.pop("suitable", "") != "no"}
    return store.add_exams(None, [scanned(number, attributes={**WHO, **attributes}, **kept)])[0]


def test_the_same_id_or_the_same_name_is_found_and_the_exam_itself_is_not(store: Store) -> None:
    own = keep(store, 1)
    same = keep(store, 2)
    other_name = keep(store, 3, PatientName="Name^Eve")
    other_id = keep(store, 4, PatientID="P2")
    keep(store, 5, PatientID="P3", PatientName="Name^Eve")
    keep(store, 6, suitable="no")
    assert own
    found = [exam.exam_id for exam in exams_of_patient(store, WHO, "1.1.1")]
    assert found == [same, other_name, other_id]
    assert exams_of_patient(store, {"PatientID": " ", "StudyDate": "20210304"}, "1.1.1") == []
    store.note_problem(same, "damaged", "It can't be read.")
    assert [exam.exam_id for exam in exams_of_patient(store, WHO, "1.1.1")] == [other_name, other_id]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"StudyDate": "20200304"}, (365, "")),
        ({"StudyDate": "20210304"}, (0, "")),
        ({"StudyDate": "20210305"}, None),
        ({"StudyDate": ""}, (None, "")),
        ({"StudyDate": "20200304", "PatientName": "Name^Eve"}, (365, "The exams differ in patient name.")),
        ({"StudyDate": "20200304", "PatientBirthDate": ""}, (365, "The exams differ in birth date.")),
        ({"StudyDate": "20200304", "PatientID": "P2"}, (365, "The exams differ in patient ID.")),
        ({"StudyDate": "20200304", "PatientID": "P2", "PatientBirthDate": "19500103"}, None),
    ],
)
def test_what_is_a_prior_and_what_the_reader_is_asked_about(
    store: Store, attributes: dict[str, str], expected: tuple[int | None, str] | None
) -> None:
    keep(store, 2, **attributes)
    found = [(prior.days, prior.doubt) for prior in find_priors(store, WHO, "1.1.1")]
    assert found == ([] if expected is None else [expected])


def test_the_newest_comes_first(store: Store) -> None:
    for number, day in ((2, "20190101"), (3, "20200101"), (4, "20180101")):
        keep(store, number, StudyDate=day)
    assert [prior.study_date for prior in find_priors(store, WHO, "1.1.1")] == ["20200101", "20190101", "20180101"]


def test_an_id_alone_is_too_little_and_a_made_up_name_too_much(store: Store) -> None:
    alone = {"PatientID": "P1", "PatientName": "", "PatientBirthDate": "", "StudyDate": "20210304"}
    keep(store, 2, **{**alone, "StudyDate": "20200101"})
    assert [p.doubt for p in find_priors(store, alone, "1.1.1")] == ["Too little says whose exams these are."]
    for number in range(3, 3 + MOST):
        keep(store, number, StudyDate="20200101")
    doubts = {p.doubt for p in find_priors(store, WHO, "1.1.1") if "differ" not in p.doubt}
    assert doubts == {"Very many exams bear this patient's name and ID."}


def test_a_study_found_twice_is_one_exam(store: Store) -> None:
    keep(store, 2, StudyDate="20200101")
    keep(store, 3, StudyDate="20200101", study="1.1.2")
    assert len(find_priors(store, WHO, "1.1.1")) == 1


def test_exams_that_share_a_studys_uid_hide_none_of_this_patients(store: Store) -> None:
    """As some anonymisers give one UID to all: another patient's, found later, took the place of the right one."""
    right = keep(store, 2, StudyDate="20200101", study="1.1.2")
    keep(store, 3, StudyDate="20200101", study="1.1.2", PatientID="P2")
    earlier = keep(store, 4, StudyDate="20190101", study="1.1.2")
    same_uid = keep(store, 5, StudyDate="20180101", study="1.1.1")
    keep(store, 6, study="1.1.1", PatientName="Name^Corrected")
    keep(store, 7, StudyDate="", study="1.1.1")
    assert [p.exam_id for p in find_priors(store, WHO, "1.1.1")] == [right, earlier, same_uid]
    assert [p.doubt for p in find_priors(store, WHO, "1.1.1")] == ["", "", ""]


def test_exams_without_an_id_are_not_one_patients(store: Store) -> None:
    keep(store, 2, PatientID="", PatientName="Name^Eve", StudyDate="20200101")
    assert exams_of_patient(store, {**WHO, "PatientID": ""}, "1.1.1") == []
    keep(store, 3, PatientID="P9", PatientName="", StudyDate="20200101")
    assert exams_of_patient(store, {**WHO, "PatientName": ""}, "1.1.1") == []
