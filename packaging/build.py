"""Installers of HyRisk Desktop, all from one frozen folder.

    python3 packaging/build.py deb     for Debian and Ubuntu (default)
    python3 packaging/build.py tar     the same folder for any other Linux
    python3 packaging/build.py nsis    for Windows, per user; elsewhere its parts are only checked
    python3 packaging/build.py dmg     for macOS, on macOS only

The program is frozen by PyInstaller as hyrisk.spec and contents.py say, with torch for the CPU and ONNX Runtime, in an environment of its
own in build/. What is made lies in dist/. A system's installer is made on that system. Standard library only.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import bootstrap
import contents
from bootstrap import SetupError, say

ROOT, BUILD, DIST = contents.ROOT, contents.ROOT / "build", contents.ROOT / "dist"
HERE = Path(__file__).resolve().parent
FOLDER = BUILD / "frozen" / contents.NAME
PACKAGE = "hyrisk-desktop"
MAINTAINER = "HyRisk Desktop <hyrisk-desktop@localhost>"
SUMMARY = "mortality risk and calcium scores from low-dose chest CT"
DESCRIPTION = """\
 Open a low-dose chest CT, click the centre of the heart, give a visual grade of
 coronary artery calcification, and read an all-cause mortality risk beside the
 region Agatston and volume scores. Worklists, comparison with the exam before,
 DICOM SR, SEG, PDF and FHIR reports, and retraining on one's own cohort.
 .
 Research use only: not a medical device."""
# Debian renamed GLib's package for 64-bit time; either brings the library.
RENAMED = {"libglib2.0-0": "libglib2.0-0 | libglib2.0-0t64"}
# What the frozen folder does not bring: the C library's families, the desktop's own, and a font.
BASE_LIBRARIES = ("libx11-6", "libx11-xcb1", "libxcb1", "libexpat1", "zlib1g", "libstdc++6", "libgcc-s1", "libwayland-client0",
                  "libwayland-cursor0", "libwayland-egl1")  # fmt: skip


# --- freezing


def environment() -> Path:
    """The Python of the environment that is frozen: the locked versions, torch for the CPU, PyInstaller."""
    bootstrap.VENV = BUILD / "environment"
    BUILD.mkdir(exist_ok=True)
    wish = bootstrap.Wish("cpu" if sys.platform.startswith("linux") else "")
    bootstrap.set_up("installer", programs={}, with_display=True, wish=wish)
    return bootstrap.python()


def freeze() -> Path:
    """The frozen folder, made anew.

    Raises:
        SetupError: PyInstaller failed, or what the program needs is not in the folder.
    """
    python = environment()
    run([python, HERE / "icons.py", BUILD / "icons"])
    say("Freezing the program; this takes some minutes")
    run([python, "-m", "PyInstaller", "--noconfirm", "--clean", "--log-level", "WARN",
         "--distpath", FOLDER.parent, "--workpath", BUILD / "work", HERE / "hyrisk.spec"])  # fmt: skip
    inside = FOLDER / "_internal"
    if missing := [name for name in contents.NEEDED if not any(inside.glob(name))]:
        raise SetupError(f"The frozen program lacks {', '.join(missing)}: see contents.py and hyrisk.spec.")
    tidy(FOLDER)
    say(f"{FOLDER} takes {size_of(FOLDER) / 1e6:.0f} MB")
    return FOLDER


def run(command: list[object], **options: object) -> None:
    done = subprocess.run([str(part) for part in command], cwd=ROOT, **options)
    if done.returncode:
        raise SetupError(
            f"“{Path(str(command[0])).name} {' '.join(map(str, command[1:3]))} …” failed: see its lines above."
        )


def tidy(folder: Path) -> None:
    """The rights that files of a package have, whatever the builder's umask was."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)


def files_in(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in files_in(folder))


def name_of_package(ending: str) -> str:
    return f"{PACKAGE}_{contents.version()}_{ending}"


# --- Linux


def desktop_files(share: Path) -> None:
    """Menu entry, description for software centres, file types and icons, below a folder ``share``."""
    wanted = {
        "hyrisk-desktop.desktop": "applications",
        "hyrisk-desktop.metainfo.xml": "metainfo",
        "hyrisk-desktop.xml": "mime/packages",
    }
    for name, place in wanted.items():
        (share / place).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(HERE / "linux" / name, share / place / name)
    icons = share / "icons" / "hicolor"
    for size in contents.ICON_SIZES:
        place = icons / f"{size}x{size}" / "apps"
        place.mkdir(parents=True)
        shutil.copyfile(BUILD / "icons" / f"{size}.png", place / f"{PACKAGE}.png")
    (icons / "scalable" / "apps").mkdir(parents=True)
    shutil.copyfile(contents.ICON, icons / "scalable" / "apps" / f"{PACKAGE}.svg")


def glibc_of(folder: Path) -> str:
    """The newest version of the C library that a file of the folder asks for, such as "2.36"."""
    newest = (2, 17)
    for path in files_in(folder):
        with open(path, "rb") as file:
            if file.read(4) != b"\x7fELF":
                continue
            file.seek(0)
            found = re.findall(rb"GLIBC_(\d+)\.(\d+)", file.read())
        newest = max([newest, *((int(a), int(b)) for a, b in found)])
    return "{}.{}".format(*newest)


def depends(glibc: str) -> list[str]:
    """The Debian packages that the .deb names, for a program that needs the C library ``glibc``."""
    qt = [*bootstrap.OFFSCREEN_LIBRARIES.values(), *bootstrap.XCB_LIBRARIES.values()]
    names = [*BASE_LIBRARIES, *qt, bootstrap.FONTS]
    return [f"libc6 (>= {glibc})", *(RENAMED.get(name, name) for name in dict.fromkeys(names))]


def control(architecture: str, installed_kb: int, glibc: str) -> str:
    """The control file of the .deb."""
    fields = {
        "Package": PACKAGE,
        "Version": contents.version(),
        "Architecture": architecture,
        "Maintainer": MAINTAINER,
        "Installed-Size": str(installed_kb),
        "Depends": ", ".join(depends(glibc)),
        "Recommends": "shared-mime-info, desktop-file-utils",
        # A keyring for passwords of nodes; signs for Chinese windows and pages.
        "Suggests": "gnome-keyring | kwalletmanager, fonts-noto-cjk",
        "Section": "science",
        "Priority": "optional",
        "Description": f"{SUMMARY}\n{DESCRIPTION}",
    }
    return "".join(f"{key}: {value}\n" for key, value in fields.items())


def stage(folder: Path, root: Path) -> None:
    """Lay the package's files below ``root`` as they will lie on the disk; the program's are linked, not copied."""
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(folder, root / "opt" / PACKAGE, symlinks=True, copy_function=os.link)
    (root / "usr" / "bin").mkdir(parents=True)
    (root / "usr" / "bin" / contents.NAME).symlink_to(f"../../opt/{PACKAGE}/{contents.NAME}")
    desktop_files(root / "usr" / "share")
    doc = root / "usr" / "share" / "doc" / PACKAGE
    doc.mkdir(parents=True)
    (doc / "copyright").write_text(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: HyRisk Desktop\n\n"
        "Files: *\nCopyright: the authors of HyRisk Desktop\nLicense: Apache-2.0\n"
        " On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.\n"
        " The libraries in /opt/hyrisk-desktop/_internal keep their own licences, most of them in the folders *.dist-info:\n"
        " their texts, and in METADATA the names of those that a system has, such as the LGPL of Qt and PySide6\n"
        " (/usr/share/common-licenses/LGPL-3).\n",
        encoding="utf-8",
    )
    with open(doc / "changelog.gz", "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write((ROOT / "CHANGELOG.md").read_bytes())


def deb() -> Path:
    folder, root = freeze(), BUILD / "deb"
    stage(folder, root)
    installed = list(files_in(root))
    architecture = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True).stdout.strip()
    kilobytes = sum(-(-path.stat().st_size // 1024) for path in installed)
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN" / "control").write_text(control(architecture, kilobytes, glibc_of(folder)), encoding="utf-8")
    sums = (f"{md5(path)}  {path.relative_to(root).as_posix()}\n" for path in installed)
    (root / "DEBIAN" / "md5sums").write_text("".join(sums), encoding="utf-8")
    for place in ("usr", "DEBIAN"):
        tidy(root / place)
    DIST.mkdir(exist_ok=True)
    target = DIST / name_of_package(f"{architecture}.deb")
    say("Packing the .deb")
    # -15: a third smaller than zstd's default, and half as long as xz.
    run(["dpkg-deb", "--root-owner-group", "-Zzstd", "-z15", "--build", root, target])
    return target


def md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def tar() -> Path:
    folder, name = freeze(), f"{PACKAGE}-{contents.version()}"
    root = BUILD / "tar"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(folder, root / name, symlinks=True, copy_function=os.link)
    desktop_files(root / name / "share")
    tidy(root / name / "share")
    DIST.mkdir(exist_ok=True)
    target = DIST / name_of_package(f"linux-{os.uname().machine}.tar.zst")
    say("Packing the .tar.zst")
    run(["tar", "--create", "--use-compress-program", "zstd -15 -T0 --quiet", "--owner=0", "--group=0", "--numeric-owner",
         "--sort=name", "--file", target, "--directory", root, name])  # fmt: skip
    return target


# --- Windows


def nsis() -> Path:
    """The installer on Windows; elsewhere the script is compiled around a stand-in, and the wheels are looked up."""
    if sys.platform == "win32":
        folder = freeze()
        target = DIST / name_of_package("windows-x64.exe")
    else:
        say("PyInstaller freezes for its own system only: this is a check and no installer")
        check_windows_wheels()
        folder, target = BUILD / "stand-in", BUILD / "windows-check.exe"
        run([environment(), HERE / "icons.py", BUILD / "icons"])
        (folder / "_internal").mkdir(parents=True, exist_ok=True)
        for name in ("hyrisk.exe", "HyRisk Desktop.exe", "_internal/stand-in"):
            (folder / name).write_bytes(b"")
    target.parent.mkdir(exist_ok=True)
    run(makensis(folder, target))
    return target


def makensis(folder: Path, target: Path) -> list[object]:
    """The command that compiles the installer ``target`` of ``folder``."""
    program = shutil.which("makensis")
    if program is None:
        raise SetupError("The installer for Windows needs makensis: install NSIS (Debian: nsis).")
    version = re.sub(r"[^0-9.].*", "", contents.version())
    facts = {
        "VERSION": contents.version(), "NUMBERS": ".".join((version.split(".") + ["0"] * 4)[:4]), "SOURCE": folder,
        "ICON": BUILD / "icons" / "hyrisk.ico", "LICENSE": ROOT / "LICENSE", "TARGET": target,
        "KILOBYTES": size_of(folder) // 1024,
    }  # fmt: skip
    return [program, "-V2", *(f"-D{key}={value}" for key, value in facts.items()), HERE / "windows" / "hyrisk.nsi"]


def check_windows_wheels() -> None:
    """Whether each locked version has a wheel for Windows; nothing is installed.

    Raises:
        SetupError: one has none; pip's lines have said which.
    """
    say("Looking up the wheels for Windows")
    environment()
    installed = {path.name.partition("-")[0] for path in bootstrap.VENV.glob("[Ll]ib/**/*.dist-info")}
    # Without dependencies: pip takes those that this system would need, whatever platform it is told.
    where = ["--platform", "win_amd64", "--python-version", "3.11", "--only-binary", ":all:", "--no-deps"]
    run(bootstrap.pip("install", "--dry-run", "--quiet", "--ignore-installed", "--target", BUILD / "windows", *where,
                      *locked_for_windows(installed)))  # fmt: skip


def locked_for_windows(installed: Iterable[str]) -> list[str]:
    """The locked versions of what is installed here, by names of folders such as ``pydicom``, but for what Linux alone needs."""

    def plain(name: str) -> str:
        return re.sub(r"[-_.]+", "_", name).lower()

    wanted = {plain(name) for name in installed} - {"secretstorage", "jeepney", "triton"}
    lines = bootstrap.CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    return [
        line for line in lines if plain(line.partition("==")[0]) in wanted and not line.startswith(("nvidia", "cuda"))
    ]


# --- macOS


def dmg() -> Path:
    if sys.platform != "darwin":
        raise SetupError("A .dmg is made on macOS: PyInstaller and hdiutil are needed there.")
    freeze()
    volume = BUILD / "volume"
    shutil.rmtree(volume, ignore_errors=True)
    volume.mkdir(parents=True)
    run(["ditto", FOLDER.parent / "HyRisk Desktop.app", volume / "HyRisk Desktop.app"])
    (volume / "Applications").symlink_to("/Applications")
    DIST.mkdir(exist_ok=True)
    target = DIST / name_of_package("macos.dmg")
    run(["hdiutil", "create", "-ov", "-volname", "HyRisk Desktop", "-srcfolder", volume, "-format", "ULFO", target])
    return target


KINDS = {"deb": deb, "tar": tar, "nsis": nsis, "dmg": dmg}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="?", choices=tuple(KINDS), default="deb")
    options = parser.parse_args()
    try:
        target = KINDS[options.kind]()
    except SetupError as e:
        print(f"[hyrisk] {e}", file=sys.stderr)
        return 1
    say(f"{target} holds {target.stat().st_size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
