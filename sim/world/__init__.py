"""Builds and runs one world: scenario, network, broker, clock. `load`, `prepare` and `simulate` are the door."""

from sim.world.accounts import accounts
from sim.world.curve import exit_accuracies
from sim.world.prepare import Prepared, build, json_schema, load, prepare
from sim.world.rehearse import rehearse
from sim.world.run import Mode, RunResult, simulate
from sim.world.telemetry import Decision, FaultView, FlowView, NodeView, Snapshot, Telemetry

__all__ = [
    "Decision",
    "FaultView",
    "FlowView",
    "Mode",
    "NodeView",
    "Prepared",
    "RunResult",
    "Snapshot",
    "Telemetry",
    "accounts",
    "build",
    "exit_accuracies",
    "json_schema",
    "load",
    "prepare",
    "rehearse",
    "simulate",
]
