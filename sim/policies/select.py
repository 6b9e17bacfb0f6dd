"""The built-in select policies besides `all`, which is the protocol itself."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import Field

from sim.policies.base import Selection, SelectPolicy


class Present(SelectPolicy):
    """Only the cameras that see the object; the others' features are masked anyway."""

    example = "present"
    kind: Literal["present"]

    def choose(self, selection: Selection) -> Collection[int]:
        """Those whose view is not empty."""
        return [heard.camera for heard in selection.cameras if not heard.absent]


class Confident(SelectPolicy):
    """The `k` cameras whose scores have the least entropy, of those that see the object."""

    example = "{kind: confident, k: 3}"
    kind: Literal["confident"]
    k: Annotated[int, Field(ge=1, le=4096)] = 3
    """How many are asked at each gateway."""

    def choose(self, selection: Selection) -> Collection[int]:
        """The surest; of equals the first."""
        seeing = [heard for heard in selection.cameras if not heard.absent]
        return [heard.camera for heard in sorted(seeing, key=lambda heard: (heard.entropy, heard.camera))[: self.k]]


BUILT_IN: tuple[type[SelectPolicy], ...] = (Present, Confident)
