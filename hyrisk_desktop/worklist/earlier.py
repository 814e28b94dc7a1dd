"""Exams of one patient among all that the worklist's database has ever seen, whichever list they were found for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from hyrisk_desktop.worklist.models import ExamRow, SeriesRow
from hyrisk_desktop.worklist.row_values import plain

if TYPE_CHECKING:
    from hyrisk_desktop.worklist.store import Store

_NAMING = ("PatientID", "PatientName", "PatientBirthDate")


@dataclass(frozen=True, slots=True)
class StoredExam:
    """An exam that can be read.

    Attributes:
        exam_id: the store's number. study_uid, description: as said.
        attributes: DICOM keywords to text of the series that is read.
    """

    exam_id: int
    study_uid: str
    description: str
    attributes: Mapping[str, str]


def exams_of_patient(store: Store, attributes: Mapping[str, str], study_uid: str) -> list[StoredExam]:
    """Other exams with the same patient ID, or the same name; whether that is one patient is for the caller to say.

    Args:
        store: whose. attributes: DICOM keywords to text of an exam. study_uid: of that exam, which is left out, also where
            it was found in another folder. Exams of several days or patients may bear one UID: anonymisers give such.
    """
    named = [
        column == plain(value)
        for column, value in (
            (ExamRow.patient_id, attributes.get("PatientID", "")),
            (ExamRow.patient_name, attributes.get("PatientName", "")),
        )
        if value.strip()
    ]
    if not named:
        return []
    exams = (
        select(ExamRow.id, ExamRow.study_uid, ExamRow.description, SeriesRow.attributes)
        .join(SeriesRow, SeriesRow.exam_id == ExamRow.id)
        .where(or_(*named), ExamRow.problem == "")
        .where(SeriesRow.place == 0, SeriesRow.suitable)
        .order_by(ExamRow.id)
    )
    own, found = _day(attributes), dict[tuple[str, str], StoredExam]()
    with store.database.read() as session:
        for row in session.execute(exams):
            exam = StoredExam(row.id, row.study_uid, row.description, row.attributes)
            day = _day(exam.attributes)
            if exam.study_uid == plain(study_uid) and (day == own or not day or not own):
                continue
            # A study that was found in two folders is one exam; of two patients' the one that is rather this patient's.
            kept = found.get((exam.study_uid, day))
            if kept is None or _alike(exam.attributes, attributes) >= _alike(kept.attributes, attributes):
                found[exam.study_uid, day] = exam
    return sorted(found.values(), key=lambda exam: exam.exam_id)


def _day(attributes: Mapping[str, str]) -> str:
    return attributes.get("StudyDate", "").strip()


def _alike(one: Mapping[str, str], other: Mapping[str, str]) -> int:
    """How much of what names a patient both say."""
    return sum(plain(one.get(key, "")) == plain(other.get(key, "")) for key in _NAMING)
