"""How findings are kept: in English for every desk and every file, and in the words of the desk that worded them."""

from __future__ import annotations

import json

from hyrisk_desktop.findings import Finding, Severity, finding_rows, findings_from, one_per_code
from hyrisk_desktop.i18n import english, for_machines, tr
from tests.helpers.languages import speaking


def _kept() -> list[list[str]]:
    found = Finding(
        "lungs", Severity.WARNING, tr("The lungs were not recognised, so the heart centre is a guess. Check it.")
    )
    rows: list[list[str]] = json.loads(json.dumps(finding_rows((found,))))
    return rows


def test_a_kept_finding_knows_its_english() -> None:
    (wanted,) = findings_from(_kept())
    with speaking("de"):
        rows = _kept()
        (found,) = findings_from(rows)
        assert found.message != wanted.message
        assert english(found.message) == wanted.message
        assert finding_rows((found,)) == rows
        with for_machines():
            assert findings_from(rows) == (wanted,)


def test_a_desk_of_another_language_reads_english() -> None:
    (wanted,) = findings_from(_kept())
    with speaking("de"):
        rows = _kept()
    assert findings_from(rows) == (wanted,)
    with speaking("zh_CN"):
        assert findings_from(rows) == (wanted,)


def test_an_english_finding_is_kept_as_it_always_was() -> None:
    (row,) = _kept()
    assert row == ["lungs", "warning", "The lungs were not recognised, so the heart centre is a guess. Check it."]
    with speaking("de"):
        assert finding_rows(findings_from([row])) == [row]


def test_a_code_that_is_said_twice_says_both_once() -> None:
    kept = Finding("kvp", Severity.INFO, "Ends like this. C.")
    with speaking("de"):
        far, off = tr("{n} lesions", n=2), tr("{n} exams", n=3)
        found = [Finding("unlike", Severity.WARNING, m) for m in ("A.", far, off, far)]
        both = one_per_code([found[0], kept, *found[1:]])
        assert [f.code for f in both] == ["unlike", "kvp"]
        assert both[0].message == f"A. {far} {off}"
        assert english(both[0].message) == f"A. {english(far)} {english(off)}"
        assert both[1] is kept
