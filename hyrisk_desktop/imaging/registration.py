"""Where a place of one exam lies in another of the same patient: rigid registration around the heart, in DICOM patient millimetres.

Lungs and bones show where the chest is; the heart moves with them, and what it moves by itself (breath, beat) stays as the residual.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.volume import CTVolume, Voxel
from hyrisk_desktop.jobs import CancelToken, Progress, no_progress

if TYPE_CHECKING:
    import SimpleITK as sitk

F64 = NDArray[np.float64]
Place = tuple[float, float, float]
"""LPS mm."""
STEP_MM = 2.5
"""Of the grid that is registered."""
REACH_MM = 110.0
"""What lies further from the heart than this has no say: arms and abdomen lie differently each year."""
LUNG_HU = -500.0
_HU_RANGE = (-1000.0, 400.0)
_SMOOTHING_MM = (8.0, 4.0, 1.5)
_SHRINK = (3, 2, 1)
_ITERATIONS = 120
_SHARE = 0.25
"""Of the voxels that the metric looks at."""
_SEED = 20180617
_LEAST_SURFACE = 200


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """How two exams lie to each other.

    Attributes:
        matrix: [4, 4] homogeneous, from the current exam's LPS millimetres to the prior's.
        residual_mm: median distance of the lungs' surfaces around the heart after it; NaN where there are too few.
    """

    matrix: F64
    residual_mm: float

    def to_prior(self, mm: Place) -> Place:
        """The place in the prior exam, LPS mm, of a place in the current one."""
        return _moved(self.matrix, mm)

    def to_current(self, mm: Place) -> Place:
        """The place in the current exam, LPS mm, of a place in the prior one."""
        return _moved(np.linalg.inv(self.matrix).astype(np.float64), mm)


def _moved(matrix: F64, mm: Place) -> Place:
    x, y, z = (matrix @ np.array([*mm, 1.0]))[:3]
    return float(x), float(y), float(z)


def laid_by_centres(
    current: CTVolume, prior: CTVolume, centre: Voxel | None, prior_centre: Voxel | None
) -> Registration:
    """What to go by until `register` has answered: the shift that brings both heart centres together, and no turn.

    Args:
        current, prior: of one patient. centre, prior_centre: heart centres (x, y, z); None: the exam's middle.
    """
    matrix = np.eye(4)
    matrix[:3, 3] = _centre_mm(prior, prior_centre) - _centre_mm(current, centre)
    return Registration(matrix, float("nan"))


def _centre_mm(volume: CTVolume, centre: Voxel | None) -> F64:
    return _middle(volume) if centre is None else np.array(volume.voxel_to_mm(centre))


def register(
    current: CTVolume,
    prior: CTVolume,
    centre: Voxel,
    prior_centre: Voxel | None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Registration:
    """Rigid registration of ``prior`` to ``current`` around the heart.

    Mattes' mutual information (2003) by gradient descent in three steps from coarse to fine, SimpleITK's; it begins where the heart
    centres, or without a second one the middles of both exams, fall together.

    Args:
        current, prior: of one patient. centre, prior_centre: heart centres (x, y, z); the prior's may be unknown.
        progress: called with steps done and the most there will be. cancel: stops it.

    Raises:
        ExamError: the exams can't be laid onto each other. Cancelled: it was.
    """
    import SimpleITK as sitk

    middle = np.array(current.voxel_to_mm(centre))
    fixed, moving = _around(current, middle), _coarse(prior)
    away = _centre_mm(prior, prior_centre)
    start = sitk.Euler3DTransform()
    start.SetCenter([float(v) for v in middle])
    start.SetTranslation([float(v) for v in away - middle])
    method = _method(sitk)
    method.SetInitialTransform(start, inPlace=True)
    _watch(method, progress, cancel or CancelToken())
    try:
        method.Execute(fixed, moving)
    except RuntimeError as e:
        raise ExamError(
            "registration", tr("The two exams can't be laid onto each other: they show no common part of a chest.")
        ) from e
    if cancel is not None:
        cancel.raise_if_cancelled()
    return Registration(_matrix(start), _residual(fixed, moving, start, sitk))


def _watch(method: Any, progress: Progress, cancel: CancelToken) -> None:
    """Tell of each step; one that is not wanted any more is the last."""
    import SimpleITK as sitk

    most, done = _ITERATIONS * len(_SHRINK), itertools.count(1)

    def step() -> None:
        progress(min(next(done), most), most)
        if cancel.cancelled:
            method.StopRegistration()

    method.AddCommand(sitk.sitkIterationEvent, step)


def _method(sitk: Any) -> Any:
    """SimpleITK's registration with everything settled but the images and the start."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(40)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(_SHARE, _SEED)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 1e-3, _ITERATIONS, 0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(_SHRINK)
    method.SetSmoothingSigmasPerLevel(_SMOOTHING_MM)
    method.SetSmoothingSigmasAreSpecifiedInPhysicalUnits(True)
    return method


def _coarse(volume: CTVolume) -> sitk.Image:
    """The volume where it lies, averaged to voxels of about `STEP_MM`, HU clipped to what lungs, tissue and bones have."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.clip(volume.hu, *_HU_RANGE).astype(np.int16))
    image.SetSpacing([float(v) for v in volume.spacing_mm])
    image.SetOrigin([float(v) for v in volume.origin_mm])
    image.SetDirection([float(v) for v in np.asarray(volume.direction).ravel()])
    # All that the metric sees has this grain; smoothing the full volume three times over would take ten times as long.
    shrunk = sitk.BinShrink(image, [max(1, int(STEP_MM / mm)) for mm in volume.spacing_mm])
    return sitk.Cast(shrunk, sitk.sitkFloat32)


def _around(volume: CTVolume, middle: F64) -> sitk.Image:
    """A cube of ``volume`` around ``middle`` (LPS mm) on an even grid along the patient's axes; outside the exam it holds air."""
    import SimpleITK as sitk

    count = 2 * int(REACH_MM / STEP_MM) + 1
    grid = sitk.Image([count] * 3, sitk.sitkFloat32)
    grid.SetSpacing([STEP_MM] * 3)
    grid.SetOrigin([float(v - REACH_MM) for v in middle])
    return sitk.Resample(_coarse(volume), grid, sitk.Transform(), sitk.sitkLinear, _HU_RANGE[0])


def _middle(volume: CTVolume) -> F64:
    depth, rows, columns = volume.shape_zyx
    return np.array(volume.voxel_to_mm(((columns - 1) / 2, (rows - 1) / 2, (depth - 1) / 2)))


def _matrix(transform: Any) -> F64:
    """A rigid transform as one homogeneous matrix: SimpleITK turns around a centre, then shifts."""
    turn = np.array(transform.GetMatrix()).reshape(3, 3)
    centre, shift = np.array(transform.GetCenter()), np.array(transform.GetTranslation())
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    matrix[:3, 3] = shift + centre - turn @ centre
    return matrix


def _residual(fixed: sitk.Image, moving: sitk.Image, transform: Any, sitk: Any) -> float:
    """Median distance, mm, of the lungs' surface in the current exam from that in the prior, laid onto it."""
    laid = sitk.Resample(moving, fixed, transform, sitk.sitkLinear, _HU_RANGE[0])
    known = sitk.Resample(moving * 0 + 1, fixed, transform, sitk.sitkNearestNeighbor, 0.0)
    own, other = (sitk.GetArrayFromImage(image) < LUNG_HU for image in (fixed, laid))
    inside = _inner(sitk.GetArrayFromImage(known) > 0)
    surface, target = _surface(own) & inside, _surface(other) & inside
    if surface.sum() < _LEAST_SURFACE or target.sum() < _LEAST_SURFACE:
        return float("nan")
    from scipy.ndimage import distance_transform_edt

    return float(np.median(distance_transform_edt(~target)[surface])) * STEP_MM


def _surface(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy.ndimage import binary_erosion

    found: NDArray[np.bool_] = mask & ~binary_erosion(mask, border_value=1)
    return found


def _inner(known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What lies away from the border of both exams, where a lung's surface is none."""
    from scipy.ndimage import binary_erosion

    found: NDArray[np.bool_] = binary_erosion(known, iterations=2)
    return found
