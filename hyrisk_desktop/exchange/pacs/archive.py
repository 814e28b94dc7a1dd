"""A PACS node as it is asked: by DIMSE (`find.DimseArchive`) or by DICOMweb (`web.Web`), one interface for both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

from hyrisk_desktop.exchange.pacs.association import require_pacs
from hyrisk_desktop.exchange.pacs.find import DimseArchive
from hyrisk_desktop.exchange.pacs.node import Node
from hyrisk_desktop.exchange.pacs.query import Query, SeriesMatch, StudyMatch
from hyrisk_desktop.jobs import CancelToken


class Archive(Protocol):
    """A node to be asked, for use in a ``with`` block; every question may raise PacsError, or Cancelled."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def test(self) -> None:
        """Whether it answers at all; the error says why not."""

    def find_studies(self, query: Query) -> tuple[StudyMatch, ...]:
        """Studies that fit, newest first; InputError where the query asks for nothing."""

    def find_series(self, study_uid: str) -> tuple[SeriesMatch, ...]:
        """The series of a study."""

    def find_images(self, series: Sequence[SeriesMatch]) -> dict[str, tuple[str, ...]]:
        """SOP instance UIDs by series UID; none for a series of which the node lists no objects."""


def open_archive(
    node: Node, own_ae_title: str, password: str | None = None, cancel: CancelToken | None = None
) -> Archive:
    """The archive behind ``node``, by the protocol that it is set up for.

    Args:
        node: where and how. own_ae_title: whom a DIMSE node knows this program as.
        password: of a DICOMweb node. cancel: ends a question that is under way.

    Raises:
        InputError: the libraries are missing, or a DICOMweb node's settings can't be right.
    """
    require_pacs()
    if node.is_web:
        from hyrisk_desktop.exchange.pacs.web import Web

        return Web(node, password, cancel)
    return DimseArchive(node, own_ae_title, cancel)
