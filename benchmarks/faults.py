"""What faults cost that do not happen, and what the mechanism costs that is not used."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmarks.table import Row
from brokers.api import Carrier
from brokers.choose import open_carrier
from sim import wire, world
from sim.ddnn import Inference
from sim.faults.kinds import ALL
from sim.meter import leg_cost
from sim.nodes import fabric
from sim.nodes.lanes import Message
from sim.world.plan import Plan
from sim.world.play import Outcome, play
from sim.world.prepare import Prepared

SCENARIO = Path("scenarios/six_cameras.yaml")
QUICK = ("data.train=48", "model.training.epochs=1", "model.training.seed=0")
ROUNDS = 21
RUN = "benchmrk"
Carriers = Callable[[], AbstractContextManager[Carrier]]


class Bare(fabric.Fabric):
    """The fabric without any hook for faults, to measure what they cost."""

    def publish(self, port: Any, sample: int, payload: bytes, **given: Any) -> None:
        """As the original, without gate, chains and copies."""
        src, to = port.src, given.get("to")
        src.sequence += 1
        frame = wire.encode(
            port.kind, given["dtype"], given["origin"], sample, src.sequence, payload,
            given.get("flags", 0), given.get("expected", 0),
        )  # fmt: skip
        cost = port.costs.get(len(payload))
        if cost is None:
            cost = port.costs[len(payload)] = leg_cost(self._framing, port.topic, len(payload))
        src.sent += 1
        src.sent_bytes += len(frame)
        src.bytes_up += cost.link_bytes
        self.carrier.publish(src.client, port.topic, frame, self.qos)
        legs, now_s = 2, self.clock.now
        for lane in port.lanes:
            if to is not None and lane.dst.index not in to:
                self.overhear(lane, frame)
                continue
            lane.messages += 1
            lane.payload_bytes += len(payload)
            self._launch(Message(lane, port.kind, given["origin"], sample, frame, cost, legs, now_s))
            legs = 1

    def arrive(self, message: Message) -> None:
        """As the original, without looking for a fault at the door."""
        lane = message.lane
        frame = self.carrier.take(lane.dst.client, lane.topic, message.frame, self._patience_s)
        assert frame is not None
        self.deliver(message, wire.decode(frame))


def rows() -> Iterator[Row]:
    """All rows; run from the root of the checkout."""
    idle = [_idle(kind.example, 0) for kind in ALL if "probability" not in kind.example][:30]
    possible = [_idle(kind.example, 1e-15) for kind in ALL if "probability" not in kind.example][:30]
    plain, never, maybe = (runner(entries) for entries in ([], idle, possible))
    ratio = _ratio(never, plain)
    yield Row("run with 30 kinds at probability 0, over none", f"{ratio:.3f} x", "<= 1.2 x", ratio <= 1.2)
    yield Row("run with 30 kinds at probability 1e-15, over none", f"{_ratio(maybe, plain):.3f} x")
    unused = _ratio(plain, _without_hooks(plain))
    yield Row("run without faults, over one without any hook", f"{unused:.3f} x", "<= 1.03 x", unused <= 1.03)


def memory() -> AbstractContextManager[Carrier]:
    """The carrier in memory."""
    return open_carrier("memory")


def _idle(example: str, probability: float) -> str:
    return f"{example[:-1]}, probability: {probability}}}"


def runner(
    entries: list[str], carrier: Callable[[], AbstractContextManager[Carrier]] = memory
) -> Callable[[], Outcome]:
    """Runs the six cameras with these faults over a carrier."""
    from sim import faults, scenario

    text = f"{SCENARIO.read_text()}\nfaults: [{', '.join(entries)}]\n"
    wanted = scenario.loads(text, overrides=QUICK, fault_kinds=faults.known(plugins=False))
    prepared = world.prepare(wanted)
    inference = prepared.network.inference(prepared.dataset)
    return lambda: _play(Prepared(Plan(wanted), prepared.dataset, prepared.network), inference, carrier)


def _play(prepared: Prepared, inference: Inference, carrier: Carriers) -> Outcome:
    with carrier() as carries:
        return play(prepared, inference, carries, None, RUN)


def _without_hooks(run: Callable[[], Outcome]) -> Callable[[], Outcome]:
    from sim.world import play as module

    def bare() -> Outcome:
        names = vars(module)
        real = names["Fabric"]
        names["Fabric"] = Bare
        try:
            return run()
        finally:
            names["Fabric"] = real

    return bare


def _ratio(one: Callable[[], Outcome], other: Callable[[], Outcome]) -> float:
    """Median of the ratios of neighbours in time, so that a busy machine disturbs both alike."""
    one(), other()
    found = []
    for number in range(ROUNDS):
        pair = (one, other) if number % 2 else (other, one)
        times = {run: _time(run) for run in pair}
        found.append(times[one] / times[other])
    return statistics.median(found)


def _time(run: Callable[[], Outcome]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began
