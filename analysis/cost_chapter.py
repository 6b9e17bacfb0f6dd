"""The chapter of a run's report on what communication cost: bytes by part, link, node, kind and exit; and money."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from analysis import words
from analysis.drawing import BYTE_NAME
from analysis.figures import traffic
from analysis.figures.accuracy import PER_SAMPLE
from analysis.load import Run, as_number
from analysis.page import Section
from analysis.tables import Table

_SIZES: Final = dict.fromkeys([*traffic.PARTS, "total"], "size")
_COUNTS: Final = dict.fromkeys(("messages", "delivered", "lost", "repeated"), "count")
MONTH_S: Final = 30 * 24 * 3600.0


def section(run: Run) -> Section:
    """What crossed the links, beside Eq. 1 and raw offload, and what it cost by the scenario's tariffs."""
    per = {part: run.number(f"{PER_SAMPLE}.{part}") for part in traffic.PARTS}
    payload, eq1, raw = per["payload"], run.number(f"{PER_SAMPLE}.eq1"), run.number(f"{PER_SAMPLE}.raw")
    everything = sum(value for value in per.values() if math.isfinite(value))
    finding = f"Each camera sent {words.size(payload)} of payload a sample"
    if math.isfinite(eq1) and math.isfinite(payload):
        same = math.isclose(payload, eq1, rel_tol=1e-9)
        finding += ", exactly what Eq. 1 says" if same else f", where Eq. 1 says {words.size(eq1)}"
    if raw > payload > 0:
        finding += f": {words.times(raw / payload)} less than raw offload"
    if raw > everything > 0:
        finding += (
            f". With header, MQTT framing and TCP/IP it is {words.size(everything)}, "
            f"still {words.times(raw / everything)} less than the bare raw image"
        )
    finding += "." + _retransmitted(run)
    drawn = traffic.per_sample(run), traffic.by_link_and_kind(run), traffic.lost(run)
    plots = [plot for plot in drawn if plot is not None]
    tables = [
        _raw_table(per, eq1, raw),
        _split_table("link", traffic.split(run, "by_link")),
        _split_table("node", traffic.by_node(run)),
        _split_table("kind", traffic.split(run, "by_kind")),
        _fate_table(run),
        _money(run),
    ]
    return Section("communication", "Communication cost", finding, plots, tables)


def _retransmitted(run: Run) -> str:
    """What losses made the links carry again; nothing where the folder does not tell."""
    again, total = run.number("bytes.total.retransmitted"), sum(run.numbers("bytes.total").values())
    if not (again > 0 and total > 0):
        return ""
    return f" Transmissions that were repeated after a loss took {words.size(again)}, {words.percent(again / total)}."


def _raw_table(per: Mapping[str, float], eq1: float, raw: float) -> Table:
    def upto(*parts: str) -> float:
        return sum(per[part] for part in parts)

    rows = [
        ("raw offload (the image alone)", raw),
        ("Eq. 1", eq1),
        ("measured payload", upto("payload")),
        ("payload + header", upto("payload", "header")),
        ("payload + header + MQTT framing", upto("payload", "header", "mqtt")),
        ("payload + header + MQTT framing + TCP/IP (estimate)", upto("payload", "header", "mqtt", "tcpip")),
        ("all of it + retransmissions", upto(*traffic.PARTS)),
    ]
    frame = pd.DataFrame([row for row in rows if math.isfinite(row[1])], columns=["counted", "bytes"])
    frame["of_raw"], frame["less"] = frame["bytes"] / raw, raw / frame["bytes"].where(frame["bytes"] > 0)
    return Table(
        "bytes_per_sample", "Bytes per camera and sample, beside raw offload", frame,
        {"bytes": "size", "of_raw": "percent", "less": "times"},
        {"bytes": "per camera and sample", "of_raw": "of raw", "less": "less than raw"},
        "Raw offload is counted without any framing, so the comparison favours it.",
    )  # fmt: skip


def _split_table(what: str, split: pd.DataFrame) -> Table:
    frame = split.dropna(axis="columns", how="all").rename_axis(what).reset_index()
    frame[what] = frame[what].astype(str).str.replace("->", "\u00a0→\u00a0")
    kinds = {name: kind for name, kind in {**_SIZES, **_COUNTS}.items() if name in frame}
    caption = {"link": "Bytes by link", "node": "Bytes by the node that sent them", "kind": "Bytes by kind of message"}
    return Table(f"bytes_by_{what}", caption[what], frame, kinds, dict(BYTE_NAME), aside=True)


def _fate_table(run: Run) -> Table:
    frame = traffic.by_fate(run)
    kinds = {"samples": "count", "messages": "number"} | _SIZES
    caption = "What a sample cost, by where it ended"
    note = "Means a sample, over all its cameras and links."
    kinds = {name: kind for name, kind in kinds.items() if name in frame}
    return Table("bytes_by_exit", caption, frame, kinds, dict(BYTE_NAME), note, aside=True)


def _money(run: Run) -> Table:
    """What the run cost by the scenario's tariffs, item by item; empty where there are none."""
    tariffs: Mapping[str, Any] = run.scenario.get("tariffs") or {}
    nodes = run.nodes
    cloud = nodes.role == "cloud"
    months = (~cloud).sum() * run.number("virtual_s") / MONTH_S
    items = [
        ("traffic", "per_mb", "MB sent", nodes.bytes_up.sum() / 1e6),
        ("energy", "per_joule", "J", nodes.energy_j.sum()),
        ("cloud", "per_cloud_second", "s of computing", nodes.busy_s[cloud].sum()),
        ("devices", "per_device_month", "device months", months),
    ]
    rows = [(item, float(amount), unit, as_number(tariffs.get(name))) for item, name, unit, amount in items]
    frame = pd.DataFrame([row for row in rows if row[3] > 0], columns=["item", "amount", "unit", "price"])
    frame["cost"] = frame.amount * frame.price
    if len(frame):
        frame = pd.concat([frame, pd.DataFrame([{"item": "in all", "unit": "", "cost": frame.cost.sum()}])])
    return Table(
        "money", "Money, by the scenario's tariffs", frame, dict.fromkeys(("amount", "price", "cost"), "number"),
        {"price": "price of one"},
    )  # fmt: skip
