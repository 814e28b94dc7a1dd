"""The manual's page of keys, made from the actions' table: ``python -m tests.helpers.shortcuts_page`` writes it again."""

from __future__ import annotations

from hyrisk_desktop.gui.actions import ActionSpec, action_table
from hyrisk_desktop.manual import manual_dir

_HEAD = """# Keyboard and mouse

**?** shows this sheet in the window. Every button and field of a dialog has an Alt letter, and what has the keyboard is
framed. Where a row has no key, the menu has it.
"""


def shortcuts_page() -> str:
    """The page as it should be."""
    groups: dict[str, list[ActionSpec]] = {}
    for spec in action_table():
        groups.setdefault(spec.menu.replace("&", ""), []).append(spec)
    return "\n".join([_HEAD, *(_section(title, specs) for title, specs in groups.items())])


def _section(title: str, specs: list[ActionSpec]) -> str:
    rows = [
        f"| {', '.join(f'**{k}**'.replace('Return', 'Enter') for k in s.shortcuts)} | {s.text.replace('&', '')} |"
        for s in specs
    ]
    return "\n".join([f"## {title}", "", "| key | what it does |", "|---|---|", *rows, ""])


if __name__ == "__main__":
    (manual_dir() / "shortcuts.md").write_text(shortcuts_page(), encoding="utf-8")
