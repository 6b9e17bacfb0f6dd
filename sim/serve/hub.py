"""Brings events from the run's thread to all visitors, in the server's own thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sim.serve.feed import Feed, event

if TYPE_CHECKING:
    from sim.world.telemetry import Snapshot

BEHIND: Final = 8
"""Events that a visitor may be behind; then it gets everything anew instead."""
MOST: Final = 64
"""Visitors at a time."""

Mailbox = asyncio.Queue[str | None]
"""Events of one visitor; None ends it."""


class Hub:
    """The visitors of a page. Everything but `show` and `progress` belongs to the loop's thread.

    Attributes:
        stopped: a visitor has ended the run.
        visited: is set once somebody looks on.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, faults: bool = True) -> None:
        self.stopped = False
        self.visited = threading.Event()
        self._loop = loop
        self._feed = Feed(faults)
        self._boxes: set[Mailbox] = set()
        self._lock = threading.Lock()
        self._next: Snapshot | None = None
        self._progress: str | None = None

    # -- from any thread

    def show(self, snapshot: Snapshot) -> None:
        """Takes a snapshot; where several come while the loop is busy, the last one counts."""
        with self._lock:
            waiting, self._next = self._next is not None, snapshot
        if not waiting:
            self._soon(self._advance)

    def progress(self, what: str, done: int, total: int) -> None:
        """Tells how far the preparation is."""
        text = event("progress", [what, done, total])
        self._soon(lambda: self._prepare(text))

    def _soon(self, call: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            return  # the loop is closed: nobody looks on any more

    # -- in the loop

    @property
    def empty(self) -> bool:
        """Whether nobody looks on."""
        return not self._boxes

    @property
    def full(self) -> bool:
        """Whether no further visitor can be let in."""
        return len(self._boxes) >= MOST

    def join(self) -> Mailbox:
        """A visitor comes."""
        box: Mailbox = asyncio.Queue(BEHIND)
        self._boxes.add(box)
        self.visited.set()
        for text in (self._feed.hello(), self._progress):
            if text is not None:
                box.put_nowait(text)
        return box

    def leave(self, box: Mailbox) -> None:
        """A visitor goes."""
        self._boxes.discard(box)

    def close(self) -> None:
        """Ends all visits."""
        for box in list(self._boxes):
            _replace(box, None)

    def _advance(self) -> None:
        with self._lock:
            snapshot, self._next = self._next, None
        if snapshot is not None:
            self._progress = None if snapshot.status != "preparing" else self._progress
            self._tell(self._feed.advance(snapshot))

    def _prepare(self, text: str) -> None:
        self._progress = text
        self._tell(text)

    def _tell(self, text: str) -> None:
        for box in self._boxes:
            if box.full():
                _replace(box, self._feed.hello() or text)
            else:
                box.put_nowait(text)


def _replace(box: Mailbox, text: str | None) -> None:
    while not box.empty():
        box.get_nowait()
    box.put_nowait(text)
