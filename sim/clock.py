"""Virtual time: a SimPy environment with absolute scheduling and light events.

Processes, timeouts and resources of SimPy work unchanged. Built-in nodes and links use `Call`, a slotted event that
costs one heap entry and one function call.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
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

    def until(self, when_s: float) -> simpy.Event:
        """An event for `yield` that comes at the absolute time `when_s` (no rounding of now + delay)."""
        event = simpy.Event(self)
        event._ok, event._value = True, None
        heappush(self._queue, (max(when_s, self._now), NORMAL, next(self._eid), event))
        return event

    def finish(self) -> None:
        """Runs until nothing is left to happen; `Environment.step` in one loop."""
        queue = self._queue
        while queue:
            self._now, _, _, event = heappop(queue)
            callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]
            for callback in callbacks:
                callback(event)
            if not event._ok and not hasattr(event, "_defused"):
                raise event._value
