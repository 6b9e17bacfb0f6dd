"""The chapter of a sweep's report on what communication cost, for the settings on the Pareto front."""

from __future__ import annotations

import math
from typing import Final

import pandas as pd

from analysis import words
from analysis.drawing import BYTE_COLOUR, BYTE_NAME, Drawing, Plot, calm, figure
from analysis.figures.sweeps import front
from analysis.figures.traffic import PARTS, legend, stack
from analysis.load import records
from analysis.page import Section
from analysis.points import Points
from analysis.tables import Table

MOST_BARS: Final = 16


def section(points: Points, raw: float) -> Section:
    """Bytes per camera and sample in their parts, beside Eq. 1 and raw offload."""
    best = front(points)
    told = [part for part in PARTS if part in best and best[part].notna().any()]
    rows = []
    for row in records(best):
        sizes = {part: float(row[part]) for part in told}
        everything = sum(sizes.values())
        less = {"payload_less": raw / sizes["payload"], "less": raw / everything}
        rows.append(
            {"setting": points.told(row), "eq1": row.get("eq1", math.nan), **sizes, "total": everything, **less}
        )
    frame = pd.DataFrame(rows)
    table = Table(
        "bytes_by_setting", "Bytes per camera and sample on the Pareto front, beside raw offload", frame,
        {name: "times" if name in ("less", "payload_less") else "size" for name in map(str, frame.columns[1:])},
        {
            **BYTE_NAME, "eq1": "Eq. 1", "total": "everything", "payload_less": "payload: less than raw",
            "less": "everything: less than raw",
        },
        f"Raw offload is {words.size(raw)}, counted without any framing, so the comparison favours it."
        if raw > 0 else "",
    )  # fmt: skip
    return Section("communication", "Communication cost", _finding(frame, raw), _plots(frame, told), [table])


def _finding(frame: pd.DataFrame, raw: float) -> str:
    if frame.empty or not raw > 0:
        return "What one camera sends for one sample."
    last = records(frame)[-1]
    return (
        f"At the most accurate setting of the front a camera sends {words.size(last['payload'])} of payload a sample, "
        f"{words.times(last['payload_less'])} less than raw offload; with everything around it "
        f"{words.size(last['total'])}, {words.times(last['less'])} less."
    )


def _plots(frame: pd.DataFrame, told: list[str]) -> list[Plot]:
    if len(told) < 2 or frame.empty:
        return []
    rows = records(frame.tail(MOST_BARS))

    def draw(wide: bool) -> Drawing:
        height = 0.9 + 0.42 * len(rows) + (0 if wide else 0.4)
        drawing = Drawing(figure(wide, height, height))
        axes = drawing.figure.add_subplot()
        for place, row in enumerate(reversed(rows)):
            end = stack(drawing, axes, place, row["setting"], {part: row[part] for part in told}, BYTE_COLOUR)
            axes.annotate(words.size(end), (end, place), (4, 0), textcoords="offset points", va="center", fontsize=7.5)
            axes.annotate(
                _shortened(row["setting"], 60 if wide else 34), (0, place + 0.31), (2, 1),
                textcoords="offset points", va="bottom", fontsize=7.5,
            )  # fmt: skip
        axes.set_yticks([])
        axes.set_ylim(-0.5, len(rows) - 0.2)
        axes.margins(x=0.15)
        axes.xaxis.set_major_formatter(lambda value, _place: words.count(value))
        axes.locator_params(axis="x", nbins=8 if wide else 4)
        legend(axes, wide)
        calm(axes, "x")
        return drawing

    listed = "; ".join(f"{row['setting']}: {words.size(row['total'])}" for row in rows[:6])
    return [
        Plot(
            "sweep_bytes",
            "Bytes per camera and sample on the Pareto front",
            "Payload is what Eq. 1 of the paper counts; our header, MQTT framing on both legs with acknowledgements, "
            "an estimate of TCP/IP and what was transmitted again after a loss come on top.",
            f"Bytes per camera and sample with everything around the payload. {listed}.",
            draw,
        )
    ]


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
