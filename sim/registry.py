"""Things by name that other packages may add: built-in ones, those of installed packages, and `my.module:Thing`.

Fault kinds and policies are found this way. Packages register under an entry-point group. A broken one is isolated: it
is listed in `broken`, and only scenarios that name it fail.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points, packages_distributions, version
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, create_model

from sim.errors import SetupError

NO_PLUGINS: Final = "FOGFLEET_NO_PLUGINS"
"""Set this variable in the environment to run without what other packages add."""


STRICT: Final = ConfigDict(
    frozen=True,
    strict=True,
    extra="forbid",
    allow_inf_nan=False,
    use_attribute_docstrings=True,
    serialize_by_alias=True,
)
"""How whatever a person writes in a scenario is read."""


class Plugin(BaseModel):
    """A frozen, strict set of parameters with a behaviour. Subclasses declare `kind: Literal["name"]`, no default."""

    model_config = STRICT

    @classmethod
    def name(cls) -> str:
        """The name in scenarios.

        Raises:
            TypeError: the class does not declare `kind` as it should; the text says how.
        """
        field = cls.model_fields.get("kind")
        names = get_args(field.annotation) if field and get_origin(field.annotation) is Literal else ()
        if field is None or len(names) != 1 or not isinstance(names[0], str) or not field.is_required():
            raise TypeError(f"{cls.__name__} should declare its name without a default: kind: Literal['my-kind']")
        return names[0]


Thing = TypeVar("Thing", bound=Plugin)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a thing comes from: a distribution and its version."""

    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip()


BUILT_IN: Final = Source("fogfleet", "")


class Registry(Mapping[str, type[Thing]], Generic[Thing]):
    """The known things by name. Looking up `my.module:Jam` imports it.

    Subclasses say what a usable class is (`check`) and what a class is called in messages (`what`).

    Attributes:
        sources: name -> where it comes from; the built-in ones are not in it.
        broken: entry point -> why it could not be loaded.
    """

    what = "plug-in"

    def __init__(self, built_in: Iterable[type[Thing]], plugins: Iterable[EntryPoint] = ()) -> None:
        self._things: dict[str, type[Thing]] = {thing.name(): thing for thing in built_in}
        self.sources: dict[str, Source] = {}
        self.broken: dict[str, str] = {}
        for plugin in sorted(plugins, key=lambda point: (point.name, str(_source(point)), point.value)):
            self._add(plugin)

    def check(self, thing: object) -> type[Thing]:
        """The class, if it can be used.

        Raises:
            TypeError: it cannot; the text says why.
        """
        raise NotImplementedError

    def __getitem__(self, name: str) -> type[Thing]:
        found = self._things.get(name)
        if found is None:
            if not isinstance(name, str) or ":" not in name:
                raise KeyError(name)
            found = self._things[name] = self.imported(name)
        return found

    def __contains__(self, name: object) -> bool:
        try:
            self[name]  # type: ignore[index]
        except (KeyError, ImportError):
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(name for name in self._things if ":" not in name))

    def __len__(self) -> int:
        return sum(":" not in name for name in self._things)

    def imported(self, name: str) -> type[Thing]:
        """The class called `module:Class`; modules in the current folder are found too.

        Raises:
            ImportError: it cannot be imported, or is not usable; the text says why.
        """
        module, _, attribute = name.partition(":")
        here = str(Path.cwd())
        sys.path.append(here)
        try:
            thing = self.check(getattr(importlib.import_module(module), attribute))
        except Exception as error:  # whatever a stranger's module does while it is imported
            raise ImportError(f"{name} cannot be used: {type(error).__name__}: {error}") from error
        finally:
            sys.path.remove(here)
        self.sources[name] = _home(module)
        fields: dict[str, Any] = {"kind": (Literal[name], ...)}
        return create_model(thing.__name__, __base__=thing, __doc__=thing.__doc__, **fields)

    def _add(self, plugin: EntryPoint) -> None:
        source = _source(plugin)
        where = f"{plugin.name} = {plugin.value} ({source})"
        try:
            thing = self.check(plugin.load())
            name = thing.name()
        except Exception as error:  # whatever a stranger's module does while it is imported
            self.broken[where] = f"{type(error).__name__}: {error}"
            return
        if name in self._things:
            other = self.sources.get(name, BUILT_IN)
            raise SetupError(
                f"two packages have a {self.what} {name!r}: {other} and {source}; uninstall one of them, or run "
                f"without plug-ins (--no-plugins or {NO_PLUGINS}=1)"
            )
        self._things[name] = thing
        self.sources[name] = source


def _home(module: str) -> Source:
    """The distribution of an imported module, or its file where it belongs to none."""
    names = packages_distributions().get(module.partition(".")[0])
    if names:
        return Source(names[0], version(names[0]))
    return Source(f"{Path(sys.modules[module].__file__ or module).name}, of no distribution", "")


def _source(plugin: EntryPoint) -> Source:
    return Source(plugin.dist.name, plugin.dist.version) if plugin.dist else Source(plugin.value, "")


def installed(group: str, plugins: bool | None = None) -> Iterable[EntryPoint]:
    """What installed packages register under `group`; none where plug-ins are not wanted.

    Args:
        group: the entry-point group.
        plugins: whether they are wanted; None: unless the environment variable says no.
    """
    if plugins is None:
        plugins = os.environ.get(NO_PLUGINS, "") in ("", "0")
    return entry_points(group=group) if plugins else ()
