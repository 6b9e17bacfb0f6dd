"""A hardened Mosquitto: its configuration, who may enter and who may do what, for 2.0 and for 2.1 and later."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final, Literal

from brokers import credentials, mosquitto
from brokers.api import BrokerError
from brokers.authority import Authority

Auth = Literal["password", "certificate"]
Files = dict[str, bytes]

PLUGINS: Final = PurePosixPath("/usr/lib")
"""Where the image `eclipse-mosquitto` has them, from 2.1 on."""
_BROKER, _AT = "broker", PurePosixPath("/mosquitto/config")
_ROUNDS = (
    10_000  # the passwords are 256 random bits, so that guessing is hopeless anyway; a login takes the broker 5 ms
)
_SALT_BYTES, _PASSWORD_BYTES = 12, 32
_SPARE_CLIENTS = 16
_QUEUED_PER_CLIENT = 1000
_MIB = 1 << 20
_HEADER = "# written by `fogfleet broker init`: who may publish and receive what; anything else is denied\n"
_PATTERN = """\
# %u is the user name, site and node: site-0/cam.3. From 2.1 on Mosquitto denies patterns to names with a slash. Then
# the accounts' own `topic write`, which say the same once more, are what counts: an upgrade silences nobody.
pattern write {}
"""
_LONGEST_NAME = 64  # that of a certificate's common name
_USERNAME = re.compile(r"(?!\.)[^\s:/+#%]+(/[^\s:/+#%]+)?")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the broker, e.g. `site-0/cam.3`, and the topic filters that it may publish on and receive."""

    name: str
    writes: tuple[str, ...]
    reads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """What kind of hardened broker.

    Attributes:
        version: of Mosquitto, e.g. `2.0` or `2.1.2`; from 2.1 on passwords and access lists are plug-ins.
        auth: how nodes prove who they are.
        tls: the connections are encrypted.
        hosts: names and addresses under which clients reach the broker; the first one also names the certificate.
        port: of its one listener.
        at: the folder in which the broker will find its files.
        user: which Mosquitto runs as, if it is started as root.
        plugins: folder of Mosquitto's plug-ins, for 2.1 and later.
        max_packet_bytes: larger packets are refused.
        memory_bytes: of the broker's heap.
        days: how long the certificates hold.
    """

    version: str = "2.0"
    auth: Auth = "password"
    tls: bool = True
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "::1")
    port: int = 8883
    at: PurePosixPath = _AT
    user: str | None = None
    plugins: PurePosixPath = PLUGINS
    max_packet_bytes: int = _MIB
    memory_bytes: int = 256 * _MIB
    days: int = 365
    authority: Authority | None = field(default=None, repr=False)

    @property
    def by_plugin(self) -> bool:
        """Whether this Mosquitto has passwords and access lists in plug-ins."""
        return mosquitto.numbers(self.version) >= (2, 1)


def files(profile: Profile, accounts: Sequence[Account], pattern: str = "") -> Files:
    """Path and content of every file: `broker/…` for the broker, `nodes/<folder of the account>/…` for each node.

    Args:
        profile: what kind of broker.
        accounts: who may enter.
        pattern: a topic filter in which `%u` is the user name, on which each account may publish; for Mosquitto 2.0.

    Raises:
        BrokerError: the names of accounts are not fit for it, or passwords and TLS do not fit together.
    """
    _check(profile, accounts)
    made = {f"{_BROKER}/mosquitto.conf": _configuration(profile, len(accounts)).encode()}
    made[f"{_BROKER}/acl"] = access_list(accounts, "" if profile.by_plugin else pattern).encode()
    authority = (profile.authority or Authority(profile.days)) if profile.tls else None
    if authority is not None:
        server = authority.server(profile.hosts)
        made |= {f"{_BROKER}/{credentials.AUTHORITY}": authority.own.certificate}
        made |= {f"{_BROKER}/server.crt": server.certificate, f"{_BROKER}/server.key": server.key}
    lines = []
    for account in accounts:
        own = f"{credentials.NODES}/{credentials.folder_name(account.name)}"
        if authority is not None:
            made[f"{own}/{credentials.AUTHORITY}"] = authority.own.certificate
        if profile.auth == "certificate" and authority is not None:
            node = authority.client(account.name)
            made |= {f"{own}/{credentials.CERTIFICATE}": node.certificate, f"{own}/{credentials.KEY}": node.key}
        else:
            password = secrets.token_urlsafe(_PASSWORD_BYTES)
            made[f"{own}/{credentials.PASSWORD}"] = f"{password}\n".encode()
            lines.append(f"{account.name}:{hashed(password)}\n")
    if lines:
        made[f"{_BROKER}/passwords"] = "".join(lines).encode()
    return made


def hashed(password: str) -> str:
    """A password as Mosquitto 2 keeps it: PBKDF2 with SHA-512, `$7$rounds$salt$hash` in base 64."""
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)
    return f"$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def access_list(accounts: Sequence[Account], pattern: str = "") -> str:
    """Mosquitto's access control list: the pattern, if any, and every account; what is not in it is denied."""
    blocks = [_HEADER, *((_PATTERN.format(pattern),) if pattern else ())]
    for account in accounts:
        rights = [
            *(f"topic write {topic}" for topic in account.writes),
            *(f"topic read {topic}" for topic in account.reads),
        ]
        blocks.append("\n".join((f"user {account.name}", *rights, "topic read $SYS/broker/version\n")))
    return "\n".join(blocks)


def _check(profile: Profile, accounts: Sequence[Account]) -> None:
    names = [account.name for account in accounts]
    folders = [credentials.folder_name(name) for name in names]
    twice = [folder for folder, count in Counter(folders).items() if count > 1]
    if twice:
        raise BrokerError(f"two nodes would share the account {min(twice)!r}; rename one of them")
    bad = [name for name in names if len(name) > _LONGEST_NAME or not _USERNAME.fullmatch(name)]
    if bad:
        raise BrokerError(
            f"{bad[0]!r} is no account for a broker: 1 to {_LONGEST_NAME} characters, none of them a space or :+#%, "
            "the first no dot, at most one slash within"
        )
    if profile.auth == "certificate" and not profile.tls:
        raise BrokerError("client certificates need TLS; leave out --no-tls, or use --auth password")
    if not profile.hosts:
        raise BrokerError("name at least one host under which clients reach the broker")
    if any(character.isspace() for character in str(profile.at)):
        raise BrokerError(f"{str(profile.at)!r}: Mosquitto's configuration takes no path with spaces; use --at")


def _configuration(profile: Profile, clients: int) -> str:
    lines = [
        f"# written by `fogfleet broker init` for Mosquitto {profile.version}",
        *((f"user {profile.user}",) if profile.user else ()),
        "persistence false",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "allow_zero_length_clientid false",
        *_who(profile),
        "# limits",
        f"max_packet_size {profile.max_packet_bytes}",
        f"memory_limit {profile.memory_bytes}",
        f"max_queued_messages {_QUEUED_PER_CLIENT * (clients + _SPARE_CLIENTS)}",
        f"max_queued_bytes {profile.memory_bytes // 4}",
        # all the identifiers there are: a smaller window is announced to clients, and costs a third of the speed
        "max_inflight_messages 65535",
        f"max_inflight_bytes {profile.memory_bytes // 4}",
        "persistent_client_expiration 1d",
        "# the one door",
        f"listener {profile.port}",
        f"max_connections {2 * clients + _SPARE_CLIENTS}",
        "set_tcp_nodelay true",
    ]
    if profile.by_plugin:
        lines.append("listener_allow_anonymous false")
    if profile.tls:
        lines += [f"certfile {profile.at}/server.crt", f"keyfile {profile.at}/server.key", "tls_version tlsv1.2"]
    if profile.auth == "certificate":
        lines += [f"cafile {profile.at}/{credentials.AUTHORITY}", "require_certificate true"]
        lines.append("use_identity_as_username true")
    return "\n".join(lines) + "\n"


def _who(profile: Profile) -> list[str]:
    passwords, acl = f"{profile.at}/passwords", f"{profile.at}/acl"
    by_password = profile.auth == "password"
    if not profile.by_plugin:
        lines = ["allow_anonymous false", *((f"password_file {passwords}",) if by_password else ())]
        return [*lines, f"acl_file {acl}"]
    lines = []
    if by_password:
        lines = [f"global_plugin {profile.plugins}/mosquitto_password_file.so", f"plugin_opt_password_file {passwords}"]
    return [*lines, f"global_plugin {profile.plugins}/mosquitto_acl_file.so", f"plugin_opt_acl_file {acl}"]
