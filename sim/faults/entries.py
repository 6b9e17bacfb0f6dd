"""The entries of `faults:` as the engine keeps them: what shares a schedule, what is in force."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from sim.clock import Call
from sim.faults.base import FaultKind
from sim.faults.injection import Injection
from sim.scenario import Fault


@dataclass
class Unit:
    """Injections that share one schedule: all targets of an entry, or one of them where each has its own."""

    entry: Entry
    injections: list[Injection]
    opened: int = 0
    in_force: bool = False
    calls: list[Call] = field(default_factory=list)


class InForce(NamedTuple):
    """A fault that is in force on one target; `by` is `scenario` or `person`."""

    fault_id: str
    kind: str
    target: str
    since_s: float
    by: str


@dataclass
class Entry:
    """One entry of `faults:` on the way."""

    fault: Fault
    fault_id: str
    probability: float
    units: list[Unit] = field(default_factory=list)
    followers: list[Unit] = field(default_factory=list)
    by_hand: bool = False
    lifted: bool = False

    @property
    def is_random(self) -> bool:
        """Whether it may happen by chance that it never fires."""
        return self.probability < 1 or self.fault.mtbf_s is not None or self.fault.bursts is not None

    @property
    def fired(self) -> bool:
        """Whether any of its injections did anything."""
        return any(injection.fired for unit in self.units for injection in unit.injections)


def fault_name(fault: Fault, position: int) -> str:
    """The entry's id, else its kind and position (from 1), e.g. `crash-2`."""
    if fault.id is not None:
        return fault.id
    kind = fault.effect
    return f"{kind.name() if isinstance(kind, FaultKind) else 'fault'}-{position + 1}"
