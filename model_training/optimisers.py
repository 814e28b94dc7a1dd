"""torch's optimisers without its compiler, which they import for their first step: a training would begin 2.5 s of work later.

Nothing here is compiled, so the marks that tell the compiler where to stop are left out; what is computed is the same.
"""

from __future__ import annotations

import inspect

import torch
from torch.optim import LBFGS, Optimizer

__all__ = ["LBFGS", "Adam", "AdamW"]

for _method in vars(Optimizer).values():
    # What a method does while the compiler is told to look away; torch asks for it here before it imports the compiler.
    if (_plain := getattr(_method, "__wrapped__", None)) is not None:
        vars(_plain).setdefault("__dynamo_disable", _plain)


class Adam(torch.optim.Adam):
    """`torch.optim.Adam`, not differentiable itself."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))


class AdamW(torch.optim.AdamW):
    """`torch.optim.AdamW`, not differentiable itself."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))
