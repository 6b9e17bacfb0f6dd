"""The command that takes a trained section out of the simulation: C for a microcontroller, ONNX for a runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sim.cli import show
from sim.cli.options import scenario_argument, seed_option, set_option

if TYPE_CHECKING:
    from sim.ddnn import Network

Row = dict[str, Any]


@click.command()
@scenario_argument
@set_option
@seed_option
@click.option("--section", type=click.Choice(["device", "edge", "cloud"]), default="device", show_default=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(["c", "onnx"]),
    default="c",
    show_default=True,
    help="C for a binary device section, ONNX for float sections.",
)
@click.option("--node", metavar="NAME", help="Only this camera or gateway, e.g. cam.2.  [default: all of the section]")
@click.option(
    "-o", "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("exported"), show_default=True
)
@click.option("--json", "as_json", is_flag=True, help="Say what was written as JSON.")
def export(
    scenario: Path,
    overrides: tuple[str, ...],
    seed: int | None,
    section: str,
    form: str,
    node: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Write a trained section for use elsewhere.

    The network of the scenario is trained unless it is stored. Every node has weights of its own, so OUT gets a folder
    a node. `c` writes a header with the bit-packed parameters and a small inference, which compiled with gcc gives the
    simulation's features and scores to the bit. `onnx` writes float sections (`precision: float`), whose scores agree
    to float32 rounding.

    \b
    Example:
      fogfleet export scenarios/six_cameras.yaml --section device --format c -o exported
      fogfleet export fleet.yaml --set model.cloud.precision=float --section cloud --format onnx
    """
    from sim import world

    if form == "c" and section != "device":
        raise click.UsageError(f"C is for the device section; write the {section} section with --format onnx.")
    with show.progress() as bar:
        prepared = world.prepare(world.load(scenario, overrides, seed), bar)
    plan = prepared.plan
    nodes = {"device": plan.cameras, "edge": plan.gateways, "cloud": (plan.cloud,)}[section]
    units = _chosen([one.name for one in nodes], node, section)
    write = _as_c if form == "c" else _as_onnx
    rows = [{"node": name, **write(prepared.network, section, unit, out / name)} for name, unit in units.items()]
    if as_json:
        told = {"section": section, "format": form, "weights_sha256": prepared.network.sha256, "nodes": rows}
        click.echo(show.as_json(told))
        return
    click.echo(f"{prepared.scenario.name}: the {section} section of {', '.join(units)}")
    for line in (_about_c if form == "c" else _about_onnx)(rows):
        click.echo(f"  {line}")


def _chosen(names: Sequence[str], wanted: str | None, section: str) -> dict[str, int]:
    """The nodes to write, with their index."""
    units = {name: unit for unit, name in enumerate(names)}
    if not units:
        raise click.UsageError(f"no node of this scenario has the {section} section.")
    if wanted is None:
        return units
    if wanted not in units:
        raise click.UsageError(f"no node {wanted!r} has the {section} section; there are {', '.join(names)}.")
    return {wanted: units[wanted]}


def _as_c(network: Network, section: str, unit: int, folder: Path) -> Row:
    from sim.ddnn import export_c

    done, spec = export_c.export(network, unit, folder), network.spec
    return {
        "files": [str(done.header), str(done.source)],
        "parameter_bytes": done.parameter_bytes,
        "parameters": {name.lower(): size for name, size in done.parameters.items()},
        "working_bytes": done.working_bytes,
        "feature_bytes": spec.feature_bytes,
        "score_bytes": spec.score_bytes,
        "compile": f"{export_c.COMPILER} -c {done.source}",
    }


def _about_c(rows: Sequence[Row]) -> list[str]:
    first = rows[0]
    tables = ", ".join(f"{name} {size}" for name, size in first["parameters"].items())
    given = f"image 3072, features {first['feature_bytes']}, scores {first['score_bytes']}"
    return [
        *(f"wrote       {' and '.join(row['files'])}" for row in rows),
        f"parameters  {first['parameter_bytes']} bytes a camera ({tables})",
        f"working     {first['working_bytes']} bytes, beside what the caller gives ({given})",
        f"compile     {first['compile']}",
    ]


def _as_onnx(network: Network, section: Any, unit: int, folder: Path) -> Row:
    from sim.ddnn import export_onnx

    path = export_onnx.export(network, section, unit, folder)
    return {"files": [str(path)], "file_bytes": path.stat().st_size}


def _about_onnx(rows: Sequence[Row]) -> list[str]:
    return [f"wrote       {row['files'][0]}, {row['file_bytes']} bytes" for row in rows]
