"""Key images and kept measures: what they measure, how many there can be, and that the store brings them back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hyrisk_desktop.worklist.notes import (
    MOST_IMAGES,
    MOST_MARKS,
    NO_NOTES,
    KeptMark,
    KeyImage,
    Notes,
    disc_hu,
    notes_from,
    notes_values,
)
from hyrisk_desktop.worklist.read_document import read_document, read_from
from hyrisk_desktop.worklist.records import Read
from hyrisk_desktop.worklist.row_values import changes_of
from hyrisk_desktop.worklist.store import Store
from tests.helpers.exams import scanned
from tests.helpers.volumes import block_volume

NOTES = Notes(
    (KeyImage(3, "LAD, proximal"), KeyImage(17, "", -600.0, 1500.0)),
    (KeptMark(3, (10.5, 20.25), (40.5, 28.25)), KeptMark(9, (30.0, 31.0), (30.0, 31.0))),
)


def test_a_length_is_in_millimetres_of_either_direction() -> None:
    volume = replace(block_volume(), spacing_mm=(0.5, 2.0, 3.0))
    assert KeptMark(3, (10.0, 20.0), (16.0, 22.0)).text(volume) == "5.0 mm"
    assert not KeptMark(3, (10.0, 20.0), (16.0, 22.0)).is_probe


def test_a_probe_is_a_disc_of_millimetres_cut_at_the_borders() -> None:
    hu = np.zeros((2, 40, 60), np.int16)
    hu[1] = np.arange(60)[None, :] * 10
    volume = replace(block_volume(), hu=hu, spacing_mm=(1.0, 2.5, 3.0))
    values = disc_hu(volume, 30, 20, 1)
    # 5 columns and 2 rows to each side, an ellipse of voxels.
    assert (values.min(), values.max(), values.mean()) == (250, 350, 300)
    assert len(values) == sum((dx / 5) ** 2 + (dy / 2) ** 2 <= 1 for dx in range(-5, 6) for dy in range(-2, 3))
    corner = disc_hu(volume, 0, 0, 1)
    assert len(corner) == sum((dx / 5) ** 2 + (dy / 2) ** 2 <= 1 for dx in range(6) for dy in range(3))
    mark = KeptMark(1, (30.0, 20.0), (30.0, 20.0))
    assert mark.is_probe
    assert mark.text(volume) == f"300 ± {values.std():.0f} HU"


def test_one_key_image_a_slice_and_no_more_than_can_be_read() -> None:
    notes = NO_NOTES
    for z in range(MOST_IMAGES, 0, -1):
        notes = notes.with_image(KeyImage(z, f"{z}"))
    assert [image.z for image in notes.key_images] == list(range(1, MOST_IMAGES + 1))
    assert notes.with_image(KeyImage(99)) is notes
    again = notes.with_image(KeyImage(5, "better"))
    assert again.image_of(5) == KeyImage(5, "better")
    assert len(again.key_images) == MOST_IMAGES
    assert again.without_image(5).image_of(5) is None
    for n in range(MOST_MARKS + 2):
        notes = notes.with_mark(KeptMark(n, (0.0, 0.0), (1.0, 1.0)))
    assert [mark.z for mark in notes.marks] == list(range(2, MOST_MARKS + 2))


def test_they_survive_json_and_the_store(tmp_path: Path) -> None:
    assert notes_from(notes_values(NOTES)) == NOTES
    assert notes_from(None) == notes_from({}) == NO_NOTES
    store = Store(tmp_path / "worklist.sqlite")
    try:
        ada = store.reader("Ada")
        (exam_id,) = store.add_exams(None, [scanned(1)])
        read = Read(exam_id, ada.reader_id, "1.2.1", centre=(3, 4, 5), grade=1.0, notes=NOTES)
        store.save_read(read, ada)
        back = store.read_of(exam_id, ada)
        assert back is not None
        assert back.notes == NOTES
        assert read_from(read_document(back)).notes == NOTES
        plain = replace(back, notes=NO_NOTES)
        assert store.save_read(plain, ada).notes == NO_NOTES
    finally:
        store.close()


def test_the_audit_trail_counts_notes_and_quotes_none() -> None:
    before = Read(1, 1, "1.2.1")
    assert changes_of(before, replace(before, notes=NOTES)) == {
        "notes": [{"key_images": 0, "marks": 0}, {"key_images": 2, "marks": 2}]
    }


def test_a_document_of_before_has_none() -> None:
    document = read_document(Read(1, 1, "1.2.1"))
    del document["notes"]
    assert read_from(document).notes == NO_NOTES


@pytest.mark.parametrize("damaged", [{"key_images": [[1]], "marks": []}, {"key_images": []}])
def test_a_damaged_document_is_an_error_and_no_guess(damaged: dict[str, object]) -> None:
    with pytest.raises((ValueError, KeyError)):
        notes_from(damaged)
