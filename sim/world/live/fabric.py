"""The fabric in wall-clock time: the modelled link first, and then the message must really have come.

A message arrives at the later of two times: when its link says so, and when the broker has brought it. One that the
broker does not bring within the patience of the scenario is `lost:undelivered`.
"""

from __future__ import annotations

from typing import Final, Protocol

from sim.clock import Call
from sim.ledger.messages import MessageLog
from sim.meter import Framing
from sim.nodes.fabric import Carrier, Fabric
from sim.nodes.lanes import Message
from sim.world.live.clock import LiveClock

UNDELIVERED: Final = "undelivered"
INTERRUPTED: Final = "interrupted"


class WaitingCarrier(Carrier, Protocol):
    """A carrier that tells what has come without waiting for it."""

    def holds(self, receiver: int, topic: str, expected: bytes) -> bool: ...


class LiveFabric(Fabric):
    """A `Fabric` whose messages may be late.

    Attributes:
        late: messages so far that were not there yet when their link had let them through.
    """

    def __init__(
        self, clock: LiveClock, carrier: WaitingCarrier, log: MessageLog, framing: Framing, qos: int, patience_s: float
    ) -> None:
        super().__init__(clock, carrier, log, framing, qos, patience_s)
        self.late = 0
        self._live = carrier
        self._patience_run_s = patience_s * clock.speed
        self._awaited: dict[int, tuple[Call, Message]] = {}

    def arrive(self, message: Message) -> None:
        """The link lets a message through; without its bytes, it waits for them."""
        awaited = self._awaited.pop(id(message), None)
        if self._is_here(message):
            super().arrive(message)
        elif awaited is not None:
            self.drop(message, UNDELIVERED)
        else:
            self.late += 1
            call = self.clock.at(self.clock.now + self._patience_run_s, self.arrive, message)
            self._awaited[id(message)] = (call, message)

    def collect(self) -> None:
        """Lets messages arrive that were awaited and have come."""
        for key, (call, message) in list(self._awaited.items()):
            if self._is_here(message):
                del self._awaited[key]
                if self.clock.withdraw(lambda other, call=call: other is call):  # type: ignore[misc]
                    super().arrive(message)

    def interrupt(self) -> None:
        """The run ends early: whatever is on its way never arrives."""
        for _, call in self.clock.withdraw(lambda call: isinstance(call.argument, Message)):
            self.drop(call.argument, INTERRUPTED)
        self._awaited.clear()

    def _is_here(self, message: Message) -> bool:
        lane = message.lane
        return self._live.holds(lane.dst.client, lane.topic, message.frame)
