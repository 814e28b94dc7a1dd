"""One reading as a table of one row, in the columns of `hyrisk batch`, so that both go into one spreadsheet."""

from __future__ import annotations

from hyrisk_desktop.batch.row import FROM_READS, SCORED, BatchRow, with_numbers
from hyrisk_desktop.batch.table import COLUMNS
from hyrisk_desktop.calcium import VESSELS
from hyrisk_desktop.exchange.reports.change import change_rows
from hyrisk_desktop.exchange.reports.report import Report, research_use
from hyrisk_desktop.tables import csv_line

# What is about a run over many exams, and where their files lie.
_OF_A_RUN = frozenset(
    ("row_id", "source", "status", "error_code", "error", "centre_from", "centre_note", "fingerprint", "seconds")
)
_NAMES = tuple(column.name for column in COLUMNS if column.name not in _OF_A_RUN)


def _heart_cells(report: Report) -> dict[str, object]:
    """The whole heart and its vessels, empty where it was not scored; as of every score, withheld or not is said beside the numbers."""
    m = report.measurement
    heart = m.whole_heart
    cells: dict[str, object] = {
        "whole_heart_agatston": None if heart is None else heart.agatston,
        "whole_heart_volume_mm3": None if heart is None else heart.volume_mm3,
        "whole_heart_cac_drs": "" if heart is None else heart.cac_drs,
        "whole_heart_state": "" if heart is None else str(m.whole_heart_standing.state),
        "whole_heart_reasons": "" if heart is None else " ".join(m.whole_heart_standing.codes),
    }
    rows = {} if heart is None else {row.vessel: row for row in heart.vessels}
    for vessel in VESSELS:
        row = rows.get(vessel)
        cells[f"{vessel.lower()}_agatston"] = None if row is None else row.agatston
        cells[f"{vessel.lower()}_plaques"] = None if row is None else row.lesions
        cells[f"{vessel.lower()}_suggested"] = None if row is None else row.suggested
    return cells


def _change_cells(report: Report) -> dict[str, object]:
    """The change since an earlier exam; the columns are there without one too, so that tables of readings fit together."""
    compared = report.comparison
    attributes = {} if compared is None else compared.prior_attributes
    cells: dict[str, object] = {
        "prior_study_uid": attributes.get("StudyInstanceUID", ""),
        "interval_days": None if compared is None else compared.interval_days,
    }
    for row in change_rows():
        change = None if compared is None else compared.changes.get(row.key)
        for name in ("prior", "difference", "noise"):
            cells[f"{row.key}_{name}"] = None if change is None else getattr(change, name)
    return cells


def reading_table(report: Report) -> bytes:
    """The CSV: a header and one row; no cell is a formula."""
    m, volume = report.measurement, report.volume
    x, y, z = m.centre
    row = BatchRow(
        row_id="", patient_id=volume.attributes.get("PatientID", ""),
        study_uid=volume.attributes.get("StudyInstanceUID", ""), series_uid=volume.series_uid, source="",
        status=SCORED, reader=report.reader, grade=m.grade, centre_from=FROM_READS, centre_x_voxel=x,
        centre_y_voxel=y, centre_z_voxel=z, synthetic=volume.synthetic, findings_checked="whole",
    )  # fmt: skip
    row = with_numbers(row, m)
    excluded = sum(lesion.excluded for lesion in m.scores.lesions)
    more = {
        "lesions_counted": len(m.scores.lesions) - excluded,
        "lesions_excluded": excluded,
        "region_drawn": m.scores.drawn,
        "read_at": report.read_at.isoformat(timespec="seconds"),
        "note": research_use(),
        **_heart_cells(report),
        **_change_cells(report),
    }
    cells = [*(getattr(row, name) for name in _NAMES), *more.values()]
    return (csv_line((*_NAMES, *more)) + csv_line(cells)).encode()
