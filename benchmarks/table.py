"""What every benchmark reports: a figure, what it was measured against, and whether the target is met."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        what: the figure in words.
        value: as measured, with its unit.
        target: what it should be, empty where there is none.
        met: whether it is; None where there is no target.
    """

    what: str
    value: str
    target: str = ""
    met: bool | None = None


def show(title: str, rows: Iterable[Row], write: Callable[[str], object]) -> None:
    """Writes one table, row by row as they come."""
    write(f"\n{title}\n{'-' * len(title)}\n")
    for row in rows:
        mark = {True: "met", False: "NOT met", None: ""}[row.met]
        write(f"{row.what:<62} {row.value:>26}   {row.target:<22} {mark}\n".rstrip() + "\n")


def as_json(tables: dict[str, list[Row]]) -> str:
    """All tables as JSON."""
    return json.dumps({name: [asdict(row) for row in rows] for name, rows in tables.items()}, indent=2)
