"""The `policies` block: a name, or a mapping with `kind` and the policy's own parameters, for each decision."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel, SerializeAsAny, ValidationError, model_serializer

from sim.scenario.document import Path
from sim.scenario.problems import Finding, did_you_mean, translate
from sim.scenario.types import IMPORT_PATTERN, Part
from sim.units import shown

PolicyKinds = Mapping[str, Mapping[str, type[BaseModel]]]
"""Sort (`split`, `select`, …) -> name -> the policy's class."""
PROTOCOL: Final[Mapping[str, str]] = MappingProxyType(
    {"split": "static", "select": "all", "failover": "none", "retune": "none"}
)
"""What the protocol does where no policy decides: it has a name, and no class."""
NO_POLICIES: Final[PolicyKinds] = MappingProxyType({})
_NO_KINDS: Final[Mapping[str, type[BaseModel]]] = MappingProxyType({})


class Policies(Part):
    """Who decides what is sent, who takes over, and when a sample is sure enough."""

    split: SerializeAsAny[BaseModel] | None = None
    """What a camera sends of each sample: `static` (scores, and features on request), `raw`, `features`, `adaptive`, or
    `my.module:Thing`; with parameters `{kind: adaptive, deadline: 300 ms}`."""
    select: SerializeAsAny[BaseModel] | None = None
    """Which cameras a gateway asks for features: `all`, `present`, `confident`, or `my.module:Thing`."""
    failover: SerializeAsAny[BaseModel] | None = None
    """Which gateway of the site takes over from one that has failed: `none`, `least-loaded`, `nearest`, or
    `my.module:Thing`; with parameters `{kind: nearest, after: 500 ms}`."""
    retune: SerializeAsAny[BaseModel] | None = None
    """How a gateway moves its threshold while the run goes on: `none`, `byte-budget`, `accuracy-floor`, or
    `my.module:Thing`; e.g. `{kind: byte-budget, bytes: 80, every: 20 s}`."""

    @model_serializer(mode="plain")
    def _as_written(self) -> dict[str, Any]:
        """A policy as a file could hold it."""
        return {sort: _written(sort, getattr(self, sort)) for sort in PROTOCOL}


def _written(sort: str, policy: BaseModel | None) -> Any:
    return PROTOCOL[sort] if policy is None else policy.model_dump(mode="json", by_alias=True)


def read_policies(block: object, kinds: PolicyKinds) -> tuple[Policies, list[Finding]]:
    """The policies in the `policies` block of a scenario, and what is wrong with it."""
    if not isinstance(block, dict):
        return Policies(), [Finding(("policies",), f"{shown(block)} should be a mapping; write {{split: adaptive}}")]
    found: dict[str, BaseModel | None] = {}
    findings: list[Finding] = []
    for key, value in block.items():
        if key not in PROTOCOL:
            findings.append(Finding(("policies", key), f"unknown key{did_you_mean(key, PROTOCOL)}", key=True))
            continue
        found[key], wrong = _read(key, value, kinds.get(key, _NO_KINDS))
        findings += wrong
    return Policies(**found), findings


def _read(sort: str, value: object, kinds: Mapping[str, type[BaseModel]]) -> tuple[BaseModel | None, list[Finding]]:
    path: Path = ("policies", sort)
    own = {"kind": value} if isinstance(value, str) else value
    if own is None or own == {"kind": PROTOCOL[sort]}:
        return None, []
    known = [PROTOCOL[sort], *kinds]
    if not isinstance(own, dict):
        return None, [Finding(path, f"{shown(value)} is no {sort} policy; write one of {', '.join(known)}")]
    if "kind" not in own:
        return None, [Finding(path, f"has no 'kind'{did_you_mean('', known)}")]
    name = own["kind"]
    at = path if isinstance(value, str) else (*path, "kind")
    if name == PROTOCOL[sort]:
        return None, [Finding((*path, key), f"'{name}' has no parameters", key=True) for key in own if key != "kind"]
    try:
        kind = kinds.get(name) if isinstance(name, str) else None
    except ImportError as error:
        return None, [Finding(at, str(error))]
    if kind is None:
        return None, [Finding(at, f"no {sort} policy {shown(name)}{did_you_mean(name, known)}")]
    try:
        return kind.model_validate(own), []
    except ValidationError as error:
        return None, translate(error.errors(), own, kind, path)


def policies_schema(kinds: PolicyKinds, definitions: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of the block, whose policies go to `definitions`."""
    properties = {}
    for sort, protocol in PROTOCOL.items():
        names, whole = [protocol], []
        for name, kind in kinds.get(sort, _NO_KINDS).items():
            own = kind.model_json_schema(by_alias=True, mode="validation")
            definitions.update(own.pop("$defs", {}))
            definitions[f"{sort}-{name}"] = own
            whole.append({"$ref": f"#/$defs/{sort}-{name}"})
            if own.get("required", []) == ["kind"]:
                names.append(name)
        import_name = {"type": "string", "pattern": IMPORT_PATTERN}
        plain = {"type": "object", "properties": {"kind": {"const": protocol}}, "required": ["kind"]}
        foreign = {"type": "object", "properties": {"kind": import_name}, "required": ["kind"]}
        options = [{"enum": names}, import_name, {"additionalProperties": False, **plain}, foreign, *whole]
        properties[sort] = {
            "anyOf": [*options, {"type": "null"}],
            "default": protocol,
            "description": described.get(sort, {}).get("description", ""),
        }
    return {"type": "object", "properties": properties, "additionalProperties": False}
