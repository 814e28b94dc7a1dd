"""`hyrisk` in this process: quicker than one of its own, and its parts can be replaced."""

from __future__ import annotations

import sys

import pytest

from hyrisk_desktop.cli import main


def hyrisk(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, str, str]:
    """Exit code, output and error output of one command."""
    monkeypatch.setattr(sys, "argv", ["hyrisk", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main.main()
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err
