"""Test, search and series lists, whichever protocol a node speaks."""

from __future__ import annotations

from hyrisk_desktop.exchange.pacs import find
from hyrisk_desktop.exchange.pacs.association import require_pacs
from hyrisk_desktop.exchange.pacs.node import Node
from hyrisk_desktop.exchange.pacs.query import Query, SeriesMatch, StudyMatch
from hyrisk_desktop.jobs import CancelToken


def check_connection(
    node: Node, own_ae_title: str, password: str | None = None, cancel: CancelToken | None = None
) -> None:
    """C-ECHO, or one QIDO-RS question.

    Raises:
        InputError: the node's settings can't be right, or the libraries are missing.
        PacsError: it does not answer as it should; the sentence says why.
        Cancelled: ``cancel`` was set.
    """
    require_pacs()
    node.check()
    if node.is_web:
        from hyrisk_desktop.exchange.pacs.web import Web

        with Web(node, password, cancel) as web:
            web.test()
    else:
        find.echo(node, own_ae_title, cancel)


def find_studies(
    node: Node, own_ae_title: str, query: Query, password: str | None = None, cancel: CancelToken | None = None
) -> tuple[StudyMatch, ...]:
    """Studies that fit, newest first. Raises as `check_connection`, and InputError where the query asks for nothing."""
    require_pacs()
    if node.is_web:
        from hyrisk_desktop.exchange.pacs.web import Web

        with Web(node, password, cancel) as web:
            return web.find_studies(query)
    return find.find_studies(node, own_ae_title, query, cancel)


def find_series(
    node: Node, own_ae_title: str, study_uid: str, password: str | None = None, cancel: CancelToken | None = None
) -> tuple[SeriesMatch, ...]:
    """The series of a study. Raises as `check_connection`."""
    require_pacs()
    if node.is_web:
        from hyrisk_desktop.exchange.pacs.web import Web

        with Web(node, password, cancel) as web:
            return web.find_series(study_uid)
    return find.find_series(node, own_ae_title, study_uid, cancel)
