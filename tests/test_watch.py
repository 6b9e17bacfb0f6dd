"""A run in the terminal: drawn where there is one, in plain lines elsewhere, also when another process runs it."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from serve_kit import FakeRun
from world_kit import SCENARIOS, SMALL

from sim.cli import remote, view
from sim.cli.app import app
from sim.cli.rates import Rates
from sim.errors import SetupError
from sim.world.telemetry import Snapshot


def watch(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["watch", *arguments])


def crashed(sites: int = 1) -> tuple[Snapshot, Rates]:
    """A run with a crashed camera, after a while."""
    rates, serial = Rates(), 0
    with FakeRun(sites, speed=20.0, samples=100_000, every_s=0.02) as run:
        run.telemetry.inject({"kind": "crash", "target": "site-0/cam.2"})
        while True:
            now = run.telemetry.wait(after=serial, timeout_s=30)
            assert now is not None
            serial = now.serial
            rates.add(now)
            if now.faults and now.decided > 20 * sites:
                return now, rates


def drawn(now: Snapshot, rates: Rates, height: int) -> str:
    from rich.console import Console

    page = io.StringIO()
    Console(file=page, width=120).print(view.picture(now, rates, height))
    return page.getvalue()


def test_a_run_is_told_in_plain_lines(tmp_path: Path) -> None:
    sets = [part for value in SMALL for part in ("--set", value)]
    ran = watch(str(SCENARIOS / "topology_b.yaml"), *sets, "--mode", "virtual", "-o", str(tmp_path))
    assert ran.exit_code in (0, 1), ran.output
    assert "virtual: preparing" in ran.output or "running, decided" in ran.output, "whichever is seen first"
    assert "complete, decided" in ran.output
    assert "folder" in ran.output, "the headline comes after it"
    assert watch("a.yaml", "--mode", "virtual", "--speed", "3").exit_code == 2


def test_a_picture_shows_every_node_that_finds_room() -> None:
    now, rates = crashed()
    shown = drawn(now, rates, height=40)
    assert all(f"site-0/cam.{number}" in shown for number in range(6))
    assert "failed" in shown and "crash on site-0/cam.2" in shown
    assert f"{now.decided} of {now.due}" in shown
    rows = {line.split()[0]: line for line in shown.splitlines() if line.startswith("site-0/cam")}
    assert " 0 B " in rows["site-0/cam.2"] and " 0 B " not in rows["site-0/cam.1"], "a crashed camera sends nothing"


def test_a_large_fleet_is_shown_by_groups_and_by_who_is_not_well() -> None:
    now, rates = crashed(sites=50)
    shown = drawn(now, rates, height=24)
    assert "300 × cam" in shown and "299 active 1 failed" in shown
    assert "site-0/cam.2" in shown and "site-0/cam.1 " not in shown
    assert len(shown.splitlines()) <= 24


def test_lines_come_when_something_happens(capsys: pytest.CaptureFixture[str]) -> None:
    now, _ = crashed()
    well = replace(now, faults=(), nodes=tuple(replace(node, state="active", faults=()) for node in now.nodes))
    with view.Lines() as lines:
        for snapshot in (well, well, well, now, now, well):
            lines.show(snapshot)
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 3
    assert "failed: site-0/cam.2, faults: crash on site-0/cam.2" in told[1]


def test_a_snapshot_survives_the_way_to_another_process() -> None:
    now, _ = crashed()
    assert remote.snapshot(json.loads(json.dumps(now.as_dict()))) == now


def test_a_run_elsewhere_is_watched_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tornado")
    from sim.serve import Access, open_page

    monkeypatch.setattr(remote, "EVERY_S", 0.05)
    with FakeRun(speed=20.0, samples=20) as run:
        with open_page(run.telemetry, Access("a-token-for-the-tests"), port=0) as page:
            seen = watch(page.url)
            refused = watch(page.address)
        gone = watch(page.url)
    assert seen.exit_code == 0, seen.output
    assert "complete, decided 20 of 20" in seen.output
    assert refused.exit_code == 2 and "token" in refused.output
    assert gone.exit_code == 4 and "fogfleet serve" in gone.output


def test_separate_processes_can_be_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, _ = crashed()
    asked: dict[str, Any] = {}

    def conduct(scenario: Any, *, telemetry: Any, **options: Any) -> Any:
        asked.update(options)
        telemetry.publish(now)
        raise SetupError("enough seen")

    monkeypatch.setattr("sim.world.separate.up.up", conduct)
    scenario = str(SCENARIOS / "six_cameras.yaml")
    ran = watch(scenario, "--processes", "--elsewhere", "cam.*", "--speed", "5", "-o", str(tmp_path))
    assert ran.exit_code == 4 and "failed: site-0/cam.2" in ran.output
    assert (asked["elsewhere"], asked["speed"], asked["out"]) == (("cam.*",), 5.0, tmp_path)
    assert watch(scenario, "--elsewhere", "cam.*").exit_code == 2
    assert watch(scenario, "--processes", "--mode", "virtual").exit_code == 2


def test_what_is_drawn_on_a_terminal_ends_with_the_last_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal: Any = io.StringIO()
    monkeypatch.setattr("sys.stdout", terminal)
    now, _ = crashed()
    with view.Picture() as shown:
        shown.progress("training", 1, 3)
        shown.show(replace(now, nodes=(), status="preparing"))
        shown.show(replace(now, status="complete"))
    assert "complete" in terminal.getvalue()
