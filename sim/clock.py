"""Virtual time: a SimPy environment with absolute scheduling and light events.

Processes, timeouts and resources of SimPy work unchanged. Built-in nodes and links use `Call`, which costs one heap
entry and one function call. What never has to be found or taken back again may be an entry by itself: a tuple
(time, rank, number, function, …) on `queue`, whose function is called with the tuple. One that answers True waits for
the world outside, and has put the tuple back.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from math import inf
from typing import Any, Final

import simpy
from simpy import events


class Call:
    """A function call at a point of virtual time, on the heap in place of a SimPy event."""

    __slots__ = ("argument", "function")

    def __init__(self, function: Callable[[Any], object], argument: Any) -> None:
        self.function: Callable[[Any], object] | None = function
        self.argument = argument

    def cancel(self) -> None:
        """The event still comes up, and then does nothing."""
        self.function = self.argument = None


def _is(event: object, wanted: Callable[[Call], bool]) -> bool:
    return type(event) is Call and event.function is not None and wanted(event)


NORMAL: Final = events.NORMAL
CROSSING: Final = 1 << 40
"""Numbers from here on are no entry's own: what comes over a lane to or from the cloud is numbered by lane and order,
so that it has the same place among others of its time whatever happened elsewhere before."""


class Clock(simpy.Environment):
    """`simpy.Environment` plus `at`; time in seconds.

    Attributes:
        queue: the heap of what is to happen: (time, rank, number, event) or (time, rank, number, function, …).
        number: gives the number of the next entry, by which entries of one time and rank keep their order.
    """

    NORMAL = NORMAL

    def __init__(self) -> None:
        super().__init__()
        self.queue: list[Any] = self._queue
        self.number: Callable[[], int] = self._eid.__next__

    def at(
        self, when_s: float, function: Callable[[Any], object], argument: Any = None, number: int | None = None
    ) -> Call:
        """Calls `function(argument)` at virtual time `when_s`, after what was scheduled there before.

        Args:
            number: its place among the calls of that time instead; not below `CROSSING`.

        Raises:
            ValueError: `when_s` lies in the past (no effect before its cause).
        """
        if not when_s >= self._now:
            raise ValueError(f"cannot schedule at {when_s} s: it is already {self._now} s")
        call = Call(function, argument)
        heappush(self.queue, (when_s, NORMAL, self.number() if number is None else number, call))
        return call

    def pending(self, wanted: Callable[[Call], bool]) -> list[tuple[float, Call]]:
        """The calls on the heap that `wanted` picks, in their order."""
        entries: list[Any] = sorted(entry for entry in self.queue if _is(entry[3], wanted))
        return [(when_s, call) for when_s, _, _, call in entries]

    def withdraw(self, wanted: Callable[[Call], bool]) -> list[tuple[float, Call]]:
        """Takes the calls that `wanted` picks off the heap, in their order; `restore` puts one back."""
        taken = self.pending(wanted)
        if taken:
            calls = {id(call) for _, call in taken}
            self.queue[:] = [entry for entry in self.queue if id(entry[3]) not in calls]  # `finish` holds the list
            heapify(self.queue)
        return taken

    def restore(self, when_s: float, call: Call) -> None:
        """Puts a withdrawn call back, for `when_s` or for now if that is past."""
        heappush(self.queue, (max(when_s, self._now), NORMAL, self.number(), call))

    def until(self, when_s: float, rank: int = 0) -> simpy.Event:
        """An event for `yield` that comes at the absolute time `when_s` (no rounding of now + delay).

        Among events of one time those of a lower `rank` come first, whatever happened before; equal ranks come in the
        order in which they were asked for.
        """
        event = simpy.Event(self)
        event._ok, event._value = True, None
        heappush(self.queue, (max(when_s, self._now), NORMAL + rank, self.number(), event))
        return event

    def finish(self) -> None:
        """Runs until nothing is left to happen."""
        while self.queue:
            self._until(inf)

    def finish_parts(
        self,
        parts: Sequence[list[Any]],
        window_s: float,
        turn: Callable[[float], object],
        wait: Callable[[tuple[Any, ...]], object],
        inbox: list[Any] | None = None,
    ) -> None:
        """As `finish`, but a window of time in one part of the world after the other, to work in the processor's cache.

        Args:
            parts: a queue each; what happens in one may schedule something in another only for a later window, except
                in the last one, which comes last. While a part runs, `queue` is its.
            window_s: how long a window is.
            turn: called after each window with its end, which everything before has happened by.
            wait: called with what stands first in a part when every part waits for the world outside.
            inbox: where other parts put entries for the last one, in any order.
        """
        whole, last_s = self.queue, self._now
        inbox = [] if inbox is None else inbox
        *others, last = parts
        while waiting := [queue[0][0] for queue in (*parts, inbox) if queue]:
            end_s = min(waiting) + window_s
            last_s = max(last_s, self._take_turns(others, end_s, wait))
            inbox.sort()
            due = bisect_left(inbox, (end_s,))
            coming = inbox[:due]
            del inbox[:due]
            last_s = max(last_s, self._receive(last, coming, end_s, wait))
            turn(end_s)
        self.queue, self._now = whole, last_s

    def _take_turns(self, parts: Sequence[list[Any]], end_s: float, wait: Callable[[tuple[Any, ...]], object]) -> float:
        """Advances each part, and those that have to wait again and again; the time of the last that happened."""
        last_s = 0.0
        while parts := [queue for queue in parts if queue and queue[0][0] < end_s]:
            stuck = True
            for queue in parts:
                first = queue[0]
                last_s = max(last_s, self.advance(queue, end_s))
                stuck = stuck and bool(queue) and queue[0] is first
            if stuck:
                wait(parts[0][0])
        return last_s

    def _receive(
        self, part: list[Any], coming: list[Any], end_s: float, wait: Callable[[tuple[Any, ...]], object]
    ) -> float:
        """Advances one part with entries that come to it, which are in order; the time of the last that happened."""
        self.queue = part
        coming.reverse()
        while coming or (part and part[0][0] < end_s):
            entry = coming.pop() if coming and not (part and part[0] < coming[-1]) else heappop(part)
            self._now = entry[0]
            if len(entry) < 5:
                happen(entry)
            elif entry[3](entry):
                wait(entry)
        return self._now

    def advance(self, part: list[Any], end_s: float) -> float:
        """Lets happen what lies on one queue before `end_s`; the time of the last of it. `queue` stays this one."""
        self.queue = part
        self._until(end_s)
        return self._now

    def step(self) -> None:
        """The next event.

        Raises:
            simpy.core.EmptySchedule: there is none.
        """
        if not self.queue:
            raise simpy.core.EmptySchedule
        entry = heappop(self.queue)
        self._now = entry[0]
        happen(entry)

    def _until(self, end_s: float) -> None:
        """Runs the queue up to `end_s`, which is not reached."""
        queue = self.queue
        while queue and queue[0][0] < end_s:
            entry = heappop(queue)
            event = entry[3]
            self._now = entry[0]
            if len(entry) > 4:
                if event(entry):
                    return
            elif type(event) is Call:
                if event.function is not None:
                    event.function(event.argument)
            else:
                _trigger(event)


def _trigger(event: simpy.Event) -> None:
    """As `simpy.Environment.step` does it."""
    callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]
    for callback in callbacks:
        callback(event)
    if not event._ok and not hasattr(event, "_defused"):
        raise event._value


def happen(entry: Any) -> None:
    """Lets an entry that was taken from the heap happen."""
    event = entry[3]
    if len(entry) > 4:
        event(entry)
    elif type(event) is Call:
        if event.function is not None:
            event.function(event.argument)
    else:
        _trigger(event)
