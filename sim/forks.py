"""Processes of this machine, forked from one server that has loaded the libraries once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker, util
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Final

LONGEST: Final = 64
"""Bytes that a folder for temporary files may have: a socket's path has 108 (104 on macOS), its name in there 33."""
_SHORT: Final = Path("/tmp")


def server(preloaded: list[str]) -> ForkServerContext:
    """The context for such processes; its server is started now, unless this process has one already.

    They leave Ctrl-C to this process from their first moment on.

    Args:
        preloaded: modules that the server loads.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(preloaded)
    _find_room()
    with _without_ctrl_c():
        forkserver.ensure_running()
    return context


def _find_room() -> None:
    """Where TMPDIR is too long for the path of a socket, `multiprocessing` takes a shorter folder for its own."""
    usual = tempfile.tempdir
    if len(os.fsencode(tempfile.gettempdir())) > LONGEST and _SHORT.is_dir():
        tempfile.tempdir = str(_SHORT)
    try:
        util.get_temp_dir()  # made once, and removed at the end of this process
    finally:
        tempfile.tempdir = usual


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Processes started within, and those that they start, never get it."""
    resource_tracker.ensure_running()  # before, as it unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
