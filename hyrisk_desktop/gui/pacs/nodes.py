"""The nodes of the settings, and questions to them off the GUI thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from hyrisk_desktop.exchange.pacs.credentials import secret_of
from hyrisk_desktop.exchange.pacs.node import Node, nodes_of, with_node, without_node
from hyrisk_desktop.exchange.pacs.query import Query, SeriesMatch, StudyMatch
from hyrisk_desktop.gui.services.job_runner import Job, JobContext, JobRunner
from hyrisk_desktop.settings import Settings

if TYPE_CHECKING:
    from hyrisk_desktop.exchange.pacs.archive import Archive

Failed = Callable[[Exception], None]


class Nodes(QObject):
    """Which nodes there are, and what they answer.

    Signals:
        changed: nodes were added, changed or removed.
    """

    changed = Signal()

    def __init__(self, settings: Settings, runner: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings, self._runner = settings, runner
        self.all = nodes_of(settings["pacs_nodes"])

    @property
    def own_ae_title(self) -> str:
        """What this program calls itself."""
        return self._settings["pacs_ae_title"] or "HYRISK"

    def named(self, name: str) -> Node | None:
        """The node of that name."""
        return next((n for n in self.all if n.name == name), None)

    def keep(self, node: Node, before: str | None, secret: str | None, failed: Failed) -> None:
        """Add a node, or change the one called ``before``.

        Args:
            failed: called where the keyring refuses.
            secret: password or token; None leaves what the keyring has.
        """
        self._apply(with_node(self._settings["pacs_nodes"], node, before))

        def work(_: JobContext) -> None:
            if secret is not None:
                from hyrisk_desktop.exchange.pacs.association import require_pacs
                from hyrisk_desktop.exchange.pacs.credentials import set_password

                require_pacs()
                set_password(node.name, secret)

        self._run("keeping a password", work, lambda _: None, failed)

    def remove(self, name: str, failed: Failed) -> None:
        """Forget a node and its password."""
        self._apply(without_node(self._settings["pacs_nodes"], name))

        def work(_: JobContext) -> None:
            from hyrisk_desktop.exchange.pacs.credentials import set_password

            set_password(name, "")

        self._run("forgetting a password", work, lambda _: None, failed)

    def _apply(self, rows: list[Any]) -> None:
        self._settings["pacs_nodes"] = rows
        # With those that another window has added meanwhile.
        self.all = nodes_of(self._settings["pacs_nodes"])
        self.changed.emit()

    # --- questions

    def test(self, node: Node, secret: str | None, done: Callable[[], None], failed: Failed) -> Job:
        """Ask whether ``node`` answers; ``secret`` as typed, None for the one in the keyring; ``done`` or ``failed`` is called."""

        def work(context: JobContext) -> None:
            with self._open(node, context, secret) as archive:
                archive.test()

        return self._run("testing a node", work, lambda _: done(), failed)

    def search(self, node: Node, query: Query, done: Callable[[tuple[StudyMatch, ...]], None], failed: Failed) -> Job:
        """Ask ``node`` for the studies that fit ``query``; ``done`` gets them, ``failed`` the error."""

        def work(context: JobContext) -> tuple[StudyMatch, ...]:
            with self._open(node, context) as archive:
                return archive.find_studies(query)

        return self._run("searching a PACS", work, done, failed)

    def series(
        self, node: Node, study_uid: str, done: Callable[[tuple[SeriesMatch, ...]], None], failed: Failed
    ) -> Job:
        """Ask ``node`` for the series of ``study_uid``; ``done`` gets them, ``failed`` the error."""

        def work(context: JobContext) -> tuple[SeriesMatch, ...]:
            with self._open(node, context) as archive:
                return archive.find_series(study_uid)

        return self._run("listing series", work, done, failed)

    def _open(self, node: Node, context: JobContext, secret: str | None = None) -> Archive:
        """On a worker thread; ``secret`` None: the one in the keyring."""
        from hyrisk_desktop.exchange.pacs.archive import open_archive

        return open_archive(node, self.own_ae_title, secret_of(node) if secret is None else secret, context.token)

    def _run(self, name: str, work: Callable[[JobContext], Any], done: Callable[[Any], None], failed: Failed) -> Job:
        return self._runner.run_network(Job(name, work, done, failed))
