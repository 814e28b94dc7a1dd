"""The one object that reads with a network, whichever engine runs it: torch, on CUDA when there is one, or ONNX Runtime.

A `Predictor` belongs to one thread at a time (the job runner's worker, or the CLI's main thread).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.errors import BundleError, InputError
from hyrisk_desktop.findings import Finding, Severity, one_per_code
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.volume import CTVolume, Voxel
from hyrisk_desktop.risk.bundle import ModelBundle, load_bundle, malformed
from hyrisk_desktop.risk.calibration import PlattCalibration, percentile
from hyrisk_desktop.risk.device import choose_device as choose_device
from hyrisk_desktop.risk.device import describe_device as describe_device
from hyrisk_desktop.risk.engine import NON_SURVIVOR, Engine
from hyrisk_desktop.risk.look import Look, look_at
from hyrisk_desktop.risk.novelty import novelty_findings
from hyrisk_desktop.risk.placement import placement_findings
from hyrisk_desktop.risk.preload import map_onnx_runtime
from hyrisk_desktop.risk.preprocessing import Crop
from hyrisk_desktop.risk.risk_reading import RiskReading
from hyrisk_desktop.risk.spread import COVERS, OF_VIEWS
from hyrisk_desktop.risk.uncertainty import View, interval_views

if TYPE_CHECKING:
    from hyrisk_desktop.risk.network import HyRiskNet

_CACHED_CENTRES = 32

OnFirst = Callable[[RiskReading], None]
EngineName = Literal["torch", "onnx"]


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What one centre's pixels led to.

    Attributes:
        features: [views, F], the reader's own view first: the mean over the bundle's levels. maps: [F, h, w] of that view,
            before they are averaged. Both as the engine has them.
        outside: whether the patch left the volume.
    """

    features: Any
    maps: Any
    outside: bool


class Predictor:
    """A loaded model bundle, ready to predict.

    Args:
        directory: the bundle's folder.
        device: ``"cpu"``, ``"cuda"``, or None to choose.
        prevalence: share of non-survivors that risks shall assume, in (0, 1); None for the bundle's own.
        engine: what runs the network: torch, the reference, or ONNX Runtime, on the CPU only and not compared with torch
            here; see `engine_choice.open_predictor`.

    Raises:
        BundleError: see `bundle.load_bundle`.
        InputError: the named device does not exist, or the prevalence is out of range.
    """

    def __init__(
        self,
        directory: Path,
        device: str | None = None,
        prevalence: float | None = None,
        engine: EngineName = "torch",
    ) -> None:
        if prevalence is not None and not 0 < prevalence < 1:
            raise InputError("prevalence", tr("The prevalence must lie between 0 and 100 %, both excluded."))
        self.prevalence = prevalence
        self.bundle, self._engine = _open(directory, device, engine)
        self._seen: OrderedDict[bytes, _Seen] = OrderedDict()

    def warm_up(self) -> None:
        """Run the network once, so that the first click does not pay for lazy initialisation."""
        if not self._engine.lazy:
            return
        p = self.bundle.preprocessing
        columns, rows, slices = p.patch_xyz
        for views in (len(p.level_slices(1.0)), len(interval_views(p, 1.0)) - 1):
            empty = np.zeros((views, slices, rows, columns), np.float32)
            self._engine.maps(self._engine.prepared(empty, [Crop(0, 0, columns)], p))

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
        look = look_at(volume, centre, self.bundle.preprocessing)
        return self._read(volume, centre, grade, agatston, self._own(look))

    def odds_at(self, volume: CTVolume, centre: Voxel, inputs: Sequence[float]) -> list[float]:
        """Log odds before calibration of the own view at ``centre``: RiskNet's, then HyRiskNet's for each score input."""
        features = self._own(look_at(volume, centre, self.bundle.preprocessing)).features
        odds = [self._odds(self._engine.logits(features, None)), *(self._fused(features, score) for score in inputs)]
        return [float(values[0]) for values in odds]

    @property
    def device(self) -> str:
        """Where the network runs: "cpu" or "cuda"."""
        return self._engine.device

    @property
    def engine(self) -> str:
        """What runs the network, with its version, e.g. ``"torch 2.15.0"``."""
        return self._engine.name

    @property
    def prevalences(self) -> tuple[float, ...]:
        """What a risk may assume: the prevalence that was asked for, or the calibrations' own, which may differ."""
        own = tuple(self._calibration(head).prevalence for head in ("risknet", "hyrisknet"))
        return own if self.prevalence is None else (self.prevalence,)

    @property
    def network(self) -> HyRiskNet:
        """torch's network, on `device`; only for the thread that owns the predictor, and only where torch runs it."""
        network: HyRiskNet = self._engine.network  # type: ignore[attr-defined]
        return network

    _model = network

    def features_at(self, volume: CTVolume, centre: Voxel) -> Any:
        """The features [views, F] behind the reading at ``centre``, the reader's own view first; raises InputError."""
        return self._look_inside(volume, centre).features

    def maps_at(self, volume: CTVolume, centre: Voxel) -> Any:
        """The last stage [F, h, w] of the reader's own view at ``centre``, whose average is its features; raises InputError."""
        return self._look_inside(volume, centre).maps

    def plain(self, values: Any) -> NDArray[np.float32]:
        """Features or maps, any shape, as numpy has them."""
        return self._engine.plain(values)

    def head(self, *, fused: bool) -> tuple[NDArray[np.float64], float]:
        """Weights [F] (with the score's [F + 1] if ``fused``) and constant of the log odds of RiskNet's or HyRiskNet's last layer."""
        weight, bias = (values.astype(np.float64) for values in self._engine.head(fused=fused))
        return weight[NON_SURVIVOR] - weight[1 - NON_SURVIVOR], float(bias[NON_SURVIVOR] - bias[1 - NON_SURVIVOR])

    def score_input(self, grade: float | None, agatston: float | None) -> float | None:
        """The network's score input for whichever of the two this model takes; None without it."""
        if self.bundle.score_quantity != "region":
            return None
        score = agatston if self.bundle.score_input == "agatston" else grade
        return None if score is None else self.bundle.score_rule.value(score)

    def input_batch(self, volume: CTVolume, centre: Voxel) -> tuple[Any, bool]:
        """The views' network input [views, 3, size, size] on the device, the reading's own first, and whether the patch left the volume."""
        look = look_at(volume, centre, self.bundle.preprocessing)
        return self._prepared(look, [*look.own, *look.others]), look.outside

    def _prepared(self, look: Look, views: Sequence[View]) -> Any:
        return self._engine.prepared(look.patches(views), [view.crop for view in views], self.bundle.preprocessing)

    def _own(self, look: Look) -> _Seen:
        maps = self._engine.maps(self._prepared(look, look.own)).mean(0)
        return _Seen(self._engine.averaged(maps[None]), maps, look.outside)

    def _look_inside(
        self, volume: CTVolume, centre: Voxel, on_first: Callable[[_Seen], None] = lambda _: None
    ) -> _Seen:
        look = look_at(volume, centre, self.bundle.preprocessing)
        key = look.key
        if key in self._seen:
            self._seen.move_to_end(key)
            return self._seen[key]
        # The reader's own view alone, whether anybody waits for it or not: the same numbers on every way.
        own = self._own(look)
        on_first(own)
        others = self._engine.averaged(self._engine.maps(self._prepared(look, look.others)))
        seen = _Seen(self._engine.joined(own.features, others), own.maps, own.outside)
        self._seen[key] = seen
        if len(self._seen) > _CACHED_CENTRES:
            self._seen.popitem(last=False)
        return seen

    def _read(
        self, volume: CTVolume, centre: Voxel, grade: float | None, agatston: float | None, seen: _Seen
    ) -> RiskReading:
        bundle = self.bundle
        score = self.score_input(grade, agatston)
        image_odds = self._odds(self._engine.logits(seen.features, None))
        odds = image_odds if score is None else self._fused(seen.features, score)
        head = "risknet" if score is None else "hyrisknet"
        risks = self._risks(head, odds)
        first = self.plain(seen.features[0])
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
            by_grade=self._by_grade(seen.features),
            calibrated=head in bundle.calibration,
            prevalence=self.prevalence or self._calibration(head).prevalence,
            findings=self._findings(
                volume, {"risknet": float(image_odds[0]), head: float(odds[0])}, first, outside=seen.outside
            ),
            device=self.device,
            engine=self.engine,
            bundle_sha256=bundle.bundle_sha256,
            score_input=bundle.score_input,
            agatston=agatston,
            horizon=bundle.horizon or None,
            explained_by=() if factors is None else factors.shares(first, head, self._calibration(head).slope),
            explained=None if factors is None else factors.explained[head],
        )

    def _by_grade(self, features: Any) -> tuple[float, ...]:
        """HyRiskNet's risk at each grade for features [views, F]; none for a model that takes the Agatston score instead."""
        if self.bundle.score_input != "grade":
            return ()
        # All views at once, as for the reading itself: another batch size may round the last digits otherwise.
        inputs = map(self.bundle.score_rule.value, range(4))
        return tuple(float(self._risks("hyrisknet", self._fused(features, value))[0]) for value in inputs)

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
        # Both guards say "unlike the training", each for a reason of its own; the click's tells the reader what to do.
        return one_per_code(found)

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
        # Around the reading, which goes no further than what was calibrated: from beyond, both ends would be that one number.
        middle = self._calibration(head).within(odds[0])
        return self._risks(head, np.array([middle - half, middle + half])), COVERS

    def _fused(self, features: Any, score: float) -> NDArray[np.float64]:
        return self._odds(self._engine.logits(features, score))

    def _odds(self, logits: Any) -> NDArray[np.float64]:
        numbers = self.plain(logits)
        odds = (numbers[:, NON_SURVIVOR] - numbers[:, 1 - NON_SURVIVOR]).astype(np.float64)
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


def _open(directory: Path, device: str | None, engine: EngineName) -> tuple[ModelBundle, Engine]:
    if engine == "onnx":
        from hyrisk_desktop.risk.bundle_arrays import load_arrays

        map_onnx_runtime()
        from hyrisk_desktop.risk.onnx_engine import OnnxEngine

        bundle, arrays = load_arrays(directory)
        try:
            return bundle, OnnxEngine(bundle.depth, arrays)
        except (KeyError, ValueError) as e:
            raise malformed(directory) from e
    from hyrisk_desktop.risk.torch_engine import TorchEngine

    where = choose_device(device)
    bundle, network = load_bundle(directory)
    return bundle, TorchEngine(network, where)
