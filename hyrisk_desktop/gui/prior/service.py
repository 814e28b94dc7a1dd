"""The prior exam behind the window: found, loaded, laid onto the current one, and compared with it, all on worker threads.

Nothing of it outlives the exam on screen: another exam, reader or way of reading drops it at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from hyrisk_desktop.errors import HyRiskError, InputError
from hyrisk_desktop.gui.pacs.service import Pacs
from hyrisk_desktop.gui.prior.at_pacs import PacsPriors
from hyrisk_desktop.gui.prior.comparing import Comparing
from hyrisk_desktop.gui.prior.found import PriorExam, find_priors, newest_first, prior_of
from hyrisk_desktop.gui.prior.loading import Loaded, load_prior
from hyrisk_desktop.gui.prior.placing import Placing
from hyrisk_desktop.gui.sentences import sentence_of
from hyrisk_desktop.gui.services.job_runner import JobContext, JobRunner, Operation
from hyrisk_desktop.gui.services.risk import RiskService
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.worklist.opening import Opening
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import CTVolume, Voxel, propose_centre
from hyrisk_desktop.imaging.registration import Registration, laid_by_centres, register
from hyrisk_desktop.worklist.records import Proposal

_LOOK_AGAIN_MS = 400


class Layout(Enum):
    """Where the prior exam is on screen."""

    OFF = "off"
    BESIDE = "beside"
    GRID = "grid"
    FLIPPED = "flipped"


@dataclass(frozen=True, slots=True)
class _Whose:
    """What everything about a prior depends on."""

    exam_id: int = 0
    reader: str = ""
    blinded: bool = False


class Priors(QObject):
    """Earlier exams of the patient on screen.

    Signals:
        found_changed: which there are. changed: which is shown, where, or how it lies.
        compared: what has changed between the exams, or that this is not known any more.
        told: one sentence. failed: an error. asks: the reader is to say whether a `PriorExam` is the same patient's.
    """

    found_changed = Signal()
    changed = Signal()
    compared = Signal()
    told = Signal(str)
    failed = Signal(object)
    asks = Signal(object)

    def __init__(self, session: Session, worklist: Opening, runner: JobRunner, risk: RiskService, pacs: Pacs) -> None:
        super().__init__()
        self._session, self._worklist, self._store = session, worklist, worklist.store
        self._whose = _Whose()
        self.found: tuple[PriorExam, ...] = ()
        """Newest first."""
        self._stored: tuple[PriorExam, ...] = ()
        self._at_pacs = PacsPriors(pacs, self)
        self._awaited: tuple[PriorExam, Layout, bool] | None = None
        """What is being retrieved, where it shall show, and whether the reader is sure of it."""
        self._arrived = False
        self.chosen: PriorExam | None = None
        """The one that is shown or being loaded."""
        self.loaded: Loaded | None = None
        self.placing: Placing | None = None
        self.layout = Layout.OFF
        self.linked = True
        """Both exams scroll together; otherwise the wheel on the prior moves it alone."""
        self.stands = ""
        """What is going on with the prior, for its image; "" for nothing."""
        self._loading, self._laying = Operation(runner.run_background), Operation(runner.run_background)
        self.comparing = Comparing(session, runner, risk, self)
        self.comparing.compared.connect(self.compared)
        self.comparing.failed.connect(self.failed)
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.setInterval(_LOOK_AGAIN_MS)
        self._again.timeout.connect(self._look)
        session.exam_changed.connect(self._follow_exam)
        worklist.rows_changed.connect(self._again.start)
        worklist.current_changed.connect(self._again.start)
        pacs.arrivals.listed.connect(self._look_for_awaited)
        self._at_pacs.changed.connect(self._merge)
        self._at_pacs.ended.connect(self._retrieved)

    # --- which there are

    @Slot()
    def _follow_exam(self) -> None:
        exam, session = self._session.exam, self._session
        whose = _Whose() if exam is None else _Whose(exam.exam_id, session.reader, session.blinded)
        if whose != self._whose:
            self._whose, self._awaited = whose, None
            self.found = self._stored = ()
            self._at_pacs.forget()
            self._drop()
            self.found_changed.emit()
        self._look()

    @Slot()
    def _look(self) -> None:
        exam, whose = self._session.exam, self._whose
        if exam is None or exam.loading:
            return
        attributes, study_uid = exam.volume.attributes, exam.record.study_uid

        def done(found: tuple[PriorExam, ...]) -> None:
            if whose == self._whose:
                self._stored = found
                self._merge()
                self._at_pacs.look(attributes, study_uid)
                self._show_awaited()

        # A list of priors is not worth a dialog: a store that fails says so where it is needed.
        self._store.ask(lambda store: find_priors(store, attributes, study_uid), done, lambda _: None)

    @Slot()
    def _merge(self) -> None:
        """What is here already is not fetched again."""
        here = {prior.study_uid for prior in self._stored}
        found = newest_first([*self._stored, *(p for p in self._at_pacs.found if p.study_uid not in here)])
        if found != self.found:
            self.found = found
            self.found_changed.emit()

    # --- one that only the PACS has

    def _retrieve(self, prior: PriorExam, layout: Layout, *, sure: bool) -> None:
        self._awaited, self._arrived = (prior, layout, sure), False
        self.told.emit(tr("Retrieving the earlier exam from {node}; it shows as soon as it is here.", node=prior.node))
        self._at_pacs.fetch(prior)

    @Slot(str, str)
    def _retrieved(self, study_uid: str, why_not: str) -> None:
        if why_not and self._awaited is not None and self._awaited[0].study_uid == study_uid:
            self._awaited = None
            self.told.emit(tr("The earlier exam did not come from the PACS: {why}", why=why_not))

    @Slot()
    def _look_for_awaited(self) -> None:
        self._arrived = not self._at_pacs.fetching
        self._again.start()

    def _show_awaited(self) -> None:
        """What the reader has asked for is here, or it is nothing that could be shown."""
        if self._awaited is None:
            return
        wanted, layout, sure = self._awaited
        here = next((prior for prior in self._stored if prior.study_uid == wanted.study_uid), None)
        if here is not None:
            self._awaited = None
            self.show(layout, here, sure=sure)
        elif self._arrived:
            self._awaited = None
            self.told.emit(tr("The earlier exam came from the PACS, but holds no CT series that can be compared."))

    # --- the one that is shown

    def show(self, layout: Layout, prior: PriorExam | None = None, *, sure: bool = False) -> None:
        """Show an exam before, the newest unless ``prior`` says which, or another layout of the one that is shown.

        Args:
            layout: where. prior: which. sure: the reader has said that it is the same patient's.
        """
        wanted = prior or self.chosen or (self.found[0] if self.found else None)
        if not self._session.can_measure or wanted is None:
            self.told.emit(tr("No earlier exam of this patient is known; Prior > Earlier exams… opens one."))
            return
        if wanted == self.chosen:
            self.layout = layout
            self.changed.emit()
        elif wanted.doubt and not sure:
            self.asks.emit(wanted)
        elif wanted.node:
            self._retrieve(wanted, layout, sure=sure)
        else:
            self._load(wanted, layout, sure=sure)

    def hide(self) -> None:
        """The current exam alone; the prior stays at hand."""
        self.layout = Layout.OFF
        self.changed.emit()

    def _identified(self, prior: PriorExam, loaded: Loaded, *, sure: bool) -> PriorExam | None:
        """Whose and of when an exam opened by hand is, now that it is read; None where the reader is asked about that.

        Raises:
            InputError: it is the exam on screen, or a later one.
        """
        current, other = self._session.volume, loaded.exam.volume
        if current is None or prior.path is None:
            return prior
        if other.series_uid == current.series_uid:
            raise InputError("same_series", tr("It is the exam on screen."))
        found = prior_of(current.attributes, other.attributes, path=prior.path)
        if found is None:
            raise InputError("prior_is_later", tr("It is later than the exam on screen."))
        if not found.doubt or sure:
            return found
        self._drop()
        self.asks.emit(found)
        return None

    def _load(self, prior: PriorExam, layout: Layout, *, sure: bool = False) -> None:
        self._drop()
        self.chosen, self.layout, self.stands = prior, layout, tr("Loading the prior exam…")
        reader, blinded = self._worklist.reader, self._session.blinded

        def failed(error: Exception) -> None:
            self._drop()
            self.told.emit(tr("The prior exam can't be shown: {why}", why=sentence_of(error)))

        def succeeded(loaded: Loaded) -> None:
            # `_drop` has let go of this job where another exam came on screen.
            try:
                self.chosen = self._identified(prior, loaded, sure=sure)
            except HyRiskError as e:
                failed(e)
            else:
                if self.chosen is not None:
                    self._take(loaded)

        self._loading.start(
            "loading a prior exam",
            lambda context: load_prior(self._store, prior, reader, blinded, context),
            succeeded,
            failed,
        )
        self.changed.emit()

    def _take(self, loaded: Loaded) -> None:
        current = self._session.volume
        if current is None:
            return
        self.loaded = loaded
        self._worklist.ahead.reserve(loaded.exam.volume.hu.nbytes)
        here, there = self._centre_here(), loaded.centre
        both = (here, there) if here is not None and there is not None else (None, None)
        self.placing = Placing(current, loaded.exam.volume, laid_by_centres(current, loaded.exam.volume, *both))
        self._lay(current, loaded, here)
        self.changed.emit()

    def _centre_here(self) -> Voxel | None:
        read, proposal = self._session.read, self._session.proposal
        return read.centre or (None if proposal is None else proposal.voxel)

    def _lay(self, current: CTVolume, loaded: Loaded, here: Voxel | None) -> None:
        """Register on a worker; until that is done the exams are linked by the heart centres."""
        self.stands = tr("Linked by the heart centres; laying the exams onto each other…")
        prior = loaded.exam.volume

        def work(context: JobContext) -> Registration:
            centre = here or _centre_of(current)
            return register(current, prior, centre, loaded.centre, context.progress, context.token)

        def progressed(done: int, total: int) -> None:
            self.stands = tr("Laying the exams onto each other… {percent} %", percent=100 * done // total)
            self.changed.emit()

        def succeeded(laid: Registration) -> None:
            if self.loaded is not loaded or self.placing is None:
                return
            self.stands = ""
            self.placing = replace(self.placing, laid=laid, exact=True)
            self.comparing.begin(loaded, laid)
            self._propose(loaded)
            self.changed.emit()

        def failed(error: Exception) -> None:
            self.stands = tr("Linked by the heart centres only: {why}", why=sentence_of(error))
            self.changed.emit()

        self._laying.start("laying exams onto each other", work, succeeded, failed, progressed=progressed)

    def _propose(self, loaded: Loaded) -> None:
        """Where a reader saw the heart's centre in the prior exam, it probably is now."""
        session, placing = self._session, self.placing
        if placing is None or loaded.read is None or loaded.read.centre is None or session.read.centre is not None:
            return
        voxel = placing.to_current(loaded.read.centre)
        if placing.current.contains(voxel):
            session.propose(Proposal(voxel, True, tr("From the heart centre that was placed in the prior exam.")))

    def _drop(self) -> None:
        """Let go of the prior exam and of everything that was worked out of it."""
        self._loading.drop()
        self._laying.drop()
        self.comparing.end()
        self.chosen, self.loaded, self.placing = None, None, None
        self.layout, self.linked, self.stands = Layout.OFF, True, ""
        self._worklist.ahead.reserve(0)
        self.changed.emit()

    # --- how it lies

    def set_linked(self, linked: bool) -> None:
        """Scroll both exams together, or the prior alone, which then stays shifted."""
        self.linked = linked
        self.changed.emit()

    def shift(self, x_mm: float, y_mm: float, z_mm: float) -> None:
        """Move the prior against the current exam, along its own axes."""
        if self.placing is not None:
            self.placing = self.placing.shifted(x_mm, y_mm, z_mm)
            self.changed.emit()

    def unshift(self) -> None:
        """Take back what `shift` has done."""
        if self.placing is not None:
            self.placing = replace(self.placing, shift_mm=(0.0, 0.0, 0.0))
            self.set_linked(True)


def _centre_of(volume: CTVolume) -> Voxel:
    """The proposed heart centre, or the middle where there is none."""
    found = propose_centre(volume)
    depth, rows, columns = volume.shape_zyx
    return (columns // 2, rows // 2, depth // 2) if found is None else found.voxel
