"""Which policies there are: the built-in ones, those of installed packages, and `my.module:Thing` by import.

Packages register all sorts under the entry-point group `fogfleet.policies`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint
from typing import Final, NamedTuple, TypeVar

from sim.policies import failover, retune, select, split
from sim.policies.base import Policy, SelectPolicy, SplitPolicy
from sim.policies.failover import FailoverPolicy
from sim.policies.retune import RetunePolicy
from sim.registry import Registry, installed

GROUP: Final = "fogfleet.policies"
_BASES: Final[dict[str, type[Policy]]] = {
    "split": SplitPolicy,
    "select": SelectPolicy,
    "failover": FailoverPolicy,
    "retune": RetunePolicy,
}
Sort = TypeVar("Sort", bound=Policy)


class PolicyKinds(Registry[Sort]):
    """The known policies of one sort by name."""

    def __init__(self, base: type[Sort], built_in: Iterable[type[Sort]], plugins: Iterable[EntryPoint]) -> None:
        self._base = base
        self.what = next(f"{sort} policy" for sort, known in _BASES.items() if issubclass(base, known))
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
    """The known policies of each sort."""

    split: PolicyKinds[SplitPolicy]
    select: PolicyKinds[SelectPolicy]
    failover: PolicyKinds[FailoverPolicy]
    retune: PolicyKinds[RetunePolicy]


@cache
def known(plugins: bool | None = None) -> Policies:
    """All policies; `plugins` says whether those of other packages are wanted (default: unless the variable says no).

    Raises:
        SetupError: two packages have a policy of one name and sort.
    """
    found: dict[str, list[EntryPoint]] = {sort: [] for sort in _BASES}
    for point in installed(GROUP, plugins):
        found[_sort(point)].append(point)
    return Policies(
        PolicyKinds(SplitPolicy, split.BUILT_IN, found["split"]),  # type: ignore[type-abstract]
        PolicyKinds(SelectPolicy, select.BUILT_IN, found["select"]),  # type: ignore[type-abstract]
        PolicyKinds(FailoverPolicy, failover.BUILT_IN, found["failover"]),  # type: ignore[type-abstract]
        PolicyKinds(RetunePolicy, retune.BUILT_IN, found["retune"]),  # type: ignore[type-abstract]
    )


def by_sort(plugins: bool | None = None) -> Mapping[str, Mapping[str, type[Policy]]]:
    """The same for `sim.scenario`: sort -> name -> class."""
    return known(plugins)._asdict()


def _sort(point: EntryPoint) -> str:
    """Which sort a package's policy is of; what cannot be loaded is told among the first."""
    try:
        thing = point.load()
    except Exception:  # a stranger's module; whatever it does is told where it is listed as broken
        thing = None
    sorts = (sort for sort, base in _BASES.items() if isinstance(thing, type) and issubclass(thing, base))
    return next(sorts, "split")
