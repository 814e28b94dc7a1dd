"""A validation from its arguments to its files."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

import hyrisk_desktop
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import english, tr
from hyrisk_desktop.paths import bundled_model_dir, cache_dir, models_dir
from hyrisk_desktop.risk.bundle import check_model_name
from hyrisk_desktop.risk.model_store import ModelStore
from hyrisk_desktop.risk.predictor import Predictor
from hyrisk_desktop.training_run import (
    BUNDLE,
    REPORT,
    VALIDATION,
    VALIDATION_RESULTS,
    write_json,
)
from model_training.cautions import no_better_than_chance
from model_training.cohort_table import read_table
from model_training.dataset import cohort_data
from model_training.patches import cut_patches
from model_training.run_folder import RunFolder, held_run
from model_training.validation.cases import read_cases
from model_training.validation.page import write_page
from model_training.validation.recalibrate import recalibrate, write_recalibrated
from model_training.validation.results import conclude, shown_risks


def validate(arguments: argparse.Namespace) -> None:
    """Run or resume ``hyrisk validate`` with its parsed arguments.

    Raises:
        HyRiskError: what can't be done, in one sentence. SystemExit: it was cancelled.
    """
    if arguments.moved < 0:
        raise InputError("moved", tr("--moved must be 0 or more."))
    if arguments.name:
        check_model_name(arguments.name)
    facts = {"name": arguments.name, "cohort": str(arguments.cohort), "synthetic": False, "kind": VALIDATION}
    with held_run(arguments.out, arguments.words, facts, events=arguments.events) as folder:
        results = _work(arguments, folder)
        made = {} if results["bundle"] is None else {"bundle": BUNDLE}
        folder.finish(results=VALIDATION_RESULTS, report=REPORT, **made)
    if not arguments.events:
        _print(results, arguments.out)


def _work(arguments: argparse.Namespace, folder: RunFolder) -> dict[str, Any]:
    model = arguments.model or ModelStore(models_dir(), bundled_model_dir()).active_dir()
    predictor = Predictor(model, arguments.device)
    table = read_table(arguments.cohort)
    table.require_ready()

    def progress(done: float, total: float) -> None:
        folder.log.emit("cutting", done=done, total=total)
        folder.control.check()

    data = cohort_data(table, cut_patches(table, arguments.cache or cache_dir() / "patches", progress))
    folder.set_state("running", synthetic=data.synthetic)
    folder.log.emit(
        "start", units=[], folds=0, epochs=0, cases=len(data), synthetic=data.synthetic, device=predictor.device
    )

    began = time.monotonic()

    def reading(done: float, total: float) -> None:
        left = (time.monotonic() - began) / done * (total - done)
        folder.log.emit("reading", done=done, total=total, seconds_left=round(left))

    reads = read_cases(table, data.exams, predictor, folder.path, arguments.moved, reading, folder.control.check)
    folder.log.emit("evaluating")
    results = {"program": hyrisk_desktop.__version__, **conclude(data, table.cases, reads, predictor.bundle)}
    kept = np.array([not read.withheld for read in reads])
    results["recalibration"] = recalibrate(data, shown_risks(reads), kept, results["calibration"])
    if "heads" in results["recalibration"]:
        # A model that ranks no better than chance is no better for it.
        said = [*no_better_than_chance(results["discrimination"]), results["recalibration"]["caution"]]
        results["recalibration"]["caution"] = " ".join(text for text in said if text)
    results["bundle"] = None
    if "heads" in results["recalibration"] and not arguments.no_recalibration:
        where = arguments.name or english(tr("the site's cohort"))
        bundle = write_recalibrated(folder.path / BUNDLE, model, data, results["recalibration"], where)
        results["bundle"] = {"path": BUNDLE, "name": bundle.name, "bundle_sha256": bundle.bundle_sha256}
    write_page(folder.path, results)
    write_json(folder.path / VALIDATION_RESULTS, results)
    return results


def _print(results: dict[str, Any], run: Path) -> None:
    mark = tr("  synthetic data") if results["synthetic"] else ""
    for name, row in results["discrimination"].items():
        print(f"{name:16s} {row['auc']}  95 % CI {row['ci']}{mark}")
    for name, row in results["calibration"].items():
        print(
            f"{name:16s} calibration slope {row['slope']['value']:.2f}, in the large {row['in_the_large']['value']:+.2f}{mark}"
        )
    recalibration = results["recalibration"]
    for text in (*results["cautions"], recalibration.get("refused", ""), recalibration.get("caution", "")):
        if text:
            print(text)
    if results["bundle"] is not None:
        print(f"recalibrated bundle: {run / BUNDLE}")
    print(run / REPORT)
