"""What a fleet did about itself: roles of gateways that moved, thresholds that changed, nodes that failed."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis import words
from analysis.drawing import INK, LIGHT, Drawing, Plot, calm, figure, percent_axis
from analysis.load import Run

BINS: Final = 60
MOST_NODES: Final = 18
_PLAYERS: Final = tuple(LIGHT[name] for name in ("blue", "orange", "green", "purple", "gold", "sky", "grey"))


def steps(run: Run, event: str) -> pd.DataFrame:
    """The rows of `events` of one kind, with the node's site in its name where there are several sites."""
    rows = run.events[run.events.event == event]
    names = rows.site + "/" + rows.node if run.events.site.nunique() > 2 else rows.node
    return rows.assign(node=names)


def acted(run: Run) -> pd.DataFrame:
    """All that was done, without the states of nodes."""
    rows = run.events[run.events.event != "lifecycle"]
    return rows[["at_s", "event", "site", "node", "was", "becomes", "reason"]].reset_index(drop=True)


def orchestration(run: Run) -> Plot | None:
    """Dropped samples, who answers for whose cameras, and thresholds, all over the same time."""
    moves = pd.concat([steps(run, "failover"), steps(run, "failback")]).sort_values("at_s", kind="stable")
    tuned = steps(run, "retune")
    if moves.empty and tuned.empty:
        return None
    parts = [part for part, rows in (("moves", moves), ("tuned", tuned)) if len(rows)]
    end = float(np.nanmax([run.number("virtual_s"), run.decisions.captured_s.max(), run.events.at_s.max(), 1e-9]))
    roles = sorted(moves.node.unique(), key=words.natural)[:MOST_NODES]

    def draw(wide: bool) -> Drawing:
        heights = [3.0, *({"moves": 0.8 + 0.5 * len(roles), "tuned": 3.0}[part] for part in parts)]
        drawing = Drawing(figure(wide, 0.6 + 0.55 * sum(heights), 1.2 + 0.55 * sum(heights)))
        panels = drawing.figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
        _draw_dropped(calm(panels[0]), run, end)
        for axes, part in zip(panels[1:], parts, strict=True):
            if part == "moves":
                _draw_players(drawing, calm(axes, "x"), moves, roles, end)
            else:
                _draw_thresholds(calm(axes), tuned, end)
        panels[-1].set_xlim(0, end)
        panels[-1].xaxis.set_major_formatter(lambda value, _place: words.seconds(value))
        return drawing

    return Plot(
        "orchestration",
        "What the fleet did about itself",
        "Above, the share of samples that were dropped, by the time of their capture. Below, which gateway answered "
        "for the cameras of each one that failed, and how thresholds were moved.",
        f"{len(moves)} moves of a gateway's role, {len(tuned)} new thresholds.",
        draw,
    )


def _draw_dropped(axes: Axes, run: Run, end: float) -> None:
    frame = run.decisions[["captured_s", "fate"]].dropna()
    dropped = frame.fate.str.startswith("dropped").astype(float)
    bins = max(4, min(BINS, frame.captured_s.nunique() // 3))
    edges = np.linspace(0, end, bins + 1)
    slot = np.clip(np.digitize(frame.captured_s, edges) - 1, 0, bins - 1)
    share = dropped.groupby(slot).mean().reindex(range(bins))
    axes.stairs(share.to_numpy(), edges, baseline=None, color=INK, linewidth=1.6)
    axes.set_ylim(-0.03, 1.05)
    percent_axis(axes)
    axes.set_title("dropped, by time of capture")


def _draw_players(drawing: Drawing, axes: Axes, moves: pd.DataFrame, roles: list[str], end: float) -> None:
    players = sorted(set(moves.becomes) | set(moves.was), key=words.natural)
    colours = {player: _PLAYERS[place % len(_PLAYERS)] for place, player in enumerate(players)}
    for place, role in enumerate(roles):
        rows = moves[moves.node == role]
        starts, who = [0.0, *rows.at_s], [rows.was.iloc[0], *rows.becomes]
        for begin, stop, player in zip(starts, [*starts[1:], end], who, strict=True):
            (bar,) = axes.barh(place, stop - begin, left=begin, color=colours[player], height=0.6)
            drawing.hover(bar, f"{player} answers for {role}: {words.seconds(begin)} to {words.seconds(stop)}")
    for player in players[: len(_PLAYERS)]:
        axes.barh(0, 0, color=colours[player], label=player)
    axes.set_yticks(range(len(roles)), [f"cameras of {role}" for role in roles])
    axes.set_ylim(len(roles) - 0.4, -0.6)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, handlelength=1)
    axes.set_title("who answers")


def _draw_thresholds(axes: Axes, tuned: pd.DataFrame, end: float) -> None:
    for place, (node, rows) in enumerate(list(tuned.groupby("node", sort=False))[:MOST_NODES]):
        values = [float(rows.was.iloc[0]), *rows.becomes.astype(float)]
        colour = _PLAYERS[place % len(_PLAYERS)]
        axes.step([0.0, *rows.at_s, end], [*values, values[-1]], where="post", label=str(node), color=colour)
    axes.set_ylim(-0.03, 1.03)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, handlelength=1)
    axes.set_title("threshold T of the local exit")
