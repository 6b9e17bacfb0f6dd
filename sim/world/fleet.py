"""The fleet as objects: nodes, links and ports of every site, wired as the plan says."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from brokers.api import Identity
from sim import wire
from sim.ledger.messages import Lane as LogLane
from sim.link import MAX_ATTEMPTS, Link, LinkModel, MeteredLink, Stream
from sim.nodes.camera import Camera
from sim.nodes.chooser import ChoosingCamera
from sim.nodes.cloud import Cloud
from sim.nodes.gateway import Gateway
from sim.nodes.lanes import Lane, Port
from sim.nodes.node import Node, Services
from sim.nodes.standin import HostCloud, HostGateway, MovingCamera, MovingChooser, StandIn
from sim.scenario import NodeInstance, Scenario
from sim.world.accounts import account_name
from sim.world.plan import Plan
from sim.world.routes import route
from sim.world.standby import wire_up
from sim.world.tenancy import TenantCloud

OFFLINE = b"offline"


def site_name(site: int) -> str:
    """`site-0`, `site-1`, …"""
    return f"site-{site}"


def full_name(node: Node) -> str:
    """With its site, e.g. `site-0/cam.3`; the cloud belongs to none."""
    return node.name if node.site < 0 else f"{site_name(node.site)}/{node.name}"


def identities(plan: Plan, run: str) -> list[Identity]:
    """One MQTT identity a node, in the order of `Fleet.nodes`: every site's nodes, the cloud last."""
    scenario = plan.scenario
    members = [node.name for node in plan.nodes if node.role != "cloud"]
    sites = range(scenario.sites)
    found = [_identity(plan, run, site_name(site), name) for site in sites for name in members]
    return [*found, _identity(plan, run, "+", plan.cloud.name)]


def _identity(plan: Plan, run: str, site: str, name: str) -> Identity:
    home = "cloud" if site == "+" else site
    topics = [wire.topic(run, site, channel.src, channel.kind) for channel in plan.channels if name in channel.dsts]
    topics += [detour.topic(run, site) for detour in plan.detours if name in detour.dsts]
    return Identity(
        client_id=f"fogfleet-{run}-{home}-{name}",
        will_topic=wire.topic(run, home, name, wire.STATUS),
        will_payload=OFFLINE,
        subscriptions=tuple(topics),
        account=account_name(home, name),
    )


@dataclass
class Fleet:
    """All nodes of a run; `links` by their key, e.g. `site-0/cam.3->gw`, `standins` by site, role and host."""

    nodes: list[Node]
    links: dict[str, Link]
    lanes: list[Lane]
    standins: dict[tuple[int, str, str], StandIn]

    def cameras(self, down: Collection[str] = ()) -> list[Camera]:
        """The cameras of all sites, but for those of some names."""
        return [node for node in self.nodes if isinstance(node, Camera) and node.name not in down]

    def by_name(self) -> dict[str, Node]:
        """The nodes by their full names."""
        return {full_name(node): node for node in self.nodes}


class Builder:
    """Builds the fleet of one run, or some sites of it with a cloud of a class of their own."""

    def __init__(self, plan: Plan, services: Services, run: str, cloud: type[Cloud] | None = None) -> None:
        self._plan = plan
        self._cloud = cloud
        self._client = 0
        self._sites = range(0)
        self._scenario: Scenario = plan.scenario
        self._services = services
        self._run = run
        self._fleet = Fleet([], {}, [], {})
        self._streams: dict[str, Stream] = {}
        self._models: dict[tuple[str, str], LinkModel] = {}

    def build(self, sites: range | None = None) -> Fleet:
        """Creates the nodes of every site (None: of all), then the cloud, then their ports and links."""
        plan = self._plan
        whole = range(self._scenario.sites)
        built = whole if sites is None else sites
        below, self._sites = len(plan.nodes) - 1, built
        roles = {
            node.name: index for role in ("camera", "gateway", "cloud") for index, node in enumerate(plan.role(role))
        }
        self._client = built.start * below
        groups = []
        for site in built:
            members = {
                node.name: self._node(node, site, roles[node.name]) for node in plan.nodes if node.role != "cloud"
            }
            groups.append(members)
        self._client = len(whole) * below
        cloud = self._node(plan.cloud, -1, 0)
        for site, members in zip(built, groups, strict=True):
            self._wire_site(site, {**members, cloud.name: cloud})
        return self._fleet

    def _node(self, instance: NodeInstance, site: int, index: int) -> Node:
        fleet = self._fleet
        services = self._services
        if self._plan.retune is not None and instance.role == "gateway":  # each has a threshold of its own
            services = replace(services, thresholds=dict(services.thresholds))
        node = self._make(instance, index)(
            services,
            name=instance.name,
            group=instance.group,
            role=instance.role,
            site=site,
            index=index,
            client=self._client,
            profile=self._scenario.profile_of(instance.config),
        )
        fleet.nodes.append(node)
        self._client += 1
        return node

    def _make(self, instance: NodeInstance, index: int) -> Callable[..., Node]:
        plan, config = self._plan, instance.config
        moves = plan.failover is not None
        options: dict[str, Any]
        if config.role == "camera":
            options = {"period_s": config.period_s, "buffer": config.buffer}
            choice = plan.options(instance)
            if plan.split is not None and len(choice) > 1:
                options |= {"policy": plan.split, "options": choice}
                return partial(MovingChooser if moves else ChoosingCamera, **options)
            return partial(MovingCamera if moves else Camera, **options, sends=choice[0])
        if config.role == "gateway":
            return partial(HostGateway if moves else Gateway, **plan.gateway_options(instance, index))
        children = len(plan.children(instance.name))
        options = {"children": children, "has_edge": plan.has_edge, "wait_s": config.wait_s}
        if self._scenario.tenants:
            return partial(TenantCloud, **options)
        return partial(self._cloud or (HostCloud if moves else Cloud), **options)

    def _wire_site(self, site: int, members: dict[str, Node]) -> None:
        name = site_name(site)
        for channel in self._plan.channels:
            src = members[channel.src]
            port = Port(src, channel.kind, wire.topic(self._run, name, src.name, channel.kind))
            src.ports[channel.kind, site] = port
            for dst in channel.dsts:
                port.lanes.append(self._lane(site, port, src, members[dst]))
        if self._plan.failover is not None:
            standins = wire_up(self._plan, self._run, site, members, self._lane)
            self._fleet.standins |= {(site, *key): standin for key, standin in standins.items()}
        for node in members.values():
            if isinstance(node, ChoosingCamera):
                uplink = next(iter(node.ports.values())).lanes[0].link
                assert isinstance(uplink, MeteredLink)
                node.uplink, node.route = uplink, route(self._plan, self._services, node)

    def _lane(self, site: int, port: Port, src: Node, dst: Node) -> Lane:
        log = self._services.fabric.log
        number = log.lane(
            LogLane(site_name(site), src.name, dst.name, wire.KINDS[port.kind], f"{src.group}->{dst.group}")
        )
        lane = Lane(src, dst, self._link(site, src, dst), port, number)
        self._fleet.lanes.append(lane)
        return lane

    def _link(self, site: int, src: Node, dst: Node) -> Link:
        name = f"{src.name}->{dst.name}"
        key = f"{site_name(site)}/{name}"
        link = self._fleet.links.get(key)
        if link is None:
            scenario = self._scenario
            make = MeteredLink if isinstance(src, ChoosingCamera) else Link
            link = self._fleet.links[key] = make(
                key,
                self._model(src.group, dst.group),
                attempts=MAX_ATTEMPTS if scenario.mqtt.qos else 1,
                retry_s=scenario.mqtt.retry_s,
                stream=self._stream(name),
                site=site - self._sites.start,
            )
        return link

    def _model(self, src: str, dst: str) -> LinkModel:
        model = self._models.get((src, dst))
        if model is None:
            config = self._scenario.link_for(src, dst)
            model = self._models[src, dst] = LinkModel(
                config.bandwidth_bps, config.latency_s, config.jitter_s, config.loss, config.queue
            )
        return model

    def _stream(self, name: str) -> Stream:
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = Stream(self._scenario.seed, name, len(self._sites), self._sites.start)
        return stream
