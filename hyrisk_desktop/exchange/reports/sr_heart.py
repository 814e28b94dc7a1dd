"""The whole heart and its vessels as groups of a structured report, and what the reader said of its plaques as text."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from highdicom.sr import (
    FindingSite,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    TextContentItem,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)

from hyrisk_desktop.calcium import VESSELS, HeartMarks, Region, VesselScore, WholeHeartScores
from hyrisk_desktop.exchange.reports import codes as c
from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.exchange.reports.source_images import SourceImages
from hyrisk_desktop.exchange.reports.sr_items import coronary, number, reasons, state, text, tracking, triple, yes_no
from hyrisk_desktop.exchange.reports.sr_regions import box_region
from hyrisk_desktop.imaging import Voxel

_AROUND = 2
"""Voxels between a vessel's plaques and the box around them, so that it is no outline of a lesion."""

HeartGroup = PlanarROIMeasurementsAndQualitativeEvaluations | VolumetricROIMeasurementsAndQualitativeEvaluations


def heart_groups(report: Report, source: SourceImages) -> list[HeartGroup]:
    """The whole-heart score, and each vessel that holds calcium; a suggested vessel says that it is one. Empty without a score.

    The heart's region is the box of its outline, a vessel's a box around its plaques in each slice. Viewers print over each other what
    lies on one image, and some of them the first region of a group only: the heart's lies on an image of its own, near its centre,
    and a vessel's first one outside of the score region where it reaches out of that.
    """
    m = report.measurement
    heart, standing = m.whole_heart, m.whole_heart_standing
    if heart is None:
        return []
    numbers = [
        number(c.WHOLE_HEART, heart.agatston, method=c.AGATSTON_METHOD),
        number(c.WHOLE_HEART_VOLUME, heart.volume_mm3, c.MM3),
        number(c.WHOLE_HEART_SQRT, heart.sqrt_volume),
    ]
    whole = PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(report, "Whole heart"),
        referenced_region=box_region(source, _quiet_slice(report, heart), _outline_box(heart)),
        finding_type=c.VASCULAR_CALCIFICATION,
        finding_sites=coronary(),
        measurements=None if standing.withheld else numbers,
        qualitative_evaluations=[state(standing)],
    )
    said = [] if standing.withheld else [text(c.CAC_DRS, heart.cac_drs)]
    whole[0].ContentSequence.extend([*said, *reasons(standing), *_marks(heart.marks)])
    vessels = [] if standing.withheld else [row for row in heart.vessels if row.lesions]
    return [whole, *(_vessel_group(report, source, heart, row) for row in vessels)]


def heart_slices(report: Report) -> set[int]:
    """The slices on whose images `heart_groups` have regions."""
    m = report.measurement
    heart = m.whole_heart
    if heart is None:
        return set()
    vessels = () if m.whole_heart_standing.withheld else _vessels(heart)
    return {_quiet_slice(report, heart), *(box.start[2] for vessel in vessels for box in _boxes(heart, vessel))}


def _vessels(heart: WholeHeartScores) -> list[str]:
    return [row.vessel for row in heart.vessels if row.lesions]


def _quiet_slice(report: Report, heart: WholeHeartScores) -> int:
    """The heart's slice nearest to its centre on which no other group has a region; the centre where there is none."""
    box, centre = _outline_box(heart), heart.centre[2]
    taken = {around.start[2] for vessel in _vessels(heart) for around in _boxes(heart, vessel)}
    free = set(range(box.start[2], box.stop[2])) - taken - _region_slices(report) - {report.measurement.centre[2]}
    return min(free, key=lambda z: (abs(z - centre), z), default=centre)


def _region_slices(report: Report) -> set[int]:
    inside = report.measurement.scores.region.clipped(report.volume)
    return set(range(inside.start[2], inside.stop[2]))


def _outline_box(heart: WholeHeartScores) -> Region:
    depth, rows, columns = heart.labels.shape
    x, y, z = heart.label_start
    return Region(heart.label_start, (x + columns, y + rows, z + depth))


def _vessel_group(
    report: Report, source: SourceImages, heart: WholeHeartScores, row: VesselScore
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    sites = [FindingSite(c.VESSELS[row.vessel])] if row.vessel in c.VESSELS else coronary()
    inside = _region_slices(report)
    boxes = sorted(_boxes(heart, row.vessel), key=lambda box: box.start[2] in inside)
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(report, f"Vessel {row.vessel}"),
        referenced_regions=[box_region(source, box.start[2], box.clipped(report.volume)) for box in boxes],
        finding_type=c.VASCULAR_CALCIFICATION,
        finding_sites=sites,
        measurements=[
            number(c.AGATSTON_SCORE, row.agatston, method=c.AGATSTON_METHOD),
            number(c.CALCIUM_VOLUME, row.volume_mm3, c.MM3),
        ],
        qualitative_evaluations=[yes_no(c.SUGGESTED, row.suggested > 0)],
    )


def _boxes(heart: WholeHeartScores, vessel: str) -> Iterable[Region]:
    """Around the counted plaques of a vessel, one for each slice that holds any."""
    here = np.array([False, *(p.counted and (p.vessel or p.suggested) == vessel for p in heart.groups)])
    x, y, z = heart.label_start
    for depth, plane in enumerate(here[heart.labels]):
        rows, columns = np.nonzero(plane)
        if rows.size:
            start = x + int(columns.min()) - _AROUND, y + int(rows.min()) - _AROUND, z + depth
            stop = x + int(columns.max()) + _AROUND + 1, y + int(rows.max()) + _AROUND + 1, z + depth + 1
            yield Region(start, stop)


def _marks(marks: HeartMarks) -> list[TextContentItem]:
    """What the reader said of the plaques. Without a number of marks, a report is of a version that kept none."""
    said = {
        c.TAKEN: [f"{triple(voxel)} {vessel}" for voxel, vessel in marks.taken],
        c.KEPT: _triples(marks.counted),
        c.LEFT_OUT: _triples(marks.excluded),
    }
    count = sum(map(len, said.values()))
    return [text(c.MARKS, str(count)), *(text(code, "; ".join(rows)) for code, rows in said.items() if rows)]


def _triples(voxels: Iterable[Voxel]) -> list[str]:
    return [triple(voxel) for voxel in sorted(voxels)]


def marks_of(count: str, taken: str, counted: str, excluded: str) -> HeartMarks:
    """The marks that `_marks` wrote as these texts.

    Args:
        count: how many. taken, counted, excluded: "" for none.

    Raises:
        ValueError: they are none, or some are missing.
    """
    rows = [row.rsplit(" ", 1) for row in _rows(taken)]
    marks = HeartMarks(
        tuple((_voxel(where), vessel) for where, vessel in rows),
        frozenset(map(_voxel, _rows(counted))),
        frozenset(map(_voxel, _rows(excluded))),
    )
    if int(count) != len(marks.taken) + len(marks.counted) + len(marks.excluded):
        raise ValueError("marks are missing")
    if any(vessel not in VESSELS for _, vessel in marks.taken):
        raise ValueError("no such vessel")
    return marks


def _rows(said: str) -> list[str]:
    return said.split("; ") if said else []


def _voxel(said: str) -> Voxel:
    x, y, z = map(int, said.split())
    return x, y, z
