"""Walking the types of the models: which keys may stand where. Messages and overrides both ask this."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

Loc = tuple[int | str, ...]


def keys(model: type[BaseModel]) -> list[str]:
    """The keys of a mapping that becomes `model`, as written in a file."""
    return [field.alias or name for name, field in model.model_fields.items()]


def known_keys(model: type[BaseModel], loc: Loc) -> list[str]:
    """The keys that may stand at `loc` (as in pydantic's errors, with the tags of unions)."""
    return [key for kind in models(follow(model, loc)) for key in keys(kind)]


def known_tags(model: type[BaseModel], loc: Loc) -> list[str]:
    """The values of the discriminating field of the union at `loc`."""
    return [tag for kind in models(follow(model, loc)) for tag in tags(kind)]


def tags(model: type[BaseModel]) -> list[str]:
    """What `kind` or `role` has to be for `model`."""
    fields = (model.model_fields.get(name) for name in ("kind", "role"))
    return [str(arg) for field in fields if field is not None for arg in get_args(field.annotation)]


def models(annotation: Any) -> list[type[BaseModel]]:
    """All models that a value of this type may become."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    origin = get_origin(annotation)
    if origin is Annotated:
        return models(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [model for arg in get_args(annotation) for model in models(arg)]
    return []


def bare(annotation: Any) -> Any:
    """A type without its `Annotated` wrapping."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def follow(annotation: Any, loc: Loc) -> Any:
    """The type at `loc` inside a type, None where there is nothing."""
    for part in loc:
        annotation = _step(bare(annotation), part)
    return annotation


def _step(annotation: Any, part: int | str) -> Any:
    origin = get_origin(annotation)
    if origin is dict:
        return get_args(annotation)[1]
    if origin in (tuple, list):
        return get_args(annotation)[0]
    candidates = models(annotation)
    tagged = [model for model in candidates if part in tags(model)]
    if len(candidates) > 1:
        return tagged[0] if tagged else None
    found = [field for model in candidates for field in [_field(model, part)] if field is not None]
    if found:
        return found[0]
    return candidates[0] if candidates and origin in (Union, UnionType) else None


def _field(model: type[BaseModel], part: int | str) -> Any:
    for name, field in model.model_fields.items():
        if part == (field.alias or name):
            return field.annotation
    return None
