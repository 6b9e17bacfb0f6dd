"""The sample book: every captured sample ends in exactly one fate; the first decision counts."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sim.errors import InvariantError
from sim.ledger.columns import named, numbers, strings
from sim.ledger.faults import joined
from sim.wire import EXITS

# How far a sample came, with the reason that is given if it came no further.
STAGES: Final = ("no-camera", "scores-lost", "features-lost", "uplink-lost", "cloud-undecided")
_EXITS: Final = (None, *EXITS)
DUE, CAPTURED, ASKED, FORWARDED, AT_CLOUD = range(5)

_SCHEMA: Final = pa.schema(
    [
        ("site", pa.dictionary(pa.int32(), pa.string())),
        ("sample", pa.int32()),
        ("label", pa.int16()),
        ("predicted", pa.int16()),
        ("exit", pa.string()),
        ("entropy", pa.float64()),
        ("captured_s", pa.float64()),
        ("decided_s", pa.float64()),
        ("devices_used", pa.int16()),
        ("fate", pa.string()),
        ("fault", pa.string()),
    ]
)


@dataclass(slots=True)
class Sample:
    """One sample of one site on its way to its fate."""

    label: int
    captured_s: float
    stage: int = DUE
    exit: str | None = None
    predicted: int | None = None
    entropy: float | None = None
    decided_s: float | None = None
    devices_used: int = 0
    faults: str | None = None

    @property
    def fate(self) -> str:
        """`device`, `local`, `edge`, `cloud`, or `dropped:<reason>` by how far the sample came."""
        return self.exit or f"dropped:{STAGES[self.stage]}"


class SampleBook:
    """All samples of a run by (site, sample), in columns; a site is a number here.

    Args:
        sites, samples: how many there are of each; (site, sample) lies at `site * samples + sample`.

    Attributes:
        stains: the faults that touched what one node saw or computed, by (site, sample, role, index of the node).
    """

    def __init__(self, sites: int, samples: int) -> None:
        count = sites * samples
        self._sites, self._samples = sites, samples
        self._opened = bytearray(count)
        self._stage = bytearray(count)
        self._exit = bytearray(count)
        self._label, self._predicted = array("h", bytes(2 * count)), array("h", bytes(2 * count))
        self._devices = array("h", bytes(2 * count))
        self._captured, self._decided = array("d", bytes(8 * count)), array("d", bytes(8 * count))
        self._entropy = array("d", bytes(8 * count))
        self._faults: dict[int, str] = {}
        self.stains: dict[tuple[int, int, str, int], str] = {}

    def __len__(self) -> int:
        return sum(self._opened)

    def open(self, site: int, sample: int, label: int, captured_s: float) -> None:
        """Announces a sample that is due at `captured_s`, whether or not a camera is there to see it."""
        at = site * self._samples + sample
        if self._opened[at]:
            raise InvariantError(f"sample {sample} of site {site} was opened twice")
        self._opened[at] = True
        self._label[at] = label
        self._captured[at] = captured_s

    def reach(self, site: int, sample: int, stage: int) -> None:
        """Notes how far the sample came."""
        at = site * self._samples + sample
        if stage > self._stage[at]:
            self._stage[at] = stage

    def knows(self, site: int, sample: int) -> bool:
        """Whether there is such a sample."""
        known = 0 <= site < self._sites and 0 <= sample < self._samples
        return known and bool(self._opened[site * self._samples + sample])

    def is_due(self, site: int, sample: int, now_s: float) -> bool:
        """Whether the sample's time has come: nobody can know anything of a later one."""
        return self.knows(site, sample) and self._captured[site * self._samples + sample] <= now_s

    def touch(self, site: int, sample: int, fault: str) -> None:
        """Notes that a fault touched the sample; a forged sample that does not exist is nobody's."""
        if self.knows(site, sample):
            at = site * self._samples + sample
            self._faults[at] = joined(self._faults.get(at, ""), fault)

    def stain(self, site: int, sample: int, role: str, index: int, fault: str) -> None:
        """Notes that a fault touched what one node saw or computed of the sample: `stains` has it for its messages."""
        self.touch(site, sample, fault)
        key = site, sample, role, index
        self.stains[key] = joined(self.stains.get(key, ""), fault)

    def captured_early(self, site: int, sample: int, now_s: float) -> None:
        """A camera whose clock is ahead took the sample before it was due."""
        at = site * self._samples + sample
        self._captured[at] = min(self._captured[at], now_s)

    def is_decided(self, site: int, sample: int) -> bool:
        """Whether an exit has classified the sample."""
        return bool(self._exit[site * self._samples + sample])

    def decide(
        self,
        site: int,
        sample: int,
        exit_name: str,
        predicted: int,
        entropy: float,
        now_s: float,
        devices_used: int,
    ) -> bool:
        """Records the decision of an exit; False where one that was not later already counts.

        An earlier one may be told after a later one, where the parts of a fleet take turns.
        """
        at = site * self._samples + sample
        again = bool(self._exit[at])
        if again and self._decided[at] <= now_s:
            return False
        if now_s < self._captured[at]:
            raise InvariantError(
                f"sample {sample} of site {site} was decided at {now_s} s, captured at {self._captured[at]} s"
            )
        self._exit[at] = _EXITS.index(exit_name)
        self._predicted[at], self._entropy[at] = predicted, entropy
        self._decided[at], self._devices[at] = now_s, devices_used
        if not again:
            self.decided(site, sample)
        return True

    def decided(self, site: int, sample: int) -> None:
        """Called after the first decision of a sample; for books that tell somebody."""

    def cut(self, now_s: float) -> None:
        """The run ends early: samples that are due only after `now_s` never happen."""
        for at, captured_s in enumerate(self._captured):
            if captured_s > now_s:
                self._opened[at] = False

    def part(self, sites: range) -> tuple[bytes | bytearray | array[Any], ...]:
        """What became of the samples of some sites without faults, for `put` in another process."""
        place = slice(sites.start * self._samples, sites.stop * self._samples)
        return tuple(column[place] for column in self._columns())

    def put(self, sites: range, part: tuple[Any, ...]) -> None:
        """Takes over what `part` gave."""
        place = slice(sites.start * self._samples, sites.stop * self._samples)
        for column, found in zip(self._columns(), part, strict=True):
            column[place] = found

    def _columns(self) -> tuple[Any, ...]:
        return self._stage, self._exit, self._predicted, self._devices, self._decided, self._entropy

    def entry(self, site: int, sample: int) -> Sample:
        """One sample as it is now."""
        return self._entry(site * self._samples + sample)

    def entries(self) -> list[tuple[int, int, Sample]]:
        """(site, sample, entry), sorted."""
        return [(*divmod(at, self._samples), self._entry(at)) for at, opened in enumerate(self._opened) if opened]

    def _entry(self, at: int) -> Sample:
        left = _EXITS[self._exit[at]]
        return Sample(
            self._label[at],
            self._captured[at],
            self._stage[at],
            left,
            self._predicted[at] if left else None,
            self._entropy[at] if left else None,
            self._decided[at] if left else None,
            self._devices[at],
            self._faults.get(at),
        )

    def check(self, expected: int) -> None:
        """Exactly one fate for every sample that was due; raises `InvariantError`."""
        if len(self) != expected:
            raise InvariantError(f"{expected} samples were due, {len(self)} have a fate")

    def write(self, path: Path, site_names: list[str]) -> None:
        """Writes `decisions.parquet`, sorted by site and sample."""
        at = np.flatnonzero(np.frombuffer(self._opened, np.uint8))
        exits, stages = np.frombuffer(self._exit, np.uint8)[at], np.frombuffer(self._stage, np.uint8)[at]
        undecided = exits == 0
        fates = [f"dropped:{reason}" for reason in STAGES]
        touched = pa.nulls(len(at), pa.string())
        if self._faults:
            touched = strings(list(map(self._faults.get, at.tolist())))
        columns = [
            named(at // self._samples, site_names),
            numbers((at % self._samples).astype(np.int32)),
            numbers(np.frombuffer(self._label, np.int16)[at]),
            numbers(np.frombuffer(self._predicted, np.int16)[at], undecided),
            _strings(_EXITS, exits),
            numbers(np.frombuffer(self._entropy, np.float64)[at], undecided),
            numbers(np.frombuffer(self._captured, np.float64)[at]),
            numbers(np.frombuffer(self._decided, np.float64)[at], undecided),
            numbers(np.frombuffer(self._devices, np.int16)[at]),
            _strings([*_EXITS, *fates], np.where(undecided, len(_EXITS) + stages, exits)),
            touched,
        ]
        table = pa.Table.from_arrays(columns, schema=_SCHEMA)
        pq.write_table(table, path, compression="zstd", store_schema=False)


def _strings(names: Sequence[str | None], codes: np.ndarray) -> pa.Array:
    """The strings that codes stand for; None is null."""
    return strings(names).take(numbers(codes.astype(np.int32)))
