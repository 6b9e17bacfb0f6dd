"""Draws snapshots: a picture that renews itself on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import click

from sim.cli.rates import Rates

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from sim.world import NodeView, Snapshot

LINE_S: Final = 5.0
"""Wall seconds between plain lines while nothing happens."""
STATES: Final = {"active": "green", "degraded": "yellow", "failed": "bold red", "retired": "dim"}


class View(Protocol):
    """Something that shows a run."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def show(self, snapshot: Snapshot) -> None:
        """Shows how the run is now."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Shows how far the preparation is."""


def open_view() -> View:
    """What fits the place that standard output leads to."""
    return Picture() if sys.stdout.isatty() else Lines()


class Lines:
    """A line every few seconds, and one whenever a fault comes or goes or a node changes its state."""

    def __init__(self) -> None:
        self._rates = Rates()
        self._told: tuple[object, ...] = ()
        self._next_s = 0.0
        self._began: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()

    def progress(self, what: str, done: int, total: int) -> None:
        """Says what begins, once."""
        if what not in self._began:
            self._began.add(what)
            click.echo(f"{what} ...", err=True)

    def show(self, snapshot: Snapshot) -> None:
        """Writes a line if there is news."""
        self._rates.add(snapshot)
        states = tuple(node.name for node in snapshot.nodes if node.state == "failed")
        news = snapshot.status, tuple((fault.id, fault.target) for fault in snapshot.faults), states
        if news != self._told or time.monotonic() >= self._next_s:
            self._told, self._next_s = news, time.monotonic() + LINE_S
            click.echo(line(snapshot, self._rates))


def line(now: Snapshot, rates: Rates) -> str:
    """A run in one line."""
    if now.status == "preparing":
        return f"{now.scenario}, {now.mode}: preparing"
    parts = [f"{clock(now.time_s)} {now.status}", f"decided {now.decided} of {now.due}"]
    if now.accuracy is not None:
        parts.append(f"right {100 * now.accuracy:.1f} %")
    parts += [f"{name} {count}" for name, count in now.exits.items()]
    parts.append(f"{size(rates.payload())}/s")
    parts += [f"lost {sum(now.lost.values())}"] * bool(now.lost)
    down = [node.name for node in now.nodes if node.state == "failed"]
    parts += [f"failed: {shortened(down)}"] * bool(down)
    parts += [f"faults: {shortened([f'{fault.kind} on {fault.target}' for fault in now.faults])}"] * bool(now.faults)
    return ", ".join(parts)


class Picture:
    """A table of the nodes and the sums, drawn again with every snapshot."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console()
        self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
        self._rates = Rates()
        self._preparing = ""

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def progress(self, what: str, done: int, total: int) -> None:
        """Is shown until the run begins."""
        self._preparing = f"{what}: {done} of {total}"
        if not self._rates.begun:
            self._live.update(f"preparing: {self._preparing}", refresh=True)

    def show(self, snapshot: Snapshot) -> None:
        """Draws it."""
        if not snapshot.nodes:
            self._live.update(
                f"{snapshot.scenario}, {snapshot.mode}: {snapshot.status} {self._preparing}", refresh=True
            )
            return
        self._rates.add(snapshot)
        self._live.update(picture(snapshot, self._rates, self._console.size.height), refresh=True)


def picture(now: Snapshot, rates: Rates, height: int) -> Group:
    """A run as rich draws it, at most `height` lines high."""
    from rich.console import Group
    from rich.text import Text

    speed = f" × {now.speed:g}" if now.mode == "live" and now.speed != 1 else ""
    style = {"running": "green", "complete": "bold green"}.get(now.status, "yellow")
    head = Text.assemble((now.scenario, "bold"), f"  {now.mode}{speed}  ", (now.status, style))
    head.append(f"  {clock(now.time_s)} / {clock(now.duration_s)}", "dim")
    faults = [
        Text(f"  {f.id}: {f.kind} on {f.target}, for {clock(now.time_s - f.since_s)}", "red") for f in now.faults[:6]
    ]
    title = [Text(f"faults in force: {len(now.faults)}", "bold" if now.faults else "dim"), *faults]
    room = height - 8 - len(title)
    return Group(head, _sums(now, rates), _exits(now), "", _nodes(now, rates, max(4, room)), "", *title)


def _sums(now: Snapshot, rates: Rates) -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 3))
    right = "-" if now.accuracy is None else f"{100 * now.accuracy:.1f} %"
    table.add_row(
        f"[dim]decided[/] {now.decided} of {now.due}",
        f"[dim]accuracy[/] [bold]{right}[/]",
        f"[dim]payload[/] {size(now.payload_bytes)}, {size(rates.payload())}/s",
        f"[dim]messages[/] {rates.messages():.1f}/s",
        f"[dim]lost[/] {sum(now.lost.values())}",
    )
    return table


def _exits(now: Snapshot) -> str:
    right = now.right_by_exit
    told = (f"{name} {count} ({100 * right.get(name, 0) / count:.0f} % right)" for name, count in now.exits.items())
    return f"[dim]exits[/] {', '.join(told) or '-'}"


def _nodes(now: Snapshot, rates: Rates, rows: int) -> Table:
    """All nodes where they find room; else groups, and the nodes that are not well."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("node", "state"):
        table.add_column(name, style="bold" if name == "node" else "", no_wrap=True)
    for name in ("captured", "sent", "received", "up/s", "busy", "behind"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("faults", style="red")
    upward, busy = rates.upward(), rates.busy()
    if len(now.nodes) <= rows - 1:
        shown = list(now.nodes)
    else:
        for group, members in _groups(now.nodes).items():
            table.add_row(*_group(group, members, upward, busy))
        ill = [node for node in now.nodes if node.state in ("failed", "degraded")]
        shown = ill[: max(0, rows - 1 - table.row_count)]
    for node in shown:
        table.add_row(*_node(node, upward, busy))
    return table


def _node(node: NodeView, upward: dict[str, float], busy: dict[str, float]) -> list[str]:
    state = f"[{STATES.get(node.state, '')}]{node.state}[/]" if node.state in STATES else node.state
    behind = f"{1000 * node.backlog_s:.0f} ms" if node.backlog_s > 0.0005 else ""
    counts = str(node.captured) if node.role == "camera" else "", str(node.sent), str(node.received)
    rates = f"{size(upward[node.name])}", f"{100 * busy[node.name]:.0f} %", behind
    return [node.name, state, *counts, *rates, " ".join(node.faults)]


def _groups(nodes: tuple[NodeView, ...]) -> dict[str, list[NodeView]]:
    found: dict[str, list[NodeView]] = {}
    for node in nodes:
        found.setdefault(node.group, []).append(node)
    return found


def _group(name: str, members: list[NodeView], upward: dict[str, float], busy: dict[str, float]) -> list[Any]:
    states = {state: sum(node.state == state for node in members) for state in STATES}
    told = " ".join(f"[{STATES[state]}]{count} {state}[/]" for state, count in states.items() if count)
    counts = (str(sum(getattr(node, what) for node in members)) for what in ("captured", "sent", "received"))
    rate, share = sum(upward[node.name] for node in members), sum(busy[node.name] for node in members) / len(members)
    behind = max(node.backlog_s for node in members)
    late = f"{1000 * behind:.0f} ms" if behind > 0.0005 else ""
    return [f"{len(members)} × {name}", told, *counts, size(rate), f"{100 * share:.0f} %", late, ""]


def shortened(names: list[str], most: int = 3) -> str:
    """The first few of many."""
    return " ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def clock(seconds: float) -> str:
    """Seconds as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def size(count: float) -> str:
    """A byte count with its unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
