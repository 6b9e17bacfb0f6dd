"""Runs a fleet of docker-compose.yml without containers: its very commands and configuration files, as processes.

    python scripts/compose_as_processes.py plain|secure|bridge [FOLDER]

Only what containers would change is changed: brokers' host names become 127.0.0.1 with a free port each, paths inside
containers become paths here. Ends with the exit code of the fleet's `report`; its run folder is in FOLDER/runs.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from brokers import mosquitto

ROOT = Path(__file__).parents[1]
WAIT_S = 300.0
Service = Mapping[str, Any]


class Fleet:
    """One profile of the compose file, with its files in a folder of its own."""

    def __init__(self, profile: str, folder: Path, stack: ExitStack) -> None:
        found = YAML(typ="safe", pure=True).load(ROOT / "docker-compose.yml")["services"]
        self._services: dict[str, Service] = {name: s for name, s in found.items() if profile in s["profiles"]}
        if not self._services:
            raise SystemExit(f"docker-compose.yml has no profile {profile!r}")
        self._folder = folder
        self._stack = stack
        self._ports = {name: free_port() for name, s in self._services.items() if "mosquitto" in s["image"]}

    def run(self) -> int:
        """Everything in the order that `depends_on` asks for; the exit code of the report."""
        names = list(self._services)
        for name in names:
            if name in ("network", "locksmith"):
                code = self._start(name).wait(WAIT_S)
                if code:
                    raise SystemExit(f"{name} ended with {code}")
        for name in sorted(self._ports, key=lambda name: "depends_on" in self._services[name]):
            self._start_broker(name)
        nodes = {name: self._start(name) for name in names if "--node" in self._services[name].get("command", ())}
        (report,) = (name for name in names if name.endswith("report"))
        code = self._start(report).wait(WAIT_S)
        for name, process in nodes.items():
            sys.stdout.write(f"{name}: exit code {process.wait(60)}\n")
        return code

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        service = self._services[name]
        command = [sys.executable, "-c", "from sim.cli import main; main()", *self._words(service)]
        return self._popen(name, command, self._environment(service))

    def _start_broker(self, name: str) -> None:
        service, binary = self._services[name], mosquitto.find()
        assert binary is not None, mosquitto.MISSING
        (given,) = service.get("command", ["/mosquitto/config/mosquitto.conf"])[-1:]
        source = Path(self._here(given, service))
        text = source.read_text()
        text = re.sub(r"^listener \d+", f"listener {self._ports[name]}", text, flags=re.MULTILINE)
        for other, port in self._ports.items():
            text = text.replace(f"address {other}:1883", f"address 127.0.0.1:{port}")
        text = re.sub(r"/mosquitto/config(?=/)", self._here("/mosquitto/config", service), text)
        user = "user root\n" if os.geteuid() == 0 else ""
        path = self._folder / f"{name}.conf"
        path.write_text(user + text)
        self._popen(name, [str(binary), "-c", str(path)], mosquitto.environment(binary))
        wait_for(self._ports[name])

    def _words(self, service: Service) -> Iterable[str]:
        for word in service["command"]:
            word = re.sub(r"\$\{(\w+):-(.*?)\}", lambda found: os.environ.get(found[1], found[2]), word)
            for name, port in self._ports.items():
                word = re.sub(rf"//{name}:\d+", f"//localhost:{port}", word)
            yield self._here(word, service)

    def _here(self, path: str, service: Service) -> str:
        """Where a path of the container lies on this machine."""
        for source, target in mounts(service):
            if path == target or path.startswith(f"{target}/"):
                return str(self._outside(source)) + path.removeprefix(target)
        return path

    def _outside(self, source: str) -> Path:
        return (self._folder if source.startswith(("./runs", "./secrets")) else ROOT) / source

    def _environment(self, service: Service) -> dict[str, str]:
        """With a folder that holds just the credentials which the container would see."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        for source, target in mounts(service):
            if target.startswith("/credentials/"):
                seen = self._folder / "seen" / Path(target).name
                seen.mkdir(parents=True, exist_ok=True)
                link = seen / Path(target).name
                if not link.is_symlink():
                    link.symlink_to(self._outside(source).absolute(), target_is_directory=True)
                environment["FOGFLEET_CREDENTIALS"] = str(seen)
        return environment

    def _popen(self, name: str, command: list[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        output = self._stack.enter_context((self._folder / f"{name}.log").open("wb"))
        process = subprocess.Popen(command, cwd=self._folder, stdout=output, stderr=output, env=environment)
        self._stack.callback(end, process)
        return process


def mounts(service: Service) -> list[tuple[str, str]]:
    """Where volumes lie outside and inside."""
    return [(volume.split(":")[0], volume.split(":")[1]) for volume in service["volumes"]]


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def main() -> int:
    """The command."""
    profile = sys.argv[1] if len(sys.argv) > 1 else "plain"
    with ExitStack() as stack:
        if len(sys.argv) > 2:
            folder = Path(sys.argv[2]).absolute()
            folder.mkdir(parents=True, exist_ok=True)
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if not (folder / "scenarios").exists():
            (folder / "scenarios").symlink_to(ROOT / "scenarios")
        code = Fleet(profile, folder, stack).run()
        report = next(path for path in folder.glob("*report.log"))
        sys.stdout.write(report.read_text())
    return code


if __name__ == "__main__":
    sys.exit(main())
