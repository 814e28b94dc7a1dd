"""Fig. 2 and Fig. 3 of the paper, drawn from ``reproduction.json`` alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from hyrisk_desktop.i18n import decimal, tr
from model_training.figures import COLOURS, STYLES, SYNTHETIC, lettering

FIGURES = ("fig2.png", "fig3.png")
_EMPHASIS = ("hyrisknet",)


def method_name(key: str, depth: str) -> str:
    """What a curve of Fig. 3 is called; ``depth`` is that of the networks."""
    return {
        "agatston": tr("Region Agatston"),
        "category": tr("Agatston category"),
        "volume": tr("Volume score"),
        "sqrt_volume": tr("√ volume"),
        "grade": tr("Grade 0-3"),
        "risknet": f"RiskNet-{depth}",
        "hyrisknet": tr("HyRiskNet-{depth} (with the grade)", depth=depth),
    }[key]


def curve_names(results: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What the curves of "fig2" and "fig3" are called, by their keys."""
    depth = results["details"]["network"].partition("-")[2]
    return {
        "fig2": {
            "grade": tr("HyRiskNet-{depth} with the grade", depth=depth),
            "agatston": tr("HyRiskNet-{depth} with Agatston", depth=depth),
        },
        "fig3": {key: method_name(key, depth) for key in results["details"]["fig3"]},
    }


@lettering()
def write_figures(folder: Path, results: dict[str, Any]) -> None:
    """``fig2.png`` and ``fig3.png`` in ``folder``."""
    names = curve_names(results)
    titles = {
        "fig2": tr("Fig. 2: the grade or Agatston as score, n = {n}", n=results["n"]),
        "fig3": tr("Fig. 3: scores and networks, n = {n}", n=results["n"]),
    }
    for name, title in titles.items():
        _draw(folder / f"{name}.png", results["details"][name], names[name], title, results["synthetic"])


def _draw(path: Path, rows: dict[str, Any], names: dict[str, str], title: str, synthetic: bool) -> None:
    """Mean ROC curves; the legend lies below them and covers none.

    Args:
        path: the picture. rows: by method. names: of the curves. title: of the figure. synthetic: say so.
    """
    figure = Figure(figsize=(6.4, 7.0), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle=":")
    for index, (key, row) in enumerate(rows.items()):
        mean = "–" if row["mean"] is None else decimal(row["mean"], ".2f")
        spread = "" if row["sd"] is None else f" ± {decimal(row['sd'], '.2f')}"
        label = tr(
            "{name}: {mean}{spread} (paper {paper:.2f})",
            name=names[key], mean=mean, spread=spread, paper=row["paper_auc"],
        )  # fmt: skip
        curve = row["curve"]
        axes.plot(
            curve["fpr"], curve["tpr"],
            color=COLOURS[index % len(COLOURS)], linestyle=STYLES[index % len(STYLES)], label=label,
            linewidth=2.4 if key in _EMPHASIS else 1.6, zorder=3 if key in _EMPHASIS else 2,
        )  # fmt: skip
    axes.set(
        xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=tr("1 − specificity"), ylabel=tr("Sensitivity"), title=title
    )
    axes.set_aspect("equal")
    heading = tr("Mean AUC of the folds ± SD, synthetic") if synthetic else tr("Mean AUC of the folds ± SD")
    # Long enough to tell dashes from dots.
    figure.legend(loc="outside lower center", fontsize=9, title=heading, title_fontsize=9, handlelength=4.0)
    if synthetic:
        figure.suptitle(tr("SYNTHETIC DATA: phantoms, no patients"), color=SYNTHETIC, fontsize=11, weight="bold")
    figure.savefig(path, dpi=110)
