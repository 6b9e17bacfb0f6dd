"""The main job end to end: the same decisions over memory and over a real Mosquitto, and an honest run folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from brokers_kit import WAIT_S, alive, within
from world_kit import ROOT, SCENARIOS, SMALL, digest, record, small, table

from brokers import mosquitto
from sim import world

needs_mosquitto = pytest.mark.skipif(mosquitto.find() is None, reason="no Mosquitto here")
TOPOLOGIES = ("a", "b", "c", "d", "e", "f")


@needs_mosquitto
@pytest.mark.parametrize("name", ["six_cameras", *(f"topology_{letter}" for letter in TOPOLOGIES)])
def test_lockstep_equals_virtual_to_the_byte(name: str, tmp_path: Path) -> None:
    scenario = small(name)
    virtual = world.simulate(scenario, mode="virtual", out=tmp_path)
    lockstep = world.simulate(scenario, mode="lockstep", broker="mosquitto", out=tmp_path)
    for file in ("decisions.parquet", "messages.parquet", "nodes.parquet"):
        assert digest(virtual.folder, file) == digest(lockstep.folder, file), file
    assert virtual.summary | {"mode": ""} == lockstep.summary | {"mode": ""}
    run = record(lockstep.folder)
    assert run["broker"]["name"] == "mosquitto" and run["broker"]["version"].startswith("2.")
    assert run["mqtt_bytes"]["modelled"] == run["mqtt_bytes"]["counted"], "the MQTT column is what the sockets carried"


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.8, 1.0])
def test_payload_is_equation_1_exactly(threshold: float, tmp_path: Path) -> None:
    result = world.simulate(small("six_cameras", f"exits.local={threshold}"), mode="virtual", out=tmp_path)
    messages, decisions = table(result.folder, "messages"), table(result.folder, "decisions")
    share = (decisions["fate"] == "local").mean()
    up = messages[messages["src"].str.startswith("cam") & messages["kind"].isin(["scores", "features"])]
    measured = up["payload_bytes"].sum() / (6 * len(decisions))
    assert measured == pytest.approx(4 * 3 + (1 - share) * 4 * 256 / 8, abs=1e-12)
    each = result.summary["bytes"]["per_device_per_sample"]
    assert each["payload"] == each["eq1"]
    assert each["payload"] == pytest.approx(measured)


def test_the_run_folder_holds_what_is_promised(tmp_path: Path) -> None:
    result = world.simulate(small(), mode="virtual", out=tmp_path, argv=["fogfleet", "run"])
    assert result.folder.parent == tmp_path / "six-cameras"
    assert {path.name for path in result.folder.iterdir()} == {
        *("run.json", "scenario.yaml", "scenario.json", "summary.json", "log.jsonl"),
        *("messages.parquet", "decisions.parquet", "faults.parquet", "nodes.parquet", "events.parquet"),
    }
    decisions, messages = table(result.folder, "decisions"), table(result.folder, "messages")
    assert decisions["sample"].tolist() == list(range(24))
    assert set(decisions["fate"]) <= {"local", "cloud"}
    assert (decisions["decided_s"] > decisions["captured_s"]).all()
    assert (messages["arrived_s"].dropna() > messages["sent_s"][messages["arrived_s"].notna()]).all()
    right = (decisions["predicted"] == decisions["label"]).mean()
    assert result.summary["accuracy"]["overall"] == pytest.approx(right)
    run = record(result.folder)
    assert run["status"] == "complete" and run["argv"] == ["fogfleet", "run"]
    assert run["sha256"]["decisions"] == digest(result.folder, "decisions.parquet")
    assert (result.folder / "scenario.yaml").read_bytes() == (SCENARIOS / "six_cameras.yaml").read_bytes()


def test_nodes_add_up_to_the_messages(tmp_path: Path) -> None:
    result = world.simulate(small(), mode="virtual", out=tmp_path)
    nodes, messages = table(result.folder, "nodes").set_index("node"), table(result.folder, "messages")
    received = messages[messages["fate"] == "delivered"]["dst"].value_counts()
    assert nodes["received"].to_dict() == received.reindex(nodes.index, fill_value=0).to_dict()
    cameras = messages[messages["src"].str.startswith("cam")]["src"].value_counts()
    assert nodes.loc[cameras.index, "sent"].to_dict() == cameras.to_dict()
    assert (nodes["energy_j"] > 0).all()


def test_sites_repeat_and_do_not_disturb_each_other(tmp_path: Path) -> None:
    result = world.simulate(small("six_cameras", "sites=3", "samples=8"), mode="virtual", out=tmp_path)
    decisions = table(result.folder, "decisions")
    assert decisions["site"].value_counts().to_dict() == {"site-0": 8, "site-1": 8, "site-2": 8}
    alone = world.simulate(small("six_cameras", "samples=8"), mode="virtual", out=tmp_path)
    first = decisions[decisions["site"] == "site-0"].drop(columns="decided_s").reset_index(drop=True)
    pd.testing.assert_frame_equal(first, table(alone.folder, "decisions").drop(columns="decided_s"))


def test_an_expectation_that_fails_is_exit_code_1(tmp_path: Path) -> None:
    scenario = small().model_copy(update={"expect": {"accuracy": ">= 1.0", "latency_p95": "< 10 s"}})
    result = world.simulate(scenario, mode="virtual", out=tmp_path)
    assert [row["ok"] for row in result.summary["expect"]] == [False, True]
    assert result.exit_code == 1


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_another_process_decides_the_same(hash_seed: str, tmp_path: Path) -> None:
    here = world.simulate(small(), mode="virtual", out=tmp_path / "here")
    command = ["run", str(SCENARIOS / "six_cameras.yaml"), "--mode", "virtual", "-o", str(tmp_path / "there")]
    for override in SMALL:
        command += ["--set", override]
    code = "from sim.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr  # so little training does not meet the scenario's expectation
    (there,) = (tmp_path / "there" / "six-cameras").iterdir()
    assert digest(there, "decisions.parquet") == digest(here.folder, "decisions.parquet")


@needs_mosquitto
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_leaves_no_broker_and_no_whole_folder(kill: signal.Signals, tmp_path: Path) -> None:
    world.prepare(small())  # so that the run below has nothing to train and is killed while it simulates
    command = ["run", str(SCENARIOS / "six_cameras.yaml"), "-o", str(tmp_path), "--set", "samples=24"]
    for override in (*SMALL, "sites=200"):
        command += ["--set", override]
    process = subprocess.Popen(
        [sys.executable, "-c", "from sim.cli import main; main()", *command],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    broker = _child_broker(process.pid)
    os.killpg(process.pid, kill)
    _, errors = process.communicate(timeout=WAIT_S)
    (folder,) = (tmp_path / "six-cameras").iterdir()
    assert folder.suffix == ".partial"
    if kill == signal.SIGINT:
        assert process.returncode == 130, errors
        assert record(folder)["status"] == "interrupted"
    assert within(WAIT_S, lambda: not alive(broker)), "the broker outlived the run"


def _child_broker(parent: int) -> int:
    """Waits for the Mosquitto that `parent` starts."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        for path in Path("/proc").glob("[0-9]*"):
            try:
                fields = (path / "stat").read_text().rsplit(")", 1)
                ancestor = int(fields[1].split()[1])
                words = (path / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            except (OSError, IndexError, ValueError):
                continue
            # its launcher has the same words after those of Python
            if ancestor == parent and words[-1].endswith(b"mosquitto.conf") and words[0] != os.fsencode(sys.executable):
                time.sleep(0.3)  # into the run
                return int(path.name)
        time.sleep(0.02)
    raise AssertionError("no broker was started")
