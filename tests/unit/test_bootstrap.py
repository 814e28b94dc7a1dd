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
    monkeypatch.setattr(bootstrap, "install_ahead", lambda: None)
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


# --- which torch


@pytest.fixture
def environment(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty environment on Linux, without a card, whose pip is only written down."""
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    monkeypatch.setattr(bootstrap.sys, "platform", "linux")
    monkeypatch.setattr(bootstrap, "has_nvidia", lambda: False)
    (tmp_path / "lib" / "site-packages").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def pip_commands(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[list[str]]]:
    """What pip would have been told, one list of commands for each installation."""
    told: list[list[list[str]]] = []
    monkeypatch.setattr(bootstrap, "install_ahead", lambda: None)
    monkeypatch.setattr(bootstrap, "run_pip", lambda steps: told.append([[str(w) for w in step] for step in steps]))
    return told


def lay_torch(environment: Path, *names: str) -> None:
    for name in names:
        (environment / "lib" / "site-packages" / f"{name}.dist-info").mkdir()


def listing(monkeypatch: pytest.MonkeyPatch, bootstrap: ModuleType, here: str, there: str = "") -> list[list[str]]:
    """Let `pip index versions` answer ``here`` where pip looks, and ``there`` on PyTorch's index."""
    asked: list[list[str]] = []

    def run(command: list[object], **_: object) -> object:
        words = [str(word) for word in command]
        asked.append(words)
        text = there if "--index-url" in words else here
        return bootstrap.subprocess.CompletedProcess(command, 0, text, "")

    monkeypatch.setattr(bootstrap.subprocess, "run", run)
    return asked


def test_without_a_card_torch_without_cuda_is_taken(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, environment: Path, pip_commands: list[list[list[str]]]
) -> None:
    locked = bootstrap.locked_torch()
    # An older one that lies where pip looks is somebody's choice; one below the oldest is none.
    asked = listing(monkeypatch, bootstrap, "torch\nAvailable versions: 99.0, 2.13.0+cpu, 2.12.1+cpu, 2.9.0+cpu")
    assert bootstrap.cpu_torch() == ("2.13.0+cpu", "")
    assert len(asked) == 1, "another index is not asked without need"
    listing(monkeypatch, bootstrap, f"99.0+cpu, {locked}+cpu, 2.9.0+cpu")
    assert bootstrap.cpu_torch() == (f"{locked}+cpu", "")
    listing(monkeypatch, bootstrap, f"2.10.9+cpu, {locked}", f"{locked}+cpu, 99.0+cpu")
    assert bootstrap.cpu_torch() is None, "no index is asked that nobody has named"
    monkeypatch.setattr(bootstrap, "CPU_INDEX", "https://torch.example/cpu")
    assert bootstrap.cpu_torch() == (f"{locked}+cpu", bootstrap.CPU_INDEX)
    bootstrap.install("train,pacs", bootstrap.Wish())
    first, second = pip_commands[-1]
    assert first[-4:] == ["--index-url", bootstrap.CPU_INDEX, f"torch=={locked}+cpu", "--disable-pip-version-check"]
    assert "--no-deps" in first
    assert bootstrap.CPU_INDEX not in second, "everything else comes from where pip looks"
    assert second[second.index("--constraint") + 1] == str(environment / "constraints.txt")
    lines = (environment / "constraints.txt").read_text().splitlines()
    assert f"torch=={locked}+cpu" in lines
    assert len(lines) == len(bootstrap.CONSTRAINTS.read_text().splitlines())


def test_the_locked_pair_is_what_is_left(
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    environment: Path,
    pip_commands: list[list[list[str]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    listing(monkeypatch, bootstrap, "2.15.0, 2.14.1", "")
    bootstrap.install("train,pacs", bootstrap.Wish())
    (command,) = pip_commands[-1]
    assert command[command.index("--constraint") + 1] == str(bootstrap.CONSTRAINTS)
    said = capsys.readouterr().out
    assert "taking the one with it" in said
    assert bootstrap.SIZES["cuda"] in said


def test_card_and_options_decide(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, environment: Path, pip_commands: list[list[list[str]]]
) -> None:
    asked = listing(monkeypatch, bootstrap, "2.13.0+cpu")
    bootstrap.install("train,pacs", bootstrap.Wish("cuda"))
    assert asked == []
    assert len(pip_commands) == 1
    (environment / "installed-train,pacs").unlink()
    monkeypatch.setattr(bootstrap, "has_nvidia", lambda: True)
    bootstrap.install("train,pacs", bootstrap.Wish())
    assert asked == []
    (environment / "installed-train,pacs").unlink()
    bootstrap.install("train,pacs", bootstrap.Wish("cpu"))
    assert len(asked) == 1
    monkeypatch.setattr(bootstrap, "has_nvidia", lambda: False)
    monkeypatch.setattr(bootstrap.sys, "platform", "win32")
    assert bootstrap.suitable_build() == "cuda", "PyPI's torch for Windows has no CUDA anyway"


def test_what_was_chosen_stays_until_the_other_is_asked_for(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, environment: Path, pip_commands: list[list[list[str]]]
) -> None:
    asked = listing(monkeypatch, bootstrap, "2.13.0+cpu")
    lay_torch(environment, "torch-2.15.0", "nvidia_nccl_cu13-2.30", "cuda_toolkit-13", "triton-3", "numpy-2")
    assert bootstrap.installed_build() == "cuda"
    bootstrap.install("train,pacs", bootstrap.Wish())
    bootstrap.install("train,pacs", bootstrap.Wish())
    assert (len(pip_commands), asked) == (1, [])
    (environment / "installed-test").touch()
    bootstrap.install("train,pacs", bootstrap.Wish("cpu"))
    removal = asked[0]
    assert removal[removal.index("--yes") + 1 : -1] == ["cuda_toolkit", "nvidia_nccl_cu13", "torch", "triton"]
    assert not (environment / "installed-test").exists(), "the tests' environment is no more"
    assert (environment / "installed-train,pacs").exists()
    assert len(pip_commands) == 2


def test_the_tests_take_the_locked_pair_in_place_of_another(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, environment: Path, pip_commands: list[list[list[str]]]
) -> None:
    asked, ahead = listing(monkeypatch, bootstrap, "2.13.0+cpu"), []
    monkeypatch.setattr(bootstrap, "install_ahead", lambda: ahead.append(len(pip_commands)))
    bootstrap.install("test")
    bootstrap.install("train,pacs", bootstrap.Wish("cuda"))
    assert ahead == [0], "before the installation that looks whether all is there, and for nobody but the tests"
    ((*_, last),) = pip_commands[0]
    assert (asked, last) == ([], "--no-compile")
    (environment / "installed-test").unlink()
    lay_torch(environment, "torch-2.13.0+cpu")
    bootstrap.install("test")
    assert "uninstall" in asked[0]
    assert ahead == [0], "only little is missing where torch has been"
    (command,) = pip_commands[-1]
    assert str(bootstrap.CONSTRAINTS) in command


def test_two_of_pip_share_what_is_locked(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[list[str]] = []
    monkeypatch.setattr(
        bootstrap,
        "call_quietly",
        lambda command, _: (told.append([str(word) for word in command]), (1, "no network"))[1],
    )
    bootstrap.install_ahead()
    assert all("--no-deps" in command for command in told), "or one would install what the other does"
    one, other = ({word for word in command if "==" in word} for command in told)
    assert not one & other
    assert one | other == {line for line in bootstrap.CONSTRAINTS.read_text().splitlines() if "==" in line}
    assert len({f"torch=={bootstrap.locked_torch()}" in share for share in (one, other)}) == 2


def test_a_folder_of_wheels_is_all_that_pip_looks_at(
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    environment: Path,
    tmp_path: Path,
    pip_commands: list[list[list[str]]],
) -> None:
    asked = listing(monkeypatch, bootstrap, "2.15.0+cpu")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    with pytest.raises(bootstrap.SetupError, match="no wheels"):
        bootstrap.install("train,pacs", bootstrap.Wish(wheelhouse=wheels))
    (wheels / "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl").touch()
    bootstrap.install("train,pacs", bootstrap.Wish(wheelhouse=wheels))
    (command,) = pip_commands[-1]
    assert asked == []
    assert command[-3:] == ["--no-index", "--find-links", str(wheels)]
    assert "torch==2.13.0+cpu" in (environment / "constraints.txt").read_text()


def test_a_wheelhouse_holds_what_the_source_needs(
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    environment: Path,
    tmp_path: Path,
    pip_commands: list[list[list[str]]],
) -> None:
    listing(monkeypatch, bootstrap, "2.13.0+cpu")
    monkeypatch.setattr(bootstrap, "make_environment", lambda: None)
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / "hyrisk_desktop-0.1.0-py3-none-any.whl").touch()
    (folder / "numpy-2.whl").touch()
    assert bootstrap.fill_wheelhouse([str(folder), "--cpu"]) == 0
    (command,) = pip_commands[-1]
    assert {".[train,onnx,pacs]", "hatchling>=1.25", "editables"} <= set(command)
    assert [path.name for path in folder.iterdir()] == ["numpy-2.whl"]
    with pytest.raises(bootstrap.SetupError, match="--fast"):
        bootstrap.fill_wheelhouse([str(folder), "--fast"])
    with pytest.raises(bootstrap.SetupError, match="Name the folder"):
        bootstrap.fill_wheelhouse([])


def test_own_options_come_before_the_programs(bootstrap: ModuleType, tmp_path: Path) -> None:
    assert bootstrap.own_options(["score", "--cpu"]) == (("", None), ["score", "--cpu"])
    wish, rest = bootstrap.own_options(["--wheelhouse", str(tmp_path), "--cuda", "demo"])
    assert (wish, rest) == (("cuda", tmp_path), ["demo"])
    for words in (["--wheelhouse"], ["--wheelhouse", str(tmp_path / "nowhere")]):
        with pytest.raises(bootstrap.SetupError, match="name the folder"):
            bootstrap.own_options(words)


@pytest.mark.parametrize(
    ("said", "card"), [(b"GPU 0: NVIDIA H200", True), (b"No devices were found", False), (None, False)]
)
def test_a_card_counts_when_it_answers(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, said: bytes | None, card: bool
) -> None:
    def run(command: list[str], **_: object) -> object:
        if said is None:
            raise OSError
        return bootstrap.subprocess.CompletedProcess(command, 0, said, b"")

    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(bootstrap.subprocess, "run", run)
    assert bootstrap.has_nvidia() == card
