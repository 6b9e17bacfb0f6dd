"""One sweep from scenario to tables: what is there already is kept, what is missing is worked on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sim import world
from sim.errors import SetupError
from sim.scenario import Scenario
from sim.sweep import networks, store, tables
from sim.sweep.crew import Crew
from sim.sweep.folder import Folder, Shard
from sim.sweep.points import Draft, Point, base_of, drafts, keyed
from sim.sweep.pools import LOCAL, Pool, choose
from sim.sweep.progress import Meter, Progress
from sim.sweep.store import COMPLETE, FAILED, Record, Store
from sim.sweep.work import Job, Task, perform
from sim.world import Mode


@dataclass(frozen=True)
class Options:
    """How a sweep is run.

    Attributes:
        mode, broker: as for a run; `virtual` unless given.
        executor: `local` or `dask://host:port`.
        jobs: processes of the local executor; 1 works in this process.
        shard: the part of the points that this run is for; None: all.
        force: forget the results that are there.
        keep_runs: write a run folder for every point.
        out: parent of the scenarios' folders.
        argv: the command line, for `sweep.json`.
    """

    mode: Mode = "virtual"
    broker: str = "auto"
    executor: str = LOCAL
    jobs: int = 1
    shard: Shard | None = None
    force: bool = False
    keep_runs: bool = False
    out: Path = Path("runs")
    argv: Sequence[str] = ()


@dataclass(frozen=True)
class SweepResult:
    """A finished sweep.

    Attributes:
        folder: where it lies.
        points: how many it has.
        reused: how many of them had a result from an earlier run.
        failed: the points that failed, each with its reason.
    """

    folder: Path
    points: int
    reused: int
    failed: tuple[tuple[Point, str], ...]

    @property
    def exit_code(self) -> int:
        """0, or 5 where points failed."""
        return 5 if self.failed else 0


def sweep(scenario: Scenario, options: Options, progress: Progress = lambda state: None) -> SweepResult:
    """Runs the sweep block of a scenario, or what is missing of it, and writes the tables.

    Raises:
        ScenarioError: some points are impossible; nothing has been run or written.
        SetupError: the cluster cannot be reached; nothing has been written.
        FogFleetError: what concerns all points (a full disk, a cluster that is gone); results so far are kept.
    """
    pool = choose(options.executor, options.jobs)
    try:
        found = planned(scenario, options)
        pool.executor()  # a cluster that cannot be reached is told of before anything is written
        folder = Folder.of(scenario, options.mode, options.out, options.shard)
        with Store(folder.path, fresh=options.force) as results:
            return _Run(scenario, options, folder, pool, progress).finish(found, results)
    finally:
        pool.close()


def planned(scenario: Scenario, options: Options) -> Sequence[Draft]:
    """The points of a sweep, or of one shard of it, checked."""
    found = drafts(scenario, partial(world.build, path=scenario.path))
    return options.shard.of(found) if options.shard else found


def job_of(scenario: Scenario, options: Options, folder: Folder) -> Job:
    """What all tasks of a sweep have in common."""
    runs = folder.path.absolute() / "runs" if options.keep_runs else None
    return Job(base_of(scenario), scenario.path.absolute(), options.mode, options.broker, runs)


class _Run:
    """One sweep on its way; holds the results by key."""

    def __init__(self, scenario: Scenario, options: Options, folder: Folder, pool: Pool, progress: Progress) -> None:
        self._scenario = scenario
        self._options = options
        self._folder = folder
        self._pool = pool
        self._progress = progress
        self._job = job_of(scenario, options, folder)
        self._points: list[Point] = []
        self._records: dict[str, Record] = store.read(folder.path)

    def finish(self, found: Sequence[Draft], results: Store) -> SweepResult:
        """Does what is missing; whatever happens, the tables then hold what is there."""
        about = tables.About(
            self._scenario, self._options.mode, self._options.keep_runs, self._options.argv, self._options.shard
        )
        about.begin(self._folder)
        try:
            self._points = self._keyed(found)
            reused = self._simulate(results)
        except BaseException:
            # The reason counts, not that the tables cannot be written either (a full disk).
            with suppress(SetupError):
                about.write(self._folder, "interrupted", self._points, self._records)
            raise
        about.write(self._folder, "complete", self._points, self._records)
        ends = [(point, self._records[point.key]) for point in self._points]
        failed = tuple((point, record["error"]) for point, record in ends if record["status"] == FAILED)
        return SweepResult(self._folder.path, len(ends), reused, failed)

    def _keyed(self, found: Sequence[Draft]) -> list[Point]:
        """The points with their keys, for which their networks have to be there; those without one have failed."""
        needs = {draft.need: draft.values for draft in reversed(found)}
        trained = networks.obtain(self._job, needs, self._pool, self._progress)
        points = keyed(found, {need: answer.weights_sha256 for need, answer in trained.items()})
        for draft, point in zip(found, points, strict=True):
            error = trained[draft.need].error
            if error is not None:
                self._records[point.key] = {"key": point.key, "status": FAILED, "error": error, "final": True}
        return points

    def _simulate(self, results: Store) -> int:
        """Simulates the points without a complete result; returns how many others there are."""
        known, copies = self._records, Counter(point.key for point in self._points)
        todo = {point.key: point for point in self._points if not _is_settled(known.get(point.key))}
        settled = [known[point.key]["status"] for point in self._points if point.key not in todo]
        meter = Meter("points", len(self._points), self._progress, len(settled), settled.count(FAILED))

        def deliver(records: list[Record]) -> None:
            results.add(records)
            known.update((record["key"], record) for record in records)
            failed = (copies[record["key"]] for record in records if record["status"] == FAILED)
            meter.tell(sum(copies[record["key"]] for record in records), sum(failed))

        def give_up(task: Task, reason: str) -> None:
            deliver([{"key": task.key, "status": FAILED, "error": reason, "wall_s": 0.0}])

        meter.tell()
        tasks = [Task(p.key, p.values, p.data_sha256, p.weights_sha256) for p in todo.values()]
        Crew(self._pool, partial(perform, self._job), deliver, give_up, _seconds).run(tasks)
        return settled.count(COMPLETE)


def _is_settled(record: Record | None) -> bool:
    """Whether a point needs no work: it has its figures, or there is no network for it."""
    return record is not None and (record["status"] == COMPLETE or record.get("final", False))


def _seconds(record: Record) -> float:
    return float(record["wall_s"])
