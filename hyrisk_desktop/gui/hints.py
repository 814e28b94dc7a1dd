"""Every standing sentence that tells the reader what to do next, with the state in which it is true.

One table for the status bar, the image and the panels. A sentence is never pushed: it is looked up for the state on
screen, so it ends when that state does. ``tests/gui/test_hints.py`` reaches each state and presses the key promised.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from hyrisk_desktop.gui.own_keys import with_own_keys
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import RiskStatus, Tool
from hyrisk_desktop.i18n import tr


class Place(Enum):
    """Where a sentence stands."""

    STATUS = "status"
    IMAGE = "image"
    RISK = "risk"
    SCORES = "scores"


@dataclass(frozen=True, slots=True)
class Situation:
    """What sentences depend on.

    Attributes:
        exam: an exam is open and complete; loading: one is being shown while it still loads.
        tool: what the left button does. centre, grade: are there. nudging: the arrow keys move the centre.
        proposed: a heart centre is proposed; unsure: by a proposal that says so; pending: it is being worked out;
        moved: the reader has moved the cursor away from it within the slice, and Enter then places the centre there.
        hidden: scores and risk wait for the grade to be locked (blinded).
        restored: the read is the one this reader made earlier, unchanged.
        explaining: the reader wants the risk explained; slab: a projection is on show, which has no heat map.
        status, why: how the risk stands, and the sentence that came with it.
        listed: exams in the list; to_open: place of the exam that Enter opens in it while none is on screen, 0 for none;
        in_list: the exam on screen is one of them; has_next: another one follows.
    """

    exam: bool = False
    loading: bool = False
    tool: Tool = Tool.WINDOW
    centre: bool = False
    grade: bool = False
    nudging: bool = False
    proposed: bool = False
    unsure: bool = False
    moved: bool = False
    pending: bool = False
    hidden: bool = False
    restored: bool = False
    explaining: bool = False
    slab: bool = False
    status: RiskStatus = RiskStatus.MODEL_LOADING
    why: str = ""
    listed: int = 0
    to_open: int = 0
    in_list: bool = False
    has_next: bool = False

    @property
    def placing(self) -> bool:
        """The next click, or Enter, places the heart centre."""
        return self.exam and self.tool is Tool.PLACE_CENTRE

    @property
    def takes_proposal(self) -> bool:
        """Enter takes the proposed heart centre."""
        return self.placing and self.proposed and not self.centre and not self.moved


@dataclass(frozen=True, slots=True)
class Hint:
    """One sentence.

    Attributes:
        key: its name. place: where it stands. holds: when it is true. text: the sentence, for the state.
        keys: what it promises to do something, as the actions' table writes keys; a test presses them.
    """

    key: str
    place: Place
    holds: Callable[[Situation], bool]
    text: Callable[[Situation], str]
    keys: tuple[str, ...] = ()


def situation(session: Session) -> Situation:
    """The session's part of the state; the worklist adds its own."""
    read, view, proposal = session.read, session.view, session.proposal
    return Situation(
        exam=session.can_measure,
        loading=session.exam is not None and session.exam.loading,
        tool=view.tool,
        centre=read.centre is not None,
        grade=read.grade is not None,
        nudging=view.centre_selected and read.centre is not None,
        proposed=proposal is not None,
        unsure=proposal is not None and not proposal.confident,
        moved=session.looked_around,
        pending=session.proposal_pending,
        hidden=session.hides_results,
        restored=session.read_restored,
        explaining=session.explaining and session.risk is not None,
        slab=view.slab_mm > 0,
        status=session.risk_status,
        why=session.risk_message,
    )


def hint(place: Place, s: Situation) -> Hint | None:
    """The first sentence of that place that is true."""
    return next((h for h in HINTS if h.place is place and h.holds(s)), None)


def hint_text(place: Place, s: Situation) -> str:
    """The same as a text, with the reader's own keys; "" for none."""
    found = hint(place, s)
    return with_own_keys(found.text(s), found.keys) if found else ""


def _take_or_click(s: Situation) -> str:
    unsure = tr("The proposed heart centre is unsure: ") if s.unsure else ""
    return unsure + tr("Enter takes the proposed heart centre; or click the centre of the heart.")


def _restored(s: Situation, then: str) -> str:
    return tr("Your earlier read of this exam is back. ") + then if s.restored else then


def _table() -> tuple[Hint, ...]:
    status, image, risk, scores = Place.STATUS, Place.IMAGE, Place.RISK, Place.SCORES
    h = Hint
    return (
        # --- the status bar: what comes next
        h("back", status, lambda s: _nothing(s) and s.to_open > 0,
          lambda s: tr("Enter opens exam {n} of {total} of your worklist.", n=s.to_open, total=s.listed), ("Return",)),
        h("begin", status, lambda s: _nothing(s) and s.listed > 0,
          lambda _: tr("Enter opens the first exam of the worklist."), ("Return",)),
        h("open", status, _nothing,
          lambda _: tr("Open an exam (Ctrl+O), or drop a folder or file on this window."), ("Ctrl+O",)),
        h("loading", status, lambda s: s.loading, lambda _: tr("Loading…")),
        h("pending", status, lambda s: s.placing and not s.centre and s.pending,
          lambda _: tr("Click the centre of the heart; a proposal is being worked out.")),
        h("take", status, lambda s: s.takes_proposal, _take_or_click, ("Return",)),
        h("place", status, lambda s: s.placing and not s.centre and s.moved,
          lambda _: tr("Enter places the heart centre at the cursor; or click the centre of the heart."), ("Return",)),
        h("click", status, lambda s: s.placing and not s.centre,
          lambda _: tr("Click the centre of the heart; or move the cursor to it with the arrows, then press Enter.")),
        h("place_again", status, lambda s: s.placing,
          lambda _: tr("Click where the heart centre shall be now; Esc leaves it where it is."), ("Esc",)),
        h("no_centre", status, lambda s: s.exam and not s.centre,
          lambda _: tr("There is no heart centre yet: press H, then click the centre of the heart."), ("H",)),
        h("no_grade", status, lambda s: s.exam and not s.grade,
          lambda _: tr("Now grade the coronary calcification: Alt+0 to Alt+3."), ("Alt+2",)),
        h("lock", status, lambda s: s.exam and s.hidden,
          lambda _: tr("Enter locks the grade, and then shows scores and risk."), ("Return",)),
        h("next", status, lambda s: s.exam and s.in_list and s.has_next,
          lambda s: _restored(s, tr("Enter: next exam.")), ("Return",)),
        h("last", status, lambda s: s.exam and s.in_list,
          lambda s: _restored(s, tr("This is the last exam of the list."))),
        h("done", status, lambda s: s.exam,
          lambda s: _restored(s, tr("The read is complete: Ctrl+S exports it.")), ("Ctrl+S",)),
        # --- the image: what the next click or key does
        h("image_pending", image, lambda s: s.placing and not s.centre and s.pending,
          lambda _: tr("Click the heart's centre; a proposal is on its way")),
        h("image_take", image, lambda s: s.takes_proposal,
          lambda s: (tr("UNSURE: ") if s.unsure else "") + tr("Enter: take the proposed centre; or click"), ("Return",)),
        h("image_place", image, lambda s: s.placing and s.moved and not s.centre,
          lambda _: tr("Enter: place the centre at the cursor; or click (Esc cancels)"), ("Return",)),
        h("image_click", image, lambda s: s.placing,
          lambda _: tr("Click the heart's centre; or arrows and Enter (Esc cancels)")),
        h("image_ruler", image, lambda s: s.tool is Tool.RULER, lambda _: tr("Drag to measure (Esc ends)"), ("Esc",)),
        h("image_nudge", image, lambda s: s.exam and s.nudging,
          lambda _: tr("Arrows nudge the centre, Shift by 5 (Esc ends)"), ("Left",)),
        h("image_slab", image, lambda s: s.explaining and s.slab,
          lambda _: tr("The heat map lies on single slices: M until the slab is off"), ("M",)),
        # --- where a number will stand
        h("risk_loading", risk, lambda s: s.status is RiskStatus.MODEL_LOADING, lambda _: tr("The model is loading…")),
        h("risk_why", risk, lambda s: s.status in (RiskStatus.NO_MODEL, RiskStatus.FAILED), lambda s: s.why),
        h("risk_hidden", risk, lambda s: s.exam and s.hidden,
          lambda _: tr("Blinded: the risk shows once the grade is locked.")),
        h("risk_computing", risk, lambda s: s.exam and s.centre, lambda _: tr("Computing…")),
        h("risk_exam_loading", risk, lambda s: s.loading, lambda _: tr("The exam is loading…")),
        h("risk_no_exam", risk, lambda s: not s.exam, lambda _: tr("Open an exam to begin.")),
        h("risk_no_centre", risk, lambda s: s.exam, lambda _: tr("The risk needs the heart centre.")),
        h("scores_hidden", scores, lambda s: s.exam and s.hidden,
          lambda _: tr("Blinded: the scores show once the grade is locked.")),
        h("scores_no_centre", scores, lambda s: s.exam and not s.centre,
          lambda _: tr("The scores need the heart centre.")),
    )  # fmt: skip


def _nothing(s: Situation) -> bool:
    return not s.exam and not s.loading


HINTS = _table()
