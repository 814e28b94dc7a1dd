"""The reading on screen on paper: the same sentences and pictures as the PDF's, laid out by Qt for whatever paper the printer has."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, QPointF, QUrl, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QFont,
    QImage,
    QPainter,
    QPen,
    QPolygonF,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextImageFormat,
    QTextTableFormat,
)
from PySide6.QtPrintSupport import QPrintDialog, QPrinter
from PySide6.QtWidgets import QDialog, QWidget

from hyrisk_desktop.errors import InputError
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
from hyrisk_desktop.i18n import listed, tr, trc

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
            # A file in a folder that is gone or full, or a printer that is: Qt raises nothing.
            if printer.printerState() == QPrinter.PrinterState.Error:
                self.failed.emit(
                    InputError(
                        "not_printed", tr("The reading is not printed: choose another printer, or another file.")
                    )
                )
            else:
                self.message.emit(tr("The reading went to the printer."))


def page_of(report: Report) -> QTextDocument:
    """The reading as a document to be printed."""
    from hyrisk_desktop.exchange.reports.key_images import caption_of, key_images, key_picture

    m = report.measurement
    pictures = [
        (whole_slice(report), tr("Slice {z}: heart centre, score region, patch", z=m.centre[2])),
        (close_up(report), tr("Slice {z}: counted lesions", z=most_calcified(report))),
        *((key_picture(report, image), caption_of(report, image)) for image in key_images(report)),
    ]
    document = QTextDocument()
    # Written word by word, never as markup: names and notes are anybody's.
    at = QTextCursor(document)
    _heading(at, tr("Coronary calcium and mortality risk from low-dose chest CT"), 16)
    for line in (research_use(), *warnings_of(report)):
        _heading(at, line, 10)
    _rows(at, [*patient_rows(report), *technique_rows(report), (tr("Reader"), report.reader)])
    for title, rows in (
        (tr("Risk"), risk_rows(report) or ((tr("Risk"), trc("risk", "none")),)),
        (tr("Calcium"), calcium_rows(report)),
        (
            tr("Findings about the scan and the reading"),
            [(line, "") for line in finding_lines(report) or (tr("None."),)],
        ),
    ):
        _heading(at, title, 12)
        _rows(at, rows)
    # A sheet that is lost among others still says whose it is.
    whose = listed(value for _, value in patient_rows(report)[:2] if value)
    for number, (picture, caption) in enumerate(pictures):
        _picture(document, at, f"picture{number}", picture, f"{whose}: {caption}" if whose else caption)
    at.insertText(f"\n{PRODUCT} {VERSION}")
    return document


def _heading(at: QTextCursor, text: str, size: int) -> None:
    bold = QTextCharFormat()
    bold.setFontWeight(QFont.Weight.Bold)
    bold.setFontPointSize(size)
    at.insertText(f"{text}\n", bold)
    at.setCharFormat(QTextCharFormat())


def _rows(at: QTextCursor, rows: Sequence[tuple[str, str]]) -> None:
    shape = QTextTableFormat()
    shape.setBorder(0)
    shape.setCellPadding(2)
    table = at.insertTable(len(rows), 2, shape)
    for line, row in enumerate(rows):
        for column, text in enumerate(row):
            table.cellAt(line, column).firstCursorPosition().insertText(text)
    at.movePosition(QTextCursor.MoveOperation.End)


def _picture(document: QTextDocument, at: QTextCursor, name: str, picture: Picture, caption: str) -> None:
    document.addResource(QTextDocument.ResourceType.ImageResource, QUrl(name), drawn(picture))
    shown = QTextImageFormat()
    shown.setName(name)
    shown.setWidth(_PICTURE_PX)
    at.insertText("\n")
    at.insertImage(shown)
    at.insertText(f"\n{caption}\n")


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
