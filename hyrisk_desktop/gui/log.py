"""The program's own log: a rotating file and the last lines in memory. It never holds patient data.

Only this program's loggers are written: libraries quote the values they stumble over, and those may be a
patient's. For the same reason a traceback is logged without the exception's message.
"""

from __future__ import annotations

import logging
import logging.handlers
from collections import deque
from io import TextIOWrapper
from pathlib import Path
from typing import cast

from hyrisk_desktop.private_files import make_private, private_opener, tighten

_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class MemoryLog(logging.Handler):
    """Keeps the last lines for the log viewer."""

    def __init__(self, capacity: int = 2000) -> None:
        super().__init__()
        self.lines: deque[str] = deque(maxlen=capacity)
        self.setFormatter(logging.Formatter(_FORMAT))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self.lines.append(self.format(record))


class _PrivateLog(logging.handlers.RotatingFileHandler):
    """A log that other accounts can't read: it tells when which exam was opened, though not whose."""

    def _open(self) -> TextIOWrapper:
        tighten(Path(self.baseFilename))
        # The base class's own words, but for the opener.
        file = open(self.baseFilename, self.mode, encoding=self.encoding, errors=self.errors, opener=private_opener)  # noqa: SIM115
        return cast(TextIOWrapper, file)


def set_up_logging(directory: Path | None) -> MemoryLog:
    """Send the program's log to memory and, where ``directory`` can be written, to a rotating file there."""
    logger = logging.getLogger("hyrisk_desktop")
    logger.setLevel(logging.INFO)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    memory = MemoryLog()
    logger.addHandler(memory)
    if directory is not None:
        try:
            make_private(directory)
            file = _PrivateLog(directory / "hyrisk.log", maxBytes=1_000_000, backupCount=3, encoding="utf-8")
        except OSError:
            logger.warning("The log can't be written to a file (is the disk full or read-only?).")
        else:
            file.setFormatter(logging.Formatter(_FORMAT))
            logger.addHandler(file)
    return memory
