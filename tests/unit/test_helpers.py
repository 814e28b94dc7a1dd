"""What tests share must be what each of them would have made, and out of the reach of the others."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import alembic.command
import numpy as np
import pytest

from hyrisk_desktop.errors import BundleError
from hyrisk_desktop.risk import bundle
from hyrisk_desktop.risk.bundle import ModelBundle, verify_bundle
from hyrisk_desktop.worklist.database import Database
from hyrisk_desktop.worklist.store import Store
from tests.helpers import bundles, empty_worklist
from tests.helpers.bundles import HashedOnce, make_tiny_bundle, write_tiny_bundle


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def same(one: ModelBundle, other: ModelBundle) -> bool:
    np.testing.assert_equal(vars_of(one), vars_of(other))
    return True


def vars_of(one: ModelBundle) -> dict[str, object]:
    plain = {field.name: getattr(one, field.name) for field in fields(one)}
    novelty = plain.pop("novelty")
    return plain | {f"novelty.{field.name}": getattr(novelty, field.name) for field in fields(novelty)}


def test_a_bundle_that_was_made_before_is_the_one_that_would_be_made(tmp_path: Path) -> None:
    assert bundles.KEPT is not None
    made = make_tiny_bundle(tmp_path / "made", seed=3, name="Ours")
    for folder in (tmp_path / "first", tmp_path / "again"):
        assert same(write_tiny_bundle(folder, seed=3, name="Ours"), made)
        assert contents(folder) == contents(tmp_path / "made")


@pytest.mark.parametrize("place", ["first", "again"])
def test_what_a_test_does_to_its_bundle_no_other_sees(tmp_path: Path, place: str) -> None:
    folder = tmp_path / place
    write_tiny_bundle(folder)
    sound = contents(folder)
    for path in folder.iterdir():
        with path.open("r+b") as file:
            file.write(b"damaged")
    (folder / "more").touch()
    write_tiny_bundle(tmp_path / "other")
    assert contents(tmp_path / "other") == sound
    write_tiny_bundle(folder)
    assert contents(folder) == sound
    assert verify_bundle(folder).name == "Tiny test network"


def test_weights_are_hashed_again_once_they_have_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = HashedOnce()
    monkeypatch.setattr(bundle, "read_weights", read)
    write_tiny_bundle(tmp_path / "tiny")
    weights = tmp_path / "tiny" / "weights.safetensors"
    content = weights.read_bytes()
    sealed = bundle.read_sealed(tmp_path / "tiny")
    assert read(tmp_path / "tiny", sealed) == content
    assert read(tmp_path / "tiny", sealed) == content
    verify_bundle(tmp_path / "tiny")
    with pytest.raises(BundleError):
        read(tmp_path / "tiny", sealed | {"sha256": "0" * 64})
    damaged = content[:-1] + bytes([content[-1] ^ 1])
    with weights.open("r+b") as file:
        file.write(damaged)
    for _ in range(2):
        with pytest.raises(BundleError):
            verify_bundle(tmp_path / "tiny")
    weights.unlink()
    with pytest.raises(BundleError):
        verify_bundle(tmp_path / "tiny")
    weights.write_bytes(damaged)
    with pytest.raises(BundleError):
        verify_bundle(tmp_path / "tiny")
    weights.write_bytes(content)
    verify_bundle(tmp_path / "tiny")


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_a_worklist_laid_from_what_was_said_is_a_migrated_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laid = [tmp_path / f"{n}.sqlite" for n in range(3)]
    for path in laid:
        store = Store(path)
        store.reader("Ada")
        store.close()
        path.unlink()
        Database(path).close()
    assert empty_worklist._said
    monkeypatch.setattr(alembic.command, "upgrade", empty_worklist._upgrade)
    Database(tmp_path / "migrated.sqlite").close()
    assert [dump(path) for path in laid] == [dump(tmp_path / "migrated.sqlite")] * 3
