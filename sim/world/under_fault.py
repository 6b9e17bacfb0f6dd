"""What faults did to the decisions of a run: under fault and in the clear, and how soon all was well again."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from sim.ledger.faults import FaultLog, Injection
from sim.ledger.samples import Sample

Entry = tuple[int, int, Sample]
"""Site, number, sample."""


def figures(log: FaultLog, entries: Sequence[Entry]) -> dict[str, Any]:
    """The section `faults` of a summary, for runs that have any: `injections`, `under`, `clear`, `recovery_s`.

    A sample is under fault if any fault was in force in the fleet when it was captured. An injection has recovered with
    the first sample that was captured at or after its end, decided, and not touched by the same fault; its recovery
    takes from its end to that decision, so it contains the wait for the next capture and whatever backlog there was.
    Where a site is concerned, it is that site's samples; else the slowest site counts. Where the same fault comes again
    before that, both count as one, and an injection after which no sample was due says nothing. `mean` and `max` are
    None where one that should have recovered never did.
    """
    rows = [row for row in log.rows if row.fired and row.start_s is not None]
    spans = _spans(rows)
    under = [_in_force(spans, entry.captured_s) for _, _, entry in entries]
    times = list(_recoveries(rows, entries))
    known = [time_s for time_s in times if time_s is not None]
    well = bool(known) and len(known) == len(times)
    return {
        "injections": len(rows),
        "under": _share(entry for (_, _, entry), is_under in zip(entries, under, strict=True) if is_under),
        "clear": _share(entry for (_, _, entry), is_under in zip(entries, under, strict=True) if not is_under),
        "recovery_s": {
            "mean": sum(known) / len(known) if well else None,
            "max": max(known) if well else None,
            "recovered": len(known),
            "never": len(times) - len(known),
        },
    }


def _share(samples: Iterator[Sample]) -> dict[str, float | int | None]:
    found = list(samples)
    count = len(found)
    return {
        "samples": count,
        "accuracy": sum(one.predicted == one.label for one in found) / count if count else None,
        "dropped": sum(one.exit is None for one in found),
        "dropped_share": sum(one.exit is None for one in found) / count if count else None,
    }


def _spans(rows: Sequence[Injection]) -> list[tuple[float, float]]:
    """When any fault was in force: spans in order that do not overlap."""
    found: list[tuple[float, float]] = []
    for start_s, end_s in sorted((row.start_s or 0.0, _end_s(row)) for row in rows):
        if found and start_s <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end_s))
        else:
            found.append((start_s, end_s))
    return found


def _in_force(spans: Sequence[tuple[float, float]], now_s: float) -> bool:
    at = bisect_left(spans, (now_s, float("inf")))
    return at > 0 and now_s < spans[at - 1][1]


def _end_s(row: Injection) -> float:
    return float("inf") if row.end_s is None else row.end_s


def _recoveries(rows: Sequence[Injection], entries: Sequence[Entry]) -> Iterator[float | None]:
    """Seconds from each injection's end until all was well; None where it never was."""
    sites = {
        site: sorted((entry for _, _, entry in part), key=lambda entry: entry.captured_s)
        for site, part in groupby(entries, key=lambda entry: entry[0])
    }
    captures = {site: [entry.captured_s for entry in part] for site, part in sites.items()}
    well: dict[tuple[str, int], list[Sample | None]] = {}
    for row, name, again_s in _with_successors(rows):
        where = re.match(r"site-(\d+)/[^+]*$", row.target)
        times: list[float | None] = []
        for site in [int(where[1])] if where else sites:
            later = bisect_left(captures[site], _end_s(row))
            if later == len(captures[site]):
                continue
            if (name, site) not in well:
                well[name, site] = _next_well(name, sites[site])
            sample = well[name, site][later]
            if sample is not None and sample.captured_s < again_s:
                times.append((sample.decided_s or 0.0) - _end_s(row))
            elif again_s == float("inf"):
                times.append(None)
        if times:
            yield None if None in times else max(time_s for time_s in times if time_s is not None)


def _with_successors(rows: Sequence[Injection]) -> Iterator[tuple[Injection, str, float]]:
    """The injections that ended, each with its fault's id and when the same fault came again anywhere (or never)."""
    again_s: dict[str, float] = {}
    for row in sorted(rows, key=lambda row: row.start_s or 0.0, reverse=True):
        name = json.loads(row.parameters)["id"]
        if row.end_s is not None:
            came_s = again_s.get(name, float("inf"))
            yield row, name, came_s if came_s >= row.end_s else float("inf")
        again_s[name] = row.start_s or 0.0


def _next_well(fault: str, samples: Sequence[Sample]) -> list[Sample | None]:
    """For each sample, the first one from it on that was decided and that this fault has not touched."""
    found: list[Sample | None] = []
    well: Sample | None = None
    for sample in reversed(samples):
        if sample.exit is not None and fault not in (sample.faults or "").split("+"):
            well = sample
        found.append(well)
    return found[::-1]
