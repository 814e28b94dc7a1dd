"""What a training is asked to do, as the arguments of the training process; and how that process is asked for a
check or an estimate, without blocking the window. No Qt here."""

from __future__ import annotations

import logging
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyrisk_desktop.bounded_json import parse_json
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.jobs import CancelToken

_log = logging.getLogger(__name__)
DEPTHS = (18, 34, 50, 101, 152)
STRATEGIES = ("scratch", "finetune", "frozen")
DEFAULT_SIZE = 224


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """One training.

    Attributes:
        initial: ``"imagenet"``, or a file or bundle to start from; "" from scratch.
        score: ``"grade"`` or ``"agatston"``. device: "" to choose. size: pixels of the network's input.
        compare: bundle whose results on the same cases are shown beside the new ones, or None.
    """

    cohort: Path
    depth: int = 34
    strategy: str = "finetune"
    initial: str = ""
    score: str = "grade"
    folds: int = 10
    epochs: int = 20
    device: str = ""
    size: int = DEFAULT_SIZE
    compare: Path | None = None

    def arguments(self) -> list[str]:
        """What follows ``train`` on the command line."""
        more = [] if self.compare is None else ["--compare", str(self.compare)]
        return [*self._common(), *more]

    def estimate_arguments(self) -> list[str]:
        """What follows ``estimate``."""
        return [*self._common(), "--json"]

    def _common(self) -> list[str]:
        common = [str(self.cohort), "--network", f"hyrisknet-{self.depth}", "--strategy", self.strategy]
        common += ["--folds", str(self.folds), "--epochs", str(self.epochs)]
        if self.device:
            common += ["--device", self.device]
        if self.size != DEFAULT_SIZE:
            common += ["--size", str(self.size)]
        common += ["--score", self.score]
        if self.strategy != "scratch" and self.initial:
            common += ["--init", self.initial]
        return common


@dataclass(frozen=True, slots=True)
class ReproductionPlan:
    """The paper on one cohort, as ``hyrisk reproduce`` takes it.

    Attributes:
        depths: of the networks. imagenet: also the strategies that start from ImageNet. device: "" to choose.
    """

    cohort: Path
    depths: tuple[int, ...] = DEPTHS
    imagenet: bool = True
    folds: int = 10
    epochs: int = 20
    device: str = ""
    size: int = DEFAULT_SIZE

    def arguments(self) -> list[str]:
        """What follows ``reproduce`` on the command line."""
        common = [str(self.cohort), "--networks", ",".join(map(str, self.depths))]
        common += ["--folds", str(self.folds), "--epochs", str(self.epochs)]
        if not self.imagenet:
            common += ["--strategies", "scratch"]
        if self.device:
            common += ["--device", self.device]
        if self.size != DEFAULT_SIZE:
            common += ["--size", str(self.size)]
        return common

    def estimate_arguments(self) -> list[str]:
        """What follows ``reproduce`` where only an estimate is wanted."""
        return [*self.arguments(), "--estimate", "--json"]


@dataclass(frozen=True, slots=True)
class ValidationPlan:
    """A model on one cohort, as ``hyrisk validate`` takes it; ``device``: "" to choose."""

    cohort: Path
    model: Path
    device: str = ""

    def arguments(self) -> list[str]:
        """What follows ``validate`` on the command line."""
        return [str(self.cohort), "--model", str(self.model), *(["--device", self.device] if self.device else [])]


def ask_process(line: tuple[list[str], dict[str, str]], token: CancelToken) -> dict[str, Any]:
    """Run a process that answers with one JSON object; for a worker thread.

    Raises:
        InputError: it answered with an error, or not at all.
        Cancelled: the token was cancelled; the process is gone.
    """
    command, environment = line
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # On Windows a console would flash up.
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as e:
        raise InputError("training_process", tr("The training program can't be started.")) from e
    with process:
        try:
            out = _output(process, token)
        finally:
            process.kill()
    try:
        answer = parse_json(out)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        # What it said on stderr may quote the cohort: it stays unsaid.
        _log.warning("The training program ended with code %s and no answer", process.returncode)
        raise InputError("training_process", tr("The training program gave no answer; see “hyrisk doctor”."))
    if isinstance(error := answer.get("error"), dict):
        raise InputError(str(error.get("code")), str(error.get("message")))
    return answer


def _output(process: subprocess.Popen[bytes], token: CancelToken) -> bytes:
    while True:
        try:
            return process.communicate(timeout=0.1)[0]
        except subprocess.TimeoutExpired:
            token.raise_if_cancelled()
