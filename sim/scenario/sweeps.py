"""The sweep block: which paths of the scenario vary, and over which values."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    WithJsonSchema,
    model_validator,
)

from sim.scenario.types import Name, Part, Seed
from sim.units import shown

RANGE_PATTERN = r"^(0|[1-9][0-9]{0,8})\.\.(0|[1-9][0-9]{0,8})$"
MAX_VALUES = 4096
"""How many values one axis may have."""
_RANGE = re.compile(r"(0|[1-9][0-9]{0,8})\.\.(0|[1-9][0-9]{0,8})")


def _axis(value: object) -> tuple[Any, ...]:
    """A list as it is; `0..6` as the whole numbers from 0 to 6, both included."""
    values = tuple(value if isinstance(value, list | tuple) else _range(value))
    if not 1 <= len(values) <= MAX_VALUES:
        raise ValueError(f"a list of {len(values)} values; write 1 to {MAX_VALUES} values")
    return values


def _range(value: object) -> range:
    match = _RANGE.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[1]) > int(match[2]):
        raise ValueError(f"{shown(value)} is not a list or range; write e.g. [0.1, 0.5] or 0..6")
    if int(match[2]) - int(match[1]) >= MAX_VALUES:
        raise ValueError(f"{shown(value)} has more than {MAX_VALUES} values; write a shorter range")
    return range(int(match[1]), int(match[2]) + 1)


def axis_values(value: object) -> tuple[Any, ...]:
    """The values of an axis as written, none if it is not one."""
    try:
        return tuple(_axis(value))
    except ValueError:
        return ()


_RANGE_SCHEMA = {"type": "string", "pattern": RANGE_PATTERN, "examples": ["0..6"]}


def _axis_schema(items: dict[str, Any]) -> WithJsonSchema:
    whole = {"type": "array", "items": items, "minItems": 1, "maxItems": MAX_VALUES}
    return WithJsonSchema({"anyOf": [whole, _RANGE_SCHEMA]})


_WHOLE = {"type": "integer", "minimum": 0}
Axis = Annotated[tuple[Any, ...], BeforeValidator(_axis), PlainSerializer(list), _axis_schema({})]
WholeAxis = Annotated[tuple[Seed, ...], BeforeValidator(_axis), PlainSerializer(list), _axis_schema(_WHOLE)]
DottedPath = Annotated[str, Field(min_length=1, max_length=256)]


class Combinations(Part):
    """Every subset of a group, by size."""

    of: Name
    """A group of nodes."""
    down: WholeAxis
    """How many of them are down: a list or a range such as `0..6`."""


_END = re.compile(r"(?P<number>-?[0-9]{1,15}(\.[0-9]{1,15})?)( ?(?P<unit>[^\s0-9.]\S{0,15}))?")
END_PATTERN = r"^-?[0-9]{1,15}(\.[0-9]{1,15})? ?[^\s0-9.]\S{0,15}$"


def _end(value: object) -> object:
    """One end of an interval: a number, or a number with a unit."""
    if isinstance(value, int | float) and not isinstance(value, bool) and -1e15 < value < 1e15:
        return value
    match = _END.fullmatch(value) if isinstance(value, str) else None
    if match is None or match["unit"] is None:
        raise ValueError(f"{shown(value)} is not a number; write e.g. 0.1 or '100 kbit/s'")
    return value


def _number_unit(end: int | float | str) -> tuple[float, str]:
    match = _END.fullmatch(end) if isinstance(end, str) else None
    return (float(match["number"]), match["unit"]) if match else (float(end), "")


End = Annotated[
    int | float | str,
    BeforeValidator(_end),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": END_PATTERN}]}),
]


class Interval(Part):
    """Where random values come from; whole numbers if both ends are whole numbers without a unit."""

    low: End
    """Smallest value, with its unit where it has one."""
    high: End
    """Largest value, in the same unit."""
    scale: Literal["linear", "log"] = "linear"
    """Uniform in the value, or in its logarithm."""

    @model_validator(mode="after")
    def _ordered(self) -> Interval:
        (low, unit), (high, other) = _number_unit(self.low), _number_unit(self.high)
        if unit != other:
            raise ValueError(f"low {self.low} and high {self.high} differ in unit; write both in the same")
        if low >= high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if self.scale == "log" and low <= 0:
            raise ValueError(f"low {self.low} has no logarithm; write a low above 0, or 'scale: linear'")
        return self

    def at(self, share: float) -> int | float | str:
        """The value at `share` (0 to 1) of the way from low to high, as it would be written in a scenario."""
        (low, unit), (high, _) = _number_unit(self.low), _number_unit(self.high)
        value = low * (high / low) ** share if self.scale == "log" else low + share * (high - low)
        if unit:
            return f"{min(max(value, low), high):.12f} {unit}"
        whole = isinstance(self.low, int) and isinstance(self.high, int)
        return round(value) if whole else min(max(value, low), high)


def _choice(value: object) -> str:
    return "interval" if isinstance(value, dict | Interval) else "list"


Choice = Annotated[Annotated[Interval, Tag("interval")] | Annotated[Axis, Tag("list")], Discriminator(_choice)]


class Random(Part):
    """Points drawn at random."""

    n: Annotated[int, Field(ge=1, le=1_000_000)]
    """How many."""
    seed: Seed = 0
    """Seed of the draw."""
    vary: Annotated[dict[DottedPath, Choice], Field(min_length=1)]
    """Dotted paths, each with a list to choose from or an interval `{low, high, scale}`."""


class Sweep(Part):
    """What to vary; the blocks multiply."""

    grid: dict[DottedPath, Axis] = Field(default_factory=dict)
    """Dotted paths, each with its values: every combination is a point."""
    zip: dict[DottedPath, Axis] = Field(default_factory=dict)
    """Dotted paths with lists of equal length, taken side by side."""
    combinations: Combinations | None = None
    """Every subset of a group of nodes that is down."""
    random: Random | None = None
    """Points drawn at random."""
    seeds: WholeAxis | None = None
    """Seeds of the scenario to repeat every point with."""

    @model_validator(mode="after")
    def _same_length(self) -> Sweep:
        lengths = {path: len(values) for path, values in self.zip.items()}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{path}: {length}" for path, length in lengths.items())
            raise ValueError(f"the lists of zip differ in length ({told}); write as many values in each")
        return self
