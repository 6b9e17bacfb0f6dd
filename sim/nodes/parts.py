"""A fleet in parts: a queue of events for every few sites and one for the cloud, so that a run works in the cache.

Sites do not talk to each other, and what the cloud says takes a while to come. So within a window that is no longer
than this while, the sites may go on one after the other, and the cloud last; every node sees the same, in the same
order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from heapq import heappush
from typing import Any, Final

from sim.clock import Clock
from sim.nodes.lanes import Lane

GROUP: Final = 16
"""Sites in one part."""
SHORTEST_S: Final = 0.001
"""With shorter windows, changing parts costs more than it saves."""
WHOLE_S: Final = 0.1
"""Window of a fleet in one part."""


class Parts:
    """The queues of a run.

    Args:
        lanes: all lanes of the fleet.
        whole: keep everything in one part.

    Attributes:
        first: the first site.
        queues: of every `GROUP` sites, in their order, and of the cloud and everything else.
        inbox: what is on its way to the cloud, in any order: there is too much of it to be kept in order all the time;
            None where it comes to the cloud's queue at once.
        window_s: how far a part may be ahead of the others.
    """

    first = 0
    inbox: list[Any] | None = None

    def __init__(self, clock: Clock, sites: int, lanes: Iterable[Lane], *, whole: bool) -> None:
        links = {lane.link for lane in lanes if lane.src.site < 0}
        self.window_s = min((link.model.latency_s - link.model.jitter_s for link in links), default=WHOLE_S)
        if whole or sites <= GROUP or self.window_s < SHORTEST_S:
            self.window_s, sites = WHOLE_S, 0
        self.queues: list[list[Any]] = [*([] for _ in range(0, sites, GROUP)), clock.queue]
        self.inbox = [] if sites else None

    def outlet(self, site: int) -> Callable[[tuple[Any, ...]], object]:
        """How what happens to a node of a site is put down; the cloud is site -1."""
        if site < 0 and self.inbox is not None:
            return self.inbox.append
        return partial(heappush, self.queues[self.number(site)])

    def number(self, site: int) -> int:
        """The part of a site; the cloud is site -1."""
        return (site - self.first) // GROUP if site >= 0 and len(self.queues) > 1 else len(self.queues) - 1
