"""What crossed the links: bytes beside Eq. 1 and raw offload, by link and kind, what was lost, what was under way."""

from __future__ import annotations

import math
from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes

from analysis import words
from analysis.drawing import BYTE_COLOUR, BYTE_NAME, LIGHT, Drawing, Plot, calm, figure
from analysis.figures.accuracy import PER_SAMPLE
from analysis.load import Run, as_number

PARTS: Final = tuple(BYTE_NAME)
MOST_ROWS: Final = 24


def split(run: Run, by: str) -> pd.DataFrame:
    """`bytes.by_link` or `bytes.by_kind` as a table, largest first; counts that are missing are NaN."""
    entries: Any = (run.summary.get("bytes") or {}).get(by) or {}
    columns = ["messages", *PARTS, *(["delivered", "lost"] if by == "by_link" else [])]
    rows = {
        name: [as_number(entry.get(c)) for c in columns] for name, entry in entries.items() if isinstance(entry, dict)
    }
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns, dtype=float)
    frame["total"] = frame[list(PARTS)].sum(axis=1)
    return frame.sort_values("total", ascending=False, kind="stable")


def by_node(run: Run) -> pd.DataFrame:
    """What each node sent, in the same parts, largest first; summed over the sites, `repeated` counts transmissions."""
    sizes = {f"{part}_bytes": part for part in PARTS}
    sent = run.messages[["src", "attempts", *sizes]].rename(columns=sizes)
    if sent.empty:
        return pd.DataFrame()
    told = [part for part in PARTS if sent[part].notna().any()]
    sent[told] = sent[told].astype(float)
    groups = sent.groupby("src")
    frame = groups[told].sum()
    frame.insert(0, "messages", groups.size())
    if sent.attempts.notna().any():
        frame.insert(1, "repeated", (sent.attempts - 1).clip(lower=0).groupby(sent.src).sum().astype(int))
    frame["total"] = frame[told].sum(axis=1)
    return frame.sort_values("total", ascending=False, kind="stable")


def by_fate(run: Run) -> pd.DataFrame:
    """What a sample cost by where it ended: samples, messages and mean bytes a sample, over all links."""
    keys, sizes = ["site", "sample"], {f"{part}_bytes": part for part in PARTS}
    samples = run.decisions[[*keys, "fate"]].dropna(subset=["sample"])
    spent = run.messages[[*keys, *sizes]].dropna(subset=["sample"]).rename(columns=sizes)
    if samples.empty or spent.empty:
        return pd.DataFrame()
    spent[list(PARTS)] = spent[list(PARTS)].astype(float)
    totals = spent.assign(messages=1.0).groupby(keys)[["messages", *PARTS]].sum().reset_index()
    each = samples.merge(totals, on=keys, how="left").fillna(dict.fromkeys(("messages", *PARTS), 0.0))
    grouped = each.groupby("fate")
    table = grouped[["messages", *PARTS]].mean()
    table.insert(0, "samples", grouped.size())
    table["total"] = table[list(PARTS)].sum(axis=1)
    return table.reindex(words.ordered_exits(list(table.index))).reset_index()


def per_sample(run: Run) -> Plot | None:
    """Bytes per camera and sample: raw offload, Eq. 1, measured, and measured with everything around it."""
    parts = {part: run.number(f"{PER_SAMPLE}.{part}") for part in PARTS}
    raw, eq1 = run.number(f"{PER_SAMPLE}.raw"), run.number(f"{PER_SAMPLE}.eq1")
    if not math.isfinite(parts["payload"]):
        return None
    everything = sum(value for value in parts.values() if math.isfinite(value))
    rows: list[tuple[str, dict[str, float]]] = [
        ("raw offload", {"raw": raw}),
        ("Eq. 1", {"eq1": eq1}),
        ("measured payload", {"payload": parts["payload"]}),
        ("measured, everything", parts),
    ]
    rows = [(label, values) for label, values in rows if any(map(math.isfinite, values.values()))]

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 2.15, 2.5))
        axes = drawing.figure.add_subplot()
        colours = {**BYTE_COLOUR, "raw": LIGHT["red"], "eq1": LIGHT["sky"]}
        for place, (label, values) in enumerate(reversed(rows)):
            end = stack(drawing, axes, place, label, values, colours)
            less = f", {words.times(raw / end)} less" if label != "raw offload" and end and raw > end else ""
            axes.annotate(f"{words.size(end)}{less}", (end, place), (4, 0), textcoords="offset points", va="center")
        axes.set_yticks(range(len(rows)), [label for label, _ in reversed(rows)])
        axes.set_xlim(0, 1.25 * max(everything, raw if math.isfinite(raw) else 0, 1e-9))
        legend(axes, wide)
        axes.set_xlabel("bytes per camera and sample")
        axes.xaxis.set_major_formatter(lambda value, _place: words.count(value))
        axes.locator_params(axis="x", nbins=8 if wide else 4)
        calm(axes, "x")
        return drawing

    return Plot(
        "bytes_per_sample",
        "Bytes per camera and sample, beside Eq. 1 and raw offload",
        "Raw offload sends every image to the cloud. Eq. 1 of the paper counts payload only: class scores always, "
        "feature bits for samples that go on. “Everything” adds our message header, MQTT framing on both legs with "
        "acknowledgements, an estimate of TCP/IP, and what was transmitted again after a loss.",
        f"Raw offload {words.size(raw)}, Eq. 1 {words.size(eq1)}, measured payload {words.size(parts['payload'])}, "
        f"with everything around it {words.size(everything)}.",
        draw,
    )


def by_link_and_kind(run: Run) -> Plot | None:
    """Total bytes by link and by message kind, in the four columns that are counted apart."""
    panels = [(title, split(run, by)) for by, title in (("by_link", "by link"), ("by_kind", "by kind of message"))]
    panels = [(title, frame.head(MOST_ROWS)) for title, frame in panels if not frame.empty]
    if not panels:
        return None

    def draw(wide: bool) -> Drawing:
        lengths = [len(frame) for _, frame in panels]
        height = 1.0 + sum(0.4 + 0.26 * n for n in lengths)
        drawing = Drawing(figure(wide, height, height + 0.4))
        grid = drawing.figure.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=lengths)
        for axes, (title, frame) in zip(grid[:, 0], panels, strict=True):
            for place, (label, row) in enumerate(frame[::-1].iterrows()):
                end = stack(drawing, axes, place, str(label), {part: row[part] for part in PARTS}, BYTE_COLOUR)
                axes.annotate(
                    words.size(end), (end, place), (4, 0), textcoords="offset points", va="center", fontsize=7.5
                )
            axes.set_yticks(range(len(frame)), [_arrow(str(name)) for name in frame.index[::-1]])
            axes.set_ylim(-0.6, len(frame) - 0.4)
            axes.set_title(title)
            axes.xaxis.set_major_formatter(lambda value, _place: words.size(value))
            axes.locator_params(axis="x", nbins=6 if wide else 3)
            axes.margins(x=0.16 if wide else 0.3)
            calm(axes, "x")
        legend(grid[-1, 0], wide, below=True)
        return drawing

    first = split(run, "by_link")
    listed = "; ".join(f"{name} {words.size(total)}" for name, total in first.total.head(6).items())
    return Plot(
        "bytes_by_link",
        "Where the bytes go",
        "Every message is counted in four parts: payload (what Eq. 1 counts), our header, MQTT framing (publisher to "
        "broker and broker to subscriber, with acknowledgements) and TCP/IP, which is an estimate. What links had to "
        "transmit again after a loss comes on top.",
        f"Bytes by link and by kind of message. {listed}.",
        draw,
    )


def lost(run: Run) -> Plot | None:
    """How many messages were lost, by reason."""
    reasons = {reason: n for reason, n in run.numbers("lost").items() if n > 0}
    if not reasons:
        return None
    ranked = sorted(reasons.items(), key=lambda pair: pair[1])[-MOST_ROWS:]

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 0.6 + 0.3 * len(ranked)))
        axes = calm(drawing.figure.add_subplot(), "x")
        for place, (reason, n) in enumerate(ranked):
            (bar,) = axes.barh(place, n, color=LIGHT["red"], height=0.62)
            drawing.hover(bar, f"lost:{reason}: {words.count(n)} messages")
            axes.annotate(words.count(n), (n, place), (4, 0), textcoords="offset points", va="center")
        axes.set_yticks(range(len(ranked)), [reason for reason, _ in ranked])
        axes.set_ylim(-0.6, len(ranked) - 0.4)
        axes.margins(x=0.15)
        return drawing

    listed = "; ".join(f"{reason} {words.count(n)}" for reason, n in reversed(ranked))
    return Plot(
        "lost_messages",
        "Lost messages by reason",
        "Messages that were sent and never arrived. Bytes sent equal bytes delivered plus bytes lost on every link; "
        "the run checks that itself.",
        f"Lost messages: {listed}.",
        draw,
    )


def stack(
    drawing: Drawing, axes: Axes, place: int, label: str, values: dict[str, float], colours: dict[str, str]
) -> float:
    """Draws one bar of parts at `place`; what is unknown is left out. Returns where it ends."""
    left = 0.0
    for part, value in values.items():
        if math.isfinite(value) and value > 0:
            (bar,) = axes.barh(place, value, left=left, color=colours[part], height=0.62)
            drawing.hover(bar, f"{label}: {BYTE_NAME.get(part, label)} {words.size(value)}")
            left += value
    return left


def legend(axes: Axes, wide: bool, *, below: bool = False) -> None:
    """Names the parts that bytes are counted in."""
    for part, name in BYTE_NAME.items():
        axes.barh(0, 0, color=BYTE_COLOUR[part], label=name)
    where: dict[str, Any] = (
        {"loc": "upper left", "bbox_to_anchor": (0, -0.3)} if below else {"loc": "lower left", "bbox_to_anchor": (0, 1)}
    )
    axes.legend(ncols=5 if wide else 2, borderaxespad=0.2, handlelength=1, handleheight=1, **where)


def _arrow(name: str) -> str:
    return name.replace("->", " → ")
