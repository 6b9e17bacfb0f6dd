"""The published recipe of training and the default one, on the same network: both are reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

from sim import world
from sim.reproduce import published
from sim.reproduce.cameras import POLICIES, policy_of
from sim.reproduce.lab import Lab
from sim.reproduce.tables import Result, Row, column, mean, percent, points, readings, told
from sim.sweep.points import base_of

NAMES: Final = ("local", "cloud", "overall", "local_exit", "bytes")


def recipes(lab: Lab) -> Result:
    """Both recipes at T = 0.8, all cameras well and each one failed, beside the published values of Table II."""
    at, source = published.THRESHOLDS[published.THRESHOLD], published.THRESHOLDS_ARE
    theirs, sources = {**published.ENDS, **at}, {**dict.fromkeys(published.ENDS, published.ENDS_ARE), **source}
    rows: list[Row] = []
    for recipe in ("default", "published"):
        one = _with_recipe(lab, recipe)
        (reading,) = readings(one, [{}])
        failed = _one_failed(one)
        row: Row = {"recipe": recipe, "missing": POLICIES[policy_of(one)]}
        row |= {**told(reading, NAMES, theirs, sources), **told({"one_failed": failed[0]}, ["one_failed"])}
        rows.append({**row, "one_failed_worst": failed[1]})
    return Result({"recipes": rows}, _about(rows))


def _with_recipe(lab: Lab, recipe: Literal["default", "published"]) -> Lab:
    """The same lab with networks trained in another way; what is the lab's own recipe is found again, not repeated."""
    plain = base_of(lab.scenario)
    model = plain["model"]
    changed = {**plain, "model": {**model, "training": {**model["training"], "recipe": recipe}}}
    return replace(lab, scenario=world.build(changed, lab.scenario.path))


def _one_failed(lab: Lab) -> tuple[list[float], float]:
    """Overall accuracy with one camera failed: the mean over the cameras for each seed, and the worst camera's mean."""
    policy = policy_of(lab)
    cases = [lab.case(seed, missing=policy, down=(name,)) for name in lab.cameras for seed in lab.seeds]
    overall, count = column(lab.measure(cases), "accuracy.overall"), len(lab.seeds)
    by_camera = [overall[start : start + count] for start in range(0, len(overall), count)]
    return [mean(each) for each in zip(*by_camera, strict=True)], min(map(mean, by_camera))


def _about(rows: Sequence[Row]) -> list[str]:
    ours, literal = rows
    gain = ours["overall"] - literal["overall"]
    there, here = (", ".join(f"{percent(row[name])} {name}" for name in NAMES[:3]) for row in (literal, ours))
    said = [
        f"A literal reading of the published recipe gives {there} here; the default recipe {here}: "
        f"{points(gain)} {'more' if gain >= 0 else 'less'} overall."
    ]
    kept = ours["one_failed"] - literal["one_failed"]
    said.append(
        f"With one camera failed and nothing retrained {percent(literal['one_failed'])} are right on average with the "
        f"published recipe, {percent(ours['one_failed'])} with the default one: {points(kept)} "
        f"{'more' if kept >= 0 else 'less'}."
    )
    return said
