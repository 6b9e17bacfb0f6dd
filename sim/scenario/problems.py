"""Turns findings into problems that name the place, the path, the value and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from sim.errors import Problem
from sim.scenario.document import Document, Path, dotted
from sim.scenario.shape import known_keys, known_tags
from sim.units import shown


class Finding(NamedTuple):
    """Something wrong at a path of the data, wherever that stands; at its key if `key`."""

    path: Path
    message: str
    key: bool = False


def did_you_mean(word: object, known: Iterable[str], *, listing: bool = True) -> str:
    """`; did you mean 'x'?`, or (if `listing`) what is known when nothing is near."""
    names, text = list(known), str(word)[:80]
    # Comparing is slow, and a file may hold thousands of names and of errors.
    alike = [name for name in names if abs(len(name) - len(text)) <= 4][:50]
    near = difflib.get_close_matches(text, alike, n=1, cutoff=0.6 if len(text) > 2 else 0.5)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; known: {', '.join(names[:12])}{', …' if len(names) > 12 else ''}" if names and listing else ""


def problem(document: Document, finding: Finding) -> Problem:
    """A finding with its place. A value that came with an option is named by the option alone."""
    place = document.place(finding.path, key=finding.key)
    path = dotted(finding.path)
    if not place.line and place.file.removeprefix("--set ").removeprefix("--") == path:
        path = ""
    return Problem(place.file, place.line, place.column, path, finding.message)


def translate(
    errors: Sequence[ErrorDetails], data: Any, model: type[BaseModel], prefix: Path = (), also: Sequence[str] = ()
) -> list[Finding]:
    """Findings for the errors of validating `data`, which stands at `prefix`, as `model`.

    Args:
        errors: what pydantic found.
        data: the value that was validated.
        model: what it should have become.
        prefix: where it stands in the document.
        also: keys that are known at the top of `data` besides those of `model`.
    """
    return [_translate(error, data, model, prefix, also) for error in errors]


def _translate(error: ErrorDetails, data: Any, model: type[BaseModel], prefix: Path, also: Sequence[str]) -> Finding:
    loc = error["loc"]
    path, is_key = _real_path(loc, data)
    if error["type"] == "extra_forbidden":
        known = [*known_keys(model, loc[:-1]), *(also if len(loc) == 1 else ())]
        return Finding((*prefix, *path), f"unknown key{did_you_mean(loc[-1], known)}", key=True)
    if error["type"] == "union_tag_invalid":
        path = (*path, _discriminator(error))
    return Finding((*prefix, *path), _message(error, model), key=is_key or error["type"] == "missing")


def _real_path(loc: tuple[int | str, ...], data: Any) -> tuple[Path, bool]:
    """pydantic's loc without the tags of unions between the keys; and whether a key itself is meant."""
    path: list[int | str] = []
    for index, part in enumerate(loc):
        if part == "[key]":
            return tuple(path), True
        in_list = isinstance(data, list | tuple) and isinstance(part, int) and part < len(data)
        if in_list or (isinstance(data, dict) and part in data):
            data = data[part]
            path.append(part)
        elif index == len(loc) - 1 and isinstance(data, dict):
            path.append(part)
    return tuple(path), False


def _message(error: ErrorDetails, model: type[BaseModel]) -> str:
    value, context = error["input"], error.get("ctx") or {}
    match error["type"]:
        case "value_error":
            return str(context["error"])
        case "missing":
            return f"is missing; add '{error['loc'][-1]}'"
        case "union_tag_not_found":
            return _without_tag(value, _discriminator(error), known_tags(model, error["loc"]))
        case "union_tag_invalid":
            known = known_tags(model, error["loc"])
            return f"no {_discriminator(error)} {shown(context['tag'])}{did_you_mean(context['tag'], known)}"
        case "literal_error":
            allowed = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
            hint = did_you_mean(value, allowed, listing=False)
            return f"{shown(value)} is none of {', '.join(allowed)}{hint}"
    return _expectation(error["type"], value, context, error["msg"])


def _discriminator(error: ErrorDetails) -> str:
    return str(error.get("ctx", {}).get("discriminator", "")).strip("'")


def _without_tag(value: object, tag: str, known: Sequence[str]) -> str:
    if not isinstance(value, dict):
        return f"{shown(value)} should be a mapping; write e.g. {{{tag}: {known[0]}}}"
    if tag in value:
        return f"no {tag} {shown(value[tag])}; known: {', '.join(known)}"
    return f"has no '{tag}'; add one of {', '.join(known)}"


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
    return f"should have {wanted}" if kind.startswith("too_") else f"{shown(value)} should be {wanted}"
