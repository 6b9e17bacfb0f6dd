"""Where points are worked on: in this process, in processes of this machine, or on a Dask cluster.

All three are one seam, `concurrent.futures.Executor`; a `Pool` says how to get one, and a new one after a worker died.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from sim.errors import SetupError, UsageError
from sim.forks import enlist, workers

LOCAL: Final = "local"
CONNECT_S: Final = 10


class Pool(Protocol):
    """A source of executors."""

    @property
    def size(self) -> int:
        """How many points are worked on at once."""

    def executor(self) -> Executor:
        """The executor, opened at the first call and after `close`.

        Raises:
            SetupError: there is none to be had.
        """

    def check(self) -> None:
        """Raises SetupError if nobody is there any more who could open another executor."""

    def close(self) -> None:
        """Ends all work at once, finished or not."""


def choose(executor: str, jobs: int) -> Pool:
    """The pool for `--executor` and `-j`.

    Raises:
        UsageError: there is no such executor.
    """
    if executor == LOCAL:
        return Here() if jobs == 1 else Processes(jobs)
    parts = urlsplit(executor)
    if parts.scheme == "dask" and parts.netloc:
        return Dask(f"tcp://{parts.netloc}")
    raise UsageError(f"no executor '{executor}'; write local, or dask://host:8786 for a Dask scheduler")


class _Inline(Executor):
    """Does the work when it is submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Here:
    """This process."""

    size = 1

    def executor(self) -> Executor:
        return _Inline()

    def check(self) -> None:
        """It is always there."""

    def close(self) -> None:
        """Nothing is left running."""


class Processes:
    """Processes of this machine, forked from one server that has loaded everything once.

    Workers hold one end of a pipe, the leash. When this process closes its end, or dies in any way, they end.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._context = workers("sim.sweep.work")
        self._executor: ProcessPoolExecutor | None = None
        self._leash: Connection | None = None

    def executor(self) -> Executor:
        if self._executor is None:
            held, self._leash = self._context.Pipe(duplex=False)
            self._executor = ProcessPoolExecutor(
                self.size, mp_context=self._context, initializer=enlist, initargs=(held,)
            )
        return self._executor

    def check(self) -> None:
        """This machine is always there."""

    def close(self) -> None:
        if self._leash is not None:
            self._leash.close()
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
        self._leash = self._executor = None


class Dask:
    """A Dask cluster, through its scheduler; its workers need FogFleet of the same version installed."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client: Any = None
        self.size = 1

    def executor(self) -> Executor:
        if self._client is None:
            self._connect()
        executor: Executor = self._client.get_executor(pure=False, retries=0)
        return executor

    def _connect(self) -> None:
        try:
            distributed: Any = importlib.import_module("distributed")
        except ImportError as error:
            raise SetupError("Dask is not installed; get it with: pip install 'fogfleet[distributed]'") from error
        try:
            self._client = distributed.Client(self._address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, TimeoutError) as error:
            raise SetupError(f"no Dask scheduler answers at {self._address}; start one with: dask scheduler") from error
        threads = sum(worker["nthreads"] for worker in self._client.scheduler_info(n_workers=-1)["workers"].values())
        if not threads:
            address = self._address
            self.close()
            raise SetupError(f"the Dask scheduler at {address} has no workers; start some with: dask worker {address}")
        self.size = threads

    def check(self) -> None:
        if self._client is None or self._client.status != "running":
            raise SetupError(
                f"the Dask scheduler at {self._address} is gone; the results so far are kept, "
                "and the same command continues from them"
            )

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None
