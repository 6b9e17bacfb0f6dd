"""Small worlds for tests: a fleet that trains in a moment, and ways to run it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd

from sim import world

ROOT = Path(__file__).parents[1]
SCENARIOS = ROOT / "scenarios"
SMALL = ("data.train=60", "data.test=24", "samples=24", "model.training.epochs=3")


def small(name: str = "six_cameras", *overrides: str, seed: int | None = None) -> Any:
    """A scenario of the repository with few samples and little training; no expectations."""
    scenario = world.load(SCENARIOS / f"{name}.yaml", overrides=[*SMALL, *overrides], seed=seed)
    return scenario.model_copy(update={"expect": {}})


def digest(folder: Path, name: str) -> str:
    """The sha256 of one file of a run folder."""
    return hashlib.sha256((folder / name).read_bytes()).hexdigest()


def table(folder: Path, name: str) -> pd.DataFrame:
    """One table of a run folder."""
    return pd.read_parquet(folder / f"{name}.parquet")


def record(folder: Path, name: str = "run") -> dict[str, Any]:
    """One JSON file of a run folder."""
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return found
