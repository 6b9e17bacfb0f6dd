"""The command that looks for schedules of faults that break an invariant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from sim.cli import show
from sim.cli.options import no_secret


@click.command()
@click.argument("scenario", required=False, type=click.Path(path_type=Path))
@click.option("--runs", type=click.IntRange(min=1), default=100, show_default=True, help="How many schedules.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the first one.")
@click.option(
    "--mode",
    type=click.Choice(["virtual", "lockstep"]),
    default="virtual",
    show_default=True,
    help="In lockstep each schedule also runs on a real broker, which is killed, paused and reset.",
)
@click.option("--broker", default="mosquitto", show_default=True, callback=no_secret, help="Which one in lockstep.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the smallest failing scenario here.")
def fuzz(scenario: Path | None, runs: int, seed: int, mode: str, broker: str, output: Path | None) -> None:
    """Try random faults, and check every invariant.

    Without a scenario, small fleets of every topology are drawn too. A schedule that breaks an invariant is made
    as small as possible and shown with the one command that repeats it; the exit code is then 1.

    \b
    Example:
      fogfleet fuzz --runs 500
      fogfleet fuzz scenarios/six_cameras.yaml --runs 20 --mode lockstep
    """
    from sim import faults, world
    from sim.fuzz import Campaign

    base = world.load(scenario).to_json() if scenario else None
    campaign = Campaign(faults.known(), base, scenario or Path("fuzz.yaml"), broker if mode == "lockstep" else None)
    with show.progress() as tell:
        failure = campaign.run(seed, runs, lambda done: tell("trying schedules", done, runs))
    if failure is None:
        click.echo(_told(campaign, mode))
        return
    where = f" {scenario}" if scenario else ""
    on = f" --mode lockstep --broker {broker}" if mode == "lockstep" else ""
    click.echo(f"seed {failure.seed}: {failure.broken}")
    click.echo(f"repeat it: fogfleet fuzz{where} --runs 1 --seed {failure.seed}{on}")
    click.echo("the smallest schedule that still fails:")
    text = _yaml(failure.smallest)
    click.echo("  " + text.replace("\n", "\n  ").rstrip())
    if output is not None:
        output.write_text(text, encoding="utf-8")
        click.echo(f"Wrote {output}")
    raise click.exceptions.Exit(1)


def _told(campaign: Any, mode: str) -> str:
    kills = f"; the real broker was killed {campaign.kills} times" if mode == "lockstep" else ""
    empty = f" ({campaign.impossible} had no target in their fleet)" if campaign.impossible else ""
    return f"{campaign.runs} schedules{empty}, 0 violations{kills}"


def _yaml(plain: dict[str, Any]) -> str:
    """One line a key: every JSON value is a YAML value."""
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in plain.items() if key != "faults"]
    faults = [f"  - {json.dumps(fault, ensure_ascii=False)}" for fault in plain["faults"]]
    return "\n".join([*lines, "faults:", *faults]) + "\n"
