"""The CAC-DRS line of a per-vessel visual grading, e.g. ``CAC-DRS V2/N3``.

CAC-DRS (Hecht et al., Expert Consensus of the SCCT, J Cardiovasc Comput Tomogr 2018) names the visual category V0 to V3
(none, mild, moderate, severe) and N0 to N4, the number of the vessels LM, LAD, LCx and RCA with calcium. The visual
category is here that of the worst vessel, as a reader who sees one severely calcified vessel calls the exam severe.
"""

from __future__ import annotations

from collections.abc import Mapping

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.worklist.records import VESSELS


def vessel_sum(vessels: Mapping[str, int]) -> int:
    """Sum of the four vessels' grades, 0 to 12; InputError unless all four are graded 0 to 3."""
    return sum(_complete(vessels).values())


def cac_drs(vessels: Mapping[str, int]) -> str:
    """The CAC-DRS line; InputError unless all four vessels are graded 0 to 3."""
    grades = _complete(vessels).values()
    return f"CAC-DRS V{max(grades)}/N{sum(grade > 0 for grade in grades)}"


def _complete(vessels: Mapping[str, int]) -> Mapping[str, int]:
    if set(vessels) != set(VESSELS) or not all(grade in (0, 1, 2, 3) for grade in vessels.values()):
        raise InputError("vessels", tr("CAC-DRS needs a grade of 0 to 3 for each of LM, LAD, LCx and RCA."))
    return vessels
