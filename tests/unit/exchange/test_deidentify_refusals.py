"""When the export without identity is refused, what it warns about, and that nothing is left of one that failed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from hyrisk_desktop.errors import Cancelled, ExamError, HyRiskError, InputError
from hyrisk_desktop.exchange.deidentified import export, images, reports
from hyrisk_desktop.exchange.deidentified.export import write_deidentified
from hyrisk_desktop.exchange.deidentified.folder import FHIR, PDF, SEG, SR
from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.jobs import CancelToken
from tests.helpers import dicom_series, readings


def test_a_leak_is_noticed_and_removed(reading: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lets a value through, whichever file it is in, the export does not appear."""

    def refused() -> HyRiskError:
        with pytest.raises(HyRiskError) as refusal:
            write_deidentified(reading, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        assert not list(tmp_path.glob(".*"))
        assert "4711" not in refusal.value.message
        assert "Persson" not in refusal.value.message
        return refusal.value

    listed = {**images._PLAIN, "AccessionNumber": str, "StudyDescription": str}
    with monkeypatch.context() as patch:
        patch.setattr(images, "_PLAIN", listed)
        write_deidentified(reading, tmp_path / "kept out by the profile's table")
        patch.setattr(images, "_apply_profile", lambda ds, identity: None)
        assert refused().code == "identity_left"
    plain = reports.reports_of
    for name, spoil in (
        (PDF, lambda data: data + b"Test^Persson"),
        (FHIR, lambda data: json.dumps({"x": "A-4711"}).encode()),
        (SR, lambda data: "Ada Müller".encode("utf-16-le").ljust(128, b"\0") + data[128:]),
        (SEG, lambda data: data.replace(b"HyRisk calc", b"Test^Persson")),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(export, "reports_of", lambda r, s, n=name, f=spoil: (m := plain(r, s)) | {n: f(m[n])})
            assert refused().code == "identity_left", name
    with pytest.raises(HyRiskError, match="PatientID"):
        write_deidentified(reading, tmp_path / "out", subject="T-1")
    with pytest.raises(HyRiskError, match="reader"):
        write_deidentified(reading, tmp_path / "out", reader_label="Dr Müller")


def test_burned_in_text_is_refused_unless_accepted(tmp_path: Path) -> None:
    made = readings.calcified()
    made[3].BurnedInAnnotation = "YES"
    report = readings.report_of(dicom_series.write(made, tmp_path / "received"))
    with pytest.raises(ExamError) as refusal:
        write_deidentified(report, tmp_path / "out")
    assert refusal.value.code == "burned_in"
    assert not (tmp_path / "out").exists()
    export = write_deidentified(report, tmp_path / "out", accept_burned_in=True)
    assert "burned_in" in {f.code for f in export.warnings}
    assert "YES" in {ds.get("BurnedInAnnotation") for ds in map(pydicom.dcmread, (export.folder / "ct").iterdir())}


def test_hints_of_burned_in_text_are_warned_about(tmp_path: Path) -> None:
    def codes(name: str, **values: object) -> set[str]:
        made = readings.calcified()
        for ds in made:
            for keyword, value in values.items():
                setattr(ds, keyword, value)
        if name == "text":
            pixels = np.frombuffer(made[2].PixelData, np.uint16).reshape(96, 96).copy()
            pixels[2:6, 2:8] = 3000
            made[2].PixelData = pixels.tobytes()
        report = readings.report_of(dicom_series.write(made, tmp_path / f"received-{name}"))
        return {f.code for f in write_deidentified(report, tmp_path / f"out {name}").warnings}

    assert codes("plain") == set()
    assert codes("derived", ImageType=["DERIVED", "SECONDARY", "AXIAL"]) == {"burned_in_unknown"}
    assert codes("derived, said", ImageType=["DERIVED", "PRIMARY", "AXIAL"], BurnedInAnnotation="NO") == set()
    assert codes("text") == {"bright_corners"}
    assert codes("face", RecognizableVisualFeatures="YES") == {"recognizable"}
    assert codes("maker", Manufacturer="Dr. Who's scanner") == {"text_left_out"}


def test_bad_requests_are_refused_early(reading: Report, exam: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "empty").mkdir()
    for folder, subject, code in (
        (tmp_path / "full", None, "target_exists"),
        (tmp_path / "full" / "file", None, "target_exists"),
        (tmp_path / "no" / "where", None, "bad_target"),
        (exam / "out", None, "own_exam"),
        (tmp_path / "out", "a\\b", "bad_subject"),
        (tmp_path / "out", "", "bad_subject"),
    ):
        with pytest.raises(InputError) as refusal:
            write_deidentified(reading, folder, subject=subject)
        assert refusal.value.code == code
    assert write_deidentified(reading, tmp_path / "empty").objects == readings.COUNT + 2


def test_cancelled_or_failed_nothing_is_left(reading: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[tuple[int, int]] = []
    write_deidentified(reading, tmp_path / "whole", progress=lambda done, total: steps.append((done, total)))
    assert steps[-1][0] == steps[-1][1]
    assert steps == sorted(steps)
    for at in (1, len(steps) // 2, len(steps)):
        token = CancelToken()
        with pytest.raises(Cancelled):
            write_deidentified(
                reading,
                tmp_path / "out",
                cancel=token,
                progress=lambda done, total, at=at, token=token: token.cancel() if done >= steps[at - 1][0] else None,
            )

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HyRiskError) as refusal:
        write_deidentified(reading, tmp_path / "out")
    assert refusal.value.code == "not_written"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["whole"]


def test_a_header_that_cannot_be_read_whole_is_refused(tmp_path: Path) -> None:
    made = readings.calcified()
    deep = Dataset()
    deep.PatientName = "Deep^Person"
    for _ in range(40):
        outer = Dataset()
        outer.ContentSequence = [deep]
        deep = outer
    made[0].ContentSequence = [deep]
    record_of = dicom_series.write(made, tmp_path / "received")
    try:
        report = readings.report_of(record_of)
    except ExamError:
        pytest.skip("the reader itself refuses such a nesting")
    with pytest.raises(ExamError) as refusal:
        write_deidentified(report, tmp_path / "out")
    assert refusal.value.code == "unsafe_header"
