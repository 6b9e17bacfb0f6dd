"""The fault log: one row an injection, closed by its recovery."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from sim.ledger.columns import table

_SCHEMA: Final = pa.schema(
    [
        ("kind", pa.string()),
        ("target", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("parameters", pa.string()),
        ("fired", pa.bool_()),
    ]
)


@dataclass(slots=True)
class Injection:
    """One injection; `end_s` is None while the fault is in force (and at the end of a run that it outlives)."""

    kind: str
    target: str
    start_s: float | None
    end_s: float | None
    parameters: str
    fired: bool


class FaultLog:
    """All injections of a run, and the scheduled faults that never fired.

    Attributes:
        missed: those, in words; a fault that leaves its coming to chance is none of them.
    """

    def __init__(self) -> None:
        self.rows: list[Injection] = []
        self.missed: list[str] = []

    def start(self, kind: str, target: str, now_s: float, parameters: str, *, fired: bool = True) -> Injection:
        """Adds the row of an injection that begins now; `fired` is False until it has touched something."""
        row = Injection(kind, target, now_s, None, parameters, fired)
        self.rows.append(row)
        return row

    def never_fired(self, kind: str, target: str, parameters: str) -> None:
        """Adds the row of a scheduled fault that did not happen, or touched nothing."""
        self.missed.append(f"{kind} on {target}")
        self.rows.append(Injection(kind, target, None, None, parameters, False))

    def write(self, path: Path) -> None:
        """Writes `faults.parquet`."""
        pq.write_table(table([asdict(row) for row in self.rows], _SCHEMA), path, compression="zstd", store_schema=False)


def joined(*names: str) -> str:
    """Names of faults, each once, joined by `+`."""
    parts = dict.fromkeys(part for name in names if name for part in name.split("+"))
    return "+".join(parts)
