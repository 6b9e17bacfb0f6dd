"""The message log: one row a message, in typed columns that are flushed to Parquet in row groups (bounded memory)."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from math import inf, nan
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sim.errors import InvariantError
from sim.ledger.columns import named, numbers
from sim.wire import HEADER_BYTES

ROW_GROUP: Final = 1 << 16
DELIVERED: Final = "delivered"
_HALF: Final = (1 << 32) - 1
_WARES: Final = (1 << 24) - 1
_NAMED: Final = ["src", "dst", "kind", "site", "sample", "fate", "fault", "attempts", "queued_s"]
_SPLIT: Final = dict.fromkeys(["sent_s", "arrived_s"], "BYTE_STREAM_SPLIT")
_LANE: Final = attrgetter("src", "dst", "kind", "site", "link")

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


class _Codes(dict[str, int]):
    """Strings as small integers, in order of appearance."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __missing__(self, name: str) -> int:
        code = self[name] = len(self.names)
        self.names.append(name)
        return code

    def column(self, codes: np.ndarray) -> pa.DictionaryArray:
        """Codes as the strings they stand for."""
        return named(codes, self.names)

    def used(self, codes: np.ndarray) -> pa.DictionaryArray:
        """As `column`, with the strings that occur and no others, sorted; negative codes are null."""
        present = sorted(np.flatnonzero(np.bincount(codes[codes >= 0])).tolist(), key=self.names.__getitem__)
        places = np.full(len(self.names) + 1, -1, np.int32)
        places[present] = np.arange(len(present))
        return named(places[codes], [self.names[code] for code in present])


class Rows(NamedTuple):
    """Messages as columns; `when_s` is when the fate was known, codes are those of the log."""

    when_s: np.ndarray
    sent_s: np.ndarray
    arrived_s: np.ndarray
    queued_s: np.ndarray
    codes: np.ndarray
    fates: np.ndarray
    faults: np.ndarray

    def at(self, place: Any) -> Rows:
        """Some of the rows, in an order."""
        return Rows(*(column[place] for column in self))


_NO_ROWS: Final = Rows(
    *(np.zeros(0) for _ in range(4)), *(np.zeros(0, kind) for kind in (np.int64, np.int32, np.int32))
)


class MessageLog:
    """Rows are added when a message's fate is known, and ordered by the time of this and then by lane.

    A row is four numbers: when it was sent, when it arrived, how long it queued, and a code: 8 bits for the
    transmissions, 24 for its lane and sizes, 32 for its sample. A fabric may append to these columns itself, if it
    calls `settle` every now and then.

    Args:
        path: where the rows go; None keeps the sums alone (a point of a sweep).

    Attributes:
        sent_s, arrived_s, queued_s, codes: the columns of what is not yet flushed; a lost message arrives at NaN.
    """

    def __init__(self, path: Path | None) -> None:
        self._writer = None
        if path is not None:
            self._writer = pq.ParquetWriter(
                path, _SCHEMA, compression="zstd", store_schema=False, use_dictionary=_NAMED, column_encoding=_SPLIT
            )
        self.sent_s, self.arrived_s, self.queued_s, self.codes = array("d"), array("d"), array("d"), array("q")
        self._odd: dict[int, tuple[int, int]] = {}
        self._lost_s: dict[int, float] = {}
        self._kept = _NO_ROWS
        self._now_s = 0.0
        self._columns = {name: _Codes() for name in ("src", "dst", "kind", "site", "link")}
        self._lanes = [array("i") for _ in self._columns]
        self._wares: dict[tuple[int, Sizes], int] = {}
        self._ware_lanes, self._ware_sizes = array("q"), array("i")
        self._sizes: dict[Sizes, int] = {}
        self._counts = np.zeros(0, np.int64)
        self._odd_counts: Counter[tuple[int, int]] = Counter()
        self._again: Counter[tuple[int, int]] = Counter()
        self._fates = _Codes()
        self._faults = _Codes()
        self._totals: dict[tuple[str, str, str], Tally] | None = None
        self._fates[DELIVERED]

    def lane(self, lane: Lane) -> int:
        """Registers a lane; its number goes into `delivered` and `lost`."""
        for column, codes, name in zip(self._lanes, self._columns.values(), _LANE(lane), strict=True):
            column.append(codes[name])
        return len(self._lanes[0]) - 1

    def code(self, lane: int, cost: Sizes) -> int:
        """What stands for messages of one size on one lane, sample 0, transmitted 0 times."""
        code = self._wares.get((lane, cost))
        if code is None:
            code = self._wares[lane, cost] = self.new_code(lane, cost)
        return code

    def new_code(self, lane: int, cost: Sizes) -> int:
        """As `code`, for one who keeps it and does not ask again."""
        self._ware_lanes.append(lane)
        self._ware_sizes.append(self._sizes.setdefault(cost, len(self._sizes)))
        return len(self._ware_lanes) - 1 << 32

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
            InvariantError: when the rows are flushed, if it arrived before it was sent or time went backwards.
        """
        if fault:
            self._odd[len(self.codes)] = 0, self._faults[fault]
        self._add(sent_s, arrived_s, attempts << 56 | self.code(lane, cost) | sample & _HALF, queued_s)
        self.settle(arrived_s)

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
        now_s: float | None = None,
    ) -> None:
        """One message that never arrives, after `attempts` transmissions (none, where it did not come to its link).

        `now_s` is when that is known; None: when it was sent.
        """
        code = attempts << 56 | self.code(lane, cost) | sample & _HALF
        known_s = sent_s if now_s is None else now_s
        self.lost_code(sent_s, code, reason, fault, queued_s, known_s)
        self.settle(known_s)

    def lost_code(self, sent_s: float, code: int, reason: str, fault: str, queued_s: float, now_s: float) -> None:
        """As `lost`, of a message that has its code already; whoever calls this calls `settle` as well."""
        fate = self._fates[f"lost:{reason}"]
        self._odd[len(self.codes)] = fate, self._faults[fault] if fault else -1
        self._lost_s[len(self.codes)] = now_s
        self._add(sent_s, nan, code, queued_s)

    def _add(self, sent_s: float, arrived_s: float, code: int, queued_s: float) -> None:
        self.sent_s.append(sent_s)
        self.arrived_s.append(arrived_s)
        self.codes.append(code)
        self.queued_s.append(queued_s)

    def settle(self, until_s: float) -> None:
        """Everything that happened before `until_s` has been added: writes as many whole row groups as there are.

        Raises:
            InvariantError: a message arrived before it was sent, or the ledger goes back in time.
        """
        if len(self.codes) >= ROW_GROUP:
            self._settle(until_s, ROW_GROUP)

    def flush(self) -> None:
        """Writes what there is, if need be as a smaller row group; raises as `settle`."""
        self._settle(inf, 1)

    def _settle(self, until_s: float, least: int) -> None:
        rows = self._take()
        if self._writer is not None:
            self._put([rows], until_s, least)

    def _put(self, parts: Iterable[Rows], until_s: float, least: int) -> None:
        """Writes what is known to have happened before `until_s`, and keeps the rest."""
        rows = self._in_order([self._kept, *parts])
        done = int(np.searchsorted(rows.when_s, until_s))
        end = done if least < ROW_GROUP else done - done % ROW_GROUP
        self._kept = rows.at(slice(end, None))  # first, so that Ctrl-C leaves nothing to be written twice
        for start in range(0, end, ROW_GROUP):
            self._write(rows.at(slice(start, min(start + ROW_GROUP, end))))

    def _in_order(self, parts: Iterable[Rows]) -> Rows:
        """All rows by time and lane; those of one time on one lane stay as they were."""
        rows = Rows(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
        rows = rows.at(np.argsort(rows.when_s, kind="stable"))
        if (np.diff(rows.when_s) > 0).all():
            return rows
        return rows.at(np.lexsort((self._lanes_of(rows), rows.when_s)))

    def _take(self) -> Rows:
        """The buffered rows, counted; the buffers are empty then."""
        columns = self.codes, self.sent_s, self.arrived_s, self.queued_s
        codes, sent_s, arrived_s, queued_s = (np.array(column) for column in columns)
        for column in columns:
            del column[:]
        when_s = arrived_s.copy()
        fates, faults = np.zeros(len(codes), np.int32), np.full(len(codes), -1, np.int32)
        for row, (fate, fault) in self._odd.items():
            fates[row], faults[row] = fate, fault
        for row, lost_s in self._lost_s.items():
            when_s[row] = lost_s
        self._odd.clear()
        self._lost_s.clear()
        wrong = np.flatnonzero(when_s < sent_s)
        if len(wrong):
            raise InvariantError(f"a message sent at {sent_s[wrong[0]]} s had its fate at {when_s[wrong[0]]} s")
        self._count(codes, fates)
        return Rows(when_s, sent_s, arrived_s, queued_s, codes, fates, faults)

    def _lanes_of(self, rows: Rows) -> np.ndarray:
        lanes: np.ndarray = np.array(self._ware_lanes, np.int64)[rows.codes >> 32 & _WARES]
        return lanes

    def _sizes_of(self, wares: np.ndarray) -> np.ndarray:
        """`Sizes` of wares, a column each."""
        table = np.array(list(self._sizes), np.int32).reshape(-1, 4).T
        sizes: np.ndarray = table[:, np.array(self._ware_sizes, np.int32)[wares]]
        return sizes

    def _write(self, rows: Rows) -> None:
        """Writes one row group."""
        if rows.when_s[0] < self._now_s:
            raise InvariantError(f"a message had its fate at {rows.when_s[0]} s, in the ledger after {self._now_s} s")
        self._now_s = float(rows.when_s[-1])
        wares, attempts = rows.codes >> 32 & _WARES, rows.codes >> 56
        lanes = self._lanes_of(rows)
        payload, mqtt, tcpip, whole = self._sizes_of(wares)
        src, dst, kind, site = (
            codes.column(np.array(column)[lanes])
            for codes, column in zip(list(self._columns.values())[:4], self._lanes, strict=False)
        )
        columns = [
            numbers(rows.sent_s),
            numbers(rows.arrived_s, np.isnan(rows.arrived_s)),
            *(src, dst, kind, site),
            numbers(rows.codes.astype(np.int32)),
            numbers(payload),
            numbers(np.full(len(lanes), HEADER_BYTES, np.int32)),
            numbers(mqtt),
            numbers(tcpip),
            self._fates.used(rows.fates),
            self._faults.used(rows.faults),
            numbers(attempts.astype(np.int8)),
            numbers(rows.queued_s),
            numbers((np.maximum(attempts - 1, 0) * whole).astype(np.int32)),
        ]
        assert self._writer is not None
        self._writer.write_table(pa.Table.from_arrays(columns, schema=_SCHEMA))

    def _count(self, codes: np.ndarray, fates: np.ndarray) -> None:
        self._totals = None
        grown = len(self._ware_lanes) - len(self._counts)
        self._counts = np.r_[self._counts, np.zeros(grown, np.int64)]
        wares, again = codes >> 32 & _WARES, (codes >> 56) - 1
        repeated = np.flatnonzero(again > 0)
        carried = again[repeated] * self._sizes_of(wares[repeated])[3]
        for row, size in zip(repeated.tolist(), carried.tolist(), strict=True):
            self._again[int(wares[row]), int(fates[row])] += size
        there = fates == 0
        if not there.all():
            self._odd_counts.update(zip(wares[~there].tolist(), fates[~there].tolist(), strict=True))
            wares = wares[there]
        self._counts += np.bincount(wares, minlength=len(self._counts))

    def close(self) -> None:
        """Flushes and closes the file."""
        self.flush()
        if self._writer is not None:
            self._writer.close()

    def arrivals(self, code: int) -> int:
        """How many flushed messages of one size on one lane were delivered."""
        ware = code >> 32 & _WARES
        return int(self._counts[ware]) if ware < len(self._counts) else 0

    def totals(self) -> dict[tuple[str, str, str], Tally]:
        """Sums over the flushed messages by link, kind and fate."""
        if self._totals is not None:
            return self._totals
        used = len(self._counts)
        links, kinds = self._columns["link"].names, self._columns["kind"].names
        lanes = np.array(self._ware_lanes)[:used]
        groups = np.array(self._lanes[4])[lanes] * len(kinds) + np.array(self._lanes[2])[lanes]
        counts, again = {0: self._counts}, dict[int, np.ndarray]()
        for counter, found in ((self._odd_counts, counts), (self._again, again)):
            for (ware, fate), count in counter.items():
                found.setdefault(fate, np.zeros(used, np.int64))[ware] += count
        totals = self._totals = {}
        for fate, messages in counts.items():
            columns = [messages, *(messages * sizes for sizes in self._sizes_of(np.arange(used))[:3])]
            columns += [again.get(fate, np.zeros(used, np.int64))]
            count, *sums = (np.bincount(groups, column).astype(np.int64).tolist() for column in columns)
            for group in np.flatnonzero(count).tolist():
                payload, mqtt, tcpip, repeated = (column[group] for column in sums)
                key = links[group // len(kinds)], kinds[group % len(kinds)], self._fates.names[fate]
                header = count[group] * HEADER_BYTES
                totals[key] = Tally(count[group], payload, header, mqtt, tcpip, repeated)
        return totals

    def links(self) -> list[str]:
        """The links that carried anything, sorted."""
        return sorted({key[0] for key in self.totals()})

    def fates(self) -> list[str]:
        """The fates that occurred, sorted."""
        return sorted({key[2] for key in self.totals()})

    def tally(self, *, link: str | None = None, kind: str | None = None, fate: str | None = None) -> Tally:
        """Sums over the flushed messages that match."""
        found = [
            tally
            for (a_link, a_kind, a_fate), tally in self.totals().items()
            if link in (None, a_link) and kind in (None, a_kind) and fate in (None, a_fate)
        ]
        return Tally(*map(sum, zip(*found, strict=True))) if found else Tally(0, 0, 0, 0, 0, 0)


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
