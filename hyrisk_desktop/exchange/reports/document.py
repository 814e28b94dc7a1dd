"""One reading as one JSON document: what `hyrisk score --json` prints.

The CLI, the window and (later) batches and reports all build it here, so that the same input gives the same numbers.
"""

from __future__ import annotations

import functools
import math
import platform
import sys
from typing import Any

from hyrisk_desktop import __version__
from hyrisk_desktop.calcium import CalciumScores, Lesion, WholeHeartScores
from hyrisk_desktop.findings import Finding
from hyrisk_desktop.i18n import for_machines, said
from hyrisk_desktop.imaging.volume import CTVolume, Voxel
from hyrisk_desktop.measurement import RISK_VALUES, calcium_numbers, risk_numbers, whole_heart_numbers
from hyrisk_desktop.risk.risk_reading import RiskReading
from hyrisk_desktop.standing import Standing, risk_standing, scores_standing, whole_heart_standing

_LIBRARIES = ("numpy", "scipy", "pydicom", "SimpleITK", "torch")


@for_machines()
def score_document(
    volume: CTVolume,
    centre: Voxel,
    scores: CalciumScores,
    risk: RiskReading | None,
    findings: tuple[Finding, ...],
    whole_heart: WholeHeartScores | None = None,
) -> dict[str, Any]:
    """The JSON object of one reading (DICOM keywords become the contract's snake case).

    Args:
        volume: the exam. centre, scores, risk, findings, whole_heart: of its `Measurement`.
    """
    a = volume.attributes
    return {
        "exam": {
            "patient_id": a.get("PatientID"),
            "study_uid": a.get("StudyInstanceUID"),
            "series_uid": volume.series_uid,
            "modality": a.get("Modality"),
            "manufacturer": a.get("Manufacturer"),
            "kernel": a.get("ConvolutionKernel"),
            "kvp": _number(a.get("KVP")),
            "synthetic": volume.synthetic,
            "contrast": any(f.code.startswith("contrast") for f in findings),
        },
        "geometry": {
            "shape_zyx": list(volume.shape_zyx),
            "spacing_mm_xyz": [float(s) for s in volume.spacing_mm],
            "slice_increment_mm": float(volume.spacing_mm[2]),
            "origin_mm": [float(v) for v in volume.origin_mm],
        },
        "center": {"voxel_xyz": list(centre), "mm_lps": list(volume.voxel_to_mm(centre))},
        "calcium": _calcium(scores) | scores_standing(findings).document | _whole_heart(whole_heart, findings),
        "risk": None if risk is None else _risk(risk, risk_standing(findings)),
        "findings": [{"code": f.code, "severity": str(f.severity), "message": said(f.message)} for f in findings],
        "versions": versions(risk),
        "research_use_only": True,
    }


def _calcium(scores: CalciumScores) -> dict[str, Any]:
    return calcium_numbers(scores) | {
        "lesions": [_lesion(lesion) for lesion in scores.lesions if not lesion.excluded],
        "excluded_lesions": [_lesion(lesion) for lesion in scores.lesions if lesion.excluded],
    }


def _whole_heart(scores: WholeHeartScores | None, findings: tuple[Finding, ...]) -> dict[str, Any]:
    """Nothing where it was not asked for."""
    if scores is None:
        return {}
    return {"whole_heart": whole_heart_numbers(scores) | whole_heart_standing(findings).document}


def _risk(risk: RiskReading, standing: Standing) -> dict[str, Any]:
    """A withheld risk has its numbers where nobody takes them by mistake."""
    numbers = risk_numbers(risk)
    values: tuple[str, ...] = RISK_VALUES
    if risk.explained is not None:
        known = [{"factor": s.factor, "log_odds": round(s.log_odds, 4), "r2": s.r2} for s in risk.explained_by]
        numbers |= {"explained_by": known, "unexplained": round(1 - risk.explained, 3)}
        # What adds up to a risk would tell it.
        values = (*values, "explained_by")
    if standing.withheld:
        numbers |= dict.fromkeys(values) | {"withheld": {key: numbers[key] for key in values}}
    return numbers | standing.document


def _lesion(lesion: Lesion) -> dict[str, Any]:
    return {
        "slice": lesion.slice,
        "center_xyz": list(lesion.center_xyz),
        "area_mm2": lesion.area_mm2,
        "max_hu": lesion.max_hu,
        "mean_hu": lesion.mean_hu,
        "agatston": lesion.agatston,
        "volume_mm3": lesion.volume_mm3,
    }


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    # A header may say "nan", JSON may not.
    return number if math.isfinite(number) else None


def versions(risk: RiskReading | None = None) -> dict[str, str]:
    """Versions of the program, Python and the libraries that numbers pass through; importing none of them.

    With a ``risk``, also the engine that ran its network.

    The first call reads the libraries' descriptions from the disk, some 30 ms; it is made off the GUI thread.
    """
    return _versions() | ({"engine": risk.engine} if risk is not None and risk.engine else {})


@functools.cache
def _versions() -> dict[str, str]:
    import importlib.metadata

    found = {"hyrisk_desktop": __version__, "python": platform.python_version(), "platform": sys.platform}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
