"""Commands about scenarios and what may be written in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sim.cli import show
from sim.cli.options import format_option, set_option


@click.command()
@click.argument("scenarios", metavar="SCENARIO...", nargs=-1, required=True, type=click.Path(path_type=Path))
@set_option
def validate(scenarios: tuple[Path, ...], overrides: tuple[str, ...]) -> None:
    """Check scenarios; show everything that is wrong.

    One line a problem: file:line:column: path: what is wrong and what would be right.

    \b
    Example:
      fogfleet validate scenarios/*.yaml
    """
    from sim import world
    from sim.errors import ScenarioError

    problems = 0
    for scenario in scenarios:
        try:
            world.load(scenario, overrides)
        except ScenarioError as error:
            problems += len(error.args[0])
            click.echo(str(error), err=True)
        else:
            click.echo(f"{scenario}: ok")
    if problems:
        click.echo(f"{problems} problem{'s' if problems > 1 else ''} found", err=True)
        raise click.exceptions.Exit(3)


@click.command()
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
def schema(output: Path | None) -> None:
    """Print the JSON Schema of scenarios.

    Editors complete and check scenarios with it.

    \b
    Example:
      fogfleet schema --output scenarios/schema.json
    """
    from sim import faults as kinds
    from sim import policies, scenario

    text = scenario.schema_text(kinds.known(), policies.by_sort())
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
        click.echo(f"Wrote {output}")


@click.command()
@click.argument("kind", required=False)
@format_option("text", "json")
def faults(kind: str | None, output_format: str) -> None:
    """List the kinds of faults, or show one.

    What it does, its fields and an example.

    \b
    Example:
      fogfleet faults
      fogfleet faults crash
    """
    from sim import faults as kinds

    known = kinds.known()
    if kind is None:
        chosen = list(known)
    elif kind in known:
        chosen = [kind]
    else:
        raise click.UsageError(f"there is no fault kind {kind!r}; {_nearest(kind, list(known))}")
    rows = [_described(name, known[name]) for name in chosen]
    if output_format == "json":
        click.echo(show.as_json(rows))
    elif kind is None:
        width = max(map(len, chosen))
        for row in rows:
            click.echo(f"{row['kind']:<{width}}  {row['layer']:<8}  {row['does'].splitlines()[0]}")
    else:
        click.echo(_in_full(rows[0]))
    for plugin, reason in known.broken.items():
        show.notice(f"plug-in {plugin} cannot be used: {reason}")


def _nearest(kind: str, known: list[str]) -> str:
    import difflib

    close = difflib.get_close_matches(kind, known, n=1)
    return f"did you mean {close[0]!r}?" if close else "`fogfleet faults` lists them all."


def _described(name: str, kind: Any) -> dict[str, Any]:
    """What a kind does, its own fields (JSON Schema of each) and an example."""
    import inspect

    schema = kind.model_json_schema()
    return {
        "kind": name,
        "layer": kind.layer,
        "does": inspect.getdoc(kind) or "",
        "fields": {field: part for field, part in schema["properties"].items() if field != "kind"},
        "required": [field for field in schema.get("required", ()) if field != "kind"],
        "example": kind.example,
    }


def _in_full(row: dict[str, Any]) -> str:
    lines = [f"{row['kind']} ({row['layer']})", "", row["does"], ""]
    for field, part in row["fields"].items():
        need = "required" if field in row["required"] else f"default {part.get('default')}"
        told = part.get("description", "")
        lines.append(f"  {field}: {need}{'; ' + told if told else ''}")
    return "\n".join([*lines, *([""] if row["fields"] else []), "Example:", f"  {row['example']}"])
