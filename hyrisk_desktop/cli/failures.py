"""Every failure of a command as one sentence, a code and an exit code."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator

from hyrisk_desktop.cli import display
from hyrisk_desktop.errors import HyRiskError, InputError, safe_traceback
from hyrisk_desktop.i18n import english, tr

EXIT_UNEXPECTED, EXIT_ARGUMENTS, EXIT_EXAM = 1, 2, 3


def explain(error: Exception) -> tuple[str, str, int]:
    """Code, sentence and exit code of a failure. An unexpected one's own words may quote a patient: they stay unsaid."""
    if isinstance(error, HyRiskError):
        return error.code, error.message, EXIT_ARGUMENTS if isinstance(error, InputError) else EXIT_EXAM
    if isinstance(error, MemoryError):
        return "memory", tr("There is not enough memory for this; close other programs and try again."), EXIT_UNEXPECTED
    if isinstance(error, ImportError):
        if "cannot open shared object" in str(error):
            message = display.explain(str(error), EXIT_UNEXPECTED)
        else:
            name = error.name or tr("a library")
            message = tr("A part of the program can't be loaded ({name}); run “hyrisk doctor”.", name=name)
        return "incomplete", message, EXIT_UNEXPECTED
    if isinstance(error, OSError):
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        return "system", tr("The system refused: {reason}.", reason=reason), EXIT_UNEXPECTED
    message = tr(
        "An unexpected error happened ({kind}); run again with HYRISK_DEBUG=1 to see where, and report it.",
        kind=type(error).__name__,
    )
    return "unexpected", message, EXIT_UNEXPECTED


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """Failures become one sentence on stderr and an exit code."""
    try:
        yield
    except Exception as e:  # noqa: BLE001  the outermost edge of the program
        _, message, code = explain(e)
        print(message, file=sys.stderr)  # noqa: T201
        if os.environ.get("HYRISK_DEBUG"):
            print(safe_traceback(e), file=sys.stderr)  # noqa: T201
        sys.exit(code)


@contextlib.contextmanager
def json_errors(as_json: bool) -> Iterator[None]:
    """With --json, every failure is a JSON object as well as a sentence."""
    try:
        yield
    except Exception as e:
        if as_json:
            code, message, _ = explain(e)
            print(json.dumps({"error": {"code": code, "message": english(message)}}))  # noqa: T201
        raise
