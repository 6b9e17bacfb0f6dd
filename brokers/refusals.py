"""What a failed connection means and what would help."""

from __future__ import annotations

from brokers.address import Address
from brokers.api import BrokerError
from brokers.connection import Connection

_UNSUPPORTED_VERSION = 0x84
_REMEDIES = {
    0x85: "the broker wants other client ids; rename the run or the nodes",
    0x86: "set FOGFLEET_MQTT_USERNAME and FOGFLEET_MQTT_PASSWORD in the environment",
    0x87: "set FOGFLEET_MQTT_USERNAME and FOGFLEET_MQTT_PASSWORD, and check the broker's access control list",
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
    return connection.reached and not connection.answered


def explain(connection: Connection, address: Address, error: str) -> BrokerError:
    """The error for a connection that could not be made."""
    refusal = connection.refusal
    if refusal is not None:
        remedy = _REMEDIES.get(refusal.value, "see the broker's log")
        return BrokerError(f"{address} refuses client {connection.identity.client_id!r}: {refusal}; {remedy}")
    if connection.reached and not connection.answered:
        return BrokerError(
            f"what listens at {address} does not answer in MQTT ({error}); is it a broker, and is this its port?"
        )
    if not connection.reached:
        return BrokerError(
            f"cannot reach {address}: {error}; check host and port, start the broker, or use `--broker auto`"
        )
    return BrokerError(error)
