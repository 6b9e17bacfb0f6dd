"""Looks at a run from inside, in its own thread: makes snapshots and carries out what is asked of a live run."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

from sim import faults
from sim.clock import Clock
from sim.errors import FogFleetError, Problem, ScenarioError
from sim.ledger.messages import MessageLog
from sim.ledger.samples import SampleBook
from sim.link import Link
from sim.nodes.lanes import Lane
from sim.nodes.node import Node
from sim.nodes.standin import Moves
from sim.scenario import Fault
from sim.scenario.document import dotted
from sim.scenario.faults import read_faults
from sim.world.fleet import Fleet, full_name, site_name
from sim.world.live import LiveClock
from sim.world.prepare import Prepared
from sim.world.telemetry import RECENT, Command, Decision, FaultView, FlowView, NodeView, Snapshot, Telemetry


class WatchedBook(SampleBook):
    """A sample book that knows its sums at any time."""

    def __init__(self, sites: int, samples: int) -> None:
        super().__init__(sites, samples)
        self.exits: Counter[str] = Counter()
        self.right: Counter[str] = Counter()
        self.recent: deque[Decision] = deque(maxlen=RECENT)

    def decided(self, site: int, sample: int) -> None:
        """Counts the decision."""
        made = self.entry(site, sample)
        assert made.exit is not None and made.predicted is not None and made.decided_s is not None
        self.exits[made.exit] += 1
        self.right[made.exit] += made.predicted == made.label
        latency_s = made.decided_s - made.captured_s
        self.recent.append(
            Decision(site_name(site), sample, made.exit, made.predicted, made.label, made.decided_s, latency_s)
        )


class WatchedLog(MessageLog):
    """A message log that knows its losses at any time."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.reasons: Counter[str] = Counter()

    def lost_code(self, sent_s: float, code: int, reason: str, *more: Any) -> None:
        """As every log; and counts."""
        self.reasons[reason] += 1
        super().lost_code(sent_s, code, reason, *more)


class Watcher:
    """The run's side of a `Telemetry`.

    Args:
        engine: the faults of the run, which a live run's commands go to; None where there are none.

    Attributes:
        period_s: from one sample to the next.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        prepared: Prepared,
        fleet: Fleet,
        clock: Clock,
        book: WatchedBook,
        log: WatchedLog,
        engine: faults.Engine | None,
    ) -> None:
        self._telemetry = telemetry
        self._clock = clock
        self._book = book
        self._log = log
        self._fleet = fleet
        self._engine = engine
        self.period_s = prepared.period_s
        self._each = prepared.samples
        self._sites = prepared.scenario.sites
        self._uplinks = {node.name: node.uplink for node in prepared.plan.nodes}
        self._by_client = {node.client: full_name(node) for node in fleet.nodes}
        self._flows = _flows(fleet)
        self._began = time.monotonic()
        self._next_s = 0.0

    def look(self, _: object = None) -> None:
        """Publishes a snapshot if it is time for one, and does what was asked."""
        for command in self._telemetry.commands():
            self._carry_out(command)
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + self._telemetry.every_s
            self.publish()

    def publish(self) -> None:
        """Publishes a snapshot now."""
        start = self._telemetry.latest()
        assert start is not None
        self._telemetry.publish(self._snapshot(start))

    def _snapshot(self, start: Snapshot) -> Snapshot:
        book, now_s, fleet = self._book, self._clock.now, self._fleet
        flows = tuple(_flow(src, dst, lanes, link, now_s) for (src, dst), (lanes, link) in self._flows.items())
        return Snapshot(
            scenario=start.scenario,
            run=start.run,
            mode=start.mode,
            speed=start.speed,
            status="running",
            time_s=now_s,
            duration_s=(self._each - 1) * self.period_s,
            wall_s=time.monotonic() - self._began,
            samples=self._sites * self._each,
            due=self._sites * min(self._each, int(now_s / self.period_s + 1e-9) + 1),
            decided=book.exits.total(),
            right=book.right.total(),
            exits=dict(book.exits),
            right_by_exit=dict(book.right),
            payload_bytes=sum(flow.payload_bytes for flow in flows),
            messages=sum(flow.messages for flow in flows),
            lost=dict(self._log.reasons),
            nodes=tuple(self._view(node) for node in fleet.nodes),
            flows=flows,
            faults=() if self._engine is None else tuple(FaultView(*found) for found in self._engine.in_force()),
            recent=tuple(book.recent),
        )

    def _view(self, node: Node) -> NodeView:
        return NodeView(
            name=full_name(node),
            site=site_name(node.site) if node.site >= 0 else "cloud",
            node=node.name,
            group=node.group,
            role=node.role,
            uplink=self._above(node),
            state="failed" if not node.up else "degraded" if node.faults else "active",
            captured=node.captured,
            sent=node.sent,
            received=node.received,
            bytes_up=node.bytes_up,
            bytes_down=node.bytes_down,
            busy_s=node.busy_s,
            backlog_s=node.backlog_s(),
            faults=tuple(node.faults.split("+")) if node.faults else (),
        )

    def _above(self, node: Node) -> str | None:
        """Where a node sends; a camera that has moved, to its new gateway."""
        if isinstance(node, Moves):
            return self._by_client[node.at]
        uplink = self._uplinks[node.name]
        return uplink if uplink in (None, self._fleet.nodes[-1].name) else f"{site_name(node.site)}/{uplink}"

    def _carry_out(self, command: Command) -> None:
        if not command.answer.set_running_or_notify_cancel():
            return
        try:
            command.answer.set_result(self._do(command.what, command.argument))
        except FogFleetError as error:
            command.answer.set_exception(error)

    def _do(self, what: str, argument: Any) -> str | None:
        if what == "stop":
            assert isinstance(self._clock, LiveClock), "nobody else takes commands"
            self._clock.stop()
            return None
        assert self._engine is not None, "whoever takes commands has one"
        if what == "lift":
            self._engine.lift(argument)
            return None
        return self._engine.inject(read_fault(argument))


def read_fault(entry: Mapping[str, Any]) -> Fault:
    """A fault entry from plain data.

    Raises:
        ScenarioError: with every problem at once.
    """
    found, findings = read_faults([dict(entry)], faults.known())
    if findings:
        raise ScenarioError(
            tuple(Problem("fault", 0, 0, dotted(finding.path[2:]), finding.message) for finding in findings)
        )
    return found[0]


def _flows(fleet: Fleet) -> dict[tuple[str, str], tuple[list[Lane], Link]]:
    found: dict[tuple[str, str], tuple[list[Lane], Link]] = {}
    for lane in fleet.lanes:
        found.setdefault((full_name(lane.src), full_name(lane.dst)), ([], lane.link))[0].append(lane)
    return found


def _flow(src: str, dst: str, lanes: list[Lane], link: Link, now_s: float) -> FlowView:
    return FlowView(
        src, dst, sum(lane.messages for lane in lanes), sum(lane.payload_bytes for lane in lanes), link.waiting(now_s)
    )
