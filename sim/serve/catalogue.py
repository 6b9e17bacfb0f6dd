"""The kinds of faults as the page offers them: on what, and with which values filled in."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sim.faults import known
from sim.faults.base import BrokerFault, FaultKind, LinkFault, MessageFault, ModelFault, NodeFault, SensorFault
from sim.scenario.document import parse
from sim.scenario.text import NotReadableError

SCHEDULE: Final = frozenset({"id", "kind", "target", "at", "for", "pick", "together", "bursts"})
"""Keys of an example that the page does not fill in: it has fields of its own for them, or the fault comes now."""


def catalogue() -> list[dict[str, Any]]:
    """All kinds; `on` says what a kind happens to (`node`, `link` or `broker`), `roles` to which nodes.

    `values` are the fields with what the kind's example says, as text of a scenario.
    """
    return [dict(_entry(name, kind)) for name, kind in known().items()]


def _entry(name: str, kind: type[FaultKind]) -> Iterator[tuple[str, Any]]:
    example = _read(kind.example)
    schema = kind.model_json_schema()
    yield "kind", name
    yield "layer", kind.layer
    yield "does", (inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", " ")
    yield "on", _on(kind, example)
    yield "roles", _roles(kind)
    yield "values", {field: _text(value) for field, value in example.items() if field not in SCHEDULE}
    yield "fields", {field: part.get("description", "") for field, part in schema["properties"].items()}


def _read(example: str) -> dict[str, Any]:
    try:
        document, _ = parse(example, "example")
    except NotReadableError:
        return {}
    return document.data if isinstance(document.data, dict) else {}


def _on(kind: type[FaultKind], example: Mapping[str, Any]) -> str:
    if issubclass(kind, LinkFault):
        return "link"
    if issubclass(kind, BrokerFault):
        return "broker" if example.get("target") == "broker" else "node"
    return "node"


def _roles(kind: type[FaultKind]) -> list[str]:
    if issubclass(kind, SensorFault | ModelFault):
        return ["camera"]
    if issubclass(kind, NodeFault):
        return list(kind.roles)
    if issubclass(kind, LinkFault | MessageFault):
        return ["camera", "gateway"]
    return ["camera", "gateway", "cloud"]


def _text(value: Any) -> str:
    """A value as one writes it inside braces in YAML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_text(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    text = str(value)
    plain = not isinstance(value, str) or re.fullmatch(r"[A-Za-z0-9][^,\[\]{}#:]*", text)
    return text if plain else f"'{text}'"
