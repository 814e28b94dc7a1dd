"""Phantoms seen by a bundle, some to a file: drawn in several processes, and gone on with where a killed run stopped."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from hyrisk_desktop.jobs import Progress

Task = tuple[str, str, int, int]
"""Folder of the bundle, file to write, first seed, and the one after the last."""


def in_parts(
    draw: Callable[[Task], None],
    directory: Path,
    work: Path,
    seeds: range,
    per_file: int,
    workers: int,
    progress: Progress,
) -> list[Path]:
    """The files of all ``seeds``, in order; those that are there already are not drawn again.

    Args:
        draw: writes one file, in a process of its own. directory: of the bundle. work: folder of the files, of this
            bundle only. seeds: of the phantoms, without gaps. per_file: phantoms to a file. workers: processes.
        progress: called with phantoms done and in all.
    """
    work.mkdir(parents=True, exist_ok=True)
    tasks = [(str(directory), str(work / f"{s}.npz"), s, min(s + per_file, seeds.stop)) for s in seeds[::per_file]]
    missing = [task for task in tasks if not Path(task[1]).exists()]
    # Fresh processes: forking one that has started torch or BLAS threads can hang. One worker is this process itself.
    several = workers > 1 and len(missing) > 1
    with multiprocessing.get_context("spawn").Pool(workers) if several else nullcontext() as pool:
        done = map(draw, missing) if pool is None else pool.imap_unordered(draw, missing)
        for n, _ in enumerate(done, 1):
            progress(min((len(tasks) - len(missing) + n) * per_file, len(seeds)), len(seeds))
    return [Path(task[1]) for task in tasks]
