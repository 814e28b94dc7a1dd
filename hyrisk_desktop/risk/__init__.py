"""CT volume, heart centre and grade -> calibrated risk.

Importing this package does not import torch: the window must be up before torch is. ``Predictor``
and everything else that needs torch loads on first use.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hyrisk_desktop.risk.risk_reading import RiskReading

if TYPE_CHECKING:
    from hyrisk_desktop.risk.predictor import Predictor

__all__ = ["Predictor", "RiskReading"]

# Must be set before torch loads OpenMP. Idle OpenMP threads spin by default, and on two busy cores that
# turns a 50 ms forward pass into 1.6 s (shared measurement, see CONTRIBUTING "Decisions").
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def __getattr__(name: str) -> object:
    if name == "Predictor":
        from hyrisk_desktop.risk.predictor import Predictor

        return Predictor
    raise AttributeError(name)
