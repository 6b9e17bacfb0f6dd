"""What it takes a site to get over the death of a gateway, and what thresholds that move hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from benchmarks.table import Row
from brokers.choose import open_carrier
from sim import world
from sim.world.play import Outcome, play
from sim.world.separate.up import up

FAILOVER = Path("scenarios/failover.yaml")
SIX = Path("scenarios/six_cameras.yaml")
QUOTA_BYTES, WINDOW_S = 4000, 10.0
DEAD_S, BACK_S, MOVED_S = 10.0, 22.0, 0.6
BUDGET_BYTES = 60.0
WHOLE = "down=[]"
RUN = "benchmrk"


def rows() -> Iterator[Row]:
    """One table; all times are virtual, but for two minutes of wall-clock time with separate processes."""
    for policy in ("none", "least-loaded", "nearest"):
        outcome = _play(f"policies.failover={policy}")
        samples = [(entry.captured_s, entry.exit is None) for _, _, entry in outcome.book.entries()]
        yield _dropped("gateway", policy, samples)
    yield from _processes()
    yield from _quotas()
    budget = f"policies.retune={{kind: byte-budget, bytes: {BUDGET_BYTES:g}, every: 4 s}}"
    for what, overrides in (("fixed", ()), ("byte-budget", (budget,))):
        spent = _spent(WHOLE, "faults=[]", "exits={local: 0.1}", *overrides)
        limit = f"{BUDGET_BYTES:g} B to a sixth" if overrides else ""
        met = abs(spent - BUDGET_BYTES) <= BUDGET_BYTES / 6 if overrides else None
        yield Row(f"T = 0.1, policy {what}: payload per camera and sample, second half", f"{spent:.1f} B", limit, met)


def _processes() -> Iterator[Row]:
    """The same with a process for each node and a SIGKILL of the gateway's, in wall-clock time."""
    with TemporaryDirectory() as folder:
        for policy in ("none", "least-loaded"):
            scenario = world.load(FAILOVER, [f"policies.failover={policy}"])
            result = up(scenario, broker="mosquitto", out=Path(folder))
            decisions = pd.read_parquet(result.folder / "decisions.parquet")
            samples = zip(decisions.captured_s, decisions.exit.isna(), strict=True)
            took_s = result.summary.get("failovers", {}).get("took_s")
            took = "" if took_s is None else f"; the cameras had come after {1000 * took_s:.0f} ms"
            yield _dropped("gateway's process", policy, samples, took)


def _dropped(what: str, policy: str, samples: Iterable[tuple[float, bool]], more: str = "") -> Row:
    """What was dropped, of samples captured (s) while a gateway was dead: before and after the failover time."""
    dead = [(at_s, bool(lost)) for at_s, lost in samples if DEAD_S <= at_s < BACK_S]
    first = sum(lost for at_s, lost in dead if at_s < DEAD_S + MOVED_S)
    late = [lost for at_s, lost in dead if at_s >= DEAD_S + MOVED_S]
    share = sum(late) / len(late)
    value = f"{first} samples in the first {MOVED_S:g} s, then {share:.0%}{more}"
    target = "0 % after the failover time" if policy != "none" else ""
    return Row(f"{what} killed, policy {policy}: dropped", value, target, share == 0 if target else None)


def _quotas() -> Iterator[Row]:
    """The fullest window of a tenant with a quota of bytes: in one process, and with a process for each node."""
    quota = f"tenants={{city: {{quota: {{bytes: {QUOTA_BYTES}, per: {WINDOW_S:g} s}}}}}}"
    scenario = world.load(SIX, ["samples=40", quota])
    with TemporaryDirectory() as folder:
        alone = world.simulate(scenario, mode="virtual", out=Path(folder))
        real = up(scenario, broker="mosquitto", out=Path(folder))
        for what, result in (("one process", alone), ("8 processes", real)):
            rows = pd.read_parquet(result.folder / "messages.parquet")
            sent = rows[(rows.src.astype(str) != "cloud") & (rows.fate != "lost:quota")]
            sent = sent.drop_duplicates(["src", "kind", "sample", "sent_s"])  # one publish for several receivers
            spent = (sent.payload_bytes + sent.header_bytes).groupby(sent.sent_s // WINDOW_S).sum()
            yield Row(f"quota of {QUOTA_BYTES} B in {WINDOW_S:g} s, {what}: the fullest window", f"{spent.max()} B")


def _play(*overrides: str, messages: Path | None = None) -> Outcome:
    prepared = world.prepare(world.load(FAILOVER, overrides))
    with open_carrier("memory") as carrier:
        return play(prepared, prepared.network.inference(prepared.dataset), carrier, messages, RUN)


def _spent(*overrides: str) -> float:
    """Payload bytes that cameras sent per camera and sample of the second half."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "messages.parquet")
        outcome = _play(*overrides, messages=path)
        rows = pd.read_parquet(path, columns=["src", "sample", "payload_bytes"])
    half = len(outcome.book) // 2
    sent = rows[rows.src.astype(str).str.startswith("cam") & (rows["sample"] >= half)].payload_bytes.sum()
    return float(sent) / ((len(outcome.book) - half) * len(outcome.fleet.cameras()))
