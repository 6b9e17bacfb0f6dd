"""Conducts a fleet of separate processes: waits until all are there, starts them, gathers, ends the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from brokers.client import Pool
from sim import wire
from sim.errors import SetupError
from sim.ledger.rows import COUNTER, decode_rows
from sim.nodes.node import Node
from sim.world.fleet import Fleet
from sim.world.live import LiveClock
from sim.world.prepare import Prepared
from sim.world.separate import names, orders
from sim.world.separate.gather import Gathering
from sim.world.separate.helm import Helm
from sim.world.separate.line import GONE_S, Line
from sim.world.separate.orders import Order
from sim.world.steering import latest
from sim.world.watching import WatchedBook

LEAD_S: Final = 0.5
"""Wall seconds between the announcement of the start and the start."""
QUIET_S: Final = 2.0
"""Wall seconds of silence, beyond the longest deadline, after which nothing more is expected."""
DECIDED_S: Final = 0.5
"""The same once every sample is decided."""
FAREWELL_S: Final = 10.0
"""Wall seconds that nodes have to tell the rest."""

PRESENT: Final = (b"online", b"active", b"degraded")
"""What the status of a node says while it is there."""

Log = Callable[..., None]


class Conductor:
    """Talks with the nodes of one run.

    Attributes:
        clock: wall-clock time, which waits on the broker.
        waits: for a broker that has gone away by itself, up to `GONE_S`.
        helm: what is told of thresholds and the like, if anything is.

    Args:
        pool: its own client, not yet connected.
        expected: full names of the nodes that take part.
        book: shown to others while the run goes on.
        log: takes (event, fields).
        tend: called all the time: looks after processes; names those that have died, with their exit codes.
    """

    def __init__(
        self,
        prepared: Prepared,
        pool: Pool,
        fleet: Fleet,
        gathering: Gathering,
        expected: Sequence[str],
        run: str,
        speed: float,
        book: WatchedBook,
        log: Log,
        tend: Callable[[], Mapping[str, int]],
    ) -> None:
        self._prepared = prepared
        self._line = Line(pool)
        self._fleet = fleet
        self._gathering = gathering
        self._expected = list(expected)
        self._run = run
        self._book = book
        self._log = log
        self._tend = tend
        self._nodes = fleet.by_name()
        self._online: set[str] = set()
        self._names = {
            names.home_topic(run, name, kind): name for name in self._nodes for kind in (wire.STATUS, wire.LEDGER)
        }
        self._batches: dict[str, dict[int, set[int]]] = {}
        self.helm: Helm | None = None
        self.waits = False
        self._start: wire.Control | None = None
        self._over = False
        self._sequence = self._returns = 0
        self._told_s = time.monotonic()
        self.clock = LiveClock(self._line.pump, speed)
        self.clock.turns.append(self._turn)
        self.clock.stays = self._goes_on

    def connect(self) -> None:
        """Comes to the broker. Raises `BrokerError`."""
        self._line.connect(names.conductor_identity(self._run))

    def wait(self, patience_s: float) -> None:
        """Waits until all nodes are online.

        Raises:
            SetupError: names those that are not there in time, or a process that has ended.
        """
        deadline = time.monotonic() + patience_s
        while missing := [name for name in self._expected if name not in self._online]:
            if time.monotonic() > deadline:
                raise SetupError(f"not online after {patience_s:g} s: {', '.join(missing)} (run {self._run})")
            for name, code in self._tend().items():
                raise SetupError(f"the process of {name} has ended with exit code {code} before the run began")
            self._line.pump(0.05)
            self._take_mail()

    def play(self) -> bool:
        """Starts the run and goes on until it is over; whether it was ended early, by Ctrl-C or `clock.stop`."""
        scenario, clock = self._prepared.scenario, self.clock
        for name, node in self._nodes.items():
            _set(node, up=name in self._online)
        epoch_s = time.time() + LEAD_S
        self._start = wire.Control(wire.START, self._prepared.samples, epoch_s, clock.speed)
        self._say(self._start)
        self._log("start", nodes=len(self._online), samples=scenario.samples, speed=clock.speed)
        clock.begin(time.monotonic() + LEAD_S)
        try:
            clock.finish()
        except KeyboardInterrupt:
            clock.stop()
        return clock.stopped

    def dismiss(self) -> None:
        """Tells all nodes that it is over, waits for what they still have to tell, and leaves nothing behind."""
        assert self._start is not None
        self._over = True  # strangers, who tell nothing, may go
        self._say(self._start._replace(command=wire.STOP))
        deadline = time.monotonic() + FAREWELL_S
        while self._online - self._gathering.ended and time.monotonic() < deadline:
            self._line.pump(0.05)
            self._take_mail()
        self._line.retain(names.control_topic(self._run), b"")
        self._line.finish(1.0)

    @property
    def settle_s(self) -> float:
        """Seconds of the run after which nothing more can come of a sample: all deadlines on its way."""
        configs = [node.config for node in self._prepared.plan.nodes]
        return 2 * sum(max((c.wait_s for c in configs if c.role == role), default=0.0) for role in ("gateway", "cloud"))

    def _goes_on(self) -> bool:
        """Whether samples are due, or anything has been told lately."""
        last_s = (self._prepared.samples - 1) * self._prepared.period_s
        if self.clock.now <= last_s:
            return True
        decided = self._book.exits.total() == len(self._book)
        if self.waits and self._line.missing():
            return True
        patience_s = DECIDED_S if decided else QUIET_S + self.settle_s / self.clock.speed
        return time.monotonic() - self._told_s < patience_s

    def _turn(self) -> None:
        self._tend()
        if self.waits and time.monotonic() - self._line.there_s > GONE_S:
            raise SetupError(f"the broker has been gone for {GONE_S:g} s")
        if self._start is not None and self._returns != self._line.returns:
            self._returns = self._line.returns
            self._say(self._start)  # a broker that was restarted has forgotten it
            self._log("reconnected", time_s=round(self.clock.now, 3))
        self._take_mail()
        if self.helm is not None:
            self.helm.turn()

    def _take_mail(self) -> None:
        received = self._line.received()
        mail = [(self._names[topic], topic, payload) for _, topic, payload in received if topic in self._names]
        for name, topic, payload in sorted(mail, key=_order):
            if topic.endswith("/status"):
                self._on_status(name, payload)
            else:
                self.take(name, payload)

    def _on_status(self, name: str, payload: bytes) -> None:
        online = payload in PRESENT
        if online == (name in self._online):
            return
        node, now_s = self._nodes[name], self.clock.now
        if name not in self._gathering.ended:  # whoever has told everything may go
            _set(node, up=online)
        if online:
            self._online.add(name)
            if self._start is not None:
                self._gathering.back(name, now_s)
        else:
            self._online.discard(name)
            if self._start is not None and not self._over and name not in self._gathering.ended:
                self._gathering.away(name, now_s, node.faults)
        what = "online" if online else "offline" if payload else "left"
        self._log(what, node=name, time_s=round(now_s, 3), wall_s=time.time())

    def take(self, name: str, payload: bytes) -> None:
        """A `ledger` message of a node; what does not parse is nobody's."""
        try:
            frame = wire.decode(payload)
            rows = list(decode_rows(frame.payload))
        except ValueError:
            return
        told = self._told_by(name, frame.sample)
        if frame.sequence in told:
            return
        told.add(frame.sequence)
        for row in rows:
            if Helm.minds(row):
                if self.helm is not None:
                    self.helm.take(name, row)
            elif self._gathering.is_possible(row, self._book):
                self._gathering.take(name, row)
                self._gathering.live(self._book, row)
        if any(row.what < COUNTER for row in rows):
            self._told_s = time.monotonic()

    def _told_by(self, name: str, life: int) -> set[int]:
        """The numbers of what a process has told so far; one that was only silent goes on where it was."""
        lives = self._batches.setdefault(name, {})
        if life not in lives:
            lives[life] = set()
            if len(lives) > 1:
                self._gathering.anew(name)
                if self.helm is not None:
                    self.helm.anew(name)
        return lives[life]

    def tell(self, name: str, order: Order) -> None:
        """Says something to one node alone."""
        sample = latest(self._prepared, self.clock.now)
        self._line.publish(0, names.order_topic(self._run, name), self._control(sample, orders.encode(order)), 1)

    def _say(self, control: wire.Control) -> None:
        self._line.retain(names.control_topic(self._run), self._control(0, wire.encode_control(control)))

    def _control(self, sample: int, payload: bytes) -> bytes:
        """The next message of this kind."""
        self._sequence += 1
        return wire.encode(wire.CONTROL, wire.ORDER, 0, sample, self._sequence, payload)


def _set(node: Node, *, up: bool) -> None:
    """Whether the process of a node is there; a fault that is over may count it as up before it is."""
    node.up, node.cut_off = up, not up
    if node.watcher is not None:
        node.watcher(node)


def _order(mail: tuple[str, str, bytes]) -> int:
    """Of what came at once: first who died, then what nodes tell, then who came or left (having told everything)."""
    _, topic, payload = mail
    return 1 if not topic.endswith("/status") else 0 if payload == b"offline" else 2
