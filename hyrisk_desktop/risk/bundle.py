"""A model bundle: ``weights.safetensors``, ``model.json`` and ``CARD.md`` in one folder.

``model.json`` holds everything but the numbers of the network; its ``sha256`` is that of the weights file,
and a bundle whose hash does not match is refused: one flipped bit in a weights file loads silently.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.errors import BundleError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.risk.calibration import PlattCalibration
from hyrisk_desktop.risk.novelty import Novelty
from hyrisk_desktop.risk.preprocessing import Preprocessing

if TYPE_CHECKING:
    from hyrisk_desktop.risk.network import HyRiskNet

SCHEMA_VERSION = 1
WEIGHTS, DESCRIPTION, CARD = "weights.safetensors", "model.json", "CARD.md"
_MAX_DESCRIPTION_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, eq=False)
class ModelBundle:
    """A bundle's description: what the network is, what it was fed, and how its answer is to be read.

    Attributes:
        name: short name shown beside every risk, e.g. ``"HyRiskNet-34 demonstration"``.
        depth: ResNet depth. ``score_input``: ``"grade"`` (or ``"agatston"``, for the bundles of later schemas).
        demonstration: trained on synthetic phantoms only; shown beside the number.
        calibration: by head, ``"risknet"`` and ``"hyrisknet"``.
        reference: by head, sorted calibrated risks of the reference cohort.
        novelty: feature and acquisition statistics, or None.
        training: free-form summary (data, seeds, results), for the card and for people.
        sha256: of the weights file; empty before the bundle is written.
    """

    name: str
    depth: int
    preprocessing: Preprocessing
    demonstration: bool
    score_input: str = "grade"
    calibration: dict[str, PlattCalibration] = field(default_factory=dict)
    reference: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    novelty: Novelty | None = None
    training: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""

    @property
    def network(self) -> str:
        """E.g. ``"hyrisknet-34"``."""
        return f"hyrisknet-{self.depth}"


def read_description(directory: Path) -> ModelBundle:
    """Read ``model.json`` alone, without weights, novelty statistics or torch.

    Raises:
        BundleError: missing, unreadable or of another schema version.
    """
    return _parse(directory, _read_json(directory), None)


def load_bundle(directory: Path) -> tuple[ModelBundle, HyRiskNet]:
    """Read, check the hash of, and build a bundle's network in fp32, eval mode, on the CPU.

    Raises:
        BundleError: missing, damaged (hash mismatch), unreadable or of another schema version.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    from hyrisk_desktop.risk.network import HyRiskNet

    data = _read_json(directory)
    try:
        weights = (directory / WEIGHTS).read_bytes()
    except OSError as e:
        raise BundleError(
            "bundle_unreadable",
            tr("The weights of the model “{name}” can't be read; install the model again.", name=directory.name),
        ) from e
    # Hash the very bytes that are then parsed, so that nothing can change in between.
    if hashlib.sha256(weights).hexdigest() != data.get("sha256"):
        raise BundleError(
            "bundle_hash",
            tr(
                "The model “{name}” is damaged (its weights do not match their SHA-256); install it again.",
                name=directory.name,
            ),
        )
    try:
        tensors = load(weights)
        bundle = _parse(directory, data, {k: v.float().numpy() for k, v in tensors.items() if k.startswith("novelty.")})
        model = HyRiskNet(bundle.depth)
        state = {k: v.to(torch.float32) if v.is_floating_point() else v for k, v in tensors.items()}
        model.load_state_dict({k: v for k, v in state.items() if not k.startswith("novelty.")})
    except (SafetensorError, RuntimeError, ValueError) as e:
        raise _malformed(directory) from e
    return bundle, model.eval()


def write_bundle(directory: Path, bundle: ModelBundle, model: HyRiskNet, card: str) -> ModelBundle:
    """Write a bundle with fp16 weights beside its target, then swap it in; the last good bundle survives a crash.

    Args:
        directory: the bundle's folder; replaced if it exists.
        card: text of ``CARD.md``; ``{sha256}`` in it is filled in.

    Returns:
        The bundle with its ``sha256``.
    """
    import torch
    from safetensors.torch import save

    tensors = {
        key: (value.to(torch.float16) if value.is_floating_point() else value).contiguous()
        for key, value in model.state_dict().items()
    }
    if bundle.novelty is not None:
        tensors["novelty.mean"] = torch.from_numpy(bundle.novelty.mean.astype(np.float32))
        tensors["novelty.whitening"] = torch.from_numpy(bundle.novelty.whitening.astype(np.float32))
    weights = save(tensors)
    digest = hashlib.sha256(weights).hexdigest()
    staging = directory.with_name(directory.name + ".staging")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    description = json.dumps(_to_json(bundle, digest), indent=1) + "\n"
    for name, content in (
        (WEIGHTS, weights),
        (DESCRIPTION, description.encode()),
        (CARD, card.replace("{sha256}", digest).encode()),
    ):
        with open(staging / name, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    previous = directory.with_name(directory.name + ".previous")
    shutil.rmtree(previous, ignore_errors=True)
    if directory.exists():
        os.replace(directory, previous)
    os.replace(staging, directory)
    shutil.rmtree(previous, ignore_errors=True)
    return load_bundle(directory)[0]


def _to_json(bundle: ModelBundle, digest: str) -> dict[str, Any]:
    novelty = bundle.novelty
    return {
        "schema_version": SCHEMA_VERSION,
        "name": bundle.name,
        "network": bundle.network,
        "depth": bundle.depth,
        "score_input": bundle.score_input,
        "demonstration": bundle.demonstration,
        "preprocessing": bundle.preprocessing.to_json(),
        "calibration": {
            head: {"slope": c.slope, "intercept": c.intercept, "prevalence": c.prevalence}
            for head, c in bundle.calibration.items()
        },
        "reference": {head: [round(float(r), 5) for r in np.sort(risks)] for head, risks in bundle.reference.items()},
        "novelty": None
        if novelty is None
        else {"threshold": novelty.threshold, "ranges": {k: list(v) for k, v in novelty.ranges.items()}},
        "training": bundle.training,
        "sha256": digest,
    }


def _read_json(directory: Path) -> dict[str, Any]:
    path = directory / DESCRIPTION
    try:
        if path.stat().st_size > _MAX_DESCRIPTION_BYTES:
            raise _malformed(directory)
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise BundleError(
            "bundle_missing",
            tr("There is no model in “{name}”; choose a folder that holds model.json.", name=directory.name),
        ) from e
    except ValueError as e:
        raise _malformed(directory) from e
    if not isinstance(data, dict) or data.get("schema_version") != SCHEMA_VERSION:
        raise BundleError(
            "bundle_schema",
            tr(
                "The model “{name}” was made by another version of the program; install a model of schema {schema}.",
                name=directory.name,
                schema=SCHEMA_VERSION,
            ),
        )
    return data


def _parse(directory: Path, data: dict[str, Any], statistics: dict[str, NDArray[np.float32]] | None) -> ModelBundle:
    try:
        novelty = None
        if data["novelty"] is not None and statistics is not None:
            novelty = Novelty(
                statistics["novelty.mean"],
                statistics["novelty.whitening"],
                float(data["novelty"]["threshold"]),
                {k: (float(v[0]), float(v[1])) for k, v in data["novelty"]["ranges"].items()},
            )
        return ModelBundle(
            name=str(data["name"]),
            depth=int(data["depth"]),
            preprocessing=Preprocessing.from_json(data["preprocessing"]),
            demonstration=bool(data["demonstration"]),
            score_input=str(data["score_input"]),
            calibration={head: PlattCalibration(**values) for head, values in data["calibration"].items()},
            reference={head: np.sort(np.asarray(r, np.float64)) for head, r in data["reference"].items()},
            novelty=novelty,
            training=dict(data["training"]),
            sha256=str(data["sha256"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise _malformed(directory) from e


def _malformed(directory: Path) -> BundleError:
    return BundleError(
        "bundle_malformed",
        tr("The model “{name}” can't be read (its files are malformed); install it again.", name=directory.name),
    )
