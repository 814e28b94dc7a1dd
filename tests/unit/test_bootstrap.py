"""The parts of packaging/bootstrap.py that can be tried without installing anything."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def bootstrap() -> ModuleType:
    path = Path(__file__).parents[2] / "packaging" / "bootstrap.py"
    spec = importlib.util.spec_from_file_location("hyrisk_bootstrap", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["DejaVuSans.ttf", "deep/er/Noto.OTF", "Noto.ttc"])
def test_any_outline_font_will_do(bootstrap: ModuleType, tmp_path: Path, name: str) -> None:
    assert not bootstrap.has_fonts([str(tmp_path), "/nowhere"])
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
    assert bootstrap.has_fonts(["/nowhere", str(tmp_path)])


def test_missing_packages_are_named_once(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "has_fonts", lambda: False)
    missing = bootstrap.missing_packages(
        {"libnowhere.so.1": "nowhere", "libnowhere.so.2": "nowhere"}, {"no-such-program": "program"}
    )
    assert missing == ["program", "nowhere", bootstrap.FONTS]


@pytest.mark.parametrize(("platform", "asked"), [("linux", True), ("darwin", False), ("win32", False)])
def test_only_linux_is_asked_for_system_packages(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, platform: str, asked: bool
) -> None:
    calls = []
    monkeypatch.setattr(bootstrap.sys, "platform", platform)
    monkeypatch.setattr(bootstrap, "missing_packages", lambda *_: calls.append(1) or [])
    monkeypatch.setattr(bootstrap, "make_environment", lambda: None)
    monkeypatch.setattr(bootstrap, "install", lambda *_: None)
    bootstrap.set_up("test", programs={}, with_display=True)
    assert bool(calls) == asked


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_the_tests_need_no_virtual_display_elsewhere(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(bootstrap.sys, "platform", platform)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda _: None)
    monkeypatch.setattr(bootstrap, "make_environment", lambda: None)
    monkeypatch.setattr(bootstrap, "install", lambda *_: None)
    monkeypatch.setattr(bootstrap.subprocess, "call", lambda command, **_: commands.append(command) or 0)
    monkeypatch.setattr(bootstrap, "call_quietly", lambda command, _: (commands.append(command) or 0, ""))
    assert bootstrap.test([]) == 0
    assert all(command[0] == bootstrap.python() for command in commands)
    assert [command[-1] for command in commands].count("tests/e2e") == 1


def test_linux_without_a_virtual_display_is_one_sentence(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap.shutil, "which", lambda _: None)
    with pytest.raises(bootstrap.SetupError, match="xvfb-run"):
        bootstrap.on_virtual_display(True)


@pytest.mark.parametrize(
    ("line", "news"),
    [
        ("Collecting torch>=2.11 (from hyrisk-desktop)", "fetching torch"),
        ("Collecting numpy==2.4.6", "fetching numpy"),
        ("Installing collected packages: a, b, c", "unpacking 3 packages"),
        ("  Using cached torch-2.15.0.whl", ""),
        ("", ""),
    ],
)
def test_news_from_pip(bootstrap: ModuleType, line: str, news: str) -> None:
    assert bootstrap.pip_news(line) == news


def test_the_heart_beats_only_in_silence(bootstrap: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with bootstrap.Heartbeat(every=3600) as heartbeat:
        heartbeat.say("news")
        assert heartbeat.due() > 3500
        assert "still" not in capsys.readouterr().out
        heartbeat.beat()
        assert "still" not in capsys.readouterr().out, "there was news a moment ago"
    heard = []
    with bootstrap.Heartbeat(every=0.05) as heartbeat:
        while "still installing" not in "".join(heard):
            heard.append(capsys.readouterr().out)
    assert not heartbeat._thread.is_alive(), "it ends with the work"


def test_pip_is_watched_and_its_last_lines_shown_when_it_fails(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pip = tmp_path / "pip.py"
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    popen = bootstrap.subprocess.Popen
    monkeypatch.setattr(
        bootstrap.subprocess, "Popen", lambda _, **options: popen([sys.executable, "-u", str(pip)], **options)
    )
    pip.write_text("print('Collecting a==1'); print('ERROR: no network'); raise SystemExit(1)")
    with pytest.raises(bootstrap.SetupError):
        bootstrap.install("test")
    out, err = capsys.readouterr()
    assert "fetching a" in out
    assert "no network" in err
    pip.write_text("print('Installing collected packages: a')")
    bootstrap.install("test")
    assert "unpacking 1 packages" in capsys.readouterr().out
    bootstrap.install("test")
    assert capsys.readouterr().out == ""
