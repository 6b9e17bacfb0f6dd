"""What the faults of a run are given of its world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from brokers.api import Carrier
from brokers.client import Pool
from brokers.shared import Shared
from sim import ddnn
from sim.clock import Clock
from sim.errors import UsageError
from sim.faults import Engine, Surroundings, known
from sim.faults.base import BrokerFault, FaultKind, NodeFault
from sim.faults.machinery import Machinery, NoMachinery
from sim.ledger.faults import FaultLog
from sim.meter import energy_j
from sim.nodes.fabric import Fabric
from sim.nodes.node import Node
from sim.rng import generator
from sim.scenario import Scenario
from sim.world import curve
from sim.world.fleet import Fleet, full_name
from sim.world.outages import Witness
from sim.world.prepare import Prepared
from sim.world.wiring import may_fail

SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "camera": ("device",),
    "gateway": ("local", "edge"),
    "cloud": ("cloud",),
}
"""Which weights nodes of each role have."""


def witnessed(scenario: Scenario, carrier: Carrier) -> Carrier:
    """The carrier; one that survives outages, where faults of nodes or the broker can come and it is a real one.

    Raises:
        UsageError: nodes whose connections may come to harm are to share them.
    """
    disturbed = any(isinstance(fault.effect, BrokerFault | NodeFault) for fault in scenario.faults)
    if scenario.mqtt.connections is not None:
        if disturbed:
            raise UsageError(
                "mqtt.connections: faults of nodes and of the broker need a connection for every node; "
                "remove it, or these faults"
            )
        return Shared(carrier, scenario.mqtt.connections)
    return Witness(carrier, keeps=keeps(scenario)) if disturbed and isinstance(carrier, Pool) else carrier


def keeps(scenario: Scenario) -> bool:
    """Whether sessions outlive a lost connection, with the messages in them: they do in MQTT 5 alone."""
    mqtt = scenario.mqtt
    return mqtt.durable and mqtt.qos > 0 and mqtt.version == "5"


def used(scenario: Scenario) -> dict[str, str]:
    """The fault kinds of other packages that the scenario uses, each with its distribution and version."""
    sources = known().sources
    kinds = {fault.effect.name() for fault in scenario.faults if isinstance(fault.effect, FaultKind)}
    return {kind: str(sources[kind]) for kind in sorted(kinds) if kind in sources}


def outages(carrier: Carrier | None) -> Mapping[str, int]:
    """What happened to a broker that was killed, paused or reset."""
    return carrier.record if isinstance(carrier, Witness) else {}


def engine(
    prepared: Prepared,
    fleet: Fleet,
    fabric: Fabric,
    clock: Clock,
    inference: ddnn.Inference,
    log: FaultLog,
    *,
    live: bool = False,
) -> Engine | None:
    """The faults of the scenario; None where there are none and (unless `live`) none can be injected by hand."""
    if not may_fail(prepared.scenario) and not live:
        return None
    carrier = fabric.carrier
    machinery = carrier if isinstance(carrier, Witness) else NoMachinery()
    return Engine(prepared.scenario.faults, surroundings(prepared, fleet, fabric, clock, inference, log, machinery))


def surroundings(
    prepared: Prepared,
    fleet: Fleet,
    fabric: Fabric,
    clock: Clock,
    inference: ddnn.Inference,
    log: FaultLog,
    machinery: Machinery,
) -> Surroundings:
    """What the faults of a run are given; `machinery` is the real side of them."""
    scenario = prepared.scenario
    periods = [camera.config.period_s for camera in prepared.plan.cameras if camera.config.role == "camera"]
    return Surroundings(
        clock=clock,
        fabric=fabric,
        nodes=[(full_name(node), node) for node in fleet.nodes],
        links=fleet.links,
        lanes=fleet.lanes,
        seed=scenario.seed,
        horizon_s=prepared.samples * max(periods),
        keeps=keeps(scenario),
        image_shape=prepared.dataset.images.shape[2:],
        machinery=machinery,
        networks=Networks(prepared),
        parts=_parts(prepared),
        energy_j=lambda node: _energy(prepared, node, clock.now),
        best_camera=lambda: _best_camera(prepared, inference),
        base=scenario.path.parent,
        log=log,
    )


def _parts(prepared: Prepared) -> dict[str, set[str]]:
    """What nodes of each role have of the network."""
    found = {role: {"scores"} for role in SECTIONS}
    for role, sections in SECTIONS.items():
        if any(_is_kernel(name, sections) for name in prepared.network.arrays):
            found[role].add("weights")
    found["camera"].add("features")
    if prepared.scenario.model.edge is not None:
        found["gateway"].add("features")
    return found


def _energy(prepared: Prepared, node: Node, now_s: float) -> float:
    config = next(instance.config for instance in prepared.plan.nodes if instance.group == node.group)
    return energy_j(node.profile, node.busy_s, now_s, node.bytes_up, prepared.scenario.joules_per_byte(config))


def _best_camera(prepared: Prepared, inference: ddnn.Inference) -> str:
    """The camera that alone is right most often without faults; the first of equals."""
    accuracy = curve.per_camera(prepared, curve.table(prepared, inference))
    return max(accuracy, key=lambda name: accuracy[name] or 0.0)


class Networks:
    """Other networks than the one that runs, made on first use."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._made: dict[object, ddnn.Inference] = {}

    def stale(self, epochs: int) -> ddnn.Inference:
        """The network as it was after so many epochs of the same training."""
        found = self._made.get(epochs)
        if found is None:
            network, dataset = self._prepared.network, self._prepared.dataset
            training = replace(network.training, epochs=min(epochs, network.training.epochs))
            found = self._made[epochs] = ddnn.obtain(network.spec, training, dataset).inference(dataset)
        return found

    def damaged(self, rate: float, role: str, *stream: str) -> ddnn.Inference:
        """The network with bits of the weights flipped that nodes of this role have."""
        key = (rate, role, stream)
        found = self._made.get(key)
        if found is None:
            prepared = self._prepared
            rng = generator(prepared.scenario.seed, "weights", *stream)
            network = replace(prepared.network, arrays=flipped(prepared.network.arrays, rate, rng, SECTIONS[role]))
            found = self._made[key] = network.inference(prepared.dataset)
        return found


def _is_kernel(name: str, sections: Sequence[str]) -> bool:
    return name.endswith(".kernel") and name.partition(".")[0] in sections


def flipped(
    arrays: Mapping[str, NDArray[Any]],
    rate: float,
    rng: np.random.Generator,
    sections: Sequence[str] = SECTIONS["camera"],
) -> dict[str, NDArray[Any]]:
    """The arrays with each bit of the sections' kernels flipped at this rate: a sign, or one of 32 bits.

    What is no number any more counts as 0, as a guarded multiplier would.
    """
    found = dict(arrays)
    for name in sorted(arrays):
        if not _is_kernel(name, sections):
            continue
        kernel = arrays[name]
        if kernel.dtype.itemsize == 1:
            found[name] = np.where(rng.random(kernel.shape) < rate, -kernel, kernel).astype(kernel.dtype)
            continue
        bits = np.ascontiguousarray(kernel).view(np.uint8)
        damaged = (bits ^ np.packbits(rng.random(8 * bits.size) < rate).reshape(bits.shape)).view(kernel.dtype)
        found[name] = np.nan_to_num(damaged, nan=0.0, posinf=0.0, neginf=0.0).reshape(kernel.shape)
    return found
