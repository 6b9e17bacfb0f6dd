"""Writes the report of a run or a sweep: one self-contained HTML file, with figures and tables beside it."""

from __future__ import annotations

from pathlib import Path

from analysis import load, run_report, sweep_report
from analysis.page import Page


def build(folder: Path, out: Path | None = None) -> Path:
    """Writes the report of `folder`; the same folder always gives the same bytes.

    Args:
        folder: a run folder or a sweep folder.
        out: the HTML file; `report.html` in the folder by default. `figures/` and `tables/` go beside it.

    Returns:
        The HTML file.

    Raises:
        load.FolderError: `folder` cannot be reported on.
    """
    page = page_of(Path(folder))
    target = Path(out) if out is not None else Path(folder) / "report.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    write_figures(page, target.parent / "figures")
    for table in page.tables:
        if len(table.frame):
            _write(target.parent / "tables" / f"{table.name}.csv", table.csv().encode())
    _write(target, page.html().encode())
    return target


def page_of(folder: Path) -> Page:
    """What the report of `folder` says.

    Raises:
        load.FolderError: `folder` cannot be reported on.
    """
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
