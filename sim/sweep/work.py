"""What a worker does: simulate points, each to one record; they share data, networks and what those answered."""

from __future__ import annotations

import shutil
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sim import world
from sim.errors import FogFleetError, SetupError
from sim.scenario import Scenario
from sim.sweep.bench import Bench
from sim.sweep.expand import Values
from sim.sweep.figures import flat
from sim.sweep.points import variant, version
from sim.sweep.store import COMPLETE, FAILED, Record
from sim.world import Mode


@dataclass(frozen=True)
class Job:
    """What all tasks of a sweep have in common.

    Attributes:
        base: the resolved scenario without its sweep.
        path: where the scenario was read from; relative data paths resolve against its folder.
        mode, broker: as for a run.
        runs: where to keep a run folder for each point, if anywhere.
        version: of the FogFleet that plans; workers on other machines must have the same.
    """

    base: dict[str, Any]
    path: Path
    mode: Mode = "virtual"
    broker: str = "auto"
    runs: Path | None = None
    version: str = field(default_factory=version)


@dataclass(frozen=True, slots=True)
class Task:
    """One point to simulate, and the digests of the data and weights that its key stands for."""

    key: str
    values: Values
    data_sha256: str
    weights_sha256: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A network to have, by the values of a point that needs it."""

    number: int
    values: Values


@dataclass(frozen=True, slots=True)
class Trained:
    """A network that is there now, or why it is not."""

    number: int
    weights_sha256: str
    error: str | None
    wall_s: float


_BENCH: Final = Bench()
_ONE_AT_A_TIME: Final = threading.Lock()
"""A Dask worker may have several threads; the bench is for one."""


def perform(job: Job, tasks: Sequence[Task]) -> list[Record]:
    """One record a task: its figures, or why it failed."""
    with _ONE_AT_A_TIME:
        return [_record(job, task) for task in tasks]


def train(job: Job, tasks: Sequence[Wanted]) -> list[Trained]:
    """One network a task, from the cache or trained; what hinders one does not hinder the others."""
    with _ONE_AT_A_TIME:
        return [_train(job, task) for task in tasks]


def _train(job: Job, task: Wanted) -> Trained:
    began = time.perf_counter()
    weights, error = "", None
    try:
        _check_version(job)
        weights = _BENCH.prepared(_scenario(job, task.values)).network.sha256
    except Exception as problem:  # this network cannot be had; the points that need it will say so
        error = _reason(problem)
    return Trained(task.number, weights, error, time.perf_counter() - began)


def _record(job: Job, task: Task) -> Record:
    began = time.perf_counter()
    record: Record = {"key": task.key}
    try:
        _check_version(job)
        record |= {"status": COMPLETE, "figures": _figures(job, task)}
    except Exception as error:  # also a fault in a plug-in or in FogFleet: this point fails, the others go on
        record |= {"status": FAILED, "error": _reason(error)}
    record["wall_s"] = round(time.perf_counter() - began, 4)
    return record


def _reason(error: Exception) -> str:
    """What a table says of an error; for one that nobody raised on purpose, also where."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, FogFleetError):
        return text
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{text} ({Path(place.filename).name}:{place.lineno})"


def _figures(job: Job, task: Task) -> dict[str, Any]:
    scenario = _scenario(job, task.values)
    prepared = _BENCH.prepared(scenario)
    found = (prepared.dataset.sha256, prepared.network.sha256)
    if found != (task.data_sha256, task.weights_sha256):
        raise SetupError(
            "this worker has other data or weights than the sweep was planned with; share the cache folder "
            "(FOGFLEET_CACHE) between the machines"
        )
    inference = _BENCH.inference(prepared)
    if job.runs is not None:
        return flat(_kept(job, scenario, job.runs, task.key))
    alone = _BENCH.per_camera(prepared)
    return flat(world.rehearse(prepared, inference, alone, mode=job.mode, broker=job.broker))


def _kept(job: Job, scenario: Scenario, runs: Path, key: str) -> dict[str, Any]:
    """Simulates with a run folder of its own, called by the point's key; what an earlier attempt left goes first."""
    for leftover in (runs / scenario.name).glob(f"{key}*"):
        shutil.rmtree(leftover)
    return world.simulate(scenario, mode=job.mode, broker=job.broker, out=runs, run_id=key).summary


def _scenario(job: Job, values: Values) -> Scenario:
    return world.build(variant(job.base, values), job.path)


def _check_version(job: Job) -> None:
    if job.version != version():
        raise SetupError(f"this worker has FogFleet {version()}, the sweep was planned with {job.version}")
