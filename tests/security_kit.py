"""A hardened Mosquitto for tests, as `fogfleet broker init` sets one up."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from brokers import credentials, hardened, mosquitto, private
from brokers.lifeline import launch_command
from sim.world.accounts import OWN_TOPICS

START_S = 60.0
SECOND = "FOGFLEET_TEST_MOSQUITTO"
"""The environment variable that names a second Mosquitto, of another version, to test as well."""


def second() -> Path | None:
    """The second Mosquitto, if there is one."""
    named = os.environ.get(SECOND)
    return Path(named).resolve() if named else None


@dataclass(frozen=True)
class Hardened:
    """A running one: its URL, its folder, its process number."""

    url: str
    folder: Path
    pid: int

    def secrets(self) -> list[str]:
        """Every password that it knows the hash of."""
        return [path.read_text().strip() for path in (self.folder / "nodes").glob(f"*/{credentials.PASSWORD}")]

    def log(self) -> str:
        return (self.folder.parent / "broker.log").read_text()


@contextmanager
def hardened_broker(
    parent: Path, accounts: Sequence[hardened.Account], binary: Path | None = None, **options: Any
) -> Iterator[Hardened]:
    """Starts one on a free port of the loopback; its folder is `parent/secure`. Without `binary`, that of `find`."""
    binary = binary or mosquitto.find()
    assert binary is not None
    found = {"version": mosquitto.version_of(binary), "plugins": mosquitto.plugins(binary) or hardened.PLUGINS}
    folder = parent / "secure"
    user = "root" if os.geteuid() == 0 else None  # a test's folders are private to who runs it
    while True:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
        at = PurePosixPath(folder / "broker")
        profile = hardened.Profile(**{**found, "port": port, "at": at, "user": user, **options})
        private.write_folder(folder, hardened.files(profile, accounts, OWN_TOPICS), replace=True)
        command = launch_command([str(binary), "-c", str(folder / "broker" / "mosquitto.conf")])
        log = parent / "broker.log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, env=mosquitto.environment(binary))
        try:
            if not _came_up(process, port, log):
                continue
            scheme = "mqtts" if profile.tls else "mqtt"
            yield Hardened(f"{scheme}://localhost:{port}", folder, process.pid)
            return
        finally:
            process.terminate()
            process.wait(START_S)


def _came_up(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    """False if somebody else took the port meanwhile."""
    deadline = time.monotonic() + START_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            if process.poll() is None:
                return True
        if process.poll() is not None:
            assert "in use" in log.read_text(), log.read_text()
            return False
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)
