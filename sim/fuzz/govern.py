"""What a random fleet does about itself: gateways that stand in for each other, thresholds that move, quotas."""

from __future__ import annotations

from sim.fuzz.bases import Plain
from sim.fuzz.dice import Dice


def governed(plain: Plain, dice: Dice) -> Plain:
    """The scenario with policies and tenants, or with some of them, or none."""
    plain = {**plain, "nodes": {name: dict(node) for name, node in plain["nodes"].items()}}
    policies: Plain = {}
    gateway = plain["nodes"].get("gw")
    if gateway is not None and dice.chance(0.4):
        gateway["count"] = 2
        policies["failover"] = {"kind": dice.one("least-loaded", "nearest"), "after": dice.time(0.02, 2)}
    if "local" in plain.get("exits", {}) and dice.chance(0.2):
        policies["retune"] = _retuned(dice)
    if policies:
        plain["policies"] = policies
    if dice.chance(0.25):
        plain["tenants"] = _tenants(plain, dice)
    return plain


def _retuned(dice: Dice) -> Plain:
    every = {"every": dice.time(0.5, 5)}
    if dice.chance(0.5):
        return {"kind": "byte-budget", "bytes": dice.number(10, 80), **every}
    return {"kind": "accuracy-floor", "accuracy": dice.number(0, 1), **every}


def _tenants(plain: Plain, dice: Dice) -> Plain:
    """One a site; at a single site, one that has the cameras and one that has the gateways."""
    sites = plain.get("sites", 1)
    groups = [name for name, node in plain["nodes"].items() if node["role"] != "cloud"]
    parts = [{"sites": [site]} for site in range(sites)] if sites > 1 else [{"groups": [name]} for name in groups]
    return {f"t{number}": {**part, "quota": _quota(dice)} for number, part in enumerate(parts)}


def _quota(dice: Dice) -> Plain:
    limits = {
        "bytes": int(dice.number(20, 5000)),
        "compute": f"{dice.number(10, 1e7):.0f} ns",
        "storage": int(dice.number(20, 5000)),
    }
    return {name: limit for name, limit in limits.items() if dice.chance(0.5)} | {"per": dice.time(0.3, 5)}
