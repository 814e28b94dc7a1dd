"""C-ECHO and C-FIND."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from hyrisk_desktop.errors import PacsError
from hyrisk_desktop.exchange.pacs.association import associate, lost, refused_context, status_text
from hyrisk_desktop.exchange.pacs.node import Node
from hyrisk_desktop.exchange.pacs.query import (
    LIMIT,
    SERIES_KEYS,
    STUDY_KEYS,
    Query,
    SeriesMatch,
    StudyMatch,
    fits,
    is_uid,
    series_of,
    study_of,
)
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.headers.damage import parsing_errors
from hyrisk_desktop.jobs import CancelToken

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pynetdicom.association import Association

_MOST_IMAGES = 100_000


@dataclass(frozen=True, slots=True)
class DimseArchive:
    """An `archive.Archive` by C-ECHO and C-FIND; each question is an association of its own.

    Attributes:
        node: where it listens. own_ae_title: whom it knows this program as. cancel: ends a question that is under way.
    """

    node: Node
    own_ae_title: str
    cancel: CancelToken | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open between two questions."""

    def test(self) -> None:
        """C-ECHO."""
        from pynetdicom.presentation import build_context
        from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

        self.node.check()
        with associate(self.node, self.own_ae_title, [build_context(Verification)], cancel=self.cancel) as assoc:
            status = assoc.send_c_echo()
            if self.cancel:
                self.cancel.raise_if_cancelled()
            if getattr(status, "Status", None) != 0x0000:
                raise _failed(self.node, status)

    def find_studies(self, query: Query) -> tuple[StudyMatch, ...]:
        """As `archive.Archive.find_studies`; at most `LIMIT`."""
        query.check()
        answers = self._find([("STUDY", STUDY_KEYS, query.keys())], LIMIT)
        return sorted_studies((study_of(values) for values in answers), query)

    def find_series(self, study_uid: str) -> tuple[SeriesMatch, ...]:
        """As `archive.Archive.find_series`; at most `LIMIT`."""
        answers = self._find([("SERIES", SERIES_KEYS, {"StudyInstanceUID": study_uid})], LIMIT)
        found = {s.series_uid: s for s in (series_of(study_uid, values) for values in answers) if s is not None}
        return tuple(found.values())

    def find_images(self, series: Sequence[SeriesMatch]) -> dict[str, tuple[str, ...]]:
        """As `archive.Archive.find_images`, all on one association."""
        found: dict[str, dict[str, None]] = {s.series_uid: {} for s in series}
        levels = [
            ("IMAGE", ("SOPInstanceUID", "SeriesInstanceUID"), {"StudyInstanceUID": s.study_uid, "SeriesInstanceUID": s.series_uid})
            for s in series
        ]  # fmt: skip
        for values in self._find(levels, _MOST_IMAGES):
            uid, mine = values.get("SOPInstanceUID", "").strip(), found.get(values.get("SeriesInstanceUID", "").strip())
            if mine is not None and is_uid(uid):
                mine[uid] = None
        return {series_uid: tuple(uids) for series_uid, uids in found.items()}

    def _find(
        self, questions: Iterable[tuple[str, tuple[str, ...], Mapping[str, str]]], limit: int
    ) -> Iterator[dict[str, str]]:
        """Answers to questions (level, wanted keywords, values asked for), on one association."""
        from pynetdicom.presentation import build_context
        from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as Find  # type: ignore[attr-defined]

        node = self.node
        with associate(node, self.own_ae_title, [build_context(Find)], cancel=self.cancel) as assoc:
            if not assoc.accepted_contexts:
                raise refused_context(node, tr("search (C-FIND)"))
            for level, wanted, asked in questions:
                answers = _answers(node, assoc, identifier(level, wanted, asked), Find, self.cancel)
                for count, values in enumerate(answers, 1):
                    yield values
                    if count >= limit:
                        # More would only be thrown away; the node is told so by the end of the association.
                        assoc.abort()
                        return


def sorted_studies(found: Iterable[StudyMatch | None], query: Query) -> tuple[StudyMatch, ...]:
    """Matches, each study once, newest first."""
    studies = {study.study_uid: study for study in found if study is not None and fits(study, query)}
    return tuple(sorted(studies.values(), key=lambda s: (s.study_date, s.study_time), reverse=True))


def _answers(
    node: Node, assoc: Association, question: Dataset, model: Any, cancel: CancelToken | None
) -> Iterator[dict[str, str]]:
    from pynetdicom.status import code_to_category

    for status, answer in assoc.send_c_find(question, model):
        if cancel:
            cancel.raise_if_cancelled()
        code = getattr(status, "Status", None)
        if code is None:
            raise lost(node)
        category = code_to_category(code)
        if category == "Pending":
            # One that can't be decoded counts too: a node may send such answers without end.
            yield {} if answer is None else values_of(answer)
        elif category not in ("Success", "Warning"):
            raise _failed(node, status)


def identifier(level: str, wanted: Iterable[str], asked: Mapping[str, str]) -> Dataset:
    """A C-FIND identifier: empty for what is wanted back, filled for what is asked for, and nothing else."""
    from pydicom.dataset import Dataset

    ds = Dataset()
    if not all(value.isascii() for value in asked.values()):
        ds.SpecificCharacterSet = "ISO_IR 192"
    ds.QueryRetrieveLevel = level
    for keyword in wanted:
        setattr(ds, keyword, None)
    for keyword, value in asked.items():
        setattr(ds, keyword, value)
    return ds


def values_of(answer: Dataset) -> dict[str, str]:
    """A node's answer as text by keyword; what can't be decoded is left out."""
    found = {}
    for tag in list(answer.keys()):
        try:
            element = answer[tag]
            if element.keyword and element.VR != "SQ" and element.value is not None:
                found[element.keyword] = multi_text(element.value)
        except parsing_errors():
            continue
    return found


def multi_text(value: Any) -> str:
    """A value, or several with backslashes between them."""
    from pydicom.multival import MultiValue

    return "\\".join(map(str, value)) if isinstance(value, (MultiValue, list, tuple)) else str(value)


def _failed(node: Node, status: Any) -> PacsError:
    return PacsError("status", tr("{node} could not answer ({status}).", node=node.name, status=status_text(status)))
