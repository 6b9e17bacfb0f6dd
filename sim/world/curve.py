"""What the same network would do at other thresholds, and what each camera would say alone; no faults, no links."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from sim.ddnn import EXITS, Exit, Inference, Table
from sim.world.prepare import Prepared

STEPS: Final = 20


def per_camera(prepared: Prepared, table: Table) -> dict[str, float | None]:
    """Accuracy of each camera's own scores over all samples; a view without the object counts like any other."""
    names = [camera.name for camera in prepared.plan.cameras]
    if table.camera_predicted is None:
        return dict.fromkeys(names)
    right = (table.camera_predicted == table.labels[:, None]).mean(axis=0)
    return dict(zip(names, right.tolist(), strict=True))


def threshold_curve(prepared: Prepared, table: Table) -> list[dict[str, Any]]:
    """Accuracy and bytes over the threshold of the first exit, 0 to 1 in 21 steps; the other exits as they are."""
    thresholds = _thresholds(prepared)
    if not thresholds:
        return []
    first = next(iter(thresholds))
    alone = table.decide({first: np.inf}).accuracy
    cloud = (table.cloud_predicted == table.labels).mean()
    rows = []
    for step in range(STEPS + 1):
        thresholds[first] = step / STEPS
        decided = table.decide(thresholds)
        rows.append(
            {
                "threshold": step / STEPS,
                "local_share": float(decided.share(first)),
                "accuracy": float(decided.accuracy),
                "local_accuracy": float(alone),
                "cloud_accuracy": float(cloud),
                "payload_bytes": float(table.payload_bytes(decided)),
            }
        )
    return rows


def _thresholds(prepared: Prepared) -> dict[Exit, float]:
    given = prepared.scenario.exits.thresholds()
    return {name: given[name] for name in EXITS if name in given}


def table(prepared: Prepared, inference: Inference) -> Table:
    """Every exit's decision on the test pictures that a run shows."""
    test = prepared.dataset.test
    return inference.table(test[: min(len(test), prepared.samples * prepared.scenario.sites)])


def exit_accuracies(prepared: Prepared) -> dict[str, float]:
    """Accuracy of each exit on all test samples, and of all exits together at the scenario's thresholds."""
    inference = prepared.network.inference(prepared.dataset)
    decisions = inference.table(prepared.dataset.test)
    thresholds = _thresholds(prepared)
    found = {str(name): float(decisions.decide({name: np.inf}).accuracy) for name in thresholds}
    found["cloud"] = float((decisions.cloud_predicted == decisions.labels).mean())
    return {**found, "overall": float(decisions.decide(thresholds).accuracy)}
