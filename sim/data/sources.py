"""Opens the data that a scenario names. What each kind needs is imported only when it is used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from sim.data.dataset import Dataset
from sim.data.pixels import locate
from sim.errors import DataError


class DataConfig(Protocol):
    """What `load` needs to know of a scenario's `data`; each kind has further attributes of its own."""

    @property
    def kind(self) -> str:
        """`multiview`, `mvmc`, `folder`, `partition` or `custom`."""


def load(config: DataConfig | str, *, cameras: int, base: Path) -> Dataset:
    """Load the data that a scenario names.

    Args:
        config: the scenario's `data`, or `my.module:function`.
        cameras: number of camera nodes of a site; the number of views to generate, unless `config` says another.
        base: the scenario's folder; relative paths count from the current folder, or else from there.

    Raises:
        DataError: a file is missing or bad; the message says which, where and what would be right.
    """
    if isinstance(config, str):
        return _custom(config, {}, cameras, base)
    load_kind = _KINDS.get(config.kind)
    if load_kind is None:
        raise DataError(f"data: kind {config.kind!r} is not known; write one of {', '.join(_KINDS)}")
    return load_kind(config, cameras, base)


def _multiview(config: Any, cameras: int, base: Path) -> Dataset:
    from sim.data.multiview import multiview

    return multiview(seed=config.seed, train=config.train, test=config.test, cameras=config.cameras or cameras)


def _mvmc(config: Any, cameras: int, base: Path) -> Dataset:
    from sim.data.mvmc import read

    split = None if config.split is None else locate(config.split, base)
    return read(locate(config.path, base), split)


def _folder(config: Any, cameras: int, base: Path) -> Dataset:
    from sim.data.folder import read

    return read(locate(config.path, base), cameras)


def _partition(config: Any, cameras: int, base: Path) -> Dataset:
    from sim.data.partition import DIGITS, read

    source = config.source if config.source == DIGITS else locate(config.source, base)
    return read(source, config.shape)


def _custom_config(config: Any, cameras: int, base: Path) -> Dataset:
    return _custom(config.load, config.options, cameras, base)


def _custom(name: str, options: Mapping[str, Any], cameras: int, base: Path) -> Dataset:
    from sim.data.custom import call

    return call(name, options, cameras=cameras, base=base)


_KINDS = {
    "multiview": _multiview,
    "mvmc": _mvmc,
    "folder": _folder,
    "partition": _partition,
    "custom": _custom_config,
}
