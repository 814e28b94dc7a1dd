"""The CAC-DRS line and the sum of the vessels."""

from __future__ import annotations

import pytest

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.worklist.cac_drs import cac_drs, vessel_sum


@pytest.mark.parametrize(
    ("grades", "total", "line"),
    [
        ((0, 0, 0, 0), 0, "CAC-DRS V0/N0"),
        ((0, 1, 0, 0), 1, "CAC-DRS V1/N1"),
        ((0, 2, 1, 1), 4, "CAC-DRS V2/N3"),
        ((3, 3, 3, 3), 12, "CAC-DRS V3/N4"),
    ],
)
def test_the_line_follows_from_the_vessels(grades: tuple[int, ...], total: int, line: str) -> None:
    vessels = dict(zip(("LM", "LAD", "LCx", "RCA"), grades, strict=True))
    assert vessel_sum(vessels) == total
    assert cac_drs(vessels) == line


@pytest.mark.parametrize("vessels", [{}, {"LM": 0, "LAD": 1, "LCx": 0}, {"LM": 0, "LAD": 4, "LCx": 0, "RCA": 0}])
def test_an_incomplete_or_impossible_sheet_has_no_line(vessels: dict[str, int]) -> None:
    with pytest.raises(InputError):
        cac_drs(vessels)
