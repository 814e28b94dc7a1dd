"""`hyrisk doctor`: what an IT person checks before handing the program to a reader."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.exchange.reading_document import versions
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.paths import bundled_model_dir, cache_dir, config_dir, log_dir


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
        (tr("device"), _device),
        (tr("model"), _model),
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
    if sys.platform in ("win32", "darwin"):
        return sys.platform
    name = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
    return name or tr("none (scores and the offscreen demonstration work without)")


def _folders() -> str:
    for folder in (config_dir(), log_dir(), cache_dir()):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    return tr("settings in {config}, logs in {log}", config=config_dir(), log=log_dir())


def _device() -> str:
    import hyrisk_desktop.risk.predictor as predictor

    return predictor.describe_device()


def _model() -> str:
    from hyrisk_desktop.risk.bundle import load_bundle

    bundle, _ = load_bundle(bundled_model_dir())
    return tr("{name}, SHA-256 {sha} matches", name=bundle.name, sha=bundle.sha256[:16])


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
    """The bundled model answers, within [0, 1], twice the same."""
    from hyrisk_desktop.imaging.volume import CTVolume
    from hyrisk_desktop.risk import Predictor

    hu = np.random.default_rng(0).normal(40, 20, (9, 200, 200)).astype(np.int16)
    volume = CTVolume(hu, (0.7, 0.7, 2.5), (0.0, 0.0, 0.0), np.eye(3), "self-test")
    first, second = (Predictor(bundled_model_dir()).predict(volume, (100, 100, 4), 2.0).risk for _ in range(2))
    if not (0 <= first <= 1 and first == second):
        raise HyRiskError("self_test", tr("The model does not answer the same twice."))
    return tr("answers the same twice")
