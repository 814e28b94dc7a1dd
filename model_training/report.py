"""The report of a run: figures, a self-contained HTML page, and a table of predictions by row."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from hyrisk_desktop.files import replace_file
from hyrisk_desktop.i18n import decimal, language_tag, tr
from model_training.dataset import CohortData
from model_training.evaluation import Predictions
from model_training.figures import depth_of, name_of, write_figures
from model_training.paper import PAPER_FIG2, PAPER_FIG3, PAPER_TABLE1

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #d0d7de}
table{border-collapse:collapse;margin:.8rem 0}th,td{padding:.25rem .7rem;border-bottom:1px solid #e2e6ea;text-align:right}
th:first-child,td:first-child{text-align:left}caption{caption-side:top;text-align:left;font-weight:600;padding:.3rem 0}
.synthetic{background:#fdecea;color:#8c1d18;border:1px solid #e0a19c;padding:.5rem .9rem;font-weight:600}
.note{color:#57606a}.words td{text-align:left;vertical-align:top}
figure{display:inline-block;margin:.6rem;vertical-align:top}img{max-width:29rem;width:100%}
"""

Cell = str | float | int | None


def write_report(run: Path, results: dict[str, Any], data: CohortData, predictions: Sequence[Predictions]) -> None:
    """Write ``figures/``, ``report.html`` and ``predictions.csv`` into ``run``.

    Args:
        results: of the run. data: the cohort.
    """
    pictures = write_figures(run / "figures", results)
    replace_file(run / "report.html", _page(results, pictures).encode())
    replace_file(run / "predictions.csv", _predictions(data, results, predictions).encode())


def _predictions(data: CohortData, results: dict[str, Any], predictions: Sequence[Predictions]) -> str:
    """Rows by their place in the cohort: no patient is named."""
    heads = ("risknet", "hyrisknet")
    names = [f"{p.network}_{head}_log_odds" for p in predictions for head in heads]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["case", "outcome", "synthetic", *names])
    for i in range(len(data)):
        values = [f"{getattr(p, head)[i]:.6f}" for p in predictions for head in heads]
        writer.writerow([i + 1, int(data.outcome[i]), int(results["synthetic"]), *values])
    return text.getvalue()


def _page(results: dict[str, Any], pictures: dict[str, Path]) -> str:
    synthetic = results["synthetic"]
    title = tr("HyRisk training report")
    banner = tr("Synthetic data: every number and figure here comes from phantoms, not from patients.")
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p class='note'>{escape(tr('Research use only. Not for diagnosis or treatment.'))}</p>",
        f"<p class='synthetic'>{escape(banner)}</p>" if synthetic else "",
        *(
            f"<p class='synthetic'>{escape(text)}</p>"
            for text in (results.get("warning"), *results.get("cautions", ()))
            if text
        ),
        f"<p>{escape(_summary(results))}</p>",
        f"<p class='note'>{escape(_whose(results))}</p>" if len(results["networks"]) > 1 else "",
        section(tr("Results"), _table_one(results), synthetic),
        section(tr("Paired differences (DeLong)"), _differences(results), synthetic),
        section(tr("Figures"), pictures_in(pictures, synthetic=synthetic), synthetic),
        section(tr("Sensitivity at fixed specificity"), _sensitivity(results), synthetic),
        section(tr("Subgroups"), _subgroups(results), synthetic),
        section(tr("Folds"), _folds(results), synthetic),
        section(tr("Comparison with the installed model"), _comparison(results), synthetic),
        section(tr("Self-tests and protocol"), _protocol(results), synthetic),
        section(tr("Where this training left the paper"), _deviations(results), synthetic),
    ]
    head = f"<meta charset='utf-8'><title>{escape(title)}</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang='{language_tag()}'><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def section(title: str, body: str, synthetic: bool) -> str:
    """A heading and what stands below it, "" without a ``body``; whether it is ``synthetic`` stands beside the heading."""
    if not body:
        return ""
    mark = f" <small class='note'>({escape(tr('synthetic data'))})</small>" if synthetic else ""
    return f"<h2>{escape(title)}{mark}</h2>{body}"


def _summary(results: dict[str, Any]) -> str:
    settings = results["settings"]
    return tr(
        "{n} exams of {patients} patients, {deaths} non-survivors; {k} folds; {networks}; strategy {strategy}; score input: "
        "{score}; {epochs:g} epochs a stage at {size} px.",
        n=results["n"],
        patients=results["patients"],
        deaths=results["non_survivors"],
        k=results["protocol"]["folds"],
        networks=", ".join(network["network"] for network in results["networks"]),
        strategy=settings["strategy"],
        score=settings["score"],
        epochs=settings["epochs"],
        size=settings["size"],
    )


def _whose(results: dict[str, Any]) -> str:
    """Which network the parts are of that are of one alone."""
    return tr(
        "Differences, calibration, decision curve, sensitivity, subgroups, comparison and shuffled outcomes are of {network}; "
        "each network has its bundle: {bundles}.",
        network=results["networks"][0]["network"],
        bundles=", ".join(bundle["path"] for bundle in results.get("bundles", ())),
    )


def table(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table of HTML; texts are escaped, numbers get three digits."""
    head = "".join(f"<th>{escape(text)}</th>" for text in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(_text(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(cell: Cell) -> str:
    if cell is None:
        return "–"
    return decimal(cell, ".3f") if isinstance(cell, float) else str(cell)


def _of_the_paper(head: str, depth: str) -> float | None:
    """The paper's mean AUC; None for a depth that it does not have."""
    return next((mean for known, (mean, _) in PAPER_TABLE1[head].items() if str(known) == depth), None)


def _table_one(results: dict[str, Any]) -> str:
    """The paper's Table 1: every method, its AUC over the folds, and the paper's own figure."""
    score = results["settings"]["score"]
    rows: list[list[Cell]] = []
    methods = [(name_of(key), row, PAPER_FIG3.get(key)) for key, row in results["baselines"].items()]
    for network in results["networks"]:
        # A results file can have been written by anybody: what is no depth of the paper's stays text.
        depth = str(network["network"]).partition("-")[2]
        of_stage_one = _of_the_paper("risknet", depth)
        of_stage_two = _of_the_paper("hyrisknet", depth)
        if score != "grade":
            # The paper gives Agatston as the score for one network.
            of_stage_two = PAPER_FIG2.get(score) if depth == "34" else None
        what = tr("grade") if score == "grade" else tr("Agatston")
        if "stage_one" in network:
            methods.append((tr("RiskNet-{depth}, stage one", depth=depth), network["stage_one"], of_stage_one))
        methods.append((tr("RiskNet-{depth}, after stage two", depth=depth), network["risknet"], None))
        methods.append((f"HyRiskNet-{depth} ({what})", network["hyrisknet"], of_stage_two))
    for label, row, paper in methods:
        low, high = row["ci"]
        spread = tr("{mean} ± {sd}", mean=_text(row["fold_mean"]), sd=_text(row["fold_sd"]))
        interval = tr("{low:.3f} to {high:.3f}", low=low, high=high)
        rows.append(
            [
                label,
                row["auc"],
                interval,
                spread,
                row.get("expected_auc"),
                None if paper is None else decimal(paper, ".2f"),
            ]
        )
    header = [tr("Method"), tr("AUC, pooled"), tr("95 % CI"), tr("Mean ± SD of folds"), tr("Expected AUC"), tr("Paper")]
    if "expected_auc" not in methods[0][1]:
        header.pop(4)
        rows = [[*row[:4], row[5]] for row in rows]
    note = tr("Paper: Yan et al. 2018, 180 NLST participants, rounded; another cohort, so no target for this one.")
    return table(header, rows) + f"<p class='note'>{escape(note)}</p>"


def _differences(results: dict[str, Any]) -> str:
    score, depth = results["settings"]["score"], depth_of(results)
    rows = [
        [f"{name_of(d['a'], score, depth)} − {name_of(d['b'], score, depth)}", d["difference"],
         "–" if d["ci"][0] is None else tr("{low:.3f} to {high:.3f}", low=d["ci"][0], high=d["ci"][1]),
         None if d["p"] is None else decimal(d["p"], ".2g")]
        for d in results["differences"]
    ]  # fmt: skip
    return table([tr("AUC difference"), tr("Value"), tr("95 % CI"), "p"], rows)


def pictures_in(pictures: dict[str, Path], *, synthetic: bool) -> str:
    """PNGs by name, as parts of the page itself."""
    parts = []
    for name, path in pictures.items():
        content = base64.b64encode(path.read_bytes()).decode()
        alt = escape(name + (tr(" (synthetic data)") if synthetic else ""), quote=True)
        parts.append(f"<figure><img alt='{alt}' src='data:image/png;base64,{content}'></figure>")
    return "".join(parts)


def _sensitivity(results: dict[str, Any]) -> str:
    rows = results["sensitivity_at_specificity"]
    keys = [key for key in rows[0] if key != "specificity"]
    score = results["settings"]["score"]
    body: list[list[Cell]] = [[name_of(key, score, depth_of(results)), *(row[key] for row in rows)] for key in keys]
    return table([tr("Method"), *(tr("at {s:.0f} %", s=100 * row["specificity"]) for row in rows)], body)


def _subgroups(results: dict[str, Any]) -> str:
    names = {"kernel": tr("Kernel"), "increment_mm": tr("Increment, mm"), "grade": tr("Grade")}
    rows = results["subgroups"]
    keys = [key for key in ("hyrisknet", "risknet", "grade", "agatston") if key in rows[0]]
    header = [
        tr("Group"),
        tr("Cases"),
        tr("Non-survivors"),
        *(name_of(key, results["settings"]["score"], depth_of(results)) for key in keys),
    ]
    body: list[list[Cell]] = [
        [f"{names[row['by']]}: {group_words(row)}", row["n"], row["non_survivors"], *(row[key] for key in keys)]
        for row in rows
    ]
    note = tr("No AUC where a group has fewer than ten of either outcome.")
    return table(header, body) + f"<p class='note'>{escape(note)}</p>"


def group_words(row: dict[str, Any]) -> str:
    """What a subgroup's cases share: an increment in mm as people write it, anything else as it is."""
    group = str(row["group"])
    if row["by"] != "increment_mm":
        return group
    try:
        return decimal(float(group), "g")
    except ValueError:  # nothing in a file of results is sure to be a number
        return group


def _folds(results: dict[str, Any]) -> str:
    header = [
        tr("Network"),
        tr("Fold"),
        tr("Cases"),
        tr("Non-survivors"),
        "HyRiskNet",
        "RiskNet",
        tr("RiskNet, stage one"),
    ]
    body: list[list[Cell]] = [
        [
            row["network"],
            row["fold"],
            row["n"],
            row["non_survivors"],
            row["hyrisknet_auc"],
            row["risknet_auc"],
            row["stage_one_auc"],
        ]
        for row in results["folds"]
    ]
    return table(header, body)


def _comparison(results: dict[str, Any]) -> str:
    found = results.get("comparison")
    if not found:
        return ""
    warning = f"<p class='synthetic'>{escape(found['warning'])}</p>" if found.get("warning") else ""
    if "installed" not in found:
        return warning
    header = [tr("On these cases"), "HyRiskNet", "RiskNet"]
    body: list[list[Cell]] = [
        [found["model"], found["installed"]["hyrisknet_auc"], found["installed"]["risknet_auc"]],
        [tr("New network (out of fold)"), found["new"]["hyrisknet_auc"], found["new"]["risknet_auc"]],
        [tr("Difference, p (DeLong)"), found["difference"], "–" if found["p"] is None else decimal(found["p"], ".2g")],
    ]
    return warning + table(header, body)


def _deviations(results: dict[str, Any]) -> str:
    # Results of earlier versions say nothing of it.
    return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in results.get("deviations", ())) + "</ul>"


def _protocol(results: dict[str, Any]) -> str:
    band = results["permutation"]
    rows: list[list[Cell]] = [
        [tr("AUC after training on shuffled outcomes (must be near 0.5)"), results["permutation_auc"]],
        [tr("SD of that by chance alone"), None if band is None else band["chance_sd"]],
        [tr("Patients on both sides of a fold (must be 0)"), results["patient_overlap"]],
    ]
    settled = {
        **results["protocol"],
        # Its name alone: a report travels, and a path may say whose machine it was made on.
        "starting_weights": Path(results["settings"]["init"]).name or tr("random"),
        **{key: results["settings"][key] for key in ("strategy", "batch", "size", "epochs", "patience")},
    }
    rows += [
        [key.replace("_", " "), value if isinstance(value, (int, str)) else str(value)]
        for key, value in settled.items()
    ]
    return table([tr("What"), tr("Value")], rows)
