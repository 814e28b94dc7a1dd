"""A stored read gives the same numbers again, or says what does not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.imaging import content_sha256, read_volume, reopen, scan_exams
from hyrisk_desktop.measurement import measure, numbers
from hyrisk_desktop.risk import Predictor
from hyrisk_desktop.worklist.records import Read
from hyrisk_desktop.worklist.replay import replay
from hyrisk_desktop.worklist.store import Store
from tests.helpers.bundles import write_tiny_bundle
from tests.helpers.exams import write_exam

CENTRE = (34, 30, 12)


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Store, Read, Predictor]:
    """A store with one complete read of an exam on disk."""
    write_tiny_bundle(tmp_path / "model")
    predictor = Predictor(tmp_path / "model", "cpu")
    write_exam(tmp_path / "exams" / "one", 1)
    store = Store(tmp_path / "worklist.sqlite")
    reader = store.reader("Ada")
    (scanned,) = scan_exams(tmp_path / "exams")
    (exam_id,) = store.add_exams(None, [scanned])
    record = reopen(scanned.records[0], scanned.source)
    excluded = frozenset({(30, 30, 12)})
    m = measure(read_volume(record), CENTRE, 2.0, predictor, excluded=excluded)
    assert m.risk is not None
    read = Read(
        exam_id, reader.reader_id, record.series_uid, content_sha256=content_sha256(record), centre=CENTRE, grade=2.0,
        excluded=excluded, bundle_sha256=m.risk.bundle_sha256, prevalence=m.risk.prevalence,
        results=numbers(m.scores, m.risk),
    )  # fmt: skip
    return store, store.save_read(read, reader), predictor


def test_everything_is_the_same(stored: tuple[Store, Read, Predictor]) -> None:
    store, read, predictor = stored
    asked: list[tuple[str, float | None]] = []

    def find(sha: str, prevalence: float | None) -> Predictor:
        asked.append((sha, prevalence))
        return predictor

    result = replay(store, read.read_id, find)
    assert result.same
    assert result.compared > 20
    assert asked == [(read.bundle_sha256, read.prevalence)]


def test_another_number_is_named(stored: tuple[Store, Read, Predictor]) -> None:
    store, read, predictor = stored
    results = {**read.results, "calcium": {**read.results["calcium"], "agatston": 999.0}}
    reader = store.readers()[0]
    changed = store.save_read(dataclasses.replace(read, results=results), reader)
    result = replay(store, changed.read_id, lambda *_: predictor)
    assert not result.same
    assert [(d.name, d.stored) for d in result.differences] == [("calcium.agatston", 999.0)]


def test_changed_pixels_show_although_the_numbers_may_not(
    stored: tuple[Store, Read, Predictor], tmp_path: Path
) -> None:
    store, read, predictor = stored
    file = next((tmp_path / "exams" / "one").iterdir())
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))
    result = replay(store, read.read_id, lambda *_: predictor)
    assert result.pixels_same is False
    assert not result.same


def test_without_the_model_only_the_calcium_is_compared(stored: tuple[Store, Read, Predictor]) -> None:
    store, read, _ = stored
    result = replay(store, read.read_id, lambda *_: None)
    assert (result.model_found, result.same, result.differences) == (False, False, ())
    assert 0 < result.compared < 20


def test_a_read_without_a_centre_has_nothing_to_replay(stored: tuple[Store, Read, Predictor]) -> None:
    store, read, predictor = stored
    ben = store.reader("Ben")
    bare = store.save_read(Read(read.exam_id, ben.reader_id, read.series_uid, grade=1.0), ben)
    with pytest.raises(InputError, match="no numbers"):
        replay(store, bare.read_id, lambda *_: predictor)
