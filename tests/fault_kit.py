"""A small fleet for tests of faults: three cameras, a gateway, the cloud; runs in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from brokers.choose import open_carrier
from sim import faults, scenario, world
from sim.ddnn import Inference
from sim.ledger.samples import Sample
from sim.world.plan import Plan
from sim.world.play import Outcome, play
from sim.world.prepare import Prepared

TEXT = """
name: three-cameras
seed: 3
samples: 12
data: {kind: multiview, train: 48, test: 12, cameras: 3}
model: {training: {epochs: 1, seed: 0}}
exits: {local: 0.6}
nodes:
  cam: {role: camera, count: 3, uplink: gw, period: 1 s}
  gw: {role: gateway, uplink: cloud, wait: 200 ms}
  cloud: {role: cloud, wait: 600 ms}
links:
  cam->gw: {bandwidth: 250 kbit/s, latency: 5 ms, jitter: 1 ms}
  gw->cloud: {bandwidth: 5 Mbit/s, latency: 40 ms}
mqtt: {qos: 1}
"""


def load(*entries: str, overrides: Sequence[str] = ()) -> scenario.Scenario:
    """The scenario with these entries of `faults:`, each as in YAML."""
    return scenario.loads(
        f"{TEXT}faults: [{', '.join(entries)}]\n", overrides=overrides, fault_kinds=faults.known(plugins=False)
    )


@cache
def _network(key: str) -> tuple[Prepared, Inference]:
    prepared = world.prepare(load(overrides=key.split("|") if key else ()))
    return prepared, prepared.network.inference(prepared.dataset)


def run(
    *entries: str,
    overrides: Sequence[str] = (),
    broker: str = "memory",
    messages: Path | None = None,
    wanted: scenario.Scenario | None = None,
) -> Outcome:
    """Plays the scenario with these faults, by default on the model alone."""
    wanted = wanted or load(*entries, overrides=overrides)
    prepared, inference = _network("|".join(text for text in overrides if text.startswith(("model.", "exits.edge"))))
    mqtt = wanted.mqtt
    with open_carrier(broker, version=mqtt.version, durable=mqtt.durable) as carrier:
        return play(
            Prepared(Plan(wanted), prepared.dataset, prepared.network), inference, carrier, messages, "testtest"
        )


def samples(outcome: Outcome) -> list[Sample]:
    """The samples of site 0, in order."""
    return [entry for _, _, entry in outcome.book.entries()]


def decisions(outcome: Outcome) -> list[tuple[Any, ...]]:
    """What was decided, when and by whom, of each sample."""
    return [(e.fate, e.predicted, e.entropy, e.decided_s, e.devices_used) for e in samples(outcome)]


def touched(outcome: Outcome) -> list[int]:
    """The samples that a fault touched."""
    return [number for number, entry in enumerate(samples(outcome)) if entry.faults]


def lost(outcome: Outcome) -> dict[str, int]:
    """Lost messages by reason."""
    fates = [fate for fate in outcome.log.fates() if fate != "delivered"]
    return {fate.partition(":")[2]: outcome.log.tally(fate=fate).messages for fate in fates}
