"""The sample book: every captured sample ends in exactly one fate; the first decision counts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from sim.errors import InvariantError

# How far a sample came, with the reason that is given if it came no further.
STAGES: Final = ("no-camera", "scores-lost", "features-lost", "uplink-lost", "cloud-undecided")
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
    """All samples of a run by (site, sample); a site is a number here."""

    def __init__(self) -> None:
        self._samples: dict[tuple[int, int], Sample] = {}

    def __len__(self) -> int:
        return len(self._samples)

    def open(self, site: int, sample: int, label: int, captured_s: float) -> None:
        """Announces a sample that is due at `captured_s`, whether or not a camera is there to see it."""
        key = (site, sample)
        if key in self._samples:
            raise InvariantError(f"sample {sample} of site {site} was opened twice")
        self._samples[key] = Sample(label, captured_s)

    def reach(self, site: int, sample: int, stage: int) -> None:
        """Notes how far the sample came."""
        entry = self._samples[site, sample]
        if stage > entry.stage:
            entry.stage = stage

    def knows(self, site: int, sample: int) -> bool:
        """Whether there is such a sample."""
        return (site, sample) in self._samples

    def is_due(self, site: int, sample: int, now_s: float) -> bool:
        """Whether the sample's time has come: nobody can know anything of a later one."""
        entry = self._samples.get((site, sample))
        return entry is not None and entry.captured_s <= now_s

    def touch(self, site: int, sample: int, fault: str) -> None:
        """Notes that a fault touched the sample; a forged sample that does not exist is nobody's."""
        entry = self._samples.get((site, sample))
        if entry is None:
            return
        known = entry.faults.split("+") if entry.faults else []
        new = [name for name in fault.split("+") if name not in known]
        if new:
            entry.faults = "+".join([*known, *new])

    def captured_early(self, site: int, sample: int, now_s: float) -> None:
        """A camera whose clock is ahead took the sample before it was due."""
        entry = self._samples[site, sample]
        entry.captured_s = min(entry.captured_s, now_s)

    def is_decided(self, site: int, sample: int) -> bool:
        """Whether an exit has classified the sample."""
        return self._samples[site, sample].exit is not None

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
        """Records the decision of an exit; False where an earlier one already counts."""
        entry = self._samples[site, sample]
        if entry.exit is not None:
            return False
        if now_s < entry.captured_s:
            raise InvariantError(
                f"sample {sample} of site {site} was decided at {now_s} s, captured at {entry.captured_s} s"
            )
        entry.exit, entry.predicted, entry.entropy = exit_name, predicted, entropy
        entry.decided_s, entry.devices_used = now_s, devices_used
        return True

    def entries(self) -> list[tuple[int, int, Sample]]:
        """(site, sample, entry), sorted."""
        return [(*key, self._samples[key]) for key in sorted(self._samples)]

    def cut(self, now_s: float) -> None:
        """The run ends early: samples that are due only after `now_s` never happen."""
        self._samples = {key: entry for key, entry in self._samples.items() if entry.captured_s <= now_s}

    def check(self, expected: int) -> None:
        """Exactly one fate for every sample that was due; raises `InvariantError`."""
        if len(self._samples) != expected:
            raise InvariantError(f"{expected} samples were due, {len(self._samples)} have a fate")

    def write(self, path: Path, site_names: list[str]) -> None:
        """Writes `decisions.parquet`, sorted by site and sample."""
        rows = self.entries()
        entries = [entry for _, _, entry in rows]
        sites = pa.DictionaryArray.from_arrays(
            pa.array([site for site, _, _ in rows], pa.int32()), pa.array(site_names)
        )
        columns = [
            sites,
            pa.array([sample for _, sample, _ in rows], pa.int32()),
            pa.array([entry.label for entry in entries], pa.int16()),
            pa.array([entry.predicted for entry in entries], pa.int16()),
            pa.array([entry.exit for entry in entries], pa.string()),
            pa.array([entry.entropy for entry in entries], pa.float64()),
            pa.array([entry.captured_s for entry in entries], pa.float64()),
            pa.array([entry.decided_s for entry in entries], pa.float64()),
            pa.array([entry.devices_used for entry in entries], pa.int16()),
            pa.array([entry.fate for entry in entries], pa.string()),
            pa.array([entry.faults for entry in entries], pa.string()),
        ]
        table = pa.Table.from_arrays(columns, schema=_SCHEMA)
        pq.write_table(table, path, compression="zstd", store_schema=False)
