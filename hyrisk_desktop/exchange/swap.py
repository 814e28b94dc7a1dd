"""Several files put in place together: all of them, or none, and never half a file."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.exchange.staging import one_sentence, part_beside, write_synced
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.jobs import Check, no_check


def swap_in(
    contents: Mapping[Path, bytes], *, replace: Collection[Path] | None = None, check: Check = no_check
) -> None:
    """Stage every file beside its target, then put all in place; where one can't be, those before it are put back.

    Args:
        replace: the targets that may exist already; None for all.
        check: called before each file; what it raises stops everything with nothing changed.

    Raises:
        HyRiskError: the system refuses. InputError: a target exists that may not be replaced.
    """
    parts: list[tuple[Path, Path]] = []
    kept: dict[Path, Path | None] = {}
    with one_sentence():
        try:
            for target, data in contents.items():
                check()
                # What a link names is replaced, and not the link.
                place = target.resolve()
                parts.append((part_beside(place), place))
                write_synced(parts[-1][0], data)
            check()
            for (part, place), target in zip(parts, contents, strict=True):
                if place.exists() and replace is not None and target not in replace:
                    raise InputError("exists", tr("{name} exists already.", name=place.name))
                kept[place] = _keep(place)
                os.replace(part, place)
        except BaseException:
            _put_back(kept)
            raise
        finally:
            for leftover in (*(part for part, _ in parts), *(old for old in kept.values() if old is not None)):
                with contextlib.suppress(OSError):
                    leftover.unlink(missing_ok=True)


def _keep(place: Path) -> Path | None:
    """A second name for the file that is about to be replaced, so that there is no moment without it."""
    if not place.exists():
        return None
    old = part_beside(place)
    try:
        os.link(place, old)
    except OSError:
        # A file system without hard links.
        shutil.copy2(place, old)
    return old


def _put_back(kept: Mapping[Path, Path | None]) -> None:
    for place, old in kept.items():
        with contextlib.suppress(OSError):
            if old is None:
                place.unlink(missing_ok=True)
            else:
                os.replace(old, place)
