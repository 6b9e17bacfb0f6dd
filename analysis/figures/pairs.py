"""Two settings of a sweep at once."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis import words
from analysis.drawing import INK, LIGHT, Drawing, Plot, figure
from analysis.points import Points, setting_name

MOST_CELLS: Final = 16


def pair_table(points: Points) -> tuple[pd.DataFrame, str, str]:
    """Mean accuracy over the two settings with the most values, and their names; empty where there are no two."""
    counts = {name: points.frame[name].nunique() for name in points.others}
    fitting = sorted((name for name, n in counts.items() if 1 < n <= MOST_CELLS), key=lambda name: -counts[name])
    if len(fitting) < 2:
        return pd.DataFrame(), "", ""
    rows, columns = fitting[:2]
    table = points.frame.pivot_table(index=rows, columns=columns, values="accuracy", aggfunc="mean", dropna=False)
    return table, rows, columns


def pair_map(points: Points) -> Plot | None:
    """Accuracy by two settings at once, as a map with its figures."""
    table, rows, columns = pair_table(points)
    if points.has_failures or not table.notna().to_numpy().any():
        return None
    cells = table.to_numpy(dtype=float)
    low, high = float(np.nanmin(cells)), float(np.nanmax(cells))
    margins = points.margins(rows, columns)

    def told(y: int, x: int) -> str:
        row, column = points.value(rows, table.index[y]), points.value(columns, table.columns[x])
        return f"{setting_name(rows)} = {row}, {setting_name(columns)} = {column}"

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 0.9 + 0.3 * len(table)))
        axes = drawing.figure.add_subplot()
        for y, x in np.argwhere(np.isfinite(cells)):
            accuracy = float(cells[y, x])
            strength = (accuracy - low) / (high - low) if high > low else 1.0
            text, margin = words.percent(accuracy), margins.get((table.index[y], table.columns[x]), "")
            _draw_cell(drawing, axes, (x, y), strength, text, f"{told(y, x)}: {text}{margin}")
        axes.set_xticks(range(len(table.columns)), [points.value(columns, value) for value in table.columns])
        axes.set_yticks(range(len(table)), [points.value(rows, value) for value in table.index])
        axes.set_xlim(-0.5, len(table.columns) - 0.5)
        axes.set_ylim(len(table) - 0.5, -0.5)
        axes.xaxis.tick_top()
        axes.set_title(setting_name(columns), fontweight="normal", fontsize=8)
        axes.set_ylabel(setting_name(rows))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return drawing

    best = divmod(int(np.nanargmax(cells)), cells.shape[1])
    return Plot(
        "sweep_map",
        f"Accuracy by {setting_name(rows)} and {setting_name(columns)}",
        "One row a value of the one setting, one column a value of the other; means over everything else. The stronger "
        "the blue, the more often right.",
        f"Accuracy from {words.percent(low)} to {words.percent(high)}, best at {told(*best)}.",
        draw,
    )


def _draw_cell(drawing: Drawing, axes: Axes, at: tuple[int, int], strength: float, text: str, told: str) -> None:
    x, y = at
    alpha = round(0.04 + 0.5 * strength, 2)  # text keeps 4.5:1 on the strongest, in light and dark mode
    (cell,) = axes.barh(y, 0.96, left=x - 0.48, height=0.92, color=LIGHT["blue"], alpha=alpha)
    cell.set_in_layout(False)
    drawing.hover(cell, told)
    axes.text(x, y, text, ha="center", va="center", fontsize=8, color=INK)
