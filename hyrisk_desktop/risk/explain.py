"""Where a risk comes from: Grad-CAM over the patch, and the exact parts of the log odds. Research use only.

Grad-CAM (Selvaraju 2017) at the last convolutional stage: the network averages that stage over the crop and adds it up
linearly, so the gradient is the head's weight everywhere, and the signed map's cells sum to the image's part of the log
odds, exactly. It shows where this network looked, not what causes death.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.imaging.fat import fat_near
from hyrisk_desktop.imaging.volume import CTVolume, Voxel
from hyrisk_desktop.risk.calibration import PlattCalibration
from hyrisk_desktop.risk.factors import FactorShare
from hyrisk_desktop.risk.numpy_input import resized
from hyrisk_desktop.risk.preprocessing import Crop, centred_crop

if TYPE_CHECKING:
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
        """The same parts after Platt's rule: slope times each; the rest goes into the constant.

        That is intercept and prior shift, and what the rule leaves out beyond its range: the parts add up to the risk that is shown.
        """
        slope = calibration.slope
        score = None if self.score is None else slope * self.score
        left = self.constant + float(calibration.within(self.total)) - self.total
        constant = slope * left + calibration.intercept + calibration.prior_shift(prevalence)
        return Split(slope * self.image, score, constant)


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """What one model's answer to one question was made of.

    Attributes:
        series_uid, centre, grade, agatston, bundle_sha256: what was asked of which model, as in `RiskReading`.
        model, demonstration, score_input: of the bundle.
        heat: [rows, columns] of the patch, 0 to 1 (1 raises the log odds most), NaN outside the crop that the network
            saw. The same for all three slices: they are the network's three input channels. Of a bundle with levels it is their mean.
        raising, lowering: sums of the map's positive and negative cells, in uncalibrated log odds; together ``split.image``.
        split: uncalibrated. calibrated: the parts of the risk on screen's own log odds.
        explained_by, explained: as in `RiskReading`. fat_cm3: fat around the heart, measured in the exam, see `fat_near`.
        levels_mm: heights along z that the network looked at, where it is more than the click's.
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
    explained_by: tuple[FactorShare, ...] = ()
    explained: float | None = None
    fat_cm3: float = 0.0
    levels_mm: tuple[float, ...] = ()


def explain(
    predictor: Predictor,
    volume: CTVolume,
    centre: Voxel,
    grade: float | None = None,
    *,
    agatston: float | None = None,
) -> Explanation:
    """Explain what `Predictor.predict` answers to the same question; on the thread that owns the predictor.

    Args:
        volume, centre, grade, agatston: as of `Predictor.predict`.

    Raises:
        InputError: as `Predictor.predict`. BundleError: the answer is not a finite number.
    """
    reading = predictor.predict(volume, centre, grade, agatston=agatston)
    bundle = predictor.bundle
    score = predictor.score_input(grade, agatston)
    weight, constant = predictor.head(fused=score is not None)
    # In double precision, on the very features that were read.
    features = predictor.plain(predictor.features_at(volume, centre)[0]).astype(np.float64)
    cam = _grad_cam(predictor, volume, centre, weight[: features.size])
    part = None if score is None else float(weight[-1] * score)
    split = Split(float(weight[: features.size] @ features), part, constant)
    head = "risknet" if score is None else "hyrisknet"
    crop = centred_crop(bundle.preprocessing, pixel_mm=volume.spacing_mm[0])
    return Explanation(
        series_uid=reading.series_uid,
        centre=centre,
        grade=grade,
        agatston=agatston,
        bundle_sha256=reading.bundle_sha256,
        model=bundle.name,
        demonstration=bundle.demonstration,
        score_input=bundle.score_input,
        heat=_place(cam, crop, bundle.preprocessing.patch_xyz[:2]),
        raising=float(cam[cam > 0].sum()),
        lowering=float(cam[cam < 0].sum()),
        split=split,
        calibrated=split.calibrated(bundle.calibration.get(head, PlattCalibration()), predictor.prevalence),
        explained_by=reading.explained_by,
        explained=reading.explained,
        fat_cm3=fat_near(volume, centre),
        levels_mm=bundle.preprocessing.levels_mm or (),
    )


def _grad_cam(
    predictor: Predictor, volume: CTVolume, centre: Voxel, weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Signed Grad-CAM [h, w] of the non-survivor log odds at the trunk's last stage, from the maps that were read.

    The stage [F, h, w] is averaged and weighted by the head, so the gradient at each of its cells is weight / (h w).
    """
    maps = predictor.plain(predictor.maps_at(volume, centre)).astype(np.float64)
    cam: NDArray[np.float64] = np.einsum("f,fhw->hw", weight, maps) / (maps.shape[1] * maps.shape[2])
    return cam


def _place(cam: NDArray[np.float64], crop: Crop, size: tuple[int, int]) -> NDArray[np.float32]:
    """What raises the log odds, 0 to 1, enlarged to the crop and put where the crop lies in the patch."""
    large = resized(np.maximum(cam, 0.0), crop.side)
    peak = float(large.max())
    columns, rows = size
    heat = np.full((rows, columns), np.nan, np.float32)
    heat[crop.top : crop.top + crop.side, crop.left : crop.left + crop.side] = large / peak if peak > 0 else 0.0
    heat.setflags(write=False)
    return heat
