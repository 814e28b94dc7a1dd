"""`hyrisk doctor` looks at what is in use, and Qt is really started before a display is called good."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyrisk_desktop.cli import display, doctor
from hyrisk_desktop.paths import config_dir, store_path
from hyrisk_desktop.worklist.store import Store
from tests.helpers.bundles import shelve, write_tiny_bundle

x11_only = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="X11 and Wayland only")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    probe = display.qt_problem
    probe.cache_clear()
    yield
    probe.cache_clear()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_bundle(folder)
    return folder


@pytest.fixture
def small(model: Path) -> None:
    """A model in use whose self-test costs little, where the examination is about something else."""
    shelve(model)


def use(**settings: str) -> None:
    config_dir().mkdir(parents=True)
    (config_dir() / "settings.json").write_text(json.dumps(settings))


def row(what: str) -> doctor.Row:
    return next(row for row in doctor.examine() if row.what == what)


def test_the_model_and_device_in_use_are_examined(model: Path) -> None:
    use(device="cpu")
    shelve(model)
    rows = {row.what: row for row in doctor.examine()}
    assert all(row.ok for row in rows.values()), rows
    assert "Tiny test network (installed)" in rows["model"].finding
    assert rows["self-test: risk"].finding.endswith("as known")
    assert rows["device"].finding.startswith("cpu")


def test_a_chosen_model_that_is_gone_is_bad(model: Path) -> None:
    use(device="cpu")
    shutil.rmtree(shelve(model)[0])
    rows = {row.what: row for row in doctor.examine()}
    assert {name for name, row in rows.items() if not row.ok} == {"model"}
    assert "tiny-test-network" in rows["model"].finding
    assert "“HyRiskNet-34 demonstration” is in use" in rows["model"].finding


def test_a_device_that_is_none_is_bad(model: Path) -> None:
    use(device="tpu")
    shelve(model)
    rows = {row.what: row for row in doctor.examine()}
    assert {name for name, row in rows.items() if not row.ok} == {"device", "self-test: risk"}


@x11_only
@pytest.mark.usefixtures("small")
def test_a_dead_display_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":4321")
    found = row("display")
    assert not found.ok
    assert ":4321" in found.finding


@x11_only
@pytest.mark.usefixtures("small")
def test_no_display_is_fine_while_qt_starts_offscreen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert row("display").ok
    monkeypatch.setattr(display, "qt_problem", lambda platform: f"{platform} is broken")
    assert doctor.Row("display", False, "offscreen is broken") in doctor.examine()


@x11_only
@pytest.mark.usefixtures("small")
def test_a_platform_that_cannot_start_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "nonsense")
    assert display.display_answers()
    assert not display.display_works()
    assert "platform plugin" in row("display").finding


@x11_only
def test_a_server_that_listens_but_is_no_display_is_not_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1] - 6000
        if number < 0:
            pytest.skip("a port below X11's")
        monkeypatch.setenv("DISPLAY", f"127.0.0.1:{number}.0")
        assert display.display_answers()
    assert not display.display_answers()
    assert not display.display_works()


@x11_only
def test_a_display_with_a_live_socket_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    # pytest's own folders are too deep for a socket's name.
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as server:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-7")
        assert not display.display_answers()
        server.bind(f"{folder}/wayland-7")
        server.listen()
        assert display.display_answers()
        monkeypatch.setenv("QT_QPA_PLATFORM", "xcb")
        assert not display.display_answers()


@x11_only
def test_the_cheap_question_opens_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))
    for name in (":4321", "unix:4321", "127.0.0.1:59000", "localhost:99999999"):
        monkeypatch.setenv("DISPLAY", name)
        assert not display.display_answers()
        assert not display.display_works()
    monkeypatch.setenv("DISPLAY", "/private/tmp/com.apple.launchd/org.xquartz:")
    assert display.display_answers()


def test_qt_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert display.display_works()
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("asked again"))
    assert display.display_works()


@pytest.mark.parametrize(
    ("complaint", "words"),
    [
        ("qt.qpa.xcb: could not connect to display :9\nxcb-cursor0 or libxcb-cursor0 is needed", "does not answer"),
        ("qt.qpa.plugin: From 6.5.0, xcb-cursor0 or libxcb-cursor0 is needed to load", "libxcb-cursor0"),
        ("ImportError: libEGL.so.1: cannot open shared object file: No such file or directory", "libEGL.so.1"),
        ("ModuleNotFoundError: No module named 'PySide6'", "PySide6"),
        ("something else", "exit code -6"),
    ],
)
def test_what_qt_says_becomes_one_sentence(complaint: str, words: str) -> None:
    sentence = display.explain(complaint, -6)
    assert words in sentence
    assert "\n" not in sentence


def test_a_hanging_display_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, timeout: float, **__: object) -> None:
        raise subprocess.TimeoutExpired("probe", timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    assert "hangs" in (display.qt_problem() or "")
    assert "QT_QPA_PLATFORM" not in os.environ


def test_the_worklist_is_examined_and_not_made(model: Path) -> None:
    shelve(model)
    first = row("worklist")
    assert first.ok
    assert "none yet" in first.finding
    assert not store_path().exists()
    Store(store_path()).close()
    assert "whole; 0 backups" in row("worklist").finding
    store_path().write_bytes(b"rubbish" * 900)
    damaged = row("worklist")
    assert not damaged.ok
    assert "store restore" in damaged.finding
