"""Are two exams of one patient, and which is the earlier one? What their headers say decides, and doubt is asked about."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import listed, tr

_KEYS = ("PatientID", "PatientBirthDate", "PatientName")


def differing(current: Mapping[str, str], prior: Mapping[str, str]) -> tuple[str, ...]:
    """Which of patient ID, birth date and name differ, in words; none of their values.

    Args:
        current, prior: DICOM keywords to text of either exam.
    """
    words = {"PatientID": tr("patient ID"), "PatientBirthDate": tr("birth date"), "PatientName": tr("patient name")}
    return tuple(words[key] for key in _KEYS if _plain(current.get(key, "")) != _plain(prior.get(key, "")))


def known(attributes: Mapping[str, str]) -> int:
    """How many of patient ID, birth date and name an exam tells.

    Args:
        attributes: DICOM keywords to text.
    """
    return sum(bool(_plain(attributes.get(key, ""))) for key in _KEYS)


def check_same_patient(current: Mapping[str, str], prior: Mapping[str, str]) -> None:
    """Refuse two exams whose patient id, birth date or name differ, or that say none of these.

    Args:
        current, prior: DICOM keywords to text of either exam.

    Raises:
        InputError: they differ, or can't be told to agree. No value is quoted.
    """
    if differ := differing(current, prior):
        raise InputError(
            "other_patient",
            tr("The exams differ in {what}: they may be of two patients. If they are of one, say so with --same-patient.",
               what=listed(differ)),
        )  # fmt: skip
    if not known(current):
        raise InputError(
            "unknown_patient",
            tr("Neither exam names its patient. If both are of one patient, say so with --same-patient."),
        )


def _plain(value: str) -> str:
    """A name without the padding and the empty components that some archives leave out."""
    return value.strip().rstrip("^ ").casefold()


def days_between(current: Mapping[str, str], prior: Mapping[str, str]) -> int | None:
    """Days from the prior exam to the current one; None where a date is missing or none.

    Args:
        current, prior: as of `check_same_patient`.

    Raises:
        InputError: the prior is the later one.
    """
    dates = [_date(attributes) for attributes in (current, prior)]
    now, then = dates
    if now is None or then is None:
        return None
    if then > now:
        raise InputError(
            "prior_is_later", tr("The second exam is the later one; give the current exam first, then the earlier one.")
        )
    return (now - then).days


def _date(attributes: Mapping[str, str]) -> date | None:
    for key in ("AcquisitionDate", "SeriesDate", "StudyDate"):
        text = attributes.get(key, "").strip()[:8]
        if len(text) == 8 and text.isdecimal():
            try:
                return date(int(text[:4]), int(text[4:6]), int(text[6:]))
            except ValueError:
                continue
    return None
