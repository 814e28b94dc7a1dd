"""A stored read gives the same numbers again, or says what does not."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyrisk_desktop.calcium import Region, get_profile
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.imaging import content_sha256, read_volume, reopen, scan_exams
from hyrisk_desktop.measurement import measure, numbers
from hyrisk_desktop.risk import Predictor
from hyrisk_desktop.worklist.records import Read
from hyrisk_desktop.worklist.replay import replay
from hyrisk_desktop.worklist.store import Store
from tests.helpers import dicom_series
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
    assert asked == [(read.bundle_sha256, None)]


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


READS: dict[str, dict[str, Any]] = {
    "excluded": {"centre": CENTRE, "excluded": frozenset({(34, 30, 12)})},
    "profile": {"centre": CENTRE, "profile": "no_spacing_correction"},
    "box": {"centre": CENTRE, "box": ((20, 18, 2), (50, 44, 21))},
    "box without a centre": {"box": ((20, 18, 2), (50, 44, 21))},
    "image alone": {"centre": CENTRE, "grade": None},
    "another prevalence": {"centre": CENTRE, "prevalence": 0.05},
}


Models = Callable[[float | None], Predictor]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """One model, loaded once for each prevalence."""
    folder = tmp_path_factory.mktemp("model")
    write_tiny_bundle(folder)
    return functools.cache(lambda prevalence: Predictor(folder, "cpu", prevalence))


@pytest.mark.parametrize("name", READS)
def test_whatever_decides_the_numbers_is_replayed(name: str, model: Models, tmp_path: Path) -> None:
    """On an exam with calcium near and far from the centre; without that part of the read, the numbers are others."""
    made = dicom_series.slices(24, 56, 64, pixel=(3.5, 4.0))
    for (z, y, x), hu in {(12, 30, 34): 450, (12, 32, 30): 250, (4, 20, 22): 320, (19, 40, 45): 210}.items():
        pixels = np.frombuffer(made[z].PixelData, np.uint16).reshape(56, 64).copy()
        pixels[y, x] = hu + 1024
        made[z].PixelData = pixels.tobytes()
    dicom_series.write(made, tmp_path / "exams")
    store, (scanned,) = Store(tmp_path / "worklist.sqlite"), scan_exams(tmp_path / "exams")
    (exam_id,) = store.add_exams(None, [scanned])
    record, reader = reopen(scanned.records[0], scanned.source), store.reader("Ada")
    read = Read(
        exam_id,
        reader.reader_id,
        record.series_uid,
        content_sha256=content_sha256(record),
        **{"grade": 2.0, **READS[name]},
    )
    centre, box = read.centre or (35, 31, 11), Region(*read.box) if read.box else None
    predictor = model(read.prevalence) if read.centre else None
    m = measure(
        read_volume(record),
        centre,
        read.grade,
        predictor,
        box=box,
        profile=get_profile(read.profile),
        excluded=read.excluded,
    )
    sha = m.risk.bundle_sha256 if m.risk else ""
    # As reads are stored: with what the risk assumed, whoever asked for it.
    assumed = m.risk.prevalence if m.risk else None
    made_by = {"results": numbers(m.scores, m.risk), "bundle_sha256": sha, "prevalence": assumed}
    saved = store.save_read(dataclasses.replace(read, **made_by), reader)

    def find(asked: str, prevalence: float | None) -> Predictor:
        assert (asked, prevalence) in {(sha, None), (sha, assumed)}
        return model(prevalence)

    result = replay(store, saved.read_id, find)
    assert (result.differences, result.pixels_same, result.model_found) == ((), True, True)
    assert result.same
    assert result.compared > 10
    # A number that is only a little another is told.
    off = {
        **saved.results,
        "calcium": {**saved.results["calcium"], "volume_mm3": saved.results["calcium"]["volume_mm3"] * (1 + 1e-12)},
    }
    changed = store.save_read(dataclasses.replace(saved, results=off), reader)
    assert [d.name for d in replay(store, changed.read_id, find).differences] == ["calcium.volume_mm3"]
    # The same judgement as another read: one that named its files once keeps their hash.
    unnamed = dataclasses.replace(saved, read_id=0, blinded=True, content_sha256="")
    without_hash = store.save_read(unnamed, reader)
    assert replay(store, without_hash.read_id, find).pixels_same is None
    assert not replay(store, without_hash.read_id, find).same
    store.close()


def test_a_read_without_a_centre_has_nothing_to_replay(stored: tuple[Store, Read, Predictor]) -> None:
    store, read, predictor = stored
    ben = store.reader("Ben")
    bare = store.save_read(Read(read.exam_id, ben.reader_id, read.series_uid, grade=1.0), ben)
    with pytest.raises(InputError, match="no numbers"):
        replay(store, bare.read_id, lambda *_: predictor)
