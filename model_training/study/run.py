"""A study from its arguments to its files."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import Any

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.files import replace_file
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.risk.bundle import ModelBundle, load_bundle, seal_description
from hyrisk_desktop.risk.bundle_files import copy_bundle
from hyrisk_desktop.risk.factors import Factors, factor_words
from hyrisk_desktop.training_run import BUNDLE, REPORT, STUDY, STUDY_RESULTS, write_json
from model_training.card import exchange_section
from model_training.phantom.subject import GENERATOR_VERSION
from model_training.run_folder import RunFolder, held_run
from model_training.study.gather import intervene, see
from model_training.study.page import page, section
from model_training.study.probes import study

SCHEMA_VERSION = 1
FEWEST = 60
_WORK = "parts"


def run_study(arguments: argparse.Namespace) -> None:
    """Run or resume ``hyrisk study`` with its parsed arguments.

    Raises:
        HyRiskError: what can't be done, in one sentence. SystemExit: it was cancelled.
    """
    if arguments.n < FEWEST or arguments.pairs < 1:
        raise InputError("numbers", tr("A study needs -n {n} or more, and --pairs 1 or more.", n=FEWEST))
    facts = {"name": "", "cohort": "", "synthetic": True, "kind": STUDY}
    with held_run(arguments.out, arguments.words, facts, events=arguments.events) as folder:
        results = _work(arguments, folder)
        folder.finish(results=STUDY_RESULTS, report=REPORT, **({"bundle": BUNDLE} if results["bundle"] else {}))
    if not arguments.events:
        _print(results, arguments.out)


def _work(arguments: argparse.Namespace, folder: RunFolder) -> dict[str, Any]:
    bundle, model = load_bundle(arguments.model)
    if "hyrisknet" not in bundle.calibration:
        raise InputError(
            "not_calibrated", tr("Only a calibrated model can be studied: what moves is told in its risk.")
        )
    workers = arguments.workers or os.cpu_count() or 1
    total = arguments.n + arguments.pairs
    folder.log.emit("start", units=[], folds=0, epochs=0, cases=total, synthetic=True, device="cpu")

    def told(before: int) -> Any:
        def progress(done: float, _: float) -> None:
            folder.log.emit("reading", done=before + done, total=total)
            folder.control.check()

        return progress

    # Parts of another model, or of other phantoms, are none of these.
    work = folder.path / _WORK / f"{bundle.bundle_sha256[:16]}-{GENERATOR_VERSION}"
    seen = see(arguments.model, work, arguments.seed, arguments.n, workers, told(0))
    first = arguments.seed + arguments.n
    pairs = intervene(arguments.model, work, first, arguments.pairs, workers, told(arguments.n))
    folder.log.emit("evaluating")
    found, factors = study(model, bundle, seen, pairs)
    results = {
        "schema_version": SCHEMA_VERSION,
        "synthetic": True,
        "model": {"name": bundle.name, "network": bundle.network, "bundle_sha256": bundle.bundle_sha256},
        "n": arguments.n,
        "pairs": arguments.pairs,
        "seeds": [arguments.seed, first + arguments.pairs - 1],
        "generator_version": GENERATOR_VERSION,
        **found,
        "bundle": None,
    }
    if factors is not None:
        target = arguments.model if arguments.in_place else folder.path / BUNDLE
        written = _keep(arguments.model, target, factors, results)
        results["bundle"] = {"name": written.name, "bundle_sha256": written.bundle_sha256}
    replace_file(folder.path / REPORT, page(results).encode())
    write_json(folder.path / STUDY_RESULTS, results)
    return results


def _keep(source: Path, target: Path, factors: Factors, results: dict[str, Any]) -> ModelBundle:
    """Put the probes and the study into the description and the card of the bundle in ``target``.

    Args:
        source, target: folders; the latter is made where it is another one. factors, results: of the study.
    """
    if target != source:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        copy_bundle(source, target)
    bundle, _ = load_bundle(target)
    kept = {key: value for key, value in results.items() if key not in ("bundle", "schema_version", "model")}
    written = seal_description(target, {"factors": factors.to_json(), "training": bundle.training | {"study": kept}})
    exchange_section(target, section(results))
    return written


def _print(results: dict[str, Any], run: Path) -> None:
    for row in (*results["factors"], *results["shortcuts"]):
        moved, alone = row["intervention"], row["share"]["hyrisknet"]
        print(
            f"{factor_words(row['factor']):22s} R2 {row['r2']:+.2f}  alone {alone['alone']:.2f}  unique {alone['unique']:.2f}  "
            f"moved {moved['log_odds']:+.2f} (truth {row['truth']:+.2f})  synthetic data"
        )
    print(f"all together {results['together']['hyrisknet']:.2f} of the image's log odds")
    print(run / REPORT)
