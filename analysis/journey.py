"""Where the time of a verdict goes: its critical path, walked backwards through the ledger.

A verdict is made when the last thing it needed had come. From there the walk goes to the message that came last, to the
node that sent it, to the message that made that node send, and so on to the capture. What lies between two messages is
computing or waiting; what a message itself took is queueing or transmission.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.load import Run, dig

PARTS: Final[Mapping[str, str]] = {
    "capture": "until a camera took the picture up",
    "compute": "sections of the network on processors",
    "queue": "messages behind others on their link",
    "transmit": "messages on their way, repetitions included",
    "wait": "nodes waiting for others, or for a busy processor",
}
CARRIERS: Final = ("scores", "request", "features", "raw")
MOST_HOPS: Final = 12
Spent = dict[str, npt.NDArray[np.float64]]
_KEYS: Final = ["site", "sample", "node"]


def parts(run: Run) -> pd.DataFrame:
    """One row a decided sample: `site`, `sample`, `exit`, and seconds in each of `PARTS`, which add up to its latency.

    Empty where the folder does not tell how long sections compute or how long messages queued (older versions).
    """
    nodes = _nodes(run)
    messages = _messages(run)
    decided = run.decisions.dropna(subset=["captured_s", "decided_s", "exit"])
    if nodes.empty or messages is None or decided.empty:
        return pd.DataFrame()
    found = decided[["site", "sample", "exit", "captured_s", "decided_s", "devices_used"]].reset_index(drop=True)
    spent = {part: np.zeros(len(found)) for part in PARTS}
    at = found[["site", "sample"]].assign(
        row=found.index, at_s=found.decided_s, doing=found.exit, node=_deciders(run, found, nodes)
    )
    for _ in range(MOST_HOPS):
        steps = _came(at, messages)
        last = steps.arrived_s.isna().to_numpy()
        _begin(spent, at[last], found, nodes)
        steps = steps[~last]
        if steps.empty:
            break
        _account(spent, steps, found, nodes)
        at = steps[["site", "sample", "row"]].assign(at_s=steps.sent_s, doing=steps.kind, node=steps.src)
        at = at.reset_index(drop=True)
    return found[["site", "sample", "exit"]].assign(**spent)


def _nodes(run: Run) -> pd.DataFrame:
    """Role and seconds of each section, by the name of the node."""
    rows = [
        {"node": str(node.get("name")), "role": node.get("role"), **node["compute_s"]}
        for node in dig(run.summary, "topology.nodes", [])
        if isinstance(node.get("compute_s"), Mapping)
    ]
    return pd.DataFrame(rows).set_index("node") if rows else pd.DataFrame()


def _messages(run: Run) -> pd.DataFrame | None:
    """The arrivals that lead to verdicts, by time; None where it is not known how long they queued."""
    frame = run.messages
    frame = frame[frame.kind.isin(CARRIERS)].dropna(subset=["sent_s", "arrived_s", "sample", "queued_s"])
    if len(run.messages) and run.messages.queued_s.isna().all():
        return None
    frame = frame[["site", "sample", "src", "dst", "kind", "sent_s", "arrived_s", "queued_s"]]
    return frame.rename(columns={"dst": "node"}).sort_values("arrived_s", kind="stable", ignore_index=True)


def _deciders(run: Run, found: pd.DataFrame, nodes: pd.DataFrame) -> pd.Series[Any]:
    """The node that decided each sample: the one that announced it then, else the only one that can have."""
    told = run.messages[run.messages.kind == "exit"][["site", "sample", "src", "sent_s"]]
    told = told.drop_duplicates(["site", "sample", "sent_s"])
    announced = found.merge(
        told, left_on=["site", "sample", "decided_s"], right_on=["site", "sample", "sent_s"], how="left"
    )
    only = {str(role): str(part.index[0]) for role, part in nodes.groupby("role") if len(part) == 1}
    role = found.exit.map({"local": "gateway", "edge": "gateway", "cloud": "cloud"})
    return announced.src.astype(object).fillna(role.map(only).astype(object))


def _came(at: pd.DataFrame, messages: pd.DataFrame) -> pd.DataFrame:
    """For each place and time the message of that sample that came there last."""
    ordered = at.assign(order=np.arange(len(at))).sort_values("at_s", kind="stable")
    for key in _KEYS:
        kind = messages[key].dtype
        ordered[key] = ordered[key].astype(kind)
    came = pd.merge_asof(ordered, messages, left_on="at_s", right_on="arrived_s", by=_KEYS)
    return came.sort_values("order", ignore_index=True)


def _account(spent: Spent, steps: pd.DataFrame, found: pd.DataFrame, nodes: pd.DataFrame) -> None:
    """Adds one hop of every sample: the time at the node after the message, and the message itself."""
    gap = (steps.at_s - steps.arrived_s).to_numpy(float)
    compute = np.minimum(gap, _computes(steps, found, nodes))
    transit = (steps.arrived_s - steps.sent_s).to_numpy(float)
    queue = np.minimum(steps.queued_s.to_numpy(float), transit)
    took = {"compute": compute, "wait": gap - compute, "queue": queue, "transmit": transit - queue}
    for part, seconds in took.items():
        np.add.at(spent[part], steps.row.to_numpy(), seconds)


def _computes(steps: pd.DataFrame, found: pd.DataFrame, nodes: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Seconds that a node needed between a message and what it did next: nothing to relay or to answer."""
    at = nodes.reindex(steps.node.astype(str)).reset_index(drop=True)
    seconds = np.zeros(len(steps))
    doing, kind = steps.doing.to_numpy(str), steps.kind.to_numpy(str)
    gateway, scored = (at.role == "gateway").to_numpy(), kind == "scores"
    edge = gateway & ~scored & np.isin(doing, ["edge", "features"])
    works = {"local": gateway & scored & np.isin(doing, ["local", "request"]), "edge": edge, "cloud": doing == "cloud"}
    for section, where in works.items():
        if section in at:
            seconds[where] += at[section].to_numpy(float)[where]
    raw = (kind == "raw") & (works["edge"] | works["cloud"])
    images = found.devices_used.astype("float64").to_numpy()[steps.row.to_numpy()]
    seconds[raw] += (images * at.device.to_numpy(float))[raw]
    return np.nan_to_num(seconds)


def _begin(spent: Spent, ends: pd.DataFrame, found: pd.DataFrame, nodes: pd.DataFrame) -> None:
    """What is left at the beginning of each path: the camera's own section, and what came before it."""
    row = ends.row.to_numpy(int)
    left = np.maximum(0.0, ends.at_s.to_numpy(float) - found.captured_s.to_numpy(float)[row])
    cameras = nodes[nodes.role == "camera"].device
    device = ends.node.map(cameras).astype("float64").fillna(cameras.min()).to_numpy()
    doing = ends.doing.to_numpy(str)
    compute = np.where(np.isin(doing, ["scores", "features", "device"]), np.minimum(left, device), 0.0)
    starts = np.isin(doing, ["scores", "features", "device", "raw"])
    for part, seconds in (
        ("compute", compute),
        ("capture", np.where(starts, left - compute, 0.0)),
        ("wait", np.where(starts, 0.0, left)),
    ):
        np.add.at(spent[part], row, seconds)
