"""The field types of a scenario: how a person writes each, what it becomes in SI, what editors are told."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from sim import units
from sim.registry import STRICT
from sim.units import shown

NAME_PATTERN = "^[a-z][a-z0-9-]{0,62}$"
IMPORT_PATTERN = "^[A-Za-z_][A-Za-z0-9_]*(\\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"
NODE_PATTERN = "^[a-z][a-z0-9-]{0,62}(\\.(0|[1-9][0-9]{0,3}))?$"
LINK_PATTERN = "^[a-z][a-z0-9-]{0,62}->[a-z][a-z0-9-]{0,62}$"
GRID_PATTERN = "^[1-9][0-9]?x[1-9][0-9]?$"
MAX_INT = 2**53 - 1
"""Largest integer that every JSON reader keeps exactly."""


class Part(BaseModel):
    """A frozen, strict piece of a scenario without unknown keys; doc strings become editor help."""

    model_config = STRICT


def _quantity(dimension: units.Dimension) -> tuple[Any, ...]:
    return (
        BeforeValidator(dimension.parse),
        PlainSerializer(dimension.format, return_type=str),
        WithJsonSchema({"type": "string", "pattern": dimension.pattern, "examples": [dimension.example]}),
    )


def matching(pattern: str, what: str) -> Callable[[object], str]:
    """A validator for text of one form; `what` completes '… is not' and shows the right form."""
    compiled = re.compile(pattern.removeprefix("^").removesuffix("$"))

    def check(value: object) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise ValueError(f"{shown(value)} is not {what}")
        return value

    return check


def _text(pattern: str, what: str, example: str) -> tuple[Any, ...]:
    return (
        BeforeValidator(matching(pattern, what)),
        WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]}),
    )


def _count_or_all(value: object) -> object:
    if value == "all" or (type(value) is int and 1 <= value <= MAX_INT):
        return value
    raise ValueError(f"{shown(value)} is not a number of samples; write a whole number from 1, or 'all'")


def _version(value: object) -> object:
    if value == 5 and type(value) is int:
        return "5"
    if value in ("5", "3.1.1"):
        return value
    raise ValueError(f"{shown(value)} is not an MQTT version that is spoken here; write 5 or 3.1.1")


Name = Annotated[str, *_text(NAME_PATTERN, "a name; write small letters, digits and '-', e.g. 'cam-north'", "cam")]
ImportName = Annotated[str, *_text(IMPORT_PATTERN, "an import name; write e.g. 'my.module:load'", "my.module:load")]
NodeName = Annotated[str, *_text(NODE_PATTERN, "a node; write e.g. 'cam.3'", "cam.3")]
NodeNames = Annotated[
    tuple[NodeName, ...],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
    PlainSerializer(list),
]
LinkName = Annotated[str, *_text(LINK_PATTERN, "a link; write e.g. 'cam->gw'", "cam->gw")]
GridText = Annotated[str, *_text(GRID_PATTERN, "a grid; write rows x columns, e.g. '2x3'", "2x3")]

Duration = Annotated[float, *_quantity(units.DURATION)]
Period = Annotated[float, *_quantity(units.PERIOD)]
BitRate = Annotated[float, *_quantity(units.BIT_RATE)]
Compute = Annotated[float, *_quantity(units.COMPUTE)]
Energy = Annotated[float, *_quantity(units.ENERGY)]
Power = Annotated[float, *_quantity(units.POWER)]
Share = Annotated[
    float,
    BeforeValidator(units.fraction),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1},
                {"type": "string", "pattern": units.FRACTION_PATTERN},
            ],
            "examples": ["0.1 %", 0.001],
        }
    ),
]
Threshold = Annotated[float, Field(ge=0, le=1, examples=[0.8])]
Seed = Annotated[int, Field(ge=0, le=MAX_INT)]
Whole = Annotated[int, Field(ge=0, le=MAX_INT)]
Positive = Annotated[int, Field(ge=1, le=MAX_INT)]
Samples = Annotated[
    int | Literal["all"],
    BeforeValidator(_count_or_all),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1, "maximum": MAX_INT}, {"const": "all"}]}),
]
MqttVersion = Annotated[str, BeforeValidator(_version), WithJsonSchema({"enum": [5, "5", "3.1.1"]})]
Text = Annotated[str, Field(max_length=4096)]
FileName = Annotated[str, Field(min_length=1, max_length=4096)]

BOUND_PATTERN = r"^(>=|<=|==|>|<) ?-?[0-9]{1,15}(\.[0-9]{1,15})?( ?(%|ns|us|µs|ms|s|min|h))?$"
SUMMARY_PATTERN = "^[a-z][A-Za-z0-9_]*(\\.[A-Za-z0-9_>-]+)*$"
Bound = Annotated[str, *_text(BOUND_PATTERN, "a bound; write e.g. '>= 0.95' or '<= 200 ms'", ">= 0.95")]
SummaryPath = Annotated[str, *_text(SUMMARY_PATTERN, "a figure of the summary; write e.g. 'accuracy'", "accuracy")]
