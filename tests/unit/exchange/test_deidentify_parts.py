"""The parts of the export without identity by themselves, and its options on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom
import pytest
from dicomanonymizer.simpledicomanonymizer import initialize_actions
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.exchange import exports
from hyrisk_desktop.exchange.deidentified import known_words as d
from hyrisk_desktop.exchange.deidentified.images import kept_keywords
from hyrisk_desktop.exchange.deidentified.leaks import Haystack, Identifiers
from hyrisk_desktop.exchange.deidentified.pdf_text import text_of_pdf
from hyrisk_desktop.exchange.deidentified.pseudonyms import Pseudonyms
from hyrisk_desktop.exchange.exports import Targets, write_exports
from hyrisk_desktop.exchange.reports.pdf import pdf_report
from hyrisk_desktop.exchange.reports.report import Report
from tests.helpers import readings
from tests.helpers.command_line import hyrisk
from tests.unit.exchange.test_pdf import text_of

REAL_NAMES = (
    ("SIEMENS", d.MAKERS), ("GE MEDICAL SYSTEMS", d.MAKERS), ("Philips", d.MAKERS), ("TOSHIBA", d.MAKERS),
    ("Canon Medical Systems", d.MAKERS), ("HyRisk Desktop", d.MAKERS), ("Aquilion", d.MODELS), ("Sensation 64", d.MODELS),
    ("LightSpeed VCT", d.MODELS), ("Brilliance 64", d.MODELS), ("SOMATOM Definition AS+", d.MODELS),
    ("Optima CT660", d.MODELS), ("Synthetic LDCT phantom", d.MODELS), ("B30f", d.KERNELS), ("I31f\\3", d.KERNELS),
    ("FC51", d.KERNELS), ("STANDARD", d.KERNELS), ("YA", d.KERNELS), ("BONEPLUS", d.KERNELS), ("Qr40d", d.KERNELS),
    ("CHEST", d.BODY_PARTS),
)  # fmt: skip


@pytest.mark.parametrize(("name", "words"), REAL_NAMES)
def test_names_of_devices_and_kernels_stay(name: str, words: frozenset[str]) -> None:
    assert d.each_known(name, words) == name


@pytest.mark.parametrize(
    "name", ["Müller", "Peabody", "MR BONE JOHN", "J D", "J.D. 1950", "471147", "B30f Miller", "=1+1", "ID4711x"]
)
def test_other_texts_do_not(name: str) -> None:
    assert d.each_known(name, d.KERNELS | d.MODELS | d.MAKERS) == ""


@given(st.text(max_size=60))
def test_what_stays_is_made_of_known_words(text: str) -> None:
    kept = d.each_known(text, d.KERNELS)
    assert all(
        len(run) <= 2 or run.upper() in d.KERNELS for run in "".join(c if c.isalpha() else " " for c in kept).split()
    )
    assert d.numbers(text) == "" or all(abs(float(part)) < 1e5 for part in text.split("\\"))


def test_the_profile_has_no_say_against_what_is_kept() -> None:
    """An attribute that PS3.15 wants removed or cleaned is not on the allow-list, but for contrast and the dummies of dates."""
    table = initialize_actions("dicomfields_2026c")
    assert {k for k in kept_keywords() if (Tag(k).group, Tag(k).element) in table} == set()


@given(st.text(min_size=1, max_size=80), st.text(max_size=80))
def test_pseudonyms_are_valid_and_differ(one: str, other: str) -> None:
    one, other = (text.encode(errors="replace").decode() for text in (one, other))
    names = Pseudonyms(b"0123456789abcdef")
    assert pydicom.uid.UID(names.uid(one)).is_valid
    assert (names.uid(one) == names.uid(other)) == (one == other)
    assert (names.subject(one, other) == names.subject(other, one)) == (one == other)


def test_the_pdf_says_what_other_readers_find_in_it(reading: Report, tmp_path: Path) -> None:
    pdf = pdf_report(reading)
    ours, theirs = (set(text.split()) for text in (text_of_pdf(pdf), text_of(pdf, tmp_path)))
    assert ours == theirs


def test_values_are_found_however_they_are_written() -> None:
    header = Dataset()
    header.PatientName, header.PatientID, header.PatientBirthDate = "Öztürk^Li", "P-0815", "19531117"
    header.StudyTime, header.AccessionNumber = "101112.5", "77"
    identifiers = Identifiers()
    identifiers.add_header(header)
    for text in (
        "mr ÖZTÜRK",
        "born 17.11.1953",
        "1953-11-17",
        "at 10:11:12",
        "x P-0815y",
        "O\u0308ztu\u0308rk",
        "101112",
    ):
        assert Haystack((text,)).holds(identifiers), text
        assert not text.isascii() or len(text) < 6 or Haystack(data=(text.encode("utf-16-le"),)).holds(identifiers), (
            text
        )
    for text in ("Li", "77", "0.101112", "2.25.19531117101112101112101112", "a195311170", "9101112"):
        assert not Haystack((text,), (text.encode(),)).holds(identifiers), text


def test_the_command_line_writes_the_folder_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], exam: Path, tmp_path: Path
) -> None:
    ask = ("score", exam, "--center", *readings.CENTRE, "--json", "--reader", "Ada Müller")
    out = tmp_path / "out"
    code, said, err = hyrisk(
        monkeypatch, capsys, *ask, "--deidentified", out, "--subject", "S 1", "--sr", tmp_path / "r.dcm"
    )
    assert (code, err) == (0, "")
    again = hyrisk(monkeypatch, capsys, "score", out, "--center", *readings.CENTRE, "--json")[1]
    first, second = json.loads(said), json.loads(again)
    assert second["exam"]["patient_id"] == "S 1"
    assert {k: v for k, v in first.items() if k != "exam"} == {k: v for k, v in second.items() if k != "exam"}
    for wrong, expected in (
        (("--deidentified", out), "target_exists"),
        (("--subject", "S1"), "no_folder"),
        (("--deidentified", tmp_path / "new", "--subject", "a/b"), "bad_subject"),
    ):
        code, said, _ = hyrisk(monkeypatch, capsys, *ask, *wrong)
        assert (code, json.loads(said)["error"]["code"]) == (2, expected)


def test_the_command_line_takes_a_project_secret_from_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], exam: Path, tmp_path: Path
) -> None:
    ask = ("score", exam, "--center", *readings.CENTRE, "--json")
    secret, short, binary = (tmp_path / name for name in ("secret", "short", "binary"))
    secret.write_text("sixteen or more letters\n")
    short.write_text("short\n")
    binary.write_bytes(bytes(range(128, 200)))
    codes = []
    for name in ("one", "two"):
        done = hyrisk(monkeypatch, capsys, *ask, "--deidentified", tmp_path / name, "--secret-file", secret)
        assert (done[0], done[2]) == (0, "")
        codes.append(json.loads((tmp_path / name / "reading.json").read_text())["exam"]["patient_id"])
    assert codes == [Pseudonyms(b"sixteen or more letters").subject("number", "T-1")] * 2
    for wrong, expected in (
        (("--deidentified", tmp_path / "x", "--secret-file", short), "short_secret"),
        (("--deidentified", tmp_path / "x", "--secret-file", binary), "bad_secret"),
        (("--deidentified", tmp_path / "x", "--secret-file", tmp_path / "none"), "bad_secret"),
        (("--secret-file", secret), "no_folder"),
    ):
        code, said, _ = hyrisk(monkeypatch, capsys, *ask, *wrong)
        assert (code, json.loads(said)["error"]["code"]) == (2, expected)


def test_folder_and_files_come_together_or_not_at_all(
    reading: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(contents: object, **_: object) -> None:
        raise HyRiskError("not_written", "The disk is full.")

    monkeypatch.setattr(exports, "replace_files", full)
    targets = Targets(fhir=tmp_path / "r.json", deidentified=tmp_path / "out")
    with pytest.raises(HyRiskError, match="full"):
        write_exports(targets, reading.record, reading.volume, reading.measurement)
    assert not (tmp_path / "out").exists()
