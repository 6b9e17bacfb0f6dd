"""The headline figures of a run, out of its ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from sim import wire
from sim.ledger.messages import DELIVERED, MessageLog, Tally
from sim.ledger.samples import Sample
from sim.nodes.camera import Camera
from sim.nodes.gateway import Gateway
from sim.nodes.node import Node
from sim.scenario import Policies
from sim.scenario.policies import PROTOCOL
from sim.world.plan import Plan

UPLOADS = ("scores", "features", "raw")
PERCENTILES = (50, 90, 95, 99)


def samples(entries: Sequence[Sample]) -> dict[str, Any]:
    """How many samples were captured and decided, and why the others were not."""
    dropped = Counter(entry.fate.partition(":")[2] for entry in entries if entry.exit is None)
    decided = len(entries) - sum(dropped.values())
    return {
        "samples": {"captured": len(entries), "decided": decided, "dropped": len(entries) - decided},
        "dropped": dict(sorted(dropped.items())),
    }


def accuracy(entries: Sequence[Sample], per_camera: Mapping[str, float | None]) -> dict[str, Any]:
    """Accuracy over all samples (a dropped one counts as wrong), over the decided ones, and per exit and camera."""
    right = [entry.predicted == entry.label for entry in entries]
    decided = [r for r, entry in zip(right, entries, strict=True) if entry.exit]
    by_exit: dict[str, list[bool]] = {}
    for r, entry in zip(right, entries, strict=True):
        if entry.exit:
            by_exit.setdefault(entry.exit, []).append(r)
    labels = Counter(entry.label for entry in entries)
    return {
        "overall": mean(right),
        "decided": mean(decided),
        "per_exit": {
            name: {"accuracy": mean(by_exit[name]), "samples": len(by_exit[name])}
            for name in wire.EXITS
            if name in by_exit
        },
        "per_camera": dict(per_camera),
        "baseline_majority": max(labels.values(), default=0) / max(len(entries), 1),
    }


def energy(rows: Sequence[Mapping[str, Any]], entries: Sequence[Sample]) -> dict[str, Any]:
    """Joules for each decided sample, in all and by role, and the shortest life of a battery; None: cannot be said."""
    decided = sum(entry.exit is not None for entry in entries)
    by_role: dict[str, float] = {}
    for row in rows:
        by_role[row["role"]] = by_role.get(row["role"], 0.0) + row["energy_j"]
    lives = [row["battery_life_s"] for row in rows if row["battery_life_s"] is not None]
    return {
        "per_decision_j": sum(by_role.values()) / decided if decided else None,
        "by_role": {
            role: {"total_j": joules, "per_decision_j": joules / decided if decided else None}
            for role, joules in by_role.items()
        },
        "battery_life_s": min(lives, default=None),
    }


def exits(entries: Sequence[Sample]) -> dict[str, float]:
    """Share of all samples that left at each exit."""
    counts = Counter(entry.exit for entry in entries if entry.exit)
    return {name: counts[name] / len(entries) for name in wire.EXITS if name in counts}


def latency(entries: Sequence[Sample]) -> dict[str, dict[str, float | None]]:
    """Seconds from capture to decision, overall and per exit."""
    times = {"all": [e.decided_s - e.captured_s for e in entries if e.decided_s is not None]}
    for name in wire.EXITS:
        at_exit = [e.decided_s - e.captured_s for e in entries if e.exit == name and e.decided_s is not None]
        if at_exit:
            times[name] = at_exit
    return {name: _percentiles(values) for name, values in times.items()}


def policies(chosen: Policies, entries: Sequence[Sample]) -> dict[str, Any]:
    """Who decided what was sent, and the share of samples without a verdict in time; nothing where nobody did."""
    written: dict[str, Any] = chosen.model_dump()
    found = {sort: policy for sort, policy in written.items() if policy != PROTOCOL[sort]}
    if not found:
        return {}
    deadline_s = getattr(chosen.split, "deadline_s", None)
    if deadline_s is not None:
        found["missed_deadline"] = missed(entries, deadline_s)
    return {"policies": found}


def missed(entries: Sequence[Sample], deadline_s: float) -> float | None:
    """Share of samples that had no verdict within `deadline_s` of their capture."""
    return mean([entry.decided_s is None or entry.decided_s - entry.captured_s > deadline_s for entry in entries])


def _percentiles(values: list[float]) -> dict[str, float | None]:
    names = [f"p{percentile}" for percentile in PERCENTILES]
    if not values:
        return dict.fromkeys(["mean", *names, "max"])
    found = np.percentile(values, PERCENTILES).tolist()
    return {"mean": float(np.mean(values)), **dict(zip(names, found, strict=True)), "max": max(values)}


def traffic(log: MessageLog, plan: Plan, eq1: Mapping[str, Any], raw_bytes: int, due: int) -> dict[str, Any]:
    """Bytes in four columns: in all, per camera and sample, by kind and by link.

    Args:
        log: the closed message log.
        plan: the topology.
        eq1: as `equation_1` gives it.
        raw_bytes: size of one raw image.
        due: samples times cameras.
    """
    groups = {camera.group for camera in plan.cameras}
    uplinks = [link for link in log.links() if link.partition("->")[0] in groups]
    each = [log.tally(link=link, kind=kind) for link in uplinks for kind in UPLOADS]
    sums = {name: sum(getattr(tally, name) for tally in each) for name in Tally._fields}
    per_device = {name: sums[name] / due for name in ("payload", "header", "mqtt", "tcpip", "retransmitted")}
    payload = per_device.pop("payload")
    return {
        "per_device_per_sample": {"payload": payload, "eq1": eq1["bytes"], "raw": raw_bytes, **per_device},
        "reduction_vs_raw": raw_bytes / payload if payload else None,
        "total": {name: value for name, value in log.tally()._asdict().items() if name != "messages"},
        "by_kind": {kind: log.tally(kind=kind)._asdict() for kind in wire.KINDS if log.tally(kind=kind).messages},
        "by_link": {link: _link(log, link) for link in log.links()},
    }


def _link(log: MessageLog, link: str) -> dict[str, int]:
    tally = log.tally(link=link)
    delivered = log.tally(link=link, fate=DELIVERED).messages
    return {**tally._asdict(), "delivered": delivered, "lost": tally.messages - delivered}


def equation_1(
    plan: Plan, nodes: Iterable[Node], *, score_bytes: int, feature_bytes: int, raw_bytes: int, classes: int
) -> dict[str, Any]:
    """Eq. 1 of the paper, c = 4|C| + (1 - l) f o / 8, with the shares l that the exits of this run had.

    With several gateways every camera counts with the share of its own. A camera that sends features unasked has no
    4|C|; one that sends raw images is not in the equation and counts with their size. Reckoned in fractions, so that a
    run without faults equals it to the last bit.
    """
    judged, left = Counter[str](), Counter[str]()
    for node in nodes:
        if isinstance(node, Gateway):
            judged[node.name] += node.judged
            left[node.name] += node.left
        elif isinstance(node, Camera):
            judged[node.name] += node.captured
            left[node.name] += node.left
    share = {name: Fraction(left[name], count) for name, count in judged.items() if count}
    expected = []
    for camera in plan.cameras:
        stays, forwarded = 1 - share.get(camera.name, Fraction()), 1 - share.get(camera.uplink or "", Fraction())
        expected.append(
            {
                "raw": Fraction(raw_bytes),
                "features": stays * feature_bytes,
                "scores": stays * (score_bytes + forwarded * feature_bytes),
            }[plan.sends(camera)]
        )
    filters = plan.scenario.model.device.filters
    return {
        "classes": classes,
        "filters": filters,
        "output_bits": feature_bytes * 8 // filters,
        "local_share": mean([float(share[gateway.name]) for gateway in plan.gateways if gateway.name in share]),
        "bytes": float(sum(expected, Fraction()) / len(expected)),
    }


def losses(log: MessageLog) -> dict[str, int]:
    """Messages lost, by reason."""
    return {fate.partition(":")[2]: log.tally(fate=fate).messages for fate in log.fates() if fate != DELIVERED}


def mean(values: Sequence[float | bool]) -> float | None:
    """The mean, None of nothing."""
    return float(np.mean(values)) if len(values) else None
