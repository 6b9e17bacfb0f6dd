"""Where the time of a verdict goes, and how long queues were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis import words
from analysis.drawing import LIGHT, Drawing, Plot, calm, figure
from analysis.figures.timing import group_of
from analysis.journey import PARTS
from analysis.load import Run, records

COLOURS: Final[Mapping[str, str]] = {
    "capture": LIGHT["purple"],
    "compute": LIGHT["green"],
    "queue": LIGHT["gold"],
    "transmit": LIGHT["blue"],
    "wait": LIGHT["grey"],
}
SLOWEST: Final = 0.95
SLOTS: Final = 400
MOST_LINKS: Final = 6
_LINK_COLOURS: Final = tuple(LIGHT[n] for n in ("blue", "orange", "green", "purple", "gold", "red"))


def table(parts: pd.DataFrame) -> pd.DataFrame:
    """Mean seconds in each part: over all verdicts, by exit, and over the slowest twentieth of all."""
    if parts.empty:
        return pd.DataFrame()
    names = list(PARTS)
    total = parts[names].sum(axis=1)
    groups = {"all": parts}
    groups |= {name: parts[parts.exit == name] for name in words.ordered_exits(list(parts.exit.unique()))}
    groups["slowest 5 %"] = parts[total >= total.quantile(SLOWEST)]
    rows = [
        {"exit": name, "verdicts": len(group), **group[names].mean().to_dict(), "total": total[group.index].mean()}
        for name, group in groups.items()
    ]
    return pd.DataFrame(rows)


def where_time_goes(parts: pd.DataFrame) -> Plot | None:
    """Mean time from capture to verdict by exit, in its parts."""
    rows = records(table(parts))
    if not rows:
        return None

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 1.0 + 0.34 * len(rows), 1.3 + 0.34 * len(rows)))
        axes = calm(drawing.figure.add_subplot(), "x")
        for place, row in enumerate(reversed(rows)):
            end = 0.0
            for part in PARTS:
                (bar,) = axes.barh(place, row[part], left=end, height=0.62, color=COLOURS[part])
                drawing.hover(bar, f"{row['exit']}: {part} {words.seconds(row[part])}")
                end += row[part]
            axes.annotate(words.seconds(end), (end, place), (4, 0), textcoords="offset points", va="center")
        axes.set_yticks(range(len(rows)), [row["exit"] for row in reversed(rows)])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.margins(x=0.15)
        axes.xaxis.set_major_formatter(lambda value, _place: words.seconds(value) if value else "0")
        axes.locator_params(axis="x", nbins=8 if wide else 4)
        for part in PARTS:
            axes.barh(0, 0, color=COLOURS[part], label=part)
        axes.legend(ncols=5 if wide else 3, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, handlelength=1)
        return drawing

    listed = "; ".join(
        f"{row['exit']}: " + ", ".join(f"{part} {words.seconds(row[part])}" for part in PARTS) for row in rows
    )
    meanings = "; ".join(f"{part}: {meaning}" for part, meaning in PARTS.items())
    return Plot(
        "where_time_goes",
        "Where the time goes",
        f"The mean way from capture to verdict, by exit: of all messages of a sample those that it had to wait for. "
        f"{meanings[0].upper()}{meanings[1:]}.",
        f"Mean time from capture to verdict, in parts. {listed}.",
        draw,
    )


def queue_lengths(run: Run, end: float) -> dict[str, np.ndarray]:
    """Most messages that waited for their link at a time, in `SLOTS` steps from 0 to `end` seconds, by link.

    Summed over the links of a group of nodes. Links without any queue are left out, the longest queues come first.
    """
    frame = run.messages[["src", "dst", "sent_s", "queued_s"]].dropna()
    frame = frame[frame.queued_s > 0]
    if frame.empty or not end > 0:
        return {}
    link = group_of(frame.src) + "\u00a0→\u00a0" + group_of(frame.dst)
    found = {str(name): _most(part, end) for name, part in frame.groupby(link)}
    return dict(sorted(found.items(), key=lambda pair: -pair[1].max()))


def _most(waiting: pd.DataFrame, end: float) -> np.ndarray:
    begin = waiting.sent_s.to_numpy(float)
    times = np.concatenate([begin + waiting.queued_s.to_numpy(float), begin])
    change = np.repeat([-1, 1], len(waiting))
    order = np.argsort(times, kind="stable")
    length, slot = np.cumsum(change[order]), np.clip((times[order] / end * SLOTS).astype(int), 0, SLOTS - 1)
    most = np.zeros(SLOTS, dtype=int)
    np.maximum.at(most, slot, length)
    # A queue that stands through a slot without any change in it is as long as it was before.
    last = np.zeros(SLOTS, dtype=int)
    last[slot] = length
    changed = np.zeros(SLOTS, dtype=bool)
    changed[slot] = True
    before = np.maximum.accumulate(np.where(changed, np.arange(SLOTS), -1))
    held = np.where(before >= 0, last[before], 0)
    return np.maximum(most, np.where(changed, 0, held))


def draw_queues(axes: Axes, lengths: Mapping[str, np.ndarray], end: float) -> None:
    """One panel of queue lengths over time; fits below any other panel whose axis goes from 0 to `end` seconds."""
    times = np.linspace(0, end, SLOTS, endpoint=False)
    for (name, most), colour in zip(lengths.items(), _LINK_COLOURS, strict=False):
        axes.step(times, most, where="post", color=colour, linewidth=1.2, label=name)
    axes.set_ylim(bottom=0)
    axes.locator_params(axis="y", nbins=4, integer=True)
    axes.set_title("messages waiting for their link")
    axes.legend(loc="upper right", fontsize=7.5)


def queues(run: Run, end: float) -> Plot | None:
    """How many messages waited for their link, over time."""
    lengths = dict(list(queue_lengths(run, end).items())[:MOST_LINKS])
    if not lengths:
        return None

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 2.2, 2.2))
        axes = calm(drawing.figure.add_subplot())
        draw_queues(axes, lengths, end)
        axes.set_xlim(0, end)
        axes.xaxis.set_major_formatter(lambda value, _place: words.seconds(value) if value else "0")
        axes.locator_params(axis="x", nbins=8 if wide else 4)
        return drawing

    listed = "; ".join(f"{name}: at most {words.count(most.max())}" for name, most in lengths.items())
    return Plot(
        "queue_lengths",
        "Queues over time",
        "How many messages waited at a time because their link was still busy with those before them, summed over the "
        "links of a group. A queue that grows and does not shrink again says that a link is too narrow.",
        f"Messages waiting for their link. {listed}.",
        draw,
    )
