"""The charge-back table: what each tenant used of a run, and what it pays by the scenario's tariffs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from sim.nodes.node import Node
from sim.scenario import Tariffs
from sim.world.tenancy import OPERATOR, REFUSED, Tenancy

MONTH_S: Final = 30 * 24 * 3600.0
_COUNTED: Final = ("devices", "captured", "bytes_up")
_MEASURED: Final = ("energy_j", "busy_s", "cloud_s", "device_months")
_COSTS: Final = ("traffic_cost", "energy_cost", "cloud_cost", "device_cost")
_REFUSED: Final = {"refused_bandwidth": REFUSED, "refused_compute": "quota-compute", "refused_storage": "quota-storage"}


def node_costs(tariffs: Tariffs, node: Node, joules: float, virtual_s: float) -> dict[str, float]:
    """What a node costs, by what for."""
    cloud = node.role == "cloud"
    return {
        "traffic_cost": tariffs.per_mb * node.bytes_up / 1e6,
        "energy_cost": tariffs.per_joule * joules,
        "cloud_cost": tariffs.per_cloud_second * (node.busy_s if cloud else 0.0),
        "device_cost": tariffs.per_device_month * (0.0 if cloud else virtual_s / MONTH_S),
    }


def bills(
    tenancy: Tenancy, tariffs: Tariffs, nodes: Iterable[tuple[Node, float]], virtual_s: float
) -> dict[str, dict[str, Any]]:
    """One bill a tenant, and the operator's; their sum is what the fleet costs.

    Args:
        tenancy: the meters of the run.
        tariffs: prices.
        nodes: each with the joules that it used.
        virtual_s: how long the run took.
    """
    found = {name: dict.fromkeys((*_COUNTED, *_MEASURED, *_COSTS), 0.0) for name in (*tenancy.meters, OPERATOR)}
    for node, joules in nodes:
        meter = tenancy.of(node.site, node.group)
        sums = found[OPERATOR if meter is None else meter.name]
        device = node.role != "cloud"
        used = {
            "devices": float(device),
            "captured": node.captured,
            "bytes_up": node.bytes_up,
            "energy_j": joules,
            "busy_s": node.busy_s if device else 0.0,
            "cloud_s": 0.0 if device else node.busy_s,
            "device_months": virtual_s / MONTH_S if device else 0.0,
        }
        for name, value in {**used, **node_costs(tariffs, node, joules, virtual_s)}.items():
            sums[name] += value
    for name, seconds in tenancy.cloud_s.items():  # from the operator, who has the cloud, to whom it computed for
        for payer, share_s in ((name, seconds), (OPERATOR, -seconds)):
            found[payer]["cloud_s"] += share_s
            found[payer]["cloud_cost"] += share_s * tariffs.per_cloud_second
    return {name: _bill(tenancy, name, sums) for name, sums in found.items()}


def _bill(tenancy: Tenancy, name: str, sums: dict[str, float]) -> dict[str, Any]:
    meter = tenancy.meters.get(name)
    return {
        **{key: int(sums[key]) for key in _COUNTED},
        "stored_bytes": 0 if meter is None else meter.stored_bytes,
        **{key: sums[key] for key in _MEASURED},
        **{key: 0 if meter is None else meter.refused[reason] for key, reason in _REFUSED.items()},
        **{key: sums[key] for key in _COSTS},
        "cost": sum(sums[key] for key in _COSTS),
    }


def write(found: dict[str, dict[str, Any]], path: Path) -> None:
    """Writes `tenants.parquet`, one row a tenant."""
    table = pa.Table.from_pylist([{"tenant": name, **bill} for name, bill in found.items()])
    pq.write_table(table, path, compression="zstd", store_schema=False)
