"""What a sweep would cost: points, networks, time and bytes, without running anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sim.scenario import Scenario
from sim.sweep import store
from sim.sweep.folder import Folder
from sim.sweep.networks import there
from sim.sweep.points import Point, canonical, keyed
from sim.sweep.run import Options, planned
from sim.sweep.store import COMPLETE, Record

# Measured on one core of the machine that FogFleet was built on; a sweep that has begun knows better.
MESSAGES_A_SECOND: Final = 60_000
BYTES_A_POINT: Final = 6_000
START_S: Final = 2.0
_MESSAGES_A_CAPTURE: Final = 3.2


@dataclass(frozen=True)
class Estimate:
    """What a sweep would do.

    Attributes:
        folder: where its results go.
        done: how many points have a complete result.
        networks: how many networks it needs, and `to_train` of them are not in the cache yet.
        seconds_each: processor time of one point; `measured` tells whether it comes from points that are done.
        seconds: wall time for what is missing, without training.
        disk_bytes: what the results of all points take on disk.
        points: one row a point: `point`, `done`, and its varied values as in the index.
    """

    folder: Path
    points: tuple[dict[str, Any], ...]
    done: int
    networks: int
    to_train: int
    seconds_each: float
    measured: bool
    seconds: float
    disk_bytes: int


def estimate(scenario: Scenario, options: Options) -> Estimate:
    """Checks every point of a sweep and tells what running it would take.

    Raises:
        ScenarioError: some points are impossible.
    """
    found = planned(scenario, options)
    folder = Folder.of(scenario, options.mode, options.out, options.shard).path
    known = {} if options.force else store.read(folder)
    weights = {need: there(need) for need in dict.fromkeys(draft.need for draft in found)}
    points = keyed(found, {need: digest or "" for need, digest in weights.items()})
    records = [known.get(point.key, {}) for point in points]
    done = [record for record in records if record.get("status") == COMPLETE]
    each, measured = _seconds_each(scenario, done)
    size = sum(len(canonical(record)) for record in done) / len(done) if done else BYTES_A_POINT
    return Estimate(
        folder=folder,
        points=tuple(_row(point, record) for point, record in zip(points, records, strict=True)),
        done=len(done),
        networks=len(weights),
        to_train=sum(digest is None for digest in weights.values()),
        seconds_each=each,
        measured=measured,
        seconds=START_S + (len(points) - len(done)) * each / options.jobs if len(done) < len(points) else 0.0,
        disk_bytes=round(len(points) * size),
    )


def _row(point: Point, record: Record) -> dict[str, Any]:
    return {"point": point.number, "done": record.get("status") == COMPLETE, "seed": point.seed, **point.columns}


def _seconds_each(scenario: Scenario, done: Sequence[Record]) -> tuple[float, bool]:
    if done:
        return sum(record["wall_s"] for record in done) / len(done), True
    samples = 171 if scenario.samples == "all" else scenario.samples
    return scenario.sites * samples * scenario.cameras * _MESSAGES_A_CAPTURE / MESSAGES_A_SECOND, False
