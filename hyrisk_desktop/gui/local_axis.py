"""Axes of plots with the numbers of the reader's language."""

from __future__ import annotations

import pyqtgraph as pg

from hyrisk_desktop.i18n import trc

pg.setConfigOptions(foreground="w")


class LocalAxis(pg.AxisItem):
    """As pyqtgraph's own, with the language's decimal mark."""

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """What stands beside the ticks."""
        mark = trc("decimal mark", ".")
        return [text.replace(".", mark) for text in super().tickStrings(values, scale, spacing)]


def local_axes() -> dict[str, LocalAxis]:
    """The two axes of a plot."""
    return {side: LocalAxis(side) for side in ("left", "bottom")}
