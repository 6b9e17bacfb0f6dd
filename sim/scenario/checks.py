"""What no single field can say: whether fleet, exits, network, data, faults and expectations fit together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.scenario.expectations import summary_key_problem
from sim.scenario.fleet import Group, check_fleet, groups_of, policy_of, section
from sim.scenario.problems import Finding, did_you_mean
from sim.scenario.targets import ARROW, BEST_CAMERA, BROKER, any_matches
from sim.scenario.tenants import check_tenants
from sim.units import shown

MVMC_VIEWS = 6


def check(data: dict[str, Any]) -> list[Finding]:
    """All findings about how the parts of a scenario fit together."""
    groups = groups_of(data)
    return [
        *check_fleet(data, groups),
        *_exits(data, groups),
        *_policies(data, groups),
        *check_tenants(data, groups),
        *_data(data, groups),
        *_down(data, groups),
        *_targets(data, groups),
        *_sweep(data, groups),
        *_expectations(data),
    ]


def _exits(data: dict[str, Any], groups: dict[str, Group]) -> Iterator[Finding]:
    exits = {name: value for name, value in section(data, "exits").items() if value is not None}
    gateways = any(group.role == "gateway" for group in groups.values())
    edge = section(data, "model").get("edge") is not None
    for name in ("local", "edge"):
        if name in exits and not gateways and groups:
            yield Finding(
                ("exits", name), f"a {name} exit is on a gateway and there is none; add one or remove the exit"
            )
    if "edge" in exits and not edge:
        message = "an edge exit needs an edge section; add 'edge: {filters: 8}' to 'model', or remove the exit"
        yield Finding(("exits", "edge"), message)
    if edge and not gateways and groups:
        yield Finding(
            ("model", "edge"), "an edge section runs on a gateway and there is none; add one or remove it", key=True
        )
    if exits or edge:
        what = f"the exits ({', '.join(exits)})" if exits else "'edge' from 'model'"
        for group in groups.values():
            if group.role == "camera" and section(data, "nodes", group.name).get("send") == "raw":
                message = f"raw images are classified in the cloud alone; remove {what}, or 'send: raw'"
                yield Finding(("nodes", group.name, "send"), message)


def _policies(data: dict[str, Any], groups: dict[str, Group]) -> Iterator[Finding]:
    """Who could take over, and what could be moved."""
    gateways = sum(group.size for group in groups.values() if group.role == "gateway")
    if policy_of(data, "failover") and groups and gateways < 2:
        message = "a site needs two gateways for one to take over from the other; set the 'count' of a gateway to 2"
        yield Finding(("policies", "failover"), message)
    if policy_of(data, "retune") and section(data, "exits").get("local") is None:
        message = "there is no local exit whose threshold could be moved; add e.g. 'exits: {local: 0.8}'"
        yield Finding(("policies", "retune"), message)


def _data(data: dict[str, Any], groups: dict[str, Group]) -> Iterator[Finding]:
    source = section(data, "data")
    cameras = sum(group.size for group in groups.values() if group.role == "camera")
    views = _views(source)
    if cameras and views and source.get("kind") == "mvmc" and cameras > views:
        yield Finding(("data",), f"has {views} views for {cameras} cameras; lower the count of cameras to {views}")
    elif cameras and views and source.get("kind") != "mvmc" and cameras != views:
        key = "grid" if source.get("kind") == "partition" else "cameras"
        at = ("data", key) if key in source else ("data",)
        yield Finding(at, f"makes {views} views for {cameras} cameras; write as many as there are cameras")
    test, samples = _number(source.get("test", 171)), _number(data.get("samples"))
    generated = source.get("kind") == "multiview" or "data" not in data
    if generated and test and samples and samples > test:
        message = f"{samples} samples of {test} test samples; write 'samples: all', or 'test: {samples}' in 'data'"
        yield Finding(("samples",), message)


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _views(source: dict[str, Any]) -> int:
    """How many views the data have, as far as the scenario says; 0 if it does not."""
    match source.get("kind"):
        case "mvmc":
            return MVMC_VIEWS
        case "multiview":
            return _number(source.get("cameras"))
        case "partition":
            rows, _, columns = str(source.get("grid", "2x3")).partition("x")
            small = all(part.isascii() and part.isdigit() and len(part) < 3 for part in (rows, columns))
            return int(rows) * int(columns) if small else 0
    return 0


def _down(data: dict[str, Any], groups: dict[str, Group]) -> Iterator[Finding]:
    """Every node that is down exists."""
    listed = data.get("down")
    for index, name in enumerate(listed if isinstance(listed, list | tuple) else []):
        if isinstance(name, str) and (wrong := _no_such_node(name, groups)):
            yield Finding(("down", index), wrong)


def _no_such_node(name: str, groups: dict[str, Group]) -> str:
    group, _, member = name.partition(".")
    known = groups.get(group)
    if known is None:
        return f"no node {shown(name)}{did_you_mean(group, groups)}"
    if known.single and not member:
        return ""
    if member.isdigit() and len(member) < 5 and int(member) < known.size and not known.single:
        return ""
    return f"no node {shown(name)}; write {known.name if known.single else f'{group}.0 to {group}.{known.size - 1}'}"


def _targets(data: dict[str, Any], groups: dict[str, Group]) -> Iterator[Finding]:
    entries = data.get("faults")
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        target = entry.get("target") if isinstance(entry, dict) else None
        if isinstance(target, str) and (wrong := _wrong_target(target, data, groups)):
            yield Finding(("faults", index, "target"), wrong)


def _wrong_target(target: str, data: dict[str, Any], groups: dict[str, Group]) -> str:
    """What is wrong with the first term of a target that names nothing."""
    wrong = (_wrong_term(text.strip().partition("/")[2] or text.strip(), data, groups) for text in target.split(","))
    return next(filter(None, wrong), "")


def _wrong_term(target: str, data: dict[str, Any], groups: dict[str, Group]) -> str:
    names = section(data, "nodes")
    if target in (BROKER, BEST_CAMERA, "*", "camera", "gateway") or target in names:
        return ""
    members = [(name, group.name, group.role) for group in groups.values() for name in _members(group)]
    ends = [end.strip() for end in target.split(ARROW)]
    if any(sign in target for sign in "*?[") and all(any_matches(end, members) for end in ends):
        return ""
    if "->" in target:
        hops = [f"{g.name}->{g.uplink}" for g in groups.values() if g.uplink]
        hops += [f"{g.uplink}->{g.name}" for g in groups.values() if g.uplink]
        plain = "->".join(end.split(".")[0] for end in target.split("->"))
        return "" if plain in hops else f"no link {shown(target)}{did_you_mean(target, hops)}"
    group, dot, index = target.partition(".")
    if dot and group in groups:
        count = 0 if groups[group].single else groups[group].size
        if index.isascii() and index.isdigit() and len(index) < 5 and int(index) < count:
            return ""
        last = f"'{group}.0' to '{group}.{count - 1}'" if count else f"'{group}'"
        return f"no node {shown(target)}; write {last}"
    return f"no node or link {shown(target)}{did_you_mean(target, [*names, 'broker'])}"


def _members(group: Group) -> list[str]:
    return [group.name] if group.single else [f"{group.name}.{index}" for index in range(group.size)]


def _sweep(data: dict[str, Any], groups: dict[str, Group]) -> Iterator[Finding]:
    of = section(data, "sweep", "combinations").get("of")
    if isinstance(of, str) and of not in section(data, "nodes"):
        path = ("sweep", "combinations", "of")
        yield Finding(path, f"no group {shown(of)}{did_you_mean(of, section(data, 'nodes'))}")
    elif isinstance(of, str) and of in groups:
        yield from _too_many_down(section(data, "sweep", "combinations").get("down"), groups[of])


def _too_many_down(down: object, group: Group) -> Iterator[Finding]:
    most = max((_number(n) for n in down), default=0) if isinstance(down, list) else 0
    if isinstance(down, str):
        last = down.partition("..")[2]
        most = int(last) if last.isascii() and last.isdigit() and len(last) < 10 else 0
    if most > group.size:
        path = ("sweep", "combinations", "down")
        yield Finding(path, f"{most} of {group.size} nodes of '{group.name}' cannot be down; write 0..{group.size}")


def _expectations(data: dict[str, Any]) -> Iterator[Finding]:
    for name in section(data, "expect"):
        if wrong := summary_key_problem(name):
            yield Finding(("expect", name), wrong, key=True)
