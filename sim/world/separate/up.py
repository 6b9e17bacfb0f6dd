"""A whole fleet as separate processes: one run folder, with the same tables and checks as any run's."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from brokers.choose import open_carrier
from brokers.client import Pool
from sim.clock import Clock
from sim.errors import SetupError, UsageError
from sim.ledger.events import EventLog
from sim.ledger.faults import FaultLog
from sim.ledger.folder import RunFolder
from sim.ledger.samples import SampleBook
from sim.nodes.node import Services
from sim.nodes.shortcut import Shortcut
from sim.scenario import Scenario
from sim.world import faults
from sim.world.fleet import Builder
from sim.world.lifecycle import Lifecycle
from sim.world.play import Outcome
from sim.world.prepare import Prepared, Progress, prepare
from sim.world.run import INTERRUPTED, Notice, RunResult, as_given, describe, exit_code, new_id, write_tables
from sim.world.separate import names
from sim.world.separate.conductor import Conductor
from sim.world.separate.gather import Gathering
from sim.world.separate.helm import Helm
from sim.world.separate.processes import Crew, as_arguments
from sim.world.separate.station import KEEPALIVE_S
from sim.world.separate.strikes import ProcessEngine, Strikes, refuse_what_needs_one_process
from sim.world.steering import Steering
from sim.world.telemetry import Snapshot, Telemetry
from sim.world.watching import WatchedBook, WatchedLog, Watcher
from sim.world.wiring import check, forms, open_samples, switch_off


def up(
    scenario: Scenario,
    *,
    broker: str = "auto",
    out: Path = Path("runs"),
    argv: Sequence[str] = (),
    speed: float = 1.0,
    elsewhere: Sequence[str] = (),
    run: str | None = None,
    restart_s: float | None = None,
    patience_s: float = 120.0,
    keepalive_s: int = KEEPALIVE_S,
    notice: Notice = lambda text: None,
    progress: Progress | None = None,
    telemetry: Telemetry | None = None,
) -> RunResult:
    """Starts every node of a scenario as a process, and writes the run folder `out/<scenario>/<id>`.

    Args:
        scenario: what to run; its faults kill and stop processes.
        broker: auto, mosquitto, embedded, or a URL.
        out: parent of the run folders.
        argv: the command line, for `run.json`.
        speed: seconds of the run for each wall second.
        elsewhere: names of nodes (or globs) that somebody else starts: on other machines, in containers, real ones.
        run: the run's token in topics; None: made up, or known to all where nodes come from elsewhere.
        restart_s: wall seconds after which a process that died is started again; None: never.
        patience_s: wall seconds for all nodes to be online.
        keepalive_s: see `Pool`.
        notice: told what a person should know.
        progress: told how far training is.
        telemetry: shows the run to other threads while it goes on.

    Raises:
        UsageError: the scenario has faults that need one process, or shared connections.
        FogFleetError: and the folder keeps its `.partial` name.
        brokers.api.BrokerError: the broker is missing, refuses, or is gone.
    """
    refuse_what_needs_one_process(scenario, broker)
    run_id = new_id()
    folder = RunFolder(out / scenario.name, run_id)
    record = describe(scenario, "live", speed, argv, run_id)
    folder.write_text("scenario.yaml", as_given(scenario))
    folder.write_json("scenario.json", scenario.to_json())
    run = run or (names.token(scenario) if elsewhere else run_id[-8:])
    status, path = "interrupted", folder.path
    if telemetry is not None:
        telemetry.publish(Snapshot(scenario.name, run_id, "live", "preparing", speed))
    try:
        with ExitStack() as stack:
            session = Session(stack, scenario, folder, record, run, speed, notice, progress)
            found = session.play(broker, elsewhere, restart_s, patience_s, keepalive_s, telemetry)
        status, path = ("interrupted" if found.exit_code == INTERRUPTED else "complete"), found.folder
        return found
    except BaseException as error:
        if not isinstance(error, KeyboardInterrupt):
            status = f"failed: {type(error).__name__}: {error}"
        folder.abandon(status, record)
        raise
    finally:
        if telemetry is not None:
            telemetry.end(status, str(path))


class Session:
    """One run of a fleet of processes, from the broker to the run folder."""

    def __init__(
        self,
        stack: ExitStack,
        scenario: Scenario,
        folder: RunFolder,
        record: dict[str, Any],
        run: str,
        speed: float,
        notice: Notice,
        progress: Progress | None,
    ) -> None:
        self._stack = stack
        self._folder = folder
        self._record = record
        self._run = run
        self._speed = speed
        self._notice = notice
        self._began = time.perf_counter()
        folder.log("preparing", scenario=scenario.name, seed=scenario.seed, mode="live")
        self._prepared = prepare(scenario, progress)  # trained once, here; the processes find it stored
        self._inference = self._prepared.network.inference(self._prepared.dataset)
        self._steering = Steering()
        self._book = WatchedBook(scenario.sites, self._prepared.samples)
        self._log = WatchedLog(folder.path / "messages.parquet")
        stack.callback(self._log.close)
        fabric = Shortcut(Clock(), self._log, forms(scenario.mqtt))
        inference = self._inference
        services = Services(
            fabric.clock,
            fabric,
            self._book,
            inference,
            self._prepared.picture,
            scenario.exits.thresholds(),
            dict(inference.flops),
        )
        self._fleet = Builder(self._prepared.plan, services, run).build()
        switch_off(self._fleet, scenario.down)
        open_samples(self._prepared, self._book)
        self._fabric, self._faults = fabric, FaultLog()
        self._gathering = Gathering(self._fleet, fabric, self._prepared.period_s)

    def play(
        self,
        broker: str,
        elsewhere: Sequence[str],
        restart_s: float | None,
        patience_s: float,
        keepalive_s: int,
        telemetry: Telemetry | None,
    ) -> RunResult:
        """Everything."""
        prepared, scenario, folder = self._prepared, self._prepared.scenario, self._folder
        pool = self._open(broker)
        here, expected = divide(prepared, elsewhere)
        url = broker if pool.server is None else pool.server.url
        crew = Crew(as_arguments(scenario, url, self._run, keepalive_s), restart_s, folder.log)
        conductor = Conductor(
            prepared, pool, self._fleet, self._gathering, expected, self._run, self._speed, self._book, folder.log,
            crew.tend,
        )  # fmt: skip
        conductor.connect()
        self._stack.callback(crew.end)
        self._notice(f"run {self._run} at {url}: {len(here)} processes here, {len(expected) - len(here)} elsewhere")
        engine, strikes = self._engine(crew, pool, conductor, set(expected) - set(here))
        crew.start(here)
        conductor.wait(patience_s)
        ready = time.perf_counter()
        if telemetry is not None:
            watcher = Watcher(telemetry, prepared, self._fleet, conductor.clock, self._book, self._log, engine)
            conductor.clock.turns.append(watcher.look)
            telemetry.listen()
        events = EventLog()
        conductor.helm = helm = Helm(prepared, self._fleet, conductor.clock, events, conductor.tell)
        lifecycle = Lifecycle(self._fleet, conductor.clock, events, None)
        self._steering = Steering(events, helm.failover, retunes=helm.retunes, lifecycle=lifecycle)
        self._steering.start(self._fleet)
        strikes.watch(self._fleet)
        conductor.waits = pool.server is None
        conductor.clock.turns.append(strikes.look_after_broker)
        conductor.clock.at(0.0, lambda _: engine.start())
        interrupted = conductor.play()
        crew.dismiss()
        engine.finish()
        conductor.dismiss()
        played = time.perf_counter()
        self._record["broker"] = {"name": pool.name, "version": pool.version, "protocol": pool.protocol}
        self._record["processes"] = len(here)
        outcome = self._outcome(conductor, interrupted)
        summary = write_tables(prepared, self._inference, outcome, "live", folder, self._record)
        self._record["twice"] = self._gathering.twice
        self._record["wall_s"] = {
            "total": round(time.perf_counter() - self._began, 3),
            "setup": round(ready - self._began, 3),
            "simulate": round(played - ready, 3),
        }
        if interrupted:
            folder.abandon("interrupted", self._record)
            return RunResult(folder.path, summary, INTERRUPTED)
        folder.write_json("run.json", {**self._record, "status": "complete"})
        return RunResult(folder.complete(), summary, exit_code(summary, outcome))

    def _engine(
        self, crew: Crew, pool: Pool, conductor: Conductor, elsewhere: Collection[str]
    ) -> tuple[ProcessEngine, Strikes]:
        """The faults of the run, and what they do to processes."""
        prepared, clock = self._prepared, conductor.clock
        last_s = (prepared.samples - 1) * prepared.period_s
        strikes = Strikes(crew, pool.server, self._fleet, lambda: clock.now <= last_s and not clock.stopped)
        around = faults.surroundings(prepared, self._fleet, self._fabric, clock, self._inference, self._faults, strikes)
        engine = ProcessEngine(prepared.scenario.faults, around)
        engine.elsewhere, engine.own_broker = elsewhere, pool.server is not None
        for fault in prepared.scenario.faults:
            engine.check(fault)
        return engine, strikes

    def _open(self, broker: str) -> Pool:
        mqtt = self._prepared.scenario.mqtt
        carrier = self._stack.enter_context(
            open_carrier(broker, version=mqtt.version, durable=mqtt.durable, notice=self._notice)
        )
        if not isinstance(carrier, Pool):
            raise SetupError("separate processes need a real broker: use --broker auto, mosquitto, embedded or a URL")
        return carrier

    def _outcome(self, conductor: Conductor, interrupted: bool) -> Outcome:
        """The joined ledger, checked."""
        prepared, gathering = self._prepared, self._gathering
        book = SampleBook(prepared.scenario.sites, prepared.samples)
        log, now_s = self._log, conductor.clock.now
        open_samples(prepared, book)
        if interrupted:
            book.cut(now_s)
        gathering.write(book, log, self._faults, conductor.settle_s)
        log.close()
        check(prepared, self._fleet, book, log, now_s if interrupted else None)
        metering = None if conductor.helm is None else conductor.helm.metering
        lasted_s = now_s if interrupted else max(gathering.last_s, (prepared.samples - 1) * prepared.period_s)
        return Outcome(
            self._fleet,
            book,
            log,
            self._faults,
            0,
            0,
            gathering.overheard_bytes,
            lasted_s,
            {},
            interrupted,
            self._steering,
            None if metering is None else metering.settle(gathering.losses()),
        )


def divide(prepared: Prepared, elsewhere: Sequence[str]) -> tuple[list[str], list[str]]:
    """Full names of the nodes that are started here, and of all that take part.

    Raises:
        UsageError: `elsewhere` names nothing.
    """
    fleet = names.names(prepared.plan)
    down = prepared.scenario.down
    expected = [name for name in fleet if name.rpartition("/")[2] not in down]
    there: set[str] = set()
    for wanted in elsewhere:
        matched = [name for name in expected if matches(name, wanted)]
        if not matched:
            raise UsageError(f"--elsewhere {wanted}: there is no such node; there are {', '.join(expected[:8])}")
        there.update(matched)
    return [name for name in expected if name not in there], expected


def matches(name: str, wanted: str) -> bool:
    """Whether a full name is meant by a name or glob, with or without its site."""
    return any(
        fnmatchcase(candidate, wanted) for candidate in (name, name.replace("/", ".", 1), name.rpartition("/")[2])
    )
