"""The command that runs the published experiments here and sets theirs beside ours."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from sim.cli import show
from sim.cli.options import format_option

if TYPE_CHECKING:
    from sim.reproduce.tables import Result

# Not taken from sim.reproduce: --help has to stay quick. A test compares them.
NAMES: Final = ("table1", "table2", "fig8", "fig9", "fig10", "recipes", "subsets")


@click.command()
@click.argument("what", metavar=f"[{'|'.join(NAMES)}|all]", type=click.Choice([*NAMES, "all"]), default="all")
@click.option(
    "-o", "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("reproduced"), show_default=True
)
@click.option("--seeds", type=click.IntRange(1, 100), default=3, show_default=True, help="Networks and runs of each.")
@click.option(
    "--data", default="multiview", show_default=True, metavar="multiview|mvmc:PATH|SCENARIO", help="What to run on."
)
@click.option("--split", type=click.Path(path_type=Path), help="Permutation file of mvmc data: which samples train.")
@click.option("--test", type=click.IntRange(10), default=2000, show_default=True, help="Test samples of multiview.")
@click.option("--recipe", type=click.Choice(["default", "published"]), help="How to train.  [default: default]")
@click.option(
    "--missing",
    type=click.Choice(["mask", "zero"]),
    default="mask",
    show_default=True,
    help="Cameras that fail without retraining: left out of every aggregation, or taken as black images.",
)
@click.option(
    "--thresholds",
    type=click.Choice(["test", "validation"]),
    default="test",
    show_default=True,
    help="The samples that fig9 chooses its thresholds on; the authors chose on the test set.",
)
@click.option("-j", "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes.")
@click.option("--quick", is_flag=True, help="One seed, few epochs and samples: to see that it works.")
@format_option("text", "json")
def reproduce(
    what: str,
    out: Path,
    seeds: int,
    data: str,
    split: Path | None,
    test: int,
    recipe: str | None,
    missing: str,
    thresholds: str,
    jobs: int,
    quick: bool,
    output_format: str,
) -> None:
    """Run the published experiments here, ours beside theirs.

    Every figure comes out of simulated runs in `virtual` mode. OUT gets a CSV named after each table or figure, the
    figures as PNG and SVG, and report.html. Trained networks and simulated points are kept: the same command again
    does only what is missing. Not in the paper are `recipes` (two ways to train) and `subsets` (all failures without
    retraining).

    \b
    Example:
      fogfleet reproduce table2 --seeds 1
      fogfleet reproduce all --data mvmc:MVMC.npz -o reproduced/mvmc -j 2
    """
    from analysis import reproduce as page
    from sim.cli import sweep_show
    from sim.reproduce import Wanted, build_lab
    from sim.reproduce import reproduce as run

    wanted = Wanted(
        data=data,
        split=split,
        test=test,
        recipe=None if recipe is None else "published" if recipe == "published" else "default",
        seeds=seeds,
        missing="zero" if missing == "zero" else "mask",
        chosen_on="validation" if thresholds == "validation" else "test",
        quick=quick,
    )
    with sweep_show.progress() as bar:
        lab = build_lab(wanted, out, jobs, bar)
        chosen = NAMES if what == "all" else (what,)
        found = run(chosen, lab, out, argv=["fogfleet", *sys.argv[1:]], notice=show.notice)
    _tell(found, page.build(out), out, output_format)


def _tell(found: Mapping[str, Result], page: Path, out: Path, output_format: str) -> None:
    if output_format == "json":
        told = {
            name: {"tables": dict(result.tables), "findings": list(result.findings)} for name, result in found.items()
        }
        click.echo(show.as_json({"folder": str(out), "report": str(page), "experiments": told}))
        return
    for name, result in found.items():
        click.echo(name)
        for sentence in result.findings:
            click.echo(f"  {sentence}")
    click.echo(f"Tables in {out}, the page: {page}")
