"""The command that trains networks before anything is run."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sim.cli import show
from sim.cli.options import format_option, scenario_argument, seed_option, set_option

if TYPE_CHECKING:
    from sim.world import Prepared

Row = dict[str, Any]


@click.command()
@scenario_argument
@set_option
@seed_option
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Train with so many seeds.")
@click.option("--retrain", is_flag=True, help="Train again even if the weights are stored.")
@format_option("text", "json")
def train(
    scenario: Path, overrides: tuple[str, ...], seed: int | None, seeds: int, retrain: bool, output_format: str
) -> None:
    """Train the network of a scenario and store it.

    Later runs use the stored weights; what is stored already is not trained again. What is trained and how stands under
    `model:` in the scenario: weights of the exits in the loss, failout, validation, early stopping, calibration.

    \b
    Example:
      fogfleet train scenarios/six_cameras.yaml --seeds 5
      fogfleet train fleet.yaml --set model.training.validation=0.2 --set model.training.patience=10
    """
    from sim import world

    first = world.load(scenario, overrides, seed)
    start = first.model.training.seed if first.model.training.seed is not None else first.seed
    rows = []
    for number in range(start, start + seeds):
        wanted = world.load(scenario, [*overrides, f"model.training.seed={number}"], seed)
        with show.progress() as bar:
            prepared = world.prepare(wanted, bar, retrain=retrain)
        rows.append(_trained(number, prepared))
        if output_format == "text":
            click.echo(_line(rows[-1]))
    if output_format == "json":
        click.echo(show.as_json(rows))
    elif seeds > 1:
        click.echo(_together(rows))


def _trained(seed: int, prepared: Prepared) -> Row:
    from sim.world import exit_accuracies

    network = prepared.network
    losses = [row["validation_loss"] for row in network.history if "validation_loss" in row]
    return {
        "seed": seed,
        "accuracy": exit_accuracies(prepared),
        "from_cache": network.from_cache,
        "epochs": len(network.history),
        "epochs_wanted": network.training.epochs,
        "best_epoch": losses.index(min(losses)) + 1 if network.training.patience is not None else None,
        "validation_samples": len(network.validation),
        "temperatures": network.temperatures,
        "weights_sha256": network.sha256,
        "path": str(network.path),
    }


def _line(row: Row) -> str:
    epochs = f"{row['epochs']} epochs"
    if row["best_epoch"] is not None:
        aside = f"validation loss on {row['validation_samples']} samples"
        epochs = (
            f"{row['epochs']} of {row['epochs_wanted']} epochs, the weights of epoch {row['best_epoch']} by {aside}"
        )
    elif row["validation_samples"]:
        epochs += f", {row['validation_samples']} validation samples kept aside"
    warmth = ", ".join(f"{name} {value:.2f}" for name, value in row["temperatures"].items() if value != 1)
    accuracies = ", ".join(f"{name} {100 * value:.1f} %" for name, value in row["accuracy"].items())
    return (
        f"seed {row['seed']}: {'stored already' if row['from_cache'] else 'trained'}, {epochs}"
        f"{f'; temperatures {warmth}' if warmth else ''}; on the test samples: {accuracies}\n  {row['path']}"
    )


def _together(rows: Sequence[Row]) -> str:
    """Mean and standard deviation of every accuracy over the seeds."""
    found = {name: [100 * row["accuracy"][name] for row in rows] for name in rows[0]["accuracy"]}
    told = (f"{name} {statistics.fmean(each):.1f} ± {statistics.stdev(each):.1f} %" for name, each in found.items())
    return f"{len(rows)} seeds, mean ± standard deviation: {', '.join(told)}"
