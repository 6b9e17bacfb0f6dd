"""What goes wrong with machines: cameras, gateways and the cloud."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sim.faults.base import Layer, NodeFault
from sim.faults.context import Context
from sim.faults.handles import NodeHandle
from sim.nodes.lanes import Message
from sim.scenario.types import Duration, Period
from sim.wire import Frame


class Crash(NodeFault):
    """The node is dead. Messages for it are lost, nothing is captured."""

    example = "{kind: crash, target: cam.3, at: 20 s, for: 30 s}"
    kind: Literal["crash"]
    memory: Literal["lost", "kept"] = "lost"
    """Whether features it had buffered and samples it was working on are there again afterwards."""

    @contextmanager
    def inject(self, node: NodeHandle, ctx: Context) -> Iterator[None]:
        with node.down(forgets=self.memory == "lost"):
            yield


class Intermittent(NodeFault):
    """A node that drops out again and again, each time for a random (exponential) time, and forgets nothing."""

    example = "{kind: intermittent, target: cam.1, up: 20 s, down: 2 s}"
    kind: Literal["intermittent"]
    up_s: Period = Field(default=30.0, alias="up")
    """Mean time that it works."""
    down_s: Period = Field(default=3.0, alias="down")
    """Mean time that it does not."""

    @contextmanager
    def inject(self, node: NodeHandle, ctx: Context) -> Iterator[None]:
        rng, outage, dropouts = ctx.rng, ExitStack(), 0

        def drop() -> None:
            nonlocal dropouts
            dropouts += 1
            ctx.record(dropouts=dropouts)
            outage.enter_context(node.down(forgets=False))
            ctx.after(float(rng.exponential(self.down_s)), back)

        def back() -> None:
            outage.close()
            wait_s = float(rng.exponential(self.up_s))
            if ctx.now_s + wait_s <= ctx.horizon_s:
                ctx.after(wait_s, drop)

        ctx.after(float(rng.exponential(self.up_s)), drop)
        with outage:
            yield


class Pause(NodeFault):
    """The node stands still (a garbage collection, a firmware update); it goes on where it was."""

    example = "{kind: pause, target: gw, at: 30 s, for: 500 ms}"
    kind: Literal["pause"]

    @contextmanager
    def inject(self, node: NodeHandle, ctx: Context) -> Iterator[None]:
        with node.paused():
            yield


class SlowCompute(NodeFault):
    """The processor is slower (heat, a low battery, somebody else's work)."""

    example = "{kind: slow-compute, target: cam.2, factor: 20, at: 10 s, for: 20 s}"
    kind: Literal["slow-compute"]
    factor: Annotated[float, Field(gt=0, le=1e9)] = 10.0
    """How many times as long work takes that begins in this time."""

    @contextmanager
    def inject(self, node: NodeHandle, ctx: Context) -> Iterator[None]:
        with node.slowed(self.factor):
            yield


class Battery(NodeFault):
    """The node runs on a battery from now on, and dies when it is empty."""

    example = "{kind: battery, target: cam.0, capacity_j: 50}"
    kind: Literal["battery"]
    capacity_j: Annotated[float, Field(gt=0, le=1e12)]
    """Joules in the battery at the start; the energy meter says what the node uses."""
    check_s: Period = Field(default=1.0, alias="check")
    """How often the level is looked at."""

    @contextmanager
    def inject(self, node: NodeHandle, ctx: Context) -> Iterator[None]:
        start_j, death = node.energy_j, ExitStack()
        dead = False

        def check() -> None:
            nonlocal dead
            if not dead and node.energy_j - start_j >= self.capacity_j:
                dead = True
                ctx.record(empty_s=ctx.now_s)
                node.node.spent = True
                death.enter_context(node.down())

        ctx.every(self.check_s, check)
        with death:
            try:
                yield
            finally:
                node.node.spent = False


class ClockError(NodeFault):
    """The camera's clock is wrong, so it takes its pictures at the wrong time, and of another scene if far wrong."""

    example = "{kind: clock-error, target: cam.4, offset: 150 ms, drift_ppm: 200}"
    roles = ("camera",)
    kind: Literal["clock-error"]
    offset_s: Duration = Field(default=0.0, alias="offset")
    """How far it is off at the start."""
    ahead: bool = False
    """Pictures are taken too early instead of too late."""
    drift_ppm: Annotated[float, Field(ge=-1e6, le=1e6)] = 0.0
    """Parts per million that the error grows (towards late) in each second after the start."""

    @contextmanager
    def inject(self, node: NodeHandle, ctx: Context) -> Iterator[None]:
        start_s, offset_s = ctx.now_s, -self.offset_s if self.ahead else self.offset_s

        def true_time(shown_s: float) -> float:
            return shown_s + offset_s + self.drift_ppm * 1e-6 * max(0.0, shown_s - start_s)

        with node.skewed(true_time):
            yield


class Overload(NodeFault):
    """Other work takes most of the processor, and what would have to wait too long is refused."""

    layer: ClassVar[Layer] = "gateway"
    example = "{kind: overload, target: gw, load: 0.9, patience: 100 ms, at: 20 s, for: 1 min}"
    roles = ("gateway", "cloud")
    kind: Literal["overload"]
    load: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Share of the processor that is taken."""
    patience_s: Duration = Field(default=0.5, alias="patience")
    """A message that would wait longer for the processor is `lost:overload`."""

    @contextmanager
    def inject(self, node: NodeHandle, ctx: Context) -> Iterator[None]:
        refused = 0

        def look(message: Message, parsed: Frame) -> bool:
            nonlocal refused
            if node.node.backlog_s() <= self.patience_s:
                return False
            refused += 1
            ctx.record(refused=refused)
            node.refuse(message, "overload")
            return True

        with node.slowed(1 / (1 - self.load)), node.intake(look):
            yield


class ColdStart(NodeFault):
    """A service that is put to sleep when idle, and takes a while to wake up."""

    layer: ClassVar[Layer] = "gateway"
    example = "{kind: cold-start, target: cloud, idle: 30 s, start: 2 s}"
    roles = ("gateway", "cloud")
    kind: Literal["cold-start"]
    idle_s: Duration = Field(default=30.0, alias="idle")
    """After so long without a message and without work it is put to sleep."""
    start_s: Duration = Field(default=2.0, alias="start")
    """How long the processor is not there for the message that wakes it."""

    @contextmanager
    def inject(self, node: NodeHandle, ctx: Context) -> Iterator[None]:
        last_s, starts = float("-inf"), 0

        def look(message: Message, parsed: Frame) -> bool:
            nonlocal last_s, starts
            if ctx.now_s - last_s > self.idle_s:
                starts += 1
                ctx.record(starts=starts)
                node.node.stall(self.start_s)
            last_s = ctx.now_s + node.node.backlog_s()  # who starts or works does not sleep
            return False

        with node.intake(look):
            yield
