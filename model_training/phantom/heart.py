"""The heart: chambers, fat, pericardium, great vessels at its base, and the coronary paths.

Shapes are written in the heart's own frame (mm, nominal size) and carried into the world by the subject's
size, rotation and shift. Centres and radii follow textbook anatomy of a supine adult.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model_training.phantom.fields import F32, Points, capsule, ellipsoid, noise, smooth_min, tube
from model_training.phantom.subject import Subject, stream

F64 = NDArray[np.float64]

LV_AXIS = (0.66, -0.50, -0.56)
"""From the base of the left ventricle to its apex."""

CLICK = (9.0, -5.0, 13.5)
"""Where readers click in the heart's frame: the level of the proximal coronary arteries, a little above the middle."""

_CHAMBERS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "lv": ((22, -2, -14), (46, 31, 33)),  # the first radius lies along LV_AXIS
    "rv": ((2, -24, -14), (46, 30, 22)),
    "ra": ((-31, 6, -6), (28, 24, 27)),
    "la": ((3, 29, 9), (36, 19, 23)),
    "outflow": ((8, -21, 20), (19, 14, 17)),
}
_APPENDAGES: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "left appendage": ((34, 12, 22), (8, 13, 10)),
    "right appendage": ((-21, -15, 15), (14, 9, 13)),
}
_CORONARIES: dict[str, list[tuple[float, float, float]]] = {
    "LM": [(8, 0, 18), (14, -2, 18), (20, -1, 17)],
    "LAD": [(20, -1, 17), (25, -10, 16), (30, -19, 12), (35, -29, 4), (40, -37, -8), (46, -42, -22), (52, -40, -36)],
    "LCx": [(20, -1, 17), (28, 7, 14), (36, 16, 8), (41, 24, -2), (38, 32, -13), (29, 37, -22)],
    "RCA": [
        (-7, -6, 16),
        (-14, -13, 16),
        (-23, -19, 10),
        (-31, -22, 0),
        (-33, -20, -14),
        (-26, -10, -28),
        (-8, 6, -36),
    ],
    "diagonal": [(30, -19, 12), (40, -16, 6), (50, -14, -6), (58, -14, -20)],
    "vein": [(42, -34, -8), (34, -18, 12), (32, 6, 15), (40, 22, 6), (30, 38, -8), (6, 42, -18), (-16, 34, -18)],
}
_GROOVES: tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...] = (
    ((22, -4, 18), (33, -27, 6)),
    ((33, -27, 6), (48, -42, -26)),
    ((24, 2, 16), (40, 24, -4)),
    ((40, 24, -4), (26, 38, -24)),
    ((-10, -12, 18), (-31, -21, 2)),
    ((-31, -21, 2), (-26, -12, -28)),
)
"""Where fat gathers between the chambers, along the coronary arteries."""
CALCIFIED_VESSELS = {"LM": 0.07, "LAD": 0.43, "LCx": 0.20, "RCA": 0.30}


def rotation(angles_deg: tuple[float, float, float]) -> F64:
    """Rotation matrix about x, then y, then z."""
    a, b, c = (math.radians(angle) for angle in angles_deg)
    about_x = np.array([[1, 0, 0], [0, math.cos(a), -math.sin(a)], [0, math.sin(a), math.cos(a)]])
    about_y = np.array([[math.cos(b), 0, math.sin(b)], [0, 1, 0], [-math.sin(b), 0, math.cos(b)]])
    about_z = np.array([[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]])
    product: F64 = about_z @ about_y @ about_x
    return product


def _axis_frame(axis: tuple[float, float, float]) -> F64:
    """Rows: ``axis`` and two directions across it."""
    u = np.asarray(axis) / np.linalg.norm(axis)
    v = np.array([-u[1], u[0], 0.0]) / math.hypot(u[0], u[1])
    w = np.array([u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]])
    return np.stack([u, v, w])


@dataclass(frozen=True)
class HeartFields:
    """Distances (mm, on the points they were asked for) to the heart's surfaces.

    Attributes:
        sheath: to what wraps the great vessels, with the little fat between them.
    """

    chambers: F32
    cavities: F32
    pericardium: F32
    paracardiac: F32
    vessels: F32
    root: F32
    sheath: F32


@dataclass(frozen=True)
class _GreatVessels:
    """Distances to all of them, to those the pericardium wraps, to the aorta's root, and to what keeps them together."""

    every: F32
    wrapped: F32
    root: F32
    sheath: F32


class Heart:
    """One subject's heart.

    Attributes:
        scale, turn, fat_mm: size factor, rotation matrix, thickness of the epicardial fat over the hull.
        paracardiac_mm: thickness of the fat outside the pericardium. shift_mm: from where it lies at rest, [3].
    """

    def __init__(self, subject: Subject) -> None:
        rng = stream(subject.seed, "heart")
        traits = subject.traits
        self.scale = math.exp(0.095 * traits["size"]) * (0.975 if subject.male else 0.92)
        self.turn = rotation((rng.normal(0, 6), rng.normal(0, 6), rng.normal(0, 7)))
        self.fat_mm = max(4.6 + 2.4 * traits["eat"], 0.4)
        self.paracardiac_mm = max(5.0 + 4.0 * traits["para"], 0.5)
        self.warp_offset = rng.uniform(0, 64, 3)
        # Deeper grooves in fatter hearts: the chambers shrink a little inside the hull they span.
        self._chambers = {
            name: (np.asarray(centre) + rng.normal(0, 2, 3), np.asarray(radii) * np.exp(rng.normal(0, 0.05, 3)))
            for name, (centre, radii) in {**_CHAMBERS, **_APPENDAGES}.items()
        }
        self._root = np.array([-1, -1, 18]) + rng.normal(0, 1.5, 3)
        self._root_radius = float(np.clip(16.0 + 0.5 * traits["age"] + rng.normal(0, 1.2), 12, 20))
        self._rng_paths = rng.normal(0, 1.6, (6, 8, 3))
        self.shift_mm = np.zeros(3)
        self.click = self.to_world(np.asarray(CLICK) + rng.normal(0, (3.0, 3.0, 2.0)))

    def moved(self, shift_mm: F64) -> Heart:
        """The heart elsewhere in its chest by ``shift_mm`` [3], as another breath leaves it."""
        other = copy.copy(self)
        other.__dict__.pop("coronaries", None)
        other.shift_mm = self.shift_mm + shift_mm
        other.click = self.click + shift_mm
        return other

    def to_world(self, local: F64) -> F64:
        """Heart frame to world, mm; [..., 3]."""
        world: F64 = self.scale * (local @ self.turn.T) + self.shift_mm
        return world

    def to_local(self, points: Points) -> Points:
        """World, less `shift_mm`, to heart frame, mm; an open mesh of three arrays that broadcast to [z, y, x]."""
        m = (self.turn / self.scale).astype(np.float32)
        x, y, z = points
        local = tuple(m[0, i] * x + m[1, i] * y + m[2, i] * z for i in range(3))
        return local[0], local[1], local[2]

    def _warped(self, points: Points) -> Points:
        """Push open-mesh points around by a few mm of smooth noise, so that no surface is a perfect ellipsoid."""
        x, y, z = (axis.ravel() for axis in points)
        shifted = [points[i] + np.float32(2.6) * noise(x, y, z, 24.0, self.warp_offset + 17.0 * i) for i in range(3)]
        return shifted[0], shifted[1], shifted[2]

    def _chamber(self, name: str, points: Points, shrink: float = 0.0) -> F32:
        """Distance to one chamber, its radii reduced by ``shrink`` mm."""
        centre, radii = self._chambers[name]
        radii = np.maximum(radii - shrink, 4.0)
        if name != "lv":
            return ellipsoid(points, centre, radii)
        frame = _axis_frame(LV_AXIS).astype(np.float32)
        x, y, z = (points[i] - np.float32(centre[i]) for i in range(3))
        along = tuple(row[0] * x + row[1] * y + row[2] * z for row in frame)
        return ellipsoid((along[0], along[1], along[2]), (0, 0, 0), radii)

    def fields(self, points: Points) -> HeartFields:
        """All surfaces [z, y, x] at open-mesh ``points``."""
        # What roughens the surfaces goes with the heart.
        x0, y0, z0 = (np.float32(mm) for mm in self.shift_mm)
        points = points[0] - x0, points[1] - y0, points[2] - z0
        local = self.to_local(self._warped(points))
        parts = {name: self._chamber(name, local) for name in self._chambers}
        # The groove between the atria is shallow, those of the coronary arteries are not.
        atria = smooth_min(parts["ra"], parts["la"], 22.0)
        muscle, hull = parts["lv"], parts["lv"]
        for part, fillet in ((parts["rv"], 6.0), (atria, 7.0), (parts["outflow"], 4.0)):
            muscle = smooth_min(muscle, part, fillet)
            hull = smooth_min(hull, part, 18.0)
        for name in _APPENDAGES:
            muscle = smooth_min(muscle, parts[name], 6.0)
            hull = smooth_min(hull, parts[name], 6.0)
        vessels = self._great_vessels(local)
        hull = smooth_min(hull, vessels.wrapped + np.float32(2.0), 12.0)
        cavities = np.minimum(self._chamber("lv", local, 10.0), self._chamber("rv", local, 4.0))
        x, y, z = (axis.ravel() for axis in points)
        lumps = np.exp(np.clip(np.float32(0.4) * noise(x, y, z, 22.0, self.warp_offset + 5.0), -0.8, 0.45))
        fat, beside = self._fat(local)
        pericardium: F32 = hull - fat * lumps
        paracardiac = smooth_min(pericardium, beside, 16.0)
        s = np.float32(self.scale)
        return HeartFields(
            muscle * s, cavities * s, pericardium * s, paracardiac * s, vessels.every * s, vessels.root * s,
            smooth_min(vessels.sheath, pericardium, 10.0) * s,
        )  # fmt: skip

    def _fat(self, local: Points) -> tuple[F32, F32]:
        """Thickness of the fat inside the pericardium and distance to the fat outside it, at ``local`` points (heart frame, no scale).

        Fat lies in the grooves, over the right ventricle and in front of the root; lung lies on the rest of the heart.
        """
        _, y, z = local
        nearest = capsule(local, *_GROOVES[0], 0.0)
        for start, end in _GROOVES[1:]:
            nearest = np.minimum(nearest, capsule(local, start, end, 0.0))
        groove = np.clip(1.0 - nearest * np.float32(1 / 24.0), 0, 1)
        front = np.clip((-8.0 - y) * np.float32(1 / 26.0), 0, 1)
        base = np.clip((z + 2.0) * np.float32(1 / 22.0), 0, 1) * np.clip((64.0 - z) * np.float32(1 / 40.0), 0, 1)
        share = 0.08 + 1.1 * groove * groove + front * (0.42 + 0.3 * base)
        fat = np.float32(1.15 * self.fat_mm / self.scale) * share.astype(np.float32)
        pads = np.minimum(
            ellipsoid(local, (-44, -42, -32), (12 + self.paracardiac_mm, 9 + self.paracardiac_mm, 22)),
            ellipsoid(local, (46, -50, -40), (13 + self.paracardiac_mm, 8 + self.paracardiac_mm, 20)),
        )
        breast = ellipsoid(local, (2, -46, 0), (7 + 1.6 * self.paracardiac_mm, 1.5 + 0.8 * self.paracardiac_mm, 32))
        beside = smooth_min(pads, breast, 14.0) + np.float32(2.0)
        return fat, beside

    def _great_vessels(self, p: Points) -> _GreatVessels:
        """Distances [z, y, x] to the vessels that leave the heart, at points ``p`` of its frame."""
        root, r = self._root, self._root_radius
        ascending = smooth_min(
            capsule(p, root, (-9, -4, 52), r, r - 1.0), capsule(p, (-9, -4, 52), (-4, 10, 78), r - 1.0, r - 2.0), 4.0
        )
        trunk = smooth_min(
            capsule(p, (13, -22, 24), (22, -16, 36), 13.0, 12.5),
            capsule(p, (22, -16, 36), (22, 4, 49), 12.5, 12.0),
            4.0,
        )
        right = tube(p, np.array([(22, 6, 48), (8, 19, 46), (-36, 22, 40)]), 10.5, 8.5)
        branches = np.minimum(right, capsule(p, (22, 6, 48), (42, 30, 44), 10.5, 8.5))
        cava = np.minimum(
            capsule(p, (-27, 2, 14), (-30, 4, 95), 9.5, 9.0), capsule(p, (-30, 12, -22), (-28, 14, -70), 11.5)
        )
        veins = np.minimum(
            np.minimum(
                capsule(p, (-20, 32, 10), (-56, 34, 4), 7.0, 6.0), capsule(p, (-18, 28, 20), (-50, 14, 22), 6.5, 5.0)
            ),
            np.minimum(
                capsule(p, (30, 32, 8), (56, 42, 2), 7.0, 5.5), capsule(p, (30, 28, 20), (54, 18, 26), 6.0, 5.0)
            ),
        )
        wrapped = smooth_min(ascending, trunk, 8.0)
        every = np.minimum(np.minimum(np.minimum(ascending, trunk), branches), np.minimum(cava, veins))
        # Little fat keeps the vessels apart, and lung reaches them where they leave the middle.
        sheath = smooth_min(smooth_min(wrapped, cava, 14.0), branches, 16.0)
        return _GreatVessels(every, wrapped, ascending, smooth_min(sheath, veins, 6.0) - np.float32(0.8))

    def _epicardium(self, local: F64) -> F64:
        """Distance of points [n, 3] (heart frame, no warp) to the chambers."""
        points = tuple(local[:, i].astype(np.float32) for i in range(3))
        mesh: Points = (points[0], points[1], points[2])
        surface = self._chamber("lv", mesh)
        for name in ("rv", "ra", "la", "outflow"):
            surface = smooth_min(surface, self._chamber(name, mesh), 3.0)
        root = ellipsoid(mesh, self._root, (self._root_radius,) * 3)
        return np.minimum(surface, root).astype(np.float64)

    @cached_property
    def coronaries(self) -> dict[str, F64]:
        """World paths [n, 3] of the coronary arteries (and one vein), about 1.5 mm between points.

        Control points are pushed by Newton steps to 2.2 mm outside the chambers, so that vessels run in the grooves.
        """
        paths = {}
        for index, (name, control) in enumerate(_CORONARIES.items()):
            nodes = np.asarray(control, np.float64)
            nodes = nodes + self._rng_paths[index, : len(nodes)] * np.linspace(0.3, 1.0, len(nodes))[:, None]
            dense = _resample(nodes, 1.5)
            for _ in range(4):
                around = np.concatenate([dense, *(dense + step for step in 0.5 * np.eye(3))])
                value, *beside = np.split(self._epicardium(around), 4)
                gradient = np.stack([distance - value for distance in beside], axis=1) / 0.5
                norm = np.linalg.norm(gradient, axis=1, keepdims=True) + 1e-6
                dense = dense - np.clip(value - 2.2, -6, 6)[:, None] * gradient / norm**2 * 0.8
            dense[1:-1] = 0.25 * dense[:-2] + 0.5 * dense[1:-1] + 0.25 * dense[2:]
            paths[name] = self.to_world(dense)
        return paths

    def root_wall(self, angle: float, height: float) -> F64:
        """A world point on the wall of the ascending aorta at ``angle`` (radians), ``height`` mm above the root."""
        r = self._root_radius - 0.5
        local = self._root + np.array([r * math.cos(angle), r * math.sin(angle), 0.0])
        local = local + height / 34.0 * (np.array([-9.0, -4.0, 52.0]) - self._root)
        return self.to_world(local)


def _resample(nodes: F64, step_mm: float) -> F64:
    """A Catmull-Rom curve through ``nodes`` at about ``step_mm``."""
    padded = np.concatenate([2 * nodes[:1] - nodes[1:2], nodes, 2 * nodes[-1:] - nodes[-2:-1]])
    pieces = []
    for i in range(1, len(padded) - 2):
        n = max(2, int(np.linalg.norm(padded[i + 1] - padded[i]) / step_mm))
        t = np.arange(n)[:, None] / n
        a, b, c, d = padded[i - 1 : i + 3]
        pieces.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.concatenate([*pieces, nodes[-1:]])
