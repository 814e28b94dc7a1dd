"""`hyrisk doctor`: what an IT person checks before handing the program to a reader."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hyrisk_desktop.cli import display
from hyrisk_desktop.errors import BundleError, HyRiskError
from hyrisk_desktop.exchange.reports.document import versions
from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.paths import bundled_model_dir, cache_dir, config_dir, log_dir
from hyrisk_desktop.private_files import make_private
from hyrisk_desktop.risk.model_store import installed_models
from hyrisk_desktop.settings import Settings, user_settings


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the doctor's report."""

    what: str
    ok: bool
    finding: str


def examine() -> list[Row]:
    """Run every check; none of them raises."""
    rows = [Row(name, version != "not installed", version) for name, version in versions().items()]
    checks: tuple[tuple[str, Callable[[], str]], ...] = (
        (tr("Qt"), _qt),
        (tr("display"), _display),
        (tr("folders"), _folders),
        (tr("settings"), _settings_file),
        (tr("device"), _device),
        (tr("engine"), _engine),
        (tr("model"), _model),
        (tr("worklist"), _worklist),
        (tr("PACS"), _pacs),
        (tr("self-test: scores"), _self_test_scores),
        (tr("self-test: risk"), _self_test_risk),
    )
    for what, check in checks:
        try:
            rows.append(Row(what, True, check()))
        except HyRiskError as e:
            rows.append(Row(what, False, e.message))
        except Exception as e:  # noqa: BLE001  a doctor reports what it meets
            rows.append(Row(what, False, f"{type(e).__name__}: {e}"))
    return rows


def _qt() -> str:
    import importlib.metadata

    return f"PySide6 {importlib.metadata.version('PySide6-Essentials')}, pyqtgraph {importlib.metadata.version('pyqtgraph')}"


def _display() -> str:
    """Qt is really started, in a process of its own: a display may be named and dead, or a library missing."""
    named = display.has_display()
    if named and not display.display_answers():
        raise HyRiskError("dead_display", display.dead_display_message())
    if problem := display.qt_problem(None if named else "offscreen"):
        raise HyRiskError("qt", problem)
    if not named:
        return tr("none (scores and the offscreen demonstration work without)")
    return display.display_name() or sys.platform


def _folders() -> str:
    for folder in (config_dir(), log_dir(), cache_dir()):
        with tempfile.NamedTemporaryFile(dir=make_private(folder)):
            pass
    return tr("settings in {config}, logs in {log}", config=config_dir(), log=log_dir())


def _pacs() -> str:
    """What is set up; no node is asked, as a check of the installation must not talk to the hospital's network."""
    import importlib.metadata

    from hyrisk_desktop.exchange.pacs.association import require_pacs
    from hyrisk_desktop.exchange.pacs.node import nodes_of

    settings = _settings()
    nodes = nodes_of(settings["pacs_nodes"])
    try:
        require_pacs()
    except HyRiskError as e:
        if nodes:
            raise
        return tr("not installed, and no node needs it ({why})", why=e.message)
    where = tr("at {address}, port {port}", address=settings["pacs_address"], port=settings["pacs_port"])
    receives = where if settings["pacs_listen"] else tr("off")
    version = importlib.metadata.version("pynetdicom")
    names = ", ".join(node.name for node in nodes) or tr("none")
    return tr("pynetdicom {version}; nodes: {names}; receiving: {where}", version=version, names=names, where=receives)


def _settings() -> Settings:
    return user_settings()


def _settings_file() -> str:
    settings = _settings()
    if settings.problem:
        raise HyRiskError("settings_damaged", settings.problem)
    return tr("can be read")


def _device_in_use() -> str | None:
    return _settings()["device"] or None


def _device() -> str:
    import hyrisk_desktop.risk.predictor as predictor

    return predictor.describe_device(_device_in_use())


def _engine() -> str:
    """What reads with the model in use, and why not with ONNX Runtime where that could be expected."""
    from hyrisk_desktop.risk.engine_choice import describe_engine

    return describe_engine(installed_models().active_dir(), _device_in_use(), _settings()["engine"])


def _model() -> str:
    from hyrisk_desktop.risk.bundle import load_bundle

    active = installed_models().active()
    if active.warning:
        raise HyRiskError("model_fallback", active.warning)
    bundle, _ = load_bundle(active.directory)
    origin = tr("bundled") if active.directory == bundled_model_dir() else tr("installed")
    return tr("{name} ({origin}), SHA-256 {sha} matches", name=bundle.name, origin=origin, sha=bundle.sha256[:16])


def _worklist() -> str:
    """The worklist opens and is whole; one that nobody has made yet is not made here."""
    from hyrisk_desktop.settings import store_place
    from hyrisk_desktop.worklist.backups import backups_of, damage_in
    from hyrisk_desktop.worklist.database import Database

    place = store_place(_settings())
    if isinstance(place, str):
        Database(place).close()
        return tr("on a PostgreSQL server, which answers")
    if not place.is_file():
        return tr("none yet; it will be {path}", path=place)
    if damage_in(place) is not None:
        raise HyRiskError("store_corrupt", tr("{path} is damaged; see “hyrisk store restore”", path=place))
    Database(place).close()
    return trn("{path}, whole; {n} backup", "{path}, whole; {n} backups", len(backups_of(place)), path=place)


def _self_test_scores() -> str:
    """A block of 4 x 4 x 1 pixels of 450 HU: 0.49 mm2 each, weight 4, increment 3 mm, by hand 31.36."""
    from hyrisk_desktop.calcium import score_region
    from hyrisk_desktop.imaging.volume import CTVolume

    hu = np.full((9, 90, 90), 40, np.int16)
    hu[4, 40:44, 40:44] = 450
    volume = CTVolume(hu, (0.7, 0.7, 3.0), (0.0, 0.0, 0.0), np.eye(3), "self-test")
    agatston = score_region(volume, (45, 45, 4)).agatston
    if abs(agatston - 31.36) > 1e-6:
        raise HyRiskError("self_test", tr("The Agatston self-test gives {a} instead of 31.36.", a=agatston))
    return tr("Agatston 31.36 as by hand")


def _self_test_risk() -> str:
    """The model in use answers on the device in use, within [0, 1], twice the same."""
    from hyrisk_desktop.imaging.volume import CTVolume
    from hyrisk_desktop.risk.engine_choice import open_predictor
    from hyrisk_desktop.risk.self_test import self_test

    hu = np.random.default_rng(0).normal(40, 20, (9, 200, 200)).astype(np.int16)
    volume = CTVolume(hu, (0.7, 0.7, 2.5), (0.0, 0.0, 0.0), np.eye(3), "self-test")
    model = installed_models().active_dir()
    device, engine = _device_in_use(), _settings()["engine"]
    answers = [open_predictor(model, device, engine=engine).predict(volume, (100, 100, 4), 2.0).risk for _ in range(2)]
    first, second = answers
    if not (0 <= first <= 1 and first == second):
        raise HyRiskError("self_test", tr("The model does not answer the same twice."))
    try:
        self_test(model, _device_in_use())
    except BundleError as e:
        if e.code != "no_known_answer":
            raise
        return tr("answers the same twice (the model was stored without a known answer)")
    return tr("answers the same twice, and as known")
