"""From what the user opened (folder, file, DICOMDIR, zip) to a list of files."""

from __future__ import annotations

import re
import warnings
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.imaging.headers.attributes import quiet_pydicom
from hyrisk_desktop.imaging.headers.damage import parsing_errors
from hyrisk_desktop.imaging.headers.header import BadHeader, NotDicom
from hyrisk_desktop.imaging.headers.tags import read_header
from hyrisk_desktop.imaging.listing import Walk, entries
from hyrisk_desktop.imaging.pixels.detached import check_regular
from hyrisk_desktop.imaging.temporary import TemporaryFolder
from hyrisk_desktop.jobs import CancelToken

IMAGE_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
_DIRECTORY_CLASS = "1.2.840.10008.1.3.10"
_MAX_FILES = 200_000
_MAX_DICOMDIR_BYTES = 64 << 20
_MAX_ZIP_MEMBERS = 50_000
_MAX_ZIP_BYTES = 16 << 30
_MAX_MEMBER_BYTES = 4 << 30
_MAX_RATIO, _RATIO_FREE_BYTES = 50, 512 << 20
_CHUNK = 1 << 20
_LATER_ENDINGS = (".dcm", ".dicom", ".ima", ".img")
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


@dataclass(frozen=True, slots=True)
class Source:
    """Files to look through.

    Attributes:
        files: the files.
        opened: the one file that the user named, where it was a DICOM file or an image file.
        findings: what was noticed on the way, such as missing targets of a DICOMDIR.
        not_files: pipes, sockets, devices and dead links that were met and not opened.
        holder: keeps an unpacked zip's folder alive.
    """

    files: tuple[Path, ...]
    opened: Path | None = None
    findings: tuple[Finding, ...] = ()
    not_files: tuple[Path, ...] = ()
    holder: TemporaryFolder | None = field(default=None, repr=False)


def is_image_file(path: Path) -> bool:
    """Whether the name is that of a NIfTI, NRRD or MetaImage file."""
    return path.name.lower().endswith(IMAGE_SUFFIXES)


def list_source(path: Path, cancel: CancelToken | None) -> Source:
    """The files behind ``path``; ExamError where it is missing, unreadable or no exam at all."""
    try:
        if path.is_dir():
            return _walk_folder(path, cancel)
        if path.exists():
            check_regular(path)
        else:
            raise ExamError("not_found", tr("{name} doesn't exist. Choose a folder or a file.", name=path.name))
        if is_image_file(path):
            return Source((path,), opened=path)
        with open(path, "rb") as stream:
            magic = stream.read(4)
        if magic[:2] == b"PK" and magic[2:] in (b"\x03\x04", b"\x05\x06"):
            return _unpack_zip(path, cancel)
        return _from_dicom_file(path)
    except OSError as e:
        raise ExamError(
            "unreadable", tr("{name} can't be read: {why}.", name=path.name, why=e.strerror or type(e).__name__)
        ) from e


def _walk_folder(folder: Path, cancel: CancelToken | None) -> Source:
    found: list[Path] = []
    odd: list[Path] = []
    walk = Walk(folder)
    waiting = [folder]
    while waiting:
        if cancel:
            cancel.raise_if_cancelled()
        place = waiting.pop()
        try:
            listed = entries(place, cancel)
            # iterdir makes its paths several times faster than joining names does.
            paths = {path.name: path for path in place.iterdir()}
        except PermissionError:
            if place == folder:
                raise
            continue
        found += [paths[name] for name in listed.files if name in paths]
        odd += map(place.joinpath, listed.others)
        waiting += reversed(list(walk.inner(place, listed)))
        if len(found) > _MAX_FILES:
            raise ExamError(
                "too_many_files",
                tr("The folder {name} holds too many files. Open one exam's folder.", name=folder.name),
            )
    return Source(tuple(found), not_files=tuple(odd))


def _from_dicom_file(path: Path) -> Source:
    try:
        header = read_header(path)
    except NotDicom:
        raise ExamError(
            "not_an_exam",
            tr(
                "{name} is no CT exam. Open a DICOM file or folder, a zip of one, or a NIfTI, NRRD or MHA file.",
                name=path.name,
            ),
        ) from None
    except BadHeader as e:
        raise ExamError(
            "damaged", tr("{name} is damaged and can't be read. Copy or export it again.", name=path.name)
        ) from e
    if header.text("SOPClassUID") == _DIRECTORY_CLASS or path.name.upper() == "DICOMDIR":
        return _from_dicomdir(path)
    if header.raw("SOPClassUID") == b"" and header.pixel_offset < 0:
        return _from_dicomdir(path)
    listed = entries(path.parent)
    siblings = dict.fromkeys(path.parent / name for name in listed.files)
    siblings[path] = None  # hidden ones are passed over, but not the one that was asked for
    odd = tuple(path.parent / name for name in listed.others)
    return Source(tuple(p for p in siblings if not is_image_file(p)), opened=path, not_files=odd)


def _from_dicomdir(path: Path) -> Source:
    """The files that a DICOMDIR names, those that are there."""
    names = _dicomdir_names(path)
    root = path.parent
    present = [found for name in names if (found := _inside(root, name)) is not None]
    missing = len(names) - len(present)
    if not present:
        raise ExamError(
            "dicomdir_empty",
            tr(
                "None of the images that {name} lists is there. Copy the whole disc and open its folder.",
                name=path.name,
            ),
        )
    findings: tuple[Finding, ...] = ()
    if missing:
        message = trn("{n} of the {total} images that {name} lists is missing.", "{n} of the {total} images that {name} lists are missing.", missing, total=len(names), name=path.name)  # fmt: skip
        findings = (Finding("dicomdir_missing", Severity.WARNING, message),)
    return Source(tuple(dict.fromkeys(present)), findings=findings)


def _dicomdir_names(path: Path) -> list[tuple[str, ...]]:
    import pydicom

    quiet_pydicom()
    damaged = ExamError(
        "damaged", tr("{name} is damaged and can't be read. Open the folder beside it.", name=path.name)
    )
    if path.stat().st_size > _MAX_DICOMDIR_BYTES:
        raise damaged
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path, force=True)
            names = []
            for record in dataset.get("DirectoryRecordSequence", None) or ():
                reference = record.get("ReferencedFileID", None)
                if reference and str(record.get("DirectoryRecordType", "")).strip() in ("IMAGE", ""):
                    parts = (reference,) if isinstance(reference, str) else tuple(reference)
                    names.append(tuple(str(part) for part in parts))
    except parsing_errors() as e:
        raise damaged from e
    return names


def _inside(root: Path, parts: tuple[str, ...]) -> Path | None:
    """The file of these path components below ``root``, whatever the letters' case; None where there is none."""
    place = root
    for part in (p for name in parts for p in PurePosixPath(name.replace("\\", "/")).parts):
        if part in ("..", "/", ".", ""):
            return None  # a directory must not lead out of its own disc
        candidate = place / part
        if not candidate.exists():
            try:
                matches = sorted(
                    (p for p in place.iterdir() if _is_named(p.name, part)), key=lambda p: (len(p.name), p.name)
                )
            except OSError:
                return None
            if not matches:
                return None
            candidate = matches[0]
        place = candidate
    if place == root or not place.is_file() or not place.resolve().is_relative_to(root.resolve()):
        return None
    return place


def _is_named(name: str, listed: str) -> bool:
    """Whether a file could be the one that a DICOMDIR lists: whatever the case, a version number or an ending given later."""
    plain, wanted = (re.sub(r";\d+$", "", text.lower()).rstrip(".") for text in (name, listed))
    return plain == wanted or any(plain == wanted + ending for ending in _LATER_ENDINGS)


def _unpack_zip(path: Path, cancel: CancelToken | None) -> Source:
    """Unpack into a private folder under counted names: what a member calls itself never becomes a path."""
    broken = ExamError("zip_damaged", tr("The zip {name} is damaged. Copy it again.", name=path.name))
    locked = ExamError("zip_locked", tr("The zip {name} is locked with a password. Unpack it first.", name=path.name))
    too_large = ExamError(
        "zip_too_large", tr("The zip {name} would unpack to an implausible size and was not opened.", name=path.name)
    )
    folder = TemporaryFolder()
    budget = _Budget(_MAX_ZIP_MEMBERS, max(_RATIO_FREE_BYTES, min(_MAX_ZIP_BYTES, _MAX_RATIO * path.stat().st_size)))
    try:
        files = _unpacked(path, folder.path, budget, cancel, inner=False)
    except _Locked:
        folder.remove()
        raise locked from None
    except _TooLarge:
        folder.remove()
        raise too_large from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as e:
        folder.remove()
        raise broken from e
    except BaseException:
        folder.remove()
        raise
    opened = files[0] if len(files) == 1 and is_image_file(files[0]) else None
    return Source(tuple(files), opened=opened, holder=folder)


class _Locked(Exception):
    """A member needs a password."""


class _TooLarge(Exception):
    """There are more members, or more bytes, than plausible."""


@dataclass(slots=True)
class _Budget:
    """What may still be unpacked, of a zip and those inside it together."""

    members: int
    bytes: int


def _unpacked(path: Path, folder: Path, budget: _Budget, cancel: CancelToken | None, *, inner: bool) -> list[Path]:
    """Unpack a zip, and zips in it (one level), into ``folder``."""
    files: list[Path] = []
    with zipfile.ZipFile(path) as archive:
        members = [m for m in archive.infolist() if not m.is_dir()]
        budget.members -= len(members)
        budget.bytes -= sum(m.file_size for m in members)
        if budget.members < 0 or budget.bytes < 0:
            raise _TooLarge
        if any(m.flag_bits & 1 for m in members):
            raise _Locked
        for number, member in enumerate(members):
            if cancel:
                cancel.raise_if_cancelled()
            target = folder / f"{number:06d}{_known_suffix(member.filename)}"
            if not _unpack_member(archive, member, target):
                raise _TooLarge
            if inner or target.suffix != ".zip" or not zipfile.is_zipfile(target):
                files.append(target)
                continue
            within = folder / f"{number:06d}"
            within.mkdir()
            files += _unpacked(target, within, budget, cancel, inner=True)
            target.unlink()
    return files


def _known_suffix(name: str) -> str:
    """An ending that may be kept: it tells what a file is, and is no path."""
    lower = name.lower()
    image = next((suffix for suffix in sorted(IMAGE_SUFFIXES, key=len, reverse=True) if lower.endswith(suffix)), "")
    own = PurePosixPath(lower.replace("\\", "/")).suffix
    return image or (own if _SUFFIX.fullmatch(own) else "")


def _unpack_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> bool:
    """Write one member; False where it holds more than it declared."""
    allowed = min(member.file_size, _MAX_MEMBER_BYTES)
    with archive.open(member) as source, open(target, "wb") as out:
        while chunk := source.read(_CHUNK):
            allowed -= len(chunk)
            if allowed < 0:
                return False
            out.write(chunk)
    return True
