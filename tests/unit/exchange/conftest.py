"""A calcified exam with its reading, and the judge of DICOM objects."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.imaging import shutdown_decoders
from hyrisk_desktop.risk import Predictor
from tests.helpers import dicom_series, readings
from tests.helpers.bundles import write_tiny_bundle
from tests.helpers.patience import PATIENCE_S

Judge = Callable[[Path], list[str]]


@pytest.fixture(scope="session", autouse=True)
def _children_end() -> Iterator[None]:
    yield
    shutdown_decoders()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exchange-models") / "tiny"
    write_tiny_bundle(folder)
    return folder


@pytest.fixture(scope="session")
def predictor(tiny_model: Path) -> Predictor:
    return Predictor(tiny_model, "cpu", None)


@pytest.fixture(scope="session")
def exam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exam of `readings.calcified` as a folder of files."""
    return dicom_series.write(readings.calcified(), tmp_path_factory.mktemp("calcified") / "received")


@pytest.fixture(scope="session")
def reading(exam: Path, predictor: Predictor) -> Report:
    """Its reading, one of the three lesions excluded."""
    return readings.report_of(exam, predictor, excluded=[(62, 60, 7)])


@pytest.fixture(scope="session")
def judge() -> Judge:
    """The lines with which dciodvfy (dicom3tools) calls an object wrong."""
    program = shutil.which("dciodvfy")
    assert program, "dciodvfy is missing: install dicom3tools, or run packaging/bootstrap.py test, which does"

    def errors(path: Path) -> list[str]:
        done = subprocess.run(
            [program, str(path)], capture_output=True, text=True, errors="replace", timeout=PATIENCE_S
        )
        lines = done.stderr.splitlines() + done.stdout.splitlines()
        assert lines, "the judge said nothing"
        return [line for line in lines if line.startswith(("Error", "Abort"))]

    return errors
