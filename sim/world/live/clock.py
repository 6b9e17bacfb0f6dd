"""A clock that shows wall time and waits on the network for it to pass.

`simpy.rt.RealtimeEnvironment` sleeps until its next event and is deaf meanwhile; here the waiting is done by whoever
knows the sockets, and ends early when something comes.

An event happens at its own time, even if the program comes to it late: what follows is counted from there, so that
being a little late does not add up. Where the program is kept from its work for longer, the clock stands still.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from heapq import heappop
from typing import Final

from sim.clock import Call, Clock, happen

LONGEST_WAIT_S: Final = 0.05
"""Wall seconds between looks at what other threads want."""
FINE_S: Final = 0.001
"""Selectors count in milliseconds; below, the clock sleeps."""
BATCH: Final = 64
"""Events in a row before the network is looked at again."""
STALL_S: Final = 0.005
"""Wall seconds away from the network that are nobody's lateness yet."""
CATCH_UP: Final = 0.2
"""How much faster the clock goes after it has stood still, until it shows wall time again."""

Wait = Callable[[float], object]


class LiveClock(Clock):
    """`Clock` in wall-clock time, `speed` times as fast.

    Time begins with `finish`, or where `begin` puts it, and never passes an event that has not happened yet.

    Args:
        wait: lets the network do its work for at most so many wall seconds; returns early when something came.
        speed: seconds of the run for each wall second.
        holds: see the attribute.
        monotonic: the wall clock.

    Attributes:
        holds: the clock stands still while the machine does not let the program run or the program works, where that
            takes longer than `STALL_S`, and catches up afterwards: a deadline is for others, who could not be heard.
        turns: called after every look at the network, with the time set.
        stopped: `stop` was called.
        stays: whether the clock goes on although nothing is scheduled; None: it ends then.
        behind_s: wall seconds that it was behind wall time at most.
    """

    def __init__(
        self,
        wait: Wait,
        speed: float = 1.0,
        *,
        holds: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.speed = speed
        self.behind_s = self._owed_s = 0.0
        self.holds = holds
        self._attended_s = monotonic()
        self.turns: list[Callable[[], object]] = []
        self.stays: Callable[[], bool] | None = None
        self._wait = wait
        self._monotonic = monotonic
        self._began: float | None = None
        self.stopped = False

    def begin(self, wall_s: float | None = None) -> None:
        """Sets time 0 to `wall_s` on the wall clock; None: now."""
        self._began = self._monotonic() if wall_s is None else wall_s

    def stop(self) -> None:
        """Makes `finish` return before the next event."""
        self.stopped = True

    def forgive(self) -> None:
        """Shows wall time at once, instead of catching up: others have taken the program for dead meanwhile."""
        self._owed_s = 0.0

    def elapsed_s(self) -> float:
        """Time of the run by the wall clock, without what it stood still; negative before it begins."""
        return 0.0 if self._began is None else (self._monotonic() - self._began - self._owed_s) * self.speed

    def look(self) -> None:
        """Sets the time to what the wall clock shows, or to that of the next event if this is due."""
        due_s = self.queue[0][0] if self.queue else float("inf")
        self._now = max(self._now, min(self.elapsed_s(), due_s))

    def finish(self) -> None:
        """Runs until nothing is left to happen, or `stop`."""
        if self._began is None:
            self.begin()
        self._attended_s = self._monotonic()
        while not self.stopped and (self._scheduled() or (self.stays is not None and self.stays())):
            self._pause()
            self.look()
            for turn in self.turns:
                turn()
            self._run_due()

    def _scheduled(self) -> bool:
        """Whether anything is still to happen; nobody waits for what was cancelled."""
        queue = self.queue
        while queue and type(queue[0][3]) is Call and queue[0][3].function is None:
            heappop(queue)
        return bool(queue)

    def _pause(self) -> None:
        """Waits for the network until the next event is due."""
        due_s = self.queue[0][0] if self.queue else float("inf")
        left_s = min((due_s - self.elapsed_s()) / self.speed, LONGEST_WAIT_S)
        if 0 < left_s < FINE_S:
            self._wait(0.0)
            time.sleep(left_s)
            self._wait(0.0)
        else:
            self._wait(max(0.0, left_s - FINE_S))
        self._attend(max(0.0, left_s))

    def _attend(self, meant_s: float) -> None:
        """The network has been looked at; since the last time no more than `meant_s` were to pass."""
        now_s = self._monotonic()
        took_s, self._attended_s = now_s - self._attended_s, now_s
        if self.holds and took_s - meant_s > STALL_S:
            self._owed_s += took_s - meant_s
            self.behind_s = max(self.behind_s, self._owed_s)
        elif self._owed_s:
            self._owed_s = max(0.0, self._owed_s - CATCH_UP * took_s)

    def _run_due(self) -> None:
        queue = self.queue
        for _ in range(BATCH):
            if not queue or queue[0][0] > self.elapsed_s() or self.stopped:
                return
            entry = heappop(queue)
            self._now = max(self._now, entry[0])
            happen(entry)
            if self.holds and self._monotonic() - self._attended_s > STALL_S:
                return
