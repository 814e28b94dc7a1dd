"""The models installed on this machine, and which of them speaks.

One folder per bundle, named after model and hash, so that two models of one name live side by side; and ``active.json``,
the history of what was in use, newest last. Whatever crashes when: a bundle is either whole or not there, and the
history is the old one or the new one. Torch is imported only to test a bundle before it is installed.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hyrisk_desktop import paths
from hyrisk_desktop.bounded_json import read_json
from hyrisk_desktop.errors import BundleError, HyRiskError, InputError
from hyrisk_desktop.files import move, previous_of, recover_folder, replace_folder, write_private
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.private_files import FILE_MODE, FOLDER_MODE, make_private
from hyrisk_desktop.risk.bundle import DESCRIPTION, ModelBundle, read_description, verify_bundle
from hyrisk_desktop.risk.bundle_files import copy_bundle, unpack_bundle, zip_bundle
from hyrisk_desktop.risk.model_summary import doubt_of

BUNDLED = ""
"""Name of the demonstration model in the history."""
_ACTIVE = "active.json"
_MAX_HISTORY = 50
_MAX_ACTIVE_BYTES = 1 << 20
DOUBTFUL = "model_doubtful"
"""Code of the error that is a question: shall this model be installed all the same?"""
_HIDDEN = "."
_LOCK = ".lock"
_STALE_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, eq=False)
class InstalledModel:
    """One model on the shelf.

    Attributes:
        directory: its folder. bundle: its description, or None where ``problem`` says in one sentence why it can't be used.
        active: this is the model that speaks. bundled: it ships with the program and can't be removed.
    """

    directory: Path
    bundle: ModelBundle | None
    problem: str = ""
    active: bool = False
    bundled: bool = False

    @property
    def name(self) -> str:
        """What `ModelStore`'s methods and the command line call it: the name of its folder."""
        return self.directory.name

    @property
    def title(self) -> str:
        """Its own name, for people; its folder's where it can't be read."""
        return self.bundle.name if self.bundle is not None else self.name


@dataclass(frozen=True, slots=True)
class ActiveModel:
    """The model that speaks, and, where it is not the one that was chosen, one sentence that says so."""

    directory: Path
    warning: str = ""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The warning as a finding, to stand beside every risk."""
        return (Finding("model_fallback", Severity.WARNING, self.warning),) if self.warning else ()


class ModelStore:
    """The shelf of models.

    Args:
        directory: holds the installed bundles; made when the first is installed.
        bundled: the demonstration model's folder.
    """

    def __init__(self, directory: Path, bundled: Path) -> None:
        self._directory = directory
        self._bundled = bundled

    # --- what there is

    def models(self) -> list[InstalledModel]:
        """Every installed model, the bundled one first; reads and hashes all their files."""
        active = self.active_dir()
        found = [self._look(self._bundled, active)]
        return found + [self._look(folder, active) for folder in self._folders()]

    def find(self, name: str) -> InstalledModel:
        """The model whose folder, or own name, or hash's beginning is ``name``; "" is the bundled one.

        Raises:
            InputError: there is none, or more than one.
        """
        models = self.models()
        if name in (BUNDLED, self._bundled.name):
            return models[0]
        exact = [m for m in models if m.name == name]
        alike = exact or [m for m in models if m.bundle and (m.title == name or _hash_begins(m.bundle, name))]
        if len(alike) == 1:
            return alike[0]
        raise InputError(
            "model_name",
            tr("More than one model is called “{name}”; give its folder's name.", name=name)
            if alike
            else tr("No model called “{name}” is installed; “hyrisk models list” shows all.", name=name),
        )

    def active(self) -> ActiveModel:
        """The model in use: the newest good one in the history, else the bundled one; never raises."""
        history, warning = self._history()
        for name in reversed(history):
            directory = self._path(name)
            try:
                verify_bundle(directory)
            except HyRiskError as e:
                # The first that fails is the one that was chosen; the others are older.
                warning = warning or e.message
                continue
            return ActiveModel(directory, self._fallback(warning, directory))
        return ActiveModel(self._bundled, self._fallback(warning, self._bundled))

    def active_dir(self) -> Path:
        """Folder of the model in use; see `active`."""
        return self.active().directory

    def active_bundle(self) -> ModelBundle | None:
        """Description of the model in use; None where it can't be read."""
        try:
            return read_description(self.active_dir())
        except BundleError:
            return None

    def previous(self) -> InstalledModel | None:
        """The model that `roll_back` would return to, or None."""
        stack = self._usable_history()
        return self._look(self._path(stack[-2]), self._bundled) if len(stack) > 1 else None

    # --- changing it

    def install(self, bundle_directory: Path, device: str | None = None) -> InstalledModel:
        """Copy a bundle onto the shelf, test the copy, and make it the model in use.

        Raises:
            BundleError: it fails its self-test, this program can't feed it, or it can't be stored; nothing has changed.
        """
        with self._staging() as staging:
            copy_bundle(bundle_directory, staging)
            return self._take_in(staging, device)

    def import_model(self, source: Path, device: str | None = None, *, anyway: bool = True) -> InstalledModel:
        """Install from a zip that `export_model` wrote, or from a bundle's folder.

        Args:
            source, device: what, and where it is tested. anyway: also a model that by its own results is no better than chance.

        Raises:
            BundleError: as for `install`, or the zip holds anything but a bundle's three files; `DOUBTFUL` with the sentence to
                be asked, where not ``anyway``.
        """
        with self._staging() as staging:
            if source.is_dir():
                copy_bundle(source, staging)
            else:
                unpack_bundle(source, staging)
            if not anyway and (doubt := doubt_of(verify_bundle(staging))):
                raise BundleError(DOUBTFUL, doubt)
            return self._take_in(staging, device)

    def export_model(self, name: str, zip_path: Path) -> None:
        """Write the model ``name`` as a zip of its three files; an existing file is replaced once that is whole.

        Raises:
            BundleError: the model is damaged, or the zip can't be written. InputError: there is no such model.
        """
        model = self._usable(name)
        try:
            zip_bundle(model.directory, zip_path)
        except OSError as e:
            raise BundleError(
                "export_unwritable", tr("The model can't be written there; choose another folder or free some space.")
            ) from e

    def activate(self, name: str) -> InstalledModel:
        """Make the installed model ``name`` ("" for the bundled one) the one in use.

        Raises:
            BundleError: it is damaged. InputError: there is no such model.
        """
        model = self._usable(name)
        history, _ = self._history()
        self._write_history([*history, BUNDLED if model.bundled else model.name])
        return self._look(model.directory, model.directory)

    def roll_back(self) -> InstalledModel:
        """Go back to the good model that was in use before the one in use now.

        Raises:
            InputError: there is none.
        """
        stack = self._usable_history()
        if len(stack) < 2:
            raise InputError("no_earlier_model", tr("There is no earlier model to go back to."))
        self._write_history(stack[:-1])
        directory = self._path(stack[-2])
        return self._look(directory, directory)

    def remove(self, name: str) -> None:
        """Delete an installed model that is not in use.

        Raises:
            InputError: it is in use, or ships with the program, or there is none. BundleError: it can't be deleted.
        """
        model = self.find(name)
        if model.bundled:
            raise InputError("model_bundled", tr("The demonstration model ships with the program and stays."))
        if model.active:
            raise InputError("model_active", tr("This model is in use; activate another one first."))
        aside = self._directory / f"{_HIDDEN}removed-{uuid.uuid4().hex}"
        try:
            # Renamed first: a folder half deleted under its own name would look damaged.
            move(model.directory, aside)
        except OSError as e:
            raise BundleError("remove", tr("The model can't be deleted; is another program using it?")) from e
        history, _ = self._history()
        self._write_history([entry for entry in history if entry != model.name])
        shutil.rmtree(aside, ignore_errors=True)

    # --- inside

    def _folders(self) -> list[Path]:
        if not self._directory.is_dir():
            return []
        for previous in self._directory.glob("*.previous"):
            recover_folder(previous.with_suffix(""), DESCRIPTION)
        folders = (p for p in self._directory.iterdir() if p.is_dir() and p.suffix != ".previous")
        return sorted(p for p in folders if not p.name.startswith(_HIDDEN))

    def _path(self, name: str) -> Path:
        return self._bundled if name == BUNDLED else self._directory / name

    def _look(self, directory: Path, active: Path) -> InstalledModel:
        bundle, problem = None, ""
        try:
            bundle = verify_bundle(directory)
        except HyRiskError as e:
            problem = e.message
        return InstalledModel(directory, bundle, problem, directory == active, directory == self._bundled)

    def _usable(self, name: str) -> InstalledModel:
        model = self.find(name)
        if model.bundle is None:
            raise BundleError("bundle_damaged", model.problem)
        return model

    def _fallback(self, warning: str, directory: Path) -> str:
        if not warning:
            return ""
        model = self._look(directory, directory)
        if model.bundle is None:
            return warning
        return tr("{reason} Until then “{name}” is in use.", reason=warning, name=model.title)

    def _take_in(self, staging: Path, device: str | None) -> InstalledModel:
        """Test the staged copy itself, so that what was tested is what is stored, and put it on the shelf."""
        from hyrisk_desktop.risk.self_test import self_test

        bundle = self_test(staging, device)
        target = self._directory / folder_name(bundle)
        if not self._is_same(target, bundle):
            try:
                replace_folder(staging, target)
            except OSError as e:
                raise _unwritable() from e
        return self.activate(target.name)

    @staticmethod
    def _is_same(target: Path, bundle: ModelBundle) -> bool:
        try:
            return verify_bundle(target).bundle_sha256 == bundle.bundle_sha256
        except HyRiskError:
            return False

    @contextmanager
    def _staging(self) -> Iterator[Path]:
        """An empty folder on the shelf's own disk, gone afterwards."""
        from filelock import FileLock

        staging = self._directory / f"{_HIDDEN}staging-{uuid.uuid4().hex}"
        # The system releases it when this process dies; what it stands for is then swept.
        lock = FileLock(staging.with_name(staging.name + _LOCK), mode=FILE_MODE, thread_local=False)
        try:
            make_private(self._directory)
            lock.acquire(timeout=0)
            staging.mkdir(mode=FOLDER_MODE)
            self.sweep()
            yield staging
        except OSError as e:
            raise _unwritable() from e
        finally:
            shutil.rmtree(staging, ignore_errors=True)
            lock.release()
            with contextlib.suppress(OSError):
                Path(lock.lock_file).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Delete what a crash has left: staged copies of dead processes, and old folders whose new ones took their place."""
        from filelock import FileLock

        for held in self._directory.glob(f"{_HIDDEN}staging-*{_LOCK}"):
            lock = FileLock(held, mode=FILE_MODE, thread_local=False)
            with contextlib.suppress(OSError):
                lock.acquire(timeout=0)
                shutil.rmtree(held.with_name(held.name.removesuffix(_LOCK)), ignore_errors=True)
                lock.release()
                held.unlink(missing_ok=True)
        for left in self._directory.glob(f"{_HIDDEN}*"):
            with contextlib.suppress(OSError):
                if left.suffix != _LOCK and time.time() - left.stat().st_mtime > _STALE_S:
                    shutil.rmtree(left, ignore_errors=True)
        for folder in self._folders():
            shutil.rmtree(previous_of(folder), ignore_errors=True)

    def _history(self) -> tuple[list[str], str]:
        """Names that were in use, newest last, and a sentence where they can't be read."""
        try:
            data = read_json(self._directory / _ACTIVE, _MAX_ACTIVE_BYTES)
            history = data["history"]
            if not isinstance(history, list) or not all(isinstance(n, str) and _is_plain(n) for n in history):
                raise ValueError("not a list of folder names")
        except FileNotFoundError:
            return [], ""
        except (OSError, ValueError, KeyError, TypeError):
            return [], tr("Which model was in use can't be read; activate one under Tools > Models.")
        return history, ""

    def _usable_history(self) -> list[str]:
        """The good ones of the history, the bundled one beneath them all, no name twice in a row."""
        history = [BUNDLED, *self._history()[0]]
        good = {name: self._look(self._path(name), self._bundled).bundle is not None for name in set(history)}
        return _without_repeats([name for name in history if good[name]])

    def _write_history(self, names: list[str]) -> None:
        history = _without_repeats(names)[-_MAX_HISTORY:]
        try:
            make_private(self._directory)
            write_private(self._directory / _ACTIVE, (json.dumps({"history": history}, indent=1) + "\n").encode())
        except OSError as e:
            raise _unwritable() from e


def installed_models() -> ModelStore:
    """The user's shelf, as window, command line and batch all see it."""
    return ModelStore(paths.models_dir(), paths.bundled_model_dir())


def folder_name(bundle: ModelBundle) -> str:
    """A folder name of harmless letters that no other bundle has, e.g. ``hyrisknet-34-nlst-0f3a5c7e9b1d``."""
    words = re.sub(r"[^a-z0-9]+", "-", bundle.name.lower()).strip("-")[:40].strip("-")
    return f"{words or bundle.network}-{bundle.bundle_sha256[:12]}"


def _without_repeats(names: list[str]) -> list[str]:
    """No name twice in a row."""
    return [name for i, name in enumerate(names) if i == 0 or name != names[i - 1]]


def _is_plain(name: str) -> bool:
    """Whether a name from ``active.json`` stays on the shelf."""
    return name == BUNDLED or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) is not None


def _hash_begins(bundle: ModelBundle, text: str) -> bool:
    return len(text) >= 6 and text.lower() in (bundle.sha256[: len(text)], bundle.bundle_sha256[: len(text)])


def _unwritable() -> BundleError:
    return BundleError("store_unwritable", tr("The model can't be stored (is the disk full or read-only?)."))
