"""A reading on one page, as PDF/A-2u: what a referring physician reads, and an archive keeps.

Fonts are embedded (DejaVu Sans, as matplotlib brings it), colours are sRGB with its profile, nothing is transparent, and every
text can be copied and is in the structure tree. Signs that the fonts lack show as question marks, and the page's foot says so.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from hyrisk_desktop.exchange import dicom_values as v
from hyrisk_desktop.exchange.reports.change import (
    change_title,
    difference_text,
    known_rows,
    noise_text,
    number_text,
)
from hyrisk_desktop.exchange.reports.key_images import caption_of, key_images, key_picture
from hyrisk_desktop.exchange.reports.pdf_canvas import ALERT, BOTTOM, INK, LEFT, MARK, RIGHT, RULE, SOFT, TOP, Canvas
from hyrisk_desktop.exchange.reports.pdf_identity import patient_rows, technique_rows
from hyrisk_desktop.exchange.reports.pdf_pictures import (
    Picture,
    close_up,
    heat_caption,
    heat_map,
    most_calcified,
    whole_slice,
)
from hyrisk_desktop.exchange.reports.report import (
    PRODUCT,
    VERSION,
    Report,
    calcium_rows,
    finding_lines,
    percent,
    research_use,
    risk_rows,
    warnings_of,
)
from hyrisk_desktop.exchange.reports.template import PLAIN, PageTemplate
from hyrisk_desktop.i18n import moment_text, said, tr
from hyrisk_desktop.wide_font import legible

_PICTURE_MM, _SMALLEST_MM = 57.0, 26.0
_FOOT = BOTTOM - 10
_LOWEST = _FOOT - 2
_LOOSEST, _TIGHTEST = 1.6, 0.8
"""Lines further apart fall to pieces, and nearer together they touch."""
_KEY_PICTURE_MM, _GAP_MM, _CAPTION_MM = 74.0, 12.0, 10.0
_COLUMNS, _A_PAGE = 2, 4
_FEWEST_LINES = 5
"""Of the findings, however much else there is to say."""
_FINDING_MM = 4.0
_RIGHT_HALF = 108.0
_LONGEST_READER = 40


def pdf_report(report: Report, template: PageTemplate = PLAIN) -> bytes:
    """The page as the bytes of a PDF file.

    Args:
        report: the reading. template: what its site says of the page.
    """
    with legible():
        return _laid_out(report, template)


def _laid_out(report: Report, template: PageTemplate) -> bytes:
    # Wherever the findings stand, they get what the other blocks leave, and what they leave goes between the lines. Where there is
    # too much of all, lines move nearer together, and then pictures are smaller.
    least = ReadingPage(report, template, _FEWEST_LINES).measured()
    over = least.y - _LOWEST
    picture = max(_SMALLEST_MM, _PICTURE_MM - max(0.0, over - (1 - _TIGHTEST) * least.soft))
    room = _FEWEST_LINES + int(max(0.0, -over) / _FINDING_MM)
    tight = ReadingPage(report, template, room, picture, fonts=least).measured()
    loose = min(_LOOSEST, max(_TIGHTEST, 1 + (_LOWEST - tight.y) / tight.soft))
    page = ReadingPage(report, template, room, picture, loose, fonts=tight)
    page.draw()
    _draw_key_images(page)
    return bytes(page.pdf.output())


class ReadingPage(Canvas):
    """Draws a reading.

    Args:
        report: of it. template: what its site says. room: lines for the findings.
        picture_mm: how wide a picture is. loose, fonts: as of `Canvas`.

    ``fixed`` are the mm of what does not give way.
    """

    def __init__(
        self, report: Report, template: PageTemplate, room: int, picture_mm: float = _PICTURE_MM, loose: float = 1.0,
        fonts: Canvas | None = None,
    ) -> None:  # fmt: skip
        super().__init__(report, loose, fonts)
        self.template, self.room, self.picture_mm = template, room, picture_mm
        self.fixed, self.measuring = 0.0, False

    @property
    def soft(self) -> float:
        """The mm above ``y`` that give way."""
        return self.y - TOP - self.fixed

    def measured(self) -> ReadingPage:
        """This page with ``y`` at the end of its last block, and without its pictures."""
        self.measuring = True
        self.draw()
        return self

    def draw(self) -> None:
        """The whole page."""
        blocks = {
            "numbers": self.numbers, "impression": self.impression, "change": self.change, "pictures": self.pictures,
            "findings": self.findings,
        }  # fmt: skip
        self.letterhead()
        self.header()
        self.identity()
        for name in self.template.order:
            blocks[name]()
        self.footer_lines()

    def letterhead(self) -> None:
        """Department and logo, where a site has said any."""
        template, height = self.template, 11.0
        if template.logo and not self.measuring:
            with Image.open(io.BytesIO(template.logo)) as logo:
                # Transparent parts would be no PDF/A.
                shown = Image.new("RGB", logo.size, (255, 255, 255))
                shown.paste(logo.convert("RGB"), mask=logo.convert("RGBA").getchannel("A"))
                width = min(60.0, height * logo.width / logo.height)
                tall = width * logo.height / logo.width
                alt = template.department or tr("Logo")
                self.pdf.image(
                    shown, RIGHT - width, self.y + (height - tall) / 2, width, tall, alt_text=self.known(alt)
                )
        if template.department:
            self.text(LEFT, self.y + 3, 115, template.department, 11, bold=True)
        if template.logo or template.department:
            self.fixed += height + 3
            self.y += height + 3

    def header(self) -> None:
        """Title, and what nobody may overlook."""
        title = tr("Coronary calcium and mortality risk from low-dose chest CT")
        with self.paragraph("/H1"):
            self.text(LEFT, self.y, 120, title, 13, bold=True)
        self.text(RIGHT - 55, self.y + 1.2, 55, f"{PRODUCT} {VERSION}", 8, colour=SOFT, align="R")
        self.y += self.step(8.5)
        for line in (*warnings_of(self.report), research_use()):
            self.pdf.set_fill_color(250, 236, 234)
            self.ground(LEFT, self.y, RIGHT - LEFT, 5.2)
            self.text(LEFT + 2, self.y + 0.6, RIGHT - LEFT - 4, line, 8.5, bold=True, colour=ALERT)
            self.fixed += 5.6
            self.y += 5.6
        self.y += self.step(2)

    def identity(self) -> None:
        """Patient and technique, side by side."""
        top, height = self.y, self.step(4.4)
        for x, name, rows in (
            (LEFT, tr("Patient"), patient_rows(self.report)), (_RIGHT_HALF, tr("Examination"), technique_rows(self.report))
        ):  # fmt: skip
            self.y = top
            self.heading(x, 85, name)
            self.y += self.step(4.6)
            for row in rows:
                self._pair(x, self.y, 26, 62 if x == LEFT else 61, row)
                self.y += height
        self.end_block(self.y + 1.5)

    def end_block(self, y: float) -> None:
        """A rule at ``y``, and the place of the next block below it."""
        self.rule(y)
        self.y = y + self.step(3)

    def _pair(self, x: float, y: float, name_width: float, width: float, pair: tuple[str, str]) -> None:
        with self.paragraph():
            self.text(x, y, name_width - 1.5, pair[0], 8, colour=SOFT)
            self.text(x + name_width, y, width, pair[1] or "–", 8.5)

    def numbers(self) -> None:
        """Risk on the left, scores on the right, each with what qualifies it."""
        top, risks = self.y, risk_rows(self.report)
        self.heading(LEFT, 85, tr("Mortality risk"))
        below = top + self.step(5)
        if risks:
            left = self._by_grade(self._table(LEFT, risks, below) + 1)
        else:
            self.text(LEFT, below, 85, tr("No model was used: there is no risk."), 8.5, colour=SOFT)
            left = below + self.step(5)
        self.heading(_RIGHT_HALF, 87, tr("Coronary calcium"))
        right = self._table(_RIGHT_HALF, calcium_rows(self.report), below)
        if not self.report.measurement.scores.drawn:
            local = tr("A local score around the heart centre, not a whole-heart score.")
            self.text(_RIGHT_HALF, right + 0.6, 86, local, 7, colour=SOFT)
            right += self.step(5)
        self.end_block(max(left, right) + 2)

    def impression(self) -> None:
        """The site's sentence, with this reading's numbers."""
        said = self.template.impression_of(self.report)
        if not said:
            return
        self.heading(LEFT, 180, tr("Impression"))
        self.y = self.lines(LEFT, self.y + self.step(4.6), 180, [said], 9.5, INK, 5) + 1.5
        self.end_block(self.y)

    def _table(self, x: float, rows: Sequence[tuple[str, str]], y: float) -> float:
        """Rows of name and value, the first one large; returns where it ends."""
        (name, value), *rest = rows
        with self.paragraph():
            self.text(x, y + 2.2, 52, name, 9, bold=True)
            self.text(x + 52, y, 34, value, 17, bold=True, colour=MARK, align="R")
        y += self.step(9.5)
        for name, value in rest:
            with self.paragraph():
                self.text(x, y, 50, name, 8, colour=SOFT)
                used = self.pdf.get_string_width(self.known(name)) + 2
                broken = self.wrapped(value, 86 - used, 7.5)
                if len(broken) == 1:
                    self.text(x + used, y, 86 - used, value, 8.5, align="R")
                for line in broken if len(broken) > 1 else ():
                    self.text(x + used, y, 86 - used, line, 7.5, align="R")
                    y += self.step(3.5)
            y += self.step(1.2 if len(broken) > 1 else 4.7)
        return y

    def _by_grade(self, y: float) -> float:
        """The risk at each grade, the given one marked."""
        risk, grade = self.report.measurement.risk, self.report.measurement.grade
        if risk is None or not risk.by_grade or self.report.measurement.risk_standing.withheld:
            return y
        self.text(LEFT, y + 1.6, 24, tr("Risk by grade"), 8, colour=SOFT)
        for number, value in enumerate(risk.by_grade):
            x = LEFT + 24 + number * 15.6
            current = grade is not None and grade == number
            self.pdf.set_draw_color(*(MARK if current else RULE))
            self.pdf.set_fill_color(*((222, 237, 247) if current else (255, 255, 255)))
            self.pdf.set_line_width(0.6 if current else 0.2)
            self.ground(x, y, 14.6, 8.4, "DF")
            with self.paragraph():
                self.text(x, y + 0.8, 14.6, tr("grade {n}", n=number), 6, colour=SOFT, align="C")
                self.text(x, y + 3.9, 14.6, percent(value, 1), 8, bold=current, align="C")
        self.fixed += 9.5
        return y + 9.5

    def change(self) -> None:
        """What has changed since an earlier exam, where one was compared."""
        compared = self.report.comparison
        if compared is None:
            return
        self.heading(LEFT, 180, change_title(compared, dated=self.report.dated))
        self.y += self.step(4.4)
        heads = ("", tr("Prior"), tr("Now"), tr("Change"), tr("Per year"), tr("Noise ±"))
        table = [heads]
        for row, change in known_rows(compared):
            differences = (difference_text(change.difference, row), difference_text(change.per_year, row))
            numbers = (number_text(change.prior, row), number_text(change.current, row))
            table.append((row.title, *numbers, *differences, noise_text(change.noise, row)))
        for n, cells in enumerate(table):
            with self.paragraph():
                self._cells(n, cells)
            self.y += self.step(4.0)
        remarks = [
            tr("Noise: what other clicks, the registration and another scan of the same heart would make."),
            *(said(f.message) for f in compared.findings),
        ]
        self.end_block(self.lines(LEFT, self.y + 0.3, 180, remarks, 7, SOFT, 3) + 1.5)

    def _cells(self, row: int, cells: Sequence[str]) -> None:
        for column, text in enumerate(cells):
            x, width = LEFT + 50 * (column > 0) + 26 * max(0, column - 1), 50 if column == 0 else 24
            soft = row == 0 or column == 0
            self.text(x, self.y, width, text, 8, colour=SOFT if soft else INK, align="R" if column else "L")

    def pictures(self) -> None:
        """The key images with their captions."""
        m = self.report.measurement
        self.heading(LEFT, 180, tr("Key images"))
        self.y += self.step(4.6)
        near = most_calcified(self.report)
        where = tr(
            "Slice {z}: heart centre (red), score region (blue), patch (broken); soft tissue window", z=m.centre[2]
        )
        lesions = tr("Slice {z}: counted lesions (orange)", z=near)
        if any(lesion.excluded and lesion.slice == near for lesion in m.scores.lesions):
            lesions = tr("Slice {z}: counted lesions (orange), excluded ones (grey, broken)", z=near)
        shown: list[tuple[Picture, str]] = [(whole_slice(self.report), where), (close_up(self.report), lesions)]
        withheld = m.risk_standing.withheld
        if not withheld and (heat := heat_map(self.report)) is not None:
            shown.append((heat, heat_caption(self.report)))
        # What a language needs: a caption that is cut would send the reader to look for it elsewhere.
        rows = max(len(self.wrapped(caption, _PICTURE_MM, 6.3)) for _, caption in shown)
        for n, (picture, caption) in enumerate(shown):
            x = LEFT + n * (_PICTURE_MM + 4.5)
            if not self.measuring:
                self.picture(picture, x, self.y, caption)
            self.lines(x, self.y + self.picture_mm + 0.8, _PICTURE_MM, [caption], 6.3, SOFT, rows)
        self.fixed += self.picture_mm + 1.7
        self.end_block(self.y + self.picture_mm + 1.7 + rows * self.step(3.15))

    def picture(self, picture: Picture, left: float, top: float, caption: str) -> None:
        """Fit a picture, true to scale in both directions, into a black square of ``picture_mm``.

        Args:
            picture: what is shown. left, top: of the square, in mm. caption: what it shows, for who can't see it.
        """
        rows, columns = picture.pixels.shape[:2]
        width, height = columns * picture.pixel_mm[0], rows * picture.pixel_mm[1]
        scale = self.picture_mm / max(width, height)
        w, h = width * scale, height * scale
        x0, y0 = left + (self.picture_mm - w) / 2, top + (self.picture_mm - h) / 2
        self.pdf.set_fill_color(0, 0, 0)
        self.ground(left, top, self.picture_mm, self.picture_mm)
        self.pdf.image(
            Image.fromarray(picture.pixels),
            x0,
            y0,
            w,
            h,
            alt_text=self.known(tr("CT slice with marks. {what}", what=caption)),
        )
        with self.artifact(), self.pdf.rect_clip(x0, y0, w, h):
            for line in picture.lines:
                points = (line.points - np.asarray(picture.start) + 0.5) * picture.pixel_mm * scale + (x0, y0)
                self.pdf.set_draw_color(*line.colour)
                self.pdf.set_line_width(0.25)
                self.pdf.set_dash_pattern(dash=1.0 if line.dashed else 0, gap=0.8 if line.dashed else 0)
                self.pdf.polyline([(float(x), float(y)) for x, y in points])
        self.pdf.set_dash_pattern()
        # The volume is turned to the usual view: patient's right on the left.
        self.text(left + 1, top + self.picture_mm / 2 - 2, 4, tr("R"), 7, bold=True, colour=(255, 255, 255))

    def findings(self) -> None:
        """What qualifies the numbers, and the model card's summary."""
        top = self.y
        self.heading(LEFT, 112, tr("Findings about the scan and the reading"))
        below = top + self.step(4.8)
        said = finding_lines(self.report) or (tr("None."),)
        left = self.lines(LEFT, below, 113, said, 8, INK, self.room)
        self.heading(133, 62, tr("Model"))
        right = self.lines(133, below, 62, self._model(), 7.5, INK, self.room)
        self.y = max(left, right)
        if self.template.order[-1] != "findings":
            self.end_block(self.y + 1.5)

    def _model(self) -> list[str]:
        risk = self.report.measurement.risk
        if risk is None:
            return [tr("No model was used.")]
        return [risk.model, *map(said, self.report.model_lines), tr("SHA-256 of the weights {sha}", sha=risk.sha256)]

    def footer_lines(self) -> None:
        """Reader, time and where the numbers come from."""
        y = _FOOT
        self.rule(y)
        reader = v.readable_name(self.report.reader) or tr("not named")
        if len(reader) > _LONGEST_READER:
            # The line is cut at its end, where the time stands.
            reader = f"{reader[: _LONGEST_READER - 1]}…"
        moment = (
            f"{moment_text(self.report.read_at)} {self.report.read_at:%Z}" if self.report.dated else tr("date removed")
        )
        centre = " ".join(map(str, self.report.measurement.centre))
        where = tr("Heart centre (column row slice) {c} of series {s}", c=centre, s=self.report.volume.series_uid)
        self.text(LEFT, y + 1.5, 110, tr("Reader: {r}. Read: {t}.", r=reader, t=moment), 8)
        self.text(LEFT, y + 5.2, 180, where, 6.5, colour=SOFT)
        if self.lacking:
            lacking = tr("“?”: a sign that no font here has. Go by the patient ID; Noto Sans CJK has East Asian signs.")
            self.text(LEFT, y + 8.0, 180, lacking, 6.5, colour=ALERT)
        self.text(125, y + 1.5, 70, tr("Research use only"), 8.5, bold=True, colour=ALERT, align="R")


def _draw_key_images(page: ReadingPage) -> None:
    """Further pages for the reader's key images, each with whose they are; none where there are no such images."""
    images = key_images(page.report)
    for first in range(0, len(images), _A_PAGE):
        page.pdf.add_page()
        page.y, page.picture_mm = TOP, _KEY_PICTURE_MM
        page.letterhead()
        page.header()
        page.identity()
        page.heading(LEFT, 180, tr("Key images of the reader"))
        page.y += 6
        for place, image in enumerate(images[first : first + _A_PAGE]):
            row, column = divmod(place, _COLUMNS)
            x = LEFT + column * (_KEY_PICTURE_MM + _GAP_MM)
            y = page.y + row * (_KEY_PICTURE_MM + _CAPTION_MM + 2)
            words = caption_of(page.report, image)
            page.picture(key_picture(page.report, image), x, y, words)
            page.lines(x, y + _KEY_PICTURE_MM + 1, _KEY_PICTURE_MM, [words], 8, INK, 2)
        page.footer_lines()
