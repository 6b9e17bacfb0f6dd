"""What the policy tests share: fleets on a quickly trained network, policies that only tests know, runs in memory."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal

from sweep_kit import write

from brokers.choose import open_carrier
from sim import world
from sim.ddnn import Inference, Table
from sim.ledger.samples import Sample
from sim.plugin import Route, Selection, SelectPolicy, Sends, SplitPolicy, View
from sim.scenario import Scenario
from sim.world.play import Outcome, play

RUN = "rehearse"
EDGE = ("model.edge={filters: 2, blocks: 1}", "exits.edge=0.3")
Decisions = dict[tuple[int, int], tuple[object, ...]]


class Motley(SplitPolicy):
    """Each camera something else, and each sample otherwise."""

    example = "policy_kit:Motley"
    kind: Literal["motley"]

    def choose(self, view: View) -> Sends:
        return view.options[(view.sample + view.camera) % len(view.options)]


class Impossible(SplitPolicy):
    """Scores, whether or not there is anybody to judge them."""

    example = "policy_kit:Impossible"
    kind: Literal["impossible"]

    def choose(self, view: View) -> Sends:
        return "scores"


class Nobody(SelectPolicy):
    """Asks nobody."""

    example = "policy_kit:Nobody"
    kind: Literal["nobody"]

    def choose(self, selection: Selection) -> Collection[int]:
        return ()


class Clumsy(SelectPolicy):
    """Breaks."""

    example = "policy_kit:Clumsy"
    kind: Literal["clumsy"]

    def choose(self, selection: Selection) -> Collection[int]:
        return [1 // 0]


@cache
def _prepared(path: Path, overrides: tuple[str, ...]) -> tuple[world.Prepared, Inference]:
    prepared = world.prepare(world.load(path, overrides))
    return prepared, prepared.network.inference(prepared.dataset)


class Fleet:
    """The small fleet of the sweep tests, or another scenario, under policies."""

    def __init__(self, path: Path, *overrides: str) -> None:
        self.path = path
        self.overrides = overrides

    @property
    def inference(self) -> Inference:
        """The trained network's answers."""
        return _prepared(self.path, self.overrides)[1]

    def judged(self) -> Table:
        """What every exit says of the test samples."""
        prepared, inference = _prepared(self.path, self.overrides)
        return inference.table(prepared.dataset.test)

    def scenario(self, *overrides: str) -> Scenario:
        """The scenario with further overrides."""
        return world.load(self.path, (*self.overrides, *overrides))

    def play(self, *overrides: str, broker: str = "memory") -> Outcome:
        """One run; the network is that without the further overrides."""
        prepared, inference = _prepared(self.path, self.overrides)
        wanted = world.Prepared(type(prepared.plan)(self.scenario(*overrides)), prepared.dataset, prepared.network)
        mqtt = wanted.scenario.mqtt
        with open_carrier(broker, version=mqtt.version, durable=mqtt.durable) as carrier:
            return play(wanted, inference, carrier, None, RUN)


def small(folder: Path, *overrides: str) -> Fleet:
    """Three cameras, one gateway, a link without loss."""
    return Fleet(write(folder, ""), "links.cam->gw.loss=0", *overrides)


def samples(outcome: Outcome) -> list[Sample]:
    """What became of each sample."""
    return [entry for _, _, entry in outcome.book.entries()]


def decisions(outcome: Outcome) -> Decisions:
    """All that is decided, and when."""
    return {
        (site, sample): (entry.fate, entry.predicted, entry.entropy, entry.decided_s, entry.devices_used)
        for site, sample, entry in outcome.book.entries()
    }


def messages(outcome: Outcome) -> dict[str, int]:
    """Messages by kind, all links together."""
    kinds = ("scores", "request", "features", "raw", "exit")
    return {kind: outcome.log.tally(kind=kind).messages for kind in kinds}


def view(**changes: object) -> View:
    """What a camera might know: 100 kbit/s measured, nothing waiting, 10 ms of computing ahead."""
    route = Route(
        payload_bytes={"scores": 12, "features": 128, "raw": 3072},
        link_bytes={"scores": 200, "features": 320, "raw": 3400},
        beyond_s={"scores": 0.01, "features": 0.05, "raw": 0.06},
        request_s=0.01,
    )
    usual = View(
        sample=3,
        camera=0,
        age_s=0.0,
        options=("scores", "features", "raw"),
        route=route,
        bandwidth_bps=100e3,
        waiting=0,
        waiting_bytes=0,
        backlog_s=0.0,
        compute_s=0.01,
        asked=0.5,
        captured=4,
        sent_bytes=0,
        seen=None,
    )
    return replace(usual, **changes)  # type: ignore[arg-type]
