"""What the report of a sweep says: the verdict, the headline figures, the chapters."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final

import pandas as pd

from analysis import sweep_cost, words
from analysis.drawing import Plot
from analysis.figures import failures, pairs, sweeps
from analysis.load import Sweep, dig, missing_policy, records
from analysis.page import Page, Section, Tile, listed, shell_line
from analysis.points import (
    RAW,
    Points,
    by_number_down,
    camera_values,
    points_of,
    setting_name,
    short_names,
    subsets,
)
from analysis.tables import Table

_KINDS: Final = {
    "accuracy": "percent", "accuracy_half": "margin", "payload": "size", "payload_half": "size", "n": "count",
    "less_than_raw": "times", "latency_p95": "seconds", "dropped": "count", "energy": "joules", "cost": "number",
}  # fmt: skip
_UNIT_KINDS: Final = {"bit/s": "rate", "s": "seconds"}
_HEADS: Final = {
    "accuracy_half": "± (95 %)", "payload_half": "± (95 %)", "less_than_raw": "less than raw", "n": "runs",
    "latency_p95": "95 % decided within",
}  # fmt: skip


def page(sweep: Sweep) -> Page:
    """The whole report of `sweep`."""
    points = points_of(sweep)
    scenario = dig(sweep.run, "scenario", sweep.folder.name)
    name = str(dig(scenario, "name", sweep.folder.name) if isinstance(scenario, dict) else scenario)
    return Page(
        title=f"{name}: a sweep of {words.count(len(sweep.index))} points",
        subtitle="FogFleet · sweep",
        verdict=verdict(sweep, points),
        tiles=tiles(sweep, points),
        sections=sections(sweep, points),
        facts=facts(sweep, points),
        command=command(sweep),
        warnings=warnings(sweep),
    )


def verdict(sweep: Sweep, points: Points) -> str:
    """The sweep in one sentence."""
    known = points.frame.dropna(subset=["accuracy"])
    if known.empty:
        return f"None of the {words.count(len(sweep.index))} points of this sweep has a result yet."
    found = records(sweeps.front(points)) or records(known.nlargest(1, "accuracy"))
    best = found[-1]
    text = (
        f"Over {words.count(len(points.frame))} settings accuracy goes from {words.percent(known.accuracy.min())} to "
        f"{words.percent(known.accuracy.max())}; the best is {points.told(best)} "
        f"({words.percent(best['accuracy'])} at {words.size(best['payload'])} per camera and sample)"
    )
    for row in _one_down(points):
        text += f". With one camera down the worst case is {words.percent(row['worst'])} ({row['worst_subset']})"
    if points.has_failures:
        text += f"; the most valuable camera is {camera_values(points).camera[0]}"
    return text + "."


def _one_down(points: Points) -> list[dict[str, Any]]:
    return [row for row in records(by_number_down(points)) if row["down"] == 1] if points.has_failures else []


def tiles(sweep: Sweep, points: Points) -> list[Tile]:
    """The headline figures."""
    frame = points.frame
    if frame.empty:
        return []
    each = "one run each" if frame.n.max() == 1 else f"up to {words.count(frame.n.max())} runs each"
    low, high = frame.payload[frame.payload > 0].min(), frame.payload.max()
    return [
        Tile("points", words.count(len(sweep.index)), f"{words.count(len(frame))} settings, {each}"),
        Tile("best accuracy", words.percent(frame.accuracy.max()), f"worst {words.percent(frame.accuracy.min())}"),
        Tile("payload per camera and sample", words.size(low), f"up to {words.size(high)}"),
        *(
            Tile("one camera down, mean", words.percent(r["mean"]), f"worst {words.percent(r['worst'])}")
            for r in _one_down(points)
        ),
        *(Tile("most valuable camera", r["camera"], _worth(r)) for r in records(_values(points))[:1]),
    ]


def _values(points: Points) -> pd.DataFrame:
    return camera_values(points) if points.has_failures else pd.DataFrame()


def _worth(row: dict[str, Any]) -> str:
    known = math.isfinite(row["shapley"])
    return f"Shapley value {words.points(row['shapley'])}" if known else f"alone {words.points(row['alone'])}"


def sections(sweep: Sweep, points: Points) -> list[Section]:
    """The chapters that have something to show."""
    found = [
        _tradeoff(sweep, points),
        sweep_cost.section(points, _raw(sweep)),
        *([_failures(sweep, points)] if points.has_failures else []),
        _settings(points),
        _failed(sweep),
    ]
    return [s for s in found if s.plots or any(len(table.frame) for table in s.tables)]


def _some(*plots: Plot | None) -> list[Plot]:
    return [plot for plot in plots if plot is not None]


def _tradeoff(sweep: Sweep, points: Points) -> Section:
    best = sweeps.front(points)
    table = _table("pareto_front", "The Pareto front, cheapest first", best, points)
    finding = f"{words.count(len(best))} of {words.count(len(points.frame))} settings are on the Pareto front."
    raw = _raw(sweep)
    if len(best) and raw > 0:
        top = records(best)[-1]
        finding += (
            f" The most accurate of them takes {words.size(top['payload'])} per camera and sample, "
            f"{words.times(raw / top['payload'])} less than raw offload."
        )
    plots = _some(sweeps.against_bytes(sweep, points), pairs.pair_map(points), sweeps.effects(points))
    return Section("accuracy", "Accuracy against bytes", finding, plots, [table])


def _raw(sweep: Sweep) -> float:
    """Bytes of raw offload per camera and sample; NaN where the index does not tell."""
    return float(pd.to_numeric(sweep.index[RAW], errors="coerce").max()) if RAW in sweep.index else math.nan


def _failures(sweep: Sweep, points: Points) -> Section:
    numbers, values = by_number_down(points), camera_values(points)
    count = Table(
        "failures_by_number", "Accuracy by how many cameras failed", numbers,
        {"down": "count", "subsets": "count", "mean": "percent", "worst": "percent", "best": "percent"},
        {"down": "cameras down", "worst_subset": "which", "best_subset": "which"},
    )  # fmt: skip
    worth = Table(
        "camera_worth", "What each camera is worth", values, {"shapley": "points", "alone": "points"},
        {"shapley": "Shapley value", "alone": "lost when it alone fails"}, aside=True,
    )  # fmt: skip
    every = subsets(points).rename_axis("down").reset_index()
    every["down"] = every["down"].map(short_names)
    each = Table("subsets", "Every subset of failed cameras", every, {"accuracy": "percent"}, aside=True)
    finding = "; ".join(
        f"{row['down']} down: {words.percent(row['mean'])} on average, {words.percent(row['worst'])} at worst"
        for row in records(numbers)[:4]
    )
    plots = _some(failures.by_number(points), failures.heat_map(points), failures.camera_worth(points))
    if policy := missing_policy(sweep.scenario, sweep.varied):
        plots = [replace(plot, reading=f"{plot.reading} Missing cameras: {policy}.") for plot in plots]
    return Section("failures", "Failures", finding + ".", plots, [count, worth, each])


def _settings(points: Points) -> Section:
    ranked = points.frame.sort_values(["accuracy", "payload"], ascending=[False, True], kind="stable")
    finding = "Every setting, the most accurate first; means over the runs with different seeds."
    return Section(
        "settings", "Every setting", finding, (), [_table("settings", "Every setting", ranked, points, aside=True)]
    )


def _table(name: str, caption: str, frame: pd.DataFrame, points: Points, *, aside: bool = False) -> Table:
    measured = [c for c in _KINDS if c in frame and c not in points.settings and frame[c].notna().any()]
    shown = frame[[*points.settings, *measured]].copy()
    if "down" in shown:
        shown["down"] = shown["down"].map(short_names)
    kinds = {c: _KINDS[c] for c in measured} | {
        c: _UNIT_KINDS.get(points.units.get(c, ""), "number")
        for c in points.settings
        if pd.api.types.is_numeric_dtype(frame[c])
    }
    return Table(name, caption, shown, kinds, _HEADS | {c: setting_name(c) for c in points.settings}, aside=aside)


def _failed(sweep: Sweep) -> Section:
    rest = sweep.index.drop(sweep.done.index)
    columns = [c for c in ("point", *sweep.varied, "seed", "status", "reason", "error") if c in rest]
    table = Table("unfinished", "Points without a result", rest[list(dict.fromkeys(columns))].astype(str))
    return Section(
        "unfinished", "Points without a result", f"{words.count(len(rest))} points have no result.", (), [table]
    )


def warnings(sweep: Sweep) -> list[str]:
    """What a reader must know before believing the figures."""
    missing = len(sweep.index) - len(sweep.done)
    if not missing:
        return []
    share = f"{words.count(missing)} of {words.count(len(sweep.index))}"
    return [f"{share} points have no result; run the sweep again to continue it."]


def command(sweep: Sweep) -> str:
    """The command that makes the same sweep again, where the folder records it."""
    return shell_line(sweep.run.get("argv"))


def facts(sweep: Sweep, points: Points) -> list[tuple[str, str]]:
    """How the sweep came about."""
    varied = [f"{setting_name(name)}: {points.frame[name].nunique()} values" for name in points.settings]
    about, status = sweep.run, dig(sweep.run, "points", {})
    told = [
        ("Folder", sweep.folder.resolve().name),
        ("Varied", "; ".join(varied)),
        ("Seeds", words.count(sweep.index["seed"].nunique()) if "seed" in sweep.index else ""),
        ("Status", str(about.get("status") or "")),
        ("Points", listed(status)),
        ("Shard", str(about.get("shard") or "")),
        ("Mode", str(dig(about, "point.mode", ""))),
        ("Started", str(about.get("started") or "")),
        ("Seed", str(about.get("seed", ""))),
        ("Versions", listed(dig(about, "versions", {}))),
        ("Source", str(about.get("git_commit") or "")),
        ("SHA-256 of the sweep", str(about.get("content") or "")),
    ]
    return [(label, value) for label, value in told if value]
