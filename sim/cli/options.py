"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

Command = Callable[..., Any]
RUNS: Final = Path("runs")

scenario_argument = click.argument("scenario", type=click.Path(path_type=Path))

set_option = click.option(
    "--set",
    "overrides",
    metavar="PATH=VALUE",
    multiple=True,
    help="Change one value of the scenario, e.g. exits.local=0.6; may be given again.",
)

seed_option = click.option("--seed", type=click.IntRange(min=0), help="Use this seed instead of the scenario's.")


def no_secret(_context: click.Context, _option: click.Parameter, choice: str) -> str:
    """Refuses a broker's URL with a password in it, before anything can be written down."""
    if "@" in choice:
        from brokers.choose import check_choice

        check_choice(choice)
    return choice


def format_option(*formats: str) -> Callable[[Command], Command]:
    """`--format` with these choices; the first is the default."""
    return click.option(
        "--format", "output_format", type=click.Choice(formats), default=formats[0], show_default=True, help="Output."
    )
