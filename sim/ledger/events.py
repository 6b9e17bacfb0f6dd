"""The event log: what the fleet did about itself while it ran (moves of cameras, new thresholds); one row an event."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from sim.ledger.columns import table

_SCHEMA: Final = pa.schema(
    [
        ("at_s", pa.float64()),
        ("event", pa.string()),
        ("site", pa.string()),
        ("node", pa.string()),
        ("was", pa.string()),
        ("becomes", pa.string()),
        ("reason", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `was` and `becomes` are what changed: a gateway, a threshold, a state."""

    at_s: float
    event: str
    site: str
    node: str
    was: str
    becomes: str
    reason: str = ""


class EventLog:
    """All events of a run, in the order in which they happened."""

    def __init__(self) -> None:
        self.rows: list[Event] = []

    def add(self, event: Event) -> None:
        """Adds one row."""
        self.rows.append(event)

    def count(self, event: str) -> int:
        """How often something happened."""
        return sum(row.event == event for row in self.rows)

    def write(self, path: Path) -> None:
        """Writes `events.parquet`."""
        pq.write_table(table([asdict(row) for row in self.rows], _SCHEMA), path, compression="zstd", store_schema=False)
