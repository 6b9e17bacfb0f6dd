"""What the report of several folders says: runs and sweeps set beside one another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pandas as pd

from analysis import load, run_report, sweep_report, words
from analysis.compare import compare, labels
from analysis.figures import together
from analysis.figures.accuracy import PER_SAMPLE
from analysis.figures.sweeps import front
from analysis.figures.together import Entry
from analysis.load import FolderError, Run, Sweep, dig, records
from analysis.page import Expectation, Link, Page, Section, Tile, listed
from analysis.points import FIGURES, RAW, points_of
from analysis.statistics import wilson
from analysis.tables import Table

_KINDS: Final = {
    "points": "count", "accuracy": "percent", "low": "percent", "high": "percent", "payload": "size",
    "less_than_raw": "times", "latency_p95": "seconds", "dropped": "count", "energy": "joules", "cost": "number",
}  # fmt: skip
_HEADS: Final = {
    "folder": "run or sweep", "low": "95 % from", "high": "to", "less_than_raw": "less than raw",
    "latency_p95": "95 % decided within",
}  # fmt: skip
DETAILS: Final = ("accuracy", "communication", "failures", "latency", "faults")
"""The chapters of each folder that come along, each with its first figures."""


@dataclass(frozen=True)
class _Told:
    """One folder with everything that is said of it."""

    entry: Entry
    page: Page
    opened: Run | Sweep


def page(folders: Sequence[Path]) -> Page:
    """The report of several run and sweep folders.

    Raises:
        FolderError: one of them cannot be reported on, or one is given twice.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise FolderError("a folder is named twice; name each run or sweep once")
    told = _told(folders)
    entries = [one.entry for one in told]
    return Page(
        title=" and ".join(_counted(told)) + " side by side",
        subtitle="FogFleet · comparison",
        verdict=verdict(entries),
        tiles=_tiles(entries),
        sections=[_overview(told), *_figures(told), *(_detail(one, place) for place, one in enumerate(told))],
        facts=[(one.entry.label, str(one.opened.folder)) for one in told],
        expectations=[_labelled(one.entry.label, expected) for one in told for expected in one.page.expectations],
        warnings=[f"{one.entry.label}: {warning}" for one in told for warning in one.page.warnings],
    )


def _told(folders: Sequence[Path]) -> list[_Told]:
    opened = [load.sweep(folder) if load.is_sweep(folder) else load.run(folder) for folder in folders]
    names = _names(opened)
    return [
        _told_sweep(name, one) if isinstance(one, Sweep) else _told_run(name, one)
        for name, one in zip(names, opened, strict=True)
    ]


def _names(opened: Sequence[Run | Sweep]) -> list[str]:
    """Scenario names; with the end of the folder's name where several have one, and paths if that is not enough."""
    names = [_name(one) for one in opened]
    ends = [one.folder.resolve().name.rpartition("-")[2] for one in opened]
    found = [
        f"{name} {end}" if names.count(name) > 1 and end != name else name
        for name, end in zip(names, ends, strict=True)
    ]
    return found if len(set(found)) == len(found) else labels([one.folder for one in opened])


def _name(opened: Run | Sweep) -> str:
    if isinstance(opened, Run):
        return opened.text("scenario", opened.folder.name)
    scenario = dig(opened.run, "scenario", opened.folder.name)
    return str(scenario.get("name", opened.folder.name) if isinstance(scenario, dict) else scenario)


def _told_run(label: str, run: Run) -> _Told:
    row = {short: run.number(long) for long, short in FIGURES.items()}
    low, high = wilson(row["accuracy"], run.number("samples.captured"))
    points = pd.DataFrame([{**row, "low": low, "high": high, "told": label}])
    return _Told(Entry(label, "run", points, points, run.number(f"{PER_SAMPLE}.raw")), run_report.page(run), run)


def _told_sweep(label: str, sweep: Sweep) -> _Told:
    points = points_of(sweep)
    frame = points.frame[(points.frame.payload > 0) & points.frame.accuracy.notna()].copy()
    frame["told"] = [f"{label}: {points.told(row)}" for row in records(frame)]
    best = front(points)
    half = best.accuracy_half
    best = best.assign(
        low=best.accuracy - half, high=best.accuracy + half, told=[points.told(row) for row in records(best)]
    )
    raw = pd.to_numeric(sweep.index[RAW], errors="coerce").max() if RAW in sweep.index else math.nan
    return _Told(Entry(label, "sweep", frame, best, float(raw)), sweep_report.page(sweep), sweep)


def _counted(told: Sequence[_Told]) -> list[str]:
    counts = {kind: sum(one.entry.kind == kind for one in told) for kind in ("run", "sweep")}
    return [f"{n} {kind}{'s' if n > 1 else ''}" for kind, n in counts.items() if n]


def verdict(entries: Sequence[Entry]) -> str:
    """Who is right most often, and who is cheapest, in one sentence."""
    known = [entry for entry in entries if math.isfinite(entry.best("accuracy"))]
    if not known:
        return "None of these folders has a result yet."
    best = max(known, key=lambda entry: (entry.best("accuracy"), -entry.best("payload")))
    text = f"{best.label} is right most often: {_at(best)}"
    cheapest = min(known, key=lambda entry: entry.best("payload"))
    if cheapest is not best and cheapest.best("payload") < best.best("payload"):
        text += f"; {cheapest.label} is cheapest: {_at(cheapest)}"
    return text + "."


def _at(entry: Entry) -> str:
    setting = f" ({entry.chosen['told']})" if entry.kind == "sweep" else ""
    return (
        f"{words.percent(entry.best('accuracy'))} at {words.size(entry.best('payload'))} per camera and sample{setting}"
    )


def _tiles(entries: Sequence[Entry]) -> list[Tile]:
    return [
        Tile(entry.label, words.percent(entry.best("accuracy")), f"at {words.size(entry.best('payload'))} of payload")
        for entry in entries
        if math.isfinite(entry.best("accuracy"))
    ]


def _labelled(label: str, expected: Expectation) -> Expectation:
    return replace(expected, what=f"{label}: {expected.what}")


def _overview(told: Sequence[_Told]) -> Section:
    rows = []
    for one in told:
        entry = one.entry
        row = {"folder": entry.label, "kind": entry.kind, "points": len(entry.points)}
        figures = {name: entry.best(name) for name in _KINDS if name != "points"}
        setting = str(entry.chosen["told"]) if entry.kind == "sweep" and entry.chosen else ""
        rows.append({**row, **figures, "setting": setting})
    frame = pd.DataFrame(rows).dropna(axis="columns", how="all")
    kinds = {name: kind for name, kind in _KINDS.items() if name in frame}
    beside = Table(
        "side_by_side", "All of them, side by side", frame, kinds, _HEADS,
        "Of a sweep, the most accurate setting of its Pareto front.",
    )  # fmt: skip
    verdicts = Table(
        "verdicts",
        "The verdict on each",
        pd.DataFrame([(one.entry.label, one.page.verdict) for one in told], columns=["folder", "verdict"]),
        {},
        _HEADS,
    )
    runs = [one for one in told if isinstance(one.opened, Run)]
    tables = [verdicts, beside, *([_settings(runs), _differences(runs)] if len(runs) > 1 else [])]
    return Section("overview", "Side by side", "Every run and sweep with its headline figures.", (), tables)


def _settings(runs: Sequence[_Told]) -> Table:
    """What the scenarios of the runs say differently."""
    said = {one.entry.label: dict(_said(one.opened.scenario)) for one in runs if isinstance(one.opened, Run)}
    paths = list(dict.fromkeys(path for values in said.values() for path in values))
    rows = [{"setting": path} | {label: values.get(path, "") for label, values in said.items()} for path in paths]
    frame = pd.DataFrame([row for row in rows if len(set(list(row.values())[1:])) > 1], columns=["setting", *said])
    return Table("settings_that_differ", "What the runs do differently", frame)


def _said(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _said(value, f"{prefix}{name}.")
        elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
            numbered = {str(one.get("id") or place): one for place, one in enumerate(value)}
            yield from _said(numbered, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", listed(value)


def _differences(runs: Sequence[_Told]) -> Table:
    names = [one.entry.label for one in runs]
    frame = compare([one.opened.folder for one in runs], names)
    return Table(
        "differences", f"Every figure of the runs, with its difference from {names[0]}", frame,
        dict.fromkeys(map(str, frame.columns[1:]), "number"),
        note="± is half the 95 % confidence interval of the difference, over the samples that both runs have.",
        aside=True,
    )  # fmt: skip


def _figures(told: Sequence[_Told]) -> list[Section]:
    entries, runs = [one.entry for one in told], {o.entry.label: o.opened for o in told if isinstance(o.opened, Run)}
    pareto = together.against_bytes(entries)
    traffic = together.bytes_of(runs)
    found = []
    if pareto is not None:
        finding = "Accuracy and payload bytes of everything in one figure; up and to the left is better."
        found.append(Section("accuracy", "Accuracy against bytes", finding, [pareto]))
    if traffic is not None:
        finding = "What one camera sends for one sample in each run, in the parts that are counted apart."
        found.append(Section("communication", "Communication cost", finding, [traffic]))
    return found


def _detail(one: _Told, place: int) -> Section:
    """The main figures of one folder, and the way to its own report."""
    sections = {section.key: section for section in one.page.sections}
    plots = [plot for key in DETAILS if key in sections for plot in sections[key].plots[:1]]
    plots = [replace(plot, name=f"{place}_{plot.name}", title=f"{one.entry.label}: {plot.title}") for plot in plots]
    report = one.opened.folder / "report.html"
    link = Link("The whole report", report) if report.exists() else None
    table = Table(
        f"{place}_figures",
        f"{one.entry.label}: headline figures",
        pd.DataFrame([(t.label, t.value, t.note) for t in one.page.tiles], columns=["figure", "value", "note"]),
    )
    command = f" Made by: {one.page.command}" if one.page.command else ""
    return Section(f"folder-{place}", one.entry.label, one.page.verdict + command, plots, [table], link)
