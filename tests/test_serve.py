"""The page of a run as programs meet it: who gets in, what is told, what can be done."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.client import HTTPResponse
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from brokers_kit import needs_mosquitto
from click.testing import CliRunner
from serve_kit import FakeRun
from world_kit import SCENARIOS, SMALL, small, table

from sim import world
from sim.cli.app import app
from sim.errors import SetupError, UsageError
from sim.faults import known
from sim.scenario.document import parse
from sim.scenario.faults import read_faults
from sim.world.telemetry import FaultView, Snapshot, Telemetry

pytest.importorskip("tornado")

from sim.serve import Access, Page, open_page
from sim.serve.catalogue import catalogue
from sim.serve.feed import Feed
from sim.serve.history import POINTS, History

TOKEN = "a-token-for-the-tests"
HEADER = {"X-FogFleet-Token": TOKEN}
PATIENCE_S = 60.0


class Visitor:
    """Asks a page for things."""

    def __init__(self, page: Page) -> None:
        self.host = page.address.removeprefix("http://").rstrip("/")

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, Any, Any]:
        """(status, headers, what the answer says); names of headers with `_` for `-`."""
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE_S)
        try:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        told = json.loads(text) if "json" in (answer.getheader("Content-Type") or "") else text
        return answer.status, answer.headers, told

    def nodes(self) -> dict[str, str]:
        """The states of all nodes."""
        _, _, found = self.ask("GET", "/api/snapshot", **HEADER)
        return {node["name"]: node["state"] for node in found["nodes"]}

    def until(self, node: str, state: str) -> None:
        """Waits until a node is in a state."""
        wait_until(lambda: self.nodes().get(node) == state)


def wait_until(there: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not there():
        assert time.monotonic() < end_s, "nothing came of it"
        time.sleep(0.05)


@pytest.fixture
def run() -> Iterator[FakeRun]:
    with FakeRun(samples=100_000) as run:
        yield run


@pytest.fixture
def visitor(run: FakeRun) -> Iterator[Visitor]:
    with open_page(run.telemetry, Access(TOKEN), port=0) as page:
        yield Visitor(page)


ADDRESSES = ["/", "/static/main.js", "/api/snapshot", "/api/kinds", "/api/events"]


@pytest.mark.parametrize("path", ADDRESSES)
def test_nothing_is_shown_without_the_token(visitor: Visitor, path: str) -> None:
    for refused in ({}, {"X_FogFleet_Token": "another-token-than-that"}, {"Cookie": "fogfleet-1=x"}):
        status, _, told = visitor.ask("GET", path, **refused)
        assert status == 401
        assert "printed" in told["error"]["remedy"]
    assert visitor.ask("GET", f"{path}?token=wrong")[0] == 401


def test_the_address_with_the_token_lets_in_and_leaves_a_cookie(visitor: Visitor) -> None:
    status, headers, page = visitor.ask("GET", f"/?token={TOKEN}")
    assert status == 200
    assert f'content="{TOKEN}"' in page
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert visitor.ask("GET", "/api/snapshot", Cookie=cookie.split(";")[0])[0] == 200
    assert visitor.ask("GET", "/static/nowhere.js", **HEADER)[0] == 404
    assert visitor.ask("GET", "/static/index.html", **HEADER)[0] == 404
    assert visitor.ask("GET", "/elsewhere", **HEADER)[0] == 404


def test_a_page_of_another_site_changes_nothing(visitor: Visitor) -> None:
    entry, cookie = "{kind: crash, target: site-0/cam.1}", f"fogfleet-{visitor.host.split(':')[1]}={TOKEN}"
    assert visitor.ask("POST", "/api/faults", entry, Cookie=cookie)[0] == 401, "a cookie is not enough"
    foreign = [{"Origin": "http://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": "null"}]
    assert [visitor.ask("POST", "/api/faults", entry, **HEADER, **more)[0] for more in foreign] == [403] * 3
    assert visitor.ask("GET", "/api/snapshot", **HEADER, Host="evil.example")[0] == 403, "a rebound name"
    assert visitor.ask("DELETE", "/api/faults/crash-p1", Cookie=cookie)[0] == 401
    assert visitor.ask("POST", "/api/stop", Cookie=cookie)[0] == 401
    assert set(visitor.nodes().values()) == {"active"}


def test_a_fault_comes_and_goes(visitor: Visitor) -> None:
    status, _, told = visitor.ask("POST", "/api/faults", "{kind: crash, target: site-0/cam.3}", **HEADER)
    assert (status, told) == (201, {"id": "crash-p1"})
    visitor.until("site-0/cam.3", "failed")
    assert visitor.ask("DELETE", "/api/faults/crash-p1", **HEADER)[0] == 200
    visitor.until("site-0/cam.3", "active")
    as_json = json.dumps({"kind": "crash", "target": "site-0/cam.2"})
    own = {"Origin": f"http://{visitor.host}", "Sec_Fetch_Site": "same-origin"}
    assert visitor.ask("POST", "/api/faults", as_json, **HEADER, **own)[0] == 201


def test_what_cannot_be_is_said_with_its_place(visitor: Visitor) -> None:
    def refused(status: int, body: str) -> dict[str, Any]:
        found, _, told = visitor.ask("POST", "/api/faults", body, **HEADER)
        assert found == status, told
        error: dict[str, Any] = told["error"]
        return error

    error = refused(422, "{kind: crush, target: cam.3}")
    assert error["problems"][0]["place"] == "kind"
    assert "did you mean 'crash'" in error["message"]
    assert "docs/faults.md" in error["remedy"]
    assert "fault:1:" in refused(422, "{kind: crash, target: [")["message"], "line and column"
    assert "write one entry" in refused(422, "crash")["message"]
    assert "write one entry" in refused(422, "")["message"]
    assert "'cam.99'" in refused(409, "{kind: crash, target: cam.99}")["message"]
    assert refused(422, "{kind: 'antigravity:Jam', target: cam.3}")["problems"][0]["place"] == "kind"
    assert refused(422, "{kind: crash, target: cam.3, trace: /etc/passwd}")["problems"][0]["place"] == "trace"
    status, _, told = visitor.ask("DELETE", "/api/faults/nobody", **HEADER)
    assert status == 409 and "'nobody'" in told["error"]["message"]
    try:
        status = visitor.ask("POST", "/api/faults", "x" * 200_000, **HEADER)[0]
    except OSError:
        status = 400  # the server hung up before all of it was sent
    assert status == 400


def test_after_the_end_nothing_can_be_done(run: FakeRun, visitor: Visitor) -> None:
    assert visitor.ask("POST", "/api/stop", **HEADER)[0] == 202
    wait_until(lambda: visitor.ask("GET", "/api/snapshot", **HEADER)[2]["status"] == "interrupted")
    status, _, told = visitor.ask("POST", "/api/faults", "{kind: crash, target: site-0/cam.1}", **HEADER)
    assert status == 409 and "live run" in told["error"]["message"]


def events(answer: HTTPResponse) -> Iterator[tuple[str, Any]]:
    name = ""
    while line := answer.readline().decode():
        if line.startswith("event: "):
            name = line.removeprefix("event: ").strip()
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_the_stream_tells_everything_once_and_then_what_changes(visitor: Visitor) -> None:
    connection = http.client.HTTPConnection(visitor.host, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/api/events", headers=HEADER)
        answer = connection.getresponse()
        assert answer.getheader("Content-Type") == "text/event-stream; charset=utf-8"
        stream = events(answer)
        name, hello = next(stream)
        assert name == "hello"
        assert [row[0] for row in hello["nodes"]][-2:] == ["site-0/gw", "cloud"]
        assert hello["tick"]["states"] == "a" * 8
        visitor.ask("POST", "/api/faults", "{kind: crash, target: site-0/cam.0}", **HEADER)
        told = [next(stream)]
        while told[-1][1]["states"][0] != "f":
            told.append(next(stream))
        assert {name for name, _ in told} == {"tick"}
        assert told[-1][1]["faults"][0][:3] == ["crash-p1", "crash", "site-0/cam.0"]
        later = next(stream)[1]
        assert all(row[0] != 0 for row in later["nodes"]), "nothing changes at a crashed camera"
    finally:
        connection.close()


def test_without_a_token_only_this_machine_gets_in(run: FakeRun) -> None:
    with pytest.raises(UsageError, match="everyone who reaches"):
        Access.of("0.0.0.0", wanted=False)
    with pytest.raises(UsageError, match="FOGFLEET_TOKEN"):
        Access.of("127.0.0.1", wanted=True, given="short")
    drawn = {Access.of("127.0.0.1", wanted=True).token for _ in range(3)}
    assert len(drawn) == 3 and all(len(token or "") >= 32 for token in drawn)
    with open_page(run.telemetry, Access.of("localhost", wanted=False), "localhost", port=0) as page:
        visitor, entry = Visitor(page), "{kind: crash, target: site-0/cam.1}"
        assert page.url == page.address
        assert visitor.ask("GET", "/")[0] == 200
        assert visitor.ask("POST", "/api/faults", entry)[0] == 401, "a form of another site can send no header"
        assert visitor.ask("POST", "/api/faults", entry, X_FogFleet_Token="any")[0] == 201


def test_a_taken_port_is_passed_over() -> None:
    telemetry = Telemetry()
    with open_page(telemetry, Access(TOKEN), port=0) as first:
        port = int(first.address.rstrip("/").split(":")[-1])
        with open_page(telemetry, Access(TOKEN), port=min(port, 65500)) as second:
            assert second.address != first.address
    with pytest.raises(SetupError, match="--host"), open_page(telemetry, Access(TOKEN), "192.0.2.1"):
        pass


def test_a_thousand_nodes_are_told_in_few_bytes() -> None:
    with FakeRun(sites=143) as run:
        now = run.telemetry.latest()
    assert now is not None and len(now.nodes) > 1000
    feed = Feed()
    assert feed.advance(now).startswith("event: hello")
    nothing = json.loads(feed.advance(now).split("data: ")[1])
    assert nothing["nodes"] == nothing["flows"] == nothing["recent"] == []
    busier = tuple(replace(node, sent=node.sent + 1, bytes_up=node.bytes_up + 58) for node in now.nodes)
    assert len(feed.advance(replace(now, nodes=busier))) < 100_000
    moved = replace(now.nodes[0], uplink="site-1/gw")
    assert feed.advance(replace(now, nodes=(moved, *now.nodes[1:]))).startswith("event: hello"), "laid out anew"


def test_the_past_is_remembered_in_bounded_memory() -> None:
    history, now = History(), Snapshot("a", "r", "live", "running")
    for second in range(5000):
        raining = (FaultView("rain", "occlusion", "cam", 100.0, "scenario"),) if 100 <= second < 200 else ()
        history.add(replace(now, time_s=float(second), decided=second, right=second, faults=raining))
    times = [point[0] for point in history.points]
    assert len(times) <= POINTS
    assert times == sorted(times) and times[0] == 0 and times[-1] > 4900
    assert [(one["id"], one["since_s"], one["until_s"]) for one in history.episodes()] == [("rain", 100.0, 200.0)]


@pytest.mark.parametrize("entry", catalogue(), ids=lambda entry: str(entry["kind"]))
def test_what_the_page_fills_in_is_a_valid_fault(entry: dict[str, Any]) -> None:
    target = {"node": "cam.0", "link": "cam.0->gw", "broker": "broker"}[entry["on"]]
    values = "".join(f", {field}: {value}" for field, value in entry["values"].items())
    document, problems = parse(f"{{kind: {entry['kind']}, target: {target}{values}, for: 10 s}}", "fault")
    assert not problems
    assert read_faults([document.data], known())[1] == []
    assert entry["does"] and entry["roles"]


@needs_mosquitto
def test_a_real_camera_fails_and_recovers(tmp_path: Path) -> None:
    telemetry, results = world.Telemetry(every_s=0.05), []
    scenario = small("six_cameras", "nodes.cam.period=1 min")

    def simulate() -> None:
        out = {"out": tmp_path, "broker": "mosquitto"}
        results.append(world.simulate(scenario, mode="live", speed=0.5, telemetry=telemetry, **out))  # type: ignore[arg-type]

    with open_page(telemetry, Access(TOKEN), port=0) as page:
        thread, visitor = Thread(target=simulate), Visitor(page)
        thread.start()
        wait_until(lambda: (visitor.ask("GET", "/api/snapshot", **HEADER)[2] or {}).get("time_s", 0) > 0)
        status, _, told = visitor.ask("POST", "/api/faults", "{kind: crash, target: site-0/cam.3}", **HEADER)
        assert status == 201
        visitor.until("site-0/cam.3", "failed")
        assert visitor.ask("POST", "/api/faults", "{kind: crash, target: cam.77}", **HEADER)[0] == 409
        assert visitor.ask("POST", "/api/faults", "{kind: latency, target: cam.1->gw, add: fast}", **HEADER)[0] == 422
        assert visitor.ask("DELETE", f"/api/faults/{told['id']}", **HEADER)[0] == 200
        visitor.until("site-0/cam.3", "active")
        assert visitor.ask("POST", "/api/stop", **HEADER)[0] == 202
        thread.join(PATIENCE_S)
    assert list(table(results[0].folder, "faults")["kind"]) == ["crash"]


def test_the_command_prints_the_address_and_ends_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = [part for value in SMALL for part in ("--set", value)]
    given = ["serve", str(SCENARIOS / "topology_b.yaml"), *sets, "--mode", "virtual", "-o", str(tmp_path)]
    ran = CliRunner().invoke(app, [*given, "--port", "0", "--now", "--once"])
    assert ran.exit_code in (0, 1), ran.output
    assert "The page: http://127.0.0.1:" in ran.output and "?token=" in ran.output
    assert "accuracy" in ran.output
    refused = CliRunner().invoke(app, [*given, "--host", "0.0.0.0", "--no-token"])
    assert refused.exit_code == 2 and "--no-token" in refused.output
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    lacking = CliRunner().invoke(app, given)
    assert lacking.exit_code == 4 and "pip install 'fogfleet[serve]'" in lacking.output
