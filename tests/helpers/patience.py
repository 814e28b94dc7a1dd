"""How long a test waits for what will come: as long as a machine takes that other programs keep busy."""

from __future__ import annotations

PATIENCE_S = 240.0
PATIENCE_MS = round(1000 * PATIENCE_S)
