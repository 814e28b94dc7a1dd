"""A tiny model bundle with random but fixed weights: quick, and never mistaken for a trained one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from hyrisk_desktop.paths import models_dir
from hyrisk_desktop.risk.bundle import (
    WEIGHTS,
    ModelBundle,
    parse_description,
    read_description,
    read_sealed,
    read_weights,
    write_bundle,
)
from hyrisk_desktop.risk.calibration import PlattCalibration
from hyrisk_desktop.risk.depths import feature_width
from hyrisk_desktop.risk.model_store import folder_name
from hyrisk_desktop.risk.novelty import Novelty
from hyrisk_desktop.risk.preprocessing import Preprocessing
from hyrisk_desktop.risk.self_test import KNOWN_ANSWER, known_answer
from tests.helpers.once import once

CALIBRATION = {"risknet": PlattCalibration(0.8, 0.1, 0.4), "hyrisknet": PlattCalibration(1.1, -0.3, 0.3)}
"""Different for the two heads, and of no prevalence whose logit is 0: neither curve can stand in for the other."""
REFERENCE = {"risknet": np.linspace(0, 1, 51) ** 2, "hyrisknet": np.linspace(0, 1, 101)}
"""Risks of the reference cohort, to the five digits that a bundle keeps."""


KEPT: Path | None = None
"""Where a run of tests keeps what `write_tiny_bundle` has made, for all of its processes."""


def write_tiny_bundle(folder: Path, *, seed: int = 0, name: str = "Tiny test network") -> ModelBundle:
    """`make_tiny_bundle`, or a copy of what it made before: nobody is given the original, so what a test does to its own is its own."""
    import torch

    if KEPT is None:
        return make_tiny_bundle(folder, seed=seed, name=name)
    key = hashlib.sha256(f"{seed} {name} {feature_width(18)}".encode()).hexdigest()[:16]
    original = once(KEPT, f"tiny-bundle-{key}", lambda made: make_tiny_bundle(made, seed=seed, name=name))
    # As making one leaves it: what a test draws must not hang on whether it was the first.
    torch.manual_seed(seed)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(original, folder)
    return _with_statistics(folder)


def _with_statistics(folder: Path) -> ModelBundle:
    """What `load_bundle` says of a sound bundle, without the time for its weights."""
    with safe_open(folder / WEIGHTS, "numpy") as weights:
        statistics = {key: weights.get_tensor(key) for key in weights.keys() if key.startswith("novelty.")}  # noqa: SIM118
    return parse_description(folder, read_sealed(folder), statistics)


def make_tiny_bundle(folder: Path, *, seed: int = 0, name: str = "Tiny test network") -> ModelBundle:
    """ResNet-18 at 64 pixels whose grade matters."""
    import torch

    from hyrisk_desktop.risk.network import HyRiskNet

    torch.manual_seed(seed)
    model, width = HyRiskNet(18), feature_width(18)
    with torch.no_grad():
        for head in (model.image_head, model.fused_head):
            head.weight *= 0.02
        model.fused_head.weight[1, -1] = 1.0
        model.fused_head.weight[0, -1] = -1.0
    bundle = ModelBundle(
        name=name,
        depth=18,
        preprocessing=Preprocessing(input_size=64),
        demonstration=True,
        calibration=dict(CALIBRATION),
        reference=dict(REFERENCE),
        novelty=Novelty(np.zeros(width, np.float32), np.eye(8, width, dtype=np.float32), 1e6, {"pixel_mm": (0.4, 4.0)}),
        training={"note": "random weights for tests"},
    )
    bundle = replace(bundle, training=bundle.training | {KNOWN_ANSWER: known_answer(model.eval(), bundle)})
    return write_bundle(folder, bundle, model, "# Test bundle\n\nSHA-256 {sha256}\n")


def shelve(bundle: Path, *more: Path) -> list[Path]:
    """Put bundles on the user's shelf (HYRISK_HOME) without testing them, the last one in use; their folders there.

    Their weights are the same file under another name: who damages them deletes them first.
    """
    store = models_dir()
    folders = []
    for source in (bundle, *more):
        target = store / folder_name(read_description(source))
        shutil.copytree(source, target, dirs_exist_ok=True, copy_function=_copied)
        folders.append(target)
    (store / "active.json").write_text(json.dumps({"history": [folder.name for folder in folders]}))
    return folders


def _copied(source: str, target: str) -> str:
    """Weights of 22 MB, for the shelf of each window, get one name more where the disk allows it."""
    Path(target).unlink(missing_ok=True)
    if source.endswith(WEIGHTS):
        with contextlib.suppress(OSError):
            os.link(source, target)
            return target
    return str(shutil.copy2(source, target))


class HashedOnce:
    """Stands in for `bundle.read_weights` where many windows read the same file: what was sound is hashed again once it has changed."""

    def __init__(self) -> None:
        self._sound: set[tuple[object, ...]] = set()

    def __call__(self, directory: Path, data: dict[str, Any]) -> bytes:
        path = directory / WEIGHTS
        if not path.is_file():
            return read_weights(directory, data)
        now = path.stat()
        state = (now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, data.get("sha256"))
        weights = path.read_bytes() if state in self._sound else read_weights(directory, data)
        self._sound.add(state)
        return weights


def write_chance_bundle(folder: Path, *, seed: int = 5, name: str = "Chance network") -> None:
    """A bundle whose own results say that HyRiskNet was no better than chance."""
    bundle = write_tiny_bundle(folder, seed=seed, name=name)
    aucs = {"hyrisknet": {"auc": 0.531, "ci": [0.44, 0.62]}, "risknet": {"auc": 0.64, "ci": [0.55, 0.72]}}
    edit_description(folder, training=bundle.training | {"results": {"auc": aucs}})


def edit_description(folder: Path, *, sealed: bool = True, **changes: object) -> None:
    """Change entries of ``model.json``; sealed with a matching hash, as another program could have written it."""
    path = folder / "model.json"
    data = {**json.loads(path.read_text()), **changes}
    if sealed:
        rest = {key: value for key, value in data.items() if key != "description_sha256"}
        canonical = json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()
        data["description_sha256"] = hashlib.sha256(canonical).hexdigest()
    path.write_text(json.dumps(data))
