"""Which kinds there are: the built-in ones, those of installed packages, and `my.module:Kind` by import.

Packages register under the entry-point group `fogfleet.faults`. A broken one is isolated: it is listed in `broken`, and
only scenarios that name it fail.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import create_model

from sim.errors import SetupError
from sim.faults import kinds
from sim.faults.base import SHAPES, FaultKind

GROUP: Final = "fogfleet.faults"
NO_PLUGINS: Final = "FOGFLEET_NO_PLUGINS"
"""Set this variable in the environment to run without the kinds of other packages."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a kind comes from: a distribution and its version."""

    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip()


BUILT_IN: Final = Source("fogfleet", "")


class Kinds(Mapping[str, type[FaultKind]]):
    """The known kinds by name. Looking up `my.module:Jam` imports it.

    Attributes:
        sources: name -> where it comes from; the built-in ones are not in it.
        broken: entry point -> why it could not be loaded.
    """

    def __init__(self, plugins: Iterable[EntryPoint] = ()) -> None:
        self._kinds: dict[str, type[FaultKind]] = {kind.name(): kind for kind in kinds.ALL}
        self.sources: dict[str, Source] = {}
        self.broken: dict[str, str] = {}
        for plugin in sorted(plugins, key=lambda point: (point.name, str(_source(point)), point.value)):
            self._add(plugin)

    def __getitem__(self, name: str) -> type[FaultKind]:
        found = self._kinds.get(name)
        if found is None:
            if not isinstance(name, str) or ":" not in name:
                raise KeyError(name)
            found = self._kinds[name] = imported(name)
        return found

    def __contains__(self, name: object) -> bool:
        try:
            self[name]  # type: ignore[index]
        except (KeyError, ImportError):
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(name for name in self._kinds if ":" not in name))

    def __len__(self) -> int:
        return sum(":" not in name for name in self._kinds)

    def _add(self, plugin: EntryPoint) -> None:
        source = _source(plugin)
        where = f"{plugin.name} = {plugin.value} ({source})"
        try:
            kind = _checked(plugin.load())
            name = kind.name()
        except Exception as error:  # whatever a stranger's module does while it is imported
            self.broken[where] = f"{type(error).__name__}: {error}"
            return
        if name in self._kinds:
            other = self.sources.get(name, BUILT_IN)
            raise SetupError(
                f"two packages have a fault kind {name!r}: {other} and {source}; uninstall one of them, or run "
                f"without plug-ins (--no-plugins or {NO_PLUGINS}=1)"
            )
        self._kinds[name] = kind
        self.sources[name] = source


def _source(plugin: EntryPoint) -> Source:
    return Source(plugin.dist.name, plugin.dist.version) if plugin.dist else Source(plugin.value, "")


def _checked(kind: object) -> type[FaultKind]:
    """The class, if it is a kind that can be used."""
    if not (isinstance(kind, type) and issubclass(kind, SHAPES)):
        names = ", ".join(shape.__name__ for shape in SHAPES)
        raise TypeError(f"{kind!r} is no fault kind; derive a class from one of {names} of sim.plugin")
    kind.name()
    for name in ("layer", "example"):
        if not isinstance(getattr(kind, name, None), str):
            raise TypeError(f"{kind.__name__} should have a class attribute {name!r} of type str")
    if getattr(kind, "__abstractmethods__", None):
        raise TypeError(f"{kind.__name__} does not say what its effect is")
    return kind


def imported(name: str) -> type[FaultKind]:
    """The kind called `module:Class`; modules in the current folder are found too.

    Raises:
        ImportError: it cannot be imported, or is no kind; the text says why.
    """
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    sys.path.append(here)
    try:
        kind = _checked(getattr(importlib.import_module(module), attribute))
    except Exception as error:  # whatever a stranger's module does while it is imported
        raise ImportError(f"{name} cannot be used: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(here)
    fields: dict[str, Any] = {"kind": (Literal[name], ...)}
    return create_model(kind.__name__, __base__=kind, __doc__=kind.__doc__, **fields)


@cache
def known(plugins: bool | None = None) -> Kinds:
    """All kinds; `plugins` says whether those of other packages are wanted (default: unless the variable says no).

    Raises:
        SetupError: two packages have a kind of one name.
    """
    if plugins is None:
        plugins = os.environ.get(NO_PLUGINS, "") in ("", "0")
    return Kinds(entry_points(group=GROUP) if plugins else ())
