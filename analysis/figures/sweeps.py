"""What a sweep found: all points with their Pareto front, and what each varied value does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import pandas as pd
from matplotlib.axes import Axes

from analysis import words
from analysis.drawing import INK, LIGHT, Drawing, Plot, calm, figure, percent_axis
from analysis.figures.accuracy import log_bytes
from analysis.load import Sweep, records
from analysis.points import RAW, Points, setting_name, told_all
from analysis.statistics import pareto

MOST_MARKS: Final = 1500
MOST_PANELS: Final = 6
MOST_VALUES: Final = 40
WIDE_RANGE: Final = 20
"""Values whose largest is more than so many times their smallest are drawn on a logarithmic axis."""
_SERIES: Final = tuple(LIGHT[n] for n in ("blue", "green", "gold", "orange", "red", "purple", "sky", "grey"))


def front(points: Points) -> pd.DataFrame:
    """The settings that no other beats in both accuracy and bytes, cheapest first.

    A failure is no choice, so only the settings with the fewest cameras down compete.
    """
    usable = points.frame[(points.frame.payload > 0) & points.frame.accuracy.notna()]
    if points.has_failures:
        usable = usable[usable.down_count == usable.down_count.min()]
    return usable.iloc[pareto(usable.payload, usable.accuracy)]


def against_bytes(sweep: Sweep, points: Points) -> Plot | None:
    """Every setting: accuracy against bytes, with the Pareto front, Eq. 1 and raw offload."""
    frame = points.frame[(points.frame.payload > 0) & points.frame.accuracy.notna()]
    if frame.empty:
        return None
    best = front(points)
    raw = float(pd.to_numeric(sweep.index[RAW], errors="coerce").max()) if RAW in sweep.index else math.nan

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 4.0, 4.2))
        axes = calm(drawing.figure.add_subplot())
        title = _draw_points(drawing, axes, points, frame, wide)
        axes.plot(best.payload, best.accuracy, color=INK, linewidth=1.1, drawstyle="steps-post", zorder=3)
        marks = axes.scatter(best.payload, best.accuracy, s=26, marker="D", color=INK, zorder=4, label="Pareto front")
        drawing.hover(marks, *told_all(points, records(best)))
        _draw_equation(drawing, axes, points, best)
        if raw > 0:
            axes.axvline(raw, color=LIGHT["red"], linewidth=1.1)
            axes.annotate(
                f"raw offload {words.size(raw)}", (raw, 1), (0, 4), xycoords=("data", "axes fraction"),
                textcoords="offset points", ha="right", fontsize=8, color=LIGHT["red"],
            )  # fmt: skip
        log_bytes(axes, [*frame.payload, raw], (1, 2, 5) if wide else (1, 3))
        percent_axis(axes)
        axes.set_xlabel("payload bytes per camera and sample (log scale)")
        axes.set_ylabel("accuracy")
        _legend(axes, title, wide)
        return drawing

    top = records(best)[-1]
    return Plot(
        "sweep_accuracy_vs_bytes",
        "Accuracy against bytes, every setting",
        "Each dot is one setting (the mean over its seeds; upright lines are 95 % confidence intervals). Diamonds on "
        "the stair are the Pareto front: among the settings with the fewest cameras down (a failure is no choice) "
        "nothing is both cheaper and more often right. A ring is what Eq. 1 says for a diamond; around it, theory and "
        "measurement agree. Rest the pointer on a mark to read its settings.",
        f"{len(frame)} settings, {len(best)} on the Pareto front; the most accurate is {points.told(top)} with "
        f"{words.percent(top['accuracy'])} at {words.size(top['payload'])}.",
        draw,
    )


def _draw_points(drawing: Drawing, axes: Axes, points: Points, frame: pd.DataFrame, wide: bool) -> str:
    """Draws all settings; returns what tells the colours apart."""
    many = len(frame) > MOST_MARKS
    title, series = _series(points, frame)
    for label, colour, part in series:
        if not many and part.accuracy_half.notna().any():
            axes.errorbar(
                part.payload,
                part.accuracy,
                yerr=part.accuracy_half,
                fmt="none",
                ecolor=colour,
                elinewidth=0.9,
                alpha=0.7,
            )
        dots = axes.scatter(
            part.payload, part.accuracy, s=5 if many else 13, color=colour, alpha=0.35 if many else 0.8, linewidth=0,
            label=label, rasterized=many,
        )  # fmt: skip
        if not many:
            drawing.hover(dots, *told_all(points, records(part)))
    return title


def _draw_equation(drawing: Drawing, axes: Axes, points: Points, best: pd.DataFrame) -> None:
    """A ring where Eq. 1 puts each setting of the front."""
    known = best[best.eq1 > 0] if "eq1" in best else best.head(0)
    if known.empty:
        return
    rings = axes.scatter(
        known.eq1, known.accuracy, s=64, facecolor="none", edgecolor=LIGHT["blue"], linewidth=1.1, zorder=5,
        label="Eq. 1",
    )  # fmt: skip
    drawing.hover(rings, *(f"{points.told(row)}: Eq. 1 says {words.size(row['eq1'])}" for row in records(known)))


def _legend(axes: Axes, title: str, wide: bool) -> None:
    legend = axes.legend(
        title=title or None, alignment="left", ncols=5 if wide else 2, loc="upper left", bbox_to_anchor=(0, -0.16),
        borderaxespad=0, handletextpad=0.3,
    )  # fmt: skip
    for handle in filter(None, legend.legend_handles):
        handle.set(alpha=1, sizes=[18])


def _series(points: Points, frame: pd.DataFrame) -> tuple[str, list[tuple[str, str, pd.DataFrame]]]:
    """What tells groups apart, and label, colour and rows of each.

    They are told apart by the number of failures, else by the first setting with few values.
    """
    column = "down_count" if points.has_failures else None
    if column is None:
        few = [name for name in points.others if frame[name].nunique() <= len(_SERIES)]
        column = few[0] if few else None
    if column is None:
        return "", [("a setting", _SERIES[0], frame)]
    found = []
    for place, (value, part) in enumerate(frame.groupby(column, dropna=False)):
        label = f"{value} down" if column == "down_count" else points.value(column, value)
        found.append((label, _SERIES[min(place, len(_SERIES) - 1)], part))
    return "" if column == "down_count" else setting_name(column), found


def effects(points: Points) -> Plot | None:
    """Accuracy over each varied number, averaged over everything else."""
    numeric = [
        n for n in points.others if pd.api.types.is_numeric_dtype(points.frame[n]) and points.frame[n].nunique() > 1
    ]
    numeric = numeric[:MOST_PANELS]
    if not numeric:
        return None
    rows = {name: _effect(points.frame, name) for name in numeric}

    def draw(wide: bool) -> Drawing:
        across = min(len(numeric), 3) if wide else 1
        down = math.ceil(len(numeric) / across)
        drawing = Drawing(figure(wide, 2.7 * down, 2.4 * down))
        grid = drawing.figure.subplots(down, across, squeeze=False, sharey=True).ravel()
        for axes, name in zip(grid, numeric, strict=False):
            part = rows[name]
            axes.fill_between(part.index, part["min"], part["max"], color=LIGHT["blue"], alpha=0.15, linewidth=0)
            (line,) = calm(axes).plot(part.index, part["mean"], color=LIGHT["blue"], marker="o", markersize=4)
            spread = zip(part.index, part["mean"], part["min"], part["max"], strict=True)
            drawing.hover(
                line,
                *(
                    f"{points.value(name, v)}: mean {words.percent(m)}, {words.percent(a)} to {words.percent(b)}"
                    for v, m, a, b in spread
                ),
            )
            _value_axis(axes, points, name, [float(value) for value in part.index], 4 if across > 1 or not wide else 8)
            percent_axis(axes)
            axes.set_xlabel(setting_name(name))
        grid[0].set_ylabel("accuracy")
        for axes in grid[len(numeric) :]:
            axes.set_axis_off()
        return drawing

    listed = "; ".join(
        f"{setting_name(n)}: mean from {words.percent(r['mean'].min())} to {words.percent(r['mean'].max())}"
        for n, r in rows.items()
    )
    return Plot(
        "sweep_effects",
        "What each setting does",
        "The line is the mean accuracy over all points with that value; the band reaches from the worst of them to the "
        "best. A flat line says that the setting matters little by itself.",
        f"Accuracy over each varied number. {listed}.",
        draw,
    )


def _value_axis(axes: Axes, points: Points, name: str, values: Sequence[float], most: int) -> None:
    """A horizontal axis of a setting: logarithmic where it spans much, with ticks at values that were tried."""
    if len(values) > MOST_VALUES // 2:
        axes.xaxis.set_major_formatter(lambda value, _place: points.value(name, value))
        axes.locator_params(axis="x", nbins=most)
        return
    if min(values) > 0 and max(values) / min(values) > WIDE_RANGE:
        axes.set_xscale("log")
        axes.minorticks_off()
    step = math.ceil(len(values) / most)
    ticks = values[::-step][::-1]
    axes.set_xticks(ticks, [points.value(name, value) for value in ticks])


def _effect(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    known = frame.dropna(subset=["accuracy", name])
    if known[name].nunique() <= MOST_VALUES:
        return known.groupby(name).accuracy.agg(["mean", "min", "max"])
    slots = pd.qcut(known[name], MOST_VALUES, labels=False, duplicates="drop")
    grouped = known.groupby(slots)
    return grouped.accuracy.agg(["mean", "min", "max"]).set_axis(grouped[name].median())
