"""Looks at a run that another process serves."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from sim.errors import SetupError, UsageError
from sim.world.telemetry import Decision, FaultView, FlowView, NodeView, Snapshot

EVERY_S: Final = 0.5
PATIENCE_S: Final = 10.0


def snapshots(url: str) -> Iterator[Snapshot]:
    """The snapshots of the run behind the address that `fogfleet serve` printed, until it is over.

    Raises:
        UsageError: the token in the address is missing or wrong.
        SetupError: nobody answers there.
    """
    parts = urlsplit(url)
    token = parse_qs(parts.query).get("token", [""])[0]
    request = urllib.request.Request(f"{parts.scheme}://{parts.netloc}/api/snapshot")
    request.add_header("X-FogFleet-Token", token)
    serial = 0
    while True:
        found = _ask(request)
        if found is not None and found["serial"] > serial:
            serial = found["serial"]
            yield snapshot(found)
            if found["status"] not in ("preparing", "running"):
                return
        time.sleep(EVERY_S)


def snapshot(row: dict[str, Any]) -> Snapshot:
    """A snapshot from what its `as_dict` gave."""
    plain = {key: value for key, value in row.items() if key not in ("accuracy", "nodes", "flows", "faults", "recent")}
    return Snapshot(
        **plain,
        nodes=tuple(NodeView(**{**node, "faults": tuple(node["faults"])}) for node in row["nodes"]),
        flows=tuple(FlowView(**flow) for flow in row["flows"]),
        faults=tuple(FaultView(**fault) for fault in row["faults"]),
        recent=tuple(Decision(**{key: value for key, value in one.items() if key != "right"}) for one in row["recent"]),
    )


def _ask(request: urllib.request.Request) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            found: dict[str, Any] | None = json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 401:
            raise UsageError("the token is missing or wrong; copy the whole address that `serve` printed") from None
        raise SetupError(f"{request.full_url} answers {error.code} {error.reason}") from None
    except (OSError, ValueError) as error:
        raise SetupError(f"nothing to watch at {request.full_url}: {error}; is `fogfleet serve` running?") from None
    return found
