"""What the window is given: the session and the services behind it, built once by `app`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from hyrisk_desktop.gui.exam_loader import ExamLoader
from hyrisk_desktop.gui.job_runner import Job, JobRunner
from hyrisk_desktop.gui.log import MemoryLog
from hyrisk_desktop.gui.risk_service import RiskService
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.imaging import shutdown_decoders, warm_decoders
from hyrisk_desktop.paths import bundled_model_dir
from hyrisk_desktop.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Services:
    """The parts behind the window, wired to one session."""

    settings: Settings
    log: MemoryLog
    runner: JobRunner
    session: Session
    loader: ExamLoader
    risk: RiskService

    @classmethod
    def build(cls, settings: Settings, log: MemoryLog) -> Services:
        """Make and wire all parts; nothing runs yet."""
        runner, session = JobRunner(), Session()
        return cls(settings, log, runner, session, ExamLoader(session, runner), RiskService(session, runner))

    def model_dir(self) -> Path:
        """The model bundle in use: the user's choice, or the bundled one."""
        return Path(self.settings["model"]) if self.settings["model"] else bundled_model_dir()

    def start(self) -> None:
        """Get ready what the first exam and the first click would otherwise wait for."""
        self.load_model()
        self.runner.run_io(Job("starting the decoders", lambda _: warm_decoders(), lambda _: None, lambda _: None))

    def load_model(self, directory: Path | None = None) -> None:
        """Load the model in use, or another; the one in use stays until the other has loaded, and is then replaced."""
        self.risk.load_model(directory or self.model_dir(), self.settings["device"] or None)

    def close(self) -> None:
        """Stop all work; after this no thread or child process is left."""
        self.runner.close()
        shutdown_decoders()
