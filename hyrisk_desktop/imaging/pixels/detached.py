"""Which files an image header (.nrrd, .nhdr, .mhd, .mha, .nii) takes its voxels from, and whether it may.

A header can name any path: `/etc/passwd`, a device, a pipe. The native readers open whatever it says, so it is read here
first, by a grammar that is stricter than theirs: only regular files inside the header's own folder are let through, and
whatever is not plainly understood is refused. The list is also what is hashed: every byte that makes the voxels.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.pixels.nifti import read_nifti_header
from hyrisk_desktop.regular_files import open_regular

_MAX_HEADER_BYTES = 4 << 20  # a list of 20,000 names of 200 letters
_MAX_LINE = 1000
_MAX_FILES = 20_000
_NRRD_LINE = re.compile(r"(#.*|[^:=]+:=.*|[A-Za-z][A-Za-z ]*: ?.*)?")
_NRRD_DATA = re.compile(r"data ?file:\s*(.*)", re.IGNORECASE)
_META_LINE = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*=\s*(.*)")
_PATTERN = re.compile(r"(\S*%0?\d{0,3}d\S*)\s+(-?\d{1,9})\s+(-?\d{1,9})\s+(-?\d{1,9})(?:\s+\d)?")
_LIST = re.compile(r"LIST(?:\s+\d+D?)?", re.IGNORECASE)


def data_files(path: Path) -> tuple[Path, ...]:
    """The files beside ``path`` that hold its voxels, in their order; () where they lie in the file itself.

    Raises:
        ExamError: the header names something else than regular files in its own folder, or can't be understood.
        OSError: it can't be read.
    """
    suffix = path.suffix.lower()
    check_regular(path)
    if path.name.lower().endswith((".nii", ".nii.gz")):
        _check_nifti(path)
        return ()
    if suffix in (".nrrd", ".nhdr"):
        names = _nrrd_names(path)
    elif suffix in (".mha", ".mhd"):
        names = _meta_names(path)
    else:
        return ()
    if names and suffix == ".mha":
        raise _outside(path)
    if len(names) > _MAX_FILES:
        raise _damaged(path)
    folder = path.parent.resolve()
    found = tuple(_inside(path, folder, name) for name in names)
    if path in found or path.resolve() in found:
        raise _outside(path)
    return found


def check_regular(path: Path) -> None:
    """Refuse pipes, sockets and devices, which could block for ever or never end.

    Raises:
        ExamError: it is none. OSError: it isn't there.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise ExamError("not_a_file", tr("{name} is no ordinary file and was not opened.", name=path.name))


def _inside(path: Path, folder: Path, name: str) -> Path:
    parts = PurePosixPath(name.replace("\\", "/"))
    windows = PureWindowsPath(name)
    if parts.is_absolute() or windows.drive or windows.root or ".." in parts.parts or not name or "\0" in name:
        raise _outside(path)
    place = folder.joinpath(*parts.parts)
    try:
        real = place.resolve(strict=True)
        regular = stat.S_ISREG(real.stat().st_mode)
    except (OSError, RuntimeError):
        raise ExamError(
            "missing_data",
            tr("A file that {name} takes its image from is missing. Copy it beside the header.", name=path.name),
        ) from None
    if not regular or not real.is_relative_to(folder):
        raise _outside(path)
    return path.parent.joinpath(*parts.parts)


def _text_lines(path: Path, *, blank_ends: bool) -> Iterator[str]:
    """The lines of a header, without their ends; refuses what no honest header holds."""
    with open_regular(path) as stream:
        budget = _MAX_HEADER_BYTES
        while line := stream.readline(_MAX_LINE + 2):
            budget -= len(line)
            if len(line) > _MAX_LINE or budget < 0:
                raise _damaged(path)
            text = line.removesuffix(b"\n").removesuffix(b"\r").decode("latin-1")
            if any(ord(c) < 32 and c != "\t" for c in text):
                raise _damaged(path)
            if blank_ends and not text:
                return
            yield text


def _nrrd_names(path: Path) -> list[str]:
    lines = _text_lines(path, blank_ends=True)
    if not re.fullmatch(r"NRRD000[1-5]\s*", next(lines, "")):
        raise _damaged(path)
    named = None
    for line in lines:
        if found := _NRRD_DATA.fullmatch(line.strip()):
            if named is not None:
                raise _damaged(path)
            named = found[1].strip()
            if _LIST.fullmatch(named):
                # To the very end: whether a blank line ends the list differs from reader to reader.
                every = [text.strip() for text in _text_lines(path, blank_ends=False)]
                return [name for name in every[every.index(line.strip()) + 1 :] if name]
        elif not _NRRD_LINE.fullmatch(line) or re.match(r"\s*data\W*file\W*:(?!=)", line, re.IGNORECASE):
            raise _damaged(path)
    if named is None:
        if path.suffix.lower() == ".nhdr":
            raise _damaged(path)
        return []
    return _expanded(path, named)


def _meta_names(path: Path) -> list[str]:
    lines = _text_lines(path, blank_ends=False)
    for line in lines:
        if not line.strip():
            continue
        if not (found := _META_LINE.fullmatch(line)):
            raise _damaged(path)
        key, value = found[1], found[2].strip()
        if key.lower() != "elementdatafile":
            continue
        if key != "ElementDataFile":
            raise _damaged(path)
        if value.upper() == "LOCAL":
            return []
        if _LIST.fullmatch(value):
            return [name.strip() for name in lines if name.strip()]
        return _expanded(path, value)
    raise _damaged(path)


def _expanded(path: Path, value: str) -> list[str]:
    """The names that a value stands for: itself, or ``slice%03d.raw 1 20 1`` counted through."""
    if "%" not in value:
        return [value]
    if not (found := _PATTERN.fullmatch(value)) or found[1].count("%") != 1:
        raise _damaged(path)
    first, last, step = (int(found[i]) for i in (2, 3, 4))
    if step == 0 or (last - first) * step < 0 or abs((last - first) // step) >= _MAX_FILES:
        raise _damaged(path)
    return [found[1] % number for number in range(first, last + (1 if step > 0 else -1), step)]


def _check_nifti(path: Path) -> None:
    """Refuse a NIfTI header whose voxels lie in another file (magic ``ni1``), or that is none."""
    header = read_nifti_header(path)
    if header is not None and header.magic in (b"ni1", b"ni2"):
        raise _outside(path)
    if header is None or header.magic not in (b"n+1", b"n+2"):
        raise _damaged(path)


def _outside(path: Path) -> ExamError:
    return ExamError(
        "outside_data",
        tr("{name} takes its image from elsewhere than files in its own folder and was not opened.", name=path.name),
    )


def _damaged(path: Path) -> ExamError:
    return ExamError(
        "undecodable", tr("{name} is damaged or no image file. Convert it from DICOM again.", name=path.name)
    )
