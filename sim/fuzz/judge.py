"""Runs one schedule and says what is wrong: crashes, broken invariants, a second run that decides otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from brokers.choose import open_carrier
from sim import policies, scenario
from sim.clock import Call, Clock
from sim.ddnn import Inference
from sim.errors import UsageError
from sim.faults import Kinds
from sim.fuzz.bases import Plain
from sim.ledger.samples import Sample
from sim.nodes.camera import Camera
from sim.nodes.node import Node
from sim.scenario import Scenario
from sim.scenario.faults import read_faults
from sim.world.fleet import Fleet
from sim.world.plan import Plan
from sim.world.play import Outcome, play
from sim.world.prepare import Prepared, prepare

RUN: Final = "fuzzfuzz"
LOOK_S: Final = 0.05
DRAIN_PERIODS: Final = 2
"""A camera that was slow or late may still be so for the sample that it had begun."""

MOVES: Final = ("failover", "failback", "camera-moved", "no-standby")

Decisions = dict[tuple[int, int], tuple[object, ...]]


@dataclass(frozen=True)
class Verdict:
    """What became of one schedule.

    Attributes:
        broken: the broken invariant, or None.
        decisions: by (site, sample).
        kills: how often the real broker was killed.
        impossible: a target names nothing that this fleet has.
    """

    broken: str | None
    decisions: Decisions
    kills: int = 0
    impossible: bool = False


class Judge:
    """Runs schedules; networks and their answers are kept for all of them.

    Args:
        kinds: the fault kinds.
        path: where the user's scenario lies; relative paths in it count from there.
        broker: the real broker to compare with, or None for the model alone.
    """

    def __init__(self, kinds: Kinds, path: Path = Path("fuzz.yaml"), broker: str | None = None) -> None:
        self._kinds = kinds
        self._path = path
        self._broker = broker
        self._networks: dict[str, tuple[Prepared, Inference]] = {}

    def judge(self, plain: Plain) -> Verdict:
        """The verdict on a schedule; everything but Ctrl-C that a run raises is a broken invariant."""
        try:
            return self._judge(scenario.build(plain, self._path, fault_kinds=self._kinds, policies=policies.by_sort()))
        except UsageError:  # a target that this fleet has nothing of: no schedule at all
            return Verdict(None, {}, impossible=True)
        except Exception as error:  # a crash of any kind is what we are looking for
            return Verdict(f"{type(error).__name__}: {error}", {})

    def _judge(self, wanted: Scenario) -> Verdict:
        idle_s: list[float] = []
        first = self._play(wanted, "memory", lambda clock, fleet: _look_on(clock, fleet, idle_s, _horizon_s(wanted)))
        decisions = _decisions(first)
        broken = _over_quota(first) or self._repeated(wanted, decisions) or self._recovered(wanted, first, idle_s)
        if broken or self._broker is None:
            return Verdict(broken, decisions)
        real = self._play(wanted, self._broker)
        differs = _difference(_decisions(real), decisions)
        if real.divergences or real.unasked:
            broken = f"I6 {real.divergences} divergences, {real.unasked} messages that nobody asked for"
        elif differs:
            broken = f"I4 the real broker decides otherwise: {differs}"
        return Verdict(broken, decisions, real.outages.get("kills", 0))

    def _repeated(self, wanted: Scenario, decisions: Decisions) -> str | None:
        """I4: the same once more. I5: with a fault more that never happens."""
        again = _difference(_decisions(self._play(wanted, "memory")), decisions)
        if again:
            return f"I4 a second run decides otherwise: {again}"
        idle = wanted.model_copy(update={"faults": (*wanted.faults, self._idle())})
        never = _difference(_decisions(self._play(idle, "memory")), decisions)
        return f"I5 a fault of probability 0 changes: {never}" if never else None

    def _recovered(self, wanted: Scenario, outcome: Outcome, idle_s: list[float]) -> str | None:
        """I6: after the last recovery, once queues have drained, decisions are those of a run without faults.

        Quotas and thresholds that move remember what was before; roles of gateways have to be back first.
        """
        if wanted.tenants or wanted.policies.retune is not None or not _all_back(outcome):
            return None
        rows = [row for row in outcome.faults.rows if row.fired]
        ends_s = [row.end_s for row in rows if row.end_s is not None]
        if len(ends_s) < len(rows):
            return None
        ends_s += [row.at_s for row in outcome.steering.events.rows if row.event in MOVES]
        drained_s = next((now_s for now_s in idle_s if now_s > max(ends_s, default=-1.0)), None)
        if drained_s is None:
            return None
        entries = outcome.book.entries()
        due_s = drained_s + DRAIN_PERIODS * max(camera.period_s for camera in outcome.fleet.cameras())
        late = {(site, sample): _content(entry) for site, sample, entry in entries if entry.captured_s >= due_s}
        if not late:
            return None
        clean = _decisions(self._play(wanted.model_copy(update={"faults": ()}), "memory"))
        differs = _difference(late, {key: clean[key] for key in late})
        return f"I6 long after recovery: {differs}" if differs else None

    def _idle(self) -> Any:
        entry = {"id": "idle", "kind": "delay", "target": "*", "by": "1 s", "probability": 0.0}
        faults, _ = read_faults([entry], self._kinds)
        return faults[0]

    def _play(self, wanted: Scenario, choice: str, watch: Callable[[Clock, Fleet], None] | None = None) -> Outcome:
        prepared, inference = self._prepare(wanted)
        mqtt = wanted.mqtt
        with open_carrier(choice, version=mqtt.version, durable=mqtt.durable) as carrier:
            return play(prepared, inference, carrier, None, RUN, watch=watch)

    def _prepare(self, wanted: Scenario) -> tuple[Prepared, Inference]:
        plan = Plan(wanted)
        key = repr(
            (wanted.data, wanted.model, plan.groups, sorted(wanted.exits.thresholds()), plan.sends(plan.cameras[0]))
        )
        if key not in self._networks:
            prepared = prepare(wanted)
            self._networks[key] = prepared, prepared.network.inference(prepared.dataset)
        prepared, inference = self._networks[key]
        return Prepared(plan, prepared.dataset, prepared.network), inference


def _over_quota(outcome: Outcome) -> str | None:
    """I7: no tenant keeps more than its quota, and the ledger has what the meters refused."""
    if outcome.tenancy is None:
        return None
    meters = outcome.tenancy.meters.values()
    for meter in meters:
        storage, limit = meter.tenant.quota.storage, meter.tenant.quota.bytes
        if storage is not None and meter.stored_bytes > storage:
            return f"I7 {meter.name} stores {meter.stored_bytes} of {storage} bytes"
        if limit is not None and meter.sent_bytes > limit:
            return f"I7 {meter.name} has sent {meter.sent_bytes} of {limit} bytes in the last window"
    for reason in ("quota", "quota-compute", "quota-storage"):
        refused, lost = (
            sum(meter.refused[reason] for meter in meters),
            outcome.log.tally(fate=f"lost:{reason}").messages,
        )
        if refused != lost:
            return f"I7 {refused} messages refused, {lost} in the ledger as lost:{reason}"
    return None


def _all_back(outcome: Outcome) -> bool:
    """Whether every camera that was moved is where it began."""
    first: dict[tuple[str, str], str] = {}
    last: dict[tuple[str, str], str] = {}
    for row in outcome.steering.events.rows:
        if row.event == "camera-moved":
            first.setdefault((row.site, row.node), row.was)
            last[row.site, row.node] = row.becomes
    return first == last


def _decisions(outcome: Outcome) -> Decisions:
    return {(site, sample): _content(entry) for site, sample, entry in outcome.book.entries()}


def _content(entry: Sample) -> tuple[object, ...]:
    return (entry.fate, entry.predicted, entry.entropy, entry.decided_s, entry.devices_used)


def _horizon_s(wanted: Scenario) -> float:
    samples = wanted.samples if isinstance(wanted.samples, int) else 1000
    return samples * max(node.period_s for node in wanted.nodes.values() if node.role == "camera")


def _difference(found: Decisions, wanted: Decisions) -> str:
    for key, content in found.items():
        if content != wanted.get(key):
            return f"sample {key[1]} of site {key[0]}: {content} instead of {wanted.get(key)}"
    return "" if len(found) == len(wanted) else f"{len(found)} samples instead of {len(wanted)}"


def _look_on(clock: Clock, fleet: Fleet, idle_s: list[float], horizon_s: float) -> None:
    """Notes when the fleet is idle; looks without touching anything."""

    def look(_: object) -> None:
        if _is_idle(clock, fleet):
            idle_s.append(clock.now)
        if clock.now <= horizon_s:
            clock.at(clock.now + LOOK_S, look)

    clock.at(0.0, look)


def _is_idle(clock: Clock, fleet: Fleet) -> bool:
    """Whether nothing is under way, nothing waits for anything, and no processor has a backlog from before."""
    fabric = fleet.nodes[0].services.fabric

    def is_work(call: Call) -> bool:
        owner = getattr(call.function, "__self__", None)
        return owner is fabric or isinstance(owner, Node) or isinstance(call.function, partial)

    behind = any(node.backlog_s() > (node.period_s if isinstance(node, Camera) else 0.0) for node in fleet.nodes)
    return not behind and fabric.gate is None and not clock.pending(is_work)
