"""Readings brought back from their reports: all of it after every check, or nothing and one sentence."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from hyrisk_desktop.calcium import Region
from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.exchange import restoring
from hyrisk_desktop.exchange.exports import Targets, write_exports
from hyrisk_desktop.exchange.reports.our_objects import is_report, kind_of_object, reports_in
from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.exchange.reports.structured_report_reader import read_report
from hyrisk_desktop.exchange.restoring import model_notes, report_of_segmentation, restore, risk_notes
from hyrisk_desktop.imaging import find_series, read_volume
from hyrisk_desktop.measurement import measure
from tests.helpers import dicom_series, readings


@pytest.fixture
def written(reading: Report, tmp_path: Path) -> Targets:
    """SR and SEG of the reading, beside each other."""
    targets = Targets(sr=tmp_path / "r.sr.dcm", seg=tmp_path / "r.seg.dcm")
    write_exports(targets, reading.record, reading.volume, reading.measurement, reader="Ada Müller")
    return targets


def test_the_whole_reading_comes_back(reading: Report, written: Targets) -> None:
    assert written.sr is not None
    found, m = restore(written.sr, reading.record, reading.volume), reading.measurement
    assert (found.centre, found.grade, found.box, found.profile) == (m.centre, m.grade, None, m.scores.profile)
    assert found.notes == ()
    assert (62, 60, 7) in found.excluded
    assert len(found.excluded) == 24, "the whole ring, so that it stays excluded when the region moves"
    again = measure(reading.volume, found.centre, found.grade, None, excluded=found.excluded)
    assert again.scores.agatston == m.scores.agatston


def test_a_drawn_box_and_an_unusual_region_come_back_as_boxes(reading: Report, tmp_path: Path) -> None:
    box = Region((30, 30, 4), (80, 70, 9))
    for name, options, notes in (("box", {"box": box}, 0), ("region", {"region": (33, 33, 3)}, 1)):
        m = measure(reading.volume, readings.CENTRE, 1.5, None, **options)
        target = Targets(sr=tmp_path / f"{name}.dcm")
        write_exports(target, reading.record, reading.volume, m)
        assert target.sr is not None
        found = restore(target.sr, reading.record, reading.volume)
        assert found.box == m.scores.region
        assert len(found.notes) == notes
        assert found.grade == 1.5


def test_another_exam_or_patient_is_refused(reading: Report, written: Targets, tmp_path: Path) -> None:
    assert written.sr is not None
    other = dataclasses.replace(reading.volume, series_uid="1.2.3")
    with pytest.raises(ExamError) as refusal:
        restore(written.sr, reading.record, other)
    assert refusal.value.code == "other_exam"

    def rename(ds: Dataset) -> None:
        ds.PatientID = "Somebody else"

    renamed = readings.changed(written.sr, tmp_path / "renamed.dcm", rename)
    with pytest.raises(ExamError) as refusal:
        restore(renamed, reading.record, reading.volume)
    assert refusal.value.code == "other_patient"


def test_a_report_that_does_not_fit_is_refused(reading: Report, written: Targets) -> None:
    assert written.sr is not None
    small = dataclasses.replace(reading.volume, hu=reading.volume.hu[:5])
    with pytest.raises(ExamError) as refusal:
        restore(written.sr, reading.record, small)
    assert refusal.value.code == "misfit"


def test_a_changed_or_cut_segmentation_takes_the_report_with_it(reading: Report, written: Targets) -> None:
    assert written.sr is not None
    assert written.seg is not None
    data = written.seg.read_bytes()
    middle = len(data) - 3000
    for damaged in (data[:middle], data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]):
        written.seg.write_bytes(damaged)
        with pytest.raises(ExamError) as refusal:
            restore(written.sr, reading.record, reading.volume)
        assert refusal.value.message.endswith("nothing was restored.")
    written.seg.unlink()
    assert restore(written.sr, reading.record, reading.volume).notes == (
        "The report's segmentation doesn't lie beside it.",
    )


def test_numbers_that_are_not_the_same_any_more_are_said(reading: Report, written: Targets) -> None:
    assert written.sr is not None
    hu = reading.volume.hu.copy()
    hu[5, 40:44, 52:57] = -50
    notes = restore(written.sr, reading.record, dataclasses.replace(reading.volume, hu=hu)).notes
    assert any("Agatston score" in note for note in notes)
    assert any(note == "2 lesions are found now; the report lists 3." for note in notes)
    assert any("segmentation" in note for note in notes)


def test_what_is_said_of_model_and_risk(reading: Report, written: Targets) -> None:
    assert written.sr is not None
    report, risk = read_report(written.sr), reading.measurement.risk
    assert risk is not None
    same = ("Tiny test network", risk.bundle_sha256)
    assert model_notes(report, same) == risk_notes(report, risk) == []
    assert "another model" in model_notes(report, ("Other", "f" * 64))[0]
    assert "no model" in model_notes(report, None)[0]
    assert "prevalence" in risk_notes(report, dataclasses.replace(risk, prevalence=0.07))[0]
    (note,) = risk_notes(report, dataclasses.replace(risk, hyrisknet=risk.risk + 0.002))
    assert note.startswith("The risk is")
    assert risk_notes(report, dataclasses.replace(risk, hyrisknet=risk.risk + 1e-6)) == []
    another = dataclasses.replace(risk, bundle_sha256="f" * 64, hyrisknet=0.9)
    assert risk_notes(report, another) == [], "the old number is never compared with another model's"


def test_reports_are_told_by_their_first_bytes(exam: Path, written: Targets, tmp_path: Path) -> None:
    assert written.sr is not None
    assert written.seg is not None
    for noise, data in (("a.dcm", b""), ("b", b"\0" * 300), ("c.txt", b"text"), ("d", b"\0" * 128 + b"DICM")):
        (tmp_path / noise).write_bytes(data)
    (tmp_path / "folder").mkdir()
    shutil.copy(next(exam.iterdir()), tmp_path / "ct.dcm")
    assert reports_in([tmp_path, tmp_path / "nowhere"], set()) == [written.sr]
    assert reports_in([tmp_path], {written.sr}) == []
    assert is_report(written.sr)
    assert is_report(written.seg)
    assert not is_report(tmp_path / "ct.dcm")
    assert not is_report(tmp_path)
    assert kind_of_object(tmp_path / "c.txt") == ("", False)
    assert report_of_segmentation(written.seg) == written.sr
    written.sr.unlink()
    with pytest.raises(ExamError) as refusal:
        report_of_segmentation(written.seg)
    assert refusal.value.code == "no_report"


@pytest.mark.real_data
def test_another_programs_segmentation_is_no_report_of_ours(real_data: Path) -> None:
    for path in (real_data / "dicom_oddities" / "non_ct_objects").rglob("*.dcm"):
        assert not is_report(path)


def test_a_cancel_stops_it(reading: Report, written: Targets) -> None:
    class Stop(Exception):
        pass

    def stop() -> None:
        raise Stop

    assert written.sr is not None
    with pytest.raises(Stop):
        restoring.restore(written.sr, reading.record, reading.volume, stop)


def test_of_turned_and_of_multi_frame_images(tmp_path: Path) -> None:
    for name, made in (
        ("turned", readings.calcified(orientation=(-1, 0, 0, 0, -1, 0))),
        ("enhanced", readings.calcified(enhanced=True)),
    ):
        report = readings.report_of(dicom_series.write(made, tmp_path / name))
        targets = Targets(sr=tmp_path / f"{name}.sr.dcm", seg=tmp_path / f"{name}.seg.dcm")
        write_exports(targets, report.record, report.volume, report.measurement)
        assert targets.sr is not None
        found = restore(targets.sr, report.record, report.volume)
        assert (found.centre, found.grade, found.notes) == (readings.CENTRE, 2.0, ())


def test_of_several_image_sets_under_one_uid_the_reports_own_is_the_exam(tmp_path: Path) -> None:
    """The voxels of a report are other places in another phase, or nothing at all."""
    made = [ds for _ in range(2) for ds in readings.calcified()]
    for index, ds in enumerate(made):
        number, z = divmod(index, len(made) // 2)
        ds.AcquisitionNumber, ds.SOPInstanceUID = number + 1, f"{dicom_series.ROOT}.8{number}.{z}"
        ds.InstanceNumber = index + 1
    dicom_series.write(made, tmp_path / "exam")
    records = find_series(tmp_path / "exam")
    assert [r.dicom_series_uid == records[0].series_uid for r in records] == [True, True]
    volumes = [read_volume(record) for record in records]
    for number, (record, volume) in enumerate(zip(records, volumes, strict=True)):
        targets = Targets(sr=tmp_path / f"{number}.sr.dcm", seg=tmp_path / f"{number}.seg.dcm")
        write_exports(targets, record, volume, measure(volume, readings.CENTRE, 2.0, None))
        assert targets.sr is not None
        assert restore(targets.sr, record, volume).notes == ()
        with pytest.raises(ExamError, match="other images of this series") as refusal:
            restore(targets.sr, records[1 - number], volumes[1 - number])
        assert refusal.value.code == "other_exam"
