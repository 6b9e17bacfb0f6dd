"""When faults are in force: windows of every kind of schedule, cascades, load conditions, and who is chosen."""

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from fault_kit import load, run, samples, touched

from sim.errors import DataError, ScenarioError, UsageError
from sim.faults.schedules import Window, duration, windows


def schedule(text: str, horizon_s: float = 100.0, seed: int = 1) -> list[Window]:
    fault = load(f"{{kind: drop, target: cam, {text}}}").faults[0]
    return list(windows(fault, horizon_s, np.random.default_rng(seed)))


def test_fixed_times() -> None:
    assert schedule("") == [(0.0, None)]
    assert schedule("at: 5 s") == [(5.0, None)]
    assert schedule("at: 5 s, for: 2 s") == [(5.0, 7.0)]
    assert schedule("at: 200 s") == [], "after the last sample nothing begins"
    assert schedule("at: 5 s, every: 40 s, for: 2 s") == [(5.0, 7.0), (45.0, 47.0), (85.0, 87.0)]


def test_failure_rates_have_their_means() -> None:
    found = schedule("mtbf: 30 s, mttr: 10 s", horizon_s=400_000.0)
    downs = [window.end_s - window.start_s for window in found if window.end_s is not None]
    assert np.mean(downs) == pytest.approx(10, rel=0.05)
    assert sum(downs) / 400_000 == pytest.approx(0.25, abs=0.01), "unavailability = mttr / (mtbf + mttr)"
    assert np.std(downs) == pytest.approx(10, rel=0.06), "exponential: the deviation is the mean"


def test_weibull_times_have_the_mean_asked_for_and_less_spread() -> None:
    rng = np.random.default_rng(0)
    times = [duration(8.0, 3.0, rng) for _ in range(20_000)]
    assert np.mean(times) == pytest.approx(8.0, rel=0.01)
    assert np.std(times) == pytest.approx(2.9, rel=0.03), "shape 3: 0.363 of the mean"


def test_bursts_are_bad_for_their_share_of_time() -> None:
    found = schedule("bursts: {good: 8 s, bad: 2 s}", horizon_s=200_000.0)
    assert sum((end or 0) - start for start, end in found) / 200_000 == pytest.approx(0.2, abs=0.01)


def test_random_schedules_stay_within_at_and_for() -> None:
    found = schedule("mtbf: 1 s, mttr: 1 s, at: 20 s, for: 10 s")
    assert len(found) > 2 and found[0].start_s >= 20
    assert all(end is not None and end <= 30 for _, end in found)


def test_a_trace_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("start_s,end_s\n5,6.5\n1,2\n50,\n")
    fault = load(f"{{kind: drop, target: cam, trace: {tmp_path}/t.csv}}").faults[0]
    assert list(windows(fault, 100.0, np.random.default_rng(0))) == [(1.0, 2.0), (5.0, 6.5), (50.0, None)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("start_s,end_s\n5,oops\n", "line 2"),
        ("a,b\n1,2\n", "write the columns start_s,end_s"),
        ("start_s,end_s\n5,4\n", "0 <= start_s < end_s"),
        ("start_s,end_s\n1,5\n4,6\n", "overlap"),
    ],
)
def test_bad_traces_name_the_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        run(f"{{kind: drop, target: cam, trace: {tmp_path}/t.csv}}")
    with pytest.raises(DataError, match="no trace file"):
        run("{kind: drop, target: cam, trace: nowhere.csv}")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("every: 5 s, mtbf: 5 s, mttr: 1 s", "different schedules"),
        ("mtbf: 5 s", "belong together"),
        ("every: 5 s, for: 6 s", "should not be longer"),
        ("lag: 1 s", "counts from another fault"),
        ("when: {target: gw}", "either 'backlog'"),
        ("after: other, at: 5 s", "leave out 'at'"),
    ],
)
def test_schedules_that_contradict_themselves_are_refused(entry: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        load(f"{{kind: drop, target: cam, {entry}}}")


def test_a_cascade_begins_with_its_leader_and_ends_with_it() -> None:
    outcome = run(
        "{id: first, kind: crash, target: cam.0, at: 2 s, for: 3 s}",
        "{id: second, kind: slow-compute, target: cam.1, after: first, lag: 500 ms}",
        "{id: third, kind: slow-compute, target: cam.2, after: second, for: 4 s}",
    )
    times = [(row.target, row.start_s, row.end_s) for row in outcome.faults.rows]
    assert times == [("site-0/cam.0", 2.0, 5.0), ("site-0/cam.1", 2.5, 5.0), ("site-0/cam.2", 2.5, 6.5)]
    with pytest.raises(UsageError, match="follows 'nobody'"):
        run("{kind: crash, target: cam.0, after: nobody}")


def test_a_load_condition_starts_and_ends_a_fault() -> None:
    outcome = run(
        "{kind: bandwidth, target: cam.2->gw, to: 200 bit/s, at: 2 s, for: 200 ms}",
        "{id: hot, kind: crash, target: cam.0, when: {target: cam.2->gw, waiting: 1}}",
    )
    hot = [row for row in outcome.faults.rows if row.kind == "crash"]
    assert len(hot) == 1 and hot[0].start_s is not None and 2.0 < hot[0].start_s < 2.5
    assert hot[0].end_s is not None and hot[0].end_s > hot[0].start_s


def test_together_means_one_random_schedule_for_all() -> None:
    def starts(more: str) -> dict[str, set[float | None]]:
        outcome = run(f"{{kind: crash, target: cam, mtbf: 3 s, mttr: 1 s{more}}}")
        found: dict[str, set[float | None]] = {}
        for row in outcome.faults.rows:
            found.setdefault(row.target, set()).add(row.start_s)
        return found

    alone, pole = starts(""), starts(", together: true")
    assert len(set(map(frozenset, pole.values()))) == 1 and len(pole) == 3
    assert len(set(map(frozenset, alone.values()))) > 1


def test_pick_takes_so_many_by_the_seed() -> None:
    def picked(seed: int) -> set[str]:
        outcome = run("{kind: crash, target: cam, at: 1 s, pick: 2}", overrides=[f"seed={seed}"])
        return {row.target for row in outcome.faults.rows}

    chosen = [picked(seed) for seed in range(8)]
    assert all(len(names) == 2 for names in chosen) and len(set(map(frozenset, chosen))) == 3
    assert picked(4) == picked(4)
    with pytest.raises(UsageError, match="cannot pick 4 of 3"):
        run("{kind: crash, target: cam, pick: 4}")


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("cam.1", ["cam.1"]),
        ("cam", ["cam.0", "cam.1", "cam.2"]),
        ("camera", ["cam.0", "cam.1", "cam.2"]),
        ("'cam.[02]'", ["cam.0", "cam.2"]),
        ("site-0/cam.2", ["cam.2"]),
        ("'gw, cam.0'", ["cam.0", "gw"]),
    ],
)
def test_nodes_as_targets(target: str, names: list[str]) -> None:
    outcome = run(f"{{kind: crash, target: {target}, at: 3 s, for: 1 s}}")
    assert [row.target.removeprefix("site-0/") for row in outcome.faults.rows] == names


def test_links_and_the_best_camera_as_targets() -> None:
    outcome = run("{kind: latency, target: 'cam.[01]->gw', add: 1 ms}", "{kind: crash, target: best-camera, at: 1 s}")
    assert [row.target for row in outcome.faults.rows][:2] == ["site-0/cam.0->gw", "site-0/cam.1->gw"]
    assert len(outcome.faults.rows) == 3


@pytest.mark.parametrize(
    "entry",
    [
        "{kind: blackout, target: gw}",
        "{kind: bandwidth, target: broker, to: 1 kbit/s}",
        "{kind: overload, target: cam.0}",
        "{kind: crash, target: site-7/cam.0}",
    ],
)
def test_a_target_that_a_kind_cannot_happen_to_is_an_error(entry: str) -> None:
    with pytest.raises(UsageError, match="names nothing of the kind"):
        run(entry)


def test_what_never_fired_is_told_apart_from_what_left_it_to_chance() -> None:
    outcome = run(
        "{id: late, kind: crash, target: cam.0, at: 1 h}",
        "{id: idle, kind: drop, target: cloud->gw, at: 0 s, for: 1 ms}",
        "{kind: drop, target: cam, probability: 1e-9}",
        "{kind: crash, target: cam, mtbf: 9 h, mttr: 1 s}",
        "{kind: crash, target: gw, probability: 0}",
    )
    assert outcome.faults.missed == ["crash on cam.0", "drop on cloud->gw"]
    assert [json.loads(row.parameters)["id"] for row in outcome.faults.rows if not row.fired] == ["late", "idle"]


def test_one_row_for_each_injection_and_the_fault_on_each_sample() -> None:
    outcome = run("{id: off, kind: crash, target: cam.1, at: 1500 ms, every: 4 s, for: 1 s}")
    rows = [(row.start_s, row.end_s, row.fired) for row in outcome.faults.rows]
    assert rows == [(1.5, 2.5, True), (5.5, 6.5, True), (9.5, 10.5, True)]
    assert touched(outcome) == [2, 6, 10]
    assert {samples(outcome)[2].faults, samples(outcome)[6].faults} == {"off"}
    assert list(islice((row.kind for row in outcome.faults.rows), 1)) == ["crash"]
