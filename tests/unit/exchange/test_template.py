"""A site's own form of the page: what it may say, and that a mistake in it is told with file and line before anything is written."""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.exchange.deidentified.export import write_deidentified
from hyrisk_desktop.exchange.deidentified.pdf_text import text_of_pdf
from hyrisk_desktop.exchange.exports import Targets, write_exports
from hyrisk_desktop.exchange.reports.fhir import fhir_bundle
from hyrisk_desktop.exchange.reports.formats import Making, formats
from hyrisk_desktop.exchange.reports.pdf import pdf_report
from hyrisk_desktop.exchange.reports.report import Report, impression_words
from hyrisk_desktop.exchange.reports.template import (
    BLOCKS,
    FIELDS,
    PLAIN,
    chosen_template,
    read_template,
    use_template,
)
from hyrisk_desktop.findings import Finding, Severity
from tests.unit.exchange.test_fhir import kinds
from tests.unit.exchange.test_pdf import picture_of

SYSTEM = "urn:oid:1.2.3.4"
WHOLE = f"""# Our reports
department = "Radiology, St. Example"
logo = "logo.png"
order = ["impression", "numbers", "findings", "pictures"]
impression = "Agatston {{agatston}}, {{category}}; risk {{risk}} ({{interval}}). {{{{braces}}}}"
patient_id_system = "{SYSTEM}"
"""


@pytest.fixture(autouse=True)
def _no_template_stays() -> Iterator[None]:
    yield
    use_template("")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A template with everything, its logo beside it: red on transparent ground."""
    logo = Image.new("RGBA", (60, 20), (0, 0, 0, 0))
    logo.paste((200, 16, 32, 255), (30, 0, 60, 20))
    logo.save(tmp_path / "logo.png")
    path = tmp_path / "site.toml"
    path.write_text(WHOLE, encoding="utf-8")
    return path


def lines_of(pdf: bytes) -> str:
    return " ".join(text_of_pdf(pdf).split())


def test_the_page_takes_the_form_of_the_site(reading: Report, site: Path) -> None:
    template = read_template(site)
    pdf = pdf_report(reading, template)
    said, plain = lines_of(pdf), lines_of(pdf_report(reading))
    m = reading.measurement
    assert m.risk is not None
    sentence = f"Agatston {m.scores.agatston:.1f}, 4 (A > 400), highest of 0 to 4; risk {100 * m.risk.risk:.1f} %"
    assert said.index("Radiology, St. Example") < said.index("Coronary calcium and mortality risk")
    blocks = ["IMPRESSION", "CORONARY CALCIUM", "FINDINGS ABOUT", "KEY IMAGES", "Reader:"]
    assert [said.index(block) for block in blocks] == sorted(said.index(block) for block in blocks)
    assert sentence in said
    assert "{braces}" in said
    assert "IMPRESSION" not in plain
    assert plain.index("KEY IMAGES") < plain.index("FINDINGS ABOUT")
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 1
    assert b"/SMask" not in pdf, "a transparent logo would be no PDF/A"
    page, dot = picture_of(pdf, site.parent), 60 / 25.4
    for from_right_mm, colour in ((25, (255, 255, 255)), (5, (200, 16, 32))):
        assert page[round(17.5 * dot), round((195 - from_right_mm) * dot)].tolist() == pytest.approx(colour, abs=3)


def test_every_field_can_be_named_and_withheld_numbers_stay_so(reading: Report, site: Path) -> None:
    words = impression_words(reading)
    assert set(words) == set(FIELDS)
    assert words["whole_heart"] == "not known"
    assert words["horizon"].startswith("none")
    m = reading.measurement
    contrast = Finding("contrast", Severity.UNFIT, "The scan was made with contrast agent.")
    withheld = dataclasses.replace(reading, measurement=dataclasses.replace(m, findings=(contrast,)))
    hidden = impression_words(withheld)
    shown = {key for key, word in hidden.items() if word != "withheld"}
    assert shown == {"grade", "whole_heart", "cac_drs", "vessels", "horizon", "model"}
    sentence = read_template(site).impression_of(withheld)
    assert not re.search(r"\d", sentence)
    without = impression_words(dataclasses.replace(reading, measurement=dataclasses.replace(m, risk=None)))
    assert {without[key] for key in ("risk", "interval", "percentile", "horizon", "model")} == {"not known"}


WRONG = {
    'department = "A"\nlogo = 5': (2, "a text in quotation marks"),
    '# one\n\ndepartment = "A': (3, "this is no TOML"),
    "order = [": (1, "this is no TOML"),
    'colour = "red"': (1, "there is no “colour”"),
    'department = "A"\n[page]\nwide = 1': (2, "there is no “page”"),
    'department = "A"\n\n"order" = ["numbers", "nonsense", "findings"]': (3, "numbers, impression, change"),
    'order = ["numbers", "findings", "numbers"]': (1, "named twice"),
    'order = ["numbers", "pictures"]': (1, "“findings” can't be left out"),
    'order = ["findings"]': (1, "“numbers” can't be left out"),
    'department = "A"\nimpression = "Score {agatston.real}"': (2, "no field {agatston.real}"),
    'impression = "Score {patient}"': (1, "no field {patient}"),
    'impression = "Score {agatston:.2f}"': (1, "no field {agatston}"),
    'impression = "Score {agatston"': (1, "a brace has no partner"),
    'impression = "Score {}"': (1, "no field {}"),
    'logo = "../nowhere.png"': (1, "“nowhere.png” can't be read as PNG or JPEG"),
    'patient_id_system = "our hospital"': (1, "an address"),
    f'department = "{"x" * 121}"': (1, "longer than 120"),
}


@pytest.mark.parametrize("text", WRONG, ids=[text[:30].replace("\n", "/") for text in WRONG])
def test_a_mistake_is_told_with_file_and_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(text, encoding="utf-8")
    line, why = WRONG[text]
    with pytest.raises(InputError) as refusal:
        read_template(path)
    assert refusal.value.code == "bad_template"
    assert refusal.value.message.startswith(f"The report template “site.toml”, line {line}: ")
    assert why in refusal.value.message
    assert str(tmp_path) not in refusal.value.message


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b'department = "M\xfcnchen"')
    (tmp_path / "large.toml").write_bytes(b"#" * (1 << 16) + b"\n")
    stream = io.BytesIO()
    Image.new("1", (2001, 2000)).save(stream, "PNG")
    (tmp_path / "wide.png").write_bytes(stream.getvalue())
    (tmp_path / "wide.toml").write_text('logo = "wide.png"')
    (tmp_path / "bmp.toml").write_text('logo = "a.bmp"')
    Image.new("RGB", (4, 4)).save(tmp_path / "a.bmp")
    for name in ("latin", "large", "missing", "wide", "bmp"):
        with pytest.raises(InputError) as refusal:
            read_template(tmp_path / f"{name}.toml")
        assert refusal.value.code == "bad_template"
    (tmp_path / "fits.toml").write_text("# nothing but a remark")
    assert read_template(tmp_path / "fits.toml") == PLAIN
    assert PLAIN.order == BLOCKS


def test_it_is_read_anew_and_refuses_only_what_needs_it(reading: Report, site: Path, tmp_path: Path) -> None:
    use_template(str(site))
    made = {f.key: f.make for f in formats()}
    assert "Radiology, St. Example" in lines_of(made["pdf"](Making(reading)))
    for key in ("fhir", "fhir_transaction"):
        assert SYSTEM.encode() in made[key](Making(reading))
    site.write_text("colour = 1")
    for key in ("pdf", "fhir"):
        with pytest.raises(InputError, match="line 1"):
            made[key](Making(reading))
    assert made["sr"](Making(reading))
    assert made["json"](Making(reading))
    target = tmp_path / "page.pdf"
    with pytest.raises(InputError, match="line 1"):
        Targets(pdf=target).check(reading.record)
    with pytest.raises(InputError, match="line 1"):
        write_exports(Targets(pdf=target), reading.record, reading.volume, reading.measurement)
    assert not target.exists()
    Targets(sr=tmp_path / "r.dcm").check(reading.record)
    use_template("")
    assert chosen_template() is PLAIN


def test_a_patients_number_gets_its_system(reading: Report) -> None:
    (patient,) = kinds([entry["resource"] for entry in fhir_bundle(reading, SYSTEM)["entry"]], "Patient")
    assert patient["identifier"] == [{"system": SYSTEM, "value": "T-1"}]


def test_what_leaves_without_identity_names_no_department(reading: Report, site: Path, tmp_path: Path) -> None:
    use_template(str(site))
    export = write_deidentified(reading, tmp_path / "out")
    said = lines_of((export.folder / "report.pdf").read_bytes())
    assert "St. Example" not in said
    assert SYSTEM not in (export.folder / "fhir.json").read_text()
