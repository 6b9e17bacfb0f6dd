"""Beyond the paper: every subset of failed cameras without retraining, with failout in training and without.

The accuracy that a failure probability per camera leads to is exact: no sampling, but every subset with its weight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Final

from sim.errors import UsageError
from sim.reproduce import published
from sim.reproduce.cameras import POLICIES, policy_of
from sim.reproduce.lab import Lab
from sim.reproduce.tables import Readings, Result, Row, column, mean, percent, points, told

PROBABILITIES: Final = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
FAILOUT: Final = 0.2
MOST_CAMERAS: Final = 10
WITH, WITHOUT = "failout", "no_failout"

Subset = tuple[str, ...]
BySubset = Mapping[Subset, Sequence[float]]
"""Accuracy of every seed, for each set of cameras that are down."""


def subsets(lab: Lab) -> Result:
    """All sets of failed cameras at T = 0.8."""
    if len(lab.cameras) > MOST_CAMERAS:
        raise UsageError(f"{len(lab.cameras)} cameras have too many subsets; possible are up to {MOST_CAMERAS} cameras")
    names = [down for size in range(len(lab.cameras) + 1) for down in combinations(lab.cameras, size)]
    trainings = _trainings(lab)
    found = {training: _accuracies(lab, names, failout) for training, failout in trainings.items()}
    rows, by_number, expected = _every(found, names), _by_number(found, lab), _expected(found, lab)
    tables = {"subsets": rows, "subsets_by_number": by_number, "subsets_expected": expected}
    return Result(tables, _about(found, by_number, expected, lab))


def _trainings(lab: Lab) -> dict[str, float]:
    """Column name -> failout; the published recipe has none."""
    training = lab.scenario.model.training
    if training.recipe == "published":
        return {WITHOUT: training.failout}
    return {WITH: training.failout or FAILOUT, WITHOUT: 0.0}


def _accuracies(lab: Lab, names: Sequence[Subset], failout: float) -> BySubset:
    cases = [lab.case(seed, down=down, failout=failout) for seed in lab.seeds for down in names]
    overall = column(lab.measure(cases), "accuracy.overall")
    return {down: overall[place :: len(names)] for place, down in enumerate(names)}


def _every(found: Mapping[str, BySubset], names: Sequence[Subset]) -> list[Row]:
    rows = []
    for down in names:
        reading: Readings = {training: list(accuracies[down]) for training, accuracies in found.items()}
        rows.append({"down": "+".join(down), "down_count": len(down), **told(reading, list(reading))})
    return rows


def _by_number(found: Mapping[str, BySubset], lab: Lab) -> list[Row]:
    rows = []
    for number in [*range(len(lab.cameras) + 1), "all subsets"]:
        row: Row = {"down_count": number}
        for training, accuracies in found.items():
            chosen = {down: each for down, each in accuracies.items() if number in (len(down), "all subsets")}
            seeds: Readings = {training: [mean(values) for values in zip(*chosen.values(), strict=True)]}
            worst = min(chosen, key=lambda down: mean(chosen[down]))
            row |= told(seeds, [training])
            row |= {f"{training}_worst": mean(chosen[worst]), f"{training}_worst_down": "+".join(worst)}
        rows.append({**row, "subsets": len(chosen)})
    return rows


def _expected(found: Mapping[str, BySubset], lab: Lab) -> list[Row]:
    count = len(lab.cameras)
    rows = []
    for probability in PROBABILITIES:
        weights = {down: probability ** len(down) * (1 - probability) ** (count - len(down)) for down in _first(found)}
        reading = {
            training: [
                sum(weights[down] * each[seed] for down, each in accuracies.items()) for seed in range(len(lab.seeds))
            ]
            for training, accuracies in found.items()
        }
        rows.append({"failure_probability": probability, **told(reading, list(reading))})
    return rows


def _first(found: Mapping[str, BySubset]) -> BySubset:
    return next(iter(found.values()))


def _about(found: Mapping[str, BySubset], by_number: Sequence[Row], expected: Sequence[Row], lab: Lab) -> list[str]:
    every, tenth = by_number[-1], next(row for row in expected if row["failure_probability"] == 0.1)
    best = WITH if WITH in found else WITHOUT
    average = f"Over all {every['subsets']} subsets {percent(every[best])} are right on average"
    if len(found) > 1:
        gain = every[WITH] - every[WITHOUT]
        average += f" with failout, {percent(every[WITHOUT])} without ({points(gain)} {'less' if gain > 0 else 'more'})"
    said = [
        f"Missing cameras are {POLICIES[policy_of(lab)]}; a run in which every camera is down decides nothing, which "
        "counts as wrong.",
        f"{average}.",
        f"If each camera fails with a probability of 10 %, {percent(tenth[best])} are right.",
    ]
    one: Any = by_number[1]
    said.append(
        f"One camera down: {percent(one[best])} on average, {percent(one[f'{best}_worst'])} at worst "
        f"({one[f'{best}_worst_down']})."
    )
    if len(by_number) > len(published.MISSING_PARTS):
        none, first, *more = map(percent, published.MISSING_PARTS)
        said.append(
            f"For comparison in kind only: the authors' PyTorch version (MNIST cut into six parts, missing ones as "
            f"zeros, no failout) falls from {none} to {first} with one part missing, on average, and to "
            f"{', '.join(more)} with two, three and four (one set each; verified)."
        )
    return said
