"""Objects of hostile peers through the receiving mode and the outbox: kept or refused, named by hashes, never repeated."""

from __future__ import annotations

import logging
import re
import threading
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.exchange.pacs import inbox as inbox_module
from hyrisk_desktop.exchange.pacs.inbox import Inbox
from hyrisk_desktop.exchange.pacs.outbox import Outbox, State
from hyrisk_desktop.exchange.pacs.query import is_uid
from hyrisk_desktop.exchange.pacs.sending import send
from tests.helpers import hostile
from tests.helpers.hostile import MARK, UID_MARK, Element, Hostile
from tests.helpers.orthanc import OUR_TITLE, Orthanc
from tests.helpers.raw_peer import store
from tests.unit.exchange.pacs.conftest import received, unclosed_by_pynetdicom
from tests.unit.exchange.pacs.test_receiving import SCANNER, Heard

_KEPT = re.compile(r"[0-9a-f]{32}/[0-9a-f]{32}/[0-9a-f]{32}\.dcm")


def everything(folder: Path, but: Path) -> dict[str, tuple[int, int]]:
    """Size and time of all that lies in ``folder``, except in ``but``."""
    places = [p for p in folder.rglob("*") if not p.is_relative_to(but)]
    return {str(p): (p.stat().st_size if p.is_file() else -1, p.stat().st_mtime_ns) for p in places}


def shown_safely(text: str) -> bool:
    """Whether ``text`` is one line without control and bidirectional signs."""
    return text.isprintable() and not re.search("[\u200e\u200f\u202a-\u202e\u2066-\u2069]", text)


@unclosed_by_pynetdicom
def test_what_a_peer_writes_is_kept_or_refused(
    inbox: Inbox, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    cwd = tmp_path / "a" / "b"
    cwd.mkdir(parents=True)
    monkeypatch.chdir(cwd)
    before = everything(tmp_path, inbox.root)
    statuses: list[int] = []
    caplog.set_level(logging.DEBUG)
    with Heard(inbox, [SCANNER]).listening() as heard:
        assoc = heard.association()

        @settings(max_examples=80, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
        @given(hostile.exams())
        def check(exam: Hostile) -> None:
            nonlocal assoc
            for obj in (exam.slice(5), hostile.PLAIN.slice(6)):
                files, kept = len(received(inbox)), len(heard.kept)
                status = store(assoc, obj)
                if status is None:
                    # Only the bytes of the command itself can end a connection; the next one is taken.
                    assert len(obj.sop_uid) > 64
                    assoc = heard.association()
                    assert assoc.is_established
                    continue
                statuses.append(status)
                assert len(received(inbox)) - files == len(heard.kept) - kept <= (status == 0)
                if obj.sop_uid.startswith(hostile.PLAIN.slice(6).sop_uid):
                    assert status == 0
            assert everything(tmp_path, inbox.root) == before
            for file in received(inbox):
                assert _KEPT.fullmatch(file.relative_to(inbox.root).as_posix())

        check()
        assoc.release()
        assoc.join(10)
    assert not [t for t in threading.enumerate() if "Acceptor" in t.name]
    assert 0 < statuses.count(0) < len(statuses)
    assert heard.refused
    said = caplog.text + "".join(heard.refused) + "".join(capfd.readouterr())
    assert MARK not in said
    assert UID_MARK not in said
    assert not list(Path("/tmp").glob(f"*{MARK}*"))
