"""Policies in a fleet: mixed traffic, selected cameras, the same in memory and over Mosquitto, deadlines kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from policy_kit import EDGE, Fleet, decisions, messages, samples, small
from scenario_kit import SCENARIOS

from sim import policies, scenario, world
from sim.ddnn import find_threshold
from sim.errors import UsageError
from sim.world import summary

DOCS = SCENARIOS.parent / "docs" / "policies.md"
MOTLEY = "policies.split=policy_kit:Motley"
UNSURE = "exits.local=0"  # the gateway is never sure: every sample goes on


def test_adaptive_with_all_the_time_in_the_world_is_the_protocol_to_the_bit(tmp_path: Path) -> None:
    fleet = small(tmp_path)
    # Where features are asked for so rarely that scores first are fewer bytes, whatever the network learnt.
    rarely = f"exits.local={find_threshold(fleet.judged(), exit_share=0.9)}"
    relaxed = fleet.play(rarely, "policies.split={kind: adaptive, deadline: 1 h}")
    assert decisions(relaxed) == decisions(fleet.play(rarely))
    assert messages(relaxed)["raw"] == 0 and messages(relaxed)["request"] > 0


@pytest.mark.parametrize("split", ["raw", "features"])
def test_a_fixed_split_sends_one_kind_and_the_cloud_says_the_same(tmp_path: Path, split: str) -> None:
    fleet = small(tmp_path, UNSURE)
    fixed, usual = fleet.play(f"policies.split={split}"), fleet.play()
    sent = {kind for kind, count in messages(fixed).items() if count}
    assert sent == {split, "exit"}
    assert [entry.predicted for entry in samples(fixed)] == [entry.predicted for entry in samples(usual)]
    assert {entry.exit for entry in samples(fixed)} == {"cloud"}


@pytest.mark.parametrize("overrides", [(), EDGE, ("nodes.gw.count=2",), (*EDGE, "nodes.gw.count=2")], ids=str)
def test_one_sample_as_scores_features_and_image_ends_as_if_all_had_sent_the_same(
    tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    fleet = small(tmp_path, UNSURE, *overrides)
    motley, usual = fleet.play(MOTLEY), fleet.play()
    sent = messages(motley)
    assert sent["scores"] and sent["raw"] and sent["features"]
    for mixed, plain in zip(samples(motley), samples(usual), strict=True):
        assert (mixed.exit, mixed.predicted, mixed.entropy) == (plain.exit, plain.predicted, plain.entropy)
    cloud_waits_s = fleet.scenario().nodes["cloud"].wait_s  # type: ignore[union-attr]
    latencies = [entry.decided_s - entry.captured_s for entry in samples(motley) if entry.decided_s is not None]
    assert len(latencies) == 24 and max(latencies) < cloud_waits_s / 2, "nobody waits for what will never come"


def test_the_local_exit_judges_the_scores_that_it_has(tmp_path: Path) -> None:
    fleet = small(tmp_path, "exits.local=1")
    outcome = fleet.play(MOTLEY)
    inference, dataset = fleet.inference, fleet.inference.dataset
    for sample, entry in enumerate(samples(outcome)):
        output = inference.device(int(dataset.test[sample]), -sample % 3)  # of the one camera that sends scores
        if output.absent:
            assert entry.exit == "cloud", "which has the others' features"
        else:
            assert (entry.exit, entry.devices_used) == ("local", 1)
            assert entry.predicted == inference.local(0, {-sample % 3: output.scores}).predicted
    went_up = sum(entry.exit == "cloud" for entry in samples(outcome))
    assert 0 < went_up < 24
    assert outcome.log.tally(link="gw->cloud", kind="raw").messages == went_up, "what was held need not go up"


def test_cameras_straight_to_the_cloud_choose_between_features_and_images(tmp_path: Path) -> None:
    direct = tmp_path / "direct.yaml"
    text = (
        small(tmp_path).path.read_text().replace("uplink: gw,", "uplink: cloud,").replace("exits: {local: 0.8}\n", "")
    )
    text = text.replace("  gw: {role: gateway, uplink: cloud}\n", "").replace("cam->gw:", "cam->cloud:")
    direct.write_text("\n".join(line for line in text.splitlines() if "gw->cloud" not in line))
    fleet = Fleet(direct)
    motley = fleet.play(MOTLEY)
    assert [entry.predicted for entry in samples(motley)] == [entry.predicted for entry in samples(fleet.play())]
    assert messages(motley)["raw"] and messages(motley)["features"] and not messages(motley)["scores"]


@pytest.mark.parametrize(
    "overrides",
    [
        (MOTLEY,),
        (MOTLEY, "policies.select={kind: confident, k: 1}"),
        ("policies.split={kind: adaptive, deadline: 60 ms}", "policies.select=present"),
    ],
    ids=str,
)
def test_lockstep_decides_as_virtual_does_under_loss_and_faults(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    faults = (
        "faults=[{kind: crash, target: cam.1, at: 4 s, for: 3 s}, {kind: loss, target: cam->gw, rate: 30 %},"
        " {kind: bandwidth, target: cam->gw, to: 20 kbit/s, at: 8 s, for: 6 s}]"
    )
    fleet = small(tmp_path)
    virtual = fleet.play(*overrides, faults)
    real = fleet.play(*overrides, faults, broker="mosquitto")
    assert decisions(real) == decisions(virtual)
    assert real.divergences == real.unasked == 0


def test_present_says_what_all_say_with_fewer_bytes(tmp_path: Path) -> None:
    fleet = small(tmp_path, UNSURE)
    every, present = fleet.play(), fleet.play("policies.select=present")
    assert [entry.predicted for entry in samples(present)] == [entry.predicted for entry in samples(every)]
    blind = 24 * 3 - sum(entry.devices_used for entry in samples(every))
    assert blind > 0
    assert messages(every)["features"] - messages(present)["features"] == 2 * blind, "neither to the gateway nor on"


def test_confident_asks_k_and_the_cloud_masks_the_others(tmp_path: Path) -> None:
    fleet = small(tmp_path, UNSURE)
    outcome = fleet.play("policies.select={kind: confident, k: 1}")
    assert messages(outcome)["features"] == 2 * 24
    inference, dataset = fleet.inference, fleet.inference.dataset
    for sample, entry in enumerate(samples(outcome)):
        seen = [inference.device(int(dataset.test[sample % len(dataset.test)]), camera) for camera in range(3)]
        sure = [(inference.verdict(out.scores).entropy, camera) for camera, out in enumerate(seen) if not out.absent]
        _, camera = min(sure)
        assert entry.predicted == inference.cloud({camera: seen[camera].features}).predicted
        assert entry.devices_used == 1


def test_a_policy_that_asks_nobody_cannot_leave_a_sample_undecided(tmp_path: Path) -> None:
    fleet = small(tmp_path, UNSURE)
    nobody = "policies.select=policy_kit:Nobody"
    assert decisions(fleet.play(nobody)) == decisions(fleet.play())
    mixed = samples(fleet.play(nobody, MOTLEY))
    assert {entry.exit for entry in mixed} == {"cloud"}
    assert max(entry.devices_used for entry in mixed) == 2, "what came unasked is enough"


def test_what_a_camera_cannot_send_is_refused_by_name(tmp_path: Path) -> None:
    fleet = small(tmp_path)
    fleet.play("policies.split=policy_kit:Impossible")
    without = Fleet(fleet.path, "exits={}")
    with pytest.raises(UsageError, match=r"policy_kit:Impossible chose 'scores' for cam.0; possible: features, raw"):
        without.play("policies.split=policy_kit:Impossible")


def test_adaptive_keeps_deadlines_that_no_fixed_split_keeps() -> None:
    fleet = Fleet(SCENARIOS / "adaptive_split.yaml", "data=sweep_kit:scenes", "model.training.epochs=3")
    policy = fleet.scenario().policies.split
    deadline_s: float = policy.deadline_s  # type: ignore[union-attr]
    missed = {"adaptive": summary.missed(samples(fleet.play()), deadline_s)}
    for split in ("static", "raw", "features"):
        missed[split] = summary.missed(samples(fleet.play(f"policies.split={split}")), deadline_s)
    adaptive = missed.pop("adaptive")
    assert adaptive is not None and adaptive < 0.12
    assert all(share is not None and share > 4 * adaptive for share in missed.values()), (adaptive, missed)


def test_the_summary_names_policies_and_the_share_of_missed_deadlines(tmp_path: Path) -> None:
    fleet = small(tmp_path, "policies={split: {kind: adaptive, deadline: 50 ms}, select: present}")
    wanted = fleet.scenario("expect={policies.missed_deadline: <= 0 %}")
    result = world.simulate(wanted, mode="virtual", out=tmp_path)
    found = result.summary["policies"]
    assert found["select"] == {"kind": "present"} and found["split"]["deadline"] == "50 ms"
    late = [e for e in samples(fleet.play()) if e.decided_s is None or e.decided_s - e.captured_s > 0.05]
    assert found["missed_deadline"] == pytest.approx(len(late) / 24)
    assert len(late) > 0 and result.exit_code == 1


def test_the_plug_in_of_the_documentation_runs_from_a_folder_and_as_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = DOCS.read_text(encoding="utf-8")
    (source,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (entry_point,) = re.findall(r'```toml\n\[project.entry-points."fogfleet.policies"\]\n(.*?)```', text, re.DOTALL)
    (tmp_path / "thrifty.py").write_text(source)
    package = tmp_path / "thrifty-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: thrifty\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(f"[fogfleet.policies]\n{entry_point.replace(chr(34), '')}")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    policies.known.cache_clear()
    try:
        fleet = small(tmp_path)
        tight = fleet.play("policies.split={kind: thrifty:Budget, limit: 1}")
        ample = fleet.play("policies.split={kind: budget, limit: 100000}")
        assert str(policies.known().split.sources["budget"]) == "thrifty 1.0"
        known = scenario.json_schema(policies=policies.by_sort())
        assert "split-budget" in known["$defs"]
    finally:
        policies.known.cache_clear()
    assert decisions(tight) == decisions(fleet.play())
    assert messages(ample)["scores"] == 0 and messages(ample)["features"] > 0


def test_a_broken_plug_in_is_isolated_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "broken-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[fogfleet.policies]\nbad = no_such_module:Thing\nnone = math:pi\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    policies.known.cache_clear()
    try:
        found = policies.known()
        assert list(found.split) == ["adaptive", "features", "raw"]
        assert {reason.partition(":")[0] for reason in found.split.broken.values()} == {
            "ModuleNotFoundError",
            "TypeError",
        }
        monkeypatch.setenv("FOGFLEET_NO_PLUGINS", "1")
        policies.known.cache_clear()
        assert policies.known().split.broken == {}
    finally:
        policies.known.cache_clear()
