"""Policies and tenants of fleets of separate processes, on real processes and a real broker."""

from __future__ import annotations

import math
import os
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from brokers_kit import needs_mosquitto
from fault_kit import TEXT, _network
from security_kit import hardened_broker
from separate_kit import LONG, PATIENT, Running, decided_since, pids
from world_kit import ROOT, table

from brokers import mosquitto
from brokers.client import Pool
from sim import wire, world
from sim.clock import Clock
from sim.ledger.events import EventLog
from sim.ledger.rows import ARRIVED, COUNTER, COUNTERS, LOST, MOVED, REASONS, SENT, THRESHOLD, USED, Row, encode_rows
from sim.link import MeteredLink
from sim.nodes.gateway import Gateway
from sim.world.accounts import accounts
from sim.world.plan import Plan
from sim.world.prepare import Prepared
from sim.world.separate import names, orders
from sim.world.separate.conductor import Conductor
from sim.world.separate.gather import Gathering
from sim.world.separate.helm import Helm
from sim.world.separate.orders import Others, Play
from sim.world.separate.station import Station
from sim.world.separate.up import up
from sim.world.watching import WatchedBook
from sim.world.wiring import open_samples

TWO = ("nodes.gw.count=2", "down=[cam.2]", "policies.failover={kind: least-loaded, after: 500 ms}")
RETUNE = "policies.retune={kind: byte-budget, bytes: 40, every: 2 s}"


@pytest.fixture
def scenario(tmp_path: Path) -> Callable[..., Any]:
    """The small fleet of the fault tests, in a file."""
    path = tmp_path / "three.yaml"
    path.write_text(TEXT)
    return lambda *overrides: world.load(path, [*PATIENT, *overrides])


def prepared_for(wanted: Any) -> Prepared:
    """The small fleet, trained once for all."""
    prepared, _ = _network("")
    return Prepared(Plan(wanted), prepared.dataset, prepared.network)


def station(prepared: Prepared, name: str) -> Station:
    """A node that is at no broker."""
    return Station(prepared, name, "mqtt://127.0.0.1:1", "testtest")


class Conducted:
    """A helm and the orders that it gave."""

    def __init__(self, prepared: Prepared) -> None:
        self.told: list[tuple[str, Any]] = []
        self.events = EventLog()
        self.fleet = station(prepared, "cloud").fleet
        self.clock = Clock()
        self.helm = Helm(prepared, self.fleet, self.clock, self.events, lambda *order: self.told.append(order))


class Recorder:
    """A carrier that keeps what is published."""

    def __init__(self, sent: list[tuple[str, wire.Frame]]) -> None:
        self._sent = sent

    def publish(self, sender: int, topic: str, payload: bytes, qos: int) -> None:
        self._sent.append((topic, wire.decode(payload)))

    def take(self, receiver: int, topic: str, expected: bytes, patience_s: float) -> bytes | None:
        return None

    def discard(self, receiver: int, topic: str, payload: bytes) -> None:
        return None


def run_out(one: Station) -> None:
    """Lets happen what lies before a node, in no time on the wall."""
    Clock.finish(one.fabric.clock)


# -- what is said to one node


def test_an_order_to_play_a_role_is_these_bytes() -> None:
    order = Play(1, 0.25, (0, 3, 5))
    payload = orders.encode(order)
    assert payload.hex(" ", -4) == "03000100 00000000 00000000 0000d03f 00000300 0500"
    frame = wire.encode(wire.CONTROL, wire.ORDER, 0, 42, 2, payload)
    assert frame[:24].hex(" ", -4) == "01070600 00000000 2a000000 02000000 16000000 a904779e"
    assert orders.decode(wire.decode(frame).payload) == order
    assert orders.decode(orders.encode(Play(0, None, ()))) == Play(0, None, ())


def test_what_others_have_used_is_these_bytes() -> None:
    order = Others(1, 7, 180.0, 0.5, 128.0)
    payload = orders.encode(order)
    assert payload.hex(" ", -4) == "04000100 07000000 00000000 00806640 00000000 0000e03f 00000000 00006040"
    assert orders.decode(payload) == order


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        orders.encode(Play(0, None, (1,)))[:-1],
        struct.pack("<HHId", 9, 0, 0, 0.5),
        struct.pack("<HHId", 3, 0, 0, 1.5),
        struct.pack("<HHId", 3, 0, 0, math.inf),
        struct.pack("<HHId", 4, 0, 0, 0.5),
        orders.encode(Others(0, 0, math.nan, 0.0, 0.0)),
        orders.encode(Others(0, 0, 0.0, -1.0, 0.0)),
    ],
)
def test_orders_that_cannot_be_are_none(payload: bytes) -> None:
    with pytest.raises(wire.Malformed, match=r"order|command|others"):
        orders.decode(payload)


# -- what a camera sends


def test_a_camera_that_measures_its_uplink_sees_what_stands_at_the_receiver(scenario: Callable[..., Any]) -> None:
    slow = "links.cam->gw={bandwidth: 90 kbit/s, latency: 5 ms, jitter: 3 ms, loss: 40 %}"
    prepared = prepared_for(scenario("policies.split={kind: adaptive, deadline: 300 ms}", slow))
    camera, gateway = station(prepared, "site-0/cam.1"), station(prepared, "site-0/gw")
    sent = list[tuple[str, wire.Frame]]()
    camera.fabric.carrier, gateway.fabric.carrier = Recorder(sent), Recorder([])
    node = names.own(camera.fleet, "site-0/cam.1")
    port = node.port(wire.FEATURES)

    def publish(sample: int) -> None:
        camera.fabric.publish(port, sample, bytes(128), dtype=wire.BITS, origin=1)

    for sample in range(4):
        camera.fabric.clock.at(node.services.book.entry(0, sample).captured_s, publish, sample)
    run_out(camera)
    for topic, frame in sent:
        gateway.fabric.come(topic, wire.encode(*frame[:2], frame.node, frame.sample, frame.sequence, frame.payload))
    run_out(gateway)
    measured, there = (
        list(link.ended(math.inf))
        for link in (one.fleet.links["site-0/cam.1->gw"] for one in (camera, gateway))
        if isinstance(link, MeteredLink)
    )
    assert measured == there and len(measured) == 4
    alone_s = 8 * measured[0].size_bytes / 90_000
    assert max(own.took_s for own in measured) > 1.5 * alone_s, "repetitions are in it"


# -- thresholds


@needs_mosquitto
def test_thresholds_move_in_the_process_of_the_gateway(scenario: Callable[..., Any], tmp_path: Path) -> None:
    wanted = scenario(RETUNE, "exits.local=0", "samples=8")
    result = up(wanted, broker="mosquitto", out=tmp_path, speed=2.0)
    assert result.exit_code == 0
    events = table(result.folder, "events").query("event == 'retune'")
    assert set(events["node"]) == {"gw"} and (events["at_s"] % 2 == 0).all(), "at the end of a window"
    assert list(events["was"]) == ["0", *events["becomes"].iloc[:-1]]
    assert events["reason"].str.fullmatch(r"[\d.]+ B, [123] of 3 cameras|nothing judged, 0 of 3 cameras").all()
    retunes = result.summary["retunes"]
    assert retunes["count"] == len(events) >= 1
    assert f"{retunes['final']['highest']:.6g}" == events["becomes"].iloc[-1]
    decisions = table(result.folder, "decisions")
    assert decisions["exit"].notna().all() and "local" in set(decisions["exit"]), "with T = 0 nothing left there"
    moved_s, thresholds = events["at_s"].to_numpy(), [0.0, *events["becomes"].astype(float)]
    local = decisions[decisions["exit"] == "local"]
    in_force = pd.Series([thresholds[(moved_s <= at_s).sum()] for at_s in local["decided_s"]], local.index)
    assert (local["entropy"] < in_force + 1e-6).all(), "the events say which threshold was in force"


def test_a_gateway_tells_of_its_thresholds_and_a_new_process_is_told(scenario: Callable[..., Any]) -> None:
    prepared = prepared_for(scenario(RETUNE))
    gateway, conducted = station(prepared, "site-0/gw"), Conducted(prepared)
    conducted.helm.anew("site-0/gw")
    assert conducted.told == [("site-0/gw", Play(0, 0.6, ()))], "the scenario's"
    row = Row(THRESHOLD, 0, extra=3, place=0, sequence=2, size=240, time_s=4.0, more=0.8)
    conducted.helm.take("site-0/gw", row)
    (event,) = conducted.events.rows
    assert (event.at_s, event.node, event.was, event.becomes) == (4.0, "gw", "0.6", "0.8")
    assert event.reason == "40 B, 3 of 3 cameras"
    conducted.helm.anew("site-0/gw")
    name, order = conducted.told[-1]
    assert (name, order) == ("site-0/gw", Play(0, 0.8, ()))
    gateway.duties.obey(order)
    node = next(node for node in gateway.fleet.nodes if isinstance(node, Gateway))
    assert node.services.thresholds["local"] == 0.8


# -- roles


def uplinks(seen: world.Snapshot) -> dict[str, str | None]:
    """Where each node publishes."""
    return {node.node: node.uplink for node in seen.nodes}


def moves(folder: Path, event: str = "camera-moved") -> list[tuple[str, str, str]]:
    """Who moved from where to where."""
    rows = table(folder, "events").query(f"event == '{event}'")
    return list(zip(rows["node"], rows["was"], rows["becomes"], strict=True))


def over_and_back(fleet: Running, followers: tuple[str, ...]) -> tuple[world.Snapshot, world.RunResult]:
    """Kills gw.0, waits until its cameras have gone and some samples are decided, and until all is as it was."""
    fleet.until(lambda seen: seen.decided >= 1)
    blow = fleet.telemetry.inject({"kind": "crash", "target": "gw.0"}, timeout_s=60)
    away = fleet.until(lambda seen: all(uplinks(seen)[one] == "site-0/gw.1" for one in followers))
    healed = fleet.until(lambda seen: decided_since(seen, away) >= 3)
    fleet.telemetry.lift(blow, timeout_s=60)
    back = fleet.until(lambda seen: all(uplinks(seen)[one] == "site-0/gw.0" for one in followers))
    fleet.until(lambda seen: decided_since(seen, back) >= 3)
    return healed, fleet.end()


@needs_mosquitto
def test_another_gateway_plays_the_role_of_one_that_was_killed(
    scenario: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = scenario("data.test=60", "samples=60", "nodes.cloud.wait=2 s", *TWO)
    with hardened_broker(tmp_path / "secure", accounts(wanted)) as secure:  # who may say and hear what is enough
        monkeypatch.setenv("FOGFLEET_CREDENTIALS", str(secure.folder))
        fleet = Running(wanted, tmp_path, broker=secure.url, speed=2.0)
        healed, result = over_and_back(fleet, ("cam.0", "cam.1"))
    assert moves(result.folder, "failover") == [("gw.0", "gw.0", "gw.1")]
    assert moves(result.folder, "failback") == [("gw.0", "gw.1", "gw.0")]
    there, and_back = sorted(moves(result.folder)[:2]), sorted(moves(result.folder)[2:])
    assert there == [("cam.0", "gw.0", "gw.1"), ("cam.1", "gw.0", "gw.1")]
    assert and_back == [("cam.0", "gw.1", "gw.0"), ("cam.1", "gw.1", "gw.0")]
    found = result.summary["failovers"]
    assert (found["moved"], found["returned"], found["nobody"]) == (1, 1, 0) and found["took_s"] > 0.5
    decisions, events = table(result.folder, "decisions"), table(result.folder, "events")
    moved_s = events.query("event == 'camera-moved'")["at_s"].to_numpy()
    (struck,) = table(result.folder, "faults").to_dict("records")
    gone_s, returned_s = max(moved_s[:2]), min(moved_s[2:])  # in the order in which the conductor was told
    late = decisions[(decisions["captured_s"] > gone_s) & (decisions["captured_s"] < min(struck["end_s"], returned_s))]
    assert len(late) >= 3 and late["exit"].notna().all(), "nothing is dropped once the cameras have come"
    messages = table(result.folder, "messages")
    scores = messages[(messages["kind"] == "scores") & messages["sample"].isin(late["sample"])]
    assert (scores["dst"] == "gw.1").all() and (scores["fate"] == "delivered").all()
    calls = messages[messages["kind"] == "control"]
    assert set(calls["src"]) == {"gw.0", "gw.1"} and set(calls["dst"]) == {"cam.0", "cam.1"}
    judged = round(decisions["exit"].eq("local").sum() / result.summary["eq1"]["local_share"])
    assert judged >= healed.decided, "who judged in whose place does not matter"


@needs_mosquitto
@pytest.mark.skipif(shutil.which("mosquitto_sub") is None, reason="no Mosquitto clients here")
def test_a_stranger_that_is_not_moved_goes_on_for_its_own_gateway(scenario: Callable[..., Any], tmp_path: Path) -> None:
    wanted = scenario(*LONG, *TWO, "exits.local=1")
    with mosquitto.Server() as server:
        arguments = ["127.0.0.1", str(server.port), "foreign2", "cam.1", "1", "gw.0", "1"]
        stranger = subprocess.Popen([sys.executable, str(ROOT / "tests" / "foreign_camera.py"), *arguments])
        try:
            fleet = Running(wanted, tmp_path, broker=server.url, speed=2.0, elsewhere=["cam.1"], run="foreign2")
            _, result = over_and_back(fleet, ("cam.0",))
            assert stranger.wait(60) == 0
        finally:
            stranger.kill()
    assert moves(result.folder) == [("cam.0", "gw.0", "gw.1"), ("cam.0", "gw.1", "gw.0")]
    messages = table(result.folder, "messages")
    theirs = messages[(messages["src"] == "cam.1") & (messages["fate"] == "delivered")]
    (struck,) = table(result.folder, "faults").to_dict("records")
    dead_s = struck["start_s"] + 1, struck["end_s"]  # the conductor's clock may be behind that of whom it kills
    assert dead_s[0] < dead_s[1] - 1 and set(theirs["dst"]) == {"gw.0"}
    assert not theirs["arrived_s"].between(*dead_s).any()
    assert (theirs["arrived_s"] > struck["end_s"]).any(), "and is heard again when that is back"


def test_a_gateway_calls_the_cameras_that_it_is_told_to(scenario: Callable[..., Any]) -> None:
    prepared = prepared_for(scenario(*TWO))
    gateway, sent = station(prepared, "site-0/gw.1"), list[tuple[str, wire.Frame]]()
    gateway.fabric.carrier = Recorder(sent)
    gateway.duties.obey(Play(0, None, (1, 9)))
    ((topic, frame),) = sent
    assert topic == "fogfleet/testtest/site-0/gw.1/control"
    assert (frame.kind, frame.dtype, frame.node, frame.payload) == (wire.CONTROL, wire.UINT16, 1, b"\1\0")
    gateway.duties.obey(Play(7, 0.1, (1,)))
    assert len(sent) == 1, "nobody's role"
    camera = station(prepared, "site-0/cam.1")
    camera.fabric.come(topic, wire.encode(*frame[:2], frame.node, 0, frame.sequence, frame.payload))
    run_out(camera)
    moved = [row for row in camera.diary.take() if row.what == MOVED]
    assert [row.place for row in moved] == [1]
    other = station(prepared, "site-0/cam.0")
    other.fabric.come(topic, wire.encode(*frame[:2], frame.node, 0, frame.sequence, frame.payload))
    run_out(other)
    assert not other.diary.take(), "it was not named"


def test_who_has_lost_its_memory_is_called_again(scenario: Callable[..., Any]) -> None:
    conducted = Conducted(prepared_for(scenario(*TWO, RETUNE)))
    helm, told, nodes = conducted.helm, conducted.told, {node.name: node for node in conducted.fleet.nodes}
    assert helm.failover is not None
    helm.failover.start()
    helm.take("site-0/gw.0", Row(THRESHOLD, place=0, time_s=0.5, more=0.3))
    nodes["gw.0"].up = False
    helm.failover.notice(nodes["gw.0"])
    conducted.clock.run(until=0.6)
    assert told == [("site-0/gw.1", Play(0, 0.3, (0, 1)))], "with the threshold that the role had last"
    for name, at_s in (("cam.0", 0.7), ("cam.1", 0.8)):
        helm.take(f"site-0/{name}", Row(MOVED, place=1, time_s=at_s))
    assert helm.failover.summary()["took_s"] == 0.8
    told.clear()
    helm.anew("site-0/cam.1")
    assert told == [("site-0/gw.1", Play(0, None, (1,)))], "a new process begins at its own gateway"
    helm.take("site-0/cam.1", Row(MOVED, place=1, time_s=0.9))
    told.clear()
    helm.anew("site-0/gw.1")
    assert told == [("site-0/gw.1", Play(0, 0.3, ())), ("site-0/gw.1", Play(1, 0.6, ()))], "it has two roles"
    told.clear()
    helm.take("site-0/cam.0", Row(MOVED, place=0, time_s=1.0))
    assert told == [("site-0/gw.1", Play(0, None, (0,)))], "whoever followed a call that came too late is called back"
    helm.take("site-0/cam.0", Row(MOVED, place=5, time_s=1.0))
    helm.take("site-0/gw.0", Row(MOVED, place=1, time_s=1.0))
    assert len(told) == 1, "nobody can have said that"
    helm.take("site-0/gw.0", Row(THRESHOLD, place=0, time_s=1.5, more=0.9))
    helm.take("site-0/gw.1", Row(THRESHOLD, place=0, time_s=2.0, more=0.5))
    found = [event.becomes for event in conducted.events.rows if event.event == "retune"]
    assert found == ["0.3", "0.5"], "only who has the role moves its threshold"


@pytest.mark.parametrize(
    "row",
    [
        Row(THRESHOLD, place=7, time_s=1.0, more=0.5),
        Row(THRESHOLD, time_s=1.0, more=1.5),
        Row(THRESHOLD, time_s=1.0, more=math.nan),
        Row(THRESHOLD, time_s=math.inf, more=0.5),
    ],
)
def test_what_no_gateway_can_have_told_is_nobody_s(scenario: Callable[..., Any], row: Row) -> None:
    conducted = Conducted(prepared_for(scenario(RETUNE)))
    conducted.helm.take("site-0/gw", row)
    conducted.helm.take("site-0/cam.1", Row(THRESHOLD, time_s=1.0, more=0.5))
    assert not conducted.events.rows


# -- silence


@needs_mosquitto
def test_a_process_that_was_only_silent_goes_on_with_its_count(scenario: Callable[..., Any], tmp_path: Path) -> None:
    tenants = "tenants={city: {quota: {bytes: 100000, per: 60 s}}}"
    wanted = scenario(*LONG, RETUNE, tenants)
    fleet, silent = Running(wanted, tmp_path, broker="mosquitto", keepalive_s=1), {"site-0/gw", "site-0/cam.1"}
    fleet.until(lambda seen: seen.decided >= 2)
    stopped = [pid for name, pid in pids(tmp_path).items() if name in silent]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        fleet.until(lambda seen: all(node.state == "failed" for node in seen.nodes if node.name in silent))
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    back = fleet.until(lambda seen: all(node.state == "active" for node in seen.nodes))
    fleet.until(lambda seen: seen.decided >= back.decided + 2)
    result = fleet.end()  # which checks that everything sent was delivered or lost
    rows, nodes = table(result.folder, "messages"), table(result.folder, "nodes").set_index("node")
    assert nodes.loc["cam.1", "sent"] == (rows["src"] == "cam.1").sum() > 2
    assert result.summary["tenants"]["city"]["bytes_up"] == nodes["bytes_up"].drop("cloud").sum()
    assert set(table(result.folder, "faults")["target"]) == silent


def test_a_new_process_and_one_that_was_silent_are_told_apart(scenario: Callable[..., Any]) -> None:
    prepared = prepared_for(scenario("tenants={city: {quota: {bytes: 400, per: 4 s}}}"))
    fleet, log = station(prepared, "cloud").fleet, list[str]()
    fabric, book = fleet.nodes[0].services.fabric, WatchedBook(1, prepared.samples)
    gathering = Gathering(fleet, fabric, prepared.period_s)
    open_samples(prepared, book)
    pool = Pool("mqtt://127.0.0.1:1")
    conductor = Conductor(prepared, pool, fleet, gathering, [], "testtest", 1.0, book, lambda *_, **__: None, dict)
    conductor.helm = Helm(prepared, fleet, conductor.clock, EventLog(), lambda name, order: log.append(name))
    rows = [Row(SENT, 2, 0, 0, 0, 1, 12, 0.0), Row(COUNTER, COUNTERS.index("sent"), time_s=1.0)]
    frames = [wire.encode(wire.LEDGER, wire.ROWS, 0, life, 1, encode_rows(rows)) for life in (7, 7, 8)]
    sent = []
    for frame in frames:
        conductor.take("site-0/cam.0", frame)
        sent.append((fleet.nodes[0].sent, fleet.lanes[0].messages))
    assert sent[0] == sent[1] == (1, 1), "told again, counted once"
    assert sent[2] == (2, 2), "another process counts from nought"


# -- tenants


SHARED = (
    "tariffs={per_mb: 2, per_joule: 0.1, per_cloud_second: 5, per_device_month: 3}",
    "tenants={city: {sites: [0], quota: {bytes: 400, per: 4 s, storage: 700}},"
    " police: {sites: [1], quota: {compute: 100 ns, per: 8 s}}}",
)


@needs_mosquitto
def test_separate_processes_keep_quotas_and_pay(scenario: Callable[..., Any], tmp_path: Path) -> None:
    wanted = scenario("sites=2", "samples=12", "exits.local=0.3", "nodes.gw.wait=1 s", "nodes.cloud.wait=2 s", *SHARED)
    result = up(wanted, broker="mosquitto", out=tmp_path, speed=2.0)
    rows, nodes = table(result.folder, "messages"), table(result.folder, "nodes")
    data = rows[rows["kind"].isin(["scores", "features"])]
    sent = data[(data["site"] == "site-0") & (data["fate"] != "lost:quota")]
    spent = (sent["payload_bytes"] + sent["header_bytes"]).groupby([sent["src"], sent["sent_s"] // 4], observed=True)
    assert 0 < spent.sum().max() <= 400, "no node alone sends more than the whole quota"
    refused = {reason: set(rows[rows["fate"] == f"lost:{reason}"]["site"]) for reason in ("quota", "quota-compute")}
    assert refused == {"quota": {"site-0"}, "quota-compute": {"site-1"}}
    assert (rows[rows["fate"] == "lost:quota"][["payload_bytes", "mqtt_bytes"]] == 0).all(axis=None)
    stored = data[(data["dst"] == "cloud") & (data["fate"] == "delivered") & (data["site"] == "site-0")]
    bills = result.summary["tenants"]
    assert bills["city"]["stored_bytes"] == stored["payload_bytes"].sum() <= 700
    assert bills["city"]["refused_bandwidth"] == (rows["fate"] == "lost:quota").sum()
    assert bills["police"]["refused_compute"] == (rows["fate"] == "lost:quota-compute").sum()
    assert bills["city"]["bytes_up"] == nodes[nodes["site"] == "site-0"]["bytes_up"].sum() > 0
    assert sum(bill["cost"] for bill in bills.values()) == pytest.approx(nodes["cost"].sum())
    assert list(table(result.folder, "tenants")["tenant"]) == ["city", "police", "(operator)"]


def test_a_node_holds_a_quota_against_what_others_have_used(scenario: Callable[..., Any]) -> None:
    prepared = prepared_for(scenario("tenants={city: {quota: {bytes: 400, per: 4 s, storage: 300}}}"))
    camera, sent = station(prepared, "site-0/cam.1"), list[tuple[str, wire.Frame]]()
    camera.fabric.carrier = Recorder(sent)
    node = names.own(camera.fleet, "site-0/cam.1")

    def publish() -> list[Row]:
        camera.fabric.publish(node.port(wire.SCORES), 0, bytes(12), dtype=wire.FLOAT32, origin=1)
        camera.duties.tell()
        return camera.diary.take()

    told = publish()
    assert [row.what for row in told] == [SENT, USED] and told[1].more == 36
    camera.duties.obey(Others(0, 0, 330.0, 0.0, 0.0))
    (row,) = publish()
    assert (row.what, REASONS[row.code], row.size, row.sequence) == (LOST, "quota", 0, 0) and len(sent) == 1
    camera.duties.obey(Others(0, 0, 300.0, 0.0, 0.0))
    camera.duties.obey(Others(9, 0, 999.0, 0.0, 0.0))
    assert [row.what for row in publish()] == [SENT, USED], "there is room again: what others had used was less"
    camera.duties.obey(Others(0, 1, 400.0, 0.0, 0.0))
    assert REASONS[publish()[0].code] == "quota", "the window that goes on is still the first"
    cloud, topic = station(prepared, "cloud"), "fogfleet/testtest/site-0/gw/features"
    cloud.fabric.carrier = Recorder(sent)
    cloud.duties.obey(Others(0, 0, 0.0, 0.0, 100.0))
    for index in (0, 1):
        cloud.fabric.come(topic, wire.encode(wire.FEATURES, wire.BITS, index, 0, index + 1, bytes(128)))
    run_out(cloud)
    rows = [row for row in cloud.diary.take() if row.what in (ARRIVED, LOST)]
    assert [row.what for row in rows] == [ARRIVED, LOST], "100 B were there, so that only one of them fits"
    assert REASONS[rows[1].code] == "quota-storage"


def test_the_conductor_tells_everybody_what_all_others_have_used(
    scenario: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.world.separate.metering.TELL_S", 0.0)
    conducted = Conducted(prepared_for(scenario("tenants={city: {quota: {bytes: 400, per: 4 s, storage: 200}}}")))
    helm, told = conducted.helm, conducted.told
    helm.take("site-0/cam.0", Row(USED, 0, place=0, sample=3, more=36.0))
    helm.take("site-0/gw", Row(USED, 0, place=0, sample=3, more=40.0))
    helm.take("site-0/cam.0", Row(USED, 0, place=5, sample=3, more=1e9))
    helm.take("site-0/cam.0", Row(USED, 3, place=0, sample=3, more=1e9))
    helm.turn()
    assert dict(told) == {
        "site-0/cam.0": Others(0, 3, 40.0, 0.0, 0.0),
        "site-0/cam.1": Others(0, 3, 76.0, 0.0, 0.0),
        "site-0/cam.2": Others(0, 3, 76.0, 0.0, 0.0),
        "site-0/gw": Others(0, 3, 36.0, 0.0, 0.0),
        "cloud": Others(0, 3, 76.0, 0.0, 0.0),
    }
    told.clear()
    helm.turn()
    assert not told, "nothing new"
    helm.anew("site-0/cam.0")
    helm.turn()
    assert told == [("site-0/cam.0", Others(0, 3, 76.0, 0.0, 0.0))], "a new process begins with what the old one used"
    helm.take("cloud", Row(USED, 3, place=0, more=128.0))
    helm.anew("cloud")
    told.clear()
    helm.turn()
    assert dict(told)["cloud"] == Others(0, 3, 76.0, 0.0, 128.0), "and a cloud with what was stored"
    assert helm.metering is not None
    lane = conducted.fleet.lanes[0]
    found = helm.metering.settle([(lane, "quota"), (lane, "loss")]).meters["city"]
    assert found.stored_bytes == 128 and dict(found.refused) == {"quota": 1}
