"""The windows of one process: its sites for themselves, in step with the other processes at the cloud's processor.

What a site sends takes at least a window to the cloud, and what the cloud says at least a window back. So what happens
at the cloud within a window is known before the sites go through the same window: every process tells the others what
becomes ready, goes on with its sites, and hears of the others when it needs them.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from math import inf

from sim.clock import Clock
from sim.nodes.lanes import Lane
from sim.nodes.parts import GROUP, Parts
from sim.nodes.shared import SharedCloud
from sim.world.shards.peers import Peers


class Windows(Parts):
    """The queues of one process: of every few of its sites, and of what comes to the cloud from them."""

    def __init__(self, clock: Clock, sites: range, lanes: Iterable[Lane]) -> None:
        links = {lane.link for lane in lanes if lane.src.site < 0 or lane.dst.site < 0}
        self.first = sites.start
        self.window_s = min(link.model.latency_s - link.model.jitter_s for link in links)
        self.queues = [*([] for _ in range(0, len(sites), GROUP)), clock.queue]


def run_out(
    clock: Clock, windows: Windows, cloud: SharedCloud, peers: Peers, own: int, turn: Callable[[float], object]
) -> float:
    """Runs until nothing is left to happen in any process.

    Args:
        own: number of this process.
        turn: called after each window with its end.

    Returns:
        Virtual time of the last event here.
    """
    *sites, above = windows.queues
    last_s, start_s = 0.0, 0.0
    while start_s < inf:
        end_s = start_s + windows.window_s
        last_s = max(last_s, _advance(clock, [above], end_s))
        ready = cloud.ready()
        heads = (queue[0][0] for queue in (*sites, above, cloud.verdicts) if queue)
        said = array("d", [start_s if ready else min(heads, default=inf)]) + ready
        peers.say(said.tobytes())
        last_s = max(last_s, _advance(clock, sites, end_s))
        heard = _numbers(peers.hear()) | {own: said}
        cloud.take_turns([heard[number][1:] for number in sorted(heard)], own)
        last_s = max(last_s, _advance(clock, [cloud.verdicts], end_s))
        turn(end_s)
        start_s = max(end_s, min(numbers[0] for numbers in heard.values()))
    return last_s


def _advance(clock: Clock, queues: Iterable[list[object]], end_s: float) -> float:
    """Lets happen what lies on some queues before `end_s`; the time of the last of it, 0 if there is none."""
    last_s = 0.0
    for queue in queues:
        if queue and queue[0][0] < end_s:  # type: ignore[index]
            last_s = max(last_s, clock.advance(queue, end_s))
    return last_s


def _numbers(heard: dict[int, bytes]) -> dict[int, array[float]]:
    found = {}
    for number, message in heard.items():
        found[number] = array("d")
        found[number].frombytes(message)
    return found
