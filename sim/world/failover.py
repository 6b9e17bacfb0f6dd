"""Re-orchestration: sees gateways fall silent, asks the policy who takes over, and tells the cameras.

A gateway that is down, stands still, has lost the broker or its link to the cloud for as long as the policy says (the
keepalive behind its last will) loses its role to another gateway of its site; once it has been back for as long it gets
the role again. Who takes a role tells its cameras by `control`, and again each time that long has passed, until they
have come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sim.clock import Call, Clock
from sim.errors import UsageError
from sim.ledger.events import Event, EventLog
from sim.nodes.gateway import Gateway
from sim.nodes.node import Node
from sim.nodes.standin import HostGateway, Moves
from sim.policies import FailoverPolicy, Outage, Standby
from sim.world.fleet import Fleet, site_name
from sim.world.plan import Plan

MOVED, RETURNED, NOBODY = "failover", "failback", "no-standby"


@dataclass(slots=True)
class Role:
    """What one gateway does for its cameras, and who plays it now.

    Attributes:
        since_s: when it was last left without a player; None: somebody plays it.
    """

    own: HostGateway
    cameras: tuple[Moves, ...]
    player: HostGateway
    since_s: float | None = None


class Failover:
    """The orchestrator of all sites.

    Args:
        policy: who decides.
        plan, fleet, clock: the world.
        events: where moves are written down.
        horizon_s: when the last sample is due; cameras are not called any more after it.
        call: lets a gateway tell cameras that it plays a role from now on; given the gateway, the one whose role it
            is, and the indices of the cameras.
    """

    def __init__(
        self,
        policy: FailoverPolicy,
        plan: Plan,
        fleet: Fleet,
        clock: Clock,
        events: EventLog,
        horizon_s: float,
        call: Callable[[HostGateway, HostGateway, list[int]], None],
    ) -> None:
        self._policy = policy
        self._plan = plan
        self._clock = clock
        self._events = events
        self._horizon_s = horizon_s
        self._say = call
        self._reach = {(site, role, host) for site, role, host in fleet.standins}
        self._roles = _roles(fleet)
        self._by_camera = {camera.client: role for role in self._roles for camera in role.cameras}
        self._by_gateway = {role.own.client: role for role in self._roles}
        self._sites: dict[int, list[Role]] = {}
        for role in self._roles:
            self._sites.setdefault(role.own.site, []).append(role)
        self._watches: dict[int, Call] = {}
        self._silent_s: dict[int, float] = {}
        self.took_s: list[float] = []

    def start(self) -> None:
        """Begins; gateways that are down from the start fall silent at once."""
        for role in self._roles:
            for camera in role.cameras:
                camera.told = self._arrived
            if not _alive(role.own):
                self.notice(role.own)

    def summary(self) -> dict[str, Any]:
        """`failovers` of the run's summary: how often roles moved and returned, and the longest time that one took."""
        return {
            "moved": self._events.count(MOVED),
            "returned": self._events.count(RETURNED),
            "nobody": self._events.count(NOBODY),
            "took_s": max(self.took_s, default=None),
        }

    # -- who is there

    def notice(self, gateway: Node) -> None:
        """A gateway fell silent, or came back: looks again once that has lasted."""
        silent = not _alive(gateway)
        if silent == (gateway.client in self._silent_s):
            return
        if silent:
            self._silent_s[gateway.client] = self._clock.now
        else:
            del self._silent_s[gateway.client]
        watch = self._watches.pop(gateway.client, None)
        if watch is not None:
            watch.cancel()
        due_s = self._clock.now + self._policy.after_s
        self._watches[gateway.client] = self._clock.at(due_s, self._judge, gateway)

    def _judge(self, gateway: HostGateway) -> None:
        self._watches.pop(gateway.client, None)
        if gateway.client in self._silent_s:
            for role in self.plays(gateway):
                role.since_s = self._silent_s[gateway.client] if role.since_s is None else role.since_s
                self._place(role)
            return
        for role in self._sites[gateway.site]:
            if role.own is gateway and role.player is not gateway:
                self._give(role, gateway, RETURNED)
            elif role.since_s is not None and not _alive(role.player):
                self._place(role)
            elif role.player is gateway:
                role.since_s = None

    # -- who takes over

    def _place(self, role: Role) -> None:
        """Asks the policy, and does what it says."""
        standbys = self._standbys(role)
        chosen = self._policy.choose(
            Outage(role.own.index, role.own.name, tuple(camera.index for camera in role.cameras), standbys)
        )
        if chosen is None:
            self._note(NOBODY, role.own.site, role.own.name, role.player.name, "", "nobody can take over")
            return
        if chosen not in [one.index for one in standbys]:
            known = ", ".join(f"{one.index} ({one.name})" for one in standbys) or "nobody"
            raise UsageError(f"policies.failover: {self._policy.name()} chose {chosen!r}; possible: {known}")
        gateways = (one.own for one in self._sites[role.own.site])
        self._give(role, next(gateway for gateway in gateways if gateway.index == chosen), MOVED)

    def _standbys(self, role: Role) -> tuple[Standby, ...]:
        own, roles = role.own, self._sites[role.own.site]
        found = []
        for other in roles:
            host = other.own
            key = (own.site, own.name, host.name)
            if key in self._reach and _alive(host) and host.client not in self._silent_s:
                serves = sum(len(one.cameras) for one in roles if one.player is host)
                busy = host.busy_s / self._clock.now if self._clock.now else 0.0
                latency_s = self._latency_s(role, host)
                found.append(Standby(host.index, host.name, serves, busy, host.backlog_s(), latency_s))
        return tuple(found)

    def _latency_s(self, role: Role, host: Gateway) -> float:
        link_for = self._plan.scenario.link_for
        return max(link_for(camera.group, host.group).latency_s for camera in role.cameras)

    def _give(self, role: Role, player: HostGateway, event: str) -> None:
        reason = "silent" if event == MOVED else "back"
        self._note(event, role.own.site, role.own.name, role.player.name, player.name, reason)
        role.player = player
        if event == RETURNED:
            role.since_s = None
        self._call(role)

    # -- the cameras

    def _call(self, role: Role) -> None:
        """Tells the cameras that are still elsewhere; again later, as long as the run goes on."""
        player, now_s = role.player, self._clock.now
        away = [camera for camera in role.cameras if camera.at != player.client]
        if not away or not _alive(player):
            return
        called = [camera.index for camera in away if _alive(camera)]
        if called:
            self._say(player, role.own, called)
        again_s = now_s + self._policy.after_s
        if again_s <= self._horizon_s:
            self._clock.at(again_s, self._call_again, (role, player))

    def _call_again(self, call: tuple[Role, HostGateway]) -> None:
        role, player = call
        if role.player is player:
            self._call(role)

    def forgot(self, camera: Moves) -> None:
        """A camera has lost its memory, and publishes for its own gateway again: it is called once more."""
        role = self._by_camera[camera.client]
        camera.settle(role.own.client)
        self._call(role)

    def moved(self, camera: Moves, client: int, at_s: float) -> None:
        """A camera elsewhere publishes for a gateway now; who has followed a call that came too late is called back."""
        was = camera.at
        camera.settle(client)
        if client != was:
            self._arrived(camera, was, at_s)
            self._call(self._by_camera[camera.client])

    def plays(self, gateway: Node) -> list[Role]:
        """The roles that a gateway has."""
        return [role for role in self._sites[gateway.site] if role.player is gateway]

    def _arrived(self, camera: Moves, was: int, at_s: float | None = None) -> None:
        """A camera has moved (None: now); the last one of a role ends the time without."""
        role, names = self._by_camera[camera.client], self._by_gateway
        at_s = self._clock.now if at_s is None else at_s
        was_at, is_at = names[was].own.name, names[camera.at].own.name
        self._events.add(Event(at_s, "camera-moved", site_name(camera.site), camera.name, was_at, is_at, "told to"))
        if role.since_s is not None and all(one.at == role.player.client for one in role.cameras if _alive(one)):
            self.took_s.append(at_s - role.since_s)
            role.since_s = None

    def _note(self, event: str, site: int, node: str, was: str, becomes: str, reason: str) -> None:
        self._events.add(Event(self._clock.now, event, site_name(site), node, was, becomes, reason))


def _roles(fleet: Fleet) -> list[Role]:
    below: dict[int, list[Moves]] = {}
    for node in fleet.nodes:
        if isinstance(node, Moves):
            below.setdefault(node.at, []).append(node)
    gateways = [node for node in fleet.nodes if isinstance(node, HostGateway)]
    return [Role(gateway, tuple(below.get(gateway.client, ())), gateway) for gateway in gateways]


def _alive(node: Node) -> bool:
    return node.up and not node.paused and not node.cut_off
