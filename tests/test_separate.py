"""Fleets of separate processes: one run folder, deaths that are noticed, strangers that speak the protocol."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from brokers_kit import needs_mosquitto, within
from fault_kit import TEXT
from security_kit import hardened_broker
from separate_kit import LONG, PATIENT, SLOW, Running, log_of, pids, with_faults
from world_kit import ROOT, record, table

from brokers import mosquitto
from brokers.client import Pool
from sim import wire, world
from sim.errors import SetupError, UsageError
from sim.ledger.rows import DECISION, LOST, REASONS, ROW_BYTES, Row, decode_rows, encode_rows
from sim.world.accounts import accounts
from sim.world.plan import Plan
from sim.world.prepare import Prepared
from sim.world.separate import names, processes
from sim.world.separate.station import Station, patience_s
from sim.world.separate.up import up

pytestmark = needs_mosquitto
WHAT = ["site", "sample", "label", "predicted", "exit", "devices_used", "fate"]


@pytest.fixture
def scenario(tmp_path: Path) -> Callable[..., Any]:
    """The small fleet of the fault tests, in a file."""
    path = tmp_path / "three.yaml"
    path.write_text(TEXT)
    return lambda *overrides: world.load(path, [*PATIENT, *overrides])


def test_separate_processes_decide_as_one(scenario: Callable[..., Any], tmp_path: Path) -> None:
    wanted = scenario("sites=1")
    virtual = world.simulate(wanted, mode="virtual", out=tmp_path)
    real = up(wanted, broker="mosquitto", out=tmp_path, speed=10.0)
    assert real.exit_code == 0 and real.folder.suffix != ".partial"
    pd.testing.assert_frame_equal(table(virtual.folder, "decisions")[WHAT], table(real.folder, "decisions")[WHAT])
    assert real.summary["bytes"]["per_device_per_sample"] == virtual.summary["bytes"]["per_device_per_sample"]
    assert real.summary["lost"] == {}
    counts = ["node", "captured", "sent", "received", "bytes_up", "bytes_down"]
    pd.testing.assert_frame_equal(table(virtual.folder, "nodes")[counts], table(real.folder, "nodes")[counts])
    files = [{path.name for path in run.folder.iterdir()} for run in (real, virtual)]
    assert files[0] == files[1]
    states = table(real.folder, "events")
    pd.testing.assert_frame_equal(states.drop(columns="at_s"), table(virtual.folder, "events").drop(columns="at_s"))
    run = record(real.folder)
    assert run["processes"] == 5 and run["mode"] == "live" and run["twice"] == 0
    events = [json.loads(line) for line in (real.folder / "log.jsonl").read_text().splitlines()]
    for entry in events:
        if entry["event"] == "started":
            assert not Path(f"/proc/{entry['pid']}").exists(), "nobody is left behind"


def test_a_killed_gateway_is_noticed_and_comes_back(scenario: Callable[..., Any], tmp_path: Path) -> None:
    wanted = scenario(*LONG)
    fleet = Running(wanted, tmp_path, broker="mosquitto", restart_s=0.3)
    fleet.until(lambda seen: seen.decided >= 1)
    os.kill(pids(tmp_path)["site-0/gw"], signal.SIGKILL)
    fleet.until(lambda seen: {node.node: node.state for node in seen.nodes}["gw"] == "failed")
    back = fleet.until(lambda seen: all(node.state == "active" for node in seen.nodes))
    fleet.until(lambda seen: seen.decided > back.decided)
    result = fleet.end()
    assert result.summary["samples"]["captured"] >= 2, "every sample that was due has a fate"
    assert record(result.folder)["status"] == "interrupted"
    (row,) = table(result.folder, "faults").to_dict("records")
    assert row["kind"] == "process-lost" and row["target"] == "site-0/gw" and row["end_s"] > row["start_s"]
    decisions, messages = table(result.folder, "decisions"), table(result.folder, "messages")
    dropped = decisions[decisions["exit"].isna() & (decisions["captured_s"] < row["end_s"])]
    assert dropped["fault"].eq("process-lost").all(), "what was lost names the cause"
    assert messages["fate"].isin(["delivered", "lost:node-down", "lost:undelivered", "lost:interrupted"]).all()
    states = table(result.folder, "events").query("node == 'gw'")["becomes"].tolist()
    assert states[2:] == ["active", "failed", "active", "retired"]
    log = [json.loads(line) for line in (result.folder / "log.jsonl").read_text().splitlines()]
    events = [entry["event"] for entry in log if entry.get("node") == "site-0/gw" and "pid" not in entry]
    assert events[:3] == ["online", "offline", "online"]
    assert [entry["exit_code"] for entry in log if entry["event"] == "ended"] == [-signal.SIGKILL]


@pytest.mark.skipif(shutil.which("mosquitto_sub") is None, reason="no Mosquitto clients here")
def test_a_foreign_client_takes_the_place_of_a_camera(scenario: Callable[..., Any], tmp_path: Path) -> None:
    wanted = scenario("exits.local=0.3", "samples=3")
    with mosquitto.Server() as server:
        arguments = ["127.0.0.1", str(server.port), "foreign1", "cam.2", "2", "gw", "1"]
        stranger = subprocess.Popen([sys.executable, str(ROOT / "tests" / "foreign_camera.py"), *arguments])
        try:
            result = up(wanted, broker=server.url, out=tmp_path, speed=2.0, elsewhere=["cam.2"], run="foreign1")
            assert stranger.wait(60) == 0, "the run told it to end"
        finally:
            stranger.kill()
    decisions, messages = table(result.folder, "decisions"), table(result.folder, "messages")
    assert decisions["exit"].notna().all() and (decisions["devices_used"] >= 1).all()
    theirs = messages[messages["src"] == "cam.2"]
    assert theirs["kind"].value_counts()["scores"] == 3 and (theirs["fate"] == "delivered").all()
    asked = messages[(messages["kind"] == "request") & (messages["dst"] == "cam.2")]
    assert set(theirs.loc[theirs["kind"] == "features", "sample"]) == set(asked["sample"])
    alone = world.simulate(wanted, mode="virtual", out=tmp_path)
    assert (table(alone.folder, "decisions")["entropy"] != decisions["entropy"]).any(), "its voice counts"


def test_a_node_started_by_hand_at_a_broker_that_trusts_nobody(
    scenario: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = scenario("samples=3")
    with hardened_broker(tmp_path / "secure", accounts(wanted)) as secure:
        monkeypatch.setenv("FOGFLEET_CREDENTIALS", str(secure.folder))
        command = ["node", str(wanted.path), "--node", "site-0.cam.1", "--broker", secure.url]
        for override in (*PATIENT, "samples=3"):
            command += ["--set", override]
        code = "from sim.cli import main; main()"
        by_hand = subprocess.Popen(
            [sys.executable, "-c", code, *command], stderr=subprocess.PIPE, text=True, env={**os.environ}, cwd=ROOT
        )
        try:
            result = up(wanted, broker=secure.url, out=tmp_path, speed=4.0, elsewhere=["cam.1"])
            _, told = by_hand.communicate(timeout=60)
        finally:
            by_hand.kill()
    assert by_hand.returncode == 0, told
    assert "site-0/cam.1: online" in told and "starts" in told
    assert record(result.folder)["processes"] == 4
    assert table(result.folder, "nodes").set_index("node").loc["cam.1", "captured"] == 3
    assert result.summary["samples"]["decided"] == 3 and result.summary["lost"] == {}


def test_a_fleet_outlives_its_broker(scenario: Callable[..., Any], tmp_path: Path) -> None:
    wanted = scenario(*LONG)
    with mosquitto.Server() as server:
        fleet = Running(wanted, tmp_path, broker=server.url)
        before = fleet.until(lambda seen: seen.decided >= 1)
        server.kill()
        server.restart()
        after = fleet.until(lambda seen: seen.due >= before.due + 2 and seen.decided > before.decided)
        result = fleet.end()
    assert result.summary["samples"]["decided"] >= after.decided
    log = [json.loads(line)["event"] for line in (result.folder / "log.jsonl").read_text().splitlines()]
    assert "reconnected" in log and "ended" not in log


def test_a_broker_that_ends_by_itself_is_told_at_once(
    scenario: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers, telemetry = list[mosquitto.Server](), world.Telemetry(every_s=0.02)
    started = mosquitto.Server.start

    def start(server: mosquitto.Server) -> None:
        servers.append(server)
        started(server)

    monkeypatch.setattr(mosquitto.Server, "start", start)

    def kill() -> None:
        while (seen := telemetry.wait(0)) is None or seen.decided < 1:
            time.sleep(0.02)
        os.kill(servers[0].pid, signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    with pytest.raises(SetupError, match="has ended in mid-run"):
        up(scenario(*LONG), broker="mosquitto", out=tmp_path, telemetry=telemetry)
    killer.join(60)


def test_a_node_without_conductor_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    from fault_kit import _network, load

    monkeypatch.setattr("sim.world.separate.station.ALONE_S", 0.3)

    prepared, _ = _network("")
    prepared = Prepared(Plan(load()), prepared.dataset, prepared.network)
    with mosquitto.Server() as server:
        conductor = Pool(server.url)
        conductor.connect([names.conductor_identity("testtest")])
        station, errors = Station(prepared, "site-0/cam.1", server.url, "testtest"), list[Exception]()

        def serve() -> None:
            try:
                station.serve()
            except SetupError as error:
                errors.append(error)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        topic = names.home_topic("testtest", "site-0/cam.1", wire.STATUS)
        assert conductor.peek(0, topic, 60) == b"online"
        conductor.reset(0)
        thread.join(60)
    assert len(errors) == 1 and "whoever conducted run testtest is gone" in str(errors[0])


@pytest.mark.parametrize("joined_s", [-1.0, 1.0])
def test_who_starts_late_on_a_busy_machine_misses_nothing_and_who_comes_late_does(
    monkeypatch: pytest.MonkeyPatch, joined_s: float
) -> None:
    """Both hear of the start three seconds after it; `joined_s` is when they came to the broker, from the start on."""
    from fault_kit import _network, load

    prepared, _ = _network("")
    prepared = Prepared(Plan(load()), prepared.dataset, prepared.network)
    station = Station(prepared, "site-0/cam.1", "mqtt://127.0.0.1:1", "testtest")
    monkeypatch.setattr(station._pool, "announce", lambda *_: None)
    monkeypatch.setattr(station._clock, "finish", lambda: None)
    epoch_s = time.time() - 3
    station._joined_s = epoch_s + joined_s
    station._play(wire.Control(wire.START, 12, epoch_s, 1.0))
    assert (station._node.up_since_s >= 3) == (joined_s > 0) and station._clock.now >= 3


def test_who_is_not_there_is_named(scenario: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"not online after .*site-0/cam\.0.*cloud"):
        up(scenario(), broker="mosquitto", out=tmp_path, elsewhere=["*"], patience_s=0.2)
    (folder,) = (tmp_path / "three-cameras").iterdir()
    assert record(folder)["status"].startswith("failed: SetupError")
    with pytest.raises(UsageError, match="no such node"):
        up(scenario(), broker="mosquitto", out=tmp_path, elsewhere=["cam.9"])


def test_a_crash_of_the_scenario_is_a_sigkill(scenario: Callable[..., Any], tmp_path: Path) -> None:
    crash = {"id": "blow", "kind": "crash", "target": "gw", "at": "4 s", "for": "6 s"}
    wanted = with_faults(scenario(*SLOW, "nodes.gw.wait=1 s", "nodes.cloud.wait=2 s"), crash)
    fleet = Running(wanted, tmp_path, broker="mosquitto", speed=2.0)
    struck = fleet.until(lambda seen: bool(seen.faults))
    assert (struck.faults[0].id, struck.faults[0].target, struck.faults[0].by) == ("blow", "site-0/gw", "scenario")
    healed = fleet.until(lambda seen: not seen.faults)
    fleet.until(lambda seen: seen.decided > healed.decided + 1)
    result = fleet.end()
    (row,) = table(result.folder, "faults").to_dict("records")
    assert row["kind"] == "crash" and 4 <= row["start_s"] < row["end_s"], "and no process-lost beside it"
    decisions = table(result.folder, "decisions")
    dropped = decisions[decisions["captured_s"].between(row["start_s"] + 0.1, row["end_s"] - 0.1)]
    assert len(dropped) >= 2 and dropped["exit"].isna().all() and dropped["fault"].eq("blow").all()
    started = [entry["pid"] for entry in log_of(result) if entry["event"] == "started" and entry["node"] == "site-0/gw"]
    killed = [entry["pid"] for entry in log_of(result) if entry["event"] == "killed"]
    assert killed == started[:1] and len(started) == 2, "a new process takes its place"


def test_a_pause_of_the_scenario_is_a_sigstop(scenario: Callable[..., Any], tmp_path: Path) -> None:
    def state(pid: int) -> str:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]

    pause = {"kind": "pause", "target": "cam.1", "at": "4 s", "for": "6 s"}
    fleet = Running(with_faults(scenario(*SLOW), pause), tmp_path, broker="mosquitto", speed=2.0)
    fleet.until(lambda seen: bool(seen.faults))
    pid = pids(tmp_path)["site-0/cam.1"]
    assert within(60, lambda: state(pid) == "T"), "stopped, once the signal has come to it"
    healed = fleet.until(lambda seen: not seen.faults)
    assert state(pid) != "T"
    fleet.until(lambda seen: seen.decided > healed.decided)
    result = fleet.end()
    sent = [(entry["node"], entry["signal"]) for entry in log_of(result) if entry["event"] == "signalled"]
    assert sent == [("site-0/cam.1", "SIGSTOP"), ("site-0/cam.1", "SIGCONT")]
    (row,) = table(result.folder, "faults").to_dict("records")
    assert row["kind"] == "pause" and row["fired"] and row["end_s"] >= 10
    messages = table(result.folder, "messages").query("src == 'cam.1' and kind == 'scores' and sample == 2")
    assert list(messages["fate"]) == ["delivered"], "it goes on where it was"


def test_a_broker_that_the_scenario_kills_is_really_gone(scenario: Callable[..., Any], tmp_path: Path) -> None:
    kill = {"kind": "broker-kill", "target": "broker", "at": "4 s", "for": "2 s"}
    wanted = with_faults(scenario(*SLOW, "nodes.gw.wait=1 s", "nodes.cloud.wait=2 s"), kill)
    fleet = Running(wanted, tmp_path, broker="mosquitto", speed=2.0)
    fleet.until(lambda seen: bool(seen.faults))
    healed = fleet.until(lambda seen: not seen.faults)
    fleet.until(lambda seen: seen.decided > healed.decided + 1)
    result = fleet.end()
    assert "reconnected" in [entry["event"] for entry in log_of(result)]
    (row,) = table(result.folder, "faults").to_dict("records")
    assert row["kind"] == "broker-kill" and row["end_s"] > row["start_s"]


def test_a_person_can_kill_a_process_and_let_it_live_again(scenario: Callable[..., Any], tmp_path: Path) -> None:
    fleet = Running(scenario(*SLOW, "nodes.gw.wait=1 s"), tmp_path, broker="mosquitto", speed=2.0)
    fleet.until(lambda seen: seen.decided >= 1)
    name = fleet.telemetry.inject({"kind": "crash", "target": "cam.2"}, timeout_s=60)
    fleet.until(lambda seen: {node.node: node.state for node in seen.nodes}["cam.2"] == "failed")
    with pytest.raises(UsageError, match="separate processes know crash"):
        fleet.telemetry.inject({"kind": "noise", "target": "cam.1"}, timeout_s=60)
    fleet.telemetry.lift(name, timeout_s=60)
    sent = {node.node: node.sent for node in fleet.until(lambda seen: not seen.faults).nodes}
    fleet.until(lambda seen: {node.node: node.sent for node in seen.nodes}["cam.2"] > sent["cam.2"])
    result = fleet.end()
    assert [entry["node"] for entry in log_of(result) if entry["event"] == "killed"] == ["site-0/cam.2"]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"kind": "noise", "target": "cam.1"}, r"faults\.0 \(noise-1\): separate processes know crash, pause"),
        ({"kind": "crash", "target": "cam.1", "memory": "kept"}, "a process that is killed keeps no memory"),
        ({"kind": "pause", "target": "cam.1", "when": {"target": "gw", "backlog": "1 s"}}, "nobody sees the load"),
        ({"kind": "broker-kill", "target": "broker", "at": "1 s"}, "the broker is not our own process; remove it, or"),
    ],
)
def test_faults_that_cannot_be_done_to_processes_are_refused(
    scenario: Callable[..., Any], tmp_path: Path, fault: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        up(with_faults(scenario(), fault), broker="mqtt://127.0.0.1:1", out=tmp_path)
    assert not (tmp_path / "three-cameras").exists()


def test_a_process_elsewhere_cannot_be_killed_from_here(scenario: Callable[..., Any], tmp_path: Path) -> None:
    wanted = with_faults(scenario(), {"id": "far", "kind": "crash", "target": "cam", "at": "1 s"})
    with pytest.raises(UsageError, match=r"site-0/cam\.2 runs elsewhere"):
        up(wanted, broker="mosquitto", out=tmp_path, elsewhere=["cam.2"])


def test_connections_that_nobody_can_share_are_refused(scenario: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"mqtt\.connections: separate processes have a connection each; remove it"):
        up(scenario("mqtt.connections=2"), broker="auto", out=tmp_path)


def test_a_process_that_ends_before_the_run_is_told_at_once(
    scenario: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hopeless(*arguments: Any) -> tuple[Any, ...]:
        plain, path, _, *rest = processes.as_arguments(*arguments)
        return plain, path, "mqtt://127.0.0.1:1", *rest

    monkeypatch.setattr("sim.world.separate.up.as_arguments", hopeless)
    with pytest.raises(SetupError, match="has ended with exit code 4 before the run began"):
        up(scenario(), broker="mosquitto", out=tmp_path)


def test_a_process_has_the_settings_of_its_run_and_none_of_an_earlier_one(
    scenario: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FOGFLEET_CREDENTIALS", raising=False)
    monkeypatch.setenv("FOGFLEET_CACHE", "of/this/run")
    *_, settings = processes.as_arguments(scenario(), "mqtt://127.0.0.1:1", "testtest", 10)
    monkeypatch.setenv("FOGFLEET_CREDENTIALS", "of/the/run/that/the/server/was/started/for")
    monkeypatch.setenv("FOGFLEET_CACHE", "of/an/earlier/run")
    processes.adopt(settings)
    assert {name: value for name, value in os.environ.items() if name.startswith("FOGFLEET_")} == settings
    assert settings["FOGFLEET_CACHE"] == "of/this/run" and "FOGFLEET_CREDENTIALS" not in settings


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("cam.1", "site-0/cam.1"),
        ("site-0.cam.1", "site-0/cam.1"),
        ("site-0/cam.1", "site-0/cam.1"),
        ("gw", "site-0/gw"),
        ("cloud", "cloud"),
    ],
)
def test_names_of_nodes(wanted: str, found: str) -> None:
    assert names.find(["site-0/cam.0", "site-0/cam.1", "site-0/gw", "cloud"], wanted) == found


def test_names_that_are_not_enough() -> None:
    with pytest.raises(UsageError, match=r"cam\.7.*for example"):
        names.find(["site-0/cam.0", "cloud"], "cam.7")
    with pytest.raises(UsageError, match=r"2 sites; write for example site-0\.cam\.0"):
        names.find(["site-0/cam.0", "site-1/cam.0", "cloud"], "cam.0")


def test_what_a_stranger_publishes_cannot_hurt_a_node() -> None:
    from fault_kit import _network, load

    prepared, inference = _network("")
    prepared = Prepared(Plan(load()), prepared.dataset, prepared.network)
    station = Station(prepared, "site-0/gw", "mqtt://127.0.0.1:1", "testtest")
    topic, scores = "fogfleet/testtest/site-0/cam.1/scores", inference.device(prepared.picture(0, 3), 1).scores

    def come(payload: bytes = scores, kind: int = wire.SCORES, node: int = 1, sample: int = 3) -> list[Row]:
        station.fabric.come(topic, wire.encode(kind, wire.FLOAT32, node, sample, 9, payload, expected=1))
        return station.diary.take()

    station.fabric.come(topic, b"\x80garbage")
    (row,) = station.diary.take()
    assert (row.what, REASONS[row.code], row.size) == (LOST, "malformed", 8)
    for wrong in (come(b"12"), come(kind=wire.RAW), come(node=2), come(sample=10**6)):
        assert [(row.what, REASONS[row.code]) for row in wrong] == [(LOST, "rejected")]
    assert come() == [] and station.fabric.clock.peek() > 0, "on its link"
    assert come() == [] and station.diary.twice == 1, "a second delivery is known as one"
    station.fabric.come("fogfleet/testtest/site-0/nobody/scores", b"")
    assert not station.diary.take()


def test_a_message_of_a_sample_that_this_clock_has_not_reached_comes_when_it_is_due() -> None:
    from fault_kit import _network, load

    prepared, inference = _network("")
    prepared = Prepared(Plan(load()), prepared.dataset, prepared.network)
    station = Station(prepared, "site-0/gw", "mqtt://127.0.0.1:1", "testtest")
    scores = inference.device(prepared.picture(0, 3), 1).scores
    frame = wire.encode(wire.SCORES, wire.FLOAT32, 1, 3, 9, scores, expected=1)
    station.fabric.come("fogfleet/testtest/site-0/cam.1/scores", frame)
    assert station.fabric.clock.peek() == 3 * prepared.period_s, "nothing is decided before it was captured"
    earlier = wire.encode(wire.SCORES, wire.FLOAT32, 1, 0, 10, scores, expected=1)
    station.fabric.come("fogfleet/testtest/site-0/cam.1/scores", earlier)
    assert station.fabric.clock.peek() < prepared.period_s, "and nothing waits behind it"
    station.fabric.interrupt()
    lost = [(row.sample, REASONS[row.code]) for row in station.diary.take()]
    assert sorted(lost) == [(0, "interrupted"), (3, "interrupted")]


def test_others_are_given_as_much_time_on_the_wall_as_at_speed_one() -> None:
    assert patience_s(0.2, 1.0) == patience_s(0.2, 0.5) == 0.2
    assert patience_s(0.2, 10.0) == pytest.approx(2.0), "two seconds of the run, 200 ms on the wall"
    assert patience_s(30.0, 10.0) == 30.0, "3 s on the wall"
    assert patience_s(2.0, 10.0) == 5.0, "500 ms on the wall"


def test_rows_that_cannot_be_are_nobody_s() -> None:
    row = Row(DECISION, 1, 2, 0, 3, 6, 0, 3.25, 0.5)
    assert list(decode_rows(encode_rows([row, row]))) == [row, row]
    assert len(encode_rows([row])) == ROW_BYTES == 36
    for wrong in (encode_rows([row])[:-1], encode_rows([row._replace(what=99)])):
        with pytest.raises(ValueError, match="row"):
            list(decode_rows(wrong))


def test_an_edge_section_without_any_input_says_so(scenario: Callable[..., Any]) -> None:
    prepared = world.prepare(scenario("model.edge={filters: 2, blocks: 1}", "exits.edge=0.3"))
    station = Station(prepared, "cloud", "mqtt://127.0.0.1:1", "testtest")
    for sequence, (flags, told) in enumerate(((wire.ABSENT, []), (0, ["rejected"])), start=1):
        frame = wire.encode(wire.FEATURES, wire.BITS, 0, 0, sequence, b"", flags)
        station.fabric.come("fogfleet/testtest/site-0/gw/features", frame)
        assert [REASONS[row.code] for row in station.diary.take()] == told, "empty features are of no camera at all"
