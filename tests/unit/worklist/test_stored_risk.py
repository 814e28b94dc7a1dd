"""A risk that the worklist keeps comes back as it was read, with what it was read from."""

from __future__ import annotations

from dataclasses import replace

from hyrisk_desktop.calcium import score_box, score_region
from hyrisk_desktop.calcium.profiles import FOUR_CONNECTED
from hyrisk_desktop.calcium.region import Region
from hyrisk_desktop.measurement import numbers
from hyrisk_desktop.risk import RiskReading
from hyrisk_desktop.worklist.records import Read
from hyrisk_desktop.worklist.stored_risk import risk_of
from tests.helpers.volumes import HEART_CENTRE, block_volume, box


def test_a_model_that_took_the_agatston_score_is_told_it_again() -> None:
    """Else a report's map would explain the head that takes the image alone, beside the risk of the other."""
    volume = block_volume([(box(HEART_CENTRE, (4, 4, 1)), 350)])
    scores = score_region(volume, HEART_CENTRE)
    assert scores.agatston > 0
    risk = RiskReading(
        volume.series_uid, HEART_CENTRE, 2.0, "M", "12" * 32, False, 0.4, 0.5, (0.3, 0.6), 50.0, (), True, 0.5, (), "cpu",
        bundle_sha256="ab" * 32, score_input="agatston", agatston=scores.agatston,
    )  # fmt: skip
    read = Read(1, 1, volume.series_uid, centre=HEART_CENTRE, grade=2.0, results=numbers(scores, risk))
    assert risk_of(read) == risk
    drawn = Region((100, 100, 10), (140, 140, 14))
    boxed = replace(read, box=(drawn.start, drawn.stop), results=numbers(score_box(volume, drawn), risk))
    other = numbers(score_region(volume, HEART_CENTRE, profile=FOUR_CONNECTED), risk)
    for unknown in (boxed, replace(read, profile="four_connected", results=other)):
        kept = risk_of(unknown)
        assert kept is not None
        assert kept.agatston is None, "the stored score is not what the model was given"
