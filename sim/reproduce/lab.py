"""The place where experiments are run: one scenario, several seeds, and points of it simulated by `sim.sweep`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow.parquet as pq

from sim import world
from sim.errors import SetupError, UsageError
from sim.reproduce.published import THRESHOLD
from sim.scenario import Scenario
from sim.sweep import INDEX, Options, Progress, sweep
from sim.sweep.points import base_of, variant

Policy = Literal["mask", "zero", "retrain"]
Figures = Mapping[str, Any]
"""The figures of one simulated point by dotted name, as in the index of a sweep."""

BASE: Final = Path(__file__).with_name("six_cameras.yaml")
MOST_POINTS: Final = 4096
QUICK_EPOCHS: Final = 30
QUICK_TRAIN: Final = 240
QUICK_TEST: Final = 100
VALIDATION: Final = 0.2
"""Share of the training samples that is kept aside where thresholds are chosen on validation samples."""


@dataclass(frozen=True)
class Wanted:
    """What a person asked for.

    Attributes:
        data: `multiview`, `mvmc:PATH` or the path of a scenario file.
        split: a permutation file for `mvmc`.
        test: number of test samples of generated data.
        recipe: how networks are trained; None: as the scenario says.
        seeds: how many, from 0.
        missing: what is done about cameras that fail where nothing is trained anew.
        chosen_on: the samples on which thresholds are chosen.
        quick: a few epochs, samples and one seed: shows that all works, and nothing else.
    """

    data: str = "multiview"
    split: Path | None = None
    test: int = 2000
    recipe: Literal["default", "published"] | None = None
    seeds: int = 3
    missing: Literal["mask", "zero"] = "mask"
    chosen_on: Literal["test", "validation"] = "test"
    quick: bool = False


@dataclass(frozen=True)
class Case:
    """One point: what it sets in the lab's scenario. The fields are in the order of `PATHS`."""

    seed: int
    local: str
    cloud: str
    blocks: int
    filters: int
    missing: Policy
    failout: float
    validation: float
    down: tuple[str, ...] = ()
    threshold: float = THRESHOLD


PATHS: Final = (
    "seed",
    "model.aggregate.local",
    "model.aggregate.cloud",
    "model.device.blocks",
    "model.device.filters",
    "model.missing",
    "model.training.failout",
    "model.training.validation",
    "down",
    "exits.local",
)
assert len(PATHS) == len(fields(Case))


@dataclass(frozen=True)
class Lab:
    """One scenario, and how its points are simulated.

    Attributes:
        scenario: what all points are variations of.
        wanted: what was asked for.
        points: folder of the simulated points; what lies there is not simulated again.
        jobs: processes.
        progress: told how far a series of points is.
    """

    scenario: Scenario
    wanted: Wanted
    points: Path
    jobs: int = 1
    progress: Progress = field(default=lambda state: None, repr=False)

    @property
    def seeds(self) -> range:
        """The seeds of networks and runs."""
        return range(1 if self.wanted.quick else self.wanted.seeds)

    @property
    def cameras(self) -> tuple[str, ...]:
        """The names of the cameras of a site."""
        return tuple(node.name for node in self.scenario.expanded() if node.role == "camera")

    @property
    def masks(self) -> bool:
        """Whether cameras that do not send are left out rather than taken as zeros, where nothing is retrained."""
        return self.wanted.missing == "mask" and self.scenario.model.training.recipe == "default"

    def case(self, seed: int, **changed: Any) -> Case:
        """The scenario as it is, but for what is changed."""
        model = self.scenario.model
        given: dict[str, Any] = {
            "local": model.aggregate.local,
            "cloud": model.aggregate.cloud,
            "blocks": model.device.blocks,
            "filters": model.device.filters,
            "missing": self.wanted.missing,
            "failout": model.training.failout,
            "validation": model.training.validation,
        }
        return Case(seed, **(given | changed))

    def measure(self, cases: Sequence[Case]) -> list[Figures]:
        """Simulates points, in `virtual` mode, and returns the figures of each; trains the networks that they need.

        Raises:
            SetupError: a point failed.
            FogFleetError: as a sweep.
        """
        found: dict[int, Figures] = {}
        for seed in self.seeds:  # each a sweep of its own, so that more seeds later find these done
            places = [place for place, case in enumerate(cases) if case.seed == seed]
            for start in range(0, len(places), MOST_POINTS):
                part = places[start : start + MOST_POINTS]
                found.update(zip(part, self._measure([cases[place] for place in part]), strict=True))
        return [found[place] for place in range(len(cases))]

    def _measure(self, cases: Sequence[Case]) -> Iterator[Figures]:
        columns = zip(*map(astuple, cases), strict=True)
        block = {"zip": {path: _plain(column) for path, column in zip(PATHS, columns, strict=True)}}
        wanted = world.build({**base_of(self.scenario), "sweep": block}, self.scenario.path)
        result = sweep(wanted, Options(jobs=self.jobs, out=self.points), self.progress)
        for point, reason in result.failed:
            raise SetupError(f"point {point.number} failed ({point.columns}): {reason}")
        yield from pq.read_table(result.folder / INDEX).to_pylist()

    def prepared(self, case: Case) -> world.Prepared:
        """The scenario of a case with its data and its network, which was trained by `measure` or is now."""
        plain = variant(base_of(self.scenario), dict(zip(PATHS, map(_listed, astuple(case)), strict=True)))
        return world.prepare(world.build(plain, self.scenario.path))


def _plain(column: Sequence[Any]) -> list[Any]:
    return [_listed(value) for value in column]


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def build_lab(wanted: Wanted, out: Path, jobs: int = 1, progress: Progress = lambda state: None) -> Lab:
    """The lab for what was asked for.

    Args:
        wanted: what was asked for.
        out: folder of the results; points go to its subfolder `points`.
        jobs: processes.
        progress: told how far a series of points is.

    Raises:
        ScenarioError: the scenario is not valid.
        UsageError: the experiments cannot be made of that scenario.
    """
    path, overrides = _base(wanted)
    scenario = world.load(path, overrides)
    if scenario.data.kind == "multiview":
        scenario = world.load(path, [*overrides, *_generated(wanted)])
    if scenario.exits.local is None or scenario.model.edge is not None:
        raise UsageError(f"{path}: the published experiments need a local exit (exits.local) and no edge section")
    if len({node.uplink for node in scenario.expanded() if node.role == "camera"}) != 1:
        raise UsageError(f"{path}: the published experiments have one gateway for all cameras")
    plain = {key: value for key, value in base_of(scenario).items() if key != "expect"}
    return Lab(world.build(plain, scenario.path), wanted, out / "points", jobs, progress)


def _base(wanted: Wanted) -> tuple[Path, list[str]]:
    """The scenario file, and what is changed in it: all samples, no lost packets, the recipe."""
    changes = ["samples=all"]
    if wanted.recipe is not None:
        changes.append(f"model.training.recipe={wanted.recipe}")
    if wanted.quick:
        changes.append(f"model.training.epochs={QUICK_EPOCHS}")
    kind, _, place = wanted.data.partition(":")
    if wanted.split is not None and kind != "mvmc":
        raise UsageError("a permutation file (--split) goes with --data mvmc:PATH")
    if kind == "multiview" and not place:
        return BASE, [*changes, "links.cam->gw.loss=0"]
    if kind == "mvmc" and place:
        split = "" if wanted.split is None else f', split: "{wanted.split.absolute()}"'
        data = f'data={{kind: mvmc, path: "{Path(place).absolute()}"{split}}}'
        return BASE, [*changes, "links.cam->gw.loss=0", data]
    if Path(wanted.data).suffix not in (".yaml", ".yml"):
        raise UsageError(f"no data '{wanted.data}'; write multiview, mvmc:PATH, or the name of a scenario file (.yaml)")
    return Path(wanted.data), changes


def _generated(wanted: Wanted) -> list[str]:
    if wanted.quick:
        return [f"data.train={QUICK_TRAIN}", f"data.test={min(wanted.test, QUICK_TEST)}"]
    return [f"data.test={wanted.test}"]
