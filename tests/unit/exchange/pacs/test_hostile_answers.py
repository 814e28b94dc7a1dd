"""What hostile nodes answer to searches, and hostile texts in our own: one line each, one value each, no crash."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pynetdicom.dsutils import decode, encode

from hyrisk_desktop.errors import InputError, PacsError
from hyrisk_desktop.exchange.pacs.association import require_pacs
from hyrisk_desktop.exchange.pacs.find import identifier, values_of
from hyrisk_desktop.exchange.pacs.query import STUDY_KEYS, Query, SeriesMatch, StudyMatch, series_of, study_of
from hyrisk_desktop.exchange.pacs.web import Web
from tests.helpers import fake_web, hostile
from tests.helpers.fake_web import FakeWeb
from tests.helpers.hostile import MARK, Element, Hostile, RawObject, check_sentence
from tests.unit.exchange.pacs.test_hostile_objects import shown_safely

# Not the program's own rule, which is what is tested.
_UID = re.compile(r"(?=.{1,64}\Z)[0-9]+(\.[0-9]+)*\Z", re.ASCII)
quickly = settings(max_examples=150, deadline=None, derandomize=True, database=None, phases=[Phase.generate])


@pytest.fixture
def web() -> Iterator[FakeWeb]:
    with fake_web.running() as fake:
        yield fake


def check_uid(text: str) -> None:
    assert _UID.fullmatch(text)


def check_match(match: StudyMatch | SeriesMatch | None) -> None:
    """Whether whatever was made of an answer may be shown and asked for."""
    if match is None:
        return
    for name, value in dataclasses.asdict(match).items():
        for text in value if isinstance(value, tuple) else [value]:
            if name.endswith("_uid"):
                check_uid(text)
            elif isinstance(text, str):
                assert shown_safely(text)
                assert len(text) <= 200
            else:
                assert text is None or 0 <= text < 10**9


counts = st.one_of(st.none(), st.sampled_from([b"3", b"-1", b"9" * 40, b"\xd9\xa1", b"1e3", b"", MARK.encode()]))


def test_answers_to_c_find_are_shown_on_one_line() -> None:
    require_pacs()  # as before every search; pydicom's warnings are errors else
    found: list[StudyMatch | None] = []

    @quickly
    @given(hostile.exams(), counts, hostile.values())
    def check(exam: Hostile, count: bytes | None, modalities: bytes) -> None:
        more = {
            "NumberOfStudyRelatedInstances": None if count is None else Element(b"IS", count),
            "NumberOfSeriesRelatedInstances": None if count is None else Element(b"IS", count),
            "ModalitiesInStudy": Element(b"CS", modalities),
        }
        raw: RawObject = dataclasses.replace(exam, elements={**exam.elements, **more}).slice(0)
        answer = decode(io.BytesIO(raw.data), False, True)
        values = values_of(answer)
        found.append(study_of(values))
        check_match(found[-1])
        check_match(series_of("1.2.3", values))
        assert all(isinstance(v, str) for v in values.values())

    check()
    assert 20 < sum(match is not None for match in found) < len(found)
    assert any(m is not None and MARK in m.patient_name for m in found)


texts = hostile.values().map(lambda b: b.decode("utf-8", "surrogateescape"))
scalars = st.one_of(st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(allow_nan=False), texts)
tangles = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=5,
)
values = st.one_of(
    tangles, st.lists(texts, max_size=3), st.lists(st.fixed_dictionaries({}, optional={"Alphabetic": tangles, "Ideographic": texts}), max_size=2)
)  # fmt: skip
attributes = st.one_of(
    tangles,
    # In good order but for the text itself, so that it is shown.
    st.fixed_dictionaries({"vr": st.just("LO"), "Value": st.lists(texts, min_size=1, max_size=1)}),
    st.fixed_dictionaries(
        {"vr": st.sampled_from(["PN", "LO", "UI", "IS", "DS", "SQ", "OB", "US", "UR", "DA", "XX", ""])},
        optional={"Value": values, "InlineBinary": texts, "BulkDataURI": texts},
    ),
)
tags = st.sampled_from(
    [
        "0020000D",
        "0020000E",
        "00100010",
        "00100020",
        "00080050",
        "00080061",
        "00081030",
        "00201208",
        "00080018",
        "0008103E",
    ]
)
# Half of them good: only then is anything shown.
uids = st.one_of(
    st.sampled_from(["1.2.3", "1.2.840.4711"]),
    st.sampled_from([uid.decode("utf-8", "replace") for uid in hostile.BAD_UIDS]),
)
named = st.tuples(st.dictionaries(tags, attributes, max_size=5), uids).map(
    lambda pair: pair[0] | {tag: {"vr": "UI", "Value": [pair[1]]} for tag in ("0020000D", "0020000E")}
)
answers = st.one_of(
    st.lists(
        st.one_of(named, named, st.dictionaries(st.one_of(tags, texts), attributes, max_size=4), tangles), max_size=3
    ),
    tangles,
)


def test_answers_of_a_web_archive_are_shown_on_one_line(web: FakeWeb, caplog: pytest.LogCaptureFixture) -> None:
    outcomes = {"found": 0, "refused": 0}
    caplog.set_level(logging.DEBUG)

    @quickly
    @given(answers)
    def check(answer: Any) -> None:
        web.says(answer)
        with Web(web.node) as archive:
            for ask in (
                lambda: archive.find_studies(Query(patient_id="X", modality="")),
                lambda: archive.find_series("1.2.3"),
                lambda: archive.find_images([SeriesMatch("1.2.3", "1.2.4")]),
                lambda: archive.has("1.2.3", "1.2.4", "1.2.5"),
            ):
                try:
                    matches = ask()
                except PacsError as e:
                    outcomes["refused"] += 1
                    check_sentence(e)
                    continue
                for match in matches if isinstance(matches, tuple) else ():
                    outcomes["found"] += 1
                    check_match(match) if not isinstance(match, str) else check_uid(match)

    check()
    assert min(outcomes.values()) > 5, outcomes
    assert MARK not in caplog.text


def test_every_planted_text_is_shown_on_one_line(web: FakeWeb) -> None:
    """One answer for each, all else in order: so each is surely shown."""
    planted = [value.decode("utf-8", "surrogateescape") for value in hostile.NASTY]
    web.says([
        {"0020000D": {"vr": "UI", "Value": [f"1.2.{n}"]}, "00100010": {"vr": "PN", "Value": [{"Alphabetic": text}]},
         "00100020": {"vr": "LO", "Value": [text]}, "00081030": {"vr": "LO", "Value": [text]}}
        for n, text in enumerate(planted)
    ])  # fmt: skip
    with Web(web.node) as archive:
        matches = archive.find_studies(Query(patient_id="X", modality=""))
    assert len(matches) == len(planted)
    for match in matches:
        check_match(match)
    assert sum(MARK in match.patient_id for match in matches) > len(planted) / 2


def test_what_a_web_archive_says_of_an_object_sent(web: FakeWeb) -> None:
    """The answer to STOW-RS is as little to be trusted as any other."""
    import pydicom

    require_pacs()
    ds = pydicom.dcmread(io.BytesIO(hostile.PLAIN.slice(0).file()))

    @settings(quickly, max_examples=60)
    @given(st.one_of(tangles, st.fixed_dictionaries({"00081198": st.fixed_dictionaries({"vr": st.just("SQ"), "Value": st.lists(
        st.fixed_dictionaries({"00081197": attributes}), max_size=2)})})))  # fmt: skip
    def check(answer: Any) -> None:
        web.says(answer)
        with Web(web.node) as archive, pytest.raises(PacsError) as failure:
            archive.store(ds)
        check_sentence(failure.value)

    check()


typed = st.one_of(
    texts,
    st.text(max_size=70),
    st.sampled_from(["王^小東", "Müller", "a*b?", "%2A", "&limit=1", "a,b", "a#b", "+", "x=y;z"]),
)


def accepted(query: Query) -> bool:
    with contextlib.suppress(InputError):
        query.check()
        return True
    return False


def test_what_was_typed_is_asked_for_as_it_is(web: FakeWeb) -> None:
    """Refused, or sent as one value; never as several, nor as another key."""
    require_pacs()
    asked = 0

    @settings(quickly, max_examples=200)
    @given(typed, typed, typed, typed, st.sampled_from(["CT", "", "ct\\MR", "C T", "\x1b"]))
    def check(patient: str, name: str, accession: str, description: str, modality: str) -> None:
        nonlocal asked
        for query in (
            Query(patient, name, accession, description, modality),
            Query(patient_id=patient), Query(name=name), Query(accession=accession), Query(description=description),
        ):  # fmt: skip
            if not accepted(query):
                continue
            asked += 1
            keys = query.keys()
            for value in keys.values():
                assert shown_safely(value)
                assert value.removesuffix("*") in [
                    t.strip().removesuffix("*") for t in (patient, name, accession, description, modality.upper(), "CT")
                ]
            sent = encode(identifier("STUDY", STUDY_KEYS, keys), True, True)
            assert sent is not None
            back = decode(io.BytesIO(sent), True, True)
            assert {k: str(back[k].value) for k in keys} == keys
            assert all(back[k].VM == 1 for k in keys)
            web.asked.clear()
            with Web(web.node) as archive:
                archive.find_studies(query)
            (path,) = web.asked
            pairs = parse_qsl(urlsplit(path).query, keep_blank_values=True, strict_parsing=True)
            got = [(k, v) for k, v in pairs if k not in ("includefield", "limit", "fuzzymatching", "offset")]
            assert sorted(got) == sorted(keys.items())

    web.says([])
    check()
    assert asked > 100
    assert not accepted(Query(patient_id="a\\b"))
    assert not accepted(Query(patient_id="a\nb"))
    assert accepted(Query(name="王^小東"))
