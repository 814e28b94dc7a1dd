"""Other scanners' sharpness and noise, put on patches in training: a network shall not read the reconstruction."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d

SHARPNESS = (-0.7, 0.9)
"""How much of what a slight blur takes away is added: below 0 blurs, above sharpens."""
NOISE_HU = 12.0
"""Largest standard deviation of the noise that is added, HU."""


def jittered(patches: Tensor, rng: np.random.Generator) -> Tensor:
    """HU patches [N, 3, rows, columns] as float32, each slice a little sharper or softer and noisier, drawn from ``rng``."""
    n = len(patches)
    device = patches.device
    sharp = torch.from_numpy(rng.uniform(*SHARPNESS, n).astype(np.float32)).to(device)
    noise = torch.from_numpy(rng.uniform(0, NOISE_HU, n).astype(np.float32)).to(device)
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**31)))
    image = patches.to(torch.float32)
    image = image + sharp[:, None, None, None] * (image - _blurred(image))
    return image + noise[:, None, None, None] * torch.randn(image.shape, generator=generator, device=device)


def _blurred(image: Tensor) -> Tensor:
    """[N, 3, rows, columns] with a Gaussian of one pixel along rows and columns, edges repeated."""
    taps = torch.exp(-0.5 * torch.arange(-2.0, 3.0, device=image.device) ** 2)
    taps = taps / taps.sum()
    flat = image.flatten(0, 1)[:, None]
    flat = torch.nn.functional.pad(flat, (2, 2, 2, 2), mode="replicate")
    flat = conv2d(conv2d(flat, taps[None, None, :, None]), taps[None, None, None, :])
    return flat[:, 0].view_as(image)
