"""One message log for several processes: each hands its rows on in batches, one process writes them all.

The file is the same to the byte as if one process had written every row: rows are sorted by time and lane, a lane is
in one process alone, and row groups are cut by their number.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from sim.ledger.messages import ROW_GROUP, Lane, MessageLog, Rows, Sizes

BATCH: Final = ROW_GROUP // 2
"""Rows that are handed on together, if nobody asks for them earlier."""
_WARES: Final = (1 << 24) - 1


class Batch(NamedTuple):
    """Rows in their order, with what their codes stand for.

    Attributes:
        until_s: everything that happened before has been handed on.
        lanes, sizes: of each size on each lane that was not handed on before; sizes by their place in `known`.
        known: all sizes so far.
        fates: all fates so far, by the numbers in the rows.
    """

    until_s: float
    lanes: array[int]
    sizes: array[int]
    known: tuple[Sizes, ...]
    fates: tuple[str, ...]
    rows: Rows


class RelayLog(MessageLog):
    """The log of a process that writes no file.

    Args:
        first: number of its first lane in the file's log.
        hand_on: takes the batches.
        every_s: so often at least.
    """

    def __init__(self, first: int, hand_on: Callable[[Batch], object], every_s: float) -> None:
        super().__init__(None)
        self._next_lane = first
        self._hand_on = hand_on
        self._every_s = every_s
        self._due_s = every_s
        self._known = 0

    def lane(self, lane: Lane) -> int:
        """The lane's number in the file's log, which has the names."""
        self._next_lane += 1
        return self._next_lane - 1

    def settle(self, until_s: float) -> None:
        """Everything that happened before `until_s` has been added."""
        if len(self.codes) >= BATCH or until_s >= self._due_s:
            self._settle(until_s, BATCH)
            while self._due_s <= until_s < inf:
                self._due_s += self._every_s

    def _settle(self, until_s: float, least: int) -> None:
        rows = self._in_order([self._kept, self._take()])
        done = int(np.searchsorted(rows.when_s, until_s))
        self._kept = rows.at(slice(done, None))
        lanes, sizes = self._ware_lanes[self._known :], self._ware_sizes[self._known :]
        self._known = len(self._ware_lanes)
        fates = tuple(self._fates.names)
        self._hand_on(Batch(until_s, lanes, sizes, tuple(self._sizes), fates, rows.at(slice(0, done))))


class JointLog(MessageLog):
    """The log that writes the file.

    Args:
        shards: processes that hand rows on.

    Attributes:
        until_s: up to here all of them have handed on everything.
    """

    def __init__(self, path: Path | None, shards: int) -> None:
        super().__init__(path)
        self.until_s = 0.0
        self._told_s = [0.0] * shards
        self._maps = [np.zeros(0, np.int64) for _ in range(shards)]
        self._parts: list[Rows] = []
        self._rows = 0

    def add(self, shard: int, batch: Batch) -> None:
        """Takes what one process has handed on; `settle` writes it."""
        wares = self._mapped(shard, batch)
        rows = batch.rows
        fates = np.array([self._fates[name] for name in batch.fates], np.int32)[rows.fates]
        codes = rows.codes + (wares[rows.codes >> 32 & _WARES] << 32)
        self._count(codes, fates)
        if self._writer is not None:
            self._parts.append(rows._replace(codes=codes, fates=fates))
            self._rows += len(codes)
        self._told_s[shard] = batch.until_s
        self.until_s = min(self._told_s)

    def settle(self, until_s: float) -> None:
        """Writes as many whole row groups as there are up to `until_s`."""
        if self._rows >= ROW_GROUP:
            self._settle(until_s, ROW_GROUP)

    def _settle(self, until_s: float, least: int) -> None:
        parts, self._parts, self._rows = self._parts, [], 0
        if self._writer is not None:
            self._put(parts, until_s, least)

    def _mapped(self, shard: int, batch: Batch) -> np.ndarray:
        """How far the numbers of a process' wares lie below those of this log, by ware."""
        first, known = len(self._ware_lanes), self._maps[shard]
        sizes = [self._sizes.setdefault(size, len(self._sizes)) for size in batch.known]
        self._ware_lanes.extend(batch.lanes)
        self._ware_sizes.extend([sizes[size] for size in batch.sizes])
        new = np.full(len(batch.lanes), first - len(known), np.int64)
        self._maps[shard] = np.r_[known, new]
        return self._maps[shard]
