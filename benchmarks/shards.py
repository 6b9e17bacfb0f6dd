"""One fleet over several processes against the same in one: `python -m benchmarks shards`, from the root of a checkout.

The network is trained and its answers are computed before the clock starts, and the server that processes are forked
from has been loaded (a command loads it while it reads data and network). A run then means: start the processes, build
the fleet, simulate, ledger and Parquet on. Seconds are on the wall, since what counts is who is done first.
"""

from __future__ import annotations

import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from benchmarks.table import Row
from sim import world
from sim.world.play import Outcome, play
from sim.world.shards import Crew

SCENARIO: Final = Path("scenarios/six_cameras.yaml")
SITES, SAMPLES, SHARDS, ROUNDS = 1000, 300, 2, 5


def rows() -> Iterator[Row]:
    """All rows."""
    wanted = world.load(SCENARIO, overrides=[f"sites={SITES}", f"samples={SAMPLES}", f"data.test={SAMPLES}"])
    prepared = world.prepare(wanted)
    inference = prepared.network.inference(prepared.dataset)
    inference.prefetch(prepared.dataset.test)
    crew, small = Crew(SHARDS), world.prepare(wanted.model_copy(update={"sites": SHARDS, "samples": 1}))
    crew.play(small, inference, None, "benchmrk")

    def alone(messages: Path) -> Outcome:
        return play(prepared, inference, None, messages, "benchmrk")

    def together(messages: Path) -> Outcome:
        return crew.play(prepared, inference, messages, "benchmrk")

    pairs = [(_run(alone), _run(together)) for _ in range(ROUNDS)]
    one_s, several_s = (statistics.median(seconds) for seconds in zip(*((a[0], b[0]) for a, b in pairs), strict=True))
    faster = statistics.median(one[0] / several[0] for one, several in pairs)
    same = len({digest for pair in pairs for _, digest in pair}) == 1
    yield Row(f"{SITES} sites x 6 cameras x {SAMPLES} samples: one process", f"{one_s:.1f} s")
    yield Row(f"the same over {SHARDS} processes", f"{several_s:.1f} s")
    yield Row(f"faster, median of {ROUNDS} pairs", f"{faster:.2f} x", ">= 1.7 x", faster >= 1.7)
    yield Row("messages and decisions of all runs", "identical" if same else "DIFFERENT", "identical", same)


def _run(work: Callable[[Path], Outcome]) -> tuple[float, str]:
    """Seconds on the wall, and a digest of the tables."""
    with tempfile.TemporaryDirectory() as folder:
        messages, decisions = Path(folder) / "messages.parquet", Path(folder) / "decisions.parquet"
        began = time.perf_counter()
        outcome = work(messages)
        seconds = time.perf_counter() - began
        outcome.book.write(decisions, [f"site-{site}" for site in range(SITES)])
        return seconds, hashlib.sha256(messages.read_bytes() + decisions.read_bytes()).hexdigest()
