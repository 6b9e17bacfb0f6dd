"""Commands that read run folders."""

from __future__ import annotations

from pathlib import Path

import click

from sim.cli.options import RUNS, format_option


@click.command()
@click.argument("folders", metavar="[FOLDER]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Default: FOLDER/report.html; report.html here for several folders.",
)
def report(folders: tuple[Path, ...], output: Path | None) -> None:
    """Write the report of runs and sweeps, alone or side by side.

    It is one HTML page, with figures (PNG, SVG) and tables (CSV) beside it.
    Without FOLDER, of the newest run below runs/.

    \b
    Example:
      fogfleet report runs/six-cameras/20261121-081500-1a2b3c4d -o report.html
      fogfleet report runs/six-cameras/A runs/six-cameras/B runs/sweep-failures/sweep-1a2b3c4d -o all.html
    """
    from analysis import report as reports

    click.echo(f"Wrote {reports.build(folders or [_newest()], output)}")


@click.command()
@click.argument("folders", metavar="A B...", nargs=-1, required=True, type=click.Path(path_type=Path))
@format_option("table", "md", "json", "csv")
def compare(folders: tuple[Path, ...], output_format: str) -> None:
    """Set runs side by side.

    Each with its difference from the first.

    \b
    Example:
      fogfleet compare runs/six-cameras/A runs/six-cameras/B --format md
    """
    if len(folders) < 2:
        raise click.UsageError("name at least two run folders to compare.")
    from analysis import compare as comparison

    click.echo(comparison.render(comparison.compare(folders), output_format).rstrip("\n"))


def _newest() -> Path:
    """The run folder that was completed last."""
    complete = [path.parent for path in RUNS.glob("*/*/run.json") if path.parent.suffix != ".partial"]
    if not complete:
        raise click.UsageError(f"there is no run below {RUNS}/ yet; name a folder, or make one with fogfleet run.")
    return max(complete, key=lambda path: path.stat().st_mtime)
