"""The crew: every task is answered once, whatever dies on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from brokers_kit import WAIT_S, alive, within

from sim.errors import SetupError, UsageError
from sim.sweep.crew import Crew
from sim.sweep.pools import Here, Pool, Processes, choose


def double(tasks: list[int]) -> list[int]:
    return [2 * task for task in tasks]


def double_unless(deadly: int, tasks: list[int]) -> list[int]:
    if deadly in tasks:
        os.kill(os.getpid(), signal.SIGKILL)
    return double(tasks)


def die_once(marker: Path, tasks: list[int]) -> list[int]:
    if 5 in tasks and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return double(tasks)


def always_die(tasks: list[int]) -> list[int]:
    os._exit(1)


def work(pool: Pool, function: object, count: int) -> tuple[list[int], dict[int, str]]:
    answers: list[int] = []
    given_up: dict[int, str] = {}
    try:
        Crew(pool, function, answers.extend, given_up.__setitem__, lambda _: 0.1).run(range(count))  # type: ignore[arg-type]
    finally:
        pool.close()
    return sorted(answers), given_up


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_task_is_answered_once(jobs: int) -> None:
    assert work(choose("local", jobs), double, 100) == ([2 * task for task in range(100)], {})


def test_a_worker_that_dies_once_costs_nothing(tmp_path: Path) -> None:
    assert work(Processes(2), partial(die_once, tmp_path / "died"), 20) == ([2 * task for task in range(20)], {})
    assert (tmp_path / "died").exists()


def test_a_task_that_kills_its_workers_is_given_up_and_no_other() -> None:
    answers, given_up = work(Processes(2), partial(double_unless, 5), 20)
    assert answers == [2 * task for task in range(20) if task != 5]
    assert list(given_up) == [5]
    assert "died 2 times" in given_up[5]


def test_a_pool_in_which_nothing_lives_is_an_error() -> None:
    with pytest.raises(SetupError, match="all workers die"):
        work(Processes(1), always_die, 50)


def test_an_unknown_executor_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="dask://host"):
        choose("slurm", 2)
    assert isinstance(choose("local", 1), Here)


def test_workers_leave_ctrl_c_to_their_master_and_work_however_long_the_folder_for_temporary_files_is(
    tmp_path: Path,
) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    script = (
        "import signal\n"
        "from sim.sweep.pools import Processes\n"
        "pool = Processes(1)\n"
        "blocked = pool.executor().submit(signal.pthread_sigmask, signal.SIG_BLOCK, ()).result()\n"
        "print(signal.SIGINT in blocked, signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))\n"
        "pool.close()\n"
    )
    environment = {**os.environ, "TMPDIR": str(folder)}
    told = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True, env=environment
    )
    assert told.stdout.split() == ["True", "False"]


def test_workers_end_with_their_master(tmp_path: Path) -> None:
    script = (
        "import os, sys, time\n"
        "from sim.sweep.pools import Processes\n"
        "pool = Processes(2)\n"
        "executor = pool.executor()\n"
        "pids = [executor.submit(os.getpid).result() for _ in range(4)]\n"
        "print(*set(pids), flush=True)\n"
        "time.sleep(60)\n"
    )
    master = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
    assert master.stdout is not None
    pids = [int(word) for word in master.stdout.readline().split()]
    assert pids
    master.kill()
    master.wait()
    master.stdout.close()
    assert within(WAIT_S, lambda: not any(alive(pid) for pid in pids))


def test_closing_does_not_wait_for_a_long_task() -> None:
    pool = Processes(1)
    executor = pool.executor()
    assert isinstance(executor, ProcessPoolExecutor)
    assert executor.submit(os.getpid).result() != os.getpid()
    executor.submit(time.sleep, 86_400)
    pool.close()
