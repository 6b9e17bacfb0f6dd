"""Lockstep over a real Mosquitto against a raw C client, and ten thousand identities in one process.

`python -m benchmarks lockstep`, from the root of a checkout; it needs Mosquitto and gcc. Both sides are measured in
turn over the same broker, in wall-clock time. The C client has one publisher and one subscriber and does nothing else;
a run has a connection for every node, the nodes' own work and the ledger.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.broker_pool import PAYLOAD_BYTES, WINDOW, messages_per_second
from benchmarks.table import Row
from brokers import mosquitto
from brokers.api import Identity
from brokers.client import Pool
from sim import world
from sim.ddnn import Inference
from sim.world.play import play
from sim.world.prepare import Prepared

SCENARIO = Path("scenarios/six_cameras.yaml")
CLIENT = Path("benchmarks/raw_client.c")
SITES, SAMPLES, IDENTITIES = 100, 50, 10_000
MESSAGES = 40_000
ROUNDS = 5


def rows() -> Iterator[Row]:
    """All rows."""
    with tempfile.TemporaryDirectory() as folder, mosquitto.Server() as server:
        client = Path(folder) / "raw_client"
        subprocess.run(["gcc", "-O2", "-o", str(client), str(CLIENT)], check=True)
        for qos in (0, 1):
            yield from _run(client, server, qos)
        for qos in (0, 1):
            yield _pool(client, server, qos)
        yield from _identities(server)


def _raw(client: Path, server: mosquitto.Server, qos: int, payload_bytes: int, messages: int, window: int) -> float:
    port = server.url.rpartition(":")[2].strip("/")
    command = [str(client), port, str(qos), str(payload_bytes), str(messages), str(window)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _run(client: Path, server: mosquitto.Server, qos: int) -> Iterator[Row]:
    wanted = world.load(SCENARIO, overrides=[f"sites={SITES}", f"samples={SAMPLES}", f"mqtt.qos={qos}"])
    prepared = world.prepare(wanted)
    inference = prepared.network.inference(prepared.dataset)
    inference.prefetch(prepared.dataset.test)
    ratios, rates = [], []
    _lockstep(prepared, inference, server, f"warm{qos}")  # verdicts are remembered from here on, as in `kernel`
    for number in range(ROUNDS):
        rate, messages, payload_bytes = _lockstep(prepared, inference, server, f"bench{qos}{number:02}")
        raw = _raw(client, server, qos, payload_bytes, messages, WINDOW)
        rates.append(rate)
        ratios.append(rate / raw)
    ratio = statistics.median(ratios)
    yield Row(f"lockstep, {SITES} sites x 6 cameras, QoS {qos}: messages/s", f"{statistics.median(rates):,.0f}")
    yield Row(f"over a raw C client, QoS {qos}, median of {ROUNDS}", f"{ratio:.2f} x", ">= 0.6 x", ratio >= 0.6)


def _lockstep(prepared: Prepared, inference: Inference, server: mosquitto.Server, run: str) -> tuple[float, int, int]:
    """Messages a second from the first event to the last, how many there were, and their mean size."""
    began: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        pool = Pool(server.url, version="known")
        path = Path(folder) / "messages.parquet"
        outcome = play(
            prepared, inference, pool, path, run, watch=lambda clock, fleet: began.append(time.perf_counter())
        )
        ended = time.perf_counter()
        pool.close()
    tally = outcome.log.tally()
    published = sum(node.sent for node in outcome.fleet.nodes)
    size = sum(node.sent_bytes for node in outcome.fleet.nodes) // published
    return tally.messages / (ended - began[0]), tally.messages, size


def _pool(client: Path, server: mosquitto.Server, qos: int) -> Row:
    ratios = []
    for _ in range(ROUNDS):
        ours, _ = messages_per_second(server.url, clients=2, qos=qos, fast=True, messages=MESSAGES)
        ratios.append(ours / _raw(client, server, qos, PAYLOAD_BYTES, MESSAGES, WINDOW))
    ratio = statistics.median(ratios)
    return Row(f"the pool alone over the C client, QoS {qos}", f"{ratio:.2f} x", ">= 0.9 x", ratio >= 0.9)


def _identities(server: mosquitto.Server) -> Iterator[Row]:
    topics = [f"many/{number}/status" for number in range(IDENTITIES)]
    people = [Identity(f"many-{number}", topics[number], b"offline", ()) for number in range(IDENTITIES)]
    before_kb = _resident_kb()
    pool = Pool(server.url, version="known")
    began = time.perf_counter()
    pool.connect(people)
    rate = IDENTITIES / (time.perf_counter() - began)
    each_kb = (_resident_kb() - before_kb) / IDENTITIES
    threads = threading.active_count()
    pool.close()
    yield Row(f"{IDENTITIES} identities in one process: connects/s", f"{rate:,.0f}", ">= 2,000", rate >= 2000)
    yield Row("memory of one in Python", f"{each_kb:.1f} kB", "<= 15 kB", each_kb <= 15)
    yield Row("threads", f"{threads}", "1", threads == 1)


def _resident_kb() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in status if line.startswith("VmRSS")).split()[1])
