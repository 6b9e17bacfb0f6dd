"""The figures of sweep reports: that of a finished sweep, and that of an index with 100 000 points like its own.

The large index has the columns of the real one; its rows are drawn from the real ones, at thresholds of their own, with
a little noise on every measured figure.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from benchmarks.table import Row

MANY: Final = 100_000
THRESHOLDS: Final = 200


def rows(sweep: Path, scratch: Path) -> Iterator[Row]:
    """Reports of the sweep folder `sweep`, and of one with many points made from it in `scratch`."""
    yield from _report("report of that sweep", sweep, seconds=10, megabytes=3)
    yield from _report(f"report of {MANY} points", _many(sweep, scratch / "many"), seconds=60, megabytes=10)


def _report(what: str, folder: Path, seconds: float, megabytes: float) -> Iterator[Row]:
    began = time.perf_counter()
    command = [sys.executable, "-c", "from sim.cli import main; main()", "report", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall_s, size = time.perf_counter() - began, (folder / "report.html").stat().st_size / 1e6
    yield Row(f"{what}, with its figures and tables", f"{wall_s:.1f} s", f"<= {seconds:g} s", wall_s <= seconds)
    yield Row(f"{what}: the page", f"{size:.2f} MB", f"< {megabytes:g} MB", size < megabytes)


def _many(sweep: Path, folder: Path) -> Path:
    """A sweep folder with `MANY` points; every other column is as in the sweep it is made from."""
    folder.mkdir()
    index, about = pd.read_parquet(sweep / "index.parquet"), json.loads((sweep / "sweep.json").read_text())
    random = np.random.default_rng(7)
    drawn = index.iloc[random.integers(0, len(index), MANY)].reset_index(drop=True)
    drawn["point"], drawn["key"] = np.arange(MANY), [f"{place:032x}" for place in range(MANY)]
    for name in about["varied"]:
        if drawn[name].dtype.kind == "f":
            drawn[name] = random.choice(np.linspace(0, 1, THRESHOLDS), MANY)
    noise = random.normal(1, 0.01, MANY)
    for name in drawn.columns.difference(about["varied"]):
        if drawn[name].dtype.kind == "f":
            drawn[name] *= noise
    drawn["accuracy.overall"] = drawn["accuracy.overall"].clip(0, 1)
    drawn.to_parquet(folder / "index.parquet", index=False)
    shutil.copy(sweep / "sweep.json", folder)
    return folder
