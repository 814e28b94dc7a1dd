"""Speaks the training process's protocol (lock, events, control, results) in seconds, with made-up numbers.

Run as a script. The environment says how: FAKE_STEP_S seconds per step, FAKE_FAIL=1 fails in the first fold,
FAKE_HOLD=1 waits after the first exam that is read until something is asked of it, FAKE_BUNDLE a bundle to hand over as the trained one.
"""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import sys
import time
from pathlib import Path

from filelock import FileLock, Timeout

STEPS = 12
Event = dict[str, object]


def option(arguments: list[str], name: str, default: str = "") -> str:
    return arguments[arguments.index(name) + 1] if name in arguments else default


def table(path: Path) -> list[dict[str, str]]:
    path = path / "cohort.csv" if path.is_dir() else path
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def check(arguments: list[str]) -> None:
    time.sleep(float(os.environ.get("FAKE_CHECK_S", "0")))
    rows = table(Path(arguments[0]))
    problems: list[dict[str, object]] = []
    for line, row in enumerate(rows, start=2):
        if not 0 <= float(row["grade"] or 0) <= 3:
            message = f"The grade {row['grade']} does not lie between 0 and 3."
            problems.append({"row": line, "column": "grade", "severity": "error", "message": message})
        if not row["grade"]:
            message = "There is no grade: the row is left out."
            problems.append({"row": line, "column": "grade", "severity": "warning", "message": message})
    died = sum(row["outcome"] == "1" for row in rows)
    if len(rows) < 50:
        message = "Fewer than 50 exams: the AUCs will be wide."
        problems.append({"row": None, "column": "", "severity": "warning", "message": message})
    answer = {
        "rows": len(rows),
        "usable": sum(bool(row["grade"]) for row in rows),
        "missing": {"grade": sum(not row["grade"] for row in rows)},
        "outcome": {"survivors": len(rows) - died, "non_survivors": died},
        "grades": {str(g): sum(row["grade"] == str(g) for row in rows) for g in range(4)},
        "duplicates": 0,
        "patients": len(rows),
        "patients_in_both": 0,
        "synthetic": True,
        "columns": list(rows[0]),
        "problems": problems,
        "ready": not any(p["severity"] == "error" for p in problems),
    }
    sys.stdout.write(json.dumps(answer))


def estimate(arguments: list[str]) -> None:
    seconds = 30 * int(option(arguments, "--folds")) * int(option(arguments, "--epochs"))
    answer = {"seconds": seconds, "memory_bytes": 3.1e9, "disk_bytes": 4.2e8, "images_per_second": 11, "device": "cpu"}
    sys.stdout.write(json.dumps(answer))


def write(path: Path, data: object) -> None:
    staged = path.with_name(path.name + ".new")
    staged.write_text(json.dumps(data))
    os.replace(staged, path)


class Run:
    def __init__(self, folder: Path, arguments: list[str]) -> None:
        self.folder = folder
        self.facts = {
            "schema_version": 1,
            "name": option(arguments, "--name"),
            "arguments": arguments,
            "cohort": arguments[0],
            "started": "2026-11-24T08:00:00+00:00",
            "pid": os.getpid(),
            "synthetic": True,
            "message": "",
        }

    def state(self, state: str, message: str = "") -> None:
        write(self.folder / "run.json", {**self.facts, "state": state, "message": message, "updated": time.time()})

    def emit(self, event: str, **values: object) -> None:
        with open(self.folder / "events.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps({"event": event, "time": time.time(), **values}) + "\n")

    def request(self) -> str:
        try:
            return str(json.loads((self.folder / "control.json").read_text())["request"])
        except (OSError, ValueError):
            return ""

    def heed(self) -> None:
        if self.request() == "pause":
            self.state("paused")
            self.emit("paused")
            while self.request() == "pause":
                time.sleep(0.02)
            if self.request() != "cancel":
                self.state("running")
                self.emit("resumed")
        if self.request() == "cancel":
            self.state("cancelled")
            self.emit("cancelled")
            sys.exit(0)


def reproduce(arguments: list[str]) -> None:
    if "--estimate" in arguments:
        fits = len(option(arguments, "--networks").split(",")) * (int(option(arguments, "--folds")) + 1)
        answer = {"seconds": 60 * fits, "fits": fits, "memory_bytes": 2.2e9, "disk_bytes": 5.1e8, "device": "cpu"}
        sys.stdout.write(json.dumps(answer))
        return
    train(arguments, "reproduction")


def train(arguments: list[str], kind: str = "") -> None:
    folder = Path(option(arguments, "--out"))
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "run.lock")
    try:
        lock.acquire(timeout=0.5)
    except Timeout:
        sys.exit("A training already runs in this folder.")
    run = Run(folder, arguments)
    if kind:
        run.facts["kind"] = kind
    (folder / "control.json").unlink(missing_ok=True)
    run.state("running")
    fit(run, arguments)
    time.sleep(0.05)
    run.emit("evaluating")
    (reproduction if kind else results)(run, arguments)
    if bundle := os.environ.get("FAKE_BUNDLE"):
        for name in [f"bundles/{n}" for n in networks(arguments)] if kind else ["bundle"]:
            shutil.copytree(bundle, folder / name, dirs_exist_ok=True)
    run.state("finished")
    run.emit("finished", report="report.html")


def networks(arguments: list[str]) -> list[str]:
    if wanted := option(arguments, "--networks"):
        return [f"hyrisknet-{depth}" for depth in wanted.split(",")]
    return [option(arguments, "--network")]


def fit(run: Run, arguments: list[str]) -> None:
    folds, way = int(option(arguments, "--folds")), "scratch/" if "--networks" in arguments else ""
    epochs, pause = int(option(arguments, "--epochs")), float(os.environ.get("FAKE_STEP_S", "0"))
    cases = len(table(Path(arguments[0])))
    units = [f"{way}{network}/fold-{k:02d}" for network in networks(arguments) for k in range(1, folds + 1)]
    units += [f"{way}{network}/final" for network in networks(arguments)]
    mark = run.folder / "checkpoint.json"
    first = json.loads(mark.read_text()) if mark.exists() else 0
    run.emit("start", units=units, folds=folds, epochs=epochs, cases=cases, synthetic=True, device="cpu")
    if not first:
        for done in range(0, cases + 1, max(1, cases // 4)):
            run.emit("cutting", done=done, total=cases)
    for u, unit in enumerate(units[first:], start=first):
        for stage in (1, 2):
            for epoch in range(1, epochs + 1):
                for step in range(1, STEPS + 1):
                    run.heed()
                    time.sleep(pause)
                    share = (u + ((stage - 1) + (epoch - 1 + step / STEPS) / epochs) / 2) / len(units)
                    noise = 0.06 * math.sin(12.9898 * (step + 31 * epoch + 7 * u))
                    loss = 0.72 - 0.25 * (1 - math.exp(-epoch / 3)) - 0.03 * stage + noise
                    values: Event = {"stage": stage, "epoch": epoch, "step": step, "steps": STEPS, "loss": loss}
                    run.emit("step", unit=unit, **values, done=share, seconds_left=3000 * (1 - share))
                    if os.environ.get("FAKE_FAIL"):
                        run.state("failed", "The exam in line 7 can't be read; correct the table and resume.")
                        run.emit("failed", code="exam", message="The exam in line 7 can't be read.")
                        sys.exit(3)
                middle = 0.58 + 0.14 * (1 - math.exp(-epoch / 4)) + 0.02 * math.sin(9 * u) + 0.02 * (stage - 1)
                run.emit(
                    "epoch",
                    unit=unit,
                    stage=stage,
                    epoch=epoch,
                    epochs=epochs,
                    training_loss=0.7 - 0.02 * epoch,
                    validation_loss=0.74 - 0.1 * middle - 0.01 * math.cos(5 * u + epoch),
                    validation_auc=middle,
                    best=True,
                )
        if not unit.endswith("/final"):
            run.emit("unit", unit=unit, risknet_auc=0.62 + 0.05 * math.sin(u), hyrisknet_auc=0.7 + 0.05 * math.sin(u))
        write(mark, u + 1)
        with open(run.folder / "log.txt", "a", encoding="utf-8") as log:
            log.write(f"{unit} done\n")


def curve(auc: float) -> dict[str, list[float]]:
    power = (1 - auc) / auc
    fpr = [i / 50 for i in range(51)]
    return {"fpr": fpr, "tpr": [x**power for x in fpr]}


def results(run: Run, arguments: list[str]) -> None:
    head = {"auc": 0.712, "ci": [0.631, 0.789], "fold_mean": 0.704, "fold_sd": 0.061}
    image = {"auc": 0.651, "ci": [0.566, 0.73], "fold_mean": 0.644, "fold_sd": 0.07}
    grade = {"auc": 0.668, "ci": [0.585, 0.746], "fold_mean": 0.66, "fold_sd": 0.055}
    others = ("agatston", "category", "volume", "sqrt_volume", "grade_agatston")
    curves = {"hyrisknet": 0.712, "risknet": 0.651, "grade": 0.668, "agatston": 0.64}
    compare = {
        "model": "Tiny test network",
        "sha256": "ab" * 32,
        "n": 180,
        "synthetic_model": True,
        "installed": {"risknet_auc": 0.531, "hyrisknet_auc": 0.602},
        "new": {"risknet_auc": 0.651, "hyrisknet_auc": 0.712},
        "difference": 0.11,
        "ci": [0.02, 0.2],
        "p": 0.017,
        "roc": {"installed": curve(0.602)},
        "warning": "The installed model was trained on other synthetic phantoms; it may have seen exams like these.",
    }
    data = {
        "schema_version": 1,
        "synthetic": True,
        "warning": os.environ.get("FAKE_WARNING", ""),
        "n": 180,
        "non_survivors": 88,
        "protocol": {},
        "networks": [option(arguments, "--network")],
        "folds": [],
        "pooled": {"auc": 0.712, "ci": head["ci"], "hyrisknet": head, "risknet": image},
        "baselines": {"grade": grade, **{name: {**grade, "auc": 0.64} for name in others}},
        "differences": [
            {"a": "hyrisknet", "b": "grade", "difference": 0.044, "ci": [-0.01, 0.098], "p": 0.11},
            {"a": "hyrisknet", "b": "risknet", "difference": 0.061, "ci": [0.02, 0.1], "p": 0.0004},
        ],
        "roc": {name: curve(auc) for name, auc in curves.items()},
        "calibration": {
            head: {
                "brier": 0.213,
                "curve": [
                    {"mean_risk": x / 10, "observed": x / 10 + 0.04 * math.sin(x), "n": 20} for x in range(1, 10)
                ],
            }
            for head in ("hyrisknet", "risknet")
        },
        "decision_curve": [],
        "sensitivity_at_specificity": [],
        "subgroups": [],
        "permutation_auc": 0.497,
        "permutation": {"n": 180, "chance_sd": 0.043, "passed": True},
        "patient_overlap": 0,
        "comparison": compare if "--compare" in arguments else None,
    }
    write(run.folder / "results.json", data)
    (run.folder / "report.html").write_text("<p>Synthetic data.</p>")


def reproduction(run: Run, arguments: list[str]) -> None:
    """Numbers that differ in every cell, with the paper's own for the depths 18 and 34."""

    def part(mean: float, sd: float, paper: tuple[float, float]) -> dict[str, object]:
        return {"mean": mean, "sd": sd, "paper_mean": paper[0], "paper_sd": paper[1]}

    def method(mean: float, paper: float) -> dict[str, object]:
        return {"mean": mean, "sd": 0.11, "paper_auc": paper, "curve": curve(mean)}

    table1 = [
        {"network": "hyrisknet-18", "risknet": part(0.612, 0.081, (0.67, 0.09)), "hyrisknet": part(0.634, 0.092, (0.69, 0.13)),
         "difference": {"difference": 0.0213, "ci": [-0.0402, 0.0811], "p": 0.41}},
        {"network": "hyrisknet-34", "risknet": part(0.656, 0.103, (0.70, 0.08)), "hyrisknet": part(0.678, 0.114, (0.75, 0.14)),
         "difference": {"difference": -0.0317, "ci": [-0.0904, -0.0021], "p": 0.03}},
    ]  # fmt: skip
    fig3 = {"agatston": (0.601, 0.61), "category": (0.592, 0.61), "volume": (0.603, 0.62), "sqrt_volume": (0.604, 0.62),
            "grade": (0.645, 0.64), "risknet": (0.656, 0.70), "hyrisknet": (0.678, 0.75)}  # fmt: skip
    heads = {head: {"mean": table1[1][head]["mean"], "sd": 0.1} for head in ("risknet", "hyrisknet")}
    lost = {"strategy": "frozen", "risknet": None, "hyrisknet": None, "note": "The ImageNet weights can't be had."}
    data = {
        "schema_version": 1,
        "synthetic": True,
        "n": 180,
        "non_survivors": 90,
        "table1": table1,
        "details": {
            "network": "hyrisknet-34",
            "fig2": {"grade": method(0.678, 0.75), "agatston": method(0.667, 0.71)},
            "fig3": {name: method(*values) for name, values in fig3.items()},
        },
        "strategies": [{"strategy": "scratch", **heads, "note": ""}, lost],
        "settings": {"folds": int(option(arguments, "--folds"))},
    }
    write(run.folder / "reproduction.json", data)
    (run.folder / "report.html").write_text("<p>Synthetic data.</p>")


def validate(arguments: list[str]) -> None:
    folder = Path(option(arguments, "--out"))
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "run.lock")
    lock.acquire(timeout=0.5)
    run = Run(folder, arguments)
    run.facts["kind"] = "validation"
    (folder / "control.json").unlink(missing_ok=True)
    run.state("running")
    cases = len(table(Path(arguments[0])))
    run.emit("start", units=[], folds=0, epochs=0, cases=cases, synthetic=True, device="cpu")
    for done in range(1, cases + 1):
        run.heed()
        time.sleep(float(os.environ.get("FAKE_STEP_S", "0")))
        run.emit("reading", done=done, total=cases, seconds_left=60 * (cases - done))
        while os.environ.get("FAKE_HOLD") and not run.request():
            time.sleep(0.02)
    run.emit("evaluating")
    write(folder / "validation.json", validation_document())
    (folder / "report.html").write_text("<p>Synthetic data.</p>")
    if bundle := os.environ.get("FAKE_BUNDLE"):
        shutil.copytree(bundle, folder / "bundle", dirs_exist_ok=True)
    run.state("finished")
    run.emit("finished", report="report.html")


def validation_document() -> dict[str, object]:
    """Numbers that differ in every cell."""

    def judged(slope: float, brier: float, shift: float = -0.35) -> dict[str, object]:
        return {
            "slope": {"value": slope, "ci": [slope - 0.21, slope + 0.32]},
            "intercept": {"value": -0.07, "ci": [-0.3, 0.2]},
            "in_the_large": {"value": shift, "ci": [-0.6, 0.1]},
            "mean_risk": 0.507, "observed": 0.431, "log_loss": 0.612, "brier": brier, "brier_of_prevalence": 0.245,
            "curve": [{"mean_risk": x / 10, "observed": min(1.0, x / 10 + 0.03), "n": 20} for x in range(1, 10)],
        }  # fmt: skip

    def share(n: int, of: int) -> dict[str, object]:
        return {"n": n, "of": of, "share": n / of, "ci": [max(0.0, n / of - 0.05), min(1.0, n / of + 0.06)]}

    def auc(value: float) -> dict[str, object]:
        return {"n": 180, "non_survivors": 78, "auc": value, "ci": [value - 0.08, value + 0.07]}

    aucs = {"hyrisknet": 0.712, "risknet": 0.651, "grade": 0.668, "agatston": 0.611, "category": 0.609, "volume": 0.612,
            "sqrt_volume": 0.613}  # fmt: skip
    heads = {
        head: {
            "slope": slope,
            "intercept": -0.31,
            "before": judged(0.72, 0.2231),
            "after": judged(0.98, 0.2117, -0.003),
        }
        for head, slope in (("hyrisknet", 0.74), ("risknet", 0.69))
    }
    return {
        "program": "0",
        "schema_version": 1,
        "synthetic": True,
        "n": 180,
        "patients": 171,
        "non_survivors": 78,
        "missing_grades": 0,
        "cohort_sha256": "cd" * 32,
        "model": {"name": "Tiny test network", "network": "hyrisknet-18", "sha256": "ab" * 32, "bundle_sha256": "ef" * 32,
                  "demonstration": True, "score_input": "grade", "calibrated": ["hyrisknet", "risknet"]},
        "discrimination": {name: auc(value) for name, value in aucs.items()},
        "differences": [{"a": "hyrisknet", "b": "risknet", "difference": 0.061, "ci": [0.02, 0.1], "p": 0.0004}],
        "roc": {name: curve(value) for name, value in aucs.items()},
        "calibration": {"hyrisknet": judged(0.72, 0.2231), "risknet": judged(0.66, 0.2302)},
        "decision_curve": [],
        "subgroups": [
            {"by": "kernel", "group": "B30f", "n": 97, "non_survivors": 41, "mean_risk": 0.511, "observed": 0.423,
             "hyrisknet": {"auc": 0.703, "ci": [0.601, 0.799]}, "risknet": {"auc": 0.66, "ci": [0.5, 0.7]}},
            {"by": "sex", "group": "F", "n": 12, "non_survivors": 5, "mean_risk": 0.49, "observed": 0.417,
             "hyrisknet": {"auc": None, "ci": None}, "risknet": {"auc": None, "ci": None}},
        ],
        "guard": {"withheld": share(9, 180), "doubtful": share(20, 180), "decisive": {"contrast": 5, "unlike_training": 4},
                  "unlike_training": share(4, 180), "clicks_off": {"mm": 20.0, "caught": share(251, 300)},
                  "auc_of_what_is_not_withheld": {"hyrisknet": auc(0.72), "risknet": auc(0.66)}},
        "interval": {"mean_width": 0.284, "holds_other_clicks": share(171, 180)},
        "cautions": ["Only 78 cases of the rarer outcome."],
        "recalibration": {"n": 171, "non_survivors": 74, "folds": 10, "heads": heads,
                          "caution": os.environ.get("FAKE_WARNING", "")},
        "bundle": {"path": "bundle", "name": "Tiny test network, recalibrated", "bundle_sha256": "12" * 32},
    }  # fmt: skip


if __name__ == "__main__":
    commands = {"check": check, "estimate": estimate, "train": train, "reproduce": reproduce, "validate": validate}
    commands[sys.argv[1]](sys.argv[2:])
