"""The page of a study, and its section of the model card."""

from __future__ import annotations

from html import escape
from typing import Any

from hyrisk_desktop.i18n import decimal, for_machines, language_tag, tr
from hyrisk_desktop.risk.factors import factor_words
from model_training.report import STYLE, Cell, table
from model_training.report import section as page_section

HEADING = "## What it sees"


def page(results: dict[str, Any]) -> str:
    """The study as one file of HTML."""
    title = tr("What {model} sees", model=results["model"]["name"])
    banner = tr("Synthetic data: every number here comes from phantoms, not from patients.")
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p class='note'>{escape(tr('Research use only. Not for diagnosis or treatment.'))}</p>",
        f"<p class='synthetic'>{escape(banner)}</p>",
        f"<p>{escape(_how(results))}</p>",
        page_section(tr("Known factors"), _table(results, "factors"), True),
        page_section(tr("What should not be read: the scanner"), _table(results, "shortcuts"), True),
        f"<p>{escape(_together(results))}</p>",
    ]
    head = f"<meta charset='utf-8'><title>{escape(title)}</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang='{language_tag()}'><head>{head}</head><body>{''.join(body)}</body></html>\n"


def _how(results: dict[str, Any]) -> str:
    return tr(
        "Probes: ridge regressions from the network's features to factors of {n} phantoms, R² cross-validated. Share: how much of the variance "
        "of the image's log odds the factor itself explains alone, and beyond all others. Changed alone: the same {pairs} phantoms, "
        "scanned twice with this factor alone changed (from one standard deviation below to one above the mean; calcium mass from Agatston 50 to 800 "
        "at equal lesions); by how much the calibrated log odds move, and by how much the true ones.",
        n=results["n"], pairs=results["pairs"],
    )  # fmt: skip


def _table(results: dict[str, Any], part: str) -> str:
    header = [
        tr("Factor"),
        tr("R²"),
        tr("Share alone"),
        tr("Share beyond the others"),
        tr("Changed alone"),
        tr("Truth"),
    ]
    rows: list[list[Cell]] = [
        [factor_words(row["factor"]), decimal(row['r2'], ".2f"), decimal(row['share']['hyrisknet']['alone'], ".2f"),
         decimal(row['share']['hyrisknet']['unique'], ".2f"),
         tr("{moved:+.2f} ± {sd:.2f}", moved=row["intervention"]["log_odds"], sd=row["intervention"]["sd"]), decimal(row['truth'], "+.2f")]
        for row in results[part]
    ]  # fmt: skip
    return table(header, rows)


def _together(results: dict[str, Any]) -> str:
    return tr("All of these together explain {share:.0f} % of the image's log odds.", share=100 * results["together"]["hyrisknet"])  # fmt: skip


@for_machines()
def section(results: dict[str, Any]) -> str:
    """The study in a model card, which is English."""
    rows = "\n".join(
        f"| {factor_words(row['factor'])} | {row['r2']:.2f} | {row['share']['hyrisknet']['alone']:.2f} "
        f"| {row['share']['hyrisknet']['unique']:.2f} | {row['intervention']['log_odds']:+.2f} | {row['truth']:+.2f} |"
        for row in (*results["factors"], *results["shortcuts"])
    )
    return f"""{HEADING}
SYNTHETIC: {results["n"]} phantoms, and {results["pairs"]} of which one factor after another was changed (seeds {results["seeds"][0]} to
{results["seeds"][1]}). R2: how well the network's features tell of a factor, cross-validated. Share: of the variance of the image's log odds that it
explains alone, and beyond the others. Moved: change of the calibrated log odds when it alone is changed, beside the true change.

| factor | R2 | alone | unique | moved | truth |
|---|---|---|---|---|---|
{rows}

Together they explain {100 * results["together"]["hyrisknet"]:.0f} % of the image's log odds.
"""
