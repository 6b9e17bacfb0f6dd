"""Gets a list of tasks done by a pool: in portions of about half a second, through dying workers, telling as it goes.

A worker that dies takes the portions with it that were being worked on, and nobody can tell which of them killed it.
Each of their tasks is then tried alone; one that kills its worker twice alone is given up.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from typing import Any, Final, Generic, TypeVar

from sim.errors import SetupError
from sim.sweep.pools import Pool

PORTION_S: Final = 0.5
MAX_PORTION: Final = 64
MAX_DEATHS: Final = 2
MAX_REOPENED: Final = 8

Task = TypeVar("Task")
Answer = TypeVar("Answer")


class Crew(Generic[Task, Answer]):
    """One list of tasks on its way through a pool.

    Args:
        pool: who works.
        work: does a portion of tasks and returns an answer for each; must be importable by the workers. It may raise
            only where the worker itself is at fault.
        deliver: takes the answers, as they come.
        give_up: takes a task that killed its worker twice, and why.
        seconds: how long a task took, by its answer.
    """

    def __init__(
        self,
        pool: Pool,
        work: Callable[[list[Task]], list[Answer]],
        deliver: Callable[[list[Answer]], None],
        give_up: Callable[[Task, str], None],
        seconds: Callable[[Answer], float],
    ) -> None:
        self._pool = pool
        self._work = work
        self._deliver = deliver
        self._give_up = give_up
        self._seconds = seconds
        self._running: dict[Future[Any], list[Task]] = {}
        self._suspects: deque[Task] = deque()
        self._alone: list[Task] | None = None
        self._deaths: Counter[int] = Counter()
        self._reopened = 0
        self._done = 0
        self._spent_s = 0.0

    def run(self, tasks: Sequence[Task]) -> None:
        """Returns when every task is delivered or given up.

        Raises:
            SetupError: the pool cannot be had any more.
        """
        waiting = deque(tasks)
        while waiting or self._suspects or self._running:
            self._hand_out(self._pool.executor(), waiting)
            done, _ = wait(self._running, return_when=FIRST_COMPLETED)
            if self._collect(done):
                self._replace_workers()

    def _hand_out(self, executor: Executor, waiting: deque[Task]) -> None:
        """Keeps every worker busy and one portion ahead; suspects go alone, when nothing else is at risk."""
        if self._suspects:
            if not self._running:
                self._alone = [self._suspects.popleft()]
                self._submit(executor, self._alone)
            return
        while waiting and len(self._running) < 2 * self._pool.size:
            self._submit(executor, [waiting.popleft() for _ in range(min(self._portion(), len(waiting)))])
            if self._pool.size == 1:
                return

    def _portion(self) -> int:
        if not self._done or not self._spent_s:
            return 1
        return max(1, min(MAX_PORTION, round(PORTION_S * self._done / self._spent_s)))

    def _submit(self, executor: Executor, portion: list[Task]) -> None:
        try:
            future = executor.submit(self._work, portion)
        except BrokenExecutor as error:
            future = Future()
            future.set_exception(error)
        self._running[future] = portion

    def _collect(self, done: set[Future[Any]]) -> bool:
        """Delivers what is done; True if the executor is of no use any more."""
        broken = False
        for future in done:
            portion = self._running.pop(future)
            try:
                answers = future.result()
            except Exception as error:  # whatever a library calls the death of a worker
                self._pool.check()
                broken = broken or isinstance(error, BrokenExecutor)
                self._suspect(portion, error)
                continue
            self._done += len(answers)
            self._spent_s += sum(map(self._seconds, answers))
            self._deliver(answers)
        return broken

    def _suspect(self, portion: list[Task], error: Exception) -> None:
        if portion is self._alone:
            task = id(portion[0])
            self._deaths[task] += 1
            if self._deaths[task] == MAX_DEATHS:
                self._give_up(portion[0], f"its worker died {MAX_DEATHS} times: {type(error).__name__}: {error}")
                return
        self._suspects.extend(portion)

    def _replace_workers(self) -> None:
        for portion in self._running.values():
            self._suspects.extend(portion)
        self._running.clear()
        self._reopened += 1
        if self._reopened == MAX_REOPENED and not self._done:
            raise SetupError("all workers die before their first result; -j 1 shows why, in this process")
        self._pool.close()
