"""C-STORE and C-GET objects per second beside DCMTK's storescu and getscu, against one Orthanc, in one run.

    python tests/benchmarks/bench_pacs.py [--objects 200] [--size 512] [--repeats 3] [--memory 0]

Prints each rate and its ratio to DCMTK's. ``--memory N`` also retrieves N small objects and prints the memory on the way.
Everything runs on loopback; DCMTK is told not to wait for company (TCP_NODELAY), as this program's sockets are.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from pydicom import dcmread

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hyrisk_desktop.exchange.pacs.find import DimseArchive
from hyrisk_desktop.exchange.pacs.inbox import Inbox
from hyrisk_desktop.exchange.pacs.outbox import Outbox
from hyrisk_desktop.exchange.pacs.query import Query, SeriesMatch
from hyrisk_desktop.exchange.pacs.receiver import Receiver, senders_of
from hyrisk_desktop.exchange.pacs.retrieve import retrieve
from hyrisk_desktop.exchange.pacs.sending import send
from tests.helpers import orthanc
from tests.helpers.exams import write_exam
from tests.helpers.orthanc import OUR_TITLE, PASSWORD, PEER_TITLE, Orthanc

DCMTK = os.environ | {"TCP_NODELAY": "1"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=200)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        exam = write_exam(folder / "exam", 1, count=options.objects, size=options.size)
        files = sorted(exam.rglob("*.dcm"))
        with orthanc.running(folder / "orthanc", orthanc.free_port()) as pacs:
            Bench(pacs, folder, files, options.repeats).run()
            if options.memory:
                memory(pacs, folder, options.memory)


class Bench:
    def __init__(self, pacs: Orthanc, folder: Path, files: list[Path], repeats: int) -> None:
        self.pacs, self.folder, self.files, self.repeats = pacs, folder, files, repeats
        self.megabytes = sum(f.stat().st_size for f in files) / 1e6

    def run(self) -> None:
        print(f"{len(self.files)} objects, {self.megabytes:.0f} MB, median of {self.repeats}")
        store = self.rate(self.dcmtk_store, before=self.pacs.clear)
        self.tell("storescu", store)
        self.tell("C-STORE (outbox to archive)", self.rate(self.our_store, before=self.pacs.clear), store)
        self.tell("STOW-RS", self.rate(self.our_stow, before=self.pacs.clear), store)
        get = self.rate(self.dcmtk_get)
        self.tell("getscu", get)
        self.series = self.found()
        self.tell("C-GET (checked, into the inbox)", self.rate(lambda: self.ours(self.pacs.node())), get)
        self.tell("C-MOVE", self.rate(lambda: self.ours(self.pacs.mover())), get)
        self.tell("WADO-RS", self.rate(lambda: self.ours(self.pacs.web_node())), get)
        receive = self.rate(self.dcmtk_receive)
        self.tell("storescu to storescp", receive)
        self.tell("storescu to the receiving mode", self.rate(self.our_receive), receive)

    def rate(self, act: Callable[[], float], before: Callable[[], None] = lambda: None) -> float:
        """Objects per second; ``act`` returns the seconds that count."""
        rates = []
        for _ in range(self.repeats):
            before()
            rates.append(len(self.files) / act())
        return statistics.median(rates)

    @staticmethod
    def tell(what: str, rate: float, reference: float | None = None) -> None:
        print(f"  {what:34s} {rate:7.0f} /s" + (f"   {rate / reference:5.2f} x" if reference else ""))

    def dcmtk_store(self) -> float:
        return timed("storescu", "-aet", OUR_TITLE, "-aec", PEER_TITLE, "+sd", "127.0.0.1", str(self.pacs.port), str(self.files[0].parent))  # fmt: skip

    def our_store(self) -> float:
        return self.sent(lambda outbox: send(outbox, self.pacs.node(commitment=False), OUR_TITLE), "PACS")

    def our_stow(self) -> float:
        return self.sent(lambda outbox: send(outbox, self.pacs.web_node(), OUR_TITLE, password=PASSWORD), "PACS web")

    def sent(self, act: Callable[[Outbox], None], node: str) -> float:
        outbox = Outbox(fresh(self.folder / "outbox"))
        outbox.add(node, [f.read_bytes() for f in self.files])
        began = time.perf_counter()
        act(outbox)
        took = time.perf_counter() - began
        assert self.pacs.instances == len(self.files)
        return took

    def dcmtk_get(self) -> float:
        study = str(dcmread(self.files[0], stop_before_pixels=True).StudyInstanceUID)
        out = fresh(self.folder / "got")
        took = timed("getscu", "-S", "-aet", OUR_TITLE, "-aec", PEER_TITLE, "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}", "-od", str(out), "127.0.0.1", str(self.pacs.port))  # fmt: skip
        assert len(list(out.iterdir())) == len(self.files)
        return took

    def found(self) -> tuple[SeriesMatch, ...]:
        (study,) = DimseArchive(self.pacs.node(), OUR_TITLE).find_studies(Query(patient_id="P001"))
        return DimseArchive(self.pacs.node(), OUR_TITLE).find_series(study.study_uid)

    def ours(self, node: orthanc.Node) -> float:
        inbox = Inbox(fresh(self.folder / "inbox"))
        receiver = Receiver(OUR_TITLE, "127.0.0.1", self.pacs.own_port, inbox)
        began = time.perf_counter()
        result = retrieve(node, OUR_TITLE, self.series, inbox, receiver=receiver, password=PASSWORD)
        took = time.perf_counter() - began
        assert result.arrived == len(self.files)
        return took

    def dcmtk_receive(self) -> float:
        port, out = orthanc.free_port(), fresh(self.folder / "scp")
        with subprocess.Popen(["storescp", "-od", str(out), str(port)], env=DCMTK, stderr=subprocess.DEVNULL) as server:
            time.sleep(0.5)
            took = timed("storescu", "+sd", "127.0.0.1", str(port), str(self.files[0].parent))
            server.terminate()
        assert len(list(out.iterdir())) == len(self.files)
        return took

    def our_receive(self) -> float:
        inbox = Inbox(fresh(self.folder / "inbox"))
        receiver = Receiver(OUR_TITLE, "127.0.0.1", 0, inbox, senders_of([self.pacs.node(ae_title="SCANNER")]))
        receiver.start()
        try:
            took = timed("storescu", "-aet", "SCANNER", "-aec", OUR_TITLE, "+sd", "127.0.0.1", str(receiver.port), str(self.files[0].parent))  # fmt: skip
        finally:
            receiver.stop()
        assert len(list(inbox.root.rglob("*.dcm"))) == len(self.files)
        return took


def memory(pacs: Orthanc, folder: Path, count: int) -> None:
    """Retrieve ``count`` objects of 16 x 16 pixels by C-GET."""
    pacs.clear()
    many = write_exam(folder / "many", 1, count=count, size=16)
    pacs.put_files(sorted(many.rglob("*.dcm")))
    (study,) = DimseArchive(pacs.node(), OUR_TITLE).find_studies(Query(patient_id="P001"))
    series = DimseArchive(pacs.node(), OUR_TITLE).find_series(study.study_uid)
    process, sizes = psutil.Process(), {}

    def note(done: int, _: int) -> None:
        if done and done % (count // 5) == 0:
            sizes[done] = process.memory_info().rss / 1e6

    began = time.perf_counter()
    result = retrieve(pacs.node(), OUR_TITLE, series, Inbox(fresh(folder / "inbox")), progress=note)
    took = time.perf_counter() - began
    print(f"{result.arrived} objects in a row by C-GET, {result.arrived / took:.0f} /s; memory in MB: " + ", ".join(f"{n}: {mb:.0f}" for n, mb in sizes.items()))  # fmt: skip


def timed(program: str, *arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run([program, *arguments], check=True, capture_output=True, env=DCMTK)
    return time.perf_counter() - began


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    main()
