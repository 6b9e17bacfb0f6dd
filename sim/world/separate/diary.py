"""What a node process writes down for the ledger, and its sample book, which writes down what it is told."""

from __future__ import annotations

from typing import Final

from sim.ledger.rows import COUNTER, COUNTERS, DECISION, STAGE, Row
from sim.ledger.samples import SampleBook
from sim.nodes.node import Node
from sim.nodes.standin import HostGateway
from sim.wire import EXITS

OF_A_ROLE: Final = ("judged", "left")
"""What a gateway counts for the role that it plays, and not for itself."""
MOST_ROWS: Final = 400
"""In one message."""


class Diary:
    """Rows that wait to be sent, and what is counted rather than written down.

    Attributes:
        twice: messages that came a second time.
        overheard_bytes: of messages that came and were meant for others.
    """

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._told: dict[tuple[int, int], float] = {}
        self.twice = 0
        self.overheard_bytes = 0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: Row) -> None:
        """Writes a row."""
        self._rows.append(row)

    def count(self, node: Node) -> None:
        """Writes down the counters of a node, and of roles that it plays, that have changed since the last time."""
        for code, name in enumerate(COUNTERS):
            self._count(code, 0, float(getattr(self if name in ("twice", "overheard_bytes") else node, name, 0)))
        for standin in node.hosted if isinstance(node, HostGateway) else ():
            for name in OF_A_ROLE:
                self._count(COUNTERS.index(name), standin.index + 1, float(getattr(standin, name)))

    def _count(self, code: int, place: int, value: float) -> None:
        if self._told.get((code, place), 0.0) != value:
            self._told[code, place] = value
            self._rows.append(Row(COUNTER, code, place=place, time_s=value))

    def take(self) -> list[Row]:
        """The next rows to be sent, removed from the diary."""
        rows, self._rows = self._rows[:MOST_ROWS], self._rows[MOST_ROWS:]
        return rows


class ToldBook(SampleBook):
    """A sample book that writes down in a diary how far samples come and what is decided."""

    def __init__(self, diary: Diary, sites: int, samples: int) -> None:
        super().__init__(sites, samples)
        self._diary = diary

    def reach(self, site: int, sample: int, stage: int) -> None:
        """As every book."""
        if stage > self.entry(site, sample).stage:
            self._diary.add(Row(STAGE, stage, place=site, sample=sample))
        super().reach(site, sample, stage)

    def decided(self, site: int, sample: int) -> None:
        """Writes the decision down."""
        made = self.entry(site, sample)
        assert made.exit is not None and made.predicted is not None
        assert made.decided_s is not None and made.entropy is not None
        code, devices = EXITS.index(made.exit), made.devices_used
        self._diary.add(Row(DECISION, code, made.predicted, site, sample, devices, 0, made.decided_s, made.entropy))
