"""Turns pydantic's errors into problems that name the place, the path, the value and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from sim.errors import Problem
from sim.scenario.document import Document, Path, dotted
from sim.units import shown


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or the list of what is known when nothing is near and the list is short."""
    names = list(known)
    near = difflib.get_close_matches(str(word)[:80], names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; known: {', '.join(names[:12])}{', …' if len(names) > 12 else ''}" if names else ""


def problem(document: Document, path: Path, message: str, *, key: bool = False) -> Problem:
    """A problem at a path of a document; at its key if `key`."""
    return Problem(*document.place(path, key=key), dotted(path), message)


def translate(
    errors: Sequence[ErrorDetails], document: Document, model: type[BaseModel], prefix: Path = ()
) -> list[Problem]:
    """Problems for the errors of validating what stands at `prefix` of `document` as `model`."""
    return [_translate(error, document, model, prefix) for error in errors]


def _translate(error: ErrorDetails, document: Document, model: type[BaseModel], prefix: Path) -> Problem:
    path, is_key = _real_path(error["loc"], _at(document.data, prefix))
    message = _message(error, model)
    at_key = is_key or error["type"] in ("extra_forbidden", "missing")
    return problem(document, (*prefix, *path), message, key=at_key)


def _at(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part]
    return data


def _real_path(loc: tuple[int | str, ...], data: Any) -> tuple[Path, bool]:
    """pydantic's loc without the tags of unions that it puts between the keys; and whether a key itself is meant."""
    path: list[int | str] = []
    for part in loc:
        if part == "[key]":
            return tuple(path), True
        if isinstance(data, dict) and part in data:
            data = data[part]
        elif isinstance(data, list | tuple) and isinstance(part, int) and part < len(data):
            data = data[part]
        elif part is not loc[-1]:
            continue
        elif not isinstance(data, dict):
            break
        path.append(part)
    return tuple(path), False


def _message(error: ErrorDetails, model: type[BaseModel]) -> str:
    kind, value = error["type"], error["input"]
    context: dict[str, Any] = error.get("ctx") or {}
    name = str(error["loc"][-1]) if error["loc"] else ""
    match kind:
        case "value_error":
            return str(context["error"])
        case "missing":
            return f"is missing; add '{name}'"
        case "extra_forbidden":
            return f"unknown key{did_you_mean(name, known_keys(model, error['loc'][:-1]))}"
        case "union_tag_not_found":
            tag = context["discriminator"].strip("'")
            if not isinstance(value, dict):
                return f"{shown(value)} should be a mapping; write e.g. {{{tag}: …}}"
            return f"has no '{tag}'; add one of {', '.join(known_tags(model, error['loc']))}"
        case "union_tag_invalid":
            tag = context["discriminator"].strip("'")
            return f"no {tag} {shown(context['tag'])}{did_you_mean(context['tag'], known_tags(model, error['loc']))}"
        case "literal_error":
            allowed = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
            return f"{shown(value)} is none of {', '.join(allowed)}{_near(value, allowed)}"
    return _expectation(kind, value, context, error["msg"])


def _near(word: object, known: list[str]) -> str:
    hint = did_you_mean(word, known)
    return "" if hint.startswith("; known") else hint


_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "dict_type": "a mapping ('key: value')",
    "model_type": "a mapping ('key: value')",
    "model_attributes_type": "a mapping ('key: value')",
    "tuple_type": "a list",
    "list_type": "a list",
    "finite_number": "a finite number",
    "too_short": "at least {min_length} entries",
    "too_long": "at most {max_length} entries",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
}


def _expectation(kind: str, value: object, context: Mapping[str, Any], fallback: str) -> str:
    expected = _EXPECTED.get(kind)
    if expected is None:
        return f"{shown(value)}: {fallback[:1].lower()}{fallback[1:]}"
    wanted = expected.format(**context)
    return f"{shown(value)} should be {wanted}" if not kind.startswith("too_") else f"should have {wanted}"


def known_keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The keys that the model at `loc` (as in pydantic's errors, with union tags) has."""
    found = [kind for kind in _models(_follow(model, loc)) if kind is not None]
    return [field.alias or name for kind in found for name, field in kind.model_fields.items()]


def known_tags(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The values of the discriminating field of the union at `loc`."""
    return [tag for kind in _models(_follow(model, loc)) for tag in _tags(kind)]


def _tags(model: type[BaseModel]) -> list[str]:
    fields = (model.model_fields.get(name) for name in ("kind", "role"))
    return [str(arg) for field in fields if field is not None for arg in get_args(field.annotation)]


def _models(annotation: Any) -> list[type[BaseModel]]:
    """All models that a value of this type may be."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    origin = get_origin(annotation)
    if origin is Annotated:
        return _models(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [model for arg in get_args(annotation) for model in _models(arg)]
    return []


def _follow(annotation: Any, loc: tuple[int | str, ...]) -> Any:
    """The type at `loc` inside a type."""
    for part in loc:
        annotation = _step(annotation, part)
    return annotation


def _step(annotation: Any, part: int | str) -> Any:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _step(args[0], part)
    if origin is dict:
        return args[1]
    if origin in (tuple, list):
        return args[0]
    models = _models(annotation)
    if len(models) == 1:
        return _field(models[0], part)
    tagged = [model for model in models if part in _tags(model)]
    return tagged[0] if tagged else None


def _field(model: type[BaseModel], part: int | str) -> Any:
    for name, field in model.model_fields.items():
        if part in (field.alias, name):
            return field.annotation
    return None
