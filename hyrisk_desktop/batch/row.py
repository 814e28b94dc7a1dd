"""One row of a bulk scoring, and how an exam becomes one: load (disk, decoding, scores), then predict (the model)."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from hyrisk_desktop import __version__
from hyrisk_desktop.batch.exam import BatchExam
from hyrisk_desktop.batch.reads_file import BatchRead
from hyrisk_desktop.calcium import Doubt, HeartMarks, get_profile
from hyrisk_desktop.errors import Cancelled, ExamError, HyRiskError, InputError, safe_traceback
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import (
    CTVolume,
    SeriesRecord,
    SlicesSeen,
    Voxel,
    propose_centre,
    read_slab,
    read_volume,
    reopen,
    thin,
)
from hyrisk_desktop.jobs import CancelToken
from hyrisk_desktop.measurement import Measurement, Survey, conclude, survey
from hyrisk_desktop.risk.engine_choice import check_engine
from hyrisk_desktop.risk.look import slices_seen

if TYPE_CHECKING:
    from hyrisk_desktop.risk import Predictor

_log = logging.getLogger(__name__)
IsDone = Callable[[str, str], bool]
SCORED, FAILED = "scored", "failed"
FROM_READS, PROPOSED, UNSURE = "reads", "proposed centre", "proposed centre, unsure"


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """What decides the numbers beside exam and model.

    Attributes:
        profile: scoring profile.
        prevalence: share of non-survivors that the risk assumes; None for the model's own.
        device: "cpu", "cuda" or None to choose.
        engine: as of `engine_choice.open_predictor`.
        whole: read the whole series also where the heart centre is known, for the findings that need all pixels.
        whole_heart: score the whole heart as well, which needs the whole series.
    """

    profile: str = "standard"
    prevalence: float | None = None
    device: str | None = None
    whole: bool = False
    whole_heart: bool = False
    engine: str = "auto"

    @property
    def fingerprint(self) -> str:
        """Text that is the same for settings that give the same rows."""
        text = f"{__version__}|{self.profile}|{self.prevalence}|{self.device}|{self.whole}"
        if self.engine != "auto":
            text += f"|{self.engine}"
        return f"{text}|whole heart" if self.whole_heart else text

    def check(self) -> None:
        """Raise InputError for a profile that there is not, or values out of range."""
        get_profile(self.profile)
        if self.device not in (None, "cpu", "cuda"):
            raise InputError("device", tr("The device must be cpu or cuda."))
        check_engine(self.engine, self.device)
        if self.prevalence is not None and not 0 < self.prevalence < 1:
            raise InputError("prevalence", tr("The prevalence must lie between 0 and 100 %, both excluded."))


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One row of the table, in the order of its columns; units are in the names, None where there is no number.

    Attributes:
        row_id: exam and reader, the same in every run; hashes, no identity.
        status: "scored" or "failed"; error_code, error: why it failed, in one plain sentence.
        centre_from: "reads", "proposed centre" or "proposed centre, unsure"; centre_note: why it is unsure.
        sqrt_volume_mm1_5: square root of the volume score, in mm to the power of 1.5.
        calcium_state, risk_state: "shown", "doubtful" or "withheld", "" without the numbers; calcium_reasons, risk_reasons:
            codes of the findings that decided, the decisive first. Of a withheld risk there is no number here.
        interval_low, interval_high, risknet, hyrisknet, prevalence: shares from 0 to 1; percentile: 0 to 100.
        findings: codes, decisive ones first, separated by blanks. unfit: one of them says that the numbers do not hold.
        findings_checked: "whole", or "slab" where only the slices around the centre were read: then ``truncated_fov``,
            ``padding`` and damage in the pixels of other slices were not looked for.
        fingerprint: of the files, the read and the settings, see `BatchExam.fingerprint`.
        seconds: reading and predicting, waits left out.
    """

    row_id: str
    patient_id: str
    study_uid: str
    series_uid: str
    source: str
    status: str
    error_code: str = ""
    error: str = ""
    reader: str = ""
    grade: float | None = None
    centre_from: str = ""
    centre_note: str = ""
    centre_x_voxel: int | None = None
    centre_y_voxel: int | None = None
    centre_z_voxel: int | None = None
    agatston: float | None = None
    category: int | None = None
    volume_mm3: float | None = None
    sqrt_volume_mm1_5: float | None = None
    region_x_mm: float | None = None
    region_y_mm: float | None = None
    region_z_mm: float | None = None
    profile: str = ""
    calcium_state: str = ""
    calcium_reasons: str = ""
    risknet: float | None = None
    hyrisknet: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None
    percentile: float | None = None
    prevalence: float | None = None
    calibrated: bool | None = None
    score_input: str = ""
    risk_state: str = ""
    risk_reasons: str = ""
    model: str = ""
    model_sha256: str = ""
    bundle_sha256: str = ""
    demonstration: bool | None = None
    synthetic: bool | None = None
    unfit: bool | None = None
    findings: str = ""
    findings_checked: str = ""
    device: str = ""
    fingerprint: str = ""
    program_version: str = __version__
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class WholeHeartRow(BatchRow):
    """A row of a table that holds the whole-heart score as well: further columns at its end.

    Attributes:
        whole_heart_agatston, whole_heart_category, whole_heart_volume_mm3: of the counted plaques; no reader has touched them.
        whole_heart_lesions: how many plaques these are; whole_heart_drs: the A of CAC-DRS, 0 to 3.
        lm_agatston, lad_agatston, lcx_agatston, rca_agatston, other_agatston: by the vessels that their places suggest;
            suggested_extent: how many of the four coronary arteries these are.
        doubted_agatston: of what is not counted although it lies in the heart or at its vessels, noise left out.
        whole_heart_state, whole_heart_reasons: as ``calcium_state`` and ``calcium_reasons``, of the whole-heart score.
    """

    whole_heart_agatston: float | None = None
    whole_heart_category: int | None = None
    whole_heart_volume_mm3: float | None = None
    whole_heart_lesions: int | None = None
    whole_heart_drs: int | None = None
    lm_agatston: float | None = None
    lad_agatston: float | None = None
    lcx_agatston: float | None = None
    rca_agatston: float | None = None
    other_agatston: float | None = None
    suggested_extent: int | None = None
    doubted_agatston: float | None = None
    whole_heart_state: str = ""
    whole_heart_reasons: str = ""


def row_from(plain: Mapping[str, Any]) -> BatchRow:
    """The row that `dataclasses.asdict` made ``plain`` of."""
    return (WholeHeartRow if "whole_heart_agatston" in plain else BatchRow)(**plain)


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A read that waits for the model: scores and findings are known, and the slices that the network sees are kept."""

    row: BatchRow
    volume: CTVolume
    surveyed: Survey


def empty_row(exam: BatchExam, slot: str, read: BatchRead, *, whole_heart: bool = False) -> BatchRow:
    """The row of an exam before anything is known of it but its names.

    Args:
        exam, slot, read: whose row. whole_heart: with the columns of the whole-heart score.
    """
    return (WholeHeartRow if whole_heart else BatchRow)(
        row_id=slot, patient_id=exam.patient_id, study_uid=exam.study_uid, series_uid=exam.series_uid,
        source=str(exam.source), status=FAILED, reader=read.reader, grade=read.grade,
    )  # fmt: skip


def failed_row(row: BatchRow, error: Exception) -> BatchRow:
    """``row`` with the reason why it failed. An unexpected error's own words may quote a patient: they stay unsaid."""
    if isinstance(error, HyRiskError):
        code, message = error.code, error.message
    elif isinstance(error, MemoryError):
        code, message = "memory", tr("There isn't enough memory for this exam. Close other programs.")
    elif isinstance(error, OSError):
        code, message = "unreadable", tr("The exam can't be read: {why}.", why=error.strerror or type(error).__name__)
    else:
        _log.error("a batch row failed unexpectedly:\n%s", safe_traceback(error))
        code = "unexpected"
        message = tr("An unexpected error happened ({kind}); the log says where.", kind=type(error).__name__)
    return replace(row, status=FAILED, error_code=code, error=message)


def load_exam(
    exam: BatchExam,
    settings: BatchSettings,
    is_done: IsDone,
    also: tuple[Finding, ...],
    cancel: CancelToken | None,
    seen: SlicesSeen | None = None,
) -> Iterator[Loaded | BatchRow | None]:
    """Read an exam for each of its reads.

    Yields:
        What waits for the model; or the row that says why it can't be read; or None for a row that is there already.

    Args:
        settings: what decides the numbers beside exam and model.
        is_done: whether the row of that id and fingerprint is there already.
        also: findings that stand beside every row, such as another model than the chosen one.
        seen: the slices that the model looks at, see `looked_at`; None without one.

    Raises:
        Cancelled: ``cancel`` was set. Nothing else: a bad exam is a row.
    """
    rows = []
    for slot, read in exam.slots:
        row = empty_row(exam, slot, read, whole_heart=settings.whole_heart)
        try:
            row = replace(row, fingerprint=exam.fingerprint(read, settings.fingerprint))
        except Exception as e:  # noqa: BLE001  the batch row: one bad exam never stops the run
            yield failed_row(row, _gone(e))
        else:
            if is_done(slot, row.fingerprint):
                yield None
            else:
                rows.append((row, read))
    if exam.problem:
        yield from (failed_row(row, ExamError(*exam.problem)) for row, _ in rows)
        return
    record: SeriesRecord | None = None
    for row, read in rows:
        began = time.perf_counter()
        try:
            record = record or reopen(exam.record, exam.source)
            yield _load(record, row, read, settings, also, cancel, began, seen)
        except Cancelled:
            raise
        except Exception as e:  # noqa: BLE001  the batch row
            yield replace(failed_row(row, e), seconds=time.perf_counter() - began)


def _gone(error: Exception) -> Exception:
    if isinstance(error, FileNotFoundError):
        return ExamError("not_found", tr("The exam's files are gone from where they were."))
    return error


def _load(
    record: SeriesRecord,
    row: BatchRow,
    read: BatchRead,
    settings: BatchSettings,
    also: tuple[Finding, ...],
    cancel: CancelToken | None,
    began: float,
    seen: SlicesSeen | None,
) -> Loaded:
    if read.centre is None:
        volume, whole = read_volume(record, cancel=cancel), True
        centre, row = _proposed(volume, row)
    else:
        centre, row = read.centre, replace(row, centre_from=FROM_READS)
        # A box may be as deep as the chest.
        if settings.whole or settings.whole_heart or read.box is not None:
            volume, whole = read_volume(record, cancel=cancel), True
        else:
            slab = read_slab(record, centre[2], seen=seen, cancel=cancel)
            volume, whole = slab.volume, slab.whole
    profile = get_profile(read.profile or settings.profile)
    surveyed = survey(
        volume, centre, read.grade, box=read.box, profile=profile, excluded=read.excluded, also=also, whole=whole,
        heart=HeartMarks() if settings.whole_heart else None,
    )  # fmt: skip
    x, y, z = centre
    row = replace(
        row, centre_x_voxel=x, centre_y_voxel=y, centre_z_voxel=z, synthetic=volume.synthetic,
        findings_checked="whole" if whole else "slab",
        patient_id=row.patient_id or volume.attributes.get("PatientID", ""),
    )  # fmt: skip
    # A few of these wait for the model at a time; whole volumes would fill the memory.
    kept = thin(volume, z, seen=seen) if whole else volume
    if surveyed.whole_heart is not None:
        surveyed = replace(surveyed, whole_heart=surveyed.whole_heart.without_labels())
    return Loaded(replace(row, seconds=time.perf_counter() - began), kept, surveyed)


def _proposed(volume: CTVolume, row: BatchRow) -> tuple[Voxel, BatchRow]:
    proposal = propose_centre(volume)
    if proposal is None:
        message = tr("No heart centre could be proposed: there seems to be no chest. Give one in reads.csv.")
        raise ExamError("no_proposal", message)
    centre_from = PROPOSED if proposal.confident else UNSURE
    return proposal.voxel, replace(row, centre_from=centre_from, centre_note=proposal.reason)


def looked_at(predictor: Predictor | None) -> SlicesSeen | None:
    """Which slices ``predictor`` needs of an exam, for threads that read without owning it; None without one."""
    return None if predictor is None else partial(slices_seen, predictor.bundle.preprocessing)


OnMeasured = Callable[[BatchRow, Measurement], None]
"""Takes everything that was measured for a row that was scored."""


def predict_row(loaded: Loaded, predictor: Predictor | None, on_measured: OnMeasured | None = None) -> BatchRow:
    """The finished row; only for the thread that owns the predictor. What ``on_measured`` raises makes it a failed one."""
    began, row, s = time.perf_counter(), loaded.row, loaded.surveyed
    try:
        risk = None
        if predictor is not None and s.centre is not None:
            risk = predictor.predict(loaded.volume, s.centre, s.grade, agatston=s.region_agatston)
        measured = conclude(s, risk)
        row = with_numbers(row, measured)
        if on_measured is not None:
            on_measured(row, measured)
    except Exception as e:  # noqa: BLE001  the batch row
        row = failed_row(row, e)
    return replace(row, seconds=(row.seconds or 0.0) + time.perf_counter() - began)


def with_numbers(row: BatchRow, m: Measurement) -> BatchRow:
    """``row`` with the numbers and findings of a measurement."""
    scores, risk = m.scores, m.risk
    width, height, depth = scores.region_mm
    calcium, risky = m.scores_standing, m.risk_standing
    row = replace(
        row, status=SCORED, calcium_state=str(calcium.state), calcium_reasons=" ".join(calcium.codes), agatston=scores.agatston, category=scores.category, volume_mm3=scores.volume_mm3,
        sqrt_volume_mm1_5=scores.sqrt_volume, region_x_mm=width, region_y_mm=height, region_z_mm=depth,
        profile=scores.profile, findings=" ".join(f.code for f in m.findings),
        unfit=any(f.severity is Severity.UNFIT for f in m.findings),
    )  # fmt: skip
    row = _with_whole_heart(row, m)
    if risk is None:
        return row
    if not risky.withheld:
        row = replace(
            row, risknet=risk.risknet, hyrisknet=risk.hyrisknet, interval_low=risk.interval[0],
            interval_high=risk.interval[1], percentile=risk.percentile,
        )  # fmt: skip
    return replace(
        row, risk_state=str(risky.state), risk_reasons=" ".join(risky.codes), prevalence=risk.prevalence,
        calibrated=risk.calibrated, score_input=risk.score_input, model=risk.model, model_sha256=risk.sha256,
        bundle_sha256=risk.bundle_sha256, demonstration=risk.demonstration, device=risk.device,
    )  # fmt: skip


def _with_whole_heart(row: BatchRow, m: Measurement) -> BatchRow:
    scores, standing = m.whole_heart, m.whole_heart_standing
    if scores is None or not isinstance(row, WholeHeartRow):
        return row
    by_vessel = {vessel.vessel: vessel.agatston for vessel in scores.vessels}
    doubted = [p.agatston for p in scores.groups if p.reason not in (None, Doubt.NOISE)]
    return replace(
        row, whole_heart_agatston=scores.agatston, whole_heart_category=scores.category,
        whole_heart_volume_mm3=scores.volume_mm3, whole_heart_lesions=len(scores.counted), whole_heart_drs=scores.drs_category,
        lm_agatston=by_vessel["LM"], lad_agatston=by_vessel["LAD"], lcx_agatston=by_vessel["LCX"],
        rca_agatston=by_vessel["RCA"], other_agatston=by_vessel["other"], suggested_extent=scores.suggested_extent,
        doubted_agatston=math.fsum(doubted), whole_heart_state=str(standing.state),
        whole_heart_reasons=" ".join(standing.codes),
    )  # fmt: skip
