"""A run's ``results.json`` as rows, curves and sentences, ready to be shown. No Qt here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.bounded_json import read_json
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import decimal, tr, typeset

F64 = NDArray[np.float64]
Results = TypeVar("Results")
MAX_BYTES = 64 << 20
NOTHING = "–"
_CURVES = ("hyrisknet", "risknet", "grade", "agatston")


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A curve with the key of its colour and its name."""

    key: str
    name: str
    x: F64
    y: F64


@dataclass(frozen=True, slots=True, eq=False)
class RunResults:
    """What the result page shows; every row is a tuple of texts.

    Attributes:
        head: n and non-survivors, one sentence. caution: what they must not be read without ("" for nothing). aucs: score, pooled AUC, 95 % CI, fold mean, fold SD.
        differences: pair, difference, 95 % CI, p. comparison: rows against the installed model ([] without).
        warning: what the comparison must not be read without. sanity: one line.
    """

    synthetic: bool
    head: str
    caution: str
    aucs: tuple[tuple[str, ...], ...]
    differences: tuple[tuple[str, ...], ...]
    comparison: tuple[tuple[str, ...], ...]
    comparison_head: str
    comparison_difference: str
    warning: str
    sanity: str
    roc: tuple[Curve, ...]
    calibration: tuple[Curve, ...]

    @property
    def doubt(self) -> str:
        """What must be asked before a model of the run is installed, "" for nothing."""
        return self.caution


def load_results(path: Path) -> RunResults:
    """Read ``results.json``; raises InputError as `read_results`."""
    return read_results(path, _results, tr("The results of this run can't be read; its log has more."))


def read_results(path: Path, understand: Callable[[dict[str, Any]], Results], sentence: str) -> Results:
    """A file of results, which anybody may have written, as ``understand`` makes it out.

    Raises:
        InputError: with ``sentence``; it is missing, damaged or of another version.
    """
    try:
        data = read_json(path, MAX_BYTES)
        if data["schema_version"] != 1:
            raise ValueError("another version")
        return understand(data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as e:
        raise InputError("results_unreadable", sentence) from e


def score_name(key: str) -> str:
    """A score's name in words."""
    names = {
        "hyrisknet": tr("HyRiskNet"),
        "risknet": tr("RiskNet (image only)"),
        "grade": tr("Grade"),
        "agatston": tr("Region Agatston"),
        "agatston_column": tr("Agatston of the table, as it was fed"),
        "category": tr("Agatston category"),
        "volume": tr("Volume"),
        "sqrt_volume": tr("Square root of volume"),
        "grade_agatston": tr("Grade + Agatston"),
        "installed": tr("Installed model"),
    }
    return names.get(key, key)


def _results(data: dict[str, Any]) -> RunResults:
    pooled, comparison = data["pooled"], data.get("comparison")
    heads = [(key, pooled[key]) for key in ("hyrisknet", "risknet") if isinstance(pooled.get(key), dict)]
    scores = [*heads, *((key, value) for key, value in (data.get("baselines") or {}).items() if value)]
    return RunResults(
        synthetic=data["synthetic"] is True,
        head=_head(data),
        caution=" ".join(str(text) for text in (data.get("warning"), *(data.get("cautions") or ())) if text),
        aucs=tuple(_auc_row(key, value) for key, value in scores),
        differences=tuple(_difference_row(row) for row in data.get("differences") or ()),
        comparison=tuple(_comparison_rows(comparison)) if comparison else (),
        comparison_head=_comparison_head(comparison),
        comparison_difference=_comparison_difference(comparison) if comparison else "",
        warning=str(comparison.get("warning") or "") if comparison else "",
        sanity=_sanity(data),
        roc=tuple(_roc_curves(data, comparison)),
        calibration=tuple(_calibration(data.get("calibration") or {})),
    )


def _head(data: dict[str, Any]) -> str:
    n, died = int(data["n"]), int(data["non_survivors"])
    return tr("{n} exams, {died} non-survivors ({p:.0f} %).", n=n, died=died, p=100 * died / n if n else 0)


def _auc_row(key: str, value: dict[str, Any]) -> tuple[str, ...]:
    mean, sd = _float(value.get("fold_mean")), _float(value.get("fold_sd"))
    folds = NOTHING if mean is None else tr("{mean:.3f} ± {sd:.3f}", mean=mean, sd=sd or 0.0)
    return score_name(key), number(value.get("auc")), interval(value.get("ci")), folds


def _difference_row(row: dict[str, Any]) -> tuple[str, ...]:
    # Short: the column is narrow, and the table above says what RiskNet is.
    a, b = (tr("RiskNet") if row[side] == "risknet" else score_name(str(row[side])) for side in ("a", "b"))
    pair = tr("{a} − {b}", a=a, b=b)
    return pair, signed(row.get("difference")), interval(row.get("ci"), plus=True), p_value(row.get("p"))


def _comparison_rows(comparison: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for key, name in (("new", tr("New model")), ("installed", tr("Installed model"))):
        values = comparison[key]
        yield name, number(values.get("hyrisknet_auc")), number(values.get("risknet_auc"))


def _comparison_head(comparison: dict[str, Any] | None) -> str:
    if not comparison:
        return tr("The installed model was not compared.")
    kind = tr(", trained on synthetic phantoms") if comparison.get("synthetic_model") is True else ""
    return tr(
        "Against “{model}”{kind}, on the same {n} exams.",
        model=comparison.get("model") or "",
        kind=kind,
        n=comparison.get("n"),
    )


def _comparison_difference(comparison: dict[str, Any]) -> str:
    return tr(
        "New − installed, HyRiskNet: {difference} (95 % CI {ci}; p {p}).",
        difference=signed(comparison.get("difference")),
        ci=interval(comparison.get("ci"), plus=True),
        p=p_value(comparison.get("p")),
    )


def _sanity(data: dict[str, Any]) -> str:
    shuffled, overlap = _float(data.get("permutation_auc")), data.get("patient_overlap")
    parts = []
    if shuffled is not None:
        found = data.get("permutation") or {}
        spread = _float(found.get("chance_sd"))
        expected = "0.5" if spread is None else tr("0.5 ± {sd:.2f}", sd=2 * spread)
        parts.append(
            tr("AUC with shuffled outcomes: {auc:.3f} ({expected} is expected).", auc=shuffled, expected=expected)
        )
        if found.get("passed") is False:
            parts.append(tr("That is too far off: the evaluation may be leaking, and its AUCs should not be trusted."))
    if isinstance(overlap, int):
        parts.append(tr("Patients in both training and test of a fold: {n} (0 is expected).", n=overlap))
    return " ".join(parts)


def _roc_curves(data: dict[str, Any], comparison: dict[str, Any] | None) -> Iterator[Curve]:
    pooled, baselines, roc = data["pooled"], data.get("baselines") or {}, data.get("roc") or {}
    for key in _CURVES:
        if isinstance(points := roc.get(key), dict):
            auc = (pooled.get(key) or baselines.get(key) or {}).get("auc")
            yield Curve(key, f"{score_name(key)} {number(auc)}", *_xy(points["fpr"], points["tpr"]))
    points = ((comparison or {}).get("roc") or {}).get("installed")
    if comparison and isinstance(points, dict):
        auc = comparison["installed"].get("hyrisknet_auc")
        yield Curve("installed", f"{score_name('installed')} {number(auc)}", *_xy(points["fpr"], points["tpr"]))


def _calibration(calibration: dict[str, Any]) -> Iterator[Curve]:
    for key in ("hyrisknet", "risknet"):
        head = calibration.get(key) or {}
        points = [p for p in head.get("curve") or () if _float(p.get("mean_risk")) is not None]
        if points:
            score = tr("RiskNet") if key == "risknet" else score_name(key)
            name = tr("{score}, Brier {brier}", score=score, brier=number(head.get("brier")))
            yield Curve(key, name, *_xy([p["mean_risk"] for p in points], [p["observed"] for p in points]))


def _xy(x: object, y: object) -> tuple[F64, F64]:
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError("a curve is two lists of the same length")
    return a, b


def _float(value: object) -> float | None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good and isinstance(value, (int, float)) else None


def number(value: object) -> str:
    """An AUC as text; an AUC below 0.5 is shown as it is."""
    found = _float(value)
    return NOTHING if found is None else decimal(found, ".3f")


def signed(value: object) -> str:
    """A difference of AUCs, with its sign."""
    found = _float(value)
    return NOTHING if found is None else typeset(found, "+.3f")


def interval(ci: object, *, plus: bool = False) -> str:
    """A confidence interval in words."""
    if not isinstance(ci, (list, tuple)) or len(ci) != 2:
        return NOTHING
    low, high = (signed(v) if plus else number(v) for v in ci)
    return tr("{low} to {high}", low=low, high=high)


def p_value(p: object) -> str:
    """A p value as text, never 0."""
    found = _float(p)
    if found is None:
        return NOTHING
    return tr("<0.001") if found < 0.001 else decimal(found, ".3f")
