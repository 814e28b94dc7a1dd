"""Several desks at one list: how soon a read shows at the others, and what that costs.

    python -m tests.benchmarks.bench_desks [--clients 20] [--exams 10000] [--seconds 30] [--every 2.0]

Each desk is a process with a list of all exams open: it saves a read every ``--every`` seconds, opens the next exam, and renews
each row of which it hears. Latency runs from before the save to when another desk has read the row anew, over all pairs of
desks. On PostgreSQL (a server of its own, without fsync) with all clients, on an SQLite file with two. Prints ratios to an
empty round trip beside seconds, because seconds on a busy machine say little.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import psutil
import sqlalchemy

from hyrisk_desktop.worklist.desks import announce
from hyrisk_desktop.worklist.feeds import News
from hyrisk_desktop.worklist.records import Read
from hyrisk_desktop.worklist.store import Store
from hyrisk_desktop.worklist.watching import Watcher
from tests.helpers import postgres
from tests.helpers.exams import scanned

ROOT = Path("/data")


@dataclass
class Log:
    """What one desk did and saw: exams by number, with moments of the machine's clock."""

    saved: dict[int, float] = field(default_factory=dict)
    seen: dict[int, float] = field(default_factory=dict)
    queries: int = 0
    listed_s: float = 0.0
    save_s: list[float] = field(default_factory=list)


def desk(
    where: Path | str, number: int, desks: int, seconds: float, every: float, barrier: Barrier, logs: object
) -> None:
    """One desk, in a process of its own."""
    log, store = Log(), Store(where)
    reader = store.reader(f"Reader {number}")
    listed = store.lists()[0]
    began = time.perf_counter()
    entries = store.entries(listed, reader)
    log.listed_s = time.perf_counter() - began
    uids = {e.exam_id: e.series_uid for e in entries}
    mine = [e.exam_id for e in entries][number::desks]
    heard: list[News] = []
    ready = threading.Condition()

    def hear(news: News) -> None:
        with ready:
            heard.append(news)
            ready.notify()

    watcher = Watcher(lambda: store.database, hear, lambda error: print(f"desk {number}: {error}"))
    announce(store.database, reader, None, blinded=False)

    @sqlalchemy.event.listens_for(store.database.engine, "before_cursor_execute")
    def count(*_: object) -> None:
        log.queries += 1

    barrier.wait()
    with ready:
        # What is told at the beginning is no load of reading.
        heard.clear()
    start = time.time()
    # Desks act one after another, as people do, and not in step.
    due = start + every * number / desks
    while (now := time.time()) < start + seconds:
        if now >= due:
            exam_id = mine[len(log.saved)]
            log.saved[exam_id] = before = time.time()
            store.save_read(Read(exam_id, reader.reader_id, uids[exam_id], centre=(1, 2, 3), grade=1.0), reader)
            log.save_s.append(time.time() - before)
            announce(store.database, reader, exam_id, blinded=False)
            due += every
        with ready:
            if not heard:
                ready.wait(max(0.0, min(due, start + seconds) - time.time()))
            news, heard[:] = list(heard), []
        ids = frozenset().union(*(n.exam_ids for n in news)) if news else frozenset()
        if ids:
            rows = store.entries_of(ids, reader, list_id=listed.list_id)
            at = time.time()
            for row in rows:
                if row.others:
                    log.seen.setdefault(row.exam_id, at)
    barrier.wait()
    watcher.stop()
    store.close()
    logs.put(log)  # type: ignore[attr-defined]


def filled(where: Path | str, exams: int) -> None:
    store = Store(where)
    listed = store.reading_list(ROOT)
    for at in range(0, exams, 500):
        store.add_exams(listed.list_id, [scanned(n) for n in range(at, min(at + 500, exams))])
    store.close()


def round_trip(where: Path | str) -> float:
    """Median seconds of an empty query on an open connection."""
    store = Store(where)
    took = []
    with store.database.engine.connect() as connection:
        for _ in range(300):
            began = time.perf_counter()
            connection.execute(sqlalchemy.text("SELECT 1"))
            took.append(time.perf_counter() - began)
    store.close()
    return statistics.median(took)


def run(name: str, where: Path | str, clients: int, options: argparse.Namespace, busy_s: Callable[[], float]) -> None:
    filled(where, options.exams)
    empty = round_trip(where)
    context = multiprocessing.get_context("spawn")
    barrier, logs = context.Barrier(clients + 1), context.Queue()
    arguments = (clients, options.seconds, options.every, barrier, logs)
    processes = [context.Process(target=desk, args=(where, n, *arguments)) for n in range(clients)]
    for process in processes:
        process.start()
    barrier.wait()
    used, began = busy_s(), time.perf_counter()
    time.sleep(options.seconds)
    # While all of them are still connected: the time of a connection that has ended is added to the server's later.
    used, wall = busy_s() - used, time.perf_counter() - began
    barrier.wait()
    found: list[Log] = [logs.get() for _ in processes]
    for process in processes:
        process.join()
    saved = {exam_id: at for log in found for exam_id, at in log.saved.items()}
    # A save of the last second may not have been heard of before the end.
    old = {i: at for i, at in saved.items() if at < max(saved.values()) - 3.0}
    latency = [log.seen[i] - at for log in found for i, at in old.items() if i in log.seen and i not in log.saved]
    expected = len(old) * (clients - 1)
    median, late = float(np.median(latency)), float(np.percentile(latency, 95))
    save = statistics.median(s for log in found for s in log.save_s)
    queries = sum(log.queries for log in found)
    print(
        f"{name}: {clients} desks, {options.exams} exams, {len(saved) / wall:.1f} reads saved a second\n"
        f"  a read shows at another desk after {median:.2f} s (median), {late:.2f} s (95th percentile), "
        f"{max(latency):.2f} s at most; {len(latency)} of {expected} were seen\n"
        f"  in empty round trips of {empty * 1e6:.0f} us: {median / empty:.0f} and {late / empty:.0f}; "
        f"a save takes {save * 1e3:.1f} ms, {save / empty:.0f} of them\n"
        f"  {queries / wall:.0f} queries a second in all, {queries / len(saved):.0f} a read; "
        + (
            f"the server takes {100 * used / wall:.1f} % of one core, {1e3 * used / len(saved):.1f} ms a read\n"
            if used
            else "no server\n"
        )
        + f"  the list opens in {statistics.median(log.listed_s for log in found):.2f} s (median, all desks at once)"
    )


def server_time(port: int) -> Callable[[], float]:
    """Processor seconds of all processes of the server that listens there, ended ones too."""

    def busy() -> float:
        for process in psutil.process_iter(["name", "cmdline"]):
            if process.info["name"] == "postgres" and f"port={port}" in " ".join(process.info["cmdline"] or ()):
                with process.oneshot():
                    own = process.cpu_times()
                total = own.user + own.system + own.children_user + own.children_system
                for child in process.children(recursive=True):
                    times = child.cpu_times()
                    total += times.user + times.system
                return total
        raise RuntimeError("the server is not there")

    return busy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--exams", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--every", type=float, default=2.0, help="seconds from one save of a desk to its next")
    options = parser.parse_args()
    with postgres.server() as server:
        run("PostgreSQL", server.new_database(), options.clients, options, server_time(server.port))
    with tempfile.TemporaryDirectory() as folder:
        run("SQLite", Path(folder) / "worklist.sqlite", 2, options, lambda: 0.0)


if __name__ == "__main__":
    main()
