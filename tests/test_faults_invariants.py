"""What holds under every fault: same seed, same decisions; nothing changes by being possible; effects end."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from fault_kit import decisions, run, samples

from sim.faults.kinds import ALL

STORM = (
    "{kind: noise, target: cam.0, sigma: 60, probability: 0.5}",
    "{kind: byzantine, target: cam, pick: 1, mtbf: 3 s, mttr: 2 s}",
    "{kind: reorder, target: cam->gw, within: 500 ms, probability: 0.4}",
    "{kind: loss, target: gw->cloud, rate: 60 %, bursts: {good: 2 s, bad: 1 s}}",
    "{kind: crash, target: cam.2, at: 3 s, for: 2 s}",
    "{kind: broker-kill, target: broker, at: 6005 ms, for: 700 ms}",
)


def test_the_same_in_other_processes_with_other_hash_seeds() -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from fault_kit import decisions, run\n"
        f"print(decisions(run(*{STORM!r})))"
    )

    def digest(seed: str) -> str:
        answer = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        )
        return hashlib.sha256(answer.stdout).hexdigest()

    here = hashlib.sha256(f"{decisions(run(*STORM))}\n".encode()).hexdigest()
    assert {digest("1"), digest("4242")} == {here}


def test_thirty_kinds_at_probability_0_change_nothing_at_all(tmp_path: Path) -> None:
    idle = [f"{kind.example[:-1]}, probability: 0}}" for kind in ALL if "probability" not in kind.example]
    idle = [entry.replace("cam.3", "cam.0").replace("cam.4", "cam.0").replace("cam.5", "cam.0") for entry in idle]
    assert len(idle) >= 30
    clean, crowded = run(messages=tmp_path / "a.parquet"), run(*idle, messages=tmp_path / "b.parquet")
    assert decisions(crowded) == decisions(clean)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert crowded.faults.rows == []


def test_a_fault_on_one_link_leaves_the_draws_of_all_others(tmp_path: Path) -> None:
    noisy = ["links.cam->gw.jitter=50 ms", "links.cam->gw.loss=0.2", "nodes.gw.wait=2 s", "exits.local=0.0"]

    def others(*entries: str) -> pd.DataFrame:
        run(*entries, overrides=noisy, messages=tmp_path / "m.parquet")
        rows = pd.read_parquet(tmp_path / "m.parquet")
        found = rows[rows.src.isin(["cam.1", "cam.2"]) & (rows.kind == "scores")]
        return found[["src", "sample", "sent_s", "arrived_s"]].sort_values(["src", "sample"]).reset_index(drop=True)

    disturbed = others("{kind: duplicate, target: cam.0->gw, copies: 3, probability: 0.6}")
    pd.testing.assert_frame_equal(disturbed, others(), check_categorical=False)


def test_adding_a_fault_leaves_the_randomness_of_another(tmp_path: Path) -> None:
    def dropped(*more: str) -> list[int]:
        run("{id: d, kind: drop, target: cam.0, probability: 0.5}", *more, messages=tmp_path / "m.parquet")
        rows = pd.read_parquet(tmp_path / "m.parquet")
        return sorted(rows[(rows.fate == "lost:drop") & (rows.kind == "scores")]["sample"])

    assert dropped() == dropped("{kind: delay, target: cam.1, by: 1 s, probability: 0.5}") != []


@pytest.mark.parametrize(
    "entry",
    [
        "{kind: crash, target: cam.0, at: 2 s, for: 2 s}",
        "{kind: slow-compute, target: gw, factor: 1e6, at: 2 s, for: 2 s}",
        "{kind: pause, target: cam, at: 2 s, for: 1500 ms}",
        "{kind: bandwidth, target: cam->gw, to: 2 kbit/s, at: 2 s, for: 1500 ms}",
        "{kind: cut, target: gw->cloud, at: 2 s, for: 2 s}",
        "{kind: delay, target: cam, by: 700 ms, at: 2 s, for: 2 s}",
        "{kind: broker-kill, target: broker, at: 2005 ms, for: 2 s}",
        "{kind: flood, target: cam.0, rate: 100, at: 2 s, for: 2 s}",
    ],
)
def test_an_effect_ends_with_its_fault(entry: str) -> None:
    found, clean = decisions(run(entry)), decisions(run())
    assert found[:2] == clean[:2] and found[7:] == clean[7:]


def test_every_sample_has_one_fate_in_a_storm() -> None:
    entries = samples(run(*STORM, overrides=["mqtt.qos=0"]))
    assert len(entries) == 12
    assert all((entry.exit is None) == entry.fate.startswith("dropped:") for entry in entries)
