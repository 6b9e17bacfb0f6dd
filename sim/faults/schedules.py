"""When a fault is in force: windows of virtual time, from fixed times, failure rates, bursts or a trace."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sim.errors import DataError
from sim.scenario import Fault


class Window(NamedTuple):
    """In force from `start_s` to before `end_s`; None: to the end of the run."""

    start_s: float
    end_s: float | None


def windows(fault: Fault, horizon_s: float, rng: np.random.Generator, base: Path = Path()) -> Iterator[Window]:
    """The windows of a fault in order, none of which begins after `horizon_s`.

    Args:
        fault: the entry; without any schedule it is in force all the time.
        horizon_s: when the last sample is due.
        rng: the stream of this schedule and target.
        base: folder of the scenario, for trace files.

    Raises:
        DataError: the trace file is missing or bad.
    """
    if fault.trace is not None:
        found = iter(trace(fault.trace, base))
    elif fault.mtbf_s is not None:
        found = _renewal(fault, fault.mtbf_s, fault.mttr_s or 0.0, horizon_s, rng)
    elif fault.bursts is not None:
        found = _renewal(fault, fault.bursts.good_s, fault.bursts.bad_s, horizon_s, rng)
    elif fault.every_s is not None:
        found = _repeated(fault, fault.every_s)
    else:
        start_s = fault.at_s or 0.0
        found = iter([Window(start_s, None if fault.for_s is None else start_s + fault.for_s)])
    for window in found:
        if window.start_s > horizon_s:
            return
        yield window


def _repeated(fault: Fault, every_s: float) -> Iterator[Window]:
    start_s, length_s = fault.at_s or 0.0, fault.for_s
    number = 0
    while True:
        begin_s = start_s + number * every_s
        yield Window(begin_s, begin_s + (every_s if length_s is None else length_s))
        number += 1


def _renewal(fault: Fault, up_s: float, down_s: float, horizon_s: float, rng: np.random.Generator) -> Iterator[Window]:
    """Alternates between up and down, each for a random time, from `at` on and for the time of `for`."""
    now_s = fault.at_s or 0.0
    last_s = math.inf if fault.for_s is None else now_s + fault.for_s
    while True:
        start_s = now_s + duration(up_s, fault.shape, rng)
        if start_s >= last_s:
            return
        now_s = min(start_s + duration(down_s, fault.shape, rng), last_s)
        yield Window(start_s, now_s)


def duration(mean_s: float, shape: float, rng: np.random.Generator) -> float:
    """A random time of this mean: Weibull, which is exponential where `shape` is 1."""
    return float(rng.weibull(shape)) * mean_s / math.gamma(1 + 1 / shape)


def trace(name: str, base: Path) -> list[Window]:
    """The windows in a CSV file with the columns `start_s` and `end_s` (empty: to the end), sorted.

    Raises:
        DataError: names the file and the line.
    """
    path = next((path for path in (Path(name), base / name) if path.is_file()), None)
    if path is None:
        raise DataError(f"there is no trace file {name}; paths count from the current folder or the scenario's")
    found: list[Window] = []
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            try:
                start_s, end_s = float(row["start_s"]), float(row["end_s"]) if row["end_s"] else None
                if not (0 <= start_s < (math.inf if end_s is None else end_s)):
                    raise ValueError("a window has 0 <= start_s < end_s")
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(
                    f"{path}: line {len(found) + 2}: {error}; write the columns start_s,end_s, in seconds"
                ) from None
            found.append(Window(start_s, end_s))
    found.sort()
    for first, second in pairwise(found):
        if first.end_s is None or second.start_s < first.end_s:
            raise DataError(f"{path}: the windows that begin at {first.start_s} s and {second.start_s} s overlap")
    return found
