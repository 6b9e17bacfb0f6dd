"""Which fleets can be split: those in which nothing looks at all sites between two windows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sim.errors import UsageError
from sim.nodes.parts import SHORTEST_S
from sim.scenario import Link, Scenario
from sim.world.plan import Plan
from sim.world.wiring import is_plain

_INSTEAD: Final = "run it in one process (without --shards), or spread several runs over processes: fogfleet sweep -j N"


def check(scenario: Scenario, mode: str) -> None:
    """Raises UsageError if the fleet cannot be split over processes, with everything that stands against it."""
    if mode != "virtual":
        raise UsageError(f"--shards is for virtual runs, this one is {mode}; add --mode virtual, or leave --shards out")
    reasons = list(_reasons(scenario))
    if reasons:
        raise UsageError(f"--shards cannot split this fleet: {'; '.join(reasons)}. {_INSTEAD[0].upper()}{_INSTEAD[1:]}")


def _reasons(scenario: Scenario) -> Iterator[str]:
    plan = Plan(scenario)
    watchful = {
        "faults": bool(scenario.faults),
        "tenants": bool(scenario.tenants),
        "policies.retune": plan.retune is not None,
        "policies.failover": plan.failover is not None,
    }
    if any(watchful.values()) or not is_plain(scenario):
        yield f"{', '.join(what for what, there in watchful.items() if there)} may look at any site at any time"
    if any(len(plan.options(camera)) > 1 for camera in plan.cameras):
        yield "policies.split: cameras that choose what they send are not simulated in parts"
    for name, link in _to_and_from_the_cloud(plan):
        if link.latency_s - link.jitter_s < SHORTEST_S:
            yield (
                f"links.{name}: latency less jitter is {(link.latency_s - link.jitter_s) * 1e3:g} ms, and processes "
                f"can go on by themselves for no longer than that; it takes at least {SHORTEST_S * 1e3:g} ms"
            )


def _to_and_from_the_cloud(plan: Plan) -> Iterator[tuple[str, Link]]:
    cloud = plan.cloud.group
    for group in sorted({node.group for node in plan.nodes if node.uplink == plan.cloud.name}):
        for src, dst in ((group, cloud), (cloud, group)):
            yield f"{src}->{dst}", plan.scenario.link_for(src, dst)
