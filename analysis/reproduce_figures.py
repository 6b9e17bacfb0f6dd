"""Figures of the published experiments: ours filled and drawn through, the published values hollow and dashed."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis import words
from analysis.drawing import EXIT_COLOUR, LIGHT, MUTED, Drawing, Plot, calm, figure, percent_axis

COLOUR: Final = {
    "local": EXIT_COLOUR["local"],
    "cloud": EXIT_COLOUR["cloud"],
    "overall": LIGHT["green"],
    "individual": LIGHT["grey"],
    "local_exit": LIGHT["purple"],
    "failout": LIGHT["blue"],
    "no_failout": LIGHT["orange"],
}
NAME: Final = {
    "local": "local exit alone",
    "cloud": "cloud alone",
    "overall": "overall",
    "individual": "the camera alone",
    "local_exit": "leave locally",
    "failout": "with failout",
    "no_failout": "without failout",
    "one_failed": "one camera failed",
}
HOW: Final = (
    "Filled marks are ours (mean over the seeds; upright lines are one standard deviation); hollow ones published."
)


def pairs(frame: pd.DataFrame) -> Plot:
    """Table I: local and cloud accuracy of the nine pairs."""
    ordered = frame.sort_values("overall", ascending=False, ignore_index=True)

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 3.3, 3.6))
        axes = calm(drawing.figure.add_subplot())
        for name, shift in (("local", -0.22), ("cloud", 0.0), ("overall", 0.22)):
            _ours(drawing, axes, ordered, np.arange(len(ordered)) + shift, name, ordered["pair"], line=False)
            _theirs(axes, ordered, np.arange(len(ordered)) + shift, name, line=False)
        axes.set_xticks(range(len(ordered)), ordered["pair"], rotation=0 if wide else 60)
        return _finish(
            drawing, axes, ("local", "cloud", "overall"), "local-cloud aggregation, best overall first", wide
        )

    best = ordered.iloc[0]
    return Plot(
        "table1",
        "Nine pairs of aggregation",
        f"{HOW} MP is max, AP mean, CC concatenation; first at the local exit, then in the cloud. The published "
        "values of this table are quoted from memory: not verified.",
        f"The best pair here is {best['pair']} with {words.percent(best['overall'])} overall.",
        draw,
    )


def thresholds(frame: pd.DataFrame) -> Plot:
    """Table II: local exit share and accuracy over T; accuracy over bytes."""

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 3.2, 6.0))
        left, right = drawing.figure.subplots(1, 2) if wide else drawing.figure.subplots(2, 1)
        texts = [f"T = {threshold:g}" for threshold in frame["threshold"]]
        for name in ("local_exit", "overall"):
            _ours(drawing, calm(left), frame, frame["threshold"], name, texts)
            _theirs(left, frame, frame["threshold"], name)
        _finish(drawing, left, ("local_exit", "overall"), "threshold T", wide, low=0)
        left.set_ylabel("share of the samples")
        _ours(drawing, calm(right), frame, frame["bytes"], "overall", texts)
        right.plot(frame["bytes_published"], frame["overall_published"], **_hollow("overall"), linestyle=(0, (3, 2)))
        right.set_ylabel("accuracy")
        return _finish(drawing, right, (), "payload bytes per camera and sample", wide)

    top = frame.sort_values("overall", ascending=False, kind="stable").iloc[0]
    return Plot(
        "table2",
        "Thresholds: what leaves locally, what it costs",
        f"{HOW} Left: the higher T, the more samples leave at the gateway. Right: what that saves and costs.",
        f"Best threshold here: T = {top['threshold']:g} with {words.percent(top['overall'])} at "
        f"{words.size(top['bytes'])} per camera and sample.",
        draw,
    )


def added(frame: pd.DataFrame) -> Plot:
    """Fig. 8: accuracy over the number of cameras."""
    names = ("individual", "local", "cloud", "overall")

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 3.4, 3.8))
        axes = calm(drawing.figure.add_subplot())
        texts = [f"{row.cameras} cameras, {row.added} added" for row in frame.itertuples()]
        for name in names:
            _ours(drawing, axes, frame, frame["cameras"], name, texts)
            _theirs(axes, frame, frame["cameras"], name)
        axes.set_xticks(list(frame["cameras"]))
        return _finish(drawing, axes, names, "cameras, added from worst to best; retrained for each number", wide)

    last = frame.iloc[-1]
    return Plot(
        "fig8",
        "More cameras are more often right",
        f"{HOW} Missing cameras: a network is trained for each number of cameras, as published.",
        f"{len(frame)} cameras: {words.percent(last['overall'])} overall; the best one alone "
        f"{words.percent(frame['individual'].max())}.",
        draw,
    )


def filters(frame: pd.DataFrame) -> Plot:
    """Fig. 9: accuracy over bytes for 1, 2, 4, 8 filters."""
    names = ("local", "cloud", "overall")

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 3.4, 3.8))
        axes = calm(drawing.figure.add_subplot())
        texts = [f"{count} filters" for count in frame["filters"]]
        for name in names:
            _ours(drawing, axes, frame, frame["bytes"], name, texts)
            axes.plot(frame["bytes_published"], frame[f"{name}_published"], **_hollow(name), linestyle=(0, (3, 2)))
        return _finish(drawing, axes, names, "payload bytes per camera and sample (1, 2, 4, 8 filters)", wide)

    first, last = frame.iloc[0], frame.iloc[-1]
    return Plot(
        "fig9",
        "Communication against accuracy",
        f"{HOW} Two device blocks of 4 and f filters; T is chosen so that 70 % of the samples leave locally.",
        f"From {words.percent(first['overall'])} at {words.size(first['bytes'])} to {words.percent(last['overall'])} "
        f"at {words.size(last['bytes'])}.",
        draw,
    )


def failed(frame: pd.DataFrame) -> Plot:
    """Fig. 10: overall accuracy with one camera failed, by what is done about it."""
    whole, rows = frame.iloc[0], frame.iloc[1:]
    policies = list(dict.fromkeys(rows["missing"]))
    names = list(dict.fromkeys(rows["failed"]))

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 3.4, 3.9))
        axes = calm(drawing.figure.add_subplot())
        handles = []
        for policy, colour, shift in zip(policies, (LIGHT["orange"], LIGHT["blue"]), (-0.15, 0.15), strict=False):
            part = rows[rows["missing"] == policy]
            _ours(drawing, axes, part, np.arange(len(part)) + shift, "overall", names, line=False, colour=colour)
            handles.append(Line2D([], [], color=colour, marker="o", linestyle="none", label=f"ours, {policy}"))
            if part["overall_published"].notna().any():
                _theirs(axes, part, np.arange(len(part)) + shift, "overall", line=False, colour=colour)
                hollow = _hollow("overall", colour)
                handles.append(Line2D([], [], **hollow, linestyle="none", label=f"published, {policy}"))
        axes.axhline(whole["overall"], color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
        handles.append(Line2D([], [], color=MUTED, linewidth=1, linestyle=(0, (1, 2)), label="ours, all cameras work"))
        axes.set_xticks(range(len(names)), names)
        axes.set_xlabel("the camera that failed")
        percent_axis(axes)
        axes.set_ylabel("overall accuracy")
        axes.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(0, -0.18), ncols=2 if wide else 1, borderaxespad=0
        )
        return drawing

    return Plot(
        "fig10",
        "One camera failed",
        f"{HOW} Missing camera: {words.joined(policies)}. Cameras have their own numbers in each data set.",
        "; ".join(
            f"{policy}: {words.percent(rows[rows['missing'] == policy]['overall'].min())} at worst"
            for policy in policies
        ),
        draw,
    )


def recipes(frame: pd.DataFrame) -> Plot:
    """Both ways to train: accuracy at the exits, and with one camera failed."""
    names = ("local", "cloud", "overall", "one_failed")
    places = np.arange(len(names))

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 3.0, 3.4))
        axes = calm(drawing.figure.add_subplot())
        handles = []
        for (_, row), colour, shift in zip(
            frame.iterrows(), (LIGHT["blue"], LIGHT["orange"]), (-0.1, 0.1), strict=True
        ):
            turned = pd.DataFrame(
                {"overall": [row[name] for name in names], "overall_sd": [row[f"{name}_sd"] for name in names]}
            )
            texts = [f"recipe {row['recipe']}, {NAME[name]}" for name in names]
            _ours(drawing, axes, turned, places + shift, "overall", texts, line=False, colour=colour)
            label = f"ours, {row['recipe']} recipe"
            handles.append(Line2D([], [], color=colour, marker="o", linestyle="none", label=label))
        theirs = [frame[f"{name}_published"].iloc[0] if f"{name}_published" in frame else np.nan for name in names]
        axes.plot(places, theirs, **_hollow("overall", MUTED), linestyle="none")
        handles.append(Line2D([], [], **_hollow("overall", MUTED), linestyle="none", label="the paper"))
        axes.set_xticks(places, [NAME[name] for name in names])
        percent_axis(axes)
        axes.set_ylabel("accuracy")
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, -0.16), ncols=3, borderaxespad=0)
        return drawing

    return Plot(
        "recipes",
        "The published recipe and the default one",
        f"{HOW} One camera failed: the mean over the cameras, nothing retrained.",
        "; ".join(f"{row['recipe']}: {words.percent(row['overall'])} overall" for _, row in frame.iterrows()),
        draw,
    )


def signed(plot: Plot, text: str) -> Plot:
    """The same figure with a line below it that says how it was made, so that it can stand without its page."""

    def draw(wide: bool) -> Drawing:
        drawing = plot.draw(wide)
        lines = textwrap.fill(text, 150 if wide else 74)
        drawing.figure.supxlabel(lines, x=0.01, ha="left", fontsize=6.5, color=MUTED)
        return drawing

    return replace(plot, draw=draw)


def by_number(numbers: pd.DataFrame, expected: pd.DataFrame, missing: str) -> Plot:
    """All subsets: mean accuracy by number of failed cameras, and expected accuracy by failure probability."""
    counted = numbers[numbers["down_count"] != "all subsets"]
    names = [name for name in ("failout", "no_failout") if name in numbers]

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 3.3, 6.0))
        left, right = drawing.figure.subplots(1, 2) if wide else drawing.figure.subplots(2, 1)
        down = counted["down_count"].astype(int)
        for name in names:
            _ours(drawing, calm(left), counted, down, name, [f"{n} down, mean" for n in down])
            left.plot(down, counted[f"{name}_worst"], color=COLOUR[name], linewidth=0.9, linestyle=(0, (1, 1.5)))
            texts = [f"each fails with {words.percent(p)}" for p in expected["failure_probability"]]
            _ours(drawing, calm(right), expected, expected["failure_probability"], name, texts)
        left.set_xticks(list(down))
        _finish(drawing, left, names, "cameras that are down (dotted: the worst subset)", wide, published=False)
        percent_axis(right, "x")
        return _finish(drawing, right, (), "probability that a camera is down", wide)

    every = numbers.iloc[-1]
    return Plot(
        "subsets",
        "Every subset of failed cameras",
        "Filled marks are means over the subsets of a size and the seeds, upright lines one standard deviation over "
        f"the seeds. Missing cameras are {missing}. Right: every subset weighted with its probability.",
        "; ".join(f"{NAME[name]}: {words.percent(every[name])} over all subsets" for name in names),
        draw,
    )


def _ours(
    drawing: Drawing, axes: Axes, frame: pd.DataFrame, at: Sequence[float] | pd.Series | np.ndarray, name: str,
    texts: Sequence[str] | pd.Series, *, line: bool = True, colour: str | None = None,
) -> None:  # fmt: skip
    colour = colour or COLOUR[name]
    spread = frame[f"{name}_sd"].astype(float)
    if spread.notna().any():
        axes.errorbar(at, frame[name], yerr=spread, fmt="none", ecolor=colour, elinewidth=0.8, alpha=0.7)
    (marks,) = axes.plot(at, frame[name], color=colour, marker="o", linestyle="-" if line else "none")
    both = zip(frame[name], spread, strict=True)
    said = (f"{text}, {NAME[name]}: {_with_spread(*values)}" for text, values in zip(texts, both, strict=True))
    drawing.hover(marks, *said)


def _with_spread(mean: float, sd: float) -> str:
    return words.percent(mean) + ("" if np.isnan(sd) else f" ± {100 * sd:.1f}")


def _theirs(
    axes: Axes, frame: pd.DataFrame, at: Sequence[float] | pd.Series | np.ndarray, name: str,
    *, line: bool = True, colour: str | None = None,
) -> None:  # fmt: skip
    column = f"{name}_published"
    if column in frame and frame[column].notna().any():
        style = (0, (3, 2)) if line else "none"
        axes.plot(at, frame[column].astype(float), **_hollow(name, colour), linestyle=style)


def _hollow(name: str, colour: str | None = None) -> dict[str, Any]:
    return {
        "color": colour or COLOUR[name],
        "marker": "D",
        "markersize": 4,
        "markerfacecolor": "none",
        "linewidth": 0.9,
    }


def _finish(
    drawing: Drawing, axes: Axes, names: Sequence[str], across: str, wide: bool,
    *, low: float | None = None, published: bool = True, line: bool = True,
) -> Drawing:  # fmt: skip
    """Axes, and below them the legend of `names` (none: another panel has it)."""
    percent_axis(axes)
    axes.set_ylim(bottom=low)
    axes.set_xlabel(across)
    axes.set_ylabel("accuracy")
    if not names:
        return drawing
    style: Any = "-" if line else "none"
    handles = [Line2D([], [], color=COLOUR[name], marker="o", linestyle=style, label=NAME[name]) for name in names]
    if published:
        dashed: Any = (0, (3, 2)) if line else "none"
        handles.append(Line2D([], [], **(_hollow("overall") | {"color": MUTED}), linestyle=dashed, label="published"))
    columns = 5 if wide and len(names) > 2 else 2
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, -0.2), ncols=columns, borderaxespad=0)
    return drawing
