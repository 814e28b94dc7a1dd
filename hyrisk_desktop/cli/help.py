"""`hyrisk help`: the manual on the command line."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hyrisk_desktop.i18n import tr
from hyrisk_desktop.manual import Page, find_page, plain_text, read_pages, without_links

_WIDEST = 110


def help_(
    topic: Annotated[str | None, typer.Argument(help=tr("A page of the manual; left out: all of them."))] = None,
) -> None:
    """Print a page of the manual, or list the pages."""
    pages = read_pages()
    if topic is None:
        width = max(len(page.topic) for page in pages)
        for page in pages:
            typer.echo(f"{page.topic:<{width}}  {page.title}")
        typer.echo(tr("“hyrisk help TOPIC” prints a page; in the window: Help > Manual."), err=True)
        return
    _print(find_page(pages, topic))


def _print(page: Page) -> None:
    if not sys.stdout.isatty():
        typer.echo(plain_text(page.text))
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    console.print(Markdown(without_links(page.text)), width=min(console.width, _WIDEST))
