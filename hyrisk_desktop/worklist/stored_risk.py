"""The risk that was stored with a read, as it was then."""

from __future__ import annotations

from hyrisk_desktop.calcium import STANDARD
from hyrisk_desktop.risk.risk_reading import RiskReading
from hyrisk_desktop.risk.spread import OF_VIEWS
from hyrisk_desktop.worklist.records import Read

# Findings that come from the model; all others are made anew from the exam, the centre and the scores.
_OF_THE_MODEL = (
    "unlike_training", "pixel_outside_training", "increment_outside_training", "patch_outside", "beyond_calibration", "other_score"
)  # fmt: skip


def risk_of(read: Read) -> RiskReading | None:
    """The reading that was stored with a read, as it was then; None where there was none or it is not whole."""
    kept = read.results.get("risk")
    if not kept or read.centre is None:
        return None
    try:
        low, high = kept["interval"]
        return RiskReading(
            series_uid=read.series_uid,
            centre=read.centre,
            grade=read.grade,
            model=kept["model"],
            sha256=kept["sha256"],
            demonstration=kept["demonstration"],
            risknet=kept["risknet"],
            hyrisknet=kept["hyrisknet"],
            interval=(low, high),
            percentile=kept["percentile"],
            by_grade=tuple(kept["by_grade"] or ()),
            calibrated=kept["calibrated"],
            prevalence=kept["prevalence"],
            findings=tuple(f for f in read.findings if f.code in _OF_THE_MODEL),
            device=kept["device"],
            bundle_sha256=kept["bundle_sha256"],
            score_input=kept["score_input"],
            agatston=_region_agatston(read),
            horizon=kept.get("horizon"),
            interval_covers=tuple(kept.get("interval_covers", OF_VIEWS)),
            engine=str(read.versions.get("engine", "")),
        )
    except (KeyError, TypeError, ValueError):
        # A read of an older version: the model in use reads it again.
        return None


def _region_agatston(read: Read) -> float | None:
    """What the model was given as the region's score, where the stored scores are of that region."""
    calcium = read.results.get("calcium") or {}
    standard = read.box is None and calcium.get("profile") == STANDARD.name
    return calcium.get("agatston") if standard else None
