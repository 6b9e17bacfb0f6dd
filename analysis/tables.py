"""Tables of a report: once as CSV with full precision, once for people."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from analysis import words

SHOWN_ROWS: Final = 200
LONG_ROWS: Final = 12

_WRITERS: Final[Mapping[str, Callable[[float], str]]] = {
    "count": words.count,
    "number": words.number,
    "percent": words.percent,
    "size": words.size,
    "seconds": words.seconds,
    "joules": words.joules,
    "watts": words.watts,
    "times": words.times,
    "points": words.points,
    "margin": words.margin,
    "rate": words.rate,
}


@dataclass(frozen=True)
class Cell:
    """One cell for people: what is shown, what it sorts by, and whether it is a number."""

    text: str
    order: str
    numeric: bool


@dataclass(frozen=True)
class Table:
    """A captioned table. `kinds` maps a column to how it is written (see `_WRITERS`); others are text."""

    name: str
    caption: str
    frame: pd.DataFrame
    kinds: Mapping[str, str] = field(default_factory=dict)
    heads: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    spreads: Mapping[str, str] = field(default_factory=dict)
    """Column -> the column of its standard deviation, which is shown behind it: `95.1 ± 0.4 %`."""
    aside: bool = False
    """Whether a figure shows the same already, so that the page keeps the table folded."""
    file: str = ""
    """Where its CSV lies, seen from the page; `tables/<name>.csv` unless given."""

    @property
    def source(self) -> str:
        """Where its CSV lies."""
        return self.file or f"tables/{self.name}.csv"

    @property
    def folded(self) -> bool:
        """Whether the page shows only the caption until asked."""
        return self.aside or len(self.frame) > LONG_ROWS

    @property
    def columns(self) -> list[tuple[str, bool]]:
        """(heading, whether numeric) of each column."""
        return [(self.heads.get(name, name), name in self.kinds) for name in self._names]

    @property
    def shown(self) -> list[list[Cell]]:
        """The first rows, for people."""
        names = [str(name) for name in self.frame.columns]
        tuples = self.frame.head(SHOWN_ROWS).itertuples(index=False, name=None)
        rows = [dict(zip(names, row, strict=True)) for row in tuples]
        return [
            [self._cell(name, row[name], row.get(self.spreads.get(name, ""))) for name in self._names] for row in rows
        ]

    @property
    def _names(self) -> list[str]:
        return [name for name in map(str, self.frame.columns) if name not in self.spreads.values()]

    @property
    def hidden(self) -> int:
        """How many rows are in the CSV only."""
        return max(0, len(self.frame) - SHOWN_ROWS)

    def csv(self) -> str:
        """Every row, unrounded."""
        return str(self.frame.to_csv(index=False, lineterminator="\n"))

    def _cell(self, name: str, value: Any, spread: Any = None) -> Cell:
        if name not in self.kinds:
            text = "" if value is None or value is pd.NA or value != value else str(value)
            return Cell(text, text, numeric=False)
        known = value is not None and value is not pd.NA and math.isfinite(float(value))
        amount = float(value) if known else math.nan
        text = _WRITERS[self.kinds[name]](amount)
        if known and spread is not None and spread is not pd.NA and math.isfinite(float(spread)):
            text = words.with_spread(amount, float(spread), self.kinds[name])
        return Cell(text, repr(amount) if known else "", numeric=True)
