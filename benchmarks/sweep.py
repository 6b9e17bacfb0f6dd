"""The figures of sweeps: the ready-made failure sweep, the same points afresh, one by one, and its report.

`python -m benchmarks.sweep`, from the root of a checkout; `--kills 20 --dask` adds those tables, on a Dask cluster of
two workers that it starts itself (or on one that is there: `--dask dask://host:8786`). What is called afresh is one
process a point, as a loop over `fogfleet run --mode virtual` has it: it loads the data and the weights, evaluates the
network for its own samples and simulates; a few points, spread over the sweep, stand for all.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks import sweep_reports
from benchmarks.table import Row, show

SCENARIO = "scenarios/sweep_failures.yaml"
COMMAND = (sys.executable, "-c", "from sim.cli import main; main()")
TARGET_S = 15.0
TARGET_TIMES = 50.0
OWN_CLUSTER = "two Dask workers"


def rows(scenario: str = SCENARIO, kills: int = 0, dask: str = "", fresh: int = 6) -> Iterator[Row]:
    """All rows."""
    _fogfleet("train", scenario)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        wall_s = _sweep(scenario, out / "a")
        count = pq.read_metadata(_table(out / "a")).num_rows
        yield Row(
            f"{count} points, virtual, -j 2, network in the cache", f"{wall_s:.1f} s", "<= 15 s", wall_s <= TARGET_S
        )
        again_s = _sweep(scenario, out / "a")
        yield Row("the same again: nothing to do", f"{again_s:.1f} s")
        each_s = _afresh(scenario, out, count, fresh)
        times = each_s * count / wall_s
        told = f"one point afresh ({fresh} of them measured)"
        yield Row(told, f"{each_s:.2f} s")
        yield Row("all of them afresh, over the sweep", f"{times:.0f} x", ">= 50 x", times >= TARGET_TIMES)
        yield from _same(scenario, out, "-j 1", ["-j", "1"])
        yield from sweep_reports.rows(_table(out / "a").parent, out)
        if kills:
            yield _killed(scenario, out, kills, again_s)
        if dask:
            with _cluster() if dask == OWN_CLUSTER else nullcontext(dask) as address:
                yield from _same(scenario, out, f"on {dask}", ["--executor", address])


def _fogfleet(*arguments: str) -> None:
    subprocess.run([*COMMAND, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _sweep(scenario: str, out: Path, options: Sequence[str] = ("-j", "2")) -> float:
    began = time.perf_counter()
    _fogfleet("sweep", scenario, *options, "-o", str(out))
    return time.perf_counter() - began


def _table(out: Path) -> Path:
    (found,) = out.glob("*/sweep-*/index.parquet")
    return found


def _afresh(scenario: str, out: Path, count: int, fresh: int) -> float:
    """Mean seconds of points, each simulated by a process of its own."""
    index = pq.read_table(_table(out / "a"), columns=["down", "exits.local"]).to_pylist()
    picked = [index[count * i // fresh + i] for i in range(fresh)]
    began = time.perf_counter()
    for row in picked:
        down = f"down=[{row['down'].replace('+', ', ')}]"
        threshold = f"exits.local={row['exits.local']}"
        _fogfleet("run", scenario, "--mode", "virtual", "-o", str(out / "fresh"), "--set", down, "--set", threshold)
    return (time.perf_counter() - began) / len(picked)


def _same(scenario: str, out: Path, what: str, options: Sequence[str]) -> Iterator[Row]:
    wall_s = _sweep(scenario, out / "b", options)
    same = _table(out / "b").read_bytes() == _table(out / "a").read_bytes()
    yield Row(f"the same {what}: table identical", f"{'yes' if same else 'NO'}, {wall_s:.1f} s", "identical", same)
    shutil.rmtree(out / "b")


@contextmanager
def _cluster(workers: int = 2) -> Iterator[str]:
    """A Dask scheduler and workers on loopback, each a process of its own; yields `dask://…`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    dask, here = [sys.executable, "-m", "dask"], ["--host", "127.0.0.1", "--no-dashboard"]
    scheduler = [*dask, "scheduler", "--port", str(port), *here]
    worker = [*dask, "worker", f"tcp://127.0.0.1:{port}", "--nthreads", "1", *here]
    started = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in (scheduler, *[worker] * workers)
    ]
    try:
        _await_workers(f"tcp://127.0.0.1:{port}", workers)
        yield f"dask://127.0.0.1:{port}"
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


def _await_workers(address: str, workers: int) -> None:
    distributed: Any = importlib.import_module("distributed")
    with distributed.Client(address, timeout=120, set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=120)


def _killed(scenario: str, out: Path, kills: int, start_s: float) -> Row:
    """SIGKILL at random moments, one in four while it starts (which takes `start_s`), the others in its work."""
    moments = random.Random(7)
    sizes = [0]
    for _ in range(kills):
        victim = subprocess.Popen(
            [*COMMAND, "sweep", scenario, "-j", "2", "-o", str(out / "c")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if moments.random() < 0.25:
            time.sleep(moments.uniform(0, start_s))
        else:
            while victim.poll() is None and _finished(out / "c") <= sizes[-1]:
                time.sleep(0.01)
            time.sleep(moments.uniform(0, 1))
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait()
        sizes.append(_finished(out / "c"))
    assert all(before <= after for before, after in pairwise(sizes)), "a kill lost a result"
    _sweep(scenario, out / "c")
    same = _table(out / "c").read_bytes() == _table(out / "a").read_bytes()
    told = f"killed {kills} times (with {sizes[0]} … {sizes[-1]} points done)"
    return Row(f"{told}: table identical", "yes" if same else "NO", "identical", same)


def _finished(out: Path) -> int:
    """Points with a whole result."""
    return sum(found.read_bytes().count(b"\n") for found in out.glob("*/sweep-*/results.jsonl"))


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep", description=__doc__)
    parser.add_argument("scenario", nargs="?", default=SCENARIO)
    parser.add_argument("--kills", type=int, default=0, help="kill it so many times and compare")
    parser.add_argument(
        "--dask", nargs="?", default="", const=OWN_CLUSTER, help="run it on a Dask cluster too and compare"
    )
    options = parser.parse_args()
    show("Sweeps", rows(options.scenario, options.kills, options.dask), sys.stdout.write)


if __name__ == "__main__":
    main()
