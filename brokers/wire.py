"""A client's socket with both its buffers: bytes in, whole frames to whoever understands them, bytes out."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from brokers.address import Address
from brokers.api import Counters
from brokers.loop import Loop
from brokers.mailbox import Box

_CHUNK = 1 << 15
_TLS_CONNECT_S = 5.0
_LAST_WORDS_S = 1.0
_FAREWELL_S = 5.0
_BLOCKED = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass(slots=True)
class Hub:
    """What all connections of a pool share.

    Attributes:
        box: where a payload for a receiver on a topic goes.
        troubles: what went wrong, in sentences, for the pool to raise.
        heads: by topic, payload size and whether it is acknowledged, how a PUBLISH begins.
        resolved: address family and socket address, looked up once.
        leaving: sockets on which everything has been said, which wait for the broker to hang up.
    """

    address: Address
    protocol: int
    persistent: bool
    fast: bool
    loop: Loop
    counters: Counters
    box: Callable[[int, str], Box]
    session_topics: frozenset[str]
    troubles: list[str]
    keepalive_s: int = 0
    heads: dict[tuple[str, int, bool], bytes] = field(default_factory=dict)
    resolved: tuple[Any, ...] | None = None
    leaving: list[socket.socket] = field(default_factory=list)


class Wire(ABC):
    """The socket of one client.

    Attributes:
        sock: the socket, or None when there is no connection.
        reached: somebody accepted the TCP connection.
        lost: why there is no connection; empty while there is one.
        polite: it closes once the broker has heard everything, see `see_off`.
    """

    __slots__ = ("_need", "_out", "_rest", "_tls", "ended", "hub", "lost", "polite", "reached", "sock")

    def __init__(self, hub: Hub, tls: ssl.SSLContext | None = None) -> None:
        self.hub = hub
        self._tls = tls
        self.sock: socket.socket | None = None
        self._out = bytearray()
        self._rest = bytearray()
        self._need = 0
        self.reached = self.ended = self.polite = False
        self.lost = "never connected"

    @abstractmethod
    def skim(self, data: bytes, start: int) -> int:
        """May deal with usual frames from `start` on in a short way; where what is left begins."""

    @abstractmethod
    def on_frame(self, data: bytes, start: int, body: int, stop: int) -> None:
        """Deals with the whole frame `data[start:stop]`, whose fixed header ends at `body`."""

    @abstractmethod
    def on_end(self) -> None:
        """Deals with the end of the connection; `lost` says why."""

    def open(self) -> None:
        """Starts a TCP connection, with TLS if asked for.

        Raises:
            OSError: the name is unknown, the address refuses at once, or TLS fails.
        """
        address, hub = self.hub.address, self.hub
        self.reached = self.ended = False
        if hub.resolved is None:
            found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
            hub.resolved = (found[0][0], found[0][4])
        family, where = hub.resolved
        self.sock = sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            sock.settimeout(_TLS_CONNECT_S)
            sock.connect(where)
            self.sock = sock = self._tls.wrap_socket(sock, server_hostname=address.host)
        sock.setblocking(False)
        if self._tls is None:
            code = sock.connect_ex(where)
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, os.strerror(code))
        hub.loop.add(sock, self, connecting=self._tls is None)

    def append(self, data: bytes | bytearray) -> None:
        """Collects output; the loop writes it out."""
        if self.sock is not None:
            self._out += data
            self.hub.loop.wrote(self.sock, self, len(data))

    def flush(self) -> bool:
        """Writes what the socket accepts; False if something is left."""
        out = self._out
        if self.sock is None or not out:
            return True
        try:
            written = self.sock.send(out)
        except _BLOCKED:
            return False
        except OSError as error:
            self.end(error.strerror or str(error))
            return True
        self.reached = self.reached or written > 0
        self.hub.counters.bytes_written += written
        del out[:written]
        return not out

    def read(self) -> None:
        """Takes in what the socket holds and deals with every whole frame."""
        while self.sock is not None:
            try:
                data = self.sock.recv(_CHUNK)
            except _BLOCKED:
                return
            except OSError as error:
                self.end(error.strerror or str(error))
                return
            if not data:
                self.end("the broker closed the connection")
                return
            self.hub.counters.bytes_read += len(data)
            start = 0 if self._rest else self.skim(data, 0)
            if start < len(data):
                self.take_in(data[start:])
            if len(data) < _CHUNK and not isinstance(self.sock, ssl.SSLSocket):
                return

    def take_in(self, data: bytes) -> None:
        """Cuts the stream into frames; an unfinished one waits for its rest."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return
            data = bytes(self._rest)
            self._rest.clear()
        done, self._need = self._frames(data)
        if done < len(data) and self.sock is not None:
            self._rest += data[done:]

    def end(self, reason: str) -> None:
        """The connection is over."""
        self.lost = reason
        self.ended = True
        self.on_end()

    def close(self) -> None:
        """Writes out what is left, for at most a second, and closes; who is polite waits for `see_off`."""
        sock, self.sock = self.sock, None
        if sock is None:
            return
        self.hub.loop.remove(sock, self)
        with contextlib.suppress(OSError):
            if self._out and not self.ended:
                sock.settimeout(_LAST_WORDS_S)
                sock.sendall(self._out)
                self.hub.counters.bytes_written += len(self._out)
                if self.polite:
                    sock.shutdown(socket.SHUT_WR)
                    self.hub.leaving.append(sock)
        if sock not in self.hub.leaving:
            sock.close()
        self._out.clear()
        self._rest.clear()

    def drop_output(self) -> None:
        """Forgets what has not been written."""
        self._out.clear()

    def _frames(self, data: bytes) -> tuple[int, int]:
        """How far whole frames reached, and how many bytes the next one needs at least."""
        start, end = 0, len(data)
        while self.sock is not None and end - (start := self.skim(data, start)) >= 2:
            length, body = data[start + 1], start + 2
            if length & 128:
                length, body = _long_length(data, start + 1, end)
                if not body:
                    return start, end - start + 1
            stop = body + length
            if stop > end:
                return start, stop - start
            self.on_frame(data, start, body, stop)
            start = stop
        return start, end - start + 1


def see_off(sockets: list[socket.socket]) -> None:
    """Waits, for at most five seconds in all, until the broker has hung up on these sockets, and closes them.

    Who closes with an answer unread resets the connection; a broker that then wants to answer gives up on the rest.
    """
    deadline = time.monotonic() + _FAREWELL_S
    with selectors.DefaultSelector() as selector:
        for sock in sockets:
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ)
        while selector.get_map() and (left_s := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left_s):
                if _hung_up(key.fileobj):
                    selector.unregister(key.fileobj)
    for sock in sockets:
        sock.close()
    sockets.clear()


def _hung_up(sock: Any) -> bool:
    try:
        return not sock.recv(_CHUNK)
    except _BLOCKED:
        return False
    except OSError:
        return True


def _long_length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A remaining length of two to four bytes and the position after it; position 0 if it is not all there.

    A fifth byte is against the protocol; what is read then makes paho end the connection.
    """
    length = shift = 0
    for position in range(at, min(at + 4, end)):
        length |= (data[position] & 127) << shift
        shift += 7
        if data[position] < 128:
            return length, position + 1
    return (0, at + 5) if end > at + 4 else (0, 0)
