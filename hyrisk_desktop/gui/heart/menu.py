"""The menu of a plaque: what T and a digit, T T and X do, for who has the hand on the mouse."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from hyrisk_desktop.calcium import Plaque
from hyrisk_desktop.exchange.reports.change import vessel_name
from hyrisk_desktop.i18n import tr

VESSEL_KEYS = tuple(f"vessel_{digit}" for digit in range(1, 6))


def plaque_menu(
    plaques: tuple[Plaque, ...], toggle: Callable[[], object], window: QWidget, *, hidden: bool = False
) -> QMenu:
    """The menu for ``plaques``, of which there is at least one.

    Args:
        plaques: what it is about. toggle: counts them or leaves them out. window: whose actions the others are.
        hidden: their scores are withheld.
    """
    menu = QMenu(window)
    menu.setObjectName("plaqueMenu")
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    first = plaques[0]
    if len(plaques) > 1:
        title = tr("{n} plaques", n=len(plaques))
    else:
        vessel = vessel_name(first.vessel) if first.vessel else tr("{vessel} ?", vessel=vessel_name(first.suggested))
        title = tr("Plaque, {vessel}, Agatston {agatston:.1f}", vessel=vessel, agatston=first.agatston)
        if hidden:
            title = tr("Plaque, {vessel}", vessel=vessel)
    menu.addAction(title).setEnabled(False)
    menu.addSeparator()
    for key in (*VESSEL_KEYS, "take_suggested", "vessel_0"):
        action = window.findChild(QAction, key)
        assert action is not None, key
        menu.addAction(action)
    menu.addSeparator()
    count = menu.addAction(tr("Leave it out") if first.counted else tr("Count it"))
    count.setObjectName("countPlaque")
    count.triggered.connect(toggle)
    return menu
