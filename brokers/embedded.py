"""The embedded broker, amqtt, in a process of its own: for machines without Mosquitto.

It speaks MQTT 3.1.1, is slower, and delivers at the subscription's QoS even what was published at a lower one,
so what the sockets carry is more than `brokers.framing` says.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import importlib.util
import logging
import os
import signal
import sys
from pathlib import Path

from brokers.api import BrokerError
from brokers.server import Server as _Server

MISSING = "the embedded broker is not installed: pip install 'fogfleet[embedded]'"
_OPENED = "embedded broker is listening"


def installed() -> bool:
    """Whether amqtt is there."""
    return importlib.util.find_spec("amqtt") is not None


class Server(_Server):
    """One amqtt broker, which keeps everything in memory.

    Raises:
        BrokerError: amqtt is not installed, or `durable` was asked for.
    """

    name = "embedded"

    def __init__(self, *, durable: bool = False) -> None:
        super().__init__(durable=durable)
        if not installed():
            raise BrokerError(MISSING)
        if durable:
            raise BrokerError("the embedded broker keeps nothing over a restart: durable needs Mosquitto")

    @property
    def version(self) -> str:
        """E.g. `amqtt 0.12.1`."""
        return f"amqtt {importlib.metadata.version('amqtt')}"

    def _command(self, folder: Path) -> list[str]:
        return [sys.executable, "-m", "brokers.embedded", str(self.port), str(folder / "amqtt.log")]

    def _environment(self) -> dict[str, str]:
        here = str(Path(__file__).parents[1])
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")])),
        }

    def _opened(self, log: str) -> bool:
        return _OPENED in log


async def _serve(port: int) -> None:
    from amqtt.broker import Broker

    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}", "max_connections": 0}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    logging.getLogger("brokers").warning(_OPENED)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    await broker.shutdown()


def main() -> None:
    """`python -m brokers.embedded PORT LOG`."""
    parser = argparse.ArgumentParser(prog="python -m brokers.embedded", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("log", type=Path)
    arguments = parser.parse_args()
    logging.basicConfig(filename=arguments.log, level=logging.WARNING)
    asyncio.run(_serve(arguments.port))


if __name__ == "__main__":
    main()
