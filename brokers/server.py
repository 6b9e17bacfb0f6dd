"""A broker process of our own: on a free loopback port, in a private folder, gone when we are gone."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from brokers.api import BrokerError
from brokers.lifeline import launch_command, reap, runtime_folder, write_state
from brokers.loop import raise_descriptor_limit

_START_S = 30.0
_STOP_S = 5.0
_TRIES = 5
_LOG_LINES = 8
_CONNACK = b"\x20\x02"


class Server(ABC):
    """Starts, stops, kills, pauses and restarts one broker. A context manager.

    Args:
        durable: sessions and messages survive a kill and restart.

    Attributes:
        name: what kind of broker it is.
        port: where it listens on 127.0.0.1; the same after a restart.
    """

    name: str

    def __init__(self, *, durable: bool = False) -> None:
        self.durable = durable
        self.port = 0
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._paused = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    @abstractmethod
    def version(self) -> str:
        """The broker's version text."""

    @abstractmethod
    def _command(self, folder: Path) -> list[str]:
        """Writes what the broker needs into its folder; how to start it there on `self.port`."""

    def _environment(self) -> dict[str, str]:
        return dict(os.environ)

    def _opened(self, log: str) -> bool:
        """Whether the log says that this very process, and no stranger on the port, is listening."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """For `brokers.client.Pool`."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The broker's process number.

        Raises:
            BrokerError: it is not running.
        """
        return self._running().pid

    @property
    def alive(self) -> bool:
        """Whether the process runs (or is paused)."""
        return self._process is not None and self._process.poll() is None

    @property
    def folder(self) -> Path:
        """The private folder: configuration, log, persistence."""
        if self._folder is None:
            raise BrokerError(f"{self.name} has not been started")
        return self._folder

    def start(self) -> None:
        """Removes orphans of dead runs, starts on a free port and returns once MQTT is answered there.

        Raises:
            BrokerError: not installed, or it does not come up; with the end of its log.
        """
        if self._folder is not None:
            raise BrokerError(f"{self.name} has been started already; use restart() after kill()")
        reap()
        raise_descriptor_limit()
        self._folder = Path(tempfile.mkdtemp(prefix="server-", dir=runtime_folder()))
        try:
            for attempt in range(1, _TRIES + 1):
                self.port = _free_port()
                if self._launch(again=attempt < _TRIES):
                    return
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends the broker in good order and removes its folder. May be called twice."""
        if self._process is not None and self._process.poll() is None:
            self._end(self._process)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._process = self._folder = None

    def save(self) -> None:  # noqa: B027  (a broker that keeps nothing has nothing to save)
        """Returns once everything that a durable broker has acknowledged is on its disk, as it soon would be anyway.

        Raises:
            BrokerError: it does not do so.
        """

    def kill(self) -> None:
        """SIGKILL: as a power cut would, but the folder stays for `restart`."""
        process = self._running()
        process.kill()
        process.wait()
        self._paused = False

    def restart(self) -> None:
        """Starts again on the same port, with what was persisted; stops in good order first if it still runs.

        Raises:
            BrokerError: it does not come up; with the end of its log.
        """
        process = self._process
        if process is None:
            raise BrokerError(f"{self.name} has not been started")
        if process.poll() is None:
            self._end(process)
        self._launch(again=False)

    def pause(self) -> None:
        """SIGSTOP: the process keeps its sockets and does nothing."""
        os.kill(self.pid, signal.SIGSTOP)
        self._paused = True

    def resume(self) -> None:
        """SIGCONT after a `pause`."""
        if self._paused:
            os.kill(self.pid, signal.SIGCONT)
            self._paused = False

    def log(self) -> str:
        """What the broker has written so far."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")) if path.is_file())

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        self.resume()
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise BrokerError(f"{self.name} is not running")
        return self._process

    def _launch(self, *, again: bool) -> bool:
        """True once it answers; False, if the port was taken meanwhile and there may be another try."""
        folder = self.folder
        for old in folder.glob("*.log"):
            old.unlink()
        command = launch_command(self._command(folder))
        with (folder / "output.log").open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment(),
                cwd=folder,
                start_new_session=True,  # Ctrl-C goes to the whole foreground group; we decide when it stops
            )
        write_state(folder, self._process.pid)
        deadline = time.monotonic() + _START_S
        while self._process.poll() is None:
            if self._opened(self.log()) and _answers(self.port):
                return True
            if time.monotonic() > deadline:
                raise BrokerError(f"{self.name} does not answer after {_START_S:g} s; {self._log_tail()}")
            time.sleep(0.005)
        if again and "in use" in self.log():
            return False
        raise BrokerError(f"{self.name} ended with exit code {self._process.returncode}; {self._log_tail()}")

    def _log_tail(self) -> str:
        lines = self.log().splitlines()[-_LOG_LINES:]
        return "the end of its log:\n  " + "\n  ".join(lines) if lines else "its log is empty"


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    """Whether a CONNECT on the port is answered with a CONNACK."""
    name = f"ready-{secrets.token_hex(4)}".encode()
    body = b"\x00\x04MQTT\x04\x02\x00\x00" + len(name).to_bytes(2) + name
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as sock:
        sock.sendall(b"\x10" + bytes((len(body),)) + body)
        answer = sock.recv(4)
        sock.sendall(b"\xe0\x00")
        return answer.startswith(_CONNACK)
    return False
