"""The values that the session holds: exams, reads and views as frozen dataclasses."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

import numpy as np

from hyrisk_desktop.calcium import NO_MARKS, STANDARD, HeartMarks, HeartRegion, Region, WholeHeartScores
from hyrisk_desktop.findings import Finding
from hyrisk_desktop.gui.overlay import Overlay
from hyrisk_desktop.imaging import CTVolume, SeriesRecord, Voxel
from hyrisk_desktop.worklist.notes import NO_NOTES, Notes

MAX_UNDO = 200
_exam_ids = itertools.count(1)


@dataclass(frozen=True, slots=True, eq=False)
class Exam:
    """An exam that is open.

    Attributes:
        volume: the chosen series' pixels, complete unless ``loading``.
        record, alternatives: the series chosen, and all that were found beside it.
        findings: of the whole scan.
        loading: ``volume`` still fills.
        exam_id: unique in this run, so that reopening the same series is another exam.
        stored_id: the worklist's number of it, where it was opened from there (see `Session.stored_id`).
        path: what the user opened, where it was not; None for the demonstration too, which is nobody's exam.
    """

    volume: CTVolume
    record: SeriesRecord
    alternatives: tuple[SeriesRecord, ...] = ()
    findings: tuple[Finding, ...] = ()
    loading: bool = False
    exam_id: int = field(default_factory=lambda: next(_exam_ids))
    stored_id: int | None = None
    path: Path | None = None

    @property
    def synthetic(self) -> bool:
        """A phantom and not a patient; said on the image and beside every number."""
        return self.volume.synthetic


@dataclass(frozen=True, slots=True)
class ReadState:
    """The reader's judgement so far; every change makes a new one, and the old ones are the undo stack.

    Attributes:
        centre: heart centre (x, y, z). grade: 0 to 3, fractional allowed.
        excluded: voxels whose lesions do not count.
        box: the whole-heart box where the reader chose it instead of the region around the centre.
        profile: name of the scoring profile.
    """

    centre: Voxel | None = None
    grade: float | None = None
    excluded: frozenset[Voxel] = frozenset()
    box: Region | None = None
    profile: str = STANDARD.name
    vessels: tuple[tuple[str, int], ...] = ()
    """Grades 0 to 3 by vessel, where the reader grades each."""
    locked: bool = False
    """The grade is final; in a blinded list scores and risk show from then on."""
    shown_anyway: bool = False
    """The reader asked to see, at this centre and in this box, what is withheld."""
    whole_heart: bool = False
    """The whole heart is scored as well, in its proposed outline."""
    heart: HeartMarks = NO_MARKS
    """What the reader said of its plaques."""
    notes: Notes = NO_NOTES
    """Key images and measures that are kept; no number depends on them."""

    @property
    def complete(self) -> bool:
        """Centre and grade are there: the reader has finished, and the arrow keys move nothing any more."""
        return self.centre is not None and self.grade is not None

    def changed(self, **changes: object) -> ReadState:
        """With other fields; numbers of another place are withheld anew."""
        new = replace(self, **changes)  # type: ignore[arg-type]
        if "shown_anyway" not in changes and (new.centre, new.box) != (self.centre, self.box):
            return replace(new, shown_anyway=False)
        return new


class Tool(Enum):
    """What the left mouse button does on the images."""

    WINDOW = "window"
    PLACE_CENTRE = "place_centre"
    RULER = "ruler"
    PROBE = "probe"


@dataclass(frozen=True, slots=True)
class ViewState:
    """How the images of one exam are looked at; the next exam begins with a new one.

    Attributes:
        position: cursor voxel (x, y, z). level, width: the window, in HU. slab_mm: thickness (0: one slice).
        centre_selected: the arrow keys nudge the heart centre. tool: what the left mouse button does.
    """

    position: Voxel = (0, 0, 0)
    level: float = 40.0
    width: float = 400.0
    slab_mm: float = 0.0
    centre_selected: bool = False
    tool: Tool = Tool.WINDOW


@dataclass(frozen=True, slots=True)
class ReadHistory:
    """The states of a read before and after the one on screen; every step makes a new history."""

    past: tuple[ReadState, ...] = ()
    future: tuple[ReadState, ...] = ()

    def record(self, now: ReadState) -> ReadHistory:
        """``now`` is about to be changed; what was taken back before can't be brought back then."""
        return ReadHistory((*self.past[-MAX_UNDO:], now))

    def back(self, now: ReadState) -> tuple[ReadState, ReadHistory]:
        """The state before ``now``; only where there is a `past`."""
        return self.past[-1], ReadHistory(self.past[:-1], (*self.future, now))

    def forward(self, now: ReadState) -> tuple[ReadState, ReadHistory]:
        """The state that was taken back last; only where there is a `future`."""
        return self.future[-1], ReadHistory((*self.past, now), self.future[:-1])


class RiskStatus(Enum):
    """What the risk panel has to say."""

    MODEL_LOADING = "model_loading"
    NO_MODEL = "no_model"
    NO_CENTRE = "no_centre"
    COMPUTING = "computing"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RiskRequest:
    """What a prediction is asked for; its answer counts only while all of this still holds.

    ``agatston`` is the standard profile's region Agatston at the centre, less what the reader excluded: what a model
    with the score input "agatston" was trained on, whatever box or profile is on screen.
    """

    exam_id: int
    series_uid: str
    centre: Voxel
    grade: float | None
    agatston: float


@dataclass(frozen=True, slots=True)
class HeartRequest:
    """What the whole heart is to be scored for; an answer to another question is not shown, or not as settled."""

    exam_id: int
    series_uid: str
    centre: Voxel
    profile: str
    marks: HeartMarks
    excluded: frozenset[Voxel]

    @property
    def place(self) -> tuple[int, str, Voxel, str]:
        """Where it is; what the reader says of single plaques does not change that."""
        return self.exam_id, self.series_uid, self.centre, self.profile


@dataclass(frozen=True, slots=True, eq=False)
class HeartAnswer:
    """The whole heart as it was scored for ``request``, in its ``outline``, and what is drawn of it."""

    request: HeartRequest
    outline: HeartRegion
    scores: WholeHeartScores
    overlay: Overlay


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """An exam with its read, its view, what can be undone, and what its read is kept under (None: not at all)."""

    exam: Exam | None
    read: ReadState = ReadState()
    view: ViewState = ViewState()
    history: ReadHistory = ReadHistory()
    key: tuple[str, ...] | None = None


def identity(volume: CTVolume) -> tuple[str, ...]:
    """What must agree before an earlier read is shown again: UIDs alone have been wrong, so the pixels count too."""
    middle = np.ascontiguousarray(volume.hu[volume.shape_zyx[0] // 2])
    pixels = hashlib.blake2b(middle.tobytes(), digest_size=16).hexdigest()
    return volume.series_uid, volume.attributes.get("PatientID", ""), str(volume.shape_zyx), pixels
