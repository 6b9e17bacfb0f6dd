"""What a live run is made of: carrier, clock and fabric that belong together."""

from __future__ import annotations

from brokers.api import Carrier
from brokers.client import Pool
from sim.errors import SetupError
from sim.ledger.messages import MessageLog
from sim.meter import Framing
from sim.world.live.carrier import LiveCarrier
from sim.world.live.clock import LiveClock
from sim.world.live.fabric import LiveFabric


class Live:
    """Makes the parts of one live run, in the order in which they stand here.

    Args:
        speed: seconds of the run for each wall second.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._carrier: LiveCarrier | None = None
        self._clock: LiveClock | None = None

    def carrier(self, carrier: Carrier | None, *, keeps: bool) -> LiveCarrier:
        """The carrier for wall-clock time; `keeps`: sessions outlive a lost connection.

        Raises:
            SetupError: it is not one of a real broker.
        """
        if not isinstance(carrier, Pool):
            raise SetupError("live mode needs a real broker: use --broker auto, mosquitto, embedded or a URL")
        self._carrier = LiveCarrier(carrier, keeps=keeps)
        return self._carrier

    def clock(self) -> LiveClock:
        """The clock, which waits on the carrier."""
        assert self._carrier is not None
        self._clock = LiveClock(self._carrier.pump, self.speed, holds=True)
        return self._clock

    @property
    def behind_s(self) -> float:
        """Wall seconds that the clock was behind wall time at most, because the program was kept from its work."""
        return 0.0 if self._clock is None else self._clock.behind_s

    def fabric(
        self, log: MessageLog, framing: Framing, qos: int, patience_s: float, kind: type[LiveFabric] = LiveFabric
    ) -> LiveFabric:
        """The fabric, which lets late messages arrive."""
        assert self._carrier is not None
        assert self._clock is not None
        fabric = kind(self._clock, self._carrier, log, framing, qos, patience_s)
        self._clock.turns.append(fabric.collect)
        return fabric
