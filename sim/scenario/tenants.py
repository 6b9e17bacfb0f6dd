"""The `tenants` block: who uses which part of a shared fleet, and how much of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer

from sim.scenario.fleet import Group, section
from sim.scenario.problems import Finding, did_you_mean
from sim.scenario.types import Duration, Name, Part, Period

_AS_TUPLE = (BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value), PlainSerializer(list))
Numbers = Annotated[tuple[Annotated[int, Field(ge=0, lt=100_000)], ...], *_AS_TUPLE]
Names = Annotated[tuple[Name, ...], *_AS_TUPLE]
Bytes = Annotated[int, Field(ge=0, le=10**15)]


class Quota(Part):
    """What a tenant may use; without a number there is no limit."""

    bytes: Bytes | None = None
    """Bytes (payload and header) that its cameras and gateways may publish in each window."""
    compute_s: Duration | None = Field(default=None, alias="compute")
    """Seconds of its gateways' processors and of the cloud's in each window."""
    storage: Bytes | None = None
    """Payload bytes of features and images that the cloud keeps for it, in the whole run."""
    per_s: Period = Field(default=60.0, alias="per")
    """Length of a window."""


class Tenant(Part):
    """One tenant: the named groups of nodes at the numbered sites; all of those where none are named."""

    sites: Numbers | None = None
    """Sites by number, from 0."""
    groups: Names | None = None
    """Groups of cameras and gateways."""
    quota: Quota = Quota()
    """Limits; what goes beyond them is refused and counted."""


def check_tenants(data: dict[str, Any], groups: dict[str, Group]) -> Iterator[Finding]:
    """Every site and group exists, and no node has two tenants."""
    sites = data.get("sites", 1)
    known = [name for name, group in groups.items() if group.role != "cloud"]
    before: list[tuple[str, set[int] | None, set[str] | None]] = []
    for name in section(data, "tenants"):
        tenant = section(data, "tenants", name)
        for index, group in enumerate(_listed(tenant.get("groups"))):
            if isinstance(group, str) and group not in known:
                hint = "; the cloud is everybody's" if group in groups else did_you_mean(group, known)
                yield Finding(("tenants", name, "groups", index), f"no group of cameras or gateways '{group}'{hint}")
        for index, site in enumerate(_listed(tenant.get("sites"))):
            if type(site) is int and type(sites) is int and site >= sites:
                message = f"there are sites 0 to {sites - 1}" if sites > 1 else "there is one site, 0"
                yield Finding(("tenants", name, "sites", index), f"no site {site}; {message}")
        own = (_set(tenant.get("sites")), _set(tenant.get("groups")))
        for other, *theirs in before:
            if all(a is None or b is None or a & b for a, b in zip(own, theirs, strict=True)):
                yield Finding(("tenants", name), f"has nodes that '{other}' has already; each node has one tenant")
        before.append((name, *own))


def _listed(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _set(value: object) -> set[Any] | None:
    return {one for one in value if isinstance(one, int | str)} if isinstance(value, list | tuple) else None
