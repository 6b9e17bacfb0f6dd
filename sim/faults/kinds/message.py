"""What happens to single messages between publisher and broker."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sim.faults.base import Forward, MessageFault
from sim.faults.context import Context
from sim.nodes.lanes import Message
from sim.scenario.types import Duration, Period


class Drop(MessageFault):
    """The message is gone; unlike a loss on the link nobody sends it again."""

    example = "{kind: drop, target: cam.2, probability: 0.1}"
    kind: Literal["drop"]

    def around(self, message: Message, forward: Forward, ctx: Context) -> None:
        return


class Duplicate(MessageFault):
    """The message comes more than once."""

    example = "{kind: duplicate, target: cam->gw, copies: 1, spacing: 50 ms, probability: 0.2}"
    kind: Literal["duplicate"]
    copies: Annotated[int, Field(ge=1, le=1000)] = 1
    """How many more."""
    spacing_s: Duration = Field(default=0.0, alias="spacing")
    """Time between one and the next."""

    def around(self, message: Message, forward: Forward, ctx: Context) -> None:
        for copy in range(self.copies + 1):
            forward(message, copy * self.spacing_s)


class Delay(MessageFault):
    """The message is sent later."""

    example = "{kind: delay, target: gw->cloud, by: 300 ms, spread: 100 ms, at: 10 s, for: 20 s}"
    kind: Literal["delay"]
    by_s: Duration = Field(alias="by")
    """How much later at least."""
    spread_s: Duration = Field(default=0.0, alias="spread")
    """Up to so much more, at random."""

    def around(self, message: Message, forward: Forward, ctx: Context) -> None:
        forward(message, self.by_s + self.spread_s * ctx.uniform())


class Reorder(MessageFault):
    """Messages overtake each other: some wait for a random time before they are sent."""

    example = "{kind: reorder, target: cam, within: 2 s, probability: 0.3}"
    kind: Literal["reorder"]
    within_s: Period = Field(default=1.0, alias="within")
    """They wait for less than this."""

    def around(self, message: Message, forward: Forward, ctx: Context) -> None:
        forward(message, self.within_s * ctx.uniform())


class Corrupt(MessageFault):
    """Bits of header or payload flip; the checksum finds out, and the message is `lost:malformed`."""

    example = "{kind: corrupt, target: gw, bits: 3, probability: 0.05}"
    kind: Literal["corrupt"]
    bits: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """How many bits, at most."""

    def around(self, message: Message, forward: Forward, ctx: Context) -> None:
        frame = bytearray(message.frame)
        for position in ctx.rng.integers(0, 8 * len(frame), self.bits).tolist():
            frame[position // 8] ^= 1 << position % 8
        forward(message.with_frame(bytes(frame)))


class Truncate(MessageFault):
    """The message ends too early."""

    example = "{kind: truncate, target: cam.1, keep: 0.5, probability: 0.1}"
    kind: Literal["truncate"]
    keep: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of its bytes that is left."""

    def around(self, message: Message, forward: Forward, ctx: Context) -> None:
        forward(message.with_frame(message.frame[: int(len(message.frame) * self.keep)]))


class Replay(MessageFault):
    """An old message of the same sender comes once more behind the true one."""

    example = "{kind: replay, target: cam.0, back: 5, probability: 0.2}"
    kind: Literal["replay"]
    back: Annotated[int, Field(ge=1, le=10_000)] = 1
    """How many messages back it was."""

    def around(self, message: Message, forward: Forward, ctx: Context) -> None:
        past: list[bytes] = ctx.state.setdefault(f"past-{message.kind}", [])
        forward(message)
        if len(past) == self.back:
            forward(message.with_frame(past.pop(0)))
        past.append(message.frame)
