"""One run without a run folder: the figures alone, for sweeps. The simulation is the same to the last event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from brokers.choose import open_carrier
from sim.ddnn import Inference
from sim.errors import SetupError
from sim.world import expect, result
from sim.world.play import play
from sim.world.prepare import Prepared
from sim.world.run import Mode
from sim.world.wiring import is_plain

RUN: Final = "rehearse"
"""The run's token in its topics: as long as any other, because topics count as bytes."""


def rehearse(
    prepared: Prepared,
    inference: Inference,
    per_camera: Mapping[str, float | None],
    *,
    mode: Mode = "virtual",
    broker: str = "auto",
) -> dict[str, Any]:
    """The measured part of a run's summary.

    Args:
        prepared: scenario, data, network.
        inference: the network's answers; what it remembers is shared by all runs that are given it.
        per_camera: accuracy of each camera alone, see `sim.world.curve`.
        mode, broker: as for `simulate`.

    Raises:
        SetupError: the broker diverged from the model.
        FogFleetError, brokers.api.BrokerError: as `simulate`.
    """
    scenario = prepared.scenario
    if mode == "virtual" and is_plain(scenario):
        outcome = play(prepared, inference, None, None, RUN)
    else:
        choice, mqtt = "memory" if mode == "virtual" else broker, scenario.mqtt
        with open_carrier(choice, version=mqtt.version, durable=mqtt.durable) as carrier:
            outcome = play(prepared, inference, carrier, None, RUN)
    if outcome.divergences or outcome.unasked:
        raise SetupError(
            f"{outcome.divergences} messages that the broker did not bring, {outcome.unasked} that nobody asked for"
        )
    figures = result.figures(prepared, inference, outcome, per_camera)
    return {**figures, "expect": expect.check(scenario.expect, figures)}
