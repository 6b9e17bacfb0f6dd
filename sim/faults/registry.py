"""Which kinds there are: the built-in ones, those of installed packages, and `my.module:Kind` by import.

Packages register under the entry-point group `fogfleet.faults`. A broken one is isolated: it is listed in `broken`, and
only scenarios that name it fail.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint
from typing import Final

from sim.faults import kinds
from sim.faults.base import SHAPES, FaultKind
from sim.registry import Registry, installed

GROUP: Final = "fogfleet.faults"


class Kinds(Registry[FaultKind]):
    """The known kinds by name. Looking up `my.module:Jam` imports it."""

    what = "fault kind"

    def __init__(self, plugins: Iterable[EntryPoint] = ()) -> None:
        super().__init__(kinds.ALL, plugins)

    def check(self, thing: object) -> type[FaultKind]:
        """The class, if it is a kind that can be used."""
        if not (isinstance(thing, type) and issubclass(thing, SHAPES)):
            names = ", ".join(shape.__name__ for shape in SHAPES)
            raise TypeError(f"{thing!r} is no fault kind; derive a class from one of {names} of sim.plugin")
        thing.name()
        for name in ("layer", "example"):
            if not isinstance(getattr(thing, name, None), str):
                raise TypeError(f"{thing.__name__} should have a class attribute {name!r} of type str")
        if getattr(thing, "__abstractmethods__", None):
            raise TypeError(f"{thing.__name__} does not say what its effect is")
        return thing


@cache
def known(plugins: bool | None = None) -> Kinds:
    """All kinds; `plugins` says whether those of other packages are wanted (default: unless the variable says no).

    Raises:
        SetupError: two packages have a kind of one name.
    """
    return Kinds(installed(GROUP, plugins))
