"""Who is who in a fleet of separate processes: names of nodes, the run's token, topics and identities."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

from brokers.api import Identity
from sim import wire
from sim.errors import UsageError
from sim.nodes.node import Node
from sim.scenario import Scenario
from sim.world.accounts import CONDUCTOR, HOME, OPERATOR
from sim.world.fleet import Fleet, identities, site_name
from sim.world.plan import Plan

_NAME = re.compile(r"(?:(site-\d+)[./])?(.+)")


def token(scenario: Scenario) -> str:
    """Eight characters by which nodes that were started apart find each other: the same for the same scenario."""
    return hashlib.sha256(f"{scenario.name}/{scenario.seed}".encode()).hexdigest()[:8]


def find(fleet: Sequence[str], wanted: str) -> str:
    """The full name (`site-0/cam.3`, `cloud`) of a node that is called `cam.3`, `site-0.cam.3` or `site-0/cam.3`.

    Raises:
        UsageError: there is no such node, or several sites have one.
    """
    match = _NAME.fullmatch(wanted)
    site, node = match.groups() if match else (None, wanted)
    found = [name for name in fleet if name.rpartition("/")[2] == node and site in (None, name.partition("/")[0])]
    if not found:
        near = get_close_matches(wanted, fleet, n=3, cutoff=0.5) or fleet[:8]
        raise UsageError(f"there is no node {wanted!r}; there are, for example, {', '.join(near)}")
    if len(found) > 1:
        raise UsageError(f"{wanted!r} stands in {len(found)} sites; write for example {found[0].replace('/', '.')}")
    return found[0]


def names(plan: Plan) -> list[str]:
    """Full names of all nodes, in the order of `Fleet.nodes`."""
    members = [node.name for node in plan.nodes if node.role != "cloud"]
    each = [f"{site_name(site)}/{name}" for site in range(plan.scenario.sites) for name in members]
    return [*each, plan.cloud.name]


def own(fleet: Fleet, name: str) -> Node:
    """The node of a full name."""
    return fleet.by_name()[name]


def station_identity(plan: Plan, run: str, name: str) -> Identity:
    """The MQTT identity of one node, which also listens to the conductor."""
    identity = identities(plan, run)[names(plan).index(name)]
    more = (control_topic(run), order_topic(run, name), status_topic(run, CONDUCTOR, HOME))
    return replace(identity, subscriptions=(*identity.subscriptions, *more))


def conductor_identity(run: str) -> Identity:
    """The MQTT identity of the conductor, which listens to what all nodes are and write down."""
    return Identity(
        client_id=f"fogfleet-{run}-{HOME}-{CONDUCTOR}",
        will_topic=status_topic(run, CONDUCTOR, HOME),
        will_payload=b"offline",
        subscriptions=(f"fogfleet/{run}/+/+/status", f"fogfleet/{run}/+/+/ledger"),
        account=OPERATOR,
    )


def control_topic(run: str) -> str:
    """Where the conductor retains when the run starts, and later that it is over."""
    return wire.topic(run, HOME, CONDUCTOR, wire.CONTROL)


def order_topic(run: str, name: str) -> str:
    """Where the conductor says something to one node alone."""
    site, _, node = name.rpartition("/")
    return f"{control_topic(run)}/{site or 'cloud'}/{node}"


def status_topic(run: str, node: str, home: str) -> str:
    """Where a node's state is retained."""
    return wire.topic(run, home, node, wire.STATUS)


def home_topic(run: str, name: str, kind: int) -> str:
    """A topic of the node of a full name; the cloud's own are under `cloud`."""
    site, _, node = name.rpartition("/")
    return wire.topic(run, site or "cloud", node, kind)
