"""Messages a second through a real Mosquitto, with and without the fast path: `python -m benchmarks.broker_pool`."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import deque

from brokers import mosquitto
from brokers.api import Identity
from brokers.client import Pool

PAYLOAD_BYTES = 140
WINDOW = 1024


def messages_per_second(url: str, *, clients: int, qos: int, fast: bool, messages: int) -> tuple[float, float]:
    """Publish → broker → subscriber with `WINDOW` in flight; also connections a second.

    All but the last client publish in turn; the last one subscribes to all of them.
    """
    topics = [f"bench/{index}/in" for index in range(clients - 1)]
    publishers = [Identity(f"b-{index}", f"bench/{index}/status", b"off", ()) for index in range(clients - 1)]
    sink = Identity("b-sink", "bench/sink/status", b"off", ("bench/+/in",))
    pool = Pool(url, fast=fast, version="known")
    started = time.perf_counter()
    pool.connect([*publishers, sink])
    connected = clients / (time.perf_counter() - started)
    receiver, flying = clients - 1, deque[tuple[str, bytes]]()
    started = time.perf_counter()
    for number in range(messages):
        if number >= WINDOW:
            topic, payload = flying.popleft()
            if pool.take(receiver, topic, payload, 10) is None:
                raise SystemExit("a message was lost")
        sender = number % (clients - 1)
        payload = number.to_bytes(8, "little") + bytes(PAYLOAD_BYTES - 8)
        pool.publish(sender, topics[sender], payload, qos)
        flying.append((topics[sender], payload))
    for topic, payload in flying:
        if pool.take(receiver, topic, payload, 10) is None:
            raise SystemExit("a message was lost")
    rate = messages / (time.perf_counter() - started)
    pool.close()
    return rate, connected


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.broker_pool", description=__doc__)
    parser.add_argument("--clients", type=int, nargs="+", default=[2, 100, 1000])
    parser.add_argument("--messages", type=int, default=40_000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with mosquitto.Server() as server:
        print_row = sys.stdout.write
        print_row(f"Mosquitto {server.version}, {PAYLOAD_BYTES}-byte payloads, window {WINDOW}, ")
        print_row(f"median of {options.repeat}\n")
        print_row(f"{'clients':>8} {'QoS':>4} {'client':>7} {'messages/s':>11} {'connects/s':>11}\n")
        for clients in options.clients:
            for qos in (0, 1):
                for fast in (True, False):
                    runs = [
                        messages_per_second(server.url, clients=clients, qos=qos, fast=fast, messages=options.messages)
                        for _ in range(options.repeat)
                    ]
                    rate, connects = (statistics.median(column) for column in zip(*runs, strict=True))
                    name = "fast" if fast else "paho"
                    print_row(f"{clients:>8} {qos:>4} {name:>7} {rate:>11,.0f} {connects:>11,.0f}\n")
                    sys.stdout.flush()


if __name__ == "__main__":
    main()
