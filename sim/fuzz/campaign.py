"""Many schedules one after the other; the first that breaks an invariant is made as small as it can be."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sim.faults import Kinds
from sim.fuzz.bases import Plain
from sim.fuzz.draw import Artist
from sim.fuzz.judge import Judge

PARTS: Final = ("tenants", "policies")
SCHEDULE_KEYS: Final = ("together", "pick", "probability", "shape", "lag", "every", "bursts", "when", "after")
FEWEST_SAMPLES: Final = 1


@dataclass(frozen=True)
class Failure:
    """A schedule that breaks an invariant.

    Attributes:
        seed: of the schedule.
        broken: the invariant and how.
        scenario: as drawn.
        smallest: the smallest schedule found that still fails.
    """

    seed: int
    broken: str
    scenario: Plain
    smallest: Plain


@dataclass
class Campaign:
    """Schedules of consecutive seeds.

    Args:
        kinds: the fault kinds to draw from.
        base: the user's scenario as plain data; None draws from small fleets of every topology.
        path: where the user's scenario lies.
        broker: the real broker to compare with, or None.
    """

    kinds: Kinds
    base: Plain | None = None
    path: Path = Path("fuzz.yaml")
    broker: str | None = None
    runs: int = 0
    kills: int = 0
    impossible: int = 0

    def __post_init__(self) -> None:
        built_in = {name: self.kinds[name] for name in self.kinds if name not in self.kinds.sources}
        self._artist = Artist(built_in, self.base, kills=self.broker is not None)
        self._judge = Judge(self.kinds, self.path, self.broker)

    def run(self, first_seed: int, runs: int, progress: Callable[[int], None] = lambda done: None) -> Failure | None:
        """Runs the schedules of `runs` seeds; the first failure, made small, or None."""
        for number in range(runs):
            seed = first_seed + number
            plain = self._artist.scenario(seed)
            verdict = self._judge.judge(deepcopy(plain))
            self.runs += 1
            self.kills += verdict.kills
            self.impossible += verdict.impossible
            if verdict.broken is not None:
                return Failure(seed, verdict.broken, plain, self.shrink(plain, verdict.broken))
            progress(number + 1)
        return None

    def shrink(self, plain: Plain, broken: str) -> Plain:
        """Leaves out faults, policies, tenants, schedule keys and samples as long as the same invariant is broken."""
        sign = broken.split()[0]

        def fails(candidate: Plain) -> bool:
            found = self._judge.judge(deepcopy(candidate)).broken
            return found is not None and found.split()[0] == sign

        plain = _without_faults(plain, fails)
        for part in PARTS:
            plain = _try(plain, fails, lambda small, p=part: small.pop(p))  # type: ignore[misc]
        for fault in range(len(plain["faults"])):
            for key in SCHEDULE_KEYS:
                plain = _try(plain, fails, lambda small, f=fault, k=key: small["faults"][f].pop(k))  # type: ignore[misc]
        while isinstance(plain["samples"], int) and plain["samples"] > FEWEST_SAMPLES:
            fewer = _try(plain, fails, lambda small: small.update(samples=small["samples"] // 2))
            if fewer is plain:
                break
            plain = fewer
        return plain


def _without_faults(plain: Plain, fails: Callable[[Plain], bool]) -> Plain:
    """Leaves out one fault after the other until each that is left is needed."""
    position = 0
    while position < len(plain["faults"]):
        smaller = _try(plain, fails, lambda small, at=position: small["faults"].pop(at))  # type: ignore[misc]
        position += smaller is plain
        plain = smaller
    return plain


def _try(plain: Plain, fails: Callable[[Plain], bool], change: Callable[[Plain], object]) -> Plain:
    smaller = deepcopy(plain)
    try:
        change(smaller)
    except KeyError:
        return plain
    return smaller if fails(smaller) else plain
