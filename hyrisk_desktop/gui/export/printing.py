"""The reading on screen on paper: the same sentences and pictures as the PDF's, laid out by Qt for whatever paper the printer has."""

from __future__ import annotations

import html
from collections.abc import Sequence

from PySide6.QtCore import QObject, QPointF, QUrl, Signal, Slot
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF, QTextDocument
from PySide6.QtPrintSupport import QPrintDialog, QPrinter
from PySide6.QtWidgets import QDialog, QWidget

from hyrisk_desktop.exchange.reports.key_images import caption_of, key_images, key_picture
from hyrisk_desktop.exchange.reports.pdf_identity import patient_rows, technique_rows
from hyrisk_desktop.exchange.reports.pdf_pictures import Picture, close_up, most_calcified, whole_slice
from hyrisk_desktop.exchange.reports.report import (
    PRODUCT,
    VERSION,
    Report,
    calcium_rows,
    finding_lines,
    research_use,
    risk_rows,
    warnings_of,
)
from hyrisk_desktop.gui.export.writer import Exporting, readiness
from hyrisk_desktop.gui.services.job_runner import JobContext, JobRunner, Operation
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.i18n import tr

_PICTURE_PX = 330


class Printing(QObject):
    """Makes the page off the GUI thread, then asks for the printer.

    Signals:
        message: a line for the status bar. failed: an error.
    """

    message = Signal(str)
    failed = Signal(object)

    def __init__(self, session: Session, exporting: Exporting, runner: JobRunner, window: QWidget) -> None:
        super().__init__(window)
        self._session, self._exporting, self._window = session, exporting, window
        self._making = Operation(runner.run_io)

    def print_reading(self) -> None:
        """Print the reading on screen, or say why it can't be printed."""
        request = self._exporting.snapshot(self._session.reader)
        if request is None:
            self.message.emit(readiness(self._session).why_not)
            return

        def work(_: JobContext) -> Report:
            return request.report()

        self._making.start("making a page", work, self._ask, self.failed.emit)

    @Slot(object)
    def _ask(self, report: Report) -> None:
        """Which printer; what is printed is the reading as it was when it was asked for, whatever is on screen by now."""
        printer = QPrinter(QPrinter.PrinterMode.HighResolution)
        printer.setDocName(tr("HyRisk report"))
        dialog = QPrintDialog(printer, self._window)
        dialog.setObjectName("printDialog")
        if dialog.exec() == QDialog.DialogCode.Accepted:
            page_of(report).print_(printer)
            self.message.emit(tr("The reading went to the printer."))


def page_of(report: Report) -> QTextDocument:
    """The reading as a document to be printed."""
    m = report.measurement
    pictures = [
        (whole_slice(report), tr("Slice {z}: heart centre, score region, patch", z=m.centre[2])),
        (close_up(report), tr("Slice {z}: counted lesions", z=most_calcified(report))),
        *((key_picture(report, image), caption_of(report, image)) for image in key_images(report)),
    ]
    document = QTextDocument()
    parts = [
        f"<h2>{_text(tr('Coronary calcium and mortality risk from low-dose chest CT'))}</h2>",
        *(f"<p><b>{_text(line)}</b></p>" for line in (research_use(), *warnings_of(report))),
        _rows([*patient_rows(report), *technique_rows(report), (tr("Reader"), report.reader)]),
        f"<h3>{_text(tr('Risk'))}</h3>", _rows(risk_rows(report) or ((tr("Risk"), tr("none")),)),
        f"<h3>{_text(tr('Calcium'))}</h3>", _rows(calcium_rows(report)),
        f"<h3>{_text(tr('Findings about the scan and the reading'))}</h3>",
        *(f"<p>{_text(line)}</p>" for line in finding_lines(report) or (tr("None."),)),
        _pictures(document, pictures),
        f"<p>{_text(f'{PRODUCT} {VERSION}')}</p>",
    ]  # fmt: skip
    document.setHtml("".join(parts))
    return document


def _text(text: str) -> str:
    return html.escape(text)


def _rows(rows: Sequence[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><td>{_text(name)}&nbsp;&nbsp;</td><td>{_text(value)}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"


def _pictures(document: QTextDocument, pictures: Sequence[tuple[Picture, str]]) -> str:
    """Two in a row, each with its caption."""
    cells = []
    for number, (picture, caption) in enumerate(pictures):
        name = f"picture{number}"
        document.addResource(QTextDocument.ResourceType.ImageResource, QUrl(name), drawn(picture))
        cells.append(f'<td><img src="{name}" width="{_PICTURE_PX}"/><br/>{_text(caption)}</td>')
    rows = ("".join(cells[n : n + 2]) for n in range(0, len(cells), 2))
    return f'<table cellpadding="6">{"".join(f"<tr>{row}</tr>" for row in rows)}</table>'


def drawn(picture: Picture) -> QImage:
    """A picture with its lines, true to scale, twice as fine as it is shown."""
    rows, columns = picture.pixels.shape[:2]
    pixels = picture.pixels.copy()
    colours = pixels.ndim == 3
    kind = QImage.Format.Format_RGB888 if colours else QImage.Format.Format_Grayscale8
    image = QImage(pixels.data, columns, rows, columns * (3 if colours else 1), kind)
    wide, high = columns * picture.pixel_mm[0], rows * picture.pixel_mm[1]
    scale = 2 * _PICTURE_PX / max(wide, high)
    whole = QImage(round(wide * scale), round(high * scale), QImage.Format.Format_RGB32)
    painter = QPainter(whole)
    painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawImage(whole.rect(), image)
    for line in picture.lines:
        painter.setPen(QPen(QColor(*line.colour), 2.0))
        points = [
            QPointF(
                (x - picture.start[0] + 0.5) * picture.pixel_mm[0], (y - picture.start[1] + 0.5) * picture.pixel_mm[1]
            )
            for x, y in line.points.tolist()
        ]
        painter.drawPolyline(QPolygonF([point * scale for point in points]))
    painter.end()
    return whole
