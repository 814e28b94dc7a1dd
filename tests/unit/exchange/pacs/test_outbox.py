"""The outbox's own table taken away under it: what is queued is kept or said not to be."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from hyrisk_desktop.errors import PacsError
from hyrisk_desktop.exchange.pacs import outbox as module
from hyrisk_desktop.exchange.pacs.outbox import Outbox


def report(number: int) -> bytes:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.33"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = "1.2.1", "1.2.2", "SR"
    stream = io.BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox")


def test_a_lost_table_takes_no_object_with_it(outbox: Outbox, tmp_path: Path) -> None:
    outbox.add("archive", [report(1), report(2)])
    (tmp_path / "outbox" / "outbox.sqlite").unlink()
    (item,) = outbox.add("archive", [report(3)])
    assert outbox.path_of(item).read_bytes() == report(3)
    kept = {p.read_bytes() for p in (tmp_path / "outbox").iterdir() if p.suffix != ".sqlite"}
    assert kept == {report(1), report(2), report(3)}


@pytest.mark.skipif(os.name == "nt", reason="Windows refuses to delete a file that is open")
def test_what_is_queued_into_a_deleted_table_is_not_acknowledged(
    outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.add("archive", [report(1)])
    write = module._write

    def and_lose_the_table(path: Path, data: bytes) -> None:
        write(path, data)
        (tmp_path / "outbox" / "outbox.sqlite").unlink()

    monkeypatch.setattr(module, "_write", and_lose_the_table)
    with pytest.raises(PacsError):
        outbox.add("archive", [report(2)])


@pytest.mark.skipif(os.name == "nt", reason="there are no such modes")
def test_the_outbox_is_private_whatever_the_umask(outbox: Outbox, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        outbox.add("archive", [report(1)])
    finally:
        os.umask(before)
    root = tmp_path / "outbox"
    assert {stat.S_IMODE(p.stat().st_mode) for p in root.iterdir()} == {0o600}
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
