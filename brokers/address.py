"""Where a broker is: the URL from the user, and the keyring that opens it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from brokers.api import BrokerError
from brokers.credentials import ANONYMOUS, Keyring, open_keyring

_PORT, _TLS_PORT = 1883, 8883
# Greedy on purpose: a password may hold a slash or an @, which ends the URL's host part too early.
_SECRET = re.compile(r"(?<=://)\S+@|(?:^|(?<==))[^\s:=]+:(?!//)\S*@")


@dataclass(frozen=True, slots=True)
class Address:
    """Host, port and what its clients enter with; its text never holds a secret."""

    host: str
    port: int
    keyring: Keyring = ANONYMOUS

    def __str__(self) -> str:
        return f"{'mqtts' if self.keyring.tls else 'mqtt'}://{self.host}:{self.port}"


def parse_url(url: str, *, anonymous: bool = False) -> Address:
    """`mqtt://host[:port]` or `mqtts://host[:port]`; what a client enters with comes from the environment and files.

    Args:
        url: the broker's.
        anonymous: it is a private broker of ours, which nobody else's secrets are shown to.

    Raises:
        BrokerError: for any other form, for a password in the URL (it would end up in logs), and for
            credentials that cannot be used.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if without_secret(url) != url:
        raise BrokerError(
            "a broker's URL may not hold a user or password: all users of this machine could read it; "
            "set FOGFLEET_CREDENTIALS to the folder that `fogfleet broker init` wrote, "
            "or FOGFLEET_MQTT_USERNAME and FOGFLEET_MQTT_PASSWORD in the environment"
        )
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or port in (-1, 0) or parts.path.strip("/"):
        raise BrokerError(f"{url!r} is no broker's URL; write mqtt://host:port or mqtts://host:port")
    tls = parts.scheme == "mqtts"
    keyring = ANONYMOUS if anonymous else open_keyring(tls)
    return Address(host=parts.hostname, port=port or (_TLS_PORT if tls else _PORT), keyring=keyring)


def without_secret(text: str) -> str:
    """The text, e.g. an argument, with user and password of any URL in it struck out."""
    return _SECRET.sub("***@", text)
