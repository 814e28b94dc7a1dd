"""Where objects from the network land on disk: checked, named by hashes, whole or not at all, and each only once.

No field of an object becomes a path: folders and files are named by SHA-256 of the UIDs. Objects lie as
``<study>/<object>.dcm``, so a study is a folder that opens like any other exam, with its reports beside the images.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from hyrisk_desktop.errors import PacsError
from hyrisk_desktop.exchange.pacs.classes import CT_CLASSES
from hyrisk_desktop.exchange.pacs.query import is_uid
from hyrisk_desktop.files import move
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.headers.header import DEFLATED_LE, BadHeader, Header, NotDicom
from hyrisk_desktop.imaging.headers.tags import read_header
from hyrisk_desktop.private_files import FILE_MODE, POSIX, make_private, tighten
from hyrisk_desktop.unfinished import part_beside

_PART, _UNLISTED = ".part", ".unlisted"
# Windows knows no quota error of that name.
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
_TAIL = 4096
_LEFT_BEHIND_S = 3600.0
# What two copies of one object have in common, whatever the way that they came; names may have been corrected meanwhile.
_SAME_OBJECT = (
    "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "InstanceNumber", "ImagePositionPatient", "Rows", "Columns",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kept:
    """An object that lies in the inbox.

    Attributes:
        study: folder of its study. new: False where it was there before.
    """

    path: Path
    study: Path
    series_uid: str
    sop_uid: str
    new: bool


class Refused(Exception):
    """An object that is not kept.

    Attributes:
        status: DIMSE status of a C-STORE response (PS3.4 B.2.3, PS3.7 C.4.1).
        reason: one plain sentence without patient data.
    """

    CANNOT_UNDERSTAND = 0xC000
    OUT_OF_RESOURCES = 0xA700
    NOT_THE_CLASS = 0xA900
    DUPLICATE = 0x0111
    NOT_AUTHORISED = 0x0124

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Inbox:
    """A folder for what comes from the network.

    Args:
        root: made when needed, for this user only where the system knows such rights.

    What it keeps is synchronised before it is acknowledged: file, name, and the name of a new study's folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def prepare(self) -> None:
        """Make the folder, and clear away what an interrupted run left half-written.

        Raises:
            PacsError: it can't be made.
        """
        try:
            if not self.root.is_dir():
                # One that the user named and that is there keeps its rights; the program's own is closed at the start.
                make_private(self.root)
            for left in self.root.glob(f".*{_PART}"):
                # What is being received just now is younger.
                if time.time() - left.stat().st_mtime > _LEFT_BEHIND_S:
                    left.unlink(missing_ok=True)
        except OSError as e:
            raise PacsError(
                "no_inbox", tr("The folder for exams from the PACS can't be made: {why}.", why=e.strerror or "")
            ) from e

    def study_folder(self, study_uid: str) -> Path:
        """Where the objects of a study lie."""
        return self.root / _name(study_uid)

    def path_of(self, study_uid: str, sop_uid: str) -> Path:
        """Where an object lies, or would."""
        return self.study_folder(study_uid) / f"{_name(sop_uid)}.dcm"

    def mark(self, study: Path) -> None:
        """Note that a study's folder holds what no worklist shows yet: its sender may have deleted its own copy by now."""
        mark = self.root / f".{study.name}{_UNLISTED}"
        with contextlib.suppress(OSError):
            if not mark.exists():
                mark.touch(FILE_MODE)

    def unlisted(self) -> tuple[Path, ...]:
        """The folders that are marked so, perhaps since an earlier run of the program."""
        names = sorted(mark.name[1 : -len(_UNLISTED)] for mark in self.root.glob(f".*{_UNLISTED}"))
        return tuple(folder for name in names if (folder := self.root / name).is_dir())

    def unmark(self, studies: Iterable[Path]) -> None:
        """What these folders hold is listed now."""
        for study in studies:
            with contextlib.suppress(OSError):
                (self.root / f".{study.name}{_UNLISTED}").unlink(missing_ok=True)

    def missing(self, study_uid: str, sop_uids: Iterable[str]) -> tuple[str, ...]:
        """Those of the objects that aren't here, or aren't here whole."""
        return tuple(uid for uid in sop_uids if not self._is_whole(self.path_of(study_uid, uid), uid))

    @staticmethod
    def _is_whole(path: Path, sop_uid: str) -> bool:
        try:
            header = read_header(path)
        except (OSError, NotDicom, BadHeader):
            return False
        return header.text("SOPInstanceUID") == sop_uid and not _is_short(header)

    def keep(
        self,
        data: bytes,
        *,
        sop_class: str,
        sop_uid: str,
        allowed: Iterable[str],
        wanted: Callable[[str, str, str], bool] = lambda *_: True,
    ) -> Kept:
        """Check an object and keep it; once this returns it is on the disk, name and all.

        Args:
            data: the bytes of a DICOM file.
            sop_class, sop_uid: what the sender says that it is.
            allowed: SOP classes that are taken.
            wanted: whether an object is taken, by its study, series and SOP instance UIDs.

        Raises:
            Refused: it is not taken, and nothing of it is left.
        """
        if sop_class not in allowed:
            raise Refused(Refused.NOT_THE_CLASS, tr("An object that is no CT image was refused."))
        part = part_beside(self.root / "object")
        try:
            with open(part, "xb") as stream:
                # Before there is anything in it; the folder around it lets nobody in either.
                tighten(part)
                stream.write(data)
            # The sender deletes its copy once this is acknowledged. Several connections wait at the same time, and the
            # file system writes its journal for all of them at once.
            _sync(part)
            header = _checked(part, sop_class, sop_uid)
            uids = [header.text(k) for k in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")]
            if not wanted(*uids):
                raise Refused(Refused.NOT_AUTHORISED, tr("An object that nobody asked for was refused."))
            path = self.path_of(uids[0], uids[2])
            kept = Kept(path, self.study_folder(uids[0]), uids[1], uids[2], new=not self._is_whole(path, sop_uid))
            if kept.new:
                self._take_in(part, path)
            else:
                _compare(path, header)
            return kept
        except OSError as e:
            raise Refused(Refused.OUT_OF_RESOURCES, _disk(e)) from e
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    def _take_in(self, part: Path, path: Path) -> None:
        if not path.parent.is_dir():
            make_private(path.parent)
            _sync(self.root)
        _put_in_place(part, path)


def _compare(path: Path, header: Header) -> None:
    """The same object once more is welcome; another one under its UID is not."""
    if not _same(read_header(path), header):
        message = tr("An image that differs from one received before under the same UID was refused.")
        raise Refused(Refused.DUPLICATE, message)
    # It may have come just before the disk failed, or with a version that did not wait.
    _sync(path)
    _sync(path.parent)


def _put_in_place(part: Path, path: Path) -> None:
    """Give a part its name for good; what the disk does not keep is not left there either, so it can come again."""
    move(part, path)
    try:
        _sync(path.parent)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    """Wait until the disk holds a file, or the names in a folder; a disk that fails says so."""
    if path.is_dir() and not POSIX:
        # Windows opens no folder, and writes its names with the files' data.
        return
    # Windows synchronises only what is open to be written.
    handle = os.open(path, os.O_RDONLY if POSIX else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _checked(part: Path, sop_class: str, sop_uid: str) -> Header:
    """The header of a complete object that is what its sender says."""
    try:
        header = read_header(part)
    except (NotDicom, BadHeader) as e:
        raise Refused(Refused.CANNOT_UNDERSTAND, tr("A damaged object was refused.")) from e
    uids = [header.text(k) for k in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")]
    if not all(map(is_uid, uids)) or uids[2] != sop_uid or header.text("SOPClassUID") != sop_class:
        raise Refused(Refused.NOT_THE_CLASS, tr("An object that is not what its sender said was refused."))
    if sop_class in CT_CLASSES and header.pixel_offset < 0:
        raise Refused(Refused.CANNOT_UNDERSTAND, tr("An image without pixels was refused."))
    if _is_short(header):
        raise Refused(Refused.CANNOT_UNDERSTAND, tr("An object that was cut short was refused."))
    return header


def _is_short(header: Header) -> bool:
    """Whether the file ends before its pixel data does."""
    if header.pixel_offset < 0 or header.syntax == DEFLATED_LE:
        return False
    if header.pixel_length >= 0:
        return header.size < header.pixel_offset + header.pixel_length
    with open(header.path, "rb") as stream:
        stream.seek(max(0, header.size - _TAIL))
        return _SEQUENCE_END not in stream.read(_TAIL)


def _same(one: Header, other: Header) -> bool:
    return all(one.raw(keyword) == other.raw(keyword) for keyword in _SAME_OBJECT)


def _name(uid: str) -> str:
    return hashlib.sha256(uid.encode()).hexdigest()[:32]


def _disk(error: OSError) -> str:
    if error.errno in _FULL:
        return tr("The disk is full; make room and try again.")
    return tr("The disk can't be written: {why}.", why=error.strerror or type(error).__name__)
