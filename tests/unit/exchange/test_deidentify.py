"""The export without identity: nothing of the input's identity in any file, everything consistent, the numbers the same."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.exchange.deidentified.export import write_deidentified
from hyrisk_desktop.exchange.deidentified.folder import FHIR, PDF, READING, SEG, SR
from hyrisk_desktop.exchange.deidentified.pseudonyms import Pseudonyms, new_secret
from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.exchange.reports.segmentation import COUNTED, read_segmentation
from hyrisk_desktop.exchange.reports.source_images import source_images
from hyrisk_desktop.exchange.reports.structured_report_reader import read_report
from hyrisk_desktop.imaging import find_series, read_volume
from hyrisk_desktop.measurement import measure
from hyrisk_desktop.risk import Predictor
from tests.helpers import dicom_series, identities, readings
from tests.unit.exchange.conftest import Judge
from tests.unit.exchange.test_fhir import validated
from tests.unit.exchange.test_pdf import text_of

SECRET = b"a secret of sixteen bytes or more"


def objects(folder: Path) -> dict[str, Dataset]:
    return {str(p.relative_to(folder)): pydicom.dcmread(p) for p in sorted(folder.rglob("*.dcm"))}


_UID, _UID_BYTES = re.compile(r"2\.25\.\d+"), re.compile(rb"2\.25\.\d+")


def leftovers(folder: Path, exam: Path, tmp_path: Path) -> list[str]:
    """What of the planted identity is in the files of an export, or in their names."""
    datasets = [pydicom.dcmread(path) for path in exam.iterdir()]
    needles = {identities.MARK} | identities.moments() | identities.uids(datasets)
    found = []
    for path in sorted(folder.rglob("*")):
        texts = [str(path.relative_to(folder))]
        if path.suffix == ".dcm":
            texts.append(str(pydicom.dcmread(path)))
        if path.suffix == ".pdf":
            texts.append(text_of(path.read_bytes(), tmp_path))
        data = identities.everything_in(path) if path.is_file() else b""
        for needle in sorted(needles):
            coded = [] if needle == identities.MARK else identities.written_as(needle)
            # The random decimals of a new UID hold any six digits of a time once in a while; old UIDs are needles whole.
            seen, raw = (
                (texts, data) if "." in needle else ([_UID.sub("", t) for t in texts], _UID_BYTES.sub(b"", data))
            )
            if any(needle in text for text in seen) or any(c in raw for c in coded):
                found.append(f"{needle} in {path.name}")
        # Two letters stand in any picture; with the ones that follow they don't.
        words = {w.split("^")[0].format(m=identities.MARK)[:8] for w in identities.TEXTS.values()}
        words |= {
            f"{identities.MARK}{rest}"
            for rest in ("private", "overlay", "curve", "trailing", "preamble", "Deep", "meta")
        }
        found += [
            f"{w} in {path.name}" for w in words if len(w) > 4 and any(c in data for c in identities.written_as(w))
        ]
    return found


def test_nothing_planted_is_left(predictor: Predictor, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    exam = identities.write(identities.planted(), tmp_path / "received")
    report = readings.report_of(exam, predictor, reader=f"{identities.MARK}Ada {identities.MARK}Müller")
    caplog.clear()  # planting itself makes pydicom speak
    with caplog.at_level(logging.DEBUG):
        export = write_deidentified(report, tmp_path / "out")
    assert identities.MARK not in caplog.text
    assert leftovers(export.folder, exam, tmp_path) == []
    assert sorted(p.name for p in export.folder.iterdir()) == sorted(["ct", SR, SEG, PDF, FHIR, READING])
    assert export.objects == readings.COUNT + 2
    assert not list(tmp_path.glob(".*"))
    # The test itself would notice: the input is full of it.
    assert len(leftovers(exam, exam, tmp_path)) > 40


def test_only_listed_attributes_without_private_or_nested_ones(tmp_path: Path) -> None:
    exam = identities.write(identities.planted(), tmp_path / "received")
    folder = write_deidentified(readings.report_of(exam), tmp_path / "out", subject="A-1").folder
    for path in (folder / "ct").iterdir():
        ds = pydicom.dcmread(path)
        assert path.read_bytes()[:128] == bytes(128)
        assert not [e for e in ds.iterall() if e.tag.is_private or e.tag.group in range(0x5000, 0x6100)]
        assert [e.keyword for e in ds if e.VR == "SQ"] == ["DeidentificationMethodCodeSequence"]
        assert not [e.keyword for e in ds if e.VR in ("DA", "TM", "DT", "AS") and e.value]
        assert ds[0x7FE00010].tag == list(ds.keys())[-1]
    for ds in objects(folder).values():
        assert (ds.PatientID, ds.PatientName, ds.PatientIdentityRemoved) == ("A-1", "A-1", "YES")
        assert ds.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
        assert ds.LongitudinalTemporalInformationModified == "REMOVED"
        assert (ds.PatientBirthDate, ds.PatientSex, ds.StudyDate, ds.AccessionNumber) == ("", "", "", "")


def test_identifiers_are_consistent_and_new(reading: Report, exam: Path, tmp_path: Path) -> None:
    folder = write_deidentified(reading, tmp_path / "out", secret=SECRET).folder
    made = objects(folder)
    images = {name: ds for name, ds in made.items() if name.startswith("ct")}
    old = {str(ds.SOPInstanceUID): ds for ds in map(pydicom.dcmread, exam.iterdir())}
    names = Pseudonyms(SECRET)
    assert {ds.SOPInstanceUID for ds in images.values()} == {names.uid(uid) for uid in old}
    assert all(ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID for ds in made.values())
    first = next(iter(old.values()))
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        assert {ds.get(keyword) for ds in made.values()} - {None} == {names.uid(str(first[keyword].value))}
    assert {ds.SeriesInstanceUID for ds in images.values()} == {names.uid(str(first.SeriesInstanceUID))}
    known = {ds.SOPInstanceUID for ds in made.values()}
    for ds in (made[SR], made[SEG]):
        referred = {e.value for e in ds.iterall() if e.keyword == "ReferencedSOPInstanceUID"}
        assert referred
        assert referred <= known


def test_the_same_secret_maps_alike_and_another_one_doesn_t(reading: Report, tmp_path: Path) -> None:
    one, two, other = (
        write_deidentified(reading, tmp_path / name, secret=secret)
        for name, secret in (("1", SECRET), ("2", SECRET), ("3", new_secret()))
    )
    uids = [{ds.SOPInstanceUID for ds in map(pydicom.dcmread, (e.folder / "ct").iterdir())} for e in (one, two, other)]
    assert uids[0] == uids[1]
    assert uids[0].isdisjoint(uids[2])
    assert one.subject == two.subject != other.subject
    with pytest.raises(InputError, match="16 bytes"):
        write_deidentified(reading, tmp_path / "4", secret=b"short")
    assert "secret" not in repr(Pseudonyms(SECRET))


@pytest.mark.parametrize("case", ["upright", "turned", "uneven scale", "signed", "enhanced"])
def test_the_numbers_are_the_same_to_the_digit(case: str, predictor: Predictor, tmp_path: Path) -> None:
    made = readings.calcified(
        orientation=(0, 1, 0, 1, 0, 0) if case == "turned" else (1, 0, 0, 0, 1, 0), enhanced=case == "enhanced"
    )
    if case == "uneven scale":
        for z, ds in enumerate(made):
            if z % 2:
                hu = np.frombuffer(ds.PixelData, np.uint16) - 1024.0
                ds.RescaleSlope, ds.RescaleIntercept = "0.5", "-1100.25"
                dicom_series.set_pixels(
                    ds, np.rint((hu + 1100.25) / 0.5).astype(np.uint16).reshape(ds.Rows, ds.Columns)
                )
    if case == "signed":
        for ds in made:
            pixels = np.frombuffer(ds.PixelData, np.uint16).astype(np.int16) - 1024
            dicom_series.set_pixels(ds, pixels.reshape(ds.Rows, ds.Columns).astype(np.int16))
            ds.RescaleIntercept, ds.PixelPaddingValue = "0", -2000
    report = readings.report_of(dicom_series.write(made, tmp_path / "received"), predictor)
    folder = write_deidentified(report, tmp_path / "out").folder
    record = find_series(folder)[0]
    volume = read_volume(record)
    assert np.array_equal(volume.hu, report.volume.hu)
    assert (volume.spacing_mm, volume.origin_mm) == (report.volume.spacing_mm, report.volume.origin_mm)
    again = measure(volume, readings.CENTRE, 2.0, predictor)
    document, before = json.loads((folder / READING).read_text()), json.loads(json.dumps(report.document))
    assert Report(record, volume, again).document["calcium"] == document["calcium"] == before["calcium"]
    assert again.risk is not None
    assert document["risk"] == before["risk"]
    assert [f.code for f in again.findings] == [f["code"] for f in document["findings"]]
    assert document["geometry"] == before["geometry"]


def test_reports_can_be_read_back(reading: Report, judge: Judge, tmp_path: Path) -> None:
    folder = write_deidentified(reading, tmp_path / "out", reader_label="Reader 7").folder
    record = find_series(folder)[0]
    volume = read_volume(record)
    back = read_report(folder / SR)
    back.require_series(volume.series_uid)
    assert back.calcium["agatston"] == reading.measurement.scores.agatston
    assert back.excluded == {lesion.peak for lesion in reading.measurement.scores.lesions if lesion.excluded} != set()
    assert (back.reader, back.centre, back.grade) == ("Reader 7", reading.measurement.centre, 2.0)
    counted = read_segmentation(folder / SEG).masks(source_images(record, volume))[COUNTED]
    assert counted.sum() * volume.voxel_volume_mm3 == pytest.approx(reading.measurement.scores.volume_mm3)
    assert validated(json.loads((folder / FHIR).read_text()))
    text = text_of((folder / PDF).read_bytes(), tmp_path)
    assert f"{reading.measurement.scores.agatston:.1f}" in text
    assert "Reader 7" in text
    assert "date removed" in text
    for path in (folder / SR, folder / SEG):
        assert judge(path) == []
    exam_errors = {line for file in reading.record.files for line in judge(file)}
    for path in (folder / "ct").iterdir():
        assert set(judge(path)) <= exam_errors


NAMES = st.one_of(
    st.text(st.characters(categories=("L", "M", "N", "P", "Zs")), min_size=3, max_size=40),
    st.sampled_from([
        "Müller^Jürgen^^Dr.", "Yamada^Tarou=山田^太郎=やまだ^たろう", "王^小东", "Люкceмбypг^Анна", "علي^حسن", "Ødegård^Zoë",
        "Low^Region", "Chest^CT", "Sharp^Ann", "Score^Heart", "Siemens^Synthetic", "O'Neill^Mary-Jane", "Li^Na", "120^B30f",
        "Reader^1", "SYNTHETIC^PHANTOM", "YES^NO", "report^pdf", "١٢٣٤٥٦", "İstanbul^Iğdır", "ß^ẞtraße",
    ]),
)  # fmt: skip


def test_odd_names_neither_stay_nor_stop_the_export(tmp_path: Path) -> None:
    made = readings.calcified()
    count = 0

    @settings(
        max_examples=12, deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(NAMES, NAMES)
    def check(name: str, physician: str) -> None:
        nonlocal count
        count += 1
        for ds in made:
            ds.SpecificCharacterSet, ds.PatientName, ds.ReferringPhysicianName = "ISO_IR 192", name, physician
            ds.StudyDescription = f"For {name}"
        exam = dicom_series.write(made, tmp_path / f"exam{count}")
        folder = write_deidentified(readings.report_of(exam), tmp_path / f"out{count}").folder
        described = " ".join(f"For {name}".split())
        for path in folder.rglob("*.*"):
            if len(name) >= 6:
                assert described.encode() not in path.read_bytes()
        ds = pydicom.dcmread(next((folder / "ct").iterdir()))
        assert name == "SYNTHETIC^PHANTOM" or str(ds.PatientName).startswith("S-")

    check()


def test_a_phantom_goes_on_saying_so(tmp_path: Path) -> None:
    made = readings.calcified(patient="SYNTHETIC^PHANTOM")
    for ds in made:
        ds.Manufacturer, ds.ManufacturerModelName = "HyRisk Desktop", "Synthetic LDCT phantom"
    # The folder is called what every report says, as is the subject: neither names anybody.
    report = readings.report_of(dicom_series.write(made, tmp_path / "exam"))
    folder = write_deidentified(report, tmp_path / "out", subject="P-1").folder
    assert read_volume(find_series(folder)[0]).synthetic
    assert read_report(folder / SR).synthetic


def test_contrast_stays_known_without_its_name(tmp_path: Path) -> None:
    for agent, known in (("ULTRAVIST of Dr Zqwert", True), ("NONE", False), ("", False)):
        made = readings.calcified()
        for ds in made:
            ds.ContrastBolusAgent = agent
        name = agent[:4] or "empty"
        report = readings.report_of(dicom_series.write(made, tmp_path / f"received-{name}"))
        folder = write_deidentified(report, tmp_path / f"out {name}").folder
        document = json.loads((folder / READING).read_text())
        assert document["exam"]["contrast"] is known is report.document["exam"]["contrast"]


@pytest.mark.real_data
def test_of_a_real_exam(real_data: Path, judge: Judge, tmp_path: Path) -> None:
    exam = real_data / "nlst_101287_T0"
    report = readings.report_of(exam, centre=(258, 224, 74))
    export = write_deidentified(report, tmp_path / "out", subject="NL-1")
    assert export.warnings == ()
    record = find_series(export.folder)[0]
    volume = read_volume(record)
    assert measure(volume, (258, 224, 74), 2.0, None).scores.agatston == report.measurement.scores.agatston > 500
    needles = (
        b"101287",
        b"149872",
        b"966356",
        b"19990102",
        b"1999-01-02",
        b"NLST-LSS",
        b"AQUL4",
        b"Westat",
        b"V2.02ER003",
    )
    for path in export.folder.rglob("*.*"):
        data = identities.everything_in(path)
        assert not [n for n in (*needles, b"1.2.840.113654", b"70049004") if n in data], path.name
    for path in (export.folder / SR, export.folder / SEG):
        assert judge(path) == []
    known = {line for file in record.files for line in judge(exam / "0001.dcm")}
    assert set(judge(record.files[0])) <= known


@pytest.mark.parametrize(("slope", "intercept"), [("1", "-1024"), ("10", "-10240")])
def test_padding_read_as_unsigned_is_air_in_the_copy_too(slope: str, intercept: str, tmp_path: Path) -> None:
    made = readings.calcified()
    for ds in made:
        hu = np.frombuffer(ds.PixelData, np.uint16).reshape(ds.Rows, ds.Columns) - 1024.0
        stored = np.rint((hu - float(intercept)) / float(slope)).astype(np.uint16)
        stored[:20, :20] = stored[-20:, :20] = 63536
        ds.RescaleSlope, ds.RescaleIntercept, ds.PixelPaddingValue = slope, intercept, 63536
        dicom_series.set_pixels(ds, stored)
    report = readings.report_of(dicom_series.write(made, tmp_path / "received"))
    folder = write_deidentified(report, tmp_path / "out").folder
    volume = read_volume(find_series(folder)[0])
    assert volume.hu.dtype == np.int16
    assert np.abs(volume.hu[:, :20, :20] + 1024).max() <= float(slope) / 2
    assert np.array_equal(volume.hu[:, 20:-20], report.volume.hu[:, 20:-20])
    assert "PixelPaddingValue" not in pydicom.dcmread(next((folder / "ct").iterdir()))


@pytest.mark.parametrize(
    ("text", "code", "said"), [("Iodine Map of Mr Miller", "computed_map", "MAT_SPECIFIC"), ("MonoE 40 keV Miller", "monoenergetic", "VMI 40 keV")]
)  # fmt: skip
def test_a_copy_of_computed_images_says_so_in_the_standards_words(
    text: str, code: str, said: str, tmp_path: Path
) -> None:
    made = readings.calcified()
    for ds in made:
        ds.SeriesDescription = text
    report = readings.report_of(dicom_series.write(made, tmp_path / "received"))
    folder = write_deidentified(report, tmp_path / "out").folder
    record = find_series(folder)[0]
    assert [f.code for f in record.findings] == [code]
    assert record.description == said


def test_an_exam_without_a_frame_of_reference_is_copied_without_segmentation(tmp_path: Path) -> None:
    made = readings.calcified()
    for ds in made:
        del ds.FrameOfReferenceUID
    report = readings.report_of(dicom_series.write(made, tmp_path / "received"))
    export = write_deidentified(report, tmp_path / "out")
    folder, objects = export.folder, export.objects
    assert objects == readings.COUNT + 1 == len(list(folder.rglob("*.dcm")))
    assert sorted(p.suffix for p in folder.iterdir() if p.is_file()) == [".dcm", ".json", ".json", ".pdf"]
