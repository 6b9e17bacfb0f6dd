"""The JSON Schema of what a person writes: for editors, for other programs, and as `scenarios/schema.json`."""

from __future__ import annotations

import copy
import json
from typing import Any

from pydantic import BaseModel

from sim.scenario.faults import COMMON_KEYS, Fault, FaultKinds
from sim.scenario.load import NO_KINDS
from sim.scenario.model import Scenario
from sim.scenario.policies import NO_POLICIES, PolicyKinds, policies_schema
from sim.units import BIT_RATE, COMPUTE, DURATION, PERIOD, POWER

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_EXAMPLES: dict[str, list[Any]] = {
    "samples": [171, "all"],
    "data": [{"kind": "multiview"}, {"kind": "mvmc", "path": "MVMC.npz"}, "my.module:load"],
    "exits": [{"local": 0.8}],
    "nodes": [{"cam": {"role": "camera", "count": 6, "uplink": "gw"}, "gw": {"role": "gateway", "uplink": "cloud"}}],
    "links": [{"cam->gw": {"bandwidth": "250 kbit/s", "latency": "5 ms", "loss": "0.1 %"}}],
    "policies": [{"split": "adaptive"}, {"split": {"kind": "adaptive", "deadline": "300 ms"}, "select": "present"}],
    "expect": [{"accuracy": ">= 0.95"}],
    "sweep": [{"grid": {"exits.local": [0.5, 0.8]}}, {"combinations": {"of": "cam", "down": "0..6"}}],
}


def json_schema(fault_kinds: FaultKinds = NO_KINDS, policies: PolicyKinds = NO_POLICIES) -> dict[str, Any]:
    """The schema of a scenario file (draft 2020-12), with the given kinds of faults and policies.

    What JSON Schema cannot say (names that must exist, quantities out of range) only the loader checks.
    """
    schema = _plain(Scenario)
    definitions = schema.setdefault("$defs", {})
    properties = schema["properties"]
    properties["data"] = _data(properties["data"])
    properties["faults"] = _faults(fault_kinds, definitions, properties["faults"])
    described = definitions["Policies"]["properties"]
    properties["policies"] |= policies_schema(policies, definitions, described)
    del properties["policies"]["$ref"], properties["policies"]["default"]
    for key, examples in _EXAMPLES.items():
        properties[key]["examples"] = examples
    _prune(schema)
    return {"$schema": DIALECT, **_tidy(schema), "title": "FogFleet scenario"}


def schema_text(fault_kinds: FaultKinds = NO_KINDS, policies: PolicyKinds = NO_POLICIES) -> str:
    """The schema as it stands in `scenarios/schema.json`."""
    return json.dumps(json_schema(fault_kinds, policies), indent=2, ensure_ascii=False) + "\n"


def _prune(schema: dict[str, Any]) -> None:
    """Takes out definitions that nothing refers to, such as the entry of `faults` that the kinds replace."""
    definitions = schema.pop("$defs")
    wanted = _references(schema)
    used: dict[str, Any] = {}
    while wanted:
        name = wanted.pop()
        used[name] = definitions[name]
        wanted |= _references(definitions[name]) - set(used)
    schema["$defs"] = {name: used[name] for name in sorted(used)}


def _references(node: Any) -> set[str]:
    inside = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    own = {node["$ref"].rpartition("/")[2]} if isinstance(node, dict) and isinstance(node.get("$ref"), str) else set()
    return own.union(*map(_references, inside))


def _plain(model: type[BaseModel]) -> dict[str, Any]:
    return copy.deepcopy(model.model_json_schema(by_alias=True, mode="validation"))


def _data(kinds: dict[str, Any]) -> dict[str, Any]:
    """`data` may also be the name of a function."""
    described: dict[str, Any] = {key: kinds.pop(key) for key in ("default", "description") if key in kinds}
    name = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$"}
    return {"anyOf": [kinds, name], **described}


def _faults(kinds: FaultKinds, definitions: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
    """A list whose entries are flat: the fields of a kind beside the common keys."""
    entries = []
    for name in sorted(kinds):
        entry = _entry(kinds[name], definitions)
        definitions[f"fault-{name}"] = entry
        entries.append({"$ref": f"#/$defs/fault-{name}"})
    items: Any = {"oneOf": entries} if entries else False
    return {"type": "array", "items": items, "default": [], "description": described.get("description", "")}


def _entry(kind: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    common, own = _plain(Fault), _plain(kind)
    for schema in (common, own):
        definitions.update(schema.pop("$defs", {}))
    shared = {key: common["properties"][key] for key in COMMON_KEYS}
    needed = [key for key in common["required"] if key in shared]
    own["properties"] = {**own["properties"], **shared}
    own["required"] = sorted({"kind", *own.get("required", ()), *needed})
    return own


_DIMENSIONS = {dimension.pattern: dimension for dimension in (DURATION, PERIOD, BIT_RATE, COMPUTE, POWER)}


def _tidy(node: Any) -> Any:
    """Without generated titles, with defaults as written; mappings with a pattern for their keys accept no others."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    tidied: dict[str, Any] = {
        key: {name: _tidy(item) for name, item in value.items()}
        if key in ("properties", "$defs", "patternProperties")
        else value
        if key in ("default", "examples", "const", "enum")
        else _tidy(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
    }
    if tidied.get("pattern") in _DIMENSIONS and isinstance(tidied.get("default"), float):
        tidied["default"] = _DIMENSIONS[tidied["pattern"]].format(tidied["default"])
    if "patternProperties" in tidied:
        tidied["additionalProperties"] = False
    return tidied
