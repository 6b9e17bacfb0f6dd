"""What happened before a visitor came: sums over time, and the faults of the past."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sim.world.telemetry import Snapshot

POINTS: Final = 600
"""Points of a curve; beyond, every second one is dropped."""
PAST_FAULTS: Final = 200

Point = tuple[float, int, int, int]
"""Time of the run in seconds, samples decided, samples decided right, payload bytes; sums so far."""


@dataclass
class Episode:
    """A fault on one target: from when to when, in seconds of the run; `until_s` None: still."""

    id: str
    kind: str
    target: str
    by: str
    since_s: float
    until_s: float | None = None


class History:
    """Remembers a run in bounded memory."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self._step_s = 0.0
        self._episodes: dict[tuple[str, str, float], Episode] = {}

    def add(self, snapshot: Snapshot) -> None:
        """Takes in the next snapshot."""
        self._point(snapshot)
        self._faults(snapshot)

    def episodes(self) -> list[dict[str, Any]]:
        """The faults so far, oldest first."""
        return [asdict(episode) for episode in self._episodes.values()]

    def _point(self, now: Snapshot) -> None:
        if self.points and now.time_s < self.points[-1][0] + self._step_s:
            return
        self.points.append((round(now.time_s, 3), now.decided, now.right, now.payload_bytes))
        if len(self.points) > POINTS:
            del self.points[1::2]
            self._step_s = 2 * (self.points[-1][0] - self.points[0][0]) / POINTS

    def _faults(self, now: Snapshot) -> None:
        present = {(fault.id, fault.target, fault.since_s): fault for fault in now.faults}
        for key, fault in present.items():
            if key not in self._episodes:
                self._episodes[key] = Episode(fault.id, fault.kind, fault.target, fault.by, fault.since_s)
        for key, episode in self._episodes.items():
            if episode.until_s is None and key not in present:
                episode.until_s = now.time_s
        over = [key for key, episode in self._episodes.items() if episode.until_s is not None]
        for key in over[: max(0, len(self._episodes) - PAST_FAULTS)]:
            del self._episodes[key]
