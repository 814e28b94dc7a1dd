"""A CT volume in Hounsfield units with checked geometry, and the way from voxels to millimetres."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.findings import Finding

Voxel = tuple[int, int, int]
"""A voxel (x, y, z), zero-based: column, row, slice."""

HuArray = NDArray[Any]
"""HU values indexed [z, y, x]; int16, or float32 where a rescale slope is not a whole number."""


@dataclass(frozen=True, slots=True, eq=False)
class CTVolume:
    """HU values of a CT series on a regular grid.

    Attributes:
        hu: [z, y, x]; slices sorted along the slice normal (feet to head for axial CT).
        spacing_mm: (x, y, z); z is the slice increment, from ImagePositionPatient and not SliceThickness.
        origin_mm: DICOM patient LPS position of voxel (0, 0, 0).
        direction: 3 x 3, columns are the unit vectors of x, y and z in LPS.
        series_uid: SeriesInstanceUID, or a content hash for image files without one.
        attributes: DICOM keywords to text (PatientID, PatientName, StudyDate, ConvolutionKernel, KVP,
            SliceThickness, ContrastBolusAgent, Manufacturer, WindowCenter, ...); empty where the format has none.
        findings: what the reader of the files noticed (see `imaging.checks` for the codes).
    """

    hu: HuArray
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    direction: NDArray[np.float64]
    series_uid: str
    attributes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    findings: tuple[Finding, ...] = ()

    @property
    def shape_zyx(self) -> tuple[int, int, int]:
        """Number of slices, rows and columns."""
        depth, rows, columns = self.hu.shape
        return depth, rows, columns

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel in mm3."""
        x, y, z = self.spacing_mm
        return x * y * z

    @property
    def synthetic(self) -> bool:
        """Whether this program's own phantom generator made the exam; it says so in the patient's name."""
        return self.attributes.get("PatientName", "").upper().startswith("SYNTHETIC^PHANTOM")

    def contains(self, voxel: Voxel) -> bool:
        """Whether ``voxel`` (x, y, z) lies inside the volume."""
        x, y, z = voxel
        depth, rows, columns = self.shape_zyx
        return 0 <= x < columns and 0 <= y < rows and 0 <= z < depth

    def inside(self, voxel: tuple[float, float, float]) -> Voxel:
        """The voxel (x, y, z) of the volume that is nearest to ``voxel``, which may lie outside or between two."""
        x, y, z = (min(max(round(at), 0), n - 1) for at, n in zip(voxel, self.shape_zyx[::-1], strict=True))
        return x, y, z

    def voxel_to_mm(self, voxel: tuple[float, float, float]) -> tuple[float, float, float]:
        """LPS position in mm of the centre of ``voxel`` (x, y, z)."""
        offset = self.direction @ (np.asarray(voxel, np.float64) * np.asarray(self.spacing_mm))
        x, y, z = np.asarray(self.origin_mm) + offset
        return float(x), float(y), float(z)

    def mm_to_place(self, mm: tuple[float, float, float]) -> tuple[float, float, float]:
        """Where an LPS position in mm lies, in voxels (x, y, z) and parts of them; may lie outside the volume."""
        # The direction's columns are orthonormal (checked on reading), so its inverse is its transpose.
        local = self.direction.T @ (np.asarray(mm, np.float64) - np.asarray(self.origin_mm))
        x, y, z = local / np.asarray(self.spacing_mm)
        return float(x), float(y), float(z)

    def mm_to_voxel(self, mm: tuple[float, float, float]) -> Voxel:
        """Nearest voxel (x, y, z) to an LPS position in mm; may lie outside the volume."""
        x, y, z = np.rint(self.mm_to_place(mm)).astype(int)
        return int(x), int(y), int(z)
