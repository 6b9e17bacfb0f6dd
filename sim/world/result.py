"""From the outcome of a run to `summary.json` and `nodes.parquet`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from brokers.api import Counters
from sim.ddnn import Inference
from sim.ledger import columns
from sim.meter import battery_life_s, energy_j
from sim.nodes.node import Node
from sim.world import curve, summary, under_fault
from sim.world.chargeback import bills, node_costs
from sim.world.fleet import site_name
from sim.world.play import Outcome
from sim.world.prepare import Prepared
from sim.world.tenancy import REFUSED

_NODES = pa.schema(
    [
        ("site", pa.string()),
        ("node", pa.string()),
        ("role", pa.string()),
        ("profile", pa.string()),
        ("captured", pa.int64()),
        ("sent", pa.int64()),
        ("received", pa.int64()),
        ("bytes_up", pa.int64()),
        ("bytes_down", pa.int64()),
        ("energy_j", pa.float64()),
        ("busy_s", pa.float64()),
        ("mean_w", pa.float64()),
        ("battery_life_s", pa.float64()),
        ("cost", pa.float64()),
    ]
)


def site_names(prepared: Prepared) -> list[str]:
    """Names of all sites, by number."""
    return [site_name(site) for site in range(prepared.scenario.sites)]


def broker_bytes(outcome: Outcome, counters: Counters) -> dict[str, int]:
    """MQTT bytes on both legs: by the model's closed forms, and as the client sockets carried them."""
    tally = outcome.log.tally()
    published = sum(node.sent_bytes for node in outcome.fleet.nodes)
    never_sent = outcome.log.tally(fate=f"lost:{REFUSED}").header
    delivered = tally.payload + tally.header - never_sent + outcome.overheard_bytes
    return {
        "modelled": published + delivered + tally.mqtt,
        "counted": counters.data_bytes_written + counters.data_bytes_read,
    }


def energy(prepared: Prepared, node: Node, virtual_s: float) -> float:
    """Joules that a node used; none if it was down all the time."""
    if node.name in prepared.scenario.down:
        return 0.0
    config = next(i.config for i in prepared.plan.nodes if i.group == node.group)
    per_byte = prepared.scenario.joules_per_byte(config)
    return energy_j(node.profile, node.busy_s, virtual_s, node.bytes_up, per_byte)


def cost(prepared: Prepared, node: Node, joules: float, virtual_s: float) -> float:
    """What a node costs by the scenario's tariffs."""
    return sum(node_costs(prepared.scenario.tariffs, node, joules, virtual_s).values())


def tenants(prepared: Prepared, outcome: Outcome) -> dict[str, dict[str, Any]]:
    """The bill of each tenant and of the operator; nothing where there are no tenants."""
    if outcome.tenancy is None:
        return {}
    virtual_s = outcome.virtual_s
    nodes = ((node, energy(prepared, node, virtual_s)) for node in outcome.fleet.nodes)
    return bills(outcome.tenancy, prepared.scenario.tariffs, nodes, virtual_s)


def node_rows(prepared: Prepared, outcome: Outcome) -> list[dict[str, Any]]:
    """One row a node, in the order of the fleet."""
    rows = []
    configs = {node.group: node.config for node in prepared.plan.nodes}
    duration_s = outcome.virtual_s
    for node in outcome.fleet.nodes:
        joules, config = energy(prepared, node, duration_s), configs[node.group]
        rows.append(
            {
                "site": site_name(node.site) if node.site >= 0 else "cloud",
                "node": node.name,
                "role": node.role,
                "profile": config.profile,
                "captured": node.captured,
                "sent": node.sent,
                "received": node.received,
                "bytes_up": node.bytes_up,
                "bytes_down": node.bytes_down,
                "energy_j": joules,
                "busy_s": node.busy_s,
                "mean_w": joules / duration_s if duration_s > 0 else 0.0,
                "battery_life_s": battery_life_s(config.battery_j, joules, duration_s),
                "cost": cost(prepared, node, joules, duration_s),
            }
        )
    return rows


def write_nodes(prepared: Prepared, outcome: Outcome, path: Path) -> None:
    """Writes `nodes.parquet`."""
    table = columns.table(node_rows(prepared, outcome), _NODES)
    pq.write_table(table, path, compression="zstd", store_schema=False)


def summarise(prepared: Prepared, inference: Inference, outcome: Outcome, mode: str) -> dict[str, Any]:
    """Everything in `summary.json` but the expectations; nothing in it depends on wall time."""
    scenario, table = prepared.scenario, curve.table(prepared, inference)
    return {
        "schema": 1,
        "scenario": scenario.name,
        "seed": scenario.seed,
        "status": "interrupted" if outcome.interrupted else "complete",
        **figures(prepared, inference, outcome, curve.per_camera(prepared, table)),
        "curve": curve.threshold_curve(prepared, table),
        "checks": {"fates": True, "conservation": True},
        "mode": mode,
        "topology": _topology(prepared, inference),
        "network": _network(prepared),
        "data": {
            "name": prepared.dataset.name,
            "samples": len(prepared.dataset.labels),
            "test": len(prepared.dataset.test),
            "classes": list(prepared.dataset.classes),
            "sha256": prepared.dataset.sha256,
        },
    }


def figures(
    prepared: Prepared, inference: Inference, outcome: Outcome, per_camera: Mapping[str, float | None]
) -> dict[str, Any]:
    """What was measured in a run: samples, accuracy, bytes, latency, losses, energy and money."""
    scenario, plan = prepared.scenario, prepared.plan
    numbered = outcome.book.entries()
    entries = [entry for _, _, entry in numbered]
    raw_bytes = int(np.prod(prepared.dataset.images.shape[2:]))
    equation = summary.equation_1(
        plan,
        outcome.fleet.nodes,
        score_bytes=inference.score_bytes,
        feature_bytes=inference.feature_bytes,
        raw_bytes=raw_bytes,
        classes=len(prepared.dataset.classes),
    )
    rows = node_rows(prepared, outcome)
    return {
        **summary.samples(entries),
        "accuracy": summary.accuracy(entries, per_camera),
        "exits": summary.exits(entries),
        "thresholds": scenario.exits.thresholds(),
        **summary.policies(scenario.policies, entries),
        **outcome.steering.summary(outcome.virtual_s),
        **({"tenants": tenants(prepared, outcome)} if outcome.tenancy is not None else {}),
        "bytes": summary.traffic(outcome.log, plan, equation, raw_bytes, len(entries) * len(plan.cameras)),
        "eq1": equation,
        "latency_s": summary.latency(entries),
        "lost": summary.losses(outcome.log),
        **({"faults": under_fault.figures(outcome.faults, numbered)} if scenario.faults or outcome.faults.rows else {}),
        "divergences": outcome.divergences,
        "unasked": outcome.unasked,
        "energy_j": sum(row["energy_j"] for row in rows),
        "energy": summary.energy(rows, entries),
        "cost": sum(row["cost"] for row in rows),
        "virtual_s": outcome.virtual_s,
    }


def _topology(prepared: Prepared, inference: Inference) -> dict[str, Any]:
    """Nodes and links of one site; `compute_s` is what each section of the network takes on a node's processor."""
    plan, scenario = prepared.plan, prepared.scenario
    pairs = {(node.group, scenario.nodes[node.group].uplink) for node in plan.nodes if node.role != "cloud"}  # type: ignore[union-attr]
    links = []
    for src, dst in sorted(pairs):
        link = scenario.link_for(src, dst)
        links.append(
            {
                "src": src,
                "dst": dst,
                "bandwidth_bps": link.bandwidth_bps,
                "latency_s": link.latency_s,
                "jitter_s": link.jitter_s,
                "loss": link.loss,
            }
        )
    nodes = []
    for node in plan.nodes:
        speed = scenario.profile_of(node.config).flops_per_second
        nodes.append(
            {
                "name": node.name,
                "role": node.role,
                "profile": node.config.profile,
                "uplink": node.uplink,
                "compute_s": {section: flops / speed for section, flops in inference.flops.items()},
            }
        )
    return {"sites": scenario.sites, "nodes": nodes, "links": links}


def _network(prepared: Prepared) -> dict[str, Any]:
    model = prepared.scenario.model
    return {
        "device": model.device.model_dump(),
        "edge": model.edge.model_dump() if model.edge else None,
        "cloud": model.cloud.model_dump(),
        "aggregate": model.aggregate.model_dump(),
        "missing": model.missing,
        "recipe": model.training.recipe,
        "train_seed": prepared.plan.training().seed,
        "weights_sha256": prepared.network.sha256,
    }
