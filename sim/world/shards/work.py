"""What one process does: it builds some of the sites and a share of the cloud, runs them out, and tells the rest."""

from __future__ import annotations

import pickle
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sim.clock import Clock
from sim.data import Dataset
from sim.ddnn import Inference, Network
from sim.forks import enlist
from sim.ledger.relay import Batch, RelayLog
from sim.ledger.samples import SampleBook
from sim.nodes.express import courses
from sim.nodes.shared import SharedCloud
from sim.nodes.shortcut import Shortcut
from sim.world.fleet import Builder
from sim.world.plan import Plan
from sim.world.play import few_collections, release
from sim.world.prepare import Prepared, build
from sim.world.shards.gather import Share, shared
from sim.world.shards.peers import PeerGoneError, Peers
from sim.world.shards.windows import Rounds, Windows
from sim.world.wiring import forms, open_samples, services, switch_off


@dataclass(frozen=True)
class Job:
    """What all processes of a run have in common.

    Attributes:
        scenario, path: in plain data, and where it was read from; policies of somebody else cannot be copied otherwise.
        run: the run's token.
        every_s: how often each process reports at least.
    """

    scenario: dict[str, Any]
    path: Path
    dataset: Dataset
    network: Network
    inference: Inference
    run: str
    every_s: float

    @property
    def prepared(self) -> Prepared:
        """The run as it was prepared."""
        return Prepared(Plan(build(self.scenario, self.path)), self.dataset, self.network)


@dataclass(frozen=True)
class Place:
    """One process among those of a run; `links` lead to the others, by their numbers."""

    number: int
    sites: range
    links: Mapping[int, Connection]


def work(job: bytes, place: Place, tell: Connection, leash: Connection) -> None:
    """The main function of a process: tells batches of rows and at last a `Share`, or what went wrong."""
    enlist(leash)
    try:
        tell.send(_simulate(pickle.loads(job), place, tell.send))
    except PeerGoneError:
        threading.Event().wait()  # for the leash; why it is gone is told by the other one
    except Exception as error:
        error.add_note(traceback.format_exc())
        tell.send(error)


@few_collections()
def _simulate(job: Job, place: Place, hand_on: Callable[[Batch], object]) -> Share:
    prepared, sites = job.prepared, place.sites
    plan, scenario = prepared.plan, prepared.scenario
    clock, book = Clock(), SampleBook(scenario.sites, prepared.samples)
    log = RelayLog(sites.start * plan.lanes, hand_on, job.every_s)
    fabric = Shortcut(clock, log, forms(scenario.mqtt))
    given = services(prepared, job.inference, clock, fabric, book)
    fleet = Builder(plan, given, job.run, SharedCloud).build(sites)
    switch_off(fleet, scenario.down)
    open_samples(prepared, book, sites)
    fabric.parts = windows = Windows(clock, sites, fleet.lanes)
    cameras = fleet.cameras(down=scenario.down)
    express = courses(fabric, cameras, prepared.samples)
    release(clock, windows, cameras, prepared.samples, express, disturbed=False)
    cloud = fleet.nodes[-1]
    assert isinstance(cloud, SharedCloud)
    rounds = Rounds(clock, windows, cloud, Peers(place.links), place.number)
    rounds.run(log.settle)
    log.close()
    fabric.settle()
    return shared(fleet, book, sites, fabric.overheard_bytes, rounds.last_s)
