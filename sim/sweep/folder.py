"""The folder of a sweep: `runs/<scenario>/sweep-<hash of its content>`, so that the same sweep finds its own results.

| file | what |
|---|---|
| `sweep.json` | status, argv, versions, the resolved scenario, the varied paths and their units |
| `scenario.yaml`, `scenario.json` | as given; resolved with all defaults |
| `results.jsonl` | one line a finished point, in the order in which they came; what resuming reads |
| `index.parquet` | one row a point: varied values and every figure |
| `replicates.parquet` | mean and 95 % confidence interval over seeds, where seeds vary |
| `runs/<scenario>/<key>/` | the run folder of each point, with `--keep-runs` |
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from sim.cache import publish
from sim.errors import SetupError, UsageError
from sim.scenario import Scenario
from sim.sweep.points import sha256

ABOUT: Final = "sweep.json"
_SHARD: Final = re.compile(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})")
Item = TypeVar("Item")


@dataclass(frozen=True)
class Shard:
    """Part `number` (from 1) of `count` equal parts of a sweep."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard written as `3/16`.

        Raises:
            UsageError: it is not one.
        """
        match = _SHARD.fullmatch(text)
        if match is None or int(match[1]) > int(match[2]):
            raise UsageError(f"'{text}' is not a shard; write e.g. 3/16 for the third of sixteen")
        return cls(int(match[1]), int(match[2]))

    def of(self, items: Sequence[Item]) -> Sequence[Item]:
        """This part of `items`: a contiguous block, because neighbours share their work."""
        first, last = (len(items) * edge // self.count for edge in (self.number - 1, self.number))
        return items[first:last]


def content(scenario: Scenario, mode: str) -> str:
    """The digest of what a sweep is: scenario, sweep block and mode."""
    return sha256({"scenario": scenario.to_json(), "mode": mode})


class Folder:
    """One sweep folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, scenario: Scenario, mode: str, out: Path, shard: Shard | None) -> Folder:
        """The folder that belongs to a sweep, or to one shard of it."""
        name = f"sweep-{content(scenario, mode)[:8]}"
        if shard is not None:
            name += f"-shard-{shard.number}-of-{shard.count}"
        return cls(out / scenario.name / name)

    def write_text(self, name: str, text: str) -> None:
        """Puts a text file in its place, whole or not at all.

        Raises:
            SetupError: the disk is full or gone.
        """
        path = self.path / name
        try:
            with publish(path) as draft:
                draft.write_text(text, encoding="utf-8")
                draft.chmod(0o644)
        except OSError as error:
            raise SetupError(f"cannot write {path}: {error.strerror or error}") from error

    def write_json(self, name: str, value: object) -> None:
        """As `write_text`, for JSON; NaN is refused."""
        self.write_text(name, json.dumps(value, indent=2, allow_nan=False) + "\n")

    def about(self) -> dict[str, Any]:
        """What `sweep.json` says.

        Raises:
            UsageError: this is no sweep folder.
        """
        try:
            found = json.loads((self.path / ABOUT).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{self.path}: not a sweep folder, {ABOUT} is missing or damaged") from error
        if not isinstance(found, dict) or found.get("kind") != "sweep":
            raise UsageError(f"{self.path}: not a sweep folder, {ABOUT} does not say so")
        return found
