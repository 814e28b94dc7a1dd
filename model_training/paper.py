"""What the paper reports (Yan et al. 2018, 180 NLST participants), for comparison; another cohort, so no target."""

from __future__ import annotations

import math

from scipy.stats import norm

PAPER_TABLE1 = {
    "risknet": {18: (0.67, 0.09), 34: (0.70, 0.08), 50: (0.68, 0.09), 101: (0.66, 0.10), 152: (0.68, 0.07)},
    "hyrisknet": {18: (0.69, 0.13), 34: (0.75, 0.14), 50: (0.70, 0.10), 101: (0.67, 0.11), 152: (0.72, 0.09)},
}
"""Mean and SD of the AUC over ten folds, Table 1 of Yan et al. 2018."""
PAPER_FIG2 = {"grade": 0.75, "agatston": 0.71}
PAPER_FIG3 = {
    "agatston": 0.61, "category": 0.61, "volume": 0.62, "sqrt_volume": 0.62, "grade": 0.64,
    "risknet": 0.70, "hyrisknet": 0.75,
}  # fmt: skip


def joint_auc(first: float, second: float) -> float:
    """AUC of the best combination of two independent binormal predictors of AUC ``first`` and ``second``.

    Each separates by d' = sqrt(2) * Phi^-1(AUC); independent ones add in quadrature.
    """
    separation = math.hypot(*(math.sqrt(2) * float(norm.ppf(value)) for value in (first, second)))
    return float(norm.cdf(separation / math.sqrt(2)))
