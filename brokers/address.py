"""Where a broker is and how to enter: the URL from the user, the secrets from the environment."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from brokers.api import BrokerError

_PORT, _TLS_PORT = 1883, 8883


@dataclass(frozen=True, slots=True)
class Address:
    """Host, port and credentials; its text never holds a secret."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


def parse_url(url: str) -> Address:
    """`mqtt://host[:port]` or `mqtts://host[:port]`; user, password and CA file come from the environment.

    Raises:
        BrokerError: for any other form, and for a password in the URL (it would end up in logs).
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.username or parts.password:
        raise BrokerError(
            "a broker's URL may not hold a user or password; "
            "set FOGFLEET_MQTT_USERNAME and FOGFLEET_MQTT_PASSWORD in the environment"
        )
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or port in (-1, 0) or parts.path.strip("/"):
        raise BrokerError(f"{url!r} is no broker's URL; write mqtt://host:port or mqtts://host:port")
    tls = _tls_context() if parts.scheme == "mqtts" else None
    return Address(
        host=parts.hostname,
        port=port or (_TLS_PORT if tls else _PORT),
        username=os.environ.get("FOGFLEET_MQTT_USERNAME"),
        password=os.environ.get("FOGFLEET_MQTT_PASSWORD"),
        tls=tls,
    )


def _tls_context() -> ssl.SSLContext:
    authority = os.environ.get("FOGFLEET_MQTT_CAFILE")
    try:
        return ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        raise BrokerError(f"FOGFLEET_MQTT_CAFILE={authority}: no usable CA certificate: {error}") from error
