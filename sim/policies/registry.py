"""Which policies there are: the built-in ones, those of installed packages, and `my.module:Thing` by import.

Packages register both sorts under the entry-point group `fogfleet.policies`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint
from typing import Final, NamedTuple, TypeVar

from sim.policies import select, split
from sim.policies.base import Policy, SelectPolicy, SplitPolicy
from sim.registry import Registry, installed

GROUP: Final = "fogfleet.policies"
Sort = TypeVar("Sort", bound=Policy)


class PolicyKinds(Registry[Sort]):
    """The known policies of one sort by name."""

    def __init__(self, base: type[Sort], built_in: Iterable[type[Sort]], plugins: Iterable[EntryPoint]) -> None:
        self._base = base
        self.what = "split policy" if issubclass(base, SplitPolicy) else "select policy"
        super().__init__(built_in, plugins)

    def check(self, thing: object) -> type[Sort]:
        """The class, if it is a policy of this sort that can be used."""
        base = self._base
        if not (isinstance(thing, type) and issubclass(thing, base)):
            raise TypeError(f"{thing!r} is no {self.what}; derive a class from {base.__name__} of sim.plugin")
        thing.name()
        if not isinstance(getattr(thing, "example", None), str):
            raise TypeError(f"{thing.__name__} should have a class attribute 'example' of type str")
        if getattr(thing, "__abstractmethods__", None):
            raise TypeError(f"{thing.__name__} does not say what it chooses")
        return thing


class Policies(NamedTuple):
    """The known policies of both sorts."""

    split: PolicyKinds[SplitPolicy]
    select: PolicyKinds[SelectPolicy]


@cache
def known(plugins: bool | None = None) -> Policies:
    """All policies; `plugins` says whether those of other packages are wanted (default: unless the variable says no).

    Raises:
        SetupError: two packages have a policy of one name and sort.
    """
    found = list(installed(GROUP, plugins))
    chosen = [point for point in found if _is_select(point)]
    others = [point for point in found if point not in chosen]
    return Policies(
        PolicyKinds(SplitPolicy, split.BUILT_IN, others),  # type: ignore[type-abstract]
        PolicyKinds(SelectPolicy, select.BUILT_IN, chosen),  # type: ignore[type-abstract]
    )


def by_sort(plugins: bool | None = None) -> Mapping[str, Mapping[str, type[Policy]]]:
    """The same for `sim.scenario`: `split` and `select`, each by name."""
    found = known(plugins)
    return {"split": found.split, "select": found.select}


def _is_select(point: EntryPoint) -> bool:
    try:
        thing = point.load()
    except Exception:  # a stranger's module; whatever it does is told where it is listed as broken
        return False
    return isinstance(thing, type) and issubclass(thing, SelectPolicy)
