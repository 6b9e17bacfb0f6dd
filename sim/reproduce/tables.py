"""What an experiment gives: tables with ours and the published values side by side, and sentences about them."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sim.reproduce.lab import Figures, Lab
from sim.reproduce.published import THRESHOLD, Source

Row = dict[str, Any]
Readings = Mapping[str, list[float]]
"""Name of a quantity -> its value for each seed."""
DIGITS = 6


@dataclass(frozen=True)
class Result:
    """The tables of an experiment by the name of their CSV file, and what is to be said about them."""

    tables: Mapping[str, Sequence[Row]]
    findings: Sequence[str]


def readings(lab: Lab, settings: Sequence[Mapping[str, Any]]) -> list[Readings]:
    """Runs each setting with every seed, once all local (T = 1), once all in the cloud (T = 0), and at T = 0.8.

    Returns:
        Per setting and seed: accuracies `local`, `cloud`, `overall`, the share `local_exit`, `bytes` per camera and
        sample as sent, `eq1` as Eq. 1 has them, and each camera's own accuracy under its name.
    """
    tried = (1.0, 0.0, THRESHOLD)
    cases = [
        lab.case(seed, threshold=threshold, **setting)
        for setting in settings
        for seed in lab.seeds
        for threshold in tried
    ]
    found = iter(lab.measure(cases))
    return [_reading(lab, [[next(found) for _ in tried] for _ in lab.seeds]) for _ in settings]


def _reading(lab: Lab, runs: Sequence[Sequence[Figures]]) -> Readings:
    local, cloud, both = zip(*runs, strict=True)
    return {
        "local": column(local, "accuracy.overall"),
        "cloud": column(cloud, "accuracy.overall"),
        **at_threshold(both),
        **{name: column(both, f"accuracy.per_camera.{name}") for name in lab.cameras},
    }


def at_threshold(runs: Sequence[Figures]) -> Readings:
    """What is read off runs at one threshold, one run a seed."""
    return {
        "overall": column(runs, "accuracy.overall"),
        "local_exit": column(runs, "exit_share.local"),
        "bytes": column(runs, "bytes.per_device_per_sample.payload"),
        "eq1": column(runs, "eq1.bytes"),
    }


def column(runs: Sequence[Figures], name: str) -> list[float]:
    """One figure of several runs; what is not there is 0 (a share of nothing) or unknown."""
    missing = 0.0 if name.startswith("exit_share") else math.nan
    return [missing if run.get(name) is None else float(run[name]) for run in runs]


def mean(values: Sequence[float]) -> float:
    """The mean over seeds."""
    return statistics.fmean(values)


def spread(values: Sequence[float]) -> float | None:
    """The standard deviation over seeds, None for a single one."""
    return statistics.stdev(values) if len(values) > 1 else None


def told(
    found: Readings,
    names: Sequence[str],
    published: Mapping[str, float] | None = None,
    source: Source | Mapping[str, Source] = "verified",
) -> Row:
    """Columns `<name>`, `<name>_sd` and, with published values, `<name>_published` and `<name>_published_is`."""
    row: Row = {}
    for name in names:
        row |= {name: mean(found[name]), f"{name}_sd": spread(found[name])}
        if published is not None:
            value = published.get(name)
            row[f"{name}_published"] = value
            row[f"{name}_published_is"] = None if value is None else source if isinstance(source, str) else source[name]
    return row


def as_csv(rows: Sequence[Row]) -> str:
    """A CSV file; numbers to six decimals, nothing for what is not known."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else round(value, DIGITS)
    return "" if value is None else value


def percent(share: float) -> str:
    """`95.1 %`."""
    return f"{100 * share:.1f} %"


def points(difference: float) -> str:
    """`0.4 points` of the size of a difference of two shares."""
    return f"{100 * abs(difference):.1f} points"
