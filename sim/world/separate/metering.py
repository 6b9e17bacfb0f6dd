"""What tenants use of a fleet of separate processes: gathered by the conductor, and told to those who hold the quotas.

Every node refuses what goes beyond a quota by what it has used itself, exactly, and by what it knows of all others;
that is as old as a report and an order take.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from sim.ledger.rows import Row
from sim.nodes.lanes import Lane
from sim.nodes.node import Node
from sim.world.fleet import Fleet, full_name
from sim.world.plan import Plan
from sim.world.separate.orders import Order, Others
from sim.world.tenancy import Meter, Tenancy

TELL_S: Final = 0.005
"""Wall seconds between looks at who has to be told something."""
BYTES, SECONDS, CLOUD, STORED = range(4)

Life = tuple[str, int]
"""A node, and which of its processes: each counts from nought."""


class Metering:
    """The use of all tenants, by node.

    Args:
        plan, fleet: the world.
        say: gives orders.

    Attributes:
        tenancy: what the bills are made of, once it is settled.
    """

    def __init__(self, plan: Plan, fleet: Fleet, say: Callable[[str, Order], None]) -> None:
        self.tenancy = Tenancy(plan)
        self._say = say
        self._meters = list(self.tenancy.meters.values())
        self._nodes = fleet.by_name()
        self._lives = dict.fromkeys(self._nodes, 0)
        self._used: list[dict[tuple[Life, int], tuple[int, float]]] = [{} for _ in self._meters]
        self._holders = [list(self._hold(meter, fleet)) for meter in self._meters]
        self._told: dict[tuple[str, int], Others] = {}
        self._news: set[int] = set()
        self._looked_s = 0.0

    def take(self, name: str, row: Row) -> None:
        """A row of what a node has used; what it cannot have used is nobody's."""
        node = self._nodes[name]
        if row.place >= len(self._meters) or not 0 <= row.more < math.inf:
            return
        theirs = self.tenancy.of(node.site, node.group) is self._meters[row.place]
        if row.code <= STORED and (node.role == "cloud" if row.code >= CLOUD else theirs or node.role == "cloud"):
            self._used[row.place][(name, self._lives[name]), row.code] = row.sample, row.more
            self._news.add(row.place)

    def anew(self, name: str) -> None:
        """A new process takes the place of a node's last one: it knows nothing, and what that used stays used."""
        self._lives[name] += 1
        for number, holders in enumerate(self._holders):
            if name in holders:
                self._told.pop((name, number), None)
                self._news.add(number)

    def turn(self) -> None:
        """Tells those who hold quotas what is new."""
        now_s = time.monotonic()
        if not self._news or now_s - self._looked_s < TELL_S:
            return
        self._looked_s = now_s
        for number in self._news:
            for name, others in self._others(number):
                if self._told.get((name, number), Others(number, others.window, 0.0, 0.0, 0.0)) != others:
                    self._told[name, number] = others
                    self._say(name, others)
        self._news.clear()

    def settle(self, losses: Iterable[tuple[Lane, str]]) -> Tenancy:
        """The meters as they stand at the end.

        Args:
            losses: lanes of lost messages, and why these were lost.
        """
        for number, meter in enumerate(self._meters):
            meter.stored_bytes = round(self._sum(number, STORED))
            self.tenancy.cloud_s[meter.name] = self._sum(number, CLOUD)
        for lane, reason in losses:
            payer = self.tenancy.of(lane.src.site, lane.src.group)
            if payer is not None and reason.startswith("quota"):
                payer.refused[reason] += 1
        return self.tenancy

    def _others(self, number: int) -> Iterator[tuple[str, Others]]:
        """What each holder is to know of a tenant: all that is not its own."""
        used = self._used[number]
        window = max((at for (_, code), (at, _) in used.items() if code <= SECONDS), default=0)
        now = [self._sum(number, code, window) for code in (BYTES, SECONDS)]
        stored = self._sum(number, STORED)
        for name in self._holders[number]:
            own = name, self._lives[name]
            mine = [value if at == window else 0.0 for at, value in (used.get((own, c), (0, 0.0)) for c in range(2))]
            kept = used.get((own, STORED), (0, 0.0))[1]
            bytes_, seconds = (max(0.0, whole - part) for whole, part in zip(now, mine, strict=True))
            yield name, Others(number, window, bytes_, seconds, stored - kept)

    def _sum(self, number: int, code: int, window: int | None = None) -> float:
        used = self._used[number].items()
        return sum(value for (_, what), (at, value) in used if what == code and window in (None, at))

    def _hold(self, meter: Meter, fleet: Fleet) -> Iterator[str]:
        """The nodes that hold a tenant's quotas: whoever publishes for it, works for it, or keeps what it sends."""
        quota = meter.tenant.quota
        sites = {node.site for node in fleet.nodes if self.tenancy.of(node.site, node.group) is meter}
        for node in fleet.nodes:
            publishes = quota.bytes is not None and self.tenancy.of(node.site, node.group) is meter
            works = quota.compute_s is not None and _works(node, sites)
            if publishes or works or (quota.storage is not None and node.role == "cloud"):
                yield full_name(node)


def _works(node: Node, sites: set[int]) -> bool:
    return node.role == "cloud" or (node.role == "gateway" and node.site in sites)
