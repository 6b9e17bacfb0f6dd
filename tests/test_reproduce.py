"""The published experiments on a small fleet: the tables, what they are made of, and that they are repeatable."""

from __future__ import annotations

import csv
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import sweep_kit
from click.testing import CliRunner

from analysis import reproduce as page
from analysis.load import FolderError
from sim.cli import reproduce as command
from sim.cli.app import app
from sim.errors import UsageError
from sim.reproduce import EXPERIMENTS, Wanted, build_lab, published, reproduce
from sim.reproduce.lab import BASE
from sim.reproduce.tables import as_csv, told

SEEDS = 2
RECORDED = Path(__file__).parents[2] / "shared" / "data" / "epfl_six_cameras.npz"


def small(folder: Path) -> Path:
    """The small scenario of the sweeps' tests, without lost packets."""
    path = sweep_kit.write(folder, sweep="", epochs=2)
    path.write_text(path.read_text().replace("loss: 5 %", "loss: 0 %"))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything, run once by the command."""
    home = tmp_path_factory.mktemp("reproduce")
    found = run(home, "all", "--seeds", str(SEEDS))
    assert found.exit_code == 0, found.output
    return home


def run(home: Path, *arguments: str, out: str = "out") -> Any:
    return CliRunner().invoke(
        app, ["reproduce", *arguments, "--data", str(small(home)), "-o", str(home / out)], catch_exceptions=False
    )


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "out" / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def test_published_values_agree_with_equation_1() -> None:
    for row in published.THRESHOLDS.values():
        assert round(12 + (1 - row["local_exit"]) * 4 * 256 / 8) == row["bytes"]
    for filters, row in published.FILTERS.items():
        assert abs(12 + (1 - row["local_exit"]) * filters * 64 / 8 - row["bytes"]) < 1
    assert max(published.PAIRS, key=lambda pair: sum(published.PAIRS[pair].values())) == ("max", "concat")


def test_the_scenario_is_the_six_cameras() -> None:
    shipped = Path(__file__).parent.parent / "scenarios" / "six_cameras.yaml"
    assert BASE.read_text() == shipped.read_text()
    lab = build_lab(Wanted(test=300, recipe="published"), Path("nowhere"))
    assert lab.scenario.data.model_dump()["test"] == 300
    assert lab.scenario.model.training.recipe == "published"
    assert lab.scenario.links["cam->gw"].loss == 0
    assert not lab.scenario.expect


def test_every_experiment_leaves_its_table(folder: Path) -> None:
    about = json.loads((folder / "out" / "reproduce.json").read_text())
    assert list(about["experiments"]) == list(EXPERIMENTS) == list(command.NAMES)
    for name, entry in about["experiments"].items():
        assert entry["findings"], name
        for table in entry["tables"]:
            assert rows(folder, table), table
    assert about["made"]["missing"] == "masked out, not retrained"
    assert about["made"]["thresholds_chosen_on"] == "test"


def test_ours_and_theirs_stand_side_by_side(folder: Path) -> None:
    first = next(row for row in rows(folder, "table2") if row["threshold"] == "0.8")
    assert first["overall_published"] == "0.97"
    assert first["overall_published_is"] == "verified"
    assert first["bytes_published_is"] == "computed"
    assert 0 <= float(first["overall"]) <= 1
    assert float(first["overall_sd"]) >= 0
    assert {row["local_published_is"] for row in rows(folder, "table1")} == {"unverified"}
    assert [row["pair"] for row in rows(folder, "table1")][:2] == ["MP-MP", "MP-CC"]


def test_bytes_as_sent_are_those_of_equation_1(folder: Path) -> None:
    for row in rows(folder, "table2"):
        assert float(row["bytes"]) == pytest.approx(float(row["eq1"]))
        assert float(row["bytes"]) == pytest.approx(12 + (1 - float(row["local_exit"])) * 2 * 256 / 8, abs=1e-3)


def test_thresholds_of_fig9_reach_the_share(folder: Path) -> None:
    for row in rows(folder, "fig9"):
        assert float(row["local_exit"]) >= published.EXIT_SHARE
    assert [row["filters"] for row in rows(folder, "fig9")] == ["1", "2", "4", "8"]


def test_cameras_are_added_from_worst_to_best(folder: Path) -> None:
    alone = [float(row["individual"]) for row in rows(folder, "fig8")]
    assert alone == sorted(alone)
    full = rows(folder, "fig8")[-1]
    same = next(row for row in rows(folder, "table1") if row["pair"] == "MP-CC")
    assert (full["local"], full["cloud"], full["overall"]) == (same["local"], same["cloud"], same["overall"])


def test_failures_name_what_is_done_about_them(folder: Path) -> None:
    named = {(row["failed"], row["missing"]) for row in rows(folder, "fig10")}
    assert ("cam.1", "retrained without it") in named
    assert ("cam.1", "masked out, not retrained") in named
    assert len(named) == 7
    masked = {row["failed"]: row["overall"] for row in rows(folder, "fig10") if row["missing"].startswith("masked")}
    alone = {row["down"]: row["failout"] for row in rows(folder, "subsets") if row["down_count"] == "1"}
    assert masked == alone


def test_subsets_are_what_the_network_would_decide(folder: Path) -> None:
    lab = build_lab(Wanted(data=str(small(folder)), seeds=SEEDS), folder / "other")
    found = {row["down"]: float(row["no_failout"]) for row in rows(folder, "subsets")}
    sums = dict.fromkeys(found, 0.0)
    downs = [down for size in range(4) for down in combinations(range(3), size)]
    for seed in lab.seeds:
        prepared = lab.prepared(lab.case(seed, failout=0.0))
        inference = prepared.network.inference(prepared.dataset)
        table = inference.subset_table(prepared.dataset.test, [[c for c in range(3) if c not in d] for d in downs])
        for down, accuracy in zip(downs, table.decide({"local": 0.8}).accuracy, strict=True):
            sums["+".join(f"cam.{camera}" for camera in down)] += float(accuracy) / SEEDS
    sums["cam.0+cam.1+cam.2"] = 0.0  # nobody is there to ask: nothing is decided
    assert found == pytest.approx(sums, abs=1e-6)


def test_expected_accuracy_weights_every_subset(folder: Path) -> None:
    every = rows(folder, "subsets")
    for row in rows(folder, "subsets_expected"):
        p = float(row["failure_probability"])
        exact = sum(
            float(s["failout"]) * p ** int(s["down_count"]) * (1 - p) ** (3 - int(s["down_count"])) for s in every
        )
        assert float(row["failout"]) == pytest.approx(exact, abs=1e-5)
    whole = rows(folder, "subsets_by_number")[-1]
    assert float(whole["failout"]) == pytest.approx(sum(float(s["failout"]) for s in every) / 8, abs=1e-5)


def test_the_same_command_gives_the_same_tables(folder: Path) -> None:
    assert run(folder, "table2", "--seeds", str(SEEDS), out="again").exit_code == 0
    for name in ("table2.csv", "figures/table2.svg", "figures/table2.png"):
        assert (folder / "again" / name).read_bytes() == (folder / "out" / name).read_bytes()


def test_the_page_says_how_it_was_made(folder: Path) -> None:
    text = (folder / "out" / "report.html").read_text()
    for word in (
        "recipe",
        "masked out",
        "test samples",
        "retrained for each number",
        "published (verified)",
        "unverified",
    ):
        assert word in text, word
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert len(list((folder / "out" / "figures").glob("*.png"))) == len(EXPERIMENTS)
    with pytest.raises(FolderError, match=r"reproduce\.json"):
        page.build(folder)


def test_published_recipe_has_black_images_and_no_failout(folder: Path) -> None:
    lab = build_lab(Wanted(data=str(small(folder)), recipe="published", seeds=1), folder / "published")
    found = reproduce(["subsets"], lab, folder / "published")["subsets"]
    assert "as a black image" in found.findings[0]
    assert "failout" not in found.tables["subsets"][0]
    assert "no_failout" in found.tables["subsets"][0]


def test_thresholds_can_be_chosen_on_validation_samples(folder: Path) -> None:
    lab = build_lab(Wanted(data=str(small(folder)), chosen_on="validation", seeds=1), folder / "validation")
    assert "validation samples" in reproduce(["fig9"], lab, folder / "validation")["fig9"].findings[0]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(data="mnist"), "write multiview, mvmc:PATH"),
        (Wanted(data="mvmc:"), "write multiview, mvmc:PATH"),
        (Wanted(split=Path("order.txt")), "goes with --data mvmc"),
    ],
)
def test_what_cannot_be_is_told(wanted: Wanted, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        build_lab(wanted, Path("nowhere"))


def test_a_fleet_without_local_exit_is_refused(tmp_path: Path) -> None:
    path = small(tmp_path)
    path.write_text(path.read_text().replace("exits: {local: 0.8}", "exits: {}"))
    with pytest.raises(UsageError, match=r"exits\.local"):
        build_lab(Wanted(data=str(path)), tmp_path)


def test_tables_leave_empty_what_is_not_known() -> None:
    row = told({"local": [0.5]}, ["local"], {}, "verified")
    assert as_csv([{"pair": "a", **row}]) == "pair,local,local_sd,local_published,local_published_is\na,0.5,,,\n"


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded images are not part of the project")
def test_recorded_images_by_file_and_by_scenario(tmp_path: Path) -> None:
    by_file = build_lab(Wanted(data=f"mvmc:{RECORDED}", seeds=1), tmp_path)
    assert by_file.scenario.data.model_dump()["path"] == str(RECORDED)
    path = tmp_path / "epfl.yaml"
    shipped = (BASE.parents[2] / "scenarios" / "epfl_six_cameras.yaml").read_text()
    shipped = shipped.replace("path: epfl_six_cameras.npz", f"path: {RECORDED}")
    path.write_text(shipped.replace("model:\n", "model:\n  training: {epochs: 1}\n"))
    lab = build_lab(Wanted(data=str(path), seeds=1), tmp_path)
    rows = reproduce(["table2"], lab, tmp_path)["table2"].tables["table2"]
    assert [row["local_exit"] for row in rows][-1] == 1
    assert all(row["bytes"] == pytest.approx(row["eq1"]) for row in rows)
    about = json.loads((tmp_path / "reproduce.json").read_text())["made"]["data"]
    assert (about["train"], about["test"]) == (1110, 146)
