"""Thresholds that move at run time: a byte budget held, an accuracy floor kept as far as one can know."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from policy_kit import EDGE, small
from world_kit import digest, record, table

from sim import world
from sim.errors import ScenarioError, UsageError
from sim.plugin import Outlook, RetunePolicy, Window
from sim.policies import known
from sim.world.play import Outcome

KNOWN = known(False).retune
LINE = tuple(Outlook(t / 10, 1.0 - t / 20, 100.0 - 8 * t) for t in range(11))
"""From (T 0, right 100 %, 100 B) to (T 1, right 50 %, 20 B)."""


class Mad(RetunePolicy):
    """A threshold that there is not."""

    example = "test_retune:Mad"
    kind: Literal["mad"]

    def choose(self, window: Window) -> float:
        return 1.5


def _window(threshold: float, payload_bytes: float | None, cameras: tuple[int, ...] = (0, 1)) -> Window:
    return Window(0, threshold, 20, payload_bytes, cameras, LINE)


def _moves(outcome: Outcome) -> list[tuple[float, str, float, float]]:
    rows = outcome.steering.events.rows
    return [(row.at_s, row.node, float(row.was), float(row.becomes)) for row in rows if row.event == "retune"]


def _spent(outcome: Outcome, from_sample: int) -> float:
    """Payload bytes per camera and sample from a sample on, as Eq. 1 counts them."""
    later = [entry for _, sample, entry in outcome.book.entries() if sample >= from_sample]
    asked = sum(entry.exit != "local" for entry in later) / len(later)
    return 12 + asked * 64


@pytest.mark.parametrize(
    ("threshold", "measured", "chosen"),
    [
        (0.5, 60.0, 0.5),  # just right
        (0.5, 76.0, 0.6),  # half of 16 B too many: one step of 8 B
        (0.5, 44.0, 0.4),
        (0.5, None, 0.5),  # nothing judged
        (0.55, 60.0, 0.5),  # between two candidates
        (1.0, 500.0, 1.0),  # what cannot be had
    ],
)
def test_byte_budget_moves_towards_what_is_wanted(threshold: float, measured: float | None, chosen: float) -> None:
    policy = KNOWN["byte-budget"].model_validate({"kind": "byte-budget", "bytes": 60.0})
    assert policy.choose(_window(threshold, measured)) == chosen


@pytest.mark.parametrize(("floor", "chosen"), [(0.8, 0.4), (0.5, 1.0), (1.0, 0.0)])
def test_accuracy_floor_takes_the_highest_threshold_that_keeps_it(floor: float, chosen: float) -> None:
    policy = KNOWN["accuracy-floor"].model_validate({"kind": "accuracy-floor", "accuracy": floor})
    assert policy.choose(_window(0.3, 40.0)) == chosen
    assert policy.choose(_window(0.3, None, ())) == 0.3, "nobody there: nothing to go by"
    none_keeps = Window(0, 0.3, 20, 40.0, (0,), LINE[6:])
    assert policy.choose(none_keeps) == (0.6 if floor > 0.7 else 1.0)


@pytest.mark.parametrize("start", ["0", "1"])
def test_a_budget_is_held_from_wherever_the_threshold_began(tmp_path: Path, start: str) -> None:
    policy = "policies.retune={kind: byte-budget, bytes: 44, every: 4 s}"
    outcome = small(tmp_path, "samples=96").play(f"exits.local={start}", policy)
    usual = small(tmp_path, "samples=96").play(f"exits.local={start}")
    assert abs(_spent(outcome, 32) - 44) < 8 < abs(_spent(usual, 32) - 44)
    assert all(0 <= becomes <= 1 for *_, becomes in _moves(outcome)) and len(_moves(outcome)) >= 2


def test_each_gateway_has_a_threshold_of_its_own(tmp_path: Path) -> None:
    policy = "policies.retune={kind: byte-budget, bytes: 30, every: 5 s}"
    outcome = small(tmp_path, "nodes.gw.count=2", "sites=2").play(
        policy, "faults=[{kind: crash, target: site-1/cam.2}]"
    )
    by_gateway = {(row.site, row.node) for row in outcome.steering.events.rows if row.event == "retune"}
    assert ("site-1", "gw.1") not in by_gateway, "which has heard nothing"
    assert {("site-0", "gw.0"), ("site-0", "gw.1"), ("site-1", "gw.0")} <= by_gateway
    thresholds = {node.name: node.services.thresholds for node in outcome.fleet.nodes if node.role == "cloud"}
    assert thresholds == {"cloud": {"local": 0.8}}, "the cloud's copy is as the scenario says"


def test_the_floor_counts_with_the_cameras_that_are_there(tmp_path: Path) -> None:
    fleet = small(tmp_path)
    floor = "policies.retune={kind: accuracy-floor, accuracy: 90 %, every: 5 s}"
    crash = "faults=[{kind: crash, target: cam.0, at: 10500 ms}]"
    outlooks = fleet.play(floor, crash).steering.outlooks
    assert outlooks is not None and set(outlooks.known()) == {(0, (0, 1, 2)), (0, (1, 2))}
    all_three, two = outlooks.of(0, (0, 1, 2)), outlooks.of(0, (1, 2))
    assert [one.threshold for one in all_three] == sorted(one.threshold for one in all_three)
    assert all_three[0].payload_bytes == 12 + 64 and all_three[-1].payload_bytes <= 13
    assert max(one.accuracy for one in two) < max(one.accuracy for one in all_three)


@pytest.mark.parametrize("overrides", [(), EDGE], ids=["no edge", "edge"])
def test_virtual_and_lockstep_retune_alike(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    policy = "policies={retune: {kind: byte-budget, bytes: 30, every: 5 s}, failover: nearest}"
    wanted = small(tmp_path, "nodes.gw.count=2", *overrides).scenario(
        policy, "faults=[{kind: crash, target: gw.0, at: 7 s, for: 9 s}]"
    )
    runs = [world.simulate(wanted, mode=mode, out=tmp_path / mode) for mode in ("virtual", "lockstep")]
    for name in ("decisions.parquet", "events.parquet"):
        assert digest(runs[0].folder, name) == digest(runs[1].folder, name), name
    events = table(runs[1].folder, "events")
    assert {"retune", "failover"} < set(events.event) and events.at_s.is_monotonic_increasing
    found = record(runs[0].folder, "summary")["retunes"]
    assert found["count"] == (events.event == "retune").sum()
    assert 0 <= found["final"]["lowest"] <= found["final"]["mean"] <= found["final"]["highest"] <= 1


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    fleet = small(tmp_path)
    with pytest.raises(UsageError, match=r"policies.retune: test_retune:Mad chose 1.5; a threshold is in \[0, 1\]"):
        fleet.play("policies.retune={kind: 'test_retune:Mad', every: 2 s}")
    with pytest.raises(ScenarioError, match=r"policies.retune: there is no local exit"):
        fleet.scenario("exits={}", "policies.retune={kind: byte-budget, bytes: 30}")
