"""What the kernel does in a second: the full DDNN run in `virtual` mode, against a bare model of the same traffic.

`python -m benchmarks kernel`, from the root of a checkout. The network is trained and the features are computed before
the clock starts; a run then means: build the fleet, simulate, ledger and Parquet on. Rates are messages that reach the
end of their hop, by processor time (the machine's other work would count otherwise), from the first event to the
closed ledger; the row below tells what building the fleet adds.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.bare import Model
from benchmarks.table import Row
from sim import world
from sim.ddnn import Inference
from sim.ledger.messages import Lane, MessageLog
from sim.world.play import Outcome, few_collections, play
from sim.world.prepare import Prepared

SCENARIO = Path("scenarios/six_cameras.yaml")
SITES, SAMPLES, LARGE = 1000, 10, 10_000
LEDGER = 10_000_000
Stays = Callable[[int, int], bool]
ROUNDS = 5


class Run(NamedTuple):
    """One measured run: messages, seconds in all and before the first event, and what it left behind."""

    hops: int
    all_s: float
    before_s: float
    outcome: Outcome

    @property
    def rate(self) -> float:
        """Hops a second from the first event to the closed ledger."""
        return self.hops / (self.all_s - self.before_s)


def rows() -> Iterator[Row]:
    """All rows."""
    yield from _against_bare()
    yield from _large()
    yield _hours()
    yield _ledger()
    yield from _start_up()


def _prepared(sites: int, *overrides: str) -> tuple[Prepared, Inference]:
    wanted = world.load(SCENARIO, overrides=[f"sites={sites}", *(overrides or (f"samples={SAMPLES}",))])
    prepared = world.prepare(wanted)
    inference = prepared.network.inference(prepared.dataset)
    inference.prefetch(prepared.dataset.test)
    return prepared, inference


def _run(prepared: Prepared, inference: Inference) -> Run:
    first: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        outcome = play(
            prepared,
            inference,
            None,
            Path(folder) / "messages.parquet",
            "benchmrk",
            ready=lambda: first.append(time.process_time()),
        )
        all_s = time.process_time() - began
    return Run(outcome.log.tally().messages, all_s, first[0] - began, outcome)


def _stays(outcome: Outcome) -> Stays:
    """Whether a sample leaves at the gateway."""
    left = {(site, sample) for site, sample, entry in outcome.book.entries() if entry.exit == "local"}
    return lambda site, sample: (site, sample) in left


def _bare(stays: Stays) -> float:
    """Hops a second of the bare model, with the same samples leaving at the gateway and the same garbage collection."""
    with few_collections():
        model = Model(SITES, SAMPLES, stays)
        began = time.process_time()
        hops = model.run()
        return hops / (time.process_time() - began)


def _against_bare() -> Iterator[Row]:
    prepared, inference = _prepared(SITES)
    stays = _stays(_run(prepared, inference).outcome)
    ours, whole, bare = [], [], []
    for _ in range(ROUNDS):
        run = _run(prepared, inference)
        ours.append(run.rate)
        whole.append(run.hops / run.all_s)
        del run
        gc.collect()
        bare.append(_bare(stays))
    rate = statistics.median(ours)
    ratio = statistics.median(mine / other for mine, other in zip(ours, bare, strict=True))
    told = f"{SITES} sites x 6 cameras x {SAMPLES} samples"
    yield Row(f"{told}: hops/s, median of {ROUNDS}", f"{rate:,.0f}", ">= 250,000", rate >= 250_000)
    yield Row("the same, with building the fleet", f"{statistics.median(whole):,.0f}")
    yield Row("bare callback model on SimPy, the same traffic: hops/s", f"{statistics.median(bare):,.0f}")
    yield Row("ours over bare, median of neighbours", f"{ratio:.2f} x", ">= 0.4 x", ratio >= 0.4)


def _large() -> Iterator[Row]:
    small, large = [], []
    for _ in range(ROUNDS):
        small.append(_elsewhere("rate", SITES))
        large.append(_elsewhere("rate", LARGE))
    ratio = statistics.median(a["rate"] / b["rate"] for a, b in zip(large, small, strict=True))
    rate, rss = statistics.median(run["rate"] for run in large), max(run["rss_mb"] for run in large)
    yield Row(f"{LARGE} sites: hops/s", f"{rate:,.0f}")
    yield Row(f"over {SITES} sites, each in a process", f"{ratio:.2f} x", ">= 0.7 x", ratio >= 0.7)
    yield Row("largest resident size", f"{rss:,.0f} MB", "<= 1,500 MB", rss <= 1500)


def _hours() -> Row:
    prepared, inference = _prepared(1, "samples=all", "data.test=2000")
    _run(prepared, inference)
    runs = [_run(prepared, inference) for _ in range(ROUNDS)]
    hours = statistics.median(run.outcome.virtual_s / 3600 / (run.all_s / 60) for run in runs)
    return Row("simulated hours of six cameras in a minute", f"{hours:.0f}", ">= 24", hours >= 24)


def _ledger() -> Row:
    grown = statistics.median(_elsewhere("ledger", LEDGER)["grown_mb"] for _ in range(ROUNDS))
    return Row(f"ledger of {LEDGER:,} messages: memory", f"{grown:.0f} MB", "<= 500 MB", grown <= 500)


def _start_up() -> Iterator[Row]:
    runs = [_until_ready() for _ in range(ROUNDS)]
    ready_s = statistics.median(seconds for seconds, _ in runs)
    yield Row("fogfleet run, lockstep, warm: start to first event", f"{ready_s:.1f} s", "<= 4 s", ready_s <= 4)
    torch_s = _seconds("import torch") if any(torch for _, torch in runs) else 0.0
    rest_s = ready_s - torch_s
    told = f"{torch_s:.1f} s" if torch_s else "not loaded"
    yield Row(f"of which not torch's import ({told})", f"{rest_s:.1f} s", "<= 1.5 s", rest_s <= 1.5)


def _until_ready() -> tuple[float, bool]:
    """Wall seconds from the start of the command until its broker is there and the run begins; whether torch is too."""
    with tempfile.TemporaryDirectory() as out:
        began = time.time()
        code = "import atexit, sys; atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr)); "
        code += "from sim.cli import main; main()"
        command = [sys.executable, "-c", code, "run", str(SCENARIO), "-o", out, "--set", "samples=20"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        (record,) = Path(out).glob("*/*/run.json")
        (log,) = Path(out).glob("*/*/log.jsonl")
        prepared = next(e for e in map(json.loads, log.read_text().splitlines()) if e["event"] == "preparing")
        wall_s = json.loads(record.read_text())["wall_s"]
        ready_s = datetime.fromisoformat(prepared["time"]).timestamp() - began + float(wall_s["setup"])
        return ready_s, done.stderr.splitlines()[-1] == "True"


def _seconds(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began


def _elsewhere(what: str, size: int) -> dict[str, Any]:
    """The same in a process of its own, whose memory can be told."""
    command = [sys.executable, "-m", "benchmarks.kernel", what, str(size)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _grown_mb(work: Callable[[], object]) -> float:
    """How far the resident size rises above what it was before."""
    status = Path("/proc/self/status")

    def size_mb(name: str) -> float:
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(name)) / 1024

    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
    before = size_mb("VmRSS")
    work()
    return size_mb("VmHWM") - before


def _fill_ledger(size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = MessageLog(Path(folder) / "messages.parquet")
        lanes = [log.lane(Lane(f"site-{n // 6}", f"cam.{n % 6}", "gw", "scores", "cam->gw")) for n in range(6000)]
        for number in range(size):
            lane = lanes[number % 6000]
            log.delivered(number * 1e-3, number * 1e-3 + 0.02, lane, number // 6000, (12, 30, 104, 170), "")
        log.close()
        assert log.tally().messages == size


def main() -> None:
    """One part, for `_elsewhere`."""
    what, size = sys.argv[1], int(sys.argv[2])
    if what == "rate":
        run = _run(*_prepared(size))
        found = {"rate": run.rate, "all_s": run.all_s, "hops": run.hops, "rss_mb": _peak_mb()}
    else:
        found = {"grown_mb": _grown_mb(lambda: _fill_ledger(size))}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
