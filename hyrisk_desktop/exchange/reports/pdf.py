"""A reading on one page, as PDF/A-2u: what a referring physician reads, and an archive keeps.

Fonts are embedded (DejaVu Sans, as matplotlib brings it), colours are sRGB with its profile, nothing is transparent, and every
text can be copied. Scripts that the font lacks show as question marks.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from fpdf import FPDF
from fpdf.enums import MethodReturnValue
from PIL import Image

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.exchange import dicom_values as v
from hyrisk_desktop.exchange.reports.change import (
    change_title,
    difference_text,
    known_rows,
    noise_text,
    number_text,
)
from hyrisk_desktop.exchange.reports.pdf_pictures import Picture, close_up, heat_map, most_calcified, whole_slice
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
from hyrisk_desktop.i18n import tr

_LEFT, _RIGHT, _TOP, _BOTTOM = 15.0, 195.0, 12.0, 279.0  # fits A4 and, printed at its size, Letter
_INK, _SOFT, _RULE, _ALERT, _MARK = (25, 30, 38), (95, 104, 115), (205, 210, 216), (176, 32, 32), (0, 92, 150)
_PICTURE_MM = 57.0
_FONT = "DejaVu"


def pdf_report(report: Report) -> bytes:
    """The page as the bytes of a PDF file."""
    page = _Page(report)
    page.header()
    page.identity()
    page.numbers()
    page.change()
    page.pictures()
    page.findings()
    page.footer_lines()
    return bytes(page.pdf.output())


def font_folder() -> Path:
    """Where DejaVu Sans lies: matplotlib brings it, and finding it imports nothing of matplotlib.

    Raises:
        InputError: matplotlib is not installed.
    """
    spec = importlib.util.find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise InputError("no_fonts", tr("The PDF's fonts come with matplotlib: install it (pip install matplotlib)."))
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"


class _Page:
    """Draws from top to bottom; ``y`` is where the next block begins, in mm."""

    def __init__(self, report: Report) -> None:
        self.report = report
        # fontTools tells of every table that a subset leaves out.
        logging.getLogger("fontTools").setLevel(logging.ERROR)
        self.pdf = FPDF(format="A4", unit="mm", enforce_compliance="PDF/A-2U")
        self.pdf.set_auto_page_break(False)
        self.pdf.c_margin = 0
        fonts = font_folder()
        self.pdf.add_font(_FONT, "", fonts / "DejaVuSans.ttf")
        self.pdf.add_font(_FONT, "B", fonts / "DejaVuSans-Bold.ttf")
        self.pdf.set_title(tr("HyRisk report"))
        self.pdf.set_lang("en-US")
        self.pdf.set_creator(f"{PRODUCT} {VERSION}")
        self.pdf.set_creation_date(report.read_at)
        self.pdf.add_page()
        self.y = _TOP

    def known(self, text: str) -> str:
        """``text`` without signs that the font lacks: they would be boxes, and no PDF/A."""
        glyphs = self.pdf.fonts[_FONT.lower()].cmap  # type: ignore[union-attr]
        return "".join(sign if ord(sign) in glyphs else "?" for sign in v.plain(text))

    def text(
        self, x: float, y: float, width: float, text: str, size: float = 8.5, *, bold: bool = False,
        colour: tuple[int, int, int] = _INK, align: str = "L", shrink: bool = True,
    ) -> None:  # fmt: skip
        """One line in a box of ``width`` mm; a text that is too long is set smaller, then cut."""
        text = self.known(text)
        self.pdf.set_font(_FONT, "B" if bold else "", size)
        while shrink and size > 5.5 and self.pdf.get_string_width(text) > width:
            size -= 0.25
            self.pdf.set_font_size(size)
        while len(text) > 1 and self.pdf.get_string_width(text) > width:
            text = text[:-2].rstrip() + "…"
        self.pdf.set_text_color(*colour)
        self.pdf.set_xy(x, y)
        self.pdf.cell(width, size * 0.48, text, align=align)

    def rule(self, y: float, colour: tuple[int, int, int] = _RULE, width: float = 0.2) -> None:
        self.pdf.set_draw_color(*colour)
        self.pdf.set_line_width(width)
        self.pdf.line(_LEFT, y, _RIGHT, y)

    def heading(self, x: float, width: float, text: str) -> None:
        self.text(x, self.y, width, text.upper(), 7.0, bold=True, colour=_MARK)

    def header(self) -> None:
        """Title, and what nobody may overlook."""
        self.text(_LEFT, self.y, 120, tr("Coronary calcium and mortality risk from low-dose chest CT"), 13, bold=True)
        self.text(_RIGHT - 55, self.y + 1.2, 55, f"{PRODUCT} {VERSION}", 8, colour=_SOFT, align="R")
        self.y += 8.5
        for line in (*warnings_of(self.report), research_use()):
            self.pdf.set_fill_color(250, 236, 234)
            self.pdf.rect(_LEFT, self.y, _RIGHT - _LEFT, 5.2, style="F")
            self.text(_LEFT + 2, self.y + 0.6, _RIGHT - _LEFT - 4, line, 8.5, bold=True, colour=_ALERT)
            self.y += 5.6
        self.y += 2

    def identity(self) -> None:
        """Patient and technique, side by side."""
        self.heading(_LEFT, 85, tr("Patient"))
        self.heading(108, 87, tr("Examination"))
        self.y += 4.6
        left, right = self._patient(), self._technique()
        for n, (one, other) in enumerate(zip(left, right, strict=True)):
            y = self.y + n * 4.4
            self._pair(_LEFT, y, 26, 62, one)
            self._pair(108, y, 26, 61, other)
        self.y += max(len(left), len(right)) * 4.4 + 1.5
        self.rule(self.y)
        self.y += 3

    def _pair(self, x: float, y: float, name_width: float, width: float, pair: tuple[str, str]) -> None:
        self.text(x, y, name_width, pair[0], 8, colour=_SOFT)
        self.text(x + name_width, y, width, pair[1] or "–", 8.5)

    def _patient(self) -> list[tuple[str, str]]:
        a = self.report.volume.attributes
        born, sex, age = _day(a.get("PatientBirthDate", "")), v.sex(a.get("PatientSex", "")), _age(a)
        return [
            (tr("Name"), v.readable_name(a.get("PatientName", ""))),
            (tr("Patient ID"), v.long_text(a.get("PatientID", ""))),
            (tr("Born, sex, age"), ", ".join(part for part in (born, sex, age) if part)),
            (
                tr("Study"),
                " ".join(p for p in (_day(a.get("StudyDate", "")), v.long_text(a.get("StudyDescription", ""))) if p),
            ),
            (tr("Accession"), v.short_text(a.get("AccessionNumber", ""))),
        ]

    def _technique(self) -> list[tuple[str, str]]:
        volume = self.report.volume
        a = volume.attributes
        x, y, z = volume.spacing_mm
        depth, rows, columns = volume.shape_zyx
        scanner = " ".join(v.long_text(a.get(k, "")) for k in ("Manufacturer", "ManufacturerModelName")).strip()
        voltage = tr("{kv} kV", kv=_plainly(a["KVP"])) if a.get("KVP") else ""
        kernel = tr("kernel {k}", k=v.short_text(a["ConvolutionKernel"])) if a.get("ConvolutionKernel") else ""
        thick = tr("{t} mm thick", t=_plainly(a["SliceThickness"])) if a.get("SliceThickness") else ""
        step = tr("{n} every {z:g} mm", n=depth, z=round(z, 4))
        return [
            (tr("Scanner"), scanner),
            (tr("Technique"), ", ".join(part for part in (voltage, kernel) if part)),
            (tr("Slices"), ", ".join(part for part in (thick, step) if part)),
            (tr("Pixels"), tr("{c} × {r} of {x:g} × {y:g} mm", c=columns, r=rows, x=round(x, 4), y=round(y, 4))),
            (tr("Series"), v.long_text(a.get("SeriesDescription", ""))),
        ]

    def numbers(self) -> None:
        """Risk on the left, scores on the right, each with what qualifies it."""
        self.heading(_LEFT, 85, tr("Mortality risk"))
        self.heading(108, 87, tr("Coronary calcium"))
        self.y += 5
        risks, scores = risk_rows(self.report), calcium_rows(self.report)
        left = self._table(_LEFT, risks, self.y) if risks else self._no_risk()
        right = self._table(108, scores, self.y)
        if risks:
            left = self._by_grade(left + 1)
        if not self.report.measurement.scores.drawn:
            local = tr("A local score around the heart centre, not a whole-heart score.")
            self.text(108, right + 0.6, 86, local, 7, colour=_SOFT)
            right += 5
        self.y = max(left, right) + 2
        self.rule(self.y)
        self.y += 3

    def _no_risk(self) -> float:
        self.text(_LEFT, self.y, 85, tr("No model was used: there is no risk."), 8.5, colour=_SOFT)
        return self.y + 5

    def _table(self, x: float, rows: Sequence[tuple[str, str]], y: float) -> float:
        """Rows of name and value, the first one large; returns where it ends."""
        (name, value), *rest = rows
        self.text(x, y + 2.2, 52, name, 9, bold=True)
        self.text(x + 52, y, 34, value, 17, bold=True, colour=_MARK, align="R")
        y += 9.5
        for name, value in rest:
            self.text(x, y, 50, name, 8, colour=_SOFT)
            used = self.pdf.get_string_width(self.known(name)) + 2
            self.text(x + used, y, 86 - used, value, 8.5, align="R")
            y += 4.7
        return y

    def _by_grade(self, y: float) -> float:
        """The risk at each grade, the given one marked."""
        risk, grade = self.report.measurement.risk, self.report.measurement.grade
        if risk is None or not risk.by_grade or self.report.measurement.risk_standing.withheld:
            return y
        self.text(_LEFT, y + 1.6, 24, tr("Risk by grade"), 8, colour=_SOFT)
        for number, value in enumerate(risk.by_grade):
            x = _LEFT + 24 + number * 15.6
            current = grade is not None and grade == number
            self.pdf.set_draw_color(*(_MARK if current else _RULE))
            self.pdf.set_fill_color(*((222, 237, 247) if current else (255, 255, 255)))
            self.pdf.set_line_width(0.6 if current else 0.2)
            self.pdf.rect(x, y, 14.6, 8.4, style="DF")
            self.text(x, y + 0.8, 14.6, tr("grade {n}", n=number), 6, colour=_SOFT, align="C")
            self.text(x, y + 3.9, 14.6, percent(value, 1), 8, bold=current, align="C")
        return y + 9.5

    def change(self) -> None:
        """What has changed since an earlier exam, where one was compared."""
        compared = self.report.comparison
        if compared is None:
            return
        self.heading(_LEFT, 180, change_title(compared, dated=self.report.dated))
        self.y += 4.4
        heads = ("", tr("Prior"), tr("Now"), tr("Change"), tr("A year"), tr("Noise ±"))
        table = [heads]
        for row, change in known_rows(compared):
            differences = (difference_text(change.difference, row), difference_text(change.per_year, row))
            numbers = (number_text(change.prior, row), number_text(change.current, row))
            table.append((row.title, *numbers, *differences, noise_text(change.noise, row)))
        for n, cells in enumerate(table):
            for column, text in enumerate(cells):
                x, width = _LEFT + 50 * (column > 0) + 26 * max(0, column - 1), 50 if column == 0 else 24
                soft = n == 0 or column == 0
                self.text(x, self.y, width, text, 8, colour=_SOFT if soft else _INK, align="R" if column else "L")
            self.y += 4.0
        said = [
            tr("Noise: what other clicks, the registration and another scan of the same heart would make."),
            *(f.message for f in compared.findings),
        ]
        self.y = self._lines(_LEFT, self.y + 0.3, 180, said, 7, _SOFT, 3) + 1.5
        self.rule(self.y)
        self.y += 3

    def pictures(self) -> None:
        """The key images with their captions."""
        m = self.report.measurement
        self.heading(_LEFT, 180, tr("Key images"))
        self.y += 4.6
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
            shown.append((heat, tr("What raised the risk for this network (Grad-CAM), within the frame; not a cause")))
        for n, (picture, caption) in enumerate(shown):
            x = _LEFT + n * (_PICTURE_MM + 4.5)
            self._picture(picture, x, self.y)
            self._lines(x, self.y + _PICTURE_MM + 0.8, _PICTURE_MM, [caption], 6.3, _SOFT, 2)
        self.y += _PICTURE_MM + 8

    def _picture(self, picture: Picture, left: float, top: float) -> None:
        """Fit a picture, true to scale in both directions, into a black square."""
        rows, columns = picture.pixels.shape[:2]
        width, height = columns * picture.pixel_mm[0], rows * picture.pixel_mm[1]
        scale = _PICTURE_MM / max(width, height)
        w, h = width * scale, height * scale
        x0, y0 = left + (_PICTURE_MM - w) / 2, top + (_PICTURE_MM - h) / 2
        self.pdf.set_fill_color(0, 0, 0)
        self.pdf.rect(left, top, _PICTURE_MM, _PICTURE_MM, style="F")
        self.pdf.image(Image.fromarray(picture.pixels), x0, y0, w, h, alt_text=tr("CT slice with marks"))
        with self.pdf.rect_clip(x0, y0, w, h):
            for line in picture.lines:
                points = (line.points - np.asarray(picture.start) + 0.5) * picture.pixel_mm * scale + (x0, y0)
                self.pdf.set_draw_color(*line.colour)
                self.pdf.set_line_width(0.25)
                self.pdf.set_dash_pattern(dash=1.0 if line.dashed else 0, gap=0.8 if line.dashed else 0)
                self.pdf.polyline([(float(x), float(y)) for x, y in points])
        self.pdf.set_dash_pattern()
        # The volume is turned to the usual view: patient's right on the left.
        self.text(left + 1, top + _PICTURE_MM / 2 - 2, 4, tr("R"), 7, bold=True, colour=(255, 255, 255))

    def _lines(
        self, x: float, y: float, width: float, texts: Sequence[str], size: float,
        colour: tuple[int, int, int], room: int,
    ) -> float:  # fmt: skip
        """Wrapped paragraphs in at most ``room`` lines, the last one saying that there are more; returns where they end."""
        self.pdf.set_font(_FONT, "", size)
        wrapped: list[str] = []
        for text in texts:
            found = self.pdf.multi_cell(
                width, text=self.known(text), align="L", dry_run=True, output=MethodReturnValue.LINES
            )
            wrapped += [str(line) for line in found]  # type: ignore[union-attr]
        if len(wrapped) > room:
            wrapped = [*wrapped[: room - 1], tr("… more in the structured report and on screen")]
        for line in wrapped:
            self.text(x, y, width, line, size, colour=colour)
            y += size * 0.5
        return y

    def findings(self) -> None:
        """What qualifies the numbers, and the model card's summary."""
        self.rule(self.y)
        self.y += 3
        room = int((_BOTTOM - 14 - self.y - 5) / 4.0)
        self.heading(_LEFT, 112, tr("Findings about the scan and the reading"))
        self.heading(133, 62, tr("Model"))
        self.y += 4.8
        said = finding_lines(self.report) or (tr("None."),)
        self._lines(_LEFT, self.y, 113, said, 8, _INK, room)
        self._lines(133, self.y, 62, self._model(), 7.5, _INK, room)

    def _model(self) -> list[str]:
        risk = self.report.measurement.risk
        if risk is None:
            return [tr("No model was used.")]
        return [risk.model, *self.report.model_lines, tr("SHA-256 of the weights {sha}", sha=risk.sha256)]

    def footer_lines(self) -> None:
        """Reader, time and where the numbers come from."""
        y = _BOTTOM - 10
        self.rule(y)
        reader = v.readable_name(self.report.reader) or tr("not named")
        moment = self.report.read_at.strftime("%Y-%m-%d %H:%M %Z") if self.report.dated else tr("date removed")
        centre = " ".join(map(str, self.report.measurement.centre))
        where = tr("Heart centre (column row slice) {c} of series {s}", c=centre, s=self.report.volume.series_uid)
        self.text(_LEFT, y + 1.5, 110, tr("Reader: {r}. Read: {t}.", r=reader, t=moment), 8)
        self.text(_LEFT, y + 5.5, 180, where, 6.5, colour=_SOFT)
        self.text(125, y + 1.5, 70, tr("Research use only"), 8.5, bold=True, colour=_ALERT, align="R")


def _plainly(number: str) -> str:
    """A header's number without needless zeros."""
    try:
        return f"{float(number):g}"
    except ValueError:
        return v.short_text(number)


def _age(a: Mapping[str, str]) -> str:
    """The patient's age at the study: as the header has it (DICOM AS, such as 061Y), else from the date of birth."""
    if said := v.age(a.get("PatientAge", "").strip().upper()):
        n, unit = int(said[:3]), said[3]
        days, weeks, months = tr("{n} days", n=n), tr("{n} weeks", n=n), tr("{n} months", n=n)
        return {"D": days, "W": weeks, "M": months}.get(unit, tr("{n} years", n=n))
    born, study = v.date(a.get("PatientBirthDate", "")), v.date(a.get("StudyDate", ""))
    if not born or not study or born > study:
        return ""
    return tr("{n} years", n=int(study[:4]) - int(born[:4]) - (study[4:] < born[4:]))


def _day(text: str) -> str:
    day = v.date(text)
    return f"{day[:4]}-{day[4:6]}-{day[6:]}" if day else ""
