"""``table1.html``, ``report.html`` and the page in Markdown, which read a reproduction honestly: one content, two ways to write it."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.files import replace_file
from hyrisk_desktop.i18n import decimal, language_tag, tr
from hyrisk_desktop.training_run import REPORT, REPRODUCTION_RESULTS, RESULT_BYTES, read_json
from model_training.report import STYLE
from model_training.reproduction.figures import FIGURES, curve_names
from model_training.reproduction.results import differs

TABLE, PAGE = "table1.html", "README.md"
Rows = list[list[str]]


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the page.

    Attributes:
        kind: "title", "heading", "mark" (must be seen), "text", "list", "table" or "picture".
        text: of it, or of a picture in words. rows: of a table (its header first) or a list (one cell each).
        file: of a picture, beside the page.
    """

    kind: str
    text: str = ""
    rows: Sequence[Sequence[str]] = ()
    file: str = ""


def figure(mean: float | None, sd: float | None) -> str:
    """A mean AUC with its SD, as text."""
    if mean is None:
        return "–"
    return decimal(mean, ".2f") if sd is None else f"{decimal(mean, '.2f')} ± {decimal(sd, '.2f')}"


def rows_of(results: dict[str, Any]) -> Rows:
    """Table 1 as texts, its header first."""
    here = tr("synthetic") if results["synthetic"] else tr("this run")
    head = [
        tr("Network"), tr("RiskNet, {here}", here=here), tr("RiskNet, paper"), tr("HyRiskNet, {here}", here=here),
        tr("HyRiskNet, paper"), tr("Difference, {here} (95 % CI)", here=here),
    ]  # fmt: skip
    rows = [head]
    for row in results["table1"]:
        cells = [f"ResNet-{row['network'].partition('-')[2]}"]
        for part in (row["risknet"], row["hyrisknet"]):
            cells += [figure(part["mean"], part["sd"]), figure(part["paper_mean"], part["paper_sd"])]
        gain = row["difference"]
        low, high = gain["ci"]
        interval = "" if low is None else tr(" ({low:+.3f} to {high:+.3f})", low=low, high=high)
        rows.append([*cells, f"{gain['difference']:+.3f}{interval}".replace("-", "−")])
    return rows


def _table_one(results: dict[str, Any]) -> list[Block]:
    note = tr(
        "RiskNet is that of stage one, as in the paper. Paper: Yan et al. 2018, 180 NLST participants; another cohort, so no "
        "target for this one. Difference: HyRiskNet − RiskNet, all folds together (DeLong)."
    )
    return [Block("table", rows=rows_of(results)), Block("text", note)]


def write_table(folder: Path, results: dict[str, Any]) -> None:
    """``table1.html`` in ``folder``: whole, without a script or a file beside it."""
    title = tr("Table 1: mean ± SD of the AUC over {k} folds", k=results["settings"]["folds"])
    replace_file(
        folder / TABLE, _html(folder, [Block("title", title), *_marks(results), *_table_one(results)]).encode()
    )


def write_report(folder: Path, results: dict[str, Any]) -> None:
    """``report.html`` in ``folder``, whole, its figures within it."""
    replace_file(folder / REPORT, _html(folder, _blocks(results)).encode())


def write_page(run: Path, out: Path) -> Path:
    """Copy table, figures and results of the reproduction in ``run`` to ``out``, with a page; returns the page.

    Raises:
        InputError: ``run`` holds no finished reproduction.
    """
    results = read_json(run / REPRODUCTION_RESULTS, RESULT_BYTES)
    if not results:
        raise InputError("no_reproduction", tr("There is no finished reproduction in “{name}”.", name=run.name))
    out.mkdir(parents=True, exist_ok=True)
    for name in FIGURES:
        replace_file(out / name, (run / name).read_bytes())
    write_table(out, results)
    replace_file(out / REPRODUCTION_RESULTS, (json.dumps(results, indent=1) + "\n").encode())
    replace_file(out / PAGE, ("\n\n".join(map(_markdown, _blocks(results))) + "\n").encode())
    return out / PAGE


# --- the content


def _marks(results: dict[str, Any]) -> list[Block]:
    mark = tr("SYNTHETIC: every number that is not the paper's comes from phantoms, not from patients.")
    here = Block("mark", mark) if results["synthetic"] else Block("text", tr("Measured on a real cohort."))
    return [here, Block("text", tr("Research use only. Not for diagnosis or treatment."))]


def _blocks(results: dict[str, Any]) -> list[Block]:
    return [
        Block("title", tr("The paper, reproduced")),
        *_marks(results),
        Block("text", _cohort(results)),
        Block("heading", tr("Table 1: RiskNet and HyRiskNet")),
        *_table_one(results),
        Block("text", differs(results)),
        Block("heading", tr("Fig. 2: the grade or Agatston")),
        Block("picture", _alt(results, tr("ROC of HyRiskNet with the grade and with Agatston")), file="fig2.png"),
        Block("table", rows=_curve_rows(results, "fig2")),
        Block("heading", tr("Fig. 3: scores and networks")),
        Block("picture", _alt(results, tr("ROC of the scores, RiskNet and HyRiskNet")), file="fig3.png"),
        Block("table", rows=_curve_rows(results, "fig3")),
        Block("heading", tr("Strategies")),
        Block("table", rows=_strategies(results)),
        Block("heading", tr("How to read this")),
        Block("list", rows=[[sentence] for sentence in _reading(results)]),
        *_bundles(results),
        Block("heading", tr("Settings")),
        Block("table", rows=_settings(results)),
    ]


def _alt(results: dict[str, Any], text: str) -> str:
    return text + (tr(" (synthetic data)") if results["synthetic"] else "")


def _cohort(results: dict[str, Any]) -> str:
    return tr(
        "{n} exams of {patients} {who}, {deaths} non-survivors; {k} folds, stratified by outcome, grouped by patient; weights "
        "chosen on an inner split. AUC: mean ± SD over folds.",
        n=results["n"], patients=results["patients"], deaths=results["non_survivors"], k=results["settings"]["folds"],
        who=tr("phantoms (synthetic)") if results["synthetic"] else tr("patients"),
    )  # fmt: skip


def _curve_rows(results: dict[str, Any], which: str) -> Rows:
    here = tr("AUC, synthetic") if results["synthetic"] else tr("AUC")
    pooled = tr("pooled, synthetic (95 % CI)") if results["synthetic"] else tr("pooled (95 % CI)")
    rows = [[tr("Method"), here, pooled, tr("AUC, paper")]]
    names = curve_names(results)[which]
    for key, row in results["details"][which].items():
        low, high = row["ci"]
        interval = f"({decimal(low, '.2f')}–{decimal(high, '.2f')})"
        all_folds = "–" if row["pooled"] is None else f"{decimal(row['pooled'], '.2f')} {interval}"
        rows.append([names[key], figure(row["mean"], row["sd"]), all_folds, decimal(row["paper_auc"], ".2f")])
    return rows


def _strategies(results: dict[str, Any]) -> Rows:
    here = tr("synthetic") if results["synthetic"] else tr("mean ± SD")
    names = {"scratch": tr("from scratch"), "finetune": tr("fine-tuned"), "frozen": tr("frozen")}
    rows = [[tr("Strategy"), f"RiskNet, {here}", f"HyRiskNet, {here}", tr("Remark")]]
    for row in results["strategies"]:
        pair = [row["risknet"] or {}, row["hyrisknet"] or {}]
        values = [figure(p.get("mean"), p.get("sd")) for p in pair]
        rows.append([names.get(row["strategy"], row["strategy"]), *values, row["note"]])
    return rows


def _bundles(results: dict[str, Any]) -> list[Block]:
    if not results.get("bundles"):
        return []
    rows = [[tr("Network"), tr("Bundle")], *([bundle["network"], bundle["path"]] for bundle in results["bundles"])]
    return [Block("heading", tr("Bundles")), Block("table", rows=rows)]


def _settings(results: dict[str, Any]) -> Rows:
    settings = results["settings"]
    named = {
        tr("Networks"): ", ".join(f"ResNet-{depth}" for depth in settings["depths"]),
        tr("Folds"): settings["folds"],
        tr("Epochs of each stage"): f"{settings['epochs']:g}",
        tr("Input size, pixels"): settings["size"],
        tr("Batch"): settings["batch"],
        tr("Epochs of patience"): settings["patience"] or tr("none: each fit runs to its end"),
        tr("Seed"): settings["seed"],
        tr("Precision"): "bf16" if settings["bfloat16"] else "fp32",
        tr("Device"): settings["device"],
    }
    return [[tr("What"), tr("Value")], *([key, str(value)] for key, value in named.items())]


def _reading(results: dict[str, Any]) -> list[str]:
    """What a cohort of this size can show, and what not."""
    folds, deaths = results["settings"]["folds"], results["non_survivors"]
    low, high = results["details"]["fig3"]["hyrisknet"]["ci"]
    parts = [
        tr("A fold tests about {n} exams with {d} non-survivors: its AUC moves by several hundredths with one exam, and the "
           "SD over folds is mostly that. It is not the uncertainty of the mean.",
           n=round(results["n"] / folds), d=round(deaths / folds)),
        tr("With {n} exams the pooled AUC of {network} is known to {low:.2f}–{high:.2f} (95 %). Depths whose figures lie "
           "within that of each other are not ranked by this table, here or in the paper.",
           n=results["n"], network=results["details"]["network"], low=low, high=high),
        tr("Two independent binormal predictors of AUC .70 and .64 give at most {joint:.3f} together: the paper's .75 lies "
           "at the edge of what its own parts allow.", joint=results["details"]["joint"]["paper"]),
    ]  # fmt: skip
    if (limit := results.get("true_risk_auc")) is not None:
        parts.append(
            tr("The phantoms' true risk has an AUC of {limit:.2f} on these (synthetic) outcomes; no network can do better "
               "but by luck.", limit=limit)
        )  # fmt: skip
    if results["synthetic"]:
        parts.append(
            tr("Phantoms were made so that calcium and the heart's surroundings carry risk: agreement with the paper's figures "
               "shows that the method runs as described, not that it predicts anybody's death.")
        )  # fmt: skip
    return parts


# --- the two ways to write it


def _markdown(block: Block) -> str:
    if block.kind == "table":
        head, *body = block.rows
        lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in body)])
    if block.kind == "list":
        return "\n".join(f"- {row[0]}" for row in block.rows)
    forms = {"title": "# {text}", "heading": "## {text}", "mark": "**{text}**", "picture": "![{text}]({file})"}
    return forms.get(block.kind, "{text}").format(text=block.text, file=block.file)


def _html(folder: Path, blocks: Sequence[Block]) -> str:
    """A page in one file; pictures are taken from ``folder``."""
    head = f"<meta charset='utf-8'><title>{escape(blocks[0].text)}</title><style>{STYLE}</style>"
    body = "".join(_element(folder, block) for block in blocks)
    return f"<!doctype html><html lang='{language_tag()}'><head>{head}</head><body>{body}</body></html>\n"


def _element(folder: Path, block: Block) -> str:
    if block.kind == "table":
        head, *body = block.rows
        cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
        rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in body)
        return f"<table><thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table>"
    if block.kind == "list":
        return "<ul>" + "".join(f"<li>{escape(row[0])}</li>" for row in block.rows) + "</ul>"
    if block.kind == "picture":
        content = base64.b64encode((folder / block.file).read_bytes()).decode()
        return f"<figure><img alt='{escape(block.text, quote=True)}' src='data:image/png;base64,{content}'></figure>"
    opening = {"title": "h1", "heading": "h2", "mark": "p class='synthetic'"}.get(block.kind, "p")
    return f"<{opening}>{escape(block.text)}</{opening.partition(' ')[0]}>"
