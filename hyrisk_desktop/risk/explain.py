"""Where a risk comes from: Grad-CAM over the patch, and the exact parts of the log odds. Research use only.

Grad-CAM (Selvaraju 2017, captum's `LayerGradCam`) at the last convolutional stage: the network averages that stage over
the crop and adds it up linearly, so the signed map's cells sum to the image's part of the log odds, exactly. It shows
where this network looked, not what causes death.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.volume import CTVolume, Voxel
from hyrisk_desktop.risk.calibration import PlattCalibration
from hyrisk_desktop.risk.preprocessing import Crop, centred_crop, cut_patch, prepare

if TYPE_CHECKING:
    from torch import Tensor

    from hyrisk_desktop.risk.predictor import Predictor


@dataclass(frozen=True, slots=True)
class Split:
    """Log odds of the non-survivor class as a sum of parts.

    Attributes:
        image: of the trunk's features. score: of the grade (or Agatston score); None where RiskNet spoke. constant: the bias.
    """

    image: float
    score: float | None
    constant: float

    @property
    def total(self) -> float:
        """The parts' sum."""
        return self.image + (self.score or 0.0) + self.constant

    def calibrated(self, calibration: PlattCalibration, prevalence: float | None = None) -> Split:
        """The same parts after Platt's rule: slope times each; intercept and prior shift go into the constant."""
        slope = calibration.slope
        score = None if self.score is None else slope * self.score
        constant = slope * self.constant + calibration.intercept + calibration.prior_shift(prevalence)
        return Split(slope * self.image, score, constant)


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """What one model's answer to one question was made of.

    Attributes:
        series_uid, centre, grade, agatston, bundle_sha256: what was asked of which model, as in `RiskReading`.
        model, demonstration, score_input: of the bundle.
        heat: [rows, columns] of the patch, 0 to 1 (1 raises the log odds most), NaN outside the crop that the network
            saw. The same for all three slices: they are the network's three input channels.
        raising, lowering: sums of the map's positive and negative cells, in uncalibrated log odds; together ``split.image``.
        split: uncalibrated. calibrated: the parts of the risk on screen's own log odds.
    """

    series_uid: str
    centre: Voxel
    grade: float | None
    agatston: float | None
    bundle_sha256: str
    model: str
    demonstration: bool
    score_input: str
    heat: NDArray[np.float32]
    raising: float
    lowering: float
    split: Split
    calibrated: Split


def explain(
    predictor: Predictor,
    volume: CTVolume,
    centre: Voxel,
    grade: float | None = None,
    *,
    agatston: float | None = None,
) -> Explanation:
    """Explain what `Predictor.predict` answers to the same question; on the thread that owns the predictor.

    Raises:
        InputError: as `Predictor.predict`. BundleError: the answer is not a finite number.
        HyRiskError: captum is missing.
    """
    reading = predictor.predict(volume, centre, grade, agatston=agatston)
    bundle = predictor.bundle
    score = predictor.score_input(grade, agatston)
    split = _split(predictor, volume, centre, score)
    cam = _grad_cam(predictor, volume, centre, score)
    head = "risknet" if score is None else "hyrisknet"
    return Explanation(
        series_uid=reading.series_uid,
        centre=centre,
        grade=grade,
        agatston=agatston,
        bundle_sha256=reading.bundle_sha256,
        model=bundle.name,
        demonstration=bundle.demonstration,
        score_input=bundle.score_input,
        heat=_place(cam, centred_crop(bundle.preprocessing), bundle.preprocessing.patch_xyz[:2]),
        raising=float(cam[cam > 0].sum()),
        lowering=float(cam[cam < 0].sum()),
        split=split,
        calibrated=split.calibrated(bundle.calibration.get(head, PlattCalibration()), predictor.prevalence),
    )


def _split(predictor: Predictor, volume: CTVolume, centre: Voxel, score: float | None) -> Split:
    """The head is linear, so its parts are products; in double precision, on the very features that were read."""
    from hyrisk_desktop.risk.network import NON_SURVIVOR

    head = predictor.network.image_head if score is None else predictor.network.fused_head
    weight = head.weight.detach().double().cpu().numpy()
    bias = head.bias.detach().double().cpu().numpy()
    weight, constant = weight[NON_SURVIVOR] - weight[1 - NON_SURVIVOR], bias[NON_SURVIVOR] - bias[1 - NON_SURVIVOR]
    features = predictor.features_at(volume, centre)[0].double().cpu().numpy()
    image = float(weight[: features.size] @ features)
    part = None if score is None else float(weight[-1] * score)
    return Split(image, part, float(constant))


def _grad_cam(predictor: Predictor, volume: CTVolume, centre: Voxel, score: float | None) -> NDArray[np.float64]:
    """Signed Grad-CAM [h, w] of the non-survivor log odds at the trunk's last stage."""
    import torch

    from hyrisk_desktop.risk.network import log_odds

    layer_grad_cam = _captum()
    network, p = predictor.network, predictor.bundle.preprocessing
    patch, _ = cut_patch(volume.hu, centre, p)
    slab = torch.from_numpy(patch.astype(np.float32))[None].to(predictor.device)
    images = prepare(slab, [centred_crop(p)], p).contiguous(memory_format=torch.channels_last)

    def answer(batch: Tensor) -> Tensor:
        features = network.features(batch)
        if score is None:
            return log_odds(network.image_logits(features))
        inputs = torch.full((len(features),), score, device=features.device)
        return log_odds(network.fused_logits(features, inputs))

    with torch.enable_grad():
        cam = layer_grad_cam(answer, network.trunk.layer4).attribute(images.requires_grad_(), relu_attributions=False)
    found: NDArray[np.float64] = cam[0, 0].detach().double().cpu().numpy()
    return found


def _captum() -> type:
    """captum's LayerGradCam; its import brings matplotlib and takes seconds, so it waits until somebody asks."""
    collecting = gc.isenabled()
    # As for torch: full collections over what an import makes stop every thread.
    gc.disable()
    try:
        from captum.attr import LayerGradCam
    except ImportError as e:
        raise HyRiskError(
            "no_captum", tr("The explanation needs the library captum, which is missing; run “hyrisk doctor”.")
        ) from e
    finally:
        if collecting:
            gc.enable()
    found: type = LayerGradCam
    return found


def _place(cam: NDArray[np.float64], crop: Crop, size: tuple[int, int]) -> NDArray[np.float32]:
    """What raises the log odds, 0 to 1, enlarged to the crop and put where the crop lies in the patch."""
    import torch
    from torch.nn.functional import interpolate

    raising = torch.from_numpy(np.maximum(cam, 0.0))[None, None]
    large = interpolate(raising, (crop.side, crop.side), mode="bilinear", align_corners=False)[0, 0].numpy()
    peak = float(large.max())
    columns, rows = size
    heat = np.full((rows, columns), np.nan, np.float32)
    heat[crop.top : crop.top + crop.side, crop.left : crop.left + crop.side] = large / peak if peak > 0 else 0.0
    heat.setflags(write=False)
    return heat
