"""First steps: a scenario to begin with, and what this machine has and lacks."""

from __future__ import annotations

from pathlib import Path

import click

from sim.cli.options import format_option


@click.command()
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(file_okay=False, path_type=Path))
def init(folder: Path) -> None:
    """Write a starter scenario, fleet.yaml, with comments.

    It runs as it is. A file that is there already stays as it is.

    \b
    Example:
      fogfleet init my-fleet
      fogfleet run my-fleet/fleet.yaml
    """
    target = folder / "fleet.yaml"
    starter = Path(__file__).with_name("starter.yaml").read_text(encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(starter)
    except FileExistsError:
        raise click.UsageError(f"{target} exists already and stays as it is; name another folder.") from None
    click.echo(f"Wrote {target}. Run it with: fogfleet run {target} --report")


@click.command()
@format_option("text", "json")
def doctor(output_format: str) -> None:
    """Show what is here, what is missing, how to get it.

    Ends with exit code 4 if something is missing without which nothing runs.

    \b
    Example:
      fogfleet doctor
      fogfleet doctor --format json
    """
    from sim.cli import checks

    found = checks.everything()
    click.echo(checks.as_json(found) if output_format == "json" else checks.as_text(found))
    if any(check.status == "missing" for check in found):
        raise click.exceptions.Exit(4)
