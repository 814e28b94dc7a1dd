"""From a place in the exam on screen to the same place in the prior one, and back."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hyrisk_desktop.imaging import CTVolume, Voxel
from hyrisk_desktop.imaging.registration import Registration

Place = tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Placing:
    """How two exams are laid onto each other on screen.

    Attributes:
        current, prior: the exams. laid: how they lie. exact: by registration, not by the heart centres alone.
        shift_mm: what the reader has moved the prior by since, along its own x, y and z.
    """

    current: CTVolume
    prior: CTVolume
    laid: Registration
    exact: bool = False
    shift_mm: Place = (0.0, 0.0, 0.0)

    def to_prior(self, voxel: Place) -> Place:
        """Voxels (x, y, z) and parts of them in the prior exam."""
        place = self.prior.mm_to_place(self.laid.to_prior(self.current.voxel_to_mm(voxel)))
        x, y, z = (at + mm / step for at, mm, step in zip(place, self.shift_mm, self.prior.spacing_mm, strict=True))
        return x, y, z

    def to_current(self, voxel: Place) -> Voxel:
        """The nearest voxel (x, y, z) in the exam on screen; may lie outside it."""
        x, y, z = (at - mm / step for at, mm, step in zip(voxel, self.shift_mm, self.prior.spacing_mm, strict=True))
        return self.current.mm_to_voxel(self.laid.to_current(self.prior.voxel_to_mm((x, y, z))))

    def nearest_in_prior(self, voxel: Place) -> Voxel:
        """The voxel (x, y, z) of the prior exam that is nearest to a place of the exam on screen; kept inside it."""
        return self.prior.inside(self.to_prior(voxel))

    def shifted(self, x_mm: float, y_mm: float, z_mm: float) -> Placing:
        """The same with the prior moved on by so much."""
        x, y, z = self.shift_mm
        return replace(self, shift_mm=(x + x_mm, y + y_mm, z + z_mm))
