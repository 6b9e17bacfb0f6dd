"""From the sweep block to points: what varies, in which order, and what is refused before anything runs."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
import sweep_kit

from sim import world
from sim.errors import ScenarioError, UsageError
from sim.sweep import Options, Shard
from sim.sweep.expand import variations
from sim.sweep.points import drafts, in_si, keyed, unit_of
from sim.sweep.run import planned

GRID = "sweep: {grid: {exits.local: [0.2, 0.6], nodes.gw.wait: [100 ms, 1 s]}}"


def test_every_subset_by_size_then_the_grid(tmp_path: Path) -> None:
    found = variations(
        sweep_kit.scenario(tmp_path, "sweep: {combinations: {of: cam, down: 0..3}, grid: {samples: [1, 2]}}")
    )
    names = ["cam.0", "cam.1", "cam.2"]
    subsets = [subset for size in range(4) for subset in combinations(names, size)]
    assert found == [{"down": subset, "samples": count} for subset in subsets for count in (1, 2)]


def test_blocks_multiply_and_zip_goes_side_by_side(tmp_path: Path) -> None:
    sweep = "sweep: {zip: {samples: [1, 2], exits.local: [0.1, 0.2]}, grid: {sites: 1..2}, seeds: 3..4}"
    found = [tuple(values.values()) for values in variations(sweep_kit.scenario(tmp_path, sweep))]
    pairs = [(1, 0.1), (2, 0.2)]
    assert found == [(*pair, sites, seed) for pair in pairs for sites in (1, 2) for seed in (3, 4)]


def test_a_random_path_draws_the_same_whatever_else_is_drawn(tmp_path: Path) -> None:
    one = "sweep: {random: {n: 50, vary: {exits.local: {low: 0.1, high: 0.9}}}}"
    two = one.replace(
        "vary: {", "vary: {samples: 1..20, links.cam->gw.bandwidth: {low: 10 kbit/s, high: 9000 kbit/s, scale: log}, "
    )
    alone = variations(sweep_kit.scenario(tmp_path, one))
    beside = variations(sweep_kit.scenario(tmp_path, two))
    thresholds = [values["exits.local"] for values in alone]
    assert thresholds == [values["exits.local"] for values in beside]
    assert len(set(thresholds)) == 50 and all(0.1 <= value <= 0.9 for value in thresholds)
    rates = sorted(in_si(values["links.cam->gw.bandwidth"]) for values in beside)
    assert rates[0] >= 1e4 and rates[-1] <= 9e6
    assert 5e4 < rates[25] < 2e6, "the middle of a logarithmic range lies near its geometric mean"


def test_what_is_varied_twice_or_not_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"exits\.local twice"):
        variations(sweep_kit.scenario(tmp_path, "sweep: {grid: {exits.local: [0.1]}, zip: {exits.local: [0.2]}}"))
    with pytest.raises(UsageError, match="no sweep block"):
        variations(sweep_kit.scenario(tmp_path, ""))
    with pytest.raises(UsageError, match="0 points"):
        variations(sweep_kit.scenario(tmp_path, "sweep: {}"))


def test_unknown_paths_and_impossible_values_are_told_with_their_place(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        sweep_kit.scenario(
            tmp_path, "sweep:\n  grid:\n    exits.locl: [0.1]\n    exits.edge: [0.5]\n    nodes.gw.wait: [1 s, 2]"
        )
    told = str(caught.value)
    assert "small.yaml:19:5: sweep.grid.exits.locl" in told
    assert "did you mean 'local'" in told
    assert "small.yaml:21:26: sweep.grid.nodes.gw.wait.1: 2 has no unit" in told


def test_values_that_are_impossible_together_are_told_before_the_first_run(tmp_path: Path) -> None:
    sweep = "sweep: {grid: {exits.local: [null, 0.5], nodes.cam.send: [scores, raw]}}"
    with pytest.raises(ScenarioError, match=r"raw images .* \(with exits.local = 0.5 and nodes.cam.send = 'raw'\)"):
        planned(sweep_kit.scenario(tmp_path, sweep), Options())


def points_of(path: Path, *overrides: str) -> list[str]:
    wanted = world.load(path, overrides)
    found = drafts(wanted, lambda plain: world.build(plain, path))
    return [point.key for point in keyed(found, dict.fromkeys((draft.need for draft in found), "weights"))]


def test_a_key_stands_for_everything_that_matters_and_nothing_else(tmp_path: Path) -> None:
    path = sweep_kit.write(tmp_path, GRID)
    keys = points_of(path)
    assert len(set(keys)) == 4
    assert points_of(path) == keys
    assert set(points_of(path, "seed=8")).isdisjoint(keys)
    path.write_text("# a comment\n" + path.read_text().replace("0.6]", "0.7]"))
    assert [a == b for a, b in zip(points_of(path), keys, strict=True)] == [True, True, False, False]


def test_columns_are_numbers_in_si(tmp_path: Path) -> None:
    assert [in_si(value) for value in ("250 kbit/s", "5 ms", "0.1 %", 3, None, "scores", [1, 2])] == [
        250_000.0, 0.005, 0.001, 3, None, "scores", "[1, 2]",
    ]  # fmt: skip
    assert [unit_of(value) for value in ("250 kbit/s", "5 ms", 3, "scores")] == ["bit/s", "s", None, None]


def test_shards_are_equal_parts_that_together_are_all() -> None:
    items = list(range(37))
    parts = [Shard(number, 5).of(items) for number in range(1, 6)]
    assert [item for part in parts for item in part] == items
    assert {len(part) for part in parts} == {7, 8}
    assert Shard.parse("3/16") == Shard(3, 16)
    for text in ("0/3", "4/3", "3", "a/b", "1/0"):
        with pytest.raises(UsageError, match="3/16"):
            Shard.parse(text)


def test_nodes_that_are_down_add_to_those_of_the_scenario(tmp_path: Path) -> None:
    wanted = sweep_kit.scenario(tmp_path, "sweep: {combinations: {of: cam, down: [1]}}", "down=[cam.2]")
    found = drafts(wanted, lambda plain: world.build(plain, wanted.path))
    assert len({draft.digest for draft in found}) == 3
    assert found[0].values == {"down": ("cam.0",)}
