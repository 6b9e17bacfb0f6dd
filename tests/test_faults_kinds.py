"""What each kind does, on a fleet of three cameras; and that nothing is ever unaccounted for."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fault_kit import decisions, load, lost, run, samples, touched

from sim import faults
from sim.errors import UsageError
from sim.faults.base import FaultKind
from sim.faults.kinds import ALL


@cache
def clean() -> list[tuple[Any, ...]]:
    """What is decided without faults."""
    return decisions(run())


EDGE = ("model.edge.filters=4", "model.edge.blocks=1", "exits.edge=0.0")


def here(example: str) -> str:
    """An example of the catalogue, cut to this fleet and its twelve seconds."""
    example = re.sub(r"cam\.[3-9]", "cam.2", example)
    example = re.sub(r"\bat: [^,}]+", "at: 2 s", example)
    return re.sub(r"(, )for: \d+ (s|min)\}$", r"\1for: 3 s}", example)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name())
def test_the_example_of_every_kind_runs_and_leaves_nothing_unaccounted(kind: type[FaultKind]) -> None:
    outcome = run(here(kind.example))
    assert len(samples(outcome)) == 12
    assert outcome.divergences == outcome.unasked == 0
    assert not outcome.faults.missed


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name())
def test_a_kind_is_told_in_full_and_refuses_what_it_does_not_know(kind: type[FaultKind]) -> None:
    assert kind.__doc__ and kind.layer and all(field.description for name, field in kind.model_fields.items()
                                               if name != "kind")  # fmt: skip
    assert kind.model_config["frozen"] and kind.model_config["extra"] == "forbid"
    assert kind.model_fields["kind"].is_required(), "or the JSON Schema accepts what the model rejects"


def test_the_catalogue_has_all_layers_and_unique_names() -> None:
    assert {kind.layer for kind in ALL} == {
        "sensor", "device", "model", "message", "link", "broker", "gateway", "security"
    }  # fmt: skip
    assert len(faults.known(plugins=False)) == len(ALL) >= 43


def test_a_picture_that_differs_gives_other_scores() -> None:
    strong = "{kind: noise, target: cam, sigma: 200, at: 4 s, for: 3 s}"
    assert [d[2] for d in decisions(run(strong))][4:7] != [d[2] for d in clean()][4:7]


@pytest.mark.parametrize(
    "entry",
    [
        "{kind: blackout, target: cam.1, level: 255, at: 4 s, for: 3 s}",
        "{kind: stuck-frame, target: cam.1, at: 4 s, for: 3 s}",
        "{kind: noise, target: cam.1, sigma: 90, at: 4 s, for: 3 s}",
        "{kind: blur, target: cam.1, radius: 5, at: 4 s, for: 3 s}",
        "{kind: blur, target: cam.1, motion: true, radius: 9, at: 4 s, for: 3 s}",
        "{kind: exposure, target: cam.1, gain: 4, at: 4 s, for: 3 s}",
        "{kind: dead-pixels, target: cam.1, share: 0.5, at: 4 s, for: 3 s}",
        "{kind: occlusion, target: cam.1, share: 0.6, at: 4 s, for: 3 s}",
        "{kind: occlusion, target: cam.1, form: rain, share: 0.6, at: 4 s, for: 3 s}",
        "{kind: channel-swap, target: cam.1, at: 4 s, for: 3 s}",
        "{kind: weight-bits, target: cam.1, rate: 0.2, at: 4 s, for: 3 s}",
        "{kind: feature-bits, target: cam.1, rate: 0.3, at: 4 s, for: 3 s}",
        "{kind: byzantine, target: cam.1, mode: flipped, at: 4 s, for: 3 s}",
        "{kind: byzantine, target: cam.1, at: 4 s, for: 3 s}",
    ],
)
def test_a_bad_camera_changes_its_own_samples_and_only_those(entry: str) -> None:
    outcome = run(entry)
    found = decisions(outcome)
    assert touched(outcome) == [4, 5, 6]
    assert outcome.faults.rows[0].parameters.count('"touched": 3') == 1
    outside = [k for k in range(12) if k not in (4, 5, 6)]
    assert [found[k] for k in outside] == [clean()[k] for k in outside]


def test_colluding_liars_agree_and_random_ones_do_not() -> None:
    everyone = run("{kind: byzantine, target: cam, mode: colluding}", overrides=["exits.local=1.0"])
    assert {entry.fate for entry in samples(everyone)} == {"local"}
    assert max(entry.entropy or 0 for entry in samples(everyone)) < 0.01, "all are sure of the same class"


@pytest.mark.parametrize(
    ("entry", "overrides"),
    [
        ("{kind: byzantine, target: gw, at: 4 s, for: 3 s}", ["exits.local=1.0"]),
        ("{kind: byzantine, target: cloud, mode: flipped, at: 4 s, for: 3 s}", ["exits.local=0.0"]),
        ("{kind: weight-bits, target: cloud, rate: 0.3, at: 4 s, for: 3 s}", ["exits.local=0.0"]),
        ("{kind: weight-bits, target: gw, rate: 0.3, at: 4 s, for: 3 s}", ["exits.local=0.0", *EDGE]),
        ("{kind: feature-bits, target: gw, rate: 0.3, at: 4 s, for: 3 s}", ["exits.local=0.0", *EDGE]),
    ],
)
def test_a_bad_gateway_or_cloud_judges_its_own_samples_otherwise(entry: str, overrides: list[str]) -> None:
    outcome, clean = run(entry, overrides=overrides), decisions(run(overrides=overrides))
    found = decisions(outcome)
    assert touched(outcome) == [4, 5, 6]
    outside = [k for k in range(12) if k not in (4, 5, 6)]
    assert [found[k] for k in outside] == [clean[k] for k in outside]
    assert [found[k][1:3] for k in (4, 5, 6)] != [clean[k][1:3] for k in (4, 5, 6)]


@pytest.mark.parametrize(
    ("target", "overrides"),
    [("gw", ["exits.local=1.0", "model.aggregate.local=concat"]), ("cloud", ["exits.local=0.0"])],
)
def test_a_network_as_old_as_the_true_one_judges_as_it(target: str, overrides: list[str]) -> None:
    stale = run(f"{{kind: stale-model, target: {target}, epochs: 1}}", overrides=overrides)
    assert decisions(stale) == decisions(run(overrides=overrides))
    assert len(touched(stale)) == 12


@pytest.mark.parametrize("entry", ["{kind: weight-bits, target: gw}", "{kind: feature-bits, target: cloud}"])
def test_what_a_node_does_not_have_cannot_break(entry: str) -> None:
    with pytest.raises(UsageError, match=r"it happens to nodes with (weights|features) of the role camera"):
        run(entry)


def test_a_crash_loses_captures_and_buffered_features() -> None:
    outcome = run("{kind: crash, target: cam.0, at: 3500 ms, for: 2 s}")
    assert [entry.devices_used < 3 for entry in samples(outcome)][4:6] == [True, True]
    assert touched(outcome) == [4, 5]


@pytest.mark.parametrize(("memory", "fate"), [("kept", "cloud"), ("lost", "dropped:cloud-undecided")])
def test_a_cloud_that_keeps_its_memory_finishes_what_it_had_begun(memory: str, fate: str, tmp_path: Path) -> None:
    run(overrides=["exits.local=0.0"], messages=tmp_path / "m.parquet")
    rows = pd.read_parquet(tmp_path / "m.parquet")
    arrivals = rows[(rows.dst == "cloud") & (rows["sample"] == 9)].arrived_s.sort_values()
    between_us = (arrivals.iloc[0] + arrivals.iloc[1]) / 2 * 1e6
    crash = f"{{kind: crash, target: cloud, memory: {memory}, at: {between_us:.3f} us, for: 1 us}}"
    assert samples(run(crash, overrides=["exits.local=0.0"]))[9].fate == fate


def test_a_paused_gateway_answers_late_and_loses_nothing() -> None:
    outcome = run("{kind: pause, target: gw, at: 3900 ms, for: 700 ms}")
    entry = samples(outcome)[4]
    assert entry.decided_s is not None and entry.decided_s >= 4.6
    assert lost(outcome) == {} and entry.devices_used == clean()[4][4]


def test_a_paused_camera_goes_on_where_it_was() -> None:
    outcome = run("{kind: pause, target: cam.0, at: 3900 ms, for: 400 ms}")
    assert lost(outcome) == {}
    assert outcome.fleet.cameras()[0].captured == 12


def test_slow_compute_makes_a_camera_late() -> None:
    outcome = run("{kind: slow-compute, target: cam.0, factor: 1e5, at: 3500 ms, for: 1 s}")
    late = samples(outcome)[5]
    assert late.decided_s is not None and clean()[5][3] is not None and late.decided_s > clean()[5][3]


def test_an_empty_battery_is_the_end() -> None:
    outcome = run("{kind: battery, target: cam.0, capacity_j: 1.2}")
    assert 3 <= outcome.fleet.cameras()[0].captured <= 6
    assert "empty_s" in outcome.faults.rows[0].parameters


def test_a_clock_that_is_late_by_more_than_the_gateway_waits_is_missed() -> None:
    used = [entry.devices_used for entry in samples(run("{kind: clock-error, target: cam.0, offset: 500 ms}"))]
    assert max(used) <= 2
    early = samples(run("{kind: clock-error, target: cam.0, offset: 400 ms, ahead: true}"))[5]
    assert early.captured_s == pytest.approx(4.6)


def test_drop_duplicate_delay_and_replay_account_for_every_copy() -> None:
    assert lost(run("{kind: drop, target: cam.0}")) == {"drop": 12}, "no request comes back for scores that never came"
    twice = run("{kind: duplicate, target: cam->gw, copies: 2}")
    assert twice.log.tally(link="cam->gw").messages == 3 * run().log.tally(link="cam->gw").messages
    late = run("{kind: delay, target: cam.0, by: 1 s}")
    assert [entry.devices_used for entry in samples(late)] <= [d[4] for d in clean()]
    assert max(entry.devices_used for entry in samples(late)) == 2
    replayed = run("{kind: replay, target: cam.0, back: 1}")
    assert decisions(replayed) == clean(), "an old message is recognised and ignored"


def test_changed_bytes_are_found_out_by_the_checksum() -> None:
    sent = run().log.tally(link="cam->gw", kind="scores").messages // 3
    for kind in ("corrupt", "truncate"):
        assert lost(run(f"{{kind: {kind}, target: cam.0}}"))["malformed"] == sent


def test_the_fault_stands_on_every_message_that_it_touched(tmp_path: Path) -> None:
    entries = ["{id: slow, kind: delay, target: cam.0, by: 50 ms}", "{kind: drop, target: gw->cam}"]
    run(*entries, messages=tmp_path / "m.parquet", overrides=["exits.local=0.0"])
    rows = pd.read_parquet(tmp_path / "m.parquet")
    assert set(rows[rows.src == "cam.0"].fault) == {"slow"}
    assert set(rows[(rows.src == "gw") & rows.dst.str.startswith("cam")].fault) == {"drop-2"}
    assert rows[rows.src == "cam.1"].fault.isna().all()


def test_what_a_bad_camera_says_names_the_fault_as_far_as_it_is_carried(tmp_path: Path) -> None:
    overrides = ["exits.local=0.0"]
    run(
        "{id: snow, kind: noise, target: cam.1, sigma: 90, at: 4 s, for: 3 s}",
        overrides=overrides,
        messages=tmp_path / "m",
    )
    rows = pd.read_parquet(tmp_path / "m")
    snowy = rows[rows.fault == "snow"]
    assert set(snowy["sample"]) == {4, 5, 6} and len(snowy) == 3 * 3
    assert set(map(tuple, snowy[["src", "dst", "kind"]].drop_duplicates().to_numpy())) == {
        ("cam.1", "gw", "scores"),
        ("cam.1", "gw", "features"),
        ("gw", "cloud", "features"),
    }
    assert rows.fault.notna().sum() == len(snowy)


def test_what_a_bad_gateway_says_names_the_fault(tmp_path: Path) -> None:
    run(
        "{id: liar, kind: byzantine, target: gw, at: 4 s, for: 3 s}",
        overrides=["exits.local=1.0"],
        messages=tmp_path / "m",
    )
    rows = pd.read_parquet(tmp_path / "m")
    assert set(rows[rows.fault == "liar"].kind) == {"exit"} and set(rows[rows.fault == "liar"]["sample"]) == {4, 5, 6}


def test_what_waits_at_the_door_of_a_paused_node_names_the_fault(tmp_path: Path) -> None:
    run("{id: late, kind: pause, target: gw, at: 3900 ms, for: 700 ms}", messages=tmp_path / "m.parquet")
    rows = pd.read_parquet(tmp_path / "m.parquet")
    held = rows[(rows.dst == "gw") & (rows["sample"] == 4) & (rows.kind == "scores")]
    assert len(held) == 3 and (held.fault == "late").all()


def test_a_slower_link_serialises_longer_to_the_microsecond(tmp_path: Path) -> None:
    def times(*entries: str) -> pd.DataFrame:
        run(*entries, messages=tmp_path / "m.parquet", overrides=["links.cam->gw.jitter=0 ms"])
        rows = pd.read_parquet(tmp_path / "m.parquet")
        return rows[(rows.src == "cam.0") & (rows.kind == "scores") & (rows["sample"] == 5)]

    plain, slow = times(), times("{kind: bandwidth, target: cam->gw, to: 25 kbit/s, at: 4500 ms, for: 1 s}")
    took = (plain.arrived_s - plain.sent_s).iloc[0] - 0.005
    assert (slow.arrived_s - slow.sent_s).iloc[0] - 0.005 == pytest.approx(10 * took, abs=1e-9)


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_partition_loses_at_qos_0_and_delays_above(qos: int, tmp_path: Path) -> None:
    entry = "{kind: partition, target: cam.0->gw, at: 6500 ms, for: 2 s}"
    outcome = run(entry, overrides=[f"mqtt.qos={qos}"], messages=tmp_path / "m.parquet")
    assert lost(outcome) == ({"partition": 2} if qos == 0 else {})
    rows = pd.read_parquet(tmp_path / "m.parquet")
    closed = rows[(rows.src == "cam.0") & (rows.sent_s > 6.5) & (rows.sent_s < 8.5)]
    assert len(closed) == 2 and (closed.fault == "partition-1").all()
    if qos:
        assert (closed.arrived_s > 8.5).all()
    assert decisions(outcome)[9:] == decisions(run(overrides=[f"mqtt.qos={qos}"]))[9:]


def test_a_cut_in_mid_transfer_sends_again_at_qos_1_and_loses_at_qos_0(tmp_path: Path) -> None:
    slow = [
        "links.cam->gw.bandwidth=2 kbit/s",
        "links.cam->gw.jitter=0 ms",
        "nodes.gw.wait=5 s",
        "nodes.cam.period=9 s",
    ]
    cut = "{kind: cut, target: cam.0->gw, at: 9200 ms, for: 1 s}"

    def arrivals(*entries: str) -> pd.DataFrame:
        run(*entries, overrides=slow, messages=tmp_path / "m.parquet")
        rows = pd.read_parquet(tmp_path / "m.parquet")
        return rows[(rows.src == "cam.0") & (rows.kind == "scores") & (rows["sample"] == 1)]

    whole = arrivals().iloc[0]
    again = arrivals(cut).iloc[0]
    assert whole.arrived_s > 9.2, "it was in mid-transfer"
    assert again.fate == "delivered"
    assert again.arrived_s - 10.2 == pytest.approx(whole.arrived_s - whole.sent_s), "from the start, once it is mended"
    assert lost(run(cut, overrides=[*slow, "mqtt.qos=0"]))["cut"] == 1


def test_a_dead_broker_by_quality_of_service() -> None:
    kill = "{kind: broker-kill, target: broker, at: 4005 ms, for: 1500 ms}"
    slow = "links.cam->gw.latency=20 ms"
    assert set(lost(run(kill, overrides=["mqtt.qos=0", slow]))) == {"broker-killed", "broker-down"}
    assert lost(run(kill, overrides=["mqtt.qos=1", slow])) == {"broker-killed": 3}
    assert lost(run(kill, overrides=["mqtt.qos=1", "mqtt.durable=true", slow])) == {}
    after = decisions(run(kill, overrides=[slow]))[6:]
    assert after == decisions(run(overrides=[slow]))[6:], "and then everything is as it was"


def test_what_waits_for_a_dead_broker_is_in_the_queue_that_long(tmp_path: Path) -> None:
    run("{kind: broker-kill, target: broker, at: 3900 ms, for: 2 s}", messages=tmp_path / "m.parquet")
    rows = pd.read_parquet(tmp_path / "m.parquet")
    held = rows[(rows.kind == "scores") & rows["sample"].isin([4, 5])]
    assert len(held) == 6 and (held.sent_s + held.queued_s > 5.9 - 1e-9).all() and (held.queued_s < 2).all()


def test_a_paused_broker_loses_nothing_even_at_qos_0() -> None:
    pause = "{kind: broker-pause, target: broker, at: 3900 ms, for: 300 ms}"
    assert lost(run(pause, overrides=["mqtt.qos=0"])) == {}


def test_clients_without_connection_session_or_place_in_the_queue() -> None:
    reset = run("{kind: connection-reset, target: gw, at: 3900 ms, for: 600 ms}", overrides=["mqtt.qos=1"])
    assert lost(reset)["client-offline"] >= 3
    kept = run("{kind: connection-reset, target: gw, at: 3900 ms, for: 600 ms}", overrides=["mqtt.durable=true"])
    assert lost(kept) == {}
    assert set(lost(run("{kind: session-loss, target: gw, at: 3900 ms, for: 600 ms}"))) == {"session-lost"}
    full = run("{kind: queue-limit, target: broker, messages: 1}", overrides=["links.cam->gw.bandwidth=1 kbit/s"])
    assert lost(full)["broker-queue"] > 0


def test_overload_refuses_and_cold_start_waits() -> None:
    outcome = run("{kind: cold-start, target: gw, idle: 500 ms, start: 300 ms}", overrides=["exits.local=1.0"])
    delays = [entry.decided_s - entry.captured_s for entry in samples(outcome) if entry.decided_s is not None]
    assert min(delays) > 0.3
    assert '"starts": 12' in outcome.faults.rows[0].parameters
    slow = run("{kind: cold-start, target: gw, idle: 500 ms, start: 1700 ms}", overrides=["exits.local=1.0"])
    assert '"starts": 4' in slow.faults.rows[0].parameters, "who is still starting does not fall asleep"


def test_security_kinds_harm_nothing_but_what_they_forge() -> None:
    forged = run("{kind: malformed-packets, target: cam.0, rate: 20}")
    assert [d[:3] for d in decisions(forged)] == [d[:3] for d in clean()]
    assert lost(forged).keys() == {"malformed", "rejected"} and sum(lost(forged).values()) > 150
    flooded = run("{kind: flood, target: cam.0, rate: 5, size: 24}")
    assert set(lost(flooded)) == {"malformed"}
    assert lost(run("{kind: oversized-packets, target: cam.0, rate: 1}")) == {"oversized": 13}
    assert decisions(run("{kind: spoof, target: cam.0}")) == clean(), "the first message counts"
    first = run("{kind: spoof, target: cam, first: true}")
    assert [d[:3] for d in decisions(first)] != [d[:3] for d in clean()]


def test_flipped_weights_are_the_same_for_the_whole_fault() -> None:
    from sim.world.faults import flipped

    arrays = {"device.0.kernel": np.ones((3, 4, 3, 3, 3), np.int8), "cloud.0.kernel": np.ones(5, np.int8)}
    damaged = flipped(arrays, 0.25, np.random.default_rng(0))
    assert 0.15 < (damaged["device.0.kernel"] == -1).mean() < 0.35
    assert (damaged["cloud.0.kernel"] == 1).all()
    floats = {"device.0.kernel": np.linspace(-1, 1, 1000, dtype=np.float32)}
    assert np.isfinite(flipped(floats, 0.1, np.random.default_rng(0))["device.0.kernel"]).all()
    one, two = (
        run("{kind: weight-bits, target: cam.1, rate: 0.3}"),
        run("{kind: weight-bits, target: cam.1, rate: 0.3}"),
    )
    assert decisions(one) == decisions(two)


def test_kinds_are_frozen_values() -> None:
    fault = load("{kind: noise, target: cam, sigma: 3}").faults[0]
    assert fault.effect == load("{kind: noise, target: cam.1, sigma: 3}").faults[0].effect
    with pytest.raises(ValueError, match="frozen"):
        fault.effect.sigma = 4.0  # type: ignore[attr-defined]
