"""The one object that runs the network: on CUDA when there is one, else on the CPU, always in fp32.

A `Predictor` belongs to one thread at a time (the job runner's worker, or the CLI's main thread).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyrisk_desktop.errors import BundleError, InputError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.imaging.volume import CTVolume, HuArray, Voxel
from hyrisk_desktop.risk.bundle import load_bundle
from hyrisk_desktop.risk.calibration import PlattCalibration, percentile
from hyrisk_desktop.risk.network import HyRiskNet, log_odds
from hyrisk_desktop.risk.novelty import novelty_findings
from hyrisk_desktop.risk.placement import placement_findings
from hyrisk_desktop.risk.preprocessing import cut_block, prepare
from hyrisk_desktop.risk.risk_reading import RiskReading
from hyrisk_desktop.risk.spread import COVERS, OF_VIEWS
from hyrisk_desktop.risk.uncertainty import CLICK_SHIFT_SLICES, interval_views

_CACHED_CENTRES = 32

OnFirst = Callable[[RiskReading], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What one centre's pixels led to.

    Attributes:
        features: [views, F], the reader's own view first. maps: [F, h, w] of that view, before they are averaged.
        outside: whether the patch left the volume.
    """

    features: Tensor
    maps: Tensor
    outside: bool


def choose_device(name: str | None = None) -> torch.device:
    """CUDA when there is one, else the CPU; or the named one.

    Raises:
        InputError: CUDA was asked for and there is none, or the name is neither "cpu" nor "cuda".
    """
    if name not in (None, "cpu", "cuda"):
        raise InputError("device", tr("The device must be cpu or cuda."))
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("no_cuda", tr("There is no CUDA device here; choose --device cpu, or leave it out."))
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def describe_device(name: str | None = None) -> str:
    """The device that would compute, in words; raises as `choose_device` does."""
    if choose_device(name).type == "cuda":
        return f"cuda ({torch.cuda.get_device_name()})"
    if torch.cuda.is_available():
        return trn("cpu ({n} thread), as set", "cpu ({n} threads), as set", torch.get_num_threads())
    return trn("cpu ({n} thread); no CUDA device", "cpu ({n} threads); no CUDA device", torch.get_num_threads())


class Predictor:
    """A loaded model bundle, ready to predict.

    Args:
        directory: the bundle's folder.
        device: ``"cpu"``, ``"cuda"``, or None to choose.
        prevalence: share of non-survivors that risks shall assume, in (0, 1); None for the bundle's own.

    Raises:
        BundleError: see `bundle.load_bundle`.
        InputError: the named device does not exist, or the prevalence is out of range.
    """

    def __init__(self, directory: Path, device: str | None = None, prevalence: float | None = None) -> None:
        self.device = choose_device(device)
        if prevalence is not None and not 0 < prevalence < 1:
            raise InputError("prevalence", tr("The prevalence must lie between 0 and 100 %, both excluded."))
        self.prevalence = prevalence
        self.bundle, model = load_bundle(directory)
        # The same answer on either device: TF32 would move CUDA's by more than the promised 1e-4.
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
        self._model: HyRiskNet = model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._seen: OrderedDict[bytes, _Seen] = OrderedDict()

    def warm_up(self) -> None:
        """Run the network once, so that the first click does not pay for lazy initialisation."""
        size = self.bundle.preprocessing.input_size
        with torch.inference_mode():
            for views in (1, len(interval_views(self.bundle.preprocessing, 1.0)) - 1):
                self._maps(torch.zeros((views, 3, size, size), device=self.device))

    def predict(
        self,
        volume: CTVolume,
        centre: Voxel,
        grade: float | None = None,
        *,
        agatston: float | None = None,
        on_first: OnFirst | None = None,
    ) -> RiskReading:
        """Risk at ``centre`` (x, y, z) for ``grade`` 0..3, or the image-only risk without one.

        A model with the score input "agatston" takes ``agatston``, the region Agatston at the centre, in the grade's
        place; the other of the two is only kept in the reading. The network's features are kept, so a new grade at the same centre costs one linear layer. They are
        found again by the pixels themselves, never by a name: another exam can't inherit them.

        Args:
            volume, centre: where. grade: the CAC grade. agatston: the region Agatston there.
            on_first: called once the reader's own view is read, which takes a fraction of the time, with a reading
                whose interval is its own value; not called where the features are known already.

        Raises:
            InputError: the centre lies outside the volume, the grade outside 0..3, or the Agatston score below 0.
            BundleError: the network's answer is not a finite number.
        """
        if grade is not None and not 0 <= grade <= 3:
            raise InputError("grade_range", tr("The grade must lie between 0 and 3."))
        if agatston is not None and not agatston >= 0:
            raise InputError("agatston_range", tr("The Agatston score must be 0 or more."))

        def first(seen: _Seen) -> None:
            if on_first is not None:
                on_first(self._read(volume, centre, grade, agatston, seen))

        return self._read(volume, centre, grade, agatston, self._look_inside(volume, centre, first))

    def glance(
        self, volume: CTVolume, centre: Voxel, grade: float | None = None, *, agatston: float | None = None
    ) -> RiskReading:
        """`predict` from the own view of a reader who clicks there, in a tenth of the time: its interval is its own value.

        Args:
            volume, centre, grade, agatston: as of `predict`.

        Raises:
            InputError, BundleError: as `predict`.
        """
        if not volume.contains(centre):
            raise InputError("centre_outside", tr("The heart centre lies outside the volume; place it on the image."))
        block, outside = self._block(volume.hu, centre)
        with torch.inference_mode():
            own = self._maps(self._prepare(block, volume.spacing_mm[0])[:1])
            return self._read(volume, centre, grade, agatston, _Seen(self._model.averaged(own), own[0], outside))

    @property
    def prevalences(self) -> tuple[float, ...]:
        """What a risk may assume: the prevalence that was asked for, or the calibrations' own, which may differ."""
        own = tuple(self._calibration(head).prevalence for head in ("risknet", "hyrisknet"))
        return own if self.prevalence is None else (self.prevalence,)

    @property
    def network(self) -> HyRiskNet:
        """The loaded network, on `device`; only for the thread that owns the predictor."""
        return self._model

    def features_at(self, volume: CTVolume, centre: Voxel) -> Tensor:
        """The features [views, F] behind the reading at ``centre``, the reader's own view first; raises InputError."""
        return self._look_inside(volume, centre).features

    def maps_at(self, volume: CTVolume, centre: Voxel) -> Tensor:
        """The last stage [F, h, w] of the reader's own view at ``centre``, whose average is its features; raises InputError."""
        return self._look_inside(volume, centre).maps

    def score_input(self, grade: float | None, agatston: float | None) -> float | None:
        """The network's score input for whichever of the two this model takes; None without it."""
        if self.bundle.score_quantity != "region":
            return None
        score = agatston if self.bundle.score_input == "agatston" else grade
        return None if score is None else self.bundle.score_rule.value(score)

    def input_batch(self, hu: HuArray, centre: Voxel, pixel_mm: float | None = None) -> tuple[Tensor, bool]:
        """The views' network input [views, 3, size, size] on the device, and whether the patch left the volume.

        Args:
            hu, centre: where. pixel_mm: the exam's, for a bundle whose crop is in millimetres.
        """
        block, outside = self._block(hu, centre)
        return self._prepare(block, pixel_mm), outside

    def _block(self, hu: HuArray, centre: Voxel) -> tuple[HuArray, bool]:
        columns, rows, slices = self.bundle.preprocessing.patch_xyz
        size = (columns, rows, slices + 2 * CLICK_SHIFT_SLICES)
        block, outside = cut_block(hu, centre, size, self.bundle.preprocessing.hu_window[0])
        if outside:
            # The interval's outer slices may leave the volume without the patch itself doing so.
            outside = cut_block(hu, centre, (columns, rows, slices), 0.0)[1]
            if not outside:
                block = _repeat_edge_slices(block, hu.shape[0], centre[2])
        return block, outside

    def _prepare(self, block: HuArray, pixel_mm: float | None) -> Tensor:
        views = interval_views(self.bundle.preprocessing, pixel_mm)
        slices = self.bundle.preprocessing.patch_xyz[2]
        # torch has no uint16 arithmetic and CT may be big-endian in memory-mapped files: float32 settles both.
        slab = torch.from_numpy(block.astype(np.float32)).to(self.device)
        patches = torch.stack([slab[(z := CLICK_SHIFT_SLICES + view.slice_shift) : z + slices] for view in views])
        return prepare(patches, [view.crop for view in views], self.bundle.preprocessing)

    def _maps(self, batch: Tensor) -> Tensor:
        return self._model.maps(batch.contiguous(memory_format=torch.channels_last))

    def _look_inside(
        self, volume: CTVolume, centre: Voxel, on_first: Callable[[_Seen], None] = lambda _: None
    ) -> _Seen:
        if not volume.contains(centre):
            raise InputError("centre_outside", tr("The heart centre lies outside the volume; place it on the image."))
        return self._look(volume.hu, centre, volume.spacing_mm[0], on_first)

    def _look(self, hu: HuArray, centre: Voxel, pixel_mm: float, on_first: Callable[[_Seen], None]) -> _Seen:
        block, outside = self._block(hu, centre)
        # The same pixels of another size are another crop where that is in millimetres.
        key = hashlib.blake2b(block.tobytes() + f"{block.dtype} {pixel_mm}".encode(), digest_size=16).digest()
        if key in self._seen:
            self._seen.move_to_end(key)
            return self._seen[key]
        with torch.inference_mode():
            batch = self._prepare(block, pixel_mm)
            # The reader's own view alone, whether anybody waits for it or not: the same numbers on every way.
            own = self._maps(batch[:1])
            seen = _Seen(self._model.averaged(own), own[0], outside)
            on_first(seen)
            others = self._model.averaged(self._maps(batch[1:]))
            seen = _Seen(torch.cat([seen.features, others]), seen.maps, outside)
        self._seen[key] = seen
        if len(self._seen) > _CACHED_CENTRES:
            self._seen.popitem(last=False)
        return seen

    @torch.inference_mode()
    def _read(
        self, volume: CTVolume, centre: Voxel, grade: float | None, agatston: float | None, seen: _Seen
    ) -> RiskReading:
        bundle = self.bundle
        score = self.score_input(grade, agatston)
        image_odds = self._odds(self._model.image_logits(seen.features))
        odds = image_odds if score is None else self._fused(seen.features, score)
        head = "risknet" if score is None else "hyrisknet"
        risks = self._risks(head, odds)
        # All views at once, as for the reading itself: another batch size may round the last digits otherwise.
        by_grade = (
            tuple(
                float(self._risks("hyrisknet", self._fused(seen.features, bundle.score_rule.value(g)))[0])
                for g in range(4)
            )
            if bundle.score_input == "grade"
            else ()
        )
        first = seen.features[0].float().cpu().numpy()
        ends, covers = self._ends(head, odds, first, 0.0 if score is None else score)
        factors = bundle.factors
        return RiskReading(
            series_uid=volume.series_uid,
            centre=centre,
            grade=grade,
            model=bundle.name,
            sha256=bundle.sha256,
            demonstration=bundle.demonstration,
            risknet=float(self._risks("risknet", image_odds)[0]),
            hyrisknet=None if score is None else float(risks[0]),
            interval=(float(ends[0]), float(ends[1])),
            interval_covers=covers,
            # The reference cohort's risks assume the bundle's own prevalence; the place in it depends on none.
            percentile=percentile(
                float(self._calibration(head).risk(odds[:1])[0]), bundle.reference.get(head, np.empty(0))
            ),
            by_grade=by_grade,
            calibrated=head in bundle.calibration,
            prevalence=self.prevalence or self._calibration(head).prevalence,
            findings=self._findings(
                volume, {"risknet": float(image_odds[0]), head: float(odds[0])}, first, outside=seen.outside
            ),
            device=self.device.type,
            bundle_sha256=bundle.bundle_sha256,
            score_input=bundle.score_input,
            agatston=agatston,
            horizon=bundle.horizon or None,
            explained_by=() if factors is None else factors.shares(first, head, self._calibration(head).slope),
            explained=None if factors is None else factors.explained[head],
        )

    def _findings(
        self, volume: CTVolume, odds: dict[str, float], features: NDArray[np.float32], *, outside: bool
    ) -> tuple[Finding, ...]:
        """What the model noticed at the reader's own view.

        Args:
            volume: the exam. odds: of each head that is shown. features: [F]. outside: the patch left the volume.
        """
        found = []
        if outside:
            message = tr("The patch reaches outside the volume; the model sees emptiness there.")
            found.append(Finding("patch_outside", Severity.WARNING, message))
        found += [*novelty_findings(self.bundle.novelty, features, volume)]
        found += placement_findings(self.bundle.placement, features)
        if self.bundle.score_quantity != "region":
            message = tr(
                "This model was trained on Agatston scores from elsewhere, which are not the region score measured here: the risk is "
                "from the image alone."
            )
            found.append(Finding("other_score", Severity.WARNING, message))
        if any(self._calibration(head).beyond(value) for head, value in odds.items()):
            message = tr(
                "The network's answer lies beyond the cases that the risk was calibrated with: the risk is that of the most "
                "extreme of them."
            )
            found.append(Finding("beyond_calibration", Severity.WARNING, message))
        return tuple(found)

    def _ends(
        self, head: str, odds: NDArray[np.float64], features: NDArray[np.float32], score: float
    ) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        """The interval's two risks, and what it covers.

        Args:
            head: whose odds [views] these are. features: [F] of the reader's own view. score: the input, 0 without one.
        """
        spread = self.bundle.spread.get(head)
        if spread is None or len(odds) == 1:
            return self._risks(head, np.array([odds.min(), odds.max()])), OF_VIEWS if spread is None else COVERS
        half = spread.half_width(odds, features, score)
        return self._risks(head, np.array([odds[0] - half, odds[0] + half])), COVERS

    def _fused(self, features: Tensor, score: float) -> NDArray[np.float64]:
        inputs = torch.full((features.shape[0],), score, device=features.device)
        return self._odds(self._model.fused_logits(features, inputs))

    def _odds(self, logits: Tensor) -> NDArray[np.float64]:
        odds: NDArray[np.float64] = log_odds(logits).double().cpu().numpy()
        # Damaged or overflowing weights answer NaN, which would pass for a number on its way to a report.
        if not np.isfinite(odds).all():
            raise BundleError(
                "bundle_not_finite",
                tr("The model “{name}” does not answer with a number; install it again.", name=self.bundle.name),
            )
        return odds

    def _risks(self, head: str, odds: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._calibration(head).risk(odds, self.prevalence)

    def _calibration(self, head: str) -> PlattCalibration:
        return self.bundle.calibration.get(head, PlattCalibration())


def _repeat_edge_slices(block: HuArray, depth: int, z: int) -> HuArray:
    """Fill the interval's slices beyond the volume's ends with the nearest slice: there is no click beyond them."""
    half = block.shape[0] // 2
    block = block.copy()
    for i in range(block.shape[0]):
        inside = min(max(z - half + i, 0), depth - 1)
        block[i] = block[inside - z + half]
    return block
