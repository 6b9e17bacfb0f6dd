"""How fast a run goes: differences of snapshots."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sim.world import NodeView, Snapshot

WINDOW_S: Final = 3.0
"""Wall seconds over which rates are taken."""


class Rates:
    """Rates over the last few wall seconds, per second of the run."""

    def __init__(self) -> None:
        self._kept: deque[Snapshot] = deque()

    def add(self, snapshot: Snapshot) -> None:
        """The next snapshot."""
        self._kept.append(snapshot)
        while len(self._kept) > 2 and self._kept[1].wall_s <= snapshot.wall_s - WINDOW_S:
            self._kept.popleft()

    @property
    def begun(self) -> bool:
        """Whether there is any snapshot yet."""
        return bool(self._kept)

    @property
    def seconds(self) -> float:
        """Seconds of the run between the two snapshots that are compared."""
        return self._kept[-1].time_s - self._kept[0].time_s

    def payload(self) -> float:
        """Payload bytes a second, all links."""
        return self._per_second(self._kept[-1].payload_bytes - self._kept[0].payload_bytes)

    def messages(self) -> float:
        """Messages a second, all links."""
        return self._per_second(self._kept[-1].messages - self._kept[0].messages)

    def upward(self) -> dict[str, float]:
        """Bytes a second that each node sends, by its name."""
        before = {node.name: node.bytes_up for node in self._kept[0].nodes}
        return {node.name: self._per_second(node.bytes_up - before.get(node.name, 0)) for node in self._nodes()}

    def busy(self) -> dict[str, float]:
        """Share of the time that each node has computed."""
        before = {node.name: node.busy_s for node in self._kept[0].nodes}
        return {node.name: self._per_second(node.busy_s - before.get(node.name, 0.0)) for node in self._nodes()}

    def _nodes(self) -> tuple[NodeView, ...]:
        return self._kept[-1].nodes

    def _per_second(self, difference: float) -> float:
        return difference / self.seconds if self.seconds > 0 else 0.0
