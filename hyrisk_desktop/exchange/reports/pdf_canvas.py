"""What a page of a PDF/A-2u is drawn with: embedded fonts, texts that screen readers find, and rules that they pass over.

Every text is a paragraph or heading of the structure tree, in reading order; lines and grounds are artifacts.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fpdf import FPDF, ViewerPreferences
from fpdf.enums import MethodReturnValue

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.exchange import dicom_values as v
from hyrisk_desktop.exchange.reports.report import PRODUCT, VERSION, Report
from hyrisk_desktop.i18n import language_tag, tr
from hyrisk_desktop.wide_font import broken, is_wide, wide_font

LEFT, RIGHT, TOP, BOTTOM = 15.0, 195.0, 12.0, 279.0  # fits A4 and, printed at its size, Letter
Colour = tuple[int, int, int]
INK, SOFT, RULE, ALERT, MARK = (25, 30, 38), (95, 104, 115), (205, 210, 216), (176, 32, 32), (0, 92, 150)
FONT, _WIDE = "DejaVu", "Wide"
_BASELINE = 0.346
"""Where a line's letters stand, in mm below its top for each point of their size."""


def font_folder() -> Path:
    """Where DejaVu Sans lies: matplotlib brings it, and finding it imports nothing of matplotlib.

    Raises:
        InputError: matplotlib is not installed.
    """
    spec = importlib.util.find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise InputError("no_fonts", tr("The PDF's fonts come with matplotlib: install it (pip install matplotlib)."))
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"


class Canvas:
    """Draws from top to bottom; ``y`` is where the next block begins, in mm; ``lacking``, whether a sign became a question mark.

    Args:
        report: what is drawn. loose: by how much lines lie further apart than they have to, 1 for not at all.
        fonts: of a page that was measured and is not put out; to read them takes longer than all else.
    """

    def __init__(self, report: Report, loose: float = 1.0, fonts: Canvas | None = None) -> None:
        self.report, self.loose = report, loose
        # fontTools tells of every table that a subset leaves out.
        logging.getLogger("fontTools").setLevel(logging.ERROR)
        self.pdf = FPDF(format="A4", unit="mm", enforce_compliance="PDF/A-2U")
        self.pdf.set_auto_page_break(False)
        self.pdf.c_margin = 0
        self._wide: Collection[int] | None = None
        self._take_fonts(fonts)
        self.pdf.set_title(tr("HyRisk report"))
        self.pdf.viewer_preferences = ViewerPreferences(display_doc_title=True)
        self.pdf.set_lang(language_tag())
        self.pdf.set_creator(f"{PRODUCT} {VERSION}")
        self.pdf.set_creation_date(report.read_at)
        self.pdf.add_page()
        self.y = TOP
        self._in_paragraph, self._begun, self.lacking = False, False, False

    def _take_fonts(self, other: Canvas | None) -> None:
        if other is None:
            folder = font_folder()
            self.pdf.add_font(FONT, "", folder / "DejaVuSans.ttf")
            self.pdf.add_font(FONT, "B", folder / "DejaVuSans-Bold.ttf")
            return
        self.pdf.fonts.update(other.pdf.fonts)
        self._wide = other._wide
        if self._wide:
            self.pdf.set_fallback_fonts([_WIDE], exact_match=False)

    @contextmanager
    def paragraph(self, kind: str = "/P") -> Iterator[None]:
        """What is written within is one element of the structure tree; within another one it is part of that."""
        if self._in_paragraph:
            yield
            return
        # fpdf2 marks pictures only; this is how it does that, for its version see the constraints.
        mcid = self.pdf.struct_builder.next_mcid_for_page(self.pdf.page)
        self.pdf._add_marked_content(struct_type=kind, mcid=mcid)
        self.pdf._out(f"{kind} <</MCID {mcid}>> BDC")
        self._in_paragraph, self._begun = True, False
        try:
            yield
        finally:
            self._in_paragraph = False
        self.pdf._out("EMC")

    @contextmanager
    def artifact(self) -> Iterator[None]:
        """What is drawn within says nothing to who can't see it."""
        self.pdf._out("/Artifact BMC")
        yield
        self.pdf._out("EMC")

    def step(self, mm: float) -> float:
        """A distance between lines that gives way where there is room."""
        return mm * self.loose

    def known(self, text: str) -> str:
        """``text`` without signs that the font lacks: they would be boxes, and no PDF/A."""
        glyphs, wide = self.pdf.fonts[FONT.lower()].cmap, self._wide_signs(text)  # type: ignore[union-attr]
        plain = v.plain(text)
        shown = "".join(sign if ord(sign) in glyphs or ord(sign) in wide else "?" for sign in plain)
        self.lacking |= shown != plain
        return shown

    def _wide_signs(self, text: str) -> Collection[int]:
        """The signs of the system's font for East Asian scripts, which is read as soon as a text wants it: that takes half a second."""
        if self._wide is None and is_wide(text):
            font = wide_font()
            if font is None:
                self._wide = ()
            else:
                self.pdf.add_font(_WIDE, "", font)
                self.pdf.set_fallback_fonts([_WIDE], exact_match=False)
                self._wide = self.pdf.fonts[_WIDE.lower()].cmap  # type: ignore[union-attr]
        return self._wide or ()

    def text(
        self, x: float, y: float, width: float, text: str, size: float = 8.5, *, bold: bool = False,
        colour: Colour = INK, align: str = "L", shrink: bool = True,
    ) -> None:  # fmt: skip
        """One line; a text that is too long is set smaller, then cut.

        Args:
            x, y: top left corner in mm. width: of the box. size: in points. bold, colour, align: of the letters.
            shrink: whether it may be set smaller.
        """
        text, asked = self.known(text), size
        self.pdf.set_font(FONT, "B" if bold else "", size)
        while shrink and size > 5.5 and self.pdf.get_string_width(text) > width:
            size -= 0.25
            self.pdf.set_font_size(size)
        while len(text) > 1 and self.pdf.get_string_width(text) > width:
            text = text[:-2].rstrip() + "…"
        self.pdf.set_text_color(*colour)
        self.pdf.set_xy(x, y + _BASELINE * (asked - size))
        with self.paragraph():
            if self._begun:
                # Without it a reader of the structure says name and value, or two lines, as one word.
                self.pdf.cell(0.1, size * 0.48, " ")
                self.pdf.set_x(x)
            self._begun = True
            self.pdf.cell(width, size * 0.48, text, align=align)
        if is_wide(text):
            # fpdf2 takes the font of a line's end for one of this line alone, and would write the next line in it.
            self.pdf.current_font_is_set_on_page = False

    def wrapped(self, text: str, width: float, size: float) -> list[str]:
        """``text`` as lines of at most ``width`` mm."""
        self.pdf.set_font(FONT, "", size)
        if is_wide(text):
            return broken(self.known(text), lambda line: self.pdf.get_string_width(line) <= width)
        found = self.pdf.multi_cell(
            width, text=self.known(text), align="L", dry_run=True, output=MethodReturnValue.LINES
        )
        return [str(line) for line in found]  # type: ignore[union-attr]

    def lines(
        self, x: float, y: float, width: float, texts: Sequence[str], size: float, colour: Colour, room: int
    ) -> float:  # fmt: skip
        """Wrapped paragraphs, the last line saying so where there are more; returns where they end.

        Args:
            x, y: top left corner in mm. width: of the box. texts: one for each paragraph. size: in points.
            colour: of the letters. room: the most lines.
        """
        paragraphs = [self.wrapped(text, width, size) for text in texts]
        more = sum(map(len, paragraphs)) > room
        left = room - more
        for paragraph in paragraphs:
            with self.paragraph():
                for line in paragraph[: max(0, left)]:
                    self.text(x, y, width, line, size, colour=colour)
                    y += self.step(size * 0.5)
            left -= len(paragraph)
            if left <= 0:
                break
        if more:
            self.text(x, y, width, tr("… more in the structured report and on screen"), size, colour=colour)
            y += self.step(size * 0.5)
        return y

    def rule(self, y: float, colour: Colour = RULE, width: float = 0.2) -> None:
        """A line across the page."""
        self.pdf.set_draw_color(*colour)
        self.pdf.set_line_width(width)
        with self.artifact():
            self.pdf.line(LEFT, y, RIGHT, y)

    def ground(self, x: float, y: float, width: float, height: float, style: str = "F") -> None:
        """A filled box, in the colours that are set.

        Args:
            x, y, width, height: in mm. style: "F" filled, "DF" with an edge as well.
        """
        with self.artifact():
            self.pdf.rect(x, y, width, height, style=style)

    def heading(self, x: float, width: float, text: str) -> None:
        """The name of a block."""
        with self.paragraph("/H2"):
            self.text(x, self.y, width, text.upper(), 7.0, bold=True, colour=MARK)
