"""Whether nodes and links make a fleet: one cloud, every camera reaching it, a link for every hop, known hardware.

The checks read plain data and skip what is not there or of the wrong type, which is reported elsewhere; so a scenario
with a wrong bandwidth still hears about its unknown uplink.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sim.profiles import PROFILES, RADIOS
from sim.scenario.problems import Finding, did_you_mean
from sim.units import shown


class Group(NamedTuple):
    """What the checks need of an entry of `nodes`."""

    name: str
    role: str
    size: int
    single: bool
    uplink: str | None


def section(data: Any, *path: str) -> dict[str, Any]:
    """The mapping at a path, empty where there is none."""
    for part in path:
        data = data.get(part) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def policy_of(data: dict[str, Any], sort: str) -> bool:
    """Whether the scenario names a policy of this sort."""
    policy = section(data, "policies").get(sort)
    return (policy.get("kind") if isinstance(policy, dict) else policy) not in (None, "none")


def groups_of(data: dict[str, Any]) -> dict[str, Group]:
    """All entries of `nodes` whose role is known."""
    found = {}
    for name, node in section(data, "nodes").items():
        role = node.get("role") if isinstance(node, dict) else None
        if role not in ("camera", "gateway", "cloud"):
            continue
        count, uplink = node.get("count"), node.get("uplink")
        size = count if isinstance(count, int) and 1 <= count <= 4096 else 1
        found[name] = Group(name, role, size, count is None, uplink if isinstance(uplink, str) else None)
    return found


def check_fleet(data: dict[str, Any], groups: dict[str, Group]) -> list[Finding]:
    """All findings about nodes and links."""
    findings = [*_roles(data, groups), *_uplinks(data, groups), *_hardware(data)]
    if len(groups) == len(section(data, "nodes")) and all(
        g.uplink in groups or g.role == "cloud" for g in groups.values()
    ):
        # Only in a fleet without loose ends; else one typing error would be told three times.
        findings += [*_children(groups), *_links(groups, section(data, "links"), policy_of(data, "failover"))]
    return findings


def _roles(data: dict[str, Any], groups: dict[str, Group]) -> Iterator[Finding]:
    nodes = section(data, "nodes")
    if not nodes or len(nodes) != len(groups):
        return
    clouds = [group.name for group in groups.values() if group.role == "cloud"]
    for name in clouds[1:]:
        yield Finding(("nodes", name), f"a second cloud beside '{clouds[0]}'; keep one, or make it a gateway", key=True)
    if not clouds:
        yield Finding(("nodes",), "there is no cloud; add 'cloud: {role: cloud}'", key=True)
    if not any(group.role == "camera" for group in groups.values()):
        yield Finding(("nodes",), "there is no camera; add 'cam: {role: camera, uplink: …}'", key=True)


def _uplinks(data: dict[str, Any], groups: dict[str, Group]) -> Iterator[Finding]:
    names = section(data, "nodes")
    for group in groups.values():
        if group.uplink is None or group.role == "cloud":
            continue
        path = ("nodes", group.name, "uplink")
        above = groups.get(group.uplink)
        if group.uplink not in names:
            yield Finding(path, f"no node {shown(group.uplink)}{did_you_mean(group.uplink, _others(names, group))}")
        elif circle := _circle(group, groups):
            yield Finding(path, f"a cycle ({' -> '.join(circle)}); send a gateway's uplink to the cloud")
        elif above is not None and above.role == "camera":
            yield Finding(path, f"'{above.name}' is a camera; an uplink is a gateway or the cloud")
        elif above is not None and group.role == above.role == "gateway":
            yield Finding(path, f"'{above.name}' is a gateway too; a gateway's uplink is the cloud")
    yield from _mixed(groups)


def _others(names: dict[str, Any], group: Group) -> list[str]:
    return [name for name in names if name != group.name]


def _circle(start: Group, groups: dict[str, Group]) -> list[str]:
    """The way along uplinks from `start` back to it, empty if it does not come back."""
    way = [start.name]
    here = groups.get(start.uplink or "")
    while here is not None and len(way) <= len(groups):
        way.append(here.name)
        if here.name == start.name:
            return way
        here = groups.get(here.uplink or "")
    return []


def _mixed(groups: dict[str, Group]) -> Iterator[Finding]:
    """The exits of a sample need all cameras of a site at the same level."""
    above = {g.name: groups[g.uplink].role for g in groups.values() if g.role == "camera" and g.uplink in groups}
    if {"gateway", "cloud"} <= set(above.values()):
        direct = next(name for name, role in above.items() if role == "cloud")
        message = "goes to the cloud while other cameras go to a gateway; send all to gateways or all to the cloud"
        yield Finding(("nodes", direct, "uplink"), message)


def _children(groups: dict[str, Group]) -> Iterator[Finding]:
    for gateway in groups.values():
        if gateway.role != "gateway":
            continue
        cameras = [g.size for g in groups.values() if g.role == "camera" and g.uplink == gateway.name]
        served = {i * gateway.size // count for count in cameras for i in range(count)}
        if not cameras:
            yield Finding(
                ("nodes", gateway.name), "a gateway without cameras; give one this uplink, or remove it", key=True
            )
        elif len(served) < gateway.size:
            message = (
                f"{gateway.size} gateways for {sum(cameras)} cameras: some have none; write at most {max(cameras)}"
            )
            yield Finding(("nodes", gateway.name, "count"), message)


_DETOUR = ("camera", "gateway")


def _links(groups: dict[str, Group], links: dict[str, Any], moves: bool) -> Iterator[Finding]:
    """Every hop has a link, and every link a hop; where cameras may move, one to another gateway too."""
    hops = [(group.name, group.uplink) for group in groups.values() if group.uplink in groups and group.role != "cloud"]
    known = [f"{a}->{b}" for a, b in hops]
    detours = {(a.name, b.name) for a in groups.values() for b in groups.values() if (a.role, b.role) == _DETOUR}
    for link in links:
        ends = link.split("->")
        if len(ends) != 2 or any(end.strip() != end for end in ends):
            continue
        unknown = [end for end in ends if end not in groups]
        if unknown:
            yield Finding(("links", link), f"no node {shown(unknown[0])}{did_you_mean(unknown[0], groups)}", key=True)
        elif not {(ends[0], ends[1]), (ends[1], ends[0])} & {*hops, *(detours if moves else ())}:
            hint = did_you_mean(link, known)
            yield Finding(("links", link), f"joins no node to its uplink, so nothing would use it{hint}", key=True)
    for a, b in hops:
        if a != b and not {f"{a}->{b}", f"{b}->{a}"} & set(links):
            yield Finding(("links",), f"no link '{a}->{b}'; add '{a}->{b}: {{bandwidth: 1 Mbit/s}}'", key=True)


def _hardware(data: dict[str, Any]) -> Iterator[Finding]:
    profiles, radios = [*section(data, "profiles"), *PROFILES], [*section(data, "radios"), *RADIOS]
    for name in section(data, "nodes"):
        node = section(data, "nodes", name)
        for key, known in (("profile", profiles), ("radio", radios)):
            value = node.get(key)
            if isinstance(value, str) and value not in known:
                yield Finding(("nodes", name, key), f"no {key} {shown(value)}{did_you_mean(value, known)}")
