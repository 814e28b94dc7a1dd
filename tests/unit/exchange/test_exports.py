"""Files of a reading as `hyrisk score` writes them: all or none, the same numbers, and no harm from hostile values."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pydicom
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hyrisk_desktop.errors import HyRiskError, InputError
from hyrisk_desktop.exchange import dicom_values as v
from hyrisk_desktop.exchange.exports import Targets, write_exports
from hyrisk_desktop.exchange.reports.encapsulated_pdf import encapsulated_pdf
from hyrisk_desktop.exchange.reports.fhir import fhir_bundle
from hyrisk_desktop.exchange.reports.formats import dicom_bytes
from hyrisk_desktop.exchange.reports.one_row_table import reading_table
from hyrisk_desktop.exchange.reports.outline import outline
from hyrisk_desktop.exchange.reports.pdf import pdf_report
from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.exchange.reports.segmentation import COUNTED, read_segmentation, segmentation
from hyrisk_desktop.exchange.reports.source_images import decimal, source_images
from hyrisk_desktop.exchange.reports.structured_report import structured_report
from hyrisk_desktop.exchange.reports.structured_report_reader import read_report
from hyrisk_desktop.exchange.reports.template import use_template
from hyrisk_desktop.files import replace_files
from hyrisk_desktop.imaging import find_series
from tests.helpers import dicom_series, readings
from tests.helpers.command_line import hyrisk
from tests.unit.exchange.conftest import Judge
from tests.unit.exchange.test_fhir import validated


def options(folder: Path, *, pdf: str = "r.pdf") -> dict[str, Path]:
    return {
        "--sr": folder / "r.sr.dcm",
        "--seg": folder / "r.seg.dcm",
        "--pdf": folder / pdf,
        "--fhir": folder / "r.json",
        "--fhir-transaction": folder / "r.post.json",
    }


def test_the_command_line_writes_what_it_prints(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    exam: Path,
    tiny_model: Path,
    judge: Judge,
    tmp_path: Path,
) -> None:
    wanted = options(tmp_path)
    flat = [part for pair in wanted.items() for part in pair]
    ask = ("score", exam, "--center", *readings.CENTRE, "--grade", 2, "--model", tiny_model, "--json")
    code, out, err = hyrisk(monkeypatch, capsys, *ask, "--reader", "Ada Müller", *flat)
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document == json.loads(hyrisk(monkeypatch, capsys, *ask)[1])
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted(p.name for p in wanted.values())
    back = read_report(wanted["--sr"])
    assert readings.same_risk(back.risk, document["risk"])
    assert document["risk"]["horizon"] is None
    assert back.calcium.items() <= document["calcium"].items()
    assert [lesion.agatston for lesion in back.lesions] == [row["agatston"] for row in document["calcium"]["lesions"]]
    assert list(back.centre) == document["center"]["voxel_xyz"]
    assert read_segmentation(wanted["--seg"]).series_uid == document["exam"]["series_uid"]
    assert len(validated(json.loads(wanted["--fhir"].read_text()))) > 8
    assert json.loads(wanted["--fhir-transaction"].read_text())["type"] == "transaction"
    assert wanted["--pdf"].read_bytes().startswith(b"%PDF-1.7")
    assert judge(wanted["--sr"]) == judge(wanted["--seg"]) == []


def test_a_pdf_named_dcm_is_a_dicom_object(exam: Path, reading: Report, judge: Judge, tmp_path: Path) -> None:
    target = Targets(pdf=tmp_path / "r.DCM")
    write_exports(target, reading.record, reading.volume, reading.measurement)
    assert judge(tmp_path / "r.DCM") == []
    assert pydicom.dcmread(tmp_path / "r.DCM").MIMETypeOfEncapsulatedDocument == "application/pdf"


def test_an_image_file_has_no_dicom_objects(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import SimpleITK as sitk

    path = tmp_path / "chest.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(dicom_series.anatomy(12, 96, 96)), str(path))
    files = options(tmp_path)
    for option, name in (("--sr", "--sr"), ("--seg", "--seg"), ("--pdf", "dcm")):
        target = tmp_path / "r.dcm" if name == "dcm" else files[option]
        code, out, err = hyrisk(monkeypatch, capsys, "score", path, "--center", 48, 48, 6, "--json", option, target)
        assert code == 3
        assert json.loads(out)["error"]["code"] == "not_dicom"
        assert err.count("\n") == 1
    given_ = ("--pdf", files["--pdf"], "--fhir", files["--fhir"])
    assert hyrisk(monkeypatch, capsys, "score", path, "--center", 48, 48, 6, "--json", *given_)[0] == 0
    assert validated(json.loads(files["--fhir"].read_text()))
    assert files["--pdf"].stat().st_size > 10_000


def test_bad_targets_are_refused_before_anything_is_read(exam: Path, tmp_path: Path) -> None:
    record = find_series(exam)[0]
    (tmp_path / "folder").mkdir()
    for targets, code in (
        (Targets(sr=tmp_path / "one", seg=tmp_path / "folder" / ".." / "one"), "same_target"),
        (Targets(sr=record.files[0]), "own_exam"),
        (Targets(fhir=tmp_path / "folder"), "bad_target"),
        (Targets(pdf=tmp_path / "nowhere" / "r.pdf"), "bad_target"),
    ):
        with pytest.raises(HyRiskError) as refusal:
            targets.check(record)
        assert refusal.value.code == code
    with pytest.raises(HyRiskError) as refusal:
        Targets(sr=tmp_path / "exam.zip").check(record, tmp_path / "exam.zip")
    assert refusal.value.code == "own_exam"


def test_all_or_none(reading: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full at the third file leaves the old files as they were, and no rubbish."""
    wanted = Targets(*options(tmp_path).values())
    for path in wanted.named.values():
        path.write_bytes(b"old")
    calls = 0

    def full(_: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HyRiskError) as refusal:
        write_exports(wanted, reading.record, reading.volume, reading.measurement)
    assert refusal.value.code == "not_written"
    assert {path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == {b"old"}
    assert sum(path.is_file() for path in tmp_path.iterdir()) == 4


def test_only_the_allow_list_leaves(tmp_path: Path, predictor: object) -> None:
    secrets = {
        "InstitutionName": "Secret Hospital",
        "OperatorsName": "Secret^Operator",
        "PatientAddress": "Secret Street 1",
        "PatientComments": "Secret comment",
        "StationName": "SECRET1",
        "DeviceSerialNumber": "SECRET2",
        "PatientTelephoneNumbers": "SECRET3",
    }
    made = readings.calcified()
    for ds in made:
        for keyword, value in secrets.items():
            setattr(ds, keyword, value)
        ds.add_new(0x00091001, "LO", "Secret private")
    report = readings.report_of(dicom_series.write(made, tmp_path / "exam"))
    targets = Targets(*options(tmp_path).values())
    write_exports(targets, report.record, report.volume, report.measurement)
    for path in targets.named.values():
        assert b"secret" not in path.read_bytes().lower(), path.name


NASTY = st.one_of(
    st.text(max_size=300),
    st.sampled_from(
        [
            "../../tmp/evil",
            '=HYPERLINK("http://x")',
            "Müller^Jürgen^^Dr.",
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
            "Люкceмбypг",
            "علي^حسن",
            "a\\b\\c",
            "^" * 70,
            "山田" * 40 + "^太郎",
            "=" * 9,
            "A" * 1000,
            "\x00\x1b[31m\r\n\t",
            "<script>alert(1)</script>&amp;",
            "\u202egpj.exe",
            "(\\) Tj ET",
            "\ud800",
            "",
            " ",
            "1.2." + "3" * 80,
            "99999999",
            "nan",
        ]
    ),
)
KEYWORDS = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "StudyDate", "StudyTime", "StudyID",
    "StudyDescription", "AccessionNumber", "ReferringPhysicianName", "SeriesDescription", "Manufacturer",
    "ManufacturerModelName", "KVP", "ConvolutionKernel", "SliceThickness",
)  # fmt: skip


def test_hostile_values_do_no_harm(reading: Report, judge: Judge, tmp_path: Path) -> None:
    # The fixtures stay out of hypothesis's sight: it would print their arrays.
    @settings(max_examples=12, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(st.fixed_dictionaries({keyword: NASTY for keyword in KEYWORDS}), NASTY, NASTY, NASTY)
    def check(values: dict[str, str], reader: str, model: str, said: str) -> None:
        written = _written(_poisoned(reading, values, reader, model, said), tmp_path)
        assert {name: judge(path) for name, path in written.items()} == {name: [] for name in written}

    check()
    assert {p.name for p in tmp_path.iterdir() if p.is_file()} == {"sr.dcm", "pdf.dcm", "seg.dcm"}


def _poisoned(reading: Report, values: dict[str, str], reader: str, model: str, said: str) -> Report:
    m = reading.measurement
    assert m.risk is not None
    findings = (dataclasses.replace(m.findings[0], message=said), *m.findings[1:])
    m = dataclasses.replace(m, risk=dataclasses.replace(m.risk, model=model), findings=findings)
    attributes = MappingProxyType({**reading.volume.attributes, **values})
    volume = dataclasses.replace(reading.volume, attributes=attributes)
    return Report(reading.record, volume, m, reader=reader, model_lines=(said, model))


def _written(report: Report, folder: Path) -> dict[str, Path]:
    """Every object of a report, written, and read back where we can."""
    source = source_images(report.record, report.volume)
    pdf = pdf_report(report)
    objects = {"sr": structured_report(report, source), "pdf": encapsulated_pdf(report, source, pdf)}
    if "FrameOfReferenceUID" in source.study:
        objects["seg"] = segmentation(report, source)
    written = {name: folder / f"{name}.dcm" for name in objects}
    for name, ds in objects.items():
        written[name].write_bytes(dicom_bytes(ds))
    back = read_report(written["sr"])
    assert back.series_uid == report.volume.series_uid
    assert back.calcium["agatston"] == report.measurement.scores.agatston
    validated(fhir_bundle(report))
    return written


@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 144", "ISO 2022 IR 87", "GB18030", "ISO_IR 192"])
def test_names_in_the_character_sets_of_the_world(charset: str, judge: Judge, tmp_path: Path) -> None:
    name = {
        "ISO_IR 100": "Müller^Jürgen",
        "ISO_IR 144": "Люкceмбypг^Анна",
        "ISO 2022 IR 87": "Yamada^Tarou=山田^太郎",
        "GB18030": "王^小东",
        "ISO_IR 192": "Ødegård^Zoë",
    }[charset]
    made = readings.calcified()
    for ds in made:
        ds.SpecificCharacterSet = ["", charset] if charset.startswith("ISO 2022") else charset
        ds.PatientName = name
    report = readings.report_of(dicom_series.write(made, tmp_path / "exam"))
    path = tmp_path / "sr.dcm"
    path.write_bytes(dicom_bytes(structured_report(report, source_images(report.record, report.volume))))
    assert judge(path) == []
    assert str(pydicom.dcmread(path).PatientName) == name
    validated(fhir_bundle(report))
    assert pdf_report(report).startswith(b"%PDF")


@given(value=st.text(max_size=400))
def test_neutral_values_keep_the_rules(value: str) -> None:
    for neutral, limit in ((v.long_text, 64), (v.short_text, 16)):
        made = neutral(value)
        assert len(made) <= limit
        assert made == made.strip()
        assert made.isprintable()
        assert "\\" not in made
    name = v.person_name(value)
    assert all(len(group) <= 64 and group.count("^") <= 4 for group in name.split("="))
    assert name.count("=") <= 2
    typed = v.typed_name(value)
    assert all(len(group) <= 64 for group in typed.split("="))
    assert typed.split("=")[0] == "" or "^" in typed.split("=")[0]
    assert v.readable_name(value).isprintable()


def test_people_read_the_whole_of_a_name_that_is_cut_by_bytes_in_dicom() -> None:
    name = "Виноградова^Екатерина^Константиновна"
    assert v.readable_name(name) == "Виноградова, Екатерина Константиновна"
    assert len(v.person_name(name).encode()) <= 64
    assert v.readable_name("ж" * 70) == "ж" * 64


@given(st.floats(-1e300, 1e300))
def test_decimal_strings_fit(value: float) -> None:
    assert len(decimal(value)) <= 16
    assert float(decimal(value)) == pytest.approx(value, rel=1e-8)


@given(st.integers(0, 2**25 - 1))
def test_outlines_enclose_their_component(bits: int) -> None:
    from scipy import ndimage

    mask = np.array([bits >> n & 1 for n in range(25)], bool).reshape(5, 5)
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    for number in range(1, count + 1):
        component = labels == number
        points = outline(component)
        assert (points[0] == points[-1]).all()
        x, y = points.T
        area = np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) / 2
        filled = ndimage.binary_fill_holes(component)
        assert area == filled.sum()


@pytest.mark.real_data
def test_of_a_real_exam(real_data: Path, judge: Judge, tmp_path: Path) -> None:
    report = readings.report_of(real_data / "nlst_101287_T0", centre=(258, 224, 74))
    targets = Targets(*options(tmp_path, pdf="r.pdf.dcm").values())
    write_exports(targets, report.record, report.volume, report.measurement, reader="Reader^One")
    for path in (targets.sr, targets.seg, targets.pdf):
        assert path is not None
        assert judge(path) == []
    assert targets.sr is not None
    assert targets.seg is not None
    back = read_report(targets.sr)
    assert back.calcium["agatston"] == report.measurement.scores.agatston > 500
    counted = read_segmentation(targets.seg).masks(source_images(report.record, report.volume))[COUNTED]
    assert counted.sum() * report.volume.voxel_volume_mm3 == pytest.approx(report.measurement.scores.volume_mm3)


def test_a_template_with_a_mistake_is_told_before_the_exam_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], exam: Path, tmp_path: Path
) -> None:
    template, page = tmp_path / "site.toml", tmp_path / "r.pdf"
    template.write_text('department = "Radiology"\ncolour = 1\n')
    monkeypatch.setattr("hyrisk_desktop.imaging.read_volume", lambda *_: pytest.fail("the exam was read"))
    ask = ("score", exam, "--center", *readings.CENTRE, "--pdf", page, "--template", template)
    try:
        code, _, err = hyrisk(monkeypatch, capsys, *ask)
    finally:
        use_template("")
    assert code == 2
    assert "site.toml”, line 2: there is no “colour”" in err
    assert not page.exists()


def test_a_swap_that_fails_midway_puts_back_what_it_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only a full disk: the third file can't be replaced (as on Windows, where another program has it open)."""
    (tmp_path / "a").write_bytes(b"old a")
    targets = {tmp_path / name: f"new {name}".encode() for name in "abc"}
    true_replace = os.replace

    def replace(source: Path, target: Path) -> None:
        if Path(target).name == "c":
            raise PermissionError(13, "Permission denied")
        true_replace(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(HyRiskError) as refusal:
        replace_files(targets)
    assert refusal.value.code == "not_written"
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == {"a": b"old a"}
    monkeypatch.undo()
    with pytest.raises(InputError) as exists:
        replace_files(targets, replace=[tmp_path / "b"])
    assert exists.value.code == "exists"
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == {"a": b"old a"}
    replace_files(targets, replace=[tmp_path / "a"])
    assert {p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == {b"new a", b"new b", b"new c"}
    assert len([p for p in tmp_path.iterdir() if p.is_file()]) == 3


def test_the_table_of_one_row(reading: Report) -> None:
    attributes = MappingProxyType({**reading.volume.attributes, "PatientID": "=1+1"})
    report = dataclasses.replace(
        reading, volume=dataclasses.replace(reading.volume, attributes=attributes), reader="@Ada; =2+2"
    )
    head, row = csv.reader(io.StringIO(reading_table(report).decode()))
    cells, m = dict(zip(head, row, strict=True)), reading.measurement
    assert m.risk is not None
    assert (cells["patient_id"], cells["reader"]) == ("'=1+1", "'@Ada;' =2+2")
    assert float(cells["agatston"]) == m.scores.agatston
    assert float(cells["hyrisknet"]) == m.risk.hyrisknet
    assert (cells["centre_x_voxel"], cells["grade"], cells["lesions_excluded"]) == ("50", "2.0", "1")
    assert cells["demonstration"] == "true"
    assert cells["note"].startswith("Research use only")
    assert "source" not in cells


def test_without_a_frame_of_reference_all_but_the_segmentation_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], judge: Judge, tmp_path: Path
) -> None:
    made = readings.calcified()
    for ds in made:
        del ds.FrameOfReferenceUID
    exam = dicom_series.write(made, tmp_path / "exam")
    wanted = options(tmp_path)
    flat = [part for pair in wanted.items() for part in pair]
    ask = ("score", exam, "--center", *readings.CENTRE, "--json")
    code, out, err = hyrisk(monkeypatch, capsys, *ask, *flat)
    assert code == 0
    assert "all but the segmentation was written" in err
    assert [f["severity"] for f in json.loads(out)["findings"] if f["code"] == "no_segmentation"] == ["warning"]
    assert [option for option, path in wanted.items() if not path.exists()] == ["--seg"]
    assert judge(wanted["--sr"]) == []
    assert read_report(wanted["--sr"]).calcium["agatston"] == json.loads(out)["calcium"]["agatston"]
    code, out, _ = hyrisk(monkeypatch, capsys, *ask, "--seg", tmp_path / "alone.dcm")
    assert (code, json.loads(out)["error"]["code"]) == (3, "no_frame_of_reference")
