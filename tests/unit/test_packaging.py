"""What the installers are made of: the lists of the frozen program, its hidden commands, and the packages' descriptions."""

from __future__ import annotations

import configparser
import email
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from hyrisk_desktop import __version__, paths
from hyrisk_desktop.cli import __main__ as entry
from hyrisk_desktop.cli import display
from hyrisk_desktop.exchange.reports.document import versions
from hyrisk_desktop.gui.dialogs.about import about_text
from hyrisk_desktop.paths import PROBE_COMMAND, TRAINING_COMMAND, restore_library_path, training_process
from tests.helpers.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`packaging/build.py`, with the modules beside it."""
    monkeypatch.syspath_prepend(PACKAGING)
    names = ("build", "bootstrap", "contents")
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module("build")
    for name in names:
        monkeypatch.setitem(sys.modules, name, sys.modules[name])
    return module


# --- the frozen program's lists


def test_the_lists_name_what_is_there(build: ModuleType) -> None:
    contents = build.contents
    assert contents.ENTRY.is_file()
    assert contents.ICON.is_file()
    assert [source for source in contents.DATA if not (ROOT / source).exists()] == []
    modules = {*contents.DATA_OF, *contents.MODULES_OF, *contents.HIDDEN}
    assert sorted(name for name in modules if importlib.util.find_spec(name) is None) == []
    for distribution in contents.METADATA_OF:
        assert importlib.metadata.version(distribution), distribution


def test_resources_go_where_an_installed_program_looks(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = tmp_path / build.contents.DATA["resources"]
    place.mkdir(parents=True)
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "hyrisk_desktop" / "paths.pyc"))
    assert paths.resources_dir() == place
    migrations = "hyrisk_desktop/worklist/migrations"
    assert build.contents.DATA[migrations] == migrations


def test_versions_that_are_asked_for_go_along(build: ModuleType) -> None:
    """Frozen, a version is known only of what the list names: About, reports and the doctor ask for these."""
    asked = {name for name in versions() if name not in ("hyrisk_desktop", "python", "platform")}
    for path in (ROOT / "hyrisk_desktop").rglob("*.py"):
        asked |= set(re.findall(r'metadata\.version\([\'"]([\w-]+)[\'"]\)', path.read_text(encoding="utf-8")))
    assert len(asked) >= 8
    assert asked <= set(build.contents.METADATA_OF)


@pytest.mark.parametrize(
    ("place", "needed"),
    [
        ("torch/bin/torch_shm_manager", True),
        ("torch/bin/test_api", False),
        ("torch/lib/libtorch_cpu.so", True),
        ("torch/lib/libtorchbind_test.so", False),
        ("torch/include/ATen/ATen.h", False),
        ("onnxruntime/capi/libonnxruntime.so.1.32.0", False),
        ("onnxruntime/capi/libonnxruntime_providers_shared.so", True),
        ("onnxruntime/capi/onnxruntime_pybind11_state.cpython-311-x86_64-linux-gnu.so", True),
        ("torch/lib/libfoo.a", False),
        ("highdicom/data.h", True),
        ("torch/nn/__pycache__/init.cpython-311.pyc", False),
        ("hyrisk_desktop/torch/include/x", True),
        ("libstdc++.so.6", False),
        ("libglib-2.0.so.0", True),
        ("libgio-2.0.so.0", False),
        ("PySide6/Qt/plugins/platformthemes/libqgtk3.so", False),
        ("PySide6/Qt/plugins/platformthemes/libqxdgdesktopportal.so", True),
        ("PySide6/Qt/translations/qtbase_de.qm", True),
        ("PySide6/Qt/translations/qtbase_zh_CN.qm", True),
    ],
)
def test_what_is_left_out(build: ModuleType, monkeypatch: pytest.MonkeyPatch, place: str, needed: bool) -> None:
    assert build.contents.is_needed(place) == needed
    monkeypatch.setattr(os, "sep", "\\")
    assert build.contents.is_needed(place.replace("/", "\\")) == needed, "as Windows writes it"


def test_licence_texts_go_along(build: ModuleType, tmp_path: Path) -> None:
    wanted = (
        "onnxruntime/LICENSE", "onnxruntime/ThirdPartyNotices.txt", "torch-2.dist-info/METADATA",
        "torch-2.dist-info/licenses/NOTICE", "torch-2.dist-info/licenses/third_party/a/COPYING.txt",
        "scipy/_lib/licence.md",
    )  # fmt: skip
    unwanted = (
        "onnxruntime/Privacy.md", "torch-2.dist-info/RECORD", "torch/METADATA", "pip/_vendor/idna/LICENSE.md",
        "PyInstaller-6.dist-info/METADATA", "packaging/licenses/__init__.py", "a/license_tools.py", "a/notice.h",
    )  # fmt: skip
    for name in (*wanted, *unwanted):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = build.contents.licences(tmp_path)
    assert {place + "/" + Path(file).name for file, place in found} == set(wanted)
    assert all(Path(file) == tmp_path / place / Path(file).name for file, place in found)


def test_the_spec_reads_the_lists(build: ModuleType) -> None:
    spec = (PACKAGING / "hyrisk.spec").read_text(encoding="utf-8")
    compile(spec, "hyrisk.spec", "exec")
    for name in re.findall(r"contents\.(\w+)", spec):
        assert hasattr(build.contents, name), name
    assert {"DATA", "DATA_OF", "METADATA_OF", "MODULES_OF", "HIDDEN", "EXCLUDED", "licences", "is_needed"} <= set(
        re.findall(r"contents\.(\w+)", spec)
    )


# --- hidden commands


def test_training_is_started_by_the_same_command_in_either_form(monkeypatch: pytest.MonkeyPatch) -> None:
    command, environment = training_process("train", "a b.csv")
    assert command == [sys.executable, "-P", "-m", "hyrisk_desktop.cli", TRAINING_COMMAND, "train", "a b.csv"]
    assert environment["PYTHONPATH"].split(os.pathsep)[0] == str(ROOT)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert training_process("train", "a b.csv")[0] == [sys.executable, TRAINING_COMMAND, "train", "a b.csv"]


def test_the_hidden_command_runs_the_training_and_no_folder_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "model_training").mkdir()
    (tmp_path / "model_training" / "__main__.py").write_text("print('another')")
    command, environment = training_process("estimate", "--help")
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--folds" in done.stdout


def test_the_training_gets_the_words_behind_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Another test may have imported it, of which runpy would warn.
    monkeypatch.delitem(sys.modules, "model_training.__main__", raising=False)
    monkeypatch.setattr(sys, "argv", ["hyrisk", TRAINING_COMMAND, "check", "/nowhere/cohort.csv"])
    with pytest.raises(SystemExit) as end:
        entry.main()
    assert end.value.code == 2
    assert "no cohort" in capsys.readouterr().err


def test_any_other_word_is_the_programs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["hyrisk", "--version"])
    with pytest.raises(SystemExit) as end:
        entry.main()
    assert not end.value.code
    assert capsys.readouterr().out.strip() == __version__


def test_qt_is_tried_by_the_frozen_program_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(display.subprocess, "run", run)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert display.qt_problem.__wrapped__() is None
    assert asked == [[sys.executable, PROBE_COMMAND]]
    tried: list[bool] = []
    monkeypatch.setattr(display, "probe", lambda: tried.append(True))
    monkeypatch.setattr("hyrisk_desktop.cli.main.main", lambda: pytest.fail("a window would be opened"))
    monkeypatch.setattr(sys, "argv", ["hyrisk", PROBE_COMMAND])
    entry.main()
    assert tried


def test_other_programs_get_the_users_library_path(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LD_LIBRARY_PATH": "/opt/ours", "LD_LIBRARY_PATH_ORIG": "/users"}.items():
        monkeypatch.setenv(name, value)
    restore_library_path()
    assert os.environ["LD_LIBRARY_PATH"] == "/opt/ours", "an environment's program leaves it alone"
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    restore_library_path()
    assert os.environ["LD_LIBRARY_PATH"] == "/users"
    assert "LD_LIBRARY_PATH_ORIG" not in os.environ
    restore_library_path()
    assert "LD_LIBRARY_PATH" not in os.environ, "the user had none"


# --- versions


def test_program_about_and_packages_say_the_same_version(build: ModuleType) -> None:
    assert build.contents.version() == __version__
    assert importlib.metadata.version("hyrisk-desktop") == __version__
    assert versions()["hyrisk_desktop"] == __version__
    assert __version__ in about_text()
    assert email.message_from_string(build.control("amd64", 1, "2.36"))["Version"] == __version__
    releases = ElementTree.parse(PACKAGING / "linux" / "hyrisk-desktop.metainfo.xml").iterfind("releases/release")
    assert next(releases).get("version") == __version__


# --- Linux


def test_the_packages_control_file(build: ModuleType) -> None:
    fields = email.message_from_string(build.control("amd64", 1_327_789, "2.36"))
    assert {"Package": "hyrisk-desktop", "Architecture": "amd64", "Installed-Size": "1327789"}.items() <= dict(
        fields.items()
    ).items()
    depends = fields["Depends"].split(", ")
    assert depends[0] == "libc6 (>= 2.36)"
    assert "libglib2.0-0 | libglib2.0-0t64" in depends
    assert len(set(depends)) == len(depends)
    libraries = {*build.bootstrap.OFFSCREEN_LIBRARIES.values(), *build.bootstrap.XCB_LIBRARIES.values()}
    assert libraries <= {name.partition(" |")[0] for name in depends}
    assert "fonts-noto-cjk" in fields["Suggests"].split(", ")
    # A line of the description that is empty would end the paragraph.
    assert all(line.startswith(" ") and line.strip() for line in fields["Description"].splitlines()[1:])


def test_the_newest_c_library_that_is_asked_for(build: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.so").write_bytes(b"\x7fELF\0GLIBC_2.4\0GLIBC_2.34\0GLIBC_PRIVATE")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.so").write_bytes(b"\x7fELF\0GLIBC_2.9\0")
    (tmp_path / "text").write_bytes(b"GLIBC_2.99")
    assert build.glibc_of(tmp_path) == "2.34"


def test_the_packages_tree(build: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program, root = tmp_path / "frozen", tmp_path / "root"
    (program / "_internal").mkdir(parents=True)
    (program / "hyrisk").write_text("#!/bin/sh\n")
    (program / "hyrisk").chmod(0o700)
    (program / "_internal" / "data").write_text("x")
    (program / "_internal" / "data").chmod(0o600)
    icons = tmp_path / "icons"
    icons.mkdir()
    for size in build.contents.ICON_SIZES:
        (icons / f"{size}.png").write_bytes(bytes([size % 251]))
    monkeypatch.setattr(build, "BUILD", tmp_path)
    build.tidy(program)
    for _ in range(2):
        # A second time over what the first left.
        build.stage(program, root)
    assert (root / "usr/bin/hyrisk").resolve() == root / "opt/hyrisk-desktop/hyrisk"
    assert oct((root / "opt/hyrisk-desktop/hyrisk").stat().st_mode)[-3:] == "755"
    assert oct((root / "opt/hyrisk-desktop/_internal/data").stat().st_mode)[-3:] == "644"
    share = root / "usr/share"
    assert (share / "icons/hicolor/48x48/apps/hyrisk-desktop.png").read_bytes() == bytes([48])
    laid = {path.relative_to(share).as_posix() for path in build.files_in(share) if "hicolor" not in path.parts}
    assert laid == {
        "applications/hyrisk-desktop.desktop", "metainfo/hyrisk-desktop.metainfo.xml",
        "mime/packages/hyrisk-desktop.xml", "doc/hyrisk-desktop/copyright", "doc/hyrisk-desktop/changelog.gz",
    }  # fmt: skip


def test_menu_entry_and_description_name_each_other(build: ModuleType) -> None:
    entry_file, description = (
        PACKAGING / "linux" / f"hyrisk-desktop.{ending}" for ending in ("desktop", "metainfo.xml")
    )
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(entry_file, encoding="utf-8")
    menu = parser["Desktop Entry"]
    assert (menu["Exec"], menu["Icon"]) == ("hyrisk gui %f", "hyrisk-desktop")
    known = ElementTree.parse(PACKAGING / "linux" / "hyrisk-desktop.xml").iter(
        "{http://www.freedesktop.org/standards/shared-mime-info}mime-type"
    )
    assert menu["MimeType"].rstrip(";").split(";") == [kind.get("type") for kind in known]
    component = ElementTree.parse(description).getroot()
    assert component.findtext("launchable") == entry_file.name
    assert component.findtext("name") == menu["Name"]
    # Their own checkers know more, where they are.
    if shutil.which("desktop-file-validate"):
        assert subprocess.run(["desktop-file-validate", entry_file], capture_output=True).stdout == b""
    if shutil.which("appstreamcli"):
        command = ["appstreamcli", "validate", "--no-net", "--no-color", description]
        said = subprocess.run(command, capture_output=True, text=True).stdout
        # The project has no domain of its own that the identifier could begin with.
        marks = [line for line in said.splitlines() if re.match(r"[EW]:", line) and "is-not-rdns" not in line]
        assert marks == []


# --- Windows and macOS


def test_the_script_for_windows_gets_every_name(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(build.shutil, "which", lambda name: f"/usr/bin/{name}")
    (tmp_path / "file").write_bytes(bytes(5000))
    command = [str(word) for word in build.makensis(tmp_path, tmp_path / "setup.exe")]
    given = dict(word[2:].split("=", 1) for word in command if word.startswith("-D"))
    assert given["NUMBERS"] == "0.1.0.0"
    assert given["KILOBYTES"] == "4"
    script = (PACKAGING / "windows" / "hyrisk.nsi").read_text(encoding="utf-8")
    named = set(re.findall(r"\$\{(\w+)\}", script)) - set(re.findall(r"^!define (\w+)", script, re.MULTILINE))
    assert named == set(given)
    assert "RequestExecutionLevel user" in script
    assert not re.search(r'RMDir /r "\$INSTDIR"', script), "the folder may hold other things"
    monkeypatch.setattr(build.shutil, "which", lambda _: None)
    with pytest.raises(build.SetupError, match="makensis"):
        build.makensis(tmp_path, tmp_path / "setup.exe")


def test_wheels_for_windows_are_those_of_this_environment_without_linuxs_own(build: ModuleType) -> None:
    locked = build.bootstrap.locked_torch()
    names = ("torch", "pyside6_essentials", "jeepney", "SecretStorage", "nvidia_nccl_cu13", "triton", "not_locked")
    found = build.locked_for_windows([*names, "onnxruntime"])
    assert found == ["onnxruntime==1.32.0", "PySide6_Essentials==6.11.3", f"torch=={locked}"]


def test_the_program_needs_neither_torchvision_nor_parquet() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert not [r for r in project["dependencies"] if "torchvision" in r or "pyarrow" in r], "half the weight"


def test_an_installer_holds_what_the_source_installs(build: ModuleType) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    own = next(r for r in extras["installer"] if r.startswith("hyrisk-desktop["))
    frozen = set(own.removeprefix("hyrisk-desktop[").removesuffix("]").split(","))
    assert {*build.bootstrap.EXTRAS.split(","), "onnx"} <= frozen
    assert "parquet" not in frozen


def test_a_dmg_is_made_on_macos_only(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build.sys, "platform", "linux")
    with pytest.raises(build.SetupError, match="macOS"):
        build.dmg()


def test_a_frozen_folder_that_lacks_something_is_not_packed(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(build, "FOLDER", tmp_path / "hyrisk")
    monkeypatch.setattr(build, "environment", lambda: Path("python"))
    monkeypatch.setattr(build, "run", lambda *_: None)
    first, *others = build.contents.NEEDED
    for name in others:
        # As a pattern would meet it.
        path = tmp_path / "hyrisk" / "_internal" / name.replace("*", "so")
        path.parent.mkdir(parents=True)
        path.touch()
    with pytest.raises(build.SetupError, match=first):
        build.freeze()
    (tmp_path / "hyrisk" / "_internal" / first).parent.mkdir(parents=True)
    (tmp_path / "hyrisk" / "_internal" / first).touch()
    assert build.freeze() == tmp_path / "hyrisk"
