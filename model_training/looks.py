"""Phantoms as a bundle looks at them: the patches at a click, at each of the bundle's levels, and their features' mean. SYNTHETIC."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from hyrisk_desktop.files import replace_file
from hyrisk_desktop.jobs import Progress, no_progress
from hyrisk_desktop.risk.bundle import load_bundle
from hyrisk_desktop.risk.network import HyRiskNet
from hyrisk_desktop.risk.preprocessing import Preprocessing, centred_crop, prepare
from model_training.parts import Task, in_parts
from model_training.phantom.render import Phantom, make_phantom, render
from model_training.twins import second_click

F64 = NDArray[np.float64]
Int16 = NDArray[np.int16]
Click = tuple[int, int, int]
"""Shift (x, y, z) in voxels from where the phantom's reader clicks."""
USUAL: Click = (0, 0, 0)
SEEN, LOOK, AGAIN, RESCANNED = "seen", "stage-two-look", "stage-two-again", "stage-two-rescanned"
"""Folder of such features below that of a training, and in it those of stage two's single looks, second clicks and other scans."""
Kind = Literal["reading", "look", "second look"]
"""Features as a reading has them, at the usual click; those of its own height alone; and these at the click of another reader, see `twins`."""
_PER_FILE = 100


def patches_at(phantom: Phantom, clicks: Sequence[Click], side: int) -> Iterator[Int16]:
    """The patch [3, side, side] in HU at each click; only the slices that are needed are drawn, and each once."""
    reach = max(max(abs(x), abs(y)) for x, y, _ in clicks)
    wide = side + 2 * reach
    slices: dict[int, Int16] = {}
    for run in _runs({z + d for _, _, z in clicks for d in (-1, 0, 1)}):
        drawn = render(phantom, phantom.grid_from((-(wide // 2), -(wide // 2), run[0]), (wide, wide, len(run))))
        slices.update(zip(run, drawn, strict=True))
    for x, y, z in clicks:
        rows, columns = slice(reach + y, reach + y + side), slice(reach + x, reach + x + side)
        yield np.stack([slices[z + d][rows, columns] for d in (-1, 0, 1)])


def _runs(numbers: set[int]) -> list[list[int]]:
    """Sorted numbers as runs without a gap."""
    runs: list[list[int]] = []
    for n in sorted(numbers):
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return runs


@torch.inference_mode()
def features_at(
    model: HyRiskNet, preprocessing: Preprocessing, phantom: Phantom, clicks: Sequence[Click] = (USUAL,), hu: int = 0
) -> F64:
    """Features [n, F] of the reader's own view at each of n clicks, as the program computes them.

    Args:
        model, preprocessing: of the bundle. phantom: who is scanned. clicks: where. hu: added to the scan.
    """
    levels = preprocessing.level_slices(phantom.scanner.increment_mm)
    looks = [(x, y, z + dz) for x, y, z in clicks for dz in levels]
    crop = centred_crop(preprocessing, pixel_mm=phantom.scanner.pixel_mm)
    found = []
    for patch in patches_at(phantom, looks, preprocessing.patch_xyz[0]):
        batch = prepare(torch.from_numpy(patch + np.float32(hu))[None], [crop], preprocessing)
        found.append(model.features(batch.contiguous(memory_format=torch.channels_last)))
    features = torch.cat(found).double().numpy().reshape(len(clicks), len(levels), -1)
    means: F64 = features.mean(axis=1)
    return means


def ready(directory: str) -> tuple[HyRiskNet, Preprocessing]:
    """Network and input of a bundle, for a process of its own: with one thread."""
    torch.set_num_threads(1)
    bundle, model = load_bundle(Path(directory))
    return model.to(memory_format=torch.channels_last), bundle.preprocessing


def write_part(path: str, **arrays: NDArray[np.generic]) -> None:
    """Arrays of any shape into a file that is there whole or not at all."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    replace_file(Path(path), stream.getvalue())


def _draw(kind: Kind, task: Task) -> None:
    """Some phantoms' features into a file; runs in a process of its own."""
    directory, path, first, stop = task
    model, p = ready(directory)
    if kind != "reading":
        p = replace(p, levels_mm=None)
    found = []
    for seed in range(first, stop):
        phantom, click = make_phantom(seed), USUAL
        if kind == "second look":
            phantom, click = second_click(phantom)
        found.append(features_at(model, p, phantom, [click]))
    write_part(path, f=np.concatenate(found))


def features_of_seeds(
    directory: Path,
    work: Path,
    first: int,
    count: int,
    workers: int,
    progress: Progress = no_progress,
    *,
    kind: Kind = "reading",
) -> F64:
    """Features [count, F] of the phantoms from seed ``first`` on; continues what is in ``work``.

    Args:
        directory: of the bundle. work: folder of the parts, of this kind and this bundle's trunk only. first, count: seeds.
        workers: processes. progress: called with phantoms done and in all. kind: at which click, and at how many heights.
    """
    draw = partial(_draw, kind)
    paths = in_parts(draw, directory, work, range(first, first + count), _PER_FILE, workers, progress)
    features: F64 = np.concatenate([np.load(path)["f"] for path in paths])
    return features
