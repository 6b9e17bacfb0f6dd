"""The JSON Schema says what the loader accepts, in the words of the file, as far as JSON Schema can."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from scenario_kit import KINDS, SCENARIOS, SMALL, changed, told, valid

from sim import faults, policies
from sim.scenario import json_schema, schema_text
from sim.scenario.document import parse

FILES = sorted(SCENARIOS.glob("*.yaml"))


def _schema(*, kinds: bool = True) -> dict[str, Any]:
    return json_schema(KINDS if kinds else {})


def _accepts(text: str, schema: dict[str, Any]) -> bool:
    document, problems = parse(text, "s.yaml")
    assert problems == []
    return bool(jsonschema.Draft202012Validator(schema).is_valid(document.data))


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(_schema())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_scenario_here_fits_the_schema_in_the_repository(path: Path) -> None:
    schema = json.loads((SCENARIOS / "schema.json").read_text(encoding="utf-8"))
    assert _accepts(path.read_text(encoding="utf-8"), schema)
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=schema.json\n")


GOOD = [
    (),
    (("name: small", "name: small\nsamples: 171"),),
    (("name: small", "name: small\ndata: my.module:load"),),
    (("name: small", "name: small\ndata: {kind: multiview, cameras: null}"),),
    (("latency: 5 ms", "loss: 0.1 %"),),
    (("latency: 5 ms", "loss: 0.001"),),
    (("latency: 5 ms", "latency: 0 s"),),
    (("count: 4", "count: 4, period: 1.5 min, send: scores"),),
    (("{local: 0.8}", "{local: 1}"),),
    (("name: small", "name: small\nmqtt: {version: 3.1.1}"),),
    (("name: small", "name: small\nmqtt: {version: 5, patience: 1e1 s}"),),
    (("exits:", "expect: {accuracy: '>= 95 %', latency_s.all.p95: <200 ms}\nexits:"),),
    (
        (
            "exits:",
            "faults: [{kind: noise, target: cam, strength: 0.5, at: 1 s}, {kind: crash, target: gw}]\nexits:",
        ),
    ),
    (("exits:", "sweep: {grid: {exits.local: [0.1, 1]}, combinations: {of: cam, down: 0..4}, seeds: [1, 2]}\nexits:"),),
    (
        (
            "exits:",
            "sweep: {random: {n: 2, vary: {seed: [1], links.cam->gw.latency: {low: 1 ms, high: 2 ms}}}}\nexits:",
        ),
    ),
    (("exits:", "profiles: {mine: {compute: 1 GFLOPS, idle: 100 mW, busy: 1 W}}\nexits:"),),
]


@pytest.mark.parametrize("changes", GOOD, ids=lambda changes: changes[0][1][-40:] if changes else "small")
def test_what_the_loader_accepts_the_schema_accepts(changes: tuple[tuple[str, str], ...]) -> None:
    text = changed(*changes)
    data = valid(text).to_json()
    assert _accepts(text, _schema())
    assert _accepts(json.dumps(data), _schema()), "also with all its defaults"


BAD = [
    ("name: small", "name: Small"),
    ("name: small\n", ""),
    ("name: small", "name: small\nsede: 3"),
    ("name: small", "name: small\nseed: -1"),
    ("name: small", "name: small\nseed: '1'"),
    ("name: small", "name: small\nsamples: 0"),
    ("name: small", "name: small\nsamples: some"),
    ("name: small", "name: small\ndata: mvmc"),
    ("name: small", "name: small\ndata: {kind: mvmc}"),
    ("name: small", "name: small\ndata: {kind: other}"),
    ("name: small", "name: small\nmqtt: {qos: 3}"),
    ("name: small", "name: small\nmqtt: {patience_s: 3 s}"),
    ("count: 4", "period: 1"),
    ("count: 4", "period_s: 1 s"),
    ("count: 4", "period: 0 s"),
    ("count: 4", "count: 0"),
    ("role: camera", "role: camra"),
    ("{role: gateway,", "{role: gateway, period: 1 s,"),
    ("250 kbit/s", "250"),
    ("250 kbit/s", "0 kbit/s"),
    ("250 kbit/s", "0.0e5 kbit/s"),
    ("250 kbit/s", "-1 kbit/s"),
    ("250 kbit/s", "250 kB/s"),
    ("bandwidth: 250 kbit/s, ", ""),
    ("cam->gw:", "cam-gw:"),
    ("{local: 0.8}", "{local: 1.1}"),
    ("{local: 0.8}", "{locl: 0.8}"),
    ("exits:", "expect: {accuracy: 0.9}\nexits:"),
    ("exits:", "faults: [{kind: crash}]\nexits:"),
    ("exits:", "faults: [{kind: other, target: cam}]\nexits:"),
    ("exits:", "faults: [{kind: noise, target: cam}]\nexits:"),
    ("exits:", "faults: [{kind: crash, target: cam, strength: 0.5}]\nexits:"),
    ("exits:", "faults: [{kind: crash, target: cam, at: 5}]\nexits:"),
    ("exits:", "sweep: {gird: {}}\nexits:"),
    ("exits:", "sweep: {grid: {seed: []}}\nexits:"),
    ("exits:", "sweep: {grid: {seed: 0-6}}\nexits:"),
    ("exits:", "profiles: {mine: {compute: 1, idle: 100 mW, busy: 1 W}}\nexits:"),
]


@pytest.mark.parametrize("change", BAD, ids=lambda change: change[1][-40:] or change[0])
def test_what_the_schema_refuses_the_loader_refuses(change: tuple[str, str]) -> None:
    text = changed(change)
    assert told(text)
    assert not _accepts(text, _schema())


def test_the_schema_in_the_repository_is_in_sync() -> None:
    stored = (SCENARIOS / "schema.json").read_text(encoding="utf-8")
    built_in = schema_text(faults.known(plugins=False), policies.by_sort(plugins=False))
    assert stored == built_in, "write it anew: fogfleet schema > scenarios/schema.json"


def test_without_kinds_there_are_no_faults() -> None:
    assert not _accepts(SMALL + "faults: [{kind: crash, target: cam}]\n", _schema(kinds=False))


def test_the_schema_helps_an_editor() -> None:
    schema = _schema()
    definitions = schema["$defs"]
    assert definitions["Camera"]["properties"]["period"]["default"] == "1 s"
    assert definitions["Link"]["properties"]["bandwidth"]["examples"] == ["250 kbit/s"]
    assert "period_s" not in json.dumps(schema)
    for name, definition in {**definitions, "Scenario": schema}.items():
        for key, field in definition["properties"].items():
            if name not in ("LossWeights", "fault-noise") and key != "kind":
                assert "description" in field or "$ref" in field, f"{name}.{key} has no description"
    assert definitions["fault-noise"]["description"] == "The picture gets noisy."


def test_the_schema_is_the_same_every_time() -> None:
    assert schema_text(KINDS) == schema_text(dict(reversed(KINDS.items())))
