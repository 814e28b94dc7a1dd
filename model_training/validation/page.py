"""``report.html`` of a validation and its figures: a report by the items of TRIPOD+AI."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hyrisk_desktop.files import replace_file
from hyrisk_desktop.i18n import decimal, language_tag, tr
from hyrisk_desktop.standing import words_of
from hyrisk_desktop.training_run import REPORT
from model_training.figures import COLOURS, STYLES, SYNTHETIC, diagonal, lettering, name_of
from model_training.report import STYLE, Cell, group_words, pictures_in, section, table
from model_training.validation.tripod import SITE, items


def write_page(folder: Path, results: dict[str, Any]) -> None:
    """Write the figures and the page of a validation into ``folder``."""
    pictures = _write_figures(folder, results)
    synthetic = results["synthetic"]
    title = tr("HyRisk validation report")
    banner = tr("Synthetic data: every number and figure here comes from phantoms, not from patients.")
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p class='note'>{escape(tr('Research use only. Not for diagnosis or treatment.'))}</p>",
        f"<p class='synthetic'>{escape(banner)}</p>" if synthetic else "",
        *(f"<p class='synthetic'>{escape(text)}</p>" for text in results["cautions"]),
        f"<p>{escape(_summary(results))}</p>",
        section(tr("Discrimination"), _discrimination(results), synthetic),
        section(tr("Calibration"), _calibration(results), synthetic),
        section(tr("Figures"), pictures_in(pictures, synthetic=synthetic), synthetic),
        section(tr("Recalibration of intercept and slope"), _recalibration(results), synthetic),
        section(tr("Subgroups"), _subgroups(results), synthetic),
        section(tr("What is withheld, and what the interval holds"), _guard(results), synthetic),
        section(tr("Items of TRIPOD+AI"), _tripod(results), False),
    ]
    head = f"<meta charset='utf-8'><title>{escape(title)}</title><style>{STYLE}</style>"
    page = f"<!doctype html><html lang='{language_tag()}'><head>{head}</head><body>{''.join(parts)}</body></html>\n"
    replace_file(folder / REPORT, page.encode())


def _name(key: str, results: dict[str, Any]) -> str:
    depth = "-" + results["model"]["network"].partition("-")[2] if key in ("risknet", "hyrisknet") else ""
    return name_of(key, results["model"]["score_input"], depth)


def _summary(results: dict[str, Any]) -> str:
    return tr(
        "{model} as it is installed, on {n} exams of {patients} patients, {deaths} of them non-survivors.",
        model=results["model"]["name"], n=results["n"], patients=results["patients"], deaths=results["non_survivors"],
    )  # fmt: skip


def _span(ci: Sequence[float] | None, digits: int = 3) -> str:
    return (
        "–"
        if ci is None
        else tr("{low} to {high}", low=decimal(ci[0], f".{digits}f"), high=decimal(ci[1], f".{digits}f"))
    )


def _with(row: dict[str, Any]) -> str:
    """A value and its interval."""
    return f"{decimal(row['value'], '.2f')} ({_span(row['ci'], 2)})"


def _share(row: dict[str, Any]) -> str:
    if row["share"] is None:
        return "–"
    low, high = (100 * end for end in row["ci"])
    return tr("{n} of {of}, {share:.0f} % ({low:.0f} to {high:.0f})", n=row["n"], of=row["of"], share=100 * row["share"], low=low, high=high)  # fmt: skip


def _discrimination(results: dict[str, Any]) -> str:
    rows: list[list[Cell]] = [
        [_name(key, results), row["auc"], _span(row["ci"]), row.get("expected_auc")]
        for key, row in results["discrimination"].items()
    ]
    header = [tr("Method"), tr("AUC"), tr("95 % CI"), tr("Expected AUC")]
    if all(row[3] is None for row in rows):
        header, rows = header[:3], [row[:3] for row in rows]
    differences: list[list[Cell]] = [
        [f"{_name(d['a'], results)} − {_name(d['b'], results)}", d["difference"],
         "–" if d["ci"][0] is None else _span(d["ci"]), None if d["p"] is None else decimal(d["p"], ".2g")]
        for d in results["differences"]
    ]  # fmt: skip
    return table(header, rows) + table([tr("AUC difference (DeLong)"), tr("Value"), tr("95 % CI"), "p"], differences)


def _calibration_rows(found: dict[str, dict[str, Any]], results: dict[str, Any]) -> Iterator[list[Cell]]:
    for key, row in found.items():
        yield [
            _name(key, results), decimal(row['mean_risk'], ".3f"), decimal(row['observed'], ".3f"), _with(row["in_the_large"]),
            _with(row["slope"]), decimal(row['brier'], ".4f"), decimal(row['log_loss'], ".4f"),
        ]  # fmt: skip


def _calibration_header() -> list[str]:
    return [
        tr("Risk"), tr("Mean risk"), tr("Observed"), tr("Calibration in the large"), tr("Slope"), tr("Brier"), tr("Log loss"),
    ]  # fmt: skip


def _calibration(results: dict[str, Any]) -> str:
    header = _calibration_header()
    note = tr("A right risk has 0 in the large and a slope of 1; a slope below 1 means that risks are too extreme. In brackets 95 % intervals.")  # fmt: skip
    return table(header, _calibration_rows(results["calibration"], results)) + f"<p class='note'>{escape(note)}</p>"


def _recalibration(results: dict[str, Any]) -> str:
    found = results["recalibration"]
    if "heads" not in found:
        return f"<p>{escape(found.get('refused', ''))}</p>"
    header = _calibration_header()
    rows = []
    for when, label in (("before", tr("as installed")), ("after", tr("recalibrated, cross-validated"))):
        for row in _calibration_rows({key: values[when] for key, values in found["heads"].items()}, results):
            rows.append([f"{row[0]}, {label}", *row[1:]])
    lines = [
        tr("{name}: log odds times {slope:.3f} plus {intercept:+.3f}", name=_name(key, results), slope=v["slope"], intercept=v["intercept"])
        for key, v in found["heads"].items()
    ]  # fmt: skip
    said = tr("{lines}. The ranking, and with it the AUC, stays.", lines="; ".join(lines))
    made = tr("No recalibrated model was written, as --no-recalibration asks for.")
    if results["bundle"] is not None:
        made = tr("The recalibrated model lies in “bundle”; it is installed by Tools > Models or the results page.")
    caution = f"<p class='synthetic'>{escape(found['caution'])}</p>" if found["caution"] else ""
    return caution + table(header, rows) + f"<p>{escape(said)}</p><p>{escape(made)}</p>"


def _subgroups(results: dict[str, Any]) -> str:
    names = {
        "kernel": tr("Kernel"), "increment_mm": tr("Increment, mm"), "grade": tr("Grade"), "sex": tr("Sex"), "male": tr("Male"),
        "manufacturer": tr("Manufacturer"), "site": tr("Site"), "race": tr("Race"), "age": tr("Age"),
    }  # fmt: skip
    heads = list(results["calibration"])
    header = [tr("Group"), tr("Cases"), tr("Non-survivors"), tr("Mean risk"), tr("Observed"), *(_name(h, results) for h in heads)]  # fmt: skip
    rows: list[list[Cell]] = [
        [f"{names[row['by']]}: {group_words(row)}", row["n"], row["non_survivors"], row["mean_risk"], row["observed"],
         *("–" if row[h]["auc"] is None else f"{decimal(row[h]['auc'], '.3f')} ({_span(row[h]['ci'])})" for h in heads)]
        for row in results["subgroups"]
    ]  # fmt: skip
    note = tr("No AUC where a group has fewer than ten of either outcome.")
    return table(header, rows) + f"<p class='note'>{escape(note)}</p>"


def _guard(results: dict[str, Any]) -> str:
    guard, interval = results["guard"], results["interval"]
    rows: list[list[Cell]] = [
        [tr("Risks withheld"), _share(guard["withheld"])],
        [tr("Risks marked doubtful"), _share(guard["doubtful"])],
        [tr("Called unlike the training data at the reader's own click"), _share(guard["unlike_training"])],
        [
            tr("Clicks {mm:g} mm off that are withheld", mm=guard["clicks_off"]["mm"]),
            _share(guard["clicks_off"]["caught"]),
        ],
        [tr("Other clicks of a reader whose risk the interval holds"), _share(interval["holds_other_clicks"])],
        [tr("Mean width of the interval"), decimal(interval["mean_width"], ".3f")],
    ]
    for key, row in guard["auc_of_what_is_not_withheld"].items():
        rows.append([tr("AUC of {name} where nothing is withheld", name=_name(key, results)), "–" if row["auc"] is None else f"{decimal(row['auc'], '.3f')} ({_span(row['ci'])})"])  # fmt: skip
    reasons: list[list[Cell]] = [[words_of(code), count] for code, count in guard["decisive"].items()]
    found = table([tr("What"), tr("Value (95 % CI)")], rows)
    return found + (table([tr("Decisive reason"), tr("Cases")], reasons) if reasons else "")


def _tripod(results: dict[str, Any]) -> str:
    rows: list[list[Cell]] = [
        [number, item, tr("the site") if who == SITE else tr("here"), text]
        for number, item, who, text in items(results)
    ]
    note = tr("What is marked “the site” only the site can write; the column says what belongs there.")
    found = table([tr("Item"), tr("What"), tr("Who"), tr("Content")], rows).replace("<table>", "<table class='words'>")
    return f"<p class='note'>{escape(note)}</p>" + found


@lettering()
def _write_figures(folder: Path, results: dict[str, Any]) -> dict[str, Path]:
    """ROC, calibration before and after, and decision curve, as PNG, by name."""
    written = {}
    for name, draw in (("roc", _draw_roc), ("calibration", _draw_calibration), ("decision-curve", _draw_decisions)):
        figure = Figure(figsize=(6.4, 7.0), layout="constrained")
        draw(figure.add_subplot(), results)
        figure.legend(loc="outside lower center", fontsize=8)
        if results["synthetic"]:
            figure.suptitle(tr("SYNTHETIC DATA: phantoms, no patients"), color=SYNTHETIC, fontsize=11, weight="bold")
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=150)
        written[name] = path
    return written


def _draw_roc(axes: Axes, results: dict[str, Any]) -> None:
    diagonal(axes, tr("1 − specificity"), tr("Sensitivity"), tr("ROC, n = {n}", n=results["n"]))
    for i, (key, curve) in enumerate(results["roc"].items()):
        auc = results["discrimination"][key]["auc"]
        label = tr("{label}, AUC {auc}", label=_name(key, results), auc="–" if auc is None else decimal(auc, ".3f"))
        axes.plot(curve["fpr"], curve["tpr"], color=COLOURS[i % 10], linestyle=STYLES[i % 10], label=label)


def _draw_calibration(axes: Axes, results: dict[str, Any]) -> None:
    diagonal(axes, tr("Mean risk"), tr("Observed share of non-survivors"), tr("Calibration"))
    curves = [(_name(key, results), row) for key, row in results["calibration"].items()]
    for key, row in results["recalibration"].get("heads", {}).items():
        curves.append((tr("{name}, recalibrated", name=_name(key, results)), row["after"]))
    for i, (label, row) in enumerate(curves):
        x, y = ([point[k] for point in row["curve"]] for k in ("mean_risk", "observed"))
        axes.plot(x, y, marker="o", color=COLOURS[i % 10], linestyle=STYLES[i % 10], label=label)


def _draw_decisions(axes: Axes, results: dict[str, Any]) -> None:
    rows = results["decision_curve"]
    x = [row["threshold"] for row in rows]
    axes.plot(x, [row["treat_all"] for row in rows], color="#555555", linestyle=":", label=tr("Treat all"))
    heads = list(results["calibration"])
    for i, key in enumerate(heads):
        axes.plot(x, [row[key] for row in rows], color=COLOURS[i], linestyle=STYLES[i], label=_name(key, results))
    axes.axhline(0.0, color="#555555", linewidth=0.8)
    best = max(max(row[key] for key in heads) for row in rows)
    axes.set(
        xlabel=tr("Risk threshold"), ylabel=tr("Net benefit"), title=tr("Decision curve"), ylim=(-0.1, best + 0.05)
    )
