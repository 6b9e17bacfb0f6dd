"""What the broker tests share: small fleets, a Mosquitto with other settings, and peers that are no brokers."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from brokers import mosquitto
from brokers.api import Carrier, Identity

WAIT_S = 60.0
"""Wall seconds to wait for what must come: long, for a busy machine may stall, and free where it comes at once."""
needs_mosquitto = pytest.mark.skipif(mosquitto.find() is None, reason="Mosquitto is not installed")


def fleet(size: int, name: str = "") -> list[Identity]:
    """Identities 0..size-1, each subscribed to `topic(identity)`; unique per call."""
    name = name or f"t{uuid.uuid4().hex[:8]}"
    return [
        Identity(f"{name}-{index}", f"{name}/{index}/status", b"offline", (f"{name}/{index}/in",))
        for index in range(size)
    ]


def inbox(identity: Identity) -> str:
    return identity.subscriptions[0]


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has waited for does not."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def within(seconds: float, happened: Callable[[], bool]) -> bool:
    """Waits for something to happen."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def free_port() -> int:
    """A port of the loopback that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class TunedMosquitto(mosquitto.Server):
    """A Mosquitto with more lines in its configuration; a line replaces those of the same key.

    Args:
        lines: `{folder}` stands for the private folder, `{second}` for another free port, later in `second`.
        files: name and text of further files there.
    """

    def __init__(self, *lines: str, files: dict[str, str] | None = None, durable: bool = False) -> None:
        super().__init__(durable=durable)
        self._lines = lines
        self._files = files or {}
        self.second = 0

    def _command(self, folder: Path) -> list[str]:
        command = super()._command(folder)
        path = folder / "mosquitto.conf"
        self.second = free_port()  # another one at every attempt to start
        lines = [line.format(folder=folder, second=self.second) for line in self._lines]
        keys = {line.split()[0] for line in lines}
        kept = [line for line in path.read_text().splitlines() if line.split()[0] not in keys]
        path.write_text("\n".join([*kept, *lines]) + "\n")
        for name, text in self._files.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o600)
        return command


@contextmanager
def peer(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """Something that listens but is no broker; the URL under which a user might try it.

    Who visits it may be gone before it is his turn.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(WAIT_S)
                    behave(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"mqtt://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            thread.join()


def burst(carrier: Carrier, sender: int, receiver: int, topic: str, qos: int, count: int) -> None:
    """Sends `count` numbered messages and takes them all, in order."""
    payloads = [f"{qos}:{number}".encode() for number in range(count)]
    for payload in payloads:
        carrier.publish(sender, topic, payload, qos)
    for payload in payloads:
        assert carrier.take(receiver, topic, payload, WAIT_S) == payload
