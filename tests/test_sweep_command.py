"""`fogfleet sweep` and `fogfleet merge` as processes: kills, Ctrl-C, formats, and a Dask cluster on loopback."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sweep_kit
from brokers_kit import WAIT_S
from click.testing import CliRunner, Result

from sim.cli.app import app
from sim.cli.sweeps import as_axis
from sim.sweep import Options, sweep

TESTS = Path(__file__).parent
COMMAND = [sys.executable, "-c", "from sim.cli import main; main()"]


def start(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    """`fogfleet` with these arguments, in its own process group."""
    path = os.pathsep.join([str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def table_in(folder: Path) -> bytes:
    (found,) = (folder / "runs" / "small").glob("sweep-*/index.parquet")
    return found.read_bytes()


def finished(folder: Path) -> int:
    """Points with a whole result."""
    return sum(found.read_bytes().count(b"\n") for found in folder.glob("runs/small/sweep-*/results.jsonl"))


def slow(samples: int = 400) -> str:
    """A sweep that takes a while: 21 points of many samples."""
    grid = f"{{exits.local: [0.2, 0.6, 0.9], samples: [{samples}]}}"
    return f"sweep:\n  combinations: {{of: cam, down: 0..2}}\n  grid: {grid}\n"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("undisturbed")
    result = sweep(sweep_kit.scenario(folder, slow()), Options(out=folder / "runs"))
    return (result.folder / "index.parquet").read_bytes()


def test_killed_at_random_moments_it_resumes_to_the_same_table(tmp_path: Path, undisturbed: bytes) -> None:
    sweep_kit.write(tmp_path, slow())
    moments = random.Random(int(os.environ.get("FOGFLEET_KILL_SEED", "1")))
    for _ in range(int(os.environ.get("FOGFLEET_KILLS", "2"))):
        victim = start("sweep", "small.yaml", "-j", "2", folder=tmp_path)
        before = finished(tmp_path)
        while victim.poll() is None and finished(tmp_path) == before:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.3))
        victim.kill()
        victim.communicate()
    last = start("sweep", "small.yaml", "-j", "2", folder=tmp_path)
    _, errors = last.communicate(timeout=600)
    assert last.returncode == 0, errors
    assert table_in(tmp_path) == undisturbed


def test_interrupted_it_says_so_and_keeps_what_was_done(tmp_path: Path) -> None:
    sweep_kit.write(tmp_path, slow(3000))
    process = start("sweep", "small.yaml", "-j", "2", folder=tmp_path)
    results = tmp_path / "runs" / "small"
    deadline = time.monotonic() + WAIT_S
    while not any(found.stat().st_size for found in results.glob("*/results.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130
    assert "interrupted" in errors and "Traceback" not in errors
    (about,) = results.glob("*/sweep.json")
    assert json.loads(about.read_text())["status"] == "interrupted"
    assert any(results.glob("*/index.parquet"))


def test_several_values_after_set_are_one_more_axis(tmp_path: Path) -> None:
    assert as_axis("exits.local=0.1, 0.5") == "sweep.grid.exits.local=[0.1, 0.5]"
    assert as_axis("seed=0..9") == "sweep.grid.seed=0..9"
    for plain in ("exits.local=0.1", "down=[cam.1,cam.2]", "sweep.seeds=0..3", "name='a,b'", "odd"):
        assert as_axis(plain) == plain
    path = sweep_kit.write(tmp_path, "")
    told = run(
        "sweep", str(path), "-o", str(tmp_path), "--set", "exits.local=0.2,0.6", "--set", "sites=1..2", "--dry-run"
    )
    assert told.exit_code == 0
    assert "4 points, 0 done, 4 to do" in told.output
    assert "exits.local = 0.6, sites = 2" in told.output


def test_a_fixed_value_for_what_varies_is_refused(tmp_path: Path) -> None:
    told = run("sweep", str(sweep_kit.write(tmp_path)), "--set", "exits.local=0.5")
    assert told.exit_code == 2
    assert "sweep.grid.exits.local=[…]" in told.output


def test_mistakes_end_with_their_exit_codes_before_any_run(tmp_path: Path) -> None:
    path = str(sweep_kit.write(tmp_path))
    out = tmp_path / "runs"
    for code, arguments in (
        (3, ["--set", "exits.locl=0.1,0.2"]),
        (3, ["--set", "sweep.grid.exits.local=[0.1, 1.5]"]),
        (2, ["--shard", "5/4"]),
        (2, ["--executor", "slurm"]),
        (4, ["--executor", "dask://127.0.0.1:1"]),
    ):
        if "dask" in arguments[-1] and importlib.util.find_spec("distributed") is None:
            continue
        assert run("sweep", path, "-o", str(out), *arguments).exit_code == code, arguments
    assert not out.exists(), "mistakes are found before anything is written"


def test_the_table_in_other_formats_and_merged_from_shards(tmp_path: Path) -> None:
    path = str(sweep_kit.write(tmp_path, "sweep: {grid: {exits.local: [0.2, 0.6, 0.9]}}"))
    out = ["-o", str(tmp_path / "runs")]
    text = run("sweep", path, *out, "-j", "1")
    assert "3 points: 3 simulated, 0 from before, 0 failed" in text.output
    as_json = json.loads(run("sweep", path, *out, "-j", "1", "--format", "json").stdout)
    as_csv = list(csv.DictReader(io.StringIO(run("sweep", path, *out, "-j", "1", "--format", "csv").stdout)))
    assert [row["exits.local"] for row in as_json] == [0.2, 0.6, 0.9]
    assert [float(row["accuracy.overall"]) for row in as_csv] == [row["accuracy.overall"] for row in as_json]
    for shard in ("1/2", "2/2"):
        assert run("sweep", path, "-o", str(tmp_path / "parts"), "-j", "1", "--shard", shard).exit_code == 0
    parts = [str(folder) for folder in (tmp_path / "parts" / "small").iterdir()]
    told = run("merge", *parts, "-o", str(tmp_path / "joined"))
    assert "3 points joined, 0 missing, 0 failed" in told.output
    assert (tmp_path / "joined" / "index.parquet").read_bytes() == table_in(tmp_path)


def scheduler_address(path: Path) -> str:
    """Where a scheduler listens, by the file that it writes about itself."""
    deadline = time.monotonic() + 3 * WAIT_S
    while time.monotonic() < deadline:
        try:
            return str(json.loads(path.read_text())["address"])
        except (OSError, ValueError):
            time.sleep(0.05)
    raise AssertionError("no scheduler came up")


@contextmanager
def dask_cluster(folder: Path, workers: int) -> Iterator[str]:
    """A real scheduler and workers on loopback; yields `dask://…`."""
    path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    environment = {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment, "cwd": folder}
    about = ["--scheduler-file", str(folder / "scheduler.json")]  # says which port it got
    scheduler = [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", *about]
    processes = [subprocess.Popen(scheduler, **quiet)]  # type: ignore[call-overload]
    try:
        address = scheduler_address(folder / "scheduler.json")
        worker = [*dask, "worker", address, "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"]
        processes += [subprocess.Popen(worker, **quiet) for _ in range(workers)]  # type: ignore[call-overload]
        yield address.replace("tcp://", "dask://")
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="Dask is not installed")
def test_on_a_dask_cluster_the_table_is_the_same(tmp_path: Path, undisturbed: bytes) -> None:
    sweep_kit.write(tmp_path, slow())
    with dask_cluster(tmp_path, 2) as address:
        deadline = time.monotonic() + 3 * WAIT_S
        while True:
            process = start("sweep", "small.yaml", "--executor", address, folder=tmp_path)
            _, errors = process.communicate(timeout=600)
            # The workers may not have come up yet; the command says so and ends.
            if process.returncode != 4 or time.monotonic() > deadline:
                break
    assert process.returncode == 0, errors
    assert table_in(tmp_path) == undisturbed
