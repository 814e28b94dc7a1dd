"""Composition root of the window: builds settings, log, services and main window, and nothing else knows them all."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import (
    QLibraryInfo,
    QLocale,
    QMessageLogContext,
    Qt,
    QTimer,
    QtMsgType,
    QTranslator,
    qInstallMessageHandler,
)
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication

from hyrisk_desktop.demonstration import Demonstration, prepare_demonstration
from hyrisk_desktop.errors import ExamError, HyRiskError, InputError, safe_traceback
from hyrisk_desktop.exchange.reports.template import use_template
from hyrisk_desktop.files import keep_exports_private
from hyrisk_desktop.gui.appearance import apply_appearance
from hyrisk_desktop.gui.application import Services
from hyrisk_desktop.gui.log import set_up_logging
from hyrisk_desktop.gui.main_window import MainWindow
from hyrisk_desktop.gui.one_window import OneWindow, hand_over
from hyrisk_desktop.gui.results import results_text
from hyrisk_desktop.gui.state import RiskStatus
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.paths import log_dir, resources_dir
from hyrisk_desktop.settings import Settings, user_settings

_log = logging.getLogger(__name__)
# Python threads hand over every 5 ms by default; while a worker parses headers that adds up to visible stalls.
_SWITCH_INTERVAL_S = 0.0005
_IDLE_MS = 5000
"""Whoever has opened nothing by then looks around, and may want the demonstration exam."""


def make_application(arguments: list[str], settings: Settings | None = None) -> QApplication:
    """The QApplication as the settings want it to look; the one already there, if any."""
    existing = QApplication.instance()
    application = existing if isinstance(existing, QApplication) else QApplication(arguments)
    application.setApplicationName("HyRisk Desktop")
    # The desktop finds the window's menu entry by this.
    application.setDesktopFileName("hyrisk-desktop")
    application.setWindowIcon(QIcon(str(resources_dir() / "icon" / "hyrisk-desktop.svg")))
    settings = settings or Settings(None)
    _speak(application, settings["language"])
    apply_appearance(application, settings)
    return application


def _speak(application: QApplication, language: str) -> None:
    """Qt's own words (of its dialogs and menus of text fields), and how numbers are typed."""
    locale = QLocale.c() if language == "en" else QLocale(language)
    locale.setNumberOptions(QLocale.NumberOption.OmitGroupSeparator)
    QLocale.setDefault(locale)
    translator = QTranslator(application)
    if translator.load(locale, "qtbase", "_", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)):
        application.installTranslator(translator)


def build_window(settings: Settings, log_directory: Path | None) -> tuple[MainWindow, Services]:
    """The window and its services, wired; the model begins to load once the event loop runs."""
    services = Services.build(settings, set_up_logging(log_directory))
    window = MainWindow(services)
    # After the first paint, so that the window is usable before torch is touched.
    QTimer.singleShot(150, window, lambda: None if window.closed else services.start())
    return window, services


def run_gui(path: Path | None, *, demonstration: bool = False) -> int:
    """Show the window, open ``path`` or the demonstration exam if given, and run until it is closed."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    settings = user_settings()
    keep_exports_private(settings["private_exports"])
    use_template(settings["report_template"])
    qInstallMessageHandler(_log_qt_message)
    application = make_application(sys.argv[:1], settings)
    if not demonstration and hand_over(path):
        print(tr("HyRisk Desktop is open already: its window has taken over."), file=sys.stderr)  # noqa: T201
        return 0
    # Before the window is built, which takes seconds. The demonstration takes nobody's place: another window may be heard there.
    later = None if demonstration else OneWindow()
    window, services = build_window(settings, log_dir())
    if later is not None:
        later.wanted.connect(lambda wanted: _come_forward(window, wanted))
    _install_hooks(window)
    window.show()
    settings.tell = lambda sentence: _tell_of_settings(window, sentence)
    if settings.problem:
        settings.tell(settings.problem)
    if demonstration:
        services.loader.open_demonstration()
    elif path is not None:
        services.worklist.open_path(path)
    else:
        QTimer.singleShot(_IDLE_MS, window, services.make_demonstration)
    return application.exec()


def _come_forward(window: MainWindow, path: Path | None) -> None:
    """A second start was this window's to take over."""
    window.setWindowState(window.windowState() & ~Qt.WindowState.WindowMinimized)
    window.show()
    window.raise_()
    window.activateWindow()
    if path is not None:
        window.open_path(path)


def _tell_of_settings(window: MainWindow, sentence: str) -> None:
    window.commands.show_error(InputError("settings_damaged", sentence))


def _log_qt_message(_: QtMsgType, context: QMessageLogContext, message: str) -> None:
    """Qt's own complaints belong in the log, not on the reader's terminal."""
    _log.info("Qt (%s): %s", context.category or "default", message)


def _install_hooks(window: MainWindow) -> None:
    """Unexpected errors go to the log and one dialog; Ctrl+C or a polite kill closes the window."""

    def report(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            window.close()
            return
        _log.error("Unexpected error:\n%s", safe_traceback(error))
        if isinstance(error, Exception):
            window.commands.show_error(error)

    sys.excepthook = report
    threading.excepthook = lambda args: _log.error(
        "Unexpected error in a thread:\n%s", safe_traceback(args.exc_value) if args.exc_value else ""
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: window.close())
    # Python sees signals only when it runs: an idle event loop has to come up for air.
    timer = QTimer(window)
    timer.timeout.connect(lambda: None)
    timer.start(500)


def run_demonstration_offscreen() -> int:
    """The demonstration without a display: read the synthetic exam, print the readout and a screenshot's path."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    qInstallMessageHandler(_log_qt_message)
    application = make_application(sys.argv[:1])
    print(tr("No display: reading the synthetic demonstration exam offscreen…"), file=sys.stderr)  # noqa: T201
    demonstration = prepare_demonstration()
    window, services = build_window(Settings(None), None)
    window.resize(1600, 1000)
    window.show()
    services.loader.open_demonstration()
    try:
        done = _wait_for_reading(application, services, demonstration)
        shot = Path(tempfile.mkdtemp(prefix="hyrisk-")) / "demonstration.png"
        if not window.grab().save(str(shot)):
            raise ExamError("screenshot", tr("The screenshot can't be written to {folder}.", folder=shot.parent))
        readout = results_text(services.session)
        why_not = services.session.risk_message
    finally:
        window.close()
    print(readout)  # noqa: T201
    print(tr("Screenshot: {path}", path=shot))  # noqa: T201
    if not done:
        print(why_not or tr("The risk was not computed in time."), file=sys.stderr)  # noqa: T201
    return 0 if done else 3


def _wait_for_reading(application: QApplication, services: Services, demonstration: Demonstration) -> bool:
    """Place the centre and grade once the exam is open; True when the risk shows, False after two minutes or no model."""
    session = services.session
    deadline = time.monotonic() + 120
    failures: list[Exception] = []
    services.loader.failed.connect(failures.append)
    while time.monotonic() < deadline and not failures:
        application.processEvents()
        time.sleep(0.01)
        if session.can_measure and session.read.centre is None:
            session.place_centre(demonstration.centre)
            session.set_grade(demonstration.grade)
        if session.risk is not None or (session.scores is not None and session.risk_status is RiskStatus.NO_MODEL):
            application.processEvents()
            return session.risk is not None
    if failures and isinstance(failures[0], HyRiskError):
        raise failures[0]
    return False
