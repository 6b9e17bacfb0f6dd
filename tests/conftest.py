"""Tests share one cache of data and networks, apart from the user's; chance and the shell change nothing."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile

import pytest
from hypothesis import settings

# The same examples every time, however slow the machine; `pytest --hypothesis-profile=default` looks for new ones.
settings.load_profile("ci")


def pytest_configure(config: pytest.Config) -> None:
    """Before any test is even collected; parallel workers inherit it."""
    # A shell starts background jobs with Ctrl-C ignored, which every process started by a test would inherit.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        folder = tempfile.mkdtemp(prefix="fogfleet-cache-")
        os.environ["FOGFLEET_CACHE"] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
