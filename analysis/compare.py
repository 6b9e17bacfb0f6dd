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
_NOT_COMPARED: Final = frozenset(("curve", "topology", "expect", "schema", "checks", "network", "data", "seed"))


def compare(folders: Sequence[Path | str], names: Sequence[str] = ()) -> pd.DataFrame:
    """One row a figure; columns: `figure`, one a run, then `<run> - <first>` and `<run> ±` for each other run.

    `±` is half the 95 % confidence interval of the difference in accuracy, over the samples that both runs captured
    (paired, normal approximation); other figures have none.

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
        half = paired_half_width(runs[0], run)
        frame[f"{label} ±"] = [half if name == ACCURACY else math.nan for name in figures]
    return frame


def paired_half_width(first: Run, other: Run) -> float:
    """Half the 95 % confidence interval of the difference in accuracy; NaN where they share too few samples."""
    pair = _right(first).merge(_right(other), on=["site", "sample"], suffixes=("_first", "_other"))
    if len(pair) < 2:
        return math.nan
    difference = pair.right_other - pair.right_first
    return float(Z95 * difference.std(ddof=1) / math.sqrt(len(pair)))


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


def _right(run: Run) -> pd.DataFrame:
    frame = run.decisions[["site", "sample", "label", "predicted"]].dropna(subset=["sample", "label"])
    right = (frame.predicted == frame.label).fillna(False).astype(float)
    return frame[["site", "sample"]].assign(right=right)


def labels(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell all folders apart; a folder given twice is numbered."""
    parts = [folder.resolve().parts for folder in folders]
    for depth in range(1, max(map(len, parts)) + 1):
        found = ["/".join(one[-depth:]) for one in parts]
        if len(set(found)) == len(found):
            return found
    return [f"{label} ({place})" for place, label in enumerate((folder.name for folder in folders), start=1)]
