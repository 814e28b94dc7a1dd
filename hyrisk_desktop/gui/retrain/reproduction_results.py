"""``reproduction.json`` as rows, curves and sentences, ready to be shown. No Qt here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.gui.retrain.run_results import NOTHING, Curve, interval, read_results, score_name, signed
from hyrisk_desktop.i18n import tr

_NETWORK = re.compile(r"hyrisknet-([0-9]{2,3})")
_MOST_ROWS = 20
_LONGEST_NOTE = 400
F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A figure of the paper: its curves, and a row of texts for each (method, mean ± SD here, paper)."""

    title: str
    curves: tuple[Curve, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class ReproductionResults:
    """What the page of a reproduction shows; every row is a tuple of texts.

    Attributes:
        head: the cohort, one sentence. reading: what its size can show, one sentence.
        table: depth, RiskNet, the paper's, HyRiskNet, the paper's, difference with its 95 % CI.
        strategies: strategy, RiskNet, HyRiskNet, and why one could not be trained. doubt: as of `RunResults`.
    """

    synthetic: bool
    head: str
    reading: str
    table: tuple[tuple[str, ...], ...]
    figures: tuple[Figure, ...]
    strategies: tuple[tuple[str, ...], ...]
    doubt: str = ""


def load_reproduction(path: Path) -> ReproductionResults:
    """Read ``reproduction.json``; raises InputError as `read_results`."""
    return read_results(path, _results, tr("The results of this reproduction can't be read; its log has more."))


def _results(data: dict[str, Any]) -> ReproductionResults:
    n, died, folds = (_count(value) for value in (data["n"], data["non_survivors"], data["settings"]["folds"]))
    depth, details = _depth(data["details"]["network"]), data["details"]
    if not 0 < folds <= n or died > n:
        raise ValueError("no such cohort")
    return ReproductionResults(
        synthetic=data["synthetic"] is not False,
        head=tr("{n} exams, {died} non-survivors, {k} folds. Mean AUC ± SD over the folds.", n=n, died=died, k=folds),
        reading=tr(
            "A fold tests about {n} exams, so most of the SD is chance; the report says what a cohort of this size can show.",
            n=round(n / folds),
        ),
        table=tuple(_table_row(row) for row in _few(data["table1"])),
        figures=(
            _figure(tr("Fig. 2: the grade or Agatston as score"), details["fig2"], _fig2_names(depth)),
            _figure(tr("Fig. 3: scores and networks"), details["fig3"], _fig3_names(depth)),
        ),
        strategies=tuple(_strategy_row(row) for row in _few(data["strategies"])),
    )


def _few(rows: Any) -> list[Any]:
    if not isinstance(rows, list) or len(rows) > _MOST_ROWS:
        raise ValueError("too many rows")
    return rows


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("no count")
    return value


def _depth(network: Any) -> str:
    found = _NETWORK.fullmatch(network)
    if found is None:
        raise ValueError("no network of the paper's")
    return found[1]


def _fig2_names(depth: str) -> dict[str, str]:
    return {
        "grade": tr("HyRiskNet-{depth}, grade", depth=depth),
        "agatston": tr("HyRiskNet-{depth}, Agatston", depth=depth),
    }


def _fig3_names(depth: str) -> dict[str, str]:
    scores = {key: score_name(key) for key in ("agatston", "category", "volume", "sqrt_volume", "grade")}
    return {**scores, "risknet": f"RiskNet-{depth}", "hyrisknet": f"HyRiskNet-{depth}"}


def _figure(title: str, rows: dict[str, Any], names: dict[str, str]) -> Figure:
    """The known methods of a figure, in the paper's order."""
    known = [(key, rows[key]) for key in names if key in rows]
    curves = tuple(
        Curve("hyrisknet" if key == "grade" and len(names) == 2 else key, names[key], *_curve(row["curve"]))
        for key, row in known
    )
    texts = tuple((names[key], _mean(row["mean"], row["sd"]), _mean(row["paper_auc"], None)) for key, row in known)
    return Figure(title, curves, texts)


def _curve(points: dict[str, Any]) -> tuple[F64, F64]:
    x, y = (np.asarray(points[key], np.float64) for key in ("fpr", "tpr"))
    if x.ndim != 1 or x.shape != y.shape or not all(((v >= 0) & (v <= 1)).all() for v in (x, y)):
        raise ValueError("a curve is two lists of the same length, of shares")
    return x, y


def _table_row(row: dict[str, Any]) -> tuple[str, ...]:
    cells: list[str] = []
    for part in (row["risknet"], row["hyrisknet"]):
        cells += [_mean(part["mean"], part["sd"]), _mean(part["paper_mean"], part["paper_sd"])]
    gain = row["difference"]
    spread = interval(gain["ci"], plus=True)
    more = "" if spread.startswith(NOTHING) else f" ({spread})"
    return _depth(row["network"]), *cells, signed(gain["difference"]) + more


def _strategy_row(row: dict[str, Any]) -> tuple[str, ...]:
    names = {"scratch": tr("From scratch"), "finetune": tr("Fine-tuned"), "frozen": tr("Frozen")}
    heads: Iterator[dict[str, Any]] = (row[head] or {} for head in ("risknet", "hyrisknet"))
    means = [_mean(head.get("mean"), head.get("sd")) for head in heads]
    note = row["note"]
    if not isinstance(note, str) or len(note) > _LONGEST_NOTE:
        raise ValueError("no note")
    return names[row["strategy"]], *means, note


def _mean(mean: Any, sd: Any) -> str:
    if mean is None:
        return NOTHING
    numbers = [value for value in (mean, sd) if value is not None]
    if any(isinstance(v, bool) or not isinstance(v, (int, float)) or not 0 <= v <= 1 for v in numbers):
        raise ValueError("no AUC")
    return f"{mean:.2f}" if sd is None else tr("{mean:.2f} ± {sd:.2f}", mean=mean, sd=sd)
