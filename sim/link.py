"""Links: store-and-forward with bandwidth, propagation, jitter, loss and a bounded queue.

One direction of a link is a `Link`. Departures are arithmetic (`busy = max(busy, now) + size / bandwidth`), so that a
hop costs one heap event: the arrival. Propagation does not occupy the link, and messages keep their order (MQTT
runs over TCP).

At QoS 1 and 2 a lost transmission is repeated after `retry_s`, as TCP would; each repetition occupies the link again.
At QoS 0 it is lost.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

from sim.rng import Draws

MAX_ATTEMPTS: Final = 8


@dataclass(frozen=True, slots=True)
class LinkModel:
    """What a link is made of; SI units, `queue` counts messages that wait or are being sent (None: unbounded)."""

    bandwidth_bps: float
    latency_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    queue: int | None = None


class Passage(NamedTuple):
    """What became of one message on a link.

    Attributes:
        arrives_s: when it arrives; None: never.
        lost: why it never does.
        attempts: how often it was transmitted.
        queued_s: how long it waited for the messages before it.
    """

    arrives_s: float | None
    lost: str | None
    attempts: int
    queued_s: float = 0.0


class Link:
    """One direction between two nodes. `key` names its random stream, together with `seed`.

    Args:
        key: stable name, e.g. `site-0/cam.3->gw`.
        attempts: transmissions at most (1 at QoS 0).
        retry_s: pause before a transmission is repeated.
    """

    __slots__ = (
        "_draws",
        "_free_s",
        "_last_arrival_s",
        "_leaving",
        "_random",
        "attempts",
        "key",
        "model",
        "retry_s",
    )

    def __init__(self, key: str, model: LinkModel, seed: int, *, attempts: int = 1, retry_s: float = 0.2) -> None:
        self.key = key
        self.model = model
        self.attempts = attempts
        self.retry_s = retry_s
        self._draws: Draws | None = None
        self._random = (seed, "link", key)
        self._free_s = 0.0
        self._last_arrival_s = 0.0
        self._leaving: deque[float] = deque()

    def send(self, now_s: float, size_bytes: int, *counters: int) -> Passage:
        """Takes a message of `size_bytes` at `now_s`.

        Jitter and loss are drawn by `counters` (kind, sample, origin) and the attempt, not by call order.
        """
        model = self.model
        leaving = self._leaving
        while leaving and leaving[0] <= now_s:
            leaving.popleft()
        if model.queue is not None and len(leaving) > model.queue:
            return Passage(None, "queue", 0)
        duration_s = size_bytes * 8.0 / model.bandwidth_bps
        begins_s = max(self._free_s, now_s)
        free_s = begins_s + duration_s
        attempt, jitter = 1, 0.0
        if model.loss or model.jitter_s:
            lost, jitter = self._draw(counters, 0)
            while lost < model.loss:
                if attempt == self.attempts:
                    self._leave(free_s)
                    return Passage(None, "loss", attempt, begins_s - now_s)
                free_s += self.retry_s + duration_s
                lost, jitter = self._draw(counters, attempt)
                attempt += 1
        self._leave(free_s)
        arrival_s = free_s + max(0.0, model.latency_s + model.jitter_s * (2.0 * jitter - 1.0))
        self._last_arrival_s = max(self._last_arrival_s, arrival_s)
        return Passage(self._last_arrival_s, None, attempt, begins_s - now_s)

    def clear(self, now_s: float) -> None:
        """The line goes dead: nothing waits or is being sent any more."""
        self._free_s = self._last_arrival_s = now_s
        self._leaving.clear()

    def waiting(self, now_s: float) -> int:
        """Messages that wait or are being sent at `now_s`."""
        return sum(1 for departure_s in self._leaving if departure_s > now_s)

    def _leave(self, departure_s: float) -> None:
        self._free_s = departure_s
        self._leaving.append(departure_s)

    def _draw(self, counters: tuple[int, ...], attempt: int) -> tuple[float, float]:
        if self._draws is None:
            self._draws = Draws(self._random[0], *self._random[1:])
        return self._draws.uniform(*counters, attempt)


class Transmission(NamedTuple):
    """What a sender knows of one of its messages once the last bit is out: bytes, and how long they took."""

    ends_s: float
    size_bytes: int
    took_s: float


class MeteredLink(Link):
    """A link whose sender keeps an eye on its own transmissions, as its radio would tell."""

    __slots__ = ("_own",)

    def __init__(self, key: str, model: LinkModel, seed: int, *, attempts: int = 1, retry_s: float = 0.2) -> None:
        super().__init__(key, model, seed, attempts=attempts, retry_s=retry_s)
        self._own: deque[Transmission] = deque()

    def send(self, now_s: float, size_bytes: int, *counters: int) -> Passage:
        """As every link; and takes note."""
        begins_s = max(self._free_s, now_s)
        passage = super().send(now_s, size_bytes, *counters)
        if passage.attempts:
            self._own.append(Transmission(self._free_s, size_bytes, self._free_s - begins_s))
        return passage

    def clear(self, now_s: float) -> None:
        """As every link; transmissions that were cut off have no end."""
        super().clear(now_s)
        self._own = deque(own for own in self._own if own.ends_s <= now_s)

    def ended(self, now_s: float) -> list[Transmission]:
        """The transmissions that have ended since this was last asked."""
        found = []
        while self._own and self._own[0].ends_s <= now_s:
            found.append(self._own.popleft())
        return found

    def waiting_bytes(self, now_s: float) -> int:
        """Bytes of the messages that wait or are being sent at `now_s`."""
        return sum(own.size_bytes for own in self._own if own.ends_s > now_s)
