"""From the sweep block of a scenario to its points: which values each one sets, in an order that never changes.

The blocks multiply, from the slowest to the fastest axis: `combinations`, `zip`, `random`, `grid` (in the order of
the file), `seeds`. Points that share the nodes that are down, and hence most of their work, therefore stand together.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any, Final

import numpy as np

from sim import rng
from sim.errors import UsageError
from sim.scenario import Scenario, Sweep
from sim.scenario.model import instance_names
from sim.scenario.sweeps import Combinations, Interval, Random

MAX_POINTS: Final = 1_000_000
DOWN: Final = "down"
SEED: Final = "seed"

Values = Mapping[str, Any]
"""Dotted path in the scenario -> value as a file would have it."""


def variations(scenario: Scenario) -> list[Values]:
    """What each point of the sweep sets.

    Raises:
        UsageError: there is nothing to vary, or far too much.
    """
    if scenario.sweep is None:
        raise UsageError(
            f"{scenario.path} has no sweep block; add one, or give values to vary, e.g. --set exits.local=0.1,0.5,0.9"
        )
    _check_once(scenario.sweep)
    axes = list(_axes(scenario, scenario.sweep))
    count = math.prod(map(len, axes))
    if not axes or count > MAX_POINTS:
        raise UsageError(f"the sweep has {count if axes else 0} points; possible are 1 to {MAX_POINTS}")
    return [{path: value for part in parts for path, value in part.items()} for parts in product(*axes)]


def _check_once(sweep: Sweep) -> None:
    drawn = sweep.random.vary if sweep.random else ()
    paths = [*sweep.grid, *sweep.zip, *drawn, *([SEED] if sweep.seeds else ()), *([DOWN] if sweep.combinations else ())]
    twice = [path for path, count in Counter(paths).items() if count > 1]
    if twice:
        raise UsageError(f"the sweep varies {twice[0]} twice; keep it in one of grid, zip, random, seeds, combinations")


def _axes(scenario: Scenario, sweep: Sweep) -> Iterator[Sequence[Values]]:
    if sweep.combinations is not None:
        yield [{DOWN: subset} for subset in _subsets(scenario, sweep.combinations)]
    if sweep.zip:
        yield [dict(zip(sweep.zip, row, strict=True)) for row in zip(*sweep.zip.values(), strict=True)]
    if sweep.random is not None:
        yield _draws(sweep.random)
    for path, values in sweep.grid.items():
        yield [{path: value} for value in values]
    if sweep.seeds is not None:
        yield [{SEED: seed} for seed in sweep.seeds]


def _subsets(scenario: Scenario, wanted: Combinations) -> Iterator[tuple[str, ...]]:
    group = scenario.nodes[wanted.of]
    names = instance_names(wanted.of, None if group.role == "cloud" else group.count)
    for size in wanted.down:
        yield from combinations(names, size)


def _draws(wanted: Random) -> list[Values]:
    """Every path draws from a stream of its own, so that adding one does not change the others."""
    columns = {}
    for path, choice in wanted.vary.items():
        generator = rng.generator(wanted.seed, "sweep", path)
        if isinstance(choice, Interval):
            columns[path] = [choice.at(share) for share in generator.random(wanted.n).tolist()]
        else:
            columns[path] = [choice[i] for i in _picks(generator, len(choice), wanted.n)]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _picks(generator: np.random.Generator, among: int, count: int) -> list[int]:
    picks: list[int] = generator.integers(among, size=count).tolist()
    return picks
