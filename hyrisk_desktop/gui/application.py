"""What the window is given: the session and the services behind it, built once by `app`."""

from __future__ import annotations

import importlib
import logging
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hyrisk_desktop.demonstration import prepare_demonstration
from hyrisk_desktop.gui.heart.service import HeartService
from hyrisk_desktop.gui.log import MemoryLog
from hyrisk_desktop.gui.models.shelf import ModelShelf
from hyrisk_desktop.gui.pacs.service import Pacs
from hyrisk_desktop.gui.prior.service import Priors
from hyrisk_desktop.gui.services.exam_loader import ExamLoader
from hyrisk_desktop.gui.services.explain import ExplainService
from hyrisk_desktop.gui.services.job_runner import Job, JobRunner
from hyrisk_desktop.gui.services.risk import RiskService
from hyrisk_desktop.gui.services.store import StoreService
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.worklist.controller import Worklist
from hyrisk_desktop.gui.worklist.scoring import Scoring
from hyrisk_desktop.imaging import prepare_decoders, shutdown_decoders, warm_decoders
from hyrisk_desktop.paths import private_roots
from hyrisk_desktop.private_files import repair
from hyrisk_desktop.risk.model_store import ActiveModel, ModelStore, installed_models
from hyrisk_desktop.risk.preload import lasting_imports
from hyrisk_desktop.settings import Settings, store_place
from hyrisk_desktop.unfinished import sweep

_log = logging.getLogger(__name__)
QT_LATER = ("QtOpenGL", "QtOpenGLWidgets", "QtPrintSupport", "QtSvg", "QtTest")
"""Libraries of Qt's that `SEEN_LATER` and pyqtgraph bring along."""
SEEN_LATER = (
    "dialogs.about",
    "dialogs.manual",
    "dialogs.shortcuts",
    "export.deidentified_dialog",
    "export.dialog",
    "export.printing",
    "models.dialog",
    "pacs.send_dialog",
    "pacs.window",
    "preferences.dialog",
    "retrain.window",
    "retrain.wizard",
    "worklist.dialogs.agreement",
    "worklist.dialogs.choose_list",
    "worklist.dialogs.export_cohort",
    "worklist.dialogs.score_all",
)
"""Modules of `gui` for what nobody sees at the start; where one is opened before it is there, it is imported then."""


@dataclass(frozen=True, slots=True, eq=False)
class Services:
    """The parts behind the window, wired to one session."""

    settings: Settings
    log: MemoryLog
    runner: JobRunner
    session: Session
    loader: ExamLoader
    risk: RiskService
    models: ModelStore
    shelf: ModelShelf
    explain: ExplainService
    store: StoreService
    worklist: Worklist
    scoring: Scoring
    pacs: Pacs
    priors: Priors
    heart: HeartService

    @classmethod
    def build(cls, settings: Settings, log: MemoryLog) -> Services:
        """Make and wire all parts; nothing runs yet."""
        runner, session = JobRunner(), Session()
        loader, risk = ExamLoader(session, runner), RiskService(session, runner)
        models = installed_models()
        shelf, explain = ModelShelf(models, session, runner), ExplainService(session, risk, runner)
        store = StoreService(store_place(settings))
        scoring = Scoring(runner, store, models, settings)
        worklist = Worklist(session, loader, runner, store, settings)
        pacs = Pacs.build(settings, runner, worklist)
        priors = Priors(session, worklist, runner, risk, pacs)
        services = cls(
            settings, log, runner, session, loader, risk, models, shelf, explain, store, worklist, scoring, pacs, priors,
            HeartService(session, runner),
        )  # fmt: skip
        services.shelf.chosen.connect(lambda _: services.load_model())
        # Not beside torch: while that is mapped, other native imports stop the window, see `StoreThread.preload`.
        risk.model_loaded.connect(lambda _: services.get_rest_ready())
        return services

    def model_dir(self) -> Path:
        """The model bundle in use. Hashes files, so not for the GUI thread; the one on screen is `RiskService`'s."""
        return self.models.active_dir()

    def start(self) -> None:
        """Get ready what the first exam and the first click would otherwise wait for."""
        self.store.preload(self._get_first_click_ready)
        self.worklist.start()
        self.store.look_for_others()
        self.pacs.start()
        self.runner.run_io(Job("tidying up", lambda _: _tidy_up(), lambda _: None, lambda _: None))
        prepare_decoders()
        self.runner.run_io(Job("starting the decoders", lambda _: warm_decoders(), lambda _: None, lambda _: None))

    def _get_first_click_ready(self) -> None:
        # One after the other, for the reason that `build` gives.
        job = Job("importing what scores", lambda _: _import_what_scores(), lambda _: None, lambda _: None)
        self.runner.run_model(job)
        self.load_model()

    def get_rest_ready(self) -> None:
        """Import what is seen later, so that no first look at it waits."""
        qt_ahead()
        job = Job("importing the other windows", lambda _: _import_rest(), lambda _: None, lambda _: None)
        self.runner.run_background(job)

    def load_model(self, directory: Path | None = None) -> None:
        """Load the store's model in use, or another; the one loaded stays until the other is ready, and is then replaced."""
        choose = self.models.active if directory is None else partial(ActiveModel, directory)
        self.risk.load_model(
            choose, self.settings["device"] or None, self.settings["prevalence"] or None, self.settings["engine"]
        )

    def make_demonstration(self) -> None:
        """Have the demonstration exam ready before it is asked for; the first exam that is opened stops that."""
        if self.session.exam is None and not self.worklist.busy and self.worklist.reading_list is None:
            job = Job(
                "making the demonstration",
                lambda context: prepare_demonstration(context.progress, context.token),
                lambda _: None,
                lambda _: None,
            )
            self.session.exam_changed.connect(job.cancel)
            self.runner.run_background(job)

    def close(self) -> None:
        """Stop all work; after this no thread or child process is left."""
        self.scoring.cancel()
        self.runner.close()
        self.pacs.close()
        self.risk.release()
        self.store.close()
        shutdown_decoders()


def _import_what_scores() -> None:
    """The window's own thread scores; its first exam stood still for 0.3 s while this was imported there (measured)."""
    _import_ahead("scipy.ndimage")


def qt_ahead() -> None:
    """Load what of Qt only windows seen later need, in the window's own thread (9 ms).

    PySide ended the program (seen once) where another thread brought the printer's along while a dialog was made in this one.
    """
    for name in QT_LATER:
        importlib.import_module(f"PySide6.{name}")


def _import_rest() -> None:
    _import_ahead(*(f"hyrisk_desktop.gui.{name}" for name in SEEN_LATER))


def _import_ahead(*names: str) -> None:
    # What is there already leaves nothing to exempt but closed exams' garbage, which would stay for good.
    if wanted := [name for name in names if name not in sys.modules]:
        with lasting_imports():
            for name in wanted:
                importlib.import_module(name)


def _tidy_up() -> None:
    """Close to other accounts what an older version left open, and delete what a killed run left half done."""
    repair(private_roots())
    sweep()
    installed_models().sweep()
