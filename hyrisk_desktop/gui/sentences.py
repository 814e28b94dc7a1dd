"""An error as the window says it."""

from __future__ import annotations

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.i18n import tr


def sentence_of(error: Exception, unexpected: str = "") -> str:
    """One sentence; ``unexpected`` (or that something went wrong) for what nobody foresaw, whose own words may quote a patient."""
    if isinstance(error, HyRiskError):
        return error.message
    return unexpected or tr("Something went wrong; see the log.")
