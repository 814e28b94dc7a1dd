"""`hyrisk batch`: every exam below a folder, one row each."""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hyrisk_desktop.cli.options import Device, Engine, Model, Prevalence, Profile
from hyrisk_desktop.cli.worklist import use_export_settings
from hyrisk_desktop.errors import Cancelled, ExamError, InputError
from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.jobs import CancelToken

if TYPE_CHECKING:
    from hyrisk_desktop.batch.exam import BatchExam
    from hyrisk_desktop.batch.pace import BatchProgress
    from hyrisk_desktop.batch.row import BatchRow, BatchSettings

Run = Callable[..., "BatchProgress"]
EXIT_SOME_FAILED = 4
EXIT_STOPPED = 130
DEFAULT_OUT = "hyrisk-batch.csv"
_PLAIN_INTERVAL_S = 10.0


def batch(
    folder: Annotated[Path, typer.Argument(help=tr("Folder, searched with everything below it; or one exam."))],
    reads: Annotated[
        Path | None,
        typer.Option(help=tr("CSV series_uid,x,y,z,grade[,reader]; without it, heart centres are proposed.")),
    ] = None,
    out: Annotated[
        Path, typer.Option(help=tr("Table to write or to go on with: .csv, or .parquet (needs the extra [parquet])."))
    ] = Path(DEFAULT_OUT),
    model: Model = None,
    device: Device = None,
    profile: Profile = "standard",
    engine: Engine = "auto",
    prevalence: Prevalence = None,
    whole_heart: Annotated[
        bool,
        typer.Option(
            "--whole-heart", help=tr("Also score the whole heart, in further columns; reads every slice of each exam.")
        ),
    ] = False,
    workers: Annotated[int, typer.Option(help=tr("Threads that read exams ahead; 0: chosen by the machine."))] = 0,
    scheduler: Annotated[
        str | None,
        typer.Option(help=tr("Address of a Dask scheduler whose workers see the same disk, tcp:// or tls://.")),
    ] = None,
    tls_ca: Annotated[Path | None, typer.Option(help=tr("Certificate authority of the cluster (PEM)."))] = None,
    tls_cert: Annotated[Path | None, typer.Option(help=tr("This client's certificate (PEM)."))] = None,
    tls_key: Annotated[Path | None, typer.Option(help=tr("This client's key (PEM)."))] = None,
) -> None:
    """Score every exam below a folder; exit code 0, or 4 when some failed."""
    from hyrisk_desktop.batch.row import BatchSettings

    settings = BatchSettings(profile, prevalence, device, whole_heart=whole_heart, engine=engine)
    settings.check()
    if scheduler is None and (tls_ca or tls_cert or tls_key):
        raise InputError("tls", tr("--tls-ca, --tls-cert and --tls-key need --scheduler."))
    if scheduler is not None and workers:
        raise InputError("workers", tr("--workers is for this machine; with --scheduler the cluster decides."))
    use_export_settings()
    token = CancelToken()
    with _stoppable(token):
        try:
            exams = _list(folder, reads, token)
            run = _on_cluster(scheduler, (tls_ca, tls_cert, tls_key)) if scheduler else _here(workers)
            raise typer.Exit(_score(exams, settings, model, out, token, run))
        except Cancelled:
            typer.echo(tr("Stopped. The same command goes on where it stopped."), err=True)
            raise typer.Exit(EXIT_STOPPED) from None


def _here(workers: int) -> Run:
    from hyrisk_desktop.batch.run import run_batch
    from hyrisk_desktop.risk.loading import load_predictor

    def run(exams: Any, settings: BatchSettings, model: Path | None, **how: Any) -> BatchProgress:
        predictor, also = load_predictor(model, settings.device, settings.prevalence, engine=settings.engine)
        for finding in also:
            typer.echo(finding.message, err=True)
        return run_batch(exams, settings, predictor, also=also, workers=workers, **how)

    return run


def _on_cluster(scheduler: str, tls: tuple[Path | None, Path | None, Path | None]) -> Run:
    from hyrisk_desktop.batch.on_cluster import run_on_cluster
    from hyrisk_desktop.dask_client import Cluster

    cluster = Cluster(scheduler, *tls)

    def run(exams: Any, settings: BatchSettings, model: Path | None, **how: Any) -> BatchProgress:
        from hyrisk_desktop.risk.model_store import ActiveModel, installed_models

        active = installed_models().active() if model is None else ActiveModel(model)
        return run_on_cluster(exams, settings, active.directory, cluster, also=active.findings, **how)

    return run


def _list(folder: Path, reads: Path | None, token: CancelToken) -> list[BatchExam]:
    from hyrisk_desktop.batch.exam import list_exams, unused_reads
    from hyrisk_desktop.batch.reads_file import read_reads

    known = read_reads(reads) if reads else {}
    # Absolute: a table, and a cluster's workers, may look at the paths from elsewhere.
    root = folder.absolute()
    if not root.exists():
        raise InputError("not_found", tr("{name} doesn't exist. Choose a folder or a file.", name=folder.name))
    with _Line() as line:
        exams = list_exams(
            root,
            known,
            progress=lambda n, _: line.show(trn("{n} file looked at", "{n} files looked at", n)),
            cancel=token,
        )
    if not exams:
        raise ExamError("no_exam", tr("There is no CT exam below {name}.", name=folder.name or str(folder)))
    if missing := unused_reads(exams, known):
        typer.echo(
            trn(
                "{n} series of the reads is not below this folder.",
                "{n} series of the reads are not below this folder.",
                missing,
            ),
            err=True,
        )
    return exams


def _score(
    exams: list[BatchExam], settings: BatchSettings, model: Path | None, out: Path, token: CancelToken, run: Run
) -> int:
    from hyrisk_desktop.batch.table import open_table

    ids = [slot for exam in exams for slot, _ in exam.slots]
    failures: list[str] = []

    def on_row(row: BatchRow) -> None:
        table.append(row)
        if row.error:
            failures.append(row.error_code)

    with open_table(out, ids, whole_heart=settings.whole_heart) as table, _Line() as line:
        end = run(
            exams,
            settings,
            model,
            on_row=on_row,
            progress=lambda at: line.show(_words(at)),
            cancel=token,
            done=table.done,
        )
        line.show(_words(end), last=True)
    scored = end.done - end.failed - end.skipped
    typer.echo(
        tr("{scored} scored, {failed} failed, {skipped} there already; written to {out}",
           scored=scored, failed=end.failed, skipped=end.skipped, out=out),
        err=True,
    )  # fmt: skip
    typer.echo(tr("Research use only."), err=True)
    if failures:
        codes = ", ".join(f"{failures.count(code)} {code}" for code in sorted(set(failures)))
        typer.echo(tr("Failed: {codes}; the column “error” says why.", codes=codes), err=True)
    return EXIT_SOME_FAILED if end.failed else 0


def _words(at: BatchProgress) -> str:
    words = trn("{done} of {n} row", "{done} of {n} rows", at.total, done=at.done)
    if at.failed:
        words += tr(", {n} failed", n=at.failed)
    if at.per_minute is not None and at.seconds_left is not None:
        words += tr(", {rate:.0f} a minute, {left} left", rate=at.per_minute, left=_duration(at.seconds_left))
    return words


def _duration(seconds: float) -> str:
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class _Line:
    """Progress on stderr: one line that changes on a terminal, else a line every ten seconds."""

    def __enter__(self) -> _Line:
        self._told = 0.0
        self._status: Any = None
        if sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True).status("")
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def show(self, words: str, *, last: bool = False) -> None:
        """Say where the run stands."""
        if self._status is not None:
            self._status.update(words)
        elif last or time.monotonic() - self._told >= _PLAIN_INTERVAL_S:
            self._told = time.monotonic()
            typer.echo(words, err=True)


@contextlib.contextmanager
def _stoppable(token: CancelToken) -> Iterator[None]:
    """Ctrl+C, and the end that a cluster's scheduler sends, stop the run between two exams; a second one at once."""
    numbers = [n for n in (signal.SIGINT, getattr(signal, "SIGTERM", None)) if n is not None]
    before = {n: signal.getsignal(n) for n in numbers}

    def stop(number: int, _: object) -> None:
        token.cancel()
        signal.signal(number, before[number])

    try:
        for number in numbers:
            signal.signal(number, stop)
        yield
    finally:
        for number in numbers:
            signal.signal(number, before[number])
