"""What the broker tests share: small fleets, a Mosquitto with other settings, and peers that are no brokers."""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from brokers import mosquitto
from brokers.api import Carrier, Identity

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


class TunedMosquitto(mosquitto.Server):
    """A Mosquitto with more lines in its configuration; a line replaces those of the same key.

    Args:
        lines: `{folder}` stands for the private folder.
        files: name and text of further files there.
    """

    def __init__(self, *lines: str, files: dict[str, str] | None = None, durable: bool = False) -> None:
        super().__init__(durable=durable)
        self._lines = lines
        self._files = files or {}

    def _command(self, folder: Path) -> list[str]:
        command = super()._command(folder)
        path = folder / "mosquitto.conf"
        lines = [line.format(folder=folder, port=self.port) for line in self._lines]
        keys = {line.split()[0] for line in lines}
        kept = [line for line in path.read_text().splitlines() if line.split()[0] not in keys]
        path.write_text("\n".join([*kept, *lines]) + "\n")
        for name, text in self._files.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o600)
        return command


@contextmanager
def peer(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """Something that listens but is no broker; the URL under which a user might try it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(2)
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
        assert carrier.take(receiver, topic, payload, 10) == payload
