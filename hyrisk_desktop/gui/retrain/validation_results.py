"""``validation.json`` as rows, curves and sentences, ready to be shown. No Qt here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hyrisk_desktop.gui.retrain.run_results import (
    NOTHING,
    Curve,
    interval,
    number,
    p_value,
    read_results,
    score_name,
    signed,
)
from hyrisk_desktop.i18n import decimal, tr, typeset

_HEADS = {"hyrisknet": "HyRiskNet", "risknet": "RiskNet"}
_CURVES = ("hyrisknet", "risknet", "grade", "agatston")
_MOST_GROUPS = 200


@dataclass(frozen=True, slots=True, eq=False)
class ValidationResults:
    """What the page of a validation shows; every row is a tuple of texts.

    Attributes:
        head: the model and the cohort. caution: what the numbers must not be read without, "" for nothing.
        aucs: score, AUC, 95 % CI. differences: pair, difference, 95 % CI, p.
        calibration: risk, mean, observed, in the large, slope, Brier; as installed, then recalibrated.
        guard: what, value with its interval. groups: group, cases, non-survivors, mean risk, observed, AUC.
        recalibration: what became of it, in a sentence. doubt: as of `RunResults`.
    """

    synthetic: bool
    head: str
    caution: str
    aucs: tuple[tuple[str, ...], ...]
    differences: tuple[tuple[str, ...], ...]
    calibration: tuple[tuple[str, ...], ...]
    guard: tuple[tuple[str, ...], ...]
    groups: tuple[tuple[str, ...], ...]
    recalibration: str
    doubt: str
    roc: tuple[Curve, ...]
    curves: tuple[Curve, ...]


def load_validation(path: Path) -> ValidationResults:
    """Read ``validation.json``; raises InputError as `read_results`."""
    return read_results(path, _results, tr("The results of this validation can't be read; its log has more."))


def _results(data: dict[str, Any]) -> ValidationResults:
    n, died, found = _count(data["n"]), _count(data["non_survivors"]), data["recalibration"]
    if not n > 0 or died > n:
        raise ValueError("no such cohort")
    doubt = str(found.get("caution", ""))
    said = dict.fromkeys([*(str(text) for text in data["cautions"]), doubt])
    return ValidationResults(
        synthetic=data["synthetic"] is not False,
        head=tr("“{model}” as it was, on {n} exams, {died} non-survivors ({p:.0f} %).",
                model=str(data["model"]["name"]), n=n, died=died, p=100 * died / n),
        caution=" ".join(text for text in said if text),
        aucs=tuple((score_name(key), number(row["auc"]), interval(row["ci"])) for key, row in data["discrimination"].items()),
        differences=tuple(_difference(row) for row in data["differences"]),
        calibration=tuple(_calibration(data)),
        guard=tuple(_guard(data)),
        groups=tuple(_group(row) for row in data["subgroups"][:_MOST_GROUPS]),
        recalibration=_recalibration(found),
        doubt=doubt,
        roc=tuple(_roc(data)),
        curves=tuple(_curves(data)),
    )  # fmt: skip


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("no count")
    return value


def _difference(row: dict[str, Any]) -> tuple[str, ...]:
    a, b = (_HEADS.get(row[side]) or score_name(str(row[side])) for side in ("a", "b"))
    return tr("{a} − {b}", a=a, b=b), signed(row["difference"]), interval(row["ci"], plus=True), p_value(row["p"])


def _calibration(data: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Each head as it is installed and, below it, recalibrated."""
    heads = data["recalibration"].get("heads") or {}
    for key, row in data["calibration"].items():
        yield _HEADS[key], *_calibration_cells(row)
        if key in heads:
            yield tr("recalibrated"), *_calibration_cells(heads[key]["after"])


def _calibration_cells(row: dict[str, Any]) -> tuple[str, ...]:
    means = tr("{mean:.2f} / {observed:.2f}", mean=row["mean_risk"], observed=row["observed"])
    return means, _shift(row["in_the_large"]["value"]), _of(row["slope"]), number(row["brier"])


def _shift(value: float) -> str:
    """With its sign, and nothing but 0 where it rounds to that."""
    rounded = round(value, 2)
    return typeset(rounded, "+.2f") if rounded else "0.00"


def _of(row: dict[str, Any]) -> str:
    low, high = row["ci"]
    return tr("{value:.2f} ({low:.2f} to {high:.2f})", value=row["value"], low=low, high=high)


def _share(row: dict[str, Any]) -> str:
    if row["share"] is None:
        return NOTHING
    n, of = _count(row["n"]), _count(row["of"])
    low, high = row["ci"]
    return tr("{n} of {of}, {p:.0f} % ({low:.0f} to {high:.0f})",
              n=n, of=of, p=100 * row["share"], low=100 * low, high=100 * high)  # fmt: skip


def _guard(data: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    guard, held = data["guard"], data["interval"]
    yield tr("Risks withheld"), _share(guard["withheld"])
    yield tr("Unlike the training data at the reader’s own click"), _share(guard["unlike_training"])
    yield (
        tr("Clicks {mm:.0f} mm off that are withheld", mm=guard["clicks_off"]["mm"]),
        _share(guard["clicks_off"]["caught"]),
    )
    yield tr("Other clicks of a reader that the interval holds"), _share(held["holds_other_clicks"])
    yield tr("Mean width of the interval"), number(held["mean_width"])


def _group(row: dict[str, Any]) -> tuple[str, ...]:
    names = {
        "kernel": tr("Kernel"), "increment_mm": tr("Increment, mm"), "grade": tr("Grade"), "sex": tr("Sex"), "male": tr("Male"),
        "manufacturer": tr("Manufacturer"), "site": tr("Site"), "race": tr("Race"), "age": tr("Age"),
    }  # fmt: skip
    best = row.get("hyrisknet") or row["risknet"]
    auc = NOTHING if best["auc"] is None else tr("{auc} ({ci})", auc=number(best["auc"]), ci=interval(best["ci"]))
    label = tr("{kind}: {group}", kind=names.get(row["by"], str(row["by"])), group=str(row["group"])[:60])
    return (
        label,
        str(_count(row["n"])),
        str(_count(row["non_survivors"])),
        number(row["mean_risk"]),
        number(row["observed"]),
        auc,
    )


def _recalibration(found: dict[str, Any]) -> str:
    if refused := found.get("refused"):
        return str(refused)
    parts = [
        tr("{head}: log odds × {slope:.2f} {intercept}", head=_HEADS[key], slope=row["slope"], intercept=_signed(row["intercept"]))
        for key, row in found["heads"].items()
    ]  # fmt: skip
    return tr(
        "Recalibrated on {n} cases that are not withheld: {parts}. Its figures are cross-validated in {k} folds; the AUC stays.",
        n=_count(found["n"]), parts="; ".join(parts), k=_count(found["folds"]),
    )  # fmt: skip


def _signed(value: float) -> str:
    return f"{'−' if value < 0 else '+'} {decimal(abs(value), '.2f')}"


def _roc(data: dict[str, Any]) -> Iterator[Curve]:
    for key in _CURVES:
        if key in data["roc"]:
            points, auc = data["roc"][key], data["discrimination"][key]["auc"]
            yield Curve(key, f"{_HEADS.get(key) or score_name(key)} {number(auc)}", *_xy(points["fpr"], points["tpr"]))


def _curves(data: dict[str, Any]) -> Iterator[Curve]:
    for key, row in data["calibration"].items():
        yield Curve(key, _HEADS[key], *_points(row))
    heads = data["recalibration"].get("heads") or {}
    for key, row in list(heads.items())[:1]:
        # White, as a second model is in the comparison of a training.
        yield Curve("installed", tr("{head}, recalibrated", head=_HEADS[key]), *_points(row["after"]))


def _points(row: dict[str, Any]) -> tuple[Any, Any]:
    return _xy([p["mean_risk"] for p in row["curve"]], [p["observed"] for p in row["curve"]])


def _xy(x: object, y: object) -> tuple[Any, Any]:
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if a.ndim != 1 or a.shape != b.shape or not all(((v >= 0) & (v <= 1)).all() for v in (a, b)):
        raise ValueError("a curve is two lists of the same length, of shares")
    return a, b
