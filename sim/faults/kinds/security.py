"""What an attacker does at the broker: forged, useless, malformed and oversized messages, a stolen name."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sim import wire
from sim.faults.base import BrokerFault, Layer, MessageFault, NodeFault
from sim.faults.base import Forward as ForwardFn
from sim.faults.context import Context
from sim.faults.handles import NodeHandle
from sim.faults.machinery import BrokerHandle
from sim.nodes.lanes import Lane, Message

Rate = Annotated[float, Field(gt=0, le=1e6)]
"""Messages a second."""


class Spoof(MessageFault):
    """Somebody publishes on another's topic: behind each true message comes a forged one with a valid checksum.

    Only an access list at the broker keeps that out; the first message of a node for a sample is the one that counts.
    """

    layer: ClassVar[Layer] = "security"
    example = "{kind: spoof, target: cam.1, at: 10 s, for: 20 s}"
    kind: Literal["spoof"]
    first: bool = False
    """The forged message comes before the true one."""

    def around(self, message: Message, forward: ForwardFn, ctx: Context) -> None:
        forged = message.with_frame(self._forged(message, ctx))
        first, second = (forged, message) if self.first else (message, forged)
        forward(first)
        forward(second)

    def _forged(self, message: Message, ctx: Context) -> bytes:
        try:
            true = wire.decode(message.frame)
        except wire.Malformed:
            return message.frame  # another fault was there before
        payload = true.payload
        if true.dtype == wire.FLOAT32:
            values = ctx.rng.uniform(-10, 10, len(payload) // 4).tolist()
            payload = struct.pack(f"<{len(values)}f", *values)
        elif true.dtype in (wire.BITS, wire.UINT8):
            payload = ctx.rng.bytes(len(payload))
        return wire.encode(
            true.kind, true.dtype, true.node, true.sample, true.sequence, payload, expected=true.expected
        )


class _Attack(NodeFault):
    """Publishes frames of its own making on the topics of a node, at a steady rate."""

    layer: ClassVar[Layer] = "security"

    def frames(self, lane: Lane, ctx: Context) -> bytes:
        """The next frame for a lane."""
        raise NotImplementedError

    def period_s(self) -> float:
        """Time between two."""
        raise NotImplementedError

    @contextmanager
    def inject(self, node: NodeHandle, ctx: Context) -> Iterator[None]:
        lanes = node.lanes()
        sent = 0

        def attack() -> None:
            nonlocal sent
            lane = lanes[sent % len(lanes)]
            ctx.focus(ctx.number, sent)
            frame = self.frames(lane, ctx)
            sent += 1
            ctx.record(published=sent)
            lane.src.services.fabric.forge(lane, frame, -sent, ctx.fault_id, lane.dst)

        ctx.every(self.period_s(), attack)
        yield


class Flood(_Attack):
    """Useless messages fill the link of a node; they are `lost:malformed` at the other end."""

    example = "{kind: flood, target: cam.0, rate: 50, size: 500, at: 20 s, for: 10 s}"
    kind: Literal["flood"]
    rate: Rate = 20.0
    """Messages a second."""
    size: Annotated[int, Field(ge=0, le=1_000_000)] = 200
    """Bytes of each."""

    def period_s(self) -> float:
        return 1.0 / self.rate

    def frames(self, lane: Lane, ctx: Context) -> bytes:
        return ctx.rng.bytes(self.size)


class MalformedPackets(_Attack):
    """Messages that are nearly right: mutated headers, lengths that lie, wrong kinds, samples that never were."""

    example = "{kind: malformed-packets, target: cam.0, rate: 10, at: 20 s, for: 10 s}"
    kind: Literal["malformed-packets"]
    rate: Rate = 10.0
    """Messages a second."""

    def period_s(self) -> float:
        return 1.0 / self.rate

    def frames(self, lane: Lane, ctx: Context) -> bytes:
        return mutated(lane, ctx)


def mutated(lane: Lane, ctx: Context) -> bytes:
    """A frame as the lane's publisher might send it, with something wrong."""
    rng = ctx.rng
    size = int(rng.choice([*lane.port.costs, 0, 3, 700]))
    fields = [lane.port.kind, wire.FLOAT32, lane.src.index, 0]
    which = int(rng.integers(0, 6))
    if which < 4:  # a valid checksum over a field that lies
        fields[which] = int(rng.integers(0, 256))
    kind, dtype, node, sample = fields
    expected, flags = int(rng.integers(0, 65536)), int(rng.integers(0, 256))
    frame = bytearray(wire.encode(kind, dtype, node, sample, 0, rng.bytes(size), flags, expected))
    if which == 4:
        frame[int(rng.integers(0, len(frame)))] ^= 1 << int(rng.integers(0, 8))
    elif which == 5:
        del frame[int(rng.integers(0, len(frame))) :]
    return bytes(frame)


class OversizedPackets(_Attack):
    """Messages above the limit of the broker: refused before they are published, `lost:oversized`."""

    example = "{kind: oversized-packets, target: cam.0, size: 300000000, rate: 1, at: 20 s, for: 10 s}"
    kind: Literal["oversized-packets"]
    rate: Rate = 1.0
    """Messages a second."""
    size: Annotated[int, Field(ge=268_435_456, le=1_000_000_000)] = 268_435_456
    """Bytes of each; MQTT takes up to 268435455."""

    def period_s(self) -> float:
        return 1.0 / self.rate

    @contextmanager
    def inject(self, node: NodeHandle, ctx: Context) -> Iterator[None]:
        lane = node.lanes()[0]
        sent = 0

        def attack() -> None:
            nonlocal sent
            sent += 1
            ctx.record(refused=sent)
            lane.src.services.fabric.refuse(lane, "oversized", fault=ctx.fault_id)

        ctx.every(self.period_s(), attack)
        yield


class StolenIdentity(BrokerFault):
    """Somebody connects under the name of a client: the broker throws the true one out until it has its name back.

    In lockstep somebody really does. What comes for the client meanwhile is `lost:identity-stolen`.
    """

    layer: ClassVar[Layer] = "security"
    example = "{kind: stolen-identity, target: cam.3, at: 20 s, for: 3 s}"
    kind: Literal["stolen-identity"]

    @contextmanager
    def inject(self, broker: BrokerHandle, ctx: Context) -> Iterator[None]:
        with broker.usurped(ctx.fault_id):
            yield
