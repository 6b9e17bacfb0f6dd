"""What failures cost: every subset of failed cameras, accuracy by how many failed, what each camera is worth."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis import words
from analysis.drawing import GRID, INK, LIGHT, Drawing, Plot, calm, figure, percent_axis
from analysis.load import records
from analysis.points import (
    Points,
    by_number_down,
    camera_values,
    cameras_in,
    cameras_of,
    setting_name,
    short_names,
    subsets,
)

MOST_ROWS: Final = 72
MOST_COLUMNS: Final = 16


class _Column(NamedTuple):
    """The setting that a map's columns stand for; without a name there is one column, the mean."""

    points: Points
    name: str

    @property
    def title(self) -> str:
        return f"accuracy over {setting_name(self.name)}" if self.name else "accuracy"

    def short(self, value: Any) -> str:
        return self.points.value(self.name, value) if self.name else ""

    def told(self, value: Any) -> str:
        return f"{setting_name(self.name)} = {self.short(value)}" if self.name else "mean"


def heat_table(points: Points) -> tuple[pd.DataFrame, str]:
    """Mean accuracy, a row a subset of failed cameras, a column a value of the setting that varies most; its name."""
    order = [str(down) for down in subsets(points).index]
    counts = {name: points.frame[name].nunique() for name in points.others}
    fitting = {name: n for name, n in counts.items() if 1 < n <= MOST_COLUMNS}
    if not fitting:
        return subsets(points).to_frame("accuracy"), ""
    column = max(fitting, key=lambda name: fitting[name])
    table = points.frame.pivot_table(index="down", columns=column, values="accuracy", aggfunc="mean", dropna=False)
    return table.reindex(order), column


def heat_map(points: Points) -> Plot | None:
    """All subsets of failed cameras as a map; the worst ones only, where there are too many to draw."""
    table, column = heat_table(points)
    if table.empty or not table.notna().to_numpy().any():
        return None
    cut = len(table) > MOST_ROWS
    if cut:
        worst = set(table.mean(axis=1).nsmallest(MOST_ROWS).index)
        table = table[[down in worst for down in table.index]]
    cameras = cameras_of(points)
    low, high = _span(table, len(cameras))

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 0.9 + 0.125 * len(table)))
        left, right = drawing.figure.subplots(
            1,
            2,
            sharey=True,
            width_ratios=(len(cameras), (3.2 if wide else 1.6) * max(len(cameras), len(table.columns))),
        )
        _draw_members(left, [cameras_in(str(down)) for down in table.index], cameras)
        _draw_cells(drawing, right, table, (low, high), _Column(points, column))
        return drawing

    reading = (
        "One row a subset: a filled dot says that this camera is down. One column a value of the setting; the stronger "
        f"the blue, the more often right, from {words.percent(low)} (pale) to {words.percent(high)} (strong); "
        "the scale leaves out that all cameras are down. Rest the pointer on a cell for its figure."
    )
    return Plot(
        "failures_heat_map",
        f"The {MOST_ROWS} worst subsets of failed cameras" if cut else "Every subset of failed cameras",
        reading,
        f"Accuracy of {len(table)} subsets of failed cameras, from {words.percent(low)} to {words.percent(high)} "
        "where any camera is up.",
        draw,
    )


def _span(table: pd.DataFrame, cameras: int) -> tuple[float, float]:
    """The scale of a map: accuracies of the subsets that leave a camera, which the one without any would flatten."""
    some = table[[len(cameras_in(str(down))) < cameras for down in table.index]]
    values = (some if some.notna().to_numpy().any() else table).to_numpy(dtype=float)
    return float(np.nanmin(values)), float(np.nanmax(values))


def _draw_members(axes: Axes, rows: list[tuple[str, ...]], cameras: list[str]) -> None:
    spots = [(x, y, name in down) for y, down in enumerate(rows) for x, name in enumerate(cameras)]
    for wanted, colour in ((False, GRID), (True, INK)):
        chosen = [(x, y) for x, y, is_down in spots if is_down is wanted]
        if chosen:
            across, along = zip(*chosen, strict=True)
            axes.scatter(across, along, s=14, color=colour, linewidth=0)
    axes.set_xlim(-0.6, len(cameras) - 0.4)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xticks(range(len(cameras)), [name.rpartition(".")[2] for name in cameras])
    counts = [len(down) for down in rows]
    starts = [y for y in range(len(rows)) if y == 0 or counts[y] != counts[y - 1]]
    axes.set_yticks(starts, [f"{counts[y]} down" for y in starts])
    for y in starts[1:]:
        axes.axhline(y - 0.5, color=GRID, linewidth=0.6)
    axes.xaxis.tick_top()
    axes.set_title(cameras[0].rpartition(".")[0] or "camera", fontweight="normal", fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_cells(drawing: Drawing, axes: Axes, table: pd.DataFrame, span: tuple[float, float], column: _Column) -> None:
    low, high = span
    margins = column.points.margins("down", *([column.name] if column.name else []))
    for x, value in enumerate(table.columns):
        setting = column.told(value)
        for y, (down, accuracy) in enumerate(table[value].items()):
            if math.isnan(float(accuracy)):
                continue
            strength = max(0.0, (float(accuracy) - low) / (high - low)) if high > low else 1.0
            (cell,) = axes.barh(
                y, 0.96, left=x - 0.48, height=0.92, color=LIGHT["blue"], alpha=round(0.06 + 0.9 * strength, 2)
            )
            cell.set_in_layout(False)  # hundreds of cells: the axes alone decide the layout
            told = f"down: {short_names(str(down))}; {setting}: {words.percent(float(accuracy))}"
            drawing.hover(cell, told + margins.get((down, value) if column.name else (down,), ""))
    axes.set_xlim(-0.5, len(table.columns) - 0.5)
    axes.set_xticks(range(len(table.columns)), [column.short(value) for value in table.columns])
    axes.xaxis.tick_top()
    axes.set_title(column.title, fontweight="normal", fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def by_number(points: Points) -> Plot | None:
    """Accuracy over how many cameras are down."""
    rows = by_number_down(points)
    if len(rows) < 2:
        return None

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 2.9))
        axes = calm(drawing.figure.add_subplot())
        axes.fill_between(rows.down, rows.worst, rows.best, color=LIGHT["blue"], alpha=0.15, linewidth=0)
        series = (("best", LIGHT["green"], "^"), ("mean", INK, "o"), ("worst", LIGHT["red"], "v"))
        for name, colour, marker in series:
            (line,) = axes.plot(rows.down, rows[name], color=colour, marker=marker, markersize=5, label=name)
            drawing.hover(line, *(_told(row, name) for row in records(rows)))
        axes.set_xticks(rows.down)
        axes.set_xlabel("cameras down")
        axes.set_ylabel("accuracy")
        percent_axis(axes)
        axes.legend(loc="lower left")
        return drawing

    listed = "; ".join(
        f"{r['down']} down: {words.percent(r['mean'])}, worst {words.percent(r['worst'])}" for r in records(rows)
    )
    return Plot(
        "failures_by_number",
        "Accuracy by how many cameras failed",
        "Over all subsets of that size and all other settings: the mean, the best and the worst subset. The width of "
        "the band says how much it matters which cameras fail, not only how many.",
        f"Accuracy by number of failed cameras. {listed}.",
        draw,
    )


def _told(row: dict[str, Any], name: str) -> str:
    which = f" ({row[f'{name}_subset']})" if name != "mean" else ""
    return f"{row['down']} down, {name}{which}: {words.percent(row[name])}"


def camera_worth(points: Points) -> Plot | None:
    """What each camera is worth: its Shapley value, beside the loss when it alone fails."""
    rows = camera_values(points)[::-1].reset_index(drop=True)
    kinds = [("shapley", "Shapley value", LIGHT["blue"]), ("alone", "lost when it alone fails", LIGHT["orange"])]
    kinds = [kind for kind in kinds if rows[kind[0]].notna().any()]
    if rows.empty or not kinds:
        return None

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 0.9 + 0.4 * len(rows)))
        axes = calm(drawing.figure.add_subplot(), "x")
        height = 0.72 / len(kinds)
        for place, (column, label, colour) in enumerate(kinds):
            for y, (camera, value) in enumerate(zip(rows.camera, rows[column], strict=True)):
                if math.isnan(value):
                    continue
                at = y + height * ((len(kinds) - 1) / 2 - place)
                (bar,) = axes.barh(at, value, color=colour, height=0.9 * height, label=label if y == 0 else None)
                drawing.hover(bar, f"{camera}: {label} {words.points(value)}")
                axes.annotate(
                    f"{100 * value:.1f}",
                    (max(value, 0), at),
                    (4, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=7.5,
                )
        axes.set_yticks(range(len(rows)), list(rows.camera))
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.axvline(0, color=INK, linewidth=0.7)
        axes.margins(x=0.2)
        axes.xaxis.set_major_formatter(lambda value, _place: f"{100 * value:g}")
        axes.set_xlabel("points of accuracy")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
        return drawing

    best = records(rows)[-1]
    return Plot(
        "camera_worth",
        "What each camera is worth",
        "The Shapley value shares the fleet's accuracy out among its cameras: the mean of what a camera adds, over "
        "all orders in which they could join. The other bar is what is lost when this camera alone fails; where the "
        "others see the same, that is much less.",
        f"The most valuable camera is {best['camera']}: Shapley value {words.points(best['shapley'])}, "
        f"{words.points(-best['alone'])} when it alone fails.",
        draw,
    )
