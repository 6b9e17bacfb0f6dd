"""Tries the values of a sweep: unknown paths and values that no run could take are found before the first run.

One real point of the sweep (the first of every axis) is the base; from it each axis is varied alone. So values that
are valid only together with another axis' values are not refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sim.scenario.document import Path, dotted
from sim.scenario.fleet import section
from sim.scenario.overrides import UnknownPathError, replaced, resolve
from sim.scenario.problems import Finding
from sim.scenario.sweeps import axis_values
from sim.units import shown

MAX_TRIALS = 1000
"""How many values are tried in a scenario of usual size, fewer in a larger one, to keep checking under a second; a run
checks its own point in any case."""
USUAL_SIZE = 100
MAX_FINDINGS = 20
"""With more findings than these, no values are tried: each would find them all again."""

Inspect = Callable[[dict[str, Any]], list[Finding]]
Row = tuple[tuple[Path, Path, Any], ...]
"""What changes together: (place in the sweep block, path in the scenario, value)."""


def try_sweep(data: dict[str, Any], inspect: Inspect) -> list[Finding]:
    """Findings about the paths and values of the sweep block of `data`.

    Args:
        data: the scenario as plain data.
        inspect: all findings about a scenario without a sweep block.
    """
    findings: list[Finding] = []
    axes = [axis for axis in _axes(data, findings) if axis]
    plain = {key: value for key, value in data.items() if key != "sweep"}
    before = inspect(plain)
    if len(before) > MAX_FINDINGS:
        return findings
    known = _ignoring_place(before)
    base = plain
    for axis in axes:
        base = _changed(base, axis[0])
    wrong = [finding for finding in inspect(base) if (finding.path, finding.message) not in known]
    findings += [_blame(finding, axes) for finding in wrong]
    known |= _ignoring_place(wrong)
    budget = MAX_TRIALS * USUAL_SIZE // max(USUAL_SIZE, _size(plain))
    for axis in axes:
        for row in axis[1 : 1 + max(0, budget)]:
            findings += _try_row(base, row, inspect, known)
        budget -= len(axis) - 1
    return findings


def _size(data: Any) -> int:
    """How many values there are in plain data."""
    inside = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return 1 + sum(map(_size, inside))


def _ignoring_place(findings: list[Finding]) -> set[tuple[Path, str]]:
    return {(finding.path, finding.message) for finding in findings}


def _try_row(base: dict[str, Any], row: Row, inspect: Inspect, known: set[tuple[Path, str]]) -> Iterator[Finding]:
    for finding in inspect(_changed(base, row)):
        if (finding.path, finding.message) not in known:
            yield _told(finding, row)
            return


def _changed(data: dict[str, Any], row: Row) -> dict[str, Any]:
    for _, path, value in row:
        data = replaced(data, path, value)
    return data


def _told(finding: Finding, row: Row) -> Finding:
    """A finding about a value, told where the sweep brings it."""
    place, path, value = next((part for part in row if finding.path[: len(part[1])] == part[1]), row[0])
    if finding.path == path:
        return Finding(place, finding.message)
    return Finding(place, f"with {shown(value)}, {dotted(finding.path)}: {finding.message}")


def _blame(finding: Finding, axes: list[list[Row]]) -> Finding:
    first = [axis[0] for axis in axes]
    concerned = [row for row in first if any(finding.path[: len(path)] == path for _, path, _ in row)]
    return _told(finding, (concerned or first)[0])


def _axes(data: dict[str, Any], findings: list[Finding]) -> Iterator[list[Row]]:
    """Every axis as its rows; unknown paths go to `findings`."""
    sweep = section(data, "sweep")
    for text, values in section(sweep, "grid").items():
        place: Path = ("sweep", "grid", text)
        path = _resolved(data, text, place, findings)
        if path is not None:
            yield [((at, path, value),) for at, value in _values(values, place)]
    columns = []
    for text, values in section(sweep, "zip").items():
        place = ("sweep", "zip", text)
        path = _resolved(data, text, place, findings)
        if path is not None:
            columns.append([(at, path, value) for at, value in _values(values, place)])
    if columns:
        yield list(zip(*columns, strict=False))
    for text, values in section(sweep, "random", "vary").items():
        place = ("sweep", "random", "vary", text)
        path = _resolved(data, text, place, findings)
        if path is not None:
            yield [((at, path, value),) for at, value in _ends(values, place)]


def _resolved(data: dict[str, Any], text: str, place: Path, findings: list[Finding]) -> Path | None:
    try:
        path = resolve(data, text)
    except UnknownPathError as error:
        findings.append(Finding(place, str(error), key=True))
        return None
    if path[0] in ("sweep", "expect", "name"):
        findings.append(Finding(place, f"'{path[0]}' cannot vary; name something that changes a run", key=True))
        return None
    return path


def _values(values: object, place: Path) -> list[tuple[Path, Any]]:
    """The values of an axis with their places; none if it is no axis, which is reported with its type."""
    found = axis_values(values)
    listed = isinstance(values, list)
    return [((*place, index) if listed else place, value) for index, value in enumerate(found)]


def _ends(values: object, place: Path) -> list[tuple[Path, Any]]:
    if isinstance(values, dict):
        return [((*place, end), values[end]) for end in ("low", "high") if end in values]
    return _values(values, place)
