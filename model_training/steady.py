"""The demonstration's second training: from its first weights, on phantoms that were scanned twice, until its risk holds still."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hyrisk_desktop.jobs import Progress, no_progress
from hyrisk_desktop.risk.network import HyRiskNet
from hyrisk_desktop.risk.preprocessing import Preprocessing
from model_training.config import TrainConfig
from model_training.dataset import CohortData, with_statistics
from model_training.phantom.render import make_phantom
from model_training.phantom.subject import make_subject
from model_training.study.factors import known
from model_training.train import Fit, Watch, fit
from model_training.twins import second_scans, visible_risk

LEARNED = (
    "epicardial_fat",
    "paracardiac_fat",
    "fat_density",
    "heart_size",
    "emphysema",
    "calcium_extent",
    "calcium_mass",
)
"""The known factors that a patch shows."""


def hold_still(
    work: Path,
    data: CohortData,
    first_seed: int,
    model: HyRiskNet,
    config: TrainConfig,
    device: torch.device,
    *,
    inner: int,
    workers: int,
    progress: Progress = no_progress,
    watch: Watch | None = None,
) -> tuple[HyRiskNet, Preprocessing]:
    """Go on training ``model`` on ``data`` and on second scans of the same phantoms; resumes.

    Args:
        work: folder of the second scans and of the fit. data: the cohort of the seeds from ``first_seed`` on.
        model: with its first weights. config: of the fit. device: where. inner: last cases, which choose the weights.
        workers: processes that render. progress: of the rendering. watch: told after each step.

    Returns:
        The network, and what it sees now.
    """
    twins = second_scans(work / "twins", first_seed, len(data), workers, progress)
    cases = np.arange(len(data))
    training, held = cases[: len(data) - inner], cases[len(data) - inner :]
    preprocessing = with_statistics(config.plain_preprocessing, data, training)
    # What cannot be seen in the image is noise to a network that looks at nothing else.
    risks = [visible_risk(make_subject(first_seed + int(case))) for case in cases]
    targets = torch.tensor(risks if config.soft_target else data.outcome, dtype=torch.float32)
    factors = known_factors(range(first_seed, first_seed + len(data)), training) if config.factors else None
    job = Fit(data, training, held, targets, None, preprocessing, config, device, twins, factors)
    return fit(job, work / "run", lambda: model, watch), preprocessing


def known_factors(seeds: range, training: NDArray[np.int64]) -> torch.Tensor:
    """What is known of each phantom and can be seen in its image, as float32 [n, K], standardised by the ``training`` cases.

    A risk tells a network little of each factor that makes it; told of the factors themselves, it finds the faint ones
    (emphysema, the fat's density) with as many phantoms.
    """
    known_of = [known(make_phantom(seed)) for seed in seeds]
    values = np.array([[one[name] for name in LEARNED] for one in known_of])
    part = values[training]
    return torch.tensor((values - part.mean(axis=0)) / part.std(axis=0), dtype=torch.float32)
