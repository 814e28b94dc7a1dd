"""A model bundle: ``weights.safetensors``, ``model.json`` and ``CARD.md`` in one folder.

``model.json`` holds everything but the numbers of the network; its ``sha256`` is that of the weights file, its
``description_sha256`` that of everything else it says. A bundle where either does not match is refused: one flipped
bit in a weights file loads silently, and so does one edited digit of a calibration.

``python -m hyrisk_desktop.risk.bundle FOLDER`` seals a bundle whose description was changed on purpose.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.bounded_json import read_json
from hyrisk_desktop.errors import BundleError
from hyrisk_desktop.files import recover_folder, replace_file, replace_folder, sync_folder, write_new
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.regular_files import read_regular
from hyrisk_desktop.risk.calibration import PlattCalibration
from hyrisk_desktop.risk.factors import Factors
from hyrisk_desktop.risk.json_checks import check_integer, check_text, check_texts, check_truth
from hyrisk_desktop.risk.model_name import LONGEST_NAME as LONGEST_NAME
from hyrisk_desktop.risk.model_name import check_model_name as check_model_name
from hyrisk_desktop.risk.novelty import Novelty
from hyrisk_desktop.risk.placement import Placement
from hyrisk_desktop.risk.preprocessing import Preprocessing
from hyrisk_desktop.risk.score_input import HIGHEST_AGATSTON, ScoreInput
from hyrisk_desktop.risk.spread import Spread

if TYPE_CHECKING:
    from hyrisk_desktop.risk.network import HyRiskNet

SCHEMA_VERSION = 1
WEIGHTS, DESCRIPTION, CARD = "weights.safetensors", "model.json", "CARD.md"
_MAX_DESCRIPTION_BYTES = 16 << 20
# ResNet-152 in single precision takes 240 MB; what is much larger is no model of ours.
MOST_WEIGHTS_BYTES = 1 << 30
LONGEST_HORIZON = 40
"""Of a line such as "6 years after the scan"."""
_SEAL = "description_sha256"
_HEADS = {"risknet", "hyrisknet"}


@dataclass(frozen=True, slots=True, eq=False)
class ModelBundle:
    """A bundle's description: what the network is, what it was fed, and how its answer is to be read.

    Attributes:
        name: short name shown beside every risk, e.g. ``"HyRiskNet-34 demonstration"``.
        depth: ResNet depth. score_input: ``"grade"`` or ``"agatston"``; agatston_scale: see `ScoreInput.highest`;
            score_quantity: which Agatston score that is, "region" (the program's own) or "external".
        demonstration: trained on synthetic phantoms only; shown beside the number.
        calibration: by head, ``"risknet"`` and ``"hyrisknet"``.
        reference: by head, sorted calibrated risks of the reference cohort.
        novelty: feature and acquisition statistics, or None. placement: where a click seems to lie, or None.
        spread: by head, how wide its interval is; a head without one has the range of its views.
        factors: what the image's part of a risk comes from, or None.
        training: free-form summary (data, seeds, results), for the card and for people.
        sha256: of the weights file; empty before the bundle is written.
        description_sha256: of everything else in ``model.json``; empty before the bundle is written.
    """

    name: str
    depth: int
    preprocessing: Preprocessing
    demonstration: bool
    score_input: str = "grade"
    agatston_scale: float = HIGHEST_AGATSTON
    score_quantity: str = "region"
    calibration: dict[str, PlattCalibration] = field(default_factory=dict)
    reference: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    novelty: Novelty | None = None
    placement: Placement | None = None
    spread: dict[str, Spread] = field(default_factory=dict)
    factors: Factors | None = None
    training: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""
    description_sha256: str = ""

    @property
    def network(self) -> str:
        """E.g. ``"hyrisknet-34"``."""
        return f"hyrisknet-{self.depth}"

    @property
    def horizon(self) -> str:
        """The time within which the outcome of the training data was counted, in their makers' words; "" where they say none."""
        said = self.training.get("horizon")
        return said if isinstance(said, str) and len(said) <= LONGEST_HORIZON and said.isprintable() else ""

    @property
    def score_rule(self) -> ScoreInput:
        """How a grade or an Agatston score becomes the network's score input."""
        return ScoreInput(self.score_input, self.agatston_scale)

    @property
    def bundle_sha256(self) -> str:
        """Of weights and description: tells two calibrations of the same weights apart."""
        return hashlib.sha256(f"{self.sha256}{self.description_sha256}".encode()).hexdigest()


def read_description(directory: Path) -> ModelBundle:
    """Read ``model.json`` alone, without weights, novelty statistics or torch.

    Raises:
        BundleError: missing, unreadable, changed since it was written, or of another schema version.
    """
    return parse_description(directory, read_sealed(directory), None)


def verify_bundle(directory: Path) -> ModelBundle:
    """Read the description and check both hashes, without torch: is this bundle what was once written?

    Raises:
        BundleError: as for `load_bundle`, but for weights that match their hash and fit no network.
    """
    data = read_sealed(directory)
    read_weights(directory, data)
    return parse_description(directory, data, None)


def load_bundle(directory: Path) -> tuple[ModelBundle, HyRiskNet]:
    """Read, check the hash of, and build a bundle's network in fp32, eval mode, on the CPU.

    Raises:
        BundleError: missing, damaged (hash mismatch), unreadable or of another schema version.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    from hyrisk_desktop.risk.network import HyRiskNet

    data = read_sealed(directory)
    try:
        # Each form of the weights goes as the next comes: all of them at once would be the most memory of a reading.
        tensors = load(read_weights(directory, data))
        statistics = {k: tensors.pop(k).float().numpy() for k in tuple(tensors) if k.startswith("novelty.")}
        bundle = parse_description(directory, data, statistics)
        # Without weights of its own: to draw eleven million at random takes longer than to read these.
        with torch.device("meta"):
            model = HyRiskNet(bundle.depth)
        for name, values in tensors.items():
            tensors[name] = values.to(torch.float32) if values.is_floating_point() else values
        model.load_state_dict(tensors, assign=True)
        check_widths(bundle, model.image_head.in_features)
    except (SafetensorError, RuntimeError, ValueError) as e:
        raise malformed(directory) from e
    return bundle, model.eval()


def write_bundle(directory: Path, bundle: ModelBundle, model: HyRiskNet, card: str) -> ModelBundle:
    """Write a bundle with fp16 weights beside its target, then swap it in; the last good bundle survives a crash.

    Args:
        model: the network whose weights are written.
        directory: the bundle's folder; replaced if it exists.
        card: text of ``CARD.md``; ``{sha256}`` in it is filled in.

    Returns:
        The bundle with its hashes.

    Raises:
        BundleError: what was written can't be read back; the last good bundle is then left alone.
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
    try:
        write_new(staging / WEIGHTS, weights)
        write_new(staging / DESCRIPTION, _sealed(_to_json(bundle, digest)))
        write_new(staging / CARD, card.replace("{sha256}", digest).encode())
        sync_folder(staging)
        written = load_bundle(staging)[0]
        replace_folder(staging, directory)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return written


def seal_description(directory: Path, changes: Mapping[str, Any] | None = None) -> ModelBundle:
    """Write the ``description_sha256`` of a bundle whose ``model.json`` was changed on purpose, or is changed here.

    From the shell: ``python -m hyrisk_desktop.risk.bundle FOLDER``.

    Raises:
        BundleError: the bundle is missing, its weights don't match their hash, or its description is malformed.
    """
    data = _read_json(directory) | dict(changes or {})
    parse_description(directory, data | {_SEAL: ""}, None)
    read_weights(directory, data)
    replace_file(directory / DESCRIPTION, _sealed(data))
    return read_description(directory)


def _sealed(data: dict[str, Any]) -> bytes:
    # Through JSON once, so that what is hashed is what a reader will parse (tuples become lists, keys text).
    data = json.loads(json.dumps(data))
    return (json.dumps(data | {_SEAL: _description_sha256(data)}, indent=1) + "\n").encode()


def _description_sha256(data: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON of everything but the seal itself."""
    rest = {key: value for key, value in data.items() if key != _SEAL}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _to_json(bundle: ModelBundle, digest: str) -> dict[str, Any]:
    novelty = bundle.novelty
    return {
        "schema_version": SCHEMA_VERSION,
        "name": bundle.name,
        "network": bundle.network,
        "depth": bundle.depth,
        "score_input": bundle.score_input,
        **(
            {"agatston_scale": bundle.agatston_scale, "score_quantity": bundle.score_quantity}
            if bundle.score_input == "agatston"
            else {}
        ),
        "demonstration": bundle.demonstration,
        "preprocessing": bundle.preprocessing.to_json(),
        "calibration": {head: calibration.to_json() for head, calibration in bundle.calibration.items()},
        "reference": {head: [round(float(r), 5) for r in np.sort(risks)] for head, risks in bundle.reference.items()},
        "novelty": None
        if novelty is None
        else {"threshold": novelty.threshold, "ranges": {k: list(v) for k, v in novelty.ranges.items()}},
        **({} if bundle.placement is None else {"placement": bundle.placement.to_json()}),
        **({"spread": {head: spread.to_json() for head, spread in bundle.spread.items()}} if bundle.spread else {}),
        **({} if bundle.factors is None else {"factors": bundle.factors.to_json()}),
        "training": bundle.training,
        "sha256": digest,
    }


def read_sealed(directory: Path) -> dict[str, Any]:
    """``model.json``, whose seal matches; raises BundleError."""
    directory = directory.absolute()  # “.” has no name
    data = _read_json(directory)
    if data.get(_SEAL) != _description_sha256(data):
        raise BundleError(
            "bundle_hash",
            tr(
                "The model “{name}” is damaged (its description does not match its SHA-256); install it again.",
                name=directory.name,
            ),
        )
    return data


def read_weights(directory: Path, data: dict[str, Any]) -> bytes:
    """The weights' file, whose hash is the one in ``data``; raises BundleError."""
    directory = directory.absolute()
    try:
        weights = read_regular(directory / WEIGHTS, MOST_WEIGHTS_BYTES)
    except (OSError, ValueError) as e:
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
    return weights


def _read_json(directory: Path) -> dict[str, Any]:
    recover_folder(directory, DESCRIPTION)
    try:
        data = read_json(directory / DESCRIPTION, _MAX_DESCRIPTION_BYTES)
    except OSError as e:
        raise BundleError(
            "bundle_missing",
            tr("There is no model in “{name}”; choose a folder that holds model.json.", name=directory.name),
        ) from e
    except ValueError as e:
        raise malformed(directory) from e
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


def check_widths(bundle: ModelBundle, features: int) -> None:
    """Raise ValueError unless placement, spread and factors fit a network of so many features."""
    widths = [spread.heads.shape[1] - 2 for spread in bundle.spread.values()]
    widths += [part.weights.shape[1] for part in (bundle.placement, bundle.factors) if part is not None]
    if any(width != features for width in widths):
        raise ValueError("placement, spread or factors do not fit the network's features")


def parse_description(
    directory: Path, data: dict[str, Any], statistics: dict[str, NDArray[np.float32]] | None
) -> ModelBundle:
    """What ``model.json`` says, with the novelty statistics [F] and [K, F], or None to leave these; raises BundleError."""
    try:
        check_model_name(check_text(data["name"]))
        check_texts(data)
        novelty = None
        if data["novelty"] is not None and statistics is not None:
            novelty = Novelty(
                statistics["novelty.mean"],
                statistics["novelty.whitening"],
                data["novelty"]["threshold"],
                {k: (low, high) for k, (low, high) in data["novelty"]["ranges"].items()},
            )
        bundle = ModelBundle(
            name=check_text(data["name"]),
            depth=check_integer("depth", data["depth"], 1, 1000),
            preprocessing=Preprocessing.from_json(data["preprocessing"]),
            demonstration=check_truth(data["demonstration"]),
            score_input=check_text(data["score_input"]),
            agatston_scale=data["agatston_scale"] if data["score_input"] == "agatston" else HIGHEST_AGATSTON,
            score_quantity=_quantity(data.get("score_quantity", "region")),
            calibration={_head(head): PlattCalibration.from_json(c) for head, c in data["calibration"].items()},
            reference={_head(head): _risks(values) for head, values in data["reference"].items()},
            novelty=novelty,
            placement=Placement.from_json(data["placement"]) if "placement" in data else None,
            spread={_head(head): Spread.from_json(s) for head, s in data.get("spread", {}).items()},
            factors=Factors.from_json(data["factors"]) if "factors" in data else None,
            training=dict(data["training"]),
            sha256=check_text(data["sha256"]),
            description_sha256=check_text(data[_SEAL]),
        )
        if bundle.network != data["network"]:
            raise ValueError("network and depth do not fit")
        _ = bundle.score_rule  # raises ValueError for a rule that can't be used
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise malformed(directory) from e
    return bundle


def _quantity(name: object) -> str:
    if name not in ("region", "external"):
        raise ValueError("a score that is neither would be fed as if it were the region's")
    return str(name)


def _head(name: str) -> str:
    if name not in _HEADS:
        raise ValueError("an unknown head would leave the real one uncalibrated")
    return name


def _risks(values: object) -> NDArray[np.float64]:
    """Sorted reference risks; numpy would read texts as numbers, so their type is checked first."""
    found = np.asarray(values)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iuf"):
        raise ValueError("a reference is a list of numbers")
    if not ((found >= 0) & (found <= 1)).all():
        raise ValueError("a reference risk lies in 0 to 1")
    return np.sort(found.astype(np.float64))


def malformed(directory: Path) -> BundleError:
    """The refusal of a bundle whose files say what no bundle says."""
    directory = directory.absolute()
    return BundleError(
        "bundle_malformed",
        tr("The model “{name}” can't be read (its files are malformed); install it again.", name=directory.name),
    )


if __name__ == "__main__":
    print(seal_description(Path(sys.argv[1])).description_sha256)  # noqa: T201
