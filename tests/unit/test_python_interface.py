"""The five lines of the manual's page for Python, run as they stand there, and the notebook that is made of them."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyrisk_desktop import calcium, imaging, risk
from hyrisk_desktop.calcium import HeartRegion, Zone
from hyrisk_desktop.imaging import CTVolume, Voxel
from hyrisk_desktop.measurement import measure
from tests.helpers import dicom_series, readings
from tests.helpers.bundles import write_tiny_bundle
from tests.helpers.first_steps import code, notebook, written
from tests.helpers.hearts import heart_of

FIVE = 5


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the cells begin with: an exam, and a small model in the place of the bundled one."""
    write_tiny_bundle(tmp_path / "tiny")
    monkeypatch.setattr("hyrisk_desktop.paths.bundled_model_dir", lambda: tmp_path / "tiny")
    exam = dicom_series.write(readings.calcified(), tmp_path / "exam")

    def by_hand(volume: CTVolume, centre: Voxel) -> HeartRegion:
        # The small exam has no chest to be outlined.
        return heart_of(volume, centre=centre, zones=np.full(volume.hu.shape, Zone.HEART, np.uint8))

    monkeypatch.setattr(calcium, "propose_heart", by_hand)
    monkeypatch.setattr(imaging, "propose_centre", lambda _: _At())
    return {"EXAM": str(exam)}


class _At:
    voxel = readings.CENTRE


def run(cells: list[str], names: dict[str, Any]) -> None:
    for number, cell in enumerate(cells):
        exec(compile(cell, f"cell {number}", "exec"), names)


def test_the_page_runs_as_it_stands_and_gives_the_programs_numbers(
    names: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run(code(), names)
    volume, centre, reading = names["volume"], names["centre"], names["reading"]
    again = measure(volume, centre, 2, risk.Predictor(names["bundled_model_dir"]()))
    assert reading.scores.agatston == again.scores.agatston > 0
    assert reading.risk.risk == again.risk.risk  # type: ignore[union-attr]
    assert [vessel for vessel, _ in eval(code()[-1].splitlines()[-1], names)] == list(calcium.VESSELS)
    assert names["heart"].groups
    printed = capsys.readouterr().out
    assert all(finding.message in printed for finding in reading.findings)
    statements = [
        line for line in code()[0].splitlines() if line and not line.startswith(("from", "import", "reading."))
    ]
    assert len(statements) <= FIVE


def test_the_notebook_is_the_page(names: dict[str, Any]) -> None:
    assert written() == notebook(), "run python -m tests.helpers.first_steps"
    cells = [cell for cell in written()["cells"] if cell["cell_type"] == "code"]
    assert "".join(cells[0]["source"]).startswith("EXAM = ")
    run(["".join(cell["source"]) for cell in cells[1:]], names)


def test_what_the_page_imports_is_documented() -> None:
    for name, module in (("find_series", imaging), ("read_volume", imaging), ("propose_centre", imaging),
                         ("score_region", calcium), ("score_whole_heart", calcium), ("Predictor", risk)):  # fmt: skip
        assert name in module.__all__
        assert inspect.getdoc(getattr(module, name))
