"""Fault entries: the common keys (to whom, when) are the core's, all other keys belong to the kind."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, SerializeAsAny, SerializerFunctionWrapHandler, model_serializer

from sim.scenario.types import Duration, Name, Part, Period, Text


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
"""Keys of a fault entry that every kind shares."""
