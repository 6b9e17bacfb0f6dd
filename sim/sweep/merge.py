"""Joins the folders of shards into the folder of the whole sweep, as if it had been run in one piece."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from sim.errors import UsageError
from sim.sweep import index, store
from sim.sweep.folder import ABOUT, Folder
from sim.sweep.store import COMPLETE, Store
from sim.sweep.tables import write_tables


@dataclass(frozen=True)
class Merged:
    """The joined sweep: where it lies, how many points it has, how many are still missing, how many failed."""

    folder: Path
    points: int
    missing: int
    failed: int

    @property
    def exit_code(self) -> int:
        """0, or 5 where points failed or are missing."""
        return 5 if self.failed or self.missing else 0


def merge(folders: Sequence[Path], out: Path | None = None) -> Merged:
    """Joins sweep folders of the same sweep.

    Args:
        folders: shards, or interrupted parts; of a point that several of them have a complete result counts.
        out: the joined folder; None: beside the first, by the name that the sweep itself would take. The sweep
            command continues from it.

    Raises:
        UsageError: they are no sweep folders, or of different sweeps.
        SetupError: the joined folder cannot be written.
    """
    sources = [Folder(path) for path in folders]
    abouts = [source.about() for source in sources]
    first = abouts[0]
    for source, about in zip(sources, abouts, strict=True):
        if about["content"] != first["content"]:
            raise UsageError(f"{source.path} is of another sweep than {sources[0].path}; merge the shards of one")
    target = Folder(out or sources[0].path.parent / f"sweep-{first['content'][:8]}")
    rows = _rows(sources)
    with Store(target.path) as results:
        there = store.read(target.path)
        for source in sources:
            results.add(record for key, record in store.read(source.path).items() if key not in there)
        write_tables(target, list(rows.values()), first["varied"])
    for name in ("scenario.yaml", "scenario.json"):
        target.write_text(name, (sources[0].path / name).read_text(encoding="utf-8"))
    complete = sum(row["status"] == COMPLETE for row in rows.values())
    missing = first["points"]["sweep"] - len(rows)
    counts = {
        "sweep": first["points"]["sweep"],
        "here": len(rows),
        "complete": complete,
        "failed": len(rows) - complete,
    }
    status = "interrupted" if missing else "complete"
    target.write_json(ABOUT, {**first, "status": status, "shard": None, "points": counts, "merged": _names(abouts)})
    return Merged(target.path, len(rows), missing, len(rows) - complete)


def _rows(sources: Sequence[Folder]) -> dict[int, dict[str, Any]]:
    """The rows of all indices by point, complete ones before failed ones."""
    rows: dict[int, dict[str, Any]] = {}
    for source in sources:
        path = source.path / index.INDEX
        if not path.exists():
            raise UsageError(f"{path} is missing: the shard was killed; run it again, which completes it")
        for row in pq.read_table(path).to_pylist():
            known = rows.get(row["point"])
            if known is None or known["status"] != COMPLETE:
                rows[row["point"]] = row
    return rows


def _names(abouts: Sequence[dict[str, Any]]) -> list[str]:
    return [about["shard"] or "all" for about in abouts]
