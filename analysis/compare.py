"""Sets runs side by side: every figure of their summaries, and how each run differs from the first."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from analysis import load, words
from analysis.load import FolderError, Run, as_number
from analysis.statistics import Z95

FORMATS: Final = ("table", "md", "json", "csv")
ACCURACY: Final = "accuracy.overall"
LATENCY: Final = "latency_s.all.mean"
_NOT_COMPARED: Final = frozenset(("curve", "topology", "expect", "schema", "checks", "network", "data", "seed"))


def compare(folders: Sequence[Path | str], names: Sequence[str] = ()) -> pd.DataFrame:
    """One row a figure; columns: `figure`, one a run, then `<run> - <first>` and `<run> ±` for each other run.

    `±` is half the 95 % confidence interval of the difference, where it comes from single samples that both runs have
    (paired, normal approximation): accuracy, the share of each exit and the mean latency. Other figures have none.

    Raises:
        FolderError: fewer than two folders, or one that is no run folder.
    """
    if len(folders) < 2:
        raise FolderError("comparing takes two run folders or more; give them one after the other")
    runs = [load.run(folder) for folder in folders]
    named = list(names) or labels([run.folder for run in runs])
    values = [dict(_leaves(run.summary)) for run in runs]
    figures = list(dict.fromkeys(name for one in values for name in one))
    frame = pd.DataFrame({"figure": figures})
    for label, one in zip(named, values, strict=True):
        frame[label] = [one.get(name, math.nan) for name in figures]
    for label, run in zip(named[1:], runs[1:], strict=True):
        frame[f"{label} - {named[0]}"] = frame[label] - frame[named[0]]
        half = paired_half_widths(runs[0], run)
        frame[f"{label} ±"] = [half.get(name, math.nan) for name in figures]
    return frame


def paired_half_widths(first: Run, other: Run) -> dict[str, float]:
    """Half the 95 % confidence intervals of differences, by figure; NaN where the runs share too few samples."""
    pair = _samples(first).merge(_samples(other), on=["site", "sample"], suffixes=("", "_other"))
    exits = sorted({str(name) for name in (*pair.exit.dropna(), *pair.exit_other.dropna())})
    differences = {
        ACCURACY: pair.right_other - pair.right,
        LATENCY: pair.took - pair.took_other,
        **{f"exits.{name}": _is(pair.exit_other, name) - _is(pair.exit, name) for name in exits},
    }
    return {figure: _half_width(difference.dropna()) for figure, difference in differences.items()}


def _half_width(differences: pd.Series[float]) -> float:
    if len(differences) < 2:
        return math.nan
    return float(Z95 * differences.std(ddof=1) / math.sqrt(len(differences)))


def _is(exits: pd.Series[str], name: str) -> pd.Series[float]:
    return (exits == name).fillna(False).astype(float)


def render(frame: pd.DataFrame, form: str) -> str:
    """The comparison as text: `table` for a terminal, `md`, `json` (a list of rows, null for unknown) or `csv`.

    Raises:
        ValueError: another format.
    """
    if form == "csv":
        return str(frame.to_csv(index=False, lineterminator="\n"))
    if form == "json":
        rows = [{k: None if v != v else v for k, v in row.items()} for row in frame.to_dict("records")]
        return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
    if form not in FORMATS:
        raise ValueError(f"{form!r} is not a format; choose one of {', '.join(FORMATS)}")
    cells = [list(map(str, frame.columns)), *(_cells(row) for row in frame.itertuples(index=False, name=None))]
    widths = [max(len(row[place]) for row in cells) for place in range(len(frame.columns))]
    lines = [
        [text.ljust(w) if i == 0 else text.rjust(w) for i, (text, w) in enumerate(zip(r, widths, strict=True))]
        for r in cells
    ]
    if form == "md":
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        return "".join(f"| {' | '.join(line)} |\n" for line in [lines[0], rule, *lines[1:]])
    return "".join("  ".join(line).rstrip() + "\n" for line in lines)


def _cells(row: Sequence[Any]) -> list[str]:
    return [str(row[0]), *(words.number(float(value), 5).replace(words.THIN, " ") for value in row[1:])]


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for key, value in tree.items():
        if not prefix and key in _NOT_COMPARED:
            continue
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        elif not math.isnan(as_number(value)):
            yield f"{prefix}{key}", as_number(value)


def _samples(run: Run) -> pd.DataFrame:
    """Per sample: whether it was right, where it left, and after how many seconds."""
    frame = run.decisions.dropna(subset=["sample", "label"])
    right = (frame.predicted == frame.label).fillna(False).astype(float)
    return frame[["site", "sample", "exit"]].assign(right=right, took=frame.decided_s - frame.captured_s)


def labels(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell all folders apart; a folder given twice is numbered."""
    parts = [folder.resolve().parts for folder in folders]
    for depth in range(1, max(map(len, parts)) + 1):
        found = ["/".join(one[-depth:]) for one in parts]
        if len(set(found)) == len(found):
            return found
    return [f"{label} ({place})" for place, label in enumerate((folder.name for folder in folders), start=1)]
