"""Where a place of one exam lies in another of the same patient: rigid registration in DICOM patient millimetres, in two steps.

Lungs and bones show how the chest lies. The heart moves in it with each breath, so a second step follows the heart's own border alone;
what beats and bends stays as the residual.
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
HEART_MM = 55.0
"""The second step looks no further from the heart centre than this: on phantoms (seeds from 8810000) larger balls follow the chest."""
LUNG_HU = -500.0
_HU_RANGE, _HEART_HU_RANGE = (-1000.0, 400.0), (-300.0, 250.0)
_SURFACE_MM, _SURFACE_STEP_MM = 75.0, 1.5
_SMOOTHING_MM = (8.0, 4.0, 1.5)
_SHRINK = (3, 2, 1)
_ITERATIONS = 60
_SHARE = 0.06
"""Of the voxels that the metric looks at."""
_SEED = 20180617
_LEAST_SURFACE = 200


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """How two exams lie to each other.

    Attributes:
        matrix: [4, 4] homogeneous, from the current exam's LPS millimetres to the prior's.
        residual_mm: mean distance of the lungs' surfaces around the heart after it; NaN where there are too few.
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

    The chests first, by Mattes' mutual information (2003) in three steps from coarse to fine, then a ball around the heart centre by
    correlation; both by gradient descent, SimpleITK's. It begins where the heart centres, or without a second one the middles of both
    exams, fall together.

    Args:
        current, prior: of one patient. centre, prior_centre: heart centres (x, y, z); the prior's may be unknown.
        progress: called with steps done and the most there will be. cancel: stops it.

    Raises:
        ExamError: the exams can't be laid onto each other. Cancelled: it was.
    """
    import SimpleITK as sitk

    token = cancel or CancelToken()
    middle, away = np.array(current.voxel_to_mm(centre)), _centre_mm(prior, prior_centre)
    found = sitk.Euler3DTransform()
    found.SetCenter([float(v) for v in middle])
    found.SetTranslation([float(v) for v in away - middle])
    told = _Steps(progress, token)
    try:
        for method, hu_range, reach in (
            (_of_chest(), _HU_RANGE, REACH_MM),
            (_of_heart(middle), _HEART_HU_RANGE, HEART_MM),
        ):
            told.watch(method)
            method.SetInitialTransform(found, inPlace=True)
            method.Execute(_around(current, middle, hu_range, reach, STEP_MM), _coarse(prior, hu_range))
            token.raise_if_cancelled()
    except RuntimeError as e:
        raise ExamError(
            "registration", tr("The two exams can't be laid onto each other: they show no common part of a chest.")
        ) from e
    return Registration(_matrix(found), _residual(current, prior, middle, found))


class _Steps:
    """Tells of each step; one that is not wanted any more is the last."""

    def __init__(self, progress: Progress, cancel: CancelToken) -> None:
        self._progress, self._cancel = progress, cancel
        self._most, self._done = _ITERATIONS * (len(_SHRINK) + 1), itertools.count(1)

    def watch(self, method: Any) -> None:
        """Follow one registration."""
        import SimpleITK as sitk

        def step() -> None:
            self._progress(min(next(self._done), self._most), self._most)
            if self._cancel.cancelled:
                method.StopRegistration()

        method.AddCommand(sitk.sitkIterationEvent, step)


def _of_chest() -> Any:
    """SimpleITK's registration of the whole chest, settled but for the images and the start."""
    import SimpleITK as sitk

    method = _optimised(2.0, _SHRINK, _SMOOTHING_MM)
    method.SetMetricAsMattesMutualInformation(40)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(_SHARE, _SEED)
    method.SetInterpolator(sitk.sitkLinear)
    return method


def _of_heart(middle: F64) -> Any:
    """The same of a ball around the heart centre ``middle`` (LPS mm): two CT of one heart have the same HU, so correlation will do."""
    import SimpleITK as sitk

    method = _optimised(1.0, (1,), (2.0,))
    method.SetMetricAsCorrelation()
    grid = _grid(middle, HEART_MM, STEP_MM)
    steps = np.arange(grid.GetSize()[0]) * STEP_MM - HEART_MM
    squares = steps**2
    ball = sitk.GetImageFromArray(
        ((squares[:, None, None] + squares[:, None] + squares) <= HEART_MM**2).astype(np.uint8)
    )
    ball.CopyInformation(grid)
    method.SetMetricFixedMask(ball)
    method.SetInterpolator(sitk.sitkLinear)
    return method


def _optimised(first_step: float, shrink: tuple[int, ...], smoothing_mm: tuple[float, ...]) -> Any:
    import SimpleITK as sitk

    method = sitk.ImageRegistrationMethod()
    method.SetOptimizerAsRegularStepGradientDescent(first_step, 1e-3, _ITERATIONS, 0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(shrink)
    method.SetSmoothingSigmasPerLevel(smoothing_mm)
    method.SetSmoothingSigmasAreSpecifiedInPhysicalUnits(True)
    return method


def _coarse(volume: CTVolume, hu_range: tuple[float, float], step_mm: float = STEP_MM) -> sitk.Image:
    """The volume where it lies, averaged to voxels of about ``step_mm``, HU clipped to ``hu_range``."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.clip(volume.hu, *hu_range).astype(np.int16))
    image.SetSpacing([float(v) for v in volume.spacing_mm])
    image.SetOrigin([float(v) for v in volume.origin_mm])
    image.SetDirection([float(v) for v in np.asarray(volume.direction).ravel()])
    # All that the metric sees has this grain; smoothing the full volume three times over would take ten times as long.
    shrunk = sitk.BinShrink(image, [max(1, int(step_mm / mm)) for mm in volume.spacing_mm])
    return sitk.Cast(shrunk, sitk.sitkFloat32)


def _grid(middle: F64, reach_mm: float, step_mm: float) -> sitk.Image:
    """An even grid along the patient's axes, ``reach_mm`` to each side of ``middle`` (LPS mm)."""
    import SimpleITK as sitk

    grid = sitk.Image([2 * int(reach_mm / step_mm) + 1] * 3, sitk.sitkFloat32)
    grid.SetSpacing([step_mm] * 3)
    grid.SetOrigin([float(v) - int(reach_mm / step_mm) * step_mm for v in middle])
    return grid


def _around(
    volume: CTVolume, middle: F64, hu_range: tuple[float, float], reach_mm: float, step_mm: float
) -> sitk.Image:
    """A cube of ``volume`` around ``middle``, as of `_grid`, HU clipped to ``hu_range``; outside the exam it holds air."""
    import SimpleITK as sitk

    grid = _grid(middle, reach_mm, step_mm)
    return sitk.Resample(_coarse(volume, hu_range, step_mm), grid, sitk.Transform(), sitk.sitkLinear, hu_range[0])


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


def _residual(current: CTVolume, prior: CTVolume, middle: F64, transform: Any) -> float:
    """Mean distance, mm, of the lungs' surface around the heart in the current exam from that in the prior, laid onto it."""
    import SimpleITK as sitk
    from scipy.ndimage import distance_transform_edt

    fixed = _around(current, middle, _HU_RANGE, _SURFACE_MM, _SURFACE_STEP_MM)
    moving = _coarse(prior, _HU_RANGE, _SURFACE_STEP_MM)
    laid = sitk.Resample(moving, fixed, transform, sitk.sitkLinear, _HU_RANGE[0])
    known = sitk.Resample(moving * 0 + 1, fixed, transform, sitk.sitkNearestNeighbor, 0.0)
    own, other = (sitk.GetArrayFromImage(image) < LUNG_HU for image in (fixed, laid))
    inside = _inner(sitk.GetArrayFromImage(known) > 0)
    surface, target = _surface(own) & inside, _surface(other) & inside
    if surface.sum() < _LEAST_SURFACE or target.sum() < _LEAST_SURFACE:
        return float("nan")
    return float(np.mean(distance_transform_edt(~target)[surface])) * _SURFACE_STEP_MM


def _surface(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy.ndimage import binary_erosion

    found: NDArray[np.bool_] = mask & ~binary_erosion(mask, border_value=1)
    return found


def _inner(known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What lies away from the border of both exams, where a lung's surface is none."""
    from scipy.ndimage import binary_erosion

    found: NDArray[np.bool_] = binary_erosion(known, iterations=2)
    return found
