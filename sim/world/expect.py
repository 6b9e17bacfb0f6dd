"""Expectations of a scenario, checked against the summary of its run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.scenario import EXPECT_ALIASES, expectation


def check(expect: Mapping[str, str], summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row an expectation: what, bound, value, ok. A figure that is not there, or None, is not ok."""
    rows = []
    for what, bound in expect.items():
        value = figure(summary, EXPECT_ALIASES.get(what, what))
        rows.append(
            {"what": what, "bound": bound, "value": value, "ok": value is not None and expectation(bound).holds(value)}
        )
    return rows


def figure(summary: Mapping[str, Any], path: str) -> float | None:
    """The number at a dotted path; keys may contain dots themselves (`accuracy.per_camera.cam.0`)."""
    found: Any = summary
    rest = path
    while rest:
        if not isinstance(found, Mapping):
            return None
        keys = [key for key in found if rest == key or rest.startswith(f"{key}.")]
        if not keys:
            return None
        key = max(keys, key=len)
        found, rest = found[key], rest[len(key) + 1 :]
    return float(found) if isinstance(found, int | float) else None
