"""Scenarios that are right: what they become, their defaults, overrides, and that nothing is lost on the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scenario_kit import KINDS, SCENARIOS, SMALL, changed, valid

from sim import world
from sim.errors import ScenarioError
from sim.profiles import PROFILES, RADIOS
from sim.scenario import Camera, CustomData, Gateway, Interval, Multiview, Mvmc, expectation, load, loads
from sim.scenario.expectations import Expectation

FILES = sorted(SCENARIOS.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_scenario_here_is_valid_and_survives_a_round_trip(path: Path) -> None:
    first = world.load(path)
    again = world.build(first.to_json(), path)
    assert again == first
    assert list(again.to_json()) == list(first.to_json())


def test_six_cameras_is_the_scenario_of_the_design() -> None:
    scenario = load(SCENARIOS / "six_cameras.yaml")
    assert (scenario.name, scenario.seed, scenario.samples, scenario.sites) == ("six-cameras", 7, 171, 1)
    assert isinstance(scenario.data, Multiview)
    assert (scenario.data.train, scenario.data.test, scenario.cameras) == (680, 171, 6)
    assert scenario.exits.thresholds() == {"local": 0.8}
    assert scenario.expect == {"accuracy": ">= 0.95"}
    link = scenario.link_for("cam", "gw")
    assert (link.bandwidth_bps, link.latency_s, link.jitter_s, link.loss) == (250_000.0, 0.005, 0.001, 0.001)
    assert scenario.faults == ()
    assert scenario.sweep is None


def test_real_images_need_their_path_only() -> None:
    scenario = load(SCENARIOS / "epfl_six_cameras.yaml", overrides=["data.path=there/x.npz"])
    assert isinstance(scenario.data, Mvmc)
    assert scenario.data.path == "there/x.npz"
    assert scenario.path == SCENARIOS / "epfl_six_cameras.yaml"


def test_defaults_are_filled_in() -> None:
    scenario = valid(SMALL)
    camera, gateway = scenario.nodes["cam"], scenario.nodes["gw"]
    assert isinstance(camera, Camera)
    assert isinstance(gateway, Gateway)
    assert (camera.period_s, camera.buffer, camera.send, camera.profile) == (1.0, 64, "scores", "eyes-of-things")
    assert gateway.wait_s == 0.2
    assert scenario.nodes["cloud"].wait_s == 1.0  # type: ignore[union-attr]
    assert (scenario.mqtt.qos, scenario.mqtt.version, scenario.mqtt.patience_s) == (1, "5", 10.0)
    assert scenario.link_for("gw", "cloud").queue == 1000
    assert scenario.samples == "all"


def test_nodes_expand_with_their_uplinks() -> None:
    scenario = valid(changed(("{role: gateway,", "{role: gateway, count: 3,")))
    cameras = [node for node in scenario.expanded() if node.role == "camera"]
    assert [node.name for node in cameras] == ["cam.0", "cam.1", "cam.2", "cam.3"]
    assert [node.uplink for node in cameras] == ["gw.0", "gw.0", "gw.1", "gw.2"]
    assert [node.name for node in scenario.expanded()][4:] == ["gw.0", "gw.1", "gw.2", "cloud"]
    assert [node.uplink for node in valid(SMALL).expanded()] == ["gw"] * 4 + ["cloud", None]


def test_the_way_back_mirrors_the_way_there_unless_given() -> None:
    scenario = valid(SMALL)
    assert scenario.link_for("gw", "cam") == scenario.link_for("cam", "gw")
    other = valid(changed(("exits:", "  gw->cam: {bandwidth: 1 Mbit/s}\nexits:")))
    assert other.link_for("gw", "cam").bandwidth_bps == 1e6
    assert other.link_for("cam", "gw").bandwidth_bps == 250_000.0
    with pytest.raises(KeyError):
        scenario.link_for("cam", "cloud")


def test_profiles_of_your_own_come_first() -> None:
    own = "profiles: {tiny: {compute: 1 MFLOPS, idle: 1 mW, busy: 20 mW}}\n"
    scenario = valid(own + changed(("count: 4,", "count: 4, profile: tiny,")))
    profile = scenario.profile_of(scenario.nodes["cam"])
    assert (profile.flops_per_second, profile.idle_w, profile.busy_w) == (1e6, 0.001, 0.02)
    assert scenario.profile_of(scenario.nodes["gw"]) == PROFILES["raspberry-pi-3b"]


def test_built_in_hardware_makes_sense() -> None:
    for profile in PROFILES.values():
        assert 0 < profile.idle_w <= profile.busy_w
        assert profile.flops_per_second > 0
        assert profile.source
    energies = [RADIOS[name].joules_per_byte for name in ("ethernet", "ble", "wifi", "lte", "lora-sf7", "lora-sf12")]
    assert energies[0] == 0 and energies == sorted(energies)
    assert all(radio.source for radio in RADIOS.values())


def test_radios_of_your_own_come_first_and_need_no_licence() -> None:
    own = "radios: {semaphore: {per_byte: 3 mJ}, wifi: {per_byte: 1 uJ}}\n"
    scenario = valid(own + changed(("count: 4,", "count: 4, radio: semaphore, battery: 10 Wh,")))
    camera = scenario.nodes["cam"]
    assert scenario.joules_per_byte(camera) == 0.003 and camera.battery_j == 36_000.0
    assert scenario.joules_per_byte(camera.model_copy(update={"radio": "wifi"})) == 1e-6
    assert scenario.joules_per_byte(camera.model_copy(update={"radio": "lte"})) == RADIOS["lte"].joules_per_byte
    assert scenario.joules_per_byte(scenario.nodes["gw"]) == 0.0


def test_data_may_be_a_function() -> None:
    scenario = valid("data: my.module:load\n" + SMALL)
    assert scenario.data == CustomData(kind="custom", load="my.module:load")


def test_faults_split_into_common_and_own_keys() -> None:
    entries = """\
faults:
  - {kind: crash, target: cam.3, at: 20 s, for: 30 s}
  - {kind: noise, id: fog, target: cam, strength: 0.5, every: 1 min, probability: 0.25}
"""
    crash, noise = valid(SMALL + entries).faults
    assert (crash.target, crash.at_s, crash.for_s, crash.id) == ("cam.3", 20.0, 30.0, None)
    assert crash.effect == KINDS["crash"].model_validate({"kind": "crash"})
    assert (noise.id, noise.every_s, noise.probability) == ("fog", 60.0, 0.25)
    assert noise.effect.model_dump() == {"kind": "noise", "strength": 0.5}
    again = valid(json.dumps(valid(SMALL + entries).to_json()))
    assert again.faults == (crash, noise)


def test_sweeps_become_values() -> None:
    block = """\
sweep:
  combinations: {of: cam, down: 0..4}
  grid: {exits.local: [0.1, 0.5], mqtt.qos: 0..2}
  zip: {nodes.cam.count: [4, 5], links.cam->gw.bandwidth: [1 Mbit/s, 2 Mbit/s]}
  random: {n: 3, vary: {links.cam->gw.latency: {low: 1 ms, high: 9 ms, scale: log}, model.device.filters: [1, 2]}}
  seeds: 0..2
"""
    sweep = valid(SMALL + block).sweep
    assert sweep is not None
    assert sweep.combinations is not None
    assert sweep.combinations.down == (0, 1, 2, 3, 4)
    assert sweep.grid == {"exits.local": (0.1, 0.5), "mqtt.qos": (0, 1, 2)}
    assert sweep.seeds == (0, 1, 2)
    assert valid(json.dumps(valid(SMALL + block).to_json())).sweep == sweep


def test_an_interval_gives_values_as_they_are_written() -> None:
    assert Interval(low=1, high=5).at(0.5) == 3
    assert Interval(low=1.0, high=2.0).at(0.25) == 1.25
    assert Interval(low="1 ms", high="100 ms", scale="log").at(0.5) == "10.000000000000 ms"
    assert Interval(low=1, high=100, scale="log").at(0.0) == 1
    with pytest.raises(ValueError, match="differ in unit"):
        Interval(low="1 ms", high="2 s")


def test_values_that_are_valid_only_together_are_accepted() -> None:
    block = "sweep: {zip: {nodes.cam.send: [scores, raw], exits.local: [0.8, null]}}\n"
    assert valid(SMALL + block).sweep is not None


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("exits.local=0.25", "exits.local", 0.25),
        ("exits.local=null", "exits.local", None),
        ("links.cam->gw.bandwidth=1 Mbit/s", "links.cam->gw.bandwidth", "1 Mbit/s"),
        ("links.cam->gw = {bandwidth: 2 Mbit/s}", "links.cam->gw.bandwidth", "2 Mbit/s"),
        ("nodes.cam.count=2", "nodes.cam.count", 2),
        ("model.edge.filters=4", "model.edge.filters", 4),
        ("expect.accuracy=>= 0.5", "expect.accuracy", ">= 0.5"),
        ("expect.latency_s.all.p95=<= 2 s", "expect.latency_s.all.p95", "<= 2 s"),
        ("data=my.module:load", "data.kind", "custom"),
        ("samples='all'", "samples", "all"),
    ],
)
def test_overrides(override: str, path: str, value: object) -> None:
    data = valid(SMALL, [override]).to_json()
    first, _, rest = path.partition(".")
    found = data[first]
    for key in [rest] if first == "expect" else filter(None, rest.split(".")):
        found = found[key]
    assert found == value


def test_later_overrides_win_and_the_file_stays() -> None:
    assert valid(SMALL, ["seed=1", "seed=2"]).seed == 2
    assert loads(SMALL, overrides=["seed=1"], seed=9).seed == 9
    assert valid(SMALL).seed == 0


def test_faults_can_be_overridden_by_position_or_id() -> None:
    text = SMALL + "faults: [{kind: noise, id: fog, target: cam, strength: 0.5}]\n"
    for name in ("0", "fog"):
        (fault,) = valid(text, [f"faults.{name}.at=3 s", f"faults.{name}.strength=0.25"]).faults
        assert fault.at_s == 3.0
        assert fault.effect.model_dump()["strength"] == 0.25


def test_yaml_means_what_people_mean() -> None:
    base = changed(
        ("cam->gw: {bandwidth: 250 kbit/s, latency: 5 ms}", "cam->gw: &slow {bandwidth: 250 kbit/s}"),
        ("gw->cloud: {bandwidth: 5 Mbit/s}", "gw->cloud: {<<: *slow, latency: 9 ms}"),
    )
    link = valid(base).link_for("gw", "cloud")
    assert (link.bandwidth_bps, link.latency_s) == (250_000.0, 0.009)
    assert valid(SMALL.replace("\n", "\r\n")) == valid(SMALL)
    assert valid("\ufeff" + SMALL) == valid(SMALL)
    assert valid(changed(("name: small", "name: on"))).name == "on"
    assert valid(changed(("name: small", "name: small\nseed: 010"))).seed == 10
    assert valid(changed(("name: small", "name: small\nseed: 0x10"))).seed == 16


def test_a_scenario_cannot_be_changed() -> None:
    scenario = valid(SMALL)
    with pytest.raises(ValueError, match="frozen"):
        scenario.seed = 3


@pytest.mark.parametrize(
    ("bound", "comparison", "value", "good", "bad"),
    [
        (">= 0.95", ">=", 0.95, 0.95, 0.94),
        ("< 200 ms", "<", 0.2, 0.1, 0.2),
        ("<=5 %", "<=", 0.05, 0.05, 0.06),
        ("== 0", "==", 0.0, 0.0, 1.0),
        ("> -1", ">", -1.0, 0.0, -1.0),
    ],
)
def test_bounds(bound: str, comparison: str, value: float, good: float, bad: float) -> None:
    parsed = expectation(bound)
    assert parsed == Expectation(comparison, value)
    assert parsed.holds(good)
    assert not parsed.holds(bad)
    assert not parsed.holds(float("nan"))


def test_scenario_error_survives_being_made_again_from_its_arguments() -> None:
    with pytest.raises(ScenarioError) as caught:
        loads("name: X")
    error = caught.value
    assert str(type(error)(*error.args)) == str(error)
    assert error.exit_code == 3


def test_nothing_depends_on_the_order_of_keys() -> None:
    data = json.loads(json.dumps(valid(SMALL).to_json()))
    turned = {key: data[key] for key in reversed(data)}
    assert valid(json.dumps(turned)) == valid(SMALL)
