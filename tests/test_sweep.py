"""Sweeps as a whole: the same table however it came about, and every point what `simulate` would say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sweep_kit

from analysis import load
from analysis.points import points_of
from brokers.memory import MemoryCarrier
from sim import world
from sim.errors import SetupError, UsageError
from sim.sweep import Options, Shard, State, estimate, merge, sweep
from sim.sweep import work as worker
from sim.sweep.figures import flat
from sim.sweep.index import replicates
from sim.sweep.store import RESULTS, Record
from sim.world.play import play

TABLE = "index.parquet"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The table of the small sweep."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return table(sweep(sweep_kit.scenario(folder), Options(out=folder)).folder)


def table(folder: Path) -> bytes:
    return (folder / TABLE).read_bytes()


def rows(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(folder / TABLE).to_pylist()
    return found


def stop_after(count: int) -> Callable[[State], None]:
    def progress(state: State) -> None:
        if state.stage == "points" and state.fresh >= count:
            raise KeyboardInterrupt

    return progress


def test_the_table_is_the_same_with_processes(tmp_path: Path, undisturbed: bytes) -> None:
    result = sweep(sweep_kit.scenario(tmp_path), Options(out=tmp_path, jobs=2))
    assert (result.points, result.reused, result.failed, result.exit_code) == (24, 0, (), 0)
    assert table(result.folder) == undisturbed


def test_an_interrupted_sweep_continues_to_the_same_table(tmp_path: Path, undisturbed: bytes) -> None:
    wanted, fresh = sweep_kit.scenario(tmp_path), []
    for count in (1, 9):
        with pytest.raises(KeyboardInterrupt):
            sweep(wanted, Options(out=tmp_path), stop_after(count))
        (folder,) = (tmp_path / "small").iterdir()
        assert json.loads((folder / "sweep.json").read_text())["status"] == "interrupted"
        fresh.append(len(rows(folder)))
    result = sweep(wanted, Options(out=tmp_path))
    assert 0 < fresh[0] < fresh[1] <= 24, "the faster the machine, the more points go out at once"
    assert result.reused == fresh[1]
    assert table(folder) == undisturbed
    about = json.loads((folder / "sweep.json").read_text())
    assert (about["status"], about["varied"]) == ("complete", ["down", "exits.local"])
    assert about["points"] == {"sweep": 24, "here": 24, "complete": 24, "failed": 0}


def test_run_again_it_does_nothing_and_forced_everything(tmp_path: Path, undisturbed: bytes) -> None:
    wanted = sweep_kit.scenario(tmp_path)
    first = sweep(wanted, Options(out=tmp_path))
    assert sweep(wanted, Options(out=tmp_path)).reused == 24
    assert sweep(wanted, Options(out=tmp_path, force=True)).reused == 0
    assert table(first.folder) == undisturbed
    found = estimate(wanted, Options(out=tmp_path))
    assert (found.done, found.to_train, found.measured, found.seconds) == (24, 0, True, 0.0)


def test_shards_merge_to_the_same_table_and_it_continues(tmp_path: Path, undisturbed: bytes) -> None:
    wanted = sweep_kit.scenario(tmp_path)
    folders = [sweep(wanted, Options(out=tmp_path, shard=Shard(k, 3))).folder for k in (3, 1, 2)]
    part = merge(folders[:2])
    assert (part.points, part.missing, part.exit_code) == (16, 8, 5)
    whole = merge(folders)
    assert (whole.points, whole.missing, whole.exit_code) == (24, 0, 0)
    assert table(whole.folder) == undisturbed
    assert sweep(wanted, Options(out=tmp_path)).reused == 24
    other = sweep(sweep_kit.scenario(tmp_path, "sweep: {seeds: 0..1}"), Options(out=tmp_path))
    with pytest.raises(UsageError, match="another sweep"):
        merge([folders[0], other.folder])
    with pytest.raises(UsageError, match="not a sweep folder"):
        merge([tmp_path])


def test_in_lockstep_over_a_real_broker_the_table_is_the_same(tmp_path: Path) -> None:
    if shutil.which("mosquitto") is None and not Path("/usr/sbin/mosquitto").exists():
        pytest.skip("Mosquitto is not installed")
    block = "sweep: {combinations: {of: cam, down: 0..1}, grid: {exits.local: [0.6]}}"
    wanted = sweep_kit.scenario(tmp_path, block)
    virtual, lockstep = (sweep(wanted, Options(mode=mode, out=tmp_path)) for mode in ("virtual", "lockstep"))
    assert virtual.folder != lockstep.folder
    assert table(virtual.folder) == table(lockstep.folder)


@pytest.mark.parametrize(
    "overrides",
    [
        ("exits.local=0.6", "down=[cam.1]"),
        ("exits.local=0.9", "links.cam->gw.bandwidth=9 kbit/s", "mqtt.qos=0"),
        ("exits.local=null", "exits.device=0.4", "nodes.gw.wait=20 ms"),
        ("nodes.cam.send=raw", "exits.local=null"),
        ("model.edge={filters: 2}", "exits.edge=0.7", "sites=3"),
        ("nodes.gw.count=2", "nodes.cam.buffer=1", "links.cam->gw.queue=1"),
    ],
)
def test_a_point_is_what_simulate_says(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    """Also where the fabric takes its shortcut, every decision and every sum is the same."""
    wanted = sweep_kit.scenario(tmp_path, "", *overrides)
    prepared = world.prepare(wanted)
    inference = prepared.network.inference(prepared.dataset)
    long, short = (play(prepared, inference, carrier, None, "rehearse") for carrier in (MemoryCarrier(), None))
    assert long.book.entries() == short.book.entries()
    assert long.log.totals() == short.log.totals()
    assert (long.virtual_s, long.overheard_bytes) == (short.virtual_s, short.overheard_bytes)
    simulated = flat(world.simulate(wanted, mode="virtual", out=tmp_path).summary)
    (values,) = rows(
        sweep(sweep_kit.scenario(tmp_path, "sweep: {seeds: [7]}", *overrides), Options(out=tmp_path)).folder
    )
    found = {name: value for name, value in values.items() if name in simulated}
    assert found == simulated


def test_a_point_that_fails_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: bytes
) -> None:
    figures = worker._figures

    def broken(job: worker.Job, task: worker.Task) -> dict[str, Any]:
        if task.values["down"] == ("cam.1",):
            raise SetupError("the disk of cam.1 is on fire")
        return figures(job, task)

    monkeypatch.setattr(worker, "_figures", broken)
    wanted = sweep_kit.scenario(tmp_path)
    result = sweep(wanted, Options(out=tmp_path))
    assert result.exit_code == 5
    assert [(point.number, reason) for point, reason in result.failed] == [
        (number, "SetupError: the disk of cam.1 is on fire") for number in (6, 7, 8)
    ]
    failed = rows(result.folder)[6]
    assert (failed["status"], failed["accuracy.overall"], failed["exit_share.local"]) == ("failed", None, None)
    assert "on fire" in failed["error"]
    monkeypatch.undo()
    again = sweep(wanted, Options(out=tmp_path))
    assert (again.reused, again.exit_code) == (21, 0)
    assert table(again.folder) == undisturbed


def test_a_network_that_cannot_be_trained_fails_its_points_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = worker._BENCH.prepared

    def broken(scenario: Any) -> Any:
        if scenario.model.training.seed == 5:
            raise SetupError("no such weights")
        return prepared(scenario)

    monkeypatch.setattr(worker._BENCH, "prepared", broken)
    result = sweep(sweep_kit.scenario(tmp_path, "sweep: {grid: {model.training.seed: [1, 5]}}"), Options(out=tmp_path))
    assert [row["status"] for row in rows(result.folder)] == ["complete", "failed"]
    assert result.failed[0][1] == "SetupError: no such weights"


def test_a_full_disk_ends_the_sweep_and_it_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: bytes
) -> None:
    from sim.sweep.store import Store

    add, calls = Store.add, []

    def full(self: Store, records: list[Record]) -> None:
        calls.append(1)
        if len(calls) > 1:
            raise SetupError("cannot write results.jsonl: No space left on device")
        add(self, records)

    monkeypatch.setattr(Store, "add", full)
    with pytest.raises(SetupError, match="No space"):
        sweep(sweep_kit.scenario(tmp_path), Options(out=tmp_path))
    monkeypatch.undo()
    result = sweep(sweep_kit.scenario(tmp_path), Options(out=tmp_path))
    assert 0 < result.reused < 24
    assert table(result.folder) == undisturbed


def test_a_torn_result_is_simulated_again(tmp_path: Path, undisturbed: bytes) -> None:
    wanted = sweep_kit.scenario(tmp_path)
    folder = sweep(wanted, Options(out=tmp_path)).folder
    whole = (folder / RESULTS).read_bytes()
    (folder / RESULTS).write_bytes(whole[: len(whole) * 2 // 3])
    (folder / TABLE).unlink()
    assert 0 < sweep(wanted, Options(out=tmp_path)).reused < 24
    assert table(folder) == undisturbed


def test_a_run_folder_for_every_point_where_asked(tmp_path: Path) -> None:
    block = "sweep: {grid: {exits.local: [0.2, 0.9]}}"
    result = sweep(sweep_kit.scenario(tmp_path, block), Options(out=tmp_path, keep_runs=True))
    for row in rows(result.folder):
        summary = json.loads((result.folder / "runs" / "small" / row["key"] / "summary.json").read_text())
        assert summary["thresholds"]["local"] == row["exits.local"]
        assert summary["accuracy"]["overall"] == row["accuracy.overall"]
        assert summary["exits"].get("local", 0) == row["exit_share.local"]


def test_replications_have_a_mean_and_students_interval(tmp_path: Path) -> None:
    block = "sweep: {grid: {mqtt.qos: [0, 1]}, seeds: 0..4}"
    result = sweep(sweep_kit.scenario(tmp_path, block, "links.cam->gw.loss=30 %"), Options(out=tmp_path))
    lost = [row["lost.loss"] for row in rows(result.folder) if row["mqtt.qos"] == 0]
    found = pq.read_table(result.folder / "replicates.parquet").to_pylist()
    assert [(row["mqtt.qos"], row["seeds"]) for row in found] == [(0, 5), (1, 5)]
    mean = sum(lost) / 5
    deviation = (sum((value - mean) ** 2 for value in lost) / 4) ** 0.5
    assert len(set(lost)) > 1
    assert found[0]["lost.loss.mean"] == pytest.approx(mean)
    assert found[0]["lost.loss.ci95"] == pytest.approx(2.776445 * deviation / 5**0.5)
    told = rows(result.folder)
    assert [row["replicates.seeds"] for row in told] == [5] * 10
    assert {row["replicates.lost.loss.mean"] for row in told if row["mqtt.qos"] == 0} == {found[0]["lost.loss.mean"]}
    drawn = points_of(load.sweep(result.folder)).frame.set_index("mqtt.qos")
    for row in found:
        assert drawn.accuracy[row["mqtt.qos"]] == pytest.approx(row["accuracy.overall.mean"])
        assert drawn.accuracy_half[row["mqtt.qos"]] == pytest.approx(row["accuracy.overall.ci95"])
    single = replicates(pq.read_table(result.folder / TABLE).slice(0, 1), ["mqtt.qos", "seed"]).to_pylist()
    assert single[0]["lost.loss.ci95"] is None


def test_retrained_networks_belong_to_their_points(tmp_path: Path) -> None:
    block = "sweep: {combinations: {of: cam, down: [0, 1]}}"
    result = sweep(sweep_kit.scenario(tmp_path, block, "model.missing=retrain"), Options(out=tmp_path))
    about = [json.loads(line) for line in (result.folder / RESULTS).read_text().splitlines()]
    assert len(about) == 4 and not result.failed
