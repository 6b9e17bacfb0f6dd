"""Snapshots as the page gets them: once in full (`hello`), then what changed (`tick`), small enough for 1000 nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sim.serve.history import History

if TYPE_CHECKING:
    from sim.world.telemetry import Decision, FlowView, NodeView, Snapshot

T = TypeVar("T")
STATES: Final = {
    "registered": "g",
    "provisioned": "p",
    "deployed": "y",
    "active": "a",
    "degraded": "d",
    "failed": "f",
    "retired": "x",
}
"""One letter a state: the states of all nodes are one short string."""


class Feed:
    """Turns snapshots into events. Knows no network; used by one thread.

    Args:
        faults: whether the page may offer to inject some, while a live run goes on.
    """

    def __init__(self, faults: bool = True) -> None:
        self._faults = faults
        self._last: Snapshot | None = None
        self._shape: tuple[Any, ...] = ()
        self._history = History()

    def advance(self, snapshot: Snapshot) -> str:
        """The event for whoever has got all events so far."""
        last, shape = self._last, _shape(snapshot)
        self._last = snapshot
        self._history.add(snapshot)
        if last is None or shape != self._shape:
            self._shape = shape
            return self.hello() or ""
        return event("tick", _tick(snapshot, last))

    def hello(self) -> str | None:
        """The event for a newcomer: everything; None before the first snapshot."""
        now = self._last
        if now is None:
            return None
        index = {node.name: place for place, node in enumerate(now.nodes)}
        return event(
            "hello",
            {
                "scenario": now.scenario,
                "run": now.run,
                "mode": now.mode,
                "speed": now.speed,
                "faults": self._faults and now.mode == "live",
                "nodes": [_identity(node, index) for node in now.nodes],
                "flows": [[index[flow.src], index[flow.dst]] for flow in now.flows],
                "history": self._history.points,
                "episodes": self._history.episodes(),
                "states": {letter: state for state, letter in STATES.items()},
                "tick": _tick(now, None),
            },
        )


def event(name: str, data: Any) -> str:
    """One server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'), allow_nan=False)}\n\n"


def _shape(snapshot: Snapshot) -> tuple[Any, ...]:
    """What the page lays out; nodes may move to another gateway while a run goes on."""
    nodes = tuple((node.name, node.uplink) for node in snapshot.nodes)
    return nodes, tuple((flow.src, flow.dst) for flow in snapshot.flows)


def _identity(node: NodeView, index: dict[str, int]) -> list[Any]:
    uplink = -1 if node.uplink is None else index.get(node.uplink, -1)
    return [node.name, node.site, node.node, node.group, node.role, uplink]


def _tick(now: Snapshot, last: Snapshot | None) -> dict[str, Any]:
    """Sums in full; of nodes, flows and decisions only what is new since `last`."""
    known = set(last.recent) if last else set()
    return {
        "status": now.status,
        "time_s": round(now.time_s, 3),
        "duration_s": now.duration_s,
        "wall_s": round(now.wall_s, 1),
        "samples": now.samples,
        "due": now.due,
        "decided": now.decided,
        "right": now.right,
        "exits": dict(now.exits),
        "right_by_exit": dict(now.right_by_exit),
        "payload_bytes": now.payload_bytes,
        "messages": now.messages,
        "lost": dict(now.lost),
        "folder": now.folder,
        "states": "".join(STATES.get(node.state, "?") for node in now.nodes),
        "nodes": [_node(place, node) for place, node in _changed(now.nodes, last.nodes if last else None)],
        "flows": [_flow(place, flow) for place, flow in _changed(now.flows, last.flows if last else None)],
        "faults": [[fault.id, fault.kind, fault.target, round(fault.since_s, 3), fault.by] for fault in now.faults],
        "recent": [_decision(decision) for decision in now.recent if decision not in known],
    }


def _changed(now: Sequence[T], last: Sequence[T] | None) -> Iterator[tuple[int, T]]:
    return ((place, one) for place, one in enumerate(now) if last is None or one != last[place])


def _node(place: int, node: NodeView) -> list[Any]:
    times = round(node.busy_s, 3), round(node.backlog_s, 3)
    return [place, node.captured, node.sent, node.received, node.bytes_up, node.bytes_down, *times]


def _flow(place: int, flow: FlowView) -> list[int]:
    return [place, flow.messages, flow.payload_bytes, flow.waiting]


def _decision(one: Decision) -> list[Any]:
    times = round(one.time_s, 3), round(one.latency_s, 4)
    return [one.site, one.sample, one.exit, one.predicted, one.label, *times]
