"""The faults on one lane, one after the other: each lets a message go on to the next, and the last to the broker."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from functools import partial

from sim.faults.base import MessageFault
from sim.faults.context import Context
from sim.ledger.faults import joined
from sim.nodes.fabric import Fabric
from sim.nodes.lanes import Lane, Message

Onward = Callable[[Message], None]
Handler = Callable[[Message, Onward], None]
Struck = Callable[[], None]


class Chain:
    """The handlers on one lane, in the order of the scenario; the lane knows of the chain only while it has any."""

    def __init__(self, lane: Lane, fabric: Fabric) -> None:
        self._lane = lane
        self._fabric = fabric
        self._handlers: list[tuple[int, int, Handler]] = []
        self._added = 0

    def add(self, order: int, handler: Handler) -> Callable[[], None]:
        """Puts a handler in its place; the returned function takes it out again."""
        self._added += 1
        entry = (order, self._added, handler)
        insort(self._handlers, entry, key=lambda item: item[:2])
        self._update()

        def remove() -> None:
            self._handlers.remove(entry)
            self._update()

        return remove

    def __call__(self, message: Message) -> None:
        """Sends a message through all of them."""
        self._pass(tuple(handler for _, _, handler in self._handlers), message)

    def _pass(self, handlers: tuple[Handler, ...], message: Message) -> None:
        if handlers:
            handlers[0](message, partial(self._pass, handlers[1:]))
        else:
            self._fabric.travel(message)

    def _update(self) -> None:
        lane = self._lane
        lane.around = self if self._handlers else None
        lane.port.tampered = any(other.around is not None for other in lane.port.lanes)


def tag(name: str) -> Handler:
    """A handler that only writes the fault's name on what passes."""

    def handler(message: Message, onward: Onward) -> None:
        onward(message._replace(fault=joined(message.fault, name)))

    return handler


class Striker:
    """Lets a message fault act on the messages that it strikes, and accounts for copies and losses."""

    def __init__(
        self, kind: MessageFault, name: str, ctx: Context, probability: float, fabric: Fabric, struck: Struck
    ) -> None:
        self._kind = kind
        self._name = name
        self._ctx = ctx
        self._probability = probability
        self._fabric = fabric
        self._struck = struck

    def __call__(self, message: Message, onward: Onward) -> None:
        """Handles one message."""
        ctx, fabric = self._ctx, self._fabric
        ctx.focus(message.kind, message.sample, message.origin)
        if not ctx.strikes(self._probability):
            onward(message)
            return
        self._struck()
        touched = message._replace(fault=joined(message.fault, self._name))
        forwards = 0

        def forward(message: Message, delay_s: float = 0.0) -> None:
            nonlocal forwards
            out = fabric.again(touched) if forwards else touched
            if message.frame != touched.frame:
                out = fabric.altered(out, message.frame)
            forwards += 1
            if delay_s > 0:
                fabric.clock.at(fabric.clock.now + delay_s, onward, out)
            else:
                onward(out)

        self._kind.around(touched, forward, ctx)
        if not forwards:
            fabric.drop(touched, self._kind.name())
