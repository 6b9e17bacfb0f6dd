"""Plays one prepared scenario over a carrier: builds the fleet, runs the clock out, checks the ledger."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np

from brokers.api import Carrier
from brokers.shared import Shared
from sim.clock import Clock
from sim.ddnn import Inference
from sim.errors import UsageError
from sim.faults import Engine
from sim.ledger.faults import FaultLog
from sim.ledger.messages import MessageLog
from sim.ledger.samples import SampleBook
from sim.nodes.camera import Camera
from sim.nodes.express import Course, courses
from sim.nodes.fabric import Fabric
from sim.nodes.ferry import Ferry
from sim.nodes.parts import Parts
from sim.nodes.shortcut import Shortcut
from sim.nodes.shutter import shutters
from sim.scenario import Scenario
from sim.world import faults
from sim.world.fleet import Builder, Fleet, identities
from sim.world.live import Live, LiveClock, LiveFabric
from sim.world.plan import Plan
from sim.world.prepare import Prepared, Progress
from sim.world.steering import Steering, steering
from sim.world.telemetry import Telemetry
from sim.world.tenancy import LiveQuotaFabric, QuotaFabric, Tenancy
from sim.world.watching import WatchedBook, WatchedLog, Watcher
from sim.world.wiring import check, forms, is_plain, open_samples, services, switch_off

FEW_COLLECTIONS: Final = (50_000, 20, 100)
"""Thresholds of the garbage collector during a run."""


@dataclass(frozen=True)
class Outcome:
    """What a run leaves behind in memory.

    Attributes:
        unasked: payloads that came back from the broker although nothing was waiting for them.
        virtual_s: virtual time of the last event.
        outages: what was done to the real broker, and what it did then; empty where nothing was.
        interrupted: a live run was ended early; what had been due by then is accounted for.
        steering: what the fleet did about itself.
        tenancy: the meters of the tenants; None where there are none.
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
    interrupted: bool = False
    steering: Steering = field(default_factory=Steering)
    tenancy: Tenancy | None = None


@contextmanager
def few_collections() -> Iterator[None]:
    """Keeps the cyclic garbage collector from looking again and again at the many things that a fleet is made of."""
    gc.collect(1)  # an earlier fleet, which is young because it was not looked at; not what libraries are made of
    thresholds = gc.get_threshold()
    gc.set_threshold(*FEW_COLLECTIONS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


@few_collections()
def play(
    prepared: Prepared,
    inference: Inference,
    carrier: Carrier | None,
    messages: Path | None,
    run: str,
    progress: Progress | None = None,
    watch: Callable[[Clock, Fleet], None] | None = None,
    *,
    live: Live | None = None,
    telemetry: Telemetry | None = None,
    ready: Callable[[], object] | None = None,
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
        watch: given clock and fleet before the first event, to look on; it may not touch anything. With it (and with
            telemetry) every message is an event of its own, to be seen.
        live: in wall-clock time; None: in virtual time.
        telemetry: shows the run to other threads, and takes their commands if it is live.
        ready: called when the fleet is built, before the first event.

    Raises:
        InvariantError: a conservation check failed.
        SetupError: live without a real broker.
        UsageError: what the scenario asks for is not to be had together.
        brokers.api.BrokerError: the broker is gone.
    """
    scenario = prepared.scenario
    if live is not None:
        if scenario.mqtt.connections is not None:
            raise UsageError("mqtt.connections: in a live run every node has a connection of its own; remove it")
        carrier = live.carrier(carrier, keeps=faults.keeps(scenario))
        inference.prefetch(np.unique(prepared.pictures()))
    elif carrier is not None:
        carrier = faults.witnessed(scenario, carrier)
    if carrier is not None:
        carrier.connect(identities(prepared.plan, run))
    clock: Clock = Clock() if live is None else live.clock()
    sizes = scenario.sites, prepared.samples
    book, log = SampleBook(*sizes), MessageLog(messages)
    if telemetry is not None:
        book, log = WatchedBook(*sizes), WatchedLog(messages)
    fault_log = FaultLog()
    try:
        fabric = _fabric(scenario, clock, carrier, log, live, watched=telemetry is not None)
        fleet = Builder(prepared.plan, services(prepared, inference, clock, fabric, book), run).build()
        switch_off(fleet, scenario.down)
        open_samples(prepared, book)
        tenancy = _tenancy(prepared.plan, fleet, fabric)
        steered = steering(prepared, fleet, clock, inference, None if carrier is None else carrier.announce)
        steered.start(fleet)
        engine = faults.engine(prepared, fleet, fabric, clock, inference, fault_log, live=live is not None)
        if engine is not None:
            engine.start()
        cameras = fleet.cameras(down=scenario.down)
        whole = not isinstance(fabric, Shortcut) or steered.acts or _choose(cameras)
        parts = Parts(clock, scenario.sites, fleet.lanes, whole=whole)
        disturbed = engine is not None or live is not None
        unseen = not steered.acts and watch is None and telemetry is None
        express = courses(fabric, cameras, prepared.samples) if type(fabric) is Shortcut and unseen else []
        release(clock, parts, cameras, prepared.samples, express, disturbed=disturbed)
        if carrier is not None and isinstance(fabric, Ferry):
            carrier.leftovers(scenario.mqtt.patience_s)  # of what the nodes said of themselves
        gc.collect(0)  # the fleet is there to stay: the first collection within the run need not look at it
        if watch is not None:
            watch(clock, fleet)
        if progress is not None:
            _report(clock, prepared, progress)
        watcher = None
        if telemetry is not None:
            watcher = _attach(telemetry, prepared, fleet, clock, book, log, engine)
        if ready is not None:
            ready()
        if isinstance(fabric, Shortcut):
            fabric.parts = parts
            clock.finish_parts(parts.queues, parts.window_s, log.settle, fabric.wait, parts.inbox)
        interrupted = _run_out(clock)
        if engine is not None:
            engine.finish()
        if interrupted:
            assert isinstance(fabric, LiveFabric)
            fabric.interrupt()
            book.cut(clock.now)
        if watcher is not None:
            watcher.publish()  # what came after the last look
        unasked = 0 if carrier is None else carrier.leftovers(scenario.mqtt.patience_s)
    finally:
        log.close()
        if isinstance(carrier, Shared):
            carrier.withdraw()
    if isinstance(fabric, Shortcut):
        fabric.settle()
    check(prepared, fleet, book, log, clock.now if interrupted else None)
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
        interrupted,
        steered,
        tenancy,
    )


def _tenancy(plan: Plan, fleet: Fleet, fabric: Fabric) -> Tenancy | None:
    """The meters of the tenants; None where there are none."""
    if not plan.scenario.tenants:
        return None
    tenancy = Tenancy(plan)
    tenancy.attach(fleet)
    if isinstance(fabric, QuotaFabric):
        fabric.tenancy = tenancy
    return tenancy


def _fabric(
    scenario: Scenario, clock: Clock, carrier: Carrier | None, log: MessageLog, live: Live | None, *, watched: bool
) -> Fabric:
    mqtt = scenario.mqtt
    if live is not None:
        kind = LiveQuotaFabric if scenario.tenants else LiveFabric
        return live.fabric(log, forms(mqtt), mqtt.qos, mqtt.patience_s, kind)
    if carrier is None:
        return Shortcut(clock, log, forms(mqtt))
    make = QuotaFabric if scenario.tenants else Ferry if is_plain(scenario) and not watched else Fabric
    fabric = make(clock, carrier, log, forms(mqtt), mqtt.qos, mqtt.patience_s)
    if mqtt.connections is not None:
        fabric.lookahead = 1  # a broker's queue for one of few connections would have to hold what is ahead of its time
    return fabric


def _run_out(clock: Clock) -> bool:
    """Runs until nothing is left to happen; whether a live run was ended early."""
    try:
        clock.finish()
    except KeyboardInterrupt:
        if not isinstance(clock, LiveClock):
            raise
        clock.stop()
    return isinstance(clock, LiveClock) and clock.stopped


def _attach(
    telemetry: Telemetry,
    prepared: Prepared,
    fleet: Fleet,
    clock: Clock,
    book: SampleBook,
    log: MessageLog,
    engine: Engine | None,
) -> Watcher:
    """Lets telemetry look on: after each look at the network in wall-clock time, else when samples are due."""
    assert isinstance(book, WatchedBook)
    assert isinstance(log, WatchedLog)
    watcher = Watcher(telemetry, prepared, fleet, clock, book, log, engine)
    if isinstance(clock, LiveClock):
        clock.turns.append(watcher.look)
        telemetry.listen()  # before anybody can see that it runs
    else:
        for sample in range(prepared.samples):
            clock.at(sample * watcher.period_s, watcher.look)
    watcher.publish()
    return watcher


def _choose(cameras: list[Camera]) -> bool:
    """Whether any camera is one that decides itself what it sends."""
    return any(type(camera) is not Camera for camera in cameras)


def release(
    clock: Clock, parts: Parts, cameras: list[Camera], samples: int, express: list[Course], *, disturbed: bool
) -> None:
    """Starts the cameras: in step where nothing can make one of them late, otherwise each as a process."""
    if disturbed or _choose(cameras):
        for camera in cameras:
            clock.process(camera.run(samples))
        return
    starts = {course.cameras[0].client: course for course in express}
    for part, members in groupby(cameras, key=lambda camera: parts.number(camera.site)):
        for shutter in shutters(clock, members, samples, starts):
            shutter.start(parts.queues[part])


def _report(clock: Clock, prepared: Prepared, progress: Progress) -> None:
    """Tells of progress a hundred times in virtual time; touches nothing that decides."""
    samples = prepared.samples
    period_s = max(camera.config.period_s for camera in prepared.plan.cameras if camera.config.role == "camera")
    for sample in range(0, samples, max(1, samples // 100)):
        clock.at(sample * period_s, lambda done: progress("simulating", done, samples), sample + 1)
