"""The broker in the hands of a fault, and the real one behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Protocol

from sim.faults.gate import CLIENT_OFFLINE, STOLEN, Gate
from sim.nodes.lanes import Message

if TYPE_CHECKING:
    from sim.faults.handles import NodeHandle


class Machinery(Protocol):
    """The real broker behind the model, if there is one."""

    def kill(self) -> None: ...
    def restart(self) -> None: ...
    def pause(self, arriving: Sequence[Message]) -> None: ...
    def resume(self) -> None: ...
    def reset(self, clients: Sequence[int], arriving: Sequence[Message]) -> None: ...
    def usurp(self, clients: Sequence[int], arriving: Sequence[Message]) -> None: ...
    def reconnect(self, clients: Sequence[int]) -> None: ...
    def forget(self, clients: Sequence[int], arriving: Sequence[Message]) -> None: ...
    def remember(self, clients: Sequence[int]) -> None: ...
    def finish(self) -> None:
        """The run is over: a paused broker goes on, and nothing more is done to it."""


class BrokerHandle:
    """The broker in the hands of a fault; in lockstep the real one goes through the same."""

    name = "broker"

    def __init__(self, gate: Gate, machinery: Machinery, clients: Sequence[NodeHandle]) -> None:
        self.clients = clients
        """The nodes that the entry's target names; all of them for `broker`."""
        self._gate = gate
        self._machinery = machinery

    @contextmanager
    def killed(self, fault: str) -> Iterator[None]:
        """Dead at once (SIGKILL), and started again at the end."""
        with self._gate.down(fault):
            self._machinery.kill()
            try:
                yield
            finally:
                self._machinery.restart()

    @contextmanager
    def paused(self, fault: str) -> Iterator[None]:
        """Standing still (SIGSTOP)."""
        self._machinery.pause(self._gate.in_flight())
        with self._gate.paused(fault):
            try:
                yield
            finally:
                self._machinery.resume()

    @contextmanager
    def reset(self, fault: str) -> Iterator[None]:
        """The clients lose their connections, and come back at the end."""
        self._machinery.reset(self._numbers, self._gate.in_flight())
        with self._offline(fault, CLIENT_OFFLINE):
            yield

    @contextmanager
    def usurped(self, fault: str) -> Iterator[None]:
        """A stranger has the names of the clients, so that the broker throws them out; in the end they him."""
        self._machinery.usurp(self._numbers, self._gate.in_flight())
        with self._offline(fault, STOLEN):
            yield

    @contextmanager
    def forgetful(self, fault: str) -> Iterator[None]:
        """The broker has lost the sessions of the clients: they get nothing until they subscribe again."""
        self._machinery.forget(self._numbers, self._gate.in_flight())
        with self._each(lambda number: self._gate.deaf(number, fault), self._machinery.remember):
            yield

    @contextmanager
    def limited(self, messages: int, fault: str) -> Iterator[None]:
        """At most so many messages wait at the broker for each subscriber and link."""
        with self._gate.limited(messages, fault):
            yield

    @property
    def _numbers(self) -> list[int]:
        return [handle.node.client for handle in self.clients]

    @contextmanager
    def _offline(self, fault: str, reason: str) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(
                self._each(lambda number: self._gate.away(number, fault, reason), self._machinery.reconnect)
            )
            for handle in self.clients:
                stack.enter_context(handle.cut_off())
            yield

    @contextmanager
    def _each(
        self, hampered: Callable[[int], AbstractContextManager[None]], back: Callable[[Sequence[int]], None]
    ) -> Iterator[None]:
        """All clients `hampered` in the model; in the end the real ones come `back` first."""
        with ExitStack() as stack:
            for number in self._numbers:
                stack.enter_context(hampered(number))
            stack.callback(back, self._numbers)
            yield


class NoMachinery:
    """For a broker that is a model only: nothing else to be done."""

    def kill(self) -> None: ...
    def restart(self) -> None: ...
    def pause(self, arriving: Sequence[Message]) -> None: ...
    def resume(self) -> None: ...
    def reset(self, clients: Sequence[int], arriving: Sequence[Message]) -> None: ...
    def usurp(self, clients: Sequence[int], arriving: Sequence[Message]) -> None: ...
    def reconnect(self, clients: Sequence[int]) -> None: ...
    def forget(self, clients: Sequence[int], arriving: Sequence[Message]) -> None: ...
    def remember(self, clients: Sequence[int]) -> None: ...
    def finish(self) -> None: ...
