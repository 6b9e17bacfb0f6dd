"""YAML text to nodes with positions.

ruamel.yaml (pure Python) scans and parses; composing and resolving is done here, from its events, so that nesting and
size are bounded and scalars follow the core schema of YAML 1.2: `on` and `12:30` are text, there are no dates, and
nothing is ever executed.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

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
from sim.scenario.text import CONTROL, NotReadableError, Place, plain_scalar
from sim.units import shown

MAX_DEPTH = 24
MAX_VALUES = 10_000
_HINTS = {
    "'\\t'": "; indent with spaces, not tabs",
    "cannot start any token": "; put text that begins like this in quotes",
    "mapping values are not allowed": "; put text with ': ' in quotes, or check the indentation",
    "expected <block end>": "; check the indentation and the brackets",
}


@dataclass(slots=True)
class Node:
    """A composed node: `kind` is scalar, sequence, mapping."""

    kind: str
    place: Place
    scalar: Any = None
    items: list[Node] = field(default_factory=list)
    open: bool = True


class Composer:
    """Builds nodes from events, without recursion."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node] = {}
        self.documents = 0

    def compose(self, text: str) -> Node:
        """The root of the one document in `text`.

        Raises:
            NotReadableError: not YAML, empty, too deep, too large, or several documents.
        """
        stack: list[Node] = []
        root: Node | None = None
        count = 0
        for event in self._events(text):
            if isinstance(event, SequenceEndEvent | MappingEndEvent):
                stack.pop().open = False
            node = self._node(event)
            if node is None:
                continue
            count += 1
            self._check_size(node, count, len(stack))
            if stack:
                stack[-1].items.append(node)
            root = root or node
            if node.open:
                stack.append(node)
        if root is None or (root.kind == "scalar" and root.scalar is None):
            raise NotReadableError(Place(self.file, 1, 1), "the file is empty; `fogfleet init` writes a starter")
        return root

    def _check_size(self, node: Node, count: int, depth: int) -> None:
        if count > MAX_VALUES:
            raise NotReadableError(node.place, f"more than {MAX_VALUES} values; a scenario is a small file")
        if depth >= MAX_DEPTH:
            raise NotReadableError(node.place, f"nested {MAX_DEPTH} deep; a scenario is not")

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
        hint = next((hint for sign, hint in _HINTS.items() if sign in told), "")
        return place, f"not YAML: {told.replace(chr(10), ' ')}{hint}"

    def _place(self, event: Event) -> Place:
        mark = event.start_mark
        return Place(self.file, mark.line + 1, mark.column + 1)

    def _start(self, event: DocumentStartEvent) -> None:
        self.documents += 1
        if self.documents > 1:
            raise NotReadableError(self._place(event), "a second document begins here; write one scenario a file")
        if event.version not in (None, (1, 2)):
            self._problem(self._place(event), "a YAML version other than 1.2; remove the %YAML line")

    def _problem(self, place: Place, message: str) -> None:
        self.problems.append(Problem(*place, "", message))

    def _node(self, event: Event) -> Node | None:
        place = self._place(event)
        if isinstance(event, DocumentStartEvent):
            self._start(event)
        if isinstance(event, AliasEvent):
            return self._alias(event, place)
        if isinstance(event, ScalarEvent):
            node = Node("scalar", place, scalar=self._scalar(event, place), open=False)
        elif isinstance(event, SequenceStartEvent | MappingStartEvent):
            node = Node("sequence" if isinstance(event, SequenceStartEvent) else "mapping", place)
        else:
            return None
        if event.tag is not None:
            tag = shown(str(event.tag).replace("tag:yaml.org,2002:", "!!"))
            self._problem(place, f"tag {tag} has no meaning here; remove it (quote a text instead)")
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def _alias(self, event: AliasEvent, place: Place) -> Node:
        target = self.anchors.get(event.anchor)
        if target is None:
            raise NotReadableError(place, f"'*{event.anchor}' has no anchor '&{event.anchor}' before it")
        if target.open:
            raise NotReadableError(place, f"'*{event.anchor}' contains itself; write the value out")
        return Node("alias", place, scalar=target, open=False)

    def _scalar(self, event: ScalarEvent, place: Place) -> Any:
        control = CONTROL.search(event.value)
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
