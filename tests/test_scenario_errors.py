"""Scenarios that are wrong: every problem at once, each with its place and its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from scenario_kit import SMALL, changed, problems, told, valid

from sim.errors import Problem, ScenarioError
from sim.scenario import build

ONE = [
    # (old, new, line:column and text of the one problem)
    ("name: small", "name: Small", "1:7: name: 'Small' is not a name"),
    ("name: small\n", "", "1:1: name: is missing; add 'name'"),
    ("name: small", "name: small\nsede: 3", "2:1: sede: unknown key; did you mean 'seed'?"),
    ("name: small", "name: small\nseed: -1", "2:7: seed: -1 should be at least 0"),
    ("name: small", "name: small\nseed: 1.5", "2:7: seed: 1.5 should be a whole number"),
    ("name: small", "name: small\nseed: yes", "2:7: seed: 'yes' should be a whole number"),
    ("name: small", "name: small\nseed: true", "2:7: seed: true should be a whole number"),
    ("name: small", "name: small\nseed: 12:30", "2:7: seed: '12:30' should be a whole number"),
    ("name: small", "name: small\nseed: 2001-02-31", "2:7: seed: '2001-02-31' should be a whole number"),
    ("name: small", "name: small\nsites: 0", "2:8: sites: 0 should be at least 1"),
    ("name: small", "name: small\nsamples: al", "2:10: samples: 'al' is not a number of samples"),
    ("name: small", "name: small\nname: other", "2:1: name: 'name' is given twice (first in line 1); keep one"),
    ("name: small", "name: small\nmqtt: {qos: 3}", "2:13: mqtt.qos: 3 is none of 0, 1, 2"),
    ("name: small", "name: small\nmqtt: {version: 4}", "2:17: mqtt.version: 4 is not an MQTT version"),
    ("name: small", "name: small\nmqtt: {retry: 0 s}", "2:15: mqtt.retry: '0 s' is out of range"),
    ("name: small", "name: small\nmqtt: [1]", "2:7: mqtt: a list should be a mapping"),
    ("name: small", "name: small\nmqtt:", "2:1: mqtt: null should be a mapping"),
    ("{local: 0.8}", "{local: 1.2}", "9:16: exits.local: 1.2 should be at most 1.0"),
    ("{local: 0.8}", "{local: .nan}", "9:16: exits.local: nan should be a finite number"),
    ("{local: 0.8}", "{local: .inf}", "9:16: exits.local: inf should be a finite number"),
    ("{local: 0.8}", "{local: true}", "9:16: exits.local: true should be a number"),
    ("{local: 0.8}", "{locl: 0.8}", "9:9: exits.locl: unknown key; did you mean 'local'?"),
    ("{local: 0.8}", "{edge: 0.8}", "9:15: exits.edge: an edge exit needs an edge section; add 'edge: {filters: 8}'"),
    ("role: camera", "role: camra", "3:15: nodes.cam.role: no role 'camra'; did you mean 'camera'?"),
    ("role: camera, ", "", "3:8: nodes.cam: has no 'role'; add one of camera, gateway, cloud"),
    ("count: 4", "count: 0", "3:30: nodes.cam.count: 0 should be at least 1"),
    ("count: 4", "perod: 1 s", "3:23: nodes.cam.perod: unknown key; did you mean 'period'?"),
    ("count: 4", "period: 1", "3:31: nodes.cam.period: 1 has no unit; write a duration with its unit, e.g. '1 s'"),
    ("count: 4", "period: 0 s", "3:31: nodes.cam.period: '0 s' is out of range"),
    ("count: 4", "profile: rasp-pi-3b", "3:32: nodes.cam.profile: no profile 'rasp-pi-3b'"),
    ("count: 4", "radio: wi-fi", "3:30: nodes.cam.radio: no radio 'wi-fi'; did you mean 'wifi'?"),
    (
        "count: 4",
        "send: raw",
        "3:29: nodes.cam.send: raw images are classified in the cloud alone; remove the exits (local)",
    ),
    ("uplink: gw", "uplink: gww", "3:41: nodes.cam.uplink: no node 'gww'; did you mean 'gw'?"),
    (", uplink: gw", "", "3:3: nodes.cam.uplink: is missing; add 'uplink'"),
    ("{role: gateway,", "{role: gateway, count: 5,", "4:30: nodes.gw.count: 5 gateways for 4 cameras"),
    ("{role: gateway,", "{role: gateway, period: 1 s,", "4:23: nodes.gw.period: unknown key; known: profile"),
    (
        "exits:",
        "profiles: {Tiny: {compute: 1 GFLOPS, idle: 1 W, busy: 2 W}}\nexits:",
        "9:12: profiles.Tiny: 'Tiny' is not a name; write small letters, digits and '-'",
    ),
    ("250 kbit/s", "0 kbit/s", "7:24: links.cam->gw.bandwidth: '0 kbit/s' is out of range; write a bit rate from 1"),
    ("250 kbit/s", "-1 kbit/s", "7:24: links.cam->gw.bandwidth: '-1 kbit/s' is out of range"),
    ("250 kbit/s", "fast", "7:24: links.cam->gw.bandwidth: 'fast' is not a bit rate; write e.g. '250 kbit/s'"),
    ("bandwidth: 250 kbit/s, ", "", "7:3: links.cam->gw.bandwidth: is missing; add 'bandwidth'"),
    ("latency: 5 ms", "loss: 101 %", "7:42: links.cam->gw.loss: '101 %' is out of range"),
    ("latency: 5 ms", "latncy: 5 ms", "7:36: links.cam->gw.latncy: unknown key; did you mean 'latency'?"),
    ("cam->gw:", "cam->gv: {bandwidth: 1 Mbit/s}\n  cam->gw:", "7:3: links.cam->gv: no node 'gv'; did you mean 'gw'?"),
    ("cam->gw:", "cam->cloud: {bandwidth: 1 Mbit/s}\n  cam->gw:", "7:3: links.cam->cloud: joins no node to its uplink"),
    ("  gw->cloud: {bandwidth: 5 Mbit/s}\n", "", "6:1: links: no link 'gw->cloud'; add 'gw->cloud: {bandwidth"),
    ("  cloud: {role", "  c2: {role: cloud}\n  cloud: {role", "6:3: nodes.cloud: a second cloud beside 'c2'"),
    (
        "  cloud: {role: cloud}\nlinks:\n",
        "  g2: {role: gateway, uplink: cloud}\n  cloud: {role: cloud}\nlinks:\n  g2->cloud: {bandwidth: 1 Mbit/s}\n",
        "5:3: nodes.g2: a gateway without cameras",
    ),
    (
        "name: small",
        "name: small\ndata: {kind: mulitview}",
        "2:14: data.kind: no kind 'mulitview'; did you mean 'multi",
    ),
    ("name: small", "name: small\ndata: mvmc", "2:7: data: 'mvmc' is not a data set"),
    ("name: small", "name: small\ndata: 3", "2:7: data: 3 should be a mapping"),
    ("name: small", "name: small\ndata: {kind: [1]}", "2:14: data.kind: no kind '[1]'; known: multiview"),
    ("name: small", "name: small\ndata: {kind: mvmc}", "2:1: data.path: is missing; add 'path'"),
    (
        "name: small",
        "name: small\ndata: {kind: multiview, cameras: 5}",
        "2:34: data.cameras: makes 5 views for 4 cameras",
    ),
    ("name: small", "name: small\ndata: {kind: partition}", "2:7: data: makes 6 views for 4 cameras"),
    ("name: small", "name: small\nsamples: 172", "2:10: samples: 172 samples of 171 test samples"),
    (
        "name: small",
        "name: small\nmodel: {missing: msk}",
        "2:18: model.missing: 'msk' is none of mask, zero, retrain; d",
    ),
    (
        "name: small",
        "name: small\nmodel: {training: {patience: 3}}",
        "2:19: model.training: 'patience' needs validation",
    ),
    ("exits:", "expect: {acuracy: '>= 1'}\nexits:", "9:10: expect.acuracy: no figure 'acuracy' in the summary; did"),
    ("exits:", "expect: {accuracy: 0.9}\nexits:", "9:20: expect.accuracy: 0.9 is not a bound; write e.g. '>= 0.95'"),
    ("exits:", "expect: {latency_s: '< 1 s'}\nexits:", "9:10: expect.latency_s: 'latency_s' is a group of figures"),
    ("exits:", "faults: {kind: crash}\nexits:", "9:9: faults: a mapping should be a list of faults"),
    ("exits:", "faults: [crash]\nexits:", "9:10: faults.0: 'crash' should be a mapping"),
    ("exits:", "faults: [{target: cam}]\nexits:", "9:10: faults.0: has no 'kind'; known: crash, noise"),
    (
        "exits:",
        "faults: [{kind: crsh, target: cam}]\nexits:",
        "9:17: faults.0.kind: no fault kind 'crsh'; did you mean",
    ),
    ("exits:", "faults: [{kind: crash}]\nexits:", "9:10: faults.0.target: is missing; add 'target'"),
    (
        "exits:",
        "faults: [{kind: crash, target: cam.4}]\nexits:",
        "9:32: faults.0.target: no node 'cam.4'; write 'cam.0' to",
    ),
    ("exits:", "faults: [{kind: crash, target: gw.0}]\nexits:", "9:32: faults.0.target: no node 'gw.0'; write 'gw'"),
    (
        "exits:",
        "faults: [{kind: crash, target: cam->gv}]\nexits:",
        "9:32: faults.0.target: no link 'cam->gv'; did you mean",
    ),
    ("exits:", "faults: [{kind: crash, target: cam, at: 5}]\nexits:", "9:41: faults.0.at: 5 has no unit"),
    ("exits:", "faults: [{kind: crash, target: cam, untl: 5 s}]\nexits:", "9:37: faults.0.untl: unknown key"),
    ("exits:", "faults: [{kind: noise, target: cam}]\nexits:", "9:10: faults.0.strength: is missing; add 'strength'"),
    (
        "exits:",
        "faults: [{kind: noise, target: cam, strength: 2}]\nexits:",
        "9:47: faults.0.strength: 2 should be at most",
    ),
    (
        "exits:",
        "sweep: {grid: {exits.locl: [1]}}\nexits:",
        "9:16: sweep.grid.exits.locl: no 'locl' in 'exits'; did you",
    ),
    (
        "exits:",
        "sweep: {grid: {nodes.cm.count: [1]}}\nexits:",
        "9:16: sweep.grid.nodes.cm.count: no 'cm' in 'nodes'; did",
    ),
    (
        "exits:",
        "sweep: {grid: {exits.local: [0.1, 2]}}\nexits:",
        "9:35: sweep.grid.exits.local.1: 2 should be at most 1.0",
    ),
    (
        "exits:",
        "sweep: {grid: {nodes.gw.count: 1..5}}\nexits:",
        "9:32: sweep.grid.nodes.gw.count: 5 gateways for 4 cameras",
    ),
    ("exits:", "sweep: {grid: {name: [a, b]}}\nexits:", "9:16: sweep.grid.name: 'name' cannot vary"),
    (
        "exits:",
        "sweep: {grid: {exits.local: 5..1}}\nexits:",
        "9:29: sweep.grid.exits.local: '5..1' is not a list or range",
    ),
    ("exits:", "sweep: {grid: {seed: []}}\nexits:", "9:22: sweep.grid.seed: a list of 0 values; write 1 to"),
    ("exits:", "sweep: {zip: {seed: [1], sites: [1, 2]}}\nexits:", "9:8: sweep: the lists of zip differ in length"),
    (
        "exits:",
        "sweep: {combinations: {of: cams, down: 0..1}}\nexits:",
        "9:28: sweep.combinations.of: no group 'cams'; did",
    ),
    (
        "exits:",
        "sweep: {combinations: {of: cam, down: 0..5}}\nexits:",
        "9:39: sweep.combinations.down: 5 of 4 nodes of 'cam'",
    ),
    (
        "exits:",
        "sweep: {random: {n: 2, vary: {exits.local: {low: 0.5, high: 0.1}}}}\nexits:",
        "9:44: sweep.random.vary",
    ),
]


@pytest.mark.parametrize(("old", "new", "line"), ONE, ids=[new[-48:] or old for old, new, _ in ONE])
def test_one_mistake_is_told_once_with_place_and_remedy(old: str, new: str, line: str) -> None:
    found = told(changed((old, new)))
    assert len(found) == 1, found
    assert found[0].startswith(f"s.yaml:{line}"), found[0]


def test_all_problems_at_once_in_the_order_of_the_file() -> None:
    text = changed(
        ("name: small", "name: Small"),
        ("count: 4", "count: 4, perod: 1"),
        ("uplink: cloud", "uplink: clod"),
        ("250 kbit/s", "250"),
        ("0.8", "8"),
    )
    found = problems(text)
    assert [p.path for p in found] == [
        "name",
        "nodes.cam.perod",
        "nodes.gw.uplink",
        "links.cam->gw.bandwidth",
        "exits.local",
    ]
    assert [p.line for p in found] == [1, 3, 4, 7, 9]


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        (
            [("uplink: cloud", "uplink: g2"), ("  cloud: {role", "  g2: {role: gateway, uplink: gw}\n  cloud: {role")],
            ["nodes.gw.uplink: a cycle (gw -> g2 -> gw)", "nodes.g2.uplink: a cycle (g2 -> gw -> g2)"],
        ),
        (
            [
                ("  cam: {role: camera, count: 4, uplink: gw}\n", ""),
                ("  cam->gw: {bandwidth: 250 kbit/s, latency: 5 ms}\n", ""),
            ],
            ["nodes: there is no camera; add 'cam: {role: camera, uplink: …}'", "nodes.gw: a gateway without cameras"],
        ),
        (
            [("  cloud: {role: cloud}\n", ""), ("  gw->cloud: {bandwidth: 5 Mbit/s}\n", "")],
            ["nodes: there is no cloud; add 'cloud: {role: cloud}'", "nodes.gw.uplink: no node 'cloud'"],
        ),
        (
            [
                ("  gw: {role: gateway, uplink: cloud}\n", ""),
                ("uplink: gw", "uplink: cloud"),
                ("cam->gw", "cam->cloud"),
                ("  gw->cloud: {bandwidth: 5 Mbit/s}\n", ""),
            ],
            ["exits.local: a local exit is on a gateway and there is none; add one or remove the exit"],
        ),
        (
            [
                ("  cloud: {role", "  far: {role: camera, uplink: cloud}\n  cloud: {role"),
                ("exits:", "  far->cloud: {bandwidth: 1 Mbit/s}\nexits:"),
            ],
            ["nodes.far.uplink: goes to the cloud while other cameras go to a gateway"],
        ),
        ([("uplink: gw", "uplink: cam")], ["nodes.cam.uplink: a cycle (cam -> cam)"]),
        (
            [("  cloud: {role", "  eye: {role: camera, uplink: cam}\n  cloud: {role")],
            ["nodes.eye.uplink: 'cam' is a camera; an uplink is a gateway or the cloud"],
        ),
        (
            [("name: small", "name: small\ndata: {kind: mvmc, path: x.npz}"), ("count: 4", "count: 7")],
            ["data: has 6 views for 7 cameras; lower the count of cameras to 6"],
        ),
    ],
)
def test_fleets_that_do_not_hang_together(changes: list[tuple[str, str]], lines: list[str]) -> None:
    found = told(changed(*changes))
    for line in lines:
        assert any(line in text for text in found), found


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("exits.locl=0.5", "--set exits.locl: no 'locl' in 'exits'; did you mean 'local'?"),
        ("exits.local=7", "--set exits.local: 7 should be at most 1.0"),
        ("nodes.camm.count=3", "--set nodes.camm.count: no 'camm' in 'nodes'; did you mean 'cam'?"),
        (
            "links.cam->gv.bandwidth=1 Mbit/s",
            "--set links.cam->gv.bandwidth: no 'cam->gv' in 'links'; did you mean 'cam->gw'?",
        ),
        ("name.x=1", "--set name.x: 'name' has no parts, so no 'x'"),
        ("exits.local", "--set exits.local: write --set path=value, e.g. --set exits.local=0.5"),
        ("=3", "--set : write --set path=value"),
        ("exits=[", "--set exits: '[' cannot be read: not YAML"),
        ("seed=" + "9" * 5000, "--set seed: '9999"),
        ("faults.0.at=3 s", "--set faults.0.at: no '0' in 'faults'"),
        ("nodes.cam={role: camera}", "--set nodes.cam: nodes.cam.uplink: is missing; add 'uplink'"),
    ],
)
def test_a_wrong_override_names_the_option(override: str, line: str) -> None:
    found = told(SMALL, [override])
    assert len(found) == 1, found
    assert found[0].startswith(line)


def test_a_wrong_seed_names_its_option() -> None:
    assert [str(p) for p in problems(SMALL, seed=-1)] == ["--seed: -1 should be at least 0"]


def test_overrides_and_file_are_told_together_the_file_first() -> None:
    found = told(changed(("0.8", "8")), ["seed=-1", "sed=1"])
    assert [line.split(":")[0] for line in found] == ["s.yaml", "--set sed", "--set seed"]


def test_a_problem_prints_its_place() -> None:
    assert str(Problem("a.yaml", 3, 4, "x.y", "is bad")) == "a.yaml:3:4: x.y: is bad"
    assert str(Problem("a.yaml", 0, 0, "", "no such file")) == "a.yaml: no such file"


def test_plain_data_are_checked_as_a_file_is() -> None:
    data = valid(SMALL).to_json()
    assert build(data, Path("s.yaml")) == valid(SMALL)
    data["nodes"]["cam"]["uplink"] = "gv"
    with pytest.raises(ScenarioError) as caught:
        build(data, Path("s.yaml"))
    assert str(caught.value) == "s.yaml: nodes.cam.uplink: no node 'gv'; did you mean 'gw'?"
