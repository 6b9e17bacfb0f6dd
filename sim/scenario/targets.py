"""How a fault names its targets: one grammar for the checks of a scenario and for the faults at run time.

A target is a list of terms with commas between them. A term is `broker`, `best-camera`, a node pattern or two of them
with `->` between; `site-3/` (or a glob such as `site-*/`) before it names the site. A node pattern is a node's name,
a group, a role, or a glob over names.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

BROKER: Final = "broker"
BEST_CAMERA: Final = "best-camera"
ARROW: Final = "->"


class Term(NamedTuple):
    """One term: a site pattern, one node pattern, and a second one where the term is a link."""

    site: str
    first: str
    second: str | None

    @property
    def is_link(self) -> bool:
        """Whether the term names links."""
        return self.second is not None


def terms(target: str) -> list[Term]:
    """The terms of a target."""
    return [_term(text.strip()) for text in target.split(",")]


def _term(text: str) -> Term:
    site, slash, rest = text.partition("/")
    if not slash:
        site, rest = "*", text
    first, arrow, second = rest.partition(ARROW)
    return Term(site, first.strip(), second.strip() if arrow else None)


def matches(pattern: str, name: str, group: str, role: str) -> bool:
    """Whether a node pattern means the node of this name, group and role."""
    return pattern in (name, group, role) or fnmatchcase(name, pattern)


def any_matches(pattern: str, nodes: Iterable[tuple[str, str, str]]) -> bool:
    """Whether a node pattern means any of the (name, group, role)."""
    return any(matches(pattern, *node) for node in nodes)
