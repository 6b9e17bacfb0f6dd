"""What goes wrong with the broker. In lockstep the real one goes through the same, where it is our own process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from pydantic import Field

from sim.faults.base import BrokerFault
from sim.faults.context import Context
from sim.faults.machinery import BrokerHandle


class BrokerKill(BrokerFault):
    """The broker is killed (SIGKILL) and started again at the end, when all clients are back at once.

    What it had taken and not delivered is lost, or delivered again where `mqtt.durable` is set.
    """

    example = "{kind: broker-kill, target: broker, at: 30 s, for: 2 s}"
    kind: Literal["broker-kill"]

    @contextmanager
    def inject(self, broker: BrokerHandle, ctx: Context) -> Iterator[None]:
        with broker.killed(ctx.fault_id):
            yield


class BrokerPause(BrokerFault):
    """The broker stands still (SIGSTOP); nothing is lost."""

    example = "{kind: broker-pause, target: broker, at: 30 s, for: 1 s}"
    kind: Literal["broker-pause"]

    @contextmanager
    def inject(self, broker: BrokerHandle, ctx: Context) -> Iterator[None]:
        with broker.paused(ctx.fault_id):
            yield


class ConnectionReset(BrokerFault):
    """Clients lose their connection to the broker and come back at the end."""

    example = "{kind: connection-reset, target: cam, pick: 1, at: 12 s, for: 1 s}"
    kind: Literal["connection-reset"]

    @contextmanager
    def inject(self, broker: BrokerHandle, ctx: Context) -> Iterator[None]:
        with broker.reset(ctx.fault_id):
            yield


class SessionLoss(BrokerFault):
    """The broker has forgotten what clients subscribed to; at the end they subscribe again."""

    example = "{kind: session-loss, target: gw, at: 20 s, for: 5 s}"
    kind: Literal["session-loss"]

    @contextmanager
    def inject(self, broker: BrokerHandle, ctx: Context) -> Iterator[None]:
        with broker.forgetful(ctx.fault_id):
            yield


class QueueLimit(BrokerFault):
    """The broker keeps few messages for a slow subscriber and drops the others without a word. (A model only.)"""

    example = "{kind: queue-limit, target: broker, messages: 2}"
    kind: Literal["queue-limit"]
    messages: Annotated[int, Field(ge=1, le=1_000_000)]
    """How many it keeps for each subscriber and link."""

    @contextmanager
    def inject(self, broker: BrokerHandle, ctx: Context) -> Iterator[None]:
        with broker.limited(self.messages, ctx.fault_id):
            yield
