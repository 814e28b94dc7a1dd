"""Our own structured report, read back: everything that it says, or one sentence why it was not used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as standard
from pydicom.sr.coding import Code

from hyrisk_desktop.calcium import HeartMarks, get_profile
from hyrisk_desktop.errors import ExamError, HyRiskError
from hyrisk_desktop.exchange.reports import codes as c
from hyrisk_desktop.exchange.reports.our_objects import SEG_CLASS, SR_CLASS
from hyrisk_desktop.exchange.reports.report import PRODUCT
from hyrisk_desktop.exchange.reports.safe_reading import foreign_object, read_object
from hyrisk_desktop.exchange.reports.sr_heart import marks_of
from hyrisk_desktop.exchange.reports.structured_report import digest_item, digest_of
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import Voxel
from hyrisk_desktop.measurement import RISK_VALUES
from hyrisk_desktop.risk.spread import OF_VIEWS
from hyrisk_desktop.standing import State

_Key = tuple[str, str]
_Group = Mapping[_Key, Any]


@dataclass(frozen=True, slots=True)
class LesionBack:
    """A lesion of a report; attributes as in `calcium.Lesion`."""

    slice: int
    peak: Voxel
    area_mm2: float
    max_hu: float
    mean_hu: float
    weight: int
    agatston: float | None
    volume_mm3: float | None
    cut_by_border: bool
    excluded: bool


@dataclass(frozen=True, slots=True)
class HeartBack:
    """The whole heart of a report.

    Attributes:
        agatston: None where it was withheld.
        marks: what the reader said of its plaques; None in reports of versions that did not keep it.
    """

    agatston: float | None
    marks: HeartMarks | None


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What a report of ours says.

    Attributes:
        series_uid, study_uid, patient_id: of the images. sop_instance_uid: of the report.
        images: SOP instance UIDs of the images that the report names; not of all that the exam has.
        segmentation_uid: of the SEG that the report refers to, "" for none.
        centre, region_start, region_size: voxels (x, y, z) of the volume. drawn: the reader drew the box.
        grade: 0 to 3, None where there was none. profile: name of the scoring profile.
        lesions: counted and excluded, in the order of the scores.
        calcium: ``agatston, category, volume_mm3, sqrt_volume``; risk: as `measure.risk_numbers`, None without a model.
            Numbers that were withheld are None; ``state`` and ``reasons`` of the risk say why, where the report does.
        whole_heart: None where it was not scored.
        reader: "" for unknown. read_at: when. synthetic: a phantom. findings: as lines.
    """

    series_uid: str
    study_uid: str
    patient_id: str
    sop_instance_uid: str
    images: frozenset[str]
    segmentation_uid: str
    centre: Voxel
    region_start: Voxel
    region_size: Voxel
    drawn: bool
    grade: float | None
    profile: str
    lesions: tuple[LesionBack, ...]
    calcium: dict[str, Any]
    risk: dict[str, Any] | None
    reader: str
    read_at: datetime
    synthetic: bool
    findings: tuple[str, ...]
    whole_heart: HeartBack | None = None

    @property
    def excluded(self) -> frozenset[Voxel]:
        """One voxel of each excluded lesion: what `measure` takes as ``excluded``."""
        return frozenset(lesion.peak for lesion in self.lesions if lesion.excluded)

    def require_series(self, series_uid: str) -> None:
        """Raises ExamError where the report is about other images than those of ``series_uid``."""
        if series_uid != self.series_uid:
            raise ExamError("other_exam", tr("This report belongs to another exam and was not used."))


def read_report(path: Path) -> ReadBack:
    """Read back a structured report that this program wrote.

    Raises:
        ExamError: it is damaged, from another program, or was changed since.
    """
    sr = read_object(path, SR_CLASS)
    item = digest_item(sr)
    if sr.get("ManufacturerModelName") != PRODUCT or item is None:
        raise foreign_object()
    try:
        if item.TextValue != digest_of(sr):
            raise ExamError("changed_object", tr("This report was changed after it was written and was not used."))
        return _parsed(sr)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, ArithmeticError) as e:
        raise foreign_object() from e
    except HyRiskError as e:
        # A profile that this version does not know, for one.
        raise e if isinstance(e, ExamError) else foreign_object() from e


def _key(code: Code) -> _Key:
    return code.scheme_designator, code.value


def _concept(item: Dataset) -> _Key:
    name = item.ConceptNameCodeSequence[0]
    return str(name.CodingSchemeDesignator), str(name.CodeValue)


def _value(item: Dataset) -> Any:
    match item.ValueType:
        case "NUM":
            measured = item.MeasuredValueSequence[0]
            exact = measured.get("FloatingPointValue")
            value = float(measured.NumericValue if exact is None else exact)
            # Shares were written without a unit before they were written in percent; a percentile is 0 to 100 in both.
            percent = measured.MeasurementUnitsCodeSequence[0].CodeValue == c.PERCENT.value
            return value / 100 if percent and _concept(item) != _key(c.PERCENTILE) else value
        case "CODE":
            code = item.ConceptCodeSequence[0]
            return str(code.CodingSchemeDesignator), str(code.CodeValue)
        case "TEXT":
            return str(item.TextValue)
        case _:
            return None


def _groups(sr: Dataset) -> Iterator[_Group]:
    for container in sr.ContentSequence:
        if _concept(container) != _key(standard.DCM.ImagingMeasurements):
            continue
        for group in container.ContentSequence:
            yield _items(group)


def _items(group: Dataset) -> dict[_Key, Any]:
    return {_concept(item): _value(item) for item in group.ContentSequence}


def _further(sr: Dataset) -> dict[_Key, Any]:
    """The numbers of the risk that no group holds; reports of earlier versions have all of them in its group."""
    found = [item for item in sr.ContentSequence if _concept(item) == _key(c.FURTHER)]
    return _items(found[0]) if found else {}


def _parsed(sr: Dataset) -> ReadBack:
    groups = list(_groups(sr))
    finding = _key(standard.DCM.Finding)
    (scores,) = [g for g in groups if g.get(finding) == _key(c.SCORE_REGION)]
    risks = [dict(g) for g in groups if g.get(finding) == _key(c.RISK_READING)]
    grades = [g[_key(c.GRADE)] for g in groups if _key(c.GRADE) in g]
    texts = [(_concept(item), _value(item)) for item in sr.ContentSequence if item.ValueType in ("TEXT", "PNAME")]
    said = dict(texts)
    return ReadBack(
        series_uid=_series(sr),
        study_uid=str(sr.StudyInstanceUID),
        patient_id=str(sr.get("PatientID") or ""),
        sop_instance_uid=str(sr.SOPInstanceUID),
        images=frozenset(uid for uid, sop_class in _references(sr) if sop_class != SEG_CLASS),
        segmentation_uid=next((uid for uid, sop_class in _references(sr) if sop_class == SEG_CLASS), ""),
        centre=_voxel(scores[_key(c.CENTRE)]),
        region_start=_voxel(scores[_key(c.REGION_START)]),
        region_size=_voxel(scores[_key(c.REGION_SIZE)]),
        drawn=_yes(scores[_key(c.DRAWN)]),
        grade=grades[0] if grades else None,
        profile=get_profile(scores[_key(c.PROFILE)]).name,
        lesions=tuple(_lesion(g) for g in groups if _key(c.PEAK) in g),
        calcium=_calcium(scores),
        risk=_risk(risks[0] | _further(sr)) if risks else None,
        whole_heart=_whole_heart(groups),
        reader=_reader(sr),
        read_at=datetime.fromisoformat(said[_key(c.TIME)]),
        synthetic=_key(c.SYNTHETIC) in said,
        findings=tuple(text for concept, text in texts if concept == _key(c.FINDING)),
    )


def _series(sr: Dataset) -> str:
    """The series of images that most of the evidence is of: an earlier exam under the same study UID has one image there."""
    counts = {
        str(series.SeriesInstanceUID): sum(
            ref.ReferencedSOPClassUID != SEG_CLASS for ref in series.ReferencedSOPSequence
        )
        for study in sr.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
    }
    return max(counts, key=lambda uid: counts[uid])


def _references(sr: Dataset) -> Iterator[tuple[str, str]]:
    """SOP instance and class UIDs of the evidence."""
    for study in sr.CurrentRequestedProcedureEvidenceSequence:
        for series in study.ReferencedSeriesSequence:
            for ref in series.ReferencedSOPSequence:
                yield str(ref.ReferencedSOPInstanceUID), str(ref.ReferencedSOPClassUID)


def _reader(sr: Dataset) -> str:
    name = _key(standard.DCM.PersonObserverName)
    return next((str(item.PersonName).rstrip("^") for item in sr.ContentSequence if _concept(item) == name), "")


def _voxel(text: str) -> Voxel:
    x, y, z = map(int, text.split())
    return x, y, z


def _yes(value: _Key) -> bool:
    if value not in (_key(c.YES), _key(c.NO)):
        raise ValueError(value)
    return value == _key(c.YES)


def _lesion(group: _Group) -> LesionBack:
    peak = _voxel(group[_key(c.PEAK)])
    return LesionBack(
        slice=peak[2],
        peak=peak,
        area_mm2=group[_key(c.AREA)],
        max_hu=group[_key(c.MAXIMUM_HU)],
        mean_hu=group[_key(c.MEAN_HU)],
        weight=int(group[_key(c.WEIGHT)]),
        agatston=group.get(_key(c.AGATSTON_SCORE)),
        volume_mm3=group.get(_key(c.CALCIUM_VOLUME)),
        cut_by_border=_yes(group[_key(c.CUT)]),
        excluded=_yes(group[_key(c.EXCLUDED)]),
    )


def _withheld(group: _Group) -> bool:
    return group.get(_key(c.STATE)) == _key(c.STATES[State.WITHHELD])


def _state(group: _Group) -> dict[str, Any]:
    """``state`` and ``reasons`` of a group; reports of earlier versions say nothing of it."""
    if _key(c.STATE) not in group:
        return {}
    (state,) = [state for state, code in c.STATES.items() if _key(code) == group[_key(c.STATE)]]
    return {"state": str(state), "reasons": group.get(_key(c.REASONS), "").split()}


def _calcium(group: _Group) -> dict[str, Any]:
    if _withheld(group):
        return dict.fromkeys(("agatston", "category", "volume_mm3", "sqrt_volume"))
    return {
        "agatston": group[_key(c.AGATSTON_SCORE)],
        "category": [_key(code) for code in c.CATEGORIES].index(group[_key(c.CATEGORY)]),
        "volume_mm3": group[_key(c.CALCIUM_VOLUME)],
        "sqrt_volume": group[_key(c.SQRT_VOLUME)],
    }


def _whole_heart(groups: list[_Group]) -> HeartBack | None:
    found = [g for g in groups if g.get(_key(standard.DCM.TrackingIdentifier)) == "Whole heart"]
    if not found:
        return None
    (group,) = found
    marks = None
    if _key(c.MARKS) in group:
        marks = marks_of(group[_key(c.MARKS)], *(group.get(_key(code), "") for code in (c.TAKEN, c.KEPT, c.LEFT_OUT)))
    return HeartBack(group.get(_key(c.WHOLE_HEART)), marks)


def _risk_values(group: _Group) -> dict[str, Any]:
    if _withheld(group):
        return dict.fromkeys(RISK_VALUES)
    # Which of the two it is says what it means.
    ends = (c.LOWER, c.UPPER) if _key(c.LOWER) in group else (c.LOWEST, c.HIGHEST)
    return {
        "risknet": group[_key(c.RISKNET)],
        "hyrisknet": group.get(_key(c.HYRISKNET)),
        "interval": [group[_key(end)] for end in ends],
        "percentile": group.get(_key(c.PERCENTILE)),
        "by_grade": [group[_key(code)] for code in c.BY_GRADE if _key(code) in group] or None,
    }


def _horizon(group: _Group) -> str | None:
    said = group.get(_key(c.HORIZON))
    return None if said is None or said == c.NO_HORIZON else str(said)


def _risk(group: _Group) -> dict[str, Any]:
    return {
        "model": group[_key(standard.DCM.AlgorithmName)],
        "sha256": group.get(_key(c.WEIGHTS_HASH), ""),
        "bundle_sha256": group.get(_key(c.BUNDLE_HASH), ""),
        "demonstration": _yes(group[_key(c.DEMONSTRATION)]),
        **_risk_values(group),
        "interval_covers": group.get(_key(c.COVERED), " ".join(OF_VIEWS)).split(),
        "score_input": group.get(_key(c.SCORE_INPUT), ""),
        "calibrated": _yes(group[_key(c.CALIBRATED)]),
        "prevalence": group[_key(c.PREVALENCE)],
        "horizon": _horizon(group),
        "device": group.get(_key(c.DEVICE), ""),
        **_state(group),
    }
