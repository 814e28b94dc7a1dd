"""Does a stored read give the same numbers again? The same pixels, the same model, everything computed anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hyrisk_desktop.calcium import Region, get_profile
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import content_sha256, read_volume, reopen
from hyrisk_desktop.measurement import measure, numbers
from hyrisk_desktop.worklist.records import Read

if TYPE_CHECKING:
    from hyrisk_desktop.imaging import CTVolume
    from hyrisk_desktop.risk import Predictor
    from hyrisk_desktop.worklist.store import Store

FindPredictor = Callable[[str, float | None], "Predictor | None"]
"""Loads the installed model with that bundle hash and prevalence; None where it is not installed."""
# Where a number was computed does not change what it is.
_NOT_COMPARED = frozenset(("risk.device",))


@dataclass(frozen=True, slots=True)
class Difference:
    """A number that is not the same any more."""

    name: str
    stored: Any
    now: Any


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of a replay.

    Attributes:
        read: the stored read.
        pixels_same: the files hash as they did; None where the read stored no hash.
        model_found: the model that answered is installed here; always true of a read without a risk.
        compared: how many numbers were compared; differences: those that are not the same to the last digit.
    """

    read: Read
    pixels_same: bool | None
    model_found: bool
    compared: int
    differences: tuple[Difference, ...]

    @property
    def same(self) -> bool:
        """Pixels, model and every number are the same."""
        return self.pixels_same is True and self.model_found and not self.differences


def replay(store: Store, read_id: int, find_predictor: FindPredictor) -> Replay:
    """Recompute the stored read number ``read_id``.

    Raises:
        InputError: there is no such read, or it holds no centre and so no numbers.
        ExamError: its exam can't be read any more.
        StoreError: the store can't be read.
    """
    read = store.read_by_id(read_id)
    if not read.results.get("calcium"):
        raise InputError("no_results", tr("Read {n} holds no numbers yet: no heart centre was placed.", n=read_id))
    records, source = store.records(read.exam_id)
    record = next((r for r in records if r.series_uid == read.series_uid), None)
    if record is None:
        raise InputError("no_series", tr("The series of read {n} is no longer in the worklist.", n=read_id))
    record = reopen(record, source)
    digest = content_sha256(record)
    volume = read_volume(record)
    if read.centre is None and read.box is None:
        raise InputError("no_results", tr("Read {n} holds no numbers yet: no heart centre was placed.", n=read_id))
    stored_risk = read.results.get("risk")
    found: list[tuple[int, tuple[Difference, ...]]] = []
    for predictor in _predictors(read, find_predictor) if stored_risk else ():
        found.append(_compared(read, volume, predictor))
        if not found[-1][1]:
            break
    compared, differences = min(found, key=lambda one: len(one[1])) if found else _compared(read, volume, None)
    same = digest == read.content_sha256 if read.content_sha256 else None
    return Replay(read, same, not stored_risk or bool(found), compared, differences)


def _compared(read: Read, volume: CTVolume, predictor: Predictor | None) -> tuple[int, tuple[Difference, ...]]:
    """How many stored numbers were compared with those of now, and which differ."""
    box = Region(*read.box) if read.box else None
    m = measure(
        volume,
        read.centre or _middle(box),
        read.grade,
        predictor if read.centre else None,
        box=box,
        profile=get_profile(read.profile),
        excluded=read.excluded,
        heart=read.heart if read.results.get("whole_heart") else None,
    )
    stored = dict(_flat(read.results))
    now = dict(_flat(numbers(m.scores, m.risk, m.whole_heart)))
    if predictor is None:
        stored = {k: v for k, v in stored.items() if not k.startswith("risk.")}
    differences = tuple(
        Difference(name, value, now.get(name))
        for name, value in stored.items()
        if name not in _NOT_COMPARED and now.get(name) != value
    )
    return len(stored), differences


def _predictors(read: Read, find_predictor: FindPredictor) -> Iterator[Predictor]:
    """The model that answered, assuming what it assumed then: its own prevalences, or the one that was asked for.

    A read stores the prevalence of the head that its risk is of. Where that is this head's own, the other head may have
    assumed its own as well or have been asked for the same: then both come.
    """
    predictor = find_predictor(read.bundle_sha256, None)
    if predictor is None:
        return
    own = dict(zip(("risknet", "hyrisknet"), predictor.prevalences, strict=True))
    head = "risknet" if read.results["risk"].get("hyrisknet") is None else "hyrisknet"
    if read.prevalence in (None, own[head]):
        yield predictor
    if read.prevalence is not None and set(own.values()) != {read.prevalence}:
        asked = find_predictor(read.bundle_sha256, read.prevalence)
        if asked is not None:
            yield asked


def _middle(box: Region | None) -> tuple[int, int, int]:
    assert box is not None
    x, y, z = ((a + b) // 2 for a, b in zip(box.start, box.stop, strict=True))
    return x, y, z


def _flat(values: Mapping[str, Any], head: str = "") -> Iterator[tuple[str, Any]]:
    """Nested numbers as ``risk.interval.0`` and the like."""
    for key, value in values.items():
        name = f"{head}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, (list, tuple)):
            yield from _flat({str(i): v for i, v in enumerate(value)}, f"{name}.")
        elif value is not None:
            yield name, value
