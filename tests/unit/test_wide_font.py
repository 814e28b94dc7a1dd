"""A font for Chinese signs is found where the system has one; pages are English where it has none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hyrisk_desktop import wide_font
from hyrisk_desktop.i18n import install_language, is_english
from hyrisk_desktop.paths import resources_dir
from hyrisk_desktop.wide_font import first_of, is_wide, legible


@pytest.fixture
def chinese() -> Iterator[None]:
    install_language(resources_dir() / "locale", "zh_CN")
    yield
    install_language(resources_dir() / "locale", "en")


@pytest.mark.parametrize(
    ("text", "wide"), [("", False), ("Müller ≥ 3 × 4", False), ("⹿", False), ("⺀", True), ("CT 检查", True)]
)
def test_signs_that_need_the_font(text: str, wide: bool) -> None:
    assert is_wide(text) is wide


def test_the_best_font_of_all_folders_is_taken(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "deep", tmp_path / "b"
    for path in (first / "simhei.ttf", second / "msyh.ttc", second / "Arial.ttf"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert first_of((tmp_path / "a", second, tmp_path / "missing")) == second / "msyh.ttc"
    assert first_of((tmp_path / "a",)) == first / "simhei.ttf"
    assert first_of((tmp_path / "missing",)) is None


@pytest.mark.parametrize("font", [None, Path("some.ttf")])
def test_without_a_font_pages_are_english(font: Path | None, chinese: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide_font, "wide_font", lambda: font)
    with legible():
        assert is_english() is (font is None)
    assert not is_english()


def test_german_needs_no_font(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide_font, "wide_font", lambda: None)
    install_language(resources_dir() / "locale", "de")
    try:
        with legible():
            assert not is_english()
    finally:
        install_language(resources_dir() / "locale", "en")
