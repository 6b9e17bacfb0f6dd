"""Gateways that stand in for each other, as objects: stand-ins, and the ports and links of all detours.

Everything is there from the start, because clients subscribe when they connect. A camera publishes for another gateway
than its own on `…/<camera>/<kind>/<gateway>`, a gateway for another's role on `…/<gateway>/<kind>/<role>`; without a
failure nothing is ever published there, and nothing costs a byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sim.link import Link
from sim.nodes.gateway import Gateway
from sim.nodes.lanes import Lane, Port
from sim.nodes.node import Node
from sim.nodes.standin import Home, HostGateway, Moves, Ports, StandIn
from sim.world.detours import pairs
from sim.world.plan import Plan

MakeLane = Callable[[int, Port, Node, Node], Lane]


def wire_up(
    plan: Plan, run: str, site: int, members: Mapping[str, Node], make_lane: MakeLane
) -> dict[tuple[str, str], StandIn]:
    """Makes the stand-ins of one site by (role, host), and the ports of all detours.

    Args:
        plan: the topology, with a failover policy.
        run: the run's token in its topics.
        site: its number.
        members: the nodes of the site and the cloud, wired as without the policy.
        make_lane: makes one lane, by site, port, sender and receiver.
    """
    standins = {}
    for original, host in pairs(plan):
        role, machine = members[original.name], members[host.name]
        assert isinstance(role, Gateway) and isinstance(machine, HostGateway)
        standins[original.name, host.name] = StandIn(role, machine, **plan.gateway_options(original, role.index))
    homes = _first_homes(members)
    for detour in plan.detours:
        standin = standins.get((detour.original, detour.host))
        src = members[detour.src]
        sender = standin if standin is not None and detour.src == detour.host else src
        port = Port(sender, detour.kind, detour.topic(run, f"site-{site}"))
        if isinstance(src, Moves):
            assert standin is not None
            homes[src.name].setdefault(standin.client, {})[detour.kind, site] = port
            port.lanes.append(make_lane(site, port, src, standin))
        else:
            sender.ports[detour.kind, site] = port
            port.lanes += [make_lane(site, port, sender, members[dst]) for dst in detour.dsts]
    for camera in members.values():
        if isinstance(camera, Moves):
            camera.homes = {client: Home(ports, _uplink(ports)) for client, ports in homes[camera.name].items()}
    return standins


def _first_homes(members: Mapping[str, Node]) -> dict[str, dict[int, Ports]]:
    homes = {}
    for camera in members.values():
        if isinstance(camera, Moves):
            gateway = next(iter(camera.ports.values())).lanes[0].dst
            camera.at, camera.told = gateway.client, None
            homes[camera.name] = {gateway.client: camera.ports}
    return homes


def _uplink(ports: Ports) -> Link:
    return next(iter(ports.values())).lanes[0].link
