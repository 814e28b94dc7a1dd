"""The reading panel right of the images: everything one below the other where there is room, else the numbers above and the rest in tabs.

A notebook's screen holds grade, risk and scores without scrolling; findings, lesions, plaques and change take turns below them there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QScrollArea, QSizePolicy, QTabWidget, QVBoxLayout, QWidget

from hyrisk_desktop.gui.appearance import scaled

PANEL_WIDTH = 460
"""At a text of 100 %."""
_MOST_SHARE = 0.46
"""Of the window: the images keep more than half of it, whatever the size of the text."""
_MARGINS = {False: (9, 9, 9, 9), True: (9, 3, 9, 4)}
"""Of the parts, by whether room is short."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the panel.

    Attributes:
        widget: it. stretch: its share of the room that is left where all stand one below the other; 0 for what it needs.
        title: of its tab, where room is short; "" for a part that always stands above.
        moves: what goes into the tab, the last thing in the part; None for the part itself.
        compact: called with whether room is short.
    """

    widget: QWidget
    stretch: int = 0
    title: str = ""
    moves: QWidget | None = None
    compact: Callable[[bool], None] | None = None

    @property
    def tabbed(self) -> QWidget:
        """What goes into the tab."""
        return self.moves or self.widget


class ReadingPanel(QScrollArea):
    """Holds the parts; those that hide themselves lose their tab.

    Args:
        parts: from top to bottom. rest: whose tab is in front where nothing else has come up.
    """

    def __init__(self, parts: tuple[Part, ...], rest: QWidget, parent: QWidget | None = None) -> None:
        super().__init__()
        self.setObjectName("readingScroll")
        # Now, as the style sheet looks at names when a part comes to its place; and before the panel is filled, as each new
        # place of a part styles all that the part holds anew.
        self.setParent(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._parts, self._rest, self._front = parts, rest, rest
        self._inner = QWidget()
        self._inner.setObjectName("readingPanel")
        self._column = QVBoxLayout(self._inner)
        self._column.setContentsMargins(8, 2, 8, 8)
        self._column.setSpacing(4)
        self.tabs = QTabWidget()
        self.tabs.setObjectName("readingTabs")
        self.tabs.setVisible(False)
        self.tabs.tabBar().setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.tabs.tabBar().setExpanding(False)
        self._pages: dict[QWidget, QWidget] = {}
        self._moving = False
        self._tall: dict[QWidget, int] = {}
        self.compact = False
        """Whether the rest is in tabs."""
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._arrange)
        self.setWidget(self._inner)
        for part in parts:
            if part.title:
                page = QWidget()
                # The widest of the tabs is not to push the numbers out of sight.
                page.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
                layout = QVBoxLayout(page)
                layout.setContentsMargins(0, 0, 0, 0)
                self._pages[part.tabbed] = page
                self.tabs.addTab(page, part.title)
            self._column.addWidget(part.widget, part.stretch)
            part.widget.installEventFilter(self)
        self._column.addWidget(self.tabs, 1)
        self.fit_width()

    def fit_width(self) -> None:
        """As wide as its text wants, and never so wide that the images lose half of the window."""
        wanted = scaled(PANEL_WIDTH)
        window = self.window().width()
        self.setFixedWidth(
            min(wanted, max(PANEL_WIDTH, round(_MOST_SHARE * window))) if window > PANEL_WIDTH else wanted
        )

    # --- arranging

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another height is room for more, or for less."""
        super().resizeEvent(event)
        self._later.start(0)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A part appears, and comes to the front, or goes."""
        if event.type() in (QEvent.Type.ShowToParent, QEvent.Type.HideToParent) and isinstance(watched, QWidget):
            if not self._moving and watched in self._pages:
                self._front = self._rest if watched.isHidden() else watched
            self._show_page(watched)
            self._later.start(0)
        return False

    def _show_page(self, widget: QWidget) -> None:
        if (page := self._pages.get(widget)) is not None:
            self.tabs.setTabVisible(self.tabs.indexOf(page), not widget.isHidden())
            self.tabs.setCurrentWidget(self._pages[self._front])

    @Slot()
    def _arrange(self) -> None:
        compact = self._needed() > self.viewport().height()
        if compact == self.compact:
            return
        self.compact, self._moving = compact, True
        self.setUpdatesEnabled(False)
        for place, part in enumerate(self._parts):
            if part.compact is not None:
                part.compact(compact)
            if (layout := part.widget.layout()) is not None:
                layout.setContentsMargins(*_MARGINS[compact])
            if part.title:
                self._move(place, part)
            # All the room that is left is the tabs'.
            self._column.setStretchFactor(part.widget, 0 if compact else part.stretch)
        self.tabs.setVisible(compact)
        self.tabs.setCurrentWidget(self._pages[self._front])
        self.setUpdatesEnabled(True)
        self._moving = False

    def _move(self, place: int, part: Part) -> None:
        """Into its tab, or back to its place."""
        hidden = part.tabbed.isHidden()
        home = self._pages[part.tabbed] if self.compact else part.widget
        if self.compact or part.moves is not None:
            layout = home.layout()
            assert layout is not None
            layout.addWidget(part.tabbed)
        else:
            self._column.insertWidget(place, part.widget, part.stretch)
        part.tabbed.setHidden(hidden)
        self._show_page(part.tabbed)

    def _needed(self) -> int:
        """Height of all parts that are shown, one below the other and none of them compact."""
        if not self.compact:
            self._tall = {part.widget: part.widget.minimumSizeHint().height() for part in self._parts}
        heights = [height for widget, height in self._tall.items() if not widget.isHidden()]
        margins = self._column.contentsMargins()
        return sum(heights) + self._column.spacing() * (len(heights) - 1) + margins.top() + margins.bottom()
