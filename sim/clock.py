"""Virtual time: a SimPy environment with absolute scheduling and light events.

Processes, timeouts and resources of SimPy work unchanged. Built-in nodes and links use `Call`, a slotted event that
costs one heap entry and one function call.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

import simpy
from simpy.events import NORMAL


class Call:
    """A function call at a point of virtual time; stands in for a SimPy event on the heap."""

    __slots__ = ("_defused", "_ok", "_value", "argument", "callbacks", "function")

    def __init__(self, function: Callable[[Any], object], argument: Any) -> None:
        self._ok = True
        self._value = None
        self.function: Callable[[Any], object] | None = function
        self.argument = argument
        self.callbacks: Any = (_fire,)

    def cancel(self) -> None:
        """The event still comes up, and then does nothing."""
        self.function = self.argument = None


def _fire(call: Call) -> None:
    if call.function is not None:
        call.function(call.argument)


def _is(event: object, wanted: Callable[[Call], bool]) -> bool:
    return type(event) is Call and event.function is not None and wanted(event)


class Clock(simpy.Environment):
    """`simpy.Environment` plus `at`; time in seconds."""

    def at(self, when_s: float, function: Callable[[Any], object], argument: Any = None) -> Call:
        """Calls `function(argument)` at virtual time `when_s`, after what was scheduled there before.

        Raises:
            ValueError: `when_s` lies in the past (no effect before its cause).
        """
        if not when_s >= self._now:
            raise ValueError(f"cannot schedule at {when_s} s: it is already {self._now} s")
        call = Call(function, argument)
        heappush(self._queue, (when_s, NORMAL, next(self._eid), call))  # type: ignore[misc]
        return call

    def pending(self, wanted: Callable[[Call], bool]) -> list[tuple[float, Call]]:
        """The calls on the heap that `wanted` picks, in their order."""
        entries: list[Any] = sorted(entry for entry in self._queue if _is(entry[3], wanted))
        return [(when_s, call) for when_s, _, _, call in entries]

    def withdraw(self, wanted: Callable[[Call], bool]) -> list[tuple[float, Call]]:
        """Takes the calls that `wanted` picks off the heap, in their order; `restore` puts one back."""
        taken = self.pending(wanted)
        if taken:
            calls = {id(call) for _, call in taken}
            self._queue[:] = [entry for entry in self._queue if id(entry[3]) not in calls]  # `finish` holds the list
            heapify(self._queue)
        return taken

    def restore(self, when_s: float, call: Call) -> None:
        """Puts a withdrawn call back, for `when_s` or for now if that is past."""
        heappush(self._queue, (max(when_s, self._now), NORMAL, next(self._eid), call))  # type: ignore[misc]

    def until(self, when_s: float, rank: int = 0) -> simpy.Event:
        """An event for `yield` that comes at the absolute time `when_s` (no rounding of now + delay).

        Among events of one time those of a lower `rank` come first, whatever happened before; equal ranks come in the
        order in which they were asked for.
        """
        event = simpy.Event(self)
        event._ok, event._value = True, None
        heappush(self._queue, (max(when_s, self._now), NORMAL + rank, next(self._eid), event))  # type: ignore[misc]
        return event

    def finish(self) -> None:
        """Runs until nothing is left to happen; `Environment.step` in one loop."""
        queue = self._queue
        while queue:
            self._now, _, _, event = heappop(queue)
            if type(event) is Call:  # type: ignore[comparison-overlap]
                _fire(event)
                continue
            callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]
            for callback in callbacks:
                callback(event)
            if not event._ok and not hasattr(event, "_defused"):
                raise event._value
