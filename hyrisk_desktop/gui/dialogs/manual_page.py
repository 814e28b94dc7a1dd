"""One page of the manual on screen: Markdown in the program's dark style, with pictures as wide as the window allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import (
    QBrush,
    QImage,
    QImageReader,
    QResizeEvent,
    QTextBlock,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QTextFragment,
    QTextFrameFormat,
    QTextImageFormat,
    QTextLength,
    QTextTable,
    QTextTableFormat,
)
from PySide6.QtWidgets import QTextBrowser, QTextEdit, QWidget

from hyrisk_desktop.gui.appearance import colour
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.manual import PICTURE, Page, manual_dir

_MARGIN_PX, _GAP_PX = 14, 9
_MOST_MARKS = 300


def load_pictures(names: tuple[str, ...], width_px: int) -> dict[str, QImage]:
    """Pictures by name, at most ``width_px`` wide; reads files, so not for the GUI thread. What can't be read is left out."""
    found: dict[str, QImage] = {}
    for name in names:
        path = (manual_dir() / name).resolve()
        if not path.is_relative_to(manual_dir().resolve()):
            continue
        image = QImageReader(str(path)).read()
        if not image.isNull():
            wide = image.width() > width_px
            found[name] = image.scaledToWidth(width_px, Qt.TransformationMode.SmoothTransformation) if wide else image
    return found


def _is_code(block: QTextBlock) -> bool:
    return block.isValid() and block.blockFormat().hasProperty(QTextFormat.Property.BlockCodeLanguage.value)


def _block_format(block: QTextBlock) -> QTextBlockFormat:
    """Room around a paragraph, a heading, an entry of a list or a line of code."""
    fmt = QTextBlockFormat()
    if _is_code(block):
        fmt.setNonBreakableLines(False)  # long commands are wrapped: nobody should have to scroll sideways
        fmt.setBackground(QBrush(colour("code")))
        fmt.setBottomMargin(0 if _is_code(block.next()) else _GAP_PX)
    elif block.blockFormat().headingLevel():
        fmt.setTopMargin(0 if block.blockNumber() == 0 else 2 * _GAP_PX)
        fmt.setBottomMargin(_GAP_PX)
    else:
        fmt.setBottomMargin(_GAP_PX / 2 if block.textList() else _GAP_PX)
    return fmt


class PageView(QTextBrowser):
    """Shows one page; follows no link by itself.

    Signals:
        resized: the width for pictures has changed; carries it in device pixels.
    """

    resized = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("manualText")
        self.setAccessibleName(tr("Page of the manual"))
        self.setOpenLinks(False)
        self.document().setDocumentMargin(_MARGIN_PX)
        self.pictures: tuple[str, ...] = ()

    def loadResource(self, kind: int, name: QUrl | str) -> object:
        """Nothing: pictures are handed in, and a page has no other resource."""
        return QImage() if kind == QTextDocument.ResourceType.ImageResource.value else None

    def show_page(self, page: Page) -> None:
        """Set the page; its pictures come later, by `set_pictures`."""
        features = QTextDocument.MarkdownFeature
        self.document().setMarkdown(page.text, features.MarkdownDialectGitHub | features.MarkdownNoHTML)
        self.pictures = tuple(target for _, target in PICTURE.findall(page.text))
        self._dress()
        self.moveCursor(QTextCursor.MoveOperation.Start)

    def picture_width_px(self) -> int:
        """How wide a picture may be, in device pixels."""
        return max(200, round((self.viewport().width() - 2 * _MARGIN_PX - 4) * self.devicePixelRatioF()))

    def set_pictures(self, pictures: Mapping[str, QImage]) -> None:
        """Put the pictures into their places; the line at the top of the view stays there."""
        top = self.cursorForPosition(self.viewport().rect().topLeft())
        above = self.cursorRect(top).top()
        ratio = self.devicePixelRatioF()
        for fragment in list(self._fragments()):
            fmt = fragment.charFormat().toImageFormat()
            if not fmt.isValid() or (image := pictures.get(fmt.name())) is None:
                continue
            self.document().addResource(QTextDocument.ResourceType.ImageResource.value, QUrl(fmt.name()), image)
            sized = QTextImageFormat(fmt)
            sized.setWidth(image.width() / ratio)
            sized.setHeight(image.height() / ratio)
            self._cursor(fragment).setCharFormat(sized)
        self.verticalScrollBar().setValue(self.verticalScrollBar().value() + self.cursorRect(top).top() - above)

    def mark(self, words: str) -> None:
        """Mark every place of the words, and go to the first."""
        selections: list[QTextEdit.ExtraSelection] = []
        for word in words.split():
            cursor = self.document().find(word)
            while not cursor.isNull() and len(selections) < _MOST_MARKS:
                selection = QTextEdit.ExtraSelection()
                selection.cursor, selection.format = cursor, QTextCharFormat()
                selection.format.setBackground(colour("found"))
                selections.append(selection)
                cursor = self.document().find(word, cursor)
        self.setExtraSelections(selections)
        if selections:
            first = min((s.cursor for s in selections), key=lambda cursor: cursor.position())
            place = QTextCursor(first)
            place.clearSelection()
            self.setTextCursor(place)
            bar = self.verticalScrollBar()
            bar.setValue(bar.value() + self.cursorRect(place).top() - self.viewport().height() // 4)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Tell the new width."""
        super().resizeEvent(event)
        self.resized.emit(self.picture_width_px())

    # --- dark style: what Markdown's reader sets for white paper

    def _dress(self) -> None:
        link = QTextCharFormat()
        link.setForeground(QBrush(colour("link")))
        for fragment in [f for f in self._fragments() if f.charFormat().isAnchor()]:
            self._cursor(fragment).mergeCharFormat(link)
        for block in list(self._blocks()):
            cursor = QTextCursor(block)
            if cursor.currentTable() is None:
                cursor.mergeBlockFormat(_block_format(block))
        for frame in self.document().rootFrame().childFrames():
            if isinstance(frame, QTextTable):
                self._dress_table(frame)

    @staticmethod
    def _dress_table(table: QTextTable) -> None:
        fmt = QTextTableFormat(table.format())
        fmt.setBorder(1)
        fmt.setBorderBrush(QBrush(colour("edge")))
        fmt.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
        fmt.setBorderCollapse(True)
        fmt.setCellPadding(5)
        fmt.setWidth(QTextLength(QTextLength.Type.PercentageLength, 98))
        fmt.setBottomMargin(10)
        table.setFormat(fmt)

    def _blocks(self) -> Iterator[QTextBlock]:
        block = self.document().begin()
        while block.isValid():
            yield block
            block = block.next()

    def _fragments(self) -> Iterator[QTextFragment]:
        for block in self._blocks():
            place = block.begin()
            while not place.atEnd():
                yield place.fragment()
                place += 1

    def _cursor(self, fragment: QTextFragment) -> QTextCursor:
        cursor = QTextCursor(self.document())
        cursor.setPosition(fragment.position())
        cursor.setPosition(fragment.position() + fragment.length(), QTextCursor.MoveMode.KeepAnchor)
        return cursor
