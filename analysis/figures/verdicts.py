"""Verdicts taken apart: by exit, by camera, by class."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis import words
from analysis.drawing import EXIT_COLOUR, INK, LIGHT, MUTED, Drawing, Plot, calm, figure, percent_axis
from analysis.load import Run, as_number, dig
from analysis.statistics import wilson

MOST_CAMERAS: Final = 40
MOST_CLASSES: Final = 15


def by_exit(run: Run) -> Plot | None:
    """Where samples left, and how often each exit was right."""
    shares = run.numbers("exits")
    captured, dropped = run.number("samples.captured"), run.number("samples.dropped")
    if dropped > 0 and captured > 0:
        shares["dropped"] = dropped / captured
    names = words.ordered_exits(shares)
    if not names:
        return None
    rated = {n: _rated(run, n) for n in names}

    def draw(wide: bool) -> Drawing:
        height = 0.75 + 0.36 * len(names)
        drawing = Drawing(figure(wide, height, 2 * height))
        left, right = drawing.figure.subplots(1, 2, sharey=True) if wide else drawing.figure.subplots(2, 1)
        rows = np.arange(len(names))[::-1]
        for row, name in zip(rows, names, strict=True):
            (bar,) = left.barh(row, shares[name], color=EXIT_COLOUR.get(name, LIGHT["sky"]), height=0.62)
            drawing.hover(bar, f"{name}: {words.percent(shares[name])} of the samples")
            left.annotate(
                words.percent(shares[name]), (shares[name], row), (4, 0), textcoords="offset points", va="center"
            )
            _draw_rating(drawing, right, row, name, *rated[name])
        overall = run.number("accuracy.overall")
        if math.isfinite(overall):
            right.axvline(overall, color=INK, linewidth=1, linestyle=(0, (1, 2)))
        left.set_title("share of the samples")
        right.set_title("accuracy (95 % confidence)")
        left.set_xlim(0, max(1.0, 1.12 * max(shares.values())))
        for axes in (left, right):
            axes.set_yticks(rows, names)
            axes.set_ylim(-0.6, len(names) - 0.4)
            percent_axis(calm(axes, "x"), "x")
        return drawing

    listed = "; ".join(f"{n} {words.percent(shares[n])} of samples" for n in names)
    return Plot(
        "exits",
        "Exits: where samples left, and how often each was right",
        "An exit is a place where a sample may be classified. Left: what share left there. Right: how often those "
        "samples were right; the line through each dot is the 95 % confidence interval, the dotted line the overall "
        "accuracy. Easy samples leave early, so early exits look better than they would on all samples.",
        f"Share and accuracy by exit: {listed}.",
        draw,
    )


def _rated(run: Run, name: str) -> tuple[float, float]:
    entry = dig(run.summary, f"accuracy.per_exit.{name}", {})
    return as_number(entry.get("accuracy")), as_number(entry.get("samples"))


def _draw_rating(drawing: Drawing, axes: Axes, row: int, name: str, accuracy: float, samples: float) -> None:
    if not math.isfinite(accuracy):
        return
    low, high = wilson(accuracy, samples)
    colour = EXIT_COLOUR.get(name, LIGHT["sky"])
    axes.plot([low, high], [row, row], color=colour, linewidth=2.4, solid_capstyle="butt", alpha=0.5)
    (dot,) = axes.plot(accuracy, row, "o", color=colour, markersize=7)
    drawing.hover(dot, f"{name}: {words.percent(accuracy)} of {words.count(samples)} samples right")
    axes.annotate(
        words.percent(accuracy), (accuracy, row), (0, 7), textcoords="offset points", ha="center", fontsize=7.5
    )


def by_camera(run: Run) -> Plot | None:
    """Each camera alone, beside what they reach together."""
    ranked = sorted(run.numbers("accuracy.per_camera").items(), key=lambda pair: pair[1])
    if not ranked:
        return None
    overall = run.number("accuracy.overall")

    def draw(wide: bool) -> Drawing:
        few = len(ranked) <= MOST_CAMERAS
        drawing = Drawing(figure(wide, 0.9 + 0.24 * len(ranked) if few else 2.8))
        axes = drawing.figure.add_subplot()
        values = [value for _, value in ranked]
        if few:
            for row, (name, value) in enumerate(ranked):
                (bar,) = axes.barh(row, value, color=LIGHT["sky"], height=0.66)
                drawing.hover(bar, f"{name} alone: {words.percent(value)}")
                axes.annotate(words.percent(value), (value, row), (4, 0), textcoords="offset points", va="center")
            axes.set_yticks(range(len(ranked)), [name for name, _ in ranked])
            axes.set_ylim(-0.6, len(ranked) - 0.4)
        else:
            axes.fill_betweenx(range(len(values)), values, color=LIGHT["sky"])
            axes.set_ylabel("cameras, worst to best")
        if math.isfinite(overall):
            axes.axvline(overall, color=INK, linewidth=1.6)
            axes.annotate(
                f"together {words.percent(overall)}", (overall, 1), (-4, 2), xycoords=("data", "axes fraction"),
                textcoords="offset points", ha="right", va="bottom", fontweight="bold",
            )  # fmt: skip
        axes.set_xlim(0, 1.02)
        percent_axis(calm(axes, "x"), "x")
        return drawing

    worst, best = ranked[0], ranked[-1]
    return Plot(
        "cameras",
        "Single cameras against the fleet",
        "Each bar is what one camera would reach alone, with its own exit; the line is what all of them reached "
        "together in this run. The distance is what aggregation is worth.",
        f"Accuracy of single cameras from {words.percent(worst[1])} ({worst[0]}) to {words.percent(best[1])} "
        f"({best[0]}); together {words.percent(overall)}.",
        draw,
    )


def confusion_counts(run: Run) -> pd.DataFrame:
    """Samples by true class (rows) and verdict (columns, `dropped` last where there is any)."""
    frame = run.decisions[["label", "predicted"]].dropna(subset=["label"])
    listed = dig(run.summary, "data.classes", [])
    highest = max([len(listed) - 1, *frame.label, *frame.predicted.dropna()], default=-1)
    names = [str(listed[i]) if i < len(listed) else str(i) for i in range(int(highest) + 1)]
    verdict = frame.predicted.fillna(len(names)).astype(int)
    counts = pd.crosstab(frame.label.astype(int), verdict).reindex(
        index=range(len(names)), columns=range(len(names) + 1), fill_value=0
    )
    counts.index, counts.columns = pd.Index(names, name="true class"), pd.Index([*names, "dropped"])
    return counts if counts["dropped"].any() else counts.drop(columns="dropped")


def confusion(run: Run) -> Plot | None:
    """Which classes are taken for which."""
    counts = confusion_counts(run)
    cells = counts.to_numpy(dtype=int)
    if not cells.sum() or len(counts) > MOST_CLASSES:
        return None

    def draw(wide: bool) -> Drawing:
        height = 0.9 + 0.42 * len(counts)
        drawing = Drawing(figure(wide, height))
        axes = drawing.figure.add_subplot()
        totals = cells.sum(axis=1)
        for row, name in enumerate(counts.index):
            for column, verdict in enumerate(counts.columns):
                n = int(cells[row, column])
                share = n / totals[row] if totals[row] else 0.0
                colour = LIGHT["blue"] if name == verdict else LIGHT["orange"]
                (cell,) = axes.barh(row, 0.94, left=column - 0.47, height=0.9, color=colour, alpha=0.06 + 0.5 * share)
                drawing.hover(cell, f"{name} taken for {verdict}: {n} of {totals[row]} ({words.percent(share)})")
                axes.text(column, row, words.count(n) if n else "·", ha="center", va="center", fontsize=9)
        axes.set_xticks(range(len(counts.columns)), list(counts.columns))
        axes.set_yticks(range(len(counts)), list(counts.index))
        axes.set_ylim(len(counts) - 0.5, -0.5)
        axes.set_xlim(-0.5, max(len(counts.columns), 5 if wide else 0) - 0.5)
        axes.set_ylabel("true class")
        axes.xaxis.tick_top()
        axes.set_title("verdict", color=MUTED, fontweight="normal")
        axes.tick_params(length=0, colors=INK)
        axes.spines[["left", "bottom"]].set_visible(False)
        return drawing

    right = int(cells.trace())
    return Plot(
        "confusion",
        "Which classes are taken for which",
        "One row a true class, one column a verdict. Blue cells on the diagonal are right, orange ones are mistakes; "
        "the stronger the colour, the larger the share of that row.",
        f"Confusion matrix: {right} of {int(cells.sum())} samples on the diagonal.",
        draw,
    )
