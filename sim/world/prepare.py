"""What a run needs before its first event: scenario, plan, data and the trained network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sim import data, ddnn, faults, policies, scenario
from sim.world.plan import Plan

Progress = Callable[[str, int, int], None]
"""(what is going on, done, total)."""


def load(path: str | Path, overrides: Sequence[str] = (), seed: int | None = None) -> scenario.Scenario:
    """Reads a scenario with all known fault kinds and policies.

    Raises:
        ScenarioError: with every problem at once.
    """
    known, sorts = faults.known(), policies.by_sort()
    return scenario.load(Path(path), overrides=overrides, seed=seed, fault_kinds=known, policies=sorts)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of scenarios with all known fault kinds and policies."""
    return scenario.json_schema(faults.known(), policies.by_sort())


def build(plain: dict[str, Any], path: Path) -> scenario.Scenario:
    """A scenario from plain data with all known fault kinds and policies; `path` is where it was read from.

    Raises:
        ScenarioError: with every problem at once.
    """
    return scenario.build(plain, path, fault_kinds=faults.known(), policies=policies.by_sort())


@dataclass(frozen=True)
class Prepared:
    """A scenario with its data and network, ready to be run any number of times."""

    plan: Plan
    dataset: data.Dataset
    network: ddnn.Network

    @property
    def scenario(self) -> scenario.Scenario:
        """The scenario."""
        return self.plan.scenario

    @cached_property
    def samples(self) -> int:
        """Samples that each site captures."""
        wanted = self.scenario.samples
        return len(self.dataset.test) if wanted == "all" else wanted

    @property
    def period_s(self) -> float:
        """Time from one sample to the next: the shortest period of a camera."""
        return min(camera.config.period_s for camera in self.plan.cameras if camera.config.role == "camera")

    def due(self, until_s: float | None = None) -> int:
        """Samples of each site that are due by `until_s`; None: in the whole run."""
        if until_s is None:
            return self.samples
        return sum(sample * self.period_s <= until_s for sample in range(self.samples))

    def pictures(self) -> list[int]:
        """Index of every picture that the run shows, perhaps more than once."""
        return [self.picture(site, sample) for site in range(self.scenario.sites) for sample in range(self.samples)]

    def picture(self, site: int, sample: int) -> int:
        """Index into the data set of what a site sees as its `sample`-th: the test set, round and round."""
        test = self._test
        return test[(site * self.samples + sample) % len(test)]

    @cached_property
    def _test(self) -> list[int]:
        test: list[int] = self.dataset.test.tolist()
        return test


def prepare(wanted: scenario.Scenario, progress: Progress | None = None, *, retrain: bool = False) -> Prepared:
    """Loads the data; trains the network or takes it from the cache.

    Raises:
        DataError: the data are missing or bad.
        UsageError: the topology and the data do not fit together.
    """
    plan = Plan(wanted)
    dataset = data.load(wanted.data, cameras=wanted.cameras, base=wanted.path.parent)
    network = ddnn.obtain(
        plan.network(dataset),
        plan.training(),
        dataset,
        retrain=retrain,
        progress=None if progress is None else lambda epoch, epochs, _: progress("training", epoch, epochs),
    )
    return Prepared(plan, dataset, network)
