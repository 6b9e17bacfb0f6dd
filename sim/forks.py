"""Processes of this machine, forked from one server that has loaded the libraries once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker, util
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext, ForkServerContext
from pathlib import Path
from typing import Final

LONGEST: Final = 64
"""Bytes that a folder for temporary files may have: a socket's path has 108 (104 on macOS), its name in there 33."""
_SHORT: Final = Path("/tmp")
# Libraries that start a thread a core in each of so many processes would only get in the way.
_ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


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


def workers(module: str) -> BaseContext:
    """Where workers come from, one a core: forked from a server that begins to load `module` now, or each spawned."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    with _one_thread_each():
        return server([module])


def enlist(leash: Connection) -> None:
    """Makes a worker leave Ctrl-C to its master, and end with it: when the other end of `leash` is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def follow() -> None:
        try:
            leash.recv_bytes()
        except (EOFError, OSError):
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


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
