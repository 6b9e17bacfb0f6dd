"""One run from scenario to run folder."""

from __future__ import annotations

import hashlib
import json
import secrets
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from platform import platform, python_version
from typing import Any, Final, Literal

from brokers.address import without_secret
from brokers.choose import check_choice, open_carrier
from sim.ddnn import Inference
from sim.ledger.folder import RunFolder
from sim.scenario import Scenario
from sim.world import chargeback, expect, faults, result
from sim.world.live import Live
from sim.world.play import Outcome, play
from sim.world.prepare import Prepared, Progress, prepare
from sim.world.shards import Crew
from sim.world.shards import check as check_shards
from sim.world.telemetry import Snapshot, Telemetry
from sim.world.wiring import is_plain

Mode = Literal["virtual", "lockstep", "live"]
INTERRUPTED: Final = 130
Notice = Callable[[str], None]
LIBRARIES = ("fogfleet", "torch", "numpy", "simpy", "paho-mqtt", "pyarrow", "pandas", "pydantic")


@dataclass(frozen=True)
class RunResult:
    """A finished run: where its folder lies, its summary, and the exit code that it calls for (0, 1, 4 or 130)."""

    folder: Path
    summary: dict[str, Any]
    exit_code: int


def simulate(
    scenario: Scenario,
    *,
    mode: Mode = "lockstep",
    broker: str = "auto",
    out: Path = Path("runs"),
    argv: Sequence[str] = (),
    run_id: str | None = None,
    notice: Notice = lambda text: None,
    progress: Progress | None = None,
    speed: float = 1.0,
    telemetry: Telemetry | None = None,
    shards: int = 1,
) -> RunResult:
    """Runs a scenario and writes its run folder `out/<scenario>/<id>`.

    Args:
        scenario: what to run.
        mode: `virtual` keeps the bytes in memory, `lockstep` sends them over a real broker, `live` does so in
            wall-clock time.
        broker: which real one: auto, mosquitto, embedded, or a URL.
        out: parent of the run folders.
        argv: the command line, for `run.json`.
        run_id: name of the run folder; None: from the time and at random.
        notice: told what a person should know (a fallback, a trained network).
        progress: told how far training and simulation are.
        speed: of a live run: its seconds for each wall second.
        telemetry: shows the run to other threads while it goes on.
        shards: processes that a virtual run is spread over, no more than there are sites; the tables are the same.

    Raises:
        UsageError: the fleet cannot be split over processes.
        FogFleetError: and the folder keeps its `.partial` name, as it does after Ctrl-C (which a live run turns into
            a result of exit code 130, with all tables of what had been due by then).
    """
    if mode != "virtual":
        check_choice(broker)
    crew = None
    if shards > 1:
        check_shards(scenario, mode)
        crew = Crew(shards)
    run_id = run_id or new_id()
    folder = RunFolder(out / scenario.name, run_id)
    record = describe(scenario, mode, speed, argv, run_id)
    folder.write_text("scenario.yaml", as_given(scenario))
    folder.write_json("scenario.json", scenario.to_json())
    status = "interrupted"
    if telemetry is not None:
        telemetry.publish(Snapshot(scenario.name, run_id, mode, "preparing", speed if mode == "live" else 1.0))
    try:
        found = _simulate(scenario, mode, broker, folder, record, notice, progress, speed, telemetry, crew)
        folder_path, status = found.folder, "interrupted" if found.exit_code == INTERRUPTED else "complete"
        return found
    except BaseException as error:
        if not isinstance(error, KeyboardInterrupt):
            status = f"failed: {type(error).__name__}: {error}"
        folder.abandon(status, record)
        folder_path = folder.path
        raise
    finally:
        if telemetry is not None:
            telemetry.end(status, str(folder_path))


def _simulate(
    scenario: Scenario,
    mode: Mode,
    broker: str,
    folder: RunFolder,
    record: dict[str, Any],
    notice: Notice,
    progress: Progress | None,
    speed: float,
    telemetry: Telemetry | None,
    crew: Crew | None,
) -> RunResult:
    began = time.perf_counter()
    folder.log("preparing", scenario=scenario.name, seed=scenario.seed, mode=mode)
    prepared = prepare(scenario, progress)
    network = prepared.network
    notice("the network's weights come from the cache" if network.from_cache else "the network was trained")
    folder.log("prepared", data=prepared.dataset.name, weights=network.sha256, from_cache=network.from_cache)
    inference = network.inference(prepared.dataset)
    choice = "memory" if mode == "virtual" else broker
    mqtt = scenario.mqtt
    with open_carrier(choice, version=mqtt.version, durable=mqtt.durable, notice=notice) as carrier:
        ready = time.perf_counter()
        path, token = folder.path / "messages.parquet", record["id"][-8:]
        if crew is not None:
            outcome = crew.play(prepared, inference, path, token, progress)
            record["shards"] = crew.shards(prepared.scenario.sites)
        else:
            bare = mode == "virtual" and is_plain(scenario) and telemetry is None
            live = Live(speed) if mode == "live" else None
            outcome = play(
                prepared, inference, None if bare else carrier, path, token, progress, live=live, telemetry=telemetry
            )
            if live is not None:
                record["behind_s"] = round(live.behind_s, 3)
        record["broker"] = {"name": carrier.name, "version": carrier.version, "protocol": carrier.protocol}
        record["outages"] = dict(outcome.outages)
        record["mqtt_bytes"] = result.broker_bytes(outcome, carrier.counters)
    played = time.perf_counter()
    summary = write_tables(prepared, inference, outcome, mode, folder, record)
    record["wall_s"] = {
        "total": round(time.perf_counter() - began, 3),
        "setup": round(ready - began, 3),
        "simulate": round(played - ready, 3),
    }
    if outcome.interrupted:
        folder.abandon("interrupted", record)
        return RunResult(folder.path, summary, INTERRUPTED)
    folder.write_json("run.json", {**record, "status": "complete"})
    return RunResult(folder.complete(), summary, exit_code(summary, outcome))


def write_tables(
    prepared: Prepared,
    inference: Inference,
    outcome: Outcome,
    mode: Mode,
    folder: RunFolder,
    record: dict[str, Any],
) -> dict[str, Any]:
    """Writes everything but the messages and `run.json` into the folder; the summary."""
    path = folder.path
    outcome.book.write(path / "decisions.parquet", result.site_names(prepared))
    outcome.faults.write(path / "faults.parquet")
    outcome.steering.write(path / "events.parquet", outcome.virtual_s)
    if outcome.tenancy is not None:
        chargeback.write(result.tenants(prepared, outcome), path / "tenants.parquet")
    result.write_nodes(prepared, outcome, path / "nodes.parquet")
    summary = result.summarise(prepared, inference, outcome, mode)
    summary["expect"] = expect.check(prepared.scenario.expect, summary)
    folder.write_json("summary.json", summary)
    record["sha256"] |= {
        "data": prepared.dataset.sha256,
        "weights": prepared.network.sha256,
        "decisions": hashlib.sha256((path / "decisions.parquet").read_bytes()).hexdigest(),
    }
    record["virtual_s"] = outcome.virtual_s
    folder.log("written", divergences=outcome.divergences, unasked=outcome.unasked)
    return summary


def exit_code(summary: dict[str, Any], outcome: Outcome) -> int:
    """0; 1 where an expectation was not met or a fault never fired; 4 where model and broker differ."""
    if outcome.divergences or (outcome.unasked and summary["mode"] != "live"):
        return 4
    met = all(row["ok"] for row in summary["expect"]) and not outcome.faults.missed
    return 0 if met else 1


def describe(scenario: Scenario, mode: Mode, speed: float, argv: Sequence[str], run_id: str) -> dict[str, Any]:
    """The beginnings of `run.json`."""
    resolved = json.dumps(scenario.to_json(), sort_keys=True).encode()
    return {
        "id": run_id,
        "scenario": scenario.name,
        "seed": scenario.seed,
        "mode": mode,
        **({"speed": speed} if mode == "live" else {}),
        "argv": [without_secret(word) for word in argv],
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": python_version(), "platform": platform(), **versions()},
        "git_commit": git_commit(),
        "plugins": faults.used(scenario),
        "sha256": {"scenario": hashlib.sha256(resolved).hexdigest()},
    }


def new_id() -> str:
    """A name for a run folder, from the time and at random; its last eight characters are the run's token."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


def versions() -> dict[str, str]:
    """The versions of FogFleet and of the libraries that take part in a run."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """The commit of the current folder, if it is a checkout and git is there."""
    try:
        answer = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def as_given(scenario: Scenario) -> str:
    """The text of the scenario's file."""
    try:
        return scenario.path.read_text(encoding="utf-8")
    except OSError:
        return "# this scenario was not read from a file; see scenario.json\n"
