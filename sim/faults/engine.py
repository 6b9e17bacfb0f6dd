"""Runs the faults of a scenario: finds targets, follows schedules, opens and closes, says what never fired."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sim.errors import UsageError
from sim.faults.base import FaultKind
from sim.faults.entries import Entry, InForce, Unit, fault_name
from sim.faults.fleet import Equipment, Surroundings
from sim.faults.handles import LinkHandle, NodeHandle
from sim.faults.injection import Injection
from sim.faults.schedules import Window, windows
from sim.rng import generator
from sim.scenario import Fault
from sim.scenario.targets import terms

LOOK_S = 0.1
"""How often a load condition is looked at."""


class Engine:
    """The faults of one run.

    Raises:
        UsageError: an entry has no target of its kind, or follows a fault that is not there.
        DataError: a trace file is missing or bad.
    """

    def __init__(self, faults: Sequence[Fault], around: Surroundings) -> None:
        self._around = around
        self._equipment = Equipment(around)
        self._entries = [
            Entry(fault, fault_name(fault, position), 1.0 if fault.probability is None else fault.probability)
            for position, fault in enumerate(faults)
            if fault.probability != 0  # such a fault changes nothing, not even the time of the run
        ]
        for order, entry in enumerate(self._entries):
            self._populate(entry, order)
        for entry in self._entries:
            self._link(entry)

    def start(self) -> None:
        """Puts every schedule on the clock; what begins at once begins now."""
        for entry in self._entries:
            self._schedule(entry)

    def inject(self, fault: Fault) -> str:
        """Adds an entry by hand while the run goes on, its times counted from now; the entry's id.

        A fault that would outlast the samples lasts to the end of the run.

        Raises:
            UsageError: no such target, or the id is taken.
        """
        around, number = self._around, len(self._entries)
        name = fault.id or f"{fault_name(fault, number)}"
        if any(entry.fault_id == name for entry in self._entries):
            raise UsageError(f"there is a fault {name!r} already; give this one another id")
        if fault.when is None and fault.after is None and fault.trace is None:
            start_s = around.clock.now + (fault.at_s or 0.0)
            outlasts = fault.every_s is None and start_s + (fault.for_s or 0.0) > around.horizon_s
            fault = fault.model_copy(update={"at_s": start_s, **({"for_s": None} if outlasts else {})})
        probability = 1.0 if fault.probability is None else fault.probability
        entry = Entry(fault, name, probability, by_hand=True)
        self._populate(entry, number)
        self._entries.append(entry)
        try:
            self._link(entry)
        except UsageError:
            self._entries.remove(entry)
            raise
        self._schedule(entry)
        return name

    def lift(self, fault_id: str) -> None:
        """Ends a fault for good: heals what is in force, and nothing of it comes again.

        Raises:
            UsageError: there is no fault of that id.
        """
        entry = next((entry for entry in self._entries if entry.fault_id == fault_id), None)
        if entry is None:
            known = ", ".join(entry.fault_id for entry in self._entries) or "none"
            raise UsageError(f"there is no fault {fault_id!r}; known: {known}")
        entry.lifted = True
        for unit in entry.units:
            calls = {id(call) for call in unit.calls}
            self._around.clock.withdraw(lambda call, calls=calls: id(call) in calls)  # type: ignore[misc]
            unit.calls.clear()
            self._close(unit)

    def in_force(self) -> Iterator[InForce]:
        """What is in force now."""
        for entry in self._entries:
            by = "person" if entry.by_hand else "scenario"
            for unit in entry.units:
                for injection in unit.injections:
                    if injection.since_s is not None:
                        yield InForce(entry.fault_id, injection.kind, injection.target.name, injection.since_s, by)

    def finish(self) -> None:
        """Ends the run: closes what is still in force, accounts for what it held, notes what never fired."""
        self._around.machinery.finish()
        self._equipment.gate.abandon()
        for handle in self._equipment.view.nodes:
            handle.abandon()
        log = self._around.log
        for entry in self._entries:
            for unit in entry.units:
                for injection in unit.injections:
                    injection.abandon()
            if not (entry.fired or entry.is_random or entry.by_hand):
                kind = entry.fault.effect
                assert isinstance(kind, FaultKind)
                log.never_fired(kind.name(), entry.fault.target, entry.units[0].injections[0].parameters())

    # -- who

    def _populate(self, entry: Entry, order: int) -> None:
        fault, kind = entry.fault, entry.fault.effect
        if not isinstance(kind, FaultKind):
            raise UsageError(f"fault {entry.fault_id}: {type(kind).__name__} is no kind of sim.plugin")
        targets = self._equipment.view.find(fault)
        if fault.pick is not None:
            if fault.pick > len(targets):
                raise UsageError(f"fault {entry.fault_id}: cannot pick {fault.pick} of {len(targets)} targets")
            rng = generator(self._around.seed, "fault", entry.fault_id, "pick")
            targets = [targets[i] for i in sorted(rng.choice(len(targets), fault.pick, replace=False).tolist())]
        found = [
            Injection(order, kind, entry.fault_id, target, entry.probability, self._equipment) for target in targets
        ]
        alone = (fault.mtbf_s is not None or fault.bursts is not None) and not fault.together
        groups = [[injection] for injection in found] if alone else [found]
        entry.units = [Unit(entry, group) for group in groups]

    def _link(self, entry: Entry) -> None:
        leader = entry.fault.after
        if leader is None:
            return
        by_id = {other.fault_id: other for other in self._entries if other is not entry}
        if leader not in by_id:
            known = ", ".join(by_id)
            raise UsageError(f"fault {entry.fault_id} follows {leader!r}, which is no other fault; known: {known}")
        by_id[leader].followers += entry.units

    # -- when

    def _schedule(self, entry: Entry) -> None:
        for unit in entry.units:
            if entry.fault.when is not None:
                self._watch(unit)
            elif entry.fault.after is None:
                self._next(unit, self._windows(unit))

    def _windows(self, unit: Unit) -> Iterator[Window]:
        entry = unit.entry
        who = unit.injections[0].target.name if len(entry.units) > 1 else "*"
        rng = generator(self._around.seed, "fault", entry.fault_id, "schedule", who)
        return windows(entry.fault, self._around.horizon_s, rng, self._around.base)

    def _next(self, unit: Unit, rest: Iterator[Window]) -> None:
        window = next(rest, None)
        if window is None:
            return
        clock = self._around.clock

        def begin(_: object = None) -> None:
            self._open(unit)
            if window.end_s is not None:
                unit.calls = [clock.at(max(window.end_s, clock.now), end)]

        def end(_: object) -> None:
            self._close(unit)
            self._next(unit, rest)

        if window.start_s <= clock.now:
            begin()
        else:
            unit.calls = [clock.at(window.start_s, begin)]

    def _open(self, unit: Unit) -> None:
        if unit.in_force or unit.entry.lifted:
            return
        unit.in_force = True
        for injection in unit.injections:
            injection.open(unit.opened)
        unit.opened += 1
        if any(injection.in_force for injection in unit.injections):
            for follower in unit.entry.followers:
                self._follow(follower)

    def _close(self, unit: Unit) -> None:
        unit.in_force = False
        for injection in reversed(unit.injections):
            injection.close()
        for follower in unit.entry.followers:
            if follower.entry.fault.for_s is None:
                self._close(follower)

    def _follow(self, unit: Unit) -> None:
        fault, clock = unit.entry.fault, self._around.clock
        start_s = clock.now + (fault.lag_s or 0.0)

        def begin(_: object) -> None:
            leader_over = fault.for_s is None and not self._led(unit)
            if unit.in_force or leader_over:
                return
            self._open(unit)
            if fault.for_s is not None:
                unit.calls = [clock.at(clock.now + fault.for_s, lambda _: self._close(unit))]

        if start_s <= self._around.horizon_s:
            unit.calls = [clock.at(start_s, begin)]

    def _led(self, unit: Unit) -> bool:
        return any(leader.in_force for entry in self._entries if unit in entry.followers for leader in entry.units)

    def _watch(self, unit: Unit) -> None:
        """Looks at a load condition again and again until the last sample was due."""
        condition = unit.entry.fault.when
        assert condition is not None
        clock = self._around.clock
        nodes, links = self._watched(condition.target)
        if not (nodes if condition.backlog_s is not None else links):
            what = "node" if condition.backlog_s is not None else "link"
            raise UsageError(f"fault {unit.entry.fault_id}: when.target {condition.target!r} names no {what}")

        def holds() -> bool:
            if condition.backlog_s is not None:
                return any(handle.node.backlog_s() >= condition.backlog_s for handle in nodes)
            assert condition.waiting is not None
            return any(handle.link.waiting(clock.now) >= condition.waiting for handle in links)

        def look(_: object) -> None:
            if unit.entry.lifted:
                return
            if holds() != unit.in_force:
                (self._close if unit.in_force else self._open)(unit)
            if clock.now + LOOK_S <= self._around.horizon_s:
                clock.at(clock.now + LOOK_S, look)
            elif unit.in_force:
                self._close(unit)

        clock.at(clock.now, look)

    def _watched(self, target: str) -> tuple[list[NodeHandle], list[LinkHandle]]:
        view, wanted = self._equipment.view, terms(target)
        return (
            [handle for found in view.nodes_of(wanted) for handle in found.nodes],
            [handle for found in view.links_of(wanted) for handle in found.links],
        )
