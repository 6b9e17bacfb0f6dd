"""Gateways that stand in for each other: who answers, when, at what cost, and the same over a real broker."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from policy_kit import EDGE, Fleet, decisions, samples, small
from world_kit import digest, record, table
from world_kit import small as shipped

from sim import world
from sim.errors import ScenarioError, UsageError
from sim.plugin import FailoverPolicy, Outage
from sim.policies import Standby, known
from sim.world.play import Outcome

TWO = "nodes.gw.count=2"
FAILOVER = "policies.failover={kind: least-loaded, after: 400 ms}"
CRASH = "faults=[{kind: crash, target: gw.0, at: 4800 ms, for: 8 s}]"  # samples 5 to 12; 13 is captured after it
MOVED_S, BACK_S = 5.2, 13.2
KNOWN = known(False).failover


class Wrong(FailoverPolicy):
    """Somebody who is not there."""

    example = "test_failover:Wrong"
    kind: Literal["wrong"]

    def choose(self, outage: Outage) -> int | None:
        return outage.gateway


class Last(FailoverPolicy):
    """The last gateway of the site."""

    example = "test_failover:Last"
    kind: Literal["last"]

    def choose(self, outage: Outage) -> int | None:
        return outage.standbys[-1].index


def _events(outcome: Outcome, event: str) -> list[tuple[float, str, str, str]]:
    rows = outcome.steering.events.rows
    return [(round(row.at_s, 6), row.node, row.was, row.becomes) for row in rows if row.event == event]


def test_the_share_of_dropped_samples_falls_to_0_within_the_failover_time(tmp_path: Path) -> None:
    fleet = small(tmp_path, TWO, "down=[cam.2]")  # the other gateway's only camera
    moved, usual = fleet.play(CRASH, FAILOVER), fleet.play(CRASH)
    assert [n for n, entry in enumerate(samples(usual)) if entry.exit is None] == list(range(5, 13))
    assert [n for n, entry in enumerate(samples(moved)) if entry.exit is None] == [5]
    assert _events(moved, "failover") == [(MOVED_S, "gw.0", "gw.0", "gw.1")]
    assert _events(moved, "failback") == [(BACK_S, "gw.0", "gw.1", "gw.0")]
    found = moved.steering.summary(24.0)["failovers"]
    assert (found["moved"], found["returned"], found["nobody"]) == (1, 1, 0)
    assert found["took_s"] == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("overrides", [(), EDGE, ("policies.select={kind: confident, k: 1}",)], ids=str)
def test_the_stand_in_says_what_the_gateway_would_have_said(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    fleet = small(tmp_path, TWO, "down=[cam.2]", *overrides)
    whole, moved = samples(fleet.play()), samples(fleet.play(CRASH, FAILOVER))
    for number, (one, other) in enumerate(zip(whole, moved, strict=True)):
        if number != 5:  # captured before anybody had noticed
            assert (one.exit, one.predicted, one.entropy) == (other.exit, other.predicted, other.entropy), number
    assert {entry.exit for entry in whole} > {"cloud"}


def test_a_policy_that_is_not_needed_changes_and_costs_nothing(tmp_path: Path) -> None:
    fleet = small(tmp_path, TWO)
    without, with_it = fleet.play(), fleet.play(FAILOVER)
    assert decisions(without) == decisions(with_it)
    assert without.log.tally() == with_it.log.tally()
    assert with_it.steering.events.rows == [] and without.steering.summary(24.0) == {}


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        (*EDGE, "mqtt.qos=0", "sites=2"),
        ("policies.split={kind: adaptive, deadline: 60 ms}", "links.cam->gw.jitter=3 ms", "links.cam->gw.loss=10 %"),
    ],
    ids=["plain", "edge, QoS 0, two sites", "adaptive, loss"],
)
def test_virtual_and_lockstep_decide_the_same_and_count_the_same_bytes(
    tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    wanted = small(tmp_path, TWO, *overrides).scenario(CRASH, FAILOVER)
    folders = []
    for mode in ("virtual", "lockstep"):
        run = world.simulate(wanted, mode=mode, out=tmp_path / mode)
        assert run.exit_code == 0, run.summary["divergences"]
        folders.append(run.folder)
    for name in ("decisions.parquet", "events.parquet", "messages.parquet"):
        assert digest(folders[0], name) == digest(folders[1], name), name
    assert set(table(folders[1], "events").event) == {"failover", "camera-moved", "failback", "lifecycle"}


def test_the_bytes_of_both_legs_are_those_of_the_model(tmp_path: Path) -> None:
    fleet = small(tmp_path, TWO, "mqtt.qos=1")
    run = world.simulate(fleet.scenario(CRASH, FAILOVER), mode="virtual", out=tmp_path)
    counted = record(run.folder)["mqtt_bytes"]
    assert counted["modelled"] == counted["counted"] > 0
    assert run.summary["bytes"]["by_kind"]["control"]["payload"] == 2 * (4 + 4), "two cameras, named to both, twice"


def test_a_role_moves_on_when_its_stand_in_fails_too(tmp_path: Path) -> None:
    fleet = small(tmp_path, "nodes.gw.count=3")
    second = "{kind: crash, target: gw.1, at: 6800 ms, for: 2 s}"
    outcome = fleet.play(CRASH.replace("8 s}", f"8 s}}, {second}"), FAILOVER)
    assert _events(outcome, "failover") == [
        (MOVED_S, "gw.0", "gw.0", "gw.1"),
        (7.2, "gw.0", "gw.1", "gw.2"),
        (7.2, "gw.1", "gw.1", "gw.2"),
    ]
    assert _events(outcome, "failback") == [(9.2, "gw.1", "gw.2", "gw.1"), (BACK_S, "gw.0", "gw.2", "gw.0")]


def test_nobody_left_and_then_somebody_is_back(tmp_path: Path) -> None:
    fleet = small(tmp_path, TWO)
    other = "{kind: pause, target: gw.1, at: 4 s, for: 4 s}"
    outcome = fleet.play(CRASH.replace("8 s}", f"8 s}}, {other}"), FAILOVER)
    assert _events(outcome, "no-standby") == [(MOVED_S, "gw.0", "gw.0", ""), (MOVED_S, "gw.1", "gw.0", "")]
    assert _events(outcome, "failover")[-1] == (8.4, "gw.0", "gw.0", "gw.1"), "as soon as one is back"
    assert {entry.exit for entry in samples(outcome)[9:]} <= {"local", "cloud"}


def test_a_gateway_that_is_down_all_the_time_is_stood_in_for(tmp_path: Path) -> None:
    fleet = small(tmp_path, TWO, "down=[gw.0]")
    assert all(entry.exit for entry in samples(fleet.play(FAILOVER))[1:])
    assert fleet.play(FAILOVER).steering.summary(24.0)["failovers"]["moved"] == 1


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("connection-reset", "gw.0"),
        ("stolen-identity", "gw.0"),
        ("partition", "gw.0->cloud"),
        ("cut", "gw.0->cloud"),
    ],
)
def test_a_gateway_that_is_cut_off_is_stood_in_for(tmp_path: Path, kind: str, target: str) -> None:
    cut = f"faults=[{{kind: {kind}, target: '{target}', at: 4800 ms, for: 8 s}}]"
    fleet = small(tmp_path, TWO, "down=[cam.2]", "exits.local=0", "mqtt.qos=0")
    moved, usual = fleet.play(cut, FAILOVER), fleet.play(cut)
    assert [n for n, entry in enumerate(samples(usual)) if entry.exit is None] == list(range(5, 13))
    assert [n for n, entry in enumerate(samples(moved)) if entry.exit is None] == [5]
    assert _events(moved, "failover") == [(MOVED_S, "gw.0", "gw.0", "gw.1")]
    assert _events(moved, "failback") == [(BACK_S, "gw.0", "gw.1", "gw.0")]


@pytest.mark.parametrize("kind", ["connection-reset", "stolen-identity", "cut"])
def test_who_is_cut_off_moves_alike_over_a_real_broker(tmp_path: Path, kind: str) -> None:
    target = "'gw.0->cloud'" if kind == "cut" else "gw.0"
    cut = f"faults=[{{kind: {kind}, target: {target}, at: 4800 ms, for: 8 s}}]"
    wanted = small(tmp_path, TWO, "exits.local=0.4").scenario(cut, FAILOVER)
    runs = [world.simulate(wanted, mode=mode, out=tmp_path / mode) for mode in ("virtual", "lockstep")]
    assert runs[1].exit_code == 0
    for name in ("decisions.parquet", "events.parquet", "messages.parquet"):
        assert digest(runs[0].folder, name) == digest(runs[1].folder, name), name
    assert runs[1].summary["failovers"]["moved"] == 1


def test_a_short_silence_moves_nobody(tmp_path: Path) -> None:
    outcome = small(tmp_path, TWO).play("faults=[{kind: pause, target: gw.0, at: 3 s, for: 300 ms}]", FAILOVER)
    assert {row.event for row in outcome.steering.events.rows} == {"lifecycle"}


def test_cameras_that_did_not_hear_are_called_again(tmp_path: Path) -> None:
    deaf = "{kind: drop, target: gw.1->cam, at: 5 s, for: 2 s}"
    outcome = small(tmp_path, TWO).play(CRASH.replace("8 s}", f"8 s}}, {deaf}"), FAILOVER)
    moves = [row for row in _events(outcome, "camera-moved") if row[3] == "gw.1"]
    assert len(moves) == 2 and all(7.0 <= at_s <= 7.5 for at_s, *_ in moves)
    assert outcome.log.tally(kind="control", fate="lost:drop").messages >= 2


@pytest.mark.parametrize("kind", ["nearest", "test_failover:Last"])
def test_other_policies_choose_by_their_own_lights(tmp_path: Path, kind: str) -> None:
    outcome = small(tmp_path, "nodes.gw.count=3").play(CRASH, f"policies.failover={{kind: '{kind}', after: 400 ms}}")
    assert _events(outcome, "failover")[0][3] == {"nearest": "gw.1", "test_failover:Last": "gw.2"}[kind]


def test_a_choice_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"policies.failover: test_failover:Wrong chose 0; possible: 1 \(gw.1\)"):
        small(tmp_path, TWO).play(CRASH, "policies.failover=test_failover:Wrong")


def test_the_built_in_policies_rank_by_load_and_by_way() -> None:
    busy, near, far = (
        Standby(0, "gw.0", 2, 0.5, 0.0, 0.001),
        Standby(2, "gw.2", 4, 0.101, 0.0, 0.004),
        Standby(3, "gw.3", 2, 0.099, 0.0, 0.005),
    )
    outage = Outage(1, "gw.1", (2, 3), (busy, near, far))
    idle, nearest = (KNOWN[name].model_validate({"kind": name}) for name in ("least-loaded", "nearest"))
    assert idle.choose(outage) == 3, "as idle as gw.2, and fewer cameras"
    assert nearest.choose(outage) == 0
    assert nearest.choose(Outage(1, "gw.1", (), ())) is None


def test_one_gateway_cannot_be_stood_in_for(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"policies.failover: a site needs two gateways"):
        small(tmp_path).scenario("policies.failover=nearest")


def test_groups_of_gateways_stand_in_where_a_link_leads_there(tmp_path: Path) -> None:
    groups = (
        "nodes={a: {role: camera, count: 2, uplink: north}, b: {role: camera, uplink: south}, "
        "north: {role: gateway, uplink: cloud}, south: {role: gateway, uplink: cloud}, cloud: {role: cloud}}"
    )
    hops = "{a->north: {bandwidth: 1 Mbit/s}, b->south: {bandwidth: 1 Mbit/s}, north->cloud: {bandwidth: 5 Mbit/s}"
    links = f"links={hops}, south->cloud: {{bandwidth: 5 Mbit/s}}, a->south: {{bandwidth: 100 kbit/s}}}}"
    path = small(tmp_path).path
    crash = "faults=[{kind: crash, target: north, at: 4800 ms, for: 8 s}]"
    outcome = Fleet(path, groups, links, FAILOVER).play(crash)
    assert _events(outcome, "failover") == [(MOVED_S, "north", "north", "south")]
    with pytest.raises(ScenarioError, match="joins no node to its uplink"):
        world.load(path, (groups, links))


def test_the_shipped_scenario_shows_it(tmp_path: Path) -> None:
    crash = ("faults.0.at=1 s", "faults.0.for=2 s")
    usual = world.simulate(shipped("failover", *crash, "policies.failover=none"), mode="virtual", out=tmp_path)
    moved = world.simulate(shipped("failover", *crash), mode="virtual", out=tmp_path)
    assert usual.summary["samples"]["dropped"] == 10 and "failovers" not in usual.summary
    assert moved.summary["samples"]["dropped"] == 3
