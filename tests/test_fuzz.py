"""The fuzz: hundreds of random schedules, none breaks an invariant; and one that does is found and made small."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from brokers_kit import needs_mosquitto
from click.testing import CliRunner

from sim import faults
from sim.cli.app import app
from sim.faults.gate import Gate
from sim.fuzz import Campaign
from sim.fuzz.draw import FIELDS, Artist
from sim.fuzz.judge import Judge
from sim.ledger.samples import SampleBook

KINDS = faults.known(plugins=False)


@pytest.mark.parametrize("part", range(10))
def test_500_random_schedules_break_no_invariant(part: int) -> None:
    campaign = Campaign(KINDS)
    failure = campaign.run(part * 50, 50)
    assert failure is None, f"fogfleet fuzz --runs 1 --seed {failure.seed}: {failure.broken}"
    assert campaign.runs == 50 and campaign.impossible < 10


@needs_mosquitto
def test_random_schedules_on_a_real_broker_decide_as_the_model() -> None:
    campaign = Campaign(KINDS, broker="mosquitto")
    failure = campaign.run(30_000, 15)
    assert failure is None, f"fogfleet fuzz --mode lockstep --runs 1 --seed {failure.seed}: {failure.broken}"
    assert campaign.kills > 10


def test_every_kind_and_schedule_is_drawn() -> None:
    artist = Artist({name: KINDS[name] for name in KINDS})
    drawn = [fault for seed in range(400) for fault in artist.scenario(seed)["faults"]]
    assert {fault["kind"] for fault in drawn} == set(KINDS)
    assert {"at", "for", "every", "probability", "mtbf", "bursts", "after", "when", "together"} <= {
        key for fault in drawn for key in fault
    }
    assert set(FIELDS) <= set(KINDS)


def test_fleets_govern_themselves() -> None:
    artist = Artist({name: KINDS[name] for name in KINDS})
    drawn = [artist.scenario(seed) for seed in range(200)]
    policies = {key for plain in drawn for key in plain.get("policies", {})}
    quotas = {key for plain in drawn for tenant in plain.get("tenants", {}).values() for key in tenant["quota"]}
    assert policies == {"failover", "retune"} and quotas == {"bytes", "compute", "storage", "per"}
    assert {len(plain.get("tenants", {})) for plain in drawn} >= {0, 2}


def test_a_seed_is_a_schedule() -> None:
    artist = Artist({name: KINDS[name] for name in KINDS})
    assert artist.scenario(7) == artist.scenario(7) != artist.scenario(8)


@pytest.fixture
def leaking(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A fleet with a bug: what a closed link holds back is forgotten."""
    monkeypatch.setattr(Gate, "_release", lambda self: self._held.clear())
    yield


@pytest.mark.usefixtures("leaking")
def test_a_planted_leak_is_found_and_made_small() -> None:
    campaign = Campaign(KINDS)
    failure = campaign.run(0, 300)
    assert failure is not None and "InvariantError" in failure.broken
    assert len(failure.smallest["faults"]) == 1
    assert Judge(KINDS).judge(failure.smallest).broken is not None
    assert len(json.dumps(failure.smallest)) < len(json.dumps(failure.scenario))


def test_decisions_that_are_not_repeated_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = SampleBook.decide

    def sometimes(self: SampleBook, site: int, sample: int, *rest: Any) -> bool:
        sometimes.calls += 1  # type: ignore[attr-defined]
        return real(self, site, sample, *rest) if sometimes.calls % 13 else False  # type: ignore[attr-defined]

    sometimes.calls = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(SampleBook, "decide", sometimes)
    failure = Campaign(KINDS).run(0, 20)
    assert failure is not None and failure.broken.startswith(("I4", "I5")), "whichever run it happens in"


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fine = CliRunner().invoke(app, ["fuzz", "--runs", "3"])
    assert fine.exit_code == 0 and "3 schedules, 0 violations" in fine.output
    monkeypatch.setattr(Gate, "_release", lambda self: self._held.clear())
    found = CliRunner().invoke(app, ["fuzz", "--runs", "300", "-o", str(tmp_path / "small.yaml")])
    assert found.exit_code == 1
    command = next(line for line in found.output.splitlines() if line.startswith("repeat it: fogfleet "))
    again = CliRunner().invoke(app, command.removeprefix("repeat it: fogfleet ").split())
    assert again.exit_code == 1, "one command repeats it"
    checked = CliRunner().invoke(app, ["validate", str(tmp_path / "small.yaml")])
    assert checked.exit_code == 0, checked.output


def test_the_command_on_a_scenario_of_ones_own(tmp_path: Path) -> None:
    from fault_kit import TEXT

    (tmp_path / "mine.yaml").write_text(TEXT)
    answer = CliRunner().invoke(app, ["fuzz", str(tmp_path / "mine.yaml"), "--runs", "4"])
    assert answer.exit_code == 0 and "4 schedules" in answer.output, answer.output
