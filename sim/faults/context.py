"""What a fault is given: its own randomness, virtual time, memory, and a place to write what it did."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.clock import Call, Clock
from sim.rng import Draws, generator

if TYPE_CHECKING:
    from sim.faults.variants import Variants


class Context:
    """One fault on one target.

    Attributes:
        fault_id: name of the entry in the scenario.
        target: name of what it is on, e.g. `site-0/cam.3`.
        state: memory of the fault on this target, empty at the start of each injection.
        horizon_s: when the last sample is due; nothing begins after it.
        networks: other networks than the one that runs (older, damaged).
        number: of the injection, from 0.
        role: of the node that a sensor or model fault is on.
    """

    __slots__ = (
        "_calls", "_clock", "_counters", "_rng", "_seed", "_shared", "_stream",
        "fault_id", "figures", "horizon_s", "networks", "number", "role", "state", "target",
    )  # fmt: skip

    def __init__(
        self, clock: Clock, seed: int, fault_id: str, target: str, horizon_s: float, networks: Variants
    ) -> None:
        self._clock = clock
        self._seed = seed
        self.fault_id = fault_id
        self.target = target
        self.horizon_s = horizon_s
        self.networks = networks
        self.role = ""
        self.number = 0
        self.state: dict[str, Any] = {}
        self.figures: dict[str, Any] = {}
        self._counters: tuple[int, ...] = (0,)
        self._rng: np.random.Generator | None = None
        self._stream = Draws(seed, "fault", fault_id, target)
        self._shared = Draws(seed, "fault", fault_id)
        self._calls: list[Call] = []

    @property
    def now_s(self) -> float:
        """Virtual time."""
        return self._clock.now

    @property
    def rng(self) -> np.random.Generator:
        """The generator of this one application, keyed by seed, fault, target and what it is applied to."""
        if self._rng is None:
            counters = ".".join(map(str, self._counters))
            self._rng = generator(self._seed, "fault", self.fault_id, self.target, counters)
        return self._rng

    @property
    def shared_rng(self) -> np.random.Generator:
        """As `rng`, but the same for all targets of the fault: what colluding nodes agree on."""
        return generator(self._seed, "fault", self.fault_id, "shared", ".".join(map(str, self._counters)))

    def uniform(self, *more: int) -> float:
        """A number in [0, 1) for this application, cheaper than `rng`; `more` tells several of them apart."""
        return self._stream.uniform(*self._counters, -1, *more)[0]

    def record(self, **figures: Any) -> None:
        """Adds figures to the ledger's row of this injection; they must be JSON."""
        self.figures.update(figures)

    def after(self, delay_s: float, function: Callable[[], object]) -> None:
        """Calls `function` later, unless the fault has been healed by then."""
        self._calls.append(self._clock.at(self._clock.now + delay_s, lambda _: function()))

    def every(self, period_s: float, function: Callable[[], object]) -> None:
        """Calls `function` now and once a period, until the fault is healed or the last sample was due."""

        def again(_: object) -> None:
            function()
            if self._clock.now + period_s <= self.horizon_s:
                self._calls[:] = [self._clock.at(self._clock.now + period_s, again)]

        self._calls.append(self._clock.at(self._clock.now, again))

    # -- the engine's side

    def on(self, part: str) -> Context:
        """A context for one part of the target, with randomness of its own; what it records is shared."""
        own = Context(self._clock, self._seed, self.fault_id, part, self.horizon_s, self.networks)
        own.figures, own._calls = self.figures, self._calls
        return own

    def focus(self, *counters: int) -> None:
        """Points the randomness at what the fault is applied to next."""
        self._counters = counters
        self._rng = None

    def strikes(self, probability: float) -> bool:
        """Whether an event of this probability happens to what is in focus."""
        return probability >= 1.0 or self._stream.uniform(*self._counters)[0] < probability

    def open(self, number: int) -> None:
        """Starts the `number`-th injection with an empty memory."""
        self.state, self.figures, self.number = {}, {}, number
        self.focus(-2, number)

    def close(self) -> None:
        """Forgets what was to be called later."""
        for call in self._calls:
            call.cancel()
        self._calls.clear()
