"""Which broker a run gets: a choice of the user's becomes an open carrier."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from brokers import embedded, mosquitto
from brokers.address import parse_url, without_secret
from brokers.api import MQTT_5, MQTT_311, BrokerError, Carrier, Identity, Notice
from brokers.client import Pool, silent
from brokers.memory import MemoryCarrier
from brokers.server import Server

_PROBE_S = 5.0
_PROTOCOLS = {"5": MQTT_5, "3.1.1": MQTT_311}


@contextmanager
def open_carrier(
    choice: str = "auto", *, version: str = "5", durable: bool = False, notice: Notice = silent
) -> Iterator[Carrier]:
    """Opens the chosen carrier; its broker, if it is ours, stops on leaving.

    Args:
        choice: `auto`, `memory`, `mosquitto`, `embedded`, or the URL of a running broker.
        version: of MQTT, `5` or `3.1.1`.
        durable: a broker of ours keeps sessions and messages over a kill.
        notice: takes plain sentences for the user.

    Raises:
        BrokerError: no such choice, or no such broker, and how to get one.
    """
    protocol = _PROTOCOLS.get(version)
    if protocol is None:
        raise BrokerError(f"MQTT {version!r} is not spoken here; write '5' or '3.1.1'")
    if choice == "memory":
        yield MemoryCarrier(protocol)
    elif "://" in choice:
        yield from _opened(Pool(choice, protocol=protocol, persistent=durable, notice=notice))
    else:
        with _server(choice, durable, notice) as server:
            if server.name == embedded.Server.name and protocol == MQTT_5:
                notice("the embedded broker speaks MQTT 3.1.1: so do we")
                protocol = MQTT_311
            yield from _opened(
                Pool(
                    server.url,
                    name=server.name,
                    version=server.version,
                    protocol=protocol,
                    persistent=durable,
                    notice=notice,
                    server=server,
                )
            )


def check_choice(choice: str) -> None:
    """Refuses a URL that `open_carrier` would refuse, before it can get into a log.

    Raises:
        BrokerError: as `brokers.address.parse_url`.
    """
    if "@" in choice or "://" in choice:
        parse_url(choice)


@dataclass(frozen=True, slots=True)
class Probe:
    """A broker that works: what it is, and seconds for one message at QoS 1 to go there and back."""

    name: str
    version: str
    protocol: str
    round_trip_s: float


def probe(choice: str = "auto", *, notice: Notice = silent) -> Probe:
    """Tries a broker out with one message.

    Args:
        choice: as for `open_carrier`.
        notice: takes plain sentences for the user.

    Raises:
        BrokerError: it is missing, does not answer or does not carry.
    """
    topic = f"fogfleet/probe-{secrets.token_hex(4)}"
    with open_carrier(choice, notice=notice) as carrier:
        carrier.connect([Identity(topic.replace("/", "-"), f"{topic}/status", b"offline", (topic,))])
        started = time.perf_counter()
        carrier.publish(0, topic, b"there and back", 1)
        if carrier.take(0, topic, b"there and back", _PROBE_S) is None:
            raise BrokerError(f"{carrier.name} took a message but did not bring it back within {_PROBE_S:g} s")
        spoken = next(text for text, level in _PROTOCOLS.items() if level == carrier.protocol)
        return Probe(carrier.name, carrier.version, spoken, time.perf_counter() - started)


def _opened(pool: Pool) -> Iterator[Carrier]:
    try:
        yield pool
    finally:
        pool.close()


def _server(choice: str, durable: bool, notice: Notice) -> Server:
    if choice == "mosquitto" or (choice == "auto" and mosquitto.find()):
        return mosquitto.Server(durable=durable)
    if choice == "embedded":
        return embedded.Server(durable=durable)
    if choice != "auto":
        raise BrokerError(
            f"{without_secret(choice)!r} is no broker; choose auto, memory, mosquitto, embedded or mqtt[s]://host:port"
        )
    if not embedded.installed():
        raise BrokerError(f"there is no broker here. {mosquitto.MISSING}; {embedded.MISSING}")
    notice(
        "Mosquitto is not installed: using the slower embedded broker (MQTT 3.1.1). "
        "To get Mosquitto: apt-get install mosquitto"
    )
    return embedded.Server(durable=durable)
