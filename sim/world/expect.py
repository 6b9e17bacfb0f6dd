"""Expectations of a scenario, checked against the summary of its run."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from sim.units import DURATION

ALIASES: Final = {
    "accuracy": "accuracy.overall",
    "bytes": "bytes.per_device_per_sample.payload",
    "dropped": "samples.dropped",
    "latency_p95": "latency_s.all.p95",
}
_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}
_BOUND: Final = re.compile(r"(?P<sign>>=|<=|==|>|<) ?(?P<number>-?[0-9.]+) ?(?P<unit>\S*)")


def check(expect: Mapping[str, str], summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row an expectation: what, bound, value, ok. A figure that is not there, or None, is not ok."""
    rows = []
    for what, bound in expect.items():
        value = figure(summary, ALIASES.get(what, what))
        rows.append({"what": what, "bound": bound, "value": value, "ok": _holds(bound, value)})
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


def _holds(bound: str, value: float | None) -> bool:
    match = _BOUND.fullmatch(bound)
    if match is None or value is None:
        return False
    unit = match["unit"]
    if unit == "%":
        limit = float(match["number"]) / 100
    elif unit:
        limit = DURATION.parse(f"{match['number']} {unit}")
    else:
        limit = float(match["number"])
    return _COMPARE[match["sign"]](value, limit)
