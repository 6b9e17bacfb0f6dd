"""The points of a sweep: their settings in words, replications as means, failures as subsets of cameras."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis import words
from analysis.load import Sweep, dig
from analysis.statistics import shapley, t95

ACCURACY: Final = "accuracy.overall"
PAYLOAD: Final = "bytes.per_device_per_sample.payload"
RAW: Final = "bytes.per_device_per_sample.raw"
MOST_PLAYERS: Final = 14
# Summary figure -> short name in tables.
FIGURES: Final[Mapping[str, str]] = {
    ACCURACY: "accuracy",
    PAYLOAD: "payload",
    "bytes.reduction_vs_raw": "less_than_raw",
    "latency_s.all.p95": "latency_p95",
    "samples.dropped": "dropped",
    "energy_j": "energy",
    "cost": "cost",
    "bytes.per_device_per_sample.eq1": "eq1",
    "bytes.per_device_per_sample.header": "header",
    "bytes.per_device_per_sample.mqtt": "mqtt",
    "bytes.per_device_per_sample.tcpip": "tcpip",
    "bytes.per_device_per_sample.retransmitted": "retransmitted",
}


@dataclass(frozen=True)
class Points:
    """`frame`: one row a setting, means over replications; `settings`: the columns that tell settings apart.

    `units`: the SI unit of a setting, where it has one. Other columns: `n` replications, every name in `FIGURES` that
    the sweep has, and `accuracy_half`, `payload_half`: half the 95 % confidence interval of the mean (NaN where there
    is one replication).
    """

    frame: pd.DataFrame
    settings: tuple[str, ...]
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_failures(self) -> bool:
        """Whether the sweep took cameras down."""
        return "down" in self.settings

    @property
    def others(self) -> list[str]:
        """The settings besides which cameras are down."""
        return [name for name in self.settings if name != "down"]

    def value(self, name: str, value: Any) -> str:
        """A value of the setting `name` as short text, with its unit."""
        return words.quantity(value, self.units.get(name, "")) if isinstance(value, int | float) else str(value)

    def margins(self, *names: str) -> dict[tuple[Any, ...], str]:
        """` (±0.6 points)`, half the 95 % confidence interval of accuracy, by the values of the settings `names`.

        Only where these values are one setting, with replications.
        """
        keys = list(zip(*(self.frame[name] for name in names), strict=True))
        once = Counter(keys)
        halves = zip(keys, self.frame.accuracy_half, strict=True)
        return {key: f" ({words.margin(half)})" for key, half in halves if once[key] == 1 and half >= 0}

    def told(self, row: Mapping[str, Any]) -> str:
        """The settings of one row in words: `T (local) = 0.8; down: cam.1, cam.3`."""
        parts = [f"{setting_name(name)} = {self.value(name, row[name])}" for name in self.others]
        if self.has_failures:
            parts.append(f"down: {short_names(row['down'])}" if row["down"] else "all cameras up")
        return "; ".join(parts) or "the only setting"


def points_of(sweep: Sweep) -> Points:
    """Averages the replications (same settings, different seeds) of the points that have a result."""
    done = sweep.done
    settings = tuple(name for name in sweep.varied if name not in ("seed", "down", "down_count"))
    keys = pd.DataFrame({name: _hashable(done[name]) for name in settings}, index=done.index)
    if "down" in done and done["down"].fillna("").nunique() > 1:
        keys["down"] = done["down"].fillna("").astype(str)
        settings = (*settings, "down")
    data = pd.DataFrame(
        {short: pd.to_numeric(done[long], errors="coerce") for long, short in FIGURES.items() if long in done},
        index=done.index,
    )
    for needed in ("accuracy", "payload"):
        if needed not in data:
            data[needed] = math.nan
    if not settings:
        keys["setting"] = "all"
    groups = data.groupby([keys[name] for name in keys], dropna=False, sort=True)
    frame = groups.mean().assign(n=groups.size())
    spread, known = groups[["accuracy", "payload"]].std(), groups[["accuracy", "payload"]].count()
    for name in ("accuracy", "payload"):
        frame[f"{name}_half"] = spread[name] / np.sqrt(known[name]) * known[name].map(lambda n: t95(int(n) - 1))
    frame = frame.reset_index()
    if "down" in settings:
        frame["down_count"] = frame["down"].map(lambda names: len(cameras_in(names)))
    units = {str(name): str(unit) for name, unit in dig(sweep.run, "units", {}).items()}
    return Points(frame, settings, units)


def cameras_in(down: str) -> tuple[str, ...]:
    """`cam.1+cam.3` taken apart."""
    return tuple(name for name in down.split("+") if name)


def short_names(down: str) -> str:
    """`cam.1+cam.3` as `cam.1, 3`; `none` where nothing is down."""
    parts: list[str] = []
    stem = ""
    for name in cameras_in(down):
        group, _, index = name.rpartition(".")
        parts.append(index if group and group == stem else name)
        stem = group
    return ", ".join(parts) or "none"


def subsets(points: Points) -> pd.Series[float]:
    """Mean accuracy by which cameras are down (over the other settings), fewest failures first."""
    mean = points.frame.groupby("down").accuracy.mean()
    order = sorted(
        map(str, mean.index), key=lambda names: (len(cameras_in(names)), words.natural(names.replace("+", ".")))
    )
    return mean.reindex(order)


def cameras_of(points: Points) -> list[str]:
    """Every camera that was down in some point."""
    names = {camera for down in points.frame["down"].unique() for camera in cameras_in(str(down))}
    return sorted(names, key=words.natural)


def camera_values(points: Points) -> pd.DataFrame:
    """What each camera is worth, most valuable first.

    Columns: `camera`; `shapley`, its mean contribution to accuracy over all orders in which cameras could fail (NaN
    unless every subset was run); `alone`, the accuracy lost when only this camera fails (NaN where that was not run).
    """
    accuracy, cameras = subsets(points), cameras_of(points)
    worth = {frozenset(cameras) - set(cameras_in(str(down))): float(value) for down, value in accuracy.items()}
    complete = (
        len(cameras) <= MOST_PLAYERS and len(worth) == 2 ** len(cameras) and not any(map(math.isnan, worth.values()))
    )
    shares = shapley(worth, cameras) if complete else {}
    whole = worth.get(frozenset(cameras), math.nan)
    rows = [(c, shares.get(c, math.nan), whole - worth.get(frozenset(cameras) - {c}, math.nan)) for c in cameras]
    frame = pd.DataFrame(rows, columns=["camera", "shapley", "alone"])
    return frame.sort_values(["shapley", "alone"], ascending=False, kind="stable", ignore_index=True)


def by_number_down(points: Points) -> pd.DataFrame:
    """Accuracy by how many cameras are down: mean, worst and best subset, and which they are."""
    accuracy = subsets(points)
    counts = pd.Series([len(cameras_in(str(down))) for down in accuracy.index], index=accuracy.index)
    rows = []
    for count, part in accuracy.groupby(counts):
        known = part.dropna()
        if len(known):
            worst, best = known.idxmin(), known.idxmax()
            which = short_names(str(worst)), short_names(str(best))
            rows.append((count, len(part), known.mean(), known.min(), which[0], known.max(), which[1]))
    columns = ["down", "subsets", "mean", "worst", "worst_subset", "best", "best_subset"]
    return pd.DataFrame(rows, columns=columns)


def setting_name(column: str) -> str:
    """A varied column as people call it: `T (local)`, `bandwidth cam → gw`, `outage mtbf` for one of a fault."""
    stem, _, last = column.rpartition(".")
    if stem.startswith("links.") and "->" in stem:
        return f"{last} {stem.removeprefix('links.').replace('->', ' → ')}"
    if stem.startswith("faults."):
        return f"{stem.removeprefix('faults.')} {last}"
    return f"T ({last})" if stem in ("exits", "thresholds") else column


def _hashable(column: pd.Series[Any]) -> pd.Series[Any]:
    if pd.api.types.is_numeric_dtype(column):
        return column.astype(float)
    return column.map(lambda value: value if isinstance(value, str) else str(value))


def told_all(points: Points, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line a row: settings, accuracy and bytes."""
    return [
        f"{points.told(row)}: {words.percent(row['accuracy'])} right, {words.size(row['payload'])}"
        + (f" (± {100 * row['accuracy_half']:.2f} points, {row['n']} runs)" if row["accuracy_half"] >= 0 else "")
        for row in rows
    ]
