"""Does this bundle still answer as it did when it was made? Asked before a model is installed.

Hashes tell that the files are what was written. The known answer tells the rest: that this machine, its libraries and
its device make the same risks of them. It is the network's answer on an exam that is computed and never stored.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.errors import BundleError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.volume import CTVolume, Voxel
from hyrisk_desktop.risk.bundle import ModelBundle, load_bundle
from hyrisk_desktop.risk.calibration import PlattCalibration
from hyrisk_desktop.risk.json_checks import check_number
from hyrisk_desktop.risk.look import look_at
from hyrisk_desktop.risk.preprocessing import prepare
from hyrisk_desktop.risk.score_input import ScoreInput

if TYPE_CHECKING:
    from hyrisk_desktop.risk.network import HyRiskNet

KNOWN_ANSWER = "known_answer"
"""Key of the known answer in ``model.json``'s training summary."""
LARGEST_DEVIATION = 1e-3
"""In risk. Devices and library versions differ by about 1e-5; a wrong window or crop by more than 1e-2."""
_EXAM_VERSION = 1
_SEED = 20180617
GRADES = (0.0, 1.0, 2.0, 3.0)


def known_answer_volume() -> tuple[CTVolume, Voxel, float]:
    """The known-answer exam: a made-up chest, the same to the last bit on every machine, its heart centre and grade.

    Ellipsoids in whole HU with noise from numpy's frozen legacy generator; 7 slices of 201 x 201 pixels.
    """
    shape, (cx, cy, cz) = (7, 201, 201), (100, 100, 3)
    z, y, x = (axis.astype(np.int64) for axis in np.ogrid[: shape[0], : shape[1], : shape[2]])

    def inside(centre: Voxel, radii: Voxel) -> NDArray[np.bool_]:
        # Whole numbers only: no rounding differs between machines.
        (a, b, c), (ra, rb, rc) = centre, radii
        distance = ((x - a) * rb * rc) ** 2 + ((y - b) * ra * rc) ** 2 + ((z - c) * ra * rb) ** 2
        return distance < (ra * rb * rc) ** 2

    hu = np.full(shape, -850, np.int64)
    hu[inside((100, 190, 3), (60, 45, 90))] = 30
    hu[inside((100, 172, 3), (16, 14, 60))] = 220
    hu[inside((cx, cy, cz), (58, 50, 18))] = 38
    hu[inside((cx + 12, cy + 6, cz), (24, 20, 10))] = 46
    hu[inside((cx - 22, cy - 30, cz), (22, 12, 9))] = -90
    for i, peak in enumerate((280, 420, 650)):
        hu[inside((cx - 20 + 14 * i, cy - 18 + 3 * i, cz - 1 + i), (4, 3, 1))] = peak
    hu += np.random.RandomState(_SEED).randint(-40, 41, shape)
    attributes = {"PatientName": "Synthetic^Phantom^Known answer", "Modality": "CT"}
    volume = CTVolume(hu.astype(np.int16), (0.7, 0.7, 2.5), (0.0, 0.0, 0.0), np.eye(3), "known-answer", attributes)
    return volume, (cx, cy, cz), 2.0


def known_answer(model: HyRiskNet, bundle: ModelBundle) -> dict[str, Any]:
    """The answer to store as ``bundle.training["known_answer"]`` when a bundle is made.

    Computed on the CPU with a copy of ``model`` in the half precision that bundles are stored in; ``model`` itself is
    left as it is.

    Returns:
        ``{"exam": version, "risknet": log odds, "by_grade": [log odds at grades 0 to 3]}``; a model with the score
        input "agatston" gets the same four score inputs, -1 to +1.
    """
    import torch

    stored = copy.deepcopy(model).to("cpu", torch.float16).to(torch.float32).eval()
    risknet, by_grade = _answer(stored, bundle)
    return {"exam": _EXAM_VERSION, "risknet": round(risknet, 6), "by_grade": [round(v, 6) for v in by_grade]}


def self_test(directory: Path, device: str | None = None) -> ModelBundle:
    """Check the hashes of a bundle, build its network, and compare its answer with the one it was stored with.

    Args:
        device: ``"cpu"``, ``"cuda"``, or None to choose.

    Raises:
        BundleError: damaged, malformed, no finite number, no known answer, or another one.
        InputError: the named device does not exist.
    """
    from hyrisk_desktop.risk.device import choose_device

    where = choose_device(device)
    bundle, model = load_bundle(directory)
    expected = stored_answer(bundle)
    found = _answer(model.to(where), bundle)
    if not np.isfinite([found[0], *found[1]]).all():
        raise BundleError(
            "bundle_not_finite",
            tr("The model “{name}” does not answer with a number; it can't be used.", name=bundle.name),
        )
    deviation = max(
        np.abs(_risks(bundle, "risknet", found[0]) - _risks(bundle, "risknet", expected[0])).max(),
        np.abs(_risks(bundle, "hyrisknet", found[1]) - _risks(bundle, "hyrisknet", expected[1])).max(),
    )
    if deviation > LARGEST_DEVIATION:
        raise BundleError(
            "bundle_known_answer",
            tr(
                "The model “{name}” does not give its known answer here (a risk differs by {percent:.1f} percentage "
                "points); it can't be used.",
                name=bundle.name,
                percent=100 * deviation,
            ),
        )
    return bundle


def _answer(model: HyRiskNet, bundle: ModelBundle) -> tuple[float, list[float]]:
    """Log odds of RiskNet, and of HyRiskNet by grade, on the known-answer exam, on the model's device."""
    import torch

    from hyrisk_desktop.risk.network import log_odds

    # As in the Predictor: TF32 would move CUDA's answer by more than what is compared.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    volume, centre, _ = known_answer_volume()
    look = look_at(volume, centre, bundle.preprocessing)
    device = model.image_head.weight.device
    with torch.inference_mode():
        batch = torch.from_numpy(look.patches(look.own)).to(device)
        views = model.features(prepare(batch, [view.crop for view in look.own], bundle.preprocessing))
        features = views.mean(0, keepdim=True)
        risknet = float(log_odds(model.image_logits(features))[0])
        scores = torch.tensor([ScoreInput().value(grade) for grade in GRADES], device=device)
        fused = log_odds(model.fused_logits(features.expand(len(GRADES), -1), scores))
    return risknet, [float(value) for value in fused]


def stored_answer(bundle: ModelBundle) -> tuple[float, list[float]]:
    """The known answer that the bundle was stored with: log odds of RiskNet, and of HyRiskNet at each of `GRADES`; raises BundleError."""
    stored = bundle.training.get(KNOWN_ANSWER)
    if stored is None:
        raise BundleError(
            "no_known_answer",
            tr("The model “{name}” was stored without a known answer, so it can't be tested here.", name=bundle.name),
        )
    try:
        if stored["exam"] != _EXAM_VERSION or len(stored["by_grade"]) != len(GRADES):
            raise ValueError("another exam")
        by_grade = [check_number("by_grade", value) for value in stored["by_grade"]]
        return check_number("risknet", stored["risknet"]), by_grade
    except (KeyError, TypeError, ValueError) as e:
        raise BundleError(
            "no_known_answer",
            tr("The known answer of the model “{name}” can't be read, so it can't be tested here.", name=bundle.name),
        ) from e


def _risks(bundle: ModelBundle, head: str, odds: float | list[float]) -> NDArray[np.float64]:
    return bundle.calibration.get(head, PlattCalibration()).risk(odds)
