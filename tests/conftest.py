"""Tests share one cache of data and networks per process, apart from the user's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What is trained and rendered in tests goes to a folder of its own; parallel workers share it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if base.name.startswith("popen-") else base) / "fogfleet-cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOGFLEET_CACHE", str(folder))
        yield folder
