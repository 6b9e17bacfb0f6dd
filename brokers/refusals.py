"""What a failed connection means and what would help."""

from __future__ import annotations

from brokers.address import Address
from brokers.api import BrokerError
from brokers.connection import Connection

_UNSUPPORTED_VERSION = 0x84
_LOG_IN = (
    "set FOGFLEET_CREDENTIALS to the folder that `fogfleet broker init` wrote, "
    "or FOGFLEET_MQTT_USERNAME and FOGFLEET_MQTT_PASSWORD"
)
_TLS_ERROR = "(_ssl.c"  # how Python ends every one of them
_REMEDIES = {
    0x85: "the broker wants other client ids; rename the run or the nodes",
    0x86: _LOG_IN,
    0x87: f"{_LOG_IN}; if they are set, they are not this broker's, or its access control list forbids the last will",
    0x88: "the broker is shutting down or starting; try again",
    0x89: "the broker is busy; try again or connect fewer clients",
    0x97: "the broker's quota for clients is used up; connect fewer or raise max_connections",
}


def speaks_another_version(connection: Connection) -> bool:
    """Whether a failed MQTT 5 connection is worth another try with MQTT 3.1.1.

    Brokers that do not know MQTT 5 either say so or close the connection without an answer.
    """
    if connection.refusal is not None:
        return connection.refusal.value == _UNSUPPORTED_VERSION
    return connection.reached and not connection.answered and _TLS_ERROR not in connection.lost


def explain(connection: Connection, address: Address, error: str) -> BrokerError:
    """The error for a connection that could not be made."""
    refusal = connection.refusal
    if refusal is not None:
        remedy = _REMEDIES.get(refusal.value, "see the broker's log")
        return BrokerError(f"{address} refuses client {connection.identity.client_id!r}: {refusal}; {remedy}")
    silent = connection.reached and not connection.answered
    if address.keyring.tls and (silent or _TLS_ERROR in error):
        return BrokerError(_about_tls(address, error))
    if silent:
        return BrokerError(
            f"what listens at {address} does not answer in MQTT ({error}); is it a broker, and is this its port? "
            "If it speaks TLS there, write mqtts://"
        )
    if not connection.reached:
        return BrokerError(
            f"cannot reach {address}: {error}; check host and port, start the broker, or use `--broker auto`"
        )
    return BrokerError(error)


def _about_tls(address: Address, error: str) -> str:
    if "verify failed" in error:
        return (
            f"cannot reach {address}: its certificate is not to be trusted ({error}); set FOGFLEET_CREDENTIALS, or "
            "FOGFLEET_MQTT_CAFILE to the certificate of its authority; if it has expired or names another host, "
            "make a new one with `fogfleet broker init --force --host NAME`"
        )
    return (
        f"{address} breaks off ({error}): it refuses our certificate, misses one, or speaks no TLS on this port; "
        "set FOGFLEET_CREDENTIALS to what `fogfleet broker init` wrote for this broker; "
        "if the certificates have expired, make new ones with `fogfleet broker init --force`"
    )
