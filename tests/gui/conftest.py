"""The real window on isolated settings, with a tiny model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from hyrisk_desktop.app import build_window, make_application
from hyrisk_desktop.gui import application, main_window
from hyrisk_desktop.gui.application import Services
from hyrisk_desktop.gui.main_window import MainWindow
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import Exam
from hyrisk_desktop.imaging import CTVolume, Kind, SeriesRecord, shutdown_decoders
from hyrisk_desktop.risk import bundle, engine_choice, predictor
from hyrisk_desktop.risk.bundle import ModelBundle, load_bundle, verify_bundle
from hyrisk_desktop.risk.network import HyRiskNet
from hyrisk_desktop.risk.predictor import Predictor
from hyrisk_desktop.settings import Settings
from tests.helpers.bundles import HashedOnce, shelve, write_tiny_bundle
from tests.helpers.patience import PATIENCE_MS


@dataclass
class Program:
    """The program as a test drives it."""

    window: MainWindow
    services: Services
    qtbot: QtBot

    @property
    def session(self) -> Session:
        return self.services.session

    def text(self, name: str) -> str:
        """Text of the label called ``name``."""
        from PySide6.QtWidgets import QLabel

        label = self.window.findChild(QLabel, name)
        assert label is not None, name
        return label.text()

    def wait(self, condition: Callable[[], bool], timeout: int = PATIENCE_MS) -> None:
        self.qtbot.waitUntil(condition, timeout=timeout)

    def wait_for_risk(self) -> None:
        self.wait(lambda: self.session.risk is not None)

    def show(self, volume: CTVolume) -> Exam:
        """Open a volume that never was on disk."""
        exam = Exam(volume, record_of(volume), findings=volume.findings)
        self.session.complete(exam)
        return exam


def record_of(volume: CTVolume) -> SeriesRecord:
    return SeriesRecord(
        series_uid=volume.series_uid,
        study_uid="1.2",
        modality="CT",
        kind=Kind.AXIAL,
        description="Test series",
        kernel="B30f",
        slice_count=volume.shape_zyx[0],
        files=(),
        reason="The only series.",
    )


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_bundle(folder)
    return folder


@pytest.fixture(scope="session")
def kept_decoders() -> Iterator[None]:
    """The children that decode images outlive each window: starting two of them takes longer than most tests."""
    yield
    shutdown_decoders()


@pytest.fixture(scope="session")
def networks() -> dict[str, tuple[ModelBundle, HyRiskNet]]:
    """What was built of bundles in this process, by their hash."""
    return {}


@pytest.fixture(scope="session")
def hashed_once() -> HashedOnce:
    return HashedOnce()


@pytest.fixture
def built_once(
    networks: dict[str, tuple[ModelBundle, HyRiskNet]], hashed_once: HashedOnce, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle's files are checked for each window; the network, which nobody changes, is built and warmed once."""

    warm_up = Predictor.warm_up

    def load(directory: Path) -> tuple[ModelBundle, HyRiskNet]:
        sha256 = verify_bundle(directory).bundle_sha256
        if sha256 not in networks:
            networks[sha256] = load_bundle(directory)
            warm_up(Predictor(directory, "cpu"))
        return networks[sha256]

    # ONNX Runtime would make its sessions anew for each window; `tests/unit/risk/test_engines.py` has one that reads with it.
    monkeypatch.setattr(engine_choice, "_cpu_reads", lambda _: False)
    monkeypatch.setattr(predictor, "load_bundle", load)
    monkeypatch.setattr(bundle, "read_weights", hashed_once)
    monkeypatch.setattr(Predictor, "warm_up", lambda _: None)


@pytest.fixture
def quick_windows(kept_decoders: None, built_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes long about a window outlives it."""
    monkeypatch.setattr(application, "shutdown_decoders", lambda: None)


@pytest.fixture
def program(
    qtbot: QtBot,
    qapp: object,
    tiny_bundle: Path,
    isolated_home: Path,
    quick_windows: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Program]:
    make_application(["test"])
    settings = Settings(isolated_home / "config" / "settings.json")
    shelve(tiny_bundle)
    settings["device"] = "cpu"
    window, services = build_window(settings, isolated_home / "log")
    window.resize(1500, 940)
    window.show()
    qtbot.waitExposed(window)
    yield Program(window, services, qtbot)
    # A test that failed may have left reads unsaved: nobody would answer the question about them, and no test after it would run.
    monkeypatch.setattr(main_window, "leave_unsaved", lambda *_, **__: True)
    window.close()
    window.deleteLater()
    qtbot.wait(1)


@pytest.fixture
def ready(program: Program) -> Program:
    """With the model loaded and the reader known: who comes later takes up the exam that is on screen by then."""
    program.wait(lambda: program.session.model is not None and program.services.worklist.reader is not None)
    return program
