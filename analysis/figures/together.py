"""Several runs and sweeps in one figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes

from analysis import words
from analysis.drawing import BYTE_COLOUR, LIGHT, Drawing, Plot, calm, figure, percent_axis
from analysis.figures.accuracy import PER_SAMPLE, log_bytes
from analysis.figures.sweeps import MOST_MARKS
from analysis.figures.traffic import PARTS, legend, stack
from analysis.load import Run, as_number, records

_COLOURS: Final = tuple(LIGHT[n] for n in ("blue", "orange", "green", "purple", "gold", "red", "sky", "grey"))
_MARKERS: Final = "DosvP^X*"
MOST_LABELLED: Final = 12


@dataclass(frozen=True)
class Entry:
    """One folder among others.

    Attributes:
        points: its settings (one for a run), with the columns `accuracy`, `payload` and `told`.
        front: the settings that nothing beats, cheapest first, also with `low` and `high` (95 % confidence).
        raw: bytes of raw offload per camera and sample; NaN if unknown.
    """

    label: str
    kind: str
    points: pd.DataFrame = field(repr=False)
    front: pd.DataFrame = field(repr=False)
    raw: float

    @property
    def chosen(self) -> dict[str, Any]:
        """The most accurate setting of the front; empty where there is none."""
        rows = records(self.front)
        return rows[-1] if rows else {}

    def best(self, figure: str) -> float:
        """One figure of the most accurate setting; NaN where it is unknown."""
        return as_number(self.chosen.get(figure))


def against_bytes(entries: Sequence[Entry]) -> Plot | None:
    """Accuracy against payload bytes: runs as marks, sweeps as clouds with their Pareto fronts."""
    drawn = [entry for entry in entries if entry.best("payload") > 0 and math.isfinite(entry.best("accuracy"))]
    if not drawn:
        return None
    raw = max((entry.raw for entry in entries if entry.raw > 0), default=math.nan)

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 4.2, 4.6))
        axes = calm(drawing.figure.add_subplot())
        for place, entry in enumerate(drawn):
            _draw_entry(drawing, axes, entry, _COLOURS[place % len(_COLOURS)], _MARKERS[place % len(_MARKERS)])
        if raw > 0:
            axes.axvline(raw, color=LIGHT["red"], linewidth=1.1)
            axes.annotate(
                f"raw offload {words.size(raw)}", (raw, 1), (0, 4), xycoords=("data", "axes fraction"),
                textcoords="offset points", ha="right", fontsize=8, color=LIGHT["red"],
            )  # fmt: skip
        payloads = [float(value) for entry in drawn for value in entry.points.payload]
        log_bytes(axes, [*payloads, raw], (1, 2, 5) if wide else (1, 3))
        percent_axis(axes)
        axes.set_xlabel("payload bytes per camera and sample (log scale)")
        axes.set_ylabel("accuracy")
        if len(drawn) <= MOST_LABELLED:
            axes.legend(
                ncols=3 if wide else 1, loc="upper left", bbox_to_anchor=(0, -0.16), borderaxespad=0, handletextpad=0.3
            )
        return drawing

    listed = "; ".join(
        f"{entry.label}: {words.percent(entry.best('accuracy'))} at {words.size(entry.best('payload'))}"
        for entry in drawn[:MOST_LABELLED]
    )
    return Plot(
        "together_accuracy_vs_bytes",
        "Accuracy against bytes of all",
        "Further up is more often right, further left is cheaper. A single mark is a run, its upright line the 95 % "
        "confidence interval; a stair is the Pareto front of a sweep, the pale dots behind it are its other settings. "
        "Rest the pointer on a mark to read what it is.",
        f"Accuracy against payload bytes per camera and sample. {listed}.",
        draw,
    )


def _draw_entry(drawing: Drawing, axes: Axes, entry: Entry, colour: str, marker: str) -> None:
    best = entry.front
    known = best[best.low.notna()]
    if len(known):
        ends = [known.accuracy - known.low, known.high - known.accuracy]
        axes.errorbar(known.payload, known.accuracy, yerr=ends, fmt="none", ecolor=colour, elinewidth=1, alpha=0.7)
    if entry.kind == "sweep":
        step = 1 + len(entry.points) // MOST_MARKS
        others = entry.points[::step]
        dots = axes.scatter(others.payload, others.accuracy, s=8, color=colour, alpha=0.25, linewidth=0)
        drawing.hover(dots, *(_told(row) for row in records(others)))
        axes.plot(best.payload, best.accuracy, color=colour, linewidth=1.2, drawstyle="steps-post", zorder=3)
    marks = axes.scatter(
        best.payload, best.accuracy, s=30, marker=marker, color=colour, linewidth=0, zorder=4, label=entry.label
    )
    front = records(best)
    drawing.hover(marks, *(_told(row if entry.kind == "run" else {**row, "told": _named(entry, row)}) for row in front))


def _named(entry: Entry, row: Mapping[str, Any]) -> str:
    return f"{entry.label}: {row['told']}"


def _told(row: Mapping[str, Any]) -> str:
    return f"{row['told']}: {words.percent(row['accuracy'])} right, {words.size(row['payload'])}"


def bytes_of(runs: Mapping[str, Run]) -> Plot | None:
    """Bytes per camera and sample of each run, in their parts."""
    parts = {label: {part: run.number(f"{PER_SAMPLE}.{part}") for part in PARTS} for label, run in runs.items()}
    parts = {label: sizes for label, sizes in parts.items() if math.isfinite(sizes["payload"])}
    if not parts:
        return None

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 1.0 + 0.32 * len(parts), 1.3 + 0.32 * len(parts)))
        axes = drawing.figure.add_subplot()
        for place, (label, sizes) in enumerate(reversed(parts.items())):
            end = stack(drawing, axes, place, label, sizes, BYTE_COLOUR)
            axes.annotate(words.size(end), (end, place), (4, 0), textcoords="offset points", va="center")
        axes.set_yticks(range(len(parts)), list(reversed(parts)))
        axes.set_ylim(-0.6, len(parts) - 0.4)
        axes.margins(x=0.15)
        axes.xaxis.set_major_formatter(lambda value, _place: words.count(value))
        axes.locator_params(axis="x", nbins=8 if wide else 4)
        legend(axes, wide)
        calm(axes, "x")
        return drawing

    listed = "; ".join(f"{label} {words.size(sum(v for v in s.values() if v == v))}" for label, s in parts.items())
    return Plot(
        "together_bytes",
        "Bytes per camera and sample, run by run",
        "Payload is what Eq. 1 of the paper counts; header, MQTT framing on both legs, an estimate of TCP/IP and what "
        "was transmitted again after a loss are around it.",
        f"Bytes per camera and sample with everything around the payload. {listed}.",
        draw,
    )
