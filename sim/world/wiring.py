"""What every kind of run sets up and checks alike."""

from __future__ import annotations

from collections.abc import Collection

from brokers import framing
from brokers.api import MQTT_5, MQTT_311
from sim.clock import Clock
from sim.ddnn import Inference
from sim.ledger.messages import MessageLog, check_conservation
from sim.ledger.samples import SampleBook
from sim.meter import Framing
from sim.nodes.fabric import Fabric
from sim.nodes.node import Services
from sim.scenario import Mqtt, Scenario
from sim.world.fleet import Fleet
from sim.world.prepare import Prepared


def forms(mqtt: Mqtt) -> Framing:
    """The MQTT closed forms of the scenario's version and QoS, whatever a broker has negotiated."""
    qos, level = mqtt.qos, MQTT_5 if mqtt.version == "5" else MQTT_311
    return Framing(lambda topic, size: framing.publish_bytes(topic, size, qos, level), framing.ack_bytes(qos, level))


def may_fail(scenario: Scenario) -> bool:
    """Whether any fault can come; one of probability 0 cannot, and changes nothing, not even the time of the run."""
    return any(fault.probability != 0 for fault in scenario.faults)


def is_plain(scenario: Scenario) -> bool:
    """Whether nothing touches, refuses or counts a message on its way, so that it need not become bytes in memory."""
    return not (may_fail(scenario) or scenario.tenants or scenario.policies.retune is not None)


def services(prepared: Prepared, inference: Inference, clock: Clock, fabric: Fabric, book: SampleBook) -> Services:
    """What every node of a run is given."""
    thresholds = prepared.scenario.exits.thresholds()
    return Services(clock, fabric, book, inference, prepared.picture, thresholds, dict(inference.flops))


def switch_off(fleet: Fleet, names: Collection[str]) -> None:
    """Takes nodes down from the start to the end, in every site."""
    for node in fleet.nodes:
        if node.name in names:
            node.up = False


def open_samples(prepared: Prepared, book: SampleBook, sites: range | None = None) -> None:
    """Every sample of every site (None: of all) is due at the first camera's capture time."""
    period_s = prepared.period_s
    labels = prepared.dataset.labels.tolist()
    for site in range(prepared.scenario.sites) if sites is None else sites:
        for sample in range(prepared.samples):
            book.open(site, sample, labels[prepared.picture(site, sample)], sample * period_s)


def check(prepared: Prepared, fleet: Fleet, book: SampleBook, log: MessageLog, until_s: float | None = None) -> None:
    """Every sample that was due (by `until_s`; None: in the whole run) has one fate; sent = delivered + lost.

    Raises:
        InvariantError: it is not so.
    """
    book.check(prepared.scenario.sites * prepared.due(until_s))
    sent: dict[str, list[int]] = {}
    for lane in fleet.lanes:
        sums = sent.setdefault(f"{lane.src.group}->{lane.dst.group}", [0, 0])
        sums[0] += lane.messages
        sums[1] += lane.payload_bytes
    check_conservation(log, ((link, count, payload) for link, (count, payload) in sent.items()))
