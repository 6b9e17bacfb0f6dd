"""Gateways that stand in for each other, on paper: who would send what to whom if one of them failed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from sim import wire
from sim.scenario import NodeInstance

if TYPE_CHECKING:
    from sim.world.plan import Plan


class Detour(NamedTuple):
    """One kind of message on its way around `original`, which `host` stands in for; `suffix` ends its topic."""

    original: str
    host: str
    src: str
    kind: int
    dsts: tuple[str, ...]
    suffix: str

    def topic(self, run: str, site: str) -> str:
        """Where it is published."""
        plain = wire.topic(run, site, self.src, self.kind)
        return f"{plain}/{self.suffix}" if self.suffix else plain


def pairs(plan: Plan) -> Iterator[tuple[NodeInstance, NodeInstance]]:
    """Each gateway of a site with each other one that its cameras have a link to."""
    for original in plan.gateways:
        groups = {camera.group for camera in plan.cameras if camera.uplink == original.name}
        for host in plan.gateways:
            if host is not original and all(_is_linked(plan, group, host.group) for group in groups):
                yield original, host


def _is_linked(plan: Plan, one: str, other: str) -> bool:
    links = plan.scenario.links
    return f"{one}->{other}" in links or f"{other}->{one}" in links


def detours(plan: Plan) -> Iterator[Detour]:
    """All messages that a failure of a gateway may call for."""
    reach = {gateway.name: [gateway.name] for gateway in plan.gateways}
    for original, host in pairs(plan):
        reach[host.name].append(original.name)
        below = {camera.name for camera in plan.cameras if camera.uplink == original.name}
        for channel in plan.channels:
            if channel.src in below:
                yield Detour(original.name, host.name, channel.src, channel.kind, (host.name,), host.name)
            elif channel.src == original.name:
                yield Detour(original.name, host.name, host.name, channel.kind, channel.dsts, original.name)
    for name, roles in reach.items():
        cameras = tuple(camera.name for camera in plan.cameras if camera.uplink in roles)
        yield Detour(name, name, name, wire.CONTROL, cameras, "")
