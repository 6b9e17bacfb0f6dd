"""Writes the report of runs and sweeps: one self-contained HTML file, with figures and tables beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from analysis import load, run_report, sweep_report, together
from analysis.page import Page


def build(folders: Path | Sequence[Path], out: Path | None = None) -> Path:
    """Writes the report of a folder, or of several set side by side; the same folders always give the same bytes.

    Args:
        folders: run folders and sweep folders.
        out: the HTML file; by default `report.html` in the folder, or here for several. `figures/` and `tables/` go
            beside it.

    Returns:
        The HTML file.

    Raises:
        load.FolderError: a folder cannot be reported on.
    """
    named = [Path(folders)] if isinstance(folders, Path | str) else [Path(folder) for folder in folders]
    page = page_of(*named)
    target = Path(out) if out is not None else (named[0] if len(named) == 1 else Path()) / "report.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    write_figures(page, target.parent / "figures")
    for table in page.tables:
        if len(table.frame):
            _write(target.parent / "tables" / f"{table.name}.csv", table.csv().encode())
    _write(target, page.html(target.parent).encode())
    return target


def page_of(folder: Path, *others: Path) -> Page:
    """What the report of a folder says, or of several.

    Raises:
        load.FolderError: a folder cannot be reported on.
    """
    if others:
        return together.page([folder, *others])
    if load.is_sweep(folder):
        return sweep_report.page(load.sweep(folder))
    return run_report.page(load.run(folder))


def write_figures(page: Page, folder: Path) -> list[Path]:
    """Writes every figure of `page` as PNG and SVG; returns the files."""
    written = []
    for plot in page.plots:
        written += [
            _write(folder / f"{plot.name}.png", plot.png()),
            _write(folder / f"{plot.name}.svg", plot.svg().encode()),
        ]
    return written


def _write(path: Path, content: bytes) -> Path:
    """Writes a whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    return partial.replace(path)
