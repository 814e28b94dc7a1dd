"""The one live state of the window: which exam, which read of it, what was measured, and how it is looked at.

Widgets hold no truth: they re-read the session on its few signals. A result is applied only if it still
belongs to what is open; see `Session.apply_risk`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from datetime import UTC, datetime

from PySide6.QtCore import QObject, Signal

from hyrisk_desktop.calcium import component_voxels, get_profile, given
from hyrisk_desktop.calcium.grading import check_grade
from hyrisk_desktop.gui.measured import Measured
from hyrisk_desktop.gui.state import Exam, ReadHistory, ReadState, RiskStatus, Snapshot, ViewState, identity
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import Voxel, check_centre
from hyrisk_desktop.measurement import survey
from hyrisk_desktop.risk import RiskReading
from hyrisk_desktop.worklist.records import Proposal


class Session(Measured):
    """The live state, its edits with undo, and its signals.

    Signals:
        tool_changed: the left mouse button does something else now.
        acted: the reader has done something: changed the read, taken a change back, or carried out an action; comes first.
        shown_again: the exam on screen is another reader's to see now, and whoever keeps reads begins anew.
        told: one sentence for the reader, such as why a key was refused; it is true for what is on screen.
    """

    exam_changed = Signal()
    image_changed = Signal()
    read_changed = Signal()
    scores_changed = Signal()
    view_changed = Signal()
    tool_changed = Signal()
    acted = Signal()
    shown_again = Signal()
    told = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.view = ViewState()
        self._history = ReadHistory()
        self._before_preview: Snapshot | None = None
        self._reads: dict[tuple[str, ...], ReadState] = {}
        self._read_at: dict[tuple[str, ...], datetime] = {}
        self._key: tuple[str, ...] | None = None
        self._restored: ReadState | None = None
        self.reader = ""
        """Who reads: another reader never gets this one's reads back."""
        self.proposal: Proposal | None = None
        """Where the program thinks the heart's centre is; it counts for nothing until a reader confirms it."""
        self.proposal_pending = False
        """A proposal is being worked out."""
        self._first_position: Voxel | None = None

    # --- who reads, and how

    def set_reader(self, name: str) -> None:
        """Who reads from now on. What was read before anybody was named belongs to the first who is."""
        unnamed, self.reader = self.reader == "", name
        if unnamed and self._key is not None:
            self._key = (*self._key[:-2], name, self._key[-1])
            self._reads[self._key] = self.read

    def set_blinded(self, blinded: bool) -> None:
        """Read blinded from now on, or no longer; takes effect with the next exam that is shown."""
        self.blinded = blinded

    def lock_grade(self) -> None:
        """Make the grade final: it can't be changed or undone any more, and scores and risk show."""
        if self.can_measure and self.read.grade is not None and not self.read.locked:
            self.edit(locked=True)
            self._forget_history()

    def unlock_grade(self) -> None:
        """Let the grade be changed again; a grade that was given blinded stays what it was."""
        if self.blinded:
            self.told.emit(tr("In a blinded list a locked grade stays locked."))
        elif self.can_measure and self.read.locked:
            self.edit(locked=False)
            self._forget_history()
            self.told.emit(tr("The grade is unlocked."))

    def _forget_history(self) -> None:
        self._history = ReadHistory()
        self.read_changed.emit()

    def set_vessels(self, vessels: tuple[tuple[str, int], ...]) -> None:
        """Grade per vessel; the exam's grade is the worst vessel's until the reader says otherwise."""
        grade = float(max((grade for _, grade in vessels), default=0)) if vessels else self.read.grade
        self.edit(vessels=vessels, grade=grade)

    def propose(self, proposal: Proposal | None, *, pending: bool = False) -> None:
        """Show where the heart's centre may be, and look there while the reader has neither placed one nor looked around.

        Args:
            pending: it is being worked out and will be told.
        """
        self.proposal, self.proposal_pending = proposal, pending
        if proposal is not None and self.can_measure and self.read.centre is None and not self.looked_around:
            x, y, z = proposal.voxel
            scrolled = self._first_position is not None and self.view.position[2] != self._first_position[2]
            self._first_position = proposal.voxel
            self.set_view(position=(x, y, self.view.position[2] if scrolled else z))
        self.view_changed.emit()
        self.risk_changed.emit()

    @property
    def read_at(self) -> datetime | None:
        """When the read on screen took the state that it has, UTC; None for an exam that is not read."""
        return None if self._key is None else self._read_at.get(self._key)

    def restore(
        self,
        read: ReadState,
        exam_id: int,
        risk: RiskReading | None = None,
        read_at: datetime | None = None,
        *,
        memory_first: bool = False,
    ) -> None:
        """Show a read that was stored, if that exam is still open; what the reader has done meanwhile goes first.

        Args:
            read: as it was stored. exam_id: of the exam that was asked about.
            risk: the reading that was stored with it; it stays on screen, with its model's name, until the read is
                changed or `compute_risk_again` is asked for. read_at: when the stored read was made.
            memory_first: what this program remembers of the read is newer, and waits to be stored.
        """
        if self.exam is None or self.exam.exam_id != exam_id or not self.can_measure:
            return
        # What came back from memory when the exam was shown is no act: another window may have stored more since.
        base = ReadState() if self._restored is None or memory_first else self._restored
        done = {f.name: v for f in fields(ReadState) if (v := getattr(self.read, f.name)) != getattr(base, f.name)}
        if not done or self._restored is not None:
            self._restored = read
        self._kept_risk = None if risk is None else (read, risk)
        merged = read if read.locked else read.changed(**done)
        if merged == self.read:
            # It came back from memory before; what the reader has done since can still be taken back.
            self._measure(keep_scores=True)
            self.read_changed.emit()
        else:
            self._history = ReadHistory()
            self._set_read(merged)
        if read_at is not None and self.read == read and self._key is not None:
            self._read_at[self._key] = read_at

    def take_stored(self, read: ReadState, exam_id: int, risk: RiskReading | None, read_at: datetime | None) -> None:
        """Show a stored read instead of the one on screen, whatever has been done to that.

        Args:
            read: as it was stored. exam_id, risk, read_at: as of `restore`.
        """
        if self.exam is not None and self.exam.exam_id == exam_id and self.can_measure:
            self._restored, self._history = read, ReadHistory()
            self._kept_risk = None if risk is None else (read, risk)
            self._set_read(read, anew=True)
            if read_at is not None and self._key is not None:
                self._read_at[self._key] = read_at

    @property
    def read_restored(self) -> bool:
        """The read on screen is, unchanged, the one that this reader made of the exam earlier."""
        return self._restored is not None and self._restored == self.read

    def compute_risk_again(self) -> None:
        """Let the model in use read what another one, or an earlier day, has read."""
        self._kept_risk = None
        self._measure(keep_scores=True)
        self.read_changed.emit()

    # --- exams

    def show_preview(self, exam: Exam, slice_index: int) -> None:
        """Show the first image of an exam that still loads; the exam open before comes back if that fails."""
        if self._before_preview is None:
            self._before_preview = Snapshot(self.exam, self.read, self.view, self._history, self._key)
        x, y = exam.volume.shape_zyx[2] // 2, exam.volume.shape_zyx[1] // 2
        self._first_position = (x, y, slice_index)
        self._install(Snapshot(exam, view=ViewState(self._first_position)))

    def complete(self, exam: Exam) -> None:
        """The exam has loaded: measuring may begin. Where the reader looks is kept from its preview, and from nothing else."""
        self._before_preview = None
        key = (*identity(exam.volume), self.reader, str(self.blinded))
        read = self._reads.get(key)
        depth, rows, columns = exam.volume.shape_zyx
        previewed = self.exam is not None and self.exam.exam_id == exam.exam_id and self.exam.loading
        view = self.view
        if not previewed:
            self._first_position = (columns // 2, rows // 2, depth // 2)
            view = ViewState(self._first_position)
        if read is not None and read.centre is not None:
            view = replace(view, position=read.centre)
        self._install(Snapshot(exam, read or ReadState(), view, ReadHistory(), key), read)

    def abandon_preview(self) -> None:
        """Loading failed or was cancelled: bring back the exam that was open, with its read."""
        if self._before_preview is not None:
            before, self._before_preview = self._before_preview, None
            self._install(before)
            who = (self.reader, str(self.blinded))
            if before.exam is not None and before.key is not None and before.key[-2:] != who:
                # Another reader, or the other kind of list, since it was left: it is theirs to see anew.
                self.complete(before.exam)
                self.shown_again.emit()

    def close_exam(self) -> None:
        """Show no exam; what was read of it has been kept by whoever keeps reads."""
        self._before_preview = None
        self._install(Snapshot(None))

    def image_grew(self) -> None:
        """More slices of the preview have arrived."""
        if self.exam is not None and self.exam.loading:
            self.image_changed.emit()

    def _install(self, state: Snapshot, restored: ReadState | None = None) -> None:
        self.exam, self.read, self.view = state.exam, state.read, state.view
        self._history, self._key = state.history, state.key
        # Nothing measured on another exam may stay, not for one frame.
        self.risk, self.first_risk, self.survey, self.comparison, self.heart = None, None, None, None, None
        self.proposal, self.proposal_pending = None, False
        self._restored, self._kept_risk = restored, None
        self._drop_explanation()
        self.exam_changed.emit()
        self._measure()
        self.read_changed.emit()
        self.tool_changed.emit()
        self.view_changed.emit()

    # --- the read

    def edit(self, **changes: object) -> None:
        """Change fields of `ReadState`, remembering the state before for undo."""
        if not self.can_measure:
            return
        new = self.read.changed(**changes)
        if new == self.read:
            return
        if self.read.locked and new.locked and (new.grade, new.vessels) != (self.read.grade, self.read.vessels):
            self.told.emit(self.locked_sentence())
            return
        self._history = self._history.record(self.read)
        self.acted.emit()
        self._set_read(new)
        before = self._restored
        if before is not None and before.complete and new != before and new.locked == before.locked:
            self.told.emit(tr("This read was finished, and you have changed it: Ctrl+Z takes that back."))

    def locked_sentence(self) -> str:
        """Why the grade can't be changed now."""
        if self.blinded:
            return tr("The grade is locked, and in a blinded list it stays so.")
        return tr("The grade is locked: choose Read > Unlock the grade to change it.")

    def place_centre(self, voxel: Voxel) -> None:
        """Put the heart centre on ``voxel``, select it for nudging, and look at it."""
        volume = self.volume
        if volume is None or not self.can_measure or not volume.contains(voxel):
            return
        self.edit(centre=voxel)
        self.look_at_centre()

    def look_at_centre(self) -> None:
        """Look at the heart centre, and let the arrow keys nudge it as long as there is no grade."""
        if self.read.centre is not None:
            self.set_view(position=self.read.centre, centre_selected=not self.read.complete)

    def nudge_centre(self, dx: int, dy: int, dz: int) -> None:
        """Move the heart centre by voxels, staying inside the volume."""
        if self.read.centre is not None and self.volume is not None:
            x, y, z = self.read.centre
            self.place_centre(self.volume.inside((x + dx, y + dy, z + dz)))

    def set_grade(self, grade: float | None) -> None:
        """Set or clear the grade (0 to 3)."""
        self.edit(grade=None if grade is None else check_grade(grade))

    def show_anyway(self) -> None:
        """Show the numbers that are withheld here; the read keeps that somebody asked."""
        self.edit(shown_anyway=True)

    def toggle_lesion(self, index: int) -> None:
        """Exclude the lesion, or count it again."""
        if self.volume is None or self.scores is None or not 0 <= index < len(self.scores.lesions):
            return
        lesion = self.scores.lesions[index]
        voxels = component_voxels(self.volume, lesion, get_profile(self.read.profile))
        excluded = self.read.excluded - voxels if lesion.excluded else self.read.excluded | voxels
        self.edit(excluded=excluded)

    def mark_plaques(self, plaques: Iterable[Voxel], vessel: str | None) -> None:
        """Give plaques of the whole heart to a vessel of `calcium.VESSELS`, or back to nobody."""
        self.edit(heart=given(self.read.heart, plaques, vessel))

    @property
    def looked_around(self) -> bool:
        """The reader has moved the cursor within the slice since the exam was opened, or since a centre was proposed."""
        return self._first_position is None or self.view.position[:2] != self._first_position[:2]

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to take back."""
        return bool(self._history.past)

    @property
    def can_redo(self) -> bool:
        """Whether there is an edit to bring back."""
        return bool(self._history.future)

    def undo(self) -> None:
        """Take back the last edit of the read."""
        if self.can_undo:
            state, self._history = self._history.back(self.read)
            self.acted.emit()
            self._set_read(state)

    def redo(self) -> None:
        """Bring back the edit last taken back."""
        if self.can_redo:
            state, self._history = self._history.forward(self.read)
            self.acted.emit()
            self._set_read(state)

    def _set_read(self, read: ReadState, *, anew: bool = False) -> None:
        """Show ``read``; ``anew``: with the risk that came with it, also where it is the read on screen."""
        moved = read.centre != self.read.centre
        graded_only = replace(read, grade=self.read.grade, vessels=self.read.vessels) == self.read
        noted_only = replace(read, notes=self.read.notes) == self.read
        self.read = read
        if self._key is not None:
            self._reads[self._key] = read
            self._read_at[self._key] = datetime.now(UTC)
        if anew or not noted_only:
            self._measure(keep_scores=graded_only)
        self.read_changed.emit()
        if read.complete:
            self.set_view(centre_selected=False)
        if moved and read.centre is not None:
            self.set_view(position=read.centre)

    # --- scores and risk

    def _measure(self, *, keep_scores: bool = False) -> None:
        """Scores at once; the risk is invalid until the worker answers for this very state."""
        read = self.read
        self._drop_explanation()
        self._take_kept_risk()
        if self.risk is None and self.risk_status in (RiskStatus.READY, RiskStatus.COMPUTING, RiskStatus.FAILED):
            self.risk_status, self.risk_message = self._without_risk
        where = read.centre is not None or read.box is not None
        if not self.can_measure or self.exam is None or not where:
            self.survey, self._around = None, ()
        elif self.hides_results:
            # What the scan looks like there is told; what it amounts to is not even computed.
            self.survey = None
            self._around = () if read.centre is None else check_centre(self.exam.volume, read.centre)
        elif not keep_scores or self.survey is None:
            self.survey = survey(
                self.exam.volume, read.centre, read.grade, box=read.box, profile=get_profile(read.profile),
                excluded=read.excluded, scan=self.exam.findings,
            )  # fmt: skip
            self._around = self.survey.around
        self.scores_changed.emit()
        self.heart_changed.emit()
        self.risk_changed.emit()

    # --- the view

    def resume_view(self, position: Voxel, **changes: object) -> None:
        """Look at the exam as when it was left, but at the heart centre where there is one.

        Args:
            position: cursor voxel (x, y, z) of then. changes: other fields of `ViewState`.
        """
        if self.volume is not None:
            self._first_position = self.volume.inside(position)
            self.set_view(position=self.read.centre or position, **changes)

    def set_view(self, **changes: object) -> None:
        """Change fields of `ViewState`; the position is kept inside the volume."""
        new = replace(self.view, **changes)  # type: ignore[arg-type]
        if self.volume is not None:
            new = replace(new, position=self.volume.inside(new.position))
        if new == self.view:
            return
        before, self.view = self.view, new
        if new.tool is not before.tool:
            self.tool_changed.emit()
        self.view_changed.emit()
