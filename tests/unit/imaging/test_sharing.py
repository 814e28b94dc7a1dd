"""Two threads on one list: everything once, failures and cancelling in order, and previews without rubbish."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyrisk_desktop.errors import Cancelled
from hyrisk_desktop.imaging import CTVolume, find_series, read_volume
from hyrisk_desktop.imaging.pixels import native, sharing, single_frame
from hyrisk_desktop.jobs import CancelToken
from tests.helpers.dicom_series import anatomy, slices, write


def _ignore(_done: int, _prepared: bool) -> None:
    """Report to nobody."""


@pytest.mark.parametrize("count", [0, 1, 16, 17, 101])
@pytest.mark.parametrize("moment", [0.0, 0.002, 1.0])
def test_every_item_is_worked_on_once(count: int, moment: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "_MOMENT_SECONDS", moment)
    done: list[int] = []
    prepared: list[int] = []
    reports: list[tuple[int, bool]] = []

    def work(batch: Sequence[int]) -> None:
        time.sleep(0.0005)
        done.extend(batch)

    def prepare(batch: Sequence[int]) -> None:
        assert not set(batch) & set(done)
        prepared.extend(batch)

    sharing.share(range(count), work, lambda *report: reports.append(report), None, prepare=prepare)
    assert sorted(done) == list(range(count))
    assert len(prepared) == len(set(prepared))
    assert reports[-1] == (count, True)
    assert reports == sorted(reports)


@pytest.mark.parametrize("wrong", [0, 50, 100])
def test_a_failure_in_either_thread_is_raised_here_and_ends_both(wrong: int) -> None:
    done: list[int] = []

    def work(batch: Sequence[int]) -> None:
        time.sleep(0.0005)
        if wrong in batch:
            raise OSError(wrong)
        done.extend(batch)

    before = threading.active_count()
    with pytest.raises(OSError, match=str(wrong)):
        sharing.share(range(101), work, _ignore, None, prepare=lambda _: None)
    assert threading.active_count() == before
    assert wrong not in done
    assert len(done) < 101


def test_a_cancelled_share_stops_both_threads() -> None:
    token = CancelToken()
    begun: list[int] = []

    def work(batch: Sequence[int]) -> None:
        begun.append(batch[0])
        token.cancel()

    with pytest.raises(Cancelled):
        sharing.share(range(400), work, _ignore, token)
    assert 1 <= len(begun) <= 2, "each thread ends what it has begun, and begins no more"


def test_a_slow_series_shows_its_first_image_among_air(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 60
    write(slices(count, seed=4), tmp_path)
    wanted = anatomy(count, 64, 64, 4)
    record = find_series(tmp_path)[0]
    monkeypatch.setattr(sharing, "_MOMENT_SECONDS", 0.004)
    read, made = native.read_native_slices, single_frame.new_volume

    def slowly(*arguments: Any) -> None:
        time.sleep(0.002)
        read(*arguments)

    def used(*arguments: Any) -> CTVolume:
        volume = made(*arguments)
        volume.hu.fill(777)  # memory may hold what another exam left there
        return volume

    monkeypatch.setattr(single_frame, "read_native_slices", slowly)
    monkeypatch.setattr(single_frame, "new_volume", used)
    seen: list[tuple[int, int, int]] = []

    def on_first(preview: CTVolume, index: int) -> None:
        hu = preview.hu.copy()
        rubbish = sum(bool((hu[z] == 777).any()) for z in range(count))
        seen.append((index, rubbish, sum(bool((hu[z] == -1024).all()) for z in range(count))))

    volume = read_volume(record, on_first=on_first)
    assert [(index, rubbish) for index, rubbish, _ in seen] == [(count // 2, 0)]
    assert 0 < seen[0][2] < count - 1
    assert np.array_equal(volume.hu, wanted)


def test_a_series_read_in_a_moment_shows_its_first_image_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "_MOMENT_SECONDS", 60.0)
    write(slices(30, seed=4), tmp_path)
    seen: list[int] = []
    read_volume(find_series(tmp_path)[0], on_first=lambda _, index: seen.append(index))
    assert seen == [15]
