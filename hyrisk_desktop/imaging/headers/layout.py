"""Headers of one series mostly share a layout: then a comparison of a few bytes replaces walking the whole header.

A layout keeps where each element's own header (tag, VR, length) lies, nested ones included, and those bytes. A file
that has the very same bytes at the very same places would be walked in exactly the same steps, so its values lie
where they lay before. Nothing is guessed: one differing byte, and the file is walked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

_MOST = 8


@dataclass(frozen=True, slots=True)
class Layout:
    """One way in which a header is laid out.

    Attributes:
        places: indices of all bytes that steer a walk.
        steering: those bytes.
        needed: how many bytes of the file the layout covers.
        tags: those of the values to take.
        take: cuts these values out of a file's bytes, all in one call.
        syntax: the transfer syntax, whose bytes steer as well.
        explicit, pixel_offset, pixel_length: as in `tags.Header`.
    """

    places: NDArray[np.intp]
    steering: bytes
    needed: int
    tags: tuple[int, ...]
    take: Callable[[bytes], tuple[bytes, ...]]
    syntax: str
    explicit: bool
    pixel_offset: int
    pixel_length: int

    def values(self, buffer: bytes) -> dict[int, bytes] | None:
        """The wanted values of a file that has this layout; None for one that hasn't."""
        if len(buffer) < self.needed or np.frombuffer(buffer, np.uint8)[self.places].tobytes() != self.steering:
            return None
        return dict(zip(self.tags, self.take(buffer), strict=False))


class Layouts:
    """The last few layouts seen, the latest first. Not safe for several threads."""

    def __init__(self) -> None:
        self._known: list[Layout] = []

    def match(self, buffer: bytes) -> tuple[Layout, dict[int, bytes]] | None:
        """The layout of a file that begins with ``buffer``, and its values."""
        for number, layout in enumerate(self._known):
            if (values := layout.values(buffer)) is not None:
                if number:
                    del self._known[number]
                    self._known.insert(0, layout)
                return layout, values
        return None

    def remember(
        self,
        buffer: bytes,
        trace: Sequence[tuple[int, int]],
        wanted: Sequence[tuple[int, int, int]],
        syntax: str,
        explicit: bool,
        pixels: tuple[int, int],
    ) -> None:
        """Keep the layout of a file just walked; ``trace`` holds begin and end of every steering stretch of bytes.

        Args:
            buffer: the file's first bytes. wanted: tag, begin and end of each value. syntax, explicit: how it is
                encoded.
            pixels: where the pixel data begin, and their length.
        """
        places = np.concatenate([np.arange(begin, end, dtype=np.intp) for begin, end in trace])
        steering = np.frombuffer(buffer, np.uint8)[places].tobytes()
        # The empty slices at the end change nothing: they make `itemgetter` answer with a tuple in every case.
        take = itemgetter(*(slice(begin, end) for _, begin, end in wanted), slice(0), slice(0))
        tags = tuple(tag for tag, _, _ in wanted)
        self._known.insert(0, Layout(places, steering, pixels[0], tags, take, syntax, explicit, *pixels))
        del self._known[_MOST:]
