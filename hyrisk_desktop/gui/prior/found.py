"""Which earlier exams of the patient on screen there are, and how sure it is that they are the same patient's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hyrisk_desktop.comparison.same_patient import days_between, differing, known
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.exchange.pacs.query import StudyMatch
from hyrisk_desktop.i18n import day_text, listed, tr, trn

if TYPE_CHECKING:
    from hyrisk_desktop.worklist.store import Store

MOST = 12
"""More exams than that with one identity are rather many patients under one made-up name."""
_LEAST_KNOWN = 2


@dataclass(frozen=True, slots=True)
class PriorExam:
    """An earlier exam.

    Attributes:
        exam_id: the store's number; 0 for one that the reader opened by hand, at ``path``, or that only the PACS has.
        study_date: as in DICOM, "" for none. days: before the exam on screen, None where a date is missing.
        description: of the study. doubt: why the reader is asked whether it is the same patient, "" for sure.
        study_uid: where it is known. node, study: the PACS that has it, and what it says of it.
    """

    exam_id: int
    study_date: str = ""
    days: int | None = None
    description: str = ""
    doubt: str = ""
    path: Path | None = None
    study_uid: str = ""
    node: str = ""
    study: StudyMatch | None = None


def find_priors(store: Store, attributes: Mapping[str, str], study_uid: str) -> tuple[PriorExam, ...]:
    """On the store's thread: earlier exams of the patient, newest first.

    Args:
        store: the worklist's. attributes: DICOM keywords to text of the exam on screen. study_uid: of that exam.
    """
    from hyrisk_desktop.worklist.earlier import exams_of_patient

    exams = exams_of_patient(store, attributes, study_uid)
    many = len(exams) > MOST
    found = []
    for exam in exams:
        prior = prior_of(
            attributes,
            exam.attributes,
            exam_id=exam.exam_id,
            description=exam.description,
            study_uid=exam.study_uid,
            many=many,
        )
        if prior is not None and probable(attributes, exam.attributes):
            found.append(prior)
    return newest_first(found)


def newest_first(priors: Iterable[PriorExam]) -> tuple[PriorExam, ...]:
    """As they are listed."""
    return tuple(sorted(priors, key=lambda p: (p.study_date, p.exam_id), reverse=True))


def prior_of(
    current: Mapping[str, str],
    other: Mapping[str, str],
    *,
    exam_id: int = 0,
    description: str = "",
    study_uid: str = "",
    many: bool = False,
    path: Path | None = None,
) -> PriorExam | None:
    """The other exam as a prior of the current one; None where it is the later one.

    Args:
        current, other: DICOM keywords to text. exam_id, description, study_uid, path: as of `PriorExam`.
        many: a great many exams bear this identity.
    """
    try:
        days = days_between(current, other)
    except InputError:
        return None
    doubt = _doubt(current, other, many=many)
    return PriorExam(exam_id, other.get("StudyDate", ""), days, description, doubt, path, study_uid)


def probable(current: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Worth asking about: the same patient ID, or another one with the same name and birth date."""
    same_id = bool(current.get("PatientID", "").strip()) and tr("patient ID") not in differing(current, other)
    return same_id or (
        bool(current.get("PatientBirthDate", "").strip()) and differing(current, other) == (tr("patient ID"),)
    )


def _doubt(current: Mapping[str, str], other: Mapping[str, str], *, many: bool) -> str:
    if differ := differing(current, other):
        return tr("The exams differ in {what}.", what=listed(differ))
    if known(current) < _LEAST_KNOWN:
        return tr("Too little says whose exams these are.")
    return tr("Very many exams bear this patient's name and ID.") if many else ""


def when_text(prior: PriorExam, *, blinded: bool, brief: bool = False) -> str:
    """When it was: its date and how long before, or only that for who reads blinded; and whether only the PACS has it.

    Args:
        prior: the exam. blinded: whether dates are hidden. brief: one of the two will do.
    """
    when = _when(prior, blinded=blinded, brief=brief)
    return tr("{when}, in the PACS", when=when) if prior.node else when


def _when(prior: PriorExam, *, blinded: bool, brief: bool) -> str:
    days = "" if prior.days is None else trn("{n} day before", "{n} days before", prior.days)
    date = "" if blinded else day_text(prior.study_date)
    if date and days and not brief:
        return tr("{date} ({days})", date=date, days=days)
    return date or days or tr("date unknown")
