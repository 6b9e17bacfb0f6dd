"""What the processes of one fleet tell each other: one message from each to each a window, over sockets."""

from __future__ import annotations

import os
import select
import struct
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Final

_SIZE: Final = struct.Struct("<Q")
_CHUNK: Final = 1 << 16


class PeerGoneError(Exception):
    """Another process of the fleet has ended too early; why is told by that one."""


class _Peer:
    """One other process; nothing here ever waits for it."""

    def __init__(self, link: Connection) -> None:
        self._link = link
        self.descriptor = link.fileno()
        os.set_blocking(self.descriptor, False)
        self.outgoing = bytearray()
        self._incoming = bytearray()

    def push(self) -> None:
        """Sends what can be sent now; raises `PeerGoneError`."""
        try:
            while self.outgoing:
                del self.outgoing[: os.write(self.descriptor, self.outgoing)]
        except BlockingIOError:
            return
        except OSError as error:
            raise PeerGoneError from error

    def pull(self) -> None:
        """Receives what is there; raises `PeerGoneError`."""
        try:
            found = os.read(self.descriptor, _CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            raise PeerGoneError from error
        if not found:
            raise PeerGoneError
        self._incoming += found

    def has_told(self) -> bool:
        """Whether a whole message is there."""
        incoming = self._incoming
        return len(incoming) >= _SIZE.size and len(incoming) >= _SIZE.size + int(_SIZE.unpack_from(incoming)[0])

    def take(self) -> bytes:
        """The message."""
        end = _SIZE.size + int(_SIZE.unpack_from(self._incoming)[0])
        message = bytes(self._incoming[_SIZE.size : end])
        del self._incoming[:end]
        return message


class Peers:
    """All other processes of the fleet, by number.

    Sending never waits, so that all may send before anybody receives, however much.
    """

    def __init__(self, links: Mapping[int, Connection]) -> None:
        self._peers = {number: _Peer(link) for number, link in links.items()}

    def say(self, message: bytes) -> None:
        """Tells all others; raises `PeerGoneError`."""
        for peer in self._peers.values():
            peer.outgoing += _SIZE.pack(len(message)) + message
            peer.push()

    def hear(self) -> dict[int, bytes]:
        """Waits for the next message of each of the others, by number; raises `PeerGoneError`."""
        while busy := [peer for peer in self._peers.values() if peer.outgoing or not peer.has_told()]:
            poll, by_descriptor = select.poll(), {peer.descriptor: peer for peer in busy}
            for peer in busy:
                wanted = (0 if peer.has_told() else select.POLLIN) | (select.POLLOUT if peer.outgoing else 0)
                poll.register(peer.descriptor, wanted)
            for descriptor, event in poll.poll():
                peer = by_descriptor[descriptor]
                if event & select.POLLOUT:
                    peer.push()
                if event & ~select.POLLOUT:
                    peer.pull()
        return {number: peer.take() for number, peer in self._peers.items()}
