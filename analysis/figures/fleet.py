"""Who is in the fleet: the topology with what its links carried, and what each node spent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes

from analysis import words
from analysis.drawing import GRID, INK, LIGHT, MUTED, PAPER, Drawing, Plot, calm, figure
from analysis.figures.traffic import split
from analysis.load import Run, as_number

MOST_DRAWN: Final = 12
MOST_NODES: Final = 40
_ROLE_COLOUR: Final = {"camera": LIGHT["blue"], "gateway": LIGHT["green"], "cloud": LIGHT["orange"]}


@dataclass(frozen=True)
class _Box:
    label: str
    detail: str
    role: str
    names: tuple[str, ...]
    uplinks: tuple[str, ...]


def topology(run: Run) -> Plot | None:
    """Cameras, gateways and the cloud, with bandwidth, latency and bytes on the links between them."""
    nodes = [
        node for node in (run.summary.get("topology") or {}).get("nodes") or [] if node.get("role") in words.ROLE_ORDER
    ]
    if not nodes:
        return None
    tiers = [_tier(nodes, role) for role in words.ROLE_ORDER]
    tiers = [tier for tier in tiers if tier]
    labels = _link_labels(run)
    sites = as_number((run.summary.get("topology") or {}).get("sites"))

    def draw(wide: bool) -> Drawing:
        most = max(map(len, tiers))
        drawing = Drawing(figure(wide, max(1.7, 0.5 + 0.36 * most), 4.1))
        axes = drawing.figure.add_subplot()
        axes.set_axis_off()
        places = {
            name: _place(depth, row, len(tier), wide)
            for depth, tier in enumerate(tiers) for row, box in enumerate(tier) for name in box.names
        }  # fmt: skip
        for tier in tiers:
            _draw_links(axes, tier, places, most)
        for depth, tier in enumerate(tiers):
            for row, box in enumerate(tier):
                _draw_box(drawing, axes, box, _place(depth, row, len(tier), wide), wide, len(tier))
        for depth, tier in enumerate(tiers[:-1]):
            _draw_link_label(axes, tier, tiers[depth + 1], labels, depth, wide)
        if sites > 1:
            axes.set_title(f"one of {words.count(sites)} sites; they share the cloud")
        axes.set_xlim(*((-0.3, len(tiers) - 0.7) if wide else (-0.62, 0.62)))
        axes.set_ylim(*((-0.62, 0.62) if wide else (-0.25, len(tiers) - 0.75)))
        return drawing

    listed = "; ".join(f"{src} to {dst}: {', '.join(lines)}" for (src, dst), lines in labels.items())
    return Plot(
        "topology",
        "The fleet and its links",
        "Cameras send to their gateway, gateways to the cloud. On each link: its bandwidth and latency as given in the "
        "scenario, and all bytes that it carried in this run (payload, header, MQTT and TCP/IP, both ways).",
        f"{len(nodes)} nodes in a site. {listed}.",
        draw,
    )


def _group(name: str) -> str:
    stem, dot, index = name.rpartition(".")
    return stem if dot and index.isdigit() else name


def _tier(nodes: list[dict[str, Any]], role: str) -> list[_Box]:
    members = sorted(
        (node for node in nodes if node["role"] == role), key=lambda node: words.natural(str(node["name"]))
    )
    if len(members) <= MOST_DRAWN:
        return [
            _Box(str(n["name"]), str(n.get("profile") or ""), role, (str(n["name"]),), (str(n.get("uplink") or ""),))
            for n in members
        ]
    boxes: dict[str, list[dict[str, Any]]] = {}
    for node in members:
        boxes.setdefault(_group(str(node["name"])), []).append(node)
    return [
        _Box(
            f"{words.count(len(part))} × {group}", str(part[0].get("profile") or ""), role,
            tuple(str(n["name"]) for n in part), tuple(sorted({str(n.get("uplink") or "") for n in part})),
        )
        for group, part in list(boxes.items())[:MOST_DRAWN]
    ]  # fmt: skip


def _link_labels(run: Run) -> dict[tuple[str, str], list[str]]:
    carried = split(run, "by_link")["total"] if run.summary.get("bytes") else pd.Series(dtype=float)
    labels: dict[tuple[str, str], list[str]] = {}
    for link in (run.summary.get("topology") or {}).get("links") or []:
        ends = (_group(str(link.get("src"))), _group(str(link.get("dst"))))
        total = sum(float(carried.get(name, 0)) for name in (f"{ends[0]}->{ends[1]}", f"{ends[1]}->{ends[0]}"))
        loss = as_number(link.get("loss"))
        lines = [
            f"{words.rate(as_number(link.get('bandwidth_bps')))}, {words.seconds(as_number(link.get('latency_s')))}",
            f"carried {words.size(total)}",
        ]
        labels.setdefault(ends, lines + ([f"loss {words.percent(loss, 2)}"] if loss > 0 else []))
    return labels


def _place(depth: int, row: int, size: int, wide: bool) -> tuple[float, float]:
    across = 0.0 if size == 1 else 0.5 - row / (size - 1)
    return (float(depth), across) if wide else (-across, float(depth))


def _draw_links(axes: Axes, tier: list[_Box], places: dict[str, tuple[float, float]], most: int) -> None:
    for box in tier:
        for uplink in box.uplinks:
            targets = [place for name, place in places.items() if uplink and uplink in (name, _group(name))]
            for x, y in targets[:1]:
                start = places[box.names[0]]
                axes.plot([start[0], x], [start[1], y], color=GRID, linewidth=2.2 if most <= 6 else 1.4, zorder=1)


def _draw_box(drawing: Drawing, axes: Axes, box: _Box, place: tuple[float, float], wide: bool, size: int) -> None:
    crowded = not wide and size > 3
    text = axes.text(
        *place, box.label.replace(".", ".\n") if crowded else box.label, ha="center", va="center", zorder=3, color=INK,
        fontsize=7 if crowded else 8.5, fontweight="bold",
        bbox={"boxstyle": "round,pad=0.35", "facecolor": PAPER, "edgecolor": _ROLE_COLOUR[box.role], "linewidth": 1.6},
    )  # fmt: skip
    drawing.hover(text, f"{box.label}: {box.role}{', ' + box.detail if box.detail else ''}")
    if size == 1 and box.detail:
        axes.annotate(box.detail, place, (0, -20), textcoords="offset points", ha="center", fontsize=7, color=MUTED)


def _draw_link_label(
    axes: Axes, lower: list[_Box], upper: list[_Box], labels: dict[tuple[str, str], list[str]], depth: int, wide: bool
) -> None:
    ends = {(_group(a.names[0]), _group(b.names[0])) for a in lower for b in upper}
    lines = [line for pair in sorted(ends) for line in labels.get(pair, [])][:6]
    if not lines:
        return
    busy = len(lower) > 2
    beside = busy and len(upper) % 2 == 1  # otherwise the middle is free, or there is one line to stand on
    place = (depth + (0.62 if beside else 0.5), -0.42 if beside else 0.0) if wide else (0.34, depth + 0.5)
    above = wide and not busy
    axes.annotate(
        "\n".join(lines), place, (0, 6 if above else 0), textcoords="offset points", ha="center", fontsize=7.5,
        va="bottom" if above else "center", color=MUTED, linespacing=1.35, zorder=4,
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.5},
    )  # fmt: skip


def energy(run: Run) -> Plot | None:
    """Energy by node; by role where the nodes are too many to list."""
    nodes = run.nodes.dropna(subset=["energy_j"])
    nodes = nodes[nodes.energy_j > 0]
    if nodes.empty:
        return None
    few = len(nodes) <= MOST_NODES
    several = nodes.site.nunique() > 2
    name = (nodes.site.fillna("") + "/" + nodes.node).str.removeprefix("/") if several and few else nodes.node
    spent = nodes.energy_j.groupby(name if few else nodes.role).sum()
    roles = dict(zip(name if few else nodes.role, nodes.role.astype(str), strict=True))
    order = sorted(map(str, spent.index), key=lambda key: (_depth(roles[key]), words.natural(key)))
    ranked = [(key, float(spent[key])) for key in order]

    def draw(wide: bool) -> Drawing:
        drawing = Drawing(figure(wide, 0.7 + 0.25 * len(ranked)))
        axes = calm(drawing.figure.add_subplot(), "x")
        for place, (label, joules) in enumerate(ranked):
            (bar,) = axes.barh(place, joules, color=_ROLE_COLOUR.get(str(roles[label]), LIGHT["sky"]), height=0.64)
            drawing.hover(bar, f"{label}: {words.joules(joules)}")
            axes.annotate(words.joules(joules), (joules, place), (4, 0), textcoords="offset points", va="center")
        axes.set_yticks(range(len(ranked)), [label for label, _ in ranked])
        axes.set_ylim(len(ranked) - 0.4, -0.6)
        axes.xaxis.set_major_formatter(lambda value, _place: words.joules(value))
        axes.locator_params(axis="x", nbins=6 if wide else 3)
        axes.margins(x=0.18)
        return drawing

    total = sum(value for _, value in ranked)
    decided = run.number("samples.decided")
    each = f", {words.joules(total / decided)} a decided sample" if decided > 0 else ""
    return Plot(
        "energy",
        f"Energy by {'node' if few else 'role'}",
        "Idle power over the whole run, busy power while computing, and the radio's energy for every byte; from the "
        "hardware profiles of the scenario. Blue: cameras, green: gateways, orange: cloud.",
        f"Energy in all {words.joules(total)}{each}; "
        + "; ".join(f"{label} {words.joules(value)}" for label, value in ranked[:12])
        + ".",
        draw,
    )


def _depth(role: str) -> int:
    return words.ROLE_ORDER.index(role) if role in words.ROLE_ORDER else len(words.ROLE_ORDER)


def node_table(run: Run, most: int = 200) -> tuple[pd.DataFrame, bool]:
    """One row a node; with more than `most` nodes one row a role (sums), and whether it was summed."""
    nodes = run.nodes.dropna(axis="columns", how="all")
    if "cost" in nodes and not nodes.cost.fillna(0).any():
        nodes = nodes.drop(columns="cost")
    if len(nodes) <= most:
        one_site = "site" in nodes and run.number("topology.sites") <= 1
        return (nodes.drop(columns="site") if one_site else nodes), False
    sums = [
        c
        for c in ("captured", "sent", "received", "bytes_up", "bytes_down", "energy_j", "busy_s", "cost")
        if c in nodes
    ]
    grouped = nodes.groupby("role", sort=False)
    table = grouped[sums].sum()
    table.insert(0, "nodes", grouped.size())
    table = table.reset_index()
    return table.sort_values("role", key=lambda roles: roles.map(_depth)), True


def total_energy(run: Run) -> float:
    """Joules of all nodes, from the summary or else from the table of nodes."""
    stated = run.number("energy_j")
    return stated if math.isfinite(stated) else float(run.nodes.energy_j.sum())
