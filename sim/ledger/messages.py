"""The message log: one row a message, buffered as tuples and flushed to Parquet in row groups (bounded memory)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sim.errors import InvariantError
from sim.wire import HEADER_BYTES

ROW_GROUP: Final = 1 << 16
DELIVERED: Final = "delivered"
_SUMMED: Final = ("messages", "payload", "mqtt", "tcpip", "retransmitted")

_SCHEMA: Final = pa.schema(
    [
        ("sent_s", pa.float64()),
        ("arrived_s", pa.float64()),
        ("src", pa.dictionary(pa.int32(), pa.string())),
        ("dst", pa.dictionary(pa.int32(), pa.string())),
        ("kind", pa.dictionary(pa.int32(), pa.string())),
        ("site", pa.dictionary(pa.int32(), pa.string())),
        ("sample", pa.int32()),
        ("payload_bytes", pa.int32()),
        ("header_bytes", pa.int32()),
        ("mqtt_bytes", pa.int32()),
        ("tcpip_bytes", pa.int32()),
        ("fate", pa.dictionary(pa.int32(), pa.string())),
        ("fault", pa.dictionary(pa.int32(), pa.string())),
        ("attempts", pa.int8()),
        ("queued_s", pa.float64()),
        ("retransmitted_bytes", pa.int32()),
    ]
)

Sizes = tuple[int, int, int, int]
"""Bytes of a message: payload, MQTT and TCP/IP (on the legs that it is charged with), and one transmission in all."""
_Row = tuple[float, float | None, int, int, int, int, int, int, int, int, int, float]


class Lane(NamedTuple):
    """What all messages of one kind between two nodes have in common."""

    site: str
    src: str
    dst: str
    kind: str
    link: str


class Tally(NamedTuple):
    """Sums over messages; bytes by column. `retransmitted` is what links carried again after a loss."""

    messages: int
    payload: int
    header: int
    mqtt: int
    tcpip: int
    retransmitted: int


class _Codes:
    """Strings as small integers, in order of appearance."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._index: dict[str, int] = {}

    def __call__(self, name: str) -> int:
        code = self._index.get(name)
        if code is None:
            code = self._index[name] = len(self.names)
            self.names.append(name)
        return code


class MessageLog:
    """Rows are added when a message's fate is known; so the log is ordered by the time of the fate.

    Args:
        path: where the rows go; None keeps the sums alone (a point of a sweep).
    """

    def __init__(self, path: Path | None) -> None:
        self._writer = None
        if path is not None:
            self._writer = pq.ParquetWriter(path, _SCHEMA, compression="zstd", store_schema=False)
        self._sums: Counter[tuple[int, Sizes, int]] = Counter()
        self._again: Counter[tuple[int, int]] = Counter()
        self._rows: list[_Row] = []
        self._now_s = 0.0
        self._lanes: list[Lane] = []
        self._columns = {name: _Codes() for name in ("site", "src", "dst", "kind")}
        self._codes: list[tuple[int, int, int, int]] = []
        self._fates = _Codes()
        self._faults = _Codes()
        self._totals: Counter[tuple[str, str, str, str]] = Counter()
        self._fates(DELIVERED)

    def lane(self, lane: Lane) -> int:
        """Registers a lane; its number goes into `add`."""
        self._lanes.append(lane)
        codes = self._columns
        self._codes.append(
            (
                codes["site"](lane.site),
                codes["src"](lane.src),
                codes["dst"](lane.dst),
                codes["kind"](lane.kind),
            )
        )
        return len(self._lanes) - 1

    def delivered(
        self,
        sent_s: float,
        arrived_s: float,
        lane: int,
        sample: int,
        cost: Sizes,
        fault: str,
        attempts: int = 1,
        queued_s: float = 0.0,
    ) -> None:
        """One message that arrived, after `attempts` transmissions; `fault` is empty where none touched it.

        Raises:
            InvariantError: it arrived before it was sent, or the ledger would go back in time.
        """
        if not (sent_s <= arrived_s >= self._now_s):
            raise InvariantError(
                f"a message of sample {sample} sent at {sent_s} s arrived at {arrived_s} s, "
                f"in the ledger after {self._now_s} s"
            )
        self._now_s = arrived_s
        if self._writer is None:
            self._sums[lane, cost, 0] += 1
            if attempts > 1:
                self._again[lane, 0] += (attempts - 1) * cost[3]
            return
        self._add((sent_s, arrived_s, lane, sample, *cost, 0, self._faults(fault) if fault else -1, attempts, queued_s))

    def lost(
        self,
        sent_s: float,
        lane: int,
        sample: int,
        cost: Sizes,
        reason: str,
        fault: str,
        attempts: int = 0,
        queued_s: float = 0.0,
    ) -> None:
        """One message that never arrives, after `attempts` transmissions (none, where it did not come to its link)."""
        fate = self._fates(f"lost:{reason}")
        if self._writer is None:
            self._sums[lane, cost, fate] += 1
            if attempts > 1:
                self._again[lane, fate] += (attempts - 1) * cost[3]
            return
        self._add((sent_s, None, lane, sample, *cost, fate, self._faults(fault) if fault else -1, attempts, queued_s))

    def _add(self, row: _Row) -> None:
        self._rows.append(row)
        if len(self._rows) >= ROW_GROUP:
            self.flush()

    def flush(self) -> None:
        """Writes the buffered rows as one row group and adds them to the totals."""
        if not self._rows:
            return
        sent, arrived, lane, sample, payload, mqtt, tcpip, whole, fate, fault, attempts, queued = zip(
            *self._rows, strict=True
        )
        self._rows.clear()
        lanes, fates = np.array(lane, np.int64), np.array(fate, np.int64)
        again = np.maximum(np.array(attempts, np.int64) - 1, 0) * np.array(whole, np.int64)
        sizes = [*(np.array(column, np.int64) for column in (payload, mqtt, tcpip)), again]
        self._count(lanes, fates, sizes)
        codes = np.array(self._codes, np.int32)[lanes]
        named = [
            pa.DictionaryArray.from_arrays(pa.array(codes[:, i]), pa.array(self._columns[name].names))
            for i, name in enumerate(("site", "src", "dst", "kind"))
        ]
        site, src, dst, kind = named
        faults = np.array(fault, np.int32)
        columns = [
            pa.array(sent, pa.float64()),
            pa.array(arrived, pa.float64()),
            *(src, dst, kind, site),
            pa.array(sample, pa.int32()),
            pa.array(sizes[0].astype(np.int32)),
            pa.array(np.full(len(lanes), HEADER_BYTES, np.int32)),
            pa.array(sizes[1].astype(np.int32)),
            pa.array(sizes[2].astype(np.int32)),
            pa.DictionaryArray.from_arrays(pa.array(fates.astype(np.int32)), pa.array(self._fates.names)),
            pa.DictionaryArray.from_arrays(
                pa.array(faults, mask=faults < 0), pa.array(self._faults.names, pa.string())
            ),
            pa.array(attempts, pa.int8()),
            pa.array(queued, pa.float64()),
            pa.array(again.astype(np.int32)),
        ]
        assert self._writer is not None
        self._writer.write_table(pa.Table.from_arrays(columns, schema=_SCHEMA))

    def _count(self, lanes: np.ndarray, fates: np.ndarray, sizes: list[np.ndarray]) -> None:
        width = len(self._fates.names)
        keys, inverse = np.unique(lanes * width + fates, return_inverse=True)
        counts = np.bincount(inverse)
        sums = [np.bincount(inverse, weights=size).astype(np.int64) for size in sizes]
        for i, key in enumerate(keys.tolist()):
            lane, fate = self._lanes[key // width], self._fates.names[key % width]
            for field, value in zip(_SUMMED, (counts, *sums), strict=True):
                self._totals[(lane.link, lane.kind, fate, field)] += int(value[i])

    def _count_sums(self) -> None:
        for (number, (payload, mqtt, tcpip, _), fate), count in self._sums.items():
            lane, name = self._lanes[number], self._fates.names[fate]
            key = lane.link, lane.kind, name
            for field, size in (("messages", 1), ("payload", payload), ("mqtt", mqtt), ("tcpip", tcpip)):
                self._totals[*key, field] += count * size
        for (number, fate), size in self._again.items():
            lane = self._lanes[number]
            self._totals[lane.link, lane.kind, self._fates.names[fate], "retransmitted"] += size
        self._sums.clear()
        self._again.clear()

    def close(self) -> None:
        """Flushes and closes the file."""
        self.flush()
        self._count_sums()
        if self._writer is not None:
            self._writer.close()

    def links(self) -> list[str]:
        """The links that carried anything, sorted."""
        return sorted({key[0] for key in self._totals})

    def fates(self) -> list[str]:
        """The fates that occurred, sorted."""
        return sorted({key[2] for key in self._totals})

    def tally(self, *, link: str | None = None, kind: str | None = None, fate: str | None = None) -> Tally:
        """Sums over the flushed messages that match."""
        sums: Counter[str] = Counter()
        for (a_link, a_kind, a_fate, field), value in self._totals.items():
            if link in (None, a_link) and kind in (None, a_kind) and fate in (None, a_fate):
                sums[field] += value
        header = sums["messages"] * HEADER_BYTES
        again = sums["retransmitted"]
        return Tally(sums["messages"], sums["payload"], header, sums["mqtt"], sums["tcpip"], again)


def check_conservation(log: MessageLog, sent: Iterable[tuple[str, int, int]]) -> None:
    """Sent = delivered + lost per link, in messages and payload bytes.

    Args:
        log: the closed log.
        sent: (link, messages, payload bytes) as counted by the senders, independently of the log.

    Raises:
        InvariantError: names the link and the figures.
    """
    for link, messages, payload in sent:
        tally = log.tally(link=link)
        if (tally.messages, tally.payload) != (messages, payload):
            raise InvariantError(
                f"link {link}: {messages} messages ({payload} payload bytes) were sent, but {tally.messages} "
                f"({tally.payload}) were delivered or lost"
            )
