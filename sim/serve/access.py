"""Who may look, and who may touch: a token, and checks against pages of other sites.

A page of another site may make a person's browser ask us. Three things stand against it: the token, which it does not
know; the `Host` that the browser names, which is a foreign one after DNS rebinding; and, for everything that changes
something, a header that no other site's page can set without our consent, which it never gets.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
import socket
from dataclasses import dataclass, field
from hmac import compare_digest

from sim.errors import UsageError

HEADER = "X-FogFleet-Token"
SHAPE = re.compile(r"[A-Za-z0-9_-]{16,200}")


def loopback(host: str) -> bool:
    """Whether a name or address leads to this machine only."""
    address = _address(host)
    return host.casefold() == "localhost" if address is None else address.is_loopback


@dataclass(frozen=True)
class Access:
    """What a visitor has to show; `token` None lets every program of this machine in."""

    token: str | None = field(repr=False)

    @classmethod
    def of(cls, host: str, wanted: bool, given: str | None = None) -> Access:
        """The access to a page at `host`: the given token, else one by chance; or none where it is not wanted.

        Raises:
            UsageError: no token is wanted, but others than this machine can reach the host; or the token is a bad one.
        """
        if not wanted:
            if not loopback(host):
                raise UsageError(
                    f"--no-token would let everyone who reaches {host} stop the run and break its nodes; "
                    "leave it out, or use --host 127.0.0.1"
                )
            return cls(None)
        if given is not None and not SHAPE.fullmatch(given):
            raise UsageError(
                "FOGFLEET_TOKEN should have 16 to 200 letters, digits, '-' or '_'; leave it unset to have one drawn"
            )
        return cls(given or secrets.token_urlsafe(24))

    def admits(self, *shown: str | None) -> bool:
        """Whether one of the things shown is the token; takes the same time whatever is shown."""
        if self.token is None:
            return True
        expected = self.token.encode()
        same = [compare_digest((text or "").encode("utf-8", "replace"), expected) for text in shown]
        return any(same)

    def may_change(self, header: str | None) -> bool:
        """Whether a request with this `X-FogFleet-Token` may change something; without a token its presence counts."""
        return header is not None and self.admits(header)


def own_host(host: str | None) -> bool:
    """Whether the `Host` header names us: an address (nobody rebinds those), localhost or this machine's own name."""
    name = _name(host or "")
    if _address(name) is not None:
        return True
    own = socket.gethostname().casefold()
    return name.casefold() in {"localhost", own, f"{own}.local"}


def own_origin(origin: str | None, host: str | None, fetch_site: str | None) -> bool:
    """Whether a request comes from our own page, or from no page at all."""
    if fetch_site not in (None, "same-origin", "none"):
        return False
    return origin is None or origin == f"http://{host}"


def _name(host: str) -> str:
    """`host:port` and `[::1]:port` without the port."""
    found = re.fullmatch(r"\[([^\]]+)\](?::\d+)?|([^:]+)(?::\d+)?", host)
    return "" if found is None else found[1] or found[2]


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
