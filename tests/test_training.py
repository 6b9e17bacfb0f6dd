"""Everything that a scenario says about training reaches the network, through the command."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner
from world_kit import SCENARIOS, SMALL

from sim.cli.app import app

ASIDE = "validation=0.3"


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOGFLEET_CACHE", str(tmp_path_factory.mktemp("training")))
        yield


def train(*training: str, scenario: str = "six_cameras", more: tuple[str, ...] = ()) -> Any:
    sets = [*SMALL, *(f"model.training.{one}" for one in training)]
    arguments = ["train", str(SCENARIOS / f"{scenario}.yaml"), *(part for one in sets for part in ("--set", one))]
    return CliRunner().invoke(app, [*arguments, *more])


def told(*training: str, scenario: str = "six_cameras", more: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    result = train(*training, scenario=scenario, more=(*more, "--format", "json"))
    assert result.exit_code == 0, result.output
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    return rows


def test_every_setting_makes_other_weights() -> None:
    settings = (
        (),
        ("loss_weights.local=3",),
        ("loss_weights.device=0",),
        ("loss_weights.edge=0.5",),
        ("loss_weights.cloud=2",),
        ("failout=0.5",),
        ("failout=0",),
        ("recipe=published",),
        (ASIDE,),
        ("seed=3",),
    )
    found = {setting: told(*setting, scenario="topology_e")[0]["weights_sha256"] for setting in settings}
    assert len(set(found.values())) == len(settings), found


def test_several_seeds_end_in_mean_and_deviation() -> None:
    rows = told(more=("--seeds", "3"))
    assert [row["seed"] for row in rows] == [7, 8, 9]
    assert len({row["weights_sha256"] for row in rows}) == 3
    said = train(more=("--seeds", "3")).stdout.splitlines()
    assert said[0].startswith("seed 7: stored already, 3 epochs")
    assert said[-1].startswith("3 seeds, mean ± standard deviation: local ")
    local = [100 * row["accuracy"]["local"] for row in rows]
    assert f"local {sum(local) / 3:.1f} ±" in said[-1]


def test_training_stops_early_and_keeps_the_best_epoch() -> None:
    said = train("epochs=60", ASIDE, "patience=1", more=("--retrain",))
    assert "training ..." in said.stderr, "progress, in one line where there is no terminal"
    (row,) = told("epochs=60", ASIDE, "patience=1")
    assert (row["epochs_wanted"], row["validation_samples"]) == (60, 18)
    assert row["epochs"] == row["best_epoch"] + 1 < 60
    assert f"the weights of epoch {row['best_epoch']} by validation loss on 18 samples" in said.stdout


def test_calibrated_exits_have_temperatures() -> None:
    (plain,), (calm,) = told(ASIDE), told(ASIDE, "calibrate=true")
    assert set(plain["temperatures"].values()) == {1.0}
    assert set(calm["temperatures"]) == {"local", "cloud"}
    assert 1.0 not in calm["temperatures"].values()
    assert "temperatures local" in train(ASIDE, "calibrate=true").stdout
    assert plain["weights_sha256"] != calm["weights_sha256"]


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ("patience=3", "'patience' needs validation samples"),
        ("calibrate=true", "'calibrate' needs validation samples"),
        ("validation=0.6", "model.training.validation"),
        ("failout=1", "model.training.failout"),
        ("loss_weights.lokal=1", "did you mean"),
    ],
)
def test_training_that_cannot_be_is_refused_with_its_place(training: str, message: str) -> None:
    result = train(training)
    assert result.exit_code == 3
    assert message in result.stderr
