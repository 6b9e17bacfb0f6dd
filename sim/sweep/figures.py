"""The figures of a summary as one flat row: `accuracy.overall`, `bytes.per_device_per_sample.payload`, …"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

Figure = float | int | bool | None

# What the scenario says, or what is no single figure, is not repeated in every row.
_LEFT_OUT: Final = frozenset(
    [
        "schema",
        "scenario",
        "seed",
        "mode",
        "status",
        "checks",
        "curve",
        "data",
        "expect",
        "network",
        "thresholds",
        "topology",
    ]
)
# `exits.local` is the path of a threshold, which sweeps vary; the share that left there has a name of its own.
_RENAMED: Final = {"exits": "exit_share"}
COUNTED: Final = ("dropped.", "exit_share.", "lost.", "bytes.by_kind.", "bytes.by_link.")
"""Figures that are absent where nothing happened, and then 0."""


def flat(summary: Mapping[str, Any]) -> dict[str, Figure]:
    """Every number of a summary by its dotted path; `expect_met` tells whether all expectations hold."""
    row: dict[str, Figure] = {}
    for name, value in summary.items():
        if name not in _LEFT_OUT:
            row.update(_flat(_RENAMED.get(name, name), value))
    expected = summary.get("expect")
    if expected:
        row["expect_met"] = all(one["ok"] for one in expected)
    return row


def _flat(name: str, value: object) -> Iterator[tuple[str, Figure]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}", inner)
    elif value is None or isinstance(value, bool | int | float):
        yield name, value
