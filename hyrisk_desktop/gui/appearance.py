"""How the window looks: two themes, one size of text, one style sheet.

The images stay black in both themes: a reading is done on them, and light beside them only dazzles.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFontInfo, QPalette
from PySide6.QtWidgets import QApplication, QLabel

from hyrisk_desktop.gui.plain_texts import use_plain_texts
from hyrisk_desktop.paths import resources_dir
from hyrisk_desktop.settings import Settings

NO_LIMIT = 16_777_215
"""Of a widget's width and height: Qt's own QWIDGETSIZE_MAX."""
TEXT_PX = 13
"""Height of the text at 100 %, as of most systems' own."""
_LEAST_CONTRAST = 4.5
_SCALED = re.compile(r"\b((?:font-size|min-height|min-width|max-height)\s*:\s*)(\d+)px")
_NAMED = re.compile(r"@(\w+)")

DARK: Mapping[str, str] = {
    "window": "#16191d", "panel": "#1b1f24", "box": "#21262c", "field": "#181b20", "button": "#2b3138", "button_hover": "#343b44",
    "off": "#1f242a", "line": "#2d333b", "edge": "#414a54", "edge_hover": "#56616e", "field_edge": "#8b96a3", "gap": "#0d0f12",
    "handle": "#3d4651", "track": "#2b3038", "bar": "#5b6675", "legend": "rgba(16, 18, 22, 215)",
    "text": "#dfe4ea", "strong": "#ffffff", "quiet": "#a9b4c0", "disabled": "#6d7782", "link": "#7db8ff",
    "accent": "#4da3ff", "focus": "#8fb8e6", "chosen": "#24405e", "selection": "#2f5d8f", "on_selection": "#ffffff", "progress": "#29619b",
    "good": "#7ddc8c", "begun": "#e8d36b", "warning": "#ffb454", "withheld": "#ff8f6b", "bad": "#ff8a80", "alarm": "#a32828",
    "beyond": "#ffd60a", "proposed": "#ff8cdc", "code": "#262c34", "found": "#5a4a1e",
}  # fmt: skip
LIGHT: Mapping[str, str] = {
    "window": "#e9edf1", "panel": "#f1f4f7", "box": "#fbfcfd", "field": "#ffffff", "button": "#e3e8ee", "button_hover": "#d6dde5",
    "off": "#eef1f4", "line": "#cbd3db", "edge": "#9aa5b1", "edge_hover": "#6b7784", "field_edge": "#6b7784", "gap": "#c3cbd4",
    "handle": "#98a3af", "track": "#dde3e9", "bar": "#8894a1", "legend": "rgba(251, 252, 253, 230)",
    "text": "#1c232b", "strong": "#000000", "quiet": "#4a5562", "disabled": "#8a95a1", "link": "#0b57a8",
    "accent": "#1668c1", "focus": "#1668c1", "chosen": "#d3e5fa", "selection": "#1f63ad", "on_selection": "#ffffff", "progress": "#7fb2e8",
    "good": "#1a6f38", "begun": "#675600", "warning": "#854700", "withheld": "#a33510", "bad": "#b3201a", "alarm": "#a32828",
    "beyond": "#704a00", "proposed": "#98206f", "code": "#e6ebf0", "found": "#ffe9a8",
}  # fmt: skip
THEMES: Mapping[str, Mapping[str, str]] = {"dark": DARK, "light": LIGHT}
_PALETTE = (
    (QPalette.ColorRole.Window, "panel"), (QPalette.ColorRole.WindowText, "text"), (QPalette.ColorRole.Base, "field"),
    (QPalette.ColorRole.AlternateBase, "off"), (QPalette.ColorRole.Text, "text"), (QPalette.ColorRole.Button, "button"),
    (QPalette.ColorRole.ButtonText, "text"), (QPalette.ColorRole.Highlight, "selection"),
    (QPalette.ColorRole.HighlightedText, "on_selection"), (QPalette.ColorRole.ToolTipBase, "box"),
    (QPalette.ColorRole.ToolTipText, "text"), (QPalette.ColorRole.PlaceholderText, "field_edge"), (QPalette.ColorRole.Link, "link"),
)  # fmt: skip


def apply_appearance(application: QApplication, settings: Settings) -> None:
    """Theme and size of text as the settings want them, before there are windows.

    Args:
        application: whose windows. settings: ``theme`` and ``text_size``.
    """
    use_plain_texts(application, "Fusion")
    if (own := application.property("systemTextPx")) is None:
        own = QFontInfo(application.font()).pixelSize()
        application.setProperty("systemTextPx", own)
    # A system's own text below ours is no wish for small print; one above it is.
    scale = max(own, TEXT_PX) / TEXT_PX * settings["text_size"] / 100
    application.setProperty("textScale", scale)
    apply_theme(application, settings)


def apply_theme(application: QApplication, settings: Settings) -> None:
    """Other colours alone: windows that are there have room for the texts that they were made with.

    Args:
        application: whose windows, which `apply_appearance` has been given. settings: ``theme``.
    """
    name = theme_name(application, settings["theme"])
    application.setProperty("theme", name)
    application.setPalette(_palette(THEMES[name]))
    sheet = (resources_dir() / "style" / "window.qss").read_text(encoding="utf-8")
    application.setStyleSheet(style_sheet(sheet, THEMES[name], float(application.property("textScale"))))


def theme_name(application: QApplication, wanted: str) -> str:
    """The theme that ``wanted`` means: itself, or the system's."""
    if wanted in THEMES:
        return wanted
    return "light" if application.styleHints().colorScheme() == Qt.ColorScheme.Light else "dark"


def style_sheet(template: str, colours: Mapping[str, str], scale: float) -> str:
    """The style sheet with its colours put in, and its sizes of text times ``scale``.

    Raises:
        KeyError: it names a colour that there is not.
    """
    named = _NAMED.sub(lambda found: colours[found.group(1)], template)
    return _SCALED.sub(lambda found: f"{found.group(1)}{round(int(found.group(2)) * scale)}px", named)


def scaled(px: int) -> int:
    """Pixels that hold what ``px`` hold at a text of 100 %."""
    application = QApplication.instance()
    scale = application.property("textScale") if application is not None else None
    return round(px * float(scale or 1.0))


def colour(name: str) -> QColor:
    """A colour of the theme that is shown."""
    application = QApplication.instance()
    theme = application.property("theme") if application is not None else None
    return QColor(THEMES[str(theme or "dark")][name])


def contrast(one: QColor, other: QColor) -> float:
    """Ratio of 1 to 21 between two colours' luminance, as WCAG 2.2 defines it (1.4.3; 4.5 is wanted of text)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(of: QColor) -> float:
    values = (of.redF(), of.greenF(), of.blueF())
    parts = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values)
    return sum(share * value for share, value in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def legible(wanted: tuple[int, ...]) -> QColor:
    """A colour of the images as one in which a text of a table can be read: darker in the light theme.

    Args:
        wanted: red, green and blue, 0 to 255.
    """
    found, ground = QColor(*wanted[:3]), colour("field")
    dark = _luminance(ground) < 0.5
    while contrast(found, ground) < _LEAST_CONTRAST and found.lightness() != (255 if dark else 0):
        found = found.lighter(110) if dark else found.darker(110)
    return found


def set_tone(label: QLabel, tone: str) -> None:
    """Colour a sentence by what it means: "bad", "good", "warning", or "" for nothing special."""
    if label.property("tone") != tone:
        label.setProperty("tone", tone)
        label.style().unpolish(label)
        label.style().polish(label)


def _palette(colours: Mapping[str, str]) -> QPalette:
    palette = QPalette()
    for role, name in _PALETTE:
        palette.setColor(role, QColor(colours[name]))
    for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(colours["disabled"]))
    return palette
