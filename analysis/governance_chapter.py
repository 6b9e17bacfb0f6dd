"""The chapters on what a fleet did about itself, how its nodes fared, and who pays for it."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from analysis import words
from analysis.figures import events
from analysis.load import Run, dig
from analysis.page import Section
from analysis.tables import Table

OPERATOR = "(operator)"


def section(run: Run) -> Section:
    """Moves of roles, new thresholds, states of nodes."""
    acted = events.acted(run)
    moved, tuned = run.number("failovers.moved"), run.number("retunes.count")
    told = []
    if moved > 0:
        took = run.number("failovers.took_s")
        longest = f"; the longest took {words.seconds(took)} from the failure to the last camera" if took > 0 else ""
        told.append(f"Gateways were taken over {words.count(moved)} times by another one{longest}")
    if tuned > 0:
        told.append(f"thresholds were moved {words.count(tuned)} times")
    shares = run.numbers("lifecycle")
    if shares.get("active", 1.0) < 1.0:
        told.append(f"nodes were active {words.percent(shares['active'])} of the time")
    tables = [
        Table(
            "orchestration", "Everything that the fleet did about itself", acted, {"at_s": "seconds"}, {"at_s": "at"}
        ),
        Table(
            "states", "Changes of state of the nodes", _changes(run), {"at_s": "seconds"}, {"at_s": "at"}, aside=True
        ),
    ]
    finding = _sentence("; ".join(told)) if told else "The fleet left itself as it was."
    plot = events.orchestration(run)
    return Section("orchestration", "Re-orchestration", finding, [plot] if plot else [], tables)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _changes(run: Run) -> pd.DataFrame:
    """The states between a node's birth and its end."""
    rows = run.events[run.events.event == "lifecycle"]
    ordinary = rows.was.isin(["registered", "provisioned", "deployed"]) | rows.reason.eq("end of the run")
    return rows[~ordinary][["at_s", "site", "node", "was", "becomes", "reason"]].reset_index(drop=True)


def tenants(run: Run) -> Section:
    """The charge-back table."""
    found = dig(run.summary, "tenants", {})
    bills = {str(name): dict(bill) for name, bill in found.items() if isinstance(bill, Mapping)}
    frame = pd.DataFrame([{"tenant": name, **bill} for name, bill in bills.items()])
    kinds = {
        **dict.fromkeys(("bytes_up", "stored_bytes"), "size"),
        **dict.fromkeys(("busy_s", "cloud_s"), "seconds"),
        **dict.fromkeys(("devices", "captured", "refused_bandwidth", "refused_compute", "refused_storage"), "count"),
        **dict.fromkeys(("energy_j", "device_months", "cost"), "number"),
        **dict.fromkeys(("traffic_cost", "energy_cost", "cloud_cost", "device_cost"), "number"),
    }
    heads = {
        "bytes_up": "sent", "stored_bytes": "stored", "energy_j": "energy (J)", "busy_s": "devices computed",
        "cloud_s": "cloud computed", "device_months": "device-months", "refused_bandwidth": "refused: bandwidth",
        "refused_compute": "refused: compute", "refused_storage": "refused: storage", "traffic_cost": "for traffic",
        "energy_cost": "for energy", "cloud_cost": "for the cloud", "device_cost": "for devices",
    }  # fmt: skip
    refused = sum(
        bill.get(f"refused_{what}", 0) for bill in bills.values() for what in ("bandwidth", "compute", "storage")
    )
    total = sum(bill.get("cost", 0.0) for bill in bills.values())
    payers = len(bills) - (OPERATOR in bills)
    finding = f"Tenants: {words.count(payers)}. The fleet costs {words.number(total)} in all"
    finding += f"; {words.count(refused)} messages were refused beyond their quotas." if refused else "."
    table = Table(
        "tenants", "Charge-back: what each tenant used, and what it pays", frame,
        {name: kind for name, kind in kinds.items() if name in frame}, heads,
        "By the scenario's tariffs. What is nobody's, and what of the cloud nobody used, is the operator's.",
    )  # fmt: skip
    return Section("tenants", "Tenants", finding, [], [table])
