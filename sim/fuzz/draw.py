"""Draws scenarios and fault schedules: everything that can be written in `faults:`, by one seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from sim.faults.base import BrokerFault, FaultKind, LinkFault, MessageFault, ModelFault, SensorFault
from sim.fuzz.bases import BASES, Plain
from sim.fuzz.dice import Dice
from sim.fuzz.govern import governed
from sim.rng import generator
from sim.scenario import Scenario

MOST_FAULTS: Final = 6


FIELDS: Final[Mapping[str, Callable[[Dice], Plain]]] = {
    "blackout": lambda d: {"level": d.one(0, 0, 128, 255)},
    "noise": lambda d: {"sigma": d.number(0, 200), "salt": d.number(0, 1)},
    "blur": lambda d: {"radius": d.one(1, 3, 40), "motion": d.chance(0.5)},
    "exposure": lambda d: {"gain": d.number(0, 5)},
    "dead-pixels": lambda d: {"share": d.number(0, 1), "lines": d.one(0, 1, 100)},
    "occlusion": lambda d: {"form": d.one("rain", "dirt"), "share": d.number(0, 1)},
    "channel-swap": lambda d: {"order": d.rng.integers(0, 3, 3).tolist()},
    "crash": lambda d: {"memory": d.one("lost", "kept")},
    "intermittent": lambda d: {"up": d.time(0.3, 5), "down": d.time(0.05, 3)},
    "slow-compute": lambda d: {"factor": d.number(0.1, 1e5)},
    "battery": lambda d: {"capacity_j": d.number(0.1, 100), "check": d.time(0.1, 2)},
    "clock-error": lambda d: {
        "offset": d.time(0.001, 3),
        "ahead": d.chance(0.5),
        "drift_ppm": d.one(0.0, 1000.0, -1000.0, 2e5),
    },
    "weight-bits": lambda d: {"rate": d.one(0.0, 0.01, 0.5)},
    "feature-bits": lambda d: {"rate": d.number(0, 1)},
    "stale-model": lambda d: {"epochs": 1},
    "byzantine": lambda d: {"mode": d.one("random", "flipped", "colluding"), "strength": d.number(0.1, 1e4)},
    "duplicate": lambda d: {"copies": d.one(1, 2, 5), "spacing": d.time(0.001, 2)},
    "delay": lambda d: {"by": d.time(0.001, 3), "spread": d.time(0.001, 1)},
    "reorder": lambda d: {"within": d.time(0.01, 3)},
    "corrupt": lambda d: {"bits": d.one(1, 3, 1000)},
    "truncate": lambda d: {"keep": d.number(0, 0.999)},
    "replay": lambda d: {"back": d.one(1, 2, 5)},
    "loss": lambda d: {"rate": d.number(0, 1)},
    "bandwidth": lambda d: {"to": f"{d.number(500, 1e7):.0f} bit/s"},
    "bandwidth-trace": lambda d: {
        "steps": [{"to": f"{d.number(2000, 1e6):.0f} bit/s", "for": d.time(0.05, 3)} for _ in range(d.one(1, 2, 4))]
    },
    "latency": lambda d: {"add": d.time(0.001, 2), "jitter": d.time(0.001, 0.5)},
    "partition": lambda d: {"ways": d.one("one", "both")},
    "queue-limit": lambda d: {"messages": d.one(1, 2, 10)},
    "overload": lambda d: {"load": d.number(0, 0.999), "patience": d.time(0.001, 1)},
    "cold-start": lambda d: {"idle": d.time(0.01, 3), "start": d.time(0.01, 3)},
    "spoof": lambda d: {"first": d.chance(0.5)},
    "flood": lambda d: {"rate": d.number(0.5, 60), "size": d.one(0, 10, 24, 500)},
    "malformed-packets": lambda d: {"rate": d.number(0.5, 60)},
    "oversized-packets": lambda d: {"rate": d.number(0.5, 5)},
}
"""Fields of the kinds that have any, within the ranges that make sense on a small fleet."""


class Artist:
    """Draws schedules for scenarios.

    Args:
        kinds: what to draw from.
        base: the user's scenario; without it one of the small fleets is drawn too.
        kills: half of the schedules also kill the broker every three seconds.
    """

    def __init__(self, kinds: Mapping[str, type[FaultKind]], base: Plain | None = None, *, kills: bool = False) -> None:
        self._kinds = dict(kinds)
        self._base = base
        self._kills = kills

    def scenario(self, seed: int) -> Plain:
        """The scenario of a seed, as plain data."""
        dice = Dice(generator(seed, "fuzz"))
        if self._base is None:
            plain = self._vary(dict(dice.one(*BASES)), dice)
            plain = governed(plain, Dice(generator(seed, "fuzz", "governance")))
        else:
            plain = dict(self._base)
            if not (training := plain["model"]["training"]).get("seed"):
                training["seed"] = plain["seed"]  # the network stays the same for all seeds
        plain.pop("sweep", None)
        plain.pop("expect", None)
        plain["seed"] = seed
        faults: list[Plain] = []
        for _ in range(int(dice.rng.integers(1, MOST_FAULTS + 1))):
            faults.append(self._fault(plain, faults, dice))  # later ones follow earlier ones
        if self._kills and dice.chance(0.5):
            kill = {"id": "kill", "kind": "broker-kill", "target": "broker"}
            length = dice.time(0.01, 2)
            faults.append({**kill, "at": dice.time(0.001, 10), "for": length, "every": "3 s"})
        plain["faults"] = faults
        return plain

    def _vary(self, plain: Plain, dice: Dice) -> Plain:
        qos = dice.one(0, 1, 1, 2)
        plain["mqtt"] = {
            "qos": qos,
            "durable": qos == 1 and dice.chance(0.3),
            "retry": dice.time(0.02, 0.5),
            "patience": "30 s",
        }
        plain["links"] = {
            name: {**link, "loss": dice.one(0, 0, 0.05, 0.3), "jitter": dice.one("0 ms", "3 ms", "80 ms")}
            for name, link in plain["links"].items()
        }
        return plain

    def _fault(self, plain: Plain, before: list[Plain], dice: Dice) -> Plain:
        name = dice.one(*self._kinds)
        kind = self._kinds[name]
        fault: Plain = {"id": f"f{len(before) + 1}", "kind": name, "target": self._target(kind, plain, dice)}
        fault.update(FIELDS[name](dice) if name in FIELDS else {})
        fault.update(self._schedule(plain, before, dice))
        if dice.chance(0.3):
            fault["probability"] = dice.one(0.0, 0.05, 0.3, 0.9, 1.0)
        return fault

    def _target(self, kind: type[FaultKind], plain: Plain, dice: Dice) -> str:
        groups = {name: (node["role"], node.get("count")) for name, node in plain["nodes"].items()}
        roles = getattr(kind, "roles", ("camera", "gateway", "cloud"))
        if issubclass(kind, SensorFault) or (issubclass(kind, ModelFault) and dice.chance(0.5)):
            roles = ("camera",)
        if issubclass(kind, BrokerFault) and dice.chance(0.6):
            return "broker"
        links = list(plain["links"]) + ["->".join(reversed(name.split("->"))) for name in plain["links"]]
        if issubclass(kind, LinkFault) or (issubclass(kind, MessageFault) and dice.chance(0.5)):
            return str(dice.one(*links))
        return str(dice.one(*[name for group, (role, count) in groups.items() if role in roles
                              for name in _names(group, role, count)]))  # fmt: skip

    def _schedule(self, plain: Plain, before: list[Plain], dice: Dice) -> Plain:
        horizon_s = float(plain["samples"]) if isinstance(plain["samples"], int) else 100.0
        at, length = dice.time(0.001, horizon_s), dice.time(0.01, horizon_s / 3)
        way = dice.one("window", "window", "window", "open", "always", "every", "mtbf", "bursts", "after", "when")
        if way == "after" and before:
            lag = {"lag": dice.time(0.01, 2)} if dice.chance(0.5) else {}
            return {"after": dice.one(*before)["id"], **lag, **({"for": length} if dice.chance(0.5) else {})}
        if way == "when":
            link = dice.one({"target": "*", "waiting": 1}, {"target": "cloud", "backlog": "1 ms"})
            return {"when": link}
        schedule: Plain = {
            "open": {"at": at},
            "always": {},
            "every": {"every": f"{float(length.split()[0]) * dice.number(1, 3):.0f} ms", "for": length},
            "mtbf": {
                "mtbf": dice.time(0.1, horizon_s),
                "mttr": dice.time(0.01, 3),
                "shape": dice.one(1.0, 0.5, 3.0),
                **({"at": at, "for": length} if dice.chance(0.7) else {}),
            },
            "bursts": {"bursts": {"good": dice.time(0.1, 4), "bad": dice.time(0.05, 2)}},
        }.get(way, {"at": at, "for": length})
        return {**schedule, "together": True} if dice.chance(0.2) else schedule


def _names(group: str, role: str, count: int | None) -> list[str]:
    """Ways to name nodes of a group."""
    if role == "camera":
        some = [f"{group}.0", f"{group}.1", f"site-0/{group}.1", f"{group}.*"] if count and count > 1 else []
        return [group, *some, *some, "best-camera"]
    return [group, f"{group}.0"] if count else [group]


def plain(scenario: Scenario) -> Plain:
    """A user's scenario as plain data."""
    return scenario.to_json()
