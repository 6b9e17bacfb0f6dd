"""One selector loop over all client sockets: writes collected, flushed together, always before waiting."""

from __future__ import annotations

import contextlib
import resource
import selectors
import socket
from typing import Protocol

from brokers.api import BrokerError

FLUSH_BYTES = 8192
"""Collected output above this is written out without waiting for the next poll."""

_SPARE_DESCRIPTORS = 128
"""For everything else that a process has open: files, pipes, libraries, the selector itself."""


class Driven(Protocol):
    """What the loop drives."""

    def flush(self) -> bool:
        """Writes what the socket accepts; False if something is left."""

    def read(self) -> None:
        """Takes in what the socket holds."""


class Loop:
    """Knows which endpoints have output, which are blocked on it, and what came in.

    Attributes:
        dirty: endpoints with collected output, and their sockets.
        blocked: sockets that take no output now.
        pending: bytes collected since the last flush.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.blocked: set[socket.socket] = set()
        self.dirty: dict[Driven, socket.socket] = {}
        self._owing: dict[Driven, socket.socket] = {}
        self.pending = 0

    def __len__(self) -> int:
        return len(self._selector.get_map())

    def add(self, sock: socket.socket, endpoint: Driven, *, connecting: bool) -> None:
        """Watches a socket; one that is still connecting is blocked on output."""
        events = selectors.EVENT_READ
        if connecting:
            self.blocked.add(sock)
            events |= selectors.EVENT_WRITE
        self._selector.register(sock, events, endpoint)

    def remove(self, sock: socket.socket, endpoint: Driven) -> None:
        """Forgets a socket."""
        self.dirty.pop(endpoint, None)
        self._owing.pop(endpoint, None)
        self.blocked.discard(sock)
        with contextlib.suppress(KeyError, ValueError):  # never registered, or closed by a failed TLS handshake
            self._selector.unregister(sock)

    def wrote(self, sock: socket.socket, endpoint: Driven, size: int) -> None:
        """An endpoint has collected `size` more bytes of output."""
        self.pending += size
        if sock not in self.blocked:
            self.dirty[endpoint] = sock

    def owes(self, sock: socket.socket, endpoint: Driven) -> None:
        """An endpoint has collected output that nobody waits for: it goes with its next message, or when all goes."""
        if sock not in self.blocked:
            self._owing[endpoint] = sock

    def urge(self, endpoint: Driven) -> None:
        """What an endpoint owes goes with the next flush."""
        if endpoint in self._owing:
            self.dirty[endpoint] = self._owing.pop(endpoint)

    def flush(self) -> None:
        """Writes collected messages that the sockets accept, and what else there is at the same endpoints."""
        self.pending = 0
        dirty, self.dirty = self.dirty, {}
        for endpoint, sock in dirty.items():
            if not endpoint.flush() and sock.fileno() >= 0:
                self.blocked.add(sock)
                self._selector.modify(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, endpoint)

    def poll(self, timeout_s: float) -> bool:
        """Flushes everything, then waits for at most `timeout_s` for sockets to act on; True if there were any."""
        self.dirty |= self._owing
        self._owing.clear()
        return self.wait(timeout_s)

    def wait(self, timeout_s: float) -> bool:
        """As `poll`, but acknowledgements may stay behind."""
        watched = len(self)
        self.flush()
        ended = len(self) < watched  # a write can find out that a connection is gone; then nothing more comes from it
        events = self._selector.select(0 if ended else timeout_s)
        for key, mask in events:
            endpoint: Driven = key.data
            if mask & selectors.EVENT_WRITE:
                self._unblock(key, endpoint)
            if mask & selectors.EVENT_READ:
                endpoint.read()
        return ended or bool(events)

    def close(self) -> None:
        """Gives the selector back."""
        self._selector.close()

    def _unblock(self, key: selectors.SelectorKey, endpoint: Driven) -> None:
        sock = key.fileobj
        assert isinstance(sock, socket.socket)
        if endpoint.flush() and sock.fileno() >= 0:
            self.blocked.discard(sock)
            self._selector.modify(sock, selectors.EVENT_READ, endpoint)


def raise_descriptor_limit(needed: int = 0) -> None:
    """Raises the soft limit on open files to the hard one.

    Raises:
        BrokerError: if even the hard limit leaves no room for `needed` sockets.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # macOS refuses RLIM_INFINITY
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    wanted = needed + _SPARE_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        raise BrokerError(
            f"{needed} clients need {wanted} open files, but this process may open {soft}; "
            f"raise the hard limit (`ulimit -Hn {wanted}` as root, or LimitNOFILE= in a systemd unit) "
            f"or use fewer nodes"
        )
