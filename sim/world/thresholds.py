"""The search for thresholds: what T an exit needs so that a share leaves there, few bytes are spent or enough is right.

It looks at every exit's decision on every sample once and simulates nothing: no faults, no links.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from sim.ddnn import EXITS, Exit, Table, find_threshold
from sim.errors import UsageError
from sim.world.prepare import Prepared

Aim = Literal["exit_share", "payload_bytes", "accuracy"]
Samples = Literal["test", "validation"]
MOST_DIGITS: Final = 17


@dataclass(frozen=True)
class Target:
    """What a threshold is to reach; `at` None is the first exit of the network.

    `aim` and `value` are at least this share of the samples at the exit, at most so many bytes per camera and sample,
    or at least this share of right decisions overall.
    """

    aim: Aim
    value: float
    at: Exit | None = None


@dataclass(frozen=True)
class Outcome:
    """What thresholds lead to on some samples; `bytes` is the payload per camera and sample."""

    samples: int
    accuracy: float
    bytes: float
    exits: Mapping[Exit, float]


@dataclass(frozen=True)
class Choice:
    """Thresholds of all exits below the cloud, where they were chosen, and what they lead to there and on test."""

    thresholds: Mapping[Exit, float]
    chosen_on: Samples
    there: Outcome
    on_test: Outcome


def choose(prepared: Prepared, targets: Sequence[Target], on: Samples = "test") -> Choice:
    """Find a threshold for each target, from the cameras upwards; the other exits keep the scenario's.

    Raises:
        UsageError: a target cannot be met, two are for one exit, or there are no validation samples.
    """
    inference, test = prepared.network.inference(prepared.dataset), prepared.dataset.test
    samples = test if on == "test" else inference.validation
    if not len(samples):
        raise UsageError(
            "the network was trained on all training samples, so there are no validation samples: "
            "set model.training.validation, e.g. to 0.2, or choose on test"
        )
    table = inference.table(samples)
    thresholds = dict(_given(prepared))
    for exit_, target in _by_exit(targets, table).items():
        others = {name: value for name, value in thresholds.items() if name != exit_}
        found = find_threshold(table, **{target.aim: target.value}, at=exit_, others=others)
        thresholds[exit_] = _shortest(table, others, exit_, found)
    ordered = {name: thresholds[name] for name in EXITS if name in thresholds}
    on_test = table if on == "test" else inference.table(test)
    return Choice(ordered, on, _outcome(table, ordered), _outcome(on_test, ordered))


def _given(prepared: Prepared) -> Mapping[Exit, float]:
    """The scenario's thresholds of the exits that the network has."""
    given = prepared.scenario.exits.thresholds()
    return {name: given[name] for name in EXITS if name in given and name in prepared.network.spec.exits}


def _by_exit(targets: Sequence[Target], table: Table) -> Mapping[Exit, Target]:
    """The targets in the order of the exits: what leaves early does not reach the later ones."""
    there = [name for name in EXITS if name in table.spec.exits and name != "cloud"]
    if not there:
        raise UsageError("the network classifies in the cloud only: there is no threshold to find")
    found: dict[Exit, Target] = {}
    for target in targets:
        exit_ = target.at or there[0]
        if exit_ in found:
            raise UsageError(f"two targets for the exit {exit_!r}: one threshold meets one")
        if exit_ not in there:
            raise UsageError(f"the scenario has no exit {exit_!r}; it has {', '.join(there)}")
        found[exit_] = target
    return {name: found[name] for name in there if name in found}


def _shortest(table: Table, others: Mapping[Exit, float], at: Exit, threshold: float) -> float:
    """The threshold with the fewest digits that decides all samples as `threshold` does."""
    wanted = table.decide({**others, at: threshold}).left
    for digits in range(1, MOST_DIGITS):
        rounded = round(threshold, digits)
        if np.array_equal(table.decide({**others, at: rounded}).left, wanted):
            return rounded
    return threshold


def _outcome(table: Table, thresholds: Mapping[Exit, float]) -> Outcome:
    decided = table.decide(thresholds)
    shares: dict[Exit, float] = {name: float(decided.share(name)) for name in (*thresholds, "cloud")}
    return Outcome(len(table.indices), float(decided.accuracy), float(table.payload_bytes(decided)), shares)
