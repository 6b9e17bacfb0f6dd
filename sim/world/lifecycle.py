"""The life of every node: registered, provisioned, deployed, active, degraded, failed, retired.

A node is registered by the scenario, provisioned once its client is connected, deployed once it has its section, and
then active. A fault in force makes it degraded, being down failed, an empty battery or the end of the run retired.
States are retained on the node's `status` topic (a dead node cannot say so: its last will does), beside the data: they
cost no virtual time and are in none of the byte columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from sim.clock import Clock
from sim.ledger.events import Event, EventLog
from sim.nodes.node import Node
from sim.world.fleet import Fleet, site_name

REGISTERED, PROVISIONED, DEPLOYED, ACTIVE, DEGRADED, FAILED, RETIRED = (
    "registered", "provisioned", "deployed", "active", "degraded", "failed", "retired",
)  # fmt: skip
LIFECYCLE: Final = "lifecycle"
_FIRST: Final = (
    (REGISTERED, PROVISIONED, "connected"),
    (PROVISIONED, DEPLOYED, "has its section"),
    (DEPLOYED, ACTIVE, "takes part"),
)
Announce = Callable[[int, bytes], None]


def state(node: Node) -> str:
    """The state of a node that takes part."""
    if node.spent:
        return RETIRED
    if not node.up:
        return FAILED
    return DEGRADED if node.faults or node.paused else ACTIVE


class Lifecycle:
    """States of all nodes of a run.

    Args:
        fleet, clock: the world.
        events: where changes are written down.
        announce: retains a state at the broker, by the number of the client; None: nobody listens.
    """

    def __init__(self, fleet: Fleet, clock: Clock, events: EventLog, announce: Announce | None) -> None:
        self._nodes = fleet.nodes
        self._clock = clock
        self._events = events
        self._announce = announce
        self._states: dict[int, tuple[str, float]] = {}
        self._spent_s: dict[str, float] = {}

    def start(self) -> None:
        """Tells the broker who is there; nodes that are down from the start have failed."""
        for node in self._nodes:
            self.changed(node)
            if self._announce is not None and node.up:
                self._announce(node.client, ACTIVE.encode())

    def changed(self, node: Node) -> None:
        """Looks at a node that a fault has done something to."""
        was, since_s = self._states.get(node.client, (ACTIVE, 0.0))
        becomes, now_s = state(node), self._clock.now
        if becomes == was:
            return
        self._spent_s[was] = self._spent_s.get(was, 0.0) + now_s - since_s
        self._states[node.client] = becomes, now_s
        self._events.add(_event(now_s, node, was, becomes, node.faults or ("" if becomes == ACTIVE else "down")))
        if self._announce is not None and becomes in (ACTIVE, DEGRADED):
            self._announce(node.client, becomes.encode())

    def summary(self, virtual_s: float) -> dict[str, Any]:
        """`lifecycle` of the run's summary, if any node was ever anything but active: shares of the nodes' time."""
        if not self._states or virtual_s <= 0:
            return {}
        spent = dict(self._spent_s)
        for name, since_s in self._states.values():
            spent[name] = spent.get(name, 0.0) + virtual_s - since_s
        whole_s = len(self._nodes) * virtual_s
        spent[ACTIVE] = whole_s - sum(seconds for name, seconds in spent.items() if name != ACTIVE)
        return {"lifecycle": {name: spent.get(name, 0.0) / whole_s for name in (ACTIVE, DEGRADED, FAILED, RETIRED)}}

    def births(self) -> Iterable[Event]:
        """How every node came to be active."""
        return (_event(0.0, node, was, becomes, why) for node in self._nodes for was, becomes, why in _FIRST)

    def ends(self, virtual_s: float) -> Iterable[Event]:
        """How every node that is not retired yet ended with the run."""
        for node in self._nodes:
            was, _ = self._states.get(node.client, (ACTIVE, 0.0))
            if was != RETIRED:
                yield _event(virtual_s, node, was, RETIRED, "end of the run")


def _event(at_s: float, node: Node, was: str, becomes: str, reason: str) -> Event:
    site = site_name(node.site) if node.site >= 0 else "cloud"
    return Event(at_s, LIFECYCLE, site, node.name, was, becomes, reason)
