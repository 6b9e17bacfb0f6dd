"""Opens run folders and sweep folders: the only thing that reports read.

Folders written by older versions are read too: a column or a file that did not exist yet comes back empty.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pandas as pd

COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "decisions": {
        "site": "string",
        "sample": "Int64",
        "label": "Int64",
        "predicted": "Int64",
        "exit": "string",
        "entropy": "float64",
        "captured_s": "float64",
        "decided_s": "float64",
        "devices_used": "Int64",
        "fate": "string",
    },
    "messages": {
        "sent_s": "float64",
        "arrived_s": "float64",
        "src": "string",
        "dst": "string",
        "kind": "string",
        "site": "string",
        "sample": "Int64",
        "payload_bytes": "Int64",
        "header_bytes": "Int64",
        "mqtt_bytes": "Int64",
        "tcpip_bytes": "Int64",
        "fate": "string",
        "fault": "string",
        "attempts": "Int64",
        "queued_s": "float64",
        "retransmitted_bytes": "Int64",
    },
    "faults": {
        "kind": "string",
        "target": "string",
        "start_s": "float64",
        "end_s": "float64",
        "parameters": "string",
        "fired": "boolean",
    },
    "nodes": {
        "site": "string",
        "node": "string",
        "role": "string",
        "profile": "string",
        "captured": "Int64",
        "sent": "Int64",
        "received": "Int64",
        "bytes_up": "Int64",
        "bytes_down": "Int64",
        "energy_j": "float64",
        "busy_s": "float64",
        "mean_w": "float64",
        "battery_life_s": "float64",
        "cost": "float64",
    },
    "events": {
        "at_s": "float64",
        "event": "string",
        "site": "string",
        "node": "string",
        "was": "string",
        "becomes": "string",
        "reason": "string",
    },
}


class FolderError(Exception):
    """A folder that cannot be reported on; the text says what is wrong and what would be right."""


def dig(tree: Mapping[str, Any], path: str, default: Any = None) -> Any:
    """The value at a dotted path of nested mappings, or `default` where any step is missing or null."""
    value: Any = tree
    for step in path.split("."):
        if not isinstance(value, Mapping) or value.get(step) is None:
            return default
        value = value[step]
    return value


@dataclass(frozen=True)
class Run:
    """One complete run folder. Tables are read when first asked for."""

    folder: Path
    run: dict[str, Any] = field(repr=False)
    summary: dict[str, Any] = field(repr=False)

    @cached_property
    def decisions(self) -> pd.DataFrame:
        """One row a sample."""
        return self.table("decisions")

    @cached_property
    def messages(self) -> pd.DataFrame:
        """One row a message."""
        return self.table("messages")

    @cached_property
    def faults(self) -> pd.DataFrame:
        """One row an injection."""
        return self.table("faults")

    @cached_property
    def nodes(self) -> pd.DataFrame:
        """One row a node."""
        return self.table("nodes")

    @cached_property
    def scenario(self) -> dict[str, Any]:
        """The resolved scenario; empty where the folder has none."""
        path = self.folder / "scenario.json"
        return _read_json(path) if path.exists() else {}

    @cached_property
    def events(self) -> pd.DataFrame:
        """One row a thing that the fleet did about itself, states of nodes included."""
        return self.table("events")

    def table(self, name: str) -> pd.DataFrame:
        """The table `name` with every column of today's contract; what the folder lacks is null."""
        path = self.folder / f"{name}.parquet"
        frame = _read_parquet(path) if path.exists() else pd.DataFrame()
        for column, dtype in COLUMNS[name].items():
            if column not in frame:
                frame[column] = pd.Series(pd.NA, index=frame.index, dtype="object")
            frame[column] = _as_type(frame[column], dtype)
        return frame

    def text(self, path: str, default: str = "") -> str:
        """The text at a dotted path of summary.json, else of run.json."""
        return str(dig(self.summary, path, dig(self.run, path, default)))

    def number(self, path: str) -> float:
        """The number at a dotted path of summary.json; NaN where it is missing or no number."""
        return as_number(dig(self.summary, path))

    def numbers(self, path: str) -> dict[str, float]:
        """The numbers of a mapping in summary.json, e.g. `exits`; those that are missing are left out."""
        found = dig(self.summary, path, {})
        pairs = found.items() if isinstance(found, Mapping) else ()
        return {str(key): as_number(value) for key, value in pairs if not math.isnan(as_number(value))}


@dataclass(frozen=True)
class Sweep:
    """One sweep folder: `index` has one row a point, `varied` names the columns that the sweep set."""

    folder: Path
    run: dict[str, Any] = field(repr=False)
    index: pd.DataFrame = field(repr=False)
    varied: tuple[str, ...]

    @cached_property
    def scenario(self) -> dict[str, Any]:
        """The resolved scenario that all points vary; empty where the folder has none."""
        path = self.folder / "scenario.json"
        return _read_json(path) if path.exists() else {}

    @cached_property
    def done(self) -> pd.DataFrame:
        """The points that have a result."""
        if "status" not in self.index:
            return self.index
        status = self.index["status"].astype("string").fillna("")
        return self.index[status.isin(["complete", "done", "ok", "success", ""])]


def missing_policy(scenario: Mapping[str, Any], varied: Sequence[str] = ()) -> str:
    """What a scenario does about cameras that send nothing, in words; empty where it does not say."""
    if {"model.missing", "model.training.recipe"} & set(varied):
        return "as each setting says"
    told = {
        "mask": "masked out, not retrained",
        "zero": "taken as black images, not retrained",
        "retrain": "left out by a network trained without them",
    }
    policy = str(dig(scenario, "model.missing", ""))
    literal = policy == "mask" and dig(scenario, "model.training.recipe") == "published"
    return told.get("zero" if literal else policy, "")


def as_number(value: Any) -> float:
    """`value` as a finite float, else NaN; text and truth values are not numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    return float(value) if math.isfinite(value) else math.nan


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as dictionaries."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def is_sweep(folder: Path) -> bool:
    """Whether `folder` is a sweep folder (it has an index)."""
    return (folder / "index.parquet").exists()


def run(folder: Path | str) -> Run:
    """Opens a run folder.

    Raises:
        FolderError: it is no complete run folder; the text says which command makes one.
    """
    path = _existing(folder)
    for name in ("run.json", "summary.json"):
        if not (path / name).exists():
            raise FolderError(_missing(path, name))
    return Run(path, _read_json(path / "run.json"), _read_json(path / "summary.json"))


def sweep(folder: Path | str) -> Sweep:
    """Opens a sweep folder.

    Raises:
        FolderError: there is no readable index in it.
    """
    path = _existing(folder)
    if not is_sweep(path):
        hint = "it is a run folder: load.run reads it" if (path / "run.json").exists() else "run `fogfleet sweep`"
        raise FolderError(f"{path}: not a sweep folder, index.parquet is missing; {hint}")
    index = _read_parquet(path / "index.parquet")
    about = _read_json(path / "sweep.json") if (path / "sweep.json").exists() else {}
    return Sweep(path, about, index, _varied(index, about))


# What a sweep's index holds besides the varied values: the summary, flattened.
_RESULTS: Final = frozenset((
    "accuracy", "bytes", "checks", "cost", "data", "divergences", "dropped", "energy", "energy_j", "eq1",
    "exit_share", "exits", "expect", "expect_met", "failovers", "latency_s", "lifecycle", "lost", "mode", "network",
    "replicates", "retunes", "samples", "scenario", "schema", "summary", "tenants", "thresholds", "topology", "unasked",
    "virtual_s", "wall_s",
))  # fmt: skip
_BOOKKEEPING: Final = frozenset(
    ("point", "key", "status", "seed", "down", "down_count", "error", "folder", "reason", "attempts")
)


def _varied(index: pd.DataFrame, about: Mapping[str, Any]) -> tuple[str, ...]:
    named = about.get("varied")
    if isinstance(named, list):
        return tuple(str(column) for column in named if column in index)
    first = [str(column) for column in index.columns if column not in _BOOKKEEPING]
    results = _RESULTS - ({"exits"} if any(column.startswith("exit_share.") for column in first) else set())
    own = [column for column in first if column.split(".")[0] not in results]
    # Where the share of samples is called `exits.local` too, only the summary's own record tells the threshold.
    thresholds = [column for column in first if column.startswith("thresholds.")]
    return tuple(column for column in [*thresholds, *own] if index[column].nunique(dropna=False) > 1)


def _existing(folder: Path | str) -> Path:
    path = Path(folder)
    if path.name.endswith(".partial") and path.is_dir():
        raise FolderError(
            f"{path}: this run was interrupted and is incomplete; run it again and report on the new folder"
        )
    if path.is_dir():
        return path
    if path.exists():
        raise FolderError(f"{path}: not a folder; give the run folder that holds run.json")
    partial = path.with_name(path.name + ".partial")
    if partial.is_dir():
        raise FolderError(
            f"{path}: only {partial.name} exists, so the run was interrupted or still goes on; run it again"
        )
    raise FolderError(f"{path}: no such folder; `fogfleet run SCENARIO` makes one under runs/")


def _missing(path: Path, name: str) -> str:
    runs = sorted(child.parent for child in path.glob("*/run.json")) + sorted(
        child.parent for child in path.glob("*/*/run.json")
    )
    whole = [run for run in runs if not run.name.endswith(".partial")]
    if whole:
        return f"{path}: not a run folder, {name} is missing; it holds run folders, did you mean {whole[-1]}?"
    return f"{path}: not a run folder, {name} is missing; `fogfleet run SCENARIO` makes one under runs/"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FolderError(f"{path}: cannot be read as JSON ({error}); the folder is damaged, run it again") from error
    if not isinstance(content, dict):
        raise FolderError(f"{path}: holds no JSON object; the folder is damaged, run it again")
    return content


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's own errors derive from these two
        raise FolderError(
            f"{path}: cannot be read as Parquet ({error}); the folder is damaged, run it again"
        ) from error


def _as_type(column: Any, dtype: str) -> Any:
    try:
        return column.astype(dtype)
    except (TypeError, ValueError):
        return pd.to_numeric(column, errors="coerce").astype(dtype)
