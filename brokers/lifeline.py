"""No orphans: a broker of ours dies with the process that started it, or the next one removes it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from brokers.api import BrokerError

_LAUNCHER = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG; kept by execv
if os.getppid() != int(sys.argv[1]):
    os._exit(1)  # the parent died before we asked
os.execv(sys.argv[2], sys.argv[2:])
"""
_STATE = "state.json"
_UNFINISHED_S = 60.0


@dataclass(frozen=True, slots=True)
class State:
    """Who started a broker and which process it is; start times tell processes of one number apart."""

    namespace: str
    parent: int
    parent_start: str
    pid: int
    pid_start: str


def runtime_folder() -> Path:
    """This user's private folder for running brokers.

    Raises:
        BrokerError: somebody else has made a folder of that name.
    """
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    folder = base / f"fogfleet-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o077:
        raise BrokerError(f"{folder} is not a private folder of yours; remove it, or set XDG_RUNTIME_DIR to one")
    return folder


def launch_command(command: list[str]) -> list[str]:
    """The command so wrapped that the kernel kills it when we die.

    The kernel watches the thread that starts a process, so from any other thread than the main one, which may
    end early, only the reaper watches. (A wrapper, because `preexec_fn` is unsafe beside threads.)
    """
    if not sys.platform.startswith("linux") or threading.current_thread() is not threading.main_thread():
        return command
    return [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command]


def write_state(folder: Path, pid: int) -> None:
    """Leaves what the reaper needs, at once or not at all."""
    state = State(_namespace(), os.getpid(), _start_time(os.getpid()), pid, _start_time(pid))
    draft = folder / f"{_STATE}.draft"
    draft.write_text(json.dumps(asdict(state)))
    draft.replace(folder / _STATE)


def reap() -> list[int]:
    """Kills brokers of ours whose parent is gone and removes their folders.

    Touches nothing else: number, start time and command line of a process must all be those of the broker.

    Returns:
        The numbers of the processes killed.
    """
    killed = []
    for folder in runtime_folder().glob("server-*"):
        state = _read_state(folder)
        if state is None:
            with contextlib.suppress(FileNotFoundError):
                if time.time() - folder.stat().st_mtime > _UNFINISHED_S:
                    shutil.rmtree(folder, ignore_errors=True)
            continue
        if state.namespace != _namespace() or _alive(state.parent, state.parent_start):
            continue
        if _alive(state.pid, state.pid_start) and _mentions(state.pid, folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(state.pid, signal.SIGKILL)
                killed.append(state.pid)
        shutil.rmtree(folder, ignore_errors=True)
    return killed


def _read_state(folder: Path) -> State | None:
    try:
        return State(**json.loads((folder / _STATE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _namespace() -> str:
    """Process numbers mean something only within one container."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _start_time(pid: int) -> str:
    """Ticks since boot, or nothing for a process that is gone or already dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _alive(pid: int, start: str) -> bool:
    if not Path("/proc/self/stat").exists():
        return True  # nothing can be verified here, so nothing is touched
    return bool(start) and _start_time(pid) == start


def _mentions(pid: int, folder: Path) -> bool:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(argument.startswith(os.fsencode(folder) + b"/") for argument in arguments)
