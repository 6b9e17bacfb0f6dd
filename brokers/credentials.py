"""What a client enters a broker with: from the environment or from files, never from a scenario or a command line."""

from __future__ import annotations

import functools
import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from brokers.api import BrokerError

FOLDER: Final = "FOGFLEET_CREDENTIALS"
NODES: Final = "nodes"
AUTHORITY, PASSWORD, CERTIFICATE, KEY = "ca.crt", "password", "client.crt", "client.key"


@dataclass(frozen=True, slots=True)
class Access:
    """One client's: user name and password, or a TLS context that holds its certificate."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Keyring:
    """Nothing: every client enters anonymously.

    Attributes:
        tls: connections are encrypted, and the broker must prove that it is the one.
    """

    tls: bool = False

    def access(self, account: str) -> Access:
        """What the client of this account enters with.

        Raises:
            BrokerError: there is nothing for this account, or it cannot be used.
        """
        return Access()


ANONYMOUS: Final = Keyring()


@dataclass(frozen=True, slots=True)
class SharedKeyring(Keyring):
    """All clients enter with `FOGFLEET_MQTT_USERNAME` and `FOGFLEET_MQTT_PASSWORD`, if they are set."""

    def access(self, account: str) -> Access:
        """See `Keyring.access`."""
        authority = os.environ.get("FOGFLEET_MQTT_CAFILE")
        try:
            context = _context(authority, None) if self.tls else None
        except (OSError, ssl.SSLError) as error:
            raise BrokerError(f"FOGFLEET_MQTT_CAFILE={authority}: no usable CA certificate: {error}") from error
        return Access(os.environ.get("FOGFLEET_MQTT_USERNAME"), os.environ.get("FOGFLEET_MQTT_PASSWORD"), context)


@dataclass(frozen=True, slots=True)
class FolderKeyring(Keyring):
    """Every account enters with what lies in its own folder: `ca.crt`, and `password` or `client.crt` and `client.key`.

    So a machine needs the folders of its own nodes only.
    """

    folder: Path = Path()

    def accounts(self) -> list[str]:
        """Whose credentials lie here: the names of their folders."""
        return sorted(path.name for path in self.folder.iterdir() if path.is_dir())

    def certificates(self) -> list[Path]:
        """Of all accounts, with those of their authorities."""
        return [*self.folder.glob(f"*/{AUTHORITY}"), *self.folder.glob(f"*/{CERTIFICATE}")]

    def access(self, account: str) -> Access:
        """See `Keyring.access`."""
        own = self.folder / (folder_name(account) or "(a client without an account)")
        password, certificate = own / PASSWORD, own / CERTIFICATE
        try:
            if not own.is_dir():
                known = ", ".join(self.accounts()[:8])
                raise BrokerError(
                    f"{FOLDER}={self.folder} has no folder {own.name!r} (it has: {known or 'none'}); "
                    "run `fogfleet broker init` with this scenario"
                )
            if password.exists():
                secret = password.read_text(encoding="utf-8").strip()
                return Access(account, secret, _context(str(own / AUTHORITY), None) if self.tls else None)
            if not self.tls:
                raise BrokerError(f"{own} holds a certificate, which needs TLS; write mqtts://host:port")
            return Access(tls=_context(str(own / AUTHORITY), str(certificate)))
        except (OSError, ssl.SSLError, UnicodeDecodeError) as error:
            raise BrokerError(f"{own}: these credentials cannot be used: {error}") from error


def folder_name(account: str) -> str:
    """The folder of an account: `site-0.cam.3` for `site-0/cam.3`."""
    return account.replace("/", ".")


def open_keyring(tls: bool) -> Keyring:
    """What the environment names: a folder of accounts, or one user for all.

    Raises:
        BrokerError: `FOGFLEET_CREDENTIALS` is no folder.
    """
    named = os.environ.get(FOLDER)
    if not named:
        return SharedKeyring(tls)
    folder = Path(named)
    if not folder.is_dir():
        raise BrokerError(f"{FOLDER}={folder} is no folder; `fogfleet broker init {folder}` writes one")
    return FolderKeyring(tls, folder / NODES if (folder / NODES).is_dir() else folder)


@functools.lru_cache(maxsize=64)
def _cached(authority: str | None, certificate: str | None, _changed_ns: tuple[int, ...]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority)
    if certificate is not None:
        context.load_cert_chain(certificate, str(Path(certificate).with_name(KEY)))
    return context


def _context(authority: str | None, certificate: str | None) -> ssl.SSLContext:
    """One context for one set of files, as long as they do not change."""
    changed = tuple(Path(path).stat().st_mtime_ns for path in (authority, certificate) if path)
    return _cached(authority, certificate, changed)
