"""Writes what a sweep folder tells: `sweep.json`, the scenario, the index and the replicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from sim.scenario import Scenario
from sim.sweep import index
from sim.sweep.expand import SEED, Values, variations
from sim.sweep.folder import ABOUT, Folder, Shard, content
from sim.sweep.points import Point, unit_of
from sim.sweep.store import COMPLETE, FAILED, Record
from sim.world.run import as_given, git_commit, versions


@dataclass(frozen=True)
class About:
    """What a sweep is, and how it was called."""

    scenario: Scenario
    mode: str
    keep_runs: bool
    argv: Sequence[str]
    shard: Shard | None
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @cached_property
    def all(self) -> list[Values]:
        """What every point of the whole sweep sets."""
        return variations(self.scenario)

    @property
    def first(self) -> Values:
        """What the first point sets."""
        return self.all[0]

    def begin(self, folder: Folder) -> None:
        """Writes what is known before the first point."""
        folder.write_text("scenario.yaml", as_given(self.scenario))
        folder.write_json("scenario.json", self.scenario.to_json())
        folder.write_json(ABOUT, self._json("running", [], {}))

    def write(self, folder: Folder, status: str, points: Sequence[Point], records: Mapping[str, Record]) -> None:
        """Writes the tables of all points that have a result, then `sweep.json`.

        Without points (their networks are not known yet) the tables stay as they are.
        """
        if points:
            write_tables(folder, index.rows(points, records), list(self.first))
        folder.write_json(ABOUT, self._json(status, points, records))

    def _json(self, status: str, points: Sequence[Point], records: Mapping[str, Record]) -> dict[str, Any]:
        ends = [records[point.key]["status"] for point in points if point.key in records]
        return {
            "kind": "sweep",
            "schema": 1,
            "status": status,
            "scenario": self.scenario.name,
            "seed": self.scenario.seed,
            "started": self.started,
            "argv": list(self.argv),
            "point": {"mode": self.mode, "run_folder": self.keep_runs},
            "varied": list(self.first),
            "units": {path: unit for path, value in self.first.items() if (unit := unit_of(value))},
            "shard": None if self.shard is None else f"{self.shard.number}/{self.shard.count}",
            "points": {
                "sweep": len(self.all),
                "here": len(points),
                "complete": ends.count(COMPLETE),
                "failed": ends.count(FAILED),
            },
            "content": content(self.scenario, self.mode),
            "versions": versions(),
            "git_commit": git_commit(),
            "resolved": self.scenario.to_json(),
        }


def write_tables(folder: Folder, rows: Sequence[index.Row], varied: Sequence[str]) -> None:
    """Writes `index.parquet`, and where seeds vary `replicates.parquet`; the index then tells of these too."""
    found = index.table(rows, varied)
    if SEED in varied:
        replicates = index.replicates(found, varied)
        index.write(replicates, folder.path / index.REPLICATES)
        found = index.with_replicates(found, replicates, varied)
    index.write(found, folder.path / index.INDEX)
