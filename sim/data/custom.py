"""Calls a user's own function for data, and checks what it returns."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sim.data.dataset import Dataset
from sim.errors import DataError


def call(name: str, options: Mapping[str, Any], *, cameras: int, base: Path) -> Dataset:
    """Call `module:function` as `function(cameras=..., base=..., **options)`.

    Args:
        name: `my.module:load`; the module must be importable.
        options: further keyword arguments, from the scenario.
        cameras: number of cameras of a site.
        base: the scenario's folder.

    Raises:
        DataError: it cannot be imported or called, or returns something other than a Dataset.
    """
    function = _function(name)
    try:
        data = function(**{"cameras": cameras, "base": base, **options})
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"data: {name} failed: {type(error).__name__}: {error}") from error
    if not isinstance(data, Dataset):
        raise DataError(f"data: {name} returned {type(data).__name__}; it must return a sim.data.Dataset")
    return data


def _function(name: str) -> Callable[..., object]:
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise DataError(f"data: {name!r} names no function; write my.module:load")
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except Exception as error:  # whatever the user's module does wrong while it is imported
        raise DataError(
            f"data: {module} cannot be imported: {type(error).__name__}: {error}; install it, or add its folder "
            "to PYTHONPATH"
        ) from error
    if not callable(found):
        raise DataError(f"data: {module} has no function {attribute!r}")
    return found  # type: ignore[no-any-return]
