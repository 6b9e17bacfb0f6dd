"""Runs experiments and writes what they found: a CSV a table, and `reproduce.json` with what was said and how."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sim import data
from sim.cache import publish
from sim.errors import SetupError
from sim.reproduce.cameras import POLICIES, fig8, fig10, policy_of
from sim.reproduce.exits import fig9, table1, table2
from sim.reproduce.lab import Lab
from sim.reproduce.recipes import recipes
from sim.reproduce.subsets import subsets
from sim.reproduce.tables import Result, as_csv
from sim.world.run import git_commit, versions

EXPERIMENTS: Final[Mapping[str, Callable[[Lab], Result]]] = {
    "table1": table1,
    "table2": table2,
    "fig8": fig8,
    "fig9": fig9,
    "fig10": fig10,
    "recipes": recipes,
    "subsets": subsets,
}
ABOUT: Final = "reproduce.json"


def reproduce(
    names: Sequence[str],
    lab: Lab,
    out: Path,
    *,
    argv: Sequence[str] = (),
    notice: Callable[[str], None] = lambda text: None,
) -> Mapping[str, Result]:
    """Runs experiments, in their own order, and writes the tables of each as soon as it is done.

    Experiments that the folder holds already stay part of it if they were made in the same way.

    Raises:
        FogFleetError: as a sweep; what was written stays.
    """
    about = _about(lab, argv)
    known = _known(out / ABOUT, about["made"])
    done: dict[str, Result] = {}
    for name, experiment in EXPERIMENTS.items():
        if name not in names:
            continue
        notice(f"{name} ...")
        done[name] = experiment(lab)
        for table, rows in done[name].tables.items():
            _write(out / f"{table}.csv", as_csv(rows))
        known[name] = {"tables": list(done[name].tables), "findings": list(done[name].findings)}
        entries = {key: known[key] for key in EXPERIMENTS if key in known}
        _write(out / ABOUT, json.dumps({**about, "experiments": entries}, indent=2, ensure_ascii=False) + "\n")
    return done


def _about(lab: Lab, argv: Sequence[str]) -> dict[str, Any]:
    scenario = lab.scenario
    dataset = data.load(scenario.data, cameras=scenario.cameras, base=scenario.path.parent)
    training = scenario.model.training
    made = {
        "scenario": scenario.name,
        "data": {
            "name": dataset.name,
            "train": len(dataset.train),
            "test": len(dataset.test),
            "cameras": dataset.cameras,
            "classes": list(dataset.classes),
            "sha256": dataset.sha256,
        },
        "recipe": training.recipe,
        "epochs": training.epochs,
        "failout": training.failout if training.recipe == "default" else None,
        "seeds": list(lab.seeds),
        "missing": POLICIES[policy_of(lab)],
        "thresholds_chosen_on": lab.wanted.chosen_on,
        "quick": lab.wanted.quick,
    }
    return {
        "kind": "reproduction",
        "schema": 1,
        "made": made,
        "argv": list(argv),
        "versions": versions(),
        "git_commit": git_commit(),
    }


def _known(path: Path, made: Mapping[str, Any]) -> dict[str, Any]:
    """The experiments that a folder holds from before, if they were made in the same way."""
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        return dict(before["experiments"]) if before["made"] == made else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _write(path: Path, text: str) -> None:
    try:
        with publish(path) as draft:
            draft.write_text(text, encoding="utf-8")
            draft.chmod(0o644)
    except OSError as error:
        raise SetupError(f"cannot write {path}: {error.strerror or error}") from error
