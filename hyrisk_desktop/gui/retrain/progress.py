"""What a run's events add up to: how far it is, and its curves, thinned so that long runs stay fluid. No Qt here."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.i18n import listed, tr

F64 = NDArray[np.float64]
_POINTS = 400


class Thinned:
    """Bucket means of a series of any length: at most ``limit`` points, evenly spread over it."""

    def __init__(self, limit: int = _POINTS) -> None:
        self._limit = limit
        self._size = 1
        self._x: list[float] = []
        self._y: list[float] = []
        self._open: list[tuple[float, float]] = []

    def add(self, x: float, y: float) -> None:
        """Append a point; where the limit is reached, neighbours are merged in pairs."""
        self._open.append((x, y))
        if len(self._open) < self._size:
            return
        self._close()
        if len(self._x) >= self._limit:
            self._x = [(a + b) / 2 for a, b in zip(self._x[::2], self._x[1::2], strict=False)]
            self._y = [(a + b) / 2 for a, b in zip(self._y[::2], self._y[1::2], strict=False)]
            self._size *= 2

    def _close(self) -> None:
        n = len(self._open)
        self._x.append(sum(x for x, _ in self._open) / n)
        self._y.append(sum(y for _, y in self._open) / n)
        self._open = []

    def points(self) -> tuple[F64, F64]:
        """x and y of the buckets, the unfinished one last."""
        x, y = self._x, self._y
        if self._open:
            n = len(self._open)
            x = [*x, sum(a for a, _ in self._open) / n]
            y = [*y, sum(b for _, b in self._open) / n]
        return np.array(x), np.array(y)

    def smoothed(self) -> F64:
        """Exponential mean of the buckets over about an eighth of them, without a bias towards the first."""
        _, y = self.points()
        keep = 1.0 - 2.0 / (1.0 + max(8.0, len(y) / 8))
        out, mean, weight = np.empty_like(y), 0.0, 0.0
        for i, value in enumerate(y):
            mean, weight = keep * mean + (1 - keep) * value, keep * weight + (1 - keep)
            out[i] = mean / weight
        return out


@dataclass(frozen=True, slots=True)
class Epoch:
    """The inner split after one epoch; None where the process gave no finite number."""

    stage: int
    epoch: int
    loss: float | None
    auc: float | None


@dataclass(slots=True, eq=False)
class Progress:
    """The sum of a run's events.

    Attributes:
        done: share of the whole run. seconds_left: None while unknown.
        losses: training loss over the share done, by unit and stage.
        epochs: by unit, by (stage, epoch). held_out: by unit, RiskNet's and HyRiskNet's AUC. begun: units with a step.
        phase: "", "cutting", "reading", "training" or "evaluating".
    """

    units: tuple[str, ...] = ()
    epochs_planned: int = 0
    cases: int = 0
    device: str = ""
    synthetic: bool | None = None
    phase: str = ""
    cut: tuple[int, int] = (0, 0)
    done: float = 0.0
    seconds_left: float | None = None
    unit: str = ""
    stage: int = 0
    epoch: int = 0
    step: int = 0
    steps: int = 0
    losses: dict[tuple[str, int], Thinned] = field(default_factory=dict)
    epochs: dict[str, dict[tuple[int, int], Epoch]] = field(default_factory=dict)
    held_out: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)

    def apply(self, event: dict[str, Any]) -> None:
        """Take in one event; what is unknown or malformed is passed over."""
        handler = getattr(self, f"_on_{event.get('event')}", None)
        if handler is not None:
            handler(event)

    def _on_start(self, event: dict[str, Any]) -> None:
        units = event.get("units")
        self.units = tuple(u for u in units if isinstance(u, str)) if isinstance(units, list) else ()
        self.epochs_planned, self.cases = _whole(event, "epochs"), _whole(event, "cases")
        self.device = str(event.get("device") or "")
        self.synthetic = event["synthetic"] if isinstance(event.get("synthetic"), bool) else self.synthetic
        # A reproduction says first how long it will take.
        self.seconds_left = _number(event, "seconds")
        self.begun.clear()

    def _on_cutting(self, event: dict[str, Any]) -> None:
        self.phase, self.cut = "cutting", (_whole(event, "done"), _whole(event, "total"))

    def _on_reading(self, event: dict[str, Any]) -> None:
        self.phase, self.cut = "reading", (_whole(event, "done"), _whole(event, "total"))
        self.done = min(max(self.cut[0] / self.cut[1], 0.0), 1.0) if self.cut[1] > 0 else 0.0
        self.seconds_left = _number(event, "seconds_left")

    def _on_step(self, event: dict[str, Any]) -> None:
        loss, done = _number(event, "loss"), _number(event, "done")
        self.phase = "training"
        self.unit, self.stage = str(event.get("unit") or ""), _whole(event, "stage")
        self.epoch, self.step, self.steps = (_whole(event, key) for key in ("epoch", "step", "steps"))
        self.begun.add(self.unit)
        if done is not None:
            self.done = min(max(done, 0.0), 1.0)
        left = _number(event, "seconds_left")
        self.seconds_left = self.seconds_left if left is None else left
        if loss is not None:
            self.losses.setdefault((self.unit, self.stage), Thinned()).add(100 * self.done, loss)

    def _on_epoch(self, event: dict[str, Any]) -> None:
        stage, epoch = _whole(event, "stage"), _whole(event, "epoch")
        self.unit = unit = str(event.get("unit") or "")
        values = Epoch(stage, epoch, _number(event, "validation_loss"), _number(event, "validation_auc"))
        # A resumed run may repeat an epoch: the newer one counts.
        self.epochs.setdefault(unit, {})[stage, epoch] = values

    def _on_unit(self, event: dict[str, Any]) -> None:
        self.held_out[str(event.get("unit") or "")] = (_number(event, "risknet_auc"), _number(event, "hyrisknet_auc"))
        if (done := _number(event, "done")) is not None:
            self.done = min(max(done, 0.0), 1.0)

    def _on_evaluating(self, _: dict[str, Any]) -> None:
        self.phase, self.done, self.seconds_left = "evaluating", 1.0, None

    def _on_finished(self, _: dict[str, Any]) -> None:
        self.phase, self.done, self.seconds_left = "", 1.0, None

    def is_done(self, unit: str) -> bool:
        """Its AUC has come; or, for a unit that has none, one after it has begun."""
        if unit in self.held_out or self.done >= 1.0:
            return True
        later = self.units[self.units.index(unit) + 1 :] if unit in self.units else ()
        has_auc = "/fold-" in unit
        return not has_auc and any(u in self.epochs or u == self.unit for u in later)

    def training_losses(self) -> tuple[F64, F64, F64]:
        """Share done in percent, thinned loss, and smoothed loss; NaN separates units and stages."""
        parts: list[tuple[F64, F64, F64]] = []
        gap = np.array([math.nan])
        for series in self.losses.values():
            x, y = series.points()
            parts += [(x, y, series.smoothed()), (gap, gap, gap)]
        if not parts:
            return gap, gap, gap
        x, y, smooth = (np.concatenate([part[i] for part in parts]) for i in range(3))
        return x, y, smooth

    def curve(self, unit: str, what: str) -> tuple[F64, F64]:
        """``"loss"`` or ``"auc"`` of the inner split by epoch; stage two's epochs follow stage one's."""
        epochs = self.epochs.get(unit, {})
        first = max([self.epochs_planned, *(e for s, e in epochs if s < 2)])
        x = [e.epoch + (first if e.stage == 2 else 0) for e in epochs.values()]
        y = [math.nan if (v := getattr(e, what)) is None else v for e in epochs.values()]
        order = np.argsort(x)
        return np.array(x, np.float64)[order], np.array(y, np.float64)[order]


def _number(event: dict[str, Any], key: str) -> float | None:
    value = event.get(key)
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good and value is not None else None


def _whole(event: dict[str, Any], key: str) -> int:
    return int(_number(event, key) or 0)


def unit_name(unit: str) -> str:
    """``"hyrisknet-34/fold-03"`` in words."""
    part = unit.rpartition("/")[2]
    kind, _, number = part.partition("-")
    if kind == "fold" and number.isdecimal():
        return tr("Fold {n}", n=int(number))
    if kind == "permuted" and number.isdecimal():
        return tr("Shuffled outcomes {n}", n=int(number))
    return tr("Final model") if part == "final" else part


def full_name(unit: str, units: tuple[str, ...]) -> str:
    """The unit in words, with its network and its strategy where ``units`` are of more than one."""
    *path, _ = unit.split("/")
    parts = []
    if path and len({one.rpartition("/")[0].rpartition("/")[2] for one in units}) > 1:
        parts.append(path[-1].replace("hyrisknet-", "HyRiskNet-"))
    if len(path) > 1 and len({one.partition("/")[0] for one in units}) > 1:
        names = {"scratch": tr("from scratch"), "finetune": tr("fine-tuned"), "frozen": tr("frozen")}
        parts.append(names.get(path[0], path[0]))
    return listed([*parts, unit_name(unit)])


def duration(seconds: float) -> str:
    """A time in words, as exact as anyone needs it."""
    minutes = seconds / 60
    if minutes < 1:
        return tr("less than a minute")
    if minutes < 60:
        return tr("{n:.0f} min", n=minutes)
    hours, rest = divmod(round(minutes), 60)
    if hours < 24:
        return tr("{h} h {m} min", h=hours, m=rest)
    return tr("{d} d {h} h", d=hours // 24, h=hours % 24)


def about(seconds: float) -> str:
    """A time that is only estimated."""
    return duration(seconds) if seconds < 60 else tr("about {time}", time=duration(seconds))


def time_left(seconds: float) -> str:
    """How long something will still take."""
    return tr("{time} left", time=about(seconds))


def size(count: float) -> str:
    """A number of bytes in words."""
    if count >= 1e9:
        return tr("{n:.1f} GB", n=count / 1e9)
    return tr("{n:.0f} MB", n=max(1.0, count / 1e6))
