"""What is searched for, and what is found; the same for C-FIND and QIDO-RS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.exchange.dicom_values import plain
from hyrisk_desktop.i18n import tr

LIMIT = 500
"""No more matches than this are shown: nobody reads them, and the PACS has other work."""
_LONGEST = 64


@dataclass(frozen=True, slots=True)
class Query:
    """What the user typed; empty fields are not asked for.

    ``*`` and ``?`` are wildcards as in DICOM; a name, a description or an accession number without one is searched for
    by its beginning.
    """

    patient_id: str = ""
    name: str = ""
    accession: str = ""
    description: str = ""
    modality: str = "CT"
    date_from: date | None = None
    date_to: date | None = None

    def check(self) -> None:
        """Refuse a search that asks for nothing, or for what no value can hold.

        Raises:
            InputError: with one sentence.
        """
        texts = (self.patient_id, self.name, self.accession, self.description, self.modality)
        # Pasted text brings signs that nobody sees: bidirectional marks, line ends, halves of characters that can't be sent.
        if any(len(t) > _LONGEST or "\\" in t or not t.isprintable() for t in texts):
            raise InputError(
                "bad_query", tr("Search texts have at most 64 characters, no backslash and no invisible characters.")
            )
        if self.date_from and self.date_to and self.date_from > self.date_to:
            raise InputError("bad_query", tr("The first date is after the last."))
        asked = (*(t.strip("*? ") for t in texts[:4]), self.date_from, self.date_to)
        if not any(asked):
            raise InputError(
                "empty_query",
                tr("Fill in at least one field besides the modality: a search for everything strains the PACS."),
            )

    def keys(self) -> dict[str, str]:
        """DICOM keywords and values at study level; only of what is asked for."""
        wanted = {
            "PatientID": self.patient_id.strip(),
            "PatientName": _beginning(self.name),
            "AccessionNumber": _beginning(self.accession),
            "StudyDescription": _beginning(self.description),
            "ModalitiesInStudy": self.modality.strip().upper(),
            "StudyDate": self._dates(),
        }
        return {keyword: value for keyword, value in wanted.items() if value}

    def _dates(self) -> str:
        if not (self.date_from or self.date_to):
            return ""
        begin = f"{self.date_from:%Y%m%d}" if self.date_from else ""
        end = f"{self.date_to:%Y%m%d}" if self.date_to else ""
        return begin if begin == end else f"{begin}-{end}"


def _beginning(text: str) -> str:
    text = text.strip()
    return text if not text or "*" in text or "?" in text else f"{text}*"


@dataclass(frozen=True, slots=True)
class StudyMatch:
    """A study that the node knows. The texts are for showing, on one line, whatever the node sent."""

    study_uid: str
    patient_id: str = ""
    patient_name: str = ""
    birth_date: str = ""
    sex: str = ""
    study_date: str = ""
    study_time: str = ""
    accession: str = ""
    description: str = ""
    modalities: tuple[str, ...] = ()
    series: int | None = None
    instances: int | None = None


@dataclass(frozen=True, slots=True)
class SeriesMatch:
    """A series of such a study."""

    study_uid: str
    series_uid: str
    modality: str = ""
    number: str = ""
    description: str = ""
    instances: int | None = None


STUDY_KEYS = (
    "StudyInstanceUID", "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber",
    "StudyDescription", "ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances",
)  # fmt: skip
SERIES_KEYS = ("SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription", "NumberOfSeriesRelatedInstances")


def study_of(values: Mapping[str, str]) -> StudyMatch | None:
    """A match from a node's answer, by keyword; None where it names no study."""
    uid = values.get("StudyInstanceUID", "").strip()
    if not is_uid(uid):
        return None
    text = {keyword: _shown(value) for keyword, value in values.items()}
    return StudyMatch(
        study_uid=uid,
        patient_id=text.get("PatientID", ""),
        patient_name=text.get("PatientName", ""),
        birth_date=text.get("PatientBirthDate", ""),
        sex=text.get("PatientSex", ""),
        study_date=text.get("StudyDate", ""),
        study_time=text.get("StudyTime", ""),
        accession=text.get("AccessionNumber", ""),
        description=text.get("StudyDescription", ""),
        modalities=tuple(m for m in map(_shown, values.get("ModalitiesInStudy", "").split("\\")) if m),
        series=_count(text.get("NumberOfStudyRelatedSeries", "")),
        instances=_count(text.get("NumberOfStudyRelatedInstances", "")),
    )


def series_of(study_uid: str, values: Mapping[str, str]) -> SeriesMatch | None:
    """As `study_of`, for a series."""
    uid = values.get("SeriesInstanceUID", "").strip()
    if not is_uid(uid):
        return None
    text = {keyword: _shown(value) for keyword, value in values.items()}
    return SeriesMatch(
        study_uid,
        uid,
        text.get("Modality", "").upper(),
        text.get("SeriesNumber", ""),
        text.get("SeriesDescription", ""),
        _count(text.get("NumberOfSeriesRelatedInstances", "")),
    )


def fits(study: StudyMatch, query: Query) -> bool:
    """Whether a match is one: some nodes ignore keys that they don't know, such as the modality."""
    wanted = query.modality.strip().upper()
    if wanted and study.modalities and wanted not in study.modalities:
        return False
    day = study.study_date
    if len(day) == 8 and day.isdigit():
        if query.date_from and day < f"{query.date_from:%Y%m%d}":
            return False
        if query.date_to and day > f"{query.date_to:%Y%m%d}":
            return False
    return True


def is_uid(text: str) -> bool:
    """Whether ``text`` can be a UID: digits and dots, at most 64. Leading zeros occur in real data."""
    return bool(re.fullmatch(r"[0-9]+(?:\.[0-9]+)*", text)) and len(text) <= 64


def _shown(text: str) -> str:
    return plain(text, 200)


def _count(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 9 else None
