"""One Orthanc for all tests of a module, empty for each."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from pydicom import dcmread

from hyrisk_desktop.exchange.pacs.association import require_pacs
from hyrisk_desktop.exchange.pacs.find import DimseArchive
from hyrisk_desktop.exchange.pacs.inbox import Inbox
from hyrisk_desktop.exchange.pacs.query import Query, SeriesMatch
from tests.helpers import orthanc
from tests.helpers.exams import write_exam
from tests.helpers.orthanc import OUR_TITLE, Orthanc

Test = TypeVar("Test", bound=Callable[..., None])


def unclosed_by_pynetdicom(test: Test) -> Test:
    """pynetdicom forgets to close the socket of a connection that was refused; Python closes it, and says so."""
    return pytest.mark.filterwarnings("ignore:unclosed <:ResourceWarning")(pytest.mark.usefixtures("collected")(test))


@pytest.fixture
def collected() -> Iterator[None]:
    """Such sockets are found now, and not in the middle of another test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="session", autouse=True)
def libraries() -> None:
    """Once, as the window does: the libraries' logs would quote patients."""
    require_pacs()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with orthanc.running(tmp_path_factory.mktemp("orthanc"), orthanc.free_port()) as running:
        yield running


@pytest.fixture
def pacs(server: Orthanc) -> Orthanc:
    """The server, running and empty."""
    server.start_again()
    server.clear()
    return server


@dataclass(frozen=True)
class Held:
    """An exam that the PACS holds: its files here, and what it says of its series."""

    files: tuple[Path, ...]
    series: tuple[SeriesMatch, ...]

    def uids(self) -> set[str]:
        return {str(dcmread(f, stop_before_pixels=True).SOPInstanceUID) for f in self.files}


@pytest.fixture
def held(pacs: Orthanc, tmp_path: Path) -> Held:
    """An exam of 24 images in the PACS."""
    return hold(pacs, tmp_path / "original", 7)


def hold(pacs: Orthanc, folder: Path, number: int, count: int = 24) -> Held:
    files = tuple(sorted(write_exam(folder, number, count=count).rglob("*.dcm")))
    pacs.put_files(list(files))
    (study,) = DimseArchive(pacs.node(), OUR_TITLE).find_studies(Query(patient_id=f"P{number:03d}"))
    return Held(files, DimseArchive(pacs.node(), OUR_TITLE).find_series(study.study_uid))


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    made = Inbox(tmp_path / "inbox")
    made.prepare()
    return made


def received(inbox: Inbox) -> list[Path]:
    """All files in the inbox, half-written ones too."""
    return sorted(p for p in inbox.root.rglob("*") if p.is_file() and p.suffix != ".unlisted")
