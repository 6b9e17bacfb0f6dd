"""YAML text to plain data, with the position of every key and value. Nothing a file may contain does harm here.

ruamel.yaml (pure Python) scans and parses; composing and resolving is done here, from its events, so that nesting, size
and alias expansion are bounded, all duplicate keys are found, and scalars follow the core schema of YAML 1.2: `on` and
`12:30` are text, there are no dates, and nothing is ever executed.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLWarning
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from sim.errors import Problem
from sim.units import shown

MAX_BYTES = 256 * 1024
MAX_DEPTH = 24
MAX_VALUES = 10_000
MAX_PROBLEMS = 200

_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_MAX_DIGITS = 40

Path = tuple[str | int, ...]


class Place(NamedTuple):
    """Where something stands: the file or option, 1-based line and column (0 for an option)."""

    file: str
    line: int
    column: int


@dataclass(slots=True)
class Document:
    """Plain data (dict, list, str, int, float, bool, None) and where each part of it stands."""

    data: Any = None
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Where `path` stands, or the nearest thing around it; its key if `key` and it has one."""
        while path:
            if key and path in self.keys:
                return self.keys[path]
            if path in self.values:
                return self.values[path]
            path = path[:-1]
        return self.values.get((), Place("", 0, 0))


@dataclass(slots=True)
class _Node:
    """A composed node: `kind` is scalar, sequence, mapping."""

    kind: str
    place: Place
    scalar: Any = None
    items: list[_Node] = field(default_factory=list)
    open: bool = True


class NotReadableError(Exception):
    """Reading cannot go on; `args` are place and message."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(place, message)


def dotted(path: Path) -> str:
    """A path as people write it."""
    return ".".join(str(part) for part in path)


def plain_scalar(text: str) -> Any:
    """What unquoted text means in YAML 1.2 (core schema).

    Raises:
        ValueError: a number too long to be meant.
    """
    if text in _NULLS:
        return None
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text) or _BASED.fullmatch(text) or _FLOAT.fullmatch(text):
        if len(text) > _MAX_DIGITS:
            raise ValueError(f"a number of {len(text)} characters; write at most {_MAX_DIGITS}")
        if _INT.fullmatch(text):
            return int(text)
        return int(text, 0) if _BASED.fullmatch(text) else float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def decode(raw: bytes, file: str) -> str:
    """The text of a file.

    Raises:
        NotReadableError: too large, not UTF-8, or with characters that no text has.
    """
    if len(raw) > MAX_BYTES:
        raise NotReadableError(
            Place(file, 0, 0), f"larger than {MAX_BYTES // 1024} KiB; a scenario is a small text file"
        )
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise NotReadableError(Place(file, 1, 1), "is UTF-16; save it as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _line_column(raw[: error.start].decode("utf-8", "replace"))
        what = "is not text" if b"\x00" in raw else "is not UTF-8 text"
        raise NotReadableError(
            Place(file, line, column), f"{what} (byte 0x{raw[error.start]:02x}); save it as UTF-8"
        ) from None
    return text


def _line_column(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def parse(text: str, file: str) -> tuple[Document, list[Problem]]:
    """The document in `text`; with problems that do not hinder reading (duplicate keys, tags).

    Raises:
        NotReadableError: not YAML, empty, too deep, too large, or several documents.
    """
    control = _CONTROL.search(text)
    if control:
        place = Place(file, *_line_column(text[: control.start()]))
        raise NotReadableError(
            place, f"control character U+{ord(control[0]):04X}; remove it (is this a text file?)"
        )
    composer = _Composer(file)
    root = composer.compose(text)
    expander = _Expander(composer)
    document = Document()
    document.data = expander.expand(root, (), document)
    return document, composer.problems


class _Composer:
    """Builds nodes from events, without recursion."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.anchors: dict[str, _Node] = {}

    def compose(self, text: str) -> _Node:
        stack: list[_Node] = []
        root: _Node | None = None
        count = documents = 0
        for event in self._events(text):
            if isinstance(event, DocumentStartEvent):
                documents += 1
                self._check_start(event, documents)
                continue
            if isinstance(event, SequenceEndEvent | MappingEndEvent):
                stack.pop().open = False
                continue
            node = self._node(event)
            if node is None:
                continue
            count += 1
            if count > MAX_VALUES:
                raise NotReadableError(
                    node.place, f"more than {MAX_VALUES} values; a scenario is a small file"
                )
            if stack:
                stack[-1].items.append(node)
            else:
                root = node
            if node.open:
                stack.append(node)
                if len(stack) > MAX_DEPTH:
                    raise NotReadableError(
                        node.place, f"nested more than {MAX_DEPTH} deep; a scenario needs 6"
                    )
        if root is None or (root.kind == "scalar" and root.scalar is None):
            raise NotReadableError(
                Place(self.file, 1, 1), "the file is empty; `fogfleet init` writes a starter"
            )
        return root

    def _events(self, text: str) -> Iterator[Event]:
        """Events of ruamel.yaml; its own errors and the bare ones it lets through become NotReadableError."""
        place = Place(self.file, 1, 1)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", YAMLWarning)
                for event in YAML(typ="safe", pure=True).parse(text):
                    place = self._place(event)
                    yield event
        except NotReadableError:
            raise
        except MarkedYAMLError as error:
            raise NotReadableError(*self._explain(error, place)) from None
        except Exception as error:
            # The scanner lets ValueError, IndexError, OverflowError and others through on some broken escapes.
            raise NotReadableError(place, f"not YAML after this point ({shown(str(error), 80)})") from None

    def _explain(self, error: MarkedYAMLError, place: Place) -> tuple[Place, str]:
        mark = error.problem_mark or error.context_mark
        if mark is not None:
            place = Place(self.file, mark.line + 1, mark.column + 1)
        told = " ".join(part for part in (error.context, error.problem) if part)
        hint = "; quote text that begins with @ or `" if "cannot start any token" in told else ""
        return place, f"not YAML: {told.replace(chr(10), ' ')}{hint}"

    def _place(self, event: Event) -> Place:
        mark = event.start_mark
        return Place(self.file, mark.line + 1, mark.column + 1)

    def _check_start(self, event: DocumentStartEvent, documents: int) -> None:
        if documents > 1:
            raise NotReadableError(
                self._place(event), "a second document begins here; write one scenario a file"
            )
        if event.version not in (None, (1, 2)):
            self._problem(self._place(event), "a YAML version other than 1.2; remove the %YAML line")

    def _problem(self, place: Place, message: str) -> None:
        self.problems.append(Problem(*place, "", message))

    def _node(self, event: Event) -> _Node | None:
        place = self._place(event)
        if isinstance(event, AliasEvent):
            target = self.anchors.get(event.anchor)
            if target is None:
                raise NotReadableError(place, f"'*{event.anchor}' has no anchor '&{event.anchor}' before it")
            if target.open:
                raise NotReadableError(place, f"'*{event.anchor}' contains itself; write the value out")
            return _Node("alias", place, scalar=target, open=False)
        if isinstance(event, ScalarEvent):
            node = _Node("scalar", place, scalar=self._scalar(event, place), open=False)
        elif isinstance(event, SequenceStartEvent | MappingStartEvent):
            node = _Node("sequence" if isinstance(event, SequenceStartEvent) else "mapping", place)
        else:
            return None
        if event.tag is not None:
            self._problem(
                place, f"tag {shown(str(event.tag))} has no meaning here; remove it (quote a text instead)"
            )
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def _scalar(self, event: ScalarEvent, place: Place) -> Any:
        control = _CONTROL.search(event.value)
        if control:
            self._problem(place, f"control character U+{ord(control[0]):04X} in a text; remove it")
            return "?"
        if event.style is not None:
            return event.value
        try:
            return plain_scalar(event.value)
        except ValueError as error:
            self._problem(place, str(error))
            return 0


class _Expander:
    """Turns nodes into data, counting what aliases expand to."""

    def __init__(self, composer: _Composer) -> None:
        self.composer = composer
        self.count = 0

    def expand(self, node: _Node, path: Path, document: Document) -> Any:
        while node.kind == "alias":
            node = node.scalar
        self.count += 1
        if self.count > MAX_VALUES:
            raise NotReadableError(
                node.place, f"aliases expand to more than {MAX_VALUES} values; write fewer of them"
            )
        if len(path) > MAX_DEPTH:
            raise NotReadableError(
                node.place, f"aliases nest more than {MAX_DEPTH} deep; write fewer of them"
            )
        document.values[path] = node.place
        if node.kind == "scalar":
            return node.scalar
        if node.kind == "sequence":
            return [self.expand(item, (*path, index), document) for index, item in enumerate(node.items)]
        return self._mapping(node, path, document)

    def _mapping(self, node: _Node, path: Path, document: Document) -> dict[str, Any]:
        data: dict[str, Any] = {}
        first: dict[str, Place] = {}
        merges: list[_Node] = []
        for key, value in zip(node.items[::2], node.items[1::2], strict=True):
            if key.kind == "scalar" and key.scalar == "<<":
                merges.append(value)
                continue
            name = self._key(key, path)
            if name is None:
                continue
            if name in first:
                where = f"{shown(name)} is given twice (first in line {first[name].line}); keep one"
                self.composer.problems.append(Problem(*key.place, dotted((*path, name)), where))
                continue
            first[name] = key.place
            document.keys[*path, name] = key.place
            data[name] = self.expand(value, (*path, name), document)
        for value in merges:
            self._merge(value, path, document, data)
        return data

    def _key(self, key: _Node, path: Path) -> str | None:
        while key.kind == "alias":
            key = key.scalar
        if key.kind == "scalar" and isinstance(key.scalar, str):
            return key.scalar
        what = shown(key.scalar) if key.kind == "scalar" else f"a {key.kind}"
        self.composer.problems.append(
            Problem(*key.place, dotted(path), f"{what} is not a key; keys are words")
        )
        return None

    def _merge(self, value: _Node, path: Path, document: Document, data: dict[str, Any]) -> None:
        """`<<: *base` fills in what the mapping itself does not say."""
        while value.kind == "alias":
            value = value.scalar
        for source in value.items if value.kind == "sequence" else [value]:
            while source.kind == "alias":
                source = source.scalar
            if source.kind != "mapping":
                problem = Problem(
                    *value.place, dotted((*path, "<<")), "only mappings can be merged; write '<<: *name'"
                )
                self.composer.problems.append(problem)
                continue
            inner = Document()
            merged = self._mapping(source, path, inner)
            for name in [name for name in merged if name not in data]:
                data[name] = merged[name]
                deep = len(path) + 1
                for mine, theirs in ((document.values, inner.values), (document.keys, inner.keys)):
                    mine.update({at: place for at, place in theirs.items() if at[:deep] == (*path, name)})
