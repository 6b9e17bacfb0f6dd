"""`fogfleet thresholds`: a share, a byte budget or an accuracy floor, per exit, on samples that it names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner
from world_kit import SCENARIOS, SMALL

from sim import world
from sim.cli.app import app

ASIDE = ("--set", "model.training.validation=0.3")


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOGFLEET_CACHE", str(tmp_path_factory.mktemp("thresholds")))
        yield


def find(*arguments: str, scenario: str = "six_cameras") -> Any:
    sets = [part for one in SMALL for part in ("--set", one)]
    return CliRunner().invoke(app, ["thresholds", str(SCENARIOS / f"{scenario}.yaml"), *sets, *arguments])


def told(*arguments: str, scenario: str = "six_cameras") -> dict[str, Any]:
    result = find(*arguments, "--format", "json", scenario=scenario)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_share_a_budget_and_a_floor_are_met_by_a_run_with_that_threshold(tmp_path: Path) -> None:
    share, budget, floor = told("--share", "0.5"), told("--bytes", "100"), told("--accuracy", "20%")
    assert share["there"]["exits"]["local"] >= 0.5
    assert budget["there"]["bytes"] <= 100
    assert floor["there"]["accuracy"] >= 0.2
    loaded = world.load(SCENARIOS / "six_cameras.yaml", [*SMALL, f"exits.local={share['thresholds']['local']!r}"])
    result = world.simulate(loaded.model_copy(update={"expect": {}}), mode="virtual", out=tmp_path)
    decisions = pd.read_parquet(result.folder / "decisions.parquet")
    assert (decisions["exit"] == "local").mean() == pytest.approx(share["there"]["exits"]["local"])
    assert (decisions["predicted"] == decisions["label"]).mean() == pytest.approx(share["there"]["accuracy"])
    assert result.summary["bytes"]["per_device_per_sample"]["payload"] == pytest.approx(share["there"]["bytes"])


def test_it_is_the_lowest_threshold_in_few_digits() -> None:
    found = told("--share", "0.5")["thresholds"]["local"]
    prepared = world.prepare(world.load(SCENARIOS / "six_cameras.yaml", SMALL))
    table = prepared.network.inference(prepared.dataset).table(prepared.dataset.test)
    assert table.local_entropy is not None
    below = table.local_entropy[table.local_entropy < found].max()
    assert table.decide({"local": float(below)}).share("local") < 0.5, "one sample less would leave"
    assert len(str(found)) < 10


def test_the_samples_that_were_chosen_on_are_named() -> None:
    text = find("--share", "0.5", "--on", "validation", *ASIDE).stdout
    assert "chosen on the validation samples" in text
    assert " of 18 right" in text, "three tenths of 60 training samples"
    assert "on the test samples" in text
    assert " of 24 right" in text
    found = told("--share", "0.5", "--on", "validation", *ASIDE)
    assert (found["chosen_on"], found["there"]["samples"], found["on_test"]["samples"]) == ("validation", 18, 24)
    assert "chosen on the test samples" in find("--share", "0.5").stdout


def test_every_exit_can_have_its_own_target() -> None:
    found = told("--share", "edge=0.25", "--share", "local=0.5", scenario="topology_e")
    assert list(found["thresholds"]) == ["local", "edge"]
    assert found["there"]["exits"]["local"] >= 0.5
    assert found["there"]["exits"]["edge"] >= 0.25
    alone = told("--share", "0.5", scenario="topology_d")
    assert alone["there"]["exits"]["device"] >= 0.5, "without a name it is for the first exit"
    assert alone["thresholds"]["edge"] == 0.8, "the others stay as the scenario has them"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give a target"),
        (("--share", "lokal=0.5"), "there are the exits device, local, edge"),
        (("--share", "edge=0.5"), "the scenario has no exit 'edge'; it has local"),
        (("--share", "1.5"), "out of range"),
        (("--bytes", "few"), "could not convert"),
        (("--bytes", "5"), "no threshold of exit 'local' meets the target on the test samples"),
        (("--share", "0.5", "--bytes", "local=60"), "two targets for the exit 'local'"),
        (("--share", "0.5", "--on", "validation"), "set model.training.validation"),
    ],
)
def test_what_cannot_be_found_is_told(arguments: tuple[str, ...], message: str) -> None:
    result = find(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_fleet_that_sends_images_has_no_threshold() -> None:
    result = find("--share", "0.5", scenario="topology_a")
    assert result.exit_code == 2
    assert "classifies in the cloud only" in result.stderr
