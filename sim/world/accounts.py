"""Who may do what at a secured broker: one account a node, with the topics that it publishes on and hears."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from brokers.api import BrokerError
from brokers.hardened import Account
from sim import wire
from sim.scenario import Scenario
from sim.world.plan import Plan

OPERATOR: Final = "operator"
OWN_TOPICS: Final = "fogfleet/+/%u/#"
"""The topics of the node whose user name is `%u`, i.e. its site and its own name."""
CONDUCTOR: Final = "conductor"
HOME: Final = "fleet"
"""Node and site, in topics, of whoever conducts a fleet of separate processes."""
_CLOUD_HOME: Final = "cloud"


def account_name(home: str, node: str) -> str:
    """`site-0/cam.3`, as in its topics; for the cloud, which belongs to no site, its own name."""
    return node if home == _CLOUD_HOME else f"{home}/{node}"


def accounts(scenario: Scenario) -> tuple[Account, ...]:
    """Every node of the fleet, and `operator`, who sees everything, may send `control` messages and conduct a run.

    A node publishes only as itself. It hears the nodes of its site that it may ever work with: a camera any
    gateway (its own may fail) and the cloud, a gateway any camera and the cloud; the cloud hears everybody.

    Raises:
        BrokerError: `OWN_TOPICS` would let the cloud, whose user name is its name alone, speak for others.
    """
    plan = Plan(scenario)
    sites = [f"site-{site}" for site in range(scenario.sites)]
    nodes = [account for site in sites for account in _site(plan, site)]
    cloud = plan.cloud.name
    if cloud in (*sites, HOME):
        raise BrokerError(f"a cloud called {cloud!r} could speak for all whose topics begin so; rename it")
    orders = (_topic("+", "+", wire.KINDS[wire.CONTROL]), _topic(HOME, CONDUCTOR))
    operator = Account(OPERATOR, writes=orders, reads=("fogfleet/#",))
    return (*nodes, Account(cloud, writes=(_topic("+", cloud),), reads=(_topic("+", "+"),)), operator)


def _site(plan: Plan, site: str) -> Iterator[Account]:
    cameras = [node.name for node in plan.cameras]
    gateways = [node.name for node in plan.gateways]
    for names, heard in ((cameras, gateways), (gateways, cameras)):
        for name in names:
            control = _topic(site, name, wire.KINDS[wire.CONTROL])
            reads = (control, _topic(HOME, CONDUCTOR), *(_topic(site, other) for other in (*heard, plan.cloud.name)))
            yield Account(account_name(site, name), writes=(_topic(site, name),), reads=reads)


def _topic(site: str, node: str, kind: str = "#") -> str:
    return f"fogfleet/+/{site}/{node}/{kind}"
