"""Fig. 8 and Fig. 10: cameras added from worst to best, and one camera failed; retrained, or as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from sim.reproduce import published
from sim.reproduce.lab import Lab, Policy
from sim.reproduce.tables import Readings, Result, Row, column, mean, percent, points, readings, told

EXITS: Final = ("local", "cloud", "overall")
POLICIES: Final[Mapping[Policy, str]] = {
    "retrain": "retrained without it",
    "mask": "masked out, not retrained",
    "zero": "as a black image, not retrained",
}
"""What is done about a camera that failed, in the words of the figures."""


def policy_of(lab: Lab) -> Policy:
    """What happens to missing cameras where nothing is retrained; the published recipe knows no masks."""
    return "mask" if lab.masks else "zero"


def fig8(lab: Lab) -> Result:
    """One camera, two, …, added from worst to best; a network trained for each number, as published."""
    alone = _alone(lab)
    order = sorted(lab.cameras, key=lambda name: (mean(alone[name]), name))
    settings = [{"missing": "retrain", "down": _but(lab, order[: n + 1])} for n in range(len(order))]
    rows = []
    for n, reading in enumerate(readings(lab, settings)):
        theirs = published.ADDED[n] if len(order) == len(published.ADDED) else {}
        both = {**reading, "individual": alone[order[n]]}
        names = ("individual", *EXITS, "local_exit")
        rows.append({"cameras": n + 1, "added": order[n], **told(both, names[:4], theirs), **told(both, names[4:])})
    return Result({"fig8": rows}, _about_added(rows))


def _alone(lab: Lab) -> Readings:
    """Each camera's own accuracy in the network of all cameras."""
    found = lab.measure([lab.case(seed) for seed in lab.seeds])
    return {name: column(found, f"accuracy.per_camera.{name}") for name in lab.cameras}


def _but(lab: Lab, kept: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in lab.cameras if name not in kept)


def _about_added(rows: Sequence[Row]) -> list[str]:
    last, single = rows[-1], max(row["individual"] for row in rows)
    steps = [after["overall"] - before["overall"] for before, after in pairwise(rows)]
    said = [
        f"All {len(rows)} cameras together are right in {percent(last['overall'])} of the samples, "
        f"{points(last['overall'] - single)} more than the best camera alone ({percent(single)})."
    ]
    falls = [row["cameras"] for row, step in zip(rows[1:], steps, strict=True) if step <= 0]
    if falls:
        at = " and ".join(map(str, falls))
        said.append(
            "Unlike the published result, overall accuracy does not grow with every camera added: "
            f"not with number {at}."
        )
    else:
        said.append("As published, overall accuracy grows with every camera added.")
    return said


def fig10(lab: Lab) -> Result:
    """No camera failed, then each one: with a network trained without it (as published), and with the same network."""
    keeps: Policy = policy_of(lab)
    plan: list[tuple[str, Policy]] = [("none", keeps)]
    plan += [(name, policy) for name in lab.cameras for policy in ("retrain", keeps)]
    settings: list[dict[str, Any]] = [
        {"missing": policy, "down": () if name == "none" else (name,)} for name, policy in plan
    ]
    rows = []
    for (name, policy), reading in zip(plan, readings(lab, settings), strict=True):
        theirs: Mapping[str, float] = {}
        if policy == "retrain" and len(lab.cameras) == len(published.FAILED):
            theirs = published.FAILED[lab.cameras.index(name)]
        row: Row = {"failed": name, "missing": "all cameras work" if name == "none" else POLICIES[policy]}
        rows.append({**row, **told(reading, EXITS, theirs), **told(reading, ("local_exit",))})
    return Result({"fig10": rows}, _about_failed(rows, keeps))


def _about_failed(rows: Sequence[Row], keeps: Policy) -> list[str]:
    def overall(policy: Policy) -> list[float]:
        return [row["overall"] for row in rows if row["missing"] == POLICIES[policy]]

    whole, same, anew = rows[0]["overall"], overall(keeps), overall("retrain")
    loss = mean(anew) - mean(same)
    worst = min(rows[1:], key=lambda row: (row["missing"] != POLICIES[keeps], row["overall"]))
    said = [
        f"All cameras: {percent(whole)}. One failed, {POLICIES[keeps]}: {percent(mean(same))} on average, "
        f"{percent(min(same))} at worst ({worst['failed']}); {POLICIES['retrain']}, as published: "
        f"{percent(mean(anew))} on average, {percent(min(anew))} at worst.",
    ]
    if loss <= 0.01:
        said.append(
            "The published system retrains a network for every failure; here the same network does as well within "
            f"a point ({points(loss)} {'less' if loss > 0 else 'more'} on average)."
        )
    else:
        said.append(
            f"Without retraining {points(loss)} are lost on average: retraining, as the published system does, pays."
        )
    return said
