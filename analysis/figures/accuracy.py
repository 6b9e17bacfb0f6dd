"""How often the fleet is right: against bytes, over the threshold, by exit, by camera, by class."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from analysis import words
from analysis.drawing import EXIT_COLOUR, INK, LIGHT, MUTED, Drawing, Plot, calm, figure, percent_axis
from analysis.load import Run, as_number
from analysis.statistics import wilson

PER_SAMPLE: Final = "bytes.per_device_per_sample"
MOST_CAMERAS: Final = 40
MOST_CLASSES: Final = 15


def curve(run: Run) -> pd.DataFrame:
    """The threshold curve without faults: one row a threshold, as floats, without incomplete rows."""
    names = ["threshold", "local_share", "accuracy", "local_accuracy", "cloud_accuracy", "payload_bytes"]
    rows = run.summary.get("curve") or []
    frame = pd.DataFrame([{n: as_number(row.get(n)) for n in names} for row in rows], columns=names, dtype=float)
    return frame.dropna(subset=["threshold", "accuracy"]).sort_values("threshold", ignore_index=True)


def first_exit(run: Run) -> str:
    """The exit whose threshold the curve varies."""
    return words.ordered_exits(run.summary.get("thresholds") or {"local": 0})[0]


def best_camera(run: Run) -> tuple[str, float]:
    """Name and accuracy of the best single camera; NaN where no camera was rated."""
    cameras = run.numbers("accuracy.per_camera")
    return max(cameras.items(), key=lambda pair: pair[1]) if cameras else ("", math.nan)


def against_bytes(run: Run) -> Plot | None:
    """The main figure: accuracy against payload bytes per camera and sample."""
    points = curve(run).dropna(subset=["payload_bytes"])
    here = (run.number(f"{PER_SAMPLE}.payload"), run.number("accuracy.overall"))
    raw = run.number(f"{PER_SAMPLE}.raw")
    measured = all(map(math.isfinite, here)) and here[0] > 0
    if points.empty and not measured:
        return None

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 3.9, 3.8))
        axes = calm(drawing.figure.add_subplot())
        if not points.empty:
            _draw_curve(drawing, axes, points, wide)
        _reference_lines(axes, run)
        _raw_and_eq1(axes, run, wide)
        if measured:
            _operating_point(drawing, axes, run, here, raw, wide)
        _log_bytes(axes, [*points.payload_bytes, here[0], raw, run.number(f"{PER_SAMPLE}.eq1")])
        percent_axis(axes)
        axes.set_ylim(top=1.02)
        axes.set_xlabel("payload bytes per camera and sample (log scale)")
        axes.set_title("accuracy", color=MUTED, fontweight="normal")
        return drawing

    return Plot(
        "accuracy_vs_bytes",
        "Accuracy against communication bytes",
        "Further up is more often right, further left is cheaper; the top left corner is the goal. The line is Eq. 1 "
        "over the threshold T (what this network would do without faults), the diamond is this run as measured. "
        "The axis of bytes is logarithmic: each labelled step is about a doubling.",
        f"Accuracy against payload bytes per camera and sample. This run: {words.percent(here[1])} at "
        f"{words.size(here[0])}; raw offload would take {words.size(raw)}.",
        draw,
    )


def _draw_curve(drawing: Drawing, axes: Axes, points: pd.DataFrame, wide: bool) -> None:
    (line,) = axes.plot(
        points.payload_bytes, points.accuracy, color=LIGHT["blue"], marker="o", markersize=3.6, label="Eq. 1 over T"
    )
    texts = [
        f"T = {row.threshold:g}: {words.percent(row.accuracy)} right, {words.size(row.payload_bytes)}, "
        f"{words.percent(row.local_share)} leave at the first exit"
        for row in points.itertuples()
    ]
    drawing.hover(line, *texts)
    placed: list[float] = []
    # From high T (few bytes, far apart on a log axis) to low T, where many thresholds share one point.
    for row in points.iloc[::-1].itertuples():
        x = math.log10(max(float(row.payload_bytes), 1e-9))
        if all(abs(x - other) > (0.09 if wide else 0.17) for other in placed):
            placed.append(x)
            axes.annotate(
                f"T={row.threshold:g}", (row.payload_bytes, row.accuracy), (0, 6), textcoords="offset points",
                ha="center", fontsize=7, color=MUTED,
            )  # fmt: skip


def _reference_lines(axes: Axes, run: Run) -> None:
    name, best = best_camera(run)
    lines = [(best, f"best single camera ({name})"), (run.number("accuracy.baseline_majority"), "always the most frequent class")]
    for value, label in lines:
        if math.isfinite(value):
            axes.axhline(value, color=LIGHT["grey"], linewidth=1, linestyle=(0, (1, 2)))
            axes.annotate(
                f"{label}: {words.percent(value)}", (0, value), (2, 3), xycoords=("axes fraction", "data"),
                textcoords="offset points", fontsize=7.5, color=MUTED,
            )  # fmt: skip


def _raw_and_eq1(axes: Axes, run: Run, wide: bool) -> None:
    raw, eq1 = run.number(f"{PER_SAMPLE}.raw"), run.number(f"{PER_SAMPLE}.eq1")
    for value, label, style in ((raw, "raw offload", "-"), (eq1, "Eq. 1", (0, (4, 2)))):
        if math.isfinite(value) and value > 0:
            axes.axvline(value, color=LIGHT["red"] if label != "Eq. 1" else LIGHT["blue"], linewidth=1, linestyle=style)
            axes.annotate(
                f"{label}\n{words.size(value)}", (value, 0), (-4, 4), xycoords=("data", "axes fraction"),
                textcoords="offset points", ha="right", va="bottom", fontsize=7.5, color=MUTED,
            )  # fmt: skip


def _operating_point(
    drawing: Drawing, axes: Axes, run: Run, here: tuple[float, float], raw: float, wide: bool
) -> None:
    (mark,) = axes.plot(*here, marker="D", markersize=8, color=LIGHT["orange"], linestyle="none", zorder=5)
    drawing.hover(mark, f"this run: {words.percent(here[1])} right, {words.size(here[0])} payload per camera and sample")
    axes.annotate(
        f"this run {words.percent(here[1])}, {words.size(here[0])}", here, (0, -15), textcoords="offset points",
        ha="center", fontsize=8, fontweight="bold", color=INK,
    )  # fmt: skip
    if math.isfinite(raw) and raw > 1.5 * here[0]:
        arrow = {"arrowstyle": "->", "color": MUTED, "linewidth": 0.8, "shrinkA": 8, "shrinkB": 2}
        axes.annotate("", here, (raw, here[1]), arrowprops={**arrow, "shrinkA": 2, "shrinkB": 8})
        axes.annotate(
            f"{words.times(raw / here[0])} less", (math.sqrt(raw * max(here[0], raw / 60)), here[1]), (0, 3),
            textcoords="offset points", ha="center", fontsize=8, color=MUTED,
        )  # fmt: skip


def _log_bytes(axes: Axes, values: list[float]) -> None:
    positive = [value for value in values if math.isfinite(value) and value > 0]
    low, high = min(positive) / 1.5, max(positive) * 1.35
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = [m * 10.0**e for e in range(-1, 9) for m in (1, 2, 5) if low <= m * 10.0**e <= high]
    axes.xaxis.set_major_locator(FixedLocator(ticks[:: 1 + len(ticks) // 12]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _place: words.number(value))
    axes.xaxis.set_minor_formatter(NullFormatter())


def over_threshold(run: Run) -> Plot | None:
    """Accuracies and the share that leaves, over the threshold of the first exit."""
    points = curve(run)
    if points.empty:
        return None
    chosen = as_number((run.summary.get("thresholds") or {}).get(first_exit(run)))

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 3.6, 4.0))
        upper, lower = drawing.figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        for column, label, colour, width in (
            ("cloud_accuracy", "all in the cloud", LIGHT["orange"], 1.2),
            ("local_accuracy", "all at the first exit", LIGHT["blue"], 1.2),
            ("accuracy", "overall", INK, 2.0),
        ):
            upper.plot(points.threshold, points[column], color=colour, linewidth=width, label=label)
        lower.fill_between(points.threshold, points.local_share, color=LIGHT["blue"], alpha=0.25)
        (line,) = lower.plot(points.threshold, points.local_share, color=LIGHT["blue"], marker="o", markersize=3)
        drawing.hover(line, *(f"T = {r.threshold:g}: {words.percent(r.local_share)} leave" for r in points.itertuples()))
        for axes in (calm(upper), calm(lower)):
            percent_axis(axes)
            if math.isfinite(chosen):
                axes.axvline(chosen, color=LIGHT["orange"], linewidth=1, linestyle=(0, (4, 2)))
        upper.legend(loc="lower left", ncols=3 if wide else 1, bbox_to_anchor=(0, 1.0), borderaxespad=0.2)
        upper.set_ylabel("accuracy")
        lower.set_ylabel("leave early")
        lower.set_ylim(0, 1.02)
        lower.set_xlabel(f"threshold T of the {first_exit(run)} exit")
        return drawing

    return Plot(
        "over_threshold",
        "What the threshold does",
        "A sample leaves at the first exit when its normalised entropy is below T. A higher T lets more samples leave "
        "early and so costs fewer bytes; where the overall line stays above the others, the exits help each other. "
        "The dashed line is the T of this run.",
        "Overall accuracy, accuracy of the first exit and of the cloud alone, and the share that leaves early, over T.",
        draw,
    )


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
            left.annotate(words.percent(shares[name]), (shares[name], row), (4, 0), textcoords="offset points", va="center")
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
    rating: Any = (run.summary.get("accuracy") or {}).get("per_exit") or {}
    entry = rating.get(name) if isinstance(rating, dict) else None
    entry = entry if isinstance(entry, dict) else {}
    return as_number(entry.get("accuracy")), as_number(entry.get("samples"))


def _draw_rating(drawing: Drawing, axes: Axes, row: int, name: str, accuracy: float, samples: float) -> None:
    if not math.isfinite(accuracy):
        return
    low, high = wilson(accuracy, samples)
    colour = EXIT_COLOUR.get(name, LIGHT["sky"])
    axes.plot([low, high], [row, row], color=colour, linewidth=2.4, solid_capstyle="butt", alpha=0.5)
    (dot,) = axes.plot(accuracy, row, "o", color=colour, markersize=7)
    drawing.hover(dot, f"{name}: {words.percent(accuracy)} of {words.count(samples)} samples right")
    axes.annotate(words.percent(accuracy), (accuracy, row), (0, 7), textcoords="offset points", ha="center", fontsize=7.5)


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
    listed = (run.summary.get("data") or {}).get("classes") or []
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
    if counts.empty or not counts.to_numpy().sum() or len(counts) > MOST_CLASSES:
        return None

    def draw(wide: bool) -> Drawing:
        height = 0.9 + 0.42 * len(counts)
        drawing = Drawing(figure(wide, height))
        axes = drawing.figure.add_subplot()
        totals = counts.sum(axis=1).to_numpy()
        for row, name in enumerate(counts.index):
            for column, verdict in enumerate(counts.columns):
                n = int(counts.iat[row, column])
                share = n / totals[row] if totals[row] else 0.0
                colour = LIGHT["blue"] if name == verdict else LIGHT["orange"]
                (cell,) = axes.barh(row, 0.94, left=column - 0.47, height=0.9, color=colour, alpha=0.06 + 0.5 * share)
                drawing.hover(cell, f"{name} taken for {verdict}: {n} of {totals[row]} ({words.percent(share)})")
                axes.text(column, row, words.count(n) if n else "·", ha="center", va="center", fontsize=9)
        axes.set_xticks(range(len(counts.columns)), list(counts.columns))
        axes.set_yticks(range(len(counts)), list(counts.index))
        axes.set_ylim(len(counts) - 0.5, -0.5)
        axes.set_xlim(-0.5, len(counts.columns) - 0.5)
        axes.set_ylabel("true class")
        axes.xaxis.tick_top()
        axes.set_title("verdict", color=MUTED, fontweight="normal")
        axes.tick_params(length=0, colors=INK)
        axes.spines[["left", "bottom"]].set_visible(False)
        return drawing

    right = int(sum(counts.iat[i, i] for i in range(len(counts))))
    return Plot(
        "confusion",
        "Which classes are taken for which",
        "One row a true class, one column a verdict. Blue cells on the diagonal are right, orange ones are mistakes; "
        "the stronger the colour, the larger the share of that row.",
        f"Confusion matrix: {right} of {int(counts.to_numpy().sum())} samples on the diagonal.",
        draw,
    )


