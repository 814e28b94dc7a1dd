"""Which of several series to read: the order, and the reason in one plain sentence each."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.headers.kernels import kernel_of
from hyrisk_desktop.imaging.headers.kinds import Kind
from hyrisk_desktop.imaging.records import SeriesRecord

WANTED_INCREMENT_MM = 2.5
WANTED_KVP = 120.0
_WHOLE_CHEST_MM = 200.0
_SHORTEST_MM, _FEWEST_SLICES = 20.0, 3
_OTHER_BODY_PARTS = frozenset(
    [
        "HEAD",
        "BRAIN",
        "SKULL",
        "NECK",
        "ABDOMEN",
        "PELVIS",
        "KNEE",
        "HIP",
        "FOOT",
        "ANKLE",
        "HAND",
        "WRIST",
        "ELBOW",
        "SHOULDER",
        "SPINE",
        "CSPINE",
        "LSPINE",
        "SINUS",
    ]
)
# Words that say by themselves that there was no contrast agent.
_ABSENT = frozenset(
    """n|n a|na|nil|null|0|0 ml|x|nothing|plain|native|nativ|nativa|nativo|natif|native scan|unenhanced|un enhanced|nonenhanced|
    noncontrast|precontrast|pre contrast|not applicable|aucun|aucune|aucun produit|nessuno|nessuna|niente|nullo|ninguno|ninguna|
    nada|nenhum|nenhuma|inget|ingen|intet|ei|yok|brak|nie|ne|nem|nu|nee|keiner|entfällt|entfallt|c|c minus|w o|wo|false|off|
    нет|не применялся|без|無|无|なし|없음|平扫|单纯|単純|無造影|非造影|未使用""".replace("\n", " ")
    .upper()
    .split("|")
)
_ABSENT = frozenset(" ".join(words.split()) for words in _ABSENT)
# Words that deny what follows, in several languages.
_DENIAL = re.compile(
    r"(?:NO|NON|NONE|NOT|WITHOUT|W O|WO|OHNE|KEIN|KEINE|KEINES|KEINEN|KEINERLEI|SANS|PAS DE|SIN|SENZA|SEM|ZONDER|GEEN|UTAN|UTEN|UDEN|"
    r"BEZ|BRAK|FARA|FĂRĂ|NELKUL|ILMAN|БЕЗ|НЕТ|НЕ)(?: |$)(?!ION)"
)
# An agent's name, concentration or amount, which outweighs a denial: "no oral, Omnipaque 350".
_AGENT = re.compile(
    r"\d{3}|[1-9]\d* ?(?:ML|CC)\b|OMNIP|ISOVUE|ULTRAV|VISIPA|IOHEX|IODIX|IOMER|IOPAM|IOPRO|IOVER|IOBIT|IMERON|OPTIRAY|XENETIX|CONRAY|"
    r"SOLUTR|ACC?UPAQ|HEXABRIX|OXILAN|GADO|IONI[CQS]"
)


def contrast_agent(record_or_text: str) -> str:
    """The contrast agent named in ContrastBolusAgent or a route, or "" where the text says, in any of several languages, that
    there was none."""
    text = record_or_text.strip()
    words = " ".join(re.findall(r"\w+", text.upper()))
    absent = not words or words in _ABSENT or (_DENIAL.match(words) and not _AGENT.search(words))
    return "" if absent else text


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class _Rank:
    """Compared field by field, smaller first."""

    unsuitable: bool
    other_body_part: bool
    computed: bool
    derived: bool
    contrast: bool
    virtual: bool
    partial: bool
    off_voltage: float
    sharpness: float
    off_increment: float
    fewer: int
    order: float
    uid: str


def rank(records: Sequence[SeriesRecord]) -> list[SeriesRecord]:
    """Sort series, the one to read first, and give each its reason."""
    judged = [_with_suitability(record) for record in records]
    judged.sort(key=_rank_of)
    best = judged[0]
    return [_with_reason(record, best, len(judged)) for record in judged]


def _extent(record: SeriesRecord) -> float:
    return record.slice_count * (record.increment_mm or 0.0)


def _with_suitability(record: SeriesRecord) -> SeriesRecord:
    if not record.suitable or record.kind is Kind.IMAGE_FILE:
        return record
    if record.slice_count < _FEWEST_SLICES or _extent(record) < _SHORTEST_MM:
        if record.slice_count == 1:
            reason = tr("A single slice: too little to hold a heart. Open the whole series.")
        elif record.slice_count < _FEWEST_SLICES:
            reason = tr(
                "Only {count} slices: too few to hold a heart. Open the whole series.", count=record.slice_count
            )
        else:
            reason = tr(
                "The series covers only {mm:.0f} mm: too little to hold a heart. Open the whole series.",
                mm=_extent(record),
            )
        return dataclasses.replace(record, suitable=False, reason=reason)
    return record


def _rank_of(record: SeriesRecord) -> _Rank:
    codes = {finding.code for finding in record.findings}
    words = record.image_type.upper().split("\\")
    kernel = kernel_of(record.kernel, record.attributes.get("Manufacturer", ""))
    return _Rank(
        unsuitable=not record.suitable,
        other_body_part=record.attributes.get("BodyPartExamined", "").upper() in _OTHER_BODY_PARTS,
        computed="computed_map" in codes,
        derived=words[:1] == ["DERIVED"],
        contrast=bool(contrast_agent(record.attributes.get("ContrastBolusAgent", ""))),
        virtual="monoenergetic" in codes,
        partial=_extent(record) < _WHOLE_CHEST_MM,
        off_voltage=_off_voltage(record),
        sharpness=round(kernel.sharpness, 2),
        off_increment=round(abs((record.increment_mm or 99.0) - WANTED_INCREMENT_MM), 3),
        fewer=-record.slice_count,
        order=record.order,
        uid=record.series_uid,
    )


def _off_voltage(record: SeriesRecord) -> float:
    """How far the tube voltage is from the one that the scores were defined at; unknown is as good as right."""
    try:
        return abs(float(record.attributes.get("KVP", "").split("\\")[0]) - WANTED_KVP)
    except ValueError:
        return 0.0


def _with_reason(record: SeriesRecord, best: SeriesRecord, count: int) -> SeriesRecord:
    if not record.suitable:
        return record
    if record is best:
        reason = (
            tr("The only readable CT series here.")
            if count == 1
            else tr(
                "Chosen: axial CT, {count} slices every {increment:.1f} mm, kernel {kernel}.",
                count=record.slice_count,
                increment=record.increment_mm or 0.0,
                kernel=record.kernel or tr("unknown"),
            )
        )
        return dataclasses.replace(record, reason=reason)
    return dataclasses.replace(record, reason=_why_after(_rank_of(record), _rank_of(best)))


def _why_after(mine: _Rank, best: _Rank) -> str:
    if mine.other_body_part != best.other_body_part:
        return tr("Ranked after the chosen series: another part of the body.")
    if mine.computed != best.computed:
        return tr("Ranked after the chosen series: it calls itself a computed map.")
    if mine.derived != best.derived:
        return tr("Ranked after the chosen series: reformatted rather than original slices.")
    if mine.contrast != best.contrast:
        return tr("Ranked after the chosen series: made with contrast agent.")
    if mine.virtual != best.virtual:
        return tr("Ranked after the chosen series: virtual monoenergetic images.")
    if mine.partial != best.partial:
        return tr("Ranked after the chosen series: it covers less than the whole chest.")
    if mine.off_voltage != best.off_voltage:
        return tr("Ranked after the chosen series: its tube voltage is farther from 120 kVp.")
    if mine.sharpness != best.sharpness:
        return tr("Ranked after the chosen series: its kernel is sharper.")
    if mine.off_increment != best.off_increment:
        return tr("Ranked after the chosen series: its slice spacing is farther from 2.5 mm.")
    return tr("Ranked after the chosen series: it offers nothing better.")
