"""Models as somebody else may have made them: pipes, links, names that are pages or markup."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hyrisk_desktop.errors import BundleError
from hyrisk_desktop.paths import bundled_model_dir
from hyrisk_desktop.risk.bundle import (
    CARD,
    DESCRIPTION,
    LONGEST_NAME,
    WEIGHTS,
    check_model_name,
    load_bundle,
    read_description,
    seal_description,
    verify_bundle,
)
from hyrisk_desktop.risk.bundle_files import copy_bundle, read_card
from hyrisk_desktop.risk.model_store import ModelStore

FILES = (WEIGHTS, DESCRIPTION, CARD)


@pytest.fixture
def source(tmp_path: Path, tiny: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "source"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.helpers.bundles import write_tiny_bundle

    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_bundle(folder)
    return folder


@pytest.fixture
def shelf(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models", bundled_model_dir())


def left(tmp_path: Path) -> list[str]:
    return [p.name for p in (tmp_path / "models").iterdir()] if (tmp_path / "models").exists() else []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
@pytest.mark.parametrize("name", FILES)
def test_a_pipe_in_the_folder_is_refused_at_once(source: Path, shelf: ModelStore, tmp_path: Path, name: str) -> None:
    (source / name).unlink()
    os.mkfifo(source / name)
    with pytest.raises(BundleError):
        shelf.import_model(source)
    assert left(tmp_path) == []
    if name == CARD:
        assert read_card(source) == "This model has no card."
    else:
        for look in (verify_bundle, load_bundle):
            with pytest.raises(BundleError):
                look(source)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_or_a_device_for_a_zip_is_refused_at_once(shelf: ModelStore, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.zip")
    for path in (tmp_path / "model.zip", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(BundleError):
            shelf.import_model(path)
    assert left(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
@pytest.mark.parametrize("name", FILES)
def test_a_link_to_elsewhere_is_refused(source: Path, shelf: ModelStore, tmp_path: Path, name: str) -> None:
    (source / name).rename(tmp_path / "outside")
    (source / name).symlink_to(tmp_path / "outside")
    with pytest.raises(BundleError) as caught:
        shelf.import_model(source)
    assert caught.value.code == "bundle_link"
    (source / name).unlink()
    for target in ("/dev/zero", "/dev/stdin", str(tmp_path)):
        (source / name).symlink_to(target)
        with pytest.raises(BundleError):
            shelf.import_model(source)
        (source / name).unlink()
    assert left(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_links_within_the_folder_and_to_it_are_followed(source: Path, tmp_path: Path) -> None:
    (source / CARD).rename(source / "README")
    (source / CARD).symlink_to("README")
    (tmp_path / "link").symlink_to(source)
    (tmp_path / "copy").mkdir()
    copy_bundle(tmp_path / "link", tmp_path / "copy")
    assert sorted(p.name for p in (tmp_path / "copy").iterdir()) == sorted(FILES)
    assert not (tmp_path / "copy" / CARD).is_symlink()


BAD_NAMES = [
    "", " ", "\0", "x" * (LONGEST_NAME + 1), "x" * (1 << 20), "a\nb", "a\rb", "a\tb", "a\x1b[31m", "a\x7fb", "<b>x</b>", "x<br>", "</p>",
    "<!--", "<?php", "a&lt;b", "a&#60;b", "a\u202eb", "a\u200bb", "a\u2028b",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES, ids=range(len(BAD_NAMES)))
def test_names_that_cannot_stand_beside_a_number_are_refused(
    source: Path, shelf: ModelStore, tmp_path: Path, name: str
) -> None:
    change(source, lambda data: data.update(name=name))
    for act in (read_description, verify_bundle, shelf.import_model):
        with pytest.raises(BundleError) as caught:
            act(source)
        assert caught.value.code == "model_name"
        assert len(caught.value.message) < 200
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["x", "x" * LONGEST_NAME, "R&D, 2nd try (50 %)", "AUC > 0.8 & n < 90", "Modèle 冠動脈"]
)
def test_ordinary_names_are_taken(source: Path, name: str) -> None:
    change(source, lambda data: data.update(name=name))
    assert verify_bundle(source).name == name
    check_model_name(name)


@pytest.mark.parametrize(("length", "fits"), [(4096, True), (4097, False)])
def test_no_text_of_a_description_is_a_book(source: Path, length: int, fits: bool) -> None:
    change(source, lambda data: data["training"].update(date="x" * length))
    if fits:
        assert verify_bundle(source).training["date"] == "x" * length
    else:
        with pytest.raises(BundleError) as caught:
            verify_bundle(source)
        assert caught.value.code == "bundle_malformed"


def test_a_deep_description_is_malformed(source: Path) -> None:
    (source / DESCRIPTION).write_text("[" * 200_000)
    with pytest.raises(BundleError) as caught:
        verify_bundle(source)
    assert caught.value.code == "bundle_malformed"


def test_a_name_of_a_finished_training_is_refused_before_it_is_written(source: Path) -> None:
    bundle = replace(read_description(source), name="<b>")
    with pytest.raises(BundleError):
        check_model_name(bundle.name)


def change(folder: Path, act: Callable[[dict[str, Any]], object]) -> None:
    """Edit ``model.json`` and seal it again, as whoever wants to fool somebody would."""
    from hyrisk_desktop.risk import bundle

    data = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    act(data)
    (folder / DESCRIPTION).write_bytes(bundle._sealed(data))


def test_sealing_refuses_a_bad_name_too(source: Path) -> None:
    change(source, lambda data: data.update(name="<b>"))
    with pytest.raises(BundleError):
        seal_description(source)
