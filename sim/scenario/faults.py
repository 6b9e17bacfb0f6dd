"""Fault entries: the common keys (to whom, when) are the core's, all other keys belong to the kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    Field,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from sim.scenario.document import Path
from sim.scenario.problems import Finding, did_you_mean, translate
from sim.scenario.types import Duration, Name, Part, Period, Text
from sim.units import shown

FaultKinds = Mapping[str, type[BaseModel]]


class Fault(Part):
    """One entry of `faults`: an effect, its target and its schedule."""

    id: Name | None = None
    """Name of this fault in tables; without it, its kind and position."""
    target: Annotated[Text, Field(min_length=1)]
    """To whom: a node (`cam.3`), a group (`cam`), a link (`cam->gw`), `broker`, or `*`."""
    at_s: Duration | None = Field(default=None, alias="at")
    """When it begins."""
    for_s: Period | None = Field(default=None, alias="for")
    """How long it lasts; without it, to the end."""
    every_s: Period | None = Field(default=None, alias="every")
    """Begin again after this time."""
    probability: Annotated[float, Field(ge=0, le=1)] | None = None
    """Chance per message or sample."""
    effect: SerializeAsAny[BaseModel] = Field(exclude=True)
    """What happens: an instance of the kind's own class."""

    @model_serializer(mode="wrap")
    def _flat(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As written in a file: the fields of the kind beside the common keys."""
        common = {key: value for key, value in handler(self).items() if value is not None}
        return {**self.effect.model_dump(mode="json", by_alias=True), **common}


COMMON_KEYS = tuple(field.alias or name for name, field in Fault.model_fields.items() if name != "effect")
"""Keys of a fault entry that every kind shares: adding a field to `Fault` is all it takes."""


def read_faults(entries: object, kinds: FaultKinds) -> tuple[tuple[Fault, ...], list[Finding]]:
    """The faults in the `faults` block of a scenario, and what is wrong with the others."""
    if not isinstance(entries, list):
        return (), [
            Finding(("faults",), f"{shown(entries)} should be a list of faults; write [{{kind: …, target: …}}]")
        ]
    faults: list[Fault] = []
    findings: list[Finding] = []
    for index, entry in enumerate(entries):
        fault, wrong = _read(entry, ("faults", index), kinds)
        findings += wrong
        if fault is not None:
            faults.append(fault)
    findings += _repeated_ids(entries)
    return tuple(faults), findings


def _read(entry: object, path: Path, kinds: FaultKinds) -> tuple[Fault | None, list[Finding]]:
    if not isinstance(entry, dict):
        return None, [Finding(path, f"{shown(entry)} should be a mapping; write {{kind: …, target: …, at: 20 s}}")]
    effect, findings = _effect(entry, path, kinds)
    common = {key: value for key, value in entry.items() if key in COMMON_KEYS}
    try:
        # Where the effect is wrong, any model stands in for it so that the common keys are still checked.
        fault = Fault.model_validate({**common, "effect": effect or Part()})
    except ValidationError as error:
        return None, findings + translate(error.errors(), entry, Fault, path)
    return (fault if effect is not None else None), findings


def _effect(entry: dict[str, Any], path: Path, kinds: FaultKinds) -> tuple[BaseModel | None, list[Finding]]:
    if "kind" not in entry:
        return None, [Finding(path, f"has no 'kind'{did_you_mean('', kinds)}")]
    name = entry["kind"]
    kind = kinds.get(name) if isinstance(name, str) else None
    if kind is None:
        return None, [
            Finding((*path, "kind"), f"no fault kind {shown(name)}{did_you_mean(name, kinds) or '; none is known'}")
        ]
    own = {key: value for key, value in entry.items() if key not in COMMON_KEYS}
    try:
        return kind.model_validate(own), []
    except ValidationError as error:
        return None, translate(error.errors(), own, kind, path, COMMON_KEYS)


def _repeated_ids(entries: list[Any]) -> list[Finding]:
    seen: set[str] = set()
    findings = []
    for index, entry in enumerate(entries):
        name = entry.get("id") if isinstance(entry, dict) else None
        if isinstance(name, str) and name in seen:
            findings.append(
                Finding(("faults", index, "id"), f"{shown(name)} is the id of another fault; write a new one")
            )
        elif isinstance(name, str):
            seen.add(name)
    return findings
