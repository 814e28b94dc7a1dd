"""How far a risk moves when the patient stays the same, and how often its interval holds what it moved to.

Run: ``python -m tests.benchmarks.bench_stability [-n N] [--first SEED] [--model DIR] [--work DIR]``. Phantoms are scanned again with one thing
changed; of each change the mean and SD of the change of HyRiskNet's risk, and the share that the interval holds. SYNTHETIC. Nothing was
chosen on seeds from 9450000.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np

from hyrisk_desktop.paths import resources_dir
from hyrisk_desktop.risk.bundle import load_bundle
from model_training.spread import KINDS, half_widths, held, odds_of
from model_training.stability import gather

FIRST_SEED = 9_450_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=60)
    parser.add_argument("--first", type=int, default=FIRST_SEED)
    parser.add_argument("--model", type=Path, default=resources_dir() / "models" / "hyrisknet-34-demo")
    parser.add_argument("--work", type=Path, help="keeps what was seen, for another run")
    a = parser.parse_args()
    bundle, model = load_bundle(a.model)
    work = a.work or Path(tempfile.mkdtemp())
    takes = gather(a.model, work, a.first, a.n, os.cpu_count() or 1)
    score = np.array([bundle.score_rule.value(g) for g in takes.grades])
    views = odds_of(model, "hyrisknet", takes.views, score[:, None])
    changed = odds_of(model, "hyrisknet", takes.changed, score[:, None])
    calibration = bundle.calibration["hyrisknet"]
    moved = calibration.risk(changed) - calibration.risk(views[:, :1])
    print(f"{a.n} phantoms from seed {a.first}, SYNTHETIC: change of risk, mean and SD")
    for name in sorted(set(takes.names.ravel()), key=list(takes.names.ravel()).index):
        these = moved[takes.names == name]
        print(f"{name:16s} {these.mean():+.3f} +- {these.std():.3f}  (n = {these.size})")
    clicks = moved[np.isin(takes.names, KINDS["click"])]
    print(f"all clicks       {clicks.mean():+.3f} +- {clicks.std():.3f}")
    if "hyrisknet" in bundle.spread:
        half = half_widths(bundle.spread["hyrisknet"], takes, views, score)
        print(f"interval: mean half width {half.mean():.2f} log odds; share held by kind:")
        print("  ".join(f"{kind} {share:.2f}" for kind, share in held(takes, views, changed, half).items()))
    by_views = np.stack([views.min(axis=1), views.max(axis=1)])
    for kind, names in KINDS.items():
        inside = (changed >= by_views[0][:, None]) & (changed <= by_views[1][:, None])
        print(f"the views' own range holds {kind} in {inside[np.isin(takes.names, names)].mean():.2f}")


if __name__ == "__main__":
    main()
