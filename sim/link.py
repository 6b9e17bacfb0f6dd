"""Links: store-and-forward with bandwidth, propagation, jitter, loss and a bounded queue.

One direction of a link is a `Link`. Departures are arithmetic (`busy = max(busy, now) + size / bandwidth`), so that a
hop costs one heap event: the arrival. Propagation does not occupy the link, and messages keep their order (MQTT
runs over TCP).

At QoS 1 and 2 a lost transmission is repeated after `retry_s`, as TCP would; each repetition occupies the link again.
At QoS 0 it is lost.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

import numpy as np

from sim.rng import Array, Grid

Row = TypeVar("Row")

MAX_ATTEMPTS: Final = 8
BLOCK: Final = 1024
"""First attempts that are drawn together, if there are not more sites than that."""
AHEAD: Final = 256
"""Samples at most that they belong to."""
KEPT: Final = 3
"""Blocks of one kind and origin that are kept; a message of an older one is drawn alone."""


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
        queued_s: how long it waited for the messages before it; in the ledger also for what held it back before.
    """

    arrives_s: float | None
    lost: str | None
    attempts: int
    queued_s: float = 0.0


class Blocks(Generic[Row]):
    """Something of every message at every site, in rows of one a site, drawn a block of samples at a time.

    Attributes:
        rows: the rows at hand, by `word`.
    """

    __slots__ = ("_blocks", "_span", "first", "grid", "rows", "sites")

    def __init__(self, grid: Grid, sites: int, first: int) -> None:
        self.grid = grid
        self.sites = sites
        self.first = first
        self.rows: dict[int, Row] = {}
        self._span = min(max(1, BLOCK // sites), AHEAD)
        self._blocks: dict[tuple[int, int], deque[range]] = {}

    def row(self, kind: int, sample: int, origin: int) -> Row | None:
        """One message's row; None: it is too old, and must be drawn alone."""
        row = self.rows.get(word(kind, sample, origin))
        if row is None and sample >= 0:
            start = sample - sample % self._span
            blocks = self._blocks.setdefault((kind, origin), deque())
            if not blocks or start > blocks[0].start:
                self._add(kind, range(start, start + self._span), origin, blocks)
                row = self.rows[word(kind, sample, origin)]
        return row

    def _add(self, kind: int, samples: range, origin: int, blocks: deque[range]) -> None:
        rows = self._rows(*self.grid.block(self.sites, kind, samples, origin, self.first))
        self.rows.update(zip((word(kind, sample, origin) for sample in samples), rows, strict=True))
        blocks.append(samples)
        if len(blocks) > KEPT:
            for sample in blocks.popleft():
                del self.rows[word(kind, sample, origin)]

    def _rows(self, lost: Array, jitter: Array) -> Iterable[Row]:
        raise NotImplementedError


def word(kind: int, sample: int, origin: int) -> int:
    """A message of a site as one number."""
    return sample << 24 | origin << 8 | kind


class Stream(Blocks[tuple[list[float], list[float]]]):
    """The randomness of the links of one name, one link a site: every message by itself.

    Args:
        name: stable and without the site, e.g. `cam.3->gw`.
        sites: links that share the stream.
        first: the site of the first of them; below, sites are counted from it.

    Attributes:
        alone: numbers are asked for now and then, and drawn one by one: `Delays` has those of most messages.
    """

    __slots__ = ("alone",)

    def __init__(self, seed: int, name: str, sites: int = 1, first: int = 0) -> None:
        super().__init__(Grid(seed, "link", name), sites, first)
        self.alone = False

    def pair(self, site: int, kind: int, sample: int, origin: int, attempt: int) -> tuple[float, float]:
        """Two numbers in [0, 1): against the loss rate, and within the jitter."""
        if attempt == 0 and not self.alone:
            row = self.row(kind, sample, origin)
            if row is not None:
                return row[0][site], row[1][site]
        return self.grid.pair(self.first + site, kind, sample, origin, attempt)

    def _rows(self, lost: Array, jitter: Array) -> Iterable[tuple[list[float], list[float]]]:
        return zip(lost.tolist(), jitter.tolist(), strict=True)


LOST: Final = -1.0


class Delays(Blocks[list[float]]):
    """Seconds from the last bit sent to the arrival, for links that nothing changes; `LOST` where a first attempt is.

    Args:
        stream: of the links.
        model: of them all.
    """

    __slots__ = ("_model",)

    def __init__(self, stream: Stream, model: LinkModel) -> None:
        super().__init__(stream.grid, stream.sites, stream.first)
        self._model = model

    def at(self, site: int, kind: int, sample: int, origin: int) -> float:
        """For one message at one site."""
        row = self.row(kind, sample, origin)
        if row is not None:
            return row[site]
        lost, jitter = self.grid.pair(self.first + site, kind, sample, origin, 0)
        return LOST if lost < self._model.loss else delay_s(self._model, jitter)

    def _rows(self, lost: Array, jitter: Array) -> Iterable[list[float]]:
        model = self._model
        delays = np.maximum(0.0, model.latency_s + model.jitter_s * (2.0 * jitter - 1.0))
        delays[lost < model.loss] = LOST
        return delays.tolist()  # type: ignore[no-any-return]


def delay_s(model: LinkModel, jitter: float) -> float:
    """Propagation with jitter, which is never negative; `jitter` is uniform in [0, 1)."""
    return max(0.0, model.latency_s + model.jitter_s * (2.0 * jitter - 1.0))


class Link:
    """One direction between two nodes.

    Args:
        key: stable name, e.g. `site-0/cam.3->gw`.
        seed: of the random stream that is the link's own and named as it is, if `stream` is None.
        attempts: transmissions at most (1 at QoS 0).
        retry_s: pause before a transmission is repeated.
        stream: the random stream that the link shares with those of other sites; this one is the `site`-th.

    Attributes:
        free_s: when the last bit of what is queued will be out.
        last_arrival_s: when the last message arrives.
        leaving: when the last bits of messages leave that may not have left yet.
    """

    __slots__ = (
        "attempts",
        "free_s",
        "key",
        "last_arrival_s",
        "leaving",
        "model",
        "retry_s",
        "site",
        "stream",
    )

    def __init__(
        self,
        key: str,
        model: LinkModel,
        seed: int = 0,
        *,
        attempts: int = 1,
        retry_s: float = 0.2,
        stream: Stream | None = None,
        site: int = 0,
    ) -> None:
        self.key = key
        self.model = model
        self.attempts = attempts
        self.retry_s = retry_s
        self.stream = Stream(seed, key) if stream is None else stream
        self.site = site
        self.free_s = 0.0
        self.last_arrival_s = 0.0
        self.leaving: list[float] = []

    def send(self, now_s: float, size_bytes: int, kind: int = 0, sample: int = 0, origin: int = 0) -> Passage:
        """Takes a message of `size_bytes` at `now_s`.

        Jitter and loss are drawn by kind, sample, origin and the attempt, not by call order.
        """
        model = self.model
        leaving = self.leaving
        if leaving and leaving[0] <= now_s:
            del leaving[: bisect_right(leaving, now_s)]
        if model.queue is not None and len(leaving) > model.queue:
            return Passage(None, "queue", 0)
        duration_s = size_bytes * 8.0 / model.bandwidth_bps
        begins_s = max(self.free_s, now_s)
        free_s = begins_s + duration_s
        attempt, jitter = 1, 0.0
        if model.loss or model.jitter_s:
            lost, jitter = self.stream.pair(self.site, kind, sample, origin, 0)
            while lost < model.loss:
                if attempt == self.attempts:
                    self._leave(free_s)
                    return Passage(None, "loss", attempt, begins_s - now_s)
                free_s += self.retry_s + duration_s
                lost, jitter = self.stream.pair(self.site, kind, sample, origin, attempt)
                attempt += 1
        self._leave(free_s)
        self.last_arrival_s = max(self.last_arrival_s, free_s + delay_s(model, jitter))
        return Passage(self.last_arrival_s, None, attempt, begins_s - now_s)

    def clear(self, now_s: float) -> None:
        """The line goes dead: nothing waits or is being sent any more."""
        self.free_s = self.last_arrival_s = now_s
        self.leaving.clear()

    def waiting(self, now_s: float) -> int:
        """Messages that wait or are being sent at `now_s`."""
        return len(self.leaving) - bisect_right(self.leaving, now_s)

    def _leave(self, departure_s: float) -> None:
        self.free_s = departure_s
        self.leaving.append(departure_s)


class Transmission(NamedTuple):
    """What a sender knows of one of its messages once the last bit is out: bytes, and how long they took."""

    ends_s: float
    size_bytes: int
    took_s: float


class MeteredLink(Link):
    """A link whose sender keeps an eye on its own transmissions, as its radio would tell."""

    __slots__ = ("_own",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._own: deque[Transmission] = deque()

    def send(self, now_s: float, size_bytes: int, kind: int = 0, sample: int = 0, origin: int = 0) -> Passage:
        """As every link; and takes note."""
        begins_s = max(self.free_s, now_s)
        passage = super().send(now_s, size_bytes, kind, sample, origin)
        if passage.attempts:
            self._own.append(Transmission(self.free_s, size_bytes, self.free_s - begins_s))
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
