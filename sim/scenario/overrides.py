"""`--set a.b=c`: finds a dotted path in a scenario, also one that the file leaves to its default, and replaces it."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from pydantic import BaseModel

from sim.scenario.document import Document, Path, dotted, parse
from sim.scenario.faults import Fault
from sim.scenario.model import Scenario
from sim.scenario.problems import did_you_mean
from sim.scenario.shape import bare, follow, keys, models, tags
from sim.scenario.text import NotReadableError, Place, plain_scalar
from sim.units import shown

_DOTTED_KEYS = (("expect",), ("sweep", "grid"), ("sweep", "zip"), ("sweep", "random", "vary"))
"""Below these, the rest of a path is one key that has dots of its own."""


class UnknownPathError(Exception):
    """There is no such path in a scenario; the message says what there is."""


def assign(document: Document, assignment: str) -> None:
    """Puts `path=value` into a document.

    Raises:
        UnknownPathError: the text is no assignment, there is no such path, or the value cannot be read.
    """
    text, equals, written = assignment.partition("=")
    text = text.strip()
    if not equals or not text:
        raise UnknownPathError("write --set path=value, e.g. --set exits.local=0.5")
    value = read_value(written)
    put(document, resolve(document.data, text, value), value, f"--set {text}")


def put(document: Document, path: Path, value: Any, option: str) -> None:
    """Replaces what stands at `path`; from now on it stands in `option`."""
    document.data = replaced(document.data, path, value)
    for places in (document.values, document.keys):
        for inner in [at for at in places if at[: len(path)] == path]:
            del places[inner]
        places[path] = Place(option, 0, 0)


def read_value(text: str) -> Any:
    """The value of an assignment: YAML in brackets, braces or quotes, else one unquoted scalar.

    Raises:
        UnknownPathError: it is not YAML.
    """
    text = text.strip()
    try:
        if not text.startswith(("[", "{", '"', "'")):
            return plain_scalar(text)
        inner, problems = parse(text, "--set")
    except NotReadableError as error:
        raise UnknownPathError(f"{shown(text)} cannot be read: {error.args[1]}") from None
    except ValueError as error:
        raise UnknownPathError(f"{shown(text)} cannot be read: {error}") from None
    if problems:
        raise UnknownPathError(f"{shown(text)} cannot be read: {problems[0].message}")
    return inner.data


def replaced(data: Any, path: Path, value: Any) -> Any:
    """`data` with another value at `path`; everything beside the path is shared, nothing is changed."""
    if not path:
        return value
    if isinstance(data, list):
        return [replaced(item, path[1:], value) if at == path[0] else item for at, item in enumerate(data)]
    inside = data.get(path[0]) if isinstance(data, dict) else None
    return {**(data if isinstance(data, dict) else {}), path[0]: replaced(inside, path[1:], value)}


def resolve(data: Any, text: str, value: Any = None) -> Path:
    """The path that `text` means in a scenario.

    Args:
        data: the scenario as plain data.
        text: dotted path.
        value: what is to stand there; a new node or link can be added as a whole mapping.

    Raises:
        UnknownPathError: there is none.
    """
    parts = _split(text)
    path: Path = ()
    annotation: Any = Scenario
    for index, part in enumerate(parts):
        whole = index == len(parts) - 1 and isinstance(value, dict)
        step, annotation = _step(annotation, data, part, path, whole)
        data = _inside(data, step)
        path = (*path, step)
    return path


def _inside(data: Any, step: int | str) -> Any:
    if isinstance(data, list) and isinstance(step, int):
        return data[step]
    return data.get(step) if isinstance(data, dict) else None


def _split(text: str) -> list[str]:
    parts = text.split(".")
    for prefix in _DOTTED_KEYS:
        if tuple(parts[: len(prefix)]) == prefix and len(parts) > len(prefix):
            return [*prefix, ".".join(parts[len(prefix) :])]
    return parts


def _step(annotation: Any, data: Any, part: str, path: Path, whole: bool) -> tuple[int | str, Any]:
    """The key that `part` means at `path`, and the type of what stands there."""
    annotation = bare(annotation)
    origin = get_origin(annotation)
    if origin is dict:
        inner = get_args(annotation)[1]
        if whole or not models(inner) or (isinstance(data, dict) and part in data):
            return part, inner
        raise _unknown(part, path, data if isinstance(data, dict) else ())
    if origin is tuple and models(get_args(annotation)[0]) == [Fault]:
        return _fault(part, data, path), Fault
    kinds = models(annotation)
    if kinds in ([Fault], [BaseModel]):  # what a kind or policy of others has, only that says
        return part, None
    chosen = [data.get("role"), data.get("kind")] if isinstance(data, dict) else []
    known = [kind for kind in kinds if any(tag in chosen for tag in tags(kind))]
    for kind in known or kinds:
        if part in keys(kind):
            return part, follow(kind, (part,))
    if not kinds:
        raise UnknownPathError(f"'{dotted(path)}' has no parts, so no '{part}'")
    raise _unknown(part, path, [key for kind in known or kinds for key in keys(kind)])


def _fault(part: str, data: Any, path: Path) -> int:
    """The position of a fault named by its position or its id."""
    entries = data if isinstance(data, list) else []
    if part.isascii() and part.isdigit() and len(part) < 6 and int(part) < len(entries):
        return int(part)
    ids = [entry.get("id") if isinstance(entry, dict) else None for entry in entries]
    if part in ids:
        return ids.index(part)
    raise _unknown(part, path, [str(name) for name in ids if name] or [str(at) for at in range(len(entries))])


def _unknown(part: str, path: Path, known: Any) -> UnknownPathError:
    where = f" in '{dotted(path)}'" if path else ""
    return UnknownPathError(f"no {shown(part)}{where}{did_you_mean(part, [str(name) for name in known])}")
