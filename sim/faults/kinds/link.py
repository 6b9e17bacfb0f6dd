"""What goes wrong with links."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate, cycle
from typing import Annotated, Literal

from pydantic import Field

from sim.faults.base import LinkFault
from sim.faults.context import Context
from sim.faults.handles import LinkHandle
from sim.link import LinkModel
from sim.scenario.types import BitRate, Duration, Part, Period, Share


class Loss(LinkFault):
    """The link loses transmissions; at QoS 1 and 2 they are repeated. With `bursts` it is a Gilbert–Elliott channel."""

    example = "{kind: loss, target: cam->gw, rate: 40 %, bursts: {good: 8 s, bad: 2 s}}"
    kind: Literal["loss"]
    rate: Share
    """Share of transmissions that are lost, in place of the link's own."""

    @contextmanager
    def inject(self, link: LinkHandle, ctx: Context) -> Iterator[None]:
        with link.changed(lambda model: replace(model, loss=self.rate)):
            yield


class Bandwidth(LinkFault):
    """The link is slower or faster."""

    example = "{kind: bandwidth, target: gw->cloud, to: 20 kbit/s, at: 30 s, for: 30 s}"
    kind: Literal["bandwidth"]
    to_bps: BitRate = Field(alias="to")
    """What it is in this time."""

    @contextmanager
    def inject(self, link: LinkHandle, ctx: Context) -> Iterator[None]:
        with link.changed(lambda model: replace(model, bandwidth_bps=self.to_bps)):
            yield


class Step(Part):
    """One step of a bandwidth trace."""

    to_bps: BitRate = Field(alias="to")
    """Bandwidth."""
    for_s: Period = Field(alias="for")
    """For how long."""


class BandwidthTrace(LinkFault):
    """The bandwidth follows a list of steps, again and again."""

    example = "{kind: bandwidth-trace, target: cam->gw, steps: [{to: 250 kbit/s, for: 5 s}, {to: 30 kbit/s, for: 2 s}]}"
    kind: Literal["bandwidth-trace"]
    steps: Annotated[list[Step], Field(min_length=1, max_length=10_000)]
    """The steps, from the start of the fault on."""

    @contextmanager
    def inject(self, link: LinkHandle, ctx: Context) -> Iterator[None]:
        start_s = ctx.now_s
        ends = list(accumulate(step.for_s for step in self.steps))

        def now(model: LinkModel) -> LinkModel:
            at_s = (ctx.now_s - start_s) % ends[-1]
            step = next((step for step, end_s in zip(self.steps, ends, strict=True) if at_s < end_s), self.steps[-1])
            return replace(model, bandwidth_bps=step.to_bps)

        lengths = cycle(step.for_s for step in self.steps)

        def turn() -> None:
            link.refresh()
            if ctx.now_s <= ctx.horizon_s:
                ctx.after(next(lengths), turn)

        with link.changed(now):
            turn()
            yield


class Latency(LinkFault):
    """The link takes longer, or jitters more."""

    example = "{kind: latency, target: cam.0->gw, add: 150 ms, jitter: 20 ms, at: 10 s, for: 20 s}"
    kind: Literal["latency"]
    add_s: Duration = Field(default=0.0, alias="add")
    """How much longer."""
    jitter_s: Duration | None = Field(default=None, alias="jitter")
    """Jitter in place of the link's own."""

    @contextmanager
    def inject(self, link: LinkHandle, ctx: Context) -> Iterator[None]:
        def change(model: LinkModel) -> LinkModel:
            jitter_s = model.jitter_s if self.jitter_s is None else self.jitter_s
            return replace(model, latency_s=model.latency_s + self.add_s, jitter_s=jitter_s)

        with link.changed(change):
            yield


class Partition(LinkFault):
    """Nothing passes any more; what is on its way still arrives. At QoS 1 and 2 messages wait for the end."""

    example = "{kind: partition, target: gw->cloud, ways: both, at: 40 s, for: 10 s}"
    kind: Literal["partition"]
    ways: Literal["one", "both"] = "both"
    """Only in the direction of the target, or both."""

    @contextmanager
    def inject(self, link: LinkHandle, ctx: Context) -> Iterator[None]:
        if self.ways == "one":
            with link.closed(ctx.fault_id):
                yield
        else:
            with link.closed(ctx.fault_id), link.reverse.closed(ctx.fault_id):
                yield


class Cut(LinkFault):
    """The line is cut in mid-transfer: what is queued or in flight is lost too, or sent again at QoS 1 and 2."""

    example = "{kind: cut, target: cam.2->gw, at: 15 s, for: 5 s}"
    kind: Literal["cut"]

    @contextmanager
    def inject(self, link: LinkHandle, ctx: Context) -> Iterator[None]:
        with link.closed(ctx.fault_id), link.reverse.closed(ctx.fault_id):
            link.cut(ctx.fault_id)
            link.reverse.cut(ctx.fault_id)
            yield
