"""The door to a run in progress: snapshots for whoever looks on, and commands to a live run, from any thread.

The run's own thread makes the snapshots and carries the commands out; nobody else touches its objects.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field, replace
from queue import Empty, SimpleQueue
from typing import Any, Final, Literal, NamedTuple

from sim.errors import UsageError

RECENT: Final = 50
"""Decisions that a snapshot remembers."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node: how it is, and what it has done so far.

    Attributes:
        name: with its site, e.g. `site-0/cam.3`; the cloud is `cloud`.
        uplink: the node that it sends to now, by such a name; None for the cloud.
        state: `active`, `degraded` (a fault is on it), `failed` (down), `retired` (the run is over).
        faults: ids of the faults in force on it.
    """

    name: str
    site: str
    node: str
    group: str
    role: str
    uplink: str | None
    state: str
    captured: int
    sent: int
    received: int
    bytes_up: int
    bytes_down: int
    busy_s: float
    backlog_s: float
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FlowView:
    """What one node has sent to another so far, and how many messages wait on the modelled link now."""

    src: str
    dst: str
    messages: int
    payload_bytes: int
    waiting: int


@dataclass(frozen=True, slots=True)
class FaultView:
    """A fault in force; `by` is `scenario` or `person`."""

    id: str
    kind: str
    target: str
    since_s: float
    by: str


@dataclass(frozen=True, slots=True)
class Decision:
    """One sample's verdict."""

    site: str
    sample: int
    exit: str
    predicted: int
    label: int
    time_s: float
    latency_s: float

    @property
    def right(self) -> bool:
        """Whether it is the true class."""
        return self.predicted == self.label


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one moment; counts are sums since its beginning, rates are differences of snapshots.

    Attributes:
        serial: counts snapshots, from 1.
        status: `preparing`, `running`, `complete`, `interrupted` or `failed: <why>`.
        time_s: time of the run.
        duration_s: when the last sample is due.
        samples: of all sites, in the whole run; `due` of them so far.
        folder: the run folder, once the run is over.
    """

    scenario: str
    run: str
    mode: str
    status: str
    speed: float = 1.0
    serial: int = 0
    time_s: float = 0.0
    duration_s: float = 0.0
    wall_s: float = 0.0
    samples: int = 0
    due: int = 0
    decided: int = 0
    right: int = 0
    exits: Mapping[str, int] = field(default_factory=dict)
    right_by_exit: Mapping[str, int] = field(default_factory=dict)
    payload_bytes: int = 0
    messages: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)
    nodes: tuple[NodeView, ...] = ()
    flows: tuple[FlowView, ...] = ()
    faults: tuple[FaultView, ...] = ()
    recent: tuple[Decision, ...] = ()
    folder: str | None = None

    @property
    def accuracy(self) -> float | None:
        """Share of the decided samples that were right; None before the first."""
        return self.right / self.decided if self.decided else None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, `accuracy` and `right` of the decisions included."""
        plain = asdict(self)
        plain["accuracy"] = self.accuracy
        for row, decision in zip(plain["recent"], self.recent, strict=True):
            row["right"] = decision.right
        return plain


class Command(NamedTuple):
    """What another thread wants of a live run; the answer goes into `answer`."""

    what: Literal["inject", "lift", "stop"]
    argument: Any
    answer: Future[Any]


class Telemetry:
    """One run, seen and driven from other threads.

    Args:
        every_s: wall seconds between snapshots.
    """

    def __init__(self, every_s: float = 0.2) -> None:
        self.every_s = every_s
        self._changed = threading.Condition()
        self._latest: Snapshot | None = None
        self._observers: list[Callable[[Snapshot], object]] = []
        self._commands: SimpleQueue[Command] = SimpleQueue()
        self._listening = False

    # -- for whoever looks on

    def latest(self) -> Snapshot | None:
        """The newest snapshot; never waits."""
        return self._latest

    def wait(self, after: int = 0, timeout_s: float = 1.0) -> Snapshot | None:
        """The newest snapshot once its serial is above `after`; None after `timeout_s` wall seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._latest is not None and self._latest.serial > after, timeout_s)
            found = self._latest
        return found if found is not None and found.serial > after else None

    def subscribe(self, observer: Callable[[Snapshot], object]) -> Callable[[], None]:
        """Has every snapshot handed to `observer`, in the run's own thread; the returned function ends that."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    # -- for whoever drives a live run

    def inject(self, entry: Mapping[str, Any], timeout_s: float = 5.0) -> str:
        """Injects a fault: an entry as in a scenario's `faults`, its times counted from now; returns its id.

        Raises:
            ScenarioError: the entry is not valid; it holds every problem.
            UsageError: no such target, or there is no live run that could take it.
            TimeoutError: the run does not answer; the fault may still come.
        """
        found: str = self._ask("inject", dict(entry), timeout_s)
        return found

    def lift(self, fault_id: str, timeout_s: float = 5.0) -> None:
        """Ends a fault, a person's or the scenario's, for good.

        Raises:
            UsageError: there is no such fault, or no live run.
            TimeoutError: the run does not answer.
        """
        self._ask("lift", fault_id, timeout_s)

    def stop(self) -> None:
        """Ends the run early, as Ctrl-C does.

        Raises:
            UsageError: there is no live run.
        """
        self._ask("stop", None, None)

    def _ask(self, what: Literal["inject", "lift", "stop"], argument: Any, timeout_s: float | None) -> Any:
        with self._changed:
            if not self._listening:
                raise UsageError("only a live run takes commands, and none is going on")
            answer: Future[Any] = Future()
            self._commands.put(Command(what, argument, answer))
        return None if timeout_s is None else answer.result(timeout_s)

    # -- for the run

    def listen(self) -> None:
        """The run takes commands from now on."""
        with self._changed:
            self._listening = True

    def commands(self) -> list[Command]:
        """What has been asked since the last call."""
        found = []
        try:
            while True:
                found.append(self._commands.get_nowait())
        except Empty:
            return found

    def publish(self, snapshot: Snapshot) -> None:
        """Hands a snapshot to everybody, numbered."""
        with self._changed:
            serial = 1 if self._latest is None else self._latest.serial + 1
            self._latest = replace(snapshot, serial=serial)
            self._changed.notify_all()
            found = self._latest
        for observer in list(self._observers):
            observer(found)

    def end(self, status: str, folder: str | None) -> None:
        """Publishes the last snapshot and refuses what is still asked."""
        with self._changed:
            self._listening = False
        for command in self.commands():
            command.answer.set_exception(UsageError("the run is over"))
        last = self._latest
        if last is not None:
            nodes = tuple(replace(node, state="retired") for node in last.nodes)
            self.publish(replace(last, status=status, folder=folder, nodes=nodes, faults=()))
