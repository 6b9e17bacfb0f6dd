"""A private certificate authority for one fleet: it vouches for the broker and, if wanted, for every node."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from brokers.api import BrokerError

_LEEWAY = timedelta(minutes=5)  # clocks in the field differ


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


class Authority:
    """Issues certificates on the curve P-256 that hold for `days` from `begins` (now).

    Its own key exists in memory only unless somebody keeps `own.key`: without it nobody, and so no thief either, can
    make further certificates; renewing means a new authority.
    """

    def __init__(self, days: int, begins: datetime | None = None) -> None:
        self._begins = (begins or datetime.now(UTC)) - _LEEWAY
        self._ends = self._begins + timedelta(days=days) + _LEEWAY
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("FogFleet authority")
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = self._builder(self._name, self._key).add_extension(usage, critical=True)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self._certificate = builder.sign(self._key, hashes.SHA256())
        self.own = _pem(self._certificate, self._key)

    def server(self, hosts: Sequence[str]) -> Certified:
        """For a broker that clients reach under these host names and IP addresses."""
        names = x509.SubjectAlternativeName([_host(host) for host in hosts])
        return self._issue(hosts[0], ExtendedKeyUsageOID.SERVER_AUTH, names)

    def client(self, account: str, ends: datetime | None = None) -> Certified:
        """For a node, at most until `ends`; the broker takes the common name for its user name."""
        return self._issue(account, ExtendedKeyUsageOID.CLIENT_AUTH, ends=ends)

    def _issue(
        self,
        name: str,
        purpose: x509.ObjectIdentifier,
        names: x509.SubjectAlternativeName | None = None,
        ends: datetime | None = None,
    ) -> Certified:
        key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
        builder = self._builder(_name(name), key, ends).add_extension(usage, critical=True)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        return _pem(builder.sign(self._key, hashes.SHA256()), key)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, ends: datetime | None = None
    ) -> x509.CertificateBuilder:
        public = key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._begins)
            .not_valid_after(min(ends or self._ends, self._ends))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )


def ends(path: Path) -> datetime:
    """When the certificate in a PEM file expires.

    Raises:
        OSError: it cannot be read.
        ValueError: there is no certificate in it.
    """
    return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc


def _name(common: str) -> x509.Name:
    try:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    except ValueError as error:
        raise BrokerError(f"{common!r} cannot be the name on a certificate (1 to 64 characters): {error}") from error


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError as error:
        raise BrokerError(f"{host!r} is no host name: {error}") from error


def _pem(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Certified:
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return Certified(certificate.public_bytes(serialization.Encoding.PEM), private)
