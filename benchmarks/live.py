"""The figures of live runs and of separate processes: decisions and latency against virtual time, deaths noticed."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.table import Row
from sim import world
from sim.world.separate.up import up

SCENARIO = Path("scenarios/six_cameras.yaml")
WHAT = ["site", "sample", "label", "predicted", "exit", "devices_used", "fate"]
KILLED = ("site-0/cam.3", "site-0/gw", "cloud")
MARGIN_S = 0.020


def rows() -> Iterator[Row]:
    """All rows, in about five minutes; run from the root of the checkout."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        virtual = world.simulate(world.load(SCENARIO), mode="virtual", out=out)
        yield from _live(out, virtual)
        yield from _processes(out)
        for name in KILLED:
            yield from _killed(out, name)
        yield _frozen(out)


def _live(out: Path, virtual: world.RunResult) -> Iterator[Row]:
    real = world.simulate(world.load(SCENARIO), mode="live", broker="mosquitto", out=out)
    yield from _compared("live x1", virtual, real)
    ours, theirs = _latency(real), _latency(virtual)
    jitter_s = max(link["jitter_s"] for link in real.summary["topology"]["links"])
    late_s = ours - theirs
    for percentile in (50, 95, 99):
        gap_s = float(np.percentile(ours, percentile) - np.percentile(theirs, percentile))
        bound_s = jitter_s + MARGIN_S
        what = f"live x1, latency p{percentile}: {1000 * np.percentile(ours, percentile):.1f} ms, above virtual by"
        yield Row(what, f"{1000 * gap_s:.1f} ms", f"<= {1000 * bound_s:.0f} ms", abs(gap_s) <= bound_s)
    yield Row("live x1, a sample's own latency above virtual, longest", f"{1000 * float(late_s.max()):.1f} ms")
    behind_s = json.loads((real.folder / "run.json").read_text())["behind_s"]
    yield Row("live x1, the clock behind the wall clock, at most", f"{1000 * behind_s:.1f} ms")


def _processes(out: Path) -> Iterator[Row]:
    """Twice as fast, so with deadlines twice as long: one retransmission takes as long as the gateway waits."""
    scenario = world.load(SCENARIO, ["nodes.gw.wait=400 ms"])
    virtual = world.simulate(scenario, mode="virtual", out=out)
    real = up(scenario, broker="mosquitto", out=out, speed=2.0)
    yield from _compared("8 processes x2", virtual, real)
    run = json.loads((real.folder / "run.json").read_text())
    yield Row("8 processes, from the command to the start", f"{run['wall_s']['setup']:.1f} s")


def _compared(what: str, virtual: world.RunResult, real: world.RunResult) -> Iterator[Row]:
    tables = [pd.read_parquet(result.folder / "decisions.parquet")[WHAT] for result in (virtual, real)]
    ours, theirs = (table.astype(object).where(table.notna(), None) for table in tables)
    same = int(((ours == theirs) | (ours.isna() & theirs.isna())).all(axis=1).sum())
    total = len(tables[0])
    yield Row(f"{what}, the same decision as in virtual time", f"{same} of {total}", f"{total}", same == total)
    decided = real.summary["samples"]["decided"]
    yield Row(f"{what}, samples decided", f"{decided} of {total}", f"{total}", decided == total)
    payloads = [result.summary["bytes"]["per_device_per_sample"]["payload"] for result in (virtual, real)]
    equal = payloads[0] == payloads[1]
    yield Row(f"{what}, payload bytes per camera and sample", f"{payloads[1]:.4f}", f"= {payloads[0]:.4f}", equal)


def _latency(result: world.RunResult) -> Any:
    table = pd.read_parquet(result.folder / "decisions.parquet")
    return (table["decided_s"] - table["captured_s"]).to_numpy()


def _killed(out: Path, name: str) -> Iterator[Row]:
    """SIGKILL of one process in mid-run, which is started again a second later."""
    result, took_s = _struck(out / name.replace("/", "."), name, signal.SIGKILL, speed=2.0, restart_s=1.0)
    yield Row(f"SIGKILL of {name}: noticed after", f"{1000 * took_s:.0f} ms", "<= 1 s", took_s <= 1.0)
    samples = result.summary["samples"]
    whole = samples["captured"] == 24 and samples["decided"] + samples["dropped"] == 24
    yield Row(f"SIGKILL of {name}: decided, dropped", f"{samples['decided']}, {samples['dropped']}", "24 in all", whole)
    dropped = pd.read_parquet(result.folder / "decisions.parquet").query("exit.isna()")
    named = bool(dropped["fault"].eq("process-lost").all())
    yield Row(f"SIGKILL of {name}: what was dropped names the cause", str(named), "True", named)


def _frozen(out: Path) -> Row:
    """SIGSTOP of one process: its connection stays open, and only its silence tells."""
    keepalive_s, name = 2, "site-0/cam.3"
    _, took_s = _struck(out / "frozen", name, signal.SIGSTOP, speed=1.0, keepalive_s=keepalive_s)
    bound_s = 1.5 * keepalive_s + 6  # Mosquitto 2.0 looks only about every six seconds
    what = f"SIGSTOP of {name}, keepalive {keepalive_s} s: noticed after"
    return Row(what, f"{took_s:.1f} s", f"<= {bound_s:.0f} s", took_s <= bound_s)


def _struck(out: Path, name: str, blow: signal.Signals, **options: Any) -> tuple[world.RunResult, float]:
    """A run of 24 samples in which one process gets a signal after the eighth; wall seconds until it is noticed."""
    telemetry, results = world.Telemetry(every_s=0.05), list[world.RunResult]()
    scenario = world.load(SCENARIO, ["samples=24"])
    thread = threading.Thread(
        target=lambda: results.append(up(scenario, broker="mosquitto", out=out, telemetry=telemetry, **options))
    )
    thread.start()
    while (seen := telemetry.latest()) is None or seen.decided < 8:
        time.sleep(0.02)
    (log,) = out.glob("*/*.partial/log.jsonl")
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    (pid,) = (entry["pid"] for entry in entries if entry["event"] == "started" and entry["node"] == name)
    struck = time.time()
    os.kill(pid, blow)
    thread.join()
    (result,) = results
    entries = [json.loads(line) for line in (result.folder / "log.jsonl").read_text().splitlines()]
    offline = [entry["wall_s"] for entry in entries if entry["event"] == "offline" and entry["node"] == name]
    return result, (offline[0] if offline else float("inf")) - struck
