"""Plays one prepared scenario over a carrier: builds the fleet, runs the clock out, checks the ledger."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from brokers import framing
from brokers.api import MQTT_5, MQTT_311, Carrier
from sim.clock import Clock
from sim.ddnn import Inference
from sim.ledger.faults import FaultLog
from sim.ledger.messages import MessageLog, check_conservation
from sim.ledger.samples import SampleBook
from sim.meter import Framing
from sim.nodes.fabric import Fabric
from sim.nodes.node import Services
from sim.nodes.shortcut import Shortcut
from sim.world import faults
from sim.world.fleet import Builder, Fleet, identities
from sim.world.prepare import Prepared, Progress


@dataclass(frozen=True)
class Outcome:
    """What a run leaves behind in memory.

    Attributes:
        unasked: payloads that came back from the broker although nothing was waiting for them.
        virtual_s: virtual time of the last event.
        outages: what was done to the real broker, and what it did then; empty where nothing was.
    """

    fleet: Fleet
    book: SampleBook
    log: MessageLog
    faults: FaultLog
    divergences: int
    unasked: int
    overheard_bytes: int
    virtual_s: float
    outages: Mapping[str, int] = field(default_factory=dict)


def play(
    prepared: Prepared,
    inference: Inference,
    carrier: Carrier | None,
    messages: Path | None,
    run: str,
    progress: Progress | None = None,
    watch: Callable[[Clock, Fleet], None] | None = None,
) -> Outcome:
    """Runs `prepared` over `carrier`, which is connected here.

    Args:
        prepared: scenario, data, network.
        inference: the network's answers.
        carrier: a broker's client side, not yet connected; None: messages reach their nodes without becoming bytes,
            which is faster and the same where no fault can touch them.
        messages: where `messages.parquet` goes; None: nowhere, only the sums are kept.
        run: the run's token in its topics.
        progress: told of the samples that are due.
        watch: given clock and fleet before the first event, to look on; it may not touch anything.

    Raises:
        InvariantError: a conservation check failed.
        brokers.api.BrokerError: the broker is gone.
    """
    scenario = prepared.scenario
    if carrier is not None:
        carrier = faults.witnessed(scenario, carrier)
        carrier.connect(identities(prepared.plan, run))
    clock, book, log, fault_log = Clock(), SampleBook(), MessageLog(messages), FaultLog()
    try:
        mqtt = scenario.mqtt
        qos, level = mqtt.qos, MQTT_5 if mqtt.version == "5" else MQTT_311  # the model's, whatever was negotiated
        forms = Framing(
            lambda topic, size: framing.publish_bytes(topic, size, qos, level), framing.ack_bytes(qos, level)
        )
        fabric = (
            Shortcut(clock, log, forms) if carrier is None else Fabric(clock, carrier, log, forms, qos, mqtt.patience_s)
        )
        services = Services(
            clock,
            fabric,
            book,
            inference,
            prepared.picture,
            scenario.exits.thresholds(),
            dict(inference.flops),
        )
        fleet = Builder(prepared.plan, services, run).build()
        _switch_off(fleet, scenario.down)
        _open_samples(prepared, book)
        engine = faults.engine(prepared, fleet, fabric, clock, inference, fault_log)
        if engine is not None:
            engine.start()
        for camera in fleet.cameras():
            if camera.name not in scenario.down:
                clock.process(camera.run(prepared.samples))
        if watch is not None:
            watch(clock, fleet)
        if progress is not None:
            _report(clock, prepared, progress)
        clock.finish()
        if engine is not None:
            engine.finish()
        unasked = 0 if carrier is None else carrier.leftovers(mqtt.patience_s)
    finally:
        log.close()
    _check(prepared, fleet, book, log)
    return Outcome(
        fleet,
        book,
        log,
        fault_log,
        fabric.divergences,
        unasked,
        fabric.overheard_bytes,
        clock.now,
        faults.outages(carrier),
    )


def _switch_off(fleet: Fleet, names: Collection[str]) -> None:
    """Takes nodes down from the start to the end, in every site."""
    for node in fleet.nodes:
        if node.name in names:
            node.up = False


def _open_samples(prepared: Prepared, book: SampleBook) -> None:
    """Every sample of every site is due at the first camera's capture time."""
    period_s = min(camera.config.period_s for camera in prepared.plan.cameras if camera.config.role == "camera")
    labels = prepared.dataset.labels
    for site in range(prepared.scenario.sites):
        for sample in range(prepared.samples):
            book.open(site, sample, int(labels[prepared.picture(site, sample)]), sample * period_s)


def _report(clock: Clock, prepared: Prepared, progress: Progress) -> None:
    """Tells of progress a hundred times in virtual time; touches nothing that decides."""
    samples = prepared.samples
    period_s = max(camera.config.period_s for camera in prepared.plan.cameras if camera.config.role == "camera")
    for sample in range(0, samples, max(1, samples // 100)):
        clock.at(sample * period_s, lambda done: progress("simulating", done, samples), sample + 1)


def _check(prepared: Prepared, fleet: Fleet, book: SampleBook, log: MessageLog) -> None:
    book.check(prepared.scenario.sites * prepared.samples)
    sent: dict[str, list[int]] = {}
    for lane in fleet.lanes:
        sums = sent.setdefault(f"{lane.src.group}->{lane.dst.group}", [0, 0])
        sums[0] += lane.messages
        sums[1] += lane.payload_bytes
    check_conservation(log, ((link, count, payload) for link, (count, payload) in sent.items()))
