"""Tests share one cache of data and networks per process, apart from the user's; chance and shells change nothing."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples every time, however slow the machine; `pytest --hypothesis-profile=default` looks for new ones.
settings.load_profile("ci")


def pytest_configure() -> None:
    """A shell starts background jobs with Ctrl-C ignored, which every process started by a test would inherit."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What is trained and rendered in tests goes to a folder of its own; parallel workers share it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if base.name.startswith("popen-") else base) / "fogfleet-cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOGFLEET_CACHE", str(folder))
        yield folder
