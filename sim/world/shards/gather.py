"""What a process counted, on its way into the fleet of the process that has it as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from sim.errors import InvariantError
from sim.ledger.samples import SampleBook
from sim.nodes.node import Node
from sim.world.fleet import Fleet

_COUNTERS: Final = ("captured", "sent", "sent_bytes", "received", "bytes_up", "bytes_down")
_OF_SOME: Final = ("judged", "left")


class Share(NamedTuple):
    """What became of some sites.

    Attributes:
        nodes: counters by node and counter; the cloud comes last, with what it had to do with these sites.
        busy_s: by node; that of the cloud is for all sites.
        lanes: messages and payload bytes of each.
        samples: as the book has them.
    """

    sites: range
    nodes: np.ndarray
    busy_s: list[float]
    lanes: np.ndarray
    samples: tuple[Any, ...]
    overheard_bytes: int
    virtual_s: float


def shared(fleet: Fleet, book: SampleBook, sites: range, overheard_bytes: int, virtual_s: float) -> Share:
    """The share of a process that has run out."""
    nodes = [[getattr(node, name, 0) for name in (*_COUNTERS, *_OF_SOME)] for node in fleet.nodes]
    lanes = [(lane.messages, lane.payload_bytes) for lane in fleet.lanes]
    busy_s = [node.busy_s for node in fleet.nodes]
    return Share(
        sites,
        np.array(nodes, np.int64),
        busy_s,
        np.array(lanes, np.int64).reshape(-1, 2),
        book.part(sites),
        overheard_bytes,
        virtual_s,
    )


def put_together(shares: Sequence[Share], fleet: Fleet, book: SampleBook) -> None:
    """Enters all shares, in the order of their sites, into a fleet and a book that have seen nothing yet.

    Raises:
        InvariantError: the processes do not agree on how busy the cloud was.
    """
    nodes, lanes = iter(fleet.nodes), iter(fleet.lanes)
    for share in shares:
        for counts, used_s in zip(share.nodes[:-1].tolist(), share.busy_s[:-1], strict=True):
            _count(next(nodes), counts, used_s)
        for (messages, payload_bytes), lane in zip(share.lanes.tolist(), lanes, strict=False):
            lane.messages, lane.payload_bytes = messages, payload_bytes
        book.put(share.sites, share.samples)
    busy_s = {share.busy_s[-1] for share in shares}
    if len(busy_s) > 1:
        raise InvariantError(f"the processes of the fleet disagree on how busy the cloud was: {sorted(busy_s)} s")
    _count(next(nodes), np.sum([share.nodes[-1] for share in shares], axis=0).tolist(), busy_s.pop())


def _count(node: Node, counts: list[int], busy_s: float) -> None:
    for name, count in zip((*_COUNTERS, *_OF_SOME), counts, strict=True):
        if hasattr(node, name):
            setattr(node, name, count)
    node.worked(busy_s)
