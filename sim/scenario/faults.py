"""Fault entries: the common keys (to whom, when) are the core's, all other keys belong to the kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    Field,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from sim.scenario.document import Path
from sim.scenario.problems import Finding, did_you_mean, translate
from sim.scenario.types import Duration, FileName, Name, Part, Period, Positive, Text
from sim.units import shown

FaultKinds = Mapping[str, type[BaseModel]]


class Bursts(Part):
    """Gilbert–Elliott: two states in turn, each for a random time; the fault is in force in the bad one."""

    good_s: Period = Field(alias="good")
    """Mean time in the good state."""
    bad_s: Period = Field(alias="bad")
    """Mean time in the bad state."""


class Load(Part):
    """A condition on load: a processor with work for longer than `backlog`, or a link with `waiting` messages."""

    target: Annotated[Text, Field(min_length=1)]
    """The node or link that is looked at, ten times a second."""
    backlog_s: Duration | None = Field(default=None, alias="backlog")
    """New work at the node would have to wait at least so long."""
    waiting: Positive | None = None
    """At least so many messages wait at the link or are being sent."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.backlog_s is None) == (self.waiting is None):
            raise ValueError("write either 'backlog' (of a node) or 'waiting' (at a link)")
        return self


class Fault(Part):
    """One entry of `faults`: an effect, its target and its schedule."""

    id: Name | None = None
    """Name of this fault in tables; without it, its kind and position."""
    target: Annotated[Text, Field(min_length=1)]
    """To whom: a node (`cam.3`), group, role or glob (`cam.*`), link (`cam.3->gw`), `broker`, `best-camera`, or `*`;
    `site-3/` before it names the site, commas part several."""
    at_s: Duration | None = Field(default=None, alias="at")
    """When it begins."""
    for_s: Period | None = Field(default=None, alias="for")
    """How long it lasts; without it, to the end."""
    every_s: Period | None = Field(default=None, alias="every")
    """Begin again after this time."""
    probability: Annotated[float, Field(ge=0, le=1)] | None = None
    """Chance per message or capture; for faults of nodes, links and brokers, chance per injection."""
    mtbf_s: Period | None = Field(default=None, alias="mtbf")
    """Mean time between failures: begins at random."""
    mttr_s: Period | None = Field(default=None, alias="mttr")
    """Mean time to repair."""
    shape: Annotated[float, Field(ge=0.1, le=20)] = 1.0
    """Weibull shape of both random times; 1 is exponential."""
    bursts: Bursts | None = None
    """Gilbert–Elliott bursts."""
    trace: FileName | None = None
    """CSV file with the columns start_s,end_s."""
    after: Name | None = None
    """Begins when the fault of this id begins, and ends with it unless `for` is given."""
    lag_s: Duration | None = Field(default=None, alias="lag")
    """How long after it."""
    when: Load | None = None
    """In force while this load condition holds."""
    pick: Positive | None = None
    """Only so many of the targets, chosen at random by the seed."""
    together: bool = False
    """One random schedule for all targets (all cameras on one pole) instead of one each."""
    effect: SerializeAsAny[BaseModel] = Field(exclude=True)
    """What happens: an instance of the kind's own class."""

    @model_validator(mode="after")
    def _one_schedule(self) -> Self:
        ways = {"every": self.every_s, "mtbf": self.mtbf_s, "bursts": self.bursts, "trace": self.trace}
        given = [name for name, way in {**ways, "after": self.after, "when": self.when}.items() if way is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are different schedules; write one of them")
        if (self.mtbf_s is None) != (self.mttr_s is None):
            raise ValueError("'mtbf' and 'mttr' belong together")
        if self.lag_s is not None and self.after is None:
            raise ValueError("'lag' counts from another fault; add 'after: its id'")
        if self.every_s is not None and self.for_s is not None and self.for_s > self.every_s:
            raise ValueError("it begins again before it ends; 'for' should not be longer than 'every'")
        if self.at_s is not None and given and given[0] in ("trace", "after", "when"):
            raise ValueError(f"'{given[0]}' says when it begins; leave out 'at'")
        return self

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
    try:
        kind = kinds.get(name) if isinstance(name, str) else None
    except ImportError as error:
        return None, [Finding((*path, "kind"), str(error))]
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
