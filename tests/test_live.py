"""Live runs: wall-clock time, a real Mosquitto, the same nodes, ledger and checks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from brokers_kit import needs_mosquitto
from policy_kit import small as policy_fleet
from world_kit import digest, record, small, table

from brokers import mosquitto
from sim import world
from sim.errors import ScenarioError, SetupError, UsageError
from sim.ledger.messages import MessageLog
from sim.world.live import LiveClock

# A busy machine may stall for seconds: the gateway and the cloud wait long enough for every message to come.
PATIENT = (
    "samples=6",
    "nodes.gw.wait=10 min",
    "nodes.cloud.wait=10 min",
    "links.cam->gw.loss=0 %",
    "mqtt.patience=60 s",
)
# Where messages may really be lost, nobody waits for ever.
LOSSY = ("nodes.gw.wait=1 min", "nodes.cloud.wait=1 min")
WHAT = ["site", "sample", "label", "predicted", "exit", "devices_used", "fate"]


def live(scenario: Any, out: Path, **options: Any) -> world.RunResult:
    """One live run on a Mosquitto of its own, fast."""
    return world.simulate(scenario, mode="live", broker="mosquitto", out=out, **{"speed": 20.0, **options})


@needs_mosquitto
def test_live_decides_as_virtual(tmp_path: Path) -> None:
    scenario = small("six_cameras", *PATIENT)
    virtual, real = world.simulate(scenario, mode="virtual", out=tmp_path), live(scenario, tmp_path)
    assert real.exit_code == 0
    pd.testing.assert_frame_equal(table(virtual.folder, "decisions")[WHAT], table(real.folder, "decisions")[WHAT])
    assert real.summary["bytes"]["per_device_per_sample"] == virtual.summary["bytes"]["per_device_per_sample"]
    assert real.summary["lost"] == {} and real.summary["divergences"] == 0
    run = record(real.folder)
    assert run["mode"] == "live" and run["speed"] == 20.0 and run["broker"]["name"] == "mosquitto"
    assert run["wall_s"]["simulate"] > 5 / 20, "six samples, one a second, twenty times as fast"
    messages = table(real.folder, "messages")
    assert (messages["arrived_s"] > messages["sent_s"]).all(), "the links delay what really arrives"
    assert digest(real.folder, "decisions.parquet") != digest(virtual.folder, "decisions.parquet"), "times are real"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[world.Telemetry, Callable[[], world.RunResult]]]:
    """A live run in a thread that would last for minutes, and how to end it and get its result."""
    telemetry, results = world.Telemetry(every_s=0.02), list[world.RunResult]()
    scenario = small("six_cameras", *PATIENT, "samples=24", "nodes.cam.period=1 min")
    thread = threading.Thread(
        target=lambda: results.append(live(scenario, tmp_path, speed=2.0, telemetry=telemetry)), daemon=True
    )
    thread.start()

    def end() -> world.RunResult:
        if thread.is_alive():
            telemetry.stop()
        thread.join(60)
        return results[0]

    yield telemetry, end
    if not results:
        end()


def until(telemetry: world.Telemetry, holds: Callable[[world.Snapshot], bool]) -> world.Snapshot:
    """The first snapshot for which something holds; fails after a minute."""
    serial, deadline = 0, time.monotonic() + 60
    while time.monotonic() < deadline:
        found = telemetry.wait(serial)
        if found is not None and holds(found):
            return found
        serial = found.serial if found is not None else serial
    raise AssertionError(f"never so: {telemetry.latest()}")


@needs_mosquitto
def test_a_live_run_is_watched_driven_and_ended_early(
    running: tuple[world.Telemetry, Callable[[], world.RunResult]],
) -> None:
    telemetry, end = running
    seen = until(telemetry, lambda found: found.decided >= 1)
    assert seen.status == "running" and seen.due >= 1 and seen.samples == 24
    assert {node.name for node in seen.nodes} == {*(f"site-0/cam.{n}" for n in range(6)), "site-0/gw", "cloud"}
    assert seen.nodes[0].uplink == "site-0/gw" and seen.nodes[0].state == "active" and seen.nodes[0].sent >= 1
    assert seen.accuracy == seen.right / seen.decided
    assert seen.recent[0].sample == 0 and seen.as_dict()["recent"][0]["right"] == seen.recent[0].right
    assert sum(flow.payload_bytes for flow in seen.flows) == seen.payload_bytes > 0

    name = telemetry.inject({"kind": "crash", "target": "cam.3"}, timeout_s=60)
    down = until(telemetry, lambda found: len(found.faults) == 1 and found.lost.get("node-down", 0) >= 0)
    (fault,) = down.faults
    assert (fault.id, fault.kind, fault.target, fault.by) == (name, "crash", "site-0/cam.3", "person")
    assert {node.node: node.state for node in down.nodes}["cam.3"] == "failed"
    telemetry.lift(name, timeout_s=60)
    until(telemetry, lambda found: not found.faults and all(node.state == "active" for node in found.nodes))

    with pytest.raises(ScenarioError, match="krash"):
        telemetry.inject({"kind": "krash", "target": "cam.3"}, timeout_s=60)
    with pytest.raises(UsageError, match=r"cam\.99"):
        telemetry.inject({"kind": "crash", "target": "cam.99"}, timeout_s=60)
    with pytest.raises(UsageError, match=name):
        telemetry.lift("nobody", timeout_s=60)

    result = end()
    assert result.exit_code == 130 and result.folder.suffix == ".partial"
    decisions, messages = table(result.folder, "decisions"), table(result.folder, "messages")
    assert 1 <= len(decisions) < 24, "only what was due has a fate"
    assert messages["fate"].str.match("delivered|lost:").all()
    (row,) = table(result.folder, "faults").to_dict("records")
    assert row["kind"] == "crash" and row["start_s"] < row["end_s"]
    assert record(result.folder)["status"] == record(result.folder, "summary")["status"] == "interrupted"
    last = telemetry.latest()
    assert last is not None and last.status == "interrupted" and last.folder == str(result.folder)
    assert {node.state for node in last.nodes} == {"retired"}
    with pytest.raises(UsageError, match="live"):
        telemetry.inject({"kind": "crash", "target": "cam.3"})


def test_a_virtual_run_can_be_watched_and_decides_the_same(tmp_path: Path) -> None:
    telemetry, seen = world.Telemetry(every_s=0.0), list[world.Snapshot]()
    telemetry.subscribe(seen.append)
    scenario = small("six_cameras", "samples=8")
    watched = world.simulate(scenario, mode="virtual", out=tmp_path, telemetry=telemetry)
    alone = world.simulate(scenario, mode="virtual", out=tmp_path)
    assert digest(watched.folder, "decisions.parquet") == digest(alone.folder, "decisions.parquet")
    assert watched.summary == alone.summary
    assert [found.serial for found in seen] == list(range(1, len(seen) + 1))
    assert seen[0].status == "preparing" and seen[-1].status == "complete"
    assert [found.due for found in seen[2:-2]] == list(range(1, 9))
    assert seen[-1].decided == watched.summary["samples"]["decided"], "the last one knows how it ended"
    with pytest.raises(UsageError, match="live"):
        telemetry.inject({"kind": "crash", "target": "cam.3"})


@needs_mosquitto
@pytest.mark.parametrize("policy", ["{kind: least-loaded, after: 400 ms}", "none"])
def test_a_gateway_that_fails_is_stood_in_for(tmp_path: Path, policy: str) -> None:
    crash = {"kind": "crash", "target": "gw.0", "at": "4800 ms", "for": "8 s"}  # samples 5 to 12
    fleet = policy_fleet(tmp_path, "nodes.gw.count=2", "samples=16", "down=[cam.2]", "nodes.gw.wait=1 s")
    plain = {**fleet.scenario(f"policies.failover={policy}").to_json(), "faults": [crash]}
    telemetry, uplinks = world.Telemetry(every_s=0.0), set[str | None]()
    telemetry.subscribe(lambda seen: uplinks.update(node.uplink for node in seen.nodes if node.node == "cam.0"))
    run = live(world.build(plain, fleet.path), tmp_path, speed=8.0, telemetry=telemetry)
    decisions, events = table(run.folder, "decisions"), table(run.folder, "events")
    dropped = decisions[decisions["exit"].isna()]
    if policy == "none":
        assert list(dropped["sample"]) == list(range(5, 13)) and uplinks == {"site-0/gw.0"}
        return
    assert list(dropped["sample"]) == [5], "captured before anybody had noticed"
    assert set(events["event"]) >= {"failover", "camera-moved", "failback"}
    moved = events[events["event"] == "failover"].iloc[0]
    assert (moved["was"], moved["becomes"]) == ("gw.0", "gw.1") and 5.2 <= moved["at_s"] < 6
    assert uplinks == {"site-0/gw.0", "site-0/gw.1"}, "whoever looks on sees where a camera sends"
    assert run.summary["failovers"]["took_s"] < 1


@needs_mosquitto
@pytest.mark.parametrize(
    ("start", "policy"),
    [("0", "{kind: byte-budget, bytes: 30, every: 4 s}"), ("0", "{kind: accuracy-floor, accuracy: 80 %, every: 4 s}")],
)
def test_thresholds_move_as_in_virtual_time(tmp_path: Path, start: str, policy: str) -> None:
    fleet = policy_fleet(tmp_path, "samples=22", "nodes.gw.wait=1 min", "nodes.cloud.wait=1 min")
    wanted = fleet.scenario(f"exits.local={start}", f"policies.retune={policy}")
    runs = [world.simulate(wanted, mode="virtual", out=tmp_path), live(wanted, tmp_path)]
    moves = [table(run.folder, "events").query("event == 'retune'") for run in runs]
    assert len(moves[0]) >= 1
    what = ["at_s", "node", "was", "becomes"]
    pd.testing.assert_frame_equal(moves[0][what], moves[1][what])
    assert runs[0].summary["retunes"] == runs[1].summary["retunes"]


@needs_mosquitto
def test_a_broker_that_is_really_killed_loses_no_sample_without_a_reason(tmp_path: Path) -> None:
    faults = [{"kind": "broker-kill", "target": "broker", "at": "3500 ms", "for": "2 s"}]
    plain = {**small("six_cameras", *PATIENT, *LOSSY, "samples=10").to_json(), "faults": faults}
    scenario = world.build(plain, small().path)
    result = live(scenario, tmp_path, speed=4.0)
    assert result.summary["samples"]["captured"] == 10, "the run goes on"
    assert record(result.folder)["outages"]["kills"] == 1
    (row,) = table(result.folder, "faults").to_dict("records")
    assert row["kind"] == "broker-kill" and row["start_s"] >= 3.5 and row["end_s"] >= 5.5
    decisions = table(result.folder, "decisions")
    assert decisions.loc[:3, "exit"].notna().any(), "before the kill"
    assert decisions.loc[7:, "exit"].notna().any(), "after it"


@needs_mosquitto
def test_a_broker_that_dies_by_itself_is_waited_for(tmp_path: Path) -> None:
    with mosquitto.Server() as server:
        telemetry, results = world.Telemetry(every_s=0.02), list[world.RunResult]()
        dead = threading.Event()

        def kill(seen: world.Snapshot) -> None:
            if seen.decided and not dead.is_set():
                server.kill()
                dead.set()

        telemetry.subscribe(kill)  # in the thread of the run, which therefore is not over yet
        scenario = small("six_cameras", *PATIENT, *LOSSY, "samples=8")
        options: Any = {"mode": "live", "broker": server.url, "speed": 4.0, "telemetry": telemetry}
        thread = threading.Thread(
            target=lambda: results.append(world.simulate(scenario, out=tmp_path, **options)), daemon=True
        )
        thread.start()
        assert dead.wait(60)
        server.restart()
        thread.join(120)
    (result,) = results
    assert result.exit_code == 0 and result.summary["samples"]["captured"] == 8
    assert record(result.folder)["outages"]["lost_connections"] >= 1
    assert table(result.folder, "decisions").loc[7, "fate"] in ("local", "cloud")


def test_live_without_a_real_broker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="real broker"):
        world.simulate(small(), mode="live", broker="memory", out=tmp_path)


class Wall:
    """A wall clock that passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0
        self.calls: list[tuple[float, Callable[[], object]]] = []

    def wait(self, timeout_s: float) -> None:
        """Passes the time, up to the next thing that happens on the network."""
        due = [at for at, _ in self.calls if at <= self.now + timeout_s]
        self.now = min(due, default=self.now + max(timeout_s, 0.0005))
        for entry in [entry for entry in self.calls if entry[0] <= self.now]:
            self.calls.remove(entry)
            entry[1]()


def test_the_clock_shows_wall_time_and_waits_for_the_network() -> None:
    wall = Wall()
    clock, seen = LiveClock(wall.wait, speed=10.0, monotonic=lambda: wall.now), list[tuple[str, float]]()
    clock.at(5.0, lambda _: seen.append(("due", clock.now)))
    clock.at(100.0, lambda _: seen.append(("never", clock.now))).cancel()
    wall.calls.append((100.2, lambda: clock.at(3.0, lambda _: seen.append(("came", clock.now)))))
    clock.finish()
    assert [what for what, _ in seen] == ["came", "due"]
    assert seen[0][1] == pytest.approx(3.0, abs=0.1) and seen[1][1] == pytest.approx(5.0, abs=0.1)
    assert wall.now == pytest.approx(100.5, abs=0.01), "five seconds, ten times as fast; none for what was cancelled"


def test_an_event_that_comes_late_does_not_make_the_next_one_late() -> None:
    wall = Wall()
    clock, seen = LiveClock(wall.wait, monotonic=lambda: wall.now), list[tuple[float, float]]()

    def work(_: object) -> None:
        seen.append((clock.now, wall.now - 100.0))
        wall.now += 0.3
        if len(seen) < 3:
            clock.at(clock.now + 0.2, work)

    clock.at(1.0, work)
    clock.finish()
    assert [at for at, _ in seen] == pytest.approx([1.0, 1.2, 1.4]), "each at its own time"
    assert [at for _, at in seen] == pytest.approx([1.0, 1.3, 1.6], abs=0.01), "although the machine comes later"


def test_a_clock_that_was_taken_for_dead_shows_wall_time_at_once() -> None:
    wall = Wall()
    clock, seen = LiveClock(wall.wait, holds=True, monotonic=lambda: wall.now), list[float]()

    def stall(_: object) -> None:
        wall.now += 9.0
        clock.at(1.1, lambda _: clock.forgive())
        clock.at(10.2, lambda _: seen.append(wall.now))

    clock.at(1.0, stall)
    clock.finish()
    assert clock.behind_s == pytest.approx(9.0, abs=0.01)
    assert seen == pytest.approx([110.2], abs=0.01), "and not 9 s later"


@pytest.mark.parametrize("holds", [True, False])
def test_a_clock_that_holds_gives_others_their_time_after_a_stall(holds: bool) -> None:
    wall = Wall()
    clock, seen = LiveClock(wall.wait, holds=holds, monotonic=lambda: wall.now), list[str]()

    def ask(_: object) -> None:
        clock.at(clock.now + 0.2, lambda _: seen.append("deadline"))
        wall.now += 1.0  # the machine does something else; nobody can have answered meanwhile
        wall.calls.append((wall.now + 0.05, lambda: clock.at(clock.now, lambda _: seen.append("answer"))))

    clock.at(1.0, ask)
    clock.at(20.0, lambda _: seen.append("end"))
    clock.finish()
    assert seen == (["answer", "deadline", "end"] if holds else ["deadline", "answer", "end"])
    assert wall.now == pytest.approx(120.0, abs=0.01), "it has caught up"
    assert clock.behind_s == pytest.approx(1.0 if holds else 0.0, abs=0.01)


def test_a_message_that_the_broker_never_brings_is_lost_with_a_reason(tmp_path: Path) -> None:
    from fault_kit import _network, load

    from sim.world import play as playing
    from sim.world.live import Live
    from sim.world.live.carrier import LiveCarrier

    class Forgetful(LiveCarrier):
        """A broker that swallows every message of one camera."""

        def publish(self, sender: int, topic: str, payload: bytes, qos: int) -> None:
            if "cam.1/" not in topic:
                super().publish(sender, topic, payload, qos)

    class Swallowing(Live):
        def carrier(self, carrier: Any, *, keeps: bool) -> LiveCarrier:
            super().carrier(carrier, keeps=keeps)
            self._carrier = Forgetful(carrier, keeps=keeps)
            return self._carrier

    from brokers.choose import open_carrier
    from sim.world.plan import Plan
    from sim.world.prepare import Prepared

    prepared, inference = _network("")
    wanted = load(overrides=["samples=3", "mqtt.patience=5 s", "nodes.gw.wait=12 s", "nodes.cloud.wait=1 min"])
    prepared = Prepared(Plan(wanted), prepared.dataset, prepared.network)
    with open_carrier("mosquitto") as carrier:
        outcome = playing.play(prepared, inference, carrier, None, "testtest", live=Swallowing(4.0))
    lost = {fate: outcome.log.tally(fate=fate).messages for fate in outcome.log.fates()}
    assert lost["lost:undelivered"] >= 3 and outcome.divergences == 0
    assert all(entry.exit for _, _, entry in outcome.book.entries()), "the gateway went on without it"
    assert isinstance(outcome.log, MessageLog)
