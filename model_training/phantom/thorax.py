"""Everything around the heart: chest wall, bones, lungs, airways, mediastinum, upper abdomen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_training.phantom.fields import F32, Points, capsule, ellipsoid, noise, smooth_max, smooth_min, tube
from model_training.phantom.heart import HeartFields
from model_training.phantom.subject import Subject, stream

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class ThoraxFields:
    """Distances (mm) on the points they were asked for."""

    skin: F32
    wall: F32
    plane: F32
    cage: F32
    lung: F32
    disc: F32
    bone: F32
    marrow: F32
    cartilage: F32
    aorta: F32
    oesophagus: F32
    gullet_air: F32
    airway: F32
    abdomen: F32
    liver: F32
    stomach: F32
    gas: F32
    couch: F32


class Thorax:
    """One subject's chest."""

    def __init__(self, subject: Subject) -> None:
        rng = stream(subject.seed, "thorax")
        traits = subject.traits
        frame = (1.03 if subject.male else 0.94) * math.exp(rng.normal(0, 0.035))
        self.midline = -13.0 + rng.normal(0, 3.0)
        self.depth = 26.0 + rng.normal(0, 3.0)
        self.half_width = 128.0 * frame
        self.half_depth = (92.0 + 3.0 * traits["emph"] + 2.0 * traits["adip"]) * frame
        self.muscle_mm = float(np.clip(13.0 + 2.4 * traits["muscle"], 6.0, 22.0))
        self.fat_mm = math.exp(math.log(15.0) + 0.42 * traits["adip"]) * (0.9 if subject.male else 1.1)
        self.breast_mm = 0.0 if subject.male else float(np.clip(26 + 8 * traits["adip"] + rng.normal(0, 5), 8, 55))
        self.spine_y = self.depth + 0.56 * self.half_depth + rng.normal(0, 2.0)
        self.dome_z = -38.0 + rng.normal(0, 6.0) - 4.0 * traits["emph"] + 3.0 * traits["adip"]
        self.rib_phase = rng.uniform(0, 1)
        self.rib_step = 24.0 * frame
        self.vertebra_phase = rng.uniform(0, 1)
        self.retrosternal_mm = float(np.clip(11 + 4.5 * traits["para"] + 3 * traits["adip"], 3, 32))
        self.aorta_mm = float(np.clip(12.3 + 0.6 * traits["age"] + rng.normal(0, 0.9), 9.5, 17))
        self.offset = rng.uniform(0, 64, 3)
        self.gas_z = stream(subject.seed, "gullet").uniform(-60, 120, 3)
        m, s = self.midline, self.spine_y
        side = rng.normal(0, 2.0)
        self.descending = np.array(
            [(m + 9, 8, 84), (m + 20, 34, 88), (m + 25, s - 34, 74), (m + 26, s - 17, 50), (m + 25 + side, s - 14, 0),
             (m + 18 + side, s - 18, -60), (m + 12, s - 22, -190)], np.float64
        )  # fmt: skip

    def _cage_radial(self, points: Points) -> F32:
        """Distance to the pleural surface of the rib cage, measured along rays from its axis."""
        x, y, z = points
        taper = self._taper(z)
        u, v = x - np.float32(self.midline), y - np.float32(self.depth)
        a, b = np.float32(self.half_width) * taper, np.float32(self.half_depth) * (0.25 + 0.75 * taper)
        flat = (np.abs(u) / a) ** 2.35 + (np.abs(v) / b) ** 2.35
        p = flat ** np.float32(1 / 2.35) + np.float32(1e-6)
        cage: F32 = (p - 1.0) / p * np.sqrt(u * u + v * v)
        closed: F32 = np.maximum(cage, z - np.float32(168.0))
        return closed

    def _pleura(self, points: Points, cage: F32) -> F32:
        """The pleural surface: the cage, pushed in by the muscles and joints beside the spine."""
        block = ellipsoid(points, (self.midline, self.spine_y + 36, 0), (33, 31, 900))
        return smooth_max(cage, -block, 14.0)

    def _spine(self, points: Points) -> tuple[F32, F32, F32]:
        """Distance to vertebrae with their processes, to the marrow inside, and to the column with its discs."""
        x, y, z = points
        m, s = np.float32(self.midline), np.float32(self.spine_y)
        phase = np.mod(z / np.float32(25.0) + np.float32(self.vertebra_phase), 1.0)
        half_disc = np.float32(2.6) - np.minimum(phase, 1.0 - phase) * np.float32(25.0)
        waist = 1.5 * np.cos(2 * np.pi * phase)
        round_body = np.sqrt((x - m) ** 2 / np.float32(1.32) + (y - s) ** 2) - np.float32(15.0) - waist
        body = np.maximum(round_body, half_disc)
        # Little bright end plate: slices as thick as these average it with the marrow.
        body_marrow = np.maximum(round_body + np.float32(1.8), half_disc + np.float32(0.3))
        canal = np.sqrt((x - m) ** 2 + (y - s - 22) ** 2) - np.float32(8.0)
        arch = np.maximum(np.sqrt((x - m) ** 2 + (y - s - 23) ** 2) - np.float32(13.5), -canal)
        arch = np.maximum(arch, np.abs(phase - 0.5) * 25.0 - 10.5)
        flat: Points = (np.abs(x - m), y, (phase - np.float32(0.5)) * np.float32(25.0))
        processes = np.minimum(
            capsule(flat, (0, float(s) + 33, 1), (0, float(s) + 54, -6), 3.6),
            capsule(flat, (11, float(s) + 24, 3), (33, float(s) + 36, 5), 4.6),
        )
        bone = np.minimum(np.minimum(body, arch), processes)
        return bone, np.minimum(body_marrow, processes + np.float32(2.6)), np.minimum(round_body, arch)

    def _ribs(self, points: Points, cage: F32) -> tuple[F32, F32, F32]:
        """Distance to ribs, their marrow, and the cartilage in front.

        A rib is where the middle of the chest wall meets one of a stack of surfaces that fall to the front.
        """
        x, y, z = points
        u = np.abs(x - np.float32(self.midline))
        turn = np.float32(0.42) * (y - np.float32(self.depth)) - np.float32(0.0016) * u * u
        step = np.float32(self.rib_step)
        # Anterior ends curve up again towards the sternum.
        rise = np.float32(0.010) * np.maximum(np.float32(self.depth - 50.0) - y, 0) ** 2
        phase = np.mod((z - turn - rise) / step + np.float32(self.rib_phase), 1.0) - np.float32(0.5)
        across = phase * step * np.float32(0.86)
        middle = cage - np.float32(0.38 * self.muscle_mm + 1.0)
        rib = np.sqrt((middle * np.float32(1.65)) ** 2 + across * across) - np.float32(6.4)
        rib = rib * np.float32(0.7)
        front = np.float32(self.depth - 0.62 * self.half_depth) - y
        high = z - np.float32(150.0)
        cartilage = np.maximum(rib + np.float32(0.6), np.maximum(-front, high))
        bony = np.maximum(rib, np.maximum(front, high))
        return bony, bony + np.float32(1.7), cartilage

    def _sternum(self, points: Points) -> tuple[F32, F32]:
        """Distance to the sternum and its marrow."""
        x, y, z = points
        front = np.float32(self.depth) - np.float32(self.half_depth) * (0.25 + 0.75 * self._taper(z)) - np.float32(5.5)
        lean: Points = (x - np.float32(self.midline), (y - front) * np.float32(1.0), z)
        width = 15.0 + 6.0 / (1.0 + np.exp(-(z - 62.0) / 6.0))
        flat = np.maximum(np.abs(lean[0]) - width, np.abs(lean[1]) - np.float32(5.2))
        plate = smooth_max(np.abs(lean[0]) - width, np.abs(lean[1]) - np.float32(5.2), 6.0)
        plate = np.maximum(np.maximum(plate, flat), np.maximum(np.float32(-38.0) - z, z - np.float32(104.0)))
        return plate, plate + np.float32(1.8)

    @staticmethod
    def _taper(z: F32) -> F32:
        height = (z - np.float32(-50.0)) / np.float32(235.0)
        taper: F32 = np.sqrt(np.maximum(1.0 - np.maximum(height, -height * 0.55) ** 2.4, 0.03))
        return taper

    def _outer_wall(self, points: Points, wall: F32) -> F32:
        """Distance to the outside of the muscles of back, breast and shoulders, laid on the rib cage's ``wall``."""
        x, y, z = points
        u = np.abs(x - np.float32(self.midline))
        flat: Points = (u, y, z)
        front_y, back_y = self.depth - self.half_depth, self.spine_y
        bulk = self.muscle_mm / 13.0
        back = ellipsoid(flat, (24, back_y + 38, 0), (25 * bulk**0.5, 15 * bulk, 400))
        pectoral = ellipsoid(flat, (62, front_y + 6, 70), (48, 12 * bulk, 62))
        side = ellipsoid(flat, (self.half_width - 14, self.depth + 30, 30), (24 * bulk**0.5, 56, 120))
        blade = ellipsoid(flat, (self.half_width - 34, self.depth + 52, 100), (46, 44, 70))
        shoulder = ellipsoid(flat, (self.half_width - 2, self.depth + 14, 158), (58, 58, 66))
        for muscle in (back, pectoral, side, blade, shoulder):
            wall = smooth_min(wall, muscle, 14.0)
        return wall

    def _scapula(self, points: Points) -> F32:
        """Distance to the shoulder blades: thin plates behind the ribs, thicker at their outer border."""
        x, y, z = points
        u = np.abs(x - np.float32(self.midline))
        top = np.clip((z - 10.0) / 110.0, 0, 1)
        inner = self.half_width - 62.0 + 14.0 * (1 - top)
        outer = self.half_width - 20.0 + 26.0 * top
        t = np.clip((u - inner) / (outer - inner), 0, 1)
        sheet = (
            self.depth + 0.86 * self.half_depth + 6.0 - 46.0 * t * (0.4 + 0.6 * t) * (0.55 + 0.45 * top) - 10.0 * top
        )
        plate = np.abs(y - sheet) * np.float32(0.75) - (1.8 + 3.4 * t**3)
        ends = np.maximum(np.maximum(inner - u, u - outer), np.maximum(16.0 - z, z - 132.0))
        blade: F32 = np.maximum(plate, ends).astype(np.float32)
        return blade

    def _skin(self, points: Points, wall: F32) -> F32:
        """Distance to the skin: the wall, rounded, under subcutaneous fat and breasts."""
        x, y, z = points
        flat: Points = (np.abs(x - np.float32(self.midline)), y, z)
        around = 1.0 + 0.25 * np.clip((y - np.float32(self.depth)) / 90.0, -1, 1)
        skin = wall - np.float32(self.fat_mm) * around
        # Fat rounds the outline off where muscles leave hollows.
        room = self.muscle_mm + self.fat_mm
        u, v = x - np.float32(self.midline), y - np.float32(self.depth + 3.0)
        a, b = np.float32(self.half_width + 0.8 * room), np.float32(self.half_depth + 0.75 * room)
        narrow = 1.0 - 0.22 * np.clip((z - 60.0) / 90.0, 0, 1)
        p = ((np.abs(u) / a) ** 2.5 + (np.abs(v) / (b * narrow)) ** 2.5) ** np.float32(0.4) + np.float32(1e-6)
        skin = smooth_min(skin, (p - 1.0) / p * np.sqrt(u * u + v * v), 24.0)
        if self.breast_mm:
            front = self.depth - self.half_depth - self.fat_mm
            breast = ellipsoid(flat, (72, front + 2, 2), (62, self.breast_mm + 8, 66))
            skin = smooth_min(skin, breast, 22.0)
        return skin

    def _mediastinum(self, points: Points, heart: HeartFields, aorta: F32, airway: F32) -> F32:
        """Distance to what lies between the lungs, given those to ``heart``, ``aorta`` and ``airway`` [z, y, x]."""
        m, s = self.midline, self.spine_y
        upper = ellipsoid(points, (m + 4, 6, 118), (33, 44, 56))
        # Behind the heart there is little more than the gullet.
        behind = capsule(points, (m + 4, s - 32, -200), (m + 3, s - 34, 120), 8.0)
        spine = capsule(points, (m, s + 2, -400), (m, s + 2, 400), 20.0)
        front_y = self.depth - self.half_depth
        retro = capsule(points, (m + 3, front_y + 1, -44), (m + 2, front_y + 4, 110), self.retrosternal_mm * 0.8, 3.0)
        # The lungs all but meet in front of the heart.
        x, y, z = points
        lean = np.abs(x - np.float32(m + 4) - np.float32(0.25) * (y - np.float32(front_y)))
        line = np.maximum(
            np.maximum(lean - np.float32(1.6), y + np.float32(22)), np.abs(z - np.float32(24)) - np.float32(52)
        )
        middle = smooth_min(heart.paracardiac, heart.sheath, 6.0)
        middle = smooth_min(middle, upper, 14.0)
        middle = smooth_min(middle, smooth_min(retro, line, 8.0), 14.0)
        fork = capsule(points, (m + 3, 32, 62), (m + 2, 34, 24), 11.0, 6.0)
        middle = smooth_min(middle, smooth_min(fork, airway - np.float32(1.6), 8.0), 8.0)
        back = smooth_min(smooth_min(spine, behind, 10.0), aorta - np.float32(1.4), 7.0)
        return smooth_min(middle, back, 8.0)

    def fields(self, points: Points, heart: HeartFields) -> ThoraxFields:
        """All surfaces [z, y, x] at open-mesh ``points``, given those of the ``heart`` [z, y, x] there."""
        x, y, z = points
        m, s = self.midline, self.spine_y
        ripple = noise(x.ravel(), y.ravel(), z.ravel(), 34.0, self.offset)
        ribs_cage = self._cage_radial(points) + np.float32(2.0) * ripple
        plane = ribs_cage - np.float32(self.muscle_mm * 0.86)
        wall = self._outer_wall(points, plane)
        cage = self._pleura(points, ribs_cage)
        aorta = tube(points, self.descending, self.aorta_mm + 1.5, self.aorta_mm - 1.0)
        dome = self._dome(points) + 3.0 * ripple
        air = self._airways(points)
        mediastinum = self._mediastinum(points, heart, aorta, air)
        lung = smooth_max(smooth_max(cage, -mediastinum, 5.0), dome - z, 5.0)
        abdomen = np.maximum(cage + np.float32(3.0), z - dome + np.float32(3.0))
        spine, marrow, disc = self._spine(points)
        rib, rib_marrow, cartilage = self._ribs(points, cage)
        sternum, sternal_marrow = self._sternum(points)
        scapula = self._scapula(points)
        gullet = np.array([(m + 1, s - 31, 160), (m + 3, s - 30, 60), (m + 9, s - 31, 0), (m + 16, s - 34, -60)])
        aside = np.array([3.5, 0, 0])
        below = self.dome_z
        liver = smooth_min(
            ellipsoid(points, (m - 54, 22, below - 60), (78, 84, 82)),
            ellipsoid(points, (m + 22, -32, below - 44), (66, 40, 40)), 20.0,
        ) + np.float32(3.0) * ripple  # fmt: skip
        # Under the tendon lies the liver's left lobe.
        lobe = np.maximum(z - self._tendon(x, y) + np.float32(3.0), np.abs(x - np.float32(6)) - np.float32(50))
        liver = smooth_min(liver, np.maximum(lobe, np.float32(-75.0) - z), 8.0)
        liver = np.maximum(abdomen, liver)
        spleen = ellipsoid(points, (m + 92, 66, below - 66), (30, 42, 50)) + np.float32(2.0) * ripple
        spleen = np.maximum(abdomen, spleen)
        stomach = ellipsoid(points, (m + 66, 8, below - 56), (38, 40, 46)) + np.float32(3.0) * ripple
        return ThoraxFields(
            skin=self._skin(points, wall), wall=wall, plane=plane, cage=cage, lung=lung, disc=disc,
            bone=np.minimum(np.minimum(spine, rib), np.minimum(sternum, scapula)),
            marrow=np.minimum(np.minimum(marrow, rib_marrow), np.minimum(sternal_marrow, scapula + np.float32(2.2))),
            cartilage=cartilage, aorta=np.minimum(aorta, self._neck_vessels(points)),
            # Flat between the atrium and the spine.
            oesophagus=np.minimum(tube(points, gullet - aside, 4.2, 5.5), tube(points, gullet + aside, 4.2, 5.5)),
            gullet_air=self._gullet_air(points, gullet), airway=air,
            abdomen=abdomen, liver=np.minimum(liver, spleen), stomach=np.maximum(stomach, abdomen),
            gas=np.maximum(stomach + np.float32(5.0), y - np.float32(2.0)), couch=self._couch(points),
        )  # fmt: skip

    def _gullet_air(self, points: Points, gullet: F64) -> F32:
        """Distance to the swallowed air in the oesophagus along ``gullet`` [n, 3]: short flat bubbles."""
        order = np.argsort(gullet[:, 2])
        bubbles: F32 | None = None
        for z in self.gas_z:
            x, y = (np.interp(z, gullet[order, 2], gullet[order, axis]) for axis in (0, 1))
            bubble = ellipsoid(points, (x, y - 0.5, z), (2.7, 1.2, 9.0))
            bubbles = bubble if bubbles is None else np.minimum(bubbles, bubble)
        assert bubbles is not None
        return bubbles

    def _neck_vessels(self, points: Points) -> F32:
        """Distance to the branches of the arch and the veins beside them."""
        m = self.midline
        pairs = (
            ((m + 2, 4, 84), (m - 14, -4, 160), 6.5), ((m + 10, 12, 88), (m + 13, 12, 160), 4.2),
            ((m + 18, 26, 88), (m + 25, 28, 160), 5.2), ((m - 20, -6, 92), (m - 24, -8, 160), 7.0),
            ((m - 18, -8, 98), (m + 22, -16, 116), 5.5), ((m + 22, -16, 116), (m + 32, -12, 160), 6.0),
        )  # fmt: skip
        nearest = capsule(points, *pairs[0])
        for start, end, radius in pairs[1:]:
            nearest = np.minimum(nearest, capsule(points, start, end, radius))
        return nearest

    def _dome(self, points: Points) -> F32:
        """Height (mm) of the diaphragm over each column: two domes, and the tendon that the heart lies on."""
        x, y, _ = points
        m = np.float32(self.midline)
        right = self.dome_z + 14.0 - ((x - m + 66) / 62.0) ** 2 * 30.0 - ((y - 18) / 78.0) ** 2 * 46.0
        left = self.dome_z + 2.0 - ((x - m - 68) / 60.0) ** 2 * 30.0 - ((y - 24) / 74.0) ** 2 * 46.0
        lowest = np.float32(self.dome_z - 105.0)
        domes = smooth_max(right, left, 16.0)
        return np.maximum(smooth_max(domes, self._tendon(x, y), 10.0), lowest)

    @staticmethod
    def _tendon(x: F32, y: F32) -> F32:
        """Height (mm) of the diaphragm's middle at ``x``, ``y``, a little inside the heart's lower surface, and falling off around it."""
        beside = np.sqrt(((x - np.float32(8)) / 48.0) ** 2 + ((y + np.float32(8)) / 34.0) ** 2)
        height: F32 = (-36.0 - 0.22 * x - 160.0 * np.maximum(beside - 0.7, 0) ** 2).astype(np.float32)
        return height

    def _couch(self, points: Points) -> F32:
        """Height (mm) under the scanner's couch, a thin, shallow trough under the back."""
        x, y, _ = points
        u = x - np.float32(self.midline)
        surface = np.float32(self.depth + self.half_depth + 1.1 * (self.muscle_mm + self.fat_mm) + 6.0)
        sheet: F32 = y - surface + u * u * np.float32(0.00035) + np.maximum(np.abs(u) - np.float32(150.0), 0)
        return sheet

    def _airways(self, points: Points) -> F32:
        """Distance to the inner surface of trachea and main bronchi."""
        m = self.midline
        carina = np.array([m + 3, 34.0, 56.0])
        trachea = tube(points, np.array([(m + 1, self.spine_y - 52, 170), carina]), 8.6)
        to_right = np.array([carina, (m - 24, 38, 40), (m - 34, 40, 20), (m - 40, 48, -8), (m - 46, 56, -34)])
        to_left = np.array([carina, (m + 30, 42, 38), (m + 50, 48, 20), (m + 58, 56, -6), (m + 62, 62, -30)])
        right, left = tube(points, to_right, 6.8, 2.6), tube(points, to_left, 6.4, 2.6)
        upper = np.minimum(
            tube(points, np.array([(m - 18, 37, 44), (m - 42, 30, 50), (m - 58, 20, 62)]), 4.2, 2.0),
            tube(points, np.array([(m + 46, 46, 26), (m + 60, 34, 34), (m + 70, 20, 44)]), 4.2, 2.0),
        )
        middle = tube(points, np.array([(m - 34, 40, 18), (m - 46, 22, 8), (m - 56, 4, 0)]), 3.4, 1.8)
        air: F32 = np.minimum(np.minimum(np.minimum(trachea, right), np.minimum(left, upper)), middle)
        return air
