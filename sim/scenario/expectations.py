"""The `expect` block: bounds such as `>= 0.95` or `<= 200 ms` on figures of a run's summary."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sim.scenario.problems import did_you_mean
from sim.units import DURATION

EXPECT_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "accuracy": "accuracy.overall",
        "accuracy_under_fault": "faults.under.accuracy",
        "bytes": "bytes.per_device_per_sample.payload",
        "divergences": "divergences",
        "dropped": "samples.dropped",
        "dropped_under_fault": "faults.under.dropped_share",
        "energy": "energy_j",
        "latency_p50": "latency_s.all.p50",
        "latency_p95": "latency_s.all.p95",
        "latency_p99": "latency_s.all.p99",
        "local_share": "exits.local",
        "recovery": "faults.recovery_s.max",
        "battery_life": "energy.battery_life_s",
    }
)
"""Short names of figures, and where they stand in `summary.json`."""

SUMMARY_SECTIONS = (
    "samples",
    "dropped",
    "accuracy",
    "exits",
    "bytes",
    "energy",
    "eq1",
    "faults",
    "latency_s",
    "lost",
    "policies",
    "failovers",
    "retunes",
    "tenants",
    "lifecycle",
)
"""Mappings of `summary.json` that a dotted path may begin with."""
SUMMARY_FIGURES = ("divergences", "energy_j", "cost", "virtual_s")
"""Plain numbers of `summary.json`."""

_BOUND = re.compile(r"(>=|<=|==|>|<) ?(-?[0-9.]+) ?(\S*)")
_COMPARE: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {">=": operator.ge, "<=": operator.le, "==": operator.eq, ">": operator.gt, "<": operator.lt}
)


@dataclass(frozen=True, slots=True)
class Expectation:
    """A parsed bound.

    Attributes:
        comparison: one of `>=`, `<=`, `==`, `>`, `<`.
        value: what to compare with; seconds for durations, a share for percentages.
    """

    comparison: str
    value: float

    def holds(self, figure: float) -> bool:
        """Whether a figure keeps the bound; NaN never does."""
        return _COMPARE[self.comparison](figure, self.value)


def expectation(bound: str) -> Expectation:
    """The meaning of a bound of a valid scenario.

    >>> expectation("<= 200 ms")
    Expectation(comparison='<=', value=0.2)
    """
    match = _BOUND.fullmatch(bound)
    if match is None:
        raise ValueError(f"{bound!r} is not a bound; write e.g. '>= 0.95'")
    comparison, number, unit = match.groups()
    if unit in DURATION.units:
        return Expectation(comparison, DURATION.parse(f"{number} {unit}"))
    return Expectation(comparison, float(number) / 100 if unit == "%" else float(number))


def summary_key_problem(name: str) -> str:
    """What is wrong with a key of `expect`; empty if nothing is."""
    first, dot, _ = name.partition(".")
    if name in EXPECT_ALIASES or name in SUMMARY_FIGURES or (dot and first in SUMMARY_SECTIONS):
        return ""
    if name in SUMMARY_SECTIONS:
        return f"'{name}' is a group of figures; name one, e.g. '{name}.{_EXAMPLES.get(name, '…')}'"
    known = [*EXPECT_ALIASES, *SUMMARY_FIGURES, *SUMMARY_SECTIONS]
    return f"no figure '{name[:40]}' in the summary{did_you_mean(name, known)}"


_EXAMPLES = {
    "samples": "decided",
    "latency_s": "all.p95",
    "exits": "local",
    "eq1": "bytes",
    "lost": "link",
    "faults": "under.accuracy",
}
