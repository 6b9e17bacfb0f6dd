"""The command that finds thresholds for what a person wants of a fleet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sim.cli import show
from sim.cli.options import Command, format_option, scenario_argument, seed_option, set_option

if TYPE_CHECKING:
    from sim.world.thresholds import Choice, Outcome, Target

EXITS: Final = ("device", "local", "edge")


def _target(option: str, aim: str, what: str) -> Callable[[Command], Command]:
    return click.option(option, aim, metavar="[EXIT=]VALUE", multiple=True, help=what)


@click.command()
@scenario_argument
@set_option
@seed_option
@_target("--share", "exit_share", "At least this share leaves at the exit, e.g. 0.6 or 60%.")
@_target("--bytes", "payload_bytes", "At most so many bytes per camera and sample.")
@_target("--accuracy", "accuracy", "At least this share is right overall; as much as possible leaves at the exit.")
@click.option(
    "--on",
    type=click.Choice(["test", "validation"]),
    default="test",
    show_default=True,
    help="Choose on these samples; the authors of the paper chose on the test set.",
)
@format_option("text", "json")
def thresholds(
    scenario: Path,
    overrides: tuple[str, ...],
    seed: int | None,
    exit_share: tuple[str, ...],
    payload_bytes: tuple[str, ...],
    accuracy: tuple[str, ...],
    on: str,
    output_format: str,
) -> None:
    """Find the threshold that an exit needs.

    Give one target an exit: a share that leaves there, a byte budget, or an accuracy floor. Without EXIT= it is for
    the first exit of the network; exits without a target keep the scenario's threshold. The network is trained unless
    it is stored. Validation samples are there if the network kept some aside (model.training.validation).

    \b
    Example:
      fogfleet thresholds scenarios/six_cameras.yaml --share 60%
      fogfleet thresholds scenarios/topology_e.yaml --share local=0.5 --accuracy edge=0.9
      fogfleet thresholds fleet.yaml --bytes 62 --on validation --set model.training.validation=0.2
    """
    wanted = {"exit_share": exit_share, "payload_bytes": payload_bytes, "accuracy": accuracy}
    targets = [_parsed(aim, text) for aim, texts in wanted.items() for text in texts]
    if not targets:
        raise click.UsageError("give a target: --share, --bytes or --accuracy.")
    from sim import world
    from sim.world.thresholds import choose

    with show.progress() as bar:
        prepared = world.prepare(world.load(scenario, overrides, seed), bar)
    choice = choose(prepared, targets, "validation" if on == "validation" else "test")
    click.echo(show.as_json(asdict(choice)) if output_format == "json" else _text(choice, scenario))


def _parsed(aim: Any, text: str) -> Target:
    from sim import units
    from sim.world.thresholds import Target

    at, equals, value = text.rpartition("=")
    if equals and at not in EXITS:
        raise click.UsageError(f"{text!r}: there are the exits {', '.join(EXITS)}; write e.g. local=0.6.")
    try:
        share = aim != "payload_bytes"
        number = units.fraction(value if "%" in value else float(value)) if share else float(value)
    except ValueError as error:
        raise click.UsageError(f"{text!r}: {error}") from error
    return Target(aim, number, at if equals else None)  # type: ignore[arg-type]  # checked above


def _text(choice: Choice, scenario: Path) -> str:
    found = " ".join(f"--set exits.{name}={value!r}" for name, value in choice.thresholds.items())
    lines = [
        *(f"exits.{name:<7} T = {value!r}" for name, value in choice.thresholds.items()),
        f"chosen on the {choice.chosen_on} samples: {_outcome(choice.there)}",
    ]
    if choice.chosen_on != "test":
        lines.append(f"on the test samples: {_outcome(choice.on_test)}")
    return "\n".join([*lines, f"use it: fogfleet run {scenario} {found}"])


def _outcome(outcome: Outcome) -> str:
    shares = ", ".join(f"{name} {100 * share:.1f} %" for name, share in outcome.exits.items())
    return (
        f"{100 * outcome.accuracy:.1f} % of {outcome.samples} right, {outcome.bytes:.1f} bytes per camera and sample; "
        f"{shares}"
    )
