"""Small items that structured reports are made of."""

from __future__ import annotations

from collections.abc import Iterable

from highdicom.sr import (
    CodedConcept,
    FindingSite,
    Measurement,
    QualitativeEvaluation,
    RelationshipTypeValues,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.sr.coding import Code

from hyrisk_desktop.exchange.reports import codes as c
from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.standing import Standing


def text(concept: Code, value: str) -> TextContentItem:
    """A text item."""
    return TextContentItem(concept, value, RelationshipTypeValues.CONTAINS)


def number(name: Code, value: float, unit: Code = c.SCORE, method: Code | None = None) -> Measurement:
    """A measurement.

    Args:
        name, value, unit: as said. method: how it was made.
    """
    return Measurement(name=CodedConcept.from_code(name), value=float(value), unit=unit, method=method)


def percent(name: Code, share: float) -> Measurement:
    """A share in [0, 1] as a measurement in percent.

    Args:
        name, share: as said.
    """
    return number(name, 100 * share, c.PERCENT)


def tracking(report: Report, name: str) -> TrackingIdentifier:
    """What names the thing ``name`` in every object of this reading."""
    return TrackingIdentifier(uid=report.tracking_uid(name), identifier=name)


def yes_no(name: Code, yes: bool) -> QualitativeEvaluation:
    """A yes or no."""
    return QualitativeEvaluation(name=name, value=c.YES if yes else c.NO)


def triple(values: Iterable[int]) -> str:
    """Three whole numbers as text."""
    return " ".join(str(int(value)) for value in values)


def state(standing: Standing) -> QualitativeEvaluation:
    """How far a number is to be trusted."""
    return QualitativeEvaluation(name=c.STATE, value=c.STATES[standing.state])


def reasons(standing: Standing) -> list[TextContentItem]:
    """The findings that decided that."""
    # A text of DICOM has at least one character.
    return [text(c.REASONS, " ".join(standing.codes))] if standing.codes else []


def coronary() -> list[FindingSite]:
    """The site of all coronary arteries."""
    return [FindingSite(c.CORONARY_ARTERIES)]
