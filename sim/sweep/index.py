"""The tables of a sweep: `index.parquet`, one row a point, and `replicates.parquet`, one row a group of seeds.

Both follow from the points and their results alone, in the order of the points: not from time, machine or `-j`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sim.cache import publish
from sim.errors import SetupError
from sim.sweep.expand import DOWN, SEED
from sim.sweep.figures import COUNTED
from sim.sweep.points import Point
from sim.sweep.statistics import interval95
from sim.sweep.store import COMPLETE, FAILED, Record

INDEX: Final = "index.parquet"
REPLICATES: Final = "replicates.parquet"

REPLICATED: Final = "replicates."
DOWN_COUNT: Final = "down_count"
_FIRST: Final = ("point", "key", "status", "seed")
_ERROR: Final = "error"

Row = dict[str, Any]


def rows(points: Iterable[Point], records: Mapping[str, Record]) -> list[Row]:
    """One row for every point that has a result."""
    return [_row(point, records[point.key]) for point in points if point.key in records]


def _row(point: Point, record: Record) -> Row:
    row: Row = {"point": point.number, "key": point.key, "status": record["status"], "seed": point.seed}
    row |= point.columns
    row |= {name: value for name, value in record.get("figures", {}).items() if name not in row}
    if record["status"] == FAILED:
        row["error"] = record["error"]
    return row


def table(found: Sequence[Row], varied: Sequence[str]) -> pa.Table:
    """The index, in the order of the points, from rows in any order.

    Columns: `point`, `key`, `status`, `seed`, the varied values (`down` and `down_count` where nodes are down), every
    figure by name, and `error` where points failed.
    """
    ordered = sorted(found, key=lambda row: int(row["point"]))
    first = [*_FIRST, *_settings(varied)]
    figures = sorted({name for row in ordered for name in row if not name.startswith(REPLICATED)} - {*first, _ERROR})
    last = [_ERROR] if any(row["status"] == FAILED for row in ordered) else []
    return pa.table({name: column([_value(row, name) for row in ordered]) for name in [*first, *figures, *last]})


def with_replicates(index: pa.Table, found: pa.Table, varied: Sequence[str]) -> pa.Table:
    """The index with what `replicates` tells of each point's setting, in columns `replicates.<name>`."""
    keys = _settings(varied)
    told = {tuple(row[key] for key in keys): row for row in found.to_pylist()}
    points = index.select(["point", *keys]).to_pylist()
    of_points = [told.get(tuple(row[key] for key in keys), {}) for row in points]
    for name in found.column_names:
        if name not in keys:
            index = index.append_column(REPLICATED + name, column([row.get(name) for row in of_points]))
    return index


def _value(row: Row, name: str) -> Any:
    value = row.get(name)
    return 0 if value is None and name.startswith(COUNTED) and row["status"] == COMPLETE else value


def _settings(varied: Sequence[str]) -> list[str]:
    """The columns that tell settings apart: the varied paths but the seed."""
    return [name for path in varied if path != SEED for name in ((DOWN, DOWN_COUNT) if path == DOWN else (path,))]


def column(values: Sequence[Any]) -> pa.Array:
    """A column of one type: truth values, whole numbers, numbers or text; whatever is mixed becomes text."""
    known = [value for value in values if value is not None]
    if not known:
        return pa.array(values, pa.float64())
    if all(isinstance(value, bool) for value in known):
        return pa.array(values, pa.bool_())
    if not any(isinstance(value, bool) for value in known):
        if all(isinstance(value, int) for value in known):
            return pa.array(values, pa.int64())
        if all(isinstance(value, int | float) for value in known):
            return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return pa.array([value if value is None or isinstance(value, str) else json.dumps(value) for value in values])


def replicates(index: pa.Table, varied: Sequence[str]) -> pa.Table:
    """Mean and 95 % confidence interval over seeds, for every combination of the other varied values.

    Columns: the varied values, `seeds` (how many), and for each figure `<figure>.mean` and `<figure>.ci95` (half the
    width of the interval by Student's t; null for a single seed).
    """
    keys = _settings(varied)
    found = [row for row in index.to_pylist() if row["status"] == COMPLETE]
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in found:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    left_out = {*_FIRST, _ERROR, *keys}
    figures = [name for name in index.column_names if name not in left_out and not name.startswith(REPLICATED)]
    out = [_replicate(dict(zip(keys, key, strict=True)), group, figures) for key, group in groups.items()]
    names = list(out[0]) if out else []
    return pa.table({name: column([row[name] for row in out]) for name in names})


def _replicate(values: Row, group: Sequence[Row], figures: Sequence[str]) -> Row:
    row = {**values, "seeds": len(group)}
    for name in figures:
        known = np.array([one[name] for one in group if one[name] is not None], np.float64)
        row[f"{name}.mean"], row[f"{name}.ci95"] = interval95(known)
    return row


def write(index: pa.Table, path: Path) -> None:
    """Puts a table in its place, whole or not at all.

    Raises:
        SetupError: the disk is full or gone.
    """
    try:
        with publish(path) as draft:
            pq.write_table(index, draft, compression="zstd", store_schema=False)
            draft.chmod(0o644)
    except OSError as error:
        raise SetupError(f"cannot write {path}: {error.strerror or error}") from error
