"""The three files of a bundle on their way in and out: as a folder, or as a zip of exactly these three."""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from hyrisk_desktop.errors import BundleError
from hyrisk_desktop.files import replacing, sync_folder
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.private_files import private_opener
from hyrisk_desktop.regular_files import open_regular
from hyrisk_desktop.risk.bundle import CARD, DESCRIPTION, MOST_WEIGHTS_BYTES, WEIGHTS

LARGEST = {WEIGHTS: MOST_WEIGHTS_BYTES, DESCRIPTION: 16 << 20, CARD: 1 << 20}
_CHUNK = 1 << 20
_STAMP = (1980, 1, 1, 0, 0, 0)


def copy_bundle(source: Path, target: Path) -> None:
    """Copy the three files of the bundle in ``source`` into the empty folder ``target``, and wait for the disk.

    Raises:
        BundleError: one is missing or too large. OSError: ``target`` can't be written.
    """
    for name, largest in LARGEST.items():
        try:
            _refuse_link_elsewhere(source, name)
            file = open_regular(source / name)
        except OSError as e:
            raise _incomplete(name) from e
        with file:
            _copy(file, target / name, largest)
    sync_folder(target)


def unpack_bundle(zip_path: Path, target: Path) -> None:
    """Unpack a bundle's zip into the empty folder ``target``.

    The files may lie at the zip's top or in one folder of it. Nothing is written but the three names, whatever the zip
    says, and no more than they may hold.

    Raises:
        BundleError: it is no zip, is damaged, or holds anything else. OSError: ``target`` can't be written.
    """
    try:
        raw = open_regular(zip_path)
    except OSError as e:
        raise BundleError("zip_unreadable", tr("The file can't be read; choose a zip of a model.")) from e
    try:
        with raw, zipfile.ZipFile(raw) as archive:
            for name, member in _members(archive).items():
                with archive.open(member) as file:
                    _copy(file, target / name, LARGEST[name])
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError) as e:
        raise BundleError("zip_damaged", tr("This file is not a zip of a model, or it is damaged.")) from e
    sync_folder(target)


def zip_bundle(directory: Path, zip_path: Path) -> None:
    """Write the three files of the bundle in ``directory`` as a zip, beside its target first; raises OSError."""
    with replacing(zip_path) as raw, zipfile.ZipFile(raw, "w") as archive:
        for name in LARGEST:
            # Weights don't shrink; a fixed date makes the same model the same zip.
            entry = zipfile.ZipInfo(name, _STAMP)
            entry.compress_type = zipfile.ZIP_STORED if name == WEIGHTS else zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, (directory / name).read_bytes())


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The three files by name; refuses everything else before anything is read."""
    found: dict[str, zipfile.ZipInfo] = {}
    folders: set[str] = set()
    for member in archive.infolist():
        path = PurePosixPath(member.filename)
        if "\\" in member.filename or path.is_absolute() or ".." in path.parts or ":" in member.filename:
            raise _refused()
        if member.is_dir() and len(path.parts) == 1:
            folders.add(path.parts[0])
            continue
        kind = stat.S_IFMT(member.external_attr >> 16)
        if len(path.parts) not in (1, 2) or path.name not in LARGEST or kind not in (0, stat.S_IFREG):
            raise _refused()
        known = member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if not known or path.name in found or member.file_size > LARGEST[path.name]:
            raise _refused()
        folders.add("" if len(path.parts) == 1 else path.parts[0])
        found[path.name] = member
    if len(folders) > 1:
        raise _refused()
    for name in LARGEST:
        if name not in found:
            raise _incomplete(name)
    return found


def _copy(source: IO[bytes], target: Path, largest: int) -> None:
    """Copy at most ``largest`` bytes, whatever the source says of its size, and wait for the disk."""
    size = 0
    with open(target, "wb", opener=private_opener) as file:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > largest:
                raise _refused()
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def _refuse_link_elsewhere(folder: Path, name: str) -> None:
    """A link that leads out of the folder could take in any file of this user's."""
    if not (folder / name).resolve(strict=True).is_relative_to(folder.resolve()):
        raise BundleError(
            "bundle_link", tr("The file {name} of this model is a link to another place, so it is refused.", name=name)
        )


def _incomplete(name: str) -> BundleError:
    return BundleError("bundle_incomplete", tr("This is not a whole model: its file {name} is missing.", name=name))


def _refused() -> BundleError:
    return BundleError(
        "zip_refused",
        tr("This is refused: it holds more than the three files of a model, or one that is far too large."),
    )


def read_card(directory: Path) -> str:
    """The model's card, or one sentence that says that there is none."""
    try:
        with open_regular(directory / CARD) as file:
            return file.read(LARGEST[CARD]).decode("utf-8")
    except (OSError, ValueError):
        return tr("This model has no card.")
