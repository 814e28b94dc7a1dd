"""The figures that a reviewer asks for, by matplotlib; the paper's own are `reproduction`'s; synthetic results say so in every one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import font_manager

matplotlib.use("Agg")
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hyrisk_desktop.i18n import tr
from hyrisk_desktop.wide_font import is_wide, legible, wide_font

SYNTHETIC = "#b3261e"
COLOURS = ("#0b5fa5", "#d1661c", "#2e7d32", "#7b3fa0", "#8a6d00", "#00838f", "#a03050", "#555555", "#1a1a1a", "#6b8e23")
STYLES: tuple[str | tuple[float, tuple[float, ...]], ...] = (
    "-", "--", "-.", ":", (0, (6, 1)), (0, (1, 3)), (0, (8, 2, 1, 2, 1, 2)), (0, (3, 3)), (0, (10, 3)), (0, (5, 1, 1, 1)),
)  # fmt: skip
"""Ten colours and ten lines: five networks with and without the score."""


@contextmanager
def lettering() -> Iterator[None]:
    """Around the drawing of figures: in the reader's language, where some font here has its signs."""
    font = wide_font() if is_wide(tr("Sensitivity")) else None
    if font is not None:
        font_manager.fontManager.addfont(font)
        matplotlib.rcParams["font.family"] = ["DejaVu Sans", font_manager.FontProperties(fname=font).get_name()]
    with legible():
        yield


def depth_of(results: dict[str, Any]) -> str:
    """``"-34"``: the network that figures of a single one are of."""
    return "-" + str(results["networks"][0]["network"]).partition("-")[2]


def name_of(key: str, score: str = "grade", depth: str = "") -> str:
    """What a row or a curve is called; ``depth`` ("-34") is that of its network."""
    what = tr("grade") if score == "grade" else tr("Agatston")
    return {
        "hyrisknet": tr("HyRiskNet{depth} (image + {score})", depth=depth, score=what),
        "risknet": tr("RiskNet{depth} (image)", depth=depth),
        "grade": tr("Grade 0-3"),
        "agatston": tr("Region Agatston"),
        "agatston_column": tr("Agatston of the table, as it was fed"),
        "category": tr("Agatston category"),
        "volume": tr("Volume score"),
        "sqrt_volume": tr("√ volume"),
        "grade_agatston": tr("Grade + Agatston (logistic)"),
    }.get(key, key)


@lettering()
def write_figures(folder: Path, results: dict[str, Any]) -> dict[str, Path]:
    """Every figure as PNG and PDF in ``folder``; returns the PNGs by name."""
    folder.mkdir(parents=True, exist_ok=True)
    drawings: dict[str, Callable[[Axes, dict[str, Any]], None]] = {
        "roc-scores": _roc_scores,
        "roc-networks": _roc_networks,
        "calibration": _calibration,
        "decision-curve": _decision_curve,
        "folds": _folds,
    }
    written = {}
    for name, draw in drawings.items():
        figure = Figure(figsize=(6.4, 7.0), layout="constrained")
        axes = figure.add_subplot()
        draw(axes, results)
        # Below the axes, where it covers no curve.
        figure.legend(loc="outside lower center", fontsize=8)
        if results["synthetic"]:
            figure.suptitle(tr("SYNTHETIC DATA: phantoms, no patients"), color=SYNTHETIC, fontsize=11, weight="bold")
        for suffix in (".png", ".pdf"):
            figure.savefig(
                folder / (name + suffix), dpi=150, metadata={"Creator": "HyRisk Desktop"} if suffix == ".pdf" else None
            )
        written[name] = folder / (name + ".png")
    return written


def diagonal(axes: Axes, x: str, y: str, title: str) -> None:
    """A square from 0 to 1 with its diagonal, named on both ``axes``.

    Args:
        axes: to draw on. x, y, title: their names and the title.
    """
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle=":")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=x, ylabel=y, title=title)
    axes.set_aspect("equal")


def _roc_axes(axes: Axes, title: str) -> None:
    diagonal(axes, tr("1 − specificity"), tr("Sensitivity"), title)


def _curves(axes: Axes, curves: Sequence[tuple[str, dict[str, Any], float | None]]) -> None:
    for index, (label, curve, value) in enumerate(curves):
        text = label if value is None else tr("{label}, AUC {auc:.3f}", label=label, auc=value)
        style = STYLES[index % len(STYLES)]
        axes.plot(curve["fpr"], curve["tpr"], color=COLOURS[index % len(COLOURS)], linestyle=style, label=text)


def _roc_scores(axes: Axes, results: dict[str, Any]) -> None:
    """The first network against the scores."""
    _roc_axes(axes, tr("ROC: networks and scores, {k} folds, n = {n}", k=results["protocol"]["folds"], n=results["n"]))
    rows = {
        "hyrisknet": results["pooled"]["hyrisknet"],
        "risknet": results["pooled"]["risknet"],
        **results["baselines"],
    }
    score = results["settings"]["score"]
    _curves(
        axes, [(name_of(key, score, depth_of(results)), results["roc"][key], row["auc"]) for key, row in rows.items()]
    )


def _roc_networks(axes: Axes, results: dict[str, Any]) -> None:
    """With and without the score, by network."""
    _roc_axes(axes, tr("ROC: with and without the score, n = {n}", n=results["n"]))
    _curves(
        axes,
        [
            (f"{'HyRiskNet' if head == 'hyrisknet' else 'RiskNet'}-{network['network'].partition('-')[2]}",
             network["roc"][head], network[head]["auc"])
            for network in results["networks"]
            for head in ("hyrisknet", "risknet")
        ],
    )  # fmt: skip


def _calibration(axes: Axes, results: dict[str, Any]) -> None:
    title = tr("Calibration of the cross-fitted risk")
    diagonal(axes, tr("Mean predicted risk"), tr("Observed share of non-survivors"), title)
    for index, (head, found) in enumerate(results["calibration"].items()):
        points = found["curve"]
        label = tr(
            "{name}, Brier {brier:.3f}",
            name=name_of(head, results["settings"]["score"], depth_of(results)),
            brier=found["brier"],
        )
        x, y = [p["mean_risk"] for p in points], [p["observed"] for p in points]
        axes.plot(x, y, "o-", color=COLOURS[index], label=label)


def _decision_curve(axes: Axes, results: dict[str, Any]) -> None:
    rows = results["decision_curve"]
    x = [row["threshold"] for row in rows]
    axes.plot(x, [row["treat_all"] for row in rows], color="#555555", linestyle=":", label=tr("Treat all"))
    # The networks look as in the other figures.
    for index, key in enumerate(("hyrisknet", "risknet")):
        label = name_of(key, results["settings"]["score"], depth_of(results))
        axes.plot(x, [row[key] for row in rows], color=COLOURS[index], linestyle=STYLES[index], label=label)
    axes.axhline(0.0, color="#555555", linewidth=0.8)
    best = max(max(row[key] for key in row if key != "threshold") for row in rows)
    axes.set(
        xlabel=tr("Risk threshold"), ylabel=tr("Net benefit"), title=tr("Decision curve"), ylim=(-0.1, best + 0.05)
    )


def _folds(axes: Axes, results: dict[str, Any]) -> None:
    """Every fold's AUC, those below 0.5 as they are."""
    network = results["networks"][0]["network"]
    rows = [row for row in results["folds"] if row["network"] == network]
    for index, head in enumerate(("hyrisknet", "risknet")):
        pairs = [(row["fold"], row[f"{head}_auc"]) for row in rows if row[f"{head}_auc"] is not None]
        axes.plot([f for f, _ in pairs], [v for _, v in pairs], "o" if index == 0 else "s", color=COLOURS[index],
                  label=name_of(head, results["settings"]["score"], depth_of(results)))  # fmt: skip
        if (mean := results["pooled"][head]["fold_mean"]) is not None:
            axes.axhline(mean, color=COLOURS[index], linestyle=STYLES[index], linewidth=0.9)
    axes.axhline(0.5, color="#999999", linewidth=0.8, linestyle=":")
    axes.set(ylim=(0, 1), xlabel=tr("Fold"), ylabel=tr("AUC"), title=tr("AUC by fold; lines are means"))
    axes.set_xticks([row["fold"] for row in rows])
