"""Lesions and plaques under the reader's hand: which one lies at a voxel, and counting it or not."""

from __future__ import annotations

from hyrisk_desktop.calcium import Plaque, toggled
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.viewer.display import lesion_at
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import Voxel

_REACH = 2
_NEAR = sorted(
    ((dx, dy) for dx in range(-_REACH, _REACH + 1) for dy in range(-_REACH, _REACH + 1)),
    key=lambda d: d[0] ** 2 + d[1] ** 2,
)


def plaque_at(session: Session, voxel: Voxel) -> Plaque | None:
    """The plaque of the whole heart at ``voxel``, or next to it in its slice; None for none."""
    heart = session.whole_heart
    if heart is None:
        return None
    x, y, z = voxel
    return next((p for dx, dy in _NEAR if (p := heart.at((x + dx, y + dy, z))) is not None), None)


def toggle_at(session: Session, voxel: Voxel) -> bool:
    """Exclude or include the plaque of the whole heart, or else the lesion, that holds ``voxel``; False where none does."""
    if session.whole_heart is not None:
        if (plaque := plaque_at(session, voxel)) is None:
            return False
        session.edit(heart=toggled(session.read.heart, plaque))
        return True
    index = None if session.scores is None else lesion_at(session.scores, voxel)
    if index is None:
        return False
    session.toggle_lesion(index)
    return True


def nothing_there(session: Session, where: str) -> str:
    """Why there was nothing to toggle ``where`` the reader pointed."""
    if session.hides_results:
        return tr("Lesions show once the grade is locked.")
    if session.scores is None:
        return tr("Lesions need the heart centre: press H and click it.")
    return tr("There is no lesion {where}.", where=where)
