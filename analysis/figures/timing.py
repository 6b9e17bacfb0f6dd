"""When things happened: how long verdicts took, what faults did meanwhile, how much was under way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis import words
from analysis.drawing import EXIT_COLOUR, INK, LIGHT, Drawing, Plot, calm, figure, percent_axis
from analysis.load import Run

STEPS: Final = 240
MOST_LANES: Final = 18
MOST_BARS: Final = 300
BINS: Final = 60
_FAULT_COLOURS: Final = tuple(
    LIGHT[name] for name in ("red", "orange", "purple", "gold", "green", "blue", "sky", "grey")
)


def latencies(run: Run) -> dict[str, np.ndarray]:
    """Seconds from capture to verdict, sorted: `all`, then by exit."""
    frame = run.decisions[["captured_s", "decided_s", "exit"]]
    frame = frame.assign(took=frame.decided_s - frame.captured_s).dropna(subset=["took"])
    if frame.empty:
        return {}
    found = {"all": np.sort(frame.took.to_numpy(dtype=float))}
    present = words.ordered_exits([str(name) for name in frame.exit.dropna().unique()])
    return found | {name: np.sort(frame.took[frame.exit == name].to_numpy(dtype=float)) for name in present}


def latency(run: Run) -> Plot | None:
    """The distribution of the time from capture to verdict, by exit."""
    groups = latencies(run)
    if not groups:
        return None
    if len(groups) == 2:  # one exit only: `all` would hide it
        groups.pop("all")
    ends = [values[[0, -1]] for values in groups.values()]
    low, high = min(e[0] for e in ends), max(e[1] for e in ends)

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 3.0, 3.0))
        axes = calm(drawing.figure.add_subplot(), "both")
        for name, values in groups.items():
            x, y = _steps(values)
            colour = EXIT_COLOUR.get(name, INK)
            axes.step(x, y, where="post", color=colour, linewidth=1.2 if name == "all" else 2, label=name)
            p95 = float(np.percentile(values, 95))
            (dot,) = axes.plot(p95, 0.95, "o", color=colour, markersize=5)
            drawing.hover(dot, f"{name}: 95 % of the verdicts within {words.seconds(p95)}")
        if low > 0 and high / low > 30:
            axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _place: words.seconds(value))
        axes.xaxis.set_minor_formatter(lambda _value, _place: "")
        axes.set_ylim(0, 1.02)
        percent_axis(axes)
        axes.set_xlabel("from capture to verdict")
        axes.set_title("share of verdicts made by then", fontweight="normal")
        axes.legend(loc="lower right")
        return drawing

    listed = "; ".join(
        f"{name}: median {words.seconds(float(np.median(v)))}, 95 % within {words.seconds(float(np.percentile(v, 95)))}"
        for name, v in groups.items()
    )
    return Plot(
        "latency",
        "How long a verdict takes",
        "Each line climbs as verdicts come in: read across from 50 % for the median, from 95 % (the dots) for the slow "
        "tail. Steeper and further left is better. Time is that of the simulation.",
        f"Latency from capture to verdict. {listed}.",
        draw,
    )


def latency_table(run: Run) -> pd.DataFrame:
    """Percentiles of the time from capture to verdict; one row an exit."""
    rows = [
        {"exit": name, "verdicts": len(v), "mean": v.mean()}
        | {f"p{p}": float(np.percentile(v, p)) for p in (50, 90, 95, 99)}
        | {"max": v[-1]}
        for name, v in latencies(run).items()
    ]
    return pd.DataFrame(rows)


def transit_table(run: Run) -> pd.DataFrame:
    """Time on the way (queue, transmission, propagation, retries) by link and kind of message, in seconds."""
    frame = run.messages[["src", "dst", "kind", "sent_s", "arrived_s"]].dropna(subset=["sent_s", "arrived_s"])
    if frame.empty:
        return pd.DataFrame()
    link = group_of(frame.src) + "\u00a0→\u00a0" + group_of(frame.dst)
    took = (frame.arrived_s - frame.sent_s).groupby([link.rename("link"), frame.kind], observed=True)
    table = took.agg(["size", "median", "max"])
    table.insert(2, "p95", took.quantile(0.95))
    return table.reset_index().rename(columns={"size": "messages"})


def group_of(nodes: pd.Series[str]) -> pd.Series[str]:
    """`cam` of `cam.3`, row by row."""
    return nodes.str.replace(r"\.\d+$", "", regex=True)


def faults(run: Run) -> Plot | None:
    """What was injected when, under accuracy and bytes at that time."""
    rows = run.faults.dropna(subset=["start_s"])
    if rows.empty:
        return None
    kinds = list(rows.kind.value_counts().index)
    colours = {kind: _FAULT_COLOURS[place % len(_FAULT_COLOURS)] for place, kind in enumerate(kinds)}
    end = end_of(run)
    lanes = _lanes(rows)
    spans = _spans(rows, end)

    def draw(wide: bool) -> Drawing:
        height = 3.0 + 0.19 * len(lanes)
        drawing = Drawing(figure(wide, height, height + 0.4))
        panels = drawing.figure.subplots(3, 1, sharex=True, height_ratios=(6, 5, 1 + 1.1 * len(lanes)))
        _draw_accuracy(calm(panels[0]), run, end)
        _draw_bytes(calm(panels[1]), run, end)
        for panel in panels[:2]:
            for start_s, end_s in spans:
                panel.axvspan(start_s, end_s, color=LIGHT["red"], alpha=0.1, linewidth=0, zorder=0)
        _draw_lanes(drawing, calm(panels[2], "x"), lanes, colours, end)
        panels[2].set_xlim(0, end)
        panels[2].xaxis.set_major_formatter(lambda value, _place: words.seconds(value))
        return drawing

    listed = "; ".join(f"{kind}: {n}" for kind, n in rows.kind.value_counts().items())
    return Plot(
        "faults",
        "Faults over time",
        "Below, a line a fault and its target: each bar or tick is one injection, from when it began until it healed. "
        "Above, in the same time (tinted while any fault was in force), how many of the samples captured then were "
        "right (a dropped sample counts as wrong) and what was sent. A dip over a bar is what that fault cost.",
        f"Timeline of {len(rows)} injections, under accuracy and bytes. {listed}.",
        draw,
    )


def end_of(run: Run) -> float:
    """Seconds of virtual time that figures over time show."""
    times: Iterable[float] = (
        run.number("virtual_s"), run.decisions.captured_s.max(), run.decisions.decided_s.max(),
        run.faults.start_s.max(), run.faults.end_s[np.isfinite(run.faults.end_s)].max(),
    )  # fmt: skip
    return max([float(t) for t in times if np.isfinite(t)], default=1.0) or 1.0


def _lanes(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Injections by kind and target; by kind alone where these are too many to draw, the rarest kinds together."""
    target = rows.target.astype(str)
    if target.str.startswith("site-0/").eq(target.str.contains("/")).all():  # one site: it goes without saying
        target = target.str.removeprefix("site-0/")
    name = rows.kind.astype(str) + " \u00b7 " + target.str.replace("->", "\u202f\u2192\u202f")
    if name.nunique() > MOST_LANES:
        often = rows.kind.value_counts().index[: MOST_LANES - 1]
        name = rows.kind.astype(str).where(rows.kind.isin(often), "others")
    groups = {str(lane): part for lane, part in rows.groupby(name, observed=True)}
    return {lane: groups[lane] for lane in sorted(groups, key=words.natural)}


def _spans(rows: pd.DataFrame, end: float) -> list[tuple[float, float]]:
    """When any fault was in force, without overlaps; what lasted for no time is left out."""
    found: list[tuple[float, float]] = []
    ends = rows.end_s.where(np.isfinite(rows.end_s), end)
    for start_s, end_s in sorted(zip(rows.start_s, ends, strict=True)):
        if found and start_s <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end_s))
        elif end_s > start_s:
            found.append((start_s, end_s))
    return found


def _draw_lanes(
    drawing: Drawing, axes: Axes, lanes: dict[str, pd.DataFrame], colours: dict[str, str], end: float
) -> None:
    for place, part in enumerate(lanes.values()):
        for row in part.iloc[:: 1 + len(part) // MOST_BARS].to_dict("records"):
            healed = bool(np.isfinite(row["end_s"]))
            width = max((row["end_s"] if healed else end) - row["start_s"], end / 400)
            (bar,) = axes.barh(place, width, left=row["start_s"], color=colours[row["kind"]], height=0.6)
            until = f"to {words.seconds(row['end_s'])}" if healed else "to the end"
            drawing.hover(bar, f"{row['kind']} on {row['target']}: {words.seconds(row['start_s'])} {until}")
    axes.set_yticks(range(len(lanes)), list(lanes))
    axes.set_ylim(len(lanes) - 0.4, -0.6)
    axes.set_title("injections")


def _draw_accuracy(axes: Axes, run: Run, end: float) -> None:
    frame = run.decisions[["label", "predicted", "captured_s"]].dropna(subset=["captured_s", "label"])
    right = (frame.predicted == frame.label).fillna(False).astype(float)
    bins = max(4, min(BINS, frame.captured_s.nunique() // 6))
    edges = np.linspace(0, end, bins + 1)
    slot = np.clip(np.digitize(frame.captured_s, edges) - 1, 0, bins - 1)
    share = right.groupby(slot).mean().reindex(range(bins))  # a gap where nothing was captured
    axes.stairs(share.to_numpy(), edges, baseline=None, color=INK, linewidth=1.6)
    axes.set_ylim(0, 1.05)
    percent_axis(axes)
    axes.set_title("right, by time of capture")


def _draw_bytes(axes: Axes, run: Run, end: float) -> None:
    """Bytes a second by time of sending: the payload, and with everything around it."""
    frame = run.messages[["sent_s", "payload_bytes", "header_bytes", "mqtt_bytes"]].dropna()
    bins = max(4, min(BINS, run.decisions.captured_s.nunique() // 6))
    edges = np.linspace(0, end, bins + 1)
    payload = np.histogram(frame.sent_s, edges, weights=frame.payload_bytes)[0] / np.diff(edges)
    around = np.histogram(frame.sent_s, edges, weights=frame.header_bytes + frame.mqtt_bytes)[0] / np.diff(edges)
    axes.stairs(payload + around, edges, fill=True, color=LIGHT["sky"], alpha=0.5, label="with header and MQTT")
    axes.stairs(payload, edges, fill=True, color=LIGHT["blue"], label="payload")
    axes.set_ylim(bottom=0)
    axes.locator_params(axis="y", nbins=4)
    axes.yaxis.set_major_formatter(lambda value, _place: words.size(value))
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=2, handlelength=1, borderaxespad=0.1)
    axes.set_title("bytes a second, by time of sending")


def _steps(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An empirical distribution function in at most `STEPS` points."""
    shares = np.arange(1, len(values) + 1) / len(values)
    if len(values) > STEPS:
        chosen = np.unique(np.linspace(0, len(values) - 1, STEPS).round().astype(int))
        values, shares = values[chosen], shares[chosen]
    return np.concatenate([values[:1], values]), np.concatenate([[0.0], shares])
