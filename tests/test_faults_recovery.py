"""Figures under fault: what faults cost while they last, and how soon after them all is well again."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fault_kit import TEXT, run, samples

from sim.cli.app import app
from sim.world.expect import check
from sim.world.play import Outcome
from sim.world.under_fault import figures


def told(outcome: Outcome) -> dict[str, Any]:
    """The section `faults` of the summary."""
    return figures(outcome.faults, outcome.book.entries())


def test_a_recovery_lasts_until_the_first_sample_after_the_fault_is_decided() -> None:
    outcome = run("{kind: crash, target: cam.0, at: 3500 ms, for: 2 s}")
    sixth = samples(outcome)[6]
    assert sixth.captured_s == 6.0 and sixth.decided_s is not None
    found = told(outcome)["recovery_s"]
    assert found == {"mean": sixth.decided_s - 5.5, "max": sixth.decided_s - 5.5, "recovered": 1, "never": 0}


def test_a_backlog_is_part_of_the_recovery() -> None:
    jam = "{{kind: bandwidth, target: cam->gw, to: {} bit/s, at: 2500 ms, for: 1 s}}"
    quick, slow = (told(run(jam.format(rate), overrides=["nodes.gw.wait=9 s"])) for rate in (20_000, 200))
    assert slow["recovery_s"]["max"] > 1 + quick["recovery_s"]["max"], "what came before still fills the links"


def test_the_slowest_site_counts_unless_the_target_names_one() -> None:
    late = ["sites=2", "samples=6"]
    everywhere = told(run("{kind: broker-kill, target: broker, at: 1500 ms, for: 1 s}", overrides=late))
    here = told(run("{kind: crash, target: site-1/cam.0, at: 1500 ms, for: 1 s}", overrides=late))
    assert everywhere["injections"] == here["injections"] == 1
    assert everywhere["recovery_s"]["recovered"] == here["recovery_s"]["recovered"] == 1


def test_what_never_recovers_is_not_hidden_and_what_ends_with_the_run_says_nothing() -> None:
    forever = run("{kind: crash, target: cloud, at: 2 s, for: 1 s}", "{kind: crash, target: cam, at: 3 s}")
    assert told(forever)["recovery_s"] == {"mean": None, "max": None, "recovered": 0, "never": 1}
    last = run("{kind: crash, target: cam.0, at: 10500 ms, for: 5 s}")
    assert told(last)["recovery_s"] == {"mean": None, "max": None, "recovered": 0, "never": 0}


def test_a_fault_that_comes_again_too_soon_counts_as_one() -> None:
    kills = "{{kind: crash, target: cam.0, at: 1500 ms, every: {}, for: 1 s}}"
    apart, together = (told(run(kills.format(every), overrides=["samples=8"])) for every in ("3 s", "1200 ms"))
    assert apart["recovery_s"]["recovered"] == 2 and apart["injections"] == 3
    assert together["recovery_s"]["recovered"] < together["injections"] - 1 and together["recovery_s"]["never"] == 0


def test_samples_under_fault_are_told_from_the_others() -> None:
    outcome = run(
        "{kind: crash, target: cam, at: 1500 ms, for: 3 s}", "{kind: crash, target: gw, at: 3500 ms, for: 2 s}"
    )
    found = told(outcome)
    assert found["under"]["samples"] == 4, "captured at 2, 3, 4 and 5 s"
    assert found["under"]["dropped_share"] == 1.0 and found["under"]["accuracy"] == 0.0
    assert found["clear"]["samples"] == 8 and found["clear"]["dropped"] == 0
    right = sum(entry.predicted == entry.label for entry in samples(outcome))
    assert found["clear"]["accuracy"] == right / 8


@pytest.mark.parametrize("seed", range(10))
def test_twenty_kills_of_the_broker_lose_no_sample_without_a_reason(seed: int) -> None:
    kills = "{kind: broker-kill, target: broker, every: 3 s, at: 1005 ms, for: 900 ms}"
    outcome = run(kills, overrides=["samples=60", "data.test=60", "mqtt.qos=1", f"seed={seed}", "exits.local=0.3"])
    assert len(outcome.faults.rows) == 20 and len(samples(outcome)) == 60
    assert all(entry.exit or entry.faults for entry in samples(outcome)), "what was dropped names its fault"
    recovery = told(outcome)["recovery_s"]
    assert recovery["recovered"] >= 19 and recovery["never"] == 0 and recovery["max"] <= 5.0


def test_expectations_under_fault() -> None:
    summary = {"faults": told(run("{kind: crash, target: cam.0, at: 3500 ms, for: 2 s}"))}
    wanted = {"recovery": "<= 5 s", "dropped_under_fault": "<= 50 %", "accuracy_under_fault": ">= 0"}
    assert all(row["ok"] for row in check(wanted, summary))
    assert not check({"recovery": "<= 1 ms"}, summary)[0]["ok"]
    assert not check({"recovery": "<= 5 s"}, {})[0]["ok"], "a run without faults has no recovery"


def test_a_slow_recovery_is_exit_code_1(tmp_path: Path) -> None:
    crash = "faults: [{kind: crash, target: cam.0, at: 3500 ms, for: 2 s}]"
    for bound, code in (("<= 5 s", 0), ("<= 1 ms", 1)):
        path = tmp_path / "bounds.yaml"
        path.write_text(f"{TEXT}{crash}\nexpect: {{recovery: '{bound}', faults.under.dropped_share: '<= 20 %'}}\n")
        answer = CliRunner().invoke(app, ["run", str(path), "--mode", "virtual", "-o", str(tmp_path / "runs")])
        assert answer.exit_code == code, answer.output
