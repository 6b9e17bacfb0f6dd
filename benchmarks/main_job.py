"""The figures of the main job: bytes against Eq. 1, accuracy on fresh samples, lockstep against virtual, start-up."""

from __future__ import annotations

import hashlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.table import Row
from sim import world

SCENARIO = Path("scenarios/six_cameras.yaml")


def rows(repeat: int = 5) -> Iterator[Row]:
    """All rows; run from the root of the checkout."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _bytes(Path(folder))
        yield from _accuracy(Path(folder))
        yield from _same_decisions(Path(folder))
    yield from _start_up(repeat)


def _run(out: Path, mode: world.Mode, seed: int | None = None, *overrides: str) -> tuple[dict[str, Any], str]:
    scenario = world.load(SCENARIO, overrides=overrides, seed=seed)
    result = world.simulate(scenario, mode=mode, out=out)
    digest = hashlib.sha256((result.folder / "decisions.parquet").read_bytes()).hexdigest()
    return result.summary, digest


def _bytes(out: Path) -> Iterator[Row]:
    summary, _ = _run(out, "lockstep")
    each = summary["bytes"]["per_device_per_sample"]
    equal = each["payload"] == each["eq1"]
    yield Row("payload bytes per camera and sample, T = 0.8", f"{each['payload']:.4f}", f"= {each['eq1']:.4f}", equal)
    times = summary["bytes"]["reduction_vs_raw"]
    yield Row("raw offload (3072 B) over that", f"{times:.1f} x", ">= 20 x", times >= 20)


def _accuracy(out: Path) -> Iterator[Row]:
    overall, best, shares = [], [], []
    for seed in (1, 2, 3):
        summary, _ = _run(out, "virtual", None, f"model.training.seed={seed}", "data.test=2000", "samples=all")
        overall.append(summary["accuracy"]["overall"])
        best.append(max(summary["accuracy"]["per_camera"].values()))
        shares.append(summary["exits"]["local"])
    mean, camera = statistics.mean(overall), statistics.mean(best)
    told = " ".join(f"{100 * value:.1f}" for value in overall)
    yield Row(f"overall accuracy on 2000 fresh samples ({told} %)", f"{100 * mean:.2f} %", ">= 95 %", mean >= 0.95)
    gap = 100 * (mean - camera)
    yield Row("best single camera below the overall", f"{gap:.1f} points", ">= 15 points", gap >= 15)
    yield Row("local exit share", f"{100 * statistics.mean(shares):.1f} %")


def _same_decisions(out: Path) -> Iterator[Row]:
    same = sum(_run(out, "virtual", seed)[1] == _run(out, "lockstep", seed)[1] for seed in range(5))
    yield Row("sha256 of decisions.parquet, lockstep = virtual", f"{same} of 5 seeds", "5 of 5", same == 5)


def _start_up(repeat: int) -> Iterator[Row]:
    command = Path(sys.executable).with_name("fogfleet")
    seconds = _median(repeat, [str(command), "--help"])
    yield Row(f"fogfleet --help, median of {repeat}", f"{seconds:.3f} s", "< 0.3 s", seconds < 0.3)
    seconds = _median(1, ["make", "run"])
    yield Row("make run, everything in place", f"{seconds:.1f} s", "< 30 s", seconds < 30)


def _median(repeat: int, command: list[str]) -> float:
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)
