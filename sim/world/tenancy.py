"""Tenants of a shared fleet: what each one uses, what is refused beyond its quota, and what it pays.

Quotas are looked at where a message is published (bytes) and where it arrives (compute of gateways and cloud, storage
of the cloud). What is refused is lost with the reason `quota`, `quota-compute` or `quota-storage`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sim import wire
from sim.nodes.cloud import Session
from sim.nodes.fabric import Fabric
from sim.nodes.lanes import Lane, Message, Port
from sim.nodes.node import Node
from sim.nodes.standin import HostCloud
from sim.scenario import Tenant
from sim.world.live.fabric import LiveFabric
from sim.world.plan import Plan

if TYPE_CHECKING:
    from sim.world.fleet import Fleet

OPERATOR: Final = "(operator)"
"""Whoever has the nodes that are no tenant's, and what of the cloud no tenant uses."""
REFUSED: Final = "quota"
_DATA: Final = (wire.SCORES, wire.FEATURES, wire.RAW)


@dataclass(slots=True)
class Meter:
    """What one tenant has used.

    Attributes:
        window: number of the window that `sent_bytes` and `computed_s` are of.
        refused: messages by reason.
        others: bytes and seconds of windows that were used in other processes, as far as is known.
        stored_before: payload bytes that a cloud stored which has lost its memory.
    """

    name: str
    tenant: Tenant
    window: int = 0
    sent_bytes: int = 0
    computed_s: float = 0.0
    stored_bytes: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    others: dict[int, tuple[float, float]] = field(default_factory=dict)
    stored_before: float = 0.0

    def hear(self, window: int, others_bytes: float, others_s: float) -> None:
        """Others have used so much of a window."""
        self.others = {number: used for number, used in self.others.items() if number >= window - 1}
        self.others[window] = others_bytes, others_s

    def roll(self, now_s: float) -> None:
        """Begins a new window where its time has come."""
        window = int(now_s / self.tenant.quota.per_s)
        if window != self.window:
            self.window, self.sent_bytes, self.computed_s = window, 0, 0.0

    def sends(self, size: int) -> bool:
        """Whether it may publish so many bytes more in this window."""
        limit = self.tenant.quota.bytes
        others_bytes, _ = self.others.get(self.window, (0.0, 0.0))
        if limit is not None and self.sent_bytes + others_bytes + size > limit:
            return False
        self.sent_bytes += size
        return True

    def refuses(self, node: Node, payload_bytes: int) -> str:
        """Why a message with work for a gateway or the cloud is not taken; empty: it is."""
        quota = self.tenant.quota
        _, others_s = self.others.get(self.window, (0.0, 0.0))
        if quota.compute_s is not None and self.computed_s + others_s >= quota.compute_s:
            return "quota-compute"
        if node.role == "cloud":
            stored_bytes = self.stored_bytes + self.stored_before
            if quota.storage is not None and stored_bytes + payload_bytes > quota.storage:
                return "quota-storage"
            self.stored_bytes += payload_bytes
        return ""


class Tenancy:
    """Whose a node is, and the meters of all tenants.

    Attributes:
        cloud_s: seconds that the cloud computed for each tenant.
    """

    def __init__(self, plan: Plan) -> None:
        self.meters = {name: Meter(name, tenant) for name, tenant in plan.scenario.tenants.items()}
        self.cloud_s = dict.fromkeys(self.meters, 0.0)
        self._cameras = Counter(camera.group for camera in plan.cameras)
        self._found: dict[tuple[int, str], Meter | None] = {}
        self._busy_s: dict[int, float] = {}

    def attach(self, fleet: Fleet) -> None:
        """Lets the cloud tell for which site it computes."""
        for node in fleet.nodes:
            if isinstance(node, TenantCloud):
                node.charge = self.charge

    def of(self, site: int, group: str) -> Meter | None:
        """The tenant of a group of nodes at a site; None: the operator's own."""
        key = (site, group)
        if key not in self._found:
            self._found[key] = next((meter for meter in self.meters.values() if _has(meter.tenant, *key)), None)
        return self._found[key]

    def holds_back(self, port: Port, payload_bytes: int, now_s: float) -> bool:
        """Whether a message may not leave its node; otherwise it is on the meter now."""
        meter = self.of(port.src.site, port.src.group)
        if meter is None:
            return False
        meter.roll(now_s)
        if meter.sends(wire.HEADER_BYTES + payload_bytes) or port.kind not in _DATA:
            return False
        meter.refused[REFUSED] += 1
        return True

    def turns_away(self, lane: Lane, kind: int, payload_bytes: int, now_s: float) -> str:
        """Why a message that has arrived is not taken; empty: it is, and on the meter now."""
        dst, src = lane.dst, lane.src
        meter = self.of(src.site, src.group) if kind in _DATA else None
        if meter is None:
            return ""
        meter.roll(now_s)
        if dst.role == "gateway":
            self.works(dst, now_s)
        reason = meter.refuses(dst, payload_bytes)
        if reason:
            meter.refused[reason] += 1
        return reason

    def works(self, gateway: Node, now_s: float) -> None:
        """Puts what a gateway has computed since it was last looked at on its tenant's meter."""
        meter = self.of(gateway.site, gateway.group)
        if meter is not None:
            meter.roll(now_s)
            before_s = self._busy_s.get(gateway.client, 0.0)
            self._busy_s[gateway.client] = gateway.busy_s
            meter.computed_s += gateway.busy_s - before_s

    def charge(self, site: int, seconds: float, now_s: float) -> None:
        """Puts seconds of the cloud on the meters of a site's tenants, in proportion to their cameras."""
        for group, count in self._cameras.items():
            meter = self.of(site, group)
            share_s = seconds * count / self._cameras.total()
            if meter is not None:
                meter.roll(now_s)
                meter.computed_s += share_s
                self.cloud_s[meter.name] += share_s


def _has(tenant: Tenant, site: int, group: str) -> bool:
    at_site = tenant.sites is None or site in tenant.sites
    return site >= 0 and at_site and (tenant.groups is None or group in tenant.groups)


class TenantCloud(HostCloud):
    """A cloud that tells for which site it computes."""

    __slots__ = ("charge",)

    charge: Callable[[int, float, float], None] | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.charge = None

    def _classify(self, session: Session) -> None:
        before_s = self.busy_s
        super()._classify(session)
        if self.charge is not None:
            self.charge(session.site, self.busy_s - before_s, self.services.clock.now)


class QuotaFabric(Fabric):
    """A fabric that refuses what goes beyond a tenant's quota."""

    tenancy: Tenancy

    def publish(
        self,
        port: Port,
        sample: int,
        payload: bytes,
        *,
        dtype: int,
        origin: int,
        flags: int = 0,
        expected: int = 0,
        to: Collection[int] | None = None,
    ) -> None:
        """As every fabric; data beyond the quota never leave the node."""
        if self.tenancy.holds_back(port, len(payload), self.clock.now):
            for lane in port.lanes:
                self.refuse(lane, REFUSED, sample)
            return
        super().publish(port, sample, payload, dtype=dtype, origin=origin, flags=flags, expected=expected, to=to)

    def deliver(self, message: Message, parsed: wire.Frame) -> None:
        """As every fabric; work beyond the quota is not taken."""
        reason = self.tenancy.turns_away(message.lane, parsed.kind, len(parsed.payload), self.clock.now)
        if reason:
            self.lose(message, reason)
        else:
            super().deliver(message, parsed)


class LiveQuotaFabric(QuotaFabric, LiveFabric):
    """The same in wall-clock time."""
