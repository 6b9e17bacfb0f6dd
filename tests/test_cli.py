"""The command as a user meets it: what it prints, where, and the exit code it ends with."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from brokers_kit import WAIT_S
from click.testing import CliRunner, Result

from brokers.api import BrokerError
from sim.cli.app import app
from sim.cli.exits import exits
from sim.errors import DataError, InvariantError, Problem, ScenarioError, SetupError, UsageError

COMMAND = [sys.executable, "-c", "from sim.cli import main; main()"]
SMALL = [
    *("--set", "model.training.epochs=2"),
    *("--set", "data.train=60"),
    *("--set", "data.test=12"),
    *("--set", "samples=12"),
]


def fogfleet(*arguments: str | Path) -> Result:
    """The command in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="fogfleet")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.fixture
def starter(here: Path) -> Path:
    fogfleet("init", ".")
    return here / "fleet.yaml"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One small run of the starter scenario, which its expectation fails."""
    folder = tmp_path_factory.mktemp("cli")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOGFLEET_CACHE", str(folder / "cache"))
        fogfleet("init", folder)
        result = fogfleet(
            *("run", str(folder / "fleet.yaml"), "--mode", "virtual", "-o", str(folder / "runs"), *SMALL, "--report"),
            *("--set", "expect.accuracy='>= 1.01'", "--format", "json"),
        )
    assert result.exit_code == 1, result.output
    return {"told": json.loads(result.stdout), "said": result.stderr}


def test_help_imports_nothing_heavy() -> None:
    heavy = ("torch", "pandas", "matplotlib", "pydantic", "numpy", "pyarrow", "simpy", "paho", "rich", "ruamel")
    for arguments in (["--help"], ["run", "--help"], ["--version"]):
        code = (
            f"import sys, sim.cli; sys.argv = ['fogfleet', *{arguments}]\n"
            "try: sim.cli.main()\n"
            "except SystemExit as end: assert not end.code\n"
            f"loaded = [name for name in {heavy} if name in sys.modules]\n"
            "sys.exit(f'imported {loaded}' if loaded else 0)"
        )
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("name", sorted(app.commands))
def test_every_command_has_a_short_help_and_an_example(name: str) -> None:
    command = app.commands[name]
    assert not command.get_short_help_str(limit=60).endswith("...")
    assert f"fogfleet {name}" in fogfleet(name, "--help").output.partition("Example")[2]


def test_init_writes_a_valid_scenario_and_keeps_what_is_there(here: Path) -> None:
    first = fogfleet("init", "fleets/mine")
    assert first.exit_code == 0
    assert fogfleet("validate", "fleets/mine/fleet.yaml").exit_code == 0
    (here / "fleets/mine/fleet.yaml").write_text("mine")
    again = fogfleet("init", "fleets/mine")
    assert again.exit_code == 2
    assert "exists already" in again.stderr
    assert (here / "fleets/mine/fleet.yaml").read_text() == "mine"


def test_validate_shows_all_problems_of_all_files(here: Path, starter: Path) -> None:
    text = starter.read_text()
    (here / "a.yaml").write_text(text.replace("seed: 7", "seed: seven").replace("qos: 1", "qos: 7"))
    (here / "b.yaml").write_text(text.replace("250 kbit/s", "fast"))
    result = fogfleet("validate", "a.yaml", "fleet.yaml", "b.yaml", "absent.yaml")
    assert result.exit_code == 3
    assert result.stdout == "fleet.yaml: ok\n"
    lines = result.stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == ["a.yaml", "a.yaml", "b.yaml", "absent.yaml", "4 problems found"]
    assert lines[0].startswith("a.yaml:4:7: seed:")


def test_schema_goes_to_the_screen_or_a_file(here: Path) -> None:
    assert "links" in json.loads(fogfleet("schema").stdout)["properties"]
    assert fogfleet("schema", "--output", "schema.json").exit_code == 0
    assert (here / "schema.json").read_text() == fogfleet("schema").stdout


def test_run_ends_with_the_figures_in_json(done: dict[str, Any]) -> None:
    told = done["told"]
    assert told["exit_code"] == 1
    assert told["summary"]["samples"]["captured"] == 12
    assert told["summary"]["expect"] == [
        {"what": "accuracy", "bound": ">= 1.01", "value": pytest.approx(0.5, abs=0.5), "ok": False}
    ]
    assert json.loads((Path(told["folder"]) / "summary.json").read_text()) == told["summary"]
    assert Path(told["report"]).read_text().startswith("<!doctype html>")
    assert json.loads((Path(told["folder"]) / "run.json").read_text())["argv"][0] == "fogfleet"


def test_run_says_on_standard_error_what_takes_long(done: dict[str, Any]) -> None:
    assert "training ..." in done["said"].splitlines()
    assert "simulating ..." in done["said"].splitlines()


def test_run_prints_the_headline(done: dict[str, Any]) -> None:
    from sim.cli import headline

    summary = done["told"]["summary"]
    lines = dict(line.strip().split(maxsplit=1) for line in headline.lines(summary))
    assert list(lines) == ["samples", "accuracy", "bytes", "exits", "latency", "lost", "checks", "expect"]
    assert lines["samples"] == "12 captured, 12 decided, 0 dropped"
    payload = summary["bytes"]["per_device_per_sample"]["payload"]
    assert f"{payload:.4g} B per camera and sample; Eq. 1 says {payload:.4g} B; raw images 3072 B" in lines["bytes"]
    assert lines["expect"].endswith("NOT MET")


def test_the_headline_copes_with_a_run_where_nothing_was_decided(done: dict[str, Any]) -> None:
    from sim.cli import headline

    summary = json.loads(json.dumps(done["told"]["summary"]))
    summary["latency_s"]["all"] = dict.fromkeys(summary["latency_s"]["all"])
    summary["accuracy"]["per_camera"] = {"cam.0": None}
    summary["bytes"]["reduction_vs_raw"] = None
    summary["dropped"] = {"timeout": 12}
    lines = "\n".join(headline.lines(summary))
    assert "median –" in lines
    assert "(12 timeout)" in lines


def test_the_headline_says_what_policies_and_tenants_came_to(done: dict[str, Any]) -> None:
    from sim.cli import headline

    summary = {
        **done["told"]["summary"],
        "failovers": {"moved": 2, "returned": 1, "nobody": 1, "took_s": 0.512},
        "retunes": {"count": 5, "final": {"lowest": 0.4, "mean": 0.5, "highest": 0.6}},
        "tenants": {"city": {"cost": 0.5668, "refused_bandwidth": 100, "refused_compute": 3}},
    }
    lines = dict(line.strip().split(maxsplit=1) for line in headline.lines(summary))
    assert lines["failover"] == "2 moved (512 ms at most), 1 returned, nobody could take over 1 times"
    assert lines["retune"] == "5 new thresholds, last 0.4 to 0.6"
    assert lines["tenant"] == "city: cost 0.5668, 103 messages refused"


def test_report_and_compare_read_run_folders(done: dict[str, Any], here: Path) -> None:
    folder = done["told"]["folder"]
    assert fogfleet("report", folder, "-o", "page/mine.html").exit_code == 0
    assert (here / "page/mine.html").stat().st_size > 10_000
    result = fogfleet("compare", folder, folder, "--format", "json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)
    assert fogfleet("compare", folder).exit_code == 2
    assert fogfleet("report", here).exit_code == 4


def test_report_takes_the_newest_complete_run(done: dict[str, Any], here: Path) -> None:
    assert fogfleet("report").exit_code == 2
    for name, age_s in (("old", 2), ("new", 1), ("newer.partial", 0)):
        copy = shutil.copytree(done["told"]["folder"], here / "runs/fleet" / name)
        os.utime(copy / "run.json", (1e9 - age_s, 1e9 - age_s))
    assert fogfleet("report").stdout.split() == ["Wrote", "runs/fleet/new/report.html"]


def test_train_stores_a_network_once_and_runs_use_it(starter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOGFLEET_CACHE", str(starter.parent / "cache"))
    first = fogfleet("train", starter, *SMALL, "--seeds", "2", "--format", "json")
    rows = json.loads(first.stdout)
    assert [(row["seed"], row["from_cache"]) for row in rows] == [(7, False), (8, False)]
    assert {"local", "cloud"} <= set(rows[0]["accuracy"])
    run = fogfleet("run", starter, *SMALL, "--mode", "virtual", "--set", "expect.accuracy='>= 0'")
    assert run.exit_code == 0, run.output
    assert "training" not in run.stderr


def test_speed_belongs_to_live_runs(starter: Path) -> None:
    result = fogfleet("run", starter, "--speed", "10")
    assert result.exit_code == 2
    assert "--mode live" in result.stderr


def test_an_unreachable_broker_is_the_environments_fault(starter: Path, done: dict[str, Any]) -> None:
    cache = Path(done["told"]["folder"]).parents[2] / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOGFLEET_CACHE", str(cache))
        result = fogfleet("run", starter, *SMALL, "--broker", "mqtt://127.0.0.1:9")
    assert result.exit_code == 4, result.output
    assert "Traceback" not in result.output


def test_faults_lists_kinds_and_shows_one() -> None:
    from sim.faults import known

    listed = fogfleet("faults").stdout.splitlines()
    assert [line.split()[0] for line in listed] == list(known())
    assert "Example:\n  {kind: crash" in fogfleet("faults", "crash").stdout
    unknown = fogfleet("faults", "crush")
    assert unknown.exit_code == 2
    assert "did you mean 'crash'?" in unknown.stderr


def test_doctor_finds_this_environment_healthy(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOGFLEET_CACHE", str(here / "cache"))
    result = fogfleet("doctor", "--format", "json")
    told = json.loads(result.stdout)
    checks = {check["name"]: check for check in told["checks"]}
    assert result.exit_code == 0 and told["ok"], told
    assert {"python", "fogfleet", "torch", "broker", "mosquitto", "files", "disk", "cache"} <= set(checks)
    assert "fogfleet train" in checks["cache"]["remedy"]


def test_doctor_ends_with_4_where_no_broker_is(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOGFLEET_CACHE", str(here / "cache"))
    monkeypatch.setattr("brokers.mosquitto.find", lambda: None)
    monkeypatch.setattr("brokers.embedded.installed", lambda: False)
    result = fogfleet("doctor")
    assert result.exit_code == 4
    assert "apt-get install mosquitto" in result.stdout


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (UsageError("no such exit"), 2, "fogfleet: no such exit\n"),
        (ScenarioError((Problem("a.yaml", 1, 2, "seed", "bad"),)), 3, "a.yaml:1:2: seed: bad\n"),
        (SetupError("diverged"), 4, "fogfleet: diverged\n"),
        (DataError("no file"), 4, "fogfleet: no file\n"),
        (InvariantError("lost a sample"), 4, "fogfleet: lost a sample\n"),
        (BrokerError("refused"), 4, "fogfleet: refused\n"),
        (PermissionError(13, "Permission denied", "runs"), 4, "fogfleet: [Errno 13] Permission denied: 'runs'\n"),
        (KeyboardInterrupt(), 130, "fogfleet: interrupted\n"),
        (ZeroDivisionError("division by zero"), 70, "fault in FogFleet itself: ZeroDivisionError"),
    ],
)
def test_every_failure_has_its_exit_code_and_no_traceback(error: BaseException, code: int, text: str) -> None:
    @click.command()
    def fails() -> None:
        with exits():
            raise error

    result = CliRunner().invoke(fails)
    assert result.exit_code == code
    assert text in result.stderr
    assert "Traceback" not in result.output


def test_debug_shows_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOGFLEET_DEBUG", "1")
    monkeypatch.setattr("sim.faults.known", lambda: 1 / 0)
    result = fogfleet("faults")
    assert result.exit_code == 70
    assert "Traceback" in result.stderr


def test_a_closed_pipe_is_no_drama() -> None:
    with subprocess.Popen([*COMMAND, "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.wait(WAIT_S) == 141
        assert process.stderr.read() == b""


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_leaves_no_broker_and_no_whole_folder(starter: Path, sent: signal.Signals, code: int) -> None:
    import psutil

    environment = {**os.environ, "FOGFLEET_CACHE": str(starter.parent / "cache")}
    small = [*SMALL[:-2], "--set", "samples=all", "--set", "sites=400"]
    process = subprocess.Popen(
        [*COMMAND, "run", str(starter), *small],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr
        for line in process.stderr:
            if line.startswith("simulating"):
                break
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(sent)
        said = process.stderr.read()
    assert children, "no broker was started"
    assert process.returncode == code, said
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(children, timeout=WAIT_S)
    assert not alive
    assert [path.suffix for path in (starter.parent / "runs/my-fleet").iterdir()] == [".partial"]
