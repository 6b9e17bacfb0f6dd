"""Things that are in force together for a while, such as all that slows one processor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


@contextmanager
def listed(items: list[Item], item: Item, update: Callable[[], object]) -> Iterator[None]:
    """The item is on the list; `update` is called whenever the list has changed."""
    items.append(item)
    update()
    try:
        yield
    finally:
        items.remove(item)
        update()
