"""``table1.html``, and the page in Markdown that reads a reproduction honestly."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.files import replace_file
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.training_run import RESULT_BYTES, read_json
from model_training.reproduction.figures import FIGURES, method_name
from model_training.reproduction.results import differs

RESULTS, TABLE, PAGE = "reproduction.json", "table1.html", "README.md"


def _figure(mean: float | None, sd: float | None) -> str:
    if mean is None:
        return "–"
    return f"{mean:.2f}" if sd is None else f"{mean:.2f} ± {sd:.2f}"


def rows_of(results: dict[str, Any]) -> list[list[str]]:
    """Table 1 as texts, its header first."""
    head = [tr("Depth"), tr("RiskNet, stage one"), tr("in the paper"), "HyRiskNet", tr("in the paper"),
            tr("HyRiskNet − RiskNet, pooled (95 % CI)")]  # fmt: skip
    rows = [head]
    for row in results["table1"]:
        cells = [row["network"].partition("-")[2]]
        for part in (row["risknet"], row["hyrisknet"]):
            cells += [_figure(part["mean"], part["sd"]), _figure(part["paper_mean"], part["paper_sd"])]
        gain = row["difference"]
        low, high = gain["ci"]
        interval = "" if low is None else tr(" ({low:+.2f} to {high:+.2f})", low=low, high=high)
        rows.append([*cells, f"{gain['difference']:+.2f}{interval}"])
    return rows


def write_table(folder: Path, results: dict[str, Any]) -> None:
    """``table1.html`` in ``folder``: whole, without a script or a file beside it."""
    head, *rows = rows_of(results)
    title = tr("Table 1: mean ± SD of the AUC over {k} folds", k=results["settings"]["folds"])
    mark = f"<p><strong>{escape(_mark(results))}</strong></p>" if results["synthetic"] else ""
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    page = (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{escape(title)}</title>"
        "<style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem}td,th{padding:.3rem .8rem;text-align:right}</style>"
        f"</head><body><h1>{escape(title)}</h1>{mark}<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"
        f"<p>{escape(tr('Research use only. Not for diagnosis or treatment.'))}</p></body></html>\n"
    )
    replace_file(folder / TABLE, page.encode())


def _mark(results: dict[str, Any]) -> str:
    if not results["synthetic"]:
        return tr("Measured on a real cohort.")
    return tr("SYNTHETIC: every number that is not the paper's comes from phantoms, not from patients.")


def write_page(run: Path, out: Path) -> Path:
    """Copy table, figures and results of the reproduction in ``run`` to ``out``, with a page; returns the page.

    Raises:
        InputError: ``run`` holds no finished reproduction.
    """
    results = read_json(run / RESULTS, RESULT_BYTES)
    if not results:
        raise InputError("no_reproduction", tr("There is no finished reproduction in “{name}”.", name=run.name))
    out.mkdir(parents=True, exist_ok=True)
    for name in (*FIGURES, TABLE):
        replace_file(out / name, (run / name).read_bytes())
    replace_file(out / RESULTS, (json.dumps(results, indent=1) + "\n").encode())
    replace_file(out / PAGE, _markdown(results).encode())
    return out / PAGE


def _markdown(results: dict[str, Any]) -> str:
    parts = [
        "# " + tr("The paper, reproduced"),
        f"**{_mark(results)}** " + tr("Research use only."),
        _cohort(results),
        "## " + tr("Table 1: RiskNet and HyRiskNet"),
        _table(rows_of(results)),
        differs(results),
        "## " + tr("Fig. 2: the grade or Agatston"),
        f"![{_alt(results, tr('ROC of HyRiskNet with the grade and with Agatston'))}](fig2.png)",
        _table(_curve_rows(results, "fig2")),
        "## " + tr("Fig. 3: scores and networks"),
        f"![{_alt(results, tr('ROC of the scores, RiskNet and HyRiskNet'))}](fig3.png)",
        _table(_curve_rows(results, "fig3")),
        "## " + tr("Strategies"),
        _strategies(results),
        "## " + tr("How to read this"),
        _reading(results),
        "## " + tr("Settings"),
        _table([[tr("What"), tr("Value")], *([key, str(v)] for key, v in results["settings"].items() if v != "")]),
    ]
    return "\n\n".join(parts) + "\n"


def _alt(results: dict[str, Any], text: str) -> str:
    return text + (tr(" (synthetic data)") if results["synthetic"] else "")


def _cohort(results: dict[str, Any]) -> str:
    return tr(
        "{n} exams of {patients} {who}, {deaths} non-survivors; {k} folds, stratified by outcome, grouped by patient; weights "
        "chosen on an inner split. AUC: mean ± SD over folds.",
        n=results["n"], patients=results["patients"], deaths=results["non_survivors"], k=results["settings"]["folds"],
        who=tr("phantoms (synthetic)") if results["synthetic"] else tr("patients"),
    )  # fmt: skip


def _table(rows: list[list[str]]) -> str:
    head, *body = rows
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in body)])


def _curve_rows(results: dict[str, Any], figure: str) -> list[list[str]]:
    depth = results["details"]["network"].partition("-")[2]
    here = tr("AUC, synthetic") if results["synthetic"] else tr("AUC")
    rows = [[tr("Method"), here, tr("pooled (95 % CI)"), tr("in the paper")]]
    for key, row in results["details"][figure].items():
        name = method_name(key, depth)
        if figure == "fig2":
            name = tr("HyRiskNet-{depth} with {score}", depth=depth, score=key)
        low, high = row["ci"]
        pooled = "–" if row["pooled"] is None else f"{row['pooled']:.2f} ({low:.2f}–{high:.2f})"
        rows.append([name, _figure(row["mean"], row["sd"]), pooled, f"{row['paper_auc']:.2f}"])
    return rows


def _strategies(results: dict[str, Any]) -> str:
    here = tr("synthetic") if results["synthetic"] else tr("mean ± SD")
    rows = [[tr("Strategy"), f"RiskNet, {here}", f"HyRiskNet, {here}", ""]]
    for row in results["strategies"]:
        pair = [row["risknet"] or {}, row["hyrisknet"] or {}]
        rows.append([row["strategy"], *(_figure(p.get("mean"), p.get("sd")) for p in pair), row["note"]])
    return _table(rows)


def _reading(results: dict[str, Any]) -> str:
    """What a cohort of this size can show, and what not."""
    folds = results["settings"]["folds"]
    main = results["details"]["fig3"]["hyrisknet"]
    low, high = main["ci"]
    deaths = results["non_survivors"]
    parts = [
        tr("- A fold tests about {n} exams with {d} non-survivors: its AUC moves by several hundredths with one exam, and the "
           "SD over folds is mostly that. It is not the uncertainty of the mean.",
           n=round(results["n"] / folds), d=round(deaths / folds)),
        tr("- With {n} exams the pooled AUC of {network} is known to {low:.2f}–{high:.2f} (95 %). Depths whose figures lie "
           "within that of each other are not ranked by this table, here or in the paper.",
           n=results["n"], network=results["details"]["network"], low=low, high=high),
        tr("- Two independent binormal predictors of AUC .70 and .64 give at most {joint:.3f} together: the paper's .75 lies "
           "at the edge of what its own parts allow.", joint=results["details"]["joint"]["paper"]),
    ]  # fmt: skip
    if (limit := results.get("true_risk_auc")) is not None:
        parts.append(
            tr("- The phantoms' true risk has an AUC of {limit:.2f} on these (synthetic) outcomes; no network can do better "
               "but by luck.", limit=limit)
        )  # fmt: skip
    if results["synthetic"]:
        parts.append(
            tr("- Phantoms were made so that calcium and the heart's surroundings carry risk: agreement with the paper's figures "
               "shows that the method runs as described, not that it predicts anybody's death.")
        )  # fmt: skip
    return "\n".join(parts)
