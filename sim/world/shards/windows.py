"""The windows of one process: its sites for themselves, in step with the other processes at the cloud's processor.

What a site sends takes a while to the cloud, and what the cloud says a while back. A verdict on a sample that is
complete is no news to a site: there the sample is over once everything has been sent. What a site must wait for are
verdicts on samples that the cloud has given up. So a process tells the others what becomes ready at the cloud, goes on
with its sites until such a verdict might come, and only then needs to hear of the others.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any

from sim.clock import Clock
from sim.nodes.lanes import Lane
from sim.nodes.parts import GROUP, Parts
from sim.nodes.shared import SharedCloud
from sim.world.shards.peers import Peers


class Windows(Parts):
    """The queues of one process: of every few of its sites, and of what comes to the cloud from them.

    Attributes:
        up_s, down_s: how long a message takes to the cloud and back from it at least.
    """

    def __init__(self, clock: Clock, sites: range, lanes: Sequence[Lane]) -> None:
        self.first = sites.start
        self.up_s = _shortest_s(lane for lane in lanes if lane.dst.site < 0)
        self.down_s = _shortest_s(lane for lane in lanes if lane.src.site < 0)
        self.window_s = min(self.up_s, self.down_s)
        self.queues = [*([] for _ in range(0, len(sites), GROUP)), clock.queue]


def _shortest_s(lanes: Iterable[Lane]) -> float:
    return min(link.model.latency_s - link.model.jitter_s for link in {lane.link for lane in lanes})


class Rounds:
    """Runs a process until nothing is left to happen in any.

    Args:
        own: number of this process.

    Attributes:
        last_s: virtual time of the last event here.
    """

    def __init__(self, clock: Clock, windows: Windows, cloud: SharedCloud, peers: Peers, own: int) -> None:
        self._clock = clock
        self._windows = windows
        *self._sites, self._above = windows.queues
        self._cloud = cloud
        self._peers = peers
        self._own = own
        self.last_s = 0.0

    def run(self, turn: Callable[[float], object]) -> None:
        """One round after the other; `turn` is told up to when everything has happened."""
        cloud, windows, busy = self._cloud, self._windows, True
        sites_s = cloud_s = 0.0
        while busy:
            begins_s = min(_first_s(self._sites), cloud.presses_from(_first_s([self._above])) + windows.down_s)
            cloud_s = max(cloud_s, begins_s + windows.up_s)  # what sites send from now on comes later
            self._advance([self._above], cloud_s)
            said = array("d", [cloud_s, cloud.waiting()]) + cloud.ready()
            self._peers.say(said.tobytes())
            sites_s = max(sites_s, cloud.presses_from(cloud_s) + windows.down_s)
            self._advance(self._sites, sites_s)
            heard = [numbers for _, numbers in sorted((_numbers(self._peers.hear()) | {self._own: said}).items())]
            cloud.take_turns([numbers[2:] for numbers in heard], self._own, min(numbers[0] for numbers in heard))
            self._advance([cloud.verdicts], cloud_s)
            self._advance(self._sites, sites_s)  # verdicts that are no news there
            known_s = min(_first_s([*self._sites, self._above]), cloud.decides_from())
            if known_s < inf:
                turn(known_s)
            busy = any(numbers[0] < inf or numbers[1] for numbers in heard)

    def _advance(self, queues: Iterable[list[Any]], end_s: float) -> None:
        """Lets happen what lies on some queues before `end_s`."""
        for queue in queues:
            if queue and queue[0][0] < end_s:
                self.last_s = max(self.last_s, self._clock.advance(queue, end_s))


def _first_s(queues: Iterable[list[Any]]) -> float:
    """When the next thing happens."""
    return min((queue[0][0] for queue in queues if queue), default=inf)


def _numbers(heard: dict[int, bytes]) -> dict[int, array[float]]:
    found = {}
    for number, message in heard.items():
        found[number] = array("d")
        found[number].frombytes(message)
    return found
