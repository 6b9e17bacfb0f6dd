"""A run that is not one: moves the figures of a fleet of any size, and does what is asked of it, as a live run does."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import replace

from sim.errors import Problem, ScenarioError, UsageError
from sim.world.telemetry import Command, Decision, FaultView, FlowView, NodeView, Snapshot, Telemetry

CAMERAS = 6


class FakeRun:
    """Six cameras and a gateway in every site, one cloud; one sample a second of the run in each.

    Args:
        sites: how many.
        speed: seconds of the run for each wall second.
        samples: of each site.
    """

    def __init__(self, sites: int = 1, speed: float = 5.0, samples: int = 171, every_s: float = 0.2) -> None:
        self.telemetry = Telemetry(every_s)
        self._speed = speed
        self._samples = samples
        self._sites = sites
        self._nodes = _fleet(sites)
        self._faults: dict[str, FaultView] = {}
        self._ends: dict[str, float] = {}
        self._recent: list[Decision] = []
        self._exits: Counter[str] = Counter()
        self._right: Counter[str] = Counter()
        self._chance = random.Random(7)
        self._done = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> FakeRun:
        self.telemetry.publish(Snapshot("fake", "run-1", "live", "preparing", self._speed))
        self._thread.start()
        self.telemetry.wait(after=1, timeout_s=30)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        self.telemetry.listen()
        began = time.monotonic()
        next_s = 0.0
        while not self._stopped.is_set() and self._done < self._samples:
            now_s = (time.monotonic() - began) * self._speed
            for command in self.telemetry.commands():
                self._carry_out(command, now_s)
            for name in [name for name, end_s in self._ends.items() if end_s <= now_s]:
                del self._faults[name], self._ends[name]
            self._work(now_s)
            if time.monotonic() >= next_s:
                next_s = time.monotonic() + self.telemetry.every_s
                self.telemetry.publish(self._snapshot(now_s))
            time.sleep(0.02)
        self.telemetry.publish(self._snapshot(self._done))
        self.telemetry.end("interrupted" if self._stopped.is_set() else "complete", "runs/fake/run-1")

    def _carry_out(self, command: Command, now_s: float) -> None:
        try:
            command.answer.set_result(self._do(command, now_s))
        except (ScenarioError, UsageError) as error:
            command.answer.set_exception(error)

    def _do(self, command: Command, now_s: float) -> str | None:
        if command.what == "stop":
            self._stopped.set()
            return None
        if command.what == "lift":
            if command.argument not in self._faults:
                raise UsageError(f"there is no fault {command.argument!r}; known: none")
            del self._faults[command.argument]
            self._ends.pop(command.argument, None)
            return None
        entry = command.argument
        if entry.get("kind") != "crash":
            raise ScenarioError(
                (Problem("fault", 1, 2, "kind", "there is no fault kind 'crush'; did you mean 'crash'?"),)
            )
        if entry["target"] not in {node.name for node in self._nodes}:
            raise UsageError(f"fault 'crash': the target {entry['target']!r} names nothing of the kind")
        name = f"crash-p{len(self._faults) + 1}"
        self._faults[name] = FaultView(name, "crash", entry["target"], now_s, "person")
        if "for" in entry:
            self._ends[name] = now_s + float(str(entry["for"]).split()[0])
        return name

    def _work(self, now_s: float) -> None:
        while self._done < min(self._samples, int(now_s) + 1):
            down = {fault.target for fault in self._faults.values()}
            for site in range(self._sites):
                self._decide(site, sum(name.startswith(f"site-{site}/cam") for name in down))
            self._nodes = [node if node.name in down else _worked(node) for node in self._nodes]
            self._done += 1

    def _decide(self, site: int, missing: int) -> None:
        where = "local" if self._chance.random() < 0.66 else "cloud"
        right = self._chance.random() < 0.98 - 0.09 * missing
        label = self._chance.randrange(3)
        predicted = label if right else (label + 1) % 3
        self._exits[where] += 1
        self._right[where] += right
        took_s = 0.21 if where == "local" else 0.34
        self._recent.append(Decision(f"site-{site}", self._done, where, predicted, label, self._done + took_s, took_s))
        del self._recent[:-50]

    def _snapshot(self, now_s: float) -> Snapshot:
        on = {fault.target: name for name, fault in self._faults.items()}
        nodes = tuple(
            replace(node, state="failed", faults=(on[node.name],)) if node.name in on else node for node in self._nodes
        )
        flows = tuple(
            FlowView(node.name, node.uplink, node.sent, node.bytes_up, 0) for node in nodes if node.uplink is not None
        )
        return Snapshot(
            scenario="fake", run="run-1", mode="live", status="running", speed=self._speed, time_s=now_s,
            duration_s=self._samples - 1.0, wall_s=now_s / self._speed, samples=self._sites * self._samples,
            due=self._sites * self._done, decided=self._exits.total(), right=self._right.total(),
            exits=dict(self._exits), right_by_exit=dict(self._right), payload_bytes=sum(f.payload_bytes for f in flows),
            messages=sum(flow.messages for flow in flows), lost={}, nodes=nodes, flows=flows,
            faults=tuple(self._faults.values()), recent=tuple(self._recent),
        )  # fmt: skip


def _fleet(sites: int) -> list[NodeView]:
    found = []
    for site in (f"site-{number}" for number in range(sites)):
        found += [_node(site, f"cam.{n}", "cam", "camera", f"{site}/gw") for n in range(CAMERAS)]
        found.append(_node(site, "gw", "gw", "gateway", "cloud"))
    return [*found, _node("cloud", "cloud", "cloud", "cloud", None)]


def _node(site: str, node: str, group: str, role: str, uplink: str | None) -> NodeView:
    name = node if role == "cloud" else f"{site}/{node}"
    return NodeView(name, site, node, group, role, uplink, "active", 0, 0, 0, 0, 0, 0.0, 0.0)


def _worked(node: NodeView) -> NodeView:
    return replace(
        node,
        captured=node.captured + (node.role == "camera"),
        sent=node.sent + 1,
        received=node.received + (node.role != "camera"),
        bytes_up=node.bytes_up + 58,
        busy_s=node.busy_s + 0.01,
    )
