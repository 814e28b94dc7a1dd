"""The whole-heart score: every plaque in the proposed outline of the heart, with the vessel that it may belong to.

What is counted follows the lesion rule of the region score, voxel for voxel. Bones and everything outside the outline
are left out by rule. What may be calcium of something else (`doubts`) is listed with its reason and counts once a
reader takes it. Vessels are suggestions (`heart_atlas`) until a reader takes them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.calcium.doubts import Blood, Doubt, doubt_of
from hyrisk_desktop.calcium.heart_atlas import CORONARIES, VESSELS, suggest_vessel
from hyrisk_desktop.calcium.heart_region import HeartRegion, Zone
from hyrisk_desktop.calcium.lesion_groups import LesionGroup, group_lesions
from hyrisk_desktop.calcium.lesions import LabelledRegion, Lesion, find_lesions
from hyrisk_desktop.calcium.profiles import STANDARD, ScoringProfile
from hyrisk_desktop.calcium.scores import agatston_category
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.checks import noise_near
from hyrisk_desktop.imaging.volume import CTVolume, Voxel

_DRS_BOUNDS = (100.0, 300.0)
"""CAC-DRS (Hecht et al., J Cardiovasc Comput Tomogr 2018): A0 is 0, A1 1 to 99, A2 100 to 299, A3 300 and more."""
_SOFT_HU = (0.0, 100.0)
NOT_CORONARY = "other"
"""A plaque that a reader gives to this is of no coronary artery, and does not count."""
_OPEN_DOUBTS = frozenset({Doubt.AORTIC_ROOT, Doubt.MITRAL_RING, Doubt.INSIDE})
"""Where a coronary artery may run after all."""
_DOUBTED = "heart_doubted"


@dataclass(frozen=True, slots=True)
class HeartMarks:
    """What a reader said of plaques, by voxels (x, y, z) of them.

    Attributes:
        taken: voxel and vessel of `VESSELS`: the plaque that holds the voxel belongs to it, and counts unless that is "other".
        counted: voxels whose plaques count although they were doubted. excluded: voxels whose plaques do not count.
    """

    taken: tuple[tuple[Voxel, str], ...] = ()
    counted: frozenset[Voxel] = frozenset()
    excluded: frozenset[Voxel] = frozenset()


@dataclass(frozen=True, slots=True)
class Plaque:
    """One group of lesions of the whole heart.

    Attributes:
        id: a voxel (x, y, z) of it, of the highest HU. It outlives another outline or centre.
        slices: first and last slice z. center_xyz: middle in voxels.
        lesions: its lesions, by slice.
        agatston, volume_mm3, max_hu: of all its lesions, whether it counts or not.
        suggested: vessel of `VESSELS` by its place. vessel: the one that a reader gave it, None before.
        doubt: what speaks against it, whatever a reader said; None for nothing. excluded: a reader took it out.
        counted: whether the totals hold it.
    """

    id: Voxel
    slices: tuple[int, int]
    center_xyz: tuple[float, float, float]
    lesions: tuple[Lesion, ...]
    agatston: float
    volume_mm3: float
    max_hu: float
    suggested: str
    doubt: Doubt | None
    vessel: str | None = None
    excluded: bool = False
    counted: bool = False

    @property
    def reason(self) -> Doubt | None:
        """Why it is not counted; None where it is."""
        if self.counted:
            return None
        return Doubt.EXCLUDED if self.excluded or self.vessel == NOT_CORONARY else self.doubt


NO_MARKS = HeartMarks()
"""Of a reader who has said nothing."""


def given(marks: HeartMarks, plaques: Iterable[Voxel], vessel: str | None) -> HeartMarks:
    """Marks with some plaques given to a vessel, or with None taken back from whatever was said of them.

    Args:
        marks: as they are. plaques: `Plaque.id` of each. vessel: of `VESSELS`, or None.
    """
    of = frozenset(plaques)
    taken = tuple((voxel, name) for voxel, name in marks.taken if voxel not in of)
    if vessel is not None:
        taken = tuple(sorted((*taken, *((voxel, vessel) for voxel in of))))
    return HeartMarks(taken, marks.counted - of, marks.excluded - of)


def toggled(marks: HeartMarks, plaque: Plaque) -> HeartMarks:
    """Marks with a plaque counted that was not, or left out that was.

    Args:
        marks: as they are. plaque: as it was scored with them.
    """
    rest = given(marks, [plaque.id], None if plaque.vessel == NOT_CORONARY else plaque.vessel)
    if plaque.counted:
        return replace(rest, excluded=rest.excluded | {plaque.id})
    return replace(rest, counted=rest.counted | {plaque.id})


@dataclass(frozen=True, slots=True)
class VesselScore:
    """What is counted in one vessel.

    Attributes:
        vessel: of `VESSELS`. lesions: number of plaques.
        suggested: of them, how many lie here by their place alone; a reader has taken the others.
    """

    vessel: str
    lesions: int
    suggested: int
    agatston: float
    volume_mm3: float


@dataclass(frozen=True, slots=True, eq=False)
class WholeHeartScores:
    """The whole-heart score of one series.

    Attributes:
        series_uid, centre, profile: what was scored, around which voxel, and by which profile.
        agatston, volume_mm3: of the counted plaques.
        groups: all plaques in the outline and in what is doubted beside it, counted or not, by slice.
        vessels: one row for each of `VESSELS`.
        label_start: voxel of ``labels[0, 0, 0]``; ``labels`` [z, y, x] holds a plaque's index in ``groups`` plus one, 0 elsewhere.
        findings: of the outline, and of what is doubted within it.
        marks: of the reader, that these scores follow from.
    """

    series_uid: str
    centre: Voxel
    profile: str
    agatston: float
    volume_mm3: float
    groups: tuple[Plaque, ...]
    vessels: tuple[VesselScore, ...]
    label_start: Voxel
    labels: NDArray[np.int32]
    findings: tuple[Finding, ...]
    marks: HeartMarks = NO_MARKS

    @property
    def category(self) -> int:
        """0 to 4, see `scores.CATEGORY_UPPER_BOUNDS`."""
        return agatston_category(self.agatston)

    @property
    def sqrt_volume(self) -> float:
        """Square root of the volume score."""
        return math.sqrt(self.volume_mm3)

    @property
    def counted(self) -> tuple[Plaque, ...]:
        """The plaques that the totals hold."""
        return tuple(group for group in self.groups if group.counted)

    @property
    def drs_category(self) -> int:
        """0 to 3, the A of CAC-DRS."""
        return drs_category(self.agatston)

    @property
    def extent(self) -> int | None:
        """Number of coronary arteries with calcium, 0 to 4; None while a counted plaque waits for its vessel."""
        return None if any(row.suggested for row in self.vessels) else self.suggested_extent

    @property
    def suggested_extent(self) -> int:
        """The same by the vessels that readers gave and, where they did not, the suggested ones."""
        return sum(row.lesions > 0 for row in self.vessels if row.vessel in CORONARIES)

    @property
    def cac_drs(self) -> str:
        """``CAC-DRS A2/N3``; without the N while a vessel is only suggested."""
        line = f"CAC-DRS A{self.drs_category}"
        return line if self.extent is None else f"{line}/N{self.extent}"

    def without_labels(self) -> WholeHeartScores:
        """The same without ``labels``, for where many are kept."""
        return replace(self, labels=np.zeros((0, 0, 0), np.int32))

    def marked(
        self,
        *,
        taken: Mapping[Voxel, str] | None = None,
        counted: Collection[Voxel] = (),
        excluded: Collection[Voxel] = (),
    ) -> WholeHeartScores:
        """The same plaques with what a reader says of them now, instead of what was said before; no pixel is read.

        Args:
            taken, counted, excluded: as of `score_whole_heart`. Voxels that no plaque holds are passed over.

        Raises:
            InputError: a vessel that there is not.
        """
        vessels = taken or {}
        _check_vessels(vessels)
        vessel_of = {self._index(voxel): vessel for voxel, vessel in vessels.items()}
        wanted, out = ({self._index(voxel) for voxel in voxels} for voxels in (counted, excluded))
        groups = tuple(
            replace(
                plaque,
                vessel=vessel_of.get(i),
                excluded=i in out,
                counted=i not in out
                and vessel_of.get(i) != NOT_CORONARY
                and (plaque.doubt is None or i in vessel_of or i in wanted),
            )
            for i, plaque in enumerate(self.groups)
        )
        inside = [plaque for plaque in groups if plaque.counted]
        agatston = math.fsum(plaque.agatston for plaque in inside)
        others = (finding for finding in self.findings if finding.code != _DOUBTED)
        return replace(
            self,
            agatston=agatston,
            volume_mm3=math.fsum(plaque.volume_mm3 for plaque in inside),
            groups=groups,
            vessels=_vessels(inside),
            findings=(*others, *_doubted(agatston, groups)),
        )

    def at(self, voxel: Voxel) -> Plaque | None:
        """The plaque at ``voxel`` (x, y, z), None for none."""
        index = self._index(voxel)
        return None if index < 0 else self.groups[index]

    def _index(self, voxel: Voxel) -> int:
        """Index of the plaque at ``voxel``, -1 for none."""
        x, y, z = (v - s for v, s in zip(voxel, self.label_start, strict=True))
        depth, rows, columns = self.labels.shape
        inside = 0 <= x < columns and 0 <= y < rows and 0 <= z < depth
        return int(self.labels[z, y, x]) - 1 if inside else -1


def drs_category(agatston: float) -> int:
    """The A of CAC-DRS: 0 none, 1 below 100, 2 below 300, 3 from there."""
    return 0 if agatston <= 0 else 1 + sum(agatston >= bound for bound in _DRS_BOUNDS)


def score_whole_heart(
    volume: CTVolume,
    heart: HeartRegion,
    *,
    profile: ScoringProfile = STANDARD,
    taken: Mapping[Voxel, str] | None = None,
    counted: Collection[Voxel] = (),
    excluded: Collection[Voxel] = (),
) -> WholeHeartScores:
    """Score the whole heart of ``volume`` in the outline ``heart``.

    Args:
        profile: how lesions are found and weighted.
        taken: vessels by voxel (x, y, z): the plaque that holds the voxel belongs to it, and counts unless that is "other".
        counted: voxels whose plaques count although they were doubted.
        excluded: voxels whose plaques do not count, whatever else is said of them.

    Raises:
        InputError: a vessel that there is not; or the outline is of another series.
    """
    if heart.series_uid != volume.series_uid or heart.box.clipped(volume) != heart.box:
        raise InputError("other_series", tr("The heart's outline belongs to another series. Propose it again."))
    found = find_lesions(volume, heart.box, profile)
    groups, group_of = group_lesions(found)
    plaques, number = _plaques(volume, heart, found, groups, group_of)
    untouched = WholeHeartScores(
        series_uid=volume.series_uid,
        centre=heart.centre,
        profile=profile.name,
        agatston=0.0,
        volume_mm3=0.0,
        groups=plaques,
        vessels=(),
        label_start=found.region.start,
        labels=np.concatenate([np.zeros(1, np.int32), number[group_of]])[found.labels],
        findings=heart.findings,
    )
    return untouched.marked(taken=taken, counted=counted, excluded=excluded)


def _doubted(agatston: float, plaques: Collection[Plaque]) -> tuple[Finding, ...]:
    """Code ``heart_doubted``: a warning where what is doubted within the heart would change the category, else a note."""
    open_doubts = [p for p in plaques if p.reason in _OPEN_DOUBTS]
    if not open_doubts:
        return ()
    score = math.fsum(plaque.agatston for plaque in open_doubts)
    message = tr(
        "Calcium with an Agatston score of {agatston:.0f} lies at the aortic root, a valve or inside the heart and is not "
        "counted in the whole-heart score. Take what is coronary.",
        agatston=score,
    )
    changes = agatston_category(agatston + score) != agatston_category(agatston)
    return (Finding(_DOUBTED, Severity.WARNING if changes else Severity.INFO, message),)


def _plaques(
    volume: CTVolume,
    heart: HeartRegion,
    found: LabelledRegion,
    groups: tuple[LesionGroup, ...],
    group_of: NDArray[np.int32],
) -> tuple[tuple[Plaque, ...], NDArray[np.int32]]:
    """The plaques, and for each group [n] its plaque's index plus one; 0 where it lies outside of heart and aorta."""
    blood = _blood(volume, heart)
    plaques, number = [], np.zeros(len(groups), np.int32)
    for index, (group, zone) in enumerate(zip(groups, _zones(found, heart, group_of, len(groups)), strict=True)):
        if zone is not Zone.OUTSIDE:
            lesions = tuple(found.lesions[i] for i in group.lesions)
            doubt = doubt_of(volume, heart, blood, group, zone, lesions)
            plaques.append(_plaque(heart, group, lesions, doubt))
            number[index] = len(plaques)
    return tuple(plaques), number


def _zones(found: LabelledRegion, heart: HeartRegion, group_of: NDArray[np.int32], groups: int) -> list[Zone]:
    """The zone that holds most voxels of each group; of equal shares the one that is counted less."""
    flat = np.flatnonzero(found.labels)
    group = group_of[found.labels.ravel()[flat] - 1] if flat.size else np.zeros(0, np.int32)
    counts = np.zeros((groups, len(Zone)), np.int64)
    np.add.at(counts, (group, heart.zones.ravel()[flat]), 1)
    order = (Zone.OUTSIDE, Zone.AORTA, Zone.VESSELS, Zone.HEART)
    return [order[int(row[list(order)].argmax())] for row in counts]


def _blood(volume: CTVolume, heart: HeartRegion) -> Blood:
    """Of the soft tissue in the outline, and the noise at the centre."""
    tissue = volume.hu[heart.box.slices()][heart.mask]
    soft = tissue[(tissue > _SOFT_HU[0]) & (tissue < _SOFT_HU[1])]
    return Blood(float(np.median(soft)) if soft.size else 40.0, noise_near(volume, heart.centre))


def _plaque(heart: HeartRegion, group: LesionGroup, lesions: tuple[Lesion, ...], doubt: Doubt | None) -> Plaque:
    return Plaque(
        id=group.id,
        slices=group.slices,
        center_xyz=group.center_xyz,
        lesions=lesions,
        agatston=group.agatston,
        volume_mm3=group.volume_mm3,
        max_hu=group.max_hu,
        suggested=_suggested(heart, lesions),
        doubt=doubt,
    )


def _suggested(heart: HeartRegion, lesions: tuple[Lesion, ...]) -> str:
    """The vessel that most of the lesions' volume lies nearest to."""
    volumes = defaultdict[str, float](float)
    for lesion in lesions:
        volumes[suggest_vessel(heart.usual_place_mm(lesion.center_xyz))] += lesion.volume_mm3
    return max(VESSELS, key=lambda vessel: volumes.get(vessel, 0.0))


def _check_vessels(taken: Mapping[Voxel, str]) -> None:
    if unknown := sorted(set(taken.values()) - set(VESSELS)):
        names = ", ".join(VESSELS)
        message = tr("There is no vessel “{name}”; choose one of {names}.", name=unknown[0], names=names)
        raise InputError("vessel", message)


def _vessels(counted: list[Plaque]) -> tuple[VesselScore, ...]:
    rows = []
    for vessel in VESSELS:
        own = [plaque for plaque in counted if (plaque.vessel or plaque.suggested) == vessel]
        rows.append(
            VesselScore(
                vessel=vessel,
                lesions=len(own),
                suggested=sum(plaque.vessel is None for plaque in own),
                agatston=math.fsum(plaque.agatston for plaque in own),
                volume_mm3=math.fsum(plaque.volume_mm3 for plaque in own),
            )
        )
    return tuple(rows)
