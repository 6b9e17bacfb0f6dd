"""The points of a sweep as checked scenarios, and their keys: the hash of everything that determines a result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Final

from sim import data, units
from sim.ddnn import NetworkSpec, TrainSpec
from sim.errors import Problem, ScenarioError
from sim.scenario import Scenario
from sim.scenario.overrides import replaced, resolve
from sim.sweep.expand import DOWN, Values, variations
from sim.world.plan import Plan

Build = Callable[[dict[str, Any]], Scenario]
"""Plain data to a checked scenario; raises ScenarioError."""
DataName = tuple[str, int]
MAX_PROBLEMS: Final = 20
_DIMENSIONS: Final = (units.DURATION, units.BIT_RATE, units.COMPUTE, units.POWER)


@dataclass(frozen=True, slots=True)
class Need:
    """A network that points of the sweep run on, and what it is trained on."""

    spec: NetworkSpec
    training: TrainSpec
    data_sha256: str
    dataset: data.Dataset = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Draft:
    """A point before its network is there: what it sets, the digest of its scenario, which network it needs."""

    number: int
    values: Values
    seed: int
    digest: str
    need: Need


@dataclass(frozen=True, slots=True)
class Point:
    """A point with its key. `columns` is what the tables tell of its varied values, in SI units."""

    number: int
    key: str
    seed: int
    values: Values
    data_sha256: str
    weights_sha256: str

    @property
    def columns(self) -> dict[str, Any]:
        """`down` and `down_count` where nodes are down, then every varied path but the seed."""
        row: dict[str, Any] = {}
        for path, value in self.values.items():
            if path == DOWN:
                row |= {DOWN: "+".join(value), "down_count": len(value)}
            elif path != "seed":
                row[path] = in_si(value)
        return row


def canonical(value: object) -> bytes:
    """The one JSON text of a value, for hashing."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def sha256(value: object) -> str:
    """The digest of a JSON value."""
    return hashlib.sha256(canonical(value)).hexdigest()


def version() -> str:
    """The version of FogFleet, which is part of every key."""
    return metadata.version("fogfleet")


def variant(base: Mapping[str, Any], values: Values) -> dict[str, Any]:
    """The data of one point: `base` (a resolved scenario without its sweep) with the varied values in place.

    Nodes that the base has down stay down.
    """
    found: Any = base
    for path, value in values.items():
        if path == DOWN:
            value = [*found.get(DOWN, ()), *(name for name in value if name not in found.get(DOWN, ()))]
        found = replaced(found, resolve(found, path, value), value)
    return dict(found)


def base_of(scenario: Scenario) -> dict[str, Any]:
    """The resolved scenario without its sweep."""
    return {name: value for name, value in scenario.to_json().items() if name != "sweep"}


def drafts(scenario: Scenario, build: Build) -> list[Draft]:
    """Every point of the sweep, checked.

    Raises:
        ScenarioError: some points are impossible; it tells of the first few, each by its values.
        UsageError, DataError: as expanding, or loading the data that points need.
    """
    base, datasets = base_of(scenario), _Datasets()
    needs: dict[Need, Need] = {}
    found, problems = [], list[Problem]()
    for number, values in enumerate(variations(scenario)):
        try:
            point = build(variant(base, values))
        except ScenarioError as error:
            problems += _told(scenario, values, error)
            if len(problems) >= MAX_PROBLEMS:
                break
            continue
        plan, dataset = Plan(point), datasets(point)
        need = Need(plan.network(dataset), plan.training(), dataset.sha256, dataset)
        found.append(Draft(number, values, point.seed, sha256(base_of(point)), needs.setdefault(need, need)))
    if problems:
        raise ScenarioError(tuple(dict.fromkeys(problems)))
    return found


def data_name(scenario: Scenario) -> DataName:
    """What a scenario says of its data, to tell data sets apart."""
    return scenario.data.model_dump_json(by_alias=True), scenario.cameras


class _Datasets:
    """Data sets by what the scenario says of them; a sweep has one, as a rule."""

    def __init__(self) -> None:
        self._known: dict[DataName, data.Dataset] = {}

    def __call__(self, scenario: Scenario) -> data.Dataset:
        wanted = data_name(scenario)
        found = self._known.get(wanted)
        if found is None:
            found = data.load(scenario.data, cameras=scenario.cameras, base=scenario.path.parent)
            self._known[wanted] = found
        return found


def _told(scenario: Scenario, values: Values, error: ScenarioError) -> Iterator[Problem]:
    setting = " and ".join(f"{path} = {units.shown(value)}" for path, value in values.items())
    for problem in error.problems:
        yield Problem(str(scenario.path), 0, 0, f"sweep: {problem.path}", f"{problem.message} (with {setting})")


def keyed(found: Iterable[Draft], weights: Mapping[Need, str]) -> list[Point]:
    """The points, once it is known which weights each one runs on (their digest; empty where there are none)."""
    own = version()
    return [
        Point(
            number=draft.number,
            key=sha256([draft.digest, draft.need.data_sha256, weights[draft.need], own])[:32],
            seed=draft.seed,
            values=draft.values,
            data_sha256=draft.need.data_sha256,
            weights_sha256=weights[draft.need],
        )
        for draft in found
    ]


def in_si(value: object) -> Any:
    """A varied value as tables hold it: quantities and percentages as numbers in SI, structures as JSON text."""
    if not isinstance(value, str):
        return json.dumps(value) if isinstance(value, list | tuple | dict) else value
    for parse in (*(dimension.parse for dimension in _DIMENSIONS), units.fraction):
        try:
            return parse(value)
        except ValueError:
            continue
    return value


def unit_of(value: object) -> str | None:
    """The SI unit of a varied value, None for a plain number or text."""
    for dimension in _DIMENSIONS:
        try:
            dimension.parse(value)
        except ValueError:
            continue
        return next(name for name, size in dimension.units.items() if size == 1)
    return None
