"""How often the fleet is right: against communication bytes, and over the threshold."""

from __future__ import annotations

import math
from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from analysis import words
from analysis.drawing import INK, LIGHT, MUTED, Drawing, Plot, calm, figure, percent_axis
from analysis.load import Run, as_number

PER_SAMPLE: Final = "bytes.per_device_per_sample"


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
    raw, eq1 = run.number(f"{PER_SAMPLE}.raw"), run.number(f"{PER_SAMPLE}.eq1")
    measured = all(map(math.isfinite, here)) and here[0] > 0
    if points.empty and not measured:
        return None

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 3.9, 3.8))
        axes = calm(drawing.figure.add_subplot())
        if not points.empty:
            _draw_curve(drawing, axes, points, eq1, wide)
        _reference_lines(axes, run)
        _raw_and_eq1(axes, raw, eq1, here[0] if measured else eq1)
        if measured:
            _operating_point(drawing, axes, here, raw)
        log_bytes(axes, [*points.payload_bytes, here[0], raw, eq1], (1, 2, 5) if wide else (1, 3))
        percent_axis(axes)
        axes.set_ylim(min(0.9, axes.get_ylim()[0] - 0.02), 1.025)
        axes.set_xlabel("payload bytes per camera and sample (log scale)")
        axes.set_ylabel("accuracy")
        return drawing

    return Plot(
        "accuracy_vs_bytes",
        "Accuracy against communication bytes",
        "Further up is more often right, further left is cheaper; the top left corner is the goal. The line is Eq. 1 "
        "over the threshold T (what this network would do without faults); the diamond is this run as measured. "
        "The axis of bytes is logarithmic: equal distances are equal factors.",
        f"Accuracy against payload bytes per camera and sample. This run: {words.percent(here[1])} at "
        f"{words.size(here[0])}; raw offload would take {words.size(raw)}.",
        draw,
    )


def _draw_curve(drawing: Drawing, axes: Axes, points: pd.DataFrame, eq1: float, wide: bool) -> None:
    (line,) = axes.plot(
        points.payload_bytes, points.accuracy, color=LIGHT["blue"], marker="o", markersize=3.6, label="Eq. 1 over T"
    )
    texts = [
        f"T = {row['threshold']:g}: {words.percent(row['accuracy'])} right, {words.size(row['payload_bytes'])}, "
        f"{words.percent(row['local_share'])} leave at the first exit"
        for row in points.to_dict("records")
    ]
    drawing.hover(line, *texts)
    placed: list[float] = []
    # From high T (few bytes, far apart on a log axis) to low T, where many thresholds share one point.
    for row in points[::-1].to_dict("records"):
        x = math.log10(max(float(row["payload_bytes"]), 1e-9))
        apart = 0.14 if wide else 0.24
        over_line = eq1 > 0 and abs(x - math.log10(eq1)) < apart / 2
        if not over_line and all(abs(x - other) > apart for other in placed):
            placed.append(x)
            axes.annotate(
                f"T={row['threshold']:g}", (row['payload_bytes'], row['accuracy']), (0, 6), textcoords="offset points",
                ha="center", fontsize=7, color=MUTED,
            )  # fmt: skip


def _reference_lines(axes: Axes, run: Run) -> None:
    name, best = best_camera(run)
    lines = [
        (best, f"best single camera ({name})"),
        (run.number("accuracy.baseline_majority"), "always the most frequent class"),
    ]
    raw = run.number(f"{PER_SAMPLE}.raw")
    edge, across = (raw, "data") if raw > 0 else (1.0, "axes fraction")
    for value, label in lines:
        if math.isfinite(value):
            axes.axhline(value, color=LIGHT["grey"], linewidth=1, linestyle=(0, (1, 2)))
            under = run.number("accuracy.overall") - value < 0.17  # leaves room for the label of this run
            axes.annotate(
                f"{label}: {words.percent(value)}", (edge, value), (-5, -3 if under else 3), xycoords=(across, "data"),
                textcoords="offset points", ha="right", va="top" if under else "bottom", fontsize=7.5, color=MUTED,
            )  # fmt: skip


def _raw_and_eq1(axes: Axes, raw: float, eq1: float, payload: float) -> None:
    """Both as upright lines named above the frame, and how far `payload` is from raw offload."""
    marks = ((raw, "raw offload", LIGHT["red"], "-", "right"), (eq1, "Eq. 1", LIGHT["blue"], (0, (4, 2)), "center"))
    for value, label, colour, style, side in marks:
        if math.isfinite(value) and value > 0:
            axes.axvline(value, color=colour, linewidth=1.1, linestyle=style)
            axes.annotate(
                f"{label} {words.size(value)}", (value, 1), (0, 4), xycoords=("data", "axes fraction"),
                textcoords="offset points", ha=side, fontsize=8, color=colour,
            )  # fmt: skip
    if payload > 0 and raw > 1.5 * payload:
        height, across = 0.32, ("data", "axes fraction")
        arrow = {"arrowstyle": "<->", "color": MUTED, "linewidth": 0.8, "shrinkA": 1, "shrinkB": 1}
        axes.annotate("", (payload, height), (raw, height), xycoords=across, textcoords=across, arrowprops=arrow)
        axes.annotate(
            f"{words.times(raw / payload)} less", (math.sqrt(raw * payload), height), (0, 4), xycoords=across,
            textcoords="offset points", ha="center", fontsize=9, fontweight="bold", color=INK,
        )  # fmt: skip


def _operating_point(drawing: Drawing, axes: Axes, here: tuple[float, float], raw: float) -> None:
    (mark,) = axes.plot(*here, marker="D", markersize=8, color=LIGHT["orange"], linestyle="none", zorder=5)
    text = f"{words.percent(here[1])} right, {words.size(here[0])}"
    drawing.hover(mark, f"this run: {text} of payload per camera and sample")
    # Well below the point, where neither the curve nor its labels are; above it at the foot of the figure.
    left = here[0] > raw / 3
    offset = (-14 if left else 14, -34 if here[1] > 0.2 else 24)
    leader: dict[str, Any] = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 5}
    leader["relpos"] = (1, 1) if left else (0, 1)
    axes.annotate(
        f"this run: {text}", here, offset, textcoords="offset points", ha="right" if left else "left",
        fontsize=8.5, fontweight="bold", color=INK, arrowprops=leader,
    )  # fmt: skip


def log_bytes(axes: Axes, values: list[float], steps: tuple[int, ...]) -> None:
    """Makes the horizontal axis one of bytes: logarithmic over `values`, ticks at `steps` of every power of ten."""
    positive = [value for value in values if math.isfinite(value) and value > 0]
    high = max(positive) * 1.35
    low = min(min(positive) / 1.5, high / 40)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = [m * 10.0**e for e in range(-1, 9) for m in steps if low <= m * 10.0**e <= high]
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
        drawing.hover(
            line,
            *(f"T = {r['threshold']:g}: {words.percent(r['local_share'])} leave" for r in points.to_dict("records")),
        )
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
