"""Lifecycle of nodes and tenants: states over time and at the broker, quotas that refuse, bills that add up."""

from __future__ import annotations

from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from brokers_kit import needs_mosquitto
from paho.mqtt.enums import CallbackAPIVersion
from policy_kit import Fleet, decisions, samples, small
from world_kit import digest, record, table

from analysis import governance_chapter, load
from brokers.api import Identity
from brokers.choose import open_carrier
from sim import world
from sim.errors import ScenarioError
from sim.scenario import Scenario
from sim.world.chargeback import bills
from sim.world.lifecycle import LIFECYCLE
from sim.world.play import Outcome

FAULTS = (
    "faults=[{kind: crash, target: cam.1, at: 3 s, for: 6 s}, {kind: slow-compute, target: gw, at: 5 s, for: 6 s},"
    " {kind: battery, target: cam.2, capacity_j: 1}]"
)
TENANTS = "tenants={city: {sites: [0]}, police: {sites: [1]}}"
TARIFFS = "tariffs={per_mb: 2, per_joule: 0.1, per_cloud_second: 5, per_device_month: 3}"


def _states(outcome: Outcome, node: str) -> list[tuple[float, str, str, str]]:
    rows = outcome.steering.events.rows
    return [
        (round(row.at_s, 6), row.was, row.becomes, row.reason)
        for row in rows
        if row.event == LIFECYCLE and row.node == node
    ]


def test_states_follow_the_faults_of_a_node(tmp_path: Path) -> None:
    outcome = small(tmp_path, "nodes.cam.profile=raspberry-pi-3b").play(FAULTS)
    assert _states(outcome, "cam.1") == [
        (3.0, "active", "degraded", "crash-1"),
        (3.0, "degraded", "failed", "crash-1"),
        (9.0, "failed", "degraded", "crash-1"),
        (9.0, "degraded", "active", ""),
    ]
    assert [row[2] for row in _states(outcome, "gw")] == ["degraded", "active"]
    assert "retired" in [row[2] for row in _states(outcome, "cam.2")], "its battery is empty"
    shares = outcome.steering.summary(outcome.virtual_s)["lifecycle"]
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["failed"] == pytest.approx(6.0 / (5 * outcome.virtual_s))
    assert all(share > 0 for share in shares.values())


def test_every_node_is_registered_first_and_retired_last(tmp_path: Path) -> None:
    run = world.simulate(small(tmp_path).scenario(FAULTS), mode="virtual", out=tmp_path)
    events = table(run.folder, "events")
    assert events.at_s.is_monotonic_increasing
    for _, rows in events[events.event == "lifecycle"].groupby("node"):
        assert list(rows.becomes)[:3] == ["provisioned", "deployed", "active"]
        assert rows.becomes.iloc[-1] == "retired" and list(rows.was)[1:] == list(rows.becomes)[:-1]
    assert set(events.node) == {"cam.0", "cam.1", "cam.2", "gw", "cloud"}


def test_states_are_retained_at_the_broker_and_cost_no_data(tmp_path: Path) -> None:
    wanted = small(tmp_path).scenario(
        "faults=[{kind: slow-compute, target: gw, at: 3 s, for: 4 s}, {kind: noise, target: cam.0}]"
    )
    runs = [world.simulate(wanted, mode=mode, out=tmp_path / mode) for mode in ("virtual", "lockstep")]
    assert [run.exit_code for run in runs] == [0, 0]
    assert digest(runs[0].folder, "events.parquet") == digest(runs[1].folder, "events.parquet")
    counted = [record(run.folder)["mqtt_bytes"] for run in runs]
    assert counted[0]["modelled"] == counted[1]["modelled"] == counted[1]["counted"]


def test_a_watcher_reads_the_states_on_the_status_topics(tmp_path: Path) -> None:
    seen: list[tuple[str, bytes]] = []
    with open_carrier("mosquitto") as carrier:
        names = [Identity(f"governance-{n}", f"fogfleet/r/site-0/cam.{n}/status", b"offline", ()) for n in range(2)]
        carrier.connect(names)
        carrier.announce(0, b"degraded")
        carrier.announce(1, b"active")
        server = carrier.server  # type: ignore[attr-defined]
        watcher = mqtt.Client(CallbackAPIVersion.VERSION2)
        watcher.on_message = lambda _client, _data, message: seen.append((message.topic, bytes(message.payload)))
        watcher.connect("127.0.0.1", server.port)
        watcher.subscribe("fogfleet/r/+/+/status", qos=1)
        for _ in range(400):
            watcher.loop(0.05)
            carrier.leftovers(0.01)
            if {payload for _, payload in seen} >= {b"degraded", b"active"}:
                break
        watcher.disconnect()
        assert carrier.counters.data_bytes_written == 0
    last = dict(seen)
    assert last == {names[0].will_topic: b"degraded", names[1].will_topic: b"active"}


def _two_sites(folder: Path, *overrides: str) -> Fleet:
    return small(folder, "sites=2", TARIFFS, *overrides)


def _bills(fleet: Fleet, outcome: Outcome, scenario: Scenario) -> dict[str, dict[str, float]]:
    assert outcome.tenancy is not None
    nodes = [(node, 1.0) for node in outcome.fleet.nodes]
    return bills(outcome.tenancy, scenario.tariffs, nodes, outcome.virtual_s)


def test_tenants_without_quotas_change_nothing_and_bills_add_up(tmp_path: Path) -> None:
    fleet = _two_sites(tmp_path)
    usual, shared = fleet.play(), fleet.play(TENANTS)
    assert decisions(usual) == decisions(shared) and usual.log.tally() == shared.log.tally()
    run = world.simulate(fleet.scenario(TENANTS), mode="virtual", out=tmp_path)
    found = run.summary["tenants"]
    assert list(found) == ["city", "police", "(operator)"]
    assert sum(one["cost"] for one in found.values()) == pytest.approx(run.summary["cost"])
    assert sum(one["energy_j"] for one in found.values()) == pytest.approx(run.summary["energy_j"])
    assert found["city"]["devices"] == found["police"]["devices"] == 4 and found["(operator)"]["devices"] == 0
    assert found["city"]["captured"] == 3 * 24 and found["city"]["cloud_s"] > 0
    assert found["(operator)"]["cloud_s"] == pytest.approx(0.0, abs=1e-12)
    assert list(table(run.folder, "tenants").tenant) == list(found)


def test_groups_of_one_site_share_the_cloud_by_their_cameras(tmp_path: Path) -> None:
    fleet = _two_sites(tmp_path, "sites=1")
    outcome = fleet.play("tenants={rich: {groups: [cam]}}")
    found = _bills(fleet, outcome, fleet.scenario("tenants={rich: {groups: [cam]}}"))
    assert found["rich"]["devices"] == 3 and found["(operator)"]["devices"] == 1, "the gateway is the operator's"
    cloud = next(node for node in outcome.fleet.nodes if node.role == "cloud")
    assert found["rich"]["cloud_s"] == pytest.approx(cloud.busy_s)


@pytest.mark.parametrize(
    ("quota", "reason"),
    [
        ("{bytes: 400, per: 4 s}", "quota"),
        ("{compute: 100 ns, per: 8 s}", "quota-compute"),
        ("{storage: 700}", "quota-storage"),
    ],
)
def test_what_goes_beyond_a_quota_is_refused_and_the_others_go_on(tmp_path: Path, quota: str, reason: str) -> None:
    fleet = _two_sites(tmp_path, "exits.local=0.4")
    limited = f"tenants={{city: {{sites: [0], quota: {quota}}}, police: {{sites: [1]}}}}"
    outcome, usual = fleet.play(limited), fleet.play()
    lost = {fate.partition(":")[2] for fate in outcome.log.fates() if fate.startswith("lost")}
    assert lost == {reason}
    theirs = [key for key in decisions(usual) if key[0] == 1]
    assert all(decisions(outcome)[key] == decisions(usual)[key] for key in theirs), "no business of the other tenant"
    assert outcome.tenancy is not None
    refused = outcome.tenancy.meters["city"].refused
    assert refused[reason] == outcome.log.tally(fate=f"lost:{reason}").messages > 0
    assert not outcome.tenancy.meters["police"].refused
    city = outcome.tenancy.meters["city"]
    if reason == "quota-storage":
        assert 0 < city.stored_bytes <= 700
    assert len(samples(outcome)) == 48


def test_a_bandwidth_quota_is_kept_in_every_window(tmp_path: Path) -> None:
    wanted = _two_sites(tmp_path).scenario("tenants={city: {sites: [0], quota: {bytes: 400, per: 4 s}}}")
    runs = [world.simulate(wanted, mode=mode, out=tmp_path / mode) for mode in ("virtual", "lockstep")]
    assert digest(runs[0].folder, "decisions.parquet") == digest(runs[1].folder, "decisions.parquet")
    counted = record(runs[1].folder)["mqtt_bytes"]
    assert counted["modelled"] == counted["counted"]
    rows = table(runs[0].folder, "messages")
    data = rows[(rows.site == "site-0") & rows.kind.isin(["scores", "features"]) & (rows.fate != "lost:quota")]
    spent = (data.payload_bytes + data.header_bytes).groupby(data.sent_s // 4).sum()
    assert 0 < spent.max() <= 400 and (rows.fate == "lost:quota").any()
    assert runs[0].summary["tenants"]["city"]["refused_bandwidth"] == (rows.fate == "lost:quota").sum()


@needs_mosquitto
def test_live_runs_keep_quotas_too(tmp_path: Path) -> None:
    quota = "{bytes: 400, per: 4 s, storage: 700}"
    wanted = _two_sites(tmp_path, "samples=12", "exits.local=0.4", "nodes.gw.wait=1 min").scenario(
        f"tenants={{city: {{sites: [0], quota: {quota}}}, police: {{sites: [1]}}}}"
    )
    run = world.simulate(wanted, mode="live", broker="mosquitto", speed=20.0, out=tmp_path)
    rows = table(run.folder, "messages")
    city = rows[(rows.site == "site-0") & rows.kind.isin(["scores", "features"])]
    sent = city[city.fate != "lost:quota"]
    spent = (sent.payload_bytes + sent.header_bytes).groupby(sent.sent_s // 4).sum()
    assert 0 < spent.max() <= 400
    refused = rows.fate.isin(["lost:quota", "lost:quota-storage"])
    assert refused.any() and set(rows[refused].site) == {"site-0"}
    assert run.summary["tenants"]["city"]["refused_bandwidth"] == (rows.fate == "lost:quota").sum() > 0
    assert run.summary["tenants"]["police"]["refused_bandwidth"] == 0


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ("{a: {sites: [2]}}", r"tenants.a.sites.0: no site 2; there are sites 0 to 1"),
        ("{a: {groups: [cma]}}", r"tenants.a.groups.0: no group of cameras or gateways 'cma'; did you mean 'cam'"),
        ("{a: {groups: [cloud]}}", r"'cloud'; the cloud is everybody's"),
        ("{a: {sites: [0, 1]}, b: {groups: [cam]}}", r"tenants.b: has nodes that 'a' has already"),
        ("{a: {quota: {bytes: -1}}}", r"tenants.a.quota.bytes"),
    ],
)
def test_tenants_that_cannot_be_are_told(tmp_path: Path, block: str, told: str) -> None:
    with pytest.raises(ScenarioError, match=told):
        _two_sites(tmp_path).scenario(f"tenants={block}")


def test_a_shared_fleet_sweeps(tmp_path: Path) -> None:
    fleet = _two_sites(tmp_path)
    wanted = fleet.scenario("tenants={city: {sites: [0], quota: {bytes: 400, per: 4 s}}}")
    prepared = world.prepare(wanted)
    figures = world.rehearse(prepared, prepared.network.inference(prepared.dataset), {})
    assert figures["tenants"]["city"]["refused_bandwidth"] > 0


def test_the_report_tells_who_answered_how_thresholds_moved_and_who_pays(tmp_path: Path) -> None:
    policy = "policies={failover: nearest, retune: {kind: byte-budget, bytes: 30, every: 5 s}}"
    crash = "faults=[{kind: crash, target: gw.0, at: 7 s, for: 9 s}]"
    wanted = small(tmp_path, "nodes.gw.count=2", TARIFFS).scenario(policy, crash, "tenants={city: {groups: [cam]}}")
    run = load.run(world.simulate(wanted, mode="virtual", out=tmp_path).folder)
    told = governance_chapter.section(run)
    assert told.finding.startswith("Gateways were taken over 1 times") and "thresholds were moved" in told.finding
    (plot,) = told.plots
    panels = plot.draw(True).figure.axes
    assert len(panels) == 3, "dropped samples, who answers, thresholds"
    actions, states = (table.frame for table in told.tables)
    assert set(actions.event) == {"failover", "camera-moved", "failback", "retune"}
    assert list(states[states.node == "gw.0"].becomes) == ["degraded", "failed", "degraded", "active"]
    bills = governance_chapter.tenants(run)
    assert list(bills.tables[0].frame.tenant) == ["city", "(operator)"]
    assert bills.finding.startswith("Tenants: 1. The fleet costs")
    usual = load.run(world.simulate(small(tmp_path).scenario(), mode="virtual", out=tmp_path).folder)
    assert not governance_chapter.section(usual).plots
    assert not any(len(table.frame) for table in governance_chapter.section(usual).tables)
