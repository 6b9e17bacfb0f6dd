"""A scenario file as plain data, with the position of every key and value. No content of a file does harm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sim.errors import Problem
from sim.scenario.compose import MAX_DEPTH, MAX_VALUES, Composer, Node
from sim.scenario.text import NotReadableError, Place, check_characters
from sim.units import shown

Path = tuple[str | int, ...]


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


def dotted(path: Path) -> str:
    """A path as people write it."""
    return ".".join(str(part) for part in path)


def parse(text: str, file: str) -> tuple[Document, list[Problem]]:
    """The document in `text`; with problems that do not hinder reading (duplicate keys, tags).

    Raises:
        NotReadableError: not YAML, empty, too deep, too large, or several documents.
    """
    check_characters(text, file)
    composer = Composer(file)
    document = Document()
    document.data = _Expander(composer.problems).expand(composer.compose(text), (), document)
    return document, composer.problems


class _Expander:
    """Turns nodes into data, counting what aliases expand to."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.count = 0
        self.depth = 0

    def expand(self, node: Node, path: Path, document: Document) -> Any:
        while node.kind == "alias":
            node = node.scalar
        document.values[path] = node.place
        with self._counted(node):
            if node.kind == "scalar":
                return node.scalar
            if node.kind == "sequence":
                return [self.expand(item, (*path, index), document) for index, item in enumerate(node.items)]
            return self._mapping(node, path, document)

    @contextmanager
    def _counted(self, node: Node) -> Iterator[None]:
        """Bounds the work: values of all expansions together, and how deep they nest."""
        self.count += 1
        self.depth += 1
        if self.count > MAX_VALUES:
            raise NotReadableError(node.place, f"aliases expand to more than {MAX_VALUES} values; write fewer of them")
        if self.depth > MAX_DEPTH:
            raise NotReadableError(node.place, f"aliases nest more than {MAX_DEPTH} deep; write fewer of them")
        yield
        self.depth -= 1

    def _mapping(self, node: Node, path: Path, document: Document) -> dict[str, Any]:
        data: dict[str, Any] = {}
        first: dict[str, Place] = {}
        merges: list[Node] = []
        for key, value in zip(node.items[::2], node.items[1::2], strict=True):
            if key.kind == "scalar" and key.scalar == "<<":
                merges.append(value)
                continue
            name = self._key(key, path)
            if name is None:
                continue
            if name in first:
                where = f"{shown(name)} is given twice (first in line {first[name].line}); keep one"
                self.problems.append(Problem(*key.place, dotted((*path, name)), where))
                continue
            first[name] = key.place
            document.keys[*path, name] = key.place
            data[name] = self.expand(value, (*path, name), document)
            if data[name] is None and value.place.line > key.place.line:
                document.values[*path, name] = key.place  # an empty value stands, for the parser, at the next key
        for value in merges:
            self._merge(value, path, document, data)
        return data

    def _key(self, key: Node, path: Path) -> str | None:
        while key.kind == "alias":
            key = key.scalar
        if key.kind == "scalar" and isinstance(key.scalar, str):
            return key.scalar
        what = shown(key.scalar) if key.kind == "scalar" else f"a {key.kind}"
        self.problems.append(Problem(*key.place, dotted(path), f"{what} is not a key; keys are words"))
        return None

    def _merge(self, value: Node, path: Path, document: Document, data: dict[str, Any]) -> None:
        """`<<: *base` fills in what the mapping itself does not say."""
        while value.kind == "alias":
            value = value.scalar
        for source in value.items if value.kind == "sequence" else [value]:
            while source.kind == "alias":
                source = source.scalar
            if source.kind != "mapping":
                problem = Problem(*value.place, dotted((*path, "<<")), "only mappings can be merged; write '<<: *name'")
                self.problems.append(problem)
                continue
            inner = Document()
            with self._counted(source):
                merged = self._mapping(source, path, inner)
            for name in [name for name in merged if name not in data]:
                data[name] = merged[name]
                deep = len(path) + 1
                for mine, theirs in ((document.values, inner.values), (document.keys, inner.keys)):
                    mine.update({at: place for at, place in theirs.items() if at[:deep] == (*path, name)})
