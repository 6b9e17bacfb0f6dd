"""Energy, battery life and the page that says where the figures of the hardware come from."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
from world_kit import record, small, table

from analysis import report
from sim import world
from sim.meter import battery_life_s
from sim.profiles import PROFILES, RADIOS

PAGE = Path(__file__).parents[1] / "docs" / "hardware.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scenario = small("six_cameras", "nodes.cam.battery=10 Wh", "nodes.cam.radio=wifi", "down=[cam.5]")
    return world.simulate(scenario, mode="virtual", out=tmp_path_factory.mktemp("hardware")).folder


def test_a_battery_lasts_as_long_as_the_mean_power_says(folder: Path) -> None:
    nodes, seconds = table(folder, "nodes"), record(folder, "summary")["virtual_s"]
    assert (nodes.mean_w * seconds - nodes.energy_j).abs().max() < 1e-9
    with_battery = nodes[(nodes.role == "camera") & (nodes.node != "cam.5")]
    assert (with_battery.battery_life_s * with_battery.mean_w - 36_000).abs().max() < 1e-6
    others = nodes[~nodes.index.isin(with_battery.index)]
    assert others.battery_life_s.isna().all(), "no battery, or down all the time"
    assert battery_life_s(36_000.0, 0.0, 5.0) is None and battery_life_s(None, 1.0, 5.0) is None


def test_the_summary_tells_the_energy_of_a_decision(folder: Path) -> None:
    nodes, summary = table(folder, "nodes"), record(folder, "summary")
    energy, decided = summary["energy"], summary["samples"]["decided"]
    assert decided > 0
    assert math.isclose(energy["per_decision_j"] * decided, summary["energy_j"])
    for role, joules in nodes.groupby("role").energy_j.sum().items():
        assert math.isclose(energy["by_role"][role]["total_j"], joules)
        assert math.isclose(energy["by_role"][role]["per_decision_j"], joules / decided)
    assert energy["battery_life_s"] == nodes.battery_life_s.min()


def test_energy_is_idle_time_work_and_every_byte_sent(folder: Path) -> None:
    nodes, seconds = table(folder, "nodes"), record(folder, "summary")["virtual_s"]
    camera: Any = nodes.set_index("node").loc["cam.0"]
    profile = PROFILES["eyes-of-things"]
    wanted = profile.idle_w * seconds + (profile.busy_w - profile.idle_w) * camera.busy_s
    assert math.isclose(camera.energy_j, wanted + camera.bytes_up * RADIOS["wifi"].joules_per_byte)


def test_the_report_tells_it_too(folder: Path) -> None:
    page = report.build(folder).read_text()
    assert "the first battery is empty after" in page and "battery lasts" in page


def test_the_page_lists_every_figure_as_it_is_built_in() -> None:
    rows = re.findall(
        r"^\| `([\w-]+)` \| ([\d.]+)[^|]* \|(?: ([\d.]+) W \| ([\d.]+) W \|)? (.+) \|$", PAGE.read_text(), re.M
    )
    found = {name: (float(first), idle and float(idle), busy and float(busy)) for name, first, idle, busy, _ in rows}
    machines = {name: (p.flops_per_second / 1e9, p.idle_w, p.busy_w) for name, p in PROFILES.items()}
    radios = {name: (pytest.approx(r.joules_per_byte * 1e6), "", "") for name, r in RADIOS.items()}
    assert found == machines | radios
