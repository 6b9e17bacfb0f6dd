"""Garbage thrown at a running fleet on a real Mosquitto: mutated messages on its topics, raw bytes from strangers."""

from __future__ import annotations

import random
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.faults import RUN, runner
from benchmarks.table import Row
from brokers import mosquitto
from brokers.api import Identity
from brokers.client import Pool

MUTATED = 100_000
RAW = 10_000
CAMERAS = 6
SAMPLES = 171
SETTLED_S = 2.0
"""How long the last of the strangers' messages may take through the broker."""
_CONNECT = b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x00\x00\x02zz"


class Strangers(threading.Thread):
    """Each packet comes on a connection of its own: noise, broken headers, or a well-formed publish of noise.

    Attributes:
        sent: packets so far.
        published: well-formed messages on the fleet's topics among them.
    """

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self.sent = self.published = 0

    def run(self) -> None:
        """Throws all of it, one packet after the other."""
        rng = random.Random(1)
        for number in range(RAW):
            kind = number % 3
            packet = (rng.randbytes(rng.randrange(1, 80)), self._publish(rng), _CONNECT + rng.randbytes(30))[kind]
            with socket.create_connection(("127.0.0.1", self._port), timeout=30) as sock:
                sock.sendall(packet)
                with suppress(OSError):  # the broker may have closed already
                    sock.shutdown(socket.SHUT_WR)
                    while sock.recv(4096):  # who closes with something unread takes back what was sent
                        pass
            self.sent += 1
            self.published += kind == 1

    def _publish(self, rng: random.Random) -> bytes:
        topic = f"fogfleet/{RUN}/site-0/cam.{rng.randrange(CAMERAS)}/scores".encode()
        body = len(topic).to_bytes(2, "big") + topic + rng.randbytes(rng.randrange(8, 60))
        return _CONNECT + b"\x30" + bytes([len(body)]) + body


class Beset(Pool):
    """A pool with strangers at its broker, from when the fleet is connected until its leftovers are counted."""

    strangers: Strangers

    def connect(self, identities: Sequence[Identity]) -> None:
        """As every pool."""
        super().connect(identities)
        self.strangers.start()

    def leftovers(self, patience_s: float) -> int:
        """As every pool, once the strangers have gone."""
        self.strangers.join()
        end_s = time.monotonic() + SETTLED_S
        while (left_s := end_s - time.monotonic()) > 0:
            self.pump(left_s)
        return super().leftovers(patience_s)


def rows() -> Iterator[Row]:
    """All rows; run from the root of the checkout."""
    unpickled: list[str] = []
    sys.addaudithook(lambda event, _: unpickled.append(event) if event.startswith("pickle.") else None)
    rate = MUTATED / (SAMPLES - 1) / CAMERAS
    attack = [f"{{kind: malformed-packets, target: cam.{n}, rate: {rate:.3f}}}" for n in range(CAMERAS)]
    alive, strangers = False, Strangers(0)

    @contextmanager
    def beset() -> Iterator[Beset]:
        nonlocal alive, strangers
        with mosquitto.Server() as server:
            pool = Beset(server.url, name="mosquitto", version=server.version, server=server)
            pool.strangers = strangers = Strangers(server.port)
            yield pool
            pool.close()
            alive = server.alive

    runner([])()  # data, network and libraries are there
    run = runner(attack, beset)
    unpickled.clear()
    before_mb = _memory_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
    began_s = time.perf_counter()
    outcome = run()
    took_s = time.perf_counter() - began_s
    grown_mb = _memory_mb("VmHWM") - before_mb
    forged = sum(
        int(found) for row in outcome.faults.rows for found in re.findall(r'"published": (\d+)', row.parameters)
    )
    refused = sum(outcome.log.tally(fate=f"lost:{reason}").messages for reason in ("malformed", "rejected", "queue"))
    yield Row("mutated messages published on the fleet's topics", f"{forged}", f">= {MUTATED}", forged >= MUTATED)
    yield Row("lost:malformed, lost:rejected and lost:queue", f"{refused}", f">= {forged}", refused >= forged)
    yield Row("raw packets from strangers, a connection each", f"{strangers.sent}", f"{RAW}", strangers.sent == RAW)
    counted = outcome.unasked == strangers.published
    yield Row("of them publishes, counted as unasked", f"{outcome.unasked}", f"{strangers.published}", counted)
    yield Row("crashes of broker or fleet", f"{int(not alive)}", "0", alive)
    yield Row("divergences from the model", f"{outcome.divergences}", "0", not outcome.divergences)
    yield Row("memory growth meanwhile", f"{grown_mb:.1f} MB", "< 50 MB", grown_mb < 50)
    yield Row("objects unpickled", f"{len(unpickled)}", "0", not unpickled)
    yield Row("time", f"{took_s:.1f} s")


def _memory_mb(what: str) -> float:
    """Resident memory of this process, as `/proc` has it."""
    found = re.search(rf"{what}:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024
