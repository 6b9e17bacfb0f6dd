"""Joins what the nodes of a fleet wrote down into one ledger: every message sent meets its arrival or its loss."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from sim.errors import InvariantError
from sim.ledger.faults import FaultLog, Injection
from sim.ledger.messages import MessageLog, Sizes
from sim.ledger.rows import ARRIVED, COUNTER, COUNTERS, DECISION, END, LOST, REASONS, SENT, STAGE, Row
from sim.ledger.samples import STAGES, SampleBook
from sim.nodes.fabric import Fabric
from sim.nodes.lanes import Lane
from sim.nodes.node import Node
from sim.wire import EXITS
from sim.world.fleet import Fleet, full_name
from sim.world.tenancy import REFUSED

GONE: Final = "process-lost"
_PARAMETERS: Final = json.dumps({"id": GONE})
UNDELIVERED: Final = "undelivered"

FIRST_LEG: Final = 2
"""The code of a row of the first of a publish's messages, which pays for both legs."""

Key = tuple[int, int, int]
"""Lane, sequence and sample of a message."""


Count = tuple[str, str, str]
"""Who counts, what, and for whom: whose role it plays, or itself."""


class Absence(NamedTuple):
    """A time in which a node's process was not there; `end_s` is None for one that did not come back.

    Attributes:
        fault: why: faults of the scenario, or nobody knows.
    """

    start_s: float
    end_s: float | None
    fault: str = GONE


def is_refused(row: Row) -> bool:
    """Whether a message never left its node because of a quota."""
    return row.what == LOST and not row.sequence and REASONS[row.code] == REFUSED


class Span(NamedTuple):
    """A time in which something was not as it should be, at one site or (-1) at all of them."""

    site: int
    start_s: float
    end_s: float | None
    fault: str


@dataclass
class Gathering:
    """What has been told so far.

    Attributes:
        period_s: from one sample to the next.
        absences: by full name of the node, in order.
        ended: full names of the nodes that have told all.
        last_s: time of the latest thing told.
        overheard_bytes: MQTT bytes of messages that came to nodes which they were not meant for.
        twice: messages that came a second time.
    """

    fleet: Fleet
    fabric: Fabric
    period_s: float
    absences: dict[str, list[Absence]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    last_s: float = 0.0
    overheard_bytes: int = 0
    twice: int = 0
    _sent: dict[Key, Row] = field(default_factory=dict)
    _fates: dict[Key, Row] = field(default_factory=dict)
    _strange: list[Row] = field(default_factory=list)
    _stages: list[Row] = field(default_factory=list)
    _decisions: list[Row] = field(default_factory=list)
    _before: dict[Count, float] = field(default_factory=dict)
    _last: dict[Count, float] = field(default_factory=dict)
    _shares: dict[tuple[str, str], dict[Count, float]] = field(default_factory=dict)
    _nodes: dict[str, Node] = field(default_factory=dict)
    _published: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._nodes = self.fleet.by_name()

    def is_possible(self, row: Row, book: SampleBook) -> bool:
        """Whether a row speaks of what there is: anybody may publish on a broker without rules."""
        if row.what in (SENT, ARRIVED, LOST):
            known = row.place < len(self.fleet.lanes) and book.knows(self.fleet.lanes[row.place].site, row.sample)
            return known and (row.what != LOST or row.code < len(REASONS))
        if row.what in (STAGE, DECISION):
            return book.knows(row.place, row.sample) and row.code < len(STAGES if row.what == STAGE else EXITS)
        return row.what != COUNTER or row.code < len(COUNTERS)

    def take(self, name: str, row: Row) -> None:
        """One row of a node."""
        if row.what == COUNTER:
            self._count(name, row)
            return
        if row.what == END:
            self.ended.add(name)
            return
        self.last_s = max(self.last_s, row.time_s)
        key = row.place, row.sequence, row.sample
        if row.what == SENT:
            self._sent[key] = row
            self._add(row)
        elif row.what == STAGE:
            self._stages.append(row)
        elif row.what == DECISION:
            self._decisions.append(row)
        elif row.what == LOST and not row.sequence:
            self._strange.append(row)
        elif row.what in (ARRIVED, LOST):
            self._fates[key] = row

    def live(self, book: SampleBook, row: Row) -> None:
        """Tells a book that others look at while the run goes on."""
        if row.what == STAGE:
            book.reach(row.place, row.sample, row.code)
        elif row.what == DECISION:
            book.decide(*self._decision(row))

    def away(self, name: str, now_s: float, fault: str) -> None:
        """A process is gone or silent, by a `fault` of the scenario if there is one in force."""
        self.absences.setdefault(name, []).append(Absence(now_s, None, fault or GONE))

    def anew(self, name: str) -> None:
        """A new process takes the place of a node's last one: it counts from nought."""
        for key, value in self._last.items():
            if key[0] == name:
                self._before[key] = value

    def back(self, name: str, now_s: float) -> None:
        """It, or a new one, is there again, or for the first time."""
        absences = self.absences.setdefault(name, [Absence(0.0, None)])
        absences[-1] = absences[-1]._replace(end_s=now_s)

    def write(self, book: SampleBook, log: MessageLog, faults: FaultLog, settle_s: float) -> None:
        """Fills the ledger with everything that was told."""
        for name, absences in self.absences.items():
            faults.rows += [
                Injection(GONE, name, start_s, end_s, _PARAMETERS, True)
                for start_s, end_s, fault in absences
                if fault == GONE  # all others are in the log
            ]
        for row in self._stages:
            if book.knows(row.place, row.sample):
                book.reach(row.place, row.sample, row.code)
        for row in sorted(self._decisions, key=lambda row: row.time_s):
            if book.knows(row.place, row.sample):
                book.decide(*self._decision(row))
        self._check()
        self._write_messages(log)
        self._blame(book, self._spans(faults), settle_s)

    def losses(self) -> Iterator[tuple[Lane, str]]:
        """Every message whose receiver (or sender, who might not send it) has told that it was lost, and why."""
        for row in (*self._strange, *self._fates.values()):
            if row.what == LOST:
                yield self.fleet.lanes[row.place], REASONS[row.code]

    def _write_messages(self, log: MessageLog) -> None:
        arrivals = []
        for key, fate in self._fates.items():
            sent = self._sent.pop(key, None)
            if sent is None:
                sent = self._foreign(fate)
            arrivals.append((fate, sent))
        arrivals += [(row, self._foreign(row)) for row in self._strange]
        for fate, sent in sorted(arrivals, key=lambda pair: pair[0].time_s):
            cost, fault = self._cost(sent), self._fault(sent, fate)
            if is_refused(fate):
                cost = (0, 0, 0, 0)
            queued_s = max(0.0, fate.more - sent.time_s) if fate.what == ARRIVED else 0.0
            if fate.what == ARRIVED:
                sent_s = min(sent.time_s, fate.time_s)  # the clocks of two machines may differ
                log.delivered(sent_s, fate.time_s, sent.place, sent.sample, cost, fault, max(fate.extra, 1), queued_s)
            else:
                reason = REASONS[fate.code]
                log.lost(sent.time_s, sent.place, sent.sample, cost, reason, fault, fate.extra)
        for sent in self._sent.values():
            fault = self._fault(sent, None)
            log.lost(
                sent.time_s, sent.place, sent.sample, self._cost(sent), "node-down" if fault else UNDELIVERED, fault
            )

    def _foreign(self, fate: Row) -> Row:
        """A message whose sender keeps no ledger, or died before it told: all that is known is that it came."""
        self._add(fate)
        return fate._replace(what=SENT, code=2, time_s=fate.more)

    def _add(self, row: Row) -> None:
        lane = self.fleet.lanes[row.place]
        lane.messages += 1
        lane.payload_bytes += row.size
        if row.what == SENT and row.code == FIRST_LEG:
            self._published[full_name(lane.src)] += 1

    def _fault(self, sent: Row, fate: Row | None) -> str:
        """Whether the absence of the receiver explains a loss."""
        if fate is not None:
            return ""
        absences = self.absences.get(full_name(self.fleet.lanes[sent.place].dst), [])
        return next((fault for _, end_s, fault in absences if end_s is None or sent.time_s < end_s), "")

    def _blame(self, book: SampleBook, spans: list[Span], settle_s: float) -> None:
        """Samples that were due in a span are touched by what caused it, and those that it left undecided."""
        for where, start_s, end_s, fault in spans:
            for site, sample, entry in book.entries():
                if where not in (site, -1) or (end_s is not None and entry.captured_s >= end_s):
                    continue
                undecided = entry.exit is None and entry.captured_s >= start_s - settle_s
                if entry.captured_s >= start_s or undecided:
                    book.touch(site, sample, fault)

    def _spans(self, faults: FaultLog) -> list[Span]:
        """When processes were away, and when faults of the scenario kept them or the broker from their work."""
        sites = {name: node.site for name, node in self._nodes.items()}
        found = [Span(sites[name], *absence) for name, absences in self.absences.items() for absence in absences]
        for row in faults.rows:
            if row.start_s is not None and row.kind != GONE:
                fault = json.loads(row.parameters)["id"]
                found.append(Span(sites.get(row.target, -1), row.start_s, row.end_s, fault))
        return found

    def _cost(self, sent: Row) -> Sizes:
        cost, legs = self.fabric.price(self.fleet.lanes[sent.place].port, sent.size), sent.code
        return cost.payload_bytes, cost.mqtt_bytes * legs, cost.tcpip_bytes * legs, cost.link_bytes

    def _count(self, name: str, row: Row) -> None:
        node, counter = self._counted(name, row), COUNTERS[row.code]
        if node is None:
            return
        key = name, counter, full_name(node)
        total = self._last[key] = max(row.time_s + self._before.get(key, 0.0), self._last.get(key, 0.0))
        if counter in ("twice", "overheard_bytes"):
            setattr(self, counter, int(sum(v for (_, what, _), v in self._last.items() if what == counter)))
            return
        shares = self._shares.setdefault(key[1:], {})
        shares[key] = total
        value = sum(shares.values())
        if counter == "busy_s":
            node.worked(value)
        elif hasattr(node, counter):
            setattr(node, counter, int(value))

    def _counted(self, name: str, row: Row) -> Node | None:
        """The node that a counter is of: the teller's own, or a gateway of its site whose role it plays."""
        teller = self._nodes[name]
        if not row.place:
            return teller
        sitemates = (node for node in self.fleet.nodes if node.role == "gateway" and node.site == teller.site)
        return next((node for node in sitemates if node.index == row.place - 1), None)

    def _decision(self, row: Row) -> tuple[int, int, str, int, float, float, int]:
        time_s = max(row.time_s, row.sample * self.period_s)  # the clocks of two machines may differ
        return row.place, row.sample, EXITS[row.code], row.extra, row.more, time_s, row.sequence

    def _check(self) -> None:
        """Nodes that were there all the time have told of every message that they counted."""
        for node in self.fleet.nodes:
            name = full_name(node)
            if name in self.ended and name not in self.absences and node.sent != self._published[name]:
                raise InvariantError(f"{name} has sent {node.sent} messages and told of {self._published[name]}")
