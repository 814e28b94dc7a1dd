"""Kills a process that writes reads, again and again, and checks after each kill what the store holds.

    python -m tests.helpers.kill_writer FOLDER TIMES SEED

Children are forked from one process that has imported everything, so that a hundred kills take seconds. A child
reports each save once it is acknowledged. After the kill the store must hold the last save reported, or the one that
was under way, and its audit trail must be whole. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from hyrisk_desktop.worklist import audit
from hyrisk_desktop.worklist.database import damage_in
from hyrisk_desktop.worklist.records import Read
from hyrisk_desktop.worklist.store import Store
from tests.helpers.exams import scanned


def write_for_ever(path: Path, exam_id: int, first: int, report: int) -> None:
    """In the child: save a read with a new centre each time, and report the number of each that is saved."""
    store = Store(path)
    reader = store.reader("Ada")
    number = first
    while True:
        store.save_read(Read(exam_id, reader.reader_id, "1.2.1", centre=(number, 0, 0), grade=1.0), reader)
        os.write(report, f"{number}\n".encode())
        number += 1


def kill_once(path: Path, exam_id: int, first: int, wait_s: float) -> int:
    """Let a child write for a while, kill it, and return the number of the last save that it reported."""
    ends = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ends[0])
        try:
            write_for_ever(path, exam_id, first, ends[1])
        finally:
            os._exit(1)
    os.close(ends[1])
    with os.fdopen(ends[0], "rb") as reports:
        text = reports.readline()
        time.sleep(wait_s)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        text += reports.read()
    return int(text.split()[-1]) if text.split() else first - 1


def main() -> None:
    """See the module's text."""
    folder, times, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    path = folder / "worklist.sqlite"
    store = Store(path)
    reader = store.reader("Ada")
    (exam_id,) = store.add_exams(None, [scanned(1)])
    store.close()
    rng, last, lost, unreported = random.Random(seed), 0, 0, 0
    for _ in range(times):
        last = kill_once(path, exam_id, last + 1, rng.uniform(0, 0.03))
        store = Store(path)
        read = store.read_of(exam_id, reader)
        whole = audit.verify(store.audit_trail(), store.audit_head()) is None
        store.close()
        held = read.centre[0] if read and read.centre else 0
        lost += held < last or held > last + 1 or not whole
        unreported += held == last + 1
        last = held
    result = {"kills": times, "saves": last, "lost": lost, "unreported": unreported, "damage": damage_in(path)}
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main()
